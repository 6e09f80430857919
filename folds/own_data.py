"""Recordings of one's own and their hypnograms → prepared nights, and the description of their data set."""

from __future__ import annotations

import argparse
import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
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
    load_description,
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
from recordings.preparation import RawNight, Rules
from recordings.prepare_command import FAILED, Outcome, exit_status, good, prepare_all
from sleepstage import UNKNOWN

MAX_MISMATCH = 10  # epochs
AS_RECORDED = "none: signals in µV as recorded; the settings high_pass and amplitude of training condition them"

# ---- prepare ----

DEFAULTS: Mapping[str, Any] = {
    **dict.fromkeys(("select_ch", "n_folds", "stratify")),
    **dict.fromkeys(("trim_first", "overwrite"), False),
    "max_mismatch": MAX_MISMATCH,
}
"""The options of prepare.py as they are when nobody gives them, but for the name and where tasks run."""


def prepare(found: Sequence[Found], names: Mapping[Path, str], reading: Reading, options: argparse.Namespace) -> int:
    """Prepare every night, describe the data set, and return 1 when a night failed."""
    options.output_dir = options.output_dir or f"./data/{options.db}"
    load_description(writable_folder(options.output_dir))  # it refuses a damaged one before anything is prepared
    failed = [Outcome(names[one.recording], FAILED, notices=(trouble(one),)) for one in found if trouble(one)]
    nights = [raw_night(one, names[one.recording]) for one in found if not trouble(one)]
    rules = Rules(options.select_ch or "", options.max_mismatch, options.trim_first, read_as=read_as(reading))
    read = functools.partial(read_judged, reading=reading)
    outcomes = prepare_all(nights, rules, read, options, failed)
    sources = {outcome.name: outcome.source for outcome in good(outcomes)}
    there = [one for one in found if names[one.recording] in sources]
    if there:
        folder = Path(options.output_dir)
        own = [own_night(folder, one, names[one.recording], sources[names[one.recording]]) for one in there]
        describe(folder, {"prepared": rules.settings()}, there, own, options)
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


def new_description(options: argparse.Namespace, prepared: Mapping[str, str | int | float]) -> Description:
    return Description(options.db, prepared, float(TARGET_RATE), AS_RECORDED)


def describe(
    folder: Path,
    changes: Mapping[str, Any],
    found: Sequence[Found],
    nights: Sequence[OwnNight],
    options: argparse.Namespace,
) -> None:
    """Add nights to dataset.json, which other commands may do at the same time, and say who is tested by which fold.

    Args:
        folder: of the prepared nights.
        changes: values of the whole description that are others now.
        found: where each night is from.
        nights: what is said of each.
        options: as parsed by prepare.py.

    Raises:
        InputError: a night belongs to another subject than before, or the file cannot be read or written.
    """
    added: dict[str, tuple[dict[str, str], list[OwnNight]]] = defaultdict(lambda: ({}, []))
    for one, night in zip(found, nights, strict=True):
        added[one.subject][0].update(one.columns)
        added[one.subject][1].append(night)
    with tables_of(folder):
        before = replace(load_description(folder) or new_description(options, {}), **changes)
        description = dealt(with_nights(before, added), options.n_folds, options.stratify)
        save_description(folder, description)
    log.info("")
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
        yield f"{len(description.subjects)} subjects: folds need {FEWEST}, to train, to validate and to test with"
        return
    old = {one.name: one.fold for one in before.subjects}
    if before.n_folds and any(old.get(one.name, one.fold) != one.fold for one in description.subjects):
        yield "warning: the folds are dealt anew: folds that were trained before have seen other subjects"
    for fold in range(description.n_folds):
        tested = ", ".join(one.name for one in description.subjects if one.fold == fold)
        yield f"fold {fold} tests {tested}; it validates with whom fold {(fold + 1) % description.n_folds} tests"
