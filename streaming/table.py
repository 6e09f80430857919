"""The table of a stream, line by line, and what is remembered beside it, so that another process can go on.

NAME_live.csv    one row for each epoch, with the columns of NAME_stages.csv; a row is on disk before the next epoch
NAME_live.npz    what the network and the conditioning remember of what they have seen; written anew after each row

A process that was killed may have left half a row, or a row that the memory does not know yet. Half a row is taken
away; a known row is not written twice.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files.arrays import Arrays, opened_arrays
from files.forms import Form, check_forms, is_count, is_number, is_text, list_of, or_none
from files.locks import claim
from files.reading import readable
from files.writing import written_whole
from scoring.staged import time_of
from sleepstage import EPOCH_SECONDS, STAGE_NAMES
from streaming.staging import LiveEpoch

ANEW = "remove both, or choose another --name or --output_dir"
ABOUT = "about"
FIRST = b"recording,epoch,"  # what a table begins with
LONGEST_MEMORY = 2**28  # bytes of an array in it

FORMS: dict[str, Form] = {
    **dict.fromkeys(("place", "start"), or_none(is_text)),
    **dict.fromkeys(("channels", "weights"), list_of(is_text)),
    **dict.fromkeys(("amplitude", "began"), or_none(is_number)),
    "rate": is_number,
    "next_epoch": is_count,
}
"""What each value of a memory must be."""


@dataclass(frozen=True)
class About:
    """What a memory is of.

    Attributes:
        place: the stream's.
        channels, rate: what is staged of it.
        weights: the SHA-256 of each fold's.
        amplitude: µV, where the user knew it.
        start: of the first sample, as text; None where it is unknown.
        began: the same in seconds since 1970, of a stream that does not repeat.
        next_epoch: the first one that the memory has not seen.
    """

    place: str | None
    channels: list[str]
    rate: float
    weights: list[str]
    amplitude: float | None
    start: str | None
    began: float | None
    next_epoch: int = 0

    def difference(self, other: About) -> str:
        """Say in what another one is of something else; "" where it is of the same."""
        for name in ("place", "channels", "rate", "weights", "amplitude"):
            before, now = getattr(self, name), getattr(other, name)
            if before != now:
                return f"it was begun with other {name}" if name == "weights" else f"{name} was {before}, now {now}"
        return "" if self.began is not None or self.start == other.start else f"it starts at {other.start} now"


Memory = tuple[About, dict[str, NDArray[Any]]]


class LiveTable:
    """The files of a stream.

    Args:
        folder: gets them.
        name: what they are called.

    Raises:
        InputError: the table cannot be read or written, or another process is writing it.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path, self.memory = folder / f"{name}_live.csv", folder / f"{name}_live.npz"
        self.file = alone_with(self.path)
        self.next_epoch = mended(self.path)  # the first one that has no row
        self.begun = self.path.stat().st_size > 0

    def earlier(self) -> Memory | None:
        """Return what an earlier process remembered; None where there was none, or it had not one epoch yet.

        Raises:
            InputError: it is missing or damaged.
        """
        if not self.next_epoch:
            return None
        if not self.memory.exists():
            raise InputError(f"{self.path}: cannot go on, {self.memory.name} is missing beside it; {ANEW}")
        return load_memory(self.memory)

    def add(self, title: str, start: datetime | None, epoch: LiveEpoch) -> bool:
        """Write an epoch's row, unless it is there; return whether it was not.

        Raises:
            InputError: the disk is full.
        """
        if epoch.number < self.next_epoch:
            return False
        columns = columns_of(title, start, epoch)
        rows = [columns.values()] if self.begun else [columns, columns.values()]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        try:
            self.file.write(text.getvalue().encode())  # at once: an interruption comes before it or after it
        except OSError as error:
            raise InputError(f"cannot write {self.path}: {error.strerror}; free space, then go on") from error
        self.begun, self.next_epoch = True, epoch.number + 1
        return True

    def remember(self, about: About, kept: Arrays) -> None:
        """Write what is remembered, whole or not at all."""
        arrays: dict[str, Any] = {ABOUT: np.array(json.dumps(asdict(about))), **kept}
        with written_whole(self.memory) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)


def columns_of(title: str, start: datetime | None, epoch: LiveEpoch) -> dict[str, Any]:
    """Return an epoch's row: the columns of `StagedRecording.columns` and their values."""
    onset = float(epoch.number * EPOCH_SECONDS)
    known = np.isfinite(epoch.confidence)
    probabilities = [f"{p:.4f}" if known else "" for p in epoch.probabilities]
    return {
        "recording": title,
        "epoch": epoch.number,
        "onset_s": onset,
        **({"clock": time_of(start, onset)} if start else {}),
        "stage": epoch.stage_name,
        **dict(zip((f"p_{name}" for name in STAGE_NAMES), probabilities, strict=True)),
        "confidence": f"{epoch.confidence:.4f}" if known else "",
        "flags": epoch.flags,
    }


def alone_with(path: Path) -> io.FileIO:
    """Open a table to write at its end, which no other process may do as long as this one lives.

    Raises:
        InputError: another one does, or it cannot be written.
    """
    try:
        file = path.open("ab", buffering=0)
        claim(file, wait=False)
    except BlockingIOError as error:
        raise InputError(f"{path}: another live.py is writing it; choose another --name or --output_dir") from error
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}; choose another --output_dir") from error
    return file


def mended(path: Path) -> int:
    """Take half a row away from the end of a table, and return the epoch after its last one.

    Raises:
        InputError: it is no such table.
    """
    with readable(path, "a table of live.py", ANEW):
        content = path.read_bytes()
        if not content.startswith(FIRST[: len(content)]):
            raise ValueError("its first line is another")
        whole = content[: content.rfind(b"\n") + 1]
        rows = list(csv.DictReader(io.StringIO(whole.decode("utf-8"))))
        next_epoch = int(rows[-1]["epoch"]) + 1 if rows else 0
        if [int(row["epoch"]) for row in rows] != list(range(next_epoch)):
            raise ValueError("its epochs do not follow each other")
    if len(whole) < len(content):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return next_epoch


def load_memory(path: Path) -> Memory:
    """Read what is remembered.

    Raises:
        InputError: it cannot be read.
    """
    with opened_arrays(path, ANEW) as arrays:
        stored = json.loads(str(arrays[ABOUT]))
        check_forms(stored, FORMS)
        about = About(**{name: stored[name] for name in FORMS})
        return about, {name: arrays.read(name, LONGEST_MEMORY) for name in arrays if name != ABOUT}
