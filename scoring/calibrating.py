"""A fold's validation nights → its temperature and its limit of confidence.

The validation nights chose the pass that was kept, so what they say is a little too good. Test nights say how far it
holds: evaluate.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from data import Night
from folds.calibration import Calibration, tempered
from scoring.confidence import Judged, above_limit, judged, reliability
from scoring.networks import Probabilities
from sleepstage import UNKNOWN

WANTED = 0.9
"""The share of right epochs that the limit is chosen for. Two experts agree on about 83 % of the epochs (Rosenberg and
Van Hout 2013), so nine in ten is more than a second expert would confirm."""

FEWEST_ABOVE = 0.05  # of the epochs; a limit that leaves fewer is a limit by chance
LIMITS = np.arange(50, 100) / 100  # below a half a stage is more often wrong than right, whatever few nights say
TEMPERATURES = (0.5, 2.5)  # where one is looked for
DIGITS = 4  # of what is kept; more are not known

PRIOR_EPOCHS = 1000
"""The first weights' temperature and limit count as much as so many epochs, about a night.

Of 0, 300, 1,000 and 3,000 it is the least with which no calibration on one night, two nights or 25 epochs made the
error on the other nights larger by more than 0.3 points (ten test nights of the folds in the box); with 0 it was 6.8,
with 300 it was 0.9."""

PARTS_OF_A_NIGHT = 5  # each is left out in turn, where there is one night only


@dataclass(frozen=True)
class Prior:
    """What is believed of confidence before validation nights are looked at: the first weights' calibration.

    Attributes:
        temperature: theirs; 1 for weights that were drawn.
        limit: theirs; None where they have none.
        known: True where there are first weights with a calibration, which may be kept.
    """

    temperature: float = 1.0
    limit: float | None = None
    known: bool = False


def prior_of(first: Calibration | None) -> Prior:
    """Return what the calibration of the first weights lets one expect of those that came from them."""
    return Prior(first.temperature, first.limit, True) if first else Prior()


def calibrate(
    network: Probabilities, nights: Iterable[Night], sha256: str, first: Calibration | None = None
) -> Calibration:
    """Return what validation nights say of a network.

    Few nights say little: the first weights' calibration counts as `PRIOR_EPOCHS` more, and is kept where the nights
    would not be better off without it, each judged by a temperature that the others gave.

    Args:
        network: stages nights, without a calibration.
        nights: the fold's validation nights.
        sha256: of the file that holds the weights.
        first: the calibration of the weights that the training started from; None where there is none.

    Raises:
        ValueError: there are no nights.
    """
    staged = [(night.name, probabilities_of(network, night), night.expert) for night in nights]
    if not staged:
        raise ValueError("no validation nights to calibrate on")
    known = [(one[expert != UNKNOWN], expert[expert != UNKNOWN]) for _, one, expert in staged]
    probabilities, expert = (np.concatenate(values) for values in zip(*known, strict=True))
    prior = prior_of(first)
    left_out = cross_validated(known, prior)
    as_before = tempered(probabilities, prior.temperature)
    better = loss(left_out, expert) < loss(as_before, expert)
    temperature = shrunk_temperature(probabilities, expert, prior) if better else prior.temperature
    after = judged(tempered(probabilities, temperature), expert)
    kept = prior.known and not better
    limit = prior.limit if kept else shrunk_limit(after, prior)
    return Calibration(
        temperature=round(temperature, DIGITS),
        limit=limit,
        wanted=WANTED,
        share_above=0.0 if limit is None else round(above_limit(after, limit).share_above, DIGITS),
        nights=tuple(dict.fromkeys(name for name, _, _ in staged)),
        n_epochs=len(expert),
        error_before=round(reliability(judged(as_before, expert)).error, DIGITS),
        error_after=round(reliability(judged(left_out if better else as_before, expert)).error, DIGITS),
        sha256=sha256,
        of_first_weights=kept,
    )


def probabilities_of(network: Probabilities, night: Night) -> NDArray[np.float32]:
    """Return (epoch, stage) probabilities of a prepared night, each stretch between gaps by itself, and only of the
    stages that its scorer marked."""
    return night.among_known(np.concatenate([network(part.x) for part in night.stretches()]))


def cross_validated(
    nights: Sequence[tuple[NDArray[np.float32], NDArray[np.integer]]], prior: Prior
) -> NDArray[np.float32]:
    """Return (epoch, stage) probabilities of all nights, each at the temperature that the other nights give.

    One night alone is cut into parts that follow each other.
    """
    if len(nights) == 1:
        cut = [np.array_split(values, PARTS_OF_A_NIGHT) for values in nights[0]]
        nights = [(one, stages) for one, stages in zip(*cut, strict=True) if len(stages)]
    changed = []
    for i, (probabilities, _) in enumerate(nights):
        others = [night for j, night in enumerate(nights) if j != i and len(night[1])]
        temperature = prior.temperature
        if others:
            known, stages = (np.concatenate(values) for values in zip(*others, strict=True))
            temperature = shrunk_temperature(known, stages, prior)
        changed.append(tempered(probabilities, temperature))
    return np.concatenate(changed)


def weight_of(n_epochs: int) -> float:
    """Return the share that so many epochs have in what is believed after them, 0 to 1."""
    return n_epochs / (n_epochs + PRIOR_EPOCHS)


def shrunk_temperature(probabilities: NDArray[np.float32], expert: NDArray[np.integer], prior: Prior) -> float:
    """Return the temperature between the prior's and the fitted one, on a logarithmic scale, by weight."""
    weight = weight_of(len(expert))
    fitted = fitted_temperature(probabilities, expert)
    return float(np.exp(weight * np.log(fitted) + (1 - weight) * np.log(prior.temperature)))


def shrunk_limit(epochs: Judged, prior: Prior) -> float | None:
    """Return the limit between the prior's and the chosen one, by weight; the one there is where there is only one."""
    chosen, weight = chosen_limit(epochs), weight_of(len(epochs.right))
    if prior.limit is None:
        return chosen
    if chosen is None:  # nowhere are so many right: all that few epochs can say is that it is not lower
        return prior.limit if weight < 0.5 else None
    return round(weight * chosen + (1 - weight) * prior.limit, 2)


def loss(probabilities: NDArray[np.float32], expert: NDArray[np.integer]) -> float:
    """Return the mean negative logarithm of the probabilities that the expert's stages have."""
    right = probabilities[np.arange(len(expert)), expert]
    return -float(np.log(np.maximum(right.astype(np.float64), np.finfo(np.float32).tiny)).mean())


def fitted_temperature(probabilities: NDArray[np.float32], expert: NDArray[np.integer]) -> float:
    """Return the temperature at which (epoch, stage) probabilities give the expert's stages the highest likelihood."""
    from scipy.optimize import minimize_scalar

    def at(logarithm: float) -> float:
        return loss(tempered(probabilities, float(np.exp(logarithm))), expert)

    return float(np.exp(minimize_scalar(at, bounds=np.log(TEMPERATURES), method="bounded").x))


def chosen_limit(epochs: Judged) -> float | None:
    """Return the lowest limit at which `WANTED` of the epochs at it and above are right; None where there is none."""
    for limit in LIMITS:
        at = above_limit(epochs, float(limit))
        if at.share_above >= FEWEST_ABOVE and at.right_above >= WANTED:
            return float(limit)
    return None
