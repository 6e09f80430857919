"""The power spectrum: a sine's power is at its frequency, as much as the sine has."""

import numpy as np
import pytest
from scipy.signal import welch

from recordings.spectrum import SPECTRUM_HZ, spectrum


def test_the_spectrum_of_a_sine_is_where_it_should_be():
    t = np.arange(3000) / 100
    decibel = spectrum(np.stack([20 * np.sin(2 * np.pi * 12.5 * t), 0 * t]).astype(np.float32))
    assert SPECTRUM_HZ[decibel[0].argmax()] == 12.5
    power = 10 ** (decibel[0] / 10)
    assert power.sum() * SPECTRUM_HZ[1] == pytest.approx(20**2 / 2, rel=0.01)  # Parseval: the sine's variance in µV²
    assert np.isfinite(decibel[1]).all()


def test_a_night_of_many_blocks_has_the_spectrum_of_its_epochs():
    x = np.random.default_rng(0).normal(0, 20, (205, 3000)).astype(np.float32)
    whole = spectrum(x)
    assert whole.shape == (205, len(SPECTRUM_HZ)) and whole.dtype == np.float32
    _, density = welch(x, 100, nperseg=400, axis=1)
    np.testing.assert_allclose(whole, 10 * np.log10(density[:, : len(SPECTRUM_HZ)]), atol=1e-3)
    for epoch in (0, 49, 99, 100, 204):
        np.testing.assert_allclose(whole[epoch], spectrum(x[epoch : epoch + 1])[0], atol=1e-3)
