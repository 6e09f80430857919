"""How a night adapts the network: its features are moved towards those of the nights that the weights were trained on.

The 256 features that the LSTM reads depend on the electrode, the recorder and the person. Those of a whole night are
shifted and scaled by a share of what would bring each to the mean and the spread that it has on training nights (Li and
others 2016, "Revisiting batch normalization for practical domain adaptation"). No stage is needed for that. What is
done is folded into a copy of the LSTM's weights, which reads the features as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files.arrays import Arrays
from files.forms import Form, check_forms, is_count, is_number, is_text, list_of
from files.reading import load_json, readable
from files.writing import save_json

FILE = "features.json"
REMEDY = "delete it, or measure the features again with convert.py --features_on"

SHARE = 0.25
"""Of the way to the mean and the spread of training nights.

Of 0, 0.25 and 0.5, with the weights of 2026-12 and of those before, on a night of UCDDB, four half hours of DREAMS, two
hours of Sleep-EDF, and 25 % has the best kappa, or loses less than 0.02, on each of them; with a recorder's high-pass
at 1 Hz the first gains 0.1. Half is better for the half hours, and worse for the two hours, which are mostly wake.
"""

WHOLE_SHARE_EPOCHS = 60
"""Recordings of fewer epochs get a smaller share: the fewer, the more their stages decide on mean and spread."""

LARGEST_SCALE = 4.0
"""By which a feature is scaled at most: one that hardly moves in a night says little there, and would be noise."""

READERS = ("lstm_0", "lstm_back")  # the LSTMs that read the features; the second only of some networks


@dataclass(frozen=True)
class Features:
    """What the features of a fold's training nights are.

    Attributes:
        mean, spread: (feature,) the mean over nights of a night's mean, and the root mean square of its standard
            deviations.
        share: how far a night is moved towards them.
        nights: the names of the nights.
        n_epochs: in them.
        sha256: of the file that holds the weights.
    """

    mean: Sequence[float]
    spread: Sequence[float]
    share: float
    nights: Sequence[str]
    n_epochs: int
    sha256: str

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.spread) or not 0 <= self.share <= 1:
            raise ValueError(f"{len(self.mean)} means, {len(self.spread)} spreads, share {self.share!r}")

    def share_of(self, n_epochs: int) -> float:
        """Return how far a recording of so many epochs is moved."""
        return self.share * min(1.0, n_epochs / WHOLE_SHARE_EPOCHS)

    def change(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return by what a recording's features are to be multiplied, and what is then added: (feature,) both.

        Args:
            features: of all its epochs that can be scored, (epoch, feature).
        """
        share, mean, spread = self.share_of(len(features)), np.array(self.mean), np.array(self.spread)
        own_mean, own_spread = features.mean(axis=0, dtype=np.float64), features.std(axis=0, dtype=np.float64)
        whole = spread / np.maximum(np.maximum(own_spread, spread / LARGEST_SCALE), np.finfo(np.float32).tiny)
        scale = 1 + share * (whole - 1)
        return scale, share * (mean - own_mean * whole)


def adapted(weights: Mapping[str, NDArray[Any]], scale: NDArray[Any], shift: NDArray[Any]) -> Arrays:
    """Return the weights of the network that reads scale · features + shift where this one reads the features."""
    values = dict(weights)
    for name in READERS:
        if f"{name}/kernel" in values:
            kernel, bias = (values[f"{name}/{part}"].astype(np.float64) for part in ("kernel", "bias"))
            of_features = kernel[: len(scale)]  # (feature and unit, gate): a view
            bias += shift @ of_features
            of_features *= scale[:, np.newaxis]
            values[f"{name}/kernel"], values[f"{name}/bias"] = kernel.astype(np.float32), bias.astype(np.float32)
    return values


def measured(nights: Mapping[str, NDArray[np.float32]], sha256: str, share: float = SHARE) -> Features:
    """Return what the features of some nights are, (epoch, feature) each by the night's name."""
    if not nights:
        raise ValueError("no training nights to measure the features on")
    means = [x.mean(axis=0, dtype=np.float64) for x in nights.values()]
    variances = [x.var(axis=0, dtype=np.float64) for x in nights.values()]
    mean, spread = np.mean(means, axis=0), np.sqrt(np.mean(variances, axis=0))
    mean_5, spread_5 = ([float(f"{value:.5g}") for value in values] for values in (mean, spread))
    return Features(mean_5, spread_5, share, tuple(nights), sum(map(len, nights.values())), sha256)


# ---- features.json ----

FORMS: dict[str, Form] = {
    "mean": list_of(is_number),
    "spread": list_of(is_number),
    "share": is_number,
    "nights": list_of(is_text),
    "n_epochs": is_count,
    "sha256": is_text,
}
"""What each value of a features.json must be."""


def save_features(folder: Path, features: Features) -> None:
    save_json(folder / FILE, asdict(features))


def load_features(folder: Path, sha256: str) -> Features | None:
    """Read a fold's features.json; None where there is none: then no night adapts the network.

    Args:
        folder: of the fold.
        sha256: of the file that holds its weights.

    Raises:
        InputError: it is damaged, or of other weights.
    """
    path = folder / FILE
    if not path.exists():
        return None
    stored = load_json(path, REMEDY)
    with readable(path, "the features of training nights", REMEDY):
        check_forms(stored, FORMS)
        features = Features(**{name: stored[name] for name in FORMS})
    if features.sha256 != sha256:
        raise InputError(f"{path}: it is of other weights than those beside it; {REMEDY}")
    return features
