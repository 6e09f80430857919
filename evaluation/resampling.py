"""Intervals by drawing subjects: the nights of one person are not independent of each other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 10_000
SEED = 0  # the intervals are the same each time

NO_INTERVAL = (float("nan"), float("nan"))


def interval_of_mean(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % percentile interval of the mean of (subject,) values; nan with fewer than two.

    Percentiles for the reason that `scoring.metrics.intervals` gives.
    """
    return interval(lambda drawn, axis: values[drawn.astype(np.intp)].mean(axis=axis), len(values))


def interval(figure: Callable[[NDArray[Any], int], NDArray[np.float64]], n_subjects: int) -> tuple[float, float]:
    """Return the 95 % percentile interval of a figure when subjects are drawn with replacement.

    Args:
        figure: (…, drawn subject) numbers of subjects, and the axis of the drawn → (…) the figure.
        n_subjects: how many there are; with fewer than two, both limits are nan.
    """
    from scipy.stats import bootstrap

    if n_subjects < 2:
        return NO_INTERVAL
    limits = bootstrap(
        (np.arange(n_subjects),),
        lambda drawn, axis: figure(drawn, axis),
        vectorized=True,
        axis=-1,
        n_resamples=RESAMPLES,
        batch=1000,
        method="percentile",
        rng=np.random.default_rng(SEED),
    ).confidence_interval
    return float(limits.low), float(limits.high)
