"""Confidence: what it says against what is right, a temperature that is found again, a limit that does what it says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss

from command import InputError
from folds.calibration import Calibration, load_calibration, save_calibration, tempered
from scoring.calibrating import (
    FEWEST_ABOVE,
    LIMITS,
    PRIOR_EPOCHS,
    TEMPERATURES,
    WANTED,
    calibrate,
    chosen_limit,
    fitted_temperature,
)
from scoring.confidence import N_BINS, Confidence, Judged, above_limit, judged, reliability, together
from scoring.staged import LOW_CONFIDENCE, limit_of
from sleepstage import UNKNOWN
from tests.support.staged_nights import a_fold

random = np.random.default_rng(0)
N = 20_000
LOGITS = random.normal(0, 6, (N, 5))


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def drawn_from(probabilities):
    """Return (epoch,) stages drawn with the probabilities given: for them, these are perfectly calibrated."""
    return (
        (random.random((len(probabilities), 1)) > np.cumsum(probabilities, axis=1)[:, :-1]).sum(axis=1).astype(np.int32)
    )


EXPERT = drawn_from(softmax(LOGITS / 2))  # a network that says LOGITS is too sure, at a temperature of 2


# ---- reliability ----


def test_the_calibration_error_by_loops():
    epochs = judged(softmax(LOGITS), EXPERT)
    found = reliability(epochs)
    error, counts = 0.0, []
    for number in range(N_BINS):
        low, high = number / N_BINS, (number + 1) / N_BINS
        inside = (epochs.confidence > low) & (epochs.confidence <= high)
        if inside.any():
            counts.append(inside.sum())
            error += inside.mean() * abs(epochs.right[inside].mean() - epochs.confidence[inside].mean())
    assert found.error == pytest.approx(error)
    assert found.counts.tolist() == counts and sum(counts) == N


def test_the_brier_score_is_that_of_scikit_learn_over_the_stages():
    probabilities = softmax(LOGITS)[:500]
    expected = sum(brier_score_loss(EXPERT[:500] == stage, probabilities[:, stage].clip(0, 1)) for stage in range(5))
    assert judged(probabilities, EXPERT[:500]).brier == pytest.approx(expected, rel=1e-5)


def test_epochs_without_probabilities_or_a_stage_do_not_count():
    probabilities, expert = softmax(LOGITS[:100]), EXPERT[:100].copy()
    probabilities[:10] = np.nan
    expert[90:] = UNKNOWN
    np.testing.assert_array_equal(
        judged(probabilities, expert).right, judged(probabilities[10:90], expert[10:90]).right
    )
    with pytest.raises(ValueError, match="no epoch has both"):
        judged(probabilities[:10], expert[:10])


@given(st.lists(st.tuples(st.integers(20, 100), st.booleans()), min_size=1, max_size=50), st.integers(20, 100))
def test_what_a_limit_does_by_loops(epochs, limit):
    confidence, right = (np.array(values) for values in zip(*epochs, strict=True))
    at = above_limit(Judged(confidence / 100, right, 0.0), limit / 100)
    above = [is_right for sure, is_right in epochs if sure / 100 >= limit / 100]
    below = [is_right for sure, is_right in epochs if sure / 100 < limit / 100]
    assert at.share_above == pytest.approx(len(above) / len(epochs))
    for found, expected in ((at.right_above, above), (at.right_below, below)):
        assert found == pytest.approx(sum(expected) / len(expected) if expected else float("nan"), nan_ok=True)


def test_nights_have_limits_of_their_own():
    a, b = judged(softmax(LOGITS[:300]), EXPERT[:300]), judged(softmax(LOGITS[300:900]), EXPERT[300:900])
    found = Confidence("model", {"a": a, "b": b}, {"a": 0.5, "b": 0.9})
    sure = np.concatenate([a.confidence >= 0.5, b.confidence >= 0.9])
    right = np.concatenate([a.right, b.right])
    assert found.at_limit.share_above == sure.mean() and found.at_limit.limit == pytest.approx(0.7)
    assert found.at_limit.right_above == right[sure].mean() and found.at_limit.right_below == right[~sure].mean()
    lowest = min((a.right[a.confidence >= 0.5].mean(), "a"), (b.right[b.confidence >= 0.9].mean(), "b"))
    assert found.worst_night == (lowest[1], lowest[0])
    assert found.pooled.brier == pytest.approx(judged(softmax(LOGITS[:900]), EXPERT[:900]).brier)
    assert together([a, b]).brier == found.pooled.brier
    assert "calibration error" in found.in_words() and f"least in {lowest[1]}" in found.in_words()


# ---- the temperature ----


@pytest.mark.parametrize("temperature", [0.5, 1.7, 4.0])
def test_a_temperature_divides_the_logits_and_moves_no_stage(temperature):
    probabilities = softmax(LOGITS)
    changed = tempered(probabilities, temperature)
    np.testing.assert_allclose(changed, softmax(LOGITS / temperature), atol=2e-6)
    np.testing.assert_array_equal(changed.argmax(axis=1), probabilities.argmax(axis=1))


def test_a_temperature_of_one_changes_no_bit_and_nan_stays_nan():
    probabilities = softmax(LOGITS[:5])
    assert tempered(probabilities, 1) is probabilities
    probabilities[2] = np.nan
    assert np.isnan(tempered(probabilities, 2)[2]).all() and np.isfinite(tempered(probabilities, 2)[3]).all()


def test_the_temperature_is_found_again():
    assert fitted_temperature(softmax(LOGITS), EXPERT) == pytest.approx(2, rel=0.03)
    assert fitted_temperature(softmax(LOGITS / 2), EXPERT) == pytest.approx(1, rel=0.03)


def test_a_stage_that_the_network_held_impossible_is_no_end_of_it():
    probabilities = np.array([[1, 0, 0, 0, 0]] * 9 + [[0, 1, 0, 0, 0]], np.float32)
    assert 1 < fitted_temperature(probabilities, np.zeros(10, int)) <= 20


# ---- the limit ----


@given(st.lists(st.tuples(st.integers(20, 100), st.booleans()), min_size=1, max_size=40))
def test_the_limit_is_the_lowest_that_keeps_its_word(epochs):
    confidence, right = (np.array(values) for values in zip(*epochs, strict=True))
    one = Judged(confidence / 100, right, 0.0)

    def holds(limit):
        above = one.confidence >= limit
        return above.mean() >= FEWEST_ABOVE and one.right[above].mean() >= WANTED

    limit = chosen_limit(one)
    assert limit == next((float(each) for each in LIMITS if holds(each)), None)


# ---- a fold's calibration ----


class FalseNight:
    """A night whose signal is the logits that a network makes of it."""

    def __init__(self, name, first, end):
        self.name, self.x, self.expert = name, LOGITS[first:end], EXPERT[first:end]

    def stretches(self):
        return [self]

    def among_known(self, probabilities):
        return probabilities


def test_a_fold_is_calibrated_on_all_its_validation_nights():
    found = calibrate(softmax, [FalseNight("a", 0, 8000), FalseNight("b", 8000, N)], "a hash")
    weight = N / (N + PRIOR_EPOCHS)  # drawn weights are expected at 1
    assert found.temperature == pytest.approx(2**weight, rel=0.03) and found.n_epochs == N
    assert found.nights == ("a", "b")
    assert found.error_after < 0.02 < found.error_before
    after = judged(softmax(LOGITS / found.temperature), EXPERT)
    assert after.right[after.confidence >= found.limit].mean() >= WANTED
    assert found.share_above == pytest.approx(np.mean(after.confidence >= found.limit), abs=1e-4)
    assert "on 2 validation nights" in found.in_words() and "90 % are right" in found.in_words()
    with pytest.raises(ValueError, match="no validation nights"):
        calibrate(softmax, [], "a hash")


def test_few_epochs_move_the_first_weights_calibration_by_little_and_never_beyond_bounds():
    first = Calibration(1.1, 0.7, 0.9, 0.8, ("x",), 4000, 0.1, 0.02, "another")
    for n in (3, 9, 25, 700):
        night = FalseNight("a", 0, n)
        night.expert = night.x.argmax(axis=1)  # all right: alone they would ask for the lowest temperature
        found = calibrate(softmax, [night], "a hash", first)
        weight = n / (n + PRIOR_EPOCHS)
        assert 1.1 * (TEMPERATURES[0] / 1.1) ** weight * 0.99 < found.temperature < 1.1
        assert 0.5 * weight + 0.7 * (1 - weight) - 0.006 < found.limit <= 0.7


def test_where_the_nights_are_no_better_off_the_first_weights_calibration_is_kept_and_said():
    first = Calibration(2.0, 0.8, 0.9, 0.8, ("x",), 4000, 0.1, 0.02, "another")  # what LOGITS need
    contradict = [FalseNight("a", 0, 200), FalseNight("b", 200, 400)]
    contradict[0].expert = contradict[0].x.argmax(axis=1)
    contradict[1].expert = contradict[1].x.argmin(axis=1)  # each night asks for the opposite of the other
    found = calibrate(softmax, contradict, "a hash", first)
    assert found.of_first_weights and (found.temperature, found.limit) == (2.0, 0.8)
    assert found.error_before == found.error_after
    assert "the first weights' calibration is kept: temperature 2.00" in found.in_words()


GIVEN = Calibration(1.5, 0.7, 0.9, 0.8, ("a",), 100, 0.1, 0.02, "a hash")


def test_a_calibration_is_read_as_it_was_written(tmp_path):
    assert load_calibration(tmp_path, "a hash") is None, "folds of before there was such a thing"
    for one in (GIVEN, replace(GIVEN, limit=None)):
        save_calibration(tmp_path, one)
        assert replace(load_calibration(tmp_path, "a hash"), nights=("a",)) == one
    with pytest.raises(InputError, match=r"calibration.json: it is of other weights .*convert.py --calibrate_on"):
        load_calibration(tmp_path, "another")


@pytest.mark.parametrize("content", ['{"temperature": 1}', "[]", "{", '"a"'])
def test_a_damaged_calibration_is_the_users_error(tmp_path, content):
    (tmp_path / "calibration.json").write_text(content)
    with pytest.raises(InputError, match=r"calibration.json: not (the calibration of a fold|readable)"):
        load_calibration(tmp_path, "a hash")


@pytest.mark.parametrize("changes", [{"temperature": 0.0}, {"temperature": float("nan")}, {"limit": 1.5}])
def test_what_is_no_calibration(changes):
    with pytest.raises(ValueError, match="temperature"):
        replace(GIVEN, **changes)


def test_the_limit_of_several_folds_is_their_mean_or_the_old_one():
    one, two = replace(a_fold(0), calibration=GIVEN), replace(a_fold(1), calibration=replace(GIVEN, limit=0.8))
    assert limit_of([one, two]) == 0.75 and limit_of([two]) == 0.8
    assert limit_of([one, a_fold(1)]) == LOW_CONFIDENCE == limit_of([a_fold(1)])
    assert limit_of([one, replace(two, calibration=replace(GIVEN, limit=None))]) == LOW_CONFIDENCE
