"""What a stream is, wherever it comes from: signals whose samples come piece by piece, on the stream's own clock.

Samples are counted from the stream's first one, those that are missing included: a gap is a jump of that number.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from command import InputError, duration_in_words, log
from files.limits import RATES
from recordings.channels import Channel
from recordings.recording import Header

POLL_SECONDS = 0.2  # how often it is looked whether something has come: a part of the second that a stage may take


@dataclass(frozen=True, eq=False)
class Piece:
    """Samples that follow each other without a gap: `samples` (signal, sample) float32 µV, `first` is their number."""

    first: int
    samples: NDArray[np.float32]

    @property
    def end(self) -> int:
        """The number of the sample after the last one."""
        return self.first + int(self.samples.shape[1])


Pieces = Iterator[Piece | None]
"""What comes of a stream; None where nothing has come for POLL_SECONDS. It ends where the stream does."""


@dataclass(frozen=True, eq=False)
class Feed:
    """An open stream.

    Attributes:
        name: what its files are called.
        place: where it is from, for messages.
        headers: of its signals; how many samples they have does not count.
        start: when its first sample was recorded, by the clock of the recorder or else of this machine; None: unknown.
        read: (signals) → their pieces.
        repeats: it begins with its first sample whenever it is opened, as a file does.
        began: the same time as `start`, in seconds since 1970, of a stream that does not repeat.
        quiet_seconds: without a sample for so long, it is said.
        lsl_time: of its first sample, on the clock of LSL; None where there is none.
        simulated: True where it says that it was generated.
    """

    name: str
    place: str
    headers: tuple[Header, ...]
    start: datetime | None
    read: Callable[[Sequence[int]], Pieces]
    repeats: bool
    began: float | None = None
    quiet_seconds: float = 5.0
    lsl_time: float | None = None
    simulated: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of its signals."""
        return tuple(header.label for header in self.headers)

    @property
    def title(self) -> str:
        """Its name for people, which says so when it is simulated."""
        return f"{self.name}{' (SIMULATED)' if self.simulated else ''}"


# ---- channels ----


def signals_of(channels: Sequence[Channel]) -> list[int]:
    """Return the signals that channels are made of, each once."""
    both = (i for one in channels for i in (one.active, one.reference) if i is not None)
    return list(dict.fromkeys(both))


def rate_of(feed: Feed, channels: Sequence[Channel]) -> float:
    """Return the sampling rate of channels in Hz.

    Raises:
        InputError: they have several, or one that no EEG has.
    """
    headers = [feed.headers[i] for i in signals_of(channels)]
    rates = {header.rate for header in headers}
    if len(rates) > 1:
        described = ", ".join(f"{header.label} has {header.rate:g} Hz" for header in headers)
        raise InputError(f"{feed.place}: {described}; a stream is staged at one rate: choose channels with the same")
    rate = rates.pop()
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(
            f"{feed.place}: {headers[0].label} has {rate:g} Hz; a channel that can be scored has {RATES[0]:g} to "
            f"{RATES[1]:g} Hz: choose another channel"
        )
    return rate


def channel_pieces(feed: Feed, channels: Sequence[Channel], offset: int) -> Pieces:
    """Yield what comes of channels: `samples` is (channel, sample), and the numbers are `offset` higher."""
    signals = signals_of(channels)
    at = {signal: row for row, signal in enumerate(signals)}
    for piece in feed.read(signals):
        if piece is None:
            yield None
            continue
        rows = [
            piece.samples[at[one.active]] - (0 if one.reference is None else piece.samples[at[one.reference]])
            for one in channels
        ]
        yield Piece(piece.first + offset, np.stack(rows))


# ---- silence ----


def watched(pieces: Pieces, quiet_seconds: float, give_up: float | None) -> Iterator[Piece]:
    """Yield what comes, and say when nothing comes any more, and when it does again.

    Args:
        pieces: the stream.
        quiet_seconds: a silence of so long is said.
        give_up: after a silence of so many seconds the stream counts as ended; None: never.
    """
    last, quiet = time.monotonic(), False
    for piece in pieces:
        silent = time.monotonic() - last
        if piece is not None:
            if quiet:
                log.info("note: samples come again, after %s", duration_in_words(silent))
            last, quiet = time.monotonic(), False
            yield piece
            last = time.monotonic()  # what was done with it in between was no silence
            continue
        if silent > quiet_seconds and not quiet:
            log.info("note: no sample for %s: waiting", duration_in_words(silent))
            quiet = True
        if give_up is not None and silent > give_up:
            log.info("note: no sample for %s: taken as the end", duration_in_words(silent))
            return
