"""The power spectrum of every epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from recordings.epochs import TARGET_RATE

SPECTRUM_SECONDS = 4
SPECTRUM_HZ = np.arange(30 * SPECTRUM_SECONDS + 1) / SPECTRUM_SECONDS  # (frequency,), 0 to 30 Hz
LEAST_POWER = 1e-6  # µV²/Hz; nothing has no logarithm


def spectrum(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power spectrum of every epoch: `x` (epoch, sample) in µV → (epoch, frequency) dB of µV²/Hz.

    Welch's method, Hann windows of 4 s that overlap by half.
    """
    from scipy.signal import welch

    power = np.empty((len(x), len(SPECTRUM_HZ)), np.float32)
    for first in range(0, len(x), 100):  # a hundred epochs at a time: the windows take ten times their memory
        block = x[first : first + 100]
        _, density = welch(block, TARGET_RATE, nperseg=SPECTRUM_SECONDS * TARGET_RATE, axis=1)
        power[first : first + 100] = density[:, : len(SPECTRUM_HZ)]
    return 10 * np.log10(np.maximum(power, LEAST_POWER))


def band_power(power: NDArray[np.float32], band: tuple[float, float]) -> NDArray[np.float32]:
    """Return the power in a band: `power` (epoch, frequency) dB of µV²/Hz → (epoch,) µV²."""
    low, high = band
    within = (low <= SPECTRUM_HZ) & (high >= SPECTRUM_HZ)
    total: NDArray[np.float32] = (10 ** (power[:, within] / 10)).sum(axis=1) / SPECTRUM_SECONDS
    return total
