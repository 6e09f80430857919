"""All that a fold leaves on disk, written whole and read with checks.

config.json         data set, fold, seed, settings, subjects, epochs of each night, versions
best_model.npz      the kept weights, by name, and when they were kept
history.csv         a row a pass
test_scores.json    the kept weights' scores on the test nights; written last, it marks the fold as finished
resume.npz          weights, optimisers and passes done, while the fold is not finished
train.log, tensorboard/

A fold of the published program (TensorFlow 1) is read as it is. This copies the checkpoints of folds, published ones
converted, to a folder that can be given away; `--scoring_only` leaves out the reconstruction branch, a third of them:

    python checkpoint.py FOLDER --db sleepedf --to OUT [--scoring_only]
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import json
import platform
import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import published
from command import (
    InputError,
    command,
    existing_folder,
    import_tensorflow,
    log,
    log_to_terminal,
    writable_folder,
    written_whole,
)
from config import DATASETS, Dataset, Settings, dataset_named, settings_of
from data import split_subjects

RUN, BEST, HISTORY, TEST_SCORES, RESUME = (
    "config.json",
    "best_model.npz",
    "history.csv",
    "test_scores.json",
    "resume.npz",
)
LOG, LOCK, TENSORBOARD = "train.log", ".lock", "tensorboard"

PARTS = ("train", "valid", "test")
LIBRARIES = ("tensorflow", "keras", "numpy", "scipy", "scikit-learn", "pandas", "mne")

NPZ, TF1 = "npz", "TensorFlow 1"  # formats of a checkpoint: ours, and the published program's

TRAIN_ANEW = "train the fold anew with --restart"

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Run:
    """What a fold was trained with: enough to do it again, and to rebuild its network.

    Attributes:
        db, fold: the data set's name and the fold's number.
        settings: of the run.
        subjects: the subjects of each part of the split, `train`, `valid` and `test`.
        epochs: the epochs of each night, by part and name.
        channels: the channels that the nights name.
        versions: of Python and the libraries.
        init_from: where its first weights came from; None when they were drawn.
    """

    db: str
    fold: int
    settings: Settings
    subjects: Mapping[str, Sequence[int]]
    epochs: Mapping[str, Mapping[str, int]]
    channels: Sequence[str]
    versions: Mapping[str, str]
    init_from: Origin | None = None

    @property
    def seed(self) -> int:
        """The seed of this fold."""
        return self.settings.seed + self.fold

    def lineage(self) -> Iterator[Run]:
        """Yield this run, the one that its first weights came from, and so on: all that its weights have learned."""
        yield self
        if self.init_from:
            yield from self.init_from.run.lineage()

    def has_seen(self, night: str) -> bool:
        """Tell whether a night's subject trained or chose these weights, or those that they came from.

        Nights are known by their names. Pre-training, which sees no labels, does not count.
        """
        return any(run.learned_from(night) for run in self.lineage())

    def seen_test_nights(self) -> list[str]:
        """Return the test nights whose subjects the first weights have seen."""
        source = self.init_from
        return [night for night in self.epochs["test"] if source.run.has_seen(night)] if source else []

    def learned_from(self, night: str) -> bool:
        """Tell whether this run itself trained or chose its weights with a night's subject."""
        dataset = DATASETS.get(self.db)
        subject = dataset.subject_of(night) if dataset else None
        return night in self.nights_learned if subject is None else subject in self.subjects_learned

    @cached_property
    def nights_learned(self) -> frozenset[str]:
        return frozenset(night for part in ("train", "valid") for night in self.epochs.get(part, ()))

    @cached_property
    def subjects_learned(self) -> frozenset[int | None]:
        """The subjects that had a night; all of the split for a published fold, which does not name its nights."""
        if not self.nights_learned:
            return frozenset((*self.subjects["train"], *self.subjects["valid"]))
        return frozenset(map(DATASETS[self.db].subject_of, self.nights_learned))

    def as_json(self) -> dict[str, Any]:
        content = {**asdict(self), "seed": self.seed}
        if self.init_from:
            content["init_from"]["run"] = self.init_from.run.as_json()
        return json.loads(json.dumps(content))  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Origin:
    """Where the first weights of a fold came from.

    Attributes:
        folder: the fold that had them, as it was named.
        sha256: of the file that they were read from.
        format: of that file.
        pass_number: the pass after which they were kept there.
        run: what they were trained with.
    """

    folder: str
    sha256: str
    format: str
    pass_number: int
    run: Run


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that a result can depend on."""
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in LIBRARIES}}


# ---- config.json ----


def save_run(folder: Path, run: Run) -> None:
    save_json(folder / RUN, run.as_json())


def load_run(folder: Path) -> Run:
    """Read a fold's config.json.

    Raises:
        InputError: it is missing, damaged, or holds settings that this program does not know.
    """
    path = folder / RUN
    stored = load_json(path)
    try:
        return run_of(stored)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not the config.json of a fold ({error}); train the fold again") from error


def run_of(stored: Mapping[str, Any]) -> Run:
    values = {name: stored[name] for name in Run.__dataclass_fields__ if name != "init_from"}
    origin = stored.get("init_from")  # folds of before there was such a thing do not have it
    init_from = Origin(**{**origin, "run": run_of(origin["run"])}) if origin else None
    return Run(**{**values, "settings": settings_of(values["settings"]), "init_from": init_from})


def check_same_run(folder: Path, run: Run) -> None:
    """Raise InputError if `folder` was made with other settings, nights or first weights than `run`.

    Versions may differ, and so may the folder of the same first weights.
    """
    before, now = flattened(load_run(folder).as_json()), flattened(run.as_json())
    names = [name for name in {**before, **now} if not name.startswith(("versions.", "init_from."))]
    if before.get("init_from.sha256") != now.get("init_from.sha256"):
        names += ["init_from.folder", "init_from.sha256"]
    differing = [
        f"{name} {before.get(name)} (now {now.get(name)})" for name in names if before.get(name) != now.get(name)
    ]
    if differing:
        others = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise InputError(
            f"{folder} was made with {', '.join(differing[:3])}{others}; "
            "use --suffix NAME for a folder beside it, or --restart to train it anew"
        )


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat.update(flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value})
    return flat


# ---- weights ----


@dataclass(frozen=True, eq=False)
class Best:
    """A kept checkpoint: weights by name, and when they were kept."""

    weights: Arrays
    global_step: int
    pass_number: int


@dataclass(frozen=True, eq=False)
class Fold:
    """A fold's kept checkpoint, what it was trained with, and the format in which it lies in `folder`."""

    run: Run
    best: Best
    folder: Path
    format: str


def save_best(folder: Path, best: Best) -> None:
    with written_whole(folder / BEST) as partial:
        np.savez(partial, global_step=best.global_step, pass_number=best.pass_number, **best.weights)  # type: ignore[arg-type]


def load_best(folder: Path) -> Best:
    """Read a fold's kept checkpoint.

    Raises:
        InputError: there is none, or it is damaged.
    """
    arrays = load_arrays(folder / BEST, "train the fold again, or copy the file again")
    try:
        step, number = int(arrays.pop("global_step")), int(arrays.pop("pass_number"))
    except KeyError as error:
        raise InputError(f"{folder / BEST}: no {error} in it; it is not a checkpoint of this program") from error
    for name, value in arrays.items():
        if not np.isfinite(value).all():
            raise InputError(f"{folder / BEST}: {name} has values that are not finite; train the fold again")
    return Best(arrays, step, number)


def save_resume(folder: Path, passes_done: int, values: Arrays) -> None:
    with written_whole(folder / RESUME) as partial:
        np.savez(partial, passes_done=passes_done, **values)  # type: ignore[arg-type]


def load_resume(folder: Path) -> tuple[int, Arrays]:
    """Return the passes done and the values that the next one starts from."""
    arrays = load_arrays(folder / RESUME, TRAIN_ANEW)
    if "passes_done" not in arrays:
        raise InputError(f"{folder / RESUME}: damaged (no passes_done); {TRAIN_ANEW}")
    return int(arrays.pop("passes_done")), arrays


def load_arrays(path: Path, remedy: str) -> Arrays:
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("one array without a name")
        with loaded as archive:
            return dict(archive)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {remedy}") from error
    except (OSError, ValueError, EOFError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(f"{path}: damaged ({error}); {remedy}") from error


# ---- history.csv ----


@dataclass(frozen=True)
class Pass:
    """One row of history.csv; None where a phase has no such value."""

    phase: str
    pass_number: int
    global_step: int
    loss_rec: float
    loss_ce: float | None = None
    loss_l2: float | None = None
    train_accuracy: float | None = None
    valid_accuracy: float | None = None
    valid_macro_f1: float | None = None
    kept: bool = False
    seconds: float = 0.0


HISTORY_TYPES: dict[str, Any] = {
    "phase": str,
    "pass_number": int,
    "global_step": int,
    "kept": lambda text: text == "True",
}


def save_history(folder: Path, passes: Sequence[Pass]) -> None:
    with written_whole(folder / HISTORY) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(Pass.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(one) for one in passes)


def load_history(folder: Path) -> list[Pass]:
    path = folder / HISTORY
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return [
                Pass(**{name: HISTORY_TYPES.get(name, float)(text) if text else None for name, text in row.items()})  # type: ignore[arg-type]
                for row in csv.DictReader(file)
            ]
    except (OSError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not readable ({error}); {TRAIN_ANEW}") from error


class Events:
    """The fold's TensorBoard events: every figure of a pass, at its global step."""

    def __init__(self, folder: Path) -> None:
        import tensorflow as tf

        self.summary = tf.summary
        self.writer = tf.summary.create_file_writer(str(folder / TENSORBOARD))

    def write(self, one: Pass) -> None:
        with self.writer.as_default(step=one.global_step):
            for name, value in asdict(one).items():
                if isinstance(value, float):
                    self.summary.scalar(f"{one.phase}/{name}", value)
        self.writer.flush()


# ---- test_scores.json ----


@dataclass(frozen=True, eq=False)
class Tested:
    """The scores of a fold's kept checkpoint on its test nights: (expert, model) epochs, and when it was kept.

    `seen_nights` are those of them whose subjects the fold's first weights have seen.
    """

    confusion: NDArray[np.int64]
    pass_number: int
    seen_nights: Sequence[str] = ()


def save_test_scores(folder: Path, best: Best, scores: Mapping[str, Any], seen_nights: Sequence[str]) -> None:
    content = {
        "pass_number": best.pass_number,
        "global_step": best.global_step,
        "seen_nights": seen_nights,
        "scores": scores,
    }
    save_json(folder / TEST_SCORES, content)


def load_test_scores(folder: Path) -> Tested:
    content = load_json(folder / TEST_SCORES)
    try:
        confusion = np.array(content["scores"]["confusion_expert_by_model"])
        return Tested(confusion, content["pass_number"], content.get("seen_nights", ()))
    except (KeyError, TypeError) as error:
        raise InputError(f"{folder / TEST_SCORES}: damaged (no {error}); {TRAIN_ANEW}") from error


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
        return Fold(run, load_best(folder), folder, NPZ)
    prefix = published.checkpoint_in(folder)
    if prefix is None:
        train = f"python trainer.py --db {dataset.name} --from_fold {number} --to_fold {number}"
        raise InputError(f"no checkpoint for fold {number} in {folder}; train it with: {train}")
    return load_published_fold(folder, prefix, dataset, number)


def load_published_fold(folder: Path, prefix: Path, dataset: Dataset, number: int) -> Fold:
    """Read a fold of the published program; its subjects are those of the published split."""
    read = published.load_checkpoint(prefix)
    settings = settings_of(published.SETTINGS)
    subjects = asdict(split_subjects(dataset, number, settings.seed))
    run = Run(dataset.name, number, settings, subjects, epochs={}, channels=[], versions={"tensorflow": "1"})
    return Fold(run, Best(dict(read.weights), read.global_step, read.global_epoch), folder, TF1)


# ---- first weights ----


def find_source(root: Path, dataset: Dataset, number: int) -> Path:
    """Return the fold folder that `root` means as the source of fold `number`: itself, or the fold so numbered in it.

    Raises:
        InputError: there is no such fold.
    """
    if (root / BEST).exists() or published.checkpoint_in(root):
        return root
    folds = folds_below(root, dataset)[1] or numbered_folders(root)
    if number not in folds:
        there = f"there are {', '.join(map(str, folds))}" if folds else "there are no folds"
        raise InputError(f"{root}: no fold {number} to start from, {there}; name the folder of one fold")
    return folds[number]


def load_source(folder: Path) -> Fold:
    """Read a finished fold of any data set, for its weights.

    Raises:
        InputError: there is no checkpoint, it cannot be used, or nothing says what it was trained on.
    """
    check_not_in_training(folder)
    if (folder / BEST).exists():
        return Fold(load_run(folder), load_best(folder), folder, NPZ)
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
    file = fold.folder / BEST
    if fold.format == TF1 and (prefix := published.checkpoint_in(fold.folder)):
        file = published.data_file(prefix)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return Origin(str(fold.folder), digest, fold.format, fold.best.pass_number, fold.run)


# ---- folders ----


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
        there = sorted(path.name for path in root.iterdir() if path.is_dir() and path.name.split("_")[0] in DATASETS)
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

    return [name for name in DATASETS if has_folds(name)]


def numbered_folders(folder: Path) -> dict[int, Path]:
    inside = folder.iterdir() if folder.is_dir() else ()
    return dict(sorted((int(path.name), path) for path in inside if path.is_dir() and path.name.isdecimal()))


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


def clear(folder: Path) -> None:
    """Remove what this program wrote into a fold's folder, and nothing else."""
    for name in (TEST_SCORES, RESUME, BEST, HISTORY, LOG, RUN):
        (folder / name).unlink(missing_ok=True)
    shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)


def save_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all."""
    with written_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        InputError: no such file, or not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file, and a fold needs it; copy it too, or train the fold again") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable ({error}); train the fold again") from error


# ---- python checkpoint.py: copies to give away ----


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description="Copy the checkpoints of finished folds; published ones (TensorFlow 1) are converted."
    )
    parser.add_argument("folder", metavar="FOLDER", help="holds <db>/<fold>/ or <fold>/, as predict.py --dir")
    parser.add_argument("--db", "--dataset", required=True, help=f"data set: {', '.join(DATASETS)}")
    parser.add_argument("--suffix", help="copy the folds of <db>_<suffix>, as given to trainer.py")
    parser.add_argument("--to", required=True, metavar="OUT", help="gets <db>/<fold>/, for predict.py --dir OUT")
    parser.add_argument("--scoring_only", action="store_true", help="leave out the weights that scoring does not use")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    dataset = dataset_named(options.db)
    found = find_folds(existing_folder(options.folder, "checkpoints"), dataset, options.suffix)
    targets = {number: fold_folder(Path(options.to), dataset.name, None, number) for number in found}
    for number, target in targets.items():
        check_not_in_training(found[number])
        if (target / BEST).exists() or (target / RUN).exists():
            raise InputError(f"{target} holds a fold already; name another folder with --to, or delete it")
    folds = {number: load_fold(folder, dataset, number) for number, folder in found.items()}
    for number, fold in folds.items():
        best = without_reconstruction(fold.best) if options.scoring_only else fold.best
        target = writable_folder(targets[number])
        save_run(target, fold.run)
        save_best(target, best)
        log.info("fold %d: %s, %s, step %d -> %s", number, fold.folder, fold.format, best.global_step, target)
    return 0


def without_reconstruction(best: Best) -> Best:
    """Return a checkpoint without the weights of the reconstruction branch."""
    import_tensorflow()
    from model import RECONSTRUCTION

    return replace(best, weights={name: value for name, value in best.weights.items() if name not in RECONSTRUCTION})


if __name__ == "__main__":
    raise SystemExit(main())
