"""Two models on the same nights → the difference between them, subject by subject.

With few subjects a test can say little: with n of them, the smallest two-sided p that Wilcoxon's signed ranks can give
is 2 to the power of 1 - n (0.0625 with five), however large the difference.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from command import InputError, log
from evaluation.agreement import MEASURES, scores_by_subject
from evaluation.nights import EvaluatedNight, Scored
from evaluation.resampling import interval_of_mean
from sleepstage import UNKNOWN


@dataclass(frozen=True, eq=False)
class Difference:
    """A figure of two models on the same subjects, as a share.

    Attributes:
        first, second: (subject,) the figure of each model.
        low, high: 95 % interval of the mean difference, with subjects drawn.
        p: two-sided, of Wilcoxon's signed-rank test; nan where there is nothing to test.
        p_holm: the same, corrected for all figures of this comparison (Holm 1979).
        rank_biserial: matched-pairs rank-biserial correlation (Kerby 2014), from -1 to 1: how far the ranks of the
            differences favour the first model.
        d_z: mean difference over the standard deviation of the differences (Cohen's d of pairs).
    """

    measure: str
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    low: float
    high: float
    p: float
    rank_biserial: float
    d_z: float
    p_holm: float = float("nan")

    @property
    def differences(self) -> NDArray[np.float64]:
        """(subject,) first less second."""
        return self.first - self.second


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two models on the nights that both staged: their labels, the subjects, and every figure."""

    first: str
    second: str
    subjects: tuple[str, ...]
    n_nights: int
    n_epochs: int
    differences: tuple[Difference, ...]

    @property
    def smallest_p(self) -> float:
        """The smallest two-sided p that so many subjects can give."""
        return min(1.0, 2.0 ** (1 - len(self.subjects)))


def compare(first: Scored, second: Scored) -> Comparison:
    """Compare two models on the epochs that both staged, and the expert too.

    Raises:
        InputError: they have no night in common, or the expert differs.
    """
    ours, theirs = shared_nights(first, second)
    by_subject = scores_by_subject(ours), scores_by_subject(theirs)
    subjects = tuple(by_subject[0])
    differences = []
    for measure in MEASURES:
        values = np.array([[measure.of(scores[subject]) for subject in subjects] for scores in by_subject])
        defined = np.isfinite(values).all(axis=0)  # (model, subject) -> (subject,)
        differences.append(difference(measure.name, values[0, defined], values[1, defined]))
    corrected = holm([one.p for one in differences])
    return Comparison(
        first.label,
        second.label,
        subjects,
        len(ours),
        sum(int(night.both.sum()) for night in ours),
        tuple(replace(one, p_holm=p) for one, p in zip(differences, corrected, strict=True)),
    )


def shared_nights(first: Scored, second: Scored) -> tuple[list[EvaluatedNight], list[EvaluatedNight]]:
    """Return the nights of two models that both have with an expert, each less the epochs that one did not stage."""
    theirs = {night.name: night for night in second.with_expert()}
    pairs = [(night, theirs[night.name]) for night in first.with_expert() if night.name in theirs]
    if not pairs:
        raise InputError(f"{first.label} and {second.label} have no night in common; score both on the same nights")
    n_left = len(first.with_expert()) + len(theirs) - 2 * len(pairs)
    if n_left:
        log.info("%s and %s: %d nights are of one of them only, and left out", first.label, second.label, n_left)
    ours, others = [], []
    for night, other in pairs:
        assert night.expert is not None
        if other.expert is None or not np.array_equal(night.expert, other.expert):
            raise InputError(
                f"{night.name}: the expert's stages in {first.label} are not those in {second.label}; score both on "
                "the same prepared nights"
            )
        expert = np.where(night.both & other.both, night.expert, UNKNOWN).astype(np.int32)
        if (expert != UNKNOWN).any():
            ours.append(replace(night, expert=expert))
            others.append(replace(other, expert=expert, subject=night.subject))
    return ours, others


def difference(measure: str, first: NDArray[np.float64], second: NDArray[np.float64]) -> Difference:
    """Compare (subject,) figures of two models."""
    from scipy.stats import wilcoxon

    differences = first - second
    low, high = interval_of_mean(differences)
    testable = len(differences) > 1 and bool((differences != 0).any())
    p = float(wilcoxon(differences).pvalue) if testable else float("nan")
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    d_z = float(differences.mean()) / spread if spread else float("nan")
    return Difference(measure, first, second, low, high, p, rank_biserial(differences), d_z)


def rank_biserial(differences: NDArray[np.float64]) -> float:
    """Return the share of the ranks of (subject,) differences that favours the first, less that of the second."""
    from scipy.stats import rankdata

    changed = differences[differences != 0]
    if not len(changed):
        return float("nan")
    ranks = rankdata(np.abs(changed))
    return float((ranks * np.sign(changed)).sum() / ranks.sum())


def holm(p: Sequence[float]) -> list[float]:
    """Return p corrected for their number by Holm's step-down procedure (1979); nan stays, and does not count."""
    values = np.array(p, np.float64)
    order = [int(number) for number in np.argsort(values) if np.isfinite(values[number])]  # nan sorts last
    corrected = np.full(len(values), np.nan)
    highest = 0.0
    for rank, number in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * values[number]))
        corrected[number] = highest
    return corrected.tolist()
