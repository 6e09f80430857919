"""One channel → epochs: resampled, on one grid, block by block, and what is wrong with them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings import epochs as epochs_module
from recordings.epochs import amplitude_notice, epoch_std, faults, resample, signal_epochs
from recordings.recording import RawSignal, Stretch
from tests.support.edf_files import noise


def in_memory(samples, rate, stretches=None):
    stretches = stretches or (Stretch(0.0, 0.0, len(samples) / rate),)
    return RawSignal(lambda first, last: samples[first:last], len(samples), rate, "C3", "uV", None, stretches)


# ---- resampling and epochs ----


@pytest.mark.parametrize("rate", [50, 100, 125, 128, 200, 256, 500, 512])
def test_a_sine_survives_resampling(rate):
    seconds = np.arange(60 * rate) / rate
    sine = (40 * np.sin(2 * np.pi * 10 * seconds)).astype(np.float32)
    resampled = resample(sine, rate)
    assert resampled.dtype == np.float32
    assert len(resampled) == 6000
    expected = 40 * np.sin(2 * np.pi * 10 * np.arange(6000) / 100)
    np.testing.assert_allclose(resampled[200:-200], expected[200:-200], atol=0.4)  # 1 %; the filter's ends aside


@pytest.mark.parametrize("rate", [200, 256])
def test_what_100_hz_cannot_hold_is_filtered_out(rate):
    seconds = np.arange(60 * rate) / rate
    aliased = resample(np.sin(2 * np.pi * 70 * seconds).astype(np.float32), rate)
    assert np.abs(aliased[200:-200]).max() < 0.01


@pytest.mark.parametrize("rate", [33.3, 199.9, 256.016])
def test_odd_rates_neither_drift_nor_lose_an_epoch(rate):
    n_samples = round(rate * 30 * 600)
    pulses = np.zeros(n_samples, np.float32)
    pulses[int(rate * 30 * 599)] = 1  # the start of the last epoch
    raw = in_memory(pulses, rate)
    assert raw.n_epochs == 600
    epochs = signal_epochs(raw).x
    assert len(epochs) in (599, 600)
    assert abs(int(resample(pulses, rate).argmax()) - 599 * 3000) <= 4


def test_at_100_hz_nothing_is_touched():
    samples = noise(60, 100).astype(np.float32)
    assert resample(samples, 100.0) is samples


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(1, 15_000))
def test_epochs_are_the_signal_cut_in_order(first_second, n_samples):
    samples = np.arange(n_samples, dtype=np.float32)
    epochs = signal_epochs(in_memory(samples, 100.0), first_second).x
    assert epochs.shape[1] == 3000
    assert len(epochs) == max(0, n_samples - first_second * 100) // 3000
    np.testing.assert_array_equal(epochs.ravel(), samples[first_second * 100 :][: epochs.size])


@pytest.mark.parametrize("std", [1.5, 20, 400])
def test_a_plausible_amplitude_goes_without_saying(std):
    assert amplitude_notice(epoch_std(noise(300, 100, std).reshape(10, 3000).astype(np.float32))) is None


@pytest.mark.parametrize("std, said", [(0.3, "of 0.3"), (2e4, "of 2e+04"), (0, "flat")])
def test_an_implausible_amplitude_is_noticed(std, said):
    epochs = np.tile(np.array([-1, 1], np.float32) * std, (10, 1500))  # (epoch, sample), of exactly this deviation
    assert said in (amplitude_notice(epoch_std(epochs)) or "")


# ---- blocks and gaps ----


@pytest.mark.parametrize("rate", [64.0, 100.0, 128.0, 199.9, 200.0, 256.0, 512.0])
@pytest.mark.parametrize("first_second", [0.0, 12.34])
def test_blocks_give_what_the_whole_signal_gives(rate, first_second, monkeypatch):
    samples = noise(1, int(400 * rate)).astype(np.float32)
    whole = resample(samples, rate)[round(first_second * 100) :]
    whole = whole[: len(whole) // 3000 * 3000].reshape(-1, 3000)
    monkeypatch.setattr(epochs_module, "SAMPLES_AT_A_TIME", 100 * rate)  # three epochs at a time
    epochs = signal_epochs(in_memory(samples, rate), first_second)
    np.testing.assert_allclose(epochs.x, whole, atol=1e-3)
    assert epochs.recorded.tolist() == list(range(len(whole)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 200)), min_size=1, max_size=6), st.integers(0, 40))
def test_every_whole_epoch_between_gaps_is_there_at_its_own_time(parts, first_second):
    """Each sample holds the second in which it was recorded, so that an epoch tells where it comes from."""
    stretches, samples, now, offset = [], [], 0, 0
    for gap, seconds in parts:
        now += gap if stretches else 0
        stretches.append(Stretch(float(now), float(offset), float(seconds)))
        samples.append(np.repeat(np.arange(now, now + seconds), 100))
        now, offset = now + seconds, offset + seconds
    epochs = signal_epochs(in_memory(np.concatenate(samples).astype(np.float32), 100.0, tuple(stretches)), first_second)
    recorded = {int(second) for part in samples for second in part}
    starts = range(first_second, max(recorded) + 1, 30)
    expected = [i for i, start in enumerate(starts) if recorded >= set(range(start, start + 30))]
    assert [epoch for epoch in expected if epoch in epochs.recorded] == epochs.recorded.tolist()
    for x, epoch in zip(epochs.x, epochs.recorded, strict=True):
        np.testing.assert_array_equal(x, np.repeat(first_second + 30 * epoch + np.arange(30), 100))
    # An epoch that lies across two parts without a gap in between is whole too, but each part is resampled by itself.
    across = [epoch for epoch in expected if epoch not in epochs.recorded]
    assert all(any(0 < stretch.onset - (first_second + 30 * epoch) < 30 for stretch in stretches) for epoch in across)


# ---- faults ----


def test_what_is_no_number_is_not_recorded():
    samples = noise(120, 100).astype(np.float32)
    samples[4000] = np.nan
    epochs = signal_epochs(in_memory(samples, 100.0))
    assert epochs.recorded.tolist() == [0, 2, 3]
    assert len(epochs.x) == len(epochs.flat) == len(epochs.clipped) == 3


def test_flat_and_clipped_epochs_are_found():
    samples = noise(150, 100, 100).astype(np.float32)
    samples[3000:6000] = 7
    samples[6000:9000] = np.clip(samples[6000:9000], -120, 120)
    samples[9000:12000] = np.round(samples[9000:12000] / 100)  # a coarse converter
    epochs = signal_epochs(in_memory(samples, 100.0))
    assert epochs.flat.tolist() == [False, True, False, False, False]
    assert (epochs.clipped > 0.01).tolist() == [False, False, True, False, False]


@pytest.mark.parametrize(("highest", "lowest"), [(29, 1), (1, 300), (40, 30)])
def test_an_epoch_is_clipped_as_far_as_at_its_worse_limit(highest, lowest):
    samples = 99 * np.sin(np.arange(3000)).astype(np.float32)
    samples[:highest] = 100
    samples[-lowest:] = -100
    assert faults(samples) == (False, pytest.approx(max(highest, lowest) / 3000))


@pytest.mark.parametrize(("dead_seconds", "flat"), [(14, False), (15, True), (30, True)])
@pytest.mark.parametrize("rate", [1, 100, 256])
def test_an_epoch_is_flat_when_half_of_it_is(dead_seconds, flat, rate):
    samples = noise(30, rate).astype(np.float32)
    dead = samples[: dead_seconds * rate]
    dead[:] = 1e-3 * np.random.default_rng(1).integers(-1, 2, len(dead))  # a step of the converter to either side
    assert faults(samples)[0] == (flat if rate > 1 else dead_seconds == 30)  # at 1 Hz, of three pieces of 10 s


@pytest.mark.parametrize("scale", [1, 1e-6, 1e6])
def test_what_is_flat_does_not_depend_on_the_unit(scale):
    assert not faults(scale * noise(30, 100).astype(np.float32))[0]
    assert faults(np.full(3000, 7 * scale, np.float32))[0]


def test_some_epochs_stay_where_they_are_on_the_grid():
    epochs = signal_epochs(in_memory(np.repeat(np.arange(4, dtype=np.float32), 3000), 100.0))
    some = epochs.only(np.array([True, False, False, True]))
    assert some.x[:, 0].tolist() == [0, 3] and some.recorded.tolist() == [0, 3] and some.n_epochs == 4
    assert len(some.flat) == len(some.clipped) == 2


# ---- the content ----


def test_a_signal_is_known_by_its_content_unless_it_is_flat():
    rng = np.random.default_rng(0)
    samples = rng.normal(0, 20, 9000).astype(np.float32)
    other = samples.copy()
    other[4000] += 1

    def content(values):
        return signal_epochs(in_memory(values, 100)).content

    assert content(samples) == content(samples.copy()) != content(other)
    assert len(content(samples)) == 64
    assert content(np.zeros(9000, np.float32)) == content(samples[:100]) == ""
