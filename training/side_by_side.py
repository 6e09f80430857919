"""Folds at the same time: each is trained by a trainer.py of its own, wherever the engine runs it.

So a fold's results are those of a serial run by construction: it is the same command that makes them. What it prints is
in the fold's train.log; what happens meanwhile is read from its history.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import engine
from command import InputError, log
from config import Settings
from engine import Done
from engine.rooms import LOCAL, Workers
from engine.watched import GRACE_SECONDS, Command, Ran, run_command
from files.folders import PROGRAM_FOLDER
from folds import folders as places
from folds.run import Run
from training.pass_view import View, shown

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
)
WAIT_SECONDS = 120  # on clusters: as long as a file server may keep the lock of a machine that died
WAIT_HERE_SECONDS = 2 * GRACE_SECONDS  # on one machine: as long as a trainer may live on whose worker died
BEFORE_TRAINING = "computing on "  # how the line begins up to which every trainer prints the same


def train_side_by_side(
    runs: Sequence[Run], folders: Mapping[int, Path], options: argparse.Namespace, workers: Workers
) -> dict[int, str]:
    """Train folds at the same time, and show how far each is.

    Args:
        runs: the folds to train.
        folders: where each is kept, on a folder that all workers share.
        options: of the command, checked.
        workers: where the folds are trained.

    Returns:
        Why folds failed, by their numbers.

    Raises:
        InputError: there is no such cluster, or its workers cannot start the program.
    """
    failed: dict[int, str] = {}
    with shown(runs[0].settings, folders) as view:
        commands = fold_commands(runs, folders, options, workers, view, failed)
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
    runs: Sequence[Run],
    folders: Mapping[int, Path],
    options: argparse.Namespace,
    workers: Workers,
    view: View,
    failed: dict[int, str],
) -> Iterator[Command]:
    """Yield the command of each fold, when its turn comes."""
    given = as_arguments(options)
    wait = WAIT_HERE_SECONDS if workers.engine == LOCAL else WAIT_SECONDS
    for run in runs:
        if options.restart:  # here and not there: a second try is to go on
            try:
                with places.alone_in(folders[run.fold]):
                    places.clear(folders[run.fold])
            except InputError as error:
                failed[run.fold] = str(error)
                continue
        view.begin(run.fold)
        own = (f"--from_fold={run.fold}", f"--to_fold={run.fold}", f"--wait={wait}")
        yield Command(PROGRAM_FOLDER / "trainer.py", (*given, *own), Path.cwd())


def fold_of(command: Command) -> int:
    return int(next(one for one in command.arguments if one.startswith("--from_fold=")).partition("=")[2])


def as_arguments(options: argparse.Namespace) -> list[str]:
    """Return the command line that means these options, without those that concern all folds together."""
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
    return arguments


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
