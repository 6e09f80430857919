"""Offset, gain, drift and hum leave nothing; gaps and faulty epochs do not matter; the default does nothing at all."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, sosfiltfilt

from folds.published import CONDITIONING as PUBLISHED
from recordings.amplitude import rhythm_amplitude
from recordings.baseline import KNOT, RATE, high_passed, smoothed, stretches
from recordings.conditioning import Conditioning
from recordings.epochs import EPOCH_SAMPLES
from tests.support.conditioned import conditioned

REAL = Path(__file__).parents[2] / "shared" / "real"
EXCERPT = REAL / "sc4001_232_epochs_30s.npz"
WHOLE = Conditioning(high_pass=0.2, amplitude=(8.0, 8.0))
LOOSE = settings(max_examples=15, deadline=None)


def night(n_epochs: int = 24, seed: int = 0, swell: float = 2.0) -> np.ndarray:
    """(epoch, sample) µV that fall off with frequency as an EEG does, every third epoch `swell` times as strong."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.normal(size=n_epochs * EPOCH_SAMPLES))
    spectrum /= np.maximum(np.fft.rfftfreq(n_epochs * EPOCH_SAMPLES, 1 / RATE), 0.3)
    x = np.fft.irfft(spectrum).reshape(n_epochs, EPOCH_SAMPLES)
    x *= np.where(np.arange(n_epochs) % 3, 1.0, swell)[:, np.newaxis]
    scaled: np.ndarray = (x / x.std() * 20).astype(np.float32)
    return scaled


def excerpt() -> np.ndarray:
    if not EXCERPT.exists():
        pytest.skip(f"no real recording here: {EXCERPT} is missing")
    with np.load(EXCERPT) as archive:
        x: np.ndarray = archive["x"]
    return x


def one_part(x: np.ndarray) -> list[slice]:
    return [slice(0, len(x))]


# ---- nothing ----


def test_the_default_does_nothing_to_the_bit():
    x = night()
    done = conditioned(Conditioning(), x)
    assert done.x is x
    assert (done.factor, done.removed) == (1.0, 0.0)
    assert np.isnan(done.amplitude)


def test_a_recording_within_the_range_keeps_its_amplitude_to_the_bit():
    x = night()
    measured = rhythm_amplitude(x)
    assert conditioned(Conditioning(amplitude=(measured * 0.9, measured * 1.1)), x).x is x


@pytest.mark.parametrize("conditioning", [Conditioning(), WHOLE, *PUBLISHED.values()])
def test_the_input_is_left_alone(conditioning):
    x = night()
    kept = x.copy()
    done = conditioned(conditioning, x)
    assert np.array_equal(x, kept)
    assert done.x.shape == x.shape
    assert done.x.dtype == np.float32


# ---- what an amplifier does ----


@LOOSE
@given(offset=st.floats(-20_000, 20_000, width=32), seed=st.integers(0, 99))
def test_an_offset_leaves_nothing(offset, seed):
    x = night(seed=seed)
    before, after = conditioned(WHOLE, x), conditioned(WHOLE, x + np.float32(offset))
    # 20 mV in float32 are known to 0.002 µV
    np.testing.assert_allclose(after.x, before.x, atol=0.02)
    assert after.removed - before.removed == pytest.approx(offset, abs=0.01)


@LOOSE
@given(gain=st.floats(0.01, 100), seed=st.integers(0, 99))
def test_a_gain_leaves_nothing_where_every_recording_gets_the_same_amplitude(gain, seed):
    x = night(seed=seed)
    before, after = conditioned(WHOLE, x), conditioned(WHOLE, x * np.float32(gain))
    np.testing.assert_allclose(after.x, before.x, rtol=1e-4, atol=1e-3)
    assert after.factor * gain == pytest.approx(before.factor, rel=1e-4)


@LOOSE
@given(gain=st.floats(0.01, 100))
def test_a_recording_outside_the_range_is_brought_to_the_nearer_edge(gain):
    done = conditioned(Conditioning(amplitude=(7.0, 9.0)), night() * np.float32(gain))
    assert done.amplitude * done.factor == pytest.approx(np.clip(done.amplitude, 7.0, 9.0))
    assert rhythm_amplitude(done.x) == pytest.approx(np.clip(done.amplitude, 7.0, 9.0), rel=1e-4)


@pytest.mark.parametrize("shape", ["sine", "up and down", "up"])
def test_a_drift_of_200_microvolts_in_ten_minutes_leaves_less_than_a_microvolt(shape):
    x = night(60)
    phase = np.arange(x.size) / RATE / 600
    drift = {
        "sine": 100 * np.sin(2 * np.pi * phase),
        "up and down": 100 * (1 - 4 * np.abs(phase % 1 - 0.5)),
        "up": 200 * phase,
    }[shape]
    moved = (x + drift.reshape(x.shape)).astype(np.float32)
    only_filtered = Conditioning(high_pass=0.2)
    difference = np.abs(conditioned(only_filtered, moved).x - conditioned(only_filtered, x).x)
    assert difference.max() < (0.5 if shape == "up and down" else 0.1)  # a kink is not as slow as what it joins
    assert np.sqrt(np.mean(difference**2)) < 0.02


def test_hum_does_not_change_the_measured_amplitude():
    x = night()
    hum = 10 * np.sin(2 * np.pi * 49.9 * np.arange(x.size) / RATE).reshape(x.shape)
    assert rhythm_amplitude(x + hum.astype(np.float32)) == pytest.approx(rhythm_amplitude(x), rel=1e-3)


def test_polarity_does_not_change_the_measured_amplitude():
    assert rhythm_amplitude(-night()) == rhythm_amplitude(night())


# ---- gaps and faults ----


def test_each_stretch_is_filtered_by_itself():
    x = night(12)
    offsets = np.repeat([5000, -5000, 0], 4).astype(np.float32)[:, np.newaxis]  # it jumps by millivolts at each gap
    recorded = np.array([0, 1, 2, 3, 7, 8, 9, 10, 50, 51, 52, 53])
    together = conditioned(WHOLE, x + offsets, recorded)
    np.testing.assert_allclose(together.x, conditioned(WHOLE, x, recorded).x, atol=0.02)
    alone = conditioned(Conditioning(high_pass=0.2), x[4:8]).x
    assert np.array_equal(conditioned(Conditioning(high_pass=0.2), x, recorded).x[4:8], alone)


@LOOSE
@given(faulty=st.sets(st.integers(0, 23), max_size=12), kind=st.sampled_from(["flat", "clipped"]))
def test_faulty_epochs_do_not_count_for_the_amplitude(faulty, kind):
    x = night(swell=1.0) + np.float32(3000)  # all alike, so that it does not matter which epochs are left
    mask = np.isin(np.arange(len(x)), list(faulty))
    masks = {"flat": mask} if kind == "flat" else {"clipped": mask}
    broken = x.copy()
    broken[mask] = 0 if kind == "flat" else x[mask].clip(3000 - 15, 3000 + 15)
    after = conditioned(WHOLE, broken, None, **masks)
    kept = conditioned(WHOLE, x, None, **masks)
    assert after.amplitude == pytest.approx(kept.amplitude, rel=0.01)
    assert after.amplitude == pytest.approx(conditioned(WHOLE, x).amplitude, rel=0.1)
    if kind == "flat":
        assert np.abs(after.x[mask]).max(initial=0) < 0.01
        np.testing.assert_allclose(after.x[~mask].std(axis=1), kept.x[~mask].std(axis=1), rtol=0.05)


def test_gaps_do_not_change_the_amplitude():
    x = night(60)
    recorded = np.sort(np.random.default_rng(1).choice(60, 40, replace=False))
    assert conditioned(WHOLE, x[recorded], recorded).amplitude == pytest.approx(
        conditioned(WHOLE, x).amplitude, rel=0.15
    )


@pytest.mark.parametrize("value", [0.0, 5000.0])
def test_a_signal_that_is_flat_throughout_is_not_scaled(value):
    x = np.full((3, EPOCH_SAMPLES), value, np.float32)
    done = conditioned(WHOLE, x, flat=np.ones(3, bool))
    assert done.factor == 1
    assert np.isnan(done.amplitude)
    assert np.abs(done.x).max() < 0.01


def test_a_recording_without_an_epoch():
    done = conditioned(WHOLE, np.zeros((0, EPOCH_SAMPLES), np.float32))
    assert done.x.shape == (0, EPOCH_SAMPLES)
    assert done.factor == 1


def test_a_single_epoch():
    x = night(1)
    np.testing.assert_allclose(conditioned(WHOLE, x + np.float32(5000)).x, conditioned(WHOLE, x).x, atol=0.02)


# ---- the filter ----


AROUND = 400  # knots, after which the filter has settled


@pytest.mark.parametrize("n_knots", [1, 2, 3, 121, 122, 5000])
def test_the_baseline_is_that_of_scipy(n_knots):
    knots = np.cumsum(np.random.default_rng(0).normal(0, 10, n_knots)) + 3000
    sections = butter(2, 0.2, fs=RATE / KNOT, output="sos")
    mirrored = np.pad(knots, AROUND, "reflect", reflect_type="odd")
    expected = sosfiltfilt(sections, mirrored, padlen=0)[AROUND:-AROUND]
    np.testing.assert_allclose(smoothed(knots, 0.2), expected, atol=1e-3)


def test_the_high_pass_is_a_butterworth_forwards_and_backwards():
    x = night(40)
    sections = butter(2, 0.2, "highpass", fs=RATE, output="sos")
    expected = sosfiltfilt(sections, x.reshape(-1).astype(np.float64))
    found = high_passed(x, one_part(x), 0.2).reshape(-1)
    inside = slice(20 * RATE, -20 * RATE)  # the two continue the signal differently beyond its ends
    assert np.std(found[inside] - expected[inside]) < 0.01 * np.std(expected[inside])


@pytest.mark.parametrize(("frequency", "gain"), [(0.02, 0.0001), (0.2, 0.5), (0.5, 0.975), (1.0, 0.998), (3.9, 1.0)])
def test_what_is_left_of_a_sine(frequency, gain):
    seconds = np.arange(40 * EPOCH_SAMPLES) / RATE
    sine = np.sin(2 * np.pi * frequency * seconds).astype(np.float32).reshape(-1, EPOCH_SAMPLES)
    left = high_passed(sine, one_part(sine), 0.2).reshape(-1)
    inside = slice(200 * RATE, -200 * RATE)
    assert left[inside].std() * np.sqrt(2) == pytest.approx(gain, abs=0.01)  # what the triangles take
    if gain > 0.4:  # no delay
        assert np.corrcoef(left[inside], sine.reshape(-1)[inside])[0, 1] > 0.9999


def test_stretches():
    recorded, flat = np.array([0, 1, 2, 5, 6, 7]), np.array([0, 0, 0, 0, 1, 1], bool)
    assert list(stretches(recorded, flat)) == [slice(0, 3), slice(3, 4), slice(4, 6)]
    assert list(stretches(recorded[:0], flat[:0])) == []


# ---- amplitude ----


def test_the_amplitude_of_known_rhythms():
    seconds = np.arange(4 * EPOCH_SAMPLES) / RATE
    waves = (30, 2), (10, 6), (5, 13), (100, 9), (100, 20)  # µV, Hz: alpha and beta are no part of it
    x = sum(size * np.sin(2 * np.pi * hertz * seconds) for size, hertz in waves)
    expected = (30 * 10 * 5) ** (1 / 3) / np.sqrt(2)
    found = rhythm_amplitude(x.astype(np.float32).reshape(-1, EPOCH_SAMPLES))
    assert found == pytest.approx(expected, rel=0.001)


def test_the_unit_comes_last():
    x = night()
    done = conditioned(Conditioning(high_pass=0.2, amplitude=(8.0, 8.0), scale=0.01, offset=0.55), x)
    np.testing.assert_allclose(done.x, conditioned(WHOLE, x).x * 0.01 + 0.55, atol=1e-5)


# ---- settings ----


@pytest.mark.parametrize(
    "wrong",
    [
        {"high_pass": 0.0},
        {"high_pass": 1.0},
        {"high_pass": float("nan")},
        {"amplitude": (0.0, 8.0)},
        {"amplitude": (9.0, 8.0)},
        {"amplitude": (8.0, float("inf"))},
        {"scale": 0.0},
        {"offset": float("nan")},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Conditioning(**wrong)


def test_epochs_of_another_length_are_refused():
    with pytest.raises(ValueError, match="3000"):
        WHOLE.condition_night(np.zeros((4, 500), np.float32))


@pytest.mark.parametrize("conditioning", [Conditioning(), *PUBLISHED.values()])
def test_a_conditioning_can_be_stored(conditioning):
    stored = json.loads(json.dumps(asdict(conditioning)))
    assert Conditioning.from_json(stored) == conditioning


# ---- real signals ----


def test_the_real_excerpt_has_the_amplitude_of_its_laboratory():
    done = conditioned(PUBLISHED["sleepedf"], excerpt())
    assert done.amplitude == pytest.approx(7.41, abs=0.02)
    assert done.factor == 1


@pytest.mark.parametrize("gain", [0.2, 0.5, 2, 5])
def test_the_real_excerpt_under_gain_and_offset(gain):
    x = excerpt()
    before, after = conditioned(WHOLE, x), conditioned(WHOLE, x * np.float32(gain) + np.float32(200))
    np.testing.assert_allclose(after.x, before.x, atol=0.01)


def test_the_hours_of_the_real_excerpt_agree_on_its_amplitude():
    x = excerpt()
    whole = rhythm_amplitude(x)
    hours = [rhythm_amplitude(x[first : first + 120]) for first in (0, 56, 112)]
    assert np.abs(np.log2(np.array(hours) / whole)).max() < 0.5
