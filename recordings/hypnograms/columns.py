"""Hypnograms in CSV and TSV: a stage a row, or onset, duration, stage. BIDS events, YASA's, and this program's own."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from command import InputError, one_line
from files.reading import load_json
from recordings.hypnograms import lines
from recordings.hypnograms.labels import code_of
from recordings.hypnograms.scoring import AS_IT_IS, Label, Reading, Scoring, clocked, seconds_of_day
from recordings.tables import plain_name, rows_of, text_of
from sleepstage import EPOCH_SECONDS, NOT_SCORED

STAGE = ("stage", "stages", "sleep_stage", "sleepstage", "sleep_stages", "hypnogram", "hypno", "stage_hum")
EVENT = (
    "trial_type",
    "description",
    "annotation",
    "event",
    "label",
    "class",
    "name",
    "value",
)  # others stand there too
ONSET = ("onset", "onset_s", "onset_sec", "onset_seconds", "start", "start_s", "start_sec", "begin", "time_s")
DURATION = ("duration", "duration_s", "duration_sec", "duration_seconds")
CLOCK = ("clock", "time", "start_time", "clock_time", "timestamp", "datetime", "date_time")
SCORED_BY = ("scored_by",)
EPOCH = ("epoch", "epoch_number", "epoch_no", "epoch_id")

Row = tuple[int, list[str]]


def scored(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the rows of a table. Its columns are recognised by their names, or named by `reading.columns`.

    Raises:
        InputError: no such file, no table, no column that holds stages, or a cell that should be a number and is none.
    """
    rows = list(rows_of(path, text_of(path).splitlines()))
    head = [plain_name(name) for name in rows[0][1]] if rows else []
    if all(len(row) == 1 for _, row in rows) and not reading.columns and not set(head) & {*EVENT, *STAGE}:
        return lines.scored(path)
    columns = named_columns(path, head, reading.columns)
    if "stage" not in columns:
        return scoring_of(path, headless(path, rows), rows, reading)
    found = scoring_of(path, columns, rows[1:], reading)
    with_events = head[columns["stage"]] in EVENT and "stage" not in reading.columns
    return replace(found, with_events=with_events, codes=levels_of(path, rows[0][1][columns["stage"]]))


def named_columns(path: Path, head: Sequence[str], given: Mapping[str, str]) -> dict[str, int]:
    """Return where the columns `stage`, `onset`, `duration`, `clock`, `epoch`, `scored_by` are, those that there are.

    Raises:
        InputError: there is no column of a name that was given.
    """
    columns = {}
    for what, name in given.items():
        if plain_name(name) not in head:
            raise InputError(f"{path}: no column {name}, which --columns names; there are {', '.join(head)}")
        columns[what] = head.index(plain_name(name))
    kinds = {"stage": (*STAGE, *EVENT), "onset": ONSET, "duration": DURATION, "clock": CLOCK, "epoch": EPOCH}
    kinds["scored_by"] = SCORED_BY
    for what, names in kinds.items():
        found = [name for name in names if name in head]
        if found and what not in columns:
            columns[what] = head.index(found[0])
    return columns


def headless(path: Path, rows: Sequence[Row]) -> dict[str, int]:
    """Return where onset, duration and stage are in a table without a head; they stand in this order.

    Raises:
        InputError: there are other columns.
    """
    cells = rows[0][1]
    if len(cells) == 3 and all(map(is_number, cells[:2])) and not is_number(cells[2]):
        return {"onset": 0, "duration": 1, "stage": 2}
    shown = one_line(", ".join(cells))[:80]
    raise InputError(
        f"{path}: no column of stages among {shown}; call it stage in the first line, with onset and duration if there "
        "are such, or name it with --columns stage=NAME"
    )


def scoring_of(path: Path, columns: Mapping[str, int], rows: Sequence[Row], reading: Reading) -> Scoring:
    """Return the labels of the rows of a table, with their times from the columns that it has."""
    cells = {what: [row[column] if column < len(row) else "" for _, row in rows] for what, column in columns.items()}
    numbers = [number for number, _ in rows]
    if reading.only_by and "scored_by" in cells:
        stages = zip(cells["stage"], cells["scored_by"], strict=True)
        cells["stage"] = [text if who == reading.only_by else NOT_SCORED for text, who in stages]
    labels = [Label(text, f"line {number}") for text, number in zip(cells["stage"], numbers, strict=True)]
    clock = [seconds_of_day(cell) for cell in cells.get("clock", ())]
    of_day = [time for time in clock if time is not None]
    if "onset" in cells:
        onsets = [number_in(path, cell, number) for cell, number in zip(cells["onset"], numbers, strict=True)]
        durations = [duration_in(path, *one) for one in zip(cells.get("duration", ()), numbers, strict=False)]
        durations = durations or [None] * len(labels)
        timed = zip(labels, onsets, durations, strict=True)
        return Scoring([label._replace(onset=onset, duration=duration) for label, onset, duration in timed])
    if all(cell.isdecimal() and len(cell) < 8 for cell in cells.get("epoch", ("",))):
        return Scoring(by_number(labels, [int(cell) for cell in cells["epoch"]], reading.epoch_seconds))
    if of_day and len(of_day) == len(labels):
        placed, start = clocked(labels, of_day)
        return Scoring(placed, clock=start)
    return Scoring(labels)


def by_number(labels: Sequence[Label], numbers: Sequence[int], epoch_seconds: int | None) -> list[Label]:
    """Return labels as they are when their epochs follow each other, else placed by the numbers of their epochs."""
    if all(number == numbers[0] + i for i, number in enumerate(numbers)):
        return list(labels)
    first, seconds = min(numbers), float(epoch_seconds or EPOCH_SECONDS)
    return [
        label._replace(onset=seconds * (number - first), duration=seconds)
        for label, number in zip(labels, numbers, strict=True)
    ]


def number_in(path: Path, cell: str, line: int) -> float:
    """Return the number in a cell.

    Raises:
        InputError: there is none, or it is not finite.
    """
    if not is_number(cell):
        raise InputError(f"{path}: line {line}: {cell[:20]!r} is no number of seconds; repair it, or name the columns")
    return float(cell)


def duration_in(path: Path, cell: str, line: int) -> float | None:
    return None if cell.casefold() in ("", "n/a") else number_in(path, cell, line)


def is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell))
    except ValueError:
        return False


def levels_of(path: Path, column: str) -> dict[str, int]:
    """Return what the .json beside BIDS events says of a column's values, as far as it names stages."""
    described = path.with_suffix(".json")
    if path.suffix.casefold() != ".tsv" or not described.is_file():
        return {}
    content = load_json(described, "repair it, or take it away")
    column_content = content.get(column) if isinstance(content, dict) else None
    levels = column_content.get("Levels") if isinstance(column_content, dict) else None
    named = {str(value): code_of(str(text), {}) for value, text in levels.items()} if isinstance(levels, dict) else {}
    return {value: code for value, code in named.items() if code is not None}
