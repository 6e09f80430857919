"""The layers that the network is made of; nothing here knows about sleep.

Axes: (sequence, position, channel) for convolutions, (sequence, step, feature) for the recurrent layer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


def convolution(filters: int, kernel_size: int, strides: int, name: str, seed: keras.random.SeedGenerator) -> Any:
    """Return a convolution with ReLU and without bias, padded so that the length is only divided by `strides`.

    Initial values: truncated normal, variance 1 / fan-in.
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


# ---- what is done to the layers' outputs while the network is trained ----

Drop = Callable[[tf.Tensor, float], tf.Tensor]
"""What a place in the network that drops values calls: (values, share) → values of the same shape."""


def keep(x: tf.Tensor, share: float) -> tf.Tensor:
    """Drop nothing: `Drop` outside training."""
    return x


class Dropout:
    """The dropout of one training step: sets a share of the values to 0 and scales the others by 1 / (1 - share).

    The places that drop values are counted as the network calls them, and each has a seed of its own, made of run,
    step and place: the same mask whatever was drawn before, so that a run can be resumed to the bit.

    Args:
        run: seed of the run, int64.
        step: number of the step, int64.
        n_places: how often the network calls it in one step, at most.
    """

    def __init__(self, run: tf.Tensor, step: tf.Tensor, n_places: int) -> None:
        self.run, self.step, self.n_places = run, step, n_places
        self.places = iter(range(n_places))

    def __call__(self, x: tf.Tensor, share: float) -> tf.Tensor:
        place = next(self.places)  # also where nothing is dropped: the others keep their seeds
        if share == 0:
            return x
        seed = tf.stack([self.run, self.step * self.n_places + place])
        return tf.nn.experimental.stateless_dropout(x, share, seed, rng_alg="philox")


class Normaliser(Protocol):
    """Brings the layers' outputs to one scale while the network is trained."""

    def scale(self, name: str, x: tf.Tensor, epoch_axis: int, n_positions: int) -> tf.Tensor:
        """Return `x`, the output of the convolution `name` for `n_positions` an epoch, with each filter scaled."""

    def standardise(self, features: tf.Tensor) -> tf.Tensor:
        """Return (epoch, feature) with each feature at mean 0 and standard deviation 1."""


# ---- convolution in the frequency domain ----
#
# By the convolution theorem, a convolution is a product at every frequency. The convolutions of the reconstruction
# block are nearly all of the operations, and on a CPU this computes them with a third:
#
# 1. The positions of an epoch are cut into blocks of about 21 places (63 positions: 3 blocks), and each block sees
#    the 7 positions around it that 8 taps reach: 28 points. A circular convolution of 28 points is the wanted one
#    at 21 of them ("overlap-save"), whatever wraps around at the others. Smaller blocks need more products, larger
#    ones more for the transforms; 21 was fastest.
# 2. The discrete Fourier transform of so few points is best done as a product with a matrix. Real input needs 15
#    frequencies, of which the first and the last are real.
# 3. At each frequency a matrix (filter, new filter) multiplies the filters of all epochs and blocks. A complex
#    product takes three real ones, (a + ib)(c + id) = (k1 - k3) + i(k1 + k2) with k1 = c(a + b), k2 = a(d - c) and
#    k3 = b(c + d) (Gauss); the sums are part of the transforms' matrices: 13 · 3 + 2 = 41 products for 21 places,
#    where the taps need 8 a place.
# 4. Transforming back gives the 21 places. The epochs stay in this shape from the block's first convolution to its
#    last, and all of it is matrix products, so the library has its gradient but for one thing: see `transform_kernel`.
#
# Source: Mathieu, Henaff & LeCun (2013), "Fast Training of Convolutional Networks through FFTs".

BLOCK_PLACES = 21
"""Places of a block, at most; measured with 8 taps and 128 filters."""


ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""Rounding error of a kernel's gradient, as a share of the norm of its products' gradient."""


@functools.lru_cache
def transforms(n_places: int, n_taps: int) -> tuple[Matrix, Matrix, Matrix]:
    """Return the matrices that a convolution of blocks is made of: back · ((signal · x) ∘ (taps · kernel)).

    They are computed in float64 and then rounded once.

    Args:
        n_places: of a block.
        n_taps: of a kernel.

    Returns:
        signal (product, point), taps (product, tap), back (place, product).
    """
    n_points, before = n_places + n_taps - 1, (n_taps - 1) // 2
    frequency = np.arange(n_points // 2 + 1)[:, np.newaxis]
    step = 2 * np.pi / n_points * frequency  # (frequency, 1): how far one point turns it
    is_real = 2 * frequency % n_points == 0  # (frequency, 1): turned by nothing or by half, one product is enough
    is_complex = ~is_real[:, 0]
    share = np.where(is_real, 1, 2) / n_points  # a complex frequency stands for itself and its mirror image
    point, tap = step * np.arange(n_points), step * (np.arange(n_taps) - before)  # the taps lie around their place
    place = point[:, before : before + n_places]
    a, b = np.cos(point), -np.sin(point)
    c, d = np.cos(tap), np.sin(tap)  # conjugate: taps are not turned round
    real, imaginary = share * np.cos(place), -share * np.sin(place)
    signal = [a, b[is_complex], (a + b)[is_complex]]  # k2, k3, k1; at real frequencies k2 is the product
    taps = [np.where(is_real, c, d - c), (c + d)[is_complex], c[is_complex]]
    back = [np.where(is_real, real, imaginary), -real[is_complex], (real + imaginary)[is_complex]]
    return matrix(signal), matrix(taps), matrix(back).T


def matrix(rows: list[NDArray[np.float64]]) -> Matrix:
    return np.concatenate(rows).astype(np.float32)


def cut_into_blocks(x: tf.Tensor) -> tf.Tensor:
    """(sequence, position, filter) -> (place, block, sequence, filter), filled up with zeros at the end."""
    n_blocks = -(-x.shape[1] // BLOCK_PLACES)
    n_places = -(-x.shape[1] // n_blocks)
    x = tf.pad(x, [[0, 0], [0, n_blocks * n_places - x.shape[1]], [0, 0]])
    x = tf.reshape(x, [-1, n_blocks, n_places, x.shape[2]])  # position -> block, place
    return tf.transpose(x, [2, 1, 0, 3])


def join_blocks(x: tf.Tensor, n_positions: int) -> tf.Tensor:
    """(place, block, sequence, filter) -> (sequence, position, filter), without what lies past `n_positions`."""
    n_places, n_blocks, _, n_filters = x.shape
    x = tf.transpose(x, [2, 1, 0, 3])  # (sequence, block, place, filter)
    return tf.reshape(x, [-1, n_blocks * n_places, n_filters])[:, :n_positions]


def with_neighbours(x: tf.Tensor, n_taps: int) -> tf.Tensor:
    """(place, block, sequence, filter) -> (point, block, sequence, filter): with all that the taps reach.

    Zeros lie before the first block and after the last one. As many taps reach back as forth, or one fewer.
    """
    before, after = (n_taps - 1) // 2, n_taps // 2
    if x.shape[1] == 1:
        return tf.pad(x, [[before, after], [0, 0], [0, 0], [0, 0]])
    earlier = tf.pad(x[x.shape[0] - before :, :-1], [[0, 0], [1, 0], [0, 0], [0, 0]])
    later = tf.pad(x[:after, 1:], [[0, 0], [0, 1], [0, 0], [0, 0]])
    return tf.concat([earlier, x, later], axis=0)


def transform_kernel(kernel: tf.Tensor, taps: Matrix) -> tf.Tensor:
    """Return taps · kernel, (product, pair of filters), with a gradient that has no rounding errors in place of zeros.

    Where two filters are never active within reach of each other, the gradient of their taps is exactly 0, but comes
    out of the frequency domain as a rounding error, and Adam, which divides by the size of what it sees, would move the
    weight as far as for a real gradient. What is within the rounding error of its own computation is therefore 0.

    Args:
        kernel: (tap, pair of filters).
        taps: (product, tap), from `transforms`.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def transformed(kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tf.Tensor]]:
        def gradient(of_products: tf.Tensor) -> tf.Tensor:
            of_taps = tf.matmul(taps, of_products, transpose_a=True)  # (product, pair) -> (tap, pair)
            rounding = ROUNDING * tf.norm(of_products, axis=0)  # (pair,)
            return tf.where(tf.abs(of_taps) > rounding, of_taps, 0.0)

        return tf.matmul(taps, kernel), gradient

    return transformed(kernel)


def convolve_blocks(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Return a convolution of stride 1 that keeps the length, computed in the frequency domain.

    Args:
        x: (place, block, sequence, filter), as `cut_into_blocks` gives it; at least as many places as `kernel` reaches.
        kernel: (tap, filter, new filter).

    Returns:
        (place, block, sequence, new filter); what was filled up at the end is no longer zero.
    """
    n_places, n_blocks, _, n_filters = x.shape
    n_taps, _, n_new = kernel.shape
    signal, taps, back = transforms(n_places, n_taps)
    x = tf.reshape(with_neighbours(x, n_taps), [len(signal.T), -1])  # (point, block · sequence · filter)
    x = tf.reshape(tf.matmul(signal, x), [len(signal), -1, n_filters])  # (product, block · sequence, filter)
    kernel = transform_kernel(tf.reshape(kernel, [n_taps, -1]), taps)  # (product, filter · new filter)
    x = tf.matmul(x, tf.reshape(kernel, [len(taps), n_filters, n_new]))  # (product, block · sequence, new filter)
    x = tf.matmul(back, tf.reshape(x, [len(taps), -1]))  # (place, block · sequence · new filter)
    return tf.reshape(x, [n_places, n_blocks, -1, n_new])


def relu_of_blocks(x: tf.Tensor, n_positions: int) -> tf.Tensor:
    """Return max(x, 0), and 0 past `n_positions`, where the next convolution has to see zeros."""
    n_places, n_blocks = x.shape[:2]
    position = np.arange(n_places)[:, np.newaxis] + n_places * np.arange(n_blocks)  # (place, block)
    x = tf.nn.relu(x)
    return x if n_places * n_blocks == n_positions else tf.where((position < n_positions)[..., None, None], x, 0.0)


class ReconstructionBlock(keras.layers.Layer):
    """The convolutional reconstruction block (CRB): convolutions a, b, c, and d, e that rebuild a's output from c's.

    Only `reconstruct` uses d and e: their output, compared with a's, regularises what a, b and c keep of their input.
    """

    def __init__(self, filters: int, kernel_size: int, seed: keras.random.SeedGenerator, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.kernel_size = kernel_size
        self.a, self.b, self.c, self.d, self.e = (
            convolution(filters, kernel_size, 1, f"conv_{letter}", seed) for letter in "abcde"
        )

    def build(self, shape: tuple[int | None, ...]) -> None:
        for conv in (self.a, self.b, self.c, self.d, self.e):
            conv.build(shape)
            shape = conv.compute_output_shape(shape)

    def call(self, x: tf.Tensor, normaliser: Normaliser | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the middle feature (a's output) and the block's output (c's), each (sequence, position, filter)."""
        middle, _, output = self.outputs(x, [self.a, self.b, self.c], normaliser)
        return middle, output

    def reconstruct(self, output: tf.Tensor) -> tf.Tensor:
        """Return the reconstruction of the middle feature from the block's output, (sequence, position, filter)."""
        return self.outputs(output, [self.d, self.e])[-1]

    def in_frequency_domain(self, n_positions: int) -> bool:
        """Tell how the block computes its convolutions; the result and the weights are the same.

        The frequency domain is faster on a CPU from as many positions as a kernel has taps. On a GPU the library's own
        convolutions are fast.
        """
        return not tf.config.get_visible_devices("GPU") and n_positions >= self.kernel_size

    def outputs(self, x: tf.Tensor, convolutions: list[Any], normaliser: Normaliser | None = None) -> list[tf.Tensor]:
        """Return what each of `convolutions`, one after the other, makes of `x`: (sequence, position, filter)."""
        n_positions, outputs = x.shape[1], []
        in_blocks = self.in_frequency_domain(n_positions)
        x = cut_into_blocks(x) if in_blocks else x
        for conv in convolutions:
            x = relu_of_blocks(convolve_blocks(x, conv.kernel.value), n_positions) if in_blocks else conv(x)
            if normaliser:
                x = normaliser.scale(f"crb/{conv.name}", x, 2 if in_blocks else 0, n_positions)
            outputs.append(x)
        return [join_blocks(x, n_positions) for x in outputs] if in_blocks else outputs


# ---- the recurrent layer ----


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
