"""Hypnograms in tables: a stage a row, with onset, end, duration, clock, date or epoch number, those that there are.

BIDS events, YASA's, MNE's, Visbrain's, RemLogic's, Noxturnal's, Dreem's, Domino's, WSC's, and this program's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, time
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from command import InputError
from files.reading import load_json
from recordings.hypnograms import lines
from recordings.hypnograms.heads import Table, table_in
from recordings.hypnograms.labels import code_of, key_of
from recordings.hypnograms.scoring import AS_IT_IS, Entry, Reading, Scoring
from recordings.tables import text_of
from recordings.times import DAY, UNITS, Moment, moment_of, number_of, on_one_clock, time_of_day
from sleepstage import EPOCH_SECONDS, NOT_SCORED

BLANK = ("", "n/a", "nan", "none")


def scored(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the rows of a table. Its columns are recognised by their names, or named by `reading.columns`.

    Raises:
        InputError: no such file, no table, no column that holds stages, one that holds times and is not understood, or
            a cell that should be a time or a number and is none.
    """
    text = text_of(path)
    found = table_in(path, text, reading.columns, reading.annotator)
    if found is None:
        return lines.scored(path)
    table = of_annotator(path, found, reading.annotator)
    times = times_of(path, table, reading)
    texts = table.cells("stage")
    if reading.only_by and "scored_by" in table.roles:
        stages = zip(texts, table.cells("scored_by"), strict=True)
        texts = [label if who == reading.only_by else NOT_SCORED for label, who in stages]
    rows = zip(texts, table.numbers, times.onsets, times.durations, strict=True)
    return Scoring(
        [Entry(label, f"line {number}", onset, duration) for label, number, onset, duration in rows],
        with_events=table.with_events,
        codes={**table.codes, **levels_of(path, table)},
        epoch_seconds=table.rate,
        start=None if times.clocked else origin_in(path, text),
        clock=times.start,
        clocked=times.clocked,
        notices=(*table.notices, *times.notices),
    )


ORIGIN = re.compile(r"^# orig_time *: *(.*?) *$", re.MULTILINE)


def origin_in(path: Path, text: str) -> datetime | None:
    """Return the time from which onsets count in MNE's annotations, as it writes it above them; None without one.

    Raises:
        InputError: it is no date and time.
    """
    found = ORIGIN.search(text)
    if not found or found[1].casefold() in BLANK:
        return None
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=None)  # MNE calls the recorder's own clock UTC
    except ValueError:
        raise InputError(f"{path}: orig_time {found[1][:40]!r} is no date and time; repair it") from None


def of_annotator(path: Path, table: Table, wanted: str) -> Table:
    """Return the rows of one annotator.

    Raises:
        InputError: several staged the night and none is named, or nobody of that name did.
    """
    if "annotator" not in table.roles:
        return table
    who = dict.fromkeys(cell for cell in table.cells("annotator") if cell.casefold() not in BLANK)
    if all(code_of(cell, {}) is not None for cell in who):
        return table  # such as the column `expert` of our own tables: an expert's stages, and nobody's name
    listed = ", ".join(list(who)[:10])
    if wanted and wanted not in who:
        raise InputError(f"{path}: --annotator {wanted}: no rows of this annotator; there are {listed}")
    if not wanted and len(who) > 1:
        raise InputError(f"{path}: has stages of {len(who)} annotators ({listed}); name one with --annotator")
    at = table.roles["annotator"]
    return replace(table, rows=[row for row in table.rows if row[1][at] == wanted]) if wanted else table


# ---- times ----


class Times(NamedTuple):
    """When the rows of a table are.

    Attributes:
        onsets: (row,) seconds, as `Scoring.clocked` says; None where each row is the next epoch.
        durations: (row,) seconds, None where there is none.
        clocked: as in `Scoring`.
        start: the time of day from which onsets count, if known.
        notices: what the user should know.
    """

    onsets: Sequence[float | None]
    durations: Sequence[float | None]
    clocked: str = ""
    start: time | None = None
    notices: tuple[str, ...] = ()


class Column(NamedTuple):
    """The times in a column: seconds, None where its cell is blank; and on what clock, as `Scoring.clocked` says."""

    seconds: Sequence[float | None]
    clocked: str


def times_of(path: Path, table: Table, reading: Reading) -> Times:
    """Return when the rows of a table are, by its columns.

    Raises:
        InputError: a cell is no time, or a column that no role explains seems to hold times.
    """
    n_rows = len(table.rows)
    onset, clock = (column_of(path, table, role) for role in ("onset", "clock"))
    if onset and clock and clock.clocked and onset.clocked == "":
        start = common_start(path, table, onset, clock)
        return Times(onset.seconds, durations_of(path, table, onset), "", start)
    begun = onset if onset and (onset.clocked or not clock) else clock or onset
    if begun:
        return Times(begun.seconds, durations_of(path, table, begun), begun.clocked)
    if "epoch" in table.roles:
        return by_number(path, table, float(reading.epoch_seconds or EPOCH_SECONDS))
    if "end" in table.roles:
        return by_ends(path, table)
    refuse_times(path, table)
    nothing = [None] * n_rows
    return Times(nothing, [table.rate] * n_rows if table.rate else nothing)


def column_of(path: Path, table: Table, role: str) -> Column | None:
    """Return the times in a column; None where there is none, or nothing in it.

    Raises:
        InputError: a cell is neither a number, of a unit that is known, nor a time, or is blank beside a label.
    """
    cells = table.cells(role)
    if role in ("onset", "clock") and "date" in table.roles and moment_of(next(filter(None, cells), "")):
        cells = [
            f"{day} {cell}" if day and cell else cell for day, cell in zip(table.cells("date"), cells, strict=True)
        ]
    filled = [cell for cell in cells if cell.casefold() not in BLANK]
    if not filled:
        return None
    as_numbers = number_of(filled[0]) is not None
    unit = UNITS.get(table.unit(role)) if as_numbers else 1.0
    if unit is None:
        raise InputError(
            f"{path}: column {table.name(role)} is in {table.unit(role)}, no known unit; give it in seconds"
        )
    numbers = [number_of(cell) if as_numbers else None for cell in cells]
    moments = [None if as_numbers else moment_of(cell) for cell in cells]
    rows = zip(cells, numbers, moments, table.cells("stage"), table.numbers, strict=True)
    for cell, value, moment, text, line in rows:
        blank = cell.casefold() in BLANK
        if value is None and moment is None and (not blank or (text and role != "end")):
            what = "number of seconds" if as_numbers else "time of day"
            raise InputError(
                f"{path}: line {line}: {cell[:20]!r} in column {table.name(role)} is no {what}; repair it, or name the "
                "columns with --columns"
            )
    if as_numbers:
        return Column([None if value is None else value * unit for value in numbers], "")
    return on_clock(path, table, role, moments)


def on_clock(path: Path, table: Table, role: str, moments: Sequence[Moment | None]) -> Column:
    """Return times of day, or with dates, in seconds.

    Raises:
        InputError: dates that contradict each other, or times from 00:00:00 that may be of day or from the start.
    """
    try:
        seconds, dated = on_one_clock([moment for moment in moments if moment])
    except ValueError as error:
        raise InputError(f"{path}: column {table.name(role)}: {error}; repair it") from error
    every = iter(seconds)
    placed = [next(every) if moment else None for moment in moments]
    if dated and seconds[0] < MNE_DAYS:
        return Column([None if one is None else one - NO_ORIGIN for one in placed], "")
    if "onset" in table.given and role != "clock" and not dated:
        return Column(placed, "")
    if not dated and seconds[0] == 0 and role in ("onset", "clock") and role not in table.given:
        raise InputError(
            f"{path}: column {table.name(role)} starts at 00:00:00: say whether it counts from the recording's start, "
            f"--columns onset={table.name(role)}, or is the time of day, --columns clock={table.name(role)}"
        )
    return Column(placed, "date" if dated else "day")


NO_ORIGIN = 719_163 * float(DAY)  # 1970-01-01, from which MNE's annotations count that have no origin
MNE_DAYS = NO_ORIGIN + 31 * DAY


def common_start(path: Path, table: Table, onset: Column, clock: Column) -> time:
    """Return the time of day at which onsets are 0, by the clock that stands beside them.

    Raises:
        InputError: the two contradict each other.
    """
    starts = [
        (second - onset_second) % DAY
        for second, onset_second in zip(clock.seconds, onset.seconds, strict=True)
        if second is not None and onset_second is not None
    ]
    for start, number in zip(starts, table.numbers, strict=False):
        if 1 < (start - starts[0]) % DAY < DAY - 1:
            raise InputError(
                f"{path}: line {number}: columns {table.name('onset')} and {table.name('clock')} contradict each "
                "other; repair it, or take one of them away"
            )
    return time_of_day(min(starts, key=lambda start: (start - starts[0] + 2) % DAY))


def durations_of(path: Path, table: Table, begun: Column) -> list[float | None]:
    """Return how long each row lasts, by its duration or its end.

    Raises:
        InputError: a cell is no duration, or an end is on another clock than its onset, or before it.
    """
    if table.cells("duration"):
        return [duration_in(path, table, *one) for one in zip(table.cells("duration"), table.numbers, strict=True)]
    ends = column_of(path, table, "end")
    if ends is None:
        return [table.rate] * len(table.rows)
    if ends.clocked != begun.clocked:
        raise InputError(f"{path}: column {table.name('end')} is on another clock than the starts; export it again")
    durations: list[float | None] = []
    for start, end, number in zip(begun.seconds, ends.seconds, table.numbers, strict=True):
        length = (
            None if start is None or end is None else (end - start) % DAY if begun.clocked == "day" else end - start
        )
        if length is not None and length < 0:
            raise InputError(f"{path}: line {number} ends before it starts; repair it")
        durations.append(length)
    return durations


def duration_in(path: Path, table: Table, cell: str, line: int) -> float | None:
    """Return the duration in a cell, in seconds; None where it is blank.

    Raises:
        InputError: it is neither a number of a known unit nor hours, minutes and seconds.
    """
    if cell.casefold() in BLANK:
        return None
    number, moment = number_of(cell), moment_of(cell)
    unit = UNITS.get(table.unit("duration"), None if number is not None else 1.0)
    if unit is None or (number is None and moment is None):
        raise InputError(
            f"{path}: line {line}: {cell[:20]!r} in column {table.name('duration')} is no number of seconds; repair "
            "it, or name the columns"
        )
    return number * unit if number is not None else moment.seconds if moment else None


def by_number(path: Path, table: Table, seconds: float) -> Times:
    """Return rows placed by the numbers of their epochs, which count from 1 unless there is a 0.

    Raises:
        InputError: a cell is no whole number.
    """
    numbers: list[int | None] = []
    for cell, text, line in zip(table.cells("epoch"), table.cells("stage"), table.numbers, strict=True):
        value = number_of(cell)
        if (value is None and (cell or text)) or (value is not None and (value != int(value) or abs(value) > 1e7)):
            raise InputError(f"{path}: line {line}: {cell[:20]!r} in column {table.name('epoch')} is no epoch's number")
        numbers.append(None if value is None else int(value))
    there = [number for number in numbers if number is not None]
    base = 0 if 0 in there or (any(table.names) and not table.name("epoch")) else 1  # an index counts from 0
    said = tuple(numbered_notice(min(there), base)) if there else ()
    onsets = [None if number is None else seconds * (number - base) for number in numbers]
    return Times(onsets, [seconds] * len(numbers), notices=said)


def numbered_notice(lowest: int, base: int) -> Iterator[str]:
    """Yield what to say of numbers of epochs that do not show themselves from where they count, as a 0 does."""
    if lowest > 0:
        other = "0, its row is missing: add it" if base else "1, add a column with numbers from 1, called epoch"
        yield (
            f"its epochs are numbered from {lowest} on, and placed so: number {base} is the first; "
            f"if the first is {other}"
        )


def by_ends(path: Path, table: Table) -> Times:
    """Return rows that start where the last one ends, the first at 0, as Visbrain's.

    Raises:
        InputError: ends that are no numbers, or do not go up.
    """
    ends = column_of(path, table, "end")
    known = [end for end in ends.seconds if end is not None] if ends and not ends.clocked else []
    if len(known) != len(table.rows):
        raise InputError(f"{path}: has ends of stages and no starts; give each a start, or an end in seconds")
    starts = [0.0, *known[:-1]]
    for start, end, number in zip(starts, known, table.numbers, strict=True):
        if end <= start:
            raise InputError(f"{path}: line {number} ends at {end:g} s, not after the last one; repair it")
    return Times(starts, [end - start for start, end in zip(starts, known, strict=True)])


def refuse_times(path: Path, table: Table) -> None:
    """Raise InputError when a column that no role explains goes up like times."""
    for at, name in enumerate(table.names):
        column = [row[at] for _, row in table.rows]
        moments = [moment_of(cell) for cell in column]
        times = [
            number_of(cell) if moment is None else moment.seconds for cell, moment in zip(column, moments, strict=True)
        ]
        known = [time for time in times if time is not None]
        if at in table.roles.values() or len(known) < max(2, len(times)):
            continue
        if None not in moments or all(before < after for before, after in pairwise(known)):
            raise InputError(
                f"{path}: column {name} seems to hold times, and what they mean is not known; say it with --columns "
                f"onset={name}, or clock={name}, end={name}, duration={name}, epoch={name}"
            )


def levels_of(path: Path, table: Table) -> dict[str, int]:
    """Return what the .json beside BIDS events says of the values in the column of stages, as far as it names them."""
    described = path.with_suffix(".json")
    if path.suffix.casefold() != ".tsv" or not described.is_file():
        return {}
    content = load_json(described, "repair it, or take it away")
    column_content = content.get(table.name("stage")) if isinstance(content, dict) else None
    levels = column_content.get("Levels") if isinstance(column_content, dict) else None
    named = {str(value): code_of(str(text), {}) for value, text in levels.items()} if isinstance(levels, dict) else {}
    return {key_of(value): code for value, code in named.items() if code is not None}
