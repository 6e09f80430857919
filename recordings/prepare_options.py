"""The options that the prepare scripts share, and what they ask for."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import engine
from command import InputError, new_parser
from recordings.datasets import Dataset
from recordings.opening import checked_unit
from recordings.prepare_command import PrepareOptions


def prepare_options(options: argparse.Namespace) -> PrepareOptions:
    """Return what parsed options ask for.

    Raises:
        InputError: a value makes no sense.
    """
    if options.max_mismatch < 0:
        raise InputError(f"--max_mismatch is {options.max_mismatch}; it must be 0 or more")
    return PrepareOptions(
        Path(options.output_dir),
        engine.workers_of(options),
        options.select_ch or "",
        options.max_mismatch,
        options.trim_first,
        options.overwrite,
        checked_unit(options.unit),
    )


def prepare_parser(description: str | None, dataset: Dataset, max_mismatch: int) -> argparse.ArgumentParser:
    """Return a parser with the options that every prepare script has.

    Args:
        description: for `--help`.
        dataset: its name is that of the folders under ./raw_data and ./data.
        max_mismatch: default limit, in epochs.
    """
    parser = new_parser(description)
    folder, subjects = dataset.name, as_ranges(dataset.study.subjects if dataset.study else ())
    add = parser.add_argument
    add("--data_dir", default=f"./raw_data/{folder}", help="folder of the raw recordings (default %(default)s)")
    add("--output_dir", default=f"./data/{folder}", help="folder for the prepared nights (default %(default)s)")
    add(
        "--select_ch",
        default=dataset.channel,
        help='channel; aliases are found ("C3-A2" is C3-M2, C3A2) (default %(default)s)',
    )
    add(
        "--subjects",
        nargs="+",
        metavar="N",
        help=f"numbers and ranges, as in 1 3 5-7 (default all there are; {subjects})",
    )
    add_options_of_all(parser, max_mismatch)
    return parser


def add_options_of_all(parser: argparse.ArgumentParser, max_mismatch: int) -> None:
    """Give a parser the options that do not depend on the data set."""
    add = parser.add_argument
    engine.add_options(parser, "nights")
    add("--overwrite", action="store_true", help="prepare nights again that are there with the same settings")
    add("--unit", metavar="UNIT", default="", help="uV, mV, V: of signals whose own unit is not known")
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
    if not chosen:
        raise InputError("--subjects: give numbers and ranges, as in 1 3 5-7")
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
