"""Who trains, validates and tests: the folds of a data set, and where their subjects' nights lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from command import InputError
from recordings.datasets import Dataset

PARTS = ("train", "valid", "test")


@dataclass(frozen=True)
class Split:
    """The subjects of one fold."""

    train: tuple[int, ...]
    valid: tuple[int, ...]
    test: tuple[int, ...]


def split_subjects(dataset: Dataset, fold: int, seed: int = 42) -> Split:
    """Cut a data set's subjects into the training, validation and test subjects of one fold, as published.

    In one's own data set the fold of each subject is fixed, and a fold validates with whom the next one tests.

    Raises:
        InputError: the data set has no such fold.
    """
    if not 0 <= fold < dataset.n_folds:
        raise InputError(f"fold {fold}: {dataset.name} has folds 0 to {dataset.n_folds - 1}")
    if dataset.fold_of is not None:
        return own_split(dataset.fold_of, fold, dataset.n_folds)
    test = np.array_split(dataset.subjects, dataset.n_folds)[fold]
    others = np.setdiff1d(dataset.subjects, test)
    valid = np.random.RandomState(seed + fold).choice(others, round(len(others) * 0.1), replace=False)
    train = np.setdiff1d(others, valid)
    return Split(*(tuple(int(subject) for subject in part) for part in (train, valid, test)))


def own_split(fold_of: Mapping[int, int], fold: int, n_folds: int) -> Split:
    test, valid = (tuple(one for one in fold_of if fold_of[one] == number) for number in (fold, (fold + 1) % n_folds))
    others = {*test, *valid}
    return Split(tuple(one for one in fold_of if one not in others), valid, test)


def prepared_nights(
    dataset: Dataset, folder: Path, subjects: Sequence[int], skip_missing: bool = False
) -> dict[int, list[Path]]:
    """Return the prepared nights of each of a data set's subjects, in order of name.

    Raises:
        InputError: no subject has a night, or some (the message lists all) have none and `skip_missing` is off.
    """
    found = {subject: dataset.nights_in(folder, subject) for subject in subjects}
    missing = [subject for subject, nights in found.items() if not nights]
    if (missing and not skip_missing) or len(missing) == len(found):
        script = dataset.prepared_with
        go_on = "" if len(missing) == len(found) else ", or go on with what is there: --skip_missing"
        listed = ", ".join(map(str, missing))
        raise InputError(f"{folder}: no night of {dataset.name} subjects {listed}; prepare them with {script}{go_on}")
    return found


def other_nights(folder: Path, dataset: Dataset) -> dict[str, list[Path]]:
    """Return the nights of other data sets that every fold learns from, by part: those in `train/` and in `valid/`.

    Raises:
        InputError: there is none to train with, or one is a night of the data set itself, which a fold may test.
    """
    nights = {part: sorted((folder / part).glob("*.npz")) for part in ("train", "valid")}
    if not nights["train"]:
        raise InputError(
            f"--also {folder}: no night in {folder / 'train'}; put those there that every fold trains with"
        )
    for path in (path for paths in nights.values() for path in paths):
        if dataset.subject_of(path.stem) is not None:
            raise InputError(
                f"--also {folder}: {path.stem} is called as a night of {dataset.name}, which a fold may test; "
                "put it with the others of its data set"
            )
    return nights
