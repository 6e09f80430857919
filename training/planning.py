"""What is to be trained: which folds, with which nights and settings, from which first weights."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from command import InputError, log
from config import Settings
from data import summarize_night
from files.folders import existing_folder
from folds.checkpoint import Fold, find_source, load_source, origin_of
from folds.checks import content_of, fingerprints_of
from folds.folders import RUN, is_left_from_start
from folds.run import Run, check_same_run
from folds.split import PARTS, split_subjects
from recordings.datasets import Dataset
from version import versions


@dataclass(frozen=True, eq=False)
class FoldPlan:
    """What one fold is trained with, and where.

    Attributes:
        run: its settings and nights, as config.json will hold them.
        folder: where it is kept.
        files: of its nights, by name.
        source: the fold whose weights it starts from; None for weights drawn from the seed.
    """

    run: Run
    folder: Path
    files: Mapping[str, Path]
    source: Fold | None = None


@dataclass(frozen=True)
class TrainOptions:
    """How folds are trained, whatever is trained with.

    Attributes:
        gpu: number of the GPU; -1 for the CPU.
        restart: start the folds over, whatever is in their folders.
        wait: seconds to wait for a fold that another trainer has.
        on_disk: leave the signals on disk.
        arguments: of trainer.py, without those that choose the folds and where they are trained: with these, one fold
            is trained in a process of its own.
    """

    gpu: int = 0
    restart: bool = False
    wait: float = 0
    on_disk: bool = False
    arguments: tuple[str, ...] = ()


def chosen_folds(dataset: Dataset, first: int | None, last: int | None) -> range:
    """Return the numbers of the folds from `first` to `last`; None: from the first, to the last that there is.

    Raises:
        InputError: the data set has no such folds, or none yet.
    """
    if not dataset.n_folds:
        raise InputError(f"{dataset.name} has no folds: they need three subjects, to train, to validate and to test")
    first, last = first or 0, dataset.n_folds - 1 if last is None else last
    if first > last:
        raise InputError(f"--from_fold {first} --to_fold {last}: the first fold comes after the last; swap them")
    for fold in (first, last):
        if not 0 <= fold < dataset.n_folds:
            raise InputError(f"fold {fold}: {dataset.name} has folds 0 to {dataset.n_folds - 1}")
    return range(first, last + 1)


def planned_runs(
    dataset: Dataset,
    folds: range,
    settings: Settings,
    nights: Mapping[int, Sequence[Path]],
    others: Mapping[str, Sequence[Path]] = {},
) -> list[Run]:
    """Return what each fold will be trained with; a fold that lacks all nights of a part is left out, and named.

    Args:
        dataset: the data set.
        folds: their numbers.
        settings: of all folds.
        nights: the prepared nights of each subject.
        others: nights of other data sets that every fold learns from, by part.
    """
    files = paths_by_name((*nights.values(), *others.values()))
    summaries = {
        name: summarize_night(path, settings.input_size, settings.sampling_rate) for name, path in files.items()
    }
    contents = {name: content_of(path) for name, path in files.items()}
    prints, persons = fingerprints_of(list(files.values())), persons_of(dataset, contents)
    runs = []
    for fold in folds:
        subjects = asdict(split_subjects(dataset, fold, settings.seed))
        names = {part: [path.stem for path in paths_of(subjects[part], nights)] for part in PARTS}
        empty = [part for part in PARTS if not names[part]]
        if empty:
            lacking = ", ".join(map(str, subjects[empty[0]]))
            log.info("fold %d is left out: no %s night (subjects %s)", fold, empty[0], lacking)
            continue
        names = {part: [*names[part], *(path.stem for path in others.get(part, ()))] for part in PARTS}
        epochs = {part: {name: summaries[name].n_epochs for name in names[part]} for part in PARTS}
        channels = sorted({summaries[name].ch_label for part in PARTS for name in names[part]} - {""})
        if len(channels) > 1:
            log.info("warning: fold %d: the nights are of several channels: %s", fold, ", ".join(channels))
        run = Run(dataset.name, fold, settings, subjects, epochs, channels, versions())
        runs.append(with_nights_told(run, contents, persons, prints))
    if not runs:
        raise InputError(
            f"no fold from {folds[0]} to {folds[-1]} has nights to train, validate and test with; prepare some of the "
            "subjects named above"
        )
    return runs


def with_nights_told(
    run: Run, contents: Mapping[str, str], persons: Mapping[str, str], prints: Mapping[str, str]
) -> Run:
    """Return a run with what tells its nights from others: their files, whose they are, and their signals."""
    own = [name for part in PARTS for name in run.epochs[part]]
    return replace(
        run,
        contents={name: contents[name] for name in own},
        persons={name: persons[name] for name in own if name in persons},
        fingerprints={name: prints[name] for name in own},
    )


def persons_of(dataset: Dataset, nights: Iterable[str]) -> dict[str, str]:
    """Return whose each night is, by the names that one's own data set gives subjects; published sets number them."""
    names, owners = dataset.persons or {}, ((night, dataset.subject_of(night)) for night in nights)
    return {night: names[subject] for night, subject in owners if subject is not None and subject in names}


CONDITIONING = ("high_pass", "amplitude")


def planned_folds(
    runs: Sequence[Run],
    dataset: Dataset,
    folders: Mapping[int, Path],
    files: Mapping[str, Path],
    init_from: str | None,
    chosen: Container[str] = CONDITIONING,
) -> list[FoldPlan]:
    """Return the plans of folds.

    Args:
        runs: what each fold is trained with.
        dataset: whose folds they are.
        folders: where each is kept, by its number.
        files: of all nights, by name.
        init_from: the folder of the fold that they start from, or of several; None: weights are drawn.
        chosen: the settings that the user or a recipe chose; conditioning that nobody chose is that of the weights.

    Raises:
        InputError: there is no such fold, or it cannot be read.
    """
    sources, plans = load_sources(runs, dataset, init_from), []
    for run in runs:
        source = sources.get(run.fold)
        if source:
            settings = conditioned_alike(run.settings, source.run, chosen)
            run = replace(run, init_from=origin_of(source), settings=settings)
        own = {name: files[name] for part in PARTS for name in run.epochs[part]}
        plans.append(FoldPlan(run, folders[run.fold], own, source))
    return plans


def load_sources(runs: Sequence[Run], dataset: Dataset, init_from: str | None) -> dict[int, Fold]:
    """Return the fold whose weights each run starts from, each read once; none without a folder `init_from`."""
    if not init_from:
        return {}
    root = existing_folder(init_from, "first weights")
    sources = {run.fold: find_source(root, dataset, run.fold) for run in runs}
    loaded = {folder: load_source(folder) for folder in dict.fromkeys(sources.values())}
    return {fold: loaded[folder] for fold, folder in sources.items()}


def conditioned_alike(settings: Settings, first: Run, chosen: Container[str]) -> Settings:
    """Return settings with what the first weights need done to a signal, but for what was chosen.

    Epochs of another length or rate keep their own: the first weights' may not be possible on them. So do those of
    weights in another unit than µV, which no setting can give.
    """
    own, need = first.settings, first.conditioning
    if (settings.input_size, settings.sampling_rate) != (own.input_size, own.sampling_rate):
        return settings
    if (need.scale, need.offset) != (1.0, 0.0):
        return settings
    low, high = need.amplitude or (0.0, 0.0)
    handed_on = {"high_pass": need.high_pass or 0.0, "amplitude": (low,) if low == high else (low, high)}
    values: dict[str, Any] = {name: handed_on[name] for name in CONDITIONING if name not in chosen}
    return replace(settings, **values)


def paths_of(subjects: Iterable[int], nights: Mapping[int, Sequence[Path]]) -> list[Path]:
    return [path for subject in subjects for path in nights[subject]]


def paths_by_name(nights: Iterable[Iterable[Path]]) -> dict[str, Path]:
    """Return the file of each night by the night's name."""
    return {path.stem: path for paths in nights for path in paths}


def check_plan(plan: FoldPlan, restart: bool, allow_seen: bool) -> None:
    """Raise InputError for a fold that must not be trained as it is planned.

    Args:
        plan: of the fold.
        restart: whatever is in its folder will be removed.
        allow_seen: its first weights may have learned from subjects that it tests.
    """
    check_source(plan.run, plan.folder, allow_seen)
    if not restart:
        check_folder(plan.folder, plan.run)


def check_source(run: Run, folder: Path, allow_seen: bool) -> None:
    """Raise InputError if a run starts from where it is written to, or from weights that saw whom it tests."""
    if not run.init_from:
        return
    source = Path(run.init_from.folder)
    if source.resolve() == folder.resolve():
        raise InputError(f"--init_from {source}: this fold is written there; use --suffix NAME for a folder beside it")
    if (seen := run.test_nights_seen_before()) and not allow_seen:
        raise InputError(
            f"fold {run.fold}: {source} has learned from the subjects of its test nights {', '.join(seen)}; "
            "start from a fold that never saw them, or give --allow_seen"
        )


def check_folder(folder: Path, run: Run) -> None:
    """Raise InputError if a fold's folder is there and was not made by the same run."""
    if (folder / RUN).exists():
        check_same_run(folder, run)
    elif folder.exists() and not all(map(is_left_from_start, folder.iterdir())):
        raise InputError(f"{folder} holds files but no {RUN}; empty it, or use --suffix NAME for another folder")
