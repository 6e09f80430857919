"""NAME_review.jsonl: what a human says of a scored night, kept line by line as it is said.

The first line says which night the file is of:

    {"review": 1, "recording": "night", "file_fingerprint": "0a97…", "first_epoch_s": 0.0, "epochs": 840}

Every other line is one edit, in the order in which they were made:

    {"edit": 1, "kind": "set", "epoch": 12, "was": null, "stage": "N2", "at": "2026-01-02T03:04:05+00:00", "page": "x"}

`stage` is W, N1, N2, N3, REM or ?, or null where the model's stage counts again; `was` is what it was before, null for
the model's. `kind` is set, undo or redo. An undo takes back the last edit that was not taken back, whoever made it.

Lines are only ever added, under a lock, and are on the disk before anybody is told so. A line that a crash left without
its end does not count, and goes when the next one is added. Several processes may add to one file: each reads what the
others added before it adds anything, and refuses an edit of an epoch that another one has changed meanwhile.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from command import InputError, one_line
from files.forms import Form, check_exactly, is_count, is_number, is_text, or_none
from files.limits import LONGEST_TEXT
from files.reading import reader
from scoring.kept import CODES
from scoring.staged import MODEL, NAMES, NOT_REVIEWED, Reviewed, StagedRecording

REVIEW = "_review.jsonl"
FORMAT = 1
SET, UNDO, REDO = "set", "undo", "redo"
REPAIR = "take the file away to start again, or repair that line"

HEADER: dict[str, Form] = {
    "review": lambda value: value == FORMAT,
    "recording": is_text,
    "file_fingerprint": is_text,
    "first_epoch_s": is_number,
    "epochs": is_count,
}
EDIT: dict[str, Form] = {
    "edit": is_count,
    "kind": lambda value: value in (SET, UNDO, REDO),
    "epoch": is_count,
    "was": or_none(lambda value: value in CODES),
    "stage": or_none(lambda value: value in CODES),
    "at": is_text,
    "page": is_text,
}


class ConflictError(Exception):
    """An edit of what somebody else has changed meanwhile; its text says what, for the user."""


@dataclass(frozen=True)
class Edit:
    """A change of one epoch: the stages before and after it, None for the model's, and which page made it."""

    epoch: int
    was: str | None
    stage: str | None
    kind: str = SET
    page: str = ""
    at: str = ""


@dataclass
class State:
    """What the edits so far come to.

    Attributes:
        stages: (epoch,) int32, codes, NOT_REVIEWED where the model's stage counts.
        changed_at: (epoch,) the number of the last edit of each epoch; 0 where there was none.
        version: how many edits there were.
        done, undone: what can be taken back and done again, the next one last.
        last: when the last edit was made.
    """

    stages: NDArray[np.int32]
    changed_at: NDArray[np.int64]
    version: int = 0
    done: list[Edit] = field(default_factory=list)
    undone: list[Edit] = field(default_factory=list)
    last: str = ""

    @classmethod
    def empty(cls, n_epochs: int) -> State:
        """Return the state before any edit."""
        return cls(np.full(n_epochs, NOT_REVIEWED, np.int32), np.zeros(n_epochs, np.int64))

    def add(self, edit: Edit) -> None:
        """Apply an edit; raise ValueError where it does not follow from those before it."""
        if not 0 <= edit.epoch < len(self.stages) or name_of(int(self.stages[edit.epoch])) != edit.was:
            raise ValueError(f"epoch {edit.epoch} was not {edit.was}")
        if edit.kind == SET:
            self.done.append(edit)
            self.undone.clear()
        else:
            source, target = (self.done, self.undone) if edit.kind == UNDO else (self.undone, self.done)
            if not source or source[-1].epoch != edit.epoch:
                raise ValueError(f"nothing to {edit.kind} in epoch {edit.epoch}")
            target.append(source.pop())
        self.version += 1
        self.stages[edit.epoch] = NOT_REVIEWED if edit.stage is None else CODES[edit.stage]
        self.changed_at[edit.epoch] = self.version
        self.last = edit.at

    def reviewed(self) -> Reviewed:
        """Return what the outputs of a night need to know of its review."""
        return Reviewed(self.stages.copy(), self.version, self.last)


def name_of(code: int) -> str | None:
    return None if code == NOT_REVIEWED else str(NAMES[code])


def header_of(staged: StagedRecording) -> dict[str, Any]:
    """Return the first line of the review of a night."""
    return {
        "review": FORMAT,
        "recording": staged.title,
        "file_fingerprint": staged.fingerprint,
        "first_epoch_s": staged.first_second,
        "epochs": len(staged),
    }


def review_file(folder: Path, name: str) -> Path:
    """Return where the review of a recording is kept: beside its other files, which predict.py wrote into `folder`."""
    return folder / f"{name}{REVIEW}"


class Journal:
    """The review of one night, open to be read and added to; threads and processes may share its file.

    Args:
        path: the file; it is made with the first edit.
        staged: the night that it is of.

    Raises:
        InputError: the file is of another night, or damaged.
    """

    def __init__(self, path: Path, staged: StagedRecording) -> None:
        self.path = path
        self.header = header_of(staged)
        self.threads = threading.RLock()
        self.forget()
        self.catch_up()

    def forget(self) -> None:
        """Start again from an empty file."""
        self.state = State.empty(self.header["epochs"])
        self.read_bytes, self.n_lines, self.inode = 0, 0, 0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other threads and processes from adding a line, and know all that they have added."""
        lock = self.path.with_name(f".{self.path.stem}.lock")
        try:
            with self.threads, FileLock(lock):
                self.catch_up()
                yield
        except OSError as error:
            raise InputError(
                f"cannot write {self.path}: {error.strerror or error}; free space or change the folder's permissions"
            ) from error

    def catch_up(self) -> State:
        """Read the lines that were added since, by whomever, and return the state.

        Raises:
            InputError: the file cannot be read, a line is damaged, or it is of another night.
        """
        with self.threads:
            if not self.path.exists():
                self.forget()
                return self.state
            now = self.path.stat()
            if now.st_size < self.read_bytes or now.st_ino != self.inode:  # replaced by another file
                self.forget()
                self.inode = now.st_ino
            if now.st_size > self.read_bytes:
                added, n_bytes = added_lines(self.path, self.read_bytes, self.n_lines)
                for values in added:
                    self.take_in(values)
                self.read_bytes += n_bytes
            return self.state

    def take_in(self, values: Any) -> None:
        """Take in one line; raise InputError, with its number, where it is damaged."""
        try:
            if self.n_lines == 0:
                check_exactly(values, HEADER)
                self.check_night(values)
            else:
                check_exactly(values, EDIT)
                if values["edit"] != self.state.version + 1:
                    raise ValueError(f"edit {values['edit']} follows edit {self.state.version}")
                self.state.add(Edit(**{name: value for name, value in values.items() if name != "edit"}))
        except (ValueError, TypeError) as error:
            if isinstance(error, InputError):
                raise
            said = one_line(str(error))[:100]
            raise InputError(f"{self.path}: line {self.n_lines + 1} is damaged ({said}); {REPAIR}") from error
        self.n_lines += 1

    def check_night(self, found: dict[str, Any]) -> None:
        """Raise InputError unless a header says that the file is of this night, cut into the same epochs."""
        for name in ("file_fingerprint", "epochs", "first_epoch_s"):
            if found[name] != self.header[name]:
                raise InputError(
                    f"{self.path}: is the review of another night, or of other epochs of it ({name} is {found[name]}, "
                    f"and {self.header[name]} in the summary); take it away, or score with the options of before"
                )

    # ---- edits ----

    def set(self, epoch: int, stage: str | None, seen: int, page: str = "") -> State:
        """Give an epoch a human's stage, or None for the model's, and return the state once that is on the disk.

        Args:
            epoch: which.
            stage: W, N1, N2, N3, REM, ? or None.
            seen: the version that the human saw.
            page: which page the human uses.

        Raises:
            ConflictError: the epoch was changed since.
            ValueError: no such epoch or stage.
            InputError: it cannot be kept.
        """
        if not 0 <= epoch < len(self.state.stages) or (stage is not None and stage not in CODES):
            raise ValueError(f"epoch {epoch}, stage {stage}")
        with self.locked():
            was = name_of(int(self.state.stages[epoch]))
            if self.state.changed_at[epoch] > seen or self.state.version < seen:
                raise ConflictError(f"epoch {epoch + 1} was changed elsewhere meanwhile; it is {was or MODEL} now")
            return self.state if was == stage else self.append(Edit(epoch, was, stage, SET, page))

    def undo(self, seen: int, page: str = "") -> State:
        """Take the last edit back; raise ConflictError when there was another one since version `seen`."""
        return self.step(UNDO, seen, page)

    def redo(self, seen: int, page: str = "") -> State:
        """Do again what was taken back last; raise ConflictError when there was an edit since version `seen`."""
        return self.step(REDO, seen, page)

    def step(self, kind: str, seen: int, page: str) -> State:
        with self.locked():
            if self.state.version != seen:
                raise ConflictError("the night was changed elsewhere meanwhile; it is shown as it is now")
            source = self.state.done if kind == UNDO else self.state.undone
            if not source:
                return self.state
            last = source[-1]
            before, after = (last.stage, last.was) if kind == UNDO else (last.was, last.stage)
            return self.append(Edit(last.epoch, before, after, kind, page))

    def append(self, edit: Edit) -> State:
        """Add an edit to the file, which is locked, and wait until the disk has it."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        line = {"edit": self.state.version + 1, "kind": edit.kind, "epoch": edit.epoch, "was": edit.was}
        lines = [*([] if self.n_lines else [self.header]), {**line, "stage": edit.stage, "at": now, "page": edit.page}]
        content = "".join(f"{json.dumps(one, ensure_ascii=False)}\n" for one in lines).encode()
        with self.path.open("ab") as file:
            file.truncate(self.read_bytes)  # without a line that a crash left without its end
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        return self.catch_up()


@reader("a readable review", REPAIR)
def added_lines(path: Path, first_byte: int, n_lines: int) -> tuple[list[Any], int]:
    """Return the values in a review's lines from a byte on, behind `n_lines` others, and how many bytes they have.

    Raises:
        InputError: it cannot be read, is larger than any can be, or a line is damaged.
    """
    with path.open("rb") as file:
        file.seek(first_byte)
        content = file.read(LONGEST_TEXT + 1)
    if len(content) > LONGEST_TEXT:
        raise ValueError(f"it has more than {LONGEST_TEXT:,} bytes")
    whole = content[: content.rfind(b"\n") + 1]  # what has no end is not whole
    values: list[Any] = []
    try:
        values.extend(json.loads(line) for line in whole.split(b"\n")[:-1])
    except ValueError as error:
        raise ValueError(f"line {n_lines + len(values) + 1}: {error}") from error
    return values, len(whole)


def read_review(folder: Path, name: str, staged: StagedRecording) -> Reviewed | None:
    """Return what a human made of a scored night so far; None where nobody reviewed it.

    Args:
        folder: the output folder of predict.py.
        name: what the recording's files are called.
        staged: the night.

    Raises:
        InputError: the review cannot be read, or is of another night.
    """
    path = review_file(folder, name)
    return Journal(path, staged).state.reviewed() if path.exists() else None
