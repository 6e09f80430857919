"""Two hypnograms → numbers: agreement of an expert and a model, its intervals, its tables.

Every figure comes from a confusion matrix of counts, so nights, subjects and folds are pooled by adding matrices.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sleepstage import STAGE_NAMES, STAGES

N_STAGES = len(STAGES)
POOLED = ("accuracy", "macro_f1", "kappa")
"""The figures of a whole confusion matrix, in the order in which they are reported."""
F1 = tuple(f"f1_{name}" for name in STAGE_NAMES)

Interval = tuple[float, float]


# ---- one confusion matrix ----


@dataclass(frozen=True, eq=False)
class Scores:
    """Agreement of an expert's and a model's stages.

    Attributes:
        confusion: (expert stage, model stage) int64, epochs.
        n_epochs: epochs scored.
        accuracy: share of epochs with the expert's stage.
        macro_f1: mean F1 over the stages that occur in either hypnogram, scikit-learn's `average="macro"`.
        kappa: Cohen's kappa; nan where both hypnograms hold one and the same stage, for which it is undefined.
        precision, recall, f1: (stage,) float64; nan for a stage that occurs in neither hypnogram. As in scikit-learn,
            precision is 0 for a stage that only the expert used, recall is 0 for one that only the model used.
        support: (stage,) int64, the expert's epochs.
    """

    confusion: NDArray[np.int64]
    n_epochs: int
    accuracy: float
    macro_f1: float
    kappa: float
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    f1: NDArray[np.float64]
    support: NDArray[np.int64]


def scores(expert: ArrayLike, model: ArrayLike) -> Scores:
    """Compare two hypnograms.

    Args:
        expert: (epoch,) stage codes, 0 to 4.
        model: (epoch,) stage codes, 0 to 4, of the same epochs.

    Raises:
        ValueError: the lengths differ, there are no epochs, or a code is no stage.
    """
    return from_confusion(count_confusion(expert, model))


def count_confusion(expert: ArrayLike, model: ArrayLike) -> NDArray[np.int64]:
    """Return the confusion matrix of two hypnograms: (expert stage, model stage), epochs.

    Raises:
        ValueError: as `scores`.
    """
    expert, model = checked_hypnogram("expert", expert), checked_hypnogram("model", model)
    if len(expert) != len(model):
        raise ValueError(f"{len(expert)} epochs staged by the expert, {len(model)} by the model; they must be the same")
    pairs = np.bincount(N_STAGES * expert + model, minlength=N_STAGES**2)
    return pairs.reshape(N_STAGES, N_STAGES).astype(np.int64)  # (expert · model,) -> (expert, model)


def checked_hypnogram(whose: str, stages: ArrayLike) -> NDArray[np.int64]:
    """Return (epoch,) stage codes; raise ValueError unless each is a stage."""
    hypnogram = np.asarray(stages)
    if hypnogram.ndim != 1 or hypnogram.size == 0 or not np.issubdtype(hypnogram.dtype, np.integer):
        raise ValueError(
            f"{whose}: {hypnogram.dtype} of shape {hypnogram.shape}; a hypnogram is one or more whole numbers, (epoch,)"
        )
    # Such an epoch would count as another pair of stages without a word.
    bad = np.flatnonzero((hypnogram < 0) | (hypnogram >= N_STAGES))
    if len(bad):
        raise ValueError(f"{whose}: stage {hypnogram[bad[0]]} at epoch {bad[0]}; stages are 0 to {N_STAGES - 1}")
    return hypnogram.astype(np.int64)


def from_confusion(confusion: ArrayLike) -> Scores:
    """Derive every figure from a confusion matrix.

    Args:
        confusion: (expert stage, model stage) epochs, whole numbers.

    Raises:
        ValueError: not such a matrix, or no epoch in it.
    """
    given = np.asarray(confusion)
    counts = given.astype(np.int64)  # a copy: a caller that goes on adding does not change these scores
    if counts.shape != (N_STAGES, N_STAGES) or (counts < 0).any() or (counts != given).any():
        raise ValueError(f"a confusion matrix is {N_STAGES} × {N_STAGES} whole numbers from 0, not {given!r}")
    if not counts.any():
        raise ValueError("no epochs to score")
    counts.setflags(write=False)
    agreed, by_expert, by_model = margins(counts)
    occurs = by_expert + by_model > 0
    return Scores(
        confusion=counts,
        n_epochs=int(counts.sum()),
        accuracy=float(accuracy_of(counts)),
        macro_f1=float(macro_f1_of(counts)),
        kappa=float(kappa_of(counts)),
        precision=np.where(occurs, agreed / np.maximum(by_model, 1), np.nan),
        recall=np.where(occurs, agreed / np.maximum(by_expert, 1), np.nan),
        f1=f1_of(counts),
        support=by_expert,
    )


# The figures themselves, over any number of leading axes, so that the bootstrap computes all its resamples at once.


def margins(confusion: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """(…, expert, model) -> three times (…, stage): epochs agreed, by the expert, by the model."""
    return np.diagonal(confusion, axis1=-2, axis2=-1), confusion.sum(axis=-1), confusion.sum(axis=-2)


def accuracy_of(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    agreed, by_expert, _ = margins(confusion)
    return quotient(agreed.sum(axis=-1), by_expert.sum(axis=-1))


def f1_of(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """(…, expert, model) -> (…, stage): harmonic mean of precision and recall, nan for a stage that does not occur."""
    agreed, by_expert, by_model = margins(confusion)
    return quotient(2 * agreed, by_expert + by_model)


def macro_f1_of(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    f1 = f1_of(confusion)
    return quotient(np.nansum(f1, axis=-1), np.isfinite(f1).sum(axis=-1))


def kappa_of(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Cohen's kappa (Cohen 1960): the agreement beyond chance, as a share of what was possible beyond chance."""
    agreed, by_expert, by_model = margins(confusion)
    n = by_expert.sum(axis=-1)
    by_chance = (by_expert * by_model).sum(axis=-1)  # times n², which keeps whole numbers whole
    return quotient(n * agreed.sum(axis=-1) - by_chance, n * n - by_chance)


def quotient(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
    """Return part / whole, nan where whole is 0."""
    result = np.full(np.shape(whole), np.nan)
    np.divide(part, whole, out=result, where=np.asarray(whole) > 0)
    return result


# ---- many nights ----


def pooled(scored: Iterable[Scores]) -> Scores:
    """Return the scores over all epochs of all nights.

    Raises:
        ValueError: there are no nights.
    """
    return from_confusion(sum((one.confusion for one in scored), np.zeros((N_STAGES, N_STAGES), np.int64)))


def intervals(
    confusions: Mapping[Any, ArrayLike], *, seed: int, n_resamples: int = 10_000
) -> dict[str, Interval] | None:
    """Return 95 % bootstrap intervals of accuracy, macro-F1, kappa and the F1 of each stage, pooled over all epochs.

    Whole subjects are drawn with replacement, because the epochs of one person are not independent of each other. The
    limits are percentiles of the resamples. BCa would correct them for bias and skew, but it takes that correction from
    leaving out one subject at a time: with the handful of subjects of a few folds it is itself mostly noise, and
    undefined when subjects are alike. Percentiles are always there, and lie inside the range that the figure can take.

    Args:
        confusions: the confusion matrix of each subject, over all its nights.
        seed: of the resampling; the same seed gives the same limits.
        n_resamples: how often the subjects are drawn.

    Returns:
        Lower and upper limit by the figure's name, those of `POOLED` and `f1_W`, …; None with fewer than two subjects,
        of which nothing can be said. Limits are nan where some resample has no value (kappa, if subjects hold a single
        stage).
    """
    from scipy.stats import bootstrap

    if len(confusions) < 2:
        return None
    subjects = np.stack([np.asarray(confusion, np.int64) for confusion in confusions.values()])  # (subject, 5, 5)

    def figures(drawn: NDArray[Any], axis: int) -> NDArray[np.float64]:
        assert axis == -1, "scipy.stats.bootstrap puts the subjects of a resample last"
        total = subjects[drawn.astype(np.intp)].sum(axis=-3)  # (…, resample, subject, 5, 5) -> (…, resample, 5, 5)
        by_stage = np.moveaxis(f1_of(total), -1, 0)  # (…, resample, stage) -> (stage, …, resample)
        return np.stack([accuracy_of(total), macro_f1_of(total), kappa_of(total), *by_stage])

    limits = bootstrap(
        (np.arange(len(subjects)),),
        figures,
        vectorized=True,
        axis=-1,
        n_resamples=n_resamples,
        batch=1000,  # 16 MB of matrices at a time with 80 subjects
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    names = (*POOLED, *F1)
    return {name: (float(low), float(high)) for name, low, high in zip(names, limits.low, limits.high, strict=True)}


# ---- for files and for reading ----


def as_json(figures: Scores, limits: Mapping[str, Interval] | None = None) -> dict[str, Any]:
    """Return plain numbers, lists and strings, ready for `json.dump`: nan becomes None (null)."""
    stages = {
        name: {
            "precision": plain(figures.precision[code]),
            "recall": plain(figures.recall[code]),
            "f1": plain(figures.f1[code]),
            "epochs": int(figures.support[code]),
        }
        for code, name in enumerate(STAGE_NAMES)
    }
    return {
        "epochs": figures.n_epochs,
        **{name: plain(getattr(figures, name)) for name in POOLED},
        "intervals_95": limits and {name: [plain(limit) for limit in interval] for name, interval in limits.items()},
        "stages": stages,
        "stage_order": list(STAGE_NAMES),
        "confusion_expert_by_model": figures.confusion.tolist(),
    }


def plain(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def as_text(figures: Scores, limits: Mapping[str, Interval] | None = None) -> str:
    """Return the pooled figures, the figures of each stage and the confusion matrix as aligned plain text."""
    return "\n\n".join(
        "\n".join(part) for part in (pooled_lines(figures, limits), stage_lines(figures), confusion_lines(figures))
    )


def pooled_lines(figures: Scores, limits: Mapping[str, Interval] | None) -> list[str]:
    """Return accuracy, macro-F1 and kappa, each with its interval if there is one."""
    lines = []
    for name, label, scale, digits, unit in (
        ("accuracy", "Accuracy", 100, 1, " %"),
        ("macro_f1", "Macro-F1", 100, 1, " %"),
        ("kappa", "Kappa", 1, 3, ""),
    ):
        line = f"{label:<8}  {number(getattr(figures, name) * scale, 5, digits)}{unit}"
        if limits is not None:
            low, high = (number(limit * scale, 0, digits) for limit in limits[name])
            line = f"{line:<17}  95 % interval over subjects {low} to {high}{unit}"
        lines.append(line)
    return lines


def stage_lines(figures: Scores) -> list[str]:
    lines = ["Stage  precision %  recall %   F1 %   epochs"]
    for code, name in enumerate(STAGE_NAMES):
        precision, recall, f1 = (100 * values[code] for values in (figures.precision, figures.recall, figures.f1))
        lines.append(
            f"{name:<5}  {number(precision, 11)}  {number(recall, 8)}  {number(f1, 5)}  {figures.support[code]:7,}"
        )
    return [*lines, f"{'all':<5}  {'':11}  {'':8}  {number(100 * figures.macro_f1, 5)}  {figures.n_epochs:7,}"]


def confusion_lines(figures: Scores) -> list[str]:
    """Return the confusion matrix as aligned lines."""
    width = max(5, len(f"{figures.confusion.max():,}"))
    return [
        "Epochs by stage; row: expert, column: model",
        aligned("", STAGE_NAMES, width),
        *(
            aligned(name, [f"{count:,}" for count in row], width)
            for name, row in zip(STAGE_NAMES, figures.confusion, strict=True)
        ),
    ]


def aligned(name: str, cells: Sequence[str], width: int) -> str:
    return f"{name:<5}" + "".join(f"  {cell:>{width}}" for cell in cells)


def in_words(figures: Scores) -> str:
    """Return accuracy, macro-F1 and kappa as part of a sentence."""
    kappa = number(figures.kappa, 0, 3)
    return f"accuracy {100 * figures.accuracy:.1f} %, macro-F1 {100 * figures.macro_f1:.1f} %, kappa {kappa}"


def number(value: float, width: int, digits: int = 1) -> str:
    """Return a rounded number, right-aligned; a dash where there is none."""
    return f"{value:{width}.{digits}f}" if math.isfinite(value) else f"{'–':>{width}}"
