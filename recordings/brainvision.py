"""The pauses of a BrainVision recording: its marker file says where each segment begins, and when."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from files.reading import reader
from recordings.recording import Stretch
from recordings.tables import text_of

SEGMENT = re.compile(r"Mk\d+=New Segment,[^,]*,(\d+),\d+,-?\d+(?:,(\d{14,20}))?", re.IGNORECASE)
MARKER_FILE = re.compile(r"^MarkerFile=(.+)$", re.IGNORECASE | re.MULTILINE)
LONGEST_OVERLAP = 0.1  # s; a clock that is kept apart from the samples; less is no pause


class Segment(NamedTuple):
    """Where a segment begins, in samples from 0, and on the clock; None where the file does not say."""

    first: int
    clock: datetime | None


@reader("a readable BrainVision recording", "copy or export it again")
def segments_of(header: Path, n_samples: int, rate: float) -> tuple[tuple[Stretch, ...], tuple[str, ...]]:
    """Return the parts without gaps of a BrainVision recording, and what to say of its pauses.

    Args:
        header: the .vhdr.
        n_samples: of the recording.
        rate: Hz.

    Raises:
        InputError: the marker file cannot be read.
    """
    segments = [one for one in segments_in(header) if one.first < n_samples] or [Segment(0, None)]
    starts = [0, *sorted({one.first for one in segments[1:]} - {0})]
    clocks = {one.first: one.clock for one in reversed(segments)}
    ends, start = [*starts[1:], n_samples], clocks.get(0)
    stretches: list[Stretch] = []
    notices: list[str] = []
    for first, end in zip(starts, ends, strict=True):
        before = stretches[-1] if stretches else None
        follows = before.onset + before.seconds if before else 0.0  # without a pause
        clock = clocks.get(first)
        onset = (clock - start).total_seconds() if before and clock and start else follows
        known = clock is not None and start is not None and onset >= follows - LONGEST_OVERLAP
        if before and not known:
            notices.append(f"it was paused after {first / rate:g} s, and the file does not say for how long")
            onset = follows
        if before and known and onset - follows <= LONGEST_OVERLAP:
            stretches[-1] = replace(before, seconds=end / rate - before.offset)  # a new segment, and no pause
        else:
            stretches.append(Stretch(onset, first / rate, (end - first) / rate))
    return tuple(stretches), tuple(notices)


def segments_in(header: Path) -> list[Segment]:
    """Return the segments that the marker file beside a header names; none where there is no such file."""
    named = MARKER_FILE.search(text_of(header))
    markers = header.with_name(named[1].strip().replace("$b", header.stem)) if named else header.with_suffix(".vmrk")
    if not markers.is_file():
        return []
    return [Segment(max(0, int(first) - 1), clock_in(clock)) for first, clock in SEGMENT.findall(text_of(markers))]


def clock_in(text: str) -> datetime | None:
    """Return the time that a marker has, YYYYMMDDhhmmss and six digits of a second; None for zeros or nothing."""
    return datetime.strptime(text.ljust(20, "0")[:20], "%Y%m%d%H%M%S%f") if text and int(text) else None
