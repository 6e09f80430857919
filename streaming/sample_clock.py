"""The time stamps of a stream's samples → their numbers: gaps are jumps, and clocks that err do not matter."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from command import duration_in_words, log

GAP_SECONDS = 1.0
"""Less between two time stamps is no gap: senders stamp samples when they send them, some of them late."""

LONGEST_GAP = 6 * 3600.0
"""Seconds; a longer jump is no gap in a night but another clock."""

CLOCKS_APART = 10.0
"""Seconds by which the pause of a stream that was lost may differ between its time stamps and this machine's clock."""

WRONG_RATE = 0.01  # of the rate; so far may the time stamps be off it over RATE_SECONDS
RATE_SECONDS = 60.0


class SampleClock:
    """Counts the samples of a stream by their time stamps, and says what is odd about these.

    Samples that follow each other within GAP_SECONDS are counted one by one, as those of a file are; the small errors
    of time stamps do not add up. A clock that jumps back, or farther than any gap, is said and otherwise ignored.

    Args:
        rate: of the stream by its header, Hz.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.next = 0  # the number of the next sample without a gap
        self.last: float | None = None  # the time stamp of the last sample
        self.began = 0.0  # the time stamp of the sample 0
        self.rate_said = False
        self.pause: float | None = None

    def lost(self, seconds: float) -> None:
        """Note that the stream was lost before the samples that come next, so many seconds by this machine's clock."""
        self.pause = seconds

    def place(self, times: NDArray[np.float64]) -> Iterator[tuple[int, slice]]:
        """Yield the number of the first sample of each part without a gap, and where the part is in (sample,) times."""
        if not len(times):
            return
        if self.last is None:
            self.began, self.last = float(times[0]), float(times[0]) - 1 / self.rate
        jumps = np.diff(times, prepend=self.last) - 1 / self.rate
        jumps[0] = self.jump_after_pause(float(jumps[0]))
        breaks = np.flatnonzero(np.abs(jumps) > GAP_SECONDS).tolist()
        for first, end in pairwise(sorted({0, *breaks, len(times)})):
            if first in breaks:
                self.next += self.missing(float(jumps[first]))
            yield self.next, slice(first, end)
            self.next += end - first
        self.last = float(times[-1])
        self.check_rate()

    def jump_after_pause(self, jump: float) -> float:
        """Return the jump of the time stamps, or where the stream came back with another clock, that of our own."""
        pause, self.pause = self.pause, None
        if pause is None or abs(jump - pause) <= CLOCKS_APART:
            return jump
        log.info(
            "note: the stream is back with another clock (it jumps by %s): the pause of %s by this machine's counts",
            *(in_seconds(jump), in_seconds(pause)),
        )
        self.began += jump - pause
        return pause

    def missing(self, jump: float) -> int:
        """Return how many samples are missing where the time stamps jump by so many seconds, and say it."""
        if 0 < jump <= LONGEST_GAP:
            log.info("note: a gap of %s: %d samples are missing", in_seconds(jump), round(jump * self.rate))
            return round(jump * self.rate)
        log.info("note: the stream's clock jumped by %s: its samples are taken to go on", in_seconds(jump))
        self.began += jump
        return 0

    def check_rate(self) -> None:
        """Say once that the samples come at another rate than the header says, by their own time stamps."""
        if self.rate_said or self.next < RATE_SECONDS * self.rate or self.last is None:
            return
        rate = self.next / max(self.last + 1 / self.rate - self.began, 1e-6)
        if abs(rate / self.rate - 1) > WRONG_RATE:
            log.info(
                "note: %.4g samples a second by their time stamps, %g by the header: the header counts", rate, self.rate
            )
            self.rate_said = True


def in_seconds(seconds: float) -> str:
    return f"{seconds:.2f} s" if abs(seconds) < 60 else f"{'-' if seconds < 0 else ''}{duration_in_words(abs(seconds))}"
