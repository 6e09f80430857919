"""All nights of a folder: what the prepare scripts share, from what is asked for to the closing table."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import engine
from command import InputError, log
from data import Night, load_night, save_night
from engine.rooms import Workers
from engine.watched import Place
from files.folders import writable_folder
from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE
from recordings.fingerprints import Fingerprints
from recordings.preparation import RawNight, ReadHypnogram, Rules, hash_of, prepare_night
from sleepstage import STAGE_NAMES, STAGES

# ---- all nights of a folder ----


@dataclass(frozen=True)
class PrepareOptions:
    """What is asked for, whatever the data set.

    Attributes:
        output_dir: gets the prepared nights.
        workers: where nights are prepared.
        select_ch: the channel; "" where each night has its own.
        max_mismatch: epochs by which signal and hypnogram may differ.
        trim_first: trim W before dropping epochs without a stage.
        overwrite: prepare nights again that are there.
        unit: of signals whose own unit is not known; "" for none.
    """

    output_dir: Path
    workers: Workers
    select_ch: str = ""
    max_mismatch: int = 0
    trim_first: bool = False
    overwrite: bool = False
    unit: str = ""

    def rules(self, **more: Any) -> Rules:
        """Return the rules for every night, with what is peculiar to a data set."""
        return Rules(self.select_ch, self.max_mismatch, self.trim_first, unit=self.unit, **more)


@dataclass(frozen=True)
class Outcome:
    """What became of one night.

    Attributes:
        name: the night.
        status: one of PREPARED, THERE, FAILED.
        counts: epochs of each stage, in the order of `sleepstage.STAGES`.
        source: what the prepared night says about where it comes from.
        notices: what the user should know; for a failed night, why.
    """

    name: str
    status: str
    counts: tuple[int, ...] = (0,) * len(STAGES)
    source: Mapping[str, str | int | float] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


PREPARED, THERE, FAILED = "prepared", "already there", "failed"


def prepare_file(
    raw: RawNight, rules: Rules, read_hypnogram: ReadHypnogram, output_dir: Path, overwrite: bool
) -> Outcome:
    """Prepare one night into `output_dir`, unless it is there with the same settings. A user's error is an outcome."""
    path, rules = output_dir / f"{raw.name}.npz", rules.of_night(raw)
    notices: tuple[str, ...] = ()
    try:
        if path.exists() and not overwrite:
            before = night_before(path)
            differences = differing_settings(before, raw, rules)
            if before and not differences:
                changed = tuple(changed_inputs(before, raw))
                return Outcome(raw.name, THERE, count_stages(before.y), before.source, changed)
            notices = (f"prepared before {differences}; preparing it again",)
        prepared = prepare_night(raw, rules, read_hypnogram)
        save_night(path, prepared.night)
    except InputError as error:
        return Outcome(raw.name, FAILED, notices=(str(error),))
    night = prepared.night
    return Outcome(raw.name, PREPARED, count_stages(night.y), night.source, notices + prepared.notices)


def night_before(path: Path) -> Night | None:
    try:
        return load_night(path, EPOCH_SAMPLES, TARGET_RATE)
    except InputError:
        return None


def differing_settings(before: Night | None, raw: RawNight, rules: Rules) -> str:
    """Say how a night that is there differs from the one that is asked for; nothing when it does not."""
    if before is None:
        return "by something else or cut short"
    signal_path, hypnogram_path = raw.pair()
    wanted: dict[str, str | int | float] = {"signal_file": signal_path.name, "hypnogram_file": hypnogram_path.name}
    wanted |= {**raw.versioned(), **rules.settings()}
    return ", ".join(
        f"with {name} {before.source.get(name, 'unknown')} instead of {value}"
        for name, value in wanted.items()
        if before.source.get(name) != value
    )


def changed_inputs(before: Night, raw: RawNight) -> Iterator[str]:
    """Yield which file is not the one any more that a night was prepared from; a night of old does not say."""
    for what, path in zip(("recording", "hypnogram"), raw.pair(), strict=True):
        names, known = (str(before.source.get(f"{what}_{name}", "")) for name in ("files", "sha256"))
        if known and hash_of(path, names) != known:
            yield (
                f"the {what} {path.name} is not what this night was prepared from any more, and the night stays as it "
                "was: prepare it from the new one with --overwrite"
            )


def count_stages(y: NDArray[np.int32]) -> tuple[int, ...]:
    return tuple(int(count) for count in np.bincount(y, minlength=len(STAGES)))


def prepare_all(
    nights: Sequence[RawNight],
    rules: Rules,
    read_hypnogram: ReadHypnogram,
    options: PrepareOptions,
    missing: Sequence[Outcome] = (),
) -> list[Outcome]:
    """Prepare every night, as many at a time as `options` say, and report each as it is done and all at the end.

    Args:
        nights: what to prepare.
        rules: the user's choices.
        read_hypnogram: reads one hypnogram of this data set.
        options: where to, and how many at a time.
        missing: failures from before, to be listed with the others.

    Raises:
        InputError: the output folder cannot be written to.
    """
    output_dir = writable_folder(options.output_dir)
    work = functools.partial(
        prepare_file, rules=rules, read_hypnogram=read_hypnogram, output_dir=output_dir, overwrite=options.overwrite
    )
    with closing(at_once(work, nights, options.workers)) as done:  # at once, when it is interrupted
        outcomes = [*missing, *report_each(done, len(nights))]
    report_all(outcomes, output_dir)
    return outcomes


def at_once(
    work: Callable[[RawNight], Outcome], nights: Sequence[RawNight], workers: Workers
) -> Generator[Outcome, None, None]:
    """Yield the outcome of each night in order; a night whose workers died has failed."""
    with closing(engine.run(functools.partial(prepared_at, work=work), nights, workers.of(len(nights)))) as done:
        for one in engine.in_order(done):
            yield one.result or Outcome(one.item.name, FAILED, notices=(one.died,))


def prepared_at(raw: RawNight, place: Place, work: Callable[[RawNight], Outcome]) -> Outcome:
    """Prepare a night in a worker, which needs nothing of what it may use there."""
    return work(raw)


def report_each(outcomes: Iterable[Outcome], n_nights: int) -> list[Outcome]:
    """Show a progress bar on a terminal, and a line a night elsewhere; what the user should know shows on both."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    done = []
    with logging_redirect_tqdm([log]), tqdm(outcomes, total=n_nights, unit="night", disable=None) as bar:
        for outcome in bar:
            done.append(outcome)
            if bar.disable or outcome.notices or outcome.source.get("hypnogram_delay"):
                log.info("%s", outcome_line(outcome))
            for notice in outcome.notices:
                log.info("    %s", notice)
    return done


def outcome_line(outcome: Outcome) -> str:
    """Return what became of a night as one line."""
    if outcome.status == FAILED:
        return f"{outcome.name}: failed"
    stages = ", ".join(f"{name} {count}" for name, count in zip(STAGE_NAMES, outcome.counts, strict=True))
    source = outcome.source
    return (
        f"{outcome.name}: {outcome.status}, {sum(outcome.counts)} epochs ({stages}); "
        f"signal {source['signal_epochs']} epochs at {source['signal_rate']:g} Hz, "
        f"hypnogram {source['hypnogram_epochs']}, {source['staged_epochs']} with a stage"
        + (f"; {source['hypnogram_placed']}" if "hypnogram_placed" in source else "")
    )


def report_all(outcomes: Sequence[Outcome], output_dir: Path) -> None:
    """Print the closing table, and what failed and why."""
    log.info("")
    log.info("%-14s %6s %8s  %s", "", "nights", "epochs", "".join(f"{name:>8}" for name in STAGE_NAMES))
    for status in (PREPARED, THERE):
        if any(outcome.status == status for outcome in outcomes):
            log.info("%s", table_row(status, [outcome for outcome in outcomes if outcome.status == status]))
    log.info("%s", table_row("all", good(outcomes)))
    log.info("prepared nights are in %s", output_dir)
    simulated = sum(bool(outcome.source["simulated"]) for outcome in good(outcomes))
    if simulated:
        log.info("%d of them simulated: good for trying things out, not for results", simulated)
    prints = Fingerprints({one.name: str(one.source.get("fingerprint", "")) for one in good(outcomes)})
    for names in prints.groups():
        log.info("warning: %s: one and the same signal; keep one, or check which file is whose", ", ".join(names))
    noticed = [outcome for outcome in good(outcomes) if outcome.notices]
    if noticed:
        log.info("%d with notices:", len(noticed))
    for outcome in noticed:
        log.info("    %s: %s", outcome.name, "; ".join(outcome.notices))
    failed = [outcome for outcome in outcomes if outcome.status == FAILED]
    if failed:
        log.info("%d failed:", len(failed))
    for outcome in failed:
        log.info("    %s: %s", outcome.name, outcome.notices[0])


def good(outcomes: Iterable[Outcome]) -> list[Outcome]:
    return [outcome for outcome in outcomes if outcome.status != FAILED]


def table_row(title: str, outcomes: Sequence[Outcome]) -> str:
    counts = total_counts(outcomes)
    return f"{title:<14} {len(outcomes):>6} {sum(counts):>8,}  " + "".join(f"{count:>8,}" for count in counts)


def total_counts(outcomes: Iterable[Outcome]) -> tuple[int, ...]:
    """Return the epochs of each stage over all nights."""
    return tuple(
        int(total) for total in np.sum([outcome.counts for outcome in outcomes] or [(0,) * len(STAGES)], axis=0)
    )


def exit_status(outcomes: Iterable[Outcome]) -> int:
    """Return 1 when a night failed, else 0."""
    return int(any(outcome.status == FAILED for outcome in outcomes))


def choose_nights(
    nights: Sequence[RawNight], subjects: Sequence[int] | None, data_dir: Path
) -> tuple[list[RawNight], list[Outcome]]:
    """Return the nights of the subjects asked for, and a failure for each subject that has none."""
    if subjects is None:
        return list(nights), []
    there = Counter(night.subject for night in nights)
    missing = [
        Outcome(f"subject {subject}", FAILED, notices=(f"no recording in {data_dir}",))
        for subject in subjects
        if not there[subject]
    ]
    return [night for night in nights if night.subject in subjects], missing
