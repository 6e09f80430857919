"""The annotations of EDF+ and BDF+ files: marks, the time stamps of records, and the gaps that these leave.

Source of the format: Kemp & Olivan (2003), https://www.edfplus.info/specs/edfplus.html, section 2.2.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from command import InputError, counted, one_line
from files.limits import LATEST_ONSET, MOST_MARKS
from recordings.recording import Mark, Stretch

JITTER_SECONDS = 0.005  # half a sample at 100 Hz: less between two records is no gap
RECORDS_AT_A_TIME = 1000

TIMED_TEXTS = re.compile(rb"([+-]\d{1,15}(?:\.\d{0,15})?)(?:\x15([\d.]{0,30}))?\x14(.*)\x14", re.DOTALL)
"""A time-stamped annotation list (TAL) without the \\0 that ends it: onset, duration if any, texts with a \\x14 between
two."""


@dataclass(frozen=True, eq=False)
class Annotations:
    """What the annotation signals of a file say.

    Attributes:
        stamps: (record,) seconds; nan where a record has no time stamp that can be read.
        marks: in order of time, from the time that the header gives on.
        n_unread, first_unread: how many lists cannot be read, and what and where the first is.
    """

    stamps: NDArray[np.float64]
    marks: tuple[Mark, ...]
    n_unread: int = 0
    first_unread: str = ""

    def unread_in_words(self) -> str:
        """Return how many lists of annotations cannot be read, and where the first is; "" when all can."""
        if not self.n_unread:
            return ""
        return f"{counted(self.n_unread, 'annotation')} cannot be read (the first: {self.first_unread})"


BytesOf = Callable[[int, int, int], NDArray[np.uint8]]
"""(signal, first record, last record) → (record, byte)."""


def read_annotations_of(path: Path, signals: Sequence[int], n_records: int, bytes_of: BytesOf) -> Annotations:
    """Read annotation signals; the first of them keeps the time of the records.

    Raises:
        InputError: there are more annotations than a recording can have.
    """
    stamps = np.full(n_records, np.nan)
    marks: list[Mark] = []
    n_unread, first_unread = 0, ""
    for number, signal in enumerate(signals):
        for first in range(0, n_records, RECORDS_AT_A_TIME):
            last = min(n_records, first + RECORDS_AT_A_TIME)
            for record, content in enumerate(bytes_of(signal, first, last), first):
                lists = [one for one in content.tobytes().split(b"\x00") if one]
                found = [timed_texts(one) for one in lists]
                if number == 0 and found and found[0]:
                    stamps[record] = stamp_of(found[0])
                marks += [mark for one in found if one for mark in marks_of(*one)]
                for one in (one for one, read in zip(lists, found, strict=True) if not read):
                    first_unread = first_unread or f"{shown(one)} in record {record}"
                    n_unread += 1
            if len(marks) > MOST_MARKS:
                raise InputError(f"{path}: has more than {MOST_MARKS:,} annotations, the limit; export it without them")
    return Annotations(stamps, tuple(sorted(marks, key=lambda mark: mark.onset)), n_unread, first_unread)


TimedTexts = tuple[bytes, bytes, bytes]


def timed_texts(one: bytes) -> TimedTexts | None:
    """Return onset, duration and texts of a time-stamped annotation list; None for what is none."""
    found = TIMED_TEXTS.fullmatch(one)
    if not found or abs(float(found[1])) > LATEST_ONSET:
        return None
    return found[1], found[2] or b"", found[3]


def stamp_of(first: TimedTexts) -> float:
    """Return the time that the first list of a record keeps: it has no duration, and its first text is empty."""
    onset, duration, texts = first
    return float(onset) if not duration and (not texts or texts.startswith(b"\x14")) else np.nan


def marks_of(onset: bytes, duration: bytes, texts: bytes) -> list[Mark]:
    """Return a mark for each text of a list; one that only keeps the time has none."""
    try:
        seconds = float(duration) if duration else None
    except ValueError:  # 1.2.3
        seconds = None
    return [Mark(float(onset), seconds, decoded(text)) for text in texts.split(b"\x14") if text]


def decoded(text: bytes) -> str:
    """Return the text of an annotation: UTF-8, as EDF+ wants it, else Windows' Western letters."""
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError:
        return text.decode("cp1252", "replace")


def shown(one: bytes) -> str:
    text = one_line(one[:30].decode("latin-1"))
    return f"{text}…" if len(one) > 30 else text


# ---- the time of records ----


@dataclass(frozen=True, eq=False)
class Clock:
    """When the records of a file were recorded.

    Attributes:
        start: seconds from the time that the header gives to the first record.
        stretches: the parts without gaps.
        notices: what the user should know.
    """

    start: float
    stretches: tuple[Stretch, ...]
    notices: tuple[str, ...] = ()


def clock_of(path: Path, stamps: NDArray[np.float64], seconds: float, discontinuous: bool) -> Clock:
    """Return when records were recorded, by their time stamps; a gap counts whatever the header says of gaps.

    Args:
        path: the file.
        stamps: (record,) nan where a record has no time stamp.
        seconds: of a record.
        discontinuous: the header says that there may be gaps (EDF+D).

    Raises:
        InputError: there are gaps, or may be, and the stamps do not say where.
    """
    unbroken = (Stretch(0.0, 0.0, len(stamps) * seconds),)
    known = np.flatnonzero(np.isfinite(stamps))
    lacking = () if len(known) == len(stamps) else (without_stamp(stamps) + "; taken from those around them",)
    if discontinuous:
        whole = filled(path, stamps, seconds)
        return Clock(float(whole[0]), stretches_of(path, whole, seconds), lacking) if len(whole) else Clock(0, unbroken)
    if len(known) == 0:
        return Clock(0.0, unbroken)
    off = stamps[known] - stamps[known[0]] - (known - known[0]) * seconds  # where a gap lies, it grows
    jumps = known[1:][np.abs(np.diff(off)) > JITTER_SECONDS]
    first = float(stamps[0]) if 0 <= stamps[0] < 1 else 0.0  # what is more is no fraction of the start's second
    if len(jumps) == 0:
        return Clock(float(stamps[0]) if known[0] == 0 else first, unbroken)
    if np.diff(off).min() >= -JITTER_SECONDS:
        whole = filled(path, with_ends(stamps, known, seconds), seconds)
        said = f"the header says that there are no gaps (EDF+C), its time stamps have {len(jumps)}, the first before"
        notices = (f"{said} record {jumps[0]}: they count", *lacking)
        return Clock(float(whole[0]), stretches_of(path, whole, seconds), notices)
    said = f"the time stamps of its records contradict each other, first at record {jumps[0]}"
    return Clock(first, unbroken, (f"{said}: taken as recorded without gaps, as the header says",))


def without_stamp(stamps: NDArray[np.float64]) -> str:
    missing = np.flatnonzero(~np.isfinite(stamps))
    return f"{len(missing)} of {len(stamps)} records have no time stamp that can be read, the first is {missing[0]}"


def with_ends(stamps: NDArray[np.float64], known: NDArray[np.intp], seconds: float) -> NDArray[np.float64]:
    """Return (record,) time stamps whose first and last are there: beyond those that are known there are no gaps."""
    whole = stamps.copy()
    for end, nearest in ((0, known[0]), (len(stamps) - 1, known[-1])):
        whole[end] = stamps[nearest] + (end - nearest) * seconds
    return whole


def filled(path: Path, stamps: NDArray[np.float64], seconds: float) -> NDArray[np.float64]:
    """Return (record,) time stamps with those that are missing in their place, where they leave no room for a gap.

    Raises:
        InputError: a gap may lie beside a record without a time stamp.
    """
    known = np.flatnonzero(np.isfinite(stamps))
    gaps = np.diff(stamps[known]) - np.diff(known) * seconds
    in_doubt = (np.diff(known) > 1) & (np.abs(gaps) > JITTER_SECONDS)
    ends = len(stamps) and (len(known) == 0 or known[0] > 0 or known[-1] < len(stamps) - 1)
    if ends or in_doubt.any():
        raise InputError(
            f"{path}: has gaps in time, and {without_stamp(stamps)}: where the gaps are is not known; "
            "copy or export it again"
        )
    whole: NDArray[np.float64] = np.interp(np.arange(len(stamps)), known, stamps[known]) if len(stamps) else stamps
    return whole


def stretches_of(path: Path, onsets: Sequence[float] | NDArray[np.float64], duration: float) -> tuple[Stretch, ...]:
    """Join records that follow each other without a gap; `onsets` and `duration` are in seconds.

    Raises:
        InputError: a record starts before the one before it has ended.
    """
    times = np.asarray(onsets, np.float64)
    gaps = np.diff(times) - duration
    if (early := np.flatnonzero(gaps < -JITTER_SECONDS)).size:
        number = int(early[0]) + 1
        raise InputError(
            f"{path}: record {number} starts at {times[number]:g} s, before the last one has ended; repair it"
        )
    starts = [0, *(np.flatnonzero(gaps > JITTER_SECONDS) + 1).tolist()]
    return tuple(join(times, starts, duration))


def join(times: NDArray[np.float64], starts: list[int], duration: float) -> Iterator[Stretch]:
    for start, end in zip(starts, [*starts[1:], len(times)], strict=True):
        yield Stretch(float(times[start] - times[0]), start * duration, (end - start) * duration)
