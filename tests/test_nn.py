"""The layers: what is computed in another way than it is written must give the same, forward and back."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import model
import nn
from config import Settings
from training.batches import Batch
from training.steps import Training

# positions: one block exactly, two unequal to their places, the network's own three, many, and one more than many
LENGTHS = (8, 11, 21, 22, 41, 63, 64, 125, 127)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def in_blocks(x, kernel):
    n_positions = x.shape[1]
    return nn.join_blocks(nn.convolve_blocks(nn.cut_into_blocks(x), kernel), n_positions)


def directly(x, kernel):
    return tf.nn.conv1d(x, kernel, 1, "SAME")


def value_and_gradients(convolve, x, kernel, weights):
    x, kernel = tf.constant(x), tf.constant(kernel)
    with tf.GradientTape() as tape:
        tape.watch([x, kernel])
        y = convolve(x, kernel)
        loss = tf.reduce_sum(weights * y)
    return [y, *tape.gradient(loss, [x, kernel])]


@pytest.mark.parametrize("n_positions", LENGTHS)
@pytest.mark.parametrize(("n_taps", "n_filters", "n_new"), [(8, 6, 6), (7, 3, 5), (2, 1, 2), (1, 4, 3)])
def test_frequency_domain_equals_direct_convolution(n_positions, n_taps, n_filters, n_new):
    x, kernel = drawn(3, n_positions, n_filters), drawn(n_taps, n_filters, n_new, seed=1)
    weights = drawn(3, n_positions, n_new, seed=2)
    direct = value_and_gradients(directly, *(a.astype(np.float64) for a in (x, kernel, weights)))
    found = value_and_gradients(in_blocks, x, kernel, weights)
    for ours, exact in zip(found, direct, strict=True):
        np.testing.assert_allclose(ours, exact, rtol=0, atol=2e-6 * np.abs(exact).max())


@pytest.mark.parametrize("n_sequences", [1, 2, 300])
def test_sequences_do_not_touch_each_other(n_sequences):
    x, kernel = drawn(n_sequences, 63, 4), drawn(8, 4, 4, seed=1)
    found = in_blocks(tf.constant(x), tf.constant(kernel))
    for i in {0, n_sequences - 1}:
        alone = in_blocks(tf.constant(x[i : i + 1]), tf.constant(kernel))
        np.testing.assert_allclose(found[i : i + 1], alone, rtol=0, atol=1e-5)


def test_a_gradient_that_is_zero_is_no_rounding_error():
    """Adam would make a step of a rounding error; here the filters are active in one block, out of reach."""
    x, weights = np.zeros((1, 21, 2), np.float32), np.zeros((1, 21, 2), np.float32)
    x[0, :3, 0], weights[0, 18:, 0] = 3, 5
    x[0, 10, 1], weights[0, 10, 1] = 2, 7
    kernel = drawn(8, 2, 2)
    *_, exact = value_and_gradients(directly, x, kernel, weights)
    *_, found = value_and_gradients(in_blocks, x, kernel, weights)
    np.testing.assert_array_equal(found == 0, exact == 0)
    np.testing.assert_allclose(found, exact, atol=1e-5)
    assert np.count_nonzero(exact) == 1


# ---- the choice ----


def block(filters=4):
    layer = nn.ReconstructionBlock(filters, 8, keras.random.SeedGenerator(0))
    layer.build((None, None, filters))
    return layer


def make_gpus_visible(monkeypatch, n_gpus):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["a GPU"] * n_gpus * (kind == "GPU"))


@pytest.mark.parametrize(
    ("n_gpus", "n_positions", "expected"),
    [
        (0, 63, True),
        (0, 11, True),  # an epoch of 500 samples
        (0, 8, True),
        (0, 7, False),
        (1, 63, False),
    ],
)
def test_device_and_length_decide(monkeypatch, n_gpus, n_positions, expected):
    make_gpus_visible(monkeypatch, n_gpus)
    layer = block()
    assert layer.in_frequency_domain(n_positions) is expected
    calls = []
    original = nn.convolve_blocks
    monkeypatch.setattr(nn, "convolve_blocks", lambda *x: calls.append(1) or original(*x))
    middle, output = layer(tf.constant(drawn(2, n_positions, 4)))
    assert middle.shape == output.shape == layer.reconstruct(output).shape == (2, n_positions, 4)
    assert len(calls) == (5 if expected else 0)


@pytest.mark.parametrize("n_positions", LENGTHS)
def test_the_block_gives_the_same_either_way(monkeypatch, n_positions):
    layer, x = block(), tf.constant(drawn(3, n_positions, 4))

    def values():
        middle, output = layer(x)
        return middle, output, layer.reconstruct(output)

    make_gpus_visible(monkeypatch, 0)
    in_frequencies = values()
    make_gpus_visible(monkeypatch, 1)
    for ours, direct in zip(in_frequencies, values(), strict=True):
        np.testing.assert_allclose(ours, direct, rtol=0, atol=2e-6 * np.abs(direct).max())


def test_the_weights_have_the_same_names_either_way(monkeypatch):
    names = []
    for n_gpus in (0, 1):
        make_gpus_visible(monkeypatch, n_gpus)
        network = model.RecSleepNet(Settings(input_size=500))
        network.encode(tf.zeros([1, 500]))
        names.append({name: tuple(weight.shape) for name, weight in network.named_weights().items()})
    assert names[0] == names[1] and names[0]["crb/conv_a/kernel"] == (8, 128, 128)


def test_scoring_and_training_use_it(monkeypatch):
    """When they are compiled, each of three or five convolutions comes through the frequency domain."""
    make_gpus_visible(monkeypatch, 0)
    settings = Settings(input_size=500, batch_size=1, seq_length=2, n_rnn_units=8)
    training, calls = Training(settings), []
    original = nn.convolve_blocks
    monkeypatch.setattr(nn, "convolve_blocks", lambda *x: calls.append(1) or original(*x))
    nothing = (np.zeros((1, 2), np.int32), np.ones((1, 2), np.float32), np.ones(1, np.bool_), np.ones((1, 5), np.bool_))
    batch = Batch(drawn(1, 2, 500), *nothing)

    def convolutions(work):
        calls.clear()
        work()
        return len(calls)

    assert convolutions(lambda: training.train(batch, training.first_state())) == 5
    assert convolutions(lambda: training.pretrain(batch, None)) == 5
    assert convolutions(lambda: model.Stager(training.network).logits(batch.x[0])) == 3


# ---- the recurrent layer ----


def test_the_recurrent_layer_is_the_cell_of_the_equations():
    """[x, h] · kernel + bias at every step, as the cell's description has it."""
    n_features, units = 3, 4
    layer = nn.recurrent(nn.PeepholeLSTMCell(units, seed=0), "lstm")
    layer.build((None, None, n_features))
    cell = layer.cell
    cell.bias.assign(drawn(4 * units))
    x, c, h = drawn(2, 5, n_features), drawn(2, units, seed=1), drawn(2, units, seed=2)
    outputs, *last = layer(x, initial_state=[c, h], mask=np.ones((2, 5), np.bool_))
    w_i, w_f, w_o = (weight.numpy() for weight in (cell.w_i, cell.w_f, cell.w_o))
    for step in range(5):
        gates = np.concatenate([x[:, step], h], axis=1) @ cell.kernel.numpy() + cell.bias.numpy()
        i, j, f, o = np.split(gates, 4, axis=1)
        c = sigmoid(f + 1 + w_f * c) * c + sigmoid(i + w_i * c) * np.tanh(j)
        h = sigmoid(o + w_o * c) * np.tanh(c)
        np.testing.assert_allclose(outputs[:, step], h, atol=1e-6)
    np.testing.assert_allclose(last, [c, h], atol=1e-6)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))
