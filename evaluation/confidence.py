"""A model's nights → how far its confidence can be trusted, pooled and night by night."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from evaluation.nights import EvaluatedNight, Scored
from scoring.confidence import AboveLimit, Judged, Reliability, above_limit, judged, reliability, together
from scoring.staged import LOW_CONFIDENCE


@dataclass(frozen=True, eq=False)
class Confidence:
    """The confidence of one model.

    Attributes:
        label: the model's.
        nights: the epochs of each night, by name.
        pooled: all of them.
        reliability: confidence against what is right.
        limit: the mean of the nights' limits.
        at_limit: what the limits of the nights do over all epochs.
        by_night: what each night's own limit does.
    """

    label: str
    nights: Mapping[str, Judged]
    pooled: Judged
    reliability: Reliability
    limit: float
    at_limit: AboveLimit
    by_night: Mapping[str, AboveLimit]

    @property
    def worst_night(self) -> tuple[str, float]:
        """The night with the lowest share right above its limit, and that share."""
        known = {name: at.right_above for name, at in self.by_night.items() if np.isfinite(at.right_above)}
        worst = min(known, key=lambda name: known[name], default="")
        return worst, known.get(worst, float("nan"))


def confidence_of(scored: Scored) -> Confidence | None:
    """Return a model's confidence over all its nights with an expert; None for hypnograms, which have none."""
    found = {night.name: night for night in scored.with_expert() if night.probabilities is not None}
    if not found:
        return None
    nights = {name: judged_night(night) for name, night in found.items()}
    limits = {name: LOW_CONFIDENCE if night.limit is None else night.limit for name, night in found.items()}
    pooled = together(list(nights.values()))
    sure = np.concatenate([nights[name].above(limits[name]) for name in nights])
    limit = float(np.mean(list(limits.values())))
    at_limit = AboveLimit(limit, float(sure.mean()), mean_or_nan(pooled.right[sure]), mean_or_nan(pooled.right[~sure]))
    by_night = {name: above_limit(nights[name], limits[name]) for name in nights}
    return Confidence(scored.label, nights, pooled, reliability(pooled), limit, at_limit, by_night)


def judged_night(night: EvaluatedNight) -> Judged:
    assert night.probabilities is not None and night.expert is not None
    return judged(night.probabilities, night.expert)


def mean_or_nan(right: np.ndarray) -> float:
    return float(right.mean()) if len(right) else float("nan")
