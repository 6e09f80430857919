"""Hypnograms of one stage a line, each line an epoch: plain text, Luna's .eannot, DREAMS', and lists in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from command import InputError
from files.reading import load_json, reader
from recordings.edf import EXPORT_AGAIN
from recordings.hypnogram import Hypnogram
from recordings.hypnograms.heads import DREAMS, DREAMS_SECONDS, MARKS, ROLES
from recordings.hypnograms.labels import plain_label
from recordings.hypnograms.laying import hypnogram_of
from recordings.hypnograms.scoring import AS_IT_IS, Entry, Reading, Scoring
from recordings.tables import lines_of, text_of

HEADS = {*ROLES["stage"], "label"}


def scored(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the lines of a text file, or the cells of its only line; above the stages comments and a head may stand.

    A blank line between two stages is an epoch that is not scored.

    Raises:
        InputError: no such file, no text, a comment among the stages, or every second line is blank.
    """
    lines = [(number, line.strip()) for number, line in enumerate(lines_of(text_of(path)), 1)]
    filled = [at for at, (_, line) in enumerate(lines) if line]
    lines = lines[filled[0] : filled[-1] + 1] if filled else []
    while lines and (not lines[0][1] or lines[0][1][0] in MARKS):
        lines.pop(0)
    head = lines[0][1] if lines else ""
    dreams = head.casefold().startswith("[hypnogram")
    lines = lines[1:] if dreams or plain_label(head) in HEADS else lines
    for number, line in lines:
        if line and line[0] in MARKS:
            raise InputError(f"{path}: line {number} is a comment among the stages, {line[:30]!r}; remove it")
    if len(lines) > 4 and all(not line for _, line in lines[1::2]):
        raise InputError(f"{path}: every second line is blank; remove the blank lines")
    if len(lines) == 1 and len(cells := lines[0][1].replace(",", " ").replace(";", " ").split()) > 3:
        return Scoring([Entry(cell, f"line {lines[0][0]}, stage {number}") for number, cell in enumerate(cells, 1)])
    entries = [Entry(line, f"line {number}") for number, line in lines]
    return Scoring(entries, codes=DREAMS, epoch_seconds=DREAMS_SECONDS, steps=True) if dreams else Scoring(entries)


def scored_json(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the stages of a list in JSON, as those of Dreem's open data sets.

    Raises:
        InputError: no such file, or it is not one list of texts or numbers.
    """
    content = load_json(path, EXPORT_AGAIN)
    if not isinstance(content, list) or not all(isinstance(one, str | int | float) or one is None for one in content):
        raise InputError(f"{path}: is no list of stages, [0, 0, 1, …]; export it again")
    return Scoring([Entry("" if one is None else str(one), f"stage {number}") for number, one in enumerate(content, 1)])


def holds_numbers(path: Path) -> bool:
    """Tell whether the first line that counts is a whole number.

    Raises:
        InputError: as `scored`.
    """
    entries = scored(path).entries
    return bool(entries) and entries[0].text.isdecimal()


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
    return hypnogram_of(path, Scoring(scored(path).entries, codes=numbers, only_codes=True))
