"""An expert's hypnogram: the forms in which it comes, and its place on the signal's clock."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files import check_text, reader
from limits import LONGEST_DAYS, LONGEST_SECONDS
from recordings.edf import EXPORT_AGAIN, open_edf
from recordings.recording import Mark
from sleepstage import EPOCH_SECONDS, STAGES, UNKNOWN, Stage

EDF_TEXTS = {UNKNOWN: "Sleep stage ?"} | {
    int(stage): f"Sleep stage {'R' if stage is Stage.REM else stage.name}" for stage in STAGES
}
"""The texts that EDF+ gives the AASM stages (https://www.edfplus.info/specs/edftexts.html)."""

AASM_CODES = {text: code for code, text in EDF_TEXTS.items()}


@dataclass(frozen=True, eq=False)
class Hypnogram:
    """An expert's stages.

    Attributes:
        codes: (epoch,) int32, codes of `sleepstage.Stage`, or UNKNOWN.
        start: when its first epoch starts; None when it starts with the signal.
        notices: what the user should know of it.
    """

    codes: NDArray[np.int32]
    start: datetime | None = None
    notices: tuple[str, ...] = ()

    def delay(self, signal_start: datetime | None) -> float:
        """Return the seconds from the signal's start to the hypnogram's; 0 where one of them has no clock."""
        return (self.start - signal_start).total_seconds() if self.start and signal_start else 0.0


# ---- on the signal's clock ----


def grid_start(delay: float) -> float:
    """Return where in the signal the first epoch starts, in seconds, so that the hypnogram's epochs are its epochs."""
    return delay % EPOCH_SECONDS


def on_grid(codes: NDArray[np.int32], delay: float, n_epochs: int) -> tuple[NDArray[np.int32], slice]:
    """Put a hypnogram on the grid of the signal's epochs, which starts at `grid_start(delay)`.

    Args:
        codes: (hypnogram's epoch,) its stages.
        delay: seconds from the signal's start to the hypnogram's; negative when the hypnogram starts first.
        n_epochs: of the signal, on the grid.

    Returns:
        (epoch,) the stages on the grid, UNKNOWN where the hypnogram has none; and the epochs that it covers.
    """
    shift = int(delay // EPOCH_SECONDS)  # epochs from the grid's first to the hypnogram's first
    first = min(max(0, shift), n_epochs)
    covered = slice(first, max(first, min(n_epochs, shift + len(codes))))
    placed = np.full(n_epochs, UNKNOWN, np.int32)
    placed[covered] = codes[covered.start - shift : covered.stop - shift] if covered.stop > covered.start else UNKNOWN
    return placed, covered


# ---- one number a line ----


@reader("a readable list of stages", EXPORT_AGAIN)
def read_stage_lines(path: Path, codes: Mapping[int, int]) -> Hypnogram:
    """Read a hypnogram of one whole number a line; blank lines do not count.

    Args:
        path: the text file.
        codes: the data set's number of each stage → our code.

    Raises:
        InputError: no such file, nothing in it, or a line that is none of the data set's numbers.
    """
    check_text(path)
    lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    if len(lines) * EPOCH_SECONDS > 2 * LONGEST_SECONDS:  # every second one may be blank
        raise InputError(f"{path}: has {len(lines):,} lines; the limit is {LONGEST_DAYS} days of {EPOCH_SECONDS} s")
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    names = {str(code): ours for code, ours in codes.items()}
    for number, text in numbered:
        if text not in names:
            raise InputError(f"{path}: stage {text[:20]!r} in line {number}; there are {', '.join(names)}")
    if not numbered:
        raise InputError(f"{path}: no stages in it; copy or export it again")
    return Hypnogram(np.array([names[text] for _, text in numbered], np.int32))


# ---- annotations of an EDF+ file ----


@reader("a readable hypnogram", EXPORT_AGAIN)
def read_annotations(path: Path, codes: Mapping[str, int]) -> Hypnogram:
    """Read the stages that are annotations of an EDF+ file; epochs that no annotation covers are UNKNOWN.

    Args:
        path: the EDF+ file.
        codes: text of each stage → our code.

    Raises:
        InputError: no such file, no EDF, no clock, an annotation that cannot be read or is no stage, or one that is not
            made of whole epochs.
    """
    opened = open_edf(path)
    if opened.unread_marks:
        raise InputError(f"{path}: {opened.unread_marks}; {EXPORT_AGAIN}")
    if opened.start is None:
        raise InputError(f"{path}: its start date and time cannot be read, so its stages have no place; repair it")
    stages = staged(path, opened.marks, codes)
    return Hypnogram(stages, opened.start, tuple(holes(path, opened.marks, codes)))


def holes(path: Path, marks: Sequence[Mark], codes: Mapping[str, int]) -> Iterator[str]:
    """Yield what to say of epochs between the first and the last annotation that none of them covers."""
    spans = [epochs_of(path, mark, codes) for mark in marks]
    missing = [(before.stop, after.start) for before, after in pairwise(spans) if before.stop < after.start]
    if missing:
        n_epochs, (first, last) = sum(after - before for before, after in missing), missing[0]
        yield (
            f"the hypnogram has {len(missing)} {'hole' if len(missing) == 1 else 'holes'}, {n_epochs} epochs without "
            f"a stage: the first from {first * EPOCH_SECONDS} s to {last * EPOCH_SECONDS} s after its start"
        )


# ---- whether it covers its signal ----

LARGEST_MISMATCH = 60  # epochs, by which the prepare scripts let a signal and its hypnogram differ


def without_partner(codes: NDArray[np.int32], delay: float, n_epochs: int) -> tuple[float, float]:
    """Count what a signal and its hypnogram do not share.

    What counts is where the stages end, because Sleep-EDF fills a hypnogram up to 24 hours with UNKNOWN.

    Args:
        codes: (hypnogram's epoch,) its stages, one or more.
        delay: seconds from the signal's start to the hypnogram's; negative when the hypnogram starts first.
        n_epochs: of the signal.

    Returns:
        The epochs that have a stage and no signal; and those that have a signal and no hypnogram.
    """
    staged = np.flatnonzero(codes != UNKNOWN)
    start, end = -delay / EPOCH_SECONDS, -delay / EPOCH_SECONDS + n_epochs  # of the signal, in the hypnogram's epochs
    without_signal = max(0, start - int(staged[0])) + max(0, int(staged[-1]) + 1 - end)
    return without_signal, max(0, -start) + max(0, end - len(codes))


def staged(path: Path, marks: Sequence[Mark], codes: Mapping[str, int]) -> NDArray[np.int32]:
    """Return the stages that marks in order of time give each epoch, (epoch,)."""
    spans = [epochs_of(path, mark, codes) for mark in marks]
    stages = np.full(max((span.stop for span in spans), default=0), UNKNOWN, np.int32)
    end = 0
    for mark, span in zip(marks, spans, strict=True):
        if span.start < end:
            raise InputError(f"{path}: {mark.text!r} at {mark.onset:g} s starts before the last one ends; repair it")
        stages[span] = codes[mark.text]
        end = span.stop
    return stages


def epochs_of(path: Path, mark: Mark, codes: Mapping[str, int]) -> slice:
    """Return the epochs that a mark stages; raise InputError unless it is a stage of whole epochs."""
    onset, duration, text = mark
    if text not in codes:
        raise InputError(f"{path}: unknown annotation {text!r} at {onset:g} s; there are {', '.join(codes)}")
    if duration is None or onset < 0 or onset % EPOCH_SECONDS or duration % EPOCH_SECONDS:
        raise InputError(
            f"{path}: {text!r} at {onset:g} s lasts {duration} s; onset and duration must be whole epochs of 30 s"
        )
    if onset + duration > LONGEST_SECONDS:
        raise InputError(f"{path}: {text!r} at {onset:g} s lasts {duration:g} s; the limit is {LONGEST_DAYS} days")
    return slice(int(onset) // EPOCH_SECONDS, int(onset + duration) // EPOCH_SECONDS)
