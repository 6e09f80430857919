"""What is done to an epoch of a stream depends on what came before its end, and is what a recording gets."""

from __future__ import annotations

import numpy as np
import pytest

from recordings.amplitude import rhythm_amplitude
from recordings.channels import Channel
from recordings.conditioning import HIGH_PASS, Conditioning
from recordings.epochs import EPOCH_SAMPLES, epochs_in_parts
from recordings.opening import one_channel, open_array
from recordings.quality import AMPLITUDE, look_at, quality
from streaming.so_far import NO_EEG, ConditioningSoFar, QualitySoFar
from tests.support.conditioned import conditioned as as_a_whole
from tests.test_conditioning import night

NEED = Conditioning(high_pass=HIGH_PASS, amplitude=(8.0, 8.0))


def conditioned(x: np.ndarray, **known) -> np.ndarray:
    so_far = ConditioningSoFar(NEED, **known)
    return np.concatenate([so_far.condition(number, one, False) for number, one in enumerate(x)])


def test_what_comes_later_changes_nothing():
    x = night(20)
    other = x.copy()
    other[12:] *= -3
    assert np.array_equal(conditioned(x)[:12], conditioned(other)[:12])
    assert not np.array_equal(conditioned(x)[12], conditioned(other)[12])


def test_weights_without_conditioning_get_the_signal_to_the_bit():
    so_far, x = ConditioningSoFar(Conditioning()), night(3)
    assert all(np.array_equal(so_far.condition(i, one, False)[0], one) for i, one in enumerate(x))


def test_an_offset_and_a_drift_leave_nothing():
    x = night(20)
    drift = np.linspace(0, 300, x.size, dtype=np.float32).reshape(x.shape)
    assert np.abs(conditioned(x + 5000 + drift) - conditioned(x)).max() < 0.1


def test_with_the_amplitude_known_it_comes_near_to_what_the_whole_recording_gets():
    x = night(24)
    whole = as_a_whole(NEED, x)
    live = conditioned(x, amplitude=whole.amplitude)
    inner = slice(0, 2000)  # the last 10 s of an epoch do not know how its baseline goes on
    assert np.std((live - whole.x)[:, inner]) < 0.01 * np.std(whole.x)
    assert np.std(live - whole.x) < 0.1 * np.std(whole.x)


def test_the_amplitude_is_that_of_what_came_so_far():
    so_far, x = ConditioningSoFar(Conditioning(amplitude=(8.0, 8.0))), night(10)
    for number, one in enumerate(x):
        so_far.condition(number, one, clipped=number == 4)
        seen = np.delete(x[: number + 1], [4] if number >= 4 else [], axis=0)
        assert so_far.factor == pytest.approx(8.0 / rhythm_amplitude([seen]))


def test_a_gap_starts_the_high_pass_anew():
    x = night(2)
    so_far = ConditioningSoFar(NEED, amplitude=8.0)
    so_far.condition(0, x[0] + 4000, False)
    after_gap = so_far.condition(2, x[1], False)
    assert np.array_equal(after_gap, ConditioningSoFar(NEED, amplitude=8.0).condition(0, x[1], False))


def test_another_process_goes_on_to_the_bit():
    x = night(12)
    first, second = ConditioningSoFar(NEED), ConditioningSoFar(NEED)
    for number in range(6):
        first.condition(number, x[number], False)
    second.go_on(first.kept())
    for number in range(6, 12):
        assert np.array_equal(first.condition(number, x[number], False), second.condition(number, x[number], False))


# ---- quality ----


def faulty_night() -> np.ndarray:
    x = night(20)
    x[3] = 7.0  # flat
    x[5] = np.clip(x[5], -25, 25)
    x[8] *= 100
    return x


def test_faults_are_those_of_a_recording():
    x = faulty_night()
    parts = epochs_in_parts(one_channel(open_array(x.reshape(-1), 100.0), Channel("", 0)))
    judged = quality(parts, look_at(parts))
    (whole,) = parts()
    so_far = QualitySoFar()
    for number, one in enumerate(x):
        live = so_far.judge(one, bool(whole.flat[number]), float(whole.clipped[number]))
        assert set(live.faults) == {name for name, mask in judged.faults.items() if mask[number]}
        assert live.good == judged.good[number]
    assert judged.faults[AMPLITUDE][8] and judged.faults["flat"][3] and judged.faults["clipped"][5]


def test_what_is_no_eeg_is_not_staged_once_that_is_known():
    so_far = QualitySoFar()
    noise = np.random.default_rng(0).normal(0, 20, (15, EPOCH_SAMPLES)).astype(np.float32)
    judged = [so_far.judge(one, False, 0.0) for one in noise]
    assert [one.good for one in judged] == [True] * 9 + [False] * 6
    assert judged[9].faults == (NO_EEG,) and "noise, hum or EMG?" in judged[9].reason
    again = [so_far.judge(one, False, 0.0) for one in night(40)]
    assert again[-1].good, "an electrode that was put on again"
