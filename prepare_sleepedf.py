"""Prepare Sleep-EDF Expanded 1.0.0, the 153 sleep-cassette nights (https://physionet.org/content/sleep-edfx/1.0.0/).

    python prepare_sleepedf.py --data_dir ./raw_data/sleepedf --output_dir ./data/sleepedf --select_ch "EEG Fpz-Cz"
    python prepare_sleepedf.py --download --subjects 0-19

Files are `SC4ssN?0-PSG.edf` and `SC4ssN??-Hypnogram.edf` (ss subject, N night), in the folder or below it. The 44
sleep-telemetry nights, `ST7…`, are another study and never read.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from command import InputError, command, log, log_to_terminal, reason_of
from files.folders import existing_folder, writable_folder
from recordings.datasets import DATASETS, SLEEPEDF
from recordings.hypnogram import LARGEST_MISMATCH
from recordings.preparation import RawNight, raw_nights
from recordings.prepare_command import Outcome, choose_nights, exit_status, good, prepare_all, total_counts
from recordings.prepare_options import as_ranges, parse_subjects, prepare_options, prepare_parser
from sleepstage import STAGE_NAMES

RUNS_PAST_SIGNAL = ("SC4362F0",)  # its stages go on for hours after the signal's end


@dataclass(frozen=True)
class Published:
    """What others report for a set of nights, prepared by the same rules."""

    what: str
    subjects: tuple[int, ...]
    nights: int
    counts: tuple[int, ...]  # W N1 N2 N3 REM
    epochs_trimmed_first: int


PUBLISHED = (
    Published("subjects 0-19", DATASETS["sleepedf"].subjects, 39, (8285, 2804, 17799, 5703, 7717), 44_220),
    Published("all subjects", SLEEPEDF.subjects, 153, (65951, 21522, 69132, 13039, 25835), 199_352),
)


def nights_in(data_dir: Path) -> list[RawNight]:
    """Return the nights of a folder and the folders below it.

    Raises:
        InputError: there is no night of the data set.
    """
    nights = raw_nights(SLEEPEDF, data_dir)
    if not nights:
        n_files = sum(1 for _ in data_dir.rglob("*.edf"))
        raise InputError(
            f"{data_dir}: no night SC4ssN?0-PSG.edf among {n_files} .edf files (ST7… nights are another study); "
            "fetch them with: python prepare_sleepedf.py --download --subjects 0-19"
        )
    return nights


def download(subjects: Sequence[int], data_dir: Path) -> None:
    """Fetch both nights of `subjects` into `data_dir`; files that are there are not fetched again.

    Raises:
        InputError: the network or the server failed.
    """
    from mne.datasets.sleep_physionet.age import fetch_data

    log.info("fetching subjects %s from PhysioNet to %s", as_ranges(subjects), data_dir)
    try:
        fetch_data(subjects=list(subjects), path=data_dir, on_missing="ignore")  # 13, 36 and 52 have one night only
    except (OSError, ValueError) as error:
        raise InputError(
            f"download failed: {reason_of(error)}; try again, or put the files of "
            f"https://physionet.org/content/sleep-edfx/1.0.0/ into {data_dir}"
        ) from error


def published_verdict(outcomes: Sequence[Outcome], trim_first: bool) -> str:
    """Say whether the epochs are as many as published."""
    nights = good(outcomes)
    for published in PUBLISHED:
        own = [night for night in nights if int(night.name[3:5]) in published.subjects]
        if len(own) != len(nights) or len(own) != published.nights:
            continue
        counts, wanted = total_counts(own), sum(published.counts)
        if trim_first:
            wanted, same = published.epochs_trimmed_first, sum(counts) == published.epochs_trimmed_first
        else:
            same = counts == published.counts
        if same:
            return f"{published.what}: the {wanted:,} epochs match the published count"
        stages = ", ".join(f"{name} {count:,}" for name, count in zip(STAGE_NAMES, published.counts, strict=True))
        return f"{published.what}: {sum(counts):,} epochs DIFFER from the published {wanted:,}" + (
            "" if trim_first else f" ({stages})"
        )
    return (
        "published counts are for 39 nights (subjects 0-19: 42,308) and 153 nights (all: 195,479); nothing to compare"
    )


def parser() -> argparse.ArgumentParser:
    parser = prepare_parser(__doc__, DATASETS["sleepedf"], max_mismatch=LARGEST_MISMATCH)
    parser.add_argument("--download", action="store_true", help="first fetch the --subjects from PhysioNet")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    subjects = None if options.subjects is None else parse_subjects(options.subjects, SLEEPEDF.subjects)
    if options.download:
        if subjects is None:
            raise InputError("--download: say which subjects, as in --subjects 0-19 (all are 0-82, some 8 GB)")
        download(subjects, writable_folder(options.data_dir))
    data_dir = existing_folder(options.data_dir, "raw Sleep-EDF recordings")
    nights, missing = choose_nights(nights_in(data_dir), subjects, data_dir)
    wanted = prepare_options(options)
    outcomes = prepare_all(nights, wanted.rules(may_differ=RUNS_PAST_SIGNAL), SLEEPEDF.read, wanted, missing)
    log.info("%s", published_verdict(outcomes, options.trim_first))
    return exit_status(outcomes)


if __name__ == "__main__":
    raise SystemExit(main())
