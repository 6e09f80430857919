"""Hypnograms of Luna: .annot, a class and its times a line (https://zzz.bwh.harvard.edu/luna/ref/annotations/).

    # comments
    class  instance  channel  start     stop      meta
    N2     .         .        120       150       .

Times are seconds, `0+hh:mm:ss`, epochs (`e:5`), or times of day. A stop may be `+30`, or `...`: the next start.
"""

from __future__ import annotations

import re
from pathlib import Path

from command import InputError
from recordings.hypnograms.scoring import AS_IT_IS, TO_NEXT, Entry, Reading, Scoring
from recordings.tables import lines_of, text_of
from recordings.times import number_of, seconds_of_day
from sleepstage import EPOCH_SECONDS

FORMS = {6: (0, 3, 4), 4: (0, 2, 3), 3: (0, 1, 2)}
"""Columns of a line → which are the class, the start and the stop."""


def scored(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the annotations of a file; what is no stage among them is left out.

    Raises:
        InputError: no such file, or a line whose columns or times are not understood.
    """
    rows = []
    for number, line in enumerate(lines_of(text_of(path)), 1):
        cells = [cell.strip() for cell in (line.split("\t") if "\t" in line else line.split())]
        if not line.strip() or line.lstrip().startswith("#") or cells[0].casefold() == "class":
            continue
        if len(cells) not in FORMS:
            raise InputError(f"{path}: line {number} has {len(cells)} columns; there are 3, 4 or 6, separated by tabs")
        text, start, stop = (cells[i] for i in FORMS[len(cells)])
        rows.append((number, text, start, stop))
    on_clock = [seconds_of_day(start) for _, _, start, _ in rows]
    clocked = any(time is not None for time in on_clock)
    if clocked and None in on_clock:
        raise InputError(f"{path}: some lines start at times of day and some do not; export it again with one kind")
    entries = [
        Entry(
            text,
            f"line {number}",
            time if clocked else elapsed(path, number, start),
            lasting(path, number, start, stop),
        )
        for (number, text, start, stop), time in zip(rows, on_clock, strict=True)
    ]
    return Scoring(entries, with_events=True, clocked="day" if clocked else "")


def elapsed(path: Path, number: int, text: str) -> float:
    """Return a time from the recording's start, in seconds.

    Raises:
        InputError: it is none.
    """
    epoch = re.fullmatch(r"e:(?:30:(?:30:)?)?([1-9]\d{0,6})", text)
    after = re.fullmatch(r"0\+(.*)", text)
    of_day = seconds_of_day(after[1]) if after else None
    if epoch:
        return float(EPOCH_SECONDS * (int(epoch[1]) - 1))
    if of_day is not None:
        return of_day
    seconds = number_of(text)
    if seconds is None:
        raise InputError(
            f"{path}: line {number}: {text[:20]!r} is no time; there are seconds, 0+hh:mm:ss, hh:mm:ss and e:1"
        )
    return seconds


def lasting(path: Path, number: int, start: str, stop: str) -> float | None:
    """Return how long a line lasts, in seconds; None when it lasts to the next."""
    if stop in ("...", ".", ""):
        return EPOCH_SECONDS if start.startswith("e:") else TO_NEXT
    if stop.startswith("+"):
        return elapsed(path, number, stop[1:])
    if start.startswith("e:"):
        return elapsed(path, number, stop) - elapsed(path, number, start) + EPOCH_SECONDS
    first, last = seconds_of_day(start), seconds_of_day(stop)
    if first is not None and last is not None:
        return (last - first) % 86_400
    return elapsed(path, number, stop) - elapsed(path, number, start)
