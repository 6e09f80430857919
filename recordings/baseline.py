"""The slow baseline of a channel, which a high-pass takes away.

Lengths are in samples at 100 Hz, amplitudes in µV, frequencies in Hz.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE, Epochs, Parts
from recordings.filters import low_pass

RATE = TARGET_RATE

Signal = NDArray[np.float32]
Mask = NDArray[np.bool_]


# ---- without gaps ----


def stretches(recorded: NDArray[np.intp], flat: Mask) -> Iterator[slice]:
    """Yield runs of epochs that follow each other and are all flat or all not.

    Where an electrode comes off, an offset of millivolts jumps to nothing; a filter across the jump would ring into the
    epochs beside it.
    """
    breaks = np.flatnonzero((np.diff(recorded) != 1) | (flat[1:] != flat[:-1])) + 1
    for first, last in pairwise([0, *breaks.tolist(), len(recorded)]):
        if last > first:
            yield slice(first, last)


# ---- high-pass ----

KNOT = 25  # samples from one value of the baseline to the next: 4 Hz


def high_passed(x: Signal, parts: Iterable[slice], cutoff: float) -> Signal:
    """Return (epoch, sample) less its slow baseline, each part by itself; zero phase.

    The baseline is a Butterworth low-pass, forwards and backwards. What is left over is a Butterworth high-pass of the
    same order, forwards and backwards: 1 − 1/(1 + f⁴) = f⁴/(1 + f⁴), f in cut-offs. The baseline has nothing fast in
    it, so that it is worked out at 4 Hz, in a tenth of the time and to 1 %.
    """
    return less_baseline(x, ends_of(halves_of(x), parts, cutoff))


def baseline_ends(parts: Parts, cutoff: float) -> Signal:
    """Return the baseline of a channel, (block, 2), each stretch without gaps by itself."""
    seen = [(halves_of(part.x), part.recorded, part.flat) for part in parts()]
    if not seen:
        return np.zeros((0, 2), np.float32)
    halves, recorded, flat = (np.concatenate(one) for one in zip(*seen, strict=True))
    del seen
    return ends_of(halves, stretches(recorded, flat), cutoff)


def ends_of(halves: Signal, parts: Iterable[slice], cutoff: float) -> Signal:
    """Return the baseline where each block begins and ends, (block, 2), from its weighted sums, (block, 2)."""
    ends = np.empty_like(halves)
    for part in parts:
        blocks = slice(part.start * BLOCKS, part.stop * BLOCKS)
        baseline = smoothed(knots_of(halves[blocks]), cutoff)
        ends[blocks, 0], ends[blocks, 1] = baseline[:-1], baseline[1:]
    return ends


def without_baseline(parts: Parts, ends: Signal | None) -> Iterator[tuple[Epochs, Signal]]:
    """Yield each part, and its (epoch, sample) less the baseline."""
    first = 0
    for part in parts():
        yield part, less_baseline(part.x, ends, first)
        first += len(part.x)


def less_baseline(x: Signal, ends: Signal | None, first: int = 0) -> Signal:
    """Return (epoch, sample) less the baseline of the epochs from `first` on; `x` itself where there is none."""
    if ends is None:
        return x
    blocks = x.reshape(-1, KNOT)  # (epoch, sample) -> (block, sample): no copy
    # Not @, whose threads wait for each other on a busy machine.
    between: Signal = np.einsum("bk,ks->bs", ends[first * BLOCKS :][: len(blocks)], RAMPS)
    return np.subtract(blocks, between, out=between).reshape(x.shape)


BLOCKS = EPOCH_SAMPLES // KNOT  # of an epoch
RISING = ((np.arange(KNOT) + 0.5) / KNOT).astype(np.float32)  # (sample,) from one knot to the next
RAMPS = np.stack([1 - RISING, RISING])  # (knot, sample): how much of each sample is the knot's before and after it


def halves_of(x: Signal) -> Signal:
    """Return the sums under the two halves of a triangle over each block, (block, knot before and after)."""
    halves: Signal = np.einsum("bs,ks->bk", x.reshape(-1, KNOT), RAMPS)
    return halves


def knots_of(halves: Signal) -> NDArray[np.float64]:
    """Return (knot,) averages under triangles, which lie at the borders of blocks; `halves` is (block, 2)."""
    means = halves.astype(np.float64) / (KNOT / 2)
    inner = (means[1:, 0] + means[:-1, 1]) / 2
    return np.concatenate([means[:1, 0], inner, means[-1:, 1]])


def smoothed(knots: NDArray[np.float64], cutoff: float) -> Signal:
    """Low-pass (knot,), mirrored in its end points: an offset or a steady drift goes on beyond them as it is.

    From the line between its ends the baseline departs and comes back, so that its mirror images join: their spectrum
    is multiplied by the filter's power, and the line passes any low-pass unchanged. The tangents are those of the
    bilinear transform: it is what SciPy's `sosfiltfilt` gives, to 5 nV at the ends of real nights.
    """
    line = np.linspace(knots[0], knots[-1], len(knots))
    odd = np.concatenate([knots - line, (line - knots)[-2:0:-1]])  # a whole period
    half_turns = np.fft.rfftfreq(len(odd)).clip(max=0.499) * math.pi
    gain = low_pass(np.tan(half_turns), math.tan(math.pi * cutoff * KNOT / RATE))
    slow = np.fft.irfft(gain * np.fft.rfft(odd), len(odd))[: len(knots)]
    return (line + slow).astype(np.float32)
