"""The network, and how it stages a whole night. How it is trained: training/steps.py."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import nn
from command import InputError
from config import Settings
from files.arrays import Arrays, shape_differences
from sleepstage import STAGES

FILTERS = 128
BLOCK_EPOCHS = 100
"""Epochs that scoring computes at a time: a night costs its own length, rounded up to this."""

CONVOLUTIONS = ("conv_1/", "crb/")
"""How the names of their weights begin."""

RECONSTRUCTION = {"crb/conv_d/kernel", "crb/conv_e/kernel"}
"""The weights of the reconstruction branch, which scoring does not compute."""


class RecSleepNet(keras.Model):
    """RecSleepNet: epochs of one EEG channel in µV → logits of the five stages.

    Conv 1 → max-pool 8 → dropout → CRB a, b, c → max-pool 4 → GMAPB → dropout → peephole LSTM, dropout on its output →
    dense. CRB d, e are only computed for the reconstruction loss. The recurrent state is one array,
    (layer, 2, night, unit), with c before h. A bidirectional network is none of the published ones: it has another
    LSTM that reads the features of a night backwards, and whose outputs, with dropout, the dense layer sees too.

    Args:
        settings: sizes of the network.
        seed: of the initial values.
    """

    def __init__(self, settings: Settings, seed: int = 0) -> None:
        super().__init__(name="recsleepnet")
        self.settings = settings
        # One generator for all layers: the order in which they are made is a part of what a seed means.
        draw = keras.random.SeedGenerator(seed)
        rate = settings.sampling_rate
        # As published a filter is half a second long and moves by a sixteenth of a second: 50 and 6 samples at 100 Hz.
        self.conv_1 = nn.convolution(FILTERS, rate // 2, rate // 16, "conv_1", draw)
        self.crb = nn.ReconstructionBlock(FILTERS, 8, draw, name="crb")
        self.lstm = [
            nn.recurrent(nn.PeepholeLSTMCell(settings.n_rnn_units, draw), f"lstm_{layer}")
            for layer in range(settings.n_rnn_layers)
        ]
        self.backward = None
        if settings.bidirectional:
            self.backward = nn.recurrent(nn.PeepholeLSTMCell(settings.n_rnn_units, draw), "lstm_back")
        self.dense = keras.layers.Dense(len(STAGES), kernel_initializer=nn.fan_in_normal(draw), name="dense")
        self.build_layers()

    def build_layers(self) -> None:
        # At once, not at the first call: weights can be assigned, counted and kept before a night is seen. Only conv 1
        # knows how long an epoch is; of all behind it the weights are the same for any length.
        self.conv_1.build((None, self.settings.input_size, 1))
        self.crb.build((None, None, FILTERS))
        n_features, n_units = 2 * FILTERS, self.settings.n_rnn_units
        for number, layer in enumerate(self.lstm):
            layer.build((None, None, n_units if number else n_features))
        if self.backward:
            self.backward.build((None, None, n_features))
        self.dense.build((None, None, 2 * n_units if self.backward else n_units))
        self.built = True

    def encode(
        self,
        x: tf.Tensor,
        drop: nn.Drop = nn.keep,
        normaliser: nn.Normaliser | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return features, middle feature and CRB output of every epoch.

        Args:
            x: (epoch, sample), µV.
            drop: drops values, in training.
            normaliser: of this batch; None for none.

        Returns:
            features (epoch, 256), middle feature and CRB output, both (epoch, position, 128).
        """
        # Each epoch by itself: what came before it is the business of the LSTM. At 100 Hz 3000 samples become 500
        # positions, then 63, then 16; the pools fill up at the end, where the published program does.
        x = nn.max_pool(self.conv_1(x[:, :, tf.newaxis]), 8)  # (epoch, sample) -> (epoch, position, filter)
        if normaliser:
            x = normaliser.scale("conv_1", x, 0, x.shape[1])
        x = drop(x, self.settings.dropout[0])
        # `middle` and `output` go out for the reconstruction loss: CRB d and e have to rebuild the one from the other.
        middle, output = self.crb.call(x, normaliser)
        features = nn.mean_and_max(nn.max_pool(output, 4))  # (epoch, position, filter) -> (epoch, feature)
        return normaliser.standardise(features) if normaliser else features, middle, output

    def decide(
        self,
        features: tf.Tensor,
        mask: tf.Tensor,
        state: tf.Tensor,
        drop: nn.Drop = nn.keep,
        later: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the logits of every epoch and the state after the last one.

        Args:
            features: (night, epoch, feature).
            mask: (night, epoch), False past a night's end.
            state: (layer, 2, night, unit), before the first epoch.
            drop: drops values, in training.
            later: of a bidirectional network: what `read_backwards` makes of these epochs and later ones, (night,
                epoch, unit); None: of these epochs alone, as if the night ended with them.

        Returns:
            logits (night, epoch, stage) and state (layer, 2, night, unit).
        """
        # Dropped once for both directions: they read the same features.
        x = features = drop(features, self.settings.dropout[1])
        states = []
        for number, layer in enumerate(self.lstm):
            # Dropout is on the output alone; the state that goes on is whole, as published.
            x, *last = layer(x, initial_state=tf.unstack(state[number]), mask=mask)
            x = drop(x, self.settings.dropout[2])
            states.append(tf.stack(last))
        if self.backward:
            if later is None:
                later, _ = self.read_backwards(features, mask, tf.zeros_like(state[0]))
            later = drop(later, self.settings.dropout[2])
            x = tf.concat([x, later], axis=-1)
        return self.dense(x), tf.stack(states)

    def read_backwards(self, features: tf.Tensor, mask: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return what the backward LSTM makes of every epoch, and its state before the first one.

        Source: Schuster & Paliwal 1997, "Bidirectional recurrent neural networks".

        Args:
            features: (night, epoch, feature).
            mask: (night, epoch), False past a night's end.
            state: (2, night, unit), after the last epoch: 0 where the night ends.

        Returns:
            (night, epoch, unit), and the state, (2, night, unit).
        """
        assert self.backward, "the network is not bidirectional"
        # Padding comes first now; masked steps carry the state through, so the LSTM begins at the night's last epoch.
        from_the_end, flipped = tf.reverse(features, [1]), tf.reverse(mask, [1])
        outputs, *last = self.backward(from_the_end, initial_state=tf.unstack(state), mask=flipped)
        return tf.reverse(outputs, [1]), tf.stack(last)

    def call(self, x: tf.Tensor, mask: tf.Tensor, state: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return logits (night, epoch, stage) and the new state, without dropout; `x` is (night, epoch, sample)."""
        features, _, _ = self.encode(flat(x))
        return self.decide(unflat(features, x.shape[:2]), mask, state)

    @property
    def n_dropouts(self) -> int:
        """In how many places values are dropped: of conv 1, of the features, of each LSTM."""
        return 2 + len(self.lstm) + (self.backward is not None)

    def first_state(self, n_nights: int) -> tf.Tensor:
        """Return the state before a night's first epoch: zeros, (layer, 2, night, unit)."""
        return tf.zeros([self.settings.n_rnn_layers, 2, n_nights, self.settings.n_rnn_units])

    def named_weights(self) -> dict[str, tf.Variable]:
        """Return every weight by its name in checkpoints: `conv_1/kernel`, `crb/conv_a/kernel`, `lstm_0/w_i`, …"""
        crb = {f"crb/{conv.name}/kernel": conv.kernel for conv in (getattr(self.crb, letter) for letter in "abcde")}
        layers = [*self.lstm, *([self.backward] if self.backward else [])]
        lstm = {f"{layer.name}/{weight.name}": weight for layer in layers for weight in layer.cell.weights}
        dense = {"dense/kernel": self.dense.kernel, "dense/bias": self.dense.bias}
        return {"conv_1/kernel": self.conv_1.kernel, **crb, **lstm, **dense}

    def values(self) -> Arrays:
        """Return the value of every weight by name."""
        return {name: weight.numpy() for name, weight in self.named_weights().items()}

    def assign(self, values: Mapping[str, NDArray[Any]], origin: str = "the weights given") -> None:
        """Set every weight from `values`.

        The kernels of CRB d and e may both be left out, as they are in weights that are for scoring only: then these
        two keep the values that they have.

        Raises:
            InputError: a weight is missing, unknown, or of another shape; the message names it and `origin`.
        """
        weights = self.named_weights()
        if not RECONSTRUCTION & values.keys():
            weights = {name: weight for name, weight in weights.items() if name not in RECONSTRUCTION}
        for difference in shape_differences(shapes_of(values), shapes_of(weights)):
            raise InputError(f"{origin}: {difference}; use the settings it was trained with")
        for name, weight in weights.items():
            weight.assign(values[name])


def shapes_of(arrays: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(array.shape) for name, array in arrays.items()}


def flat(x: tf.Tensor) -> tf.Tensor:
    """(night, epoch, …) -> (night · epoch, …)."""
    return tf.reshape(x, [-1, *x.shape[2:]])


def unflat(x: tf.Tensor, nights_and_epochs: Any) -> tf.Tensor:
    """(night · epoch, …) -> (night, epoch, …)."""
    return tf.reshape(x, [*nights_and_epochs, *x.shape[1:]])


# ---- staging ----


class Stager:
    """Stages whole nights with a network, some epochs at a time; compiled once.

    Args:
        network: the network.
        n_epochs: how many it computes at a time; 1 for a stream, of which one comes at a time.
    """

    def __init__(self, network: RecSleepNet, n_epochs: int = BLOCK_EPOCHS) -> None:
        self.network = network
        self.n_epochs = n_epochs
        # One shape for every night, so one compilation: a night is cut into blocks, and the last is filled up.
        self.compiled = compiled(network.call)
        self.compiled_features = compiled(lambda x: unflat(network.encode(flat(x))[0], x.shape[:2]))
        self.compiled_decide = compiled(network.decide)

    def compile(self) -> None:
        """Compile by staging one epoch of nothing."""
        self.logits(np.zeros((1, self.network.settings.input_size), np.float32))

    def logits(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of a night: `x` (epoch, sample) in µV → (epoch, stage)."""
        return self.go_on(x, self.network.first_state(1))[0]

    def go_on(self, x: NDArray[np.float32], state: tf.Tensor) -> tuple[NDArray[np.float32], tf.Tensor]:
        """Return the logits of a part of a night, (epoch, stage), and the state after it.

        It is as if the night were staged at once; fastest with a multiple of `n_epochs`.

        Args:
            x: (epoch, sample) in µV.
            state: after the epoch before; (layer, 2, night, unit), of one night.
        """
        found = []
        for padded, mask in self.blocks(x):
            logits, state = self.compiled(padded, mask, state)
            found.append(logits[0])
        return np.concatenate(found)[: len(x)], state

    def blocks(self, x: NDArray[np.float32]) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        """Yield (night, epoch, sample) of `n_epochs` each, filled up with zeros, and the (night, epoch) mask."""
        for start in range(0, len(x), self.n_epochs):
            block = x[start : start + self.n_epochs]
            missing = self.n_epochs - len(block)
            padded = np.pad(block, ((0, missing), (0, 0)))[np.newaxis]  # (epoch, sample) -> (night, epoch, sample)
            yield padded, np.arange(self.n_epochs)[np.newaxis] < len(block)

    def features(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what the LSTM reads: `x` (epoch, sample) in µV → (epoch, feature)."""
        found = [self.compiled_features(padded)[0] for padded, _ in self.blocks(x)]
        return np.concatenate(found)[: len(x)]

    def probabilities_of(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each stage of a whole night: (epoch, feature) → (epoch, stage)."""
        logits, _ = self.decided(list(self.blocks(features)), self.network.first_state(1))
        return tf.nn.softmax(logits[: len(features)]).numpy()  # type: ignore[no-any-return]

    def decided(self, blocks: Sequence[tuple[Any, Any]], state: tf.Tensor) -> tuple[NDArray[np.float32], tf.Tensor]:
        """Return the logits of blocks of features, (night, epoch, feature), with their masks, and the state after."""
        found = []
        for features, mask in blocks:
            logits, state = self.compiled_decide(features, mask, state)
            found.append(logits[0])
        return np.concatenate(found), state

    def probabilities(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each stage: `x` (epoch, sample) in µV → (epoch, stage)."""
        return self.probabilities_on(x)[0]

    def probabilities_on(
        self, x: NDArray[np.float32], state: tf.Tensor | None = None
    ) -> tuple[NDArray[np.float32], tf.Tensor]:
        """Return the probabilities of a part of a night, and the state after it, as `go_on`; None: a night begins."""
        logits, state = self.go_on(x, self.network.first_state(1) if state is None else state)
        return tf.nn.softmax(logits).numpy(), state


class WholeNightStager(Stager):
    """Stages nights with a bidirectional network, which has to see a night's end before it can stage its begin."""

    def __init__(self, network: RecSleepNet, n_epochs: int = BLOCK_EPOCHS) -> None:
        super().__init__(network, n_epochs)
        self.compiled_backwards = compiled(network.read_backwards)
        self.compiled_decide = compiled(
            lambda features, mask, state, later: network.decide(features, mask, state, later=later)
        )

    def go_on(self, x: NDArray[np.float32], state: tf.Tensor) -> tuple[NDArray[np.float32], tf.Tensor]:
        """Return the logits of a whole night, as `Stager` does; the state after it serves nobody."""
        logits, state = self.decided([(self.compiled_features(padded), mask) for padded, mask in self.blocks(x)], state)
        return logits[: len(x)], state

    def decided(self, blocks: Sequence[tuple[Any, Any]], state: tf.Tensor) -> tuple[NDArray[np.float32], tf.Tensor]:
        """Return the logits of all blocks of a night's features, as `Stager` does."""
        # The whole night twice: from its end for the LSTM that reads backwards, then from its begin.
        later, behind = [], tf.zeros_like(state[0])
        for features, mask in reversed(blocks):
            outputs, behind = self.compiled_backwards(features, mask, behind)
            later.append(outputs)
        found = []
        for (features, mask), outputs in zip(blocks, reversed(later), strict=True):
            logits, state = self.compiled_decide(features, mask, state, outputs)
            found.append(logits[0])
        return np.concatenate(found), state

    def probabilities_on(
        self, x: NDArray[np.float32], state: tf.Tensor | None = None
    ) -> tuple[NDArray[np.float32], tf.Tensor]:
        """Return the probabilities of a whole night, and the state after it."""
        assert state is None, "a bidirectional network stages whole nights"
        return super().probabilities_on(x)


# ---- compiled once a process ----


def compiled(steps: Callable[..., Any]) -> Any:
    """Return a function of tensors compiled by XLA, without AutoGraph, which would take longer than the compiler.

    AutoGraph rewrites Python's `if` and `for` for values that only tensors know. Here there are none.
    """
    return tf.function(steps, jit_compile=True, autograph=False)


def compiled_stager(settings: Settings, n_epochs: int = BLOCK_EPOCHS) -> Stager:
    """Return a stager for networks of these settings, `n_epochs` at a time; settings that give the same network share
    one."""
    # Only what makes another network: folds of other recipes share one, and its compilation.
    names = ("sampling_rate", "input_size", "n_rnn_layers", "n_rnn_units", "bidirectional")
    not_conditioned: dict[str, Any] = {"high_pass": 0.0, "amplitude": (0.0,)}  # no network knows of it
    network = Settings(**not_conditioned, **{name: getattr(settings, name) for name in names})
    with BUILDING:
        return stager_of_network(network, n_epochs)


BUILDING = Lock()
"""Held while a network is built, so that two threads do not build the same one; who compiles it, TensorFlow knows."""


@lru_cache(maxsize=4)
def stager_of_network(settings: Settings, n_epochs: int) -> Stager:
    network = RecSleepNet(settings)
    return WholeNightStager(network, n_epochs) if settings.bidirectional else Stager(network, n_epochs)
