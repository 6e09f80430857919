"""Cross-validate: train, validate and test fold after fold.

    python trainer.py --db isruc --gpu 0 --from_fold 0 --to_fold 9
    python trainer.py --db isruc --from_fold 0 --to_fold 9 --n_jobs 4 --gpu 0,1,2,3
    python trainer.py --db isruc --from_fold 0 --to_fold 9 --init_from ./pretrained_model/sleepedf/0

Calling the same command again goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

import config
import engine
from command import InputError, command, counted, log, log_to_terminal, new_parser
from config import Settings
from engine.device import choose_device
from files.folders import existing_folder, writable_folder
from folds import folders as places
from folds.checks import file_findings, first_findings, thorough_findings
from folds.history import load_test_scores
from folds.own_data import MAX_MISMATCH, FoldOptions, prepare
from folds.run import Run
from folds.split import other_nights, prepared_nights
from recordings.dataset_file import check_name, find_dataset
from recordings.datasets import DATASETS, Dataset
from recordings.pairs import names_of, show
from recordings.persons import with_persons
from recordings.prepare_command import PrepareOptions
from reviewing.learning import WHOLE, reading_of_review, reviewed_recordings
from scoring import metrics
from training.one_by_one import train_folds
from training.planning import (
    FoldPlan,
    TrainOptions,
    check_plan,
    chosen_folds,
    paths_by_name,
    planned_folds,
    planned_runs,
)
from training.side_by_side import train_side_by_side

OF_THE_WHOLE = (
    "from_fold",
    "to_fold",
    "gpu",
    "n_jobs",
    "engine",
    "address",
    "restart",
    "check",
    "wait",
    "reviewed",
    "whole",
    "add",
)
"""Options that concern all folds together, or are given for each anew."""


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    parser.add_argument("--db", "--dataset", required=True, help=f"data set: {', '.join(DATASETS)}, or your own")
    parser.add_argument(
        "--gpu",
        type=engine.gpus_in,
        default=(0,),
        help="GPU number, or one for each job as in 0,1,2,3; -1, or no GPU in the machine: CPU (default 0)",
    )
    parser.add_argument("--from_fold", type=int, help="first fold (default: the first there is)")
    parser.add_argument("--to_fold", type=int, help="last fold, included (default: the last there is)")
    parser.add_argument("--suffix", help="added to the name of the output folder: <db>_<suffix>")
    parser.add_argument("--data_dir", default=config.DATA_DIR, help="holds <db>/*.npz (default %(default)s)")
    parser.add_argument("--output_dir", default=config.OUTPUT_DIR, help="gets <db>/<fold>/ (default %(default)s)")
    parser.add_argument("--skip_missing", action="store_true", help="go on without the subjects that have no night")
    parser.add_argument("--also", metavar="FOLDER", help="nights of other data sets: train/ and valid/ of every fold")
    parser.add_argument(
        "--check", action="store_true", help="only say what is suspicious about the nights; no training"
    )
    parser.add_argument("--restart", action="store_true", help="start the folds over, whatever is in their folders")
    parser.add_argument("--reviewed", metavar="FOLDER", help="first prepare the nights of it that a human reviewed")
    parser.add_argument("--whole", action="store_true", help=f"of --reviewed: {WHOLE}")
    parser.add_argument("--add", action="store_true", help="of --reviewed: keep earlier nights in the folds, too")
    parser.add_argument("--init_from", metavar="FOLDER", help="start from a fold's weights; or a folder of folds")
    parser.add_argument("--allow_seen", action="store_true", help="let those weights have seen test subjects")
    parser.add_argument("--memory_map", action="store_true", help="leave signals on disk, uncompressed: for large data")
    parser.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="for a fold that another trainer has (default 0)"
    )
    engine.add_options(parser.add_argument_group("several folds at a time"), "folds")
    config.add_settings_options(parser)
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    check_options(options)
    engine.workers_of(options, options.gpu)
    choose_device(options.gpu[0])
    settings = chosen_settings(options)
    if options.reviewed and prepare_reviewed(options):
        return 1
    dataset = find_dataset(options.db, options.data_dir)
    numbers = chosen_folds(dataset, options.from_fold, options.to_fold)
    remedy = f"prepare them with {dataset.prepared_with}, or name another --data_dir"
    data_dir = existing_folder(Path(options.data_dir) / dataset.name, "prepared nights", remedy)
    nights = prepared_nights(dataset, data_dir, dataset.subjects, options.skip_missing)
    others = other_nights(existing_folder(options.also, "nights of others"), dataset) if options.also else {}
    runs = planned_runs(dataset, numbers, settings, nights, others)
    files = paths_by_name((*nights.values(), *others.values()))
    n_found = check_nights(dataset, data_dir, files, runs, options.check)
    if options.check:
        return int(n_found > 0)
    root = Path(options.output_dir)
    folders = {run.fold: places.fold_folder(root, dataset.name, options.suffix, run.fold) for run in runs}
    chosen = {*vars(options), *config.RECIPES[settings.recipe]}
    plans = planned_folds(runs, dataset, folders, files, options.init_from, chosen)
    for plan in plans:
        check_plan(plan, options.restart, options.allow_seen)
    failed = train_unfinished(plans, options)
    finished = {fold: folder for fold, folder in folders.items() if fold not in failed}
    if finished:
        print_table(finished, dataset)
        print_next(dataset, options)
    if failed:
        log.info("\n%d of %d folds failed:", len(failed), len(runs))
    for reason in failed.values():
        log.info("    %s", reason)
    return int(bool(failed))


def prepare_reviewed(options: argparse.Namespace) -> int:
    """Prepare the reviewed nights of a scored folder, as prepare.py does without options; return 1 when one failed."""
    check_name(options.db)
    found, of_persons = with_persons(reviewed_recordings(Path(options.reviewed), options.whole))
    for words in of_persons:
        log.info("%s", words)
    names = names_of(found)
    show(found, names)
    folder = Path(options.data_dir) / options.db
    wanted = PrepareOptions(folder, engine.workers_of(options), max_mismatch=MAX_MISMATCH)
    return prepare(found, names, reading_of_review(options.whole), wanted, FoldOptions(options.db, add=options.add))


def check_nights(
    dataset: Dataset, data_dir: Path, nights: Mapping[str, Path], runs: Sequence[Run], thoroughly: bool
) -> int:
    """Print what is suspicious about the nights of the folds, and return how much there is."""
    paths = sorted({nights[name] for run in runs for name in run.contents})
    bar = tqdm(paths, desc="checking", unit="night", leave=False, disable=None)
    of_files, settings = file_findings(dataset, data_dir, runs), runs[0].settings
    of_signals = (
        thorough_findings(bar, settings.input_size, settings.sampling_rate) if thoroughly else first_findings(bar)
    )
    n_found = 0
    with logging_redirect_tqdm([log]):
        for words in itertools.chain(of_files, of_signals):
            log.info("warning: %s", words)
            n_found += 1
    if thoroughly:
        log.info("%d nights checked: %s", len(paths), counted(n_found, "warning") if n_found else "nothing suspicious")
    return n_found


def train_unfinished(plans: Sequence[FoldPlan], options: argparse.Namespace) -> dict[int, str]:
    """Train the folds that are not finished; return why folds failed, by their numbers."""
    unfinished = [plan for plan in plans if options.restart or not places.is_finished(plan.folder)]
    for plan in plans:
        if plan not in unfinished:
            places.tidy(plan.folder)
            log.info("fold %d is finished already", plan.run.fold)
    if not unfinished:
        return {}
    writable_folder(Path(options.output_dir))
    workers = engine.workers_of(options, options.gpu).of(len(unfinished))
    how = TrainOptions(options.gpu[0], options.restart, options.wait, options.memory_map, as_arguments(options))
    if workers.several:
        return train_side_by_side(unfinished, how, workers)
    return train_folds(unfinished, how)


def as_arguments(options: argparse.Namespace) -> tuple[str, ...]:
    """Return the command line that means these options for one fold, without those of the whole."""
    settings = {field.name for field in fields(Settings)}
    arguments: list[str] = []
    for name, value in vars(options).items():
        if name in OF_THE_WHOLE or value is None:
            continue
        if isinstance(value, bool):
            arguments += [f"--{name}"] if value else [f"--no-{name}"] if name in settings else []
        elif isinstance(value, list):
            arguments += [f"--{name}", *map(str, value)]
        else:
            arguments.append(f"--{name}={value}")
    return tuple(arguments)


def check_options(options: argparse.Namespace) -> None:
    """Raise InputError for options that make no sense, whatever the data."""
    if options.suffix and Path(options.suffix).name != options.suffix:
        raise InputError(f"--suffix {options.suffix}: goes into a folder's name; give it no / or \\")
    if options.whole and not options.reviewed:
        raise InputError(f"--whole is an option of --reviewed: {WHOLE}")
    if options.add and not options.reviewed:
        raise InputError("--add is an option of --reviewed: nights of earlier commands stay in the folds")
    if options.init_from == "" or (options.allow_seen and options.init_from is None):
        raise InputError("--init_from needs a FOLDER, and --allow_seen is an option of it")
    if getattr(options, "keep_first", 0) and options.init_from is None:
        raise InputError("--keep_first is the share of weights that the training starts from: give --init_from FOLDER")


def chosen_settings(options: argparse.Namespace) -> Settings:
    """Return the run's settings; weights that are there already are pre-trained only when that is asked for."""
    settings = config.settings_from(options)
    if options.init_from and "pretrain_epochs" not in options:
        return replace(settings, pretrain_epochs=0)
    return settings


def print_table(folders: Mapping[int, Path], dataset: Dataset) -> None:
    """Print the test scores of every fold asked for, and of all of them pooled."""
    log.info("\n%s: test scores of %d of %d folds", dataset.name, len(folders), dataset.n_folds)
    log.info("%6s  %9s  %7s  %10s  %10s  %6s", "fold", "kept pass", "epochs", "accuracy %", "macro-F1 %", "kappa")
    confusions = []
    for fold, folder in folders.items():
        tested = load_test_scores(folder)
        confusions.append(tested.confusion)
        print_row(str(fold), str(tested.pass_number), metrics.from_confusion(tested.confusion))
        if tested.seen_nights:
            log.info("%6s  warning: its weights have seen the subjects of %s", "", ", ".join(tested.seen_nights))
    print_row("pooled", "", metrics.from_confusion(np.sum(confusions, axis=0)))


def print_next(dataset: Dataset, options: argparse.Namespace) -> None:
    """Print the command that scores the folds."""
    where = f"--dir {options.output_dir} --data_dir {options.data_dir}"
    suffix = f" --suffix {options.suffix}" if options.suffix else ""
    skip = " --skip_missing" if options.skip_missing else ""
    log.info("\nmore: python predict.py --db %s %s%s%s", dataset.name, where, suffix, skip)


def print_row(fold: str, kept_pass: str, scores: metrics.Scores) -> None:
    figures = (scores.n_epochs, 100 * scores.accuracy, 100 * scores.macro_f1, metrics.number(scores.kappa, 6, 3))
    log.info("%6s  %9s  %7d  %10.1f  %10.1f  %s", fold, kept_pass, *figures)


if __name__ == "__main__":
    raise SystemExit(main())
