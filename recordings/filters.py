"""Butterworth filters without delay: what a signal is after one went over it forwards and backwards.

The two passes multiply each frequency by the power of the filter, 1 / (1 + (f / f0)^2n) for a low-pass of order n with
the cut-off f0 (S. Butterworth, 1930), and change no phase. So the spectrum is multiplied: that needs no SciPy, whose
filters take a second to import. An amplifier's filter, which knows only the past, is in simulating/amplifiers.py.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ORDER = 2
AROUND = 10.0  # seconds on either side of a signal, mirrored in its ends, so that the filter has settled

Gain = NDArray[np.float64]


def low_pass(hz: NDArray[np.floating], cutoff: float, order: int = ORDER) -> Gain:
    """Return the power of a low-pass at each of `hz`, (frequency,): 1 at 0 Hz, a half at the cut-off."""
    return np.asarray(1 / (1 + (hz / cutoff) ** (2 * order)), np.float64)


def high_pass(hz: NDArray[np.floating], cutoff: float, order: int = ORDER) -> Gain:
    """Return the power of a high-pass at each of `hz`, (frequency,): 0 at 0 Hz, a half at the cut-off."""
    return 1 - low_pass(hz, cutoff, order)


def band_passed(x: NDArray[np.floating], rate: float, low: float, high: float) -> NDArray[np.float64]:
    """Return (..., sample) at `rate` Hz without what lies below `low` Hz and above `high` Hz; each row has no gap."""
    around = min(round(AROUND * rate), x.shape[-1] - 1)
    sides = [(0, 0)] * (x.ndim - 1) + [(around, around)]
    padded = np.pad(x.astype(np.float64), sides, "reflect", reflect_type="odd")
    hz = np.fft.rfftfreq(padded.shape[-1], 1 / rate)
    gain = high_pass(hz, low) * low_pass(hz, high)
    filtered: NDArray[np.float64] = np.fft.irfft(gain * np.fft.rfft(padded), padded.shape[-1])
    return filtered[..., around : around + x.shape[-1]]
