"""The networks of folds. Folds of the same sizes share one, compiled once, in which their weights take turns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from folds.adaptation import adapted
from folds.calibration import tempered
from folds.checkpoint import Fold
from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE

if TYPE_CHECKING:
    from model import Stager

Probabilities = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""(epoch, sample) of a whole night → (epoch, stage)."""


def probabilities_of(
    fold: Fold, x: NDArray[np.float32], state: Any = None, one_by_one: bool = False
) -> tuple[NDArray[np.float32], Any]:
    """Return what a fold makes of the next epochs of a night, and the state of its LSTM after them.

    Args:
        fold: whose weights, and whose temperature if it is calibrated.
        x: (epoch, sample), conditioned as these weights need it.
        state: after the epoch before, as it was returned; None: a night begins.
        one_by_one: with a network that is compiled for one epoch at a time, for a stream.

    Returns:
        (epoch, stage) probabilities, and the state.
    """
    probabilities, state = holding(fold, one_by_one).probabilities_on(x, state)
    return calibrated(fold, probabilities), state


def of_night(fold: Fold) -> Probabilities:
    """Return what stages whole nights with a fold.

    Raises:
        InputError: its weights do not fit its settings.
    """
    holding(fold, one_by_one=False)
    return lambda x: probabilities_of(fold, x)[0]


def features_of_night(fold: Fold, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what the LSTM of a fold reads of epochs, conditioned as its weights need it: (epoch, feature)."""
    return holding(fold, one_by_one=False).features(x)


def adapted_probabilities(fold: Fold, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the (epoch, stage) probabilities of a whole recording, which first adapts the network, from its features.

    Args:
        fold: one that says what its features are on training nights.
        features: (epoch, feature), as `features_of_night` returns them.
    """
    assert fold.features, "nothing says towards what the network would be adapted"
    stager = holding(fold, one_by_one=False)
    stager.network.assign(adapted(stager.network.values(), *fold.features.change(features)))
    return calibrated(fold, stager.probabilities_of(features))


def holding(fold: Fold, one_by_one: bool) -> Stager:
    """Return the network of a fold's sizes with its weights; another fold of these sizes has it no more."""
    stager = compiled_network(fold, one_by_one)
    stager.network.assign(fold.best.weights, str(fold.folder))
    return stager


def compiled_network(fold: Fold, one_by_one: bool) -> Stager:
    """Return the network of a fold's sizes; whose weights it holds is open."""
    from model import BLOCK_EPOCHS, compiled_stager

    return compiled_stager(fold.run.settings, 1 if one_by_one else BLOCK_EPOCHS)


def compile_networks(folds: Sequence[Fold], one_by_one: bool = False) -> None:
    """Compile the networks of the folds; whoever needs one meanwhile waits for it."""
    for stager in dict.fromkeys(compiled_network(fold, one_by_one) for fold in folds):
        stager.compile()


def calibrated(fold: Fold, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a fold's (epoch, stage) probabilities at its temperature; as they are where it has none."""
    return tempered(probabilities, fold.calibration.temperature) if fold.calibration else probabilities


def check_fits_recordings(fold: Fold) -> None:
    """Raise InputError unless a fold was trained on whole epochs at 100 Hz, as recordings are cut into."""
    settings = fold.run.settings
    if (settings.sampling_rate, settings.input_size) != (TARGET_RATE, EPOCH_SAMPLES):
        raise InputError(
            f"{fold.folder}: trained on {settings.input_size} samples an epoch at {settings.sampling_rate} Hz; "
            f"recordings are scored in epochs of {EPOCH_SAMPLES} samples at {TARGET_RATE} Hz: train with "
            f"--input_size {EPOCH_SAMPLES} --sampling_rate {TARGET_RATE}, or choose other weights"
        )
