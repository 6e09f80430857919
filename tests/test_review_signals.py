"""What a reviewer sees of a signal is what was recorded there, filtered as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from recordings.channels import Channel
from recordings.epochs import signal_epochs
from recordings.opening import one_channel, open_array, open_recording
from recordings.spectrum import SPECTRUM_HZ, spectrum
from reviewing.signals import (
    MOST_COLUMNS,
    MOST_POINTS,
    VIEWS,
    NightSpectrum,
    coarse_to_fine,
    enveloped,
    epoch_window,
    filtered_window,
    window,
)
from tests.support.edf_files import WIDE, noise, with_gap, write_edf

RATE = 64


def an_array(samples, rate=RATE):
    return one_channel(open_array(samples, rate), Channel("x", 0))


@pytest.fixture
def with_a_gap(tmp_path):
    """120 s of noise at 64 Hz, the second half of it 45 s later."""
    samples = noise(120, RATE)
    path = write_edf(tmp_path / "gap.edf", [("Cz", RATE, "uV", samples)], annotations=[WIDE])
    return one_channel(open_recording(with_gap(path, 120, 60, 45)), Channel("Cz", 0)), samples


def test_a_window_is_where_it_was_recorded_and_empty_in_gaps(with_a_gap):
    signal, samples = with_a_gap
    shown = window(signal, 50, 70)
    assert np.isnan(shown[10 * RATE : 55 * RATE]).all()
    np.testing.assert_allclose(shown[: 10 * RATE], samples[50 * RATE : 60 * RATE], atol=0.01)
    np.testing.assert_allclose(shown[55 * RATE :], samples[60 * RATE : 75 * RATE], atol=0.01)
    assert np.isnan(window(signal, -30, 30)).all() and np.isnan(window(signal, 165, 30)).all()
    assert np.isfinite(window(signal, 150, 30)).sum() == 15 * RATE


def test_what_is_filtered_has_the_same_gaps(with_a_gap):
    signal, _ = with_a_gap
    for view in (None, *VIEWS):
        shown = filtered_window(signal, 50, 70, view)
        assert len(shown) == 70 * RATE and np.isnan(shown).sum() == 45 * RATE


@pytest.mark.parametrize("view", VIEWS)
def test_the_filter_is_butterworths_without_delay(view):
    rate = 4000  # Hz, at which a digital filter is near the analogue one
    samples = noise(90, rate) + 80
    shown = filtered_window(an_array(samples, rate), 30, 30, view)
    wanted = samples
    for cut, kind in ((view.high_pass, "highpass"), (view.low_pass, "lowpass")):
        wanted = sosfiltfilt(butter(2, cut, kind, fs=rate, output="sos"), wanted)
    wanted = wanted[30 * rate : 60 * rate]
    assert np.corrcoef(shown, wanted)[0, 1] > 0.9999 and abs(shown.std() / wanted.std() - 1) < 0.02


def test_a_slow_channel_is_shown_through_every_filter():
    for view in VIEWS:
        assert np.isfinite(filtered_window(an_array(noise(60, 16), 16), 10, 30, view)).all()


def test_neighbouring_windows_join():
    signal = an_array(noise(120, RATE))
    both = filtered_window(signal, 30, 60, VIEWS[0])
    halves = np.concatenate([filtered_window(signal, second, 30, VIEWS[0]) for second in (30, 60)])
    np.testing.assert_allclose(both, halves, atol=0.5)  # µV; the std is 20


def test_as_recorded_is_only_moved():
    samples = noise(60, RATE) + 5000
    shown = filtered_window(an_array(samples), 0, 30, None)
    np.testing.assert_allclose(shown, samples[: 30 * RATE] - np.median(samples[: 30 * RATE]), atol=0.01)


@given(st.integers(1, 40_000), st.integers(0, 9))
def test_an_envelope_loses_no_extreme(n_samples, seed):
    samples = np.random.default_rng(seed).normal(0, 1, n_samples).astype(np.float32)
    points = enveloped(samples)
    assert len(points) <= MOST_POINTS and points.max() == samples.max() and points.min() == samples.min()
    assert n_samples > MOST_POINTS or (points == samples).all()


def test_an_epoch_starts_where_the_first_epoch_says():
    samples = np.arange(3000, dtype=np.float32)
    shown = epoch_window(an_array(samples, 10), 12.5, 1, None)
    assert len(shown) == 300 and shown[0] == samples[425] - np.median(samples[425:725])


@given(st.integers(0, 3000))
def test_columns_are_looked_at_once_each(n):
    assert sorted(coarse_to_fine(n)) == list(range(n))


def test_the_spectrum_is_that_of_the_epochs():
    signal = an_array(noise(600, 200), 200)
    seen = NightSpectrum(signal, 7.0, 19)
    seen.compute()
    assert seen.n_done == 19
    np.testing.assert_allclose(seen.power, spectrum(signal_epochs(signal, 7.0).x), atol=0.01)


def test_a_long_night_is_looked_at_here_and_there(with_a_gap):
    signal, _ = with_a_gap
    long = NightSpectrum(signal, 0.0, 20_160)
    assert len(long.epochs) == MOST_COLUMNS and long.epochs[0] == 0 and long.epochs[-1] == 20_159
    few = NightSpectrum(signal, 0.0, 6)
    few.compute()
    shades = few.shades()
    assert shades.shape == (6, len(SPECTRUM_HZ) - 1)
    assert (shades == 0).all(axis=1).tolist() == [False, False, True, True, False, True]  # 105 to 165 s, on the grid


def test_one_that_is_stopped_ends():
    few = NightSpectrum(an_array(noise(600, RATE)), 0.0, 20)
    few.stop()
    few.compute()
    assert few.n_done == 0 and not few.shades().any()
