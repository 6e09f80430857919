"""Prepared nights → staged nights: the test nights of folds, each with the fold that never saw its subject."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from command import InputError, log
from data import Night, load_night
from folds.checkpoint import Fold
from folds.checks import content_of, fingerprint_at, signal_findings
from recordings.datasets import Dataset
from scoring import metrics
from scoring.calibrating import probabilities_of
from scoring.confidence import Confidence, judged
from scoring.metrics import Scores
from scoring.networks import Probabilities, of_night
from scoring.staged import StagedNight, limit_of

BOOTSTRAP_SEED = 0  # the intervals are the same each time


@dataclass(frozen=True, eq=False)
class TestNight:
    """A test night as its fold stages it.

    Attributes:
        staged: the model's stages and the expert's.
        scores: the agreement of the two.
        subject: its number, or its name where it has none.
        fold: its number; None where several folds staged it.
        seen: the fold, or what it started from, has learned from the subject, as --allow_seen lets it.
    """

    __test__ = False  # for pytest, which collects what is called Test

    staged: StagedNight
    scores: Scores
    subject: int | str
    fold: int | None
    seen: bool


class NotFiniteError(InputError):
    """What the network makes of a night is no number: of this night there are no stages; of others there may be."""


def stage_night(network: Probabilities, night: Night) -> StagedNight:
    """Stage a prepared night: each stretch between gaps by itself, and of the stages that
    its scorer marked.

    Raises:
        NotFiniteError: the network's output is not finite, as it is after an epoch of 1e30 µV.
    """
    probabilities = probabilities_of(network, night)
    lost = np.flatnonzero(~np.isfinite(probabilities).all(axis=1))
    if len(lost):
        largest = float(np.abs(night.x[lost[0] : lost[0] + 1]).max())
        raise NotFiniteError(
            f"{night.name}: what the network makes of it is not finite from epoch {lost[0]} on, whose largest sample "
            f"is {largest:.3g} µV; leave out this night or prepare it again"
        )
    return StagedNight(name=night.name, probabilities=probabilities, expert=night.expert, simulated=night.simulated)


def scores_of(network: Probabilities, nights: Iterable[Night]) -> Scores:
    """Return the scores of a network over all epochs of some prepared nights.

    Raises:
        ValueError: there are no nights.
    """
    return metrics.pooled(agreement_of(stage_night(network, night)) for night in nights)


def agreement_of(staged: StagedNight) -> Scores:
    assert staged.agreement is not None, "a prepared night has a stage that a human gave"
    return staged.agreement


# ---- all test nights ----


def stage_folds(folds: Sequence[Fold], nights: Mapping[int, Sequence[Path]]) -> tuple[list[TestNight], dict[str, str]]:
    """Stage the test nights of every fold with the fold's checkpoint, and log a line for each fold.

    Args:
        folds: the folds.
        nights: the prepared nights of every test subject.

    Returns:
        The staged nights; and of those that had to be left out, why, by name.

    Raises:
        InputError: there is no night, or none that can be staged.
    """
    tested: list[TestNight] = []
    left_out: dict[str, str] = {}
    for fold in folds:
        network = of_night(fold)
        paths = [(subject, path) for subject in fold.run.subjects["test"] for path in nights[subject]]
        bar = tqdm(paths, desc=f"fold {fold.run.fold}", unit="night", leave=False, disable=None)
        staged = [
            stage_if_possible(path, left_out, partial(stage_test_night, network, fold, subject, path))
            for subject, path in bar
        ]
        of_fold = [night for night in staged if night]
        log.info("%s", fold_line(fold, of_fold))
        tested += of_fold
    if not tested:
        raise InputError(next(iter(left_out.values()), "none of the folds has a test night here; prepare some"))
    return tested, left_out


T = TypeVar("T")


def stage_if_possible(path: Path, left_out: dict[str, str], stage: Callable[[], T]) -> T | None:
    """Return what `stage` makes of a night; None where that fails: why is said, and put into `left_out`."""
    try:
        return stage()
    except InputError as error:
        log.info("%s is left out: %s", path.stem, error)
        left_out[path.stem] = str(error)
        return None


def stage_test_night(network: Probabilities, fold: Fold, subject: int, path: Path) -> TestNight:
    """Stage a test night with its fold, and log what is suspicious about it."""
    settings = fold.run.settings
    night = load_night(path, settings.input_size, settings.sampling_rate, change=fold.run.conditioning.of_nights())
    if night.ch_label and fold.run.channels and night.ch_label not in fold.run.channels:
        trained = " or ".join(fold.run.channels)
        log.info("warning: %s is %s, the checkpoint was trained on %s", night.name, night.ch_label, trained)
    for words in signal_findings(night.x):
        log.info("warning: %s: %s", night.name, words)
    content, text = content_of(path), fingerprint_at(path)
    if fold.run.learned_from_signal(content, text):
        log.info("warning: %s has the very signal of a night that fold %d has learned from", night.name, fold.run.fold)
    staged = replace(stage_night(network, night), limit=limit_of([fold]))
    seen = fold.run.has_seen(night.name, content, fingerprint=text)
    return TestNight(staged, agreement_of(staged), subject, fold.run.fold, seen)


def fold_line(fold: Fold, tested: Sequence[TestNight]) -> str:
    start = f"fold {fold.run.fold:2d}  {fold.format}, pass {fold.best.pass_number}, step {fold.best.global_step}"
    if not tested:
        return f"{start}  no test night here"
    scores = pooled(tested)
    known = fold.run.epochs.get("test", {})
    n_absent = len(known.keys() - {night.staged.name for night in tested})
    share = f"{len(tested)} of {len(known)}" if n_absent else f"{len(tested)}"
    return f"{start}  {share} nights  {scores.n_epochs} epochs  {metrics.in_words(scores)}"


# ---- figures over nights ----


def pooled(tested: Iterable[TestNight]) -> Scores:
    """Return the scores over all epochs of all nights."""
    return metrics.pooled(night.scores for night in tested)


def intervals(tested: Iterable[TestNight]) -> dict[str, metrics.Interval] | None:
    """Return 95 % intervals of the pooled figures, with subjects drawn; None with fewer than two subjects."""
    return metrics.intervals(by_subject(tested), seed=BOOTSTRAP_SEED)


def by_subject(tested: Iterable[TestNight]) -> dict[int | str, NDArray[np.int64]]:
    """Return each subject's confusion matrix over all its nights."""
    total: dict[int | str, NDArray[np.int64]] = {}
    for night in tested:
        total[night.subject] = total.get(night.subject, 0) + night.scores.confusion
    return total


def confidence_of(tested: Sequence[TestNight]) -> Confidence:
    """Return how far the model's confidence can be trusted on these nights."""
    nights = {
        night.staged.name: judged(night.staged.probabilities, night.staged.expert)
        for night in tested
        if night.staged.expert is not None
    }
    return Confidence("", nights, {night.staged.name: night.staged.limit for night in tested})


def coverage(
    tested: Sequence[TestNight], dataset: Dataset, left_out: Collection[str] = (), weights: Dataset | None = None
) -> str:
    """Return in words how much of a data set was scored.

    Args:
        tested: the nights.
        dataset: whose they are.
        left_out: the names of those that could not be scored.
        weights: whose folds staged them, if they are of another data set.
    """
    n_folds, n_subjects = len({night.fold for night in tested}), len({night.subject for night in tested})
    n_simulated, n_seen = sum(night.staged.simulated for night in tested), sum(night.seen for night in tested)
    scored_by = f"weights of {weights.name}" if weights else f"{n_folds} of {dataset.n_folds} folds"
    return (
        f"{dataset.name}: {scored_by}, {n_subjects} of {len(dataset.subjects)} subjects, "
        f"{len(tested)} nights{f', {n_simulated} SIMULATED' if n_simulated else ''}"
        f"{f', {n_seen} of subjects SEEN IN TRAINING' if n_seen else ''}"
        f"{f', {len(left_out)} LEFT OUT' if left_out else ''}"
    )
