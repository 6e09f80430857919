"""Independent tasks in several processes: on this machine, or on a Ray or Dask cluster that is running.

Folds and nights do not need each other, so each is a task. The death of a worker costs its own task one of three tries,
and the other tasks nothing.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import functools
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from command import InputError, counted, log
from engine.rooms import DASK, LOCAL, RAY, TRIES, Room, Workers, opened
from engine.watched import CPU, LOOK_SECONDS, DiedError, Place

Item = TypeVar("Item")
Result = TypeVar("Result")

Work = Callable[[Item, Place], Result]
"""What is done with one item. It is importable from a module: workers of a cluster find it there."""


@dataclass(frozen=True)
class Done(Generic[Item, Result]):
    """A task that has come to its end: its place in the list, and its result, or why its workers died."""

    number: int
    item: Item
    result: Result | None
    died: str = ""


# ---- the command line ----


def add_options(parser: argparse._ActionsContainer, what: str) -> None:
    """Give a parser the options that say where its tasks run; `what` names them in the plural."""
    add = parser.add_argument
    add(
        "--n_jobs",
        type=int,
        metavar="N",
        help=f"{what} at a time, one process each (default 1; on a cluster, as many as it has room for)",
    )
    add("--engine", choices=(LOCAL, RAY, DASK), help="where they run (default this machine, local)")
    add("--address", help="of the running Ray or Dask cluster; outputs on a folder that all machines share")


def workers_of(options: argparse.Namespace, gpus: tuple[int, ...] = (CPU,)) -> Workers:
    """Return where the tasks of a command run.

    Raises:
        InputError: the options make no sense together.
    """
    n_jobs, name, address = options.n_jobs, options.engine or LOCAL, options.address or ""
    chosen = Workers(n_jobs, name, address, gpus)
    if n_jobs is not None and n_jobs < 1:
        raise InputError(f"--n_jobs is {n_jobs}; it must be 1 or more")
    if address and name == LOCAL:
        raise InputError(f"--address {address}: is of a cluster; say which with --engine {RAY} or {DASK}")
    if name == DASK and not address:
        raise InputError("--engine dask needs the --address of its scheduler, as in tcp://10.0.0.1:8786")
    if name != LOCAL and len(gpus) > 1:
        raise InputError("--gpu: a cluster gives each task its GPU by itself; leave it out, or give -1 for the CPUs")
    if n_jobs is not None and n_jobs < len(gpus):
        raise InputError(f"--gpu names {len(gpus)} GPUs for {counted(n_jobs, 'job')}; name as many, or fewer")
    return chosen


def gpus_in(text: str) -> tuple[int, ...]:
    """Return the GPUs that `0,1,2,3` names; -1 is the CPU. For argparse, which says what is wrong with it."""
    numbers = tuple(int(part) for part in text.split(","))
    if min(numbers) < CPU or len(set(numbers)) < len(numbers) or (CPU in numbers and len(numbers) > 1):
        raise ValueError
    return numbers


# ---- tasks ----


def run(
    work: Work[Item, Result],
    items: Iterable[Item],
    workers: Workers,
    *,
    while_waiting: Callable[[], None] = lambda: None,
    alone: bool = True,
) -> Generator[Done[Item, Result], None, None]:
    """Do the work on every item, and yield each as it is done. What the work raises is raised here.

    Args:
        work: the task; a user's mistake is for it to return, not to raise.
        items: what it is done on; each is taken when there is room for it.
        workers: where.
        while_waiting: called once a second.
        alone: no other task may run in the same process meanwhile, as there are clusters whose workers are threads.

    Raises:
        InputError: there is no such cluster.
    """
    if not workers.several:
        for number, item in enumerate(items):
            yield Done(number, item, work(item, Place(workers.gpus[0])))
        return
    with closing(opened(workers, alone)) as room:
        yield from in_room(room, work, items, while_waiting, alone)


def in_order(done: Iterable[Done[Item, Result]]) -> Iterator[Done[Item, Result]]:
    """Yield tasks in the order of their list, each as soon as those before it are done."""
    early: dict[int, Done[Item, Result]] = {}
    following = 0
    for one in done:
        early[one.number] = one
        while following in early:
            yield early.pop(following)
            following += 1


@dataclass
class Task(Generic[Item]):
    """An item, its place in the list, and how often its worker died."""

    number: int
    item: Item
    deaths: int = 0


def in_room(
    room: Room, work: Work[Item, Result], items: Iterable[Item], while_waiting: Callable[[], None], alone: bool
) -> Iterator[Done[Item, Result]]:
    """Keep every place of a room busy with a task until all are done; see `run`."""
    new = (Task(number, item) for number, item in enumerate(items))
    again: deque[Task[Item]] = deque()
    free, folder = list(range(len(room.places))), str(Path.cwd())
    running: dict[Future[Any], tuple[int, Task[Item]]] = {}
    while True:
        while free and (task := again.popleft() if again else next(new, None)):
            place = free.pop(0)
            call = functools.partial(perform, work, task.item, room.places[place], folder, alone)
            running[room.begin(place, call)] = place, task
        if not running:
            return
        finished, _ = concurrent.futures.wait(running, LOOK_SECONDS, concurrent.futures.FIRST_COMPLETED)
        while_waiting()
        for future in finished:
            place, task = running.pop(future)
            free.append(place)
            result, died, tries = answer(room, place, future)
            task.deaths += tries
            if died and task.deaths < TRIES:
                log.info("a worker died (%s); its task is tried again", died)
                again.append(task)
            else:
                yield Done(task.number, task.item, result, died and f"its worker died {TRIES} times: {died}")


def answer(room: Room, place: int, future: Future[Any]) -> tuple[Any, str, int]:
    """Return what a future holds: a result, or how its worker died, and how many tries that was."""
    try:
        return future.result(), "", 0
    except (Exception, concurrent.futures.CancelledError) as error:
        if died := room.death(place, error):
            return None, died, room.tries(error)
        raised = getattr(error, "cause", None) or error  # Ray wraps what the work raised
        if isinstance(raised, DiedError):
            return None, str(raised), 1
        raise raised from None


# ---- in a worker ----

ALONE = threading.Lock()


def perform(work: Work[Item, Result], item: Item, place: Place, folder: str, alone: bool) -> Result:
    """Do one task in a worker, in the working directory of the command that asks for it."""
    if not alone:
        return work(item, place)
    os.environ.update(place.environment())  # TensorFlow reads it once a process
    with ALONE, working_in(folder):
        return work(item, place)


@contextmanager
def working_in(folder: str) -> Iterator[None]:
    """Let relative paths mean what they mean to the user."""
    before = Path.cwd()
    try:
        os.chdir(folder)
    except OSError as error:
        raise InputError(f"a worker has no folder {folder}; start from a folder that all machines share") from error
    try:
        yield
    finally:
        os.chdir(before)
