"""A command of this program in a process of its own, which ends with the worker that started it, whatever ends that."""

from __future__ import annotations

import os
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from command import InputError
from files.folders import PROGRAM_FOLDER

CPU = -1  # instead of the number of a GPU
THREADS = "TF_NUM_INTRAOP_THREADS"  # TensorFlow's own switch
LOOK_SECONDS = 1.0  # between two looks, at whether to stop
STOP_SECONDS = 30.0  # for a command to stop by itself
GRACE_SECONDS = 5.0  # the same, when its worker has died
OUTPUT_BYTES = 1 << 16  # of what a command prints, its end
BEGIN = f"""import sys
sys.path[0] = {str(PROGRAM_FOLDER)!r}
from engine.watched import run_watched
run_watched(sys.argv[1:])"""
"""What a new Python is told; the program comes before the folder that it is called in, whatever that holds."""

STOP: Any = None
"""In a worker of this machine: the event that tells it to stop."""


def cores() -> list[int]:
    """Return the numbers of the processor's cores that this process may use; none where a system does not tell."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def cpus() -> int:
    """Return how many there are."""
    return len(cores()) or os.cpu_count() or 1


@dataclass(frozen=True)
class Place:
    """What a task may use where it runs.

    Attributes:
        gpu: its number, or CPU.
        threads: of TensorFlow; 0 for one a core. They are as many as those of a serial run, however few cores the task
            has for itself, since their number decides how sums are split, and so on the last bits of every weight.
    """

    gpu: int = CPU
    threads: int = 0

    def environment(self) -> dict[str, str]:
        """Return what tells TensorFlow of the threads, unless the user has told it."""
        return {} if THREADS in os.environ else {THREADS: str(self.threads or cpus())}


class DiedError(Exception):
    """A command of a worker was ended from outside; the worker itself lives."""


@dataclass(frozen=True)
class Command:
    """A command of this program: its file, its arguments without `--gpu`, and where it starts."""

    script: Path
    arguments: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Ran:
    """How a command ended: its exit status, and the last lines that it printed."""

    status: int
    lines: tuple[str, ...]


def run_command(command: Command, place: Place) -> Ran:
    """Run a command to its end in a process of its own, which ends if this worker does.

    Raises:
        DiedError: it was ended from outside.
        InputError: the program or the folder is not on the worker's machine.
    """
    arguments = [sys.executable, "-c", BEGIN, str(command.script), *command.arguments, "--gpu", str(place.gpu)]
    environment = {**os.environ, **place.environment()}
    should_stop = told_to_stop()
    with tempfile.TemporaryFile() as output:
        try:
            child = subprocess.Popen(
                arguments,
                stdin=subprocess.PIPE,  # its end is the end of the command, whatever ends this worker
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=command.folder,
                env=environment,
                start_new_session=True,  # Ctrl-C comes through us
            )
        except OSError as error:
            raise InputError(f"a worker cannot start {command.script} in {command.folder}: {error.strerror}") from error
        with ended(child):
            status = None
            while status is None and not should_stop():
                with suppress(subprocess.TimeoutExpired):
                    status = child.wait(LOOK_SECONDS)
        lines = end_of(output)
    if status is None or status < 0 or status >= 128:  # a signal, of its own or as a shell reports it
        raise DiedError(f"exit status {status}{': ' + lines[-1] if lines else ''}")
    return Ran(status, lines)


@contextmanager
def ended(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Stop a command at the end of the block, if it has not ended: cleanly, or else by force."""
    try:
        yield
    finally:
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
        assert child.stdin
        child.stdin.close()
        child.wait()


def end_of(output: Any) -> tuple[str, ...]:
    """Return the last lines of a file of what was printed."""
    output.seek(max(0, output.seek(0, os.SEEK_END) - OUTPUT_BYTES))
    return tuple(line for line in output.read().decode("utf-8", "replace").splitlines() if line.strip())


def told_to_stop() -> Callable[[], bool]:
    """Return what tells, in this worker, whether the command that asked for its task has gone or was stopped."""
    if (told := STOP) is not None:
        return lambda: bool(told.is_set())
    worker_of = getattr(sys.modules.get("distributed"), "get_worker", None)
    try:
        worker = worker_of and worker_of()
    except ValueError:  # no worker of Dask
        worker = None
    if worker is None:
        return lambda: False  # Ray interrupts the task itself
    key = worker.get_current_task()
    return lambda: getattr(worker.state.tasks.get(key), "state", "") != "executing"


def run_watched(arguments: list[str]) -> None:
    """Run a command, its file first, in this process, which ends when the worker that started it does."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # the worker may ignore both
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=end_with_input, daemon=True).start()
    sys.argv = arguments
    runpy.run_path(arguments[0], run_name="__main__")


def end_with_input() -> None:
    """Stop this process when its input ends: as `kill` does, or else by force, for another worker goes on with it."""
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(128 + signal.SIGTERM)
