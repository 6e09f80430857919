"""Folds one after the other in this process, with one compilation."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from command import log
from engine.device import give_back_memory, start_tensorflow
from files.locks import BusyError
from folds import folders as places
from scoring.test_nights import NotFiniteError
from training.failure import FoldError
from training.fold import FoldTraining
from training.planning import FoldPlan, TrainOptions

if TYPE_CHECKING:
    from model import Stager
    from training.steps import Training


def train_folds(
    plans: Sequence[FoldPlan],
    options: TrainOptions,
) -> dict[int, str]:
    """Train folds one after the other, with one compilation.

    Returns:
        Why folds failed, by their numbers.
    """
    failed = {}
    device = start_tensorflow(options.gpu)
    started = time.perf_counter()
    training, stager = compiled(plans)
    log.info("computing on %s; compiled in %.1f s", device, time.perf_counter() - started)
    for plan in plans:
        number = plan.run.fold
        try:
            train_alone(FoldTraining(training, stager, plan, options.on_disk), options.restart, options.wait)
        except (FoldError, NotFiniteError) as error:
            failed[number] = str(error)
        except BusyError as error:
            if len(plans) == 1:
                raise
            log.info("fold %d is left to the other trainer", number)  # of several machines, each takes what is free
            failed[number] = str(error)
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


def compiled(plans: Sequence[FoldPlan]) -> tuple[Training, Stager]:
    """Return the compiled steps of some folds, and the stager of the network that they train.

    Raises:
        InputError: the weights of a source do not fit the network.
    """
    from model import RecSleepNet
    from training.steps import compiled_training

    settings = plans[0].run.settings
    for source in dict.fromkeys(plan.source for plan in plans if plan.source):
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
