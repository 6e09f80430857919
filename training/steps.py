"""One step of training: a batch → its losses → their gradients → Adam. The loop around it is in fold.py.

The equations and the two phases are those of the published program. Pre-training minimises the reconstruction loss
alone; training minimises

    loss_ce + loss_l2 + rec_weight · loss_rec
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

import nn
from command import InputError
from config import AUGMENTATIONS, Settings
from files.arrays import Arrays, shape_differences
from model import (
    CONVOLUTIONS,
    RECONSTRUCTION,
    RecSleepNet,
    Stager,
    compiled,
    compiled_stager,
    flat,
    shapes_of,
    unflat,
)
from training import normalisation
from training.batches import Batch, empty_batch
from training.normalisation import Normaliser

IMPOSSIBLE = -1e4
"""The logit of a stage that cannot be: its probability is 0, and its gradient too."""

# ---- losses ----

Losses = dict[str, tf.Tensor]


def classification_loss(logits: tf.Tensor, y: tf.Tensor, weight: tf.Tensor, class_weights: tf.Tensor) -> tf.Tensor:
    """Σ w · k(y) · CE / Σ w: cross-entropy, weighted by the true stage, averaged over real epochs.

    Args:
        logits: (night, epoch, stage).
        y: (night, epoch), true stages.
        weight: (night, epoch), 1 on real epochs, 0 on padding.
        class_weights: (stage,).
    """
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(y, logits)  # (night, epoch)
    # The class weights are in the sum and not in what it is divided by: as published, an N1 counts 1.5 times.
    return tf.reduce_sum(weight * tf.gather(class_weights, y) * entropy) / tf.reduce_sum(weight)


def reconstruction_loss(middle: tf.Tensor, reconstruction: tf.Tensor) -> tf.Tensor:
    """Mean squared distance over every position, filter and epoch, padded epochs included as published."""
    return tf.reduce_mean(tf.square(middle - reconstruction))


def l2_loss(network: RecSleepNet, decay: float) -> tf.Tensor:
    """decay · Σ ½‖K‖² over the kernels of conv 1 and CRB a, b, c; those of d and e and the LSTM are free."""
    crb = network.crb
    return decay * tf.add_n([tf.nn.l2_loss(conv.kernel.value) for conv in (network.conv_1, crb.a, crb.b, crb.c)])


# ---- the steps ----


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
        # Variables, not numbers: a number would be compiled into the step, and another one compile it again.
        self.step = tf.Variable(0, dtype=tf.int64, name="global_step")
        self.seed = tf.Variable(seed, dtype=tf.int64, name="seed")
        self.n_dropouts = self.network.n_dropouts if dropout else 0
        named = self.network.named_weights()
        frozen = CONVOLUTIONS if settings.freeze else ()
        self.pretrained = [weight for name, weight in named.items() if name.startswith(CONVOLUTIONS)]
        self.trained = [weight for name, weight in named.items() if not name.startswith(frozen)]
        # As published, each phase has an Adam of its own, and only training clips; both count one global step.
        self.pretrain_adam = adam(settings, self.pretrained)
        self.train_adam = adam(settings, self.trained, settings.clip_grad_value)
        # Copies of all weights only where they are used: each is as large as the network, and goes into resume.npz.
        self.average = {name: tf.Variable(w) for name, w in named.items()} if settings.weight_average else {}
        self.first = {name: tf.Variable(w) for name, w in named.items()} if settings.keep_first else {}
        self.compiled_pretrain = compiled(self.pretrain_graph)
        self.compiled_train = compiled(self.train_graph)
        self.compiled_measure = compiled(self.measure_graph)

    def pretrain(self, batch: Batch, state: tf.Tensor) -> tuple[Losses, tf.Tensor]:
        """Take one pre-training step; return the reconstruction loss before it, and the state as it was."""
        return self.compiled_pretrain(batch.x), state  # it needs neither stages nor order

    def train(self, batch: Batch, state: tf.Tensor) -> tuple[Losses, tf.Tensor]:
        """Take one training step; return the losses and accuracy before it, and the nights' new state."""
        return self.compiled_train(batch.x, batch.y, batch.weight, batch.first, batch.known, state)  # type: ignore[no-any-return]

    def pretrain_graph(self, x: tf.Tensor) -> Losses:
        drop, normaliser = self.next_dropout(), self.normaliser(tf.ones(x.shape[:2]))
        with tf.GradientTape() as tape:
            _, middle, output = self.network.encode(flat(x), drop, normaliser)
            loss = reconstruction_loss(middle, self.network.crb.reconstruct(output))  # of all epochs, padding too
        self.pretrain_adam.apply(tape.gradient(loss, self.pretrained))
        return {"loss_rec": loss}

    def train_graph(
        self, x: tf.Tensor, y: tf.Tensor, weight: tf.Tensor, first: tf.Tensor, known: tf.Tensor | None, state: tf.Tensor
    ) -> tuple[Losses, tf.Tensor]:
        drop = self.next_dropout()
        # The state comes from the chunk before, as a value: no gradient flows back across chunks (truncated BPTT).
        state = tf.where(first[:, tf.newaxis], 0.0, state)  # (layer, 2, night, unit): 0 where a night starts
        with tf.GradientTape() as tape:
            losses, logits, state = self.losses(x, y, weight, state, drop, known)
            total = losses["loss_ce"] + losses["loss_l2"] + self.settings.rec_weight * losses["loss_rec"]
        self.train_adam.apply(tape.gradient(total, self.trained))  # clips by the global norm, as it was told
        self.update_average()
        correct = weight * tf.cast(tf.argmax(logits, -1, tf.int32) == y, tf.float32)
        return {**losses, "train_accuracy": tf.reduce_sum(correct) / tf.reduce_sum(weight)}, state

    def losses(
        self,
        x: tf.Tensor,
        y: tf.Tensor,
        weight: tf.Tensor,
        state: tf.Tensor,
        drop: nn.Drop = nn.keep,
        known: tf.Tensor | None = None,
    ) -> tuple[Losses, tf.Tensor, tf.Tensor]:
        """Return the three losses, the logits (night, epoch, stage) and the new state of one batch.

        Logits of stages that a night's scorer did not mark, `known` (night, stage) False, are `IMPOSSIBLE`: the loss
        asks which of the others it is, and no more. None: all were marked.
        """
        # The convolutions see each epoch by itself, (night · epoch, sample); the LSTM sees a night's epochs in order.
        features, middle, output = self.network.encode(flat(x), drop, self.normaliser(weight))
        logits, state = self.network.decide(unflat(features, x.shape[:2]), weight > 0, state, drop)
        if known is not None:
            logits = tf.where(known[:, tf.newaxis], logits, IMPOSSIBLE)  # (night, epoch, stage)
        losses = {
            "loss_ce": classification_loss(logits, y, weight, self.class_weights),
            "loss_l2": l2_loss(self.network, self.settings.l2_weight_decay),
            "loss_rec": reconstruction_loss(middle, self.network.crb.reconstruct(output)),
        }
        return losses, logits, state

    def next_dropout(self) -> nn.Drop:
        """Count the step, and return its dropout: seed and step decide what is dropped, not what was drawn before."""
        self.step.assign_add(1)
        if not self.n_dropouts:
            return nn.keep
        return nn.Dropout(self.seed.read_value(), self.step.read_value(), self.n_dropouts)

    def normaliser(self, weight: tf.Tensor) -> Normaliser | None:
        """Return what normalises a batch with these weights of its epochs, (night, epoch); None: nothing does."""
        return Normaliser(tf.reshape(weight, [-1])) if self.settings.normalise else None

    def update_average(self) -> None:
        """Move the average towards the weights; at first faster, so that it soon forgets where they started."""
        steps = tf.cast(self.train_adam.iterations, tf.float32)
        decay = tf.minimum(self.settings.weight_average, (1 + steps) / (10 + steps))
        weights = self.network.named_weights()
        for name, average in self.average.items():
            average.assign(decay * average + (1 - decay) * weights[name])

    # ---- before and after the steps ----

    def compile(self) -> None:
        """Compile the steps by taking each once, on nothing; what that does to the weights, `restart` undoes."""
        nothing = empty_batch(self.settings)
        self.pretrain(nothing, self.first_state())
        self.train(nothing, self.first_state())
        if self.settings.normalise:
            self.compiled_measure(nothing.x, nothing.weight, True)

    def restart(self, seed: int) -> None:
        """Begin anew: initial weights and dropout from `seed`, fresh optimisers, global step 0."""
        for variable in (*self.pretrain_adam.variables, *self.train_adam.variables):
            if variable.path.rpartition("/")[2] != "learning_rate":  # the others are moments and counts
                variable.assign(tf.zeros(variable.shape, variable.dtype))
        self.start_with(RecSleepNet(self.settings, seed).values())  # into the variables that are compiled in
        self.step.assign(0)
        self.seed.assign(seed)

    def first_state(self) -> tf.Tensor:
        """Return the state before a pass."""
        return self.network.first_state(self.settings.batch_size)

    def set_learning_rate(self, rate: float) -> None:
        """Set the step size of the training steps from here on."""
        self.train_adam.learning_rate = rate  # a variable: nothing is compiled again

    # ---- the weights that it starts from ----

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
        unfolded = normalisation.unfolded(plain, self.measure(batches, False))
        drawn = {name: plain[name] for name in RECONSTRUCTION - values.keys()}  # for a normalised network as they are
        self.start_with({**unfolded, **drawn})
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

    # ---- the weights that are kept ----

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
        # Statistics belong to the weights they were measured with, so the network lends itself to the average.
        self.network.assign(average)
        statistics = self.measure(batches)
        self.network.assign(trained)  # training goes on where it was
        return normalisation.folded(average, statistics)

    def measure(self, batches: Iterable[Batch], apply: bool = True) -> Arrays:
        """Return the statistics that the network's normalisation has over some batches, without dropout.

        Args:
            batches: of training nights.
            apply: False: those of the plain network with these weights.
        """
        statistics, n_epochs = [], []
        for batch in batches:  # one at a time: together they are as large as some nights
            measured = self.compiled_measure(batch.x, batch.weight, apply)
            statistics.append({name: value.numpy() for name, value in measured.items()})
            n_epochs.append(float(batch.weight.sum()))
        return normalisation.pooled(statistics, n_epochs)

    def measure_graph(self, x: tf.Tensor, weight: tf.Tensor, apply: bool) -> normalisation.Statistics:
        normaliser = Normaliser(tf.reshape(weight, [-1]), apply)
        self.network.encode(flat(x), normaliser=normaliser)
        return normaliser.measured

    # ---- what a stopped run goes on from ----

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
        moments = {f"{name}/{i}": v for name, optimizer in adams.items() for i, v in enumerate(optimizer.variables)}
        copies = {"average": self.average, "first": self.first}
        kept = {f"{copy}/{name}": weight for copy, weights in copies.items() for name, weight in weights.items()}
        return {"global_step": self.step, "seed": self.seed, **self.network.named_weights(), **kept, **moments}


# ---- the optimiser ----


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


# ---- compiled once a process ----

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
        optimizer.learning_rate = settings.learning_rate  # a variable: not compiled in
    stager = compiled_stager(settings)
    stager.compile()
    return training, stager


@lru_cache(maxsize=2)
def training_of_steps(settings: Settings) -> Training:
    training = Training(settings)
    training.compile()
    return training
