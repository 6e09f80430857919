"""Nights → agreement with the expert: of each night, of each subject, and over subjects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from evaluation.nights import EvaluatedNight
from evaluation.resampling import NO_INTERVAL, SEED
from scoring import metrics
from scoring.metrics import Scores
from sleepstage import STAGE_NAMES


@dataclass(frozen=True)
class Measure:
    """A figure of agreement: what it is called, what it is multiplied by for people, and its decimals then."""

    name: str
    label: str
    scale: float
    digits: int

    def of(self, scores: Scores) -> float:
        """Return the figure, as a share."""
        if self.name.startswith("f1_"):
            return float(scores.f1[STAGE_NAMES.index(self.name.removeprefix("f1_"))])
        return float(getattr(scores, self.name))


MEASURES = (
    Measure("accuracy", "Accuracy (%)", 100, 1),
    Measure("macro_f1", "Macro-F1 (%)", 100, 1),
    Measure("kappa", "Kappa", 1, 3),
    *(Measure(f"f1_{name}", f"F1 {name} (%)", 100, 1) for name in STAGE_NAMES),
)


def scores_of_night(night: EvaluatedNight) -> Scores:
    """Return the agreement of a night over the epochs that both staged."""
    assert night.expert is not None
    return metrics.scores(night.expert[night.both], night.stages[night.both])


def scores_by_subject(nights: Iterable[EvaluatedNight]) -> dict[str, Scores]:
    """Return the agreement of each subject over all epochs of all its nights."""
    scored: dict[str, list[Scores]] = {}
    for night in nights:
        scored.setdefault(night.subject, []).append(scores_of_night(night))
    return {subject: metrics.pooled(of_subject) for subject, of_subject in scored.items()}


@dataclass(frozen=True)
class OverSubjects:
    """A figure over subjects, as a share; nan where there are too few. `low`, `high`: 95 % of the pooled figure."""

    n_subjects: int
    mean: float
    sd: float
    median: float
    quartile_1: float
    quartile_3: float
    lowest: float
    highest: float
    pooled: float
    low: float
    high: float


def over_subjects(subjects: Mapping[str, Scores]) -> dict[str, OverSubjects]:
    """Return each figure, by its name, over subjects, each of which counts once, and over all epochs of all of them.

    A subject for whom a figure is undefined (a stage that neither used) does not count.
    """
    limits = metrics.intervals({number: scores.confusion for number, scores in enumerate(subjects.values())}, seed=SEED)
    return {
        measure.name: over_values(measure, subjects, limits[measure.name] if limits else NO_INTERVAL)
        for measure in MEASURES
    }


def over_values(measure: Measure, subjects: Mapping[str, Scores], limits: metrics.Interval) -> OverSubjects:
    """Return one figure over subjects; `limits` are those of the pooled figure."""
    every = np.array([measure.of(scores) for scores in subjects.values()])
    values = every[np.isfinite(every)]
    nan = float("nan")
    pooled = measure.of(metrics.pooled(subjects.values()))
    if not len(values):
        return OverSubjects(0, nan, nan, nan, nan, nan, nan, nan, pooled, *limits)
    quartiles = np.quantile(values, (0.25, 0.5, 0.75))
    sd = float(values.std(ddof=1)) if len(values) > 1 else float("nan")
    return OverSubjects(
        n_subjects=len(values),
        mean=float(values.mean()),
        sd=sd,
        median=float(quartiles[1]),
        quartile_1=float(quartiles[0]),
        quartile_3=float(quartiles[2]),
        lowest=float(values.min()),
        highest=float(values.max()),
        pooled=pooled,
        low=limits[0],
        high=limits[1],
    )


def f1_of_nights(nights: Sequence[EvaluatedNight]) -> NDArray[np.float64]:
    """Return (night, stage) F1; nan for a stage that neither used in that night."""
    return np.array([scores_of_night(night).f1 for night in nights]).reshape(-1, len(STAGE_NAMES))
