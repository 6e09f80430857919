"""Augmentation: what another amplifier, derivation or moment could have made of a night, anew at each training pass.

Every change is drawn from the seed of the run, the pass and the place of the night in it, so that a run that was
stopped goes on to the bit. Signals are changed a chunk at a time, as they are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from config import AUGMENTATIONS, Settings
from data import Night
from sleepstage import EPOCH_SECONDS

Signal = NDArray[np.float32]

HIGH_PASS, LOW_PASS = (0.2, 1.2), (22.0, 45.0)  # Hz; the cut-offs of recorders
ORDERS = (1, 2)  # of those filters


@dataclass(frozen=True, eq=False)
class Change:
    """What is done to one night in one pass.

    Attributes:
        seed: of what is drawn anew for each chunk.
        first: epochs that are left out at the night's beginning, so that its chunks lie elsewhere.
        shift: samples by which the borders of its epochs move. Epochs shorter than 30 s are not contiguous: each is
            rolled by a random shift up to this, anew for each chunk.
        factor: gain and polarity.
        high_pass, low_pass: cut-off in Hz and order; None: none.
    """

    seed: tuple[int, ...]
    first: int
    shift: int
    factor: float
    high_pass: tuple[float, int] | None
    low_pass: tuple[float, int] | None

    @classmethod
    def drawn(cls, settings: Settings, n_epochs: int, seed: tuple[int, ...]) -> Change:
        """Draw a change of one night.

        Args:
            settings: of the run.
            n_epochs: of the night; one at least is left.
            seed: of the run, the pass and the night.
        """
        draw = np.random.default_rng(seed)
        first = int(draw.integers(min(settings.seq_length, n_epochs))) if settings.random_start else 0
        if n_epochs <= settings.seq_length:
            first = 0  # one chunk has no border within
        most = round(settings.augment_shift * settings.sampling_rate)
        shift = int(draw.integers(-most, most + 1))
        turned = draw.random() < settings.augment_polarity
        gain = np.exp(draw.normal(0, settings.augment_gain))
        draw.standard_normal()  # not used since 1.1; without it the same seed would draw other filters
        high_pass, low_pass = (
            (log_uniform(draw, *cutoffs), int(draw.choice(ORDERS))) if draw.random() < settings.augment_band else None
            for cutoffs in (HIGH_PASS, LOW_PASS)
        )
        return cls(seed, first, shift, float(-gain if turned else gain), high_pass, low_pass)

    def gain_at(self, frequency: NDArray[Any]) -> Signal:
        """Return the gain at each frequency in Hz; that of the offset is that of the lowest frequency above it."""
        f = np.maximum(frequency, frequency[1])
        gain = np.full(f.shape, self.factor)
        if self.high_pass:
            cutoff, order = self.high_pass
            gain /= np.sqrt(1 + (cutoff / f) ** (2 * order))  # Butterworth's amplitudes, without his phases
        if self.low_pass:
            cutoff, order = self.low_pass
            gain /= np.sqrt(1 + (f / cutoff) ** (2 * order))
        return gain.astype(np.float32)

    @cached_property
    def is_filter(self) -> bool:
        return bool(self.high_pass or self.low_pass)

    def apply(self, x: Signal, rate: float, chunk: int) -> Signal:
        """Change (epoch, sample) µV at `rate` Hz; whole epochs follow each other, shorter ones do not.

        Args:
            x: the epochs of one chunk.
            rate: in Hz.
            chunk: its first epoch, which decides what is drawn for it.
        """
        whole = x.shape[1] == round(EPOCH_SECONDS * rate)
        if not whole and self.shift:
            draw = np.random.default_rng((*self.seed, chunk))
            x = np.roll(x, int(draw.integers(-abs(self.shift), abs(self.shift) + 1)), axis=1)
        pieces = x.reshape(1, -1) if whole else x  # (epoch, sample) -> (stretch, sample)
        if self.is_filter:
            pieces = filtered(pieces, self.gain_at(np.fft.rfftfreq(pieces.shape[1], 1 / rate)))
        elif self.factor != 1:
            pieces = pieces * np.float32(self.factor)
        return pieces.reshape(x.shape)


def log_uniform(draw: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(draw.uniform(np.log(low), np.log(high))))


def filtered(x: Signal, gain: Signal) -> Signal:
    """Return (stretch, sample) with each frequency multiplied by its gain; the ends of a stretch meet."""
    from scipy.fft import irfft, rfft

    return irfft(rfft(x, axis=1) * gain, x.shape[1], axis=1)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False)
class ChangedSignal:
    """A night's signal, changed as it is read: it has a shape, and slices of epochs, as an array has."""

    x: Signal
    rate: float
    change: Change

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.x) - self.change.first, self.x.shape[1])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, epochs: slice) -> Signal:
        start, stop, _ = epochs.indices(len(self))
        first = self.change.first
        return self.change.apply(self.shifted(first + start, first + stop), self.rate, start)

    def shifted(self, start: int, stop: int) -> Signal:
        """Return epochs of the night with their borders moved; at its ends, where nothing is beyond, less far."""
        shift, n_samples = self.change.shift, self.x.shape[1]
        if not shift or start == stop or n_samples < round(EPOCH_SECONDS * self.rate):
            return self.x[start:stop]
        before, after = max(start - 1, 0), min(stop + 1, len(self.x))
        samples = self.x[before:after].reshape(-1)  # (epoch, sample) -> (sample,)
        first = int(np.clip((start - before) * n_samples + shift, 0, len(samples) - (stop - start) * n_samples))
        return samples[first : first + (stop - start) * n_samples].reshape(stop - start, n_samples)


def is_used(settings: Settings) -> bool:
    """Tell whether a run changes its training nights at all."""
    return settings.random_start or any(getattr(settings, name) for name in AUGMENTATIONS)


def changed_nights(nights: Sequence[Night], settings: Settings, seed: tuple[int, ...]) -> list[Night]:
    """Return a pass's nights, in its order, as they are to be trained on; as they are without augmentation.

    Args:
        nights: of the pass.
        settings: of the run.
        seed: of the run and the pass.
    """
    if not is_used(settings):
        return list(nights)
    return [changed(night, Change.drawn(settings, len(night), (*seed, place))) for place, night in enumerate(nights)]


def changed(night: Night, change: Change) -> Night:
    """Return a night whose signal is changed when it is read, a slice of epochs at a time."""
    signal: Any = ChangedSignal(night.x, night.fs, change)
    first = change.first
    recorded = None if night.recorded is None else night.recorded[first:]
    return replace(
        night,
        x=cast("Signal", signal),
        y=night.y[first:],
        first_epoch=night.first_epoch + first,
        judged=None,
        recorded=recorded,
    )


def upside_down(night: Night) -> Night:
    """Return a night with the other polarity, turned when it is read."""
    turn = Change((), 0, 0, factor=-1.0, high_pass=None, low_pass=None)
    return replace(changed(night, turn), judged=night.judged)
