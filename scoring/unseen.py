"""Which folds may stage a recording: those that never saw its subject in training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from folds.checkpoint import Fold
from folds.checks import content_of
from recordings.datasets import DATASETS, night_name, study_of
from recordings.recording import Recording


class Staging(NamedTuple):
    """The folds that stage a recording, whether all of them saw its subject, and then a warning."""

    folds: tuple[Fold, ...]
    seen: bool
    warnings: tuple[str, ...]


def unseen_folds(opened: Recording, folds: Sequence[Fold]) -> Staging:
    """Return the folds that never saw a recording's subject in training, or all of them with a warning.

    The recording's name tells the subject; a prepared night is also known by its signal.
    """
    name = recorded_night(opened)
    content = content_at(opened.path) if opened.night is not None else ""
    unseen = tuple(fold for fold in folds if not fold.run.has_seen(name, content))
    if unseen:
        return Staging(unseen, False, ())
    dataset = DATASETS.get(folds[0].run.db)
    subject = dataset.subject_of(name) if dataset else None
    whose = f"the subject of {name}" if subject is None else f"subject {subject} of {folds[0].run.db}"
    warning = f"{whose} was in the training of every fold used here: the stages are better than on a new night"
    return Staging(tuple(folds), True, (warning,))


def is_own_night(opened: Recording, db: str) -> bool:
    """Tell whether a recording is a night of a published data set: prepared, or under its study's own name for it."""
    dataset = DATASETS.get(db)
    if dataset is None:
        return False
    known = opened.night is not None or (opened.path is not None and study_of(opened.path) is not None)
    return known and dataset.subject_of(recorded_night(opened)) is not None


def recorded_night(opened: Recording) -> str:
    """Return the name that a recording's prepared night has, or would have."""
    return night_name(opened.path or Path(f"{opened.name}.edf"))


def content_at(path: Path | None) -> str:
    """Return the content of a prepared night, as folds keep it; "" for any other recording."""
    return content_of(path) if path is not None and path.suffix == ".npz" else ""
