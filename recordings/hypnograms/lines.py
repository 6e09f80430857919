"""Hypnograms of one stage a line, each line an epoch: plain text, and Luna's .eannot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from files.reading import reader
from recordings.edf import EXPORT_AGAIN
from recordings.hypnogram import Hypnogram
from recordings.hypnograms.scoring import AS_IT_IS, Label, Reading, Scoring, hypnogram_of
from recordings.tables import plain_name, text_of

HEADS = ("stage", "stages", "sleep_stage", "sleep_stages", "hypnogram", "label")


def scored(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the lines of a text file; blank ones, and those that start with #, do not count.

    Raises:
        InputError: no such file, or no text.
    """
    labels = [
        Label(line.strip(), f"line {number}")
        for number, line in enumerate(text_of(path).splitlines(), 1)
        if line.strip() and line.lstrip()[0] != "#"
    ]
    return Scoring(labels[1:] if labels and plain_name(labels[0].text) in HEADS else labels)


def holds_numbers(path: Path) -> bool:
    """Tell whether the first line that counts is a whole number.

    Raises:
        InputError: as `scored`.
    """
    labels = scored(path).labels
    return bool(labels) and labels[0].text.isdecimal()


@reader("a readable list of stages", EXPORT_AGAIN)
def read_stage_lines(path: Path, codes: Mapping[int, int]) -> Hypnogram:
    """Read a hypnogram of one whole number a line; blank lines do not count.

    Args:
        path: the text file.
        codes: the data set's number of each stage → our code.

    Raises:
        InputError: no such file, nothing in it, or a line that is none of the data set's numbers.
    """
    numbers = {str(number): code for number, code in codes.items()}
    return hypnogram_of(path, Scoring(scored(path).labels, codes=numbers, only_codes=True))
