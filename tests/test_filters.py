"""Filters without delay are SciPy's Butterworth filters, forwards and backwards."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from recordings.filters import band_passed, high_pass, low_pass

RATE = 2000.0  # Hz, at which a digital filter is near the analogue one


@pytest.mark.parametrize("order", [1, 2, 4])
def test_half_the_power_is_left_at_the_cut_off_and_both_together_leave_all(order):
    hz = np.array([0.0, 3.0, 30.0, 1e6])
    np.testing.assert_allclose(low_pass(hz, 3.0, order)[[0, 1, 3]], [1, 0.5, 0], atol=1e-9)
    np.testing.assert_allclose(low_pass(hz, 3.0, order) + high_pass(hz, 3.0, order), 1)
    assert low_pass(hz, 3.0, order)[2] == pytest.approx(10.0 ** (-2 * order), rel=0.01)  # 20 n dB a decade, twice over


@pytest.mark.parametrize(("low", "high"), [(0.3, 35.0), (2.0, 30.0), (10.0, 100.0)])
def test_rows_are_filtered_as_scipy_does_it(low, high):
    x = np.cumsum(np.random.default_rng(0).normal(0, 1, (2, round(20 * RATE))), axis=1) + 500
    wanted = x
    for cutoff, kind in ((low, "highpass"), (high, "lowpass")):
        wanted = sosfiltfilt(butter(2, cutoff, kind, fs=RATE, output="sos"), wanted)
    middle = slice(round(5 * RATE), -round(5 * RATE))
    filtered = band_passed(x, RATE, low, high)
    np.testing.assert_allclose(filtered[:, middle], wanted[:, middle], atol=0.02 * wanted.std())
    np.testing.assert_allclose(band_passed(x[0], RATE, low, high), filtered[0])


@pytest.mark.parametrize("n_samples", [1, 2, 50])
def test_a_signal_too_short_to_settle_stays_finite(n_samples):
    assert np.isfinite(band_passed(np.arange(n_samples, dtype=float), 100.0, 2.0, 30.0)).all()
