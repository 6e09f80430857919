"""The training of one fold: passes over its nights, validation after each, one test at the end.

`complete` is the whole of it and `one_pass` the loop; what one step does is in steps.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from command import log
from config import Settings
from data import Night
from files.arrays import Arrays
from folds import folders as places
from folds.calibration import save_calibration
from folds.checkpoint import Best, Fold, load_best, load_resume, save_best, save_resume, sha256_of
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
from folds.run import save_run
from folds.split import PARTS
from scoring import metrics
from scoring.calibrating import calibrate
from scoring.test_nights import scores_of
from training.batches import Batch, batch_nights, padding_line, prefetched
from training.failure import FoldError, PassWatch
from training.nights import FoldNights
from training.planning import FoldPlan

if TYPE_CHECKING:
    from model import Stager
    from training.steps import Losses, Training

BAR_SECONDS = 0.5  # between two drawings of the progress bar

TakeStep = Callable[[Batch, Any], "tuple[Losses, Any]"]
"""One step: a batch and the LSTM's state before it → the losses, and the state after it."""


class FoldTraining:
    """One fold from wherever it is to its end: pre-training, training with validation, one test.

    Args:
        training, stager: compiled once and shared by all folds. They have weights of their own: what is validated and
            kept need not be what is trained.
        plan: of the fold.
        on_disk: leave the signals of its nights on disk.
    """

    def __init__(self, training: Training, stager: Stager, plan: FoldPlan, on_disk: bool = False) -> None:
        self.training, self.stager = training, stager
        self.run, self.folder, self.source, self.settings = plan.run, plan.folder, plan.source, plan.run.settings
        self.nights = FoldNights(plan, on_disk)
        self.history = History(self.settings)

    # ---- the loop ----

    def complete(self) -> None:
        """Do every pass that is not done yet, then score the test nights."""
        self.begin()
        self.pretrain()
        self.train()
        self.test()

    def pretrain(self) -> None:
        """Do the passes of reconstruction pre-training that are left."""
        to_do = self.history.to_do(PRETRAIN)  # none in a run that goes on behind it
        nights = self.nights.of(*self.settings.pretrain_on) if to_do else []
        for number in to_do:
            started = time.perf_counter()
            losses = self.one_pass(PRETRAIN, number, nights, self.training.pretrain)
            self.end_pass(Pass(PRETRAIN, number, int(self.training.step), **losses), started)

    def train(self) -> None:
        """Do the training passes that are left; after each, keep the weights if validation finds them better."""
        train_nights, valid_nights = self.nights.of("train"), self.nights.validation()
        for number in self.history.to_do(TRAIN):
            if self.history.out_of_patience():
                log.info("fold %d: no better checkpoint for %d passes", self.run.fold, self.settings.patience)
                return
            started = time.perf_counter()
            losses = self.one_pass(TRAIN, number, train_nights, self.training.train)
            # What is validated is what scoring will use: averaged, and with the normalisation folded in.
            weights = self.training.plain_weights(self.nights.some_batches(number, train_nights))
            valid = self.validate(weights, valid_nights, number)
            self.end_pass(Pass(TRAIN, number, int(self.training.step), **losses, **valid), started)

    def one_pass(self, phase: str, number: int, nights: Sequence[Night], take_step: TakeStep) -> dict[str, Any]:
        """Take one step for each batch, over all nights in an order that seed, phase and pass decide.

        Returns:
            The mean of each loss over the steps.

        Raises:
            FoldError: a loss, or a weight after the last step, is not finite.
        """
        ordered, plan = self.nights.ordered(phase, number, nights)
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
        # The LSTM's state goes on from batch to batch: a lane holds the next chunk of the same night, and the step
        # begins anew where `Batch.first` says that another night starts.
        state, losses = self.training.first_state(), []
        for step, batch in enumerate(bar):
            if phase == TRAIN:
                self.training.set_learning_rate(learning_rate_at(number - 1 + step / len(plan), self.settings))
            of_step, state = take_step(batch, state)
            losses.append(of_step)  # still on their way: nothing is read here that the next step could wait for
            if len(losses) > 1:
                watch.check_losses(losses[-2], len(losses) - 2)  # a step late: reading the last would wait for it
            show_losses(bar, of_step)
        watch.check_losses(losses[-1], len(losses) - 1)
        watch.check_weights(self.training.network.values())  # a loss is of the weights before its step
        return {name: float(np.mean([float(of_step[name]) for of_step in losses])) for name in losses[0]}

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
        # As published: better in accuracy AND macro-F1 than the last that was kept, so that no stage is given up.
        kept, step = self.history.is_better(scores.accuracy, scores.macro_f1), int(self.training.step)
        if kept:
            save_best(self.folder, Best(weights, step, number))
        if kept and self.settings.normalise:  # another training goes on from these, not from the folded ones
            save_best(self.folder, Best(self.training.average_weights(), step, number), places.NORMALISED)
        return {"valid_accuracy": scores.accuracy, "valid_macro_f1": scores.macro_f1, "kept": kept}

    def scored(self, weights: Arrays, nights: Sequence[Night]) -> metrics.Scores:
        """Return the scores of a plain network with these weights."""
        self.stager.network.assign(weights)
        return scores_of(self.stager.probabilities, nights)

    def end_pass(self, done: Pass, started: float) -> None:
        """Keep a pass: from here on, a stopped run goes on with the next one."""
        done = replace(done, seconds=round(time.perf_counter() - started, 3))
        check_alone(self.folder, self.history.passes)  # no other trainer has written here meanwhile
        self.history.passes.append(done)
        # The history first: `begin` cuts it to what resume.npz has seen, so that a kill between the two costs one pass.
        save_history(self.folder, self.history.passes)
        save_resume(self.folder, len(self.history.passes), self.training.values())
        self.events.write(done)
        log.info("fold %d  %s  %s", self.run.fold, done.in_words(), self.history.time_left())

    def test(self) -> None:
        """Score the test nights, once, with the kept checkpoint; this ends the fold.

        Raises:
            FoldError: no pass was kept.
        """
        if not any(done.kept for done in self.history.passes):
            raise FoldError(f"fold {self.run.fold}: validation never rose above 0, so no checkpoint; train more passes")
        # Read back from the file: what is tested is what others will load.
        best = load_best(self.folder)
        self.stager.network.assign(best.weights, str(self.folder))
        first = self.source.calibration if self.source else None
        sha256 = sha256_of(self.folder / places.BEST)
        calibration = calibrate(self.stager.probabilities, self.nights.of("valid"), sha256, first)
        save_calibration(self.folder, calibration)
        log.info("fold %d: %s", self.run.fold, calibration.in_words())
        scores = scores_of(self.stager.probabilities, self.nights.of("test"))
        save_test_scores(self.folder, best, metrics.as_json(scores), self.run.seen_test_nights())
        (self.folder / places.RESUME).unlink(missing_ok=True)  # last: with its scores the fold is finished
        words = metrics.in_words(scores)
        log.info("fold %d: done; checkpoint of pass %d scores %s", self.run.fold, best.pass_number, words)

    # ---- where it begins, or goes on ----

    def begin(self) -> None:
        """Start the fold's folder, or go on from what is in it."""
        parts = ", ".join(
            f"{len(self.run.epochs[p])} {p} nights ({sum(self.run.epochs[p].values())} epochs)" for p in PARTS
        )
        padding = padding_line(list(self.run.epochs["train"].values()), self.settings)
        log.info("fold %d: %s; %s", self.run.fold, parts, padding)
        # Also before going on: the compiled steps are shared, and the fold before has left its weights in them.
        self.training.restart(self.run.seed)
        if (self.folder / places.RESUME).exists():
            done, values = load_resume(self.folder)
            self.training.assign(values)
            self.history.passes = load_history(self.folder)[:done]
            save_history(self.folder, self.history.passes)  # without a pass that was stopped as it was kept
            log.info("fold %d: going on %s", self.run.fold, self.history.last())
        else:
            save_run(self.folder, self.run)
        self.events = Events(self.folder)  # after config.json, without which a folder is not recognised as a fold
        if self.source and not self.history.passes:
            self.start_from(self.source)

    def start_from(self, source: Fold) -> None:
        """Take a fold's weights, which count as pass 0: they are kept unless a pass finds better ones."""
        self.say_source(source)
        started = time.perf_counter()
        valid_nights = self.nights.validation()
        weights = self.first_weights(source, valid_nights)
        self.end_pass(Pass(START, 0, 0, **self.validate(weights, valid_nights, 0)), started)

    def first_weights(self, source: Fold, valid_nights: Sequence[Night]) -> Arrays:
        """Start from a source's weights as they are, or normalised by these nights if validation finds that better."""
        origin, nights = str(source.folder), self.nights.of("train")
        plain = self.training.start_from(source.best.weights, self.nights.some_batches(1, nights), origin)
        if not (source.normalised and self.settings.normalise):
            return plain
        # Two ways to begin; validation chooses, and what was not chosen leaves nothing behind.
        begun = self.training.values()
        batches = self.nights.some_batches(1, nights)
        again = self.training.start_normalised(source.normalised.weights, batches, origin)
        as_they_are, normalised = (self.scored(weights, valid_nights).macro_f1 for weights in (plain, again))
        figures = f"validation macro-F1 {100 * normalised:.1f} %, as they were {100 * as_they_are:.1f} %"
        log.info("fold %d: first weights normalised by the nights of this fold: %s", self.run.fold, figures)
        if normalised > as_they_are:
            return again
        self.training.assign(begun)
        return plain

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


def learning_rate_at(passes: float, settings: Settings) -> float:
    """Return the step size after so many training passes, which may be fractional.

    It rises in a straight line over `warm_up` passes. With `cosine` it falls from there to 0 at the last pass as half a
    cosine does (Loshchilov & Hutter 2017, "SGDR"); without it stays.
    """
    if passes < settings.warm_up:
        return settings.learning_rate * passes / settings.warm_up
    if not settings.cosine:
        return settings.learning_rate
    share = (passes - settings.warm_up) / max(settings.n_epochs - settings.warm_up, 1e-9)
    return settings.learning_rate * (1 + math.cos(math.pi * min(share, 1.0))) / 2


def show_losses(bar: Any, losses: Losses) -> None:
    """Show the losses beside the bar when it is drawn next; reading them at each step would wait for each step."""
    if not bar.disable and time.time() - bar.last_print_t >= bar.mininterval:
        bar.set_postfix({name: f"{float(value):.3g}" for name, value in losses.items()}, refresh=False)
