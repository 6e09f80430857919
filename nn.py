"""The layers that the network is made of; nothing here knows about sleep.

Axes: (sequence, position, channel) for convolutions, (sequence, step, feature) for the recurrent layer.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def convolution(
    filters: int, kernel_size: int, strides: int, name: str, seed: keras.random.SeedGenerator, dtype: str
) -> Any:
    """Return a convolution with ReLU and without bias, padded so that the length is only divided by `strides`.

    Initial values: truncated normal, variance 1 / fan-in. `dtype` is a Keras policy, `float32` or `mixed_bfloat16`.
    """
    return keras.layers.Conv1D(
        filters,
        kernel_size,
        strides,
        padding="same",
        activation="relu",
        use_bias=False,
        kernel_initializer=fan_in_normal(seed),
        name=name,
        dtype=dtype,
    )


def fan_in_normal(seed: keras.random.SeedGenerator) -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(scale=1.0, mode="fan_in", distribution="truncated_normal", seed=seed)


def max_pool(x: tf.Tensor, size: int) -> tf.Tensor:
    """Return the maximum of every `size` positions, and of those that remain at the END.

    For values that are not negative (after a ReLU) this is the pool whose input is filled up with zeros at its end: a
    zero never wins. Nothing is filled up here, which would copy the largest array of the network. The windows do not
    overlap, so a reshape and `reduce_max` serve; under XLA on a CPU their gradient is several times faster than that of
    the library's pool.

    Args:
        x: (sequence, position, channel), not negative.
        size: positions in a window.
    """
    length, channels = x.shape[1], x.shape[2]
    n_windows = length // size
    whole = n_windows * size
    pooled = []
    if n_windows:
        windows = tf.reshape(x[:, :whole], [-1, n_windows, size, channels])  # position -> window, position
        pooled.append(tf.reduce_max(windows, axis=2))
    if whole < length:
        pooled.append(tf.reduce_max(x[:, whole:], axis=1, keepdims=True))
    return tf.concat(pooled, axis=1)  # (sequence, window, channel)


def mean_and_max(x: tf.Tensor) -> tf.Tensor:
    """Global average and max pooling (GMAPB): the mean over positions, then the maximum over positions.

    Args:
        x: (sequence, position, channel).

    Returns:
        (sequence, 2 · channel); the means come first.
    """
    return tf.concat([tf.reduce_mean(x, axis=1), tf.reduce_max(x, axis=1)], axis=-1)


def dropout(x: tf.Tensor, rate: float, seed: tf.Tensor | None) -> tf.Tensor:
    """Return `x` with a share `rate` of its values set to 0 and the others scaled by 1 / (1 - rate).

    The same seed gives the same mask, whatever was drawn before, so that a run can be resumed to the bit.

    Args:
        x: any shape.
        rate: from 0 to below 1.
        seed: two whole numbers, or None for no dropout.
    """
    if seed is None or rate == 0:
        return x
    return tf.nn.experimental.stateless_dropout(x, rate, seed, rng_alg="philox")


class ReconstructionBlock(keras.layers.Layer):
    """The convolutional reconstruction block (CRB): convolutions a, b, c, and d, e that rebuild a's output from c's.

    Only `reconstruct` uses d and e: their output, compared with a's, regularises what a, b and c keep of their input.
    """

    def __init__(
        self, filters: int, kernel_size: int, seed: keras.random.SeedGenerator, dtype: str, **kwargs: Any
    ) -> None:
        super().__init__(dtype=dtype, **kwargs)
        self.a, self.b, self.c, self.d, self.e = (
            convolution(filters, kernel_size, 1, f"conv_{letter}", seed, dtype) for letter in "abcde"
        )

    def build(self, shape: tuple[int | None, ...]) -> None:
        for conv in (self.a, self.b, self.c, self.d, self.e):
            conv.build(shape)
            shape = conv.compute_output_shape(shape)

    def call(self, x: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the middle feature (a's output) and the block's output (c's), each (sequence, position, filter)."""
        middle = self.a(x)
        return middle, self.c(self.b(middle))

    def reconstruct(self, output: tf.Tensor) -> tf.Tensor:
        """Return the reconstruction of the middle feature from the block's output, (sequence, position, filter)."""
        return self.e(self.d(output))


class PeepholeLSTMCell(keras.layers.Layer):
    """One step of an LSTM whose gates also see the cell state ("peepholes"), for `keras.layers.RNN`.

    With [x, h] the input beside the last output, and the gates in the order i, j, f, o in one kernel:

        i, j, f, o = split([x, h] · kernel + bias)
        c' = σ(f + 1 + w_f ∘ c) ∘ c + σ(i + w_i ∘ c) ∘ tanh(j)
        h' = σ(o + w_o ∘ c') ∘ tanh(c')

    Source: Gers, Schraudolph & Schmidhuber (2002), as in TensorFlow 1's `LSTMCell(use_peepholes=True)`. The forget
    bias 1 is added at run time and is not in the stored bias. The state is [c, h], each (sequence, unit).

    Args:
        units: size of the output and of each state.
        seed: of the initial values (Glorot uniform; the bias is 0).
    """

    def __init__(self, units: int, seed: int | keras.random.SeedGenerator | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.seed = seed
        self.state_size = [units, units]
        self.output_size = units

    def build(self, shape: tuple[int | None, ...]) -> None:
        glorot = keras.initializers.GlorotUniform(self.seed)
        n_inputs = (shape[-1] or 0) + self.units
        self.kernel = self.add_weight(shape=(n_inputs, 4 * self.units), initializer=glorot, name="kernel")
        self.bias = self.add_weight(shape=(4 * self.units,), initializer="zeros", name="bias")
        self.w_i, self.w_f, self.w_o = (
            self.add_weight(shape=(self.units,), initializer=glorot, name=f"w_{gate}") for gate in "ifo"
        )

    def call(self, x: tf.Tensor, states: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        c, h = states
        gates = tf.matmul(tf.concat([x, h], axis=-1), self.kernel) + self.bias
        i, j, f, o = tf.split(gates, 4, axis=-1)
        c = tf.sigmoid(f + 1.0 + self.w_f * c) * c + tf.sigmoid(i + self.w_i * c) * tf.tanh(j)
        h = tf.sigmoid(o + self.w_o * c) * tf.tanh(c)
        return h, [c, h]


def recurrent(cell: PeepholeLSTMCell, name: str) -> Any:
    """Return the layer that runs `cell` along a sequence.

    Called with (sequence, step, feature), a mask (sequence, step) and an initial state, it returns the outputs, 0 where
    the mask is False, and the last state, which masked steps carry through unchanged.
    """
    return keras.layers.RNN(cell, return_sequences=True, return_state=True, zero_output_for_mask=True, name=name)
