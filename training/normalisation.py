"""Normalisation while training that leaves no trace: it is folded into the weights before they are kept.

What is kept is a plain RecSleepNet, for every program that reads one. Two things are normalised, by the batch:

1. The output of conv 1 and of CRB a, b, c: each filter is divided by its root mean square. These convolutions have no
   bias and end in a ReLU, and a ReLU is homogeneous, relu(s x) = s relu(x) for s > 0. So a kernel that is divided by
   the same value does it too. (A mean cannot be taken away in this manner, and is left.)
2. The features before the LSTM: each is standardised to mean 0 and standard deviation 1. (x - m) / s before a product
   with W and a bias b is a product with W / s and a bias b - (m / s) W: the LSTM's kernel and bias do it.

Sources: Ioffe & Szegedy (2015), "Batch Normalization", for statistics by the batch; Izmailov et al. (2018), "Averaging
Weights Leads to Wider Optima", for measuring them anew once the weights that are kept are averages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from files.arrays import Arrays

EPSILON = 1e-4
"""Added to every mean square and variance, so that a filter that is never active is not divided by 0."""

CONVOLUTIONS = ("conv_1", "crb/conv_a", "crb/conv_b", "crb/conv_c")
"""In the order in which a signal passes them; each sees what the one before made of it."""

MIDDLE = "crb/conv_a"  # whose output CRB d and e rebuild
READ_FEATURES = ("lstm_0", "lstm_back")  # the LSTMs that read the features; the second only of some networks
MEAN, VARIANCE = "features/mean", "features/variance"

Statistics = dict[str, Any]
"""(filter,) mean square of each convolution's output by its name, and (feature,) mean and variance of the features."""


class Normaliser:
    """Normalises one batch by its own statistics, and holds them in `measured`; padded epochs do not count.

    Args:
        weight: (epoch,) 1 on real epochs, 0 on padding.
        apply: False only measures, and changes nothing.
    """

    def __init__(self, weight: tf.Tensor, apply: bool = True) -> None:
        self.weight, self.apply = weight, apply
        self.n_epochs = tf.reduce_sum(weight)
        self.measured: Statistics = {}

    def scale(self, name: str, x: tf.Tensor, epoch_axis: int, n_positions: int) -> tf.Tensor:
        """Divide each filter of `x` by its root mean square.

        Args:
            name: of the convolution that `x` is the output of.
            x: one axis of epochs, one or more of positions, the last of filters; 0 past the positions that there are.
            epoch_axis: which one is that of epochs.
            n_positions: of an epoch.
        """
        shape = [-1 if axis == epoch_axis else 1 for axis in range(len(x.shape))]
        squares = tf.square(x) * tf.reshape(self.weight, shape)
        total = tf.reduce_sum(squares, axis=list(range(len(x.shape) - 1)))  # -> (filter,)
        self.measured[name] = total / (self.n_epochs * n_positions)
        return x * tf.math.rsqrt(self.measured[name] + EPSILON) if self.apply else x

    def standardise(self, features: tf.Tensor) -> tf.Tensor:
        """Standardise each of (epoch, feature) to mean 0 and standard deviation 1."""
        weight = self.weight[:, tf.newaxis] / self.n_epochs
        mean = tf.reduce_sum(weight * features, axis=0)
        variance = tf.reduce_sum(weight * tf.square(features - mean), axis=0)
        self.measured[MEAN], self.measured[VARIANCE] = mean, variance
        return (features - mean) * tf.math.rsqrt(variance + EPSILON) if self.apply else features


def pooled(batches: Sequence[Mapping[str, NDArray[Any]]], n_epochs: Sequence[float]) -> Arrays:
    """Return the statistics of several batches, taken together.

    Args:
        batches: the statistics of each.
        n_epochs: how many real epochs each has.
    """
    mean = {name: np.average([one[name] for one in batches], 0, n_epochs) for name in batches[0]}
    between = np.average([(one[MEAN] - mean[MEAN]) ** 2 for one in batches], 0, n_epochs)
    return {**mean, VARIANCE: mean[VARIANCE] + between}


def root(mean_square: NDArray[Any]) -> NDArray[np.float64]:
    rooted: NDArray[np.float64] = np.sqrt(mean_square.astype(np.float64) + EPSILON)
    return rooted


def folded(weights: Mapping[str, NDArray[Any]], statistics: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the weights of the plain network that does what these do when normalised by `statistics`.

    Args:
        weights: of the network while training, by name.
        statistics: as `Normaliser` finds them.
    """
    values = {name: value.astype(np.float64) for name, value in weights.items()}
    for name in CONVOLUTIONS:
        values[f"{name}/kernel"] /= root(statistics[name])  # (tap, filter, new filter): by its new filter
    for kernel, bias in features_read(values):
        of_features = kernel[: len(statistics[MEAN])]  # (feature and unit, gate): a view
        of_features /= root(statistics[VARIANCE])[:, np.newaxis]
        bias -= statistics[MEAN] @ of_features
    return as_float32(values)


def unfolded(weights: Mapping[str, NDArray[Any]], statistics: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return the weights that do, when normalised, what a plain network does: where training goes on from it.

    How large a kernel is makes no difference once its output is normalised, but a step of Adam is too large for a small
    one. So each filter gets the norm that it has in a new network, 1.

    Args:
        weights: of the plain network, by name.
        statistics: of this network, as a `Normaliser` finds them that changes nothing.
    """
    values = {name: value.astype(np.float64) for name, value in weights.items()}
    divided_by = np.ones((1, 1))  # (filter, 1): what the output of the convolution before is divided by, as a whole
    for name in CONVOLUTIONS:
        kernel = values[f"{name}/kernel"] * divided_by  # (tap, filter, new filter)
        norm = np.maximum(np.sqrt(np.square(kernel).sum(axis=(0, 1))), EPSILON)  # (new filter,)
        values[f"{name}/kernel"] = kernel / norm
        divided_by = np.sqrt(statistics[name] + EPSILON * norm**2)[:, np.newaxis]
        if name == MIDDLE:
            values["crb/conv_e/kernel"] /= divided_by[:, 0]  # its output is compared with that of CRB a
    values["crb/conv_d/kernel"] *= divided_by
    scale = np.tile(divided_by[:, 0], 2)  # of the mean and of the maximum of each filter
    for kernel, bias in features_read(values):
        of_features = kernel[: len(statistics[MEAN])]
        bias += statistics[MEAN] @ of_features
        of_features *= (scale * root(statistics[VARIANCE] / scale**2))[:, np.newaxis]
    return as_float32(values)


def features_read(
    values: Mapping[str, NDArray[np.float64]],
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield the kernel and the bias of each LSTM that reads the features, to be changed in place."""
    for name in READ_FEATURES:
        if f"{name}/kernel" in values:
            yield values[f"{name}/kernel"], values[f"{name}/bias"]


def as_float32(values: Mapping[str, NDArray[np.float64]]) -> Arrays:
    return {name: value.astype(np.float32) for name, value in values.items()}
