"""Which folds may stage a recording: those that never saw its subject in training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from folds.checkpoint import Fold
from folds.families import families_of
from folds.seen import folds_that_saw, night_of
from recordings.datasets import DATASETS, study_of
from recordings.recording import RawSignal, Recording


class FoldChoice(NamedTuple):
    """The folds that stage a recording, whether all of them saw its subject, and then a warning.

    `notices` say which families have no fold among them.
    """

    folds: tuple[Fold, ...]
    seen: bool
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()


def unseen_folds(
    opened: Recording, folds: Sequence[Fold], subject: str = "", signal: RawSignal | None = None
) -> FoldChoice:
    """Return the folds that never saw a recording's subject in training, or all of them with a warning.

    Args:
        opened: the recording.
        folds: those that there are.
        subject: whose it is, where more than the recording's name tells it.
        signal: the channel that is to be staged, by which folds may know the night.
    """
    saw = folds_that_saw(folds, opened, subject, signal)
    unseen = tuple(fold for fold in folds if fold not in saw)
    if unseen:
        left_out = [db for db in families_of(folds) if db not in families_of(unseen)]
        notices = (
            f"{whose(opened, db)} was in the training of every fold of {db}, which do not vote" for db in left_out
        )
        return FoldChoice(unseen, False, (), tuple(notices))
    subject = whose(opened, folds[0].run.db)
    warning = f"{subject} was in the training of every fold used here: the stages are better than on a new night"
    return FoldChoice(tuple(folds), True, (warning,))


def whose(opened: Recording, db: str) -> str:
    """Say whose night a recording is, as folds of a data set know it."""
    night = night_of(opened)
    number = DATASETS[db].subject_of(night) if db in DATASETS else None
    return f"the subject of {night}" if number is None else f"subject {number} of {db}"


def is_own_night(opened: Recording, db: str) -> bool:
    """Tell whether a recording is a night of a published data set: prepared, or under its study's own name for it."""
    dataset = DATASETS.get(db)
    if dataset is None:
        return False
    known = opened.night is not None or (opened.path is not None and study_of(opened.path) is not None)
    return known and dataset.subject_of(night_of(opened)) is not None
