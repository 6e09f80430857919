"""The amplitude of a channel, by the rhythms of its sleep."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from recordings.epochs import TARGET_RATE

RATE = TARGET_RATE

Signal = NDArray[np.float32]

WINDOW = 5 * RATE  # long enough for 1 Hz, short enough that a spindle or a slow wave fills a part of it
RHYTHMS = ((1, 4), (4, 8), (11, 16))  # Hz: delta, theta and sigma, the rhythms of sleep that is not REM
STRONG = 0.8  # quantile over windows
AT_A_TIME = 600  # windows, which fit into a processor's cache


def rhythm_amplitude(parts: Iterable[Signal]) -> float:
    """Return the amplitude in µV of the strong windows of all (epoch, sample); nan where there is nothing.

    A window's amplitude is the geometric mean of the root mean squares of its three rhythms; the 80 % quantile over all
    windows of 5 s is returned. Wakefulness has eye movements and muscles, but little sigma; a window where all three
    are strong is NREM sleep, which every night has, so that the rest of a recording hardly counts. Hum, and what a
    recorder filters out above 30 Hz, lie outside all three.
    """
    amplitudes = np.concatenate([np.zeros(0), *(window_amplitudes(x.reshape(-1, WINDOW)) for x in parts)])
    amplitudes = amplitudes[amplitudes > 0]
    return float(np.quantile(amplitudes, STRONG)) if len(amplitudes) else math.nan


def window_amplitudes(windows: Signal) -> NDArray[np.float64]:
    """Return (window,) µV of (window, sample) µV, some at a time."""
    firsts = range(0, len(windows), AT_A_TIME)
    return np.concatenate([np.zeros(0), *(amplitudes_of(windows[first : first + AT_A_TIME]) for first in firsts)])


def amplitudes_of(windows: Signal) -> NDArray[np.float64]:
    """Return (window,) µV: the geometric mean of the root mean squares of the rhythms in (window, sample) µV."""
    hann = np.hanning(WINDOW + 2)[1:-1].astype(np.float32)
    spectrum = np.fft.rfft(windows * hann, axis=1)  # SciPy's is as fast, and takes 0.2 s to import
    power = spectrum.real**2 + spectrum.imag**2  # (window, frequency)
    seconds = WINDOW // RATE
    bands = [power[:, low * seconds : high * seconds].sum(axis=1, dtype=np.float64) for low, high in RHYTHMS]
    whole = 2 / (WINDOW * float((hann**2).sum()))  # Parseval: sum over the positive frequencies -> mean square
    mean_squares: NDArray[np.float64] = np.prod(bands, axis=0) ** (1 / len(RHYTHMS)) * whole
    return np.sqrt(mean_squares)
