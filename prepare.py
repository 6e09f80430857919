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
from collections import Counter, defaultdict
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
from recordings.finding import Found, core_of, find_recordings
from recordings.hypnograms import has_stages
from recordings.hypnograms.labels import stage_map
from recordings.hypnograms.scoring import Reading
from recordings.opening import OPENERS, open_recording
from recordings.pairing_table import read_pairing_table
from recordings.preparation import RawNight, Rules
from recordings.prepare_command import FAILED, Outcome, add_options_of_all, exit_status, good, prepare_all

PREPARED = ".npz"
RAW = tuple(suffix for suffix in OPENERS if suffix != PREPARED)
COLUMNS = ("stage", "onset", "duration")  # those that --columns may name
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
    add("--stage_map", metavar="MAP", help="what labels mean: rk, aasm, or a FILE of label,stage")
    add("--epoch_seconds", type=int, metavar="S", help="the hypnograms have epochs of S seconds: resample them to 30")
    add("--columns", nargs="+", metavar="WHAT=NAME", default=[], help="columns of tables: stage=… onset=… duration=…")
    add("--n_folds", type=int, metavar="N", help="folds (default: as many as subjects, 10 at most)")
    add("--stratify", metavar="COLUMN", help="spread the values of this column over all folds, as group or site")
    add_options_of_all(parser, max_mismatch=60)
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


def reading_of(options: argparse.Namespace) -> Reading:
    """Return how the user wants hypnograms to be read.

    Raises:
        InputError: a map, a length or a column that makes no sense.
    """
    columns = dict(part.partition("=")[::2] for part in options.columns)
    for name, value in columns.items():
        if name not in COLUMNS or not value:
            raise InputError(f"--columns {name}={value}: give {', '.join(f'{one}=NAME' for one in COLUMNS)}")
    codes = stage_map(options.stage_map) if options.stage_map else {}
    return Reading(codes, options.epoch_seconds, columns)


def read_as(reading: Reading) -> str:
    """Return how hypnograms are read in words, to tell nights that were prepared otherwise."""
    parts = [f"{label or 'blank'}={code}" for label, code in sorted(reading.stage_map.items())]
    parts += [f"{what} in {name}" for what, name in sorted(reading.columns.items())]
    parts += [f"epochs of {reading.epoch_seconds} s"] if reading.epoch_seconds else []
    return ", ".join(parts) or "by the known labels"


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


def with_own_annotations(one: Found) -> Found:
    """Return a recording without a hypnogram with itself as one, if stages are among its annotations."""
    if one.hypnogram or one.problem:
        return one
    return replace(one, hypnogram=one.recording) if has_stages(one.recording) else one


def names_of(found: Sequence[Found]) -> dict[Path, str]:
    """Return what each prepared night is called: as its recording; with its folders where that says too little."""
    stems = Counter(one.recording.stem.casefold() for one in found)

    def name_of(one: Found) -> str:
        stem = one.recording.stem
        says_enough = stems[stem.casefold()] == 1 and core_of(one.recording) and one.told != "folder"
        return stem if says_enough else "_".join((*one.below.parts, stem))

    names = {one.recording: name_of(one) for one in found}
    taken: dict[str, Path] = {}
    for path, name in names.items():
        other = taken.setdefault(name.casefold(), path)
        if other != path:
            raise InputError(f"{other} and {path} would both become {name}.npz; rename one of them")
    return names


def trouble(one: Found) -> str:
    """Return why a recording cannot be prepared; "" where nothing speaks against it so far."""
    if one.problem or one.hypnogram:
        return one.problem
    return "no hypnogram by any rule, and no stages in its own annotations; add one, or name it in a pairing table"


def show(found: Sequence[Found], names: Mapping[Path, str]) -> None:
    """Print which recording goes with which hypnogram, and whose night it is."""
    rows = [("recording", "hypnogram", "subject", "night", "channel")]
    for one in found:
        hypnogram = one.hypnogram.name if one.hypnogram else "-"
        hypnogram = "its own annotations" if one.hypnogram == one.recording else hypnogram
        rows.append(((one.below / one.recording.name).as_posix(), hypnogram, one.subject, one.night, one.channel))
    used = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    widths = [max(len(row[i]) for row in rows) for i in used]
    for row in rows:
        log.info("%s", "  ".join(f"{row[i]:<{width}}" for i, width in zip(used, widths, strict=True)).rstrip())
    nights = Counter(one.subject for one in found)
    log.info("%d recordings of %d subjects", len(found), len(nights))
    for one in found:
        if trouble(one):
            log.info("    %s: %s", names[one.recording], trouble(one))
    if not all(one.told for one in found) and len(found) > 1:
        log.info(
            "where nothing tells whose a recording is, it is taken as a subject of its own. If two of them are of one "
            "person, say so with --subject_pattern or --table: nobody may train and test at once"
        )


def channels_in(found: Sequence[Found]) -> str:
    """Return which channels the first recording has, in words."""
    opened = open_recording(found[0].recording)
    return f"{opened.path} has {', '.join(opened.labels)}"


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
        describe(folder, before or new_description(options, rules.settings()), there, own, options)
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
