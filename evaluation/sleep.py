"""Model and expert → how far their sleep statistics differ: bias and limits of agreement (Bland and Altman 1986)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from evaluation.nights import EvaluatedNight
from evaluation.resampling import intervals
from scoring.sleepstats import Statistics, sleep_statistics
from sleepstage import UNKNOWN

STATISTICS = {
    "TST_min": "Total sleep time (min)",
    "SE_percent": "Sleep efficiency (%)",
    "SOL_min": "Sleep onset latency (min)",
    "WASO_min": "Wake after sleep onset (min)",
    "REM_latency_min": "REM latency (min)",
    "N1_min": "N1 (min)",
    "N2_min": "N2 (min)",
    "N3_min": "N3 (min)",
    "REM_min": "REM (min)",
}
Z = 1.96  # 95 % of a normal distribution lie within so many standard deviations


@dataclass(frozen=True, eq=False)
class BlandAltman:
    """A sleep statistic of model and expert over nights.

    Attributes:
        statistic: its name.
        model, expert: (night,) its values, of the nights in which both have one.
        subjects: (night,) numbers of the subjects.
        intervals: of `bias`, `lower` and `upper`, 95 %, with subjects drawn.
    """

    statistic: str
    model: NDArray[np.float64]
    expert: NDArray[np.float64]
    subjects: NDArray[np.intp]
    intervals: dict[str, tuple[float, float]]

    @property
    def differences(self) -> NDArray[np.float64]:
        """(night,) model less expert."""
        return self.model - self.expert

    @property
    def means(self) -> NDArray[np.float64]:
        """(night,) the mean of both."""
        return (self.model + self.expert) / 2

    @property
    def limits(self) -> dict[str, float]:
        """The bias, the standard deviation of the differences, and the limits of agreement."""
        bias, sd, lower, upper = limits_of(self.differences)
        return {"bias": float(bias), "sd": float(sd), "lower": float(lower), "upper": float(upper)}


def limits_of(differences: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Return bias, standard deviation, and lower and upper limit of agreement along the last axis."""
    bias = differences.mean(axis=-1)
    n = differences.shape[-1]
    sd = differences.std(axis=-1, ddof=1) if n > 1 else np.full(np.shape(bias), np.nan)
    return bias, sd, bias - Z * sd, bias + Z * sd


def statistics_of(nights: Sequence[EvaluatedNight]) -> list[tuple[EvaluatedNight, Statistics, Statistics]]:
    """Return the sleep statistics of model and expert for each night, over the epochs that both staged.

    An epoch that one of them did not stage is unscored in both, so that no difference comes from it.
    """
    found = []
    for night in nights:
        assert night.expert is not None
        model, expert = (np.where(night.both, stages, UNKNOWN) for stages in (night.stages, night.expert))
        found.append((night, sleep_statistics(model), sleep_statistics(expert)))
    return found


def bland_altman(nights: Sequence[EvaluatedNight]) -> list[BlandAltman]:
    """Return bias and limits of agreement of each statistic that model and expert have in some night.

    The limits are over nights; their intervals come from drawing subjects with all their nights.
    """
    found = statistics_of(nights)
    numbers = {subject: number for number, subject in enumerate(dict.fromkeys(night.subject for night in nights))}
    results = []
    for name in STATISTICS:
        both = [
            (model[name], expert[name], numbers[night.subject])
            for night, model, expert in found
            if model[name] is not None and expert[name] is not None
        ]
        if both:
            table = np.array(both, np.float64)  # (night, model expert subject)
            subjects = table[:, 2].astype(np.intp)
            limits = intervals_of(table[:, 0] - table[:, 1], subjects)
            results.append(BlandAltman(name, table[:, 0], table[:, 1], subjects, limits))
    return results


def intervals_of(differences: NDArray[np.float64], subjects: NDArray[np.intp]) -> dict[str, tuple[float, float]]:
    """Return the 95 % intervals of bias and limits, with subjects drawn.

    Sums over the nights of a subject are enough for a mean and a standard deviation, so all resamples are computed at
    once.
    """
    present = np.unique(subjects)
    counts, sums, squares = (
        np.array([(differences[subjects == one] ** power).sum() for one in present]) for power in (0, 1, 2)
    )

    def figures(drawn: NDArray[Any], axis: int) -> NDArray[np.float64]:
        chosen = drawn.astype(np.intp)
        n, total, square = (sums_of[chosen].sum(axis=axis) for sums_of in (counts, sums, squares))
        bias = total / n
        sd = np.sqrt(np.maximum(square - n * bias**2, 0) / np.maximum(n - 1, 1))
        return np.stack([bias, bias - Z * sd, bias + Z * sd])

    return dict(zip(("bias", "lower", "upper"), intervals(figures, 3, len(present)), strict=True))
