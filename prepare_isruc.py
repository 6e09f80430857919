"""Prepare ISRUC-Sleep, subgroup I: 100 subjects, one night each (https://sleeptight.isr.uc.pt/).

    python prepare_isruc.py --data_dir ./raw_data/isruc --output_dir ./data/isruc

Each archive N.rar unpacks to the folder N with `N.rec` (EDF) and two experts' hypnograms `N_1.txt` and `N_2.txt`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from command import InputError, command, log, log_to_terminal
from files.folders import existing_folder
from recordings.datasets import DATASETS, ISRUC, ISRUC_EXPERTS, isruc_night
from recordings.datasets import ISRUC_UNREFERENCED as UNREFERENCED
from recordings.hypnogram import LARGEST_MISMATCH
from recordings.preparation import RawNight, raw_nights
from recordings.prepare_command import Outcome, choose_nights, exit_status, good, prepare_all, total_counts
from recordings.prepare_options import parse_subjects, prepare_options, prepare_parser
from sleepstage import STAGE_NAMES

LAST_EPOCHS = 30  # what the official cleaned files leave out at the end of each night

OFFICIAL_NIGHTS = 99  # without subject 40
OFFICIAL_SLEEP = (11_490, 28_195, 17_282, 11_920)  # N1 N2 N3 REM; W depends on how it is trimmed
OFFICIAL_TOLERANCE = 0.01


def nights_in(data_dir: Path, expert: int) -> list[RawNight]:
    """Return the night of every subject that has a recording or a hypnogram of the expert in N/ below `data_dir`.

    Raises:
        InputError: there is none.
    """
    nights = raw_nights(replace(ISRUC, hypnogram=ISRUC_EXPERTS[expert]), data_dir)
    if not nights:
        packed = len(list(data_dir.glob("*.rar")))
        remedy = f"unpack the {packed} .rar files there" if packed else "fetch N.rar of subgroup I and unpack it there"
        raise InputError(f"{data_dir}: no nights: no N/N.rec in it (N from 1 to 100); {remedy}")
    return nights


def wanted_subjects(given: Sequence[str] | None, include_unreferenced: bool) -> tuple[int, ...] | None:
    """Return the subjects to prepare, None for all there are.

    Raises:
        InputError: no such subject, or subject 40 by its number without the option that includes it.
    """
    if given is None:
        return None
    subjects = parse_subjects(given, ISRUC.subjects)
    parts = [part for part in ",".join(given).split(",") if part]
    by_itself = any(parse_subjects([part], ISRUC.subjects) == (UNREFERENCED,) for part in parts)
    if by_itself and not include_unreferenced:
        raise InputError(f"--subjects {UNREFERENCED}: is left out unless you give --include_subject_{UNREFERENCED}")
    return subjects if include_unreferenced else tuple(subject for subject in subjects if subject != UNREFERENCED)


def official_verdict(outcomes: Sequence[Outcome]) -> str:
    """Say whether the sleep stages are as many as in the official table."""
    nights = [night for night in good(outcomes) if night.name != isruc_night(UNREFERENCED)]
    if len(nights) != OFFICIAL_NIGHTS or any(night.source["drop_last"] for night in nights):
        return f"the official table is for {OFFICIAL_NIGHTS} whole nights; nothing to compare"
    pairs = list(zip(total_counts(nights)[1:], OFFICIAL_SLEEP, strict=True))
    same = all(abs(count - official) <= OFFICIAL_TOLERANCE * official for count, official in pairs)
    stages = ", ".join(f"{name} {official:,}" for name, official in zip(STAGE_NAMES[1:], OFFICIAL_SLEEP, strict=True))
    verdict = "match" if same else "DIFFER from"
    return f"{OFFICIAL_NIGHTS} subjects: sleep stages {verdict} the official table to 1 % ({stages})"


def parser() -> argparse.ArgumentParser:
    parser = prepare_parser(__doc__, DATASETS["isruc"], max_mismatch=LARGEST_MISMATCH)
    add = parser.add_argument
    add("--expert", type=int, choices=(1, 2), default=1, help="whose hypnogram (default %(default)s)")
    add(
        f"--include_subject_{UNREFERENCED}",
        dest="include_unreferenced",
        action="store_true",
        help=f"also prepare subject {UNREFERENCED}, as {isruc_night(UNREFERENCED)} (C3 - A2)",
    )
    add(
        f"--drop_last_{LAST_EPOCHS}",
        dest="drop_last",
        action="store_const",
        const=LAST_EPOCHS,
        default=0,
        help=f"leave out the last {LAST_EPOCHS} epochs of each night, as the official cleaned files do",
    )
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    subjects = wanted_subjects(options.subjects, options.include_unreferenced)
    data_dir = existing_folder(options.data_dir, "raw ISRUC recordings")
    found = nights_in(data_dir, options.expert)
    log.info("subjects 1-39 become subject0-subject38, subjects 41-100 become subject39-subject98")
    if not options.include_unreferenced:
        found = [night for night in found if night.subject != UNREFERENCED]
        log.info("subject %d is left out: unreferenced electrodes (--include_subject_40)", UNREFERENCED)
    nights, missing = choose_nights(found, subjects, data_dir)
    wanted = prepare_options(options)
    outcomes = prepare_all(nights, wanted.rules(drop_last=options.drop_last), ISRUC.read, wanted, missing)
    log.info("%s", official_verdict(outcomes))
    return exit_status(outcomes)


if __name__ == "__main__":
    raise SystemExit(main())
