"""Normalisation while training: what is kept, a plain network, computes the same."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

import model
from config import Settings
from training.batches import Batch
from training.normalisation import CONVOLUTIONS, EPSILON, MEAN, VARIANCE, Normaliser, folded, pooled, unfolded
from training.steps import Training

SETTINGS = Settings(batch_size=2, seq_length=4, input_size=1000, n_rnn_units=8, normalise=True, weight_average=0.9)


@pytest.fixture(scope="module")
def training():
    return Training(SETTINGS, dropout=False)


def batch(seed, n_real=4):
    """Two nights of four epochs, the second one with `n_real`; their amplitudes differ, as do those of stages."""
    draw = np.random.default_rng(seed)
    x = draw.normal(0, 1, (2, 4, 1000)) * draw.uniform(3, 40, (2, 4, 1))
    weight = np.ones((2, 4), np.float32)
    weight[1, n_real:] = 0
    x *= weight[..., np.newaxis]
    y = draw.integers(0, 5, (2, 4)).astype(np.int32)
    return Batch(x.astype(np.float32), y, weight, np.array([True, True]), np.ones((2, 5), np.bool_))


def normalised_logits(training, one):
    """As the training step computes them, without dropout."""
    normaliser = training.normaliser(tf.constant(one.weight))
    features, _, _ = training.network.encode(model.flat(tf.constant(one.x)), normaliser=normaliser)
    features = model.unflat(features, one.x.shape[:2])
    logits, _ = training.network.decide(features, one.weight > 0, training.first_state())
    return logits.numpy(), {name: value.numpy() for name, value in normaliser.measured.items()}


def plain_logits(weights, one, settings=SETTINGS):
    network = model.RecSleepNet(settings)
    network.assign(weights)
    return network(tf.constant(one.x), one.weight > 0, network.first_state(2))[0].numpy()


def biased(values, seed=0):
    """Weights as a training leaves them: no bias is 0."""
    draw = np.random.default_rng(seed)
    return {
        name: value + draw.normal(0, 0.1, value.shape).astype(np.float32) if value.ndim == 1 else value
        for name, value in values.items()
    }


@pytest.mark.parametrize("n_real", [4, 2])
def test_folded_weights_give_the_logits_of_the_normalised_network(training, n_real):
    training.restart(1)
    training.network.assign(biased(training.network.values()))
    one = batch(0, n_real)
    logits, statistics = normalised_logits(training, one)
    again = plain_logits(folded(training.network.values(), statistics), one)
    real = one.weight > 0
    np.testing.assert_allclose(again[real], logits[real], atol=1e-5)
    assert np.ptp(logits[real]) > 0.1  # they do differ between epochs


def test_both_directions_of_a_bidirectional_network_are_folded_and_unfolded():
    settings = dataclasses.replace(SETTINGS, bidirectional=True)
    training, one = Training(settings, seed=2, dropout=False), batch(0)
    training.network.assign(biased(training.network.values()))
    logits, statistics = normalised_logits(training, one)
    plain = folded(training.network.values(), statistics)
    np.testing.assert_allclose(plain_logits(plain, one, settings), logits, atol=1e-5)
    training.start_from(plain, [one], "a test")
    np.testing.assert_allclose(normalised_logits(training, one)[0], logits, atol=1e-4)


def test_training_goes_on_from_what_a_plain_network_does(training):
    plain, one = biased(model.RecSleepNet(SETTINGS, 7).values()), batch(1)
    plain["conv_1/kernel"] /= 50  # as folding leaves it
    training.start_from(plain, [one], "a test")
    logits, statistics = normalised_logits(training, one)
    expected = plain_logits(plain, one)
    np.testing.assert_allclose(logits, expected, atol=1e-5 * max(1.0, float(np.abs(expected).max())))
    # Each filter has the size of a new one, so that steps are not too large for it.
    for name in CONVOLUTIONS:
        kernel = training.network.named_weights()[f"{name}/kernel"].numpy()
        np.testing.assert_allclose(np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), axis=0), 1, rtol=1e-5)
    # The reconstruction is that of the plain network too, in units of the normalised filters.
    _, middle, output = training.network.encode(
        model.flat(tf.constant(one.x)), normaliser=training.normaliser(tf.constant(one.weight))
    )
    network = model.RecSleepNet(SETTINGS)
    network.assign(plain)
    _, plain_middle, plain_output = network.encode(model.flat(tf.constant(one.x)))
    found = statistics["crb/conv_a"]
    active = found > 0  # of the others the size cannot be told
    scale = np.sqrt(np.mean(plain_middle.numpy()[..., active] ** 2, axis=(0, 1)) / found[active])  # beside a new filter
    scale *= np.sqrt(found[active] + EPSILON)
    np.testing.assert_allclose(middle.numpy()[..., active] * scale, plain_middle.numpy()[..., active], atol=1e-4)
    rebuilt = training.network.crb.reconstruct(output).numpy()[..., active] * scale
    expected = network.crb.reconstruct(plain_output).numpy()[..., active]
    np.testing.assert_allclose(rebuilt, expected, rtol=1e-3, atol=1e-3)
    assert np.count_nonzero(active) > 100


def test_weights_that_are_kept_are_the_average_folded_by_what_is_measured(training):
    training.restart(2)
    one, other = batch(2), batch(3)
    for each in (one, other, one):
        training.train(each, training.first_state())
    kept = training.plain_weights([one, other])
    average = {name: weight.numpy() for name, weight in training.average.items()}
    trained = training.network.values()
    assert any((average[name] != trained[name]).any() for name in trained)
    training.network.assign(average)
    expected = folded(average, training.measure([one, other]))
    for name, value in expected.items():
        np.testing.assert_array_equal(kept[name], value)
    # And it did not disturb what is trained.
    training.network.assign(trained)
    training.plain_weights([one])
    for name, value in training.network.values().items():
        np.testing.assert_array_equal(value, trained[name])


def test_folding_undoes_unfolding():
    plain = biased(model.RecSleepNet(SETTINGS, 3).values())
    training = Training(SETTINGS, dropout=False)
    one = batch(4)
    training.start_from(plain, [one], "a test")
    _, statistics = normalised_logits(training, one)
    again = folded(training.network.values(), statistics)
    np.testing.assert_allclose(
        plain_logits(again, one), plain_logits(plain, one), atol=1e-5 * max(1.0, np.abs(plain_logits(plain, one)).max())
    )


def found(x, weight):
    """The statistics of (epoch, position, filter)."""
    normaliser = Normaliser(tf.constant(weight, tf.float32))
    for name in CONVOLUTIONS:
        normaliser.scale(name, tf.constant(x), 0, x.shape[1])
    normaliser.standardise(tf.concat([x.mean(axis=1), x.max(axis=1)], axis=1))
    return {name: value.numpy() for name, value in normaliser.measured.items()}


def test_padding_does_not_count():
    x = np.random.default_rng(0).normal(2, 3, (6, 5, 7)).astype(np.float32)
    some = found(x, [1, 1, 1, 1, 0, 0])
    for name, value in found(x[:4], [1, 1, 1, 1]).items():
        np.testing.assert_allclose(some[name], value, rtol=1e-5)


def test_batches_taken_together_are_one_large_batch():
    x = np.random.default_rng(1).normal(2, 3, (6, 5, 7)).astype(np.float32)
    x[3:] += 4
    together = pooled([found(x[:2], np.ones(2)), found(x[2:], np.ones(4))], [2, 4])
    for name, value in found(x, np.ones(6)).items():
        np.testing.assert_allclose(together[name], value, rtol=1e-4, err_msg=name)


def test_a_scaled_filter_has_a_mean_square_of_1_and_features_are_standard():
    x = np.random.default_rng(2).normal(1, 5, (8, 5, 7)).astype(np.float32)
    normaliser = Normaliser(tf.ones(8))
    scaled = normaliser.scale("conv_1", tf.constant(x), 0, 5).numpy()
    np.testing.assert_allclose(np.mean(scaled**2, axis=(0, 1)), 1, rtol=1e-4)
    standard = normaliser.standardise(tf.constant(x[:, 0])).numpy()
    np.testing.assert_allclose(standard.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(standard.std(axis=0), 1, rtol=1e-3)
    assert set(normaliser.measured) == {"conv_1", MEAN, VARIANCE}


def test_a_filter_that_is_never_active_stays_finite():
    statistics = found(np.zeros((3, 4, 2), np.float32), np.ones(3))
    weights = {
        **{f"{name}/kernel": np.ones((3, 2, 2), np.float32) for name in (*CONVOLUTIONS, "crb/conv_d", "crb/conv_e")},
        "lstm_0/kernel": np.ones((6, 8), np.float32),
        "lstm_0/bias": np.zeros(8, np.float32),
    }
    for make in (folded, unfolded):
        assert all(np.isfinite(value).all() for value in make(weights, statistics).values())


def test_decay_leaves_biases_and_peepholes_alone():
    settings = dataclasses.replace(SETTINGS, normalise=False, weight_average=0.0, weight_decay=0.5, learning_rate=0.1)
    training = Training(settings, dropout=False)
    names = training.network.named_weights()
    for weight in names.values():
        weight.assign(tf.ones_like(weight))
    training.train_adam.apply([tf.zeros_like(weight) for weight in names.values()])
    for name, weight in names.items():
        expected = 1 - 0.1 * 0.5 if name.endswith("kernel") else 1
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-6, err_msg=name)


def test_a_source_without_a_reconstruction_gets_that_of_a_new_normalised_network():
    training = Training(SETTINGS, dropout=False)
    drawn = {name: training.network.values()[name] for name in model.RECONSTRUCTION}
    plain = {k: 50 * v for k, v in biased(model.RecSleepNet(SETTINGS, 3).values()).items() if k not in drawn}
    training.start_from(plain, [batch(4)], "a test")  # of large outputs, as they are where nothing is normalised
    for name, value in drawn.items():
        np.testing.assert_array_equal(training.network.values()[name], value)


def test_a_share_of_the_first_weights_is_kept():
    training = Training(dataclasses.replace(SETTINGS, keep_first=0.25), dropout=False)
    one = batch(5)
    training.start_from(biased(model.RecSleepNet(SETTINGS, 3).values()), [one], "a test")
    first = training.network.values()
    for _ in range(2):
        training.train(one, training.first_state())
    average = {name: weight.numpy() for name, weight in training.average.items()}
    assert any((average[name] != first[name]).any() for name in first)
    mixed = training.average_weights()
    for name, value in mixed.items():
        np.testing.assert_allclose(value, 0.25 * first[name] + 0.75 * average[name], rtol=1e-6, atol=1e-7)
    # Where a stopped run goes on, they are still the first ones.
    again = Training(dataclasses.replace(SETTINGS, keep_first=0.25), seed=9, dropout=False)
    again.assign(training.values())
    for name, value in again.average_weights().items():
        np.testing.assert_array_equal(value, mixed[name])
