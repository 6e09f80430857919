"""The options that say how hypnograms are to be read."""

from __future__ import annotations

import argparse

from command import InputError
from recordings.hypnograms.heads import GIVEN
from recordings.hypnograms.labels import stage_map
from recordings.hypnograms.scoring import Reading

READING = ("stage_map", "epoch_seconds", "columns", "annotator")  # the options below


def add_reading_options(parser: argparse._ActionsContainer) -> None:
    """Give a parser, or a group of one, the options that `reading_of` reads."""
    add = parser.add_argument
    add("--stage_map", metavar="MAP", help="what labels of hypnograms mean: rk, aasm, or a FILE of label,stage")
    add("--epoch_seconds", type=int, metavar="S", help="hypnograms have epochs of S seconds: resample them to 30")
    add("--columns", nargs="+", metavar="WHAT=NAME", help=f"columns of hypnograms: {', '.join(GIVEN)}")
    add("--annotator", metavar="NAME", default="", help="whose stages count where a hypnogram has those of several")


def reading_of(options: argparse.Namespace) -> Reading:
    """Return how the user wants hypnograms to be read.

    Raises:
        InputError: a map, a length or a column that makes no sense.
    """
    columns = dict(part.partition("=")[::2] for part in options.columns or ())
    for name, value in columns.items():
        if name not in GIVEN or not value:
            raise InputError(f"--columns {name}={value}: give {', '.join(f'{one}=NAME' for one in GIVEN)}")
    codes = stage_map(options.stage_map) if options.stage_map else {}
    return Reading(codes, options.epoch_seconds, columns, options.annotator)


def read_as(reading: Reading) -> str:
    """Return how hypnograms are read in words, to tell nights that were prepared otherwise."""
    parts = [f"{label or 'blank'}={code}" for label, code in sorted(reading.stage_map.items())]
    parts += [f"{what} in {name}" for what, name in sorted(reading.columns.items())]
    parts += [f"stages of {reading.annotator}"] if reading.annotator else []
    parts += [f"judged by {reading.only_by}"] if reading.only_by else []
    parts += [f"epochs of {reading.epoch_seconds} s"] if reading.epoch_seconds else []
    return ", ".join(parts) or "by the known labels"
