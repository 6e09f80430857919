"""Pieces of a stream → its epochs at 100 Hz, each as soon as it is whole: the very epochs that a file of it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE, Placed, cut, resampling
from streaming.feed import Piece


@dataclass(frozen=True, eq=False)
class Cut:
    """An epoch of a stream.

    Attributes:
        number: counted from the stream's first sample.
        x: (channel, sample) float32, µV at 100 Hz; nothing to go by where it is not wholly there.
        there: (channel,) bool, False where a sample is missing or is not a number.
        flat: (channel,) bool.
        clipped: (channel,) float32, the share of its samples that are clipped.
    """

    number: int
    x: NDArray[np.float32]
    there: NDArray[np.bool_]
    flat: NDArray[np.bool_]
    clipped: NDArray[np.float32]


class Cutter:
    """Cuts a stream into epochs. How the stream comes in pieces makes no difference, to the bit.

    Each epoch is resampled from its own samples and the few around it that the filter needs. So it comes a little
    later than its last sample: 11 samples, or 0.11 s where there are more than 100 a second.

    Args:
        rate: of the stream, Hz.
        n_channels: how many channels come.
        next_epoch: the first epoch that is wanted.
    """

    def __init__(self, rate: float, n_channels: int, next_epoch: int = 0) -> None:
        self.rate = rate
        self.n_channels = n_channels
        self.next_epoch = next_epoch
        self.expected: int | None = None  # the number of the sample that comes next without a gap
        self.start_stretch(0)

    def start_stretch(self, first: int) -> None:
        self.placed = Placed(resampling(self.rate), round(first / self.rate * TARGET_RATE))
        self.epoch = self.placed.first_epoch  # the next one of this stretch
        self.n_samples = 0  # of the stretch, so far
        self.parts: list[NDArray[np.float32]] = []  # its last samples, (channel, sample)
        self.kept_from = 0  # the first of them, in the stretch

    def add(self, piece: Piece) -> Iterator[Cut]:
        """Yield the epochs that a piece completes, and those that are lost by a gap before it.

        Samples that were there before are left out.
        """
        samples = piece.samples
        if self.expected is None or piece.first > self.expected:
            if self.expected is not None:
                yield from self.end()
            self.start_stretch(piece.first)
            yield from self.lost(self.epoch)
        elif piece.first < self.expected:
            samples = samples[:, self.expected - piece.first :]
        self.expected = max(piece.end, self.expected or 0)
        self.parts.append(samples)
        self.n_samples += samples.shape[1]
        yield from self.whole(ended=False)

    def end(self) -> Iterator[Cut]:
        """Yield the last epochs of a stretch that goes on no further."""
        yield from self.whole(ended=True)

    def whole(self, ended: bool) -> Iterator[Cut]:
        """Yield the epochs that are there; the last one of a stretch needs nothing behind it."""
        last = self.placed.last_epoch(self.n_samples)
        while self.epoch < last:
            block = self.placed.block(self.epoch, 1)
            if block.last_sample > self.n_samples and not ended:
                return
            if self.epoch >= self.next_epoch:
                yield from self.lost(self.epoch)
                raw = self.held()[:, block.first_sample - self.kept_from : block.last_sample - self.kept_from]
                each = [cut(one, block, self.rate) for one in raw]
                x = np.concatenate([x for x, _, _ in each])
                flat = np.array([flat[0] for _, flat, _ in each], bool)
                clipped = np.array([clipped[0] for _, _, clipped in each], np.float32)
                there = np.isfinite(x.sum(axis=1, dtype=np.float64))
                yield Cut(self.epoch, x, there, flat, clipped)
                self.next_epoch = self.epoch + 1
            self.epoch += 1
            self.forget()

    def held(self) -> NDArray[np.float32]:
        """Return the samples of the stretch from `kept_from` on, (channel, sample)."""
        self.parts = [np.concatenate(self.parts, axis=1)]
        return self.parts[0]

    def forget(self) -> None:
        """Drop what no epoch needs any more."""
        needed = self.placed.block(self.epoch, 1).first_sample
        if needed > self.kept_from:
            self.parts = [self.held()[:, needed - self.kept_from :].copy()]
            self.kept_from = min(needed, self.n_samples)

    def lost(self, before: int) -> Iterator[Cut]:
        """Yield the epochs before this one that never came, or not wholly."""
        for number in range(self.next_epoch, before):
            nothing = np.zeros((self.n_channels, EPOCH_SAMPLES), np.float32)
            yield Cut(number, nothing, nothing[:, 0] > 0, nothing[:, 0] > 0, nothing[:, 0])
        self.next_epoch = max(self.next_epoch, before)
