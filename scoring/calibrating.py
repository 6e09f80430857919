"""A fold's validation nights → its temperature and its limit of confidence.

The validation nights chose the pass that was kept, so what they say is a little too good. Test nights say how far it
holds: evaluate.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data import Night
from folds.calibration import Calibration, tempered
from scoring.confidence import Judged, above_limit, judged, reliability
from sleepstage import UNKNOWN

if TYPE_CHECKING:
    from model import Stager

WANTED = 0.9
"""The share of right epochs that the limit is chosen for. Two experts agree on about 83 % of the epochs (Rosenberg and
Van Hout 2013), so nine in ten is more than a second expert would confirm."""

FEWEST_ABOVE = 0.05  # of the epochs; a limit that leaves fewer is a limit by chance
LIMITS = np.arange(20, 100) / 100  # a fifth is the least that the most probable of five stages can have
TEMPERATURES = (0.05, 20.0)  # where one is looked for
DIGITS = 4  # of what is kept; more are not known


def calibrate(stager: Stager, nights: Iterable[Night], sha256: str) -> Calibration:
    """Return what validation nights say of the network in `stager`.

    Args:
        stager: has the fold's weights.
        nights: the fold's validation nights.
        sha256: of the file that holds the weights.

    Raises:
        ValueError: there are no nights.
    """
    staged = [(night.name, probabilities_of(stager, night), night.expert) for night in nights]
    if not staged:
        raise ValueError("no validation nights to calibrate on")
    probabilities = np.concatenate([one for _, one, _ in staged])
    expert = np.concatenate([one for _, _, one in staged])
    probabilities, expert = probabilities[expert != UNKNOWN], expert[expert != UNKNOWN]
    temperature = round(fitted_temperature(probabilities, expert), DIGITS)
    before, after = judged(probabilities, expert), judged(tempered(probabilities, temperature), expert)
    limit = chosen_limit(after)
    return Calibration(
        temperature=temperature,
        limit=limit,
        wanted=WANTED,
        share_above=0.0 if limit is None else round(above_limit(after, limit).share_above, DIGITS),
        nights=tuple(dict.fromkeys(name for name, _, _ in staged)),
        n_epochs=len(expert),
        error_before=round(reliability(before).error, DIGITS),
        error_after=round(reliability(after).error, DIGITS),
        sha256=sha256,
    )


def probabilities_of(stager: Stager, night: Night) -> NDArray[np.float32]:
    """Return (epoch, stage) probabilities of a prepared night, each stretch between gaps by itself, and only of the
    stages that its scorer marked."""
    return night.among_known(np.concatenate([stager.probabilities(part.x) for part in night.stretches()]))


def fitted_temperature(probabilities: NDArray[np.float32], expert: NDArray[np.integer]) -> float:
    """Return the temperature at which (epoch, stage) probabilities give the expert's stages the highest likelihood."""
    from scipy.optimize import minimize_scalar

    def loss(logarithm: float) -> float:
        right = tempered(probabilities, float(np.exp(logarithm)))[np.arange(len(expert)), expert]
        return -float(np.log(np.maximum(right.astype(np.float64), np.finfo(np.float32).tiny)).mean())

    return float(np.exp(minimize_scalar(loss, bounds=np.log(TEMPERATURES), method="bounded").x))


def chosen_limit(epochs: Judged) -> float | None:
    """Return the lowest limit at which `WANTED` of the epochs at it and above are right; None where there is none."""
    for limit in LIMITS:
        at = above_limit(epochs, float(limit))
        if at.share_above >= FEWEST_ABOVE and at.right_above >= WANTED:
            return float(limit)
    return None
