"""Folds at the same time: each is trained by a trainer.py of its own, wherever the engine runs it.

So a fold's results are those of a serial run by construction: it is the same command that makes them. What it prints is
in the fold's train.log; what happens meanwhile is read from its history.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import engine
from command import InputError, log
from engine import Done
from engine.rooms import LOCAL, Workers
from engine.watched import GRACE_SECONDS, Command, Ran, run_command
from files.folders import PROGRAM_FOLDER
from folds import folders as places
from training.pass_view import View, shown
from training.planning import FoldPlan, TrainOptions

WAIT_SECONDS = 120  # on clusters: as long as a file server may keep the lock of a machine that died
WAIT_HERE_SECONDS = 2 * GRACE_SECONDS  # on one machine: as long as a trainer may live on whose worker died
BEFORE_TRAINING = "computing on "  # how the line begins up to which every trainer prints the same


def train_side_by_side(plans: Sequence[FoldPlan], options: TrainOptions, workers: Workers) -> dict[int, str]:
    """Train folds at the same time, and show how far each is.

    Args:
        plans: of the folds; all workers share their folders.
        options: how they are trained.
        workers: where the folds are trained.

    Returns:
        Why folds failed, by their numbers.

    Raises:
        InputError: there is no such cluster, or its workers cannot start the program.
    """
    failed: dict[int, str] = {}
    with shown(plans[0].run.settings, {plan.run.fold: plan.folder for plan in plans}) as view:
        commands = fold_commands(plans, options, workers, view, failed)
        tasks = engine.run(run_command, commands, workers, while_waiting=view.look, alone=False)
        try:
            with closing(tasks):
                for done in tasks:
                    fold = fold_of(done.item)
                    view.end(fold)
                    if why := report(fold, done):
                        log.info("fold %d failed: %s", fold, why)
                        failed[fold] = why
        except KeyboardInterrupt as stop:
            running = ", ".join(f"fold {fold} {line.history.last()}" for fold, line in view.lines.items())
            same = "the same command without --restart" if options.restart else "the same command"
            raise type(stop)(f"stopped in {running or 'no fold'}; {same} goes on with the passes it was in") from None
    return failed


def fold_commands(
    plans: Sequence[FoldPlan],
    options: TrainOptions,
    workers: Workers,
    view: View,
    failed: dict[int, str],
) -> Iterator[Command]:
    """Yield the command of each fold, when its turn comes."""
    wait = WAIT_HERE_SECONDS if workers.engine == LOCAL else WAIT_SECONDS
    for plan in plans:
        number = plan.run.fold
        if options.restart:  # here and not there: a second try is to go on
            try:
                with places.alone_in(plan.folder):
                    places.clear(plan.folder)
            except InputError as error:
                failed[number] = str(error)
                continue
        view.begin(number)
        own = (f"--from_fold={number}", f"--to_fold={number}", f"--wait={wait}")
        yield Command(PROGRAM_FOLDER / "trainer.py", (*options.arguments, *own), Path.cwd())


def fold_of(command: Command) -> int:
    return int(
        next(argument for argument in command.arguments if argument.startswith("--from_fold=")).partition("=")[2]
    )


def report(fold: int, done: Done[Command, Ran]) -> str:
    """Say what a fold's trainer said that all should know, and return why it failed; "" if it did not."""
    if done.result is None:
        return f"fold {fold}: {done.died}; the same command goes on with the pass it was in"
    lines, status = done.result.lines, done.result.status
    start = next((i for i, line in enumerate(lines) if line.startswith(BEFORE_TRAINING)), 0)
    for line in lines[start:]:
        if line.startswith(f"warning: fold {fold}: "):
            log.info("%s", line)
    if status == 0:
        log.info(
            "%s", next((line for line in reversed(lines) if line.startswith(f"fold {fold}: ")), f"fold {fold}: done")
        )
        return ""
    last = lines[-1].strip() if lines else f"exit status {status}"
    return last.removeprefix("trainer.py: error: ")
