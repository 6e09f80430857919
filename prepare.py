"""Prepare any recordings: a folder of your own, with a hypnogram for each, becomes a data set to train and test with.

    python prepare.py --db own --data_dir ./my_recordings --select_ch C4-M1 --dry_run
    python prepare.py --db own --data_dir ./my_recordings --select_ch C4-M1
    python prepare.py --db own --table ./my_recordings/pairs.csv --select_ch C4-M1 --stratify group
    python prepare.py --db own --reviewed ./scored
    python prepare.py --db hmc --download --subjects SN001 SN002 SN003

It finds the recordings below the folder, pairs each with its hypnogram, tells subjects and nights from names, and shows
what it found. docs/own-data.md has the rules. The data set is described in ./data/own/dataset.json.
Of public data sets it knows files, hypnograms and channel by name: recordings/public_sets.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from command import InputError, command, log, log_to_terminal, new_parser
from data import load_night
from files.folders import existing_folder
from folds.own_data import MAX_MISMATCH, FoldOptions, describe, own_night, prepare
from recordings.dataset_file import check_name, load_description
from recordings.finding import Found, find_recordings
from recordings.hypnograms.options import READING, add_reading_options, reading_of
from recordings.opening import OPENERS, open_recording
from recordings.pairing_table import read_pairing_table
from recordings.pairs import names_of, show, trouble, with_own_annotations
from recordings.persons import with_persons
from recordings.prepare_options import add_options_of_all, prepare_options
from recordings.public_sets import PUBLIC_SETS, download, hypnogram_pattern, in_words
from recordings.whose_night import person_key
from reviewing.learning import WHOLE, reading_of_review, reviewed_recordings

PREPARED = ".npz"
RAW = tuple(suffix for suffix in OPENERS if suffix != PREPARED)


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add(
        "--db",
        required=True,
        metavar="NAME",
        help=f"what you call the data set; or a public one: {', '.join(PUBLIC_SETS)}",
    )
    add("--data_dir", help="folder of the recordings, searched at any depth (default ./raw_data/NAME)")
    add("--output_dir", help="folder for the prepared nights (default ./data/NAME)")
    add("--select_ch", metavar="CHANNEL", help="channel, as C4-M1; aliases and differences are found")
    add("--table", metavar="CSV", help="pairing table: recording, hypnogram, subject, night, channel, …")
    add("--reviewed", metavar="FOLDER", help="nights that predict.py scored into this folder and a human reviewed")
    add("--whole", action="store_true", help=f"of --reviewed: {WHOLE}")
    add("--recordings", metavar="PATTERN", default="", help='only recordings called so, as in "* PSG.edf"')
    add("--hypnograms", metavar="PATTERN", default="", help='only hypnograms called so, as in "*-nsrr.xml"')
    add("--subject_pattern", metavar="PATTERN", default="", help='what names say, as in "{subject}_night{night}"')
    add("--subject_column", metavar="COLUMN", default="", help="names the person, in the table or participants.tsv")
    add("--subjects", nargs="+", metavar="NAME", help="only these subjects (default all there are)")
    add("--download", action="store_true", help="of a public data set: first fetch the --subjects to --data_dir")
    add("--mirror", metavar="URL", default="", help="of --download: another server that has the release")
    add("--dry_run", action="store_true", help="only show what was found")
    add("--n_folds", type=int, metavar="N", help="folds (default: as many as subjects, 10 at most)")
    add("--add", action="store_true", help="keep the nights of earlier commands in the folds, too")
    add("--stratify", metavar="COLUMN", help="spread the values of this column over all folds, as group or site")
    add_reading_options(parser)
    add_options_of_all(parser, MAX_MISMATCH)
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    check_name(options.db)
    if options.whole and not options.reviewed:
        raise InputError(f"--whole is an option of --reviewed: {WHOLE}")
    use_public_set(options)
    reading = reading_of_review(options.whole) if options.reviewed else reading_of(options)
    found, of_persons = with_persons(found_recordings(options), options.subject_column)
    found = chosen(found, options.subjects)
    for words in of_persons:
        log.info("%s", words)
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
    options.output_dir = options.output_dir or f"./data/{options.db}"
    return prepare(found, names, reading, prepare_options(options), fold_options(options))


def fold_options(options: argparse.Namespace) -> FoldOptions:
    return FoldOptions(options.db, options.n_folds, options.stratify, options.add)


# ---- public data sets ----

OF_PUBLIC_SETS = ("recordings", "subject_pattern", "stage_map", "epoch_seconds", "columns")


def use_public_set(options: argparse.Namespace) -> None:
    """Fetch what is asked for of a public data set, and let its row of the table say what no option says.

    Raises:
        InputError: there is no such data set or subject to fetch, or the server failed.
    """
    data_set = PUBLIC_SETS.get(options.db)
    if data_set is None or options.table or options.reviewed:
        if options.download or options.mirror:
            raise InputError(f"--download fetches a public data set: --db {', '.join(PUBLIC_SETS)}")
        return
    log.info("%s: %s", data_set.name, in_words(data_set))
    folder = Path(options.data_dir or f"./raw_data/{options.db}")
    if options.download:
        download(data_set, options.subjects, folder, options.mirror)
    options.select_ch = options.select_ch or data_set.channel
    options.hypnograms = options.hypnograms or hypnogram_pattern(data_set, folder)
    for name in OF_PUBLIC_SETS:
        setattr(options, name, getattr(options, name) or getattr(data_set, name) or getattr(options, name))


# ---- what there is ----


def found_recordings(options: argparse.Namespace) -> list[Found]:
    """Return the recordings of the table, or of the folder.

    Raises:
        InputError: there are none, or a name or the table is not understood.
    """
    if options.reviewed:
        return reviewed_of(options)
    if options.table and options.data_dir:
        raise InputError("--table says which recordings there are, from its own folder; leave out --data_dir")
    if options.table:
        return read_pairing_table(Path(options.table), options.hypnograms, options.subject_pattern)
    folder = existing_folder(options.data_dir or f"./raw_data/{options.db}", "raw recordings", "name one: --data_dir")
    try:
        return find_recordings([folder], options.hypnograms, options.subject_pattern, RAW, options.recordings)
    except InputError:
        if not any(folder.glob(f"*{PREPARED}")):
            raise
        return find_recordings(sorted(folder.glob(f"*{PREPARED}")), "", options.subject_pattern)


def reviewed_of(options: argparse.Namespace) -> list[Found]:
    """Return the reviewed nights of a scored folder, with the channel that was scored unless another is asked for.

    Raises:
        InputError: there are none, or another option says which recordings or stages there are, too.
    """
    given = [name for name in ("table", "data_dir", "hypnograms", *READING) if getattr(options, name)]
    if given:
        raise InputError(f"--reviewed says which recordings there are, and their stages; leave out --{given[0]}")
    found = reviewed_recordings(Path(options.reviewed), options.whole, options.subject_pattern)
    return [replace(one, channel="") for one in found] if options.select_ch else found


def chosen(found: Sequence[Found], subjects: Sequence[str] | None) -> list[Found]:
    """Return the recordings of the subjects asked for.

    Raises:
        InputError: there is no such subject.
    """
    there = {person_key(one.subject): one.subject for one in found}
    for name in subjects or ():
        if person_key(name) not in there:
            raise InputError(f"--subjects {name}: no such subject; there are {', '.join(sorted(there.values()))}")
    wanted = there if subjects is None else set(map(person_key, subjects))
    return [one for one in found if person_key(one.subject) in wanted]


def channels_in(found: Sequence[Found]) -> str:
    """Return in words which channels the first recording has that can be opened."""
    for one in found:
        try:
            opened = open_recording(one.recording)
        except InputError:
            continue  # it will be named when it is prepared
        return f"{opened.path} has {', '.join(opened.labels)}"
    return "no recording can be opened"


# ---- nights that are prepared already ----


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
    changes = {} if load_description(folder) else {"sampling_rate": float(night.fs)}
    describe(folder, changes, found, own, fold_options(options), names.values())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
