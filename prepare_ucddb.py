"""Prepare the St. Vincent's / University College Dublin sleep apnea database, 25 nights.

    python prepare_ucddb.py --data_dir ./raw_data/ucddb --output_dir ./data/ucddb
    python prepare_ucddb.py --download

Of the release (https://physionet.org/content/ucddb/1.0.0/) it reads `ucddb0NN.rec` (EDF) and `ucddb0NN_stage.txt`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from command import InputError, command, log, log_to_terminal
from files.fetching import fetch, fetch_checksums
from files.folders import existing_folder, writable_folder
from recordings.datasets import DATASETS, UCDDB, UCDDB_HEADER_MICROVOLTS
from recordings.preparation import RawNight, raw_nights
from recordings.prepare_command import Outcome, choose_nights, exit_status, good, prepare_all
from recordings.prepare_options import as_ranges, parse_subjects, prepare_options, prepare_parser

RELEASE_URL = "https://physionet.org/files/ucddb/1.0.0/"
CHECKSUMS = "SHA256SUMS.txt"
RELEASE_ROWS, RELEASE_STAGED = 20_789, 20_774  # of all 25 nights, before trimming


def nights_in(data_dir: Path) -> list[RawNight]:
    """Return the nights of a folder and the folders below it.

    Raises:
        InputError: there is no night of the data set.
    """
    nights = raw_nights(UCDDB, data_dir)
    if not nights:
        raise InputError(
            f"{data_dir}: no nights: no ucddb0NN.rec in it; fetch them with: python prepare_ucddb.py --download"
        )
    return nights


def download(subjects: Sequence[int], data_dir: Path) -> None:
    """Fetch the two files of each subject into `data_dir` and check them; what is there whole is not fetched again.

    Raises:
        InputError: the network or the server failed, or a file is not what the release says.
    """
    log.info("fetching subjects %s from PhysioNet to %s", as_ranges(subjects), data_dir)
    names = [f"ucddb{subject:03d}{ending}" for subject in subjects for ending in (".rec", "_stage.txt")]
    checksums = fetch_checksums(RELEASE_URL, CHECKSUMS, data_dir)
    if unlisted := [name for name in names if name not in checksums]:
        raise InputError(f"{data_dir / CHECKSUMS}: does not list {unlisted[0]}; remove it and try again")
    fetch({name: checksums[name] for name in names}, RELEASE_URL, data_dir)


def release_verdict(outcomes: Sequence[Outcome]) -> str:
    """Say whether the epochs in the hypnograms are as many as in the release."""
    nights = good(outcomes)
    n_nights = len(UCDDB.subjects)
    if len(nights) != n_nights:
        return (
            f"the release has {n_nights} nights with {RELEASE_ROWS:,} epochs, {RELEASE_STAGED:,} of them staged; "
            "nothing to compare"
        )
    rows, staged = (sum(int(night.source[name]) for night in nights) for name in ("hypnogram_epochs", "staged_epochs"))
    # A signal may be an epoch shorter than its hypnogram.
    same = rows == RELEASE_ROWS and 0 <= RELEASE_STAGED - staged <= len(nights)
    return (
        f"{len(nights)} nights: {rows:,} epochs in the hypnograms, {staged:,} of them with a stage and a signal; "
        f"{'matches' if same else 'DIFFERS from'} the release ({RELEASE_ROWS:,} and {RELEASE_STAGED:,})"
    )


def parser() -> argparse.ArgumentParser:
    parser = prepare_parser(__doc__, DATASETS["ucddb"], max_mismatch=2)
    parser.add_argument("--download", action="store_true", help="first fetch the --subjects (or all) from PhysioNet")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    subjects = None if options.subjects is None else parse_subjects(options.subjects, UCDDB.subjects)
    if options.download:
        download(subjects or UCDDB.subjects, writable_folder(options.data_dir))
    data_dir = existing_folder(options.data_dir, "raw UCDDB recordings")
    nights, missing = choose_nights(nights_in(data_dir), subjects, data_dir)
    wanted = prepare_options(options)
    outcomes = prepare_all(nights, wanted.rules(header_microvolts=UCDDB_HEADER_MICROVOLTS), UCDDB.read, wanted, missing)
    log.info("%s", release_verdict(outcomes))
    return exit_status(outcomes)


if __name__ == "__main__":
    raise SystemExit(main())
