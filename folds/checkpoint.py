"""The weights of a fold: kept, resumed from, read whatever their format, and as the start of another fold.

A fold of the published program (TensorFlow 1) is read as it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from command import InputError, log
from config import settings_of
from files.arrays import Arrays, opened_arrays
from files.limits import LONGEST_WEIGHTS
from files.reading import reader
from files.writing import written_whole
from folds import published
from folds.adaptation import Features, load_features
from folds.calibration import Calibration, load_calibration
from folds.folders import (
    BEST,
    NORMALISED,
    RESUME,
    TRAIN_AGAIN,
    check_not_in_training,
    dataset_of_folds,
    datasets_in,
    folds_below,
    has_nothing_yet,
    is_in_training,
    numbered_folders,
)
from folds.run import Origin, Run, load_run
from folds.split import split_subjects
from recordings.datasets import DATASETS, Dataset

NPZ, TF1 = "npz", "TensorFlow 1"  # formats of a checkpoint: ours, and the published program's

COPY_OR_TRAIN_AGAIN = "train the fold again, or copy the file again"


@dataclass(frozen=True, eq=False)
class Best:
    """A kept checkpoint: weights by name, and when they were kept."""

    weights: Arrays
    global_step: int
    pass_number: int


@dataclass(frozen=True, eq=False)
class Fold:
    """A fold's kept checkpoint, what it was trained with, and the format in which it lies in `folder`.

    `sha256` is that of the file that holds the weights. `calibration` is None where nobody has calibrated them, and
    `features`, of their training nights, where nobody has measured them.
    `normalised` holds the weights before the normalisation was folded into them, for another training that normalises.
    """

    run: Run
    best: Best
    folder: Path
    format: str
    sha256: str = ""
    calibration: Calibration | None = None
    features: Features | None = None
    normalised: Best | None = None

    def described(self) -> dict[str, Any]:
        """Return where the checkpoint is and when it was kept, as JSON-ready values."""
        return {
            "db": self.run.db,
            "fold": self.run.fold,
            "folder": str(self.folder),
            "format": self.format,
            "sha256": self.sha256,
            "pass_number": self.best.pass_number,
            "global_step": self.best.global_step,
            "channels": list(self.run.channels),
            "temperature": self.calibration.temperature if self.calibration else None,
        }


def load_arrays(path: Path, remedy: str) -> Arrays:
    """Return all arrays of a checkpoint; raise InputError unless all of them are numbers."""
    with opened_arrays(path, remedy) as archive:
        for name in archive:
            if archive.form(name)[1].kind not in "iuf":
                raise ValueError(f"{name} holds no numbers")
        return {name: archive.read(name, LONGEST_WEIGHTS) for name in archive}


def check_finite(path: Path, arrays: Arrays, remedy: str) -> None:
    """Raise InputError when one of a checkpoint's arrays has a value that is not finite."""
    for name, value in arrays.items():
        if not np.isfinite(value).all():
            raise InputError(f"{path}: {name} has values that are not finite; {remedy}")


def counter(path: Path, arrays: Arrays, name: str) -> int:
    """Take a counter out of a checkpoint's arrays.

    Raises:
        InputError: it is not there, or no whole number from 0 on.
    """
    value = arrays.pop(name, None)
    if value is None:
        raise InputError(f"{path}: no {name} in it; it is not a checkpoint of this program")
    if value.shape != () or value.dtype.kind not in "iu" or value < 0:
        raise InputError(f"{path}: {name} is {str(value)[:20]}, no count; {COPY_OR_TRAIN_AGAIN}")
    return int(value)


def save_best(folder: Path, best: Best, name: str = BEST) -> None:
    """Write a kept checkpoint, whole or not at all; `name` is that of its file."""
    with written_whole(folder / name) as partial:
        np.savez(partial, global_step=best.global_step, pass_number=best.pass_number, **best.weights)  # type: ignore[arg-type]


def load_best(folder: Path, name: str = BEST) -> Best:
    """Read a fold's kept checkpoint.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = folder / name
    arrays = load_arrays(path, COPY_OR_TRAIN_AGAIN)
    step, number = (counter(path, arrays, one) for one in ("global_step", "pass_number"))
    check_finite(path, arrays, "train the fold again")
    return Best(arrays, step, number)


def save_resume(folder: Path, passes_done: int, values: Arrays) -> None:
    """Write what the next pass starts from, whole or not at all."""
    with written_whole(folder / RESUME) as partial:
        np.savez(partial, passes_done=passes_done, **values)  # type: ignore[arg-type]


def load_resume(folder: Path) -> tuple[int, Arrays]:
    """Return the passes done and the values that the next one starts from.

    Raises:
        InputError: there is none, or it is damaged.
    """
    arrays = load_arrays(folder / RESUME, TRAIN_AGAIN)
    done = counter(folder / RESUME, arrays, "passes_done")
    check_finite(folder / RESUME, arrays, TRAIN_AGAIN)
    return done, arrays


# ---- a fold, whatever its format ----


def load_fold(folder: Path, dataset: Dataset, number: int) -> Fold:
    """Read a fold that trainer.py trained, or one of the published program; ours, where a folder holds both.

    Raises:
        InputError: there is no checkpoint, it cannot be used, or it is one of another data set.
    """
    if (folder / BEST).exists():
        run = load_run(folder)
        if run.db != dataset.name:
            raise InputError(f"{folder} holds a fold of {run.db}, not of {dataset.name}; use --db {run.db}")
        return own_fold(run, folder)
    prefix = published.checkpoint_in(folder)
    if prefix is None or dataset.name not in DATASETS:
        train = f"python trainer.py --db {dataset.name} --from_fold {number} --to_fold {number}"
        raise InputError(f"no checkpoint for fold {number} in {folder}; train it with: {train}")
    return load_published_fold(folder, prefix, dataset, number)


def own_fold(run: Run, folder: Path) -> Fold:
    digest = sha256_of(folder / BEST)
    return Fold(
        run, load_best(folder), folder, NPZ, digest, load_calibration(folder, digest), load_features(folder, digest)
    )


@reader("readable", COPY_OR_TRAIN_AGAIN)
def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def load_published_fold(folder: Path, prefix: Path, dataset: Dataset, number: int) -> Fold:
    """Read a fold of the published program; its subjects are those of the published split."""
    read = published.load_checkpoint(prefix)
    settings = settings_of(published.SETTINGS)
    subjects = asdict(split_subjects(dataset, number, settings.seed))
    run = Run(
        dataset.name,
        number,
        settings,
        subjects,
        epochs={},
        channels=[],
        versions=published.VERSIONS,
        adapted=published.CONDITIONING[dataset.name],
    )
    best = Best(dict(read.weights), read.global_step, read.global_epoch)
    return Fold(run, best, folder, TF1, sha256_of(published.data_file(prefix)))


def load_folds(folders: Mapping[int, Path], dataset: Dataset) -> list[Fold]:
    """Read the checkpoint of every fold; a fold that is still in training counts with the best one so far.

    Raises:
        InputError: a checkpoint cannot be used, or there is none.
    """
    folds = []
    for number, folder in folders.items():
        if has_nothing_yet(folder):
            log.info("fold %d is left out: it is in training and has no checkpoint yet", number)
            continue
        folds.append(load_fold(folder, dataset, number))
        if is_in_training(folder):
            log.info("fold %d is still in training: scored with its best checkpoint so far", number)
    if not folds:
        raise InputError("none of the folds has a checkpoint yet; let trainer.py finish a pass")
    return folds


# ---- first weights ----


def find_source(root: Path, dataset: Dataset, number: int) -> Path:
    """Return the fold folder that `root` means as the source of fold `number`: itself, or the fold so numbered in it.

    Raises:
        InputError: there is no such fold.
    """
    if (root / BEST).exists() or published.checkpoint_in(root):
        return root
    folds = folds_below(root, dataset)[1] or numbered_folders(root)
    others = [] if folds or dataset.name in DATASETS else datasets_in(root)
    if len(others) == 1:  # of another data set, whose numbers mean nothing here: one after the other
        theirs = list(folds_below(root, dataset_of_folds(root, others[0], None))[1].values())
        return theirs[number % len(theirs)]
    if number not in folds:
        there = f"there are {', '.join(map(str, folds))}" if folds else "there are no folds"
        raise InputError(f"{root}: no fold {number} to start from, {there}; name the folder of one fold")
    return folds[number]


def load_source(folder: Path) -> Fold:
    """Read a finished fold of any data set, for its weights; how sure they are does not matter here.

    Raises:
        InputError: there is no checkpoint, it cannot be used, or nothing says what it was trained on.
    """
    check_not_in_training(folder)
    if (folder / BEST).exists():
        best = load_best(folder)
        normalised = load_best(folder, NORMALISED) if (folder / NORMALISED).exists() else None
        if normalised and normalised.global_step != best.global_step:
            raise InputError(f"{folder / NORMALISED} is of another pass than {BEST}; delete it")
        return Fold(load_run(folder), best, folder, NPZ, sha256_of(folder / BEST), normalised=normalised)
    where = folder.absolute()  # where a link lies counts, not where it leads
    if not published.checkpoint_in(folder):
        raise InputError(f"{folder}: no checkpoint in it; name the folder of a fold that has one")
    if where.parent.name not in DATASETS or not where.name.isdecimal():
        raise InputError(
            f"{folder}: a published checkpoint does not say what it was trained on, its folders do; "
            "put it into <db>/<fold>, as sleepedf/0"
        )
    return load_fold(folder, DATASETS[where.parent.name], int(where.name))


def origin_of(fold: Fold) -> Origin:
    """Return what a run that starts from a fold's weights keeps about them."""
    return Origin(str(fold.folder), fold.sha256, fold.format, fold.best.pass_number, fold.run)
