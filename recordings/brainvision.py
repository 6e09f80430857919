"""The pauses of a BrainVision recording: its marker file says where each segment begins, and when."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from command import InputError, one_line
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
        InputError: the marker file cannot be read, or the recording is cut short.
    """
    check_whole(header, n_samples)
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
    return tuple(stretches), (*notices, *scale_notices(header))


WIDTHS = {"INT_16": 2, "UINT_16": 2, "INT_32": 4, "IEEE_FLOAT_32": 4}  # bytes of a sample


def setting_in(text: str, name: str) -> str:
    """Return a setting of a header, "" where it has none."""
    there = re.search(rf"^{name} *=(.*)$", text, re.IGNORECASE | re.MULTILINE)
    return there[1].strip() if there else ""


def check_whole(header: Path, n_samples: int) -> None:
    """Raise InputError when there are less samples than the header or the markers tell of, or a part of one."""
    text = text_of(header)
    promised, n_channels = setting_in(text, "DataPoints"), setting_in(text, "NumberOfChannels")
    data = header.with_name(setting_in(text, "DataFile").replace("$b", header.stem) or header.stem)
    frame = WIDTHS.get(setting_in(text, "BinaryFormat"), 0) * int(n_channels or 0)
    part = data.stat().st_size % frame if frame and data.is_file() else 0
    begun = max((one.first for one in segments_in(header)), default=-1) + 1
    wanted = max(int(promised) if promised.isdecimal() else 0, begun)
    if n_samples < wanted or part:
        told = (
            f"{wanted} samples are told of, {n_samples} are there" if n_samples < wanted else "its last sample is cut"
        )
        raise InputError(f"{header}: {data.name} is cut short: {told}; copy or export it again")


def scale_notices(header: Path) -> Iterator[str]:
    """Yield what the user should know of the resolutions in a header: none means 1, and one may be negative."""
    text = text_of(header)
    infos = re.search(r"^\[Channel Infos\](.*?)(?=^\[|\Z)", text, re.IGNORECASE | re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^Ch\d+ *=(.*)$", infos[1], re.MULTILINE | re.IGNORECASE) if infos else []
    channels = [(fields[0].replace("\\1", ","), fields[2].strip()) for row in rows if len(fields := row.split(",")) > 2]
    bare = [name for name, resolution in channels if not resolution]
    turned = [name for name, resolution in channels if resolution.startswith("-")]
    if bare and setting_in(text, "BinaryFormat") != "IEEE_FLOAT_32":
        yield f"{one_line(', '.join(bare))}: the header gives no resolution; taken as 1, as BrainVision has it"
    if turned:
        yield f"{one_line(', '.join(turned))}: the header gives it a negative gain; its polarity is as the header says"


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
