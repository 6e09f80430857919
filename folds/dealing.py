"""Which fold tests which subject of a data set of one's own: dealt once, then kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np

from command import InputError
from recordings.dataset_file import FEWEST, Description, Subject, in_folds

MOST_FOLDS = 10  # unless the user wants more
SEED = 42


def dealt(description: Description, n_folds: int | None = None, stratify: str | None = None) -> Description:
    """Return a data set whose subjects all have a fold; those who have one keep it. Who is left out has none.

    A subject goes where fewest of its own stratum are, then where fewest are at all, in an order that is drawn. Every
    fold tests its own subjects and validates with those of the next, so from three subjects up every fold has someone
    to train, to validate and to test with. Asking for another number of folds, or another stratum, deals all anew.

    Args:
        description: the data set.
        n_folds: None for what it has, at first as many as subjects, 10 at most.
        stratify: the column whose values are to be alike in all folds; None for what it has.

    Raises:
        InputError: more folds than subjects, fewer than three, or a subject that lacks the column.
    """
    subjects = in_folds(description.subjects)
    column = description.stratified_by if stratify is None else stratify
    if len(subjects) < FEWEST:
        if n_folds:
            raise InputError(f"--n_folds {n_folds}: there are {len(subjects)} subjects; folds need {FEWEST}")
        without = tuple(replace(one, fold=None) for one in description.subjects)
        return replace(description, n_folds=0, stratified_by=column, subjects=without)
    kept = description.n_folds if len({one.fold for one in subjects} - {None}) == description.n_folds else 0
    wanted = n_folds or kept or min(len(subjects), MOST_FOLDS)
    if not FEWEST <= wanted <= len(subjects):
        raise InputError(f"--n_folds {wanted}: must be from {FEWEST} to {len(subjects)}, the number of subjects")
    anew = wanted != kept or column != description.stratified_by
    fold_of = {} if anew else {one.number: one.fold for one in subjects if one.fold is not None}
    strata = {one.number: stratum(one, column) for one in subjects}
    new = [one for one in subjects if one.number not in fold_of]
    there, alike = Counter(fold_of.values()), Counter((strata[number], fold) for number, fold in fold_of.items())
    for i in np.random.default_rng(SEED).permutation(len(new)):
        number = new[i].number
        own = strata[number]
        fold_of[number] = min(range(wanted), key=lambda fold: (alike[own, fold], there[fold], fold))
        there[fold_of[number]] += 1
        alike[own, fold_of[number]] += 1
    return replace(
        description,
        n_folds=wanted,
        stratified_by=column,
        subjects=tuple(replace(one, fold=fold_of.get(one.number)) for one in description.subjects),
    )


def stratum(subject: Subject, column: str) -> str:
    """Return a subject's value in a column; "" without a column.

    Raises:
        InputError: it has none.
    """
    if not column:
        return ""
    if not subject.columns.get(column):
        there = ", ".join(subject.columns) or "none"
        raise InputError(
            f"--stratify {column}: subject {subject.name} has no such column (there are: {there}); give it in the "
            "pairing table or participants.tsv"
        )
    return subject.columns[column]
