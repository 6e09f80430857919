"""Prepare any recordings: a folder of your own, with a hypnogram for each, becomes a data set to train and test with.

    python prepare.py --db own --data_dir ./my_recordings --select_ch C4-M1 --dry_run
    python prepare.py --db own --data_dir ./my_recordings --select_ch C4-M1
    python prepare.py --db own --table ./my_recordings/pairs.csv --select_ch C4-M1 --stratify group

It finds the recordings below the folder, pairs each with its hypnogram, tells subjects and nights from names, and shows
what it found. docs/own-data.md has the rules. The data set is described in ./data/own/dataset.json.
"""

from __future__ import annotations

import argparse
import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from command import InputError, command, log, log_to_terminal, new_parser
from data import load_night, summarize_night
from files import existing_folder, writable_folder
from folds.dealing import dealt
from recordings.dataset_file import (
    FEWEST,
    FILE,
    Description,
    OwnNight,
    check_name,
    load_description,
    save_description,
    with_nights,
)
from recordings.datasets import read_hypnogram
from recordings.epochs import TARGET_RATE
from recordings.finding import Found, find_recordings
from recordings.hypnograms.options import add_reading_options, read_as, reading_of
from recordings.hypnograms.scoring import Reading
from recordings.opening import OPENERS, open_recording
from recordings.pairing_table import read_pairing_table
from recordings.pairs import names_of, show, trouble, with_own_annotations
from recordings.preparation import RawNight, Rules
from recordings.prepare_command import FAILED, Outcome, add_options_of_all, exit_status, good, prepare_all

PREPARED = ".npz"
RAW = tuple(suffix for suffix in OPENERS if suffix != PREPARED)
AS_RECORDED = "none: signals in µV as recorded; the settings high_pass and amplitude of training condition them"


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--db", required=True, metavar="NAME", help="what you call the data set")
    add("--data_dir", help="folder of the recordings, searched at any depth (default ./raw_data/NAME)")
    add("--output_dir", help="folder for the prepared nights (default ./data/NAME)")
    add("--select_ch", metavar="CHANNEL", help="channel, as C4-M1; aliases and differences are found")
    add("--table", metavar="CSV", help="pairing table: recording, hypnogram, subject, night, channel, …")
    add("--hypnograms", metavar="PATTERN", default="", help='only hypnograms called so, as in "*-nsrr.xml"')
    add("--subject_pattern", metavar="PATTERN", default="", help='what names say, as in "{subject}_night{night}"')
    add("--subjects", nargs="+", metavar="NAME", help="only these subjects (default all there are)")
    add("--dry_run", action="store_true", help="only show what was found")
    add("--n_folds", type=int, metavar="N", help="folds (default: as many as subjects, 10 at most)")
    add("--stratify", metavar="COLUMN", help="spread the values of this column over all folds, as group or site")
    add_reading_options(parser)
    add_options_of_all(parser, max_mismatch=10)
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    check_name(options.db)
    reading = reading_of(options)
    found = chosen(found_recordings(options), options.subjects)
    if all(one.recording.suffix.casefold() == PREPARED for one in found):
        return describe_prepared(found, options)
    found = [with_own_annotations(one) for one in found]
    names = names_of(found)
    show(found, names)
    named = options.select_ch or all(one.channel for one in found)
    if options.dry_run:
        log.info("%s", "" if named else channels_in(found))
        return int(any(trouble(one) for one in found))
    if not named:
        raise InputError(f"--select_ch: say which channel; {channels_in(found)}")
    return prepare(found, names, reading, options)


# ---- what there is ----


def found_recordings(options: argparse.Namespace) -> list[Found]:
    """Return the recordings of the table, or of the folder.

    Raises:
        InputError: there are none, or a name or the table is not understood.
    """
    if options.table and options.data_dir:
        raise InputError("--table says which recordings there are, from its own folder; leave out --data_dir")
    if options.table:
        return read_pairing_table(Path(options.table), options.hypnograms, options.subject_pattern)
    folder = existing_folder(options.data_dir or f"./raw_data/{options.db}", "raw recordings", "name one: --data_dir")
    try:
        return find_recordings([folder], options.hypnograms, options.subject_pattern, RAW)
    except InputError:
        if not any(folder.glob(f"*{PREPARED}")):
            raise
        return find_recordings(sorted(folder.glob(f"*{PREPARED}")), "", options.subject_pattern)


def chosen(found: Sequence[Found], subjects: Sequence[str] | None) -> list[Found]:
    """Return the recordings of the subjects asked for.

    Raises:
        InputError: there is no such subject.
    """
    there = {one.subject for one in found}
    for name in subjects or ():
        if name not in there:
            raise InputError(f"--subjects {name}: no such subject; there are {', '.join(sorted(there))}")
    return [one for one in found if subjects is None or one.subject in subjects]


def channels_in(found: Sequence[Found]) -> str:
    """Return in words which channels the first recording has that can be opened."""
    for one in found:
        try:
            opened = open_recording(one.recording)
        except InputError:
            continue  # it will be named when it is prepared
        return f"{opened.path} has {', '.join(opened.labels)}"
    return "no recording can be opened"


# ---- prepare ----


def prepare(found: Sequence[Found], names: Mapping[Path, str], reading: Reading, options: argparse.Namespace) -> int:
    """Prepare every night, describe the data set, and return 1 when a night failed."""
    options.output_dir = options.output_dir or f"./data/{options.db}"
    before = load_description(writable_folder(options.output_dir))
    failed = [Outcome(names[one.recording], FAILED, notices=(trouble(one),)) for one in found if trouble(one)]
    nights = [raw_night(one, names[one.recording]) for one in found if not trouble(one)]
    rules = Rules(options.select_ch or "", options.max_mismatch, options.trim_first, read_as=read_as(reading))
    read = functools.partial(read_hypnogram, recording=None, reading=reading)
    outcomes = prepare_all(nights, rules, read, options, failed)
    sources = {outcome.name: outcome.source for outcome in good(outcomes)}
    there = [one for one in found if names[one.recording] in sources]
    if there:
        folder = Path(options.output_dir)
        own = [own_night(folder, one, names[one.recording], sources[names[one.recording]]) for one in there]
        known = before or new_description(options, {})
        describe(folder, replace(known, prepared=rules.settings()), there, own, options)
    return exit_status(outcomes)


def raw_night(one: Found, name: str) -> RawNight:
    hypnograms = (one.hypnogram,) if one.hypnogram else ()
    hypnogram_name = one.hypnogram.name if one.hypnogram else ""
    return RawNight(name, 0, one.recording.name, hypnogram_name, (one.recording,), hypnograms, one.channel)


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


def describe_prepared(found: Sequence[Found], options: argparse.Namespace) -> int:
    """Describe nights that are prepared already, by this program or as TinySleepNet does; the nights stay as they are.

    Raises:
        InputError: a file is no night, or the folder is not called as the data set.
    """
    folder = found[0].recording.parent
    if folder.resolve().name != options.db or (options.output_dir and Path(options.output_dir) != folder):
        raise InputError(
            f"{folder}: these nights are prepared already and stay where they are: give --db {folder.resolve().name} "
            f"and no --output_dir, or call the folder {options.db}"
        )
    names = {one.recording: one.recording.stem for one in found}
    show(found, names)
    if options.dry_run:
        return 0
    own = []
    for one in found:
        night = load_night(one.recording)
        rate = {"signal_rate": night.fs, "simulated": int(night.simulated)}
        own.append(own_night(folder, one, night.name, rate))
    before = load_description(folder) or replace(new_description(options, {}), sampling_rate=float(night.fs))
    describe(folder, before, found, own, options)
    return 0


def describe(
    folder: Path, before: Description, found: Sequence[Found], nights: Sequence[OwnNight], options: argparse.Namespace
) -> None:
    """Write dataset.json with the nights added, and say who is tested by which fold."""
    added: dict[str, tuple[dict[str, str], list[OwnNight]]] = defaultdict(lambda: ({}, []))
    for one, night in zip(found, nights, strict=True):
        added[one.subject][0].update(one.columns)
        added[one.subject][1].append(night)
    description = dealt(with_nights(before, added), options.n_folds, options.stratify)
    save_description(folder, description)
    log.info("")
    for line in folds_in_words(before, description):
        log.info("%s", line)
    log.info("the data set is described in %s", folder / FILE)
    if description.n_folds:
        where = f" --data_dir {folder.parent}" if folder.parent != Path("data") else ""
        folds = f"--from_fold 0 --to_fold {description.n_folds - 1} --init_from pretrained_model"
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


if __name__ == "__main__":
    raise SystemExit(main())
