"""What a recording is, whatever its format: signals that stay on disk until they are read, a clock, marks, gaps."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from data import Night
from sleepstage import EPOCH_SECONDS

MIB = 2**20
SIMULATED = "Simulated"  # stands in the patient or recording field of every file that simulate.py writes


@dataclass(frozen=True)
class Header:
    """What a file says of one signal: its name, its unit, Hz, and how many samples it has."""

    label: str
    unit: str
    rate: float
    n_samples: int


@dataclass(frozen=True)
class Stretch:
    """A part of a recording without gaps, in seconds.

    Attributes:
        onset: when it starts, from the recording's start.
        offset: where it starts in the file, which holds no gaps.
        seconds: its length.
    """

    onset: float
    offset: float
    seconds: float


class Mark(NamedTuple):
    """An annotation: seconds from the recording's start, how many seconds it lasts (None: not said), its text."""

    onset: float
    duration: float | None
    text: str


class FileState(NamedTuple):
    """A file as it was at one time: how many bytes it had, and when it was written to, in ns."""

    path: Path
    size: int
    written: int


def state_of(path: Path) -> FileState:
    """Return what a file is like now; it must be there."""
    now = path.stat()
    return FileState(path, now.st_size, now.st_mtime_ns)


def changed_files(files: Iterable[FileState]) -> Iterator[str]:
    """Yield what the user should know of files that are not what they were."""
    for before in files:
        if not before.path.exists():
            yield f"{before.path.name} was removed while it was read"
        elif (now := state_of(before.path)) != before:
            sizes = f"{before.size:,} bytes, now {now.size:,}"
            yield f"{before.path.name} changed while it was read ({sizes}): read it again when it is whole"


def fingerprint(files: Iterable[FileState]) -> str:
    """Return a hash that tells files from others, wherever they lie; "" where there are none, or not any more.

    It is the SHA-256 of each one's size, first and last MiB: all of it would be read twice for every night.
    """
    seen = hashlib.sha256()
    files = tuple(files)
    for one in files:
        seen.update(f"{one.size} ".encode())
        try:
            with one.path.open("rb") as file:
                seen.update(file.read(MIB))
                file.seek(max(0, one.size - MIB))
                seen.update(file.read(MIB))
        except OSError:
            return ""  # `changed_files` says so
    return seen.hexdigest() if files else ""


@dataclass(frozen=True, eq=False)
class Recording:
    """An open recording.

    Attributes:
        name: what its files are called; the file's name without its suffix.
        path: the file; None for one that is in memory.
        format: its format by the name that users know.
        headers: of its signals.
        start: when it starts, on the recorder's own clock; None when the file does not say.
        stretches: its parts without gaps, in order.
        read: (signal, first sample, last sample) → (sample,) float32, µV.
        simulated: True when the file says that it was generated.
        marks: every annotation, in order of time.
        night: the prepared night, if it is one.
        notices: what the user should know of the file.
        files: those that its samples are read from, as they were when it was opened.
        unread_marks: how many annotations cannot be read, and where; "" when all can.
        bad_signals: which signals the file marks as bad.
    """

    name: str
    path: Path | None
    format: str
    headers: tuple[Header, ...]
    start: datetime | None
    stretches: tuple[Stretch, ...]
    read: Callable[[int, int, int], NDArray[np.float32]]
    simulated: bool
    marks: tuple[Mark, ...] = ()
    night: Night | None = None
    notices: tuple[str, ...] = ()
    files: tuple[FileState, ...] = ()
    unread_marks: str = ""
    bad_signals: frozenset[int] = frozenset()

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its signals."""
        return tuple(header.label for header in self.headers)

    @property
    def seconds(self) -> float:
        """Its length, gaps included."""
        return max((part.onset + part.seconds for part in self.stretches), default=0.0)

    @property
    def place(self) -> str:
        """Where it is, for messages: the file, or the name of a recording in memory."""
        return str(self.path or self.name)


@dataclass(frozen=True, eq=False)
class RawSignal:
    """One channel of a recording, as it was recorded; its samples stay on disk until they are read.

    Attributes:
        read: (first sample, last sample) → (sample,) float32, µV.
        n_samples: how many there are.
        rate: sampling rate in Hz.
        channel: the channel's name as used.
        unit: the physical dimension in the file; the samples here are in µV whatever it is.
        start: when the recording starts, on the recorder's own clock; None when the file does not say.
        stretches: its parts without gaps, in order.
        simulated: True when the file says that it was generated.
        notices, files: those of the recording.
        marked_bad: True when the file marks the signal as bad, or the one that is taken from it.
    """

    read: Callable[[int, int], NDArray[np.float32]]
    n_samples: int
    rate: float
    channel: str
    unit: str
    start: datetime | None
    stretches: tuple[Stretch, ...]
    simulated: bool = False
    notices: tuple[str, ...] = ()
    files: tuple[FileState, ...] = ()
    marked_bad: bool = False

    @property
    def seconds(self) -> float:
        """The length of what was recorded, without the gaps."""
        return round(self.n_samples / self.rate, 6)  # a rate is a fraction: its rounding must not cost an epoch

    @property
    def n_epochs(self) -> int:
        """How many whole epochs that is."""
        return int(self.seconds // EPOCH_SECONDS)
