"""The power spectrum of every epoch."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from recordings.epochs import TARGET_RATE

SPECTRUM_SECONDS = 4
WINDOW_SAMPLES = SPECTRUM_SECONDS * TARGET_RATE
SPECTRUM_HZ = np.arange(30 * SPECTRUM_SECONDS + 1) / SPECTRUM_SECONDS  # (frequency,), 0 to 30 Hz
LEAST_POWER = 1e-6  # µV²/Hz; nothing has no logarithm


def spectrum(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power spectrum of every epoch: `x` (epoch, sample) in µV → (epoch, frequency) dB of µV²/Hz.

    Welch's method, Hann windows of 4 s that overlap by half. SciPy's `welch` gives the same, but takes a second to
    import.
    """
    hann = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)).astype(np.float32)
    power = np.empty((len(x), len(SPECTRUM_HZ)), np.float32)
    for first in range(0, len(x), 50):  # fifty epochs at a time: the windows take ten times their memory
        windows = sliding_window_view(x[first : first + 50], WINDOW_SAMPLES, axis=1)[:, :: WINDOW_SAMPLES // 2]
        windows = hann * (windows - windows.mean(axis=-1, keepdims=True))  # (epoch, window, sample)
        waves = np.fft.rfft(windows)[..., : len(SPECTRUM_HZ)]  # (epoch, window, frequency)
        power[first : first + 50] = (waves.real**2 + waves.imag**2).mean(axis=1)
    power *= 2 / (TARGET_RATE * np.sum(hann**2))  # each frequency but 0 stands for its mirror image too
    power[:, 0] /= 2
    return 10 * np.log10(np.maximum(power, LEAST_POWER))


def density_of(power: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return `power` (epoch, frequency) in dB of µV²/Hz as µV²/Hz."""
    density: NDArray[np.float32] = np.power(np.float32(10), power / 10)
    return density


def band_power(power: NDArray[np.float32], band: tuple[float, float]) -> NDArray[np.float32]:
    """Return the power in a band: `power` (epoch, frequency) dB of µV²/Hz → (epoch,) µV²."""
    low, high = band
    within = (low <= SPECTRUM_HZ) & (high >= SPECTRUM_HZ)
    total: NDArray[np.float32] = density_of(power[:, within]).sum(axis=1) / SPECTRUM_SECONDS
    return total
