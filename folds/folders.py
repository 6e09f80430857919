"""Where folds lie, which files a fold has, and how far it has come."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from command import InputError
from files.folders import writable_folder
from files.locks import held
from files.reading import load_json
from files.writing import PARTIAL
from recordings.datasets import DATASETS, Dataset, dataset_named

RUN, BEST, NORMALISED, CALIBRATION, HISTORY, TEST_SCORES, RESUME, LOG, LOCK, TENSORBOARD = (
    "config.json",  # what it is trained with
    "best_model.npz",  # the kept weights, by name, and when they were kept
    "normalised.npz",  # the same weights before the normalisation was folded into them, for another training
    "calibration.json",  # their temperature and limit of confidence, from the validation nights
    "history.csv",  # one row for each pass
    "test_scores.json",  # the kept weights' scores on the test nights; written last, it marks the fold as finished
    "resume.npz",  # weights, optimisers and passes done, while the fold is not finished
    "train.log",
    ".lock",
    "tensorboard",
)

TRAIN_AGAIN = "train the fold again with --restart"


# ---- finding folds ----


def fold_folder(root: Path, db: str, suffix: str | None, fold: int) -> Path:
    """Return where a fold lives under an output folder: `<db>[_<suffix>]/<fold>`."""
    return root / (f"{db}_{suffix}" if suffix else db) / str(fold)


def find_folds(root: Path, dataset: Dataset, suffix: str | None = None) -> dict[int, Path]:
    """Return the fold folders of a data set, by number.

    `root` holds the data set's folder, as trainer.py writes it, or is that folder itself.

    Raises:
        InputError: no such folder, or no folds in it.
    """
    below, folds = folds_below(root, dataset, suffix)
    if not folds:
        there = sorted(path.name for path in root.iterdir() if numbered_folders(path))
        others = f"{', '.join(there)} (choose with --db and --suffix)" if there else "nothing"
        raise InputError(
            f"no checkpoints of {dataset.name} in {below} or {root}; "
            f"there is {others}. Train them with: python trainer.py --db {dataset.name} --from_fold 0 --to_fold "
            f"{dataset.n_folds - 1}, and score with --dir ./output; or put published checkpoints into {below}/<fold>"
        )
    return folds


def folds_below(root: Path, dataset: Dataset, suffix: str | None = None) -> tuple[Path, dict[int, Path]]:
    """Return the data set's folder under an output folder, and its fold folders by number; there may be none.

    Where there is no such folder, `root` is taken to be it.
    """
    below = fold_folder(root, dataset.name, suffix, 0).parent
    folder = below if below.is_dir() or (suffix and root.resolve().name != below.name) else root
    return below, numbered_folders(folder)


def datasets_in(root: Path, suffix: str | None = None) -> list[str]:
    """Return the names of the data sets of which there are folds under an output folder, or in it if it is its own."""

    def has_folds(name: str) -> bool:
        below = fold_folder(root, name, suffix, 0).parent
        return bool(numbered_folders(below) or (root.resolve().name == below.name and numbered_folders(root)))

    return [name for name in (*DATASETS, *own_datasets(root)) if has_folds(name)]


def own_datasets(root: Path) -> list[str]:
    """Return the names of the data sets of one's own of which there are folds under an output folder, or in it.

    The folds say it themselves.
    """
    names = set()
    for folder in (root, *root.iterdir()):
        first = next(iter(numbered_folders(folder).values()), None)
        if first and (first / RUN).is_file():
            content = load_json(first / RUN, TRAIN_AGAIN)
            names.add(str(content.get("db", "")) if isinstance(content, dict) else "")
    return sorted(names - {"", *DATASETS})


def dataset_of_folds(root: Path, name: str, suffix: str | None) -> Dataset:
    """Return the data set that `--db name` means to score recordings: published, or one of which there are folds.

    Raises:
        InputError: neither.
    """
    if name not in own_datasets(root):
        return dataset_named(name)
    folds = folds_below(root, Dataset(name, None, (), 0, "", "", ""), suffix)[1]
    return Dataset(name, None, (), len(folds), "", "", f"prepare.py --db {name}")


def numbered_folders(folder: Path) -> dict[int, Path]:
    inside = folder.iterdir() if folder.is_dir() else ()
    return dict(sorted((int(path.name), path) for path in inside if path.is_dir() and path.name.isdecimal()))


# ---- how far a fold has come ----


def is_finished(folder: Path) -> bool:
    return (folder / TEST_SCORES).is_file()


def is_in_training(folder: Path) -> bool:
    """Tell whether a pass is done and others are to follow."""
    return (folder / RESUME).is_file() and not is_finished(folder)


def check_not_in_training(folder: Path) -> None:
    """Raise InputError if a fold was begun and is not finished: its weights may still change."""
    if is_in_training(folder) or has_nothing_yet(folder):
        raise InputError(f"{folder} is still in training; let trainer.py finish it")


def has_nothing_yet(folder: Path) -> bool:
    """Tell whether the fold was begun, but no pass has been kept."""
    return (folder / RUN).is_file() and not (folder / BEST).exists()


def is_left_from_start(path: Path) -> bool:
    """Tell whether a file in a fold's folder may be there before its config.json is."""
    return path.name in (LOCK, LOG, TENSORBOARD) or path.name.startswith(PARTIAL)


def tidy(folder: Path) -> None:
    """Remove what a finished fold no longer needs, in case it was stopped before it could."""
    with suppress(OSError):  # a folder that is only read
        (folder / RESUME).unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove what this program wrote into a fold's folder, and nothing else."""
    for name in (TEST_SCORES, RESUME, CALIBRATION, BEST, NORMALISED, HISTORY, LOG, RUN):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)


@contextmanager
def alone_in(folder: Path, wait: float = 0) -> Iterator[None]:
    """Hold a fold's folder, made if need be, against another trainer; wait so many seconds for it to end.

    Raises:
        BusyError: another one is training this fold.
        InputError: the folder cannot be made, or its file system has no locks.
    """
    busy = f"{folder}: another trainer.py is training this fold; wait for it, or use --suffix"
    with held(writable_folder(folder) / LOCK, busy, wait):
        yield
