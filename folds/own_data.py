"""Recordings of one's own and their hypnograms → prepared nights, and the description of their data set."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from command import log
from data import summarize_night
from files.folders import writable_folder
from files.locks import tables_of
from folds.dealing import dealt
from recordings.dataset_file import (
    FEWEST,
    FILE,
    Description,
    OwnNight,
    in_folds,
    load_description,
    only_named,
    save_description,
    with_nights,
)
from recordings.datasets import read_hypnogram
from recordings.epochs import TARGET_RATE
from recordings.finding import Found
from recordings.hypnogram import Hypnogram
from recordings.hypnograms.options import read_as
from recordings.hypnograms.scoring import Reading
from recordings.pairs import trouble
from recordings.preparation import RawNight
from recordings.prepare_command import FAILED, Outcome, PrepareOptions, exit_status, good, prepare_all
from sleepstage import UNKNOWN

MAX_MISMATCH = 10  # epochs
AS_RECORDED = "none: signals in µV as recorded; the settings high_pass and amplitude of training condition them"

# ---- prepare ----


@dataclass(frozen=True)
class FoldOptions:
    """What is asked for of a data set of one's own.

    Attributes:
        db: its name.
        n_folds: None for what it has, or as many as subjects.
        stratify: the column that is spread over all folds; None for what it has.
        add: nights that are described already, and that the command does not name, stay in the folds.
    """

    db: str
    n_folds: int | None = None
    stratify: str | None = None
    add: bool = False


def prepare(
    found: Sequence[Found], names: Mapping[Path, str], reading: Reading, options: PrepareOptions, of_folds: FoldOptions
) -> int:
    """Prepare every night, describe the data set, and return 1 when a night failed."""
    load_description(writable_folder(options.output_dir))  # it refuses a damaged one before anything is prepared
    failed = [Outcome(names[one.recording], FAILED, notices=(trouble(one),)) for one in found if trouble(one)]
    nights = [raw_night(one, names[one.recording]) for one in found if not trouble(one)]
    rules = options.rules(read_as=read_as(reading))
    read = functools.partial(read_judged, reading=reading)
    outcomes = prepare_all(nights, rules, read, options, failed)
    sources = {outcome.name: outcome.source for outcome in good(outcomes)}
    there = [one for one in found if names[one.recording] in sources]
    if there:
        folder = options.output_dir
        own = [own_night(folder, one, names[one.recording], sources[names[one.recording]]) for one in there]
        describe(folder, {"prepared": rules.settings()}, there, own, of_folds, names.values())
    return exit_status(outcomes)


def read_judged(path: Path, reading: Reading) -> Hypnogram:
    """Read a hypnogram with all of its stages; where those of one scorer are asked for, it says which are judged by."""
    every = read_hypnogram(path, None, replace(reading, only_by=""))
    if not reading.only_by:
        return every
    return replace(every, judged=read_hypnogram(path, None, reading).codes != UNKNOWN)


def raw_night(one: Found, name: str) -> RawNight:
    hypnograms = (one.hypnogram,) if one.hypnogram else ()
    hypnogram_name = one.hypnogram.name if one.hypnogram else ""
    return RawNight(name, 0, one.recording.name, hypnogram_name, (one.recording,), hypnograms, one.channel, one.version)


# ---- describe ----


def own_night(folder: Path, one: Found, name: str, source: Mapping[str, str | int | float]) -> OwnNight:
    """Return what dataset.json says of a prepared night."""
    summary = summarize_night(folder / f"{name}.npz")
    return OwnNight(
        name,
        one.night,
        summary.n_epochs,
        summary.ch_label,
        float(source.get("signal_rate", 0)),
        str(one.recording),
        str(one.hypnogram or ""),
        bool(source.get("simulated", 0)),
    )


def new_description(db: str, prepared: Mapping[str, str | int | float]) -> Description:
    return Description(db, prepared, float(TARGET_RATE), AS_RECORDED)


def describe(
    folder: Path,
    changes: Mapping[str, Any],
    found: Sequence[Found],
    nights: Sequence[OwnNight],
    options: FoldOptions,
    named: Iterable[str],
) -> None:
    """Add nights to dataset.json, which other commands may do at the same time, and say who is tested by which fold.

    Nights that the command does not name stay in the file; the folds have them only if `options` says so.

    Args:
        folder: of the prepared nights.
        changes: values of the whole description that are others now.
        found: where each night is from.
        nights: what is said of each.
        options: of the data set.
        named: the nights that the command names, those that failed among them.

    Raises:
        InputError: a night belongs to another subject than before, or the file cannot be read or written.
    """
    added: dict[str, tuple[dict[str, str], list[OwnNight]]] = defaultdict(lambda: ({}, []))
    for one, night in zip(found, nights, strict=True):
        added[one.subject][0].update(one.columns)
        added[one.subject][1].append(night)
    with tables_of(folder):
        before = replace(load_description(folder) or new_description(options.db, {}), **changes)
        everything = with_nights(before, added)
        wanted = everything if options.add else only_named(everything, set(named))
        description = dealt(wanted, options.n_folds, options.stratify)
        save_description(folder, description)
    log.info("")
    if left_out := [night.name for one in description.subjects for night in one.nights if night.left_out]:
        listed = ", ".join(left_out)
        log.info(
            "left out of the folds, as this command does not name them: %s; to have them, name them, with --add", listed
        )
    for line in folds_in_words(before, description):
        log.info("%s", line)
    log.info("the data set is described in %s", folder / FILE)
    if description.n_folds:
        where = f" --data_dir {folder.parent}" if folder.parent != Path("data") else ""
        folds = f"--from_fold 0 --to_fold {description.n_folds - 1} --init_from pretrained_model --recipe finetune"
        log.info("\ntrain on it: python trainer.py --db %s%s %s", options.db, where, folds)


def folds_in_words(before: Description, description: Description) -> Iterator[str]:
    """Yield which subjects each fold tests, and what is new in that."""
    if not description.n_folds:
        n_subjects = len(in_folds(description.subjects))
        yield f"{n_subjects} subjects: folds need {FEWEST}, to train, to validate and to test with"
        return
    old = {one.name: one.fold for one in before.subjects}
    if before.n_folds and any(old.get(one.name) not in (None, one.fold) for one in in_folds(description.subjects)):
        yield "warning: the folds are dealt anew: folds that were trained before have seen other subjects"
    for fold in range(description.n_folds):
        tested = ", ".join(one.name for one in description.subjects if one.fold == fold)
        yield f"fold {fold} tests {tested}; it validates with whom fold {(fold + 1) % description.n_folds} tests"
