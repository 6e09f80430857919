"""Where tasks run: processes on this machine, a Ray cluster, a Dask cluster. Nothing else imports Ray or Dask.

All three hand out the futures of Python's `concurrent.futures`.
"""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from command import InputError, in_main_thread, interruptions_wait, log, reason_of
from engine import watched
from engine.addresses import HTTP2, check_address
from engine.watched import CPU, STOP_SECONDS, Place, cores, cpus
from files.folders import PROGRAM_FOLDER

LOCAL, RAY, DASK = "local", "ray", "dask"
TRIES = 3


@dataclass(frozen=True)
class Workers:
    """Where tasks run.

    Attributes:
        n_jobs: tasks at a time; None for one, for one a GPU, or for as many as a cluster has room for.
        engine: one of LOCAL, RAY, DASK.
        address: of the cluster; "" for the one that the engine finds by itself.
        gpus: their numbers, or CPU alone.
        n_tasks: how many there are; more at a time would only make the share of each smaller.
    """

    n_jobs: int | None = None
    engine: str = LOCAL
    address: str = ""
    gpus: tuple[int, ...] = (CPU,)
    n_tasks: int = sys.maxsize

    @property
    def several(self) -> bool:
        """Whether tasks run in processes of their own."""
        return self.engine != LOCAL or self.at_once > 1

    @property
    def at_once(self) -> int:
        """Tasks at a time on this machine."""
        return max(1, min(self.n_jobs or len(self.gpus), self.n_tasks))

    def of(self, n_tasks: int) -> Workers:
        """Return them for so many tasks."""
        return replace(self, n_tasks=n_tasks)

    def in_words(self) -> str:
        """Return what tasks are computed on."""
        return f"{self.at_once} workers" if self.engine == LOCAL else f"a {self.engine.capitalize()} cluster"


class Room(Protocol):
    """Where tasks run. A place is free again when the future that was begun there is done."""

    places: list[Place]

    def begin(self, number: int, task: Callable[[], Any]) -> Future[Any]:
        """Begin a task at the place of this number."""

    def death(self, number: int, error: BaseException) -> str:
        """Say how the worker at a place died, and make the place ready for another; "" if the work itself failed."""

    def tries(self, error: BaseException) -> int:
        """Return how many tries an error stands for."""

    def close(self) -> None:
        """Stop what is still running."""


def opened(workers: Workers, alone: bool) -> Room:
    if workers.engine == RAY:
        return RayRoom(workers)
    return DaskRoom(workers, alone) if workers.engine == DASK else LocalRoom(workers)


# ---- this machine ----


class LocalRoom:
    """Processes on this machine: a pool of one at each place, so that a death is that of one task."""

    def __init__(self, workers: Workers) -> None:
        n_jobs = workers.at_once
        self.places = [Place(gpu, cpus()) for gpu in itertools.islice(itertools.cycle(workers.gpus), n_jobs)]
        self.cores = shares_of(cores(), n_jobs)
        self.pools: dict[int, ProcessPoolExecutor] = {}
        self.stop = multiprocessing.Event()

    def begin(self, number: int, task: Callable[[], Any]) -> Future[Any]:
        if number not in self.pools:
            self.pools[number] = ProcessPoolExecutor(
                1, initializer=begin_worker, initargs=(self.stop, self.cores[number])
            )
        return self.pools[number].submit(task)

    def death(self, number: int, error: BaseException) -> str:
        if not isinstance(error, BrokenProcessPool):
            return ""
        self.pools.pop(number).shutdown()
        return "it was killed, perhaps out of memory; try a smaller --n_jobs"

    def tries(self, error: BaseException) -> int:
        return 1

    def close(self) -> None:
        with interruptions_wait():  # a second Ctrl-C, while the workers are told to end, would leave them for good
            self.stop.set()
            for pool in self.pools.values():
                pool.shutdown()  # at once without `wait`, it would never be waited for


def shares_of(cores: Sequence[int], n_jobs: int) -> list[list[int]]:
    """Return the cores of each of several jobs: each core is of one job, or, if there are too few, each job has one."""
    return [list(cores[job::n_jobs] or [cores[job % len(cores)]]) if cores else [] for job in range(n_jobs)]


def begin_worker(stop: Any, cores: Sequence[int]) -> None:
    """Begin a worker: it goes on to the end of its night when the parent is stopped, and ends when that is killed."""
    watched.STOP = stop
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
    log.handlers.clear()  # what is to be said comes back with the result
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()


def end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent, "called in a worker"
    parent.join()
    os._exit(1)  # the worker waits for work that nobody will send


# ---- clusters ----


def by_value(folder: str) -> Callable[[bytes], Any]:
    """Return what a worker of a cluster calls: it knows where the program is before it imports any of it.

    A function made in a function travels as it is, and not by its name.
    """

    def call(task: bytes) -> Any:
        if folder not in sys.path:
            sys.path.insert(0, folder)
        return pickle.loads(task)()

    return call


@contextmanager
def installed() -> Iterator[None]:
    """Turn the lack of a library into the user's error."""
    try:
        yield
    except ImportError as error:
        raise InputError(f"{error.name} is not installed: pip install -r requirements-cluster.txt") from error


@contextmanager
def lost(engine: str) -> Iterator[None]:
    """Turn whatever a cluster says when it cannot be reached any more into one line."""
    try:
        yield
    except Exception as error:
        raise InputError(f"lost the {engine} cluster: {reason_of(error)}; the same command goes on") from error


@contextmanager
def our_own_signals() -> Iterator[None]:
    """Keep what `kill` does: Ray changes it."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if in_main_thread():
            signal.signal(signal.SIGTERM, handler)


class RayRoom:
    """A Ray cluster: a task has one of its GPUs where it has some, and its share of the processors."""

    def __init__(self, workers: Workers) -> None:
        where = workers.address or "auto"
        with installed(), our_own_signals():
            import ray

            self.ray = ray
        if workers.address not in ("", "auto", "local"):
            check_address(workers.address, "Ray cluster", "start one with: ray start --head", HTTP2)
        try:
            with our_own_signals():
                ray.init(where, log_to_driver=False, logging_level="error", configure_logging=False)
        except Exception as error:  # whatever Ray says about an address at which there is none
            reason = reason_of(error)
            raise InputError(f"no Ray cluster at {where}: {reason}; start one with: ray start --head") from error
        has = self.ray.cluster_resources()
        use_gpus = workers.gpus != (CPU,) and has.get("GPU", 0) >= 1
        n_cpus, n_gpus = int(has.get("CPU", 1)), int(has.get("GPU", 0))
        n_jobs = min(workers.n_jobs or (n_gpus if use_gpus else n_cpus), workers.n_tasks)
        smallest = min(int(node["Resources"].get("CPU", 1)) for node in self.ray.nodes() if node["Alive"])
        self.places = [Place(workers.gpus[0])] * n_jobs
        remote = self.ray.remote(
            num_cpus=max(1, min(smallest, n_cpus // n_jobs)), num_gpus=int(use_gpus), max_retries=0
        )
        self.call = remote(by_value(str(PROGRAM_FOLDER)))
        self.running: dict[int, Any] = {}

    def begin(self, number: int, task: Callable[[], Any]) -> Future[Any]:
        with lost("Ray"):
            self.running[number] = self.call.remote(pickle.dumps(task))
            future: Future[Any] = self.running[number].future()
            return future

    def death(self, number: int, error: BaseException) -> str:
        errors = self.ray.exceptions
        lost = isinstance(error, errors.RayError) and not isinstance(error, errors.RayTaskError)
        return reason_of(error) if lost else ""

    def tries(self, error: BaseException) -> int:
        return 1

    def close(self) -> None:
        with interruptions_wait():
            running = list(self.running.values())
            _, unfinished = self.ray.wait(running, num_returns=len(running), timeout=0) if running else ([], [])
            for reference in unfinished:
                self.ray.cancel(reference)
            if unfinished:
                self.ray.wait(unfinished, num_returns=len(unfinished), timeout=STOP_SECONDS)
            self.ray.shutdown()


class DaskRoom:
    """A Dask cluster: one task a worker, or one a thread where tasks are commands.

    Its scheduler gives the task of a worker that died to another one by itself, `allowed-failures` times (three).
    """

    def __init__(self, workers: Workers, alone: bool) -> None:
        with installed():
            import distributed

        check_address(workers.address, "Dask scheduler", "start it with: dask scheduler")
        self.distributed = distributed
        try:
            self.client = distributed.Client(workers.address, timeout=STOP_SECONDS, set_as_default=False)
        except Exception as error:  # whatever Dask says about an address at which there is none
            reason = reason_of(error)
            raise InputError(
                f"no Dask scheduler at {workers.address}: {reason}; start it with: dask scheduler"
            ) from error
        threads = list(self.client.nthreads().values())
        if not threads:
            self.client.close()
            raise InputError(f"the Dask scheduler at {workers.address} has no workers; start some with: dask worker")
        n_gpus = sum(
            1 for one in self.client.scheduler_info(n_workers=-1)["workers"].values() if one["resources"].get("GPU")
        )
        use_gpus = workers.gpus != (CPU,) and n_gpus > 0
        room = n_gpus if use_gpus else len(threads) if alone else sum(threads)
        n_jobs = min(workers.n_jobs or room, workers.n_tasks)
        self.places = [Place(workers.gpus[0])] * n_jobs
        self.executor = self.client.get_executor(pure=False, resources={"GPU": 1} if use_gpus else None)
        self.call = by_value(str(PROGRAM_FOLDER))

    def begin(self, number: int, task: Callable[[], Any]) -> Future[Any]:
        with lost("Dask"):
            future: Future[Any] = self.executor.submit(self.call, pickle.dumps(task))
            return future

    def death(self, number: int, error: BaseException) -> str:
        lost = (self.distributed.scheduler.KilledWorker, concurrent.futures.CancelledError)
        return reason_of(error) if isinstance(error, lost) else ""

    def tries(self, error: BaseException) -> int:
        return TRIES  # the scheduler has tried already

    def close(self) -> None:
        with interruptions_wait():
            self.executor.shutdown(wait=False)  # cancels; a worker sees it within a second
            self.client.close()
