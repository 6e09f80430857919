"""One fold from wherever it is to its end: pre-training, training with validation, one test."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from augmentation import changed_nights, upside_down
from command import log
from data import Batch, Night, Step, batch_nights, load_night, prefetched
from files.arrays import Arrays
from folds import folders as places
from folds.calibration import save_calibration
from folds.checkpoint import Best, Fold, load_best, load_resume, save_best, save_resume, sha256_of
from folds.checks import signal_findings
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
    save_history,
    save_test_scores,
)
from folds.planning import learning_rate_at, padding_line, plan_of_pass
from folds.run import Run, save_run
from folds.split import PARTS
from scoring import metrics
from scoring.calibrating import calibrate
from scoring.test_nights import scores_of

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
        nights: the file of each prepared night by its name.
        source: the fold whose weights it starts from; None for weights drawn from the seed.
        on_disk: leave their signals on disk.
    """

    def __init__(
        self,
        training: Training,
        stager: Stager,
        run: Run,
        folder: Path,
        nights: Mapping[str, Path],
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
        return scores_of(self.stager.probabilities, nights)

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
        """Read the nights of a part of the split, each stretch between gaps as a night of its own, and say what is
        suspicious about their signals."""
        paths = [self.nights[name] for name in self.run.epochs[part]]
        size, rate, change = self.settings.input_size, self.settings.sampling_rate, self.run.conditioning.of_nights()
        nights = [load_night(path, size, rate, self.on_disk, change) for path in paths]
        for night in nights:
            for words in signal_findings(night.x):
                log.info("warning: fold %d: %s: %s", self.run.fold, night.name, words)
        return [stretch for night in nights for stretch in night.stretches()]

    def test(self) -> None:
        """Score the test nights, once, with the kept checkpoint; this ends the fold.

        Raises:
            FoldError: no pass was kept.
        """
        if not any(one.kept for one in self.history.passes):
            raise FoldError(f"fold {self.run.fold}: validation never rose above 0, so no checkpoint; train more passes")
        best = load_best(self.folder)
        self.stager.network.assign(best.weights, str(self.folder))
        first = self.source.calibration if self.source else None
        calibration = calibrate(
            self.stager.probabilities, self.load("valid"), sha256_of(self.folder / places.BEST), first
        )
        save_calibration(self.folder, calibration)
        log.info("fold %d: %s", self.run.fold, calibration.in_words())
        scores = scores_of(self.stager.probabilities, self.load("test"))
        save_test_scores(self.folder, best, metrics.as_json(scores), self.run.seen_test_nights())
        (self.folder / places.RESUME).unlink(missing_ok=True)
        words = metrics.in_words(scores)
        log.info("fold %d: done; checkpoint of pass %d scores %s", self.run.fold, best.pass_number, words)


def show_losses(bar: Any, losses: Losses) -> None:
    """Show the losses beside the bar when it is drawn next; reading them at each step would wait for each step."""
    if not bar.disable and time.time() - bar.last_print_t >= bar.mininterval:
        bar.set_postfix({name: f"{float(value):.3g}" for name, value in losses.items()}, refresh=False)
