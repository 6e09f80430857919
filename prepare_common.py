"""One raw recording and its hypnogram → one prepared night; and the command line that the prepare scripts share.

A dataset's script finds the files and knows what its labels mean. Everything after that is here, in this order: read
one channel in µV, put signal and hypnogram on one clock, resample to 100 Hz, drop epochs that nobody staged, keep
30 minutes of W around the sleep.
"""

from __future__ import annotations

import argparse
import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIG_IGN, SIGINT
from signal import signal as on_signal

import numpy as np
from numpy.typing import NDArray

from command import InputError, log, writable_folder
from data import Night, load_night, save_night
from hypnogram import Hypnogram, overlap
from recording import EPOCH_SAMPLES, TARGET_RATE, RawSignal, amplitude_notice, read_signal, signal_epochs
from sleepstage import EPOCH_SECONDS, STAGE_NAMES, STAGES, UNKNOWN, Stage

WAKE_EPOCHS_KEPT = 30 * 60 // EPOCH_SECONDS  # 30 minutes before the first and after the last epoch that is not W


# ---- the epochs that are kept ----


def around_sleep(codes: NDArray[np.int32]) -> slice:
    """Return the part of (epoch,) codes from 30 minutes before the first epoch that is not W to 30 after the last.

    All of it when there is nothing but W.
    """
    not_wake = np.flatnonzero(codes != Stage.W)
    if len(not_wake) == 0:
        return slice(0, len(codes))
    return slice(max(0, int(not_wake[0]) - WAKE_EPOCHS_KEPT), min(len(codes), int(not_wake[-1]) + 1 + WAKE_EPOCHS_KEPT))


def drop_then_trim(codes: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the epochs that are kept: those with a stage, and of these what lies around the sleep (as published)."""
    staged = np.flatnonzero(codes != UNKNOWN)
    return staged[around_sleep(codes[staged])]


def trim_then_drop(codes: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the epochs that are kept when MOVEMENT and UNKNOWN count as sleep while trimming (as some tools do)."""
    near = around_sleep(codes)
    staged: NDArray[np.intp] = np.flatnonzero(codes[near] != UNKNOWN) + near.start
    return staged


# ---- one raw night → one prepared night ----


@dataclass(frozen=True)
class RawNight:
    """Where one night's two files should be, and which were found.

    Attributes:
        name: the prepared night's name.
        subject: the subject's number in the data set.
        signal_name, hypnogram_name: what the files should be called.
        signals, hypnograms: the files of these names; one of each, if all is well.
    """

    name: str
    subject: int
    signal_name: str
    hypnogram_name: str
    signals: tuple[Path, ...]
    hypnograms: tuple[Path, ...]

    def pair(self) -> tuple[Path, Path]:
        """Return the signal's and the hypnogram's file.

        Raises:
            InputError: one of them is missing, or there are several.
        """
        return (
            self.only(self.signals, "signal", self.signal_name, self.hypnograms),
            self.only(self.hypnograms, "hypnogram", self.hypnogram_name, self.signals),
        )

    def only(self, found: Sequence[Path], what: str, name: str, partner: Sequence[Path]) -> Path:
        if not found:
            beside = f" to go with {partner[0]}" if partner else ""
            raise InputError(f"no {what} {name}{beside}; fetch it, or take its partner away")
        if len(found) > 1:
            raise InputError(f"{len(found)} {what}s {', '.join(map(str, found))}; leave one of them")
        return found[0]


@dataclass(frozen=True)
class Rules:
    """The user's choices for preparing a night.

    Attributes:
        select_ch: the channel that is asked for.
        max_mismatch: epochs by which signal and staged hypnogram may differ in length.
        trim_first: trim before dropping, not after.
        drop_last: epochs to leave out at the end of the hypnogram.
        may_differ: nights that may differ in length by any number of epochs.
    """

    select_ch: str
    max_mismatch: int
    trim_first: bool = False
    drop_last: int = 0
    may_differ: tuple[str, ...] = ()

    def settings(self) -> dict[str, str | int | float]:
        """Return those that change a prepared night, as they are stored in it."""
        return {"select_ch": self.select_ch, "trim_first": int(self.trim_first), "drop_last": self.drop_last}


ReadHypnogram = Callable[[Path], Hypnogram]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A prepared night and what the user should know about it."""

    night: Night
    notices: tuple[str, ...]


def prepare_night(raw: RawNight, rules: Rules, read_hypnogram: ReadHypnogram) -> Prepared:
    """Turn a raw recording and its hypnogram into a night at 100 Hz in µV with AASM stages.

    Raises:
        InputError: a file is missing or unreadable, or the two do not fit together; the message names the file.
    """
    signal_path, hypnogram_path = raw.pair()
    hypnogram = read_hypnogram(hypnogram_path)
    signal = read_signal(signal_path, rules.select_ch)
    delay = 0.0
    if signal.start and hypnogram.start:
        delay = (hypnogram.start - signal.start).total_seconds()
    codes = hypnogram.codes[: max(0, len(hypnogram.codes) - rules.drop_last)]
    check_lengths(raw.name, signal, hypnogram, delay, rules)
    shared = overlap(signal.seconds, len(codes), delay)
    x = signal_epochs(signal, shared.first_second).x[: shared.n_epochs]
    codes = codes[shared.first_epoch :][: len(x)]
    kept = trim_then_drop(codes) if rules.trim_first else drop_then_trim(codes)
    if len(kept) == 0:
        raise InputError(f"{signal_path}, {hypnogram_path}: no epoch is left that has both a signal and a stage")
    source: dict[str, str | int | float] = {
        "signal_file": signal_path.name,
        "hypnogram_file": hypnogram_path.name,
        "start_time": signal.start.isoformat() if signal.start else "",
        "hypnogram_delay": delay,
        "signal_rate": signal.rate,
        "signal_unit": signal.unit,
        "simulated": int(signal.simulated),
        "signal_epochs": signal.n_epochs,
        "hypnogram_epochs": len(hypnogram.codes),
        "shared_epochs": len(codes),
        "staged_epochs": int((codes != UNKNOWN).sum()),
        "kept_epochs": len(kept),
        "first_kept_second": shared.first_second + float(kept[0]) * EPOCH_SECONDS,
        **rules.settings(),
    }
    night = Night(raw.name, x[kept], codes[kept], float(TARGET_RATE), signal.channel, source)
    return Prepared(night, tuple(notices_on(night)))


def check_lengths(name: str, signal: RawSignal, hypnogram: Hypnogram, delay: float, rules: Rules) -> None:
    """Raise InputError when signal and hypnogram differ by more epochs than the rules allow.

    What counts is where the stages end, because Sleep-EDF fills a hypnogram up to 24 hours with UNKNOWN.
    """
    staged = np.flatnonzero(hypnogram.codes != UNKNOWN)
    if len(staged) == 0:
        raise InputError(f"{name}: no epoch in the hypnogram has a stage")
    signal_start, signal_end = -delay / EPOCH_SECONDS, -delay / EPOCH_SECONDS + signal.n_epochs
    without_signal = max(0, signal_start - int(staged[0])) + max(0, int(staged[-1]) + 1 - signal_end)
    without_hypnogram = max(0, -signal_start) + max(0, signal_end - len(hypnogram.codes))
    mismatch = int(np.ceil(without_signal + without_hypnogram))
    if mismatch > rules.max_mismatch and name not in rules.may_differ:
        later = f", starting {delay:g} s later" if delay else ""
        raise InputError(
            f"{name}: the signal has {signal.n_epochs} epochs, the hypnogram {len(hypnogram.codes)}{later}; "
            f"{mismatch} have no partner, over the limit of {rules.max_mismatch}; "
            f"check the files, or allow it with --max_mismatch {mismatch}"
        )


def notices_on(night: Night) -> Iterator[str]:
    source = night.source
    if source["select_ch"] != night.ch_label:
        yield f"channel {source['select_ch']}: using {night.ch_label}"
    if not source["signal_unit"]:
        yield "the file gives no unit; taken as µV"
    if source["hypnogram_delay"]:
        yield f"the hypnogram starts {source['hypnogram_delay']:g} s after the signal; aligned on time"
    if (night.y == Stage.W).all():
        yield "nothing but W in it, so nothing was trimmed"
    amplitude = amplitude_notice(night.x)
    if amplitude:
        yield amplitude


# ---- all nights of a folder ----


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
    path = output_dir / f"{raw.name}.npz"
    notices: tuple[str, ...] = ()
    try:
        if path.exists() and not overwrite:
            before = night_before(path)
            differences = differing_settings(before, raw, rules)
            if before and not differences:
                return Outcome(raw.name, THERE, count_stages(before.y), before.source)
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
    wanted = {"signal_file": signal_path.name, "hypnogram_file": hypnogram_path.name, **rules.settings()}
    return ", ".join(
        f"with {name} {before.source.get(name, 'unknown')} instead of {value}"
        for name, value in wanted.items()
        if before.source.get(name) != value
    )


def count_stages(y: NDArray[np.int32]) -> tuple[int, ...]:
    return tuple(int(count) for count in np.bincount(y, minlength=len(STAGES)))


def prepare_all(
    nights: Sequence[RawNight],
    rules: Rules,
    read_hypnogram: ReadHypnogram,
    options: argparse.Namespace,
    missing: Sequence[Outcome] = (),
) -> list[Outcome]:
    """Prepare every night, `options.n_jobs` at a time, and report each as it is done and all of them at the end.

    Args:
        nights: what to prepare.
        rules: the user's choices.
        read_hypnogram: reads one hypnogram of this data set.
        options: as parsed by `prepare_parser`.
        missing: failures from before, to be listed with the others.

    Raises:
        InputError: the output folder cannot be written to, or an option's value makes no sense.
    """
    if options.n_jobs < 1:
        raise InputError(f"--n_jobs is {options.n_jobs}; it must be 1 or more")
    if options.max_mismatch < 0:
        raise InputError(f"--max_mismatch is {options.max_mismatch}; it must be 0 or more")
    output_dir = writable_folder(options.output_dir)
    work = functools.partial(
        prepare_file, rules=rules, read_hypnogram=read_hypnogram, output_dir=output_dir, overwrite=options.overwrite
    )
    outcomes = [*missing, *report_each(in_processes(work, nights, options.n_jobs), len(nights))]
    report_all(outcomes, output_dir)
    return outcomes


def in_processes(work: Callable[[RawNight], Outcome], nights: Sequence[RawNight], n_jobs: int) -> Iterator[Outcome]:
    """Yield the outcome of each night in order."""
    if n_jobs == 1 or len(nights) < 2:
        yield from map(work, nights)
        return
    try:
        with ProcessPoolExecutor(min(n_jobs, len(nights)), initializer=leave_interrupts_to_parent) as pool:
            yield from pool.map(work, nights)
    except BrokenProcessPool as error:
        raise InputError("a process was ended from outside, perhaps for memory; try a smaller --n_jobs") from error


def leave_interrupts_to_parent() -> None:
    on_signal(SIGINT, SIG_IGN)


def report_each(outcomes: Iterable[Outcome], n_nights: int) -> list[Outcome]:
    """Show a progress bar on a terminal, and a line a night elsewhere; what the user should know shows on both."""
    from tqdm import tqdm
    from tqdm.contrib.logging import logging_redirect_tqdm

    done = []
    with logging_redirect_tqdm([log]), tqdm(outcomes, total=n_nights, unit="night", disable=None) as bar:
        for outcome in bar:
            done.append(outcome)
            if bar.disable or outcome.notices:
                log.info("%s", outcome_line(outcome))
            for notice in outcome.notices:
                log.info("    %s", notice)
    return done


def outcome_line(outcome: Outcome) -> str:
    if outcome.status == FAILED:
        return f"{outcome.name}: failed"
    stages = ", ".join(f"{name} {count}" for name, count in zip(STAGE_NAMES, outcome.counts, strict=True))
    source = outcome.source
    return (
        f"{outcome.name}: {outcome.status}, {sum(outcome.counts)} epochs ({stages}); "
        f"signal {source['signal_epochs']} epochs at {source['signal_rate']:g} Hz, "
        f"hypnogram {source['hypnogram_epochs']}, {source['staged_epochs']} with a stage"
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


# ---- the command line ----


def prepare_parser(
    description: str, folder: str, select_ch: str, max_mismatch: int, subjects: str
) -> argparse.ArgumentParser:
    """Return a parser with the options that every prepare script has.

    Args:
        description: one sentence for `--help`.
        folder: the data set's folder under ./raw_data and ./data.
        select_ch: its default channel.
        max_mismatch: its default limit, in epochs.
        subjects: which subjects there are, for `--help`.
    """
    parser = argparse.ArgumentParser(description=description)
    add = parser.add_argument
    add("--data_dir", default=f"./raw_data/{folder}", help="folder of the raw recordings (default %(default)s)")
    add("--output_dir", default=f"./data/{folder}", help="folder for the prepared nights (default %(default)s)")
    add(
        "--select_ch",
        default=select_ch,
        help='channel; aliases are found ("C3-A2" is C3-M2, C3A2) (default %(default)s)',
    )
    add(
        "--subjects",
        nargs="+",
        metavar="N",
        help=f"numbers and ranges, as in 1 3 5-7 (default all there are; {subjects})",
    )
    add("--n_jobs", type=int, default=1, metavar="N", help="nights at a time, one process each (default %(default)s)")
    add("--overwrite", action="store_true", help="prepare nights again that are there with the same settings")
    add(
        "--trim_first",
        action="store_true",
        help="trim W before dropping MOVEMENT and UNKNOWN, which then count as sleep",
    )
    add(
        "--max_mismatch",
        type=int,
        default=max_mismatch,
        metavar="EPOCHS",
        help="refuse a night whose signal and hypnogram differ by more epochs (default %(default)s)",
    )
    return parser


def parse_subjects(texts: Sequence[str], known: Sequence[int]) -> tuple[int, ...]:
    """Return the subjects that `1 3 5-7` means, in order, each once; of a range, those that the data set has.

    Raises:
        InputError: not a number or range, or the data set has no such subject.
    """
    chosen: set[int] = set()
    for text in (part for given in texts for part in given.split(",") if part):
        bounds = re.fullmatch(r"(\d+)(?:-(\d+))?", text)
        if not bounds:
            raise InputError(f"--subjects {text}: give numbers and ranges, as in 1 3 5-7")
        first, last = int(bounds[1]), int(bounds[2] or bounds[1])
        there = [subject for subject in known if first <= subject <= last]
        if not there:
            raise InputError(f"--subjects {text}: the data set has subjects {as_ranges(known)}")
        chosen.update(there)
    return tuple(sorted(chosen))


def as_ranges(numbers: Iterable[int]) -> str:
    """Return numbers as short text: 1, 3, 5-7."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


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
