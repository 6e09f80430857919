"""Cross-validate: train, validate and test fold after fold.

    python trainer.py --db isruc --gpu 0 --from_fold 0 --to_fold 9
    python trainer.py --db isruc --from_fold 0 --to_fold 9 --init_from ./pretrained_model/sleepedf/0

Calling the same command again goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import logging
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout
from tqdm import tqdm

import checkpoint
import config
import metrics
from checkpoint import PARTS, Best, Fold, Pass, Run
from command import InputError, command, existing_folder, import_tensorflow, log, log_to_terminal, writable_folder
from config import Dataset, Settings
from data import (
    Batch,
    Night,
    Step,
    batch_nights,
    find_nights,
    load_night,
    plan_steps,
    prefetched,
    preparing_script,
    split_subjects,
    summarize_night,
)

if TYPE_CHECKING:
    from model import Stager, Training

PRETRAIN, TRAIN = "pretrain", "train"
BAR_SECONDS = 0.5  # between two readings of the losses for the progress bar


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", "--dataset", required=True, help=f"data set: {', '.join(config.DATASETS)}")
    parser.add_argument("--gpu", type=int, default=0, help="GPU number; -1, or no GPU in the machine: CPU (default 0)")
    parser.add_argument("--from_fold", type=int, required=True, help="first fold")
    parser.add_argument("--to_fold", type=int, required=True, help="last fold, included")
    parser.add_argument("--suffix", help="added to the name of the output folder: <db>_<suffix>")
    parser.add_argument("--data_dir", default=config.DATA_DIR, help="holds <db>/*.npz (default %(default)s)")
    parser.add_argument("--output_dir", default=config.OUTPUT_DIR, help="gets <db>/<fold>/ (default %(default)s)")
    parser.add_argument("--skip_missing", action="store_true", help="go on without the subjects that have no night")
    parser.add_argument("--restart", action="store_true", help="train the folds anew, whatever is in their folders")
    parser.add_argument("--init_from", metavar="FOLDER", help="start from a fold's weights; or a folder of folds")
    parser.add_argument("--allow_seen", action="store_true", help="let those weights have seen test subjects")
    parser.add_argument("--memory_map", action="store_true", help="leave signals on disk, uncompressed: for large data")
    config.add_settings_options(parser)
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    if options.suffix and Path(options.suffix).name != options.suffix:
        raise InputError(f"--suffix {options.suffix}: goes into a folder's name; give it no / or \\")
    if options.init_from == "" or (options.allow_seen and options.init_from is None):
        raise InputError("--init_from needs a FOLDER, and --allow_seen is an option of it")
    settings, dataset = chosen_settings(options), config.dataset_named(options.db)
    folds = chosen_folds(dataset, options.from_fold, options.to_fold)
    remedy = f"prepare them with {preparing_script(dataset)}, or name another --data_dir"
    data_dir = existing_folder(Path(options.data_dir) / dataset.name, "prepared nights", remedy)
    nights = find_nights(dataset, data_dir, dataset.subjects, options.skip_missing)
    runs = planned_runs(dataset, folds, settings, nights)
    sources = load_sources(runs, dataset, options)
    runs = with_origins(runs, sources)
    root = Path(options.output_dir)
    folders = {run.fold: checkpoint.fold_folder(root, dataset.name, options.suffix, run.fold) for run in runs}
    for run in runs:
        check_source(run, folders[run.fold], options.allow_seen)
        if not options.restart:
            check_folder(folders[run.fold], run)
    writable_folder(root)
    unfinished = [run for run in runs if options.restart or not checkpoint.is_finished(folders[run.fold])]
    for run in runs:
        if run not in unfinished:
            log.info("fold %d is finished already", run.fold)
    if unfinished:
        train_folds(unfinished, folders, nights, sources, options)
    print_table(folders, dataset)
    where = f"--dir {options.output_dir} --data_dir {options.data_dir}"
    suffix = f" --suffix {options.suffix}" if options.suffix else ""
    skip = " --skip_missing" if options.skip_missing else ""
    log.info("\nmore: python predict.py --db %s %s%s%s", dataset.name, where, suffix, skip)
    return 0


# ---- what is to be trained ----


def chosen_settings(options: argparse.Namespace) -> Settings:
    """Return the run's settings; weights that are there already are pre-trained only when that is asked for."""
    settings = config.settings_from(options)
    if options.init_from and "pretrain_epochs" not in options:
        return replace(settings, pretrain_epochs=0)
    return settings


def chosen_folds(dataset: Dataset, first: int, last: int) -> range:
    if first > last:
        raise InputError(f"--from_fold {first} --to_fold {last}: the first fold comes after the last; swap them")
    for fold in (first, last):
        if not 0 <= fold < dataset.n_folds:
            raise InputError(f"fold {fold}: {dataset.name} has folds 0 to {dataset.n_folds - 1}")
    return range(first, last + 1)


def planned_runs(dataset: Dataset, folds: range, settings: Settings, nights: Mapping[int, Sequence[Path]]) -> list[Run]:
    """Return what each fold will be trained with; a fold that lacks all nights of a part is left out, and named."""
    summaries = {
        path.stem: summarize_night(path, settings.input_size, settings.sampling_rate)
        for paths in nights.values()
        for path in paths
    }
    versions = checkpoint.library_versions()
    runs = []
    for fold in folds:
        subjects = asdict(split_subjects(dataset, fold, settings.seed))
        names = {part: [path.stem for path in paths_of(subjects[part], nights)] for part in PARTS}
        empty = [part for part in PARTS if not names[part]]
        if empty:
            lacking = ", ".join(map(str, subjects[empty[0]]))
            log.info("fold %d is left out: no %s night (subjects %s)", fold, empty[0], lacking)
            continue
        epochs = {part: {name: summaries[name].n_epochs for name in names[part]} for part in PARTS}
        channels = sorted({summaries[name].ch_label for part in PARTS for name in names[part]} - {""})
        if len(channels) > 1:
            log.info("warning: fold %d: the nights are of several channels: %s", fold, ", ".join(channels))
        runs.append(Run(dataset.name, fold, settings, subjects, epochs, channels, versions))
    if not runs:
        raise InputError(
            f"no fold from {folds[0]} to {folds[-1]} has nights to train, validate and test with; prepare some of the "
            "subjects named above"
        )
    return runs


def load_sources(runs: Sequence[Run], dataset: Dataset, options: argparse.Namespace) -> dict[int, Fold]:
    """Return the fold whose weights each run starts from; none without `--init_from`.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    if not options.init_from:
        return {}
    root = existing_folder(options.init_from, "first weights")
    folders = {run.fold: checkpoint.find_source(root, dataset, run.fold) for run in runs}
    loaded = {folder: checkpoint.load_source(folder) for folder in dict.fromkeys(folders.values())}
    return {fold: loaded[folder] for fold, folder in folders.items()}


def with_origins(runs: Sequence[Run], sources: Mapping[int, Fold]) -> list[Run]:
    """Return the runs with where their first weights come from; as they are without sources."""
    origins = {source: checkpoint.origin_of(source) for source in dict.fromkeys(sources.values())}
    return [replace(run, init_from=origins[sources[run.fold]]) if sources else run for run in runs]


def check_source(run: Run, folder: Path, allow_seen: bool) -> None:
    """Raise InputError if a run starts from where it is written to, or from weights that saw whom it tests."""
    if not run.init_from:
        return
    source = Path(run.init_from.folder)
    if source.resolve() == folder.resolve():
        raise InputError(f"--init_from {source}: this fold is written there; use --suffix NAME for a folder beside it")
    if (seen := run.seen_test_nights()) and not allow_seen:
        raise InputError(
            f"fold {run.fold}: {source} has learned from the subjects of its test nights {', '.join(seen)}; "
            "start from a fold that never saw them, or give --allow_seen"
        )


def paths_of(subjects: Iterable[int], nights: Mapping[int, Sequence[Path]]) -> list[Path]:
    return [path for subject in subjects for path in nights[subject]]


def check_folder(folder: Path, run: Run) -> None:
    """Raise InputError if a fold's folder is there and was not made by the same run."""
    if (folder / checkpoint.RUN).exists():
        checkpoint.check_same_run(folder, run)
    elif folder.exists() and any(path.name not in (checkpoint.LOCK, checkpoint.LOG) for path in folder.iterdir()):
        raise InputError(
            f"{folder} holds files but no {checkpoint.RUN}; empty it, or use --suffix NAME for another one"
        )


# ---- training ----


def train_folds(
    runs: Sequence[Run],
    folders: Mapping[int, Path],
    nights: Mapping[int, Sequence[Path]],
    sources: Mapping[int, Fold],
    options: argparse.Namespace,
) -> None:
    """Train the folds that are not finished, in a row, with one compilation."""
    import_tensorflow(options.gpu)
    from model import Stager, Training, give_back_memory, use_device

    device = use_device(options.gpu)
    started = time.perf_counter()
    training = Training(runs[0].settings)
    for source in dict.fromkeys(sources.values()):
        training.network.assign(source.best.weights, str(source.folder))  # a source that does not fit is refused here
    stager = Stager(training.network)
    training.compile()
    stager.compile()
    give_back_memory()  # before the nights come
    log.info("computing on %s; compiled in %.1f s", device, time.perf_counter() - started)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `kill` stops as Ctrl-C does: cleanly
    for run in runs:
        folder = folders[run.fold]
        with alone_in(folder):
            if options.restart:
                checkpoint.clear(folder)
            elif checkpoint.is_finished(folder):
                log.info("fold %d: finished by another trainer meanwhile", run.fold)
                continue
            fold = FoldTraining(training, stager, run, folder, nights, sources.get(run.fold), options.memory_map)
            train_fold(fold, "the same command without --restart" if options.restart else "the same command")


def train_fold(fold: FoldTraining, command: str) -> None:
    """Train one fold to its end; if that is interrupted, say how it goes on."""
    with log_file(fold.folder):
        try:
            fold.complete()
        except KeyboardInterrupt:
            done = [f"after {one.phase} pass {one.pass_number}" for one in fold.history]
            stopped = f"stopped in fold {fold.run.fold} {done[-1] if done else 'at its start'}"
            log.info("%s", stopped)
            raise KeyboardInterrupt(f"{stopped}; {command} goes on with the pass it was in") from None


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
        self.history: list[Pass] = []
        self.state: Any = None  # of the LSTM, from batch to batch of a pass
        self.events = checkpoint.Events(folder)

    def complete(self) -> None:
        """Do every pass that is not done yet, then score the test nights."""
        self.begin()
        self.pretrain()
        self.train()
        self.test()

    def begin(self) -> None:
        """Start the fold's folder, or go on from what is in it."""
        parts = ", ".join(
            f"{len(self.run.epochs[p])} {p} nights ({sum(self.run.epochs[p].values())} epochs)" for p in PARTS
        )
        padding = padding_line(list(self.run.epochs["train"].values()), self.settings)
        log.info("fold %d: %s; %s", self.run.fold, parts, padding)
        self.training.restart(self.run.seed)
        if (self.folder / checkpoint.RESUME).exists():
            done, values = checkpoint.load_resume(self.folder)
            self.training.assign(values)
            self.history = checkpoint.load_history(self.folder)[:done]
            log.info("fold %d: going on after %d passes", self.run.fold, done)
        else:
            if self.source:
                self.start_from(self.source)
            checkpoint.save_run(self.folder, self.run)

    def start_from(self, source: Fold) -> None:
        """Take a fold's weights, and say which, and whom they have seen."""
        from model import RECONSTRUCTION

        self.training.network.assign(source.best.weights, str(source.folder))
        fold, kept = self.run.fold, source.best.pass_number
        log.info("fold %d: starts from %s, kept at pass %d", fold, source.folder, kept)
        if not source.best.weights.keys() >= RECONSTRUCTION:
            log.info("fold %d: the reconstruction branch starts anew; these weights are for scoring only", fold)
        if seen := ", ".join(self.run.seen_test_nights()):
            log.info("warning: fold %d: these weights have seen the subjects of its test nights %s", fold, seen)

    def load(self, *parts: str) -> list[Night]:
        paths = [path for part in parts for path in paths_of(self.run.subjects[part], self.nights)]
        size, rate = self.settings.input_size, self.settings.sampling_rate
        return [load_night(path, size, rate, self.on_disk) for path in paths]

    def pretrain(self) -> None:
        done = sum(one.phase == PRETRAIN for one in self.history)
        if done == self.settings.pretrain_epochs:
            return
        nights = self.load(*self.settings.pretrain_on)
        for number in range(done + 1, self.settings.pretrain_epochs + 1):
            started = time.perf_counter()
            losses = self.steps(PRETRAIN, number, nights, self.training.pretrain)
            self.end_pass(Pass(PRETRAIN, number, int(self.training.step), **losses), started)

    def train(self) -> None:
        done = sum(one.phase == TRAIN for one in self.history)
        train_nights, valid_nights = self.load("train"), self.load("valid")
        if self.source and not done:
            before = metrics.pooled(self.score(valid_nights))
            log.info("fold %d: before the first training pass, validation %s", self.run.fold, score_words(before))
        for number in range(done + 1, self.settings.n_epochs + 1):
            if self.out_of_patience():
                log.info("fold %d: no better checkpoint for %d passes", self.run.fold, self.settings.patience)
                return
            started = time.perf_counter()
            losses = self.steps(TRAIN, number, train_nights, self.train_step)
            scores = metrics.pooled(self.score(valid_nights))
            kept, step = self.is_better(scores), int(self.training.step)
            if kept:
                checkpoint.save_best(self.folder, Best(self.training.network.values(), step, number))
            valid = {"valid_accuracy": scores.accuracy, "valid_macro_f1": scores.macro_f1}
            self.end_pass(Pass(TRAIN, number, step, kept=kept, **losses, **valid), started)

    def train_step(self, batch: Batch) -> dict[str, Any]:
        losses, self.state = self.training.train(batch, self.state)
        return losses

    def steps(
        self, phase: str, number: int, nights: Sequence[Night], step: Callable[[Batch], dict[str, Any]]
    ) -> dict[str, Any]:
        """Take one step a batch, over all nights in an order that seed, phase and pass decide.

        Returns:
            The mean of each loss over the steps.
        """
        order = np.random.default_rng([self.run.seed, phase == TRAIN, number]).permutation(len(nights))
        ordered = [nights[i] for i in order]
        plan = plan_of_pass([len(night) for night in ordered], self.settings)
        self.state = self.training.first_state()
        batches = tqdm(
            prefetched(batch_nights(ordered, plan, self.settings.seq_length)),
            desc=f"fold {self.run.fold} {phase} {number}",
            total=len(plan),
            unit="step",
            leave=False,
            disable=None,  # no bar where the output is no terminal
        )
        losses, shown = [], 0.0
        for batch in batches:
            losses.append(step(batch))
            if not batches.disable and time.perf_counter() - shown > BAR_SECONDS:
                batches.set_postfix({name: f"{float(value):.3g}" for name, value in losses[-1].items()}, refresh=False)
                shown = time.perf_counter()
        return {name: float(np.mean([float(one[name]) for one in losses])) for name in losses[0]}

    def score(self, nights: Iterable[Night]) -> list[metrics.ScoredNight]:
        subject_of = {path.stem: subject for subject, paths in self.nights.items() for path in paths}
        return [
            metrics.ScoredNight(
                night.name,
                subject_of[night.name],
                self.run.fold,
                metrics.scores(night.y, self.stager.probabilities(night.x).argmax(axis=1)),
            )
            for night in nights
        ]

    def is_better(self, scores: metrics.Scores) -> bool:
        """Tell whether accuracy AND macro-F1 are both higher than at the last kept checkpoint (0 before the first)."""
        kept = [one for one in self.history if one.kept]
        accuracy, macro_f1 = (kept[-1].valid_accuracy or 0, kept[-1].valid_macro_f1 or 0) if kept else (0, 0)
        return scores.accuracy > accuracy and scores.macro_f1 > macro_f1

    def out_of_patience(self) -> bool:
        recent = [one for one in self.history if one.phase == TRAIN][-self.settings.patience :]
        return 0 < self.settings.patience == len(recent) and not any(one.kept for one in recent)

    def end_pass(self, one: Pass, started: float) -> None:
        """Keep a pass: from here on, a stopped run goes on with the next one."""
        one = replace(one, seconds=round(time.perf_counter() - started, 3))
        self.history.append(one)
        checkpoint.save_history(self.folder, self.history)
        checkpoint.save_resume(self.folder, len(self.history), self.training.values())
        self.events.write(one)
        log.info("fold %d  %s  %s left", self.run.fold, pass_line(one), duration(self.seconds_left()))

    def seconds_left(self) -> float:
        of_phase = [one.seconds for one in self.history if one.phase == self.history[-1].phase]
        n_left = self.settings.pretrain_epochs + self.settings.n_epochs - len(self.history)
        return n_left * float(np.median(of_phase))

    def test(self) -> None:
        """Score the test nights, once, with the kept checkpoint; this ends the fold.

        Raises:
            InputError: no pass was kept.
        """
        if not any(one.kept for one in self.history):
            raise InputError(
                f"fold {self.run.fold}: validation never rose above 0, so no checkpoint; train more passes"
            )
        best = checkpoint.load_best(self.folder)
        self.training.network.assign(best.weights, str(self.folder))
        scores = metrics.pooled(self.score(self.load("test")))
        checkpoint.save_test_scores(self.folder, best, metrics.as_json(scores), self.run.seen_test_nights())
        (self.folder / checkpoint.RESUME).unlink(missing_ok=True)
        log.info("fold %d: done; checkpoint of pass %d scores %s", self.run.fold, best.pass_number, score_words(scores))


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Hold a fold's folder, made if need be, against another trainer.

    Raises:
        InputError: another one is training this fold, or the folder cannot be made.
    """
    writable_folder(folder)
    try:
        with FileLock(folder / checkpoint.LOCK, timeout=0):
            yield
    except Timeout as error:
        raise InputError(f"{folder}: another trainer.py is training this fold; wait for it, or use --suffix") from error


@contextmanager
def log_file(folder: Path) -> Iterator[None]:
    """Write what is logged to the fold's train.log too, with the time."""
    handler = logging.FileHandler(folder / checkpoint.LOG, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def plan_of_pass(n_epochs: Sequence[int], settings: Settings) -> list[Step]:
    return plan_steps(n_epochs, settings.batch_size, settings.seq_length, settings.pack_nights)


# ---- words and tables ----


def padding_line(n_epochs: Sequence[int], settings: Settings) -> str:
    """Say how many steps a pass takes and what share of the epochs that it computes is padding."""
    n_steps = len(plan_of_pass(n_epochs, settings))
    computed = n_steps * settings.batch_size * settings.seq_length
    return f"{n_steps} steps a pass, {100 * (1 - sum(n_epochs) / computed):.0f} % of their epochs are padding"


def pass_line(one: Pass) -> str:
    if one.phase == PRETRAIN:
        return f"pretrain {one.pass_number:3d}  rec {one.loss_rec:.4g}  {one.seconds:.1f} s"
    accuracy, valid_accuracy, valid_macro_f1 = (
        f"{100 * (share or 0):.1f} %" for share in (one.train_accuracy, one.valid_accuracy, one.valid_macro_f1)
    )
    return (
        f"train {one.pass_number:3d}  ce {one.loss_ce:.4f}  l2 {one.loss_l2:.4f}  rec {one.loss_rec:.4g}  "
        f"accuracy {accuracy}  validation accuracy {valid_accuracy} macro-F1 {valid_macro_f1}  "
        f"{'kept  ' if one.kept else ''}{one.seconds:.1f} s"
    )


def duration(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02d} min" if minutes >= 60 else f"{minutes} min"


def score_words(scores: metrics.Scores) -> str:
    return f"accuracy {100 * scores.accuracy:.1f} %, macro-F1 {100 * scores.macro_f1:.1f} %, kappa {scores.kappa:.3f}"


def print_table(folders: Mapping[int, Path], dataset: Dataset) -> None:
    """Print the test scores of every fold asked for, and of all of them pooled."""
    log.info("\n%s: test scores of %d of %d folds", dataset.name, len(folders), dataset.n_folds)
    log.info("%6s  %9s  %7s  %10s  %10s  %6s", "fold", "kept pass", "epochs", "accuracy %", "macro-F1 %", "kappa")
    confusions = []
    for fold, folder in folders.items():
        tested = checkpoint.load_test_scores(folder)
        confusions.append(tested.confusion)
        print_row(str(fold), str(tested.pass_number), metrics.from_confusion(tested.confusion))
        if tested.seen_nights:
            log.info("%6s  warning: its first weights have seen the subjects of %s", "", ", ".join(tested.seen_nights))
    print_row("pooled", "", metrics.from_confusion(np.sum(confusions, axis=0)))


def print_row(fold: str, kept_pass: str, scores: metrics.Scores) -> None:
    figures = (scores.n_epochs, 100 * scores.accuracy, 100 * scores.macro_f1, scores.kappa)
    log.info("%6s  %9s  %7d  %10.1f  %10.1f  %6.3f", fold, kept_pass, *figures)


if __name__ == "__main__":
    raise SystemExit(main())
