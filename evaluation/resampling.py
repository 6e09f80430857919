"""Intervals by drawing subjects: the nights of one person are not independent of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
SEED = 0  # the intervals are the same each time

Interval = tuple[float, float]
Figures = Callable[[NDArray[Any], int], NDArray[np.float64]]

NO_INTERVAL: Interval = (float("nan"), float("nan"))


def interval_of_mean(values: NDArray[np.float64]) -> Interval:
    """Return the 95 % percentile interval of the mean of (subject,) values; nan with fewer than two.

    Percentiles for the reason that `scoring.metrics.intervals` gives.
    """
    return intervals(lambda drawn, axis: values[drawn.astype(np.intp)].mean(axis=axis)[np.newaxis], 1, len(values))[0]


def intervals(figures: Figures, n_figures: int, n_subjects: int) -> list[Interval]:
    """Return the 95 % percentile intervals of some figures when subjects are drawn with replacement.

    Args:
        figures: (…, drawn subject) numbers of subjects, and the axis of the drawn → (figure, …).
        n_figures: how many it returns.
        n_subjects: how many there are; with fewer than two, all limits are nan.
    """
    from scipy.stats import bootstrap

    if n_subjects < 2:
        return [NO_INTERVAL] * n_figures
    limits = bootstrap(
        (np.arange(n_subjects),),
        figures,
        vectorized=True,
        axis=-1,
        n_resamples=RESAMPLES,
        batch=1000,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return [(float(low), float(high)) for low, high in zip(limits.low, limits.high, strict=True)]
