"""An expert's hypnogram, and its place on the signal's clock. What reads one is in `hypnograms/`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

import numpy as np
from numpy.typing import NDArray

from command import InputError
from sleepstage import EPOCH_SECONDS, STAGES, UNKNOWN, Stage

EDF_TEXTS = {UNKNOWN: "Sleep stage ?"} | {
    int(stage): f"Sleep stage {'R' if stage is Stage.REM else stage.name}" for stage in STAGES
}
"""The texts that EDF+ gives the AASM stages (https://www.edfplus.info/specs/edftexts.html)."""

HALF_A_DAY = 43_200  # seconds
WITHHELD = {date(1985, 1, 1), date(1970, 1, 1), date(1900, 1, 1)}
"""Dates that stand where none is told: EDF's, that of computers, that of spreadsheets."""


@dataclass(frozen=True, eq=False)
class Hypnogram:
    """An expert's stages.

    Attributes:
        codes: (epoch,) int32, codes of `sleepstage.Stage`, or UNKNOWN.
        start: when its clock starts; None when it starts with the signal.
        offset: seconds from then to its first epoch.
        clock: the time of day of its start, where the date is not sure; `start` is None then.
        notices: what the user should know of it, and of how it was read.
        judged: (epoch,) bool, True where the stage is a human's, the others being a model's; None: all are.
    """

    codes: NDArray[np.int32]
    start: datetime | None = None
    offset: float = 0.0
    clock: time | None = None
    notices: tuple[str, ...] = ()
    judged: NDArray[np.bool_] | None = None

    @property
    def has_clock(self) -> bool:
        """Whether it is known when it starts, if only the time of day."""
        return self.start is not None or self.clock is not None

    def delay(self, signal_start: datetime | None) -> float:
        """Return the seconds from the signal's start to the first epoch; where one of them has no clock, the offset.

        A time of day without a date, or of a date that is withheld, is the one that is nearest to the signal's start.
        Where the hypnogram's times are whole seconds and the signal's start is none, less than a second is no delay.
        """
        if not signal_start or not self.has_clock:
            return self.offset
        begun = signal_start.replace(tzinfo=None)
        if self.start and not self.is_undated(begun):
            later = (self.start - begun).total_seconds()
        else:
            of_day = self.clock or (self.start or begun).time()
            later = (datetime.combine(begun.date(), of_day) - begun).total_seconds()
            later = (later + HALF_A_DAY) % (2 * HALF_A_DAY) - HALF_A_DAY
        whole = float(self.offset).is_integer() and not (self.clock or self.start or begun).microsecond
        return 0.0 if whole and begun.microsecond and abs(later + self.offset) < 1 else later + self.offset

    def is_undated(self, signal_start: datetime) -> bool:
        """Tell whether only times of day place it: it has no date, or one of the two dates is withheld."""
        return self.start is None or bool({self.start.date(), signal_start.date()} & WITHHELD)

    def placed(self, signal_start: datetime | None) -> str:
        """Return in one line where its first epoch is, by which clock, and how far from the signal's start."""
        delay = self.delay(signal_start)
        if not signal_start or not self.has_clock:
            how = "the signal has no clock" if self.has_clock else "by its own seconds or epochs"
            return f"hypnogram placed from the signal's start ({how}): its first epoch is {delay:g} s later"
        begun = signal_start.replace(tzinfo=None)
        by = "time of day" if self.is_undated(begun) else "date and time"
        first = (begun + timedelta(seconds=delay)).isoformat(" ", "seconds")[11 if by == "time of day" else 0 :]
        return f"hypnogram placed by {by}: its first epoch is at {first}, {delay:g} s after the signal's start"

    def placement(self, signal_start: datetime | None) -> dict[str, float | str]:
        """Return what a prepared night says of how its hypnogram was placed."""
        return {"hypnogram_delay": self.delay(signal_start), "hypnogram_placed": self.placed(signal_start)}


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


SHORTER_EPOCHS = (1, 2, 4, 5, 10, 15, 20)  # seconds, as some programs write hypnograms


def check_epochs(place: str, hypnogram: Hypnogram, n_epochs: int) -> None:
    """Raise InputError when a hypnogram that no clock places has far more epochs than its recording.

    Such are those of one stage a second, whose first hours would be taken for the whole night.

    Args:
        place: the recording, for the message.
        hypnogram: of it.
        n_epochs: of 30 s that the recording has.
    """
    staged = np.flatnonzero(hypnogram.codes != UNKNOWN)
    given = int(staged[-1]) + 1 if len(staged) else 0  # a tail that nobody staged does not count
    if hypnogram.has_clock or n_epochs < 1 or given - n_epochs <= max(LARGEST_MISMATCH, n_epochs / 4):
        return
    seconds = round(EPOCH_SECONDS * n_epochs / given)
    fits = (
        seconds in SHORTER_EPOCHS
        and abs(given * seconds - n_epochs * EPOCH_SECONDS) <= LARGEST_MISMATCH * EPOCH_SECONDS // 2
    )
    remedy = f"if each is {seconds} s, give --epoch_seconds {seconds}; else " if fits else ""
    raise InputError(
        f"{place}: the hypnogram has {given} epochs of {EPOCH_SECONDS} s and no clock, the recording {n_epochs}: "
        f"{remedy}check that it is of this recording, or cut it to the part that was recorded"
    )


def around_sleep(codes: NDArray[np.int32], margin: int) -> slice:
    """Return the part of (epoch,) codes from `margin` epochs before the sleep to `margin` after it; all without any.

    Sleep is N1, N2, N3 and REM; an epoch without a stage is none.
    """
    asleep = np.flatnonzero(codes > Stage.W)
    if len(asleep) == 0:
        return slice(0, len(codes))
    return slice(max(0, int(asleep[0]) - margin), min(len(codes), int(asleep[-1]) + 1 + margin))
