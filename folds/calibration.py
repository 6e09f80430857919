"""What makes a fold's confidence mean what it says: a temperature and a limit, found on validation nights.

A temperature T turns probabilities p into p^(1/T), normalised, as if the network's logits were divided by T (Guo,
Pleiss, Sun and Weinberger 2017, "On calibration of modern neural networks"). It moves no epoch to another stage.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from command import InputError, counted
from files.forms import Form, check_forms, is_count, is_flag, is_number, is_text, list_of, or_none
from files.reading import load_json, readable
from files.writing import save_json
from folds.folders import CALIBRATION

SMALLEST = np.finfo(np.float32).tiny  # a probability of 0 has no logarithm
FORMS: dict[str, Form] = {
    **dict.fromkeys(("temperature", "wanted", "share_above", "error_before", "error_after"), is_number),
    "limit": or_none(is_number),
    "nights": list_of(is_text),
    "n_epochs": is_count,
    "sha256": is_text,
}
"""What each value of a calibration.json must be."""
LATER: dict[str, Form] = {"of_first_weights": is_flag}
"""And of those that older ones do not have."""
REMEDY = "delete it, or calibrate the fold again with convert.py --calibrate_on"


@dataclass(frozen=True)
class Calibration:
    """What a fold's validation nights say of its confidence.

    Attributes:
        temperature: above 1 where the network was too sure.
        limit: the lowest confidence at which, and above which, `wanted` of the epochs are right; None where there is
            no such limit.
        wanted: that share.
        share_above: the share of the epochs that is at the limit or above.
        nights: the names of the nights.
        n_epochs: in them.
        error_before: the expected calibration error on them with the first weights' temperature (1 for drawn weights).
        error_after: with this one, each night at the temperature that the others give.
        sha256: of the file that holds the weights.
        of_first_weights: True where temperature and limit are those of the first weights, which were no worse.
    """

    temperature: float
    limit: float | None
    wanted: float
    share_above: float
    nights: Sequence[str]
    n_epochs: int
    error_before: float
    error_after: float
    sha256: str
    of_first_weights: bool = False

    def __post_init__(self) -> None:
        if not self.temperature > 0 or not (self.limit is None or 0 <= self.limit <= 1):
            raise ValueError(f"temperature {self.temperature!r}, limit {self.limit!r}")

    def in_words(self) -> str:
        """Return what was found, as one line."""
        limit = (
            f"from confidence {self.limit:.2f} on, {100 * self.wanted:.0f} % are right "
            f"({100 * self.share_above:.0f} % of the epochs)"
            if self.limit is not None
            else f"at no confidence are {100 * self.wanted:.0f} % right"
        )
        nights = f"{counted(len(self.nights), 'validation night')} ({counted(self.n_epochs, 'epoch')})"
        if self.of_first_weights:
            return (
                f"confidence: {nights} made it no better, so the first weights' calibration is kept: temperature "
                f"{self.temperature:.2f}, calibration error {100 * self.error_before:.1f} %; {limit}"
            )
        return (
            f"confidence: temperature {self.temperature:.2f} on {nights}; calibration error "
            f"{100 * self.error_before:.1f} % before, {100 * self.error_after:.1f} % after (cross-validated); {limit}"
        )


def tempered(probabilities: NDArray[np.float32], temperature: float) -> NDArray[np.float32]:
    """Return (epoch, stage) probabilities at a temperature; nan stays nan, and 1 changes nothing."""
    if temperature == 1:
        return probabilities
    logits = np.log(np.maximum(probabilities.astype(np.float64), SMALLEST)) / temperature
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    changed: NDArray[np.float32] = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return changed


def save_calibration(folder: Path, calibration: Calibration) -> None:
    """Write a fold's calibration.json, whole or not at all."""
    save_json(folder / CALIBRATION, asdict(calibration))


def load_calibration(folder: Path, sha256: str) -> Calibration | None:
    """Read a fold's calibration.json; None where there is none, as in folds of before there was such a thing.

    Args:
        folder: the fold's.
        sha256: of the file that holds its weights.

    Raises:
        InputError: it is damaged, or of other weights.
    """
    path = folder / CALIBRATION
    if not path.exists():
        return None
    stored = load_json(path, REMEDY)
    with readable(path, "the calibration of a fold", REMEDY):
        check_forms(stored, FORMS)
        check_forms(stored, LATER, all_needed=False)
        found = Calibration(**{name: stored[name] for name in (*FORMS, *LATER) if name in stored})
    if found.sha256 != sha256:
        raise InputError(f"{path}: it is of other weights than those beside it; {REMEDY}")
    return found
