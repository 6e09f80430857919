"""Whether a hypnogram fits its signal: deep sleep has slow waves, at the time where the hypnogram has it.

The excess of slow waves over fast ones does not depend on gain, offset or polarity. The stages explain a share of its
variance. When they explain clearly more at another shift, one of the two clocks is wrong; when N3 has hardly more of it
than the other stages, the hypnogram is of another night.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from recordings.epochs import Epochs
from recordings.hypnogram import around_sleep
from recordings.spectrum import LEAST_POWER, SPECTRUM_HZ, density_of, spectrum
from sleepstage import EPOCH_SECONDS, UNKNOWN, Stage

SLOW_HZ, FAST_HZ = (0.5, 4.0), (15.0, 30.0)

LONGEST_SHIFT = 125  # epochs: an hour, by which clocks differ after a change to or from summer time, and a little more
AROUND_SLEEP = 60  # epochs of W before and after the sleep that count; a day of W tells nothing of the night
LEAST_EPOCHS = 120  # with a signal and a stage; an hour, below which anything fits by chance
SHARED = 0.8  # of the epochs must still have a signal and a stage when the stages are shifted

CLEARLY_BETTER = 20.0
"""How much larger the logarithm of the likelihood must be at another shift. Real nights with their own stages reach
10.9 at most: 33 of Sleep-EDF (5 s of each epoch), 232 whole epochs of one, and night 022 of UCDDB. With their stages
moved by 3 epochs 93 % of them pass it, by 5 epochs 99 %, by 10 all. Of pieces of one to five hours one in a hundred
passes it unmoved."""

LEAST_CORRELATION = 0.25
"""Of N3 with the excess of slow waves, in nights with at least LEAST_DEEP epochs of N3. The same nights have 0.33 to
0.81 with their own stages. Of 1090 pairs of a signal with another subject's stages 63 % fall below it, and 28 % more
are clearly better at another shift."""
LEAST_DEEP = 30

Values = NDArray[np.float64]


# ---- slow waves ----


def slow_waves(x: NDArray[np.float32]) -> Values:
    """Return (epoch,) how far slow waves exceed fast ones in `x`, (epoch, sample) at 100 Hz, as `slow_excess` does."""
    return slow_excess(density_of(spectrum(x)), SPECTRUM_HZ)


def slow_excess(density: NDArray[np.floating], hz: NDArray[np.floating]) -> Values:
    """Return (epoch,) the logarithm of slow-wave power over fast power; nan where there is no signal.

    Args:
        density: (epoch, frequency) µV²/Hz.
        hz: (frequency,).
    """
    slow, fast = (density[:, (hz >= low) & (hz <= high)].mean(axis=1) for low, high in (SLOW_HZ, FAST_HZ))
    heard = (slow > LEAST_POWER) & (fast > LEAST_POWER)  # False for nan too
    excess = np.full(len(density), np.nan)
    excess[heard] = np.log(slow[heard] / fast[heard])
    return excess


# ---- the fit ----


def misfit_of(epochs: Epochs, codes: NDArray[np.int32]) -> str | None:
    """Say how a hypnogram, (epoch,) on the grid of a channel's epochs, does not fit the channel; None when it does."""
    near = around_sleep(codes, AROUND_SLEEP + LONGEST_SHIFT)
    own = slice(*np.searchsorted(epochs.recorded, (near.start, near.stop)))
    excess = np.full(epochs.n_epochs, np.nan)
    excess[epochs.recorded[own]] = slow_waves(epochs.x[own])
    return misfit(excess, codes)


def misfit(excess: Values, codes: NDArray[np.int32]) -> str | None:
    """Say how a hypnogram does not fit its signal; None when it does, or when there is too little to tell.

    Args:
        excess: (epoch,) of slow waves over fast ones; nan where there is no signal.
        codes: (epoch,) the hypnogram's stages on the same grid, UNKNOWN where it has none.
    """
    stages = pairs(excess, codes, 0)[1]
    if len(stages) < LEAST_EPOCHS or len(np.unique(stages)) < 2:
        return None
    shift = best_shift(excess, codes)
    if deep_sleep_is_elsewhere(*pairs(excess, codes, shift)):
        return "N3 in the hypnogram has hardly more slow waves than the other stages: is it of this night?"
    if shift:
        minutes = abs(shift) * EPOCH_SECONDS / 60
        return (
            f"the hypnogram fits the signal clearly better {abs(shift)} epochs ({minutes:g} min) "
            f"{'later' if shift > 0 else 'earlier'}; check the start times of both"
        )
    return None


def best_shift(excess: Values, codes: NDArray[np.int32]) -> int:
    """Return by how many epochs the stages must be moved to fit best; 0 unless another shift is clearly better.

    Stages explain a share η² of the variance of n epochs; were both normal, the logarithm of the likelihood would be
    -n/2 ln(1 - η²) and a constant.
    """
    n_epochs = len(pairs(excess, codes, 0)[1])
    likelihood = {}
    for shift in range(-LONGEST_SHIFT, LONGEST_SHIFT + 1):
        values, stages = pairs(excess, codes, shift)
        if len(stages) >= SHARED * n_epochs:
            likelihood[shift] = -n_epochs / 2 * math.log(max(1 - explained(values, stages), 1e-12))
    best = max(likelihood, key=likelihood.__getitem__)
    return best if likelihood[best] - likelihood[0] > CLEARLY_BETTER else 0


def pairs(excess: Values, codes: NDArray[np.int32], shift: int) -> tuple[Values, NDArray[np.int32]]:
    """Return the (epoch,) excess and stage of every epoch around the sleep that has both, stages moved by `shift`."""
    near = around_sleep(codes, AROUND_SLEEP)
    staged = np.arange(max(near.start, -shift), min(near.stop, len(excess) - shift))
    values, stages = excess[staged + shift], codes[staged]
    both = np.isfinite(values) & (stages != UNKNOWN)
    return values[both], stages[both]


def explained(values: Values, stages: NDArray[np.int32]) -> float:
    """Return η², the share of the variance of (epoch,) values that lies between stages."""
    total = len(values) * values.var()
    between = sum(
        np.count_nonzero(own) * (values[own].mean() - values.mean()) ** 2
        for own in (stages == stage for stage in np.unique(stages))
    )
    return float(between / total) if total > 0 else 0.0


def deep_sleep_is_elsewhere(values: Values, stages: NDArray[np.int32]) -> bool:
    """Tell whether N3, if there is enough of it, has hardly more slow waves than the other stages."""
    deep = stages == Stage.N3
    if not LEAST_DEEP <= np.count_nonzero(deep) < len(deep) or values.std() == 0:
        return False
    return bool(np.corrcoef(values, deep)[0, 1] < LEAST_CORRELATION)
