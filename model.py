"""The network, its losses, the compiled steps that train it, and the staging of a whole night."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import nn
import normalisation
from command import InputError
from config import AUGMENTATIONS, Settings
from data import Batch
from files.arrays import Arrays, shape_differences
from normalisation import Normaliser
from sleepstage import STAGES

FILTERS = 128
BLOCK_EPOCHS = 100
"""Epochs that scoring computes at a time: a night costs its own length, rounded up to this."""

IMPOSSIBLE = -1e4
"""The logit of a stage that cannot be: its probability is 0, and its gradient too."""

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
        draw = keras.random.SeedGenerator(seed)
        rate = settings.sampling_rate
        policy = "mixed_bfloat16" if settings.mixed_precision else "float32"
        self.conv_1 = nn.convolution(FILTERS, rate // 2, rate // 16, "conv_1", draw, policy)
        self.crb = nn.ReconstructionBlock(FILTERS, 8, draw, policy, name="crb")
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
        seeds: Seeds | None = None,
        normaliser: Normaliser | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Return features, middle feature and CRB output of every epoch.

        Args:
            x: (epoch, sample), µV.
            seeds: of the dropout; None for none.
            normaliser: of this batch; None for none.

        Returns:
            features (epoch, 256), middle feature and CRB output, both (epoch, position, 128).
        """
        x = nn.max_pool(self.conv_1(x[:, :, tf.newaxis]), 8)  # (epoch, sample) -> (epoch, position, filter)
        if normaliser:
            x = normaliser.scale("conv_1", x, 0, x.shape[1])
        x = nn.dropout(x, self.settings.dropout[0], seeds and seeds.layer(0))
        middle, output = self.crb.call(x, normaliser)
        pooled = tf.cast(nn.max_pool(output, 4), tf.float32)
        features = nn.mean_and_max(pooled)  # (epoch, position, filter) -> (epoch, feature)
        return normaliser.standardise(features) if normaliser else features, middle, output

    def decide(
        self,
        features: tf.Tensor,
        mask: tf.Tensor,
        state: tf.Tensor,
        seeds: Seeds | None = None,
        later: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the logits of every epoch and the state after the last one.

        Args:
            features: (night, epoch, feature).
            mask: (night, epoch), False past a night's end.
            state: (layer, 2, night, unit), before the first epoch.
            seeds: of the dropout; None for none.
            later: of a bidirectional network: what `read_backwards` makes of these epochs and later ones, (night,
                epoch, unit); None: of these epochs alone, as if the night ended with them.

        Returns:
            logits (night, epoch, stage) and state (layer, 2, night, unit).
        """
        x = features = nn.dropout(features, self.settings.dropout[1], seeds and seeds.layer(1))
        states = []
        for number, layer in enumerate(self.lstm):
            x, *last = layer(x, initial_state=tf.unstack(state[number]), mask=mask)
            x = nn.dropout(x, self.settings.dropout[2], seeds and seeds.layer(2 + number))
            states.append(tf.stack(last))
        if self.backward:
            if later is None:
                later, _ = self.read_backwards(features, mask, tf.zeros_like(state[0]))
            later = nn.dropout(later, self.settings.dropout[2], seeds and seeds.layer(2 + len(self.lstm)))
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


class Seeds:
    """The dropout seeds of one step: the same for the same run, step and layer, different for any other."""

    def __init__(self, run: tf.Tensor, step: tf.Tensor, n_layers: int) -> None:
        self.run, self.step, self.n_layers = run, step, n_layers

    def layer(self, number: int) -> tf.Tensor:
        return tf.stack([self.run, self.step * self.n_layers + number])


# ---- losses: equations of the published program ----

Losses = dict[str, tf.Tensor]


def classification_loss(logits: tf.Tensor, y: tf.Tensor, weight: tf.Tensor, class_weights: tf.Tensor) -> tf.Tensor:
    """Σ w · k(y) · CE / Σ w: cross-entropy, weighted by the true stage, averaged over real epochs.

    Args:
        logits: (night, epoch, stage).
        y: (night, epoch), true stages.
        weight: (night, epoch), 1 on real epochs, 0 on padding.
        class_weights: (stage,).
    """
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)
    return tf.reduce_sum(weight * tf.gather(class_weights, y) * entropy) / tf.reduce_sum(weight)


def reconstruction_loss(middle: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """Mean squared distance over every position, filter and epoch, padded epochs included."""
    return tf.reduce_mean(tf.square(tf.cast(middle, tf.float32) - tf.cast(reconstruction, tf.float32)))


def l2_loss(network: RecSleepNet, decay: float) -> tf.Tensor:
    """decay · Σ ½‖K‖² over the kernels of conv 1 and CRB a, b, c."""
    crb = network.crb
    return decay * tf.add_n([tf.nn.l2_loss(conv.kernel.value) for conv in (network.conv_1, crb.a, crb.b, crb.c)])


# ---- training ----


class Training:
    """A network in training: its weights, an optimiser for each phase, the global step, and the compiled steps.

    It is compiled once; `restart` prepares it for another fold without compiling again. What it trains need not be a
    network that others could use, as it may be normalised by each batch; `plain_weights` are those of one.

    Args:
        settings: of the run.
        seed: of the initial values and the dropout.
        dropout: False leaves the dropout out, to compare with reference values.
    """

    def __init__(self, settings: Settings, seed: int = 0, dropout: bool = True) -> None:
        self.settings = settings
        self.network = RecSleepNet(settings, seed)
        self.class_weights = tf.constant(settings.class_weights, tf.float32)
        self.step = tf.Variable(0, dtype=tf.int64, name="global_step")
        self.seed = tf.Variable(seed, dtype=tf.int64, name="seed")
        self.n_dropouts = self.network.n_dropouts if dropout else 0
        named = self.network.named_weights()
        self.pretrained = [weight for name, weight in named.items() if name.startswith(CONVOLUTIONS)]
        frozen = CONVOLUTIONS if settings.freeze else ()
        self.trained = [weight for name, weight in named.items() if not name.startswith(frozen)]
        self.pretrain_adam = adam(settings, self.pretrained)
        self.train_adam = adam(settings, self.trained, settings.clip_grad_value)
        self.average = {name: tf.Variable(w) for name, w in named.items()} if settings.weight_average else {}
        self.first = {name: tf.Variable(w) for name, w in named.items()} if settings.keep_first else {}
        self.compiled_pretrain = compiled(self.pretrain_graph)
        self.compiled_train = compiled(self.train_graph)
        self.compiled_measure = compiled(self.measure_graph)

    def compile(self) -> None:
        """Compile the steps by taking each once, on nothing; what that does to the weights, `restart` undoes."""
        settings = self.settings
        x = np.zeros((settings.batch_size, settings.seq_length, settings.input_size), np.float32)
        y, weight = np.zeros(x.shape[:2], np.int32), np.zeros(x.shape[:2], np.float32)
        nothing = Batch(x, y, weight, np.ones(len(x), np.bool_), np.ones((len(x), len(STAGES)), np.bool_))
        self.pretrain(nothing, self.first_state())
        self.train(nothing, self.first_state())
        if settings.normalise:
            self.compiled_measure(nothing.x, nothing.weight, True)

    def restart(self, seed: int) -> None:
        """Begin anew: initial weights and dropout from `seed`, fresh optimisers, global step 0."""
        for variable in (*self.pretrain_adam.variables, *self.train_adam.variables):
            if variable.path.rpartition("/")[2] != "learning_rate":
                variable.assign(tf.zeros(variable.shape, variable.dtype))
        self.start_with(RecSleepNet(self.settings, seed).values())
        self.step.assign(0)
        self.seed.assign(seed)

    def start_with(self, values: Arrays) -> None:
        """Set the weights, the average of them, and the first ones."""
        self.network.assign(values)
        for copies in (self.average, self.first):
            for name, copy in copies.items():
                copy.assign(values[name])

    def start_from(self, values: Arrays, batches: Iterable[Batch], origin: str) -> Arrays:
        """Start from the weights of a plain network, so that what is trained does what that one does.

        Args:
            values: of the plain network; those of CRB d and e may be left out.
            batches: of training nights, to measure the statistics on, where the training normalises.
            origin: for the message, where they do not fit.

        Returns:
            All weights of the plain network.

        Raises:
            InputError: they do not fit.
        """
        self.network.assign(values, origin)
        plain = self.network.values()
        if not self.settings.normalise:
            self.start_with(plain)
            return plain
        first = normalisation.unfolded(plain, self.measure(batches, False))
        drawn = {name: plain[name] for name in RECONSTRUCTION - values.keys()}  # for a normalised network as they are
        self.start_with({**first, **drawn})
        return plain

    def start_normalised(self, values: Arrays, batches: Iterable[Batch], origin: str) -> Arrays:
        """Start from the weights of a normalised network, which is normalised by these nights from now on.

        What is normalised by the nights that it is used for has forgotten how those it was trained on differed from
        them (Li et al. 2016, "Revisiting Batch Normalization For Practical Domain Adaptation").

        Args:
            values: of the network while it was trained.
            batches: of training nights, to measure the statistics on.
            origin: for the message, where they do not fit.

        Returns:
            All weights of the plain network.

        Raises:
            InputError: they do not fit.
        """
        self.network.assign(values, origin)
        self.start_with(self.network.values())
        return self.plain_weights(batches)

    def average_weights(self) -> Arrays:
        """Return the moving average of the weights, or the weights themselves; mixed with the first ones where asked.

        Between the weights that a training started from and those that it came to lie some that are as good where it
        was trained and better elsewhere (Wortsman et al. 2022, "Robust Fine-Tuning of Zero-Shot Models").
        """
        last = {name: weight.numpy() for name, weight in self.average.items()} or self.network.values()
        share = np.float32(self.settings.keep_first)
        return {**last, **{name: share * w.numpy() + (1 - share) * last[name] for name, w in self.first.items()}}

    def plain_weights(self, batches: Iterable[Batch]) -> Arrays:
        """Return the weights to score with and to keep: the average, with the normalisation folded into them.

        Args:
            batches: of training nights, to measure the statistics on, where the training normalises.
        """
        trained, average = self.network.values(), self.average_weights()
        if not self.settings.normalise:
            return average
        self.network.assign(average)
        statistics = self.measure(batches)
        self.network.assign(trained)
        return normalisation.folded(average, statistics)

    def measure(self, batches: Iterable[Batch], apply: bool = True) -> Arrays:
        """Return the statistics that the network's normalisation has over some batches, without dropout.

        Args:
            batches: of training nights.
            apply: False: those of the plain network with these weights.
        """
        statistics, n_epochs = [], []
        for batch in batches:  # one at a time: together they are as large as some nights
            found = self.compiled_measure(batch.x, batch.weight, apply)
            statistics.append({name: value.numpy() for name, value in found.items()})
            n_epochs.append(float(batch.weight.sum()))
        return normalisation.pooled(statistics, n_epochs)

    def pretrain(self, batch: Batch, state: tf.Tensor) -> tuple[Losses, tf.Tensor]:
        """Take one pre-training step; return the reconstruction loss before it, and the state as it was."""
        return self.compiled_pretrain(batch.x), state

    def train(self, batch: Batch, state: tf.Tensor) -> tuple[Losses, tf.Tensor]:
        """Take one training step; return the losses and accuracy before it, and the nights' new state."""
        return self.compiled_train(batch.x, batch.y, batch.weight, batch.first, batch.known, state)  # type: ignore[no-any-return]

    def first_state(self) -> tf.Tensor:
        """Return the state before a pass."""
        return self.network.first_state(self.settings.batch_size)

    def next_seeds(self) -> Seeds | None:
        self.step.assign_add(1)
        return Seeds(self.seed.read_value(), self.step.read_value(), self.n_dropouts) if self.n_dropouts else None

    def set_learning_rate(self, rate: float) -> None:
        """Set the step size of the training steps from here on."""
        self.train_adam.learning_rate = rate  # a variable: nothing is compiled again

    def normaliser(self, weight: tf.Tensor) -> Normaliser | None:
        """Return what normalises a batch with these weights of its epochs, (night, epoch); None: nothing does."""
        return Normaliser(tf.reshape(weight, [-1])) if self.settings.normalise else None

    def measure_graph(self, x: tf.Tensor, weight: tf.Tensor, apply: bool) -> normalisation.Statistics:
        normaliser = Normaliser(tf.reshape(weight, [-1]), apply)
        self.network.encode(flat(x), normaliser=normaliser)
        return normaliser.found

    def pretrain_graph(self, x: tf.Tensor) -> Losses:
        seeds, normaliser = self.next_seeds(), self.normaliser(tf.ones(x.shape[:2]))
        with tf.GradientTape() as tape:
            _, middle, output = self.network.encode(flat(x), seeds, normaliser)
            loss = reconstruction_loss(middle, self.network.crb.reconstruct(output))
        self.pretrain_adam.apply(tape.gradient(loss, self.pretrained))
        return {"loss_rec": loss}

    def train_graph(
        self, x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor, first: tf.Tensor, known: tf.Tensor, state: tf.Tensor
    ) -> tuple[Losses, tf.Tensor]:
        seeds = self.next_seeds()
        state = tf.where(first[:, tf.newaxis], 0.0, state)  # (layer, 2, night, unit): 0 where a night starts
        with tf.GradientTape() as tape:
            losses, logits, state = self.losses(x, y, weight, state, seeds, known)
            total = losses["loss_ce"] + losses["loss_l2"] + self.settings.rec_weight * losses["loss_rec"]
        self.train_adam.apply(tape.gradient(total, self.trained))
        self.update_average()
        correct = weight * tf.cast(tf.argmax(logits, -1, tf.int32) == y, tf.float32)
        return {**losses, "train_accuracy": tf.reduce_sum(correct) / tf.reduce_sum(weight)}, state

    def update_average(self) -> None:
        """Move the average towards the weights; at first faster, so that it soon forgets where they started."""
        steps = tf.cast(self.train_adam.iterations, tf.float32)
        decay = tf.minimum(self.settings.weight_average, (1 + steps) / (10 + steps))
        weights = self.network.named_weights()
        for name, average in self.average.items():
            average.assign(decay * average + (1 - decay) * weights[name])

    def losses(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        weight: tf.Tensor,
        state: tf.Tensor,
        seeds: Seeds | None,
        known: tf.Tensor | None = None,
    ) -> tuple[Losses, tf.Tensor, tf.Tensor]:
        """Return the three losses, the logits (night, epoch, stage) and the new state of one batch.

        Logits of stages that a night's scorer did not mark, `known` (night, stage) False, are `IMPOSSIBLE`: the loss
        asks which of the others it is, and no more. None: all were marked.
        """
        features, middle, output = self.network.encode(flat(x), seeds, self.normaliser(weight))
        logits, state = self.network.decide(unflat(features, x.shape[:2]), weight > 0, state, seeds)
        if known is not None:
            logits = tf.where(known[:, tf.newaxis], logits, IMPOSSIBLE)  # (night, epoch, stage)
        losses = {
            "loss_ce": classification_loss(logits, y, weight, self.class_weights),
            "loss_l2": l2_loss(self.network, self.settings.l2_weight_decay),
            "loss_rec": reconstruction_loss(middle, self.network.crb.reconstruct(output)),
        }
        return losses, logits, state

    def values(self) -> Arrays:
        """Return all that another process needs to go on from here, by name."""
        return {name: variable.numpy() for name, variable in self.variables().items()}

    def assign(self, values: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `values` returned.

        Raises:
            InputError: something is missing, unknown, or of another shape, as it may be from another version of Keras.
        """
        variables = self.variables()
        for difference in shape_differences(shapes_of(values), shapes_of(variables)):
            raise InputError(
                f"resume.npz was written by another version of this program or of Keras ({difference}); "
                "train the fold again with --restart"
            )
        for name, variable in variables.items():
            variable.assign(values[name])

    def variables(self) -> dict[str, Any]:
        adams = {"pretrain_adam": self.pretrain_adam, "train_adam": self.train_adam}
        moments = {f"{name}/{i}": v for name, one in adams.items() for i, v in enumerate(one.variables)}
        copies = {"average": self.average, "first": self.first}
        kept = {f"{copy}/{name}": weight for copy, weights in copies.items() for name, weight in weights.items()}
        return {"global_step": self.step, "seed": self.seed, **self.network.named_weights(), **kept, **moments}


def adam(settings: Settings, weights: list[Any], clip: float | None = None) -> Any:
    """Return an Adam (β 0.9, 0.999, ε 1e-8) for `weights`; `clip` bounds the global norm of the gradients.

    With a decoupled weight decay every kernel shrinks by its share of the step size at each step, whatever its gradient
    (Loshchilov & Hutter 2019, "Decoupled Weight Decay Regularization"); biases and peepholes do not.
    """
    decay = settings.weight_decay or None
    optimizer = keras.optimizers.Adam(
        settings.learning_rate, 0.9, 0.999, 1e-8, weight_decay=decay, global_clipnorm=clip
    )
    if decay:
        optimizer.exclude_from_weight_decay(var_list=[weight for weight in weights if weight.name != "kernel"])
    optimizer.build(weights)
    return optimizer


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
            lambda features, mask, state, later: network.decide(features, mask, state, None, later)
        )

    def go_on(self, x: NDArray[np.float32], state: tf.Tensor) -> tuple[NDArray[np.float32], tf.Tensor]:
        """Return the logits of a whole night, as `Stager` does; the state after it serves nobody."""
        logits, state = self.decided([(self.compiled_features(padded), mask) for padded, mask in self.blocks(x)], state)
        return logits[: len(x)], state

    def decided(self, blocks: Sequence[tuple[Any, Any]], state: tf.Tensor) -> tuple[NDArray[np.float32], tf.Tensor]:
        """Return the logits of all blocks of a night's features, as `Stager` does."""
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
    names = ("sampling_rate", "input_size", "n_rnn_layers", "n_rnn_units", "bidirectional", "mixed_precision")
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


NOT_COMPILED = (
    "recipe",
    "pretrain_epochs",
    "n_epochs",
    "patience",
    "pretrain_on",
    "pack_nights",
    "random_start",
    "seed",
    "learning_rate",
    "warm_up",
    "cosine",
    *AUGMENTATIONS,
)
"""The settings that change nothing of the compiled steps."""


def compiled_training(settings: Settings) -> tuple[Training, Stager]:
    """Return the compiled steps of a run, and a stager for the weights that they train.

    Runs that differ only in what is not compiled into a step share them, one after the other.
    """
    defaults = Settings()
    training = training_of_steps(replace(settings, **{name: getattr(defaults, name) for name in NOT_COMPILED}))
    for optimizer in (training.pretrain_adam, training.train_adam):
        optimizer.learning_rate = settings.learning_rate  # a variable
    stager = compiled_stager(settings)
    stager.compile()
    return training, stager


@lru_cache(maxsize=2)
def training_of_steps(settings: Settings) -> Training:
    training = Training(settings)
    training.compile()
    return training
