"""What cannot be scored: epoch by epoch, and channels that are dead or no EEG, against real ones that must pass."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import butter, resample_poly, sosfilt

from recordings.epochs import Epochs, epochs_in_parts, faults
from recordings.quality import SAMPLED_EPOCHS, look_at, marked_bad, no_eeg, quality, sampled, sampled_reason, spikes
from recordings.recording import Mark, RawSignal, Stretch
from recordings.spectrum import spectrum
from simulating.eeg import simulate_eeg, simulate_stages

pytest_plugins = ["tests.support.raw_recordings"]

N_EPOCHS = 40
N_SAMPLES = N_EPOCHS * 3000
T = np.arange(N_SAMPLES) / 100  # seconds


def in_memory(samples, rate=100.0, stretches=None):
    stretches = stretches or (Stretch(0.0, 0.0, len(samples) / rate),)
    values = np.asarray(samples, np.float32)
    return RawSignal(lambda first, last: values[first:last], len(values), rate, "C3", "uV", None, stretches)


def judged(samples, marks=(), rate=100.0):
    return judge(epochs_in_parts(in_memory(samples, rate)), marks)


def judge(parts, marks=()):
    return quality(parts, look_at(parts), marks)


def all_of(epochs):
    return lambda: [epochs]


def noise(std=20.0, n=N_SAMPLES):
    return np.random.default_rng(0).normal(0, std, n)


@pytest.fixture(scope="module")
def eeg():
    rng = np.random.default_rng(3)
    return simulate_eeg(simulate_stages(N_EPOCHS, 8, rng), 100, rng)


# ---- epochs ----


def test_a_good_channel_is_good_all_through(eeg):
    found = judged(eeg)
    assert found.good.all() and found.reason == ""
    assert set(found.faults) == {"flat", "clipped", "implausible amplitude", "marked bad"}


def test_what_is_wrong_with_an_epoch_is_named_and_the_epoch_is_not_scored(eeg):
    spoilt = eeg.copy()
    spoilt[3000:6000] = 0
    spoilt[9000:12000] = np.clip(spoilt[9000:12000] * 20, -60, 60)
    spoilt[15000:18000] *= 1000
    spoilt[21000:24000] *= 1e-3
    found = judged(spoilt, [Mark(290.0, 5.0, "BAD_sweat")])
    assert {name: np.flatnonzero(mask).tolist() for name, mask in found.faults.items()} == {
        "flat": [1], "clipped": [3], "implausible amplitude": [5, 7], "marked bad": [9],
    }  # fmt: skip
    assert np.flatnonzero(~found.good).tolist() == [1, 3, 5, 7, 9]


@pytest.mark.parametrize(("at_limit", "flagged", "good"), [(20, False, True), (40, True, True), (300, True, False)])
def test_an_epoch_that_is_clipped_a_little_is_flagged_and_one_that_is_clipped_a_lot_is_not_scored(
    eeg, at_limit, flagged, good
):
    spoilt = eeg.copy()
    spoilt[:3000] = np.clip(spoilt[:3000], -199, 199)
    spoilt[:at_limit] = 200
    found = judged(spoilt)
    assert (bool(found.faults["clipped"][0]), bool(found.good[0])) == (flagged, good)


@pytest.mark.parametrize("disturbance", [5000.0, 50 * T, 3000 * np.sin(2 * np.pi * T / 600)])
def test_neither_an_offset_nor_a_drift_is_an_amplitude(eeg, disturbance):
    assert judged(eeg + disturbance).good.all()


def test_an_epoch_that_is_not_recorded_is_not_judged(eeg):
    samples = eeg.copy()
    samples[3500] = np.nan
    samples[6000:9000] = 0
    found = judged(samples)
    assert len(found.good) == N_EPOCHS - 1 and np.flatnonzero(found.faults["flat"]).tolist() == [1]


# ---- the unit ----


@pytest.mark.parametrize("scale", [0.01, 100])
def test_a_unit_that_seems_mistaken_moves_the_limits(eeg, scale):
    """In the headers of UCDDB a unit is some 100 µV."""
    samples = scale * eeg
    samples[3000:6000] *= 1000
    found = judged(samples)
    assert found.reason == "" and np.flatnonzero(~found.good).tolist() == [1]


@pytest.mark.parametrize(("scale", "std"), [(1e-6, "e-05"), (1e6, r"e\+07")])
def test_volts_taken_for_microvolts_are_not_scored(eeg, scale, std):
    found = judged(scale * eeg)
    assert not found.good.any()
    pattern = rf"implausible amplitude in 40 of 40 epochs \(a standard deviation of .*{std} µV, an EEG has 1 to 500\)"
    assert re.match(pattern, found.reason) and "check the unit" in found.reason


# ---- marks ----


@pytest.mark.parametrize(
    ("onset", "duration", "text", "expected"),
    [
        (30.0, 30.0, "BAD_", [1]),
        (29.9, 30.2, "bad_muscle", [0, 1, 2]),
        (75.0, None, "Bad_electrode", [2]),
        (75.0, 0.0, "BAD_electrode", [2]),
        (60.0, None, "BAD_electrode", [2]),
        (-50.0, 60.0, "BAD_start", [0]),
        (-50.0, None, "BAD_start", []),
        (110.0, 500.0, "BAD_end", [3]),
        (500.0, 5.0, "BAD_later", []),
        (30.0, 30.0, "badly slept", [1]),  # MNE takes it as bad, too
        (30.0, 30.0, "BAD artefact", [1]),
        (30.0, 30.0, "not BAD_", []),
    ],
)
def test_what_is_marked_bad_is_bad(onset, duration, text, expected):
    assert np.flatnonzero(marked_bad([Mark(onset, duration, text)], 4, 0.0)).tolist() == expected


@settings(deadline=None)
@given(st.floats(-100, 400), st.floats(0.01, 200), st.floats(0, 30))
def test_every_epoch_that_a_mark_reaches_into_is_bad_and_no_other(onset, duration, first_second):
    found = marked_bad([Mark(onset, duration, "BAD_")], 10, first_second)
    starts = first_second + 30 * np.arange(10)
    reached = np.minimum(onset + duration, starts + 30) - np.maximum(onset, starts)  # seconds of each epoch
    assert not (found & (reached < -1e-3)).any() and not (~found & (reached > 1e-3)).any()


# ---- channels ----


def heart_beats(bpm):
    """P, Q, R, S and T waves of a lead with an R wave of 1 mV."""
    rng = np.random.default_rng(0)
    beats = np.cumsum(60 / bpm * (1 + rng.normal(0, 0.05, int(N_SAMPLES / 100 * bpm / 60))))
    waves = ((-0.2, 0.025, 100), (0, 0.012, 1000), (-0.025, 0.01, -100), (0.03, 0.012, -200), (0.25, 0.05, 250))
    ecg = noise(10)
    for beat in beats[beats < T[-1] - 1]:
        near = slice(int((beat - 0.5) * 100), int((beat + 0.5) * 100))
        for delay, width, height in waves:
            ecg[near] += height * np.exp(-(((T[near] - beat - delay) / width) ** 2) / 2)
    return ecg


OTHERS = {
    "zeros": (np.zeros(N_SAMPLES), "40 of 40 epochs are flat"),
    "one step of the converter": (noise(0.3).round() * 0.5, "epochs are flat"),
    "white noise": (noise(), "no EEG by its spectrum, which does not fall"),
    "EMG": (sosfilt(butter(4, (10, 45), "bandpass", fs=100, output="sos"), noise()), "no EEG by its spectrum, which"),
    "mains hum": (30 * np.sin(2 * np.pi * 49.9 * T) + noise(2), "no EEG by its spectrum, which does not fall"),
    "respiration": (200 * np.sin(2 * np.pi * 0.25 * T + np.sin(0.05 * T)) + 0.3 * np.sin(T), "no EEG by its spectrum"),
    "respiration and noise": (200 * np.sin(2 * np.pi * 0.25 * T) + noise(1), "no EEG by its spectrum"),
    "temperature": (np.round(370 + np.sin(T / 900), 1), "40 of 40 epochs are flat"),
    "ECG": (heart_beats(60), "no EEG by its shape"),
    "fast ECG": (heart_beats(100), "no EEG by its shape"),
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_no_eeg_is_not_scored(what):
    samples, reason = OTHERS[what]
    found = judged(samples)
    assert reason in found.reason
    assert not found.good.any() and found.faults["no EEG"].all()


def test_a_few_epochs_are_no_ground_to_refuse_a_channel():
    assert judged(noise(n=9 * 3000)).reason == "" and judged(noise(n=10 * 3000)).reason


def test_a_channel_is_dead_when_hardly_any_epoch_is_good(eeg):
    samples = eeg.copy()
    samples[4 * 3000 :] = 0
    assert judged(samples).reason == "" and judged(samples).good.sum() == 4
    samples[3 * 3000 :] = 0
    assert judged(samples).reason == "37 of 40 epochs are flat" and not judged(samples).good.any()


def test_what_lies_between_bad_epochs_is_judged_without_them(eeg):
    samples = eeg.copy()
    samples[: 20 * 3000] = noise(1e4)[: 20 * 3000]
    found = judged(samples)
    assert found.reason == "" and found.good.tolist() == [False] * 20 + [True] * 20


# ---- read here and there ----


@pytest.mark.parametrize("rate", [64.0, 100.0, 199.9])
def test_a_channel_that_is_read_here_and_there_is_judged_alike(eeg, rate):
    n = int(3 * 3600 * rate)
    at_rate = np.resize(resample_poly(eeg, int(rate), 100), n)
    assert sampled_reason(in_memory(at_rate, rate)) == ""
    assert sampled_reason(in_memory(noise(n=n), rate)).startswith("no EEG by its spectrum")
    assert sampled_reason(in_memory(np.zeros(n), rate)) == f"{SAMPLED_EPOCHS} of {SAMPLED_EPOCHS} epochs are flat"
    assert sampled_reason(in_memory(np.zeros(100), rate)) == "", "too short to tell"


def test_what_is_read_here_and_there_lies_in_the_recording():
    parts = (Stretch(0.0, 0.0, 700.0), Stretch(900.0, 700.0, 20.0), Stretch(1000.0, 720.0, 90_000.0))
    pieces = list(sampled(parts))
    assert len(pieces) == SAMPLED_EPOCHS
    for piece in pieces:
        assert any(part.offset <= piece.offset <= part.offset + part.seconds - piece.seconds for part in parts)
    assert pieces[0].offset == 0 and pieces[-1].offset > 89_000


# ---- real nights ----


def real_channels(real):
    """Yield a name and (epoch, sample) µV at 100 Hz of each real night."""
    for path in sorted(real.glob("sleepedf20_5s/SC4*.npz")):
        yield path.stem, np.load(path)["x"].astype(np.float32)
    yield "SC4001 in epochs of 30 s", np.load(real / "sc4001_232_epochs_30s.npz")["x"].astype(np.float32)
    for path in [*real.glob("ucddb/ucddb022_*.npz"), *sorted(real.glob("ucddb_partial/*.npz"))]:
        with np.load(path) as night:
            yield path.stem, 100 * resample_poly(night["x"], 25, 32, axis=1).astype(np.float32)


def test_no_real_night_is_refused_nor_any_ten_epochs_of_it(real):
    n_nights = 0
    for name, x in real_channels(real):
        flat, clipped = np.transpose([faults(one) for one in x])
        epochs = Epochs(x, np.arange(len(x)), len(x), flat.astype(bool), clipped.astype(np.float32), 0.0)
        found = judge(all_of(epochs))
        assert found.reason == "", name
        assert np.mean(~found.good) < 0.06, name  # three nights of UCDDB have 10 to 19 epochs without a signal
        good, number = epochs.only(found.good), np.arange(np.count_nonzero(found.good))
        for first in range(0, len(good.x) - 9, 10):
            ten = good.only((number >= first) & (number < first + 10))
            assert no_eeg(spectrum(ten.x), lambda ten=ten: spikes(all_of(ten))) == "", (name, first)
        n_nights += 1
    assert n_nights == 33 + 1 + 1 + 18


def test_the_unit_of_ucddbs_headers_is_put_up_with(real):
    for name, x in real_channels(real):
        if name.startswith("ucddb"):
            in_header = x / 100
            flat = np.array([faults(one)[0] for one in in_header])
            epochs = Epochs(in_header, np.arange(len(x)), len(x), flat, np.zeros(len(x), np.float32), 0.0)
            found = judge(all_of(epochs))
            assert found.reason == "" and np.mean(~found.good) < 0.06, name
