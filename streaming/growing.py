"""An EDF or BDF file that is still being written → its records, each as soon as it is whole."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from command import InputError, counted, log
from files.limits import LONGEST_SECONDS
from files.reading import readable
from recordings.annotations import JITTER_SECONDS, read_annotations_of
from recordings.edf import EXPORT_AGAIN, RECORDING_FIELDS, Records, decode_fields, open_edf, read_header
from recordings.recording import Recording, state_of
from streaming.feed import POLL_SECONDS, Feed, Piece, Pieces

FIXED_HEADER = sum(RECORDING_FIELDS.values())  # bytes; those of the signals follow
AT_A_TIME = 120.0  # seconds of a recording that are read at once, where it is behind
N_RECORDS = slice(236, 244)  # where a header says how many records follow, which a recorder fills in at the end
WHOSE = slice(8, 168)  # patient and recording, which some recorders fill in at the end too
COMPARED = 2**12  # bytes of the last record that was read, which stay as they are in the same recording
KEPT = "what was staged until then is kept"
QUIET_SECONDS = 60.0  # some recorders write once a minute


def follow(path: Path, wait: bool = True) -> Feed:
    """Open a file that may still be growing.

    Args:
        path: the file.
        wait: False where its end, as it is now, is the end.

    Raises:
        InputError: no such file, or no EDF.
    """
    wait_for_header(path, wait)
    opened = open_edf(path, growing=True)
    _, fields, records = read_header(path, growing=True)
    file = Growing(opened, records, float(fields["record_seconds"][0]), wait, fields["n_records"][0] == "-1")
    return Feed(
        opened.name,
        str(path),
        opened.headers,
        opened.start,
        file.pieces,
        repeats=True,
        quiet_seconds=max(QUIET_SECONDS, 2 * file.seconds),
        simulated=opened.simulated,
    )


def wait_for_header(path: Path, wait: bool) -> None:
    """Wait until a header is whole."""
    said = False
    while wait and path.is_file() and not has_header(path):
        if not said:
            log.info("note: %s has no whole header yet: waiting", path)
        said = True
        time.sleep(POLL_SECONDS)


def has_header(path: Path) -> bool:
    """Tell whether a file is as long as its header says that the header is; one that is no EDF counts as whole."""
    with readable(path, "a readable EDF file", EXPORT_AGAIN), path.open("rb") as file:
        fixed = file.read(FIXED_HEADER)
    said = decode_fields(fixed, RECORDING_FIELDS)["header_bytes"][0]
    return len(fixed) == FIXED_HEADER and (not said.isdecimal() or path.stat().st_size >= int(said))


def lasting(header: bytes) -> bytes:
    """Return a header without what a recorder fills in at the end."""
    return b"".join((header[: WHOSE.start], header[WHOSE.stop : N_RECORDS.start], header[N_RECORDS.stop :]))


@dataclass(eq=False)
class Growing:
    """A file that may still be growing, and how far it was read.

    Attributes:
        opened: the file as it was opened.
        records: where its records are.
        seconds: of a record.
        wait: its end is not the end.
        left_open: its header leaves the number of records open, so that a number says that it was closed.
        done: how many records were read.
        late: seconds by which the records' time stamps are ahead of their count, by gaps.
        stamp: the time stamp of the first record; nan where it has none.
        short: it has fewer records now than were read.
        header: what its header says, but for what a recorder fills in at the end.
        last: the beginning of the last record that was read.
    """

    opened: Recording
    records: Records
    seconds: float
    wait: bool
    left_open: bool
    done: int = 0
    late: float = 0.0
    stamp: float = np.nan
    short: bool = False
    header: bytes = b""
    last: bytes = b""

    def __post_init__(self) -> None:
        path = self.records.file.path
        with readable(path, "a readable EDF file", EXPORT_AGAIN), path.open("rb") as file:
            self.header = lasting(file.read(self.records.first_byte))

    def pieces(self, signals: Sequence[int]) -> Pieces:
        """Yield the samples of signals, as they come."""
        step = max(1, int(AT_A_TIME / self.seconds))
        while True:
            there = self.there()
            while self.done < there:
                last = min(there, self.done + step)
                yield from self.read(signals, last)
                self.note_last(last)
            if not self.wait or self.closed():
                return
            time.sleep(POLL_SECONDS)
            yield None

    def note_last(self, done: int) -> None:
        """Note how far the file was read, and what its last record begins with."""
        path = self.records.file.path
        with readable(path, "there any more", KEPT), path.open("rb") as file:
            self.done, self.last = done, self.beginning(file, done - 1)

    def there(self) -> int:
        """Return how many whole records the file has now.

        Raises:
            InputError: it is gone, or it is another recording now.
        """
        path = self.records.file.path
        with readable(path, "there any more", KEPT), path.open("rb") as file:
            header, size = file.read(self.records.first_byte), state_of(path).size
            last = self.beginning(file, self.done - 1)
        if len(header) == self.records.first_byte and lasting(header) != self.header:
            raise InputError(f"{path}: another recording has taken its place; {KEPT}")
        found = max(0, size - self.records.first_byte) // self.records.record_bytes
        if len(last) == len(self.last) and last != self.last:  # a shorter one is being written again
            raise InputError(f"{path}: another recording, or another part of it, has taken its place; {KEPT}")
        if found < self.done and not self.short:
            log.info(
                "note: %s was cut to %s, %d were read: waiting until there are more",
                *(path.name, counted(found, "record"), self.done),
            )
        self.short = found < self.done
        return found

    def beginning(self, file: BinaryIO, record: int) -> bytes:
        """Return the beginning of a record, or what there is of it; nothing of the one before the first."""
        if record < 0:
            return b""
        file.seek(self.records.first_byte + record * self.records.record_bytes)
        return file.read(min(COMPARED, self.records.record_bytes))

    def closed(self) -> bool:
        """Tell whether the recorder has closed the file: the header says how many records it has, all of them read."""
        path = self.records.file.path
        if not self.left_open:
            return False
        with readable(path, "readable any more", KEPT), path.open("rb") as file:
            said = decode_fields(file.read(FIXED_HEADER), RECORDING_FIELDS)["n_records"][0]
        if not said.isdecimal() or int(said) > self.done:
            return False
        log.info("note: %s was closed by its recorder, with %s", path.name, counted(self.done, "record"))
        return True

    def read(self, signals: Sequence[int], last: int) -> Iterator[Piece]:
        """Yield the samples of records up to `last` (half-open), cut where there is a gap."""
        jumps = self.jumps(self.done, last)
        edges = sorted({self.done, *jumps, last})
        for first, end in pairwise(edges):
            self.late += jumps.get(first, 0.0)
            yield self.piece(signals, first, end)

    def piece(self, signals: Sequence[int], first: int, end: int) -> Piece:
        """Return the samples of records that follow each other; all signals have one rate."""
        header = self.opened.headers[signals[0]]
        length = round(header.rate * self.seconds)
        with readable(self.records.file.path, "readable to its end", EXPORT_AGAIN):
            samples = np.stack([self.opened.read(signal, first * length, end * length) for signal in signals])
        return Piece(first * length + round(self.late * header.rate), samples)

    def jumps(self, first: int, last: int) -> dict[int, float]:
        """Return the gaps before records by their time stamps: the record's number → seconds."""
        found: dict[int, float] = {}
        late = self.late
        for record, stamp in enumerate(self.stamps(first, last), first):
            if np.isnan(self.stamp):
                self.stamp = stamp - record * self.seconds
            jump = stamp - self.stamp - record * self.seconds - late
            if abs(jump) <= JITTER_SECONDS or np.isnan(jump):
                continue
            if not 0 < jump < LONGEST_SECONDS:
                log.info("note: the time stamp of record %d jumps by %.3g s: it does not count", record, jump)
                self.stamp += jump
                continue
            log.info("note: a gap of %.3g s before record %d", jump, record)
            found[record] = jump
            late += jump
        return found

    def stamps(self, first: int, last: int) -> NDArray[np.float64]:
        """Return the time stamps of records, nan where there is none."""
        records = replace(self.records, n_records=last)
        return read_annotations_of(
            self.records.file.path,
            self.records.annotations[:1],
            last - first,
            lambda signal, start, end: records.bytes_of(signal, first + start, first + end),
        ).stamps
