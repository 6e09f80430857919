"""Families: folds of one data set. Where several score, each has one weight in the mean, however many its folds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from command import InputError, numbered
from files.folders import PROGRAM_FOLDER
from folds.checkpoint import Fold, load_folds
from folds.folders import dataset_of_folds, datasets_in, find_folds
from recordings.datasets import DATASETS


def families_of(folds: Iterable[Fold]) -> dict[str, list[Fold]]:
    """Return the folds of each family by the name of its data set, in their order."""
    families: dict[str, list[Fold]] = {}
    for fold in folds:
        families.setdefault(fold.run.db, []).append(fold)
    return families


def in_words(folds: Iterable[Fold]) -> str:
    """Return `sleepedf, folds 0, 4`; of several families, with `; ` between them."""
    families = families_of(folds).items()
    return "; ".join(f"{db}, {numbered('fold', (one.run.fold for one in family))}" for db, family in families)


def load_families(roots: Sequence[Path], names: Iterable[str], suffix: str | None) -> list[Fold]:
    """Read the folds of several data sets, each from the first folder that has it.

    Raises:
        InputError: no folder has one of them, or a checkpoint cannot be used.
    """
    folds = []
    for name in dict.fromkeys(names):
        root = next((root for root in roots if name in datasets_in(root, suffix)), None)
        if root is None:
            raise InputError(f"no checkpoints of {name} in {' or '.join(map(str, roots))}; leave it out of --db")
        dataset = dataset_of_folds(root, name, suffix)
        folds += load_folds(find_folds(root, dataset, suffix), dataset)
    return folds


def told_apart(
    dirs: Sequence[str], names: Sequence[str], suffix: str | None
) -> tuple[tuple[str, ...], tuple[str, ...], list[str]]:
    """Tell the folders of checkpoints and the data sets on a command line from recordings that stand behind them.

    The first word after --dir and after --db is one in any case.

    Returns:
        The folders that hold checkpoints, the data sets, and the recordings.
    """
    if len(dirs) == 1 and len(names) < 2:
        return tuple(dirs), tuple(names), []
    there = {word: datasets_of(word, suffix) for word in dirs}
    folders = tuple(word for number, word in enumerate(dirs) if number == 0 or there[word])
    known = {*DATASETS, *(name for folder in folders for name in there[folder])}
    families = tuple(word for number, word in enumerate(names) if number == 0 or word in known)
    recordings = [word for word in dirs if word not in folders] + [word for word in names if word not in families]
    return folders, families, recordings


def datasets_of(word: str, suffix: str | None) -> Mapping[str, None]:
    """Return the data sets of which there are folds in a folder, here or beside the program; none if it is none."""
    places = (place for place in (Path(word), PROGRAM_FOLDER / word) if place.is_dir())
    return dict.fromkeys(name for place in list(places)[:1] for name in datasets_in(place, suffix))
