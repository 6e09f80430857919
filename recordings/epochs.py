"""One channel → epochs at 100 Hz on one grid, an hour or less at a time, and what is wrong with them."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recordings.recording import RawSignal, Stretch
from sleepstage import EPOCH_SECONDS

TARGET_RATE = 100  # Hz, of every prepared night
EPOCH_SAMPLES = TARGET_RATE * EPOCH_SECONDS
SAMPLES_AT_A_TIME = 4_000_000
EPOCHS_KEPT = 2880  # a day, 35 MB; of what is longer a part is in memory at a time

# ---- resampling ----


def resampling(rate: float) -> Fraction:
    """Return what `rate` Hz is multiplied by to give 100 Hz (128 → 25/32)."""
    return (Fraction(TARGET_RATE) / Fraction(rate)).limit_denominator(10_000)


def resample(samples: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """Bring (sample,) at `rate` Hz to 100 Hz with a polyphase filter."""
    ratio = resampling(rate)
    if ratio == 1:
        return samples
    from scipy.signal import resample_poly  # takes a second to import: only where it is needed

    resampled: NDArray[np.float32] = resample_poly(samples, ratio.numerator, ratio.denominator)
    return resampled


# ---- epochs ----


@dataclass(frozen=True, eq=False)
class Epochs:
    """A channel cut into epochs on one grid; an epoch that is not wholly recorded, or not a number, has no signal.

    Attributes:
        x: (recorded epoch, sample) float32, µV at 100 Hz.
        recorded: (recorded epoch,) which epochs of the grid these are.
        n_epochs: epochs of the grid, up to the last one that is recorded.
        flat: (recorded epoch,) bool, for half of it or longer.
        clipped: (recorded epoch,) float32, the share of its samples that are clipped.
        first_second: where the grid starts in the recording.
    """

    x: NDArray[np.float32]
    recorded: NDArray[np.intp]
    n_epochs: int
    flat: NDArray[np.bool_]
    clipped: NDArray[np.float32]
    first_second: float

    @property
    def content(self) -> str:
        """The SHA-256 of the signal, the same for the same night under two names; empty where all of it is flat."""
        return "" if self.flat.all() else hashlib.sha256(np.ascontiguousarray(self.x).data).hexdigest()

    def only(self, kept: NDArray[np.bool_]) -> Epochs:
        """Return the epochs where `kept`, (recorded epoch,), is True, on the same grid."""
        if kept.all():
            return self  # the signal of a night is not copied without need
        parts = {name: getattr(self, name)[kept] for name in ARRAYS}
        return replace(self, **parts)


ARRAYS = ("x", "recorded", "flat", "clipped")  # of the recorded epochs


def signal_epochs(signal: RawSignal, first_second: float = 0.0) -> Epochs:
    """Cut a channel into whole epochs at 100 Hz from `first_second` on; what reaches into a gap is left out."""
    return epochs_of(signal, planned(signal, first_second), first_second)


Parts = Callable[[], Iterable[Epochs]]
"""Returns a channel's epochs in their order, some at a time, from its beginning at every call."""


def epochs_in_parts(signal: RawSignal, first_second: float = 0.0) -> Parts:
    """Return what yields the epochs of `signal_epochs`: all of a day or less, else as many as are read at a time.

    Of a longer recording no more than that is ever in memory, and every call reads it again.
    """
    blocks = planned(signal, first_second)
    if sum(block.n_epochs for block in blocks) <= EPOCHS_KEPT:
        whole = epochs_of(signal, blocks, first_second)
        return lambda: [whole]
    return lambda: (epochs_of(signal, [block], first_second) for block in blocks)


def without_samples(parts: Iterable[Epochs]) -> Epochs:
    """Return all parts of a channel as one, less the samples: `x` is (recorded epoch, 0)."""
    every = [replace(part, x=part.x[:, :0].copy()) for part in parts]
    if not every:
        return Epochs(np.zeros((0, 0), np.float32), np.arange(0), 0, np.zeros(0, bool), np.zeros(0, np.float32), 0.0)
    arrays: dict[str, Any] = {name: np.concatenate([getattr(one, name) for one in every]) for name in ARRAYS}
    return replace(every[-1], n_epochs=max(one.n_epochs for one in every), **arrays)


def planned(signal: RawSignal, first_second: float) -> list[Block]:
    return [block for part in signal.stretches for block in plan_blocks(signal, part, first_second)]


def epochs_of(signal: RawSignal, blocks: Sequence[Block], first_second: float) -> Epochs:
    """Read blocks of a channel, and cut them into epochs."""
    n_recorded = sum(block.n_epochs for block in blocks)
    x = np.empty((n_recorded, EPOCH_SAMPLES), np.float32)
    flat, clipped = np.zeros(n_recorded, bool), np.zeros(n_recorded, np.float32)
    recorded = np.concatenate([np.arange(0), *(np.arange(one.n_epochs) + one.first_epoch for one in blocks)])
    done = 0
    for block in blocks:
        into = slice(done, done + block.n_epochs)
        raw = signal.read(block.first_sample, block.last_sample)
        resampled = resample(raw, signal.rate)[block.skip :][: block.n_epochs * EPOCH_SAMPLES]
        x[into] = resampled.reshape(block.n_epochs, EPOCH_SAMPLES)  # (sample,) -> (epoch, sample)
        flat[into], clipped[into] = np.transpose([faults(part) for part in raw_epochs(raw, block, signal.rate)])
        done = into.stop
    n_epochs = int(recorded[-1]) + 1 if n_recorded else 0
    finite = np.isfinite(x.sum(axis=1, dtype=np.float64))
    # Formats of floating-point numbers write "not a number" where there is no signal.
    return Epochs(x, recorded, n_epochs, flat, clipped, first_second).only(finite)


@dataclass(frozen=True)
class Block:
    """Samples to read and resample at a time, with enough around them that the filter sees no edge.

    Attributes:
        first_epoch, n_epochs: what they give.
        first_sample, last_sample: what to read.
        skip: samples at 100 Hz before the first epoch.
    """

    first_epoch: int
    n_epochs: int
    first_sample: int
    last_sample: int
    skip: int


def plan_blocks(
    signal: RawSignal, part: Stretch, first_second: float, epochs_at_a_time: int | None = None
) -> Iterator[Block]:
    """Divide a stretch into blocks whose resampled epochs are those of the whole stretch, resampled at once.

    A block has `epochs_at_a_time`, or as many as make SAMPLES_AT_A_TIME.
    """
    ratio = resampling(signal.rate)
    up, down = ratio.numerator, ratio.denominator
    start, end = (round(second * signal.rate) for second in (part.offset, part.offset + part.seconds))
    end = min(end, signal.n_samples)
    at = round((part.onset - first_second) * TARGET_RATE)  # where its first sample lies on the grid, at 100 Hz
    first = max(0, -(-at // EPOCH_SAMPLES))
    last = (at + -(-(end - start) * up // down)) // EPOCH_SAMPLES
    context = -(-(10 * max(up, down) // up + 1) // down) * down  # SciPy's filter reaches so far to either side
    step = epochs_at_a_time or max(1, int(SAMPLES_AT_A_TIME // (EPOCH_SECONDS * signal.rate)))
    for epoch in range(first, last, step):
        n_epochs = min(step, last - epoch)
        offset = epoch * EPOCH_SAMPLES - at  # of the block's first sample at 100 Hz, in the stretch
        before = max(0, offset // up * down - context)  # a multiple of `down`: a whole sample at 100 Hz
        after = -(-(offset + n_epochs * EPOCH_SAMPLES) * down // up) + context
        yield Block(epoch, n_epochs, start + before, min(end, start + after), offset - before * up // down)


def raw_epochs(raw: NDArray[np.float32], block: Block, rate: float) -> Iterator[NDArray[np.float32]]:
    """Yield the samples of each of a block's epochs at the recording's own rate."""
    edges = (block.skip / TARGET_RATE + EPOCH_SECONDS * np.arange(block.n_epochs + 1)) * rate
    for first, last in pairwise(np.rint(edges).astype(int)):
        yield raw[first:last]


# ---- the same night twice ----


def same_signals(contents: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield what to say of nights, each given as (name, content), that are one night under several names."""
    names = defaultdict(list)
    for name, content in contents:
        names[content].append(name)
    for content, of_one in names.items():
        if content and len(of_one) > 1:
            yield f"{', '.join(of_one)}: one and the same signal; keep one, or check which file is whose"


# ---- faults ----

PLAUSIBLE_STD = (1.0, 500.0)  # µV; the median epoch of a scalp EEG lies well inside
FLAT_VALUES = 3  # in a second; a channel that is dead stays at one value, or one step of the converter beside it
FLAT_SAMPLES = 10  # at the least, to say so: a longer piece than a second where the rate is lower
CLIPPED_RANGE = 50.0  # µV; with less, many equal samples mean a coarse converter, not one that is driven too far


def faults(samples: NDArray[np.float32]) -> tuple[bool, float]:
    """Say whether an epoch of (sample,) µV is flat, and which share of it is clipped.

    An epoch is flat when half of its seconds or more are. Clipped are the samples at exactly its highest value, or
    exactly its lowest, whichever are more.
    """
    n_pieces = max(1, min(EPOCH_SECONDS, len(samples) // FLAT_SAMPLES))
    pieces = np.sort(samples[: len(samples) // n_pieces * n_pieces].reshape(n_pieces, -1), axis=1)  # (second, sample)
    values = 1 + np.count_nonzero(np.diff(pieces, axis=1), axis=1)
    if 2 * np.count_nonzero(values <= FLAT_VALUES) >= n_pieces:
        return True, 0.0
    low, high = samples.min(), samples.max()
    at_limit = max(np.count_nonzero(samples == low), np.count_nonzero(samples == high))
    return False, at_limit / len(samples) if high - low >= CLIPPED_RANGE else 0.0


def epoch_std(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the standard deviation of every epoch: (epoch, sample) µV → (epoch,)."""
    return np.array([one.std() for one in x], np.float32)  # one at a time: all at once would copy the signal


def amplitude_notice(stds: NDArray[np.float32]) -> str | None:
    """Say so when the median of the epochs' standard deviations, (epoch,) µV, is not that of a scalp EEG."""
    std = float(np.median(stds))
    low, high = PLAUSIBLE_STD
    if low <= std <= high:
        return None
    if std == 0:
        return "the signal is flat; was the right channel selected?"
    return (
        f"implausible amplitude: the median epoch has a standard deviation of {std:.3g} µV, "
        f"an EEG has {low:g} to {high:g}; check the unit in the file"
    )
