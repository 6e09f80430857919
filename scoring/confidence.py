"""How far the model's confidence can be trusted: does it say 80 % where 80 % of its stages are right?

Confidence is the probability of the most probable stage.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sleepstage import UNKNOWN

N_BINS = 10  # of equal width, from 0 to 1


@dataclass(frozen=True, eq=False)
class Judged:
    """Epochs that both expert and model staged.

    Attributes:
        confidence: (epoch,) the model's.
        right: (epoch,) True where its stage is the expert's.
        brier: mean over epochs of the squared distance between its probabilities and the expert's stage, 0 to 2
            (Brier 1950).
    """

    confidence: NDArray[np.float64]
    right: NDArray[np.bool_]
    brier: float

    def above(self, limit: float) -> NDArray[np.bool_]:
        """(epoch,) True at the limit and above, where the model counts as sure."""
        mask: NDArray[np.bool_] = self.confidence >= limit
        return mask


def judged(probabilities: NDArray[np.floating], expert: NDArray[np.integer]) -> Judged:
    """Judge (epoch, stage) probabilities by (epoch,) an expert's codes; epochs without either are left out.

    Raises:
        ValueError: no epoch has both.
    """
    both = np.isfinite(probabilities).all(axis=1) & (expert != UNKNOWN)
    if not both.any():
        raise ValueError("no epoch has both probabilities and an expert's stage")
    staged, codes = probabilities[both].astype(np.float64), expert[both]
    distances = ((staged - np.eye(staged.shape[1])[codes]) ** 2).sum(axis=1)
    return Judged(staged.max(axis=1), staged.argmax(axis=1) == codes, float(distances.mean()))


@dataclass(frozen=True, eq=False)
class Reliability:
    """Confidence against the share that is right.

    Attributes:
        confidence, right: (bin,) mean confidence and share right, of the bins that hold an epoch.
        counts: (bin,) epochs in them.
        error: the expected calibration error: the mean distance of the two over all epochs (Guo and others 2017).
    """

    confidence: NDArray[np.float64]
    right: NDArray[np.float64]
    counts: NDArray[np.int64]
    error: float


def reliability(epochs: Judged) -> Reliability:
    """Return confidence against the share that is right in ten bins of equal width."""
    from sklearn.calibration import calibration_curve

    right, confidence = calibration_curve(epochs.right, epochs.confidence.clip(0, 1), n_bins=N_BINS)
    inner_edges = np.linspace(0, 1, N_BINS + 1)[1:-1]  # as scikit-learn assigns them: a bin holds its upper edge
    counts = np.bincount(np.searchsorted(inner_edges, epochs.confidence))
    counts = counts[counts > 0]
    error = float((counts * np.abs(right - confidence)).sum() / counts.sum())
    return Reliability(confidence, right, counts.astype(np.int64), error)


@dataclass(frozen=True)
class AboveLimit:
    """What a limit of confidence does: the share of epochs at it or above, and how many of either side are right.

    nan for a side without an epoch.
    """

    limit: float
    share_above: float
    right_above: float
    right_below: float


def above_limit(epochs: Judged, limit: float) -> AboveLimit:
    """Return how many epochs lie above a limit, and how many of them, and of the others, are right."""
    above = epochs.above(limit)
    return AboveLimit(limit, share_of(above), share_of(epochs.right[above]), share_of(epochs.right[~above]))


def together(nights: Sequence[Judged]) -> Judged:
    """Return the epochs of several nights as one."""
    n = np.array([len(night.right) for night in nights])
    return Judged(
        np.concatenate([night.confidence for night in nights]),
        np.concatenate([night.right for night in nights]),
        float(np.average([night.brier for night in nights], weights=n)),
    )


@dataclass(frozen=True, eq=False)
class Confidence:
    """The confidence of one model over its nights.

    Attributes:
        label: the model's.
        nights: the epochs of each night, by name.
        limits: below which confidence an epoch of the night counts as unsure, by the same names.
    """

    label: str
    nights: Mapping[str, Judged]
    limits: Mapping[str, float]

    @cached_property
    def pooled(self) -> Judged:
        """The epochs of all nights."""
        return together(list(self.nights.values()))

    @cached_property
    def reliability(self) -> Reliability:
        """Confidence against what is right, over all nights."""
        return reliability(self.pooled)

    @cached_property
    def by_night(self) -> dict[str, AboveLimit]:
        """What each night's own limit does."""
        return {name: above_limit(epochs, self.limits[name]) for name, epochs in self.nights.items()}

    @cached_property
    def at_limit(self) -> AboveLimit:
        """What the nights' own limits do over all nights; `limit` is their mean."""
        sure = np.concatenate([epochs.above(self.limits[name]) for name, epochs in self.nights.items()])
        limit = float(np.mean([self.limits[name] for name in self.nights]))
        right = self.pooled.right
        return AboveLimit(limit, float(sure.mean()), share_of(right[sure]), share_of(right[~sure]))

    @property
    def worst_night(self) -> tuple[str, float]:
        """The night with the lowest share right above its limit, and that share; "" and nan where there is none."""
        known = {name: at.right_above for name, at in self.by_night.items() if np.isfinite(at.right_above)}
        worst = min(known, key=lambda name: known[name], default="")
        return worst, known.get(worst, float("nan"))

    def in_words(self) -> str:
        """Return how far confidence can be trusted, as a sentence."""
        at, (worst, right) = self.at_limit, self.worst_night
        said = f"calibration error {100 * self.reliability.error:.1f} %; {100 * at.share_above:.1f} % of the epochs "
        if not worst:
            return f"{said}are at the limit ({at.limit:.2f}) or above"
        return (
            f"{said}are at the limit ({at.limit:.2f}) or above, {100 * at.right_above:.1f} % of them right; "
            f"least in {worst}, {100 * right:.1f} %"
        )


def share_of(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else float("nan")
