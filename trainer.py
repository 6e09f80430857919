"""Cross-validate: train, validate and test fold after fold.

    python trainer.py --db isruc --gpu 0 --from_fold 0 --to_fold 9
    python trainer.py --db isruc --from_fold 0 --to_fold 9 --n_jobs 4 --gpu 0,1,2,3
    python trainer.py --db isruc --from_fold 0 --to_fold 9 --init_from ./pretrained_model/sleepedf/0

Calling the same command again goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

import config
import engine
from augmentation import changed_nights, upside_down
from command import InputError, command, counted, log, log_to_terminal, new_parser
from config import Settings
from data import Batch, Night, Step, batch_nights, load_night, prefetched
from device import choose_device, give_back_memory, start_tensorflow
from files import Arrays, existing_folder, writable_folder
from folds import folders as places
from folds.calibration import save_calibration
from folds.checkpoint import Best, Fold, load_best, load_resume, save_best, save_resume, sha256_of
from folds.checks import file_findings, first_findings, signal_findings, thorough_findings
from folds.failure import FoldError, PassWatch
from folds.history import (
    PRETRAIN,
    START,
    TRAIN,
    Events,
    History,
    Pass,
    check_alone,
    load_history,
    load_test_scores,
    save_history,
    save_test_scores,
)
from folds.own_data import DEFAULTS, prepare
from folds.planning import (
    check_folder,
    check_source,
    chosen_folds,
    learning_rate_at,
    load_sources,
    padding_line,
    paths_of,
    plan_of_pass,
    planned_runs,
    with_origins,
)
from folds.run import Run, save_run
from folds.side_by_side import train_side_by_side
from folds.split import PARTS, prepared_nights
from recordings.dataset_file import check_name, find_dataset
from recordings.datasets import DATASETS, Dataset
from recordings.pairs import names_of, show
from reviewing.learning import WHOLE, reading_of_review, reviewed_recordings
from scoring import metrics
from scoring.calibrating import calibrate
from scoring.test_nights import NotFiniteError, scores_of

if TYPE_CHECKING:
    from model import Losses, Stager, Training

MEASURED_BATCHES = 100  # of a pass: with 20 the validation scores of one network differed by 4 points
BAR_SECONDS = 0.5  # between two drawings of the progress bar

TakeStep = Callable[[Batch, Any], "tuple[Losses, Any]"]
"""One step: a batch and the LSTM's state before it → the losses, and the state after it."""


class FoldTraining:
    """One fold from wherever it is to its end: pre-training, training with validation, one test.

    Args:
        training, stager: compiled once and shared by all folds.
        run: the fold's settings and subjects.
        folder: where it is kept.
        nights: the prepared nights of every subject.
        source: the fold whose weights it starts from; None for weights drawn from the seed.
        on_disk: leave their signals on disk.
    """

    def __init__(
        self,
        training: Training,
        stager: Stager,
        run: Run,
        folder: Path,
        nights: Mapping[int, Sequence[Path]],
        source: Fold | None = None,
        on_disk: bool = False,
    ) -> None:
        self.training, self.stager, self.run, self.folder, self.nights = training, stager, run, folder, nights
        self.settings, self.source, self.on_disk = run.settings, source, on_disk
        self.history = History(run.settings)
        self.loaded: dict[str, list[Night]] = {}

    # ---- the loop ----

    def complete(self) -> None:
        """Do every pass that is not done yet, then score the test nights."""
        self.begin()
        self.pretrain()
        self.train()
        self.test()

    def pretrain(self) -> None:
        """Do the passes of reconstruction pre-training that are left."""
        to_do = self.history.to_do(PRETRAIN)
        nights = self.load(*self.settings.pretrain_on) if to_do else []
        for number in to_do:
            started = time.perf_counter()
            losses = self.one_pass(PRETRAIN, number, nights, self.training.pretrain)
            self.end_pass(Pass(PRETRAIN, number, int(self.training.step), **losses), started)

    def train(self) -> None:
        """Do the training passes that are left; after each, keep the weights if validation finds them better."""
        train_nights, valid_nights = self.load("train"), self.validation_nights()
        for number in self.history.to_do(TRAIN):
            if self.history.out_of_patience():
                log.info("fold %d: no better checkpoint for %d passes", self.run.fold, self.settings.patience)
                return
            started = time.perf_counter()
            losses = self.one_pass(TRAIN, number, train_nights, self.training.train)
            weights = self.training.plain_weights(self.some_batches(number, train_nights))
            valid = self.validate(weights, valid_nights, number)
            self.end_pass(Pass(TRAIN, number, int(self.training.step), **losses, **valid), started)

    def validate(self, weights: Arrays, valid_nights: Sequence[Night], number: int) -> dict[str, Any]:
        """Score the validation nights, and keep the weights if they are better than those kept before.

        Args:
            weights: of a plain network.
            valid_nights: of the fold.
            number: of the pass after which these are the weights.

        Returns:
            The scores, and whether the weights were kept.
        """
        scores = self.scored(weights, valid_nights)
        kept, step = self.history.is_better(scores.accuracy, scores.macro_f1), int(self.training.step)
        if kept:
            save_best(self.folder, Best(weights, step, number))
        if kept and self.settings.normalise:
            save_best(self.folder, Best(self.training.average_weights(), step, number), places.NORMALISED)
        return {"valid_accuracy": scores.accuracy, "valid_macro_f1": scores.macro_f1, "kept": kept}

    def some_batches(self, number: int, nights: Sequence[Night]) -> Iterator[Batch]:
        """Yield batches from all over a training pass, to measure what a network is normalised by; else none."""
        if self.settings.normalise:
            ordered, plan = self.ordered(TRAIN, number, nights)
            some = plan[:: math.ceil(len(plan) / MEASURED_BATCHES)]
            yield from batch_nights(ordered, some, self.settings.seq_length)

    def ordered(self, phase: str, number: int, nights: Sequence[Night]) -> tuple[list[Night], list[Step]]:
        """Return a pass's nights, changed as it trains on them, and its steps; seed, phase and pass decide on both."""
        seed = (self.run.seed, int(phase == TRAIN), number)
        ordered = [nights[i] for i in np.random.default_rng(seed).permutation(len(nights))]
        if phase == TRAIN:
            ordered = changed_nights(ordered, self.settings, seed)
        return ordered, plan_of_pass([len(night) for night in ordered], self.settings)

    def one_pass(self, phase: str, number: int, nights: Sequence[Night], take_step: TakeStep) -> dict[str, Any]:
        """Take one step for each batch, over all nights in an order that seed, phase and pass decide.

        Returns:
            The mean of each loss over the steps.

        Raises:
            FoldError: a loss, or a weight after the last step, is not finite.
        """
        ordered, plan = self.ordered(phase, number, nights)
        watch = PassWatch(f"fold {self.run.fold}: {phase} pass {number}", ordered, plan, self.settings.seq_length)
        bar = tqdm(
            prefetched(batch_nights(ordered, plan, self.settings.seq_length)),
            desc=f"fold {self.run.fold} {phase} {number}",
            total=len(plan),
            unit="step",
            mininterval=BAR_SECONDS,
            leave=False,
            disable=None,  # no bar where the output is no terminal
        )
        state, losses = self.training.first_state(), []
        for step, batch in enumerate(bar):
            if phase == TRAIN:
                self.training.set_learning_rate(learning_rate_at(number - 1 + step / len(plan), self.settings))
            one, state = take_step(batch, state)
            losses.append(one)
            if len(losses) > 1:
                watch.check_losses(losses[-2], len(losses) - 2)  # a step late: reading the last would wait for it
            show_losses(bar, one)
        watch.check_losses(losses[-1], len(losses) - 1)
        watch.check_weights(self.training.network.values())
        return {name: float(np.mean([float(one[name]) for one in losses])) for name in losses[0]}

    def end_pass(self, one: Pass, started: float) -> None:
        """Keep a pass: from here on, a stopped run goes on with the next one."""
        one = replace(one, seconds=round(time.perf_counter() - started, 3))
        check_alone(self.folder, self.history.passes)
        self.history.passes.append(one)
        save_history(self.folder, self.history.passes)
        save_resume(self.folder, len(self.history.passes), self.training.values())
        self.events.write(one)
        log.info("fold %d  %s  %s", self.run.fold, one.in_words(), self.history.time_left())

    # ---- its begin and its end ----

    def begin(self) -> None:
        """Start the fold's folder, or go on from what is in it."""
        parts = ", ".join(
            f"{len(self.run.epochs[p])} {p} nights ({sum(self.run.epochs[p].values())} epochs)" for p in PARTS
        )
        padding = padding_line(list(self.run.epochs["train"].values()), self.settings)
        log.info("fold %d: %s; %s", self.run.fold, parts, padding)
        self.training.restart(self.run.seed)
        if (self.folder / places.RESUME).exists():
            done, values = load_resume(self.folder)
            self.training.assign(values)
            self.history.passes = load_history(self.folder)[:done]
            save_history(self.folder, self.history.passes)  # without a pass that was stopped as it was kept
            log.info("fold %d: going on %s", self.run.fold, self.history.last())
        else:
            save_run(self.folder, self.run)
        self.events = Events(self.folder)  # after config.json, without which a folder with events is of nobody
        if self.source and not self.history.passes:
            self.start_from(self.source)

    def start_from(self, source: Fold) -> None:
        """Take a fold's weights, which count as pass 0: they are kept unless a pass finds better ones."""
        self.say_source(source)
        started = time.perf_counter()
        valid_nights = self.validation_nights()
        weights = self.first_weights(source, valid_nights)
        self.end_pass(Pass(START, 0, 0, **self.validate(weights, valid_nights, 0)), started)

    def first_weights(self, source: Fold, valid_nights: Sequence[Night]) -> Arrays:
        """Start from a source's weights as they are, or normalised by these nights if validation finds that better."""
        origin, nights = str(source.folder), self.load("train")
        plain = self.training.start_from(source.best.weights, self.some_batches(1, nights), origin)
        if not (source.normalised and self.settings.normalise):
            return plain
        begun = self.training.values()
        again = self.training.start_normalised(source.normalised.weights, self.some_batches(1, nights), origin)
        as_they_are, normalised = (self.scored(weights, valid_nights).macro_f1 for weights in (plain, again))
        figures = f"validation macro-F1 {100 * normalised:.1f} %, as they were {100 * as_they_are:.1f} %"
        log.info("fold %d: first weights normalised by the nights of this fold: %s", self.run.fold, figures)
        if normalised > as_they_are:
            return again
        self.training.assign(begun)
        return plain

    def validation_nights(self) -> list[Night]:
        """Return the nights that choose the weights; turned upside down too, where the training nights are.

        Otherwise weights that a polarity breaks could be better than any that do not mind it.
        """
        nights = self.load("valid")
        turned = [upside_down(night) for night in nights] if self.settings.augment_polarity else []
        return [*nights, *turned]

    def scored(self, weights: Arrays, nights: Sequence[Night]) -> metrics.Scores:
        """Return the scores of a plain network with these weights."""
        self.stager.network.assign(weights)
        return scores_of(self.stager, nights)

    def say_source(self, source: Fold) -> None:
        """Say where the first weights are from, what they lack, and whom they have seen."""
        from model import RECONSTRUCTION

        fold, kept = self.run.fold, source.best.pass_number
        log.info("fold %d: starts from %s, kept at pass %d", fold, source.folder, kept)
        theirs, ours = source.run.conditioning.in_words(), self.run.conditioning.in_words()
        if theirs != ours:
            log.info("warning: fold %d: these weights want signals with %s; this fold's are %s", fold, theirs, ours)
        if not source.best.weights.keys() >= RECONSTRUCTION:
            log.info("fold %d: the reconstruction branch starts from drawn weights; these are for scoring only", fold)
        if seen := ", ".join(self.run.test_nights_seen_before()):
            log.info("warning: fold %d: these weights have seen the subjects of its test nights %s", fold, seen)

    def load(self, *parts: str) -> list[Night]:
        """Return the nights of some parts of the split, each read once."""
        for part in parts:
            if part not in self.loaded:
                self.loaded[part] = self.read(part)
        return [night for part in parts for night in self.loaded[part]]

    def read(self, part: str) -> list[Night]:
        """Read the nights of a part of the split, and say what is suspicious about their signals."""
        paths = paths_of(self.run.subjects[part], self.nights)
        size, rate, change = self.settings.input_size, self.settings.sampling_rate, self.run.conditioning.of_nights()
        nights = [load_night(path, size, rate, self.on_disk, change) for path in paths]
        for night in nights:
            for words in signal_findings(night.x):
                log.info("warning: fold %d: %s: %s", self.run.fold, night.name, words)
        return nights

    def test(self) -> None:
        """Score the test nights, once, with the kept checkpoint; this ends the fold.

        Raises:
            FoldError: no pass was kept.
        """
        if not any(one.kept for one in self.history.passes):
            raise FoldError(f"fold {self.run.fold}: validation never rose above 0, so no checkpoint; train more passes")
        best = load_best(self.folder)
        self.stager.network.assign(best.weights, str(self.folder))
        calibration = calibrate(self.stager, self.load("valid"), sha256_of(self.folder / places.BEST))
        save_calibration(self.folder, calibration)
        log.info("fold %d: %s", self.run.fold, calibration.in_words())
        scores = scores_of(self.stager, self.load("test"))
        save_test_scores(self.folder, best, metrics.as_json(scores), self.run.seen_test_nights())
        (self.folder / places.RESUME).unlink(missing_ok=True)
        words = metrics.in_words(scores)
        log.info("fold %d: done; checkpoint of pass %d scores %s", self.run.fold, best.pass_number, words)


def show_losses(bar: Any, losses: Losses) -> None:
    """Show the losses beside the bar when it is drawn next; reading them at each step would wait for each step."""
    if not bar.disable and time.time() - bar.last_print_t >= bar.mininterval:
        bar.set_postfix({name: f"{float(value):.3g}" for name, value in losses.items()}, refresh=False)


# ---- the command ----


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    parser.add_argument("--db", "--dataset", required=True, help=f"data set: {', '.join(DATASETS)}, or your own")
    parser.add_argument(
        "--gpu",
        type=engine.gpus_in,
        default=(0,),
        help="GPU number, or one for each job as in 0,1,2,3; -1, or no GPU in the machine: CPU (default 0)",
    )
    parser.add_argument("--from_fold", type=int, required=True, help="first fold")
    parser.add_argument("--to_fold", type=int, required=True, help="last fold, included")
    parser.add_argument("--suffix", help="added to the name of the output folder: <db>_<suffix>")
    parser.add_argument("--data_dir", default=config.DATA_DIR, help="holds <db>/*.npz (default %(default)s)")
    parser.add_argument("--output_dir", default=config.OUTPUT_DIR, help="gets <db>/<fold>/ (default %(default)s)")
    parser.add_argument("--skip_missing", action="store_true", help="go on without the subjects that have no night")
    parser.add_argument(
        "--check", action="store_true", help="only say what is suspicious about the nights; no training"
    )
    parser.add_argument("--restart", action="store_true", help="start the folds over, whatever is in their folders")
    parser.add_argument("--reviewed", metavar="FOLDER", help="first prepare the nights of it that a human reviewed")
    parser.add_argument("--whole", action="store_true", help=f"of --reviewed: {WHOLE}")
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
    runs = planned_runs(dataset, numbers, settings, nights)
    n_found = check_nights(dataset, data_dir, nights, runs, options.check)
    if options.check:
        return int(n_found > 0)
    sources = load_sources(runs, dataset, options.init_from)
    runs = with_origins(runs, sources)
    root = Path(options.output_dir)
    folders = {run.fold: places.fold_folder(root, dataset.name, options.suffix, run.fold) for run in runs}
    for run in runs:
        check_source(run, folders[run.fold], options.allow_seen)
        if not options.restart:
            check_folder(folders[run.fold], run)
    failed = train_unfinished(runs, folders, nights, sources, options)
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
    found = reviewed_recordings(Path(options.reviewed), options.whole)
    names = names_of(found)
    show(found, names)
    ours = {name: getattr(options, name) for name in ("db", "n_jobs", "engine", "address")}
    wanted = argparse.Namespace(**DEFAULTS, **ours, output_dir=str(Path(options.data_dir) / options.db))
    return prepare(found, names, reading_of_review(options.whole), wanted)


def check_nights(
    dataset: Dataset, data_dir: Path, nights: Mapping[int, Sequence[Path]], runs: Sequence[Run], thoroughly: bool
) -> int:
    """Print what is suspicious about the nights of the folds, and return how much there is."""
    used = {night for run in runs for night in run.contents}
    paths = sorted({path for of_one in nights.values() for path in of_one if path.stem in used})
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


def train_unfinished(
    runs: Sequence[Run],
    folders: Mapping[int, Path],
    nights: Mapping[int, Sequence[Path]],
    sources: Mapping[int, Fold],
    options: argparse.Namespace,
) -> dict[int, str]:
    """Train the folds that are not finished; return why folds failed, by their numbers."""
    unfinished = [run for run in runs if options.restart or not places.is_finished(folders[run.fold])]
    for run in runs:
        if run not in unfinished:
            places.tidy(folders[run.fold])
            log.info("fold %d is finished already", run.fold)
    if not unfinished:
        return {}
    writable_folder(Path(options.output_dir))
    workers = engine.workers_of(options, options.gpu).of(len(unfinished))
    if workers.several:
        return train_side_by_side(unfinished, folders, options, workers)
    return train_folds(unfinished, folders, nights, sources, options)


def check_options(options: argparse.Namespace) -> None:
    """Raise InputError for options that make no sense, whatever the data."""
    if options.suffix and Path(options.suffix).name != options.suffix:
        raise InputError(f"--suffix {options.suffix}: goes into a folder's name; give it no / or \\")
    if options.whole and not options.reviewed:
        raise InputError(f"--whole is an option of --reviewed: {WHOLE}")
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


def train_folds(
    runs: Sequence[Run],
    folders: Mapping[int, Path],
    nights: Mapping[int, Sequence[Path]],
    sources: Mapping[int, Fold],
    options: argparse.Namespace,
) -> dict[int, str]:
    """Train the folds that are not finished, one after the other, with one compilation.

    Returns:
        Why folds failed, by their numbers.
    """
    failed = {}
    device = start_tensorflow(options.gpu[0])
    started = time.perf_counter()
    training, stager = compiled(runs[0].settings, sources)
    log.info("computing on %s; compiled in %.1f s", device, time.perf_counter() - started)
    for run in runs:
        fold = FoldTraining(training, stager, run, folders[run.fold], nights, sources.get(run.fold), options.memory_map)
        try:
            train_alone(fold, options.restart, options.wait)
        except (FoldError, NotFiniteError) as error:
            failed[run.fold] = str(error)
        except places.BusyError as error:
            if len(runs) == 1:
                raise
            log.info("fold %d is left to the other trainer", run.fold)  # of several machines, each takes what is free
            failed[run.fold] = str(error)
    return failed


def train_alone(fold: FoldTraining, restart: bool, wait: float) -> None:
    """Train one fold, unless it is finished by now, while no other trainer may; wait so many seconds for another."""
    with places.alone_in(fold.folder, wait):
        if restart:
            places.clear(fold.folder)
        elif places.is_finished(fold.folder):
            log.info("fold %d: finished by another trainer meanwhile", fold.run.fold)
            return
        train_fold(fold, "the same command without --restart" if restart else "the same command")


def compiled(settings: Settings, sources: Mapping[int, Fold]) -> tuple[Training, Stager]:
    """Return the compiled steps and the stager of the network that they train.

    Raises:
        InputError: the weights of a source do not fit the network.
    """
    from model import RecSleepNet, compiled_training

    for source in dict.fromkeys(sources.values()):
        RecSleepNet(settings).assign(source.best.weights, str(source.folder))
    training, stager = compiled_training(settings)
    give_back_memory()  # before the nights come
    return training, stager


def train_fold(fold: FoldTraining, command: str) -> None:
    """Train one fold to its end; if that is interrupted, say how it goes on."""
    with log_file(fold.folder):
        try:
            fold.complete()
        except KeyboardInterrupt as stop:
            stopped = f"stopped in fold {fold.run.fold} {fold.history.last()}"
            log.info("%s", stopped)
            raise type(stop)(f"{stopped}; {command} goes on with the pass it was in") from None
        except (FoldError, NotFiniteError) as error:
            log.info("error: %s", error)
            raise


@contextmanager
def log_file(folder: Path) -> Iterator[None]:
    """Write what is logged to the fold's train.log too, with the time."""
    handler = logging.FileHandler(folder / places.LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


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
