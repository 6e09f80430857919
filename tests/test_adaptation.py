"""A night adapts the network: what is done to the features, and that the folded weights do the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import model
from command import InputError
from config import Settings
from folds.adaptation import LARGEST_SCALE, WHOLE_SHARE_EPOCHS, adapted, load_features, measured, save_features

TINY = Settings(input_size=100, batch_size=2, seq_length=3, n_rnn_units=8)


def night(seed, n_epochs=80, mean=2.0, spread=3.0, n_features=256):
    return np.random.default_rng(seed).normal(mean, spread, (n_epochs, n_features)).astype(np.float32)


@pytest.fixture
def training_nights():
    return measured({str(seed): night(seed) for seed in range(5)}, "abc")


def test_all_of_the_way_brings_mean_and_spread_to_those_of_training_nights(training_nights):
    stranger = night(9, mean=5.0, spread=1.5)
    scale, shift = replace(training_nights, share=1.0).change(stranger)
    moved = stranger * scale + shift
    np.testing.assert_allclose(moved.mean(axis=0), training_nights.mean, atol=1e-3)
    np.testing.assert_allclose(moved.std(axis=0), training_nights.spread, rtol=1e-3)


def test_a_share_goes_a_part_of_the_way(training_nights):
    stranger = night(9, mean=5.0, spread=1.5)
    whole, part = (replace(training_nights, share=share).change(stranger) for share in (1.0, 0.25))
    np.testing.assert_allclose(part[0], 1 + 0.25 * (whole[0] - 1))
    np.testing.assert_allclose(part[1], 0.25 * whole[1])


def test_a_night_like_those_of_training_is_left_as_it_is(training_nights):
    scale, shift = training_nights.change(night(7, n_epochs=2000))
    assert np.abs(scale - 1).max() < 0.1 and np.abs(shift).max() < 0.2


def test_fewer_epochs_are_moved_less_far(training_nights):
    shares = [training_nights.share_of(n) for n in (1, WHOLE_SHARE_EPOCHS // 2, WHOLE_SHARE_EPOCHS, 1000)]
    assert shares[0] < shares[1] == shares[2] / 2 and shares[2] == shares[3] == training_nights.share


def test_a_feature_that_does_not_move_is_not_blown_up(training_nights):
    flat = night(3)
    flat[:, 0], flat[:, 1] = 4.0, 4.0 + 1e-4 * flat[:, 1]
    scale, shift = replace(training_nights, share=1.0).change(flat)
    assert np.isfinite([scale, shift]).all() and scale.max() <= LARGEST_SCALE + 1e-6


@pytest.mark.parametrize("bidirectional", [False, True])
def test_folded_into_the_weights_it_does_the_same(bidirectional):
    settings = replace(TINY, bidirectional=bidirectional)
    stager = model.compiled_stager(settings)
    plain = model.RecSleepNet(settings, seed=3).values()
    draw = np.random.default_rng(0)
    x = draw.normal(0, 30, (150, 100)).astype(np.float32)
    scale, shift = draw.uniform(0.5, 2, 256), draw.normal(0, 1, 256)
    stager.network.assign(plain)
    features = stager.features(x)
    wanted = stager.probabilities_of((features * scale + shift).astype(np.float32))
    np.testing.assert_allclose(stager.probabilities_of(features), stager.probabilities(x), atol=1e-5)
    stager.network.assign(adapted(plain, scale, shift))
    found = stager.probabilities_of(features)
    np.testing.assert_allclose(found, wanted, atol=1e-4)
    assert np.abs(found - stager.probabilities(x)).max() < 1e-4, "a whole night and its features are one way"


def test_they_come_back_as_they_were_saved_and_belong_to_their_weights(tmp_path, training_nights):
    assert load_features(tmp_path, "abc") is None
    save_features(tmp_path, training_nights)
    back = load_features(tmp_path, "abc")
    assert back.change(night(1))[0].tolist() == training_nights.change(night(1))[0].tolist()
    with pytest.raises(InputError, match=r"features\.json: it is of other weights"):
        load_features(tmp_path, "abd")
    (tmp_path / "features.json").write_text('{"mean": [1]}')
    with pytest.raises(InputError, match=r"features\.json"):
        load_features(tmp_path, "abc")
