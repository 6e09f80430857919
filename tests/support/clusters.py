"""A real Ray or Dask cluster here, of two workers: `python -m tests.support.clusters ray` until its input ends.

And what tests give such clusters to do.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import engine
from command import command
from engine.rooms import DASK, LOCAL, RAY, Workers
from engine.watched import Command, Place, run_command
from recordings.opening import open_recording
from scoring.many import Checkpoints, scorer_of
from scoring.request import Request

ROOT = Path(__file__).parents[2]
HOLDING = Path(__file__).parent / "holding"
LIBRARY = {RAY: "ray", DASK: "distributed"}


@dataclass(frozen=True)
class Cluster:
    """Where tests run tasks, as options of a command, and what the command needs in its environment."""

    engine: str
    address: str = ""
    environment: dict[str, str] = field(default_factory=lambda: {**os.environ, "PYTHONPATH": str(HOLDING)})

    @property
    def options(self) -> list[str]:
        return ["--n_jobs", "2", "--engine", self.engine, *(["--address", self.address] if self.address else [])]

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Start a Python program of this repository."""
        return subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=hear_interruptions,
        )

    def run(self, *arguments: object, status: int = 0) -> str:
        """Run a program to its end; return what it printed."""
        process = self.start(*arguments)
        printed, _ = process.communicate(timeout=500)
        assert process.returncode == status, printed
        return printed


def hear_interruptions() -> None:
    """A shell starts what runs in the background deaf to Ctrl-C, and so are the tests then."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def is_installed(name: str) -> bool:
    return name == LOCAL or importlib.util.find_spec(LIBRARY[name]) is not None


@contextmanager
def running(name: str) -> Iterator[Cluster]:
    """Yield a cluster that lives as long as the block."""
    if name == LOCAL:
        yield Cluster(LOCAL)
        return
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    environment = {**Cluster(name).environment, **token}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.clusters", name],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        address = process.stdout.readline().strip()
        assert address, f"no {name} cluster"
        yield Cluster(name, address, environment)
    finally:
        process.communicate(timeout=60)


def serve(name: str) -> None:
    """Be a cluster until the input ends."""
    if name == RAY:
        import ray

        ray.init(num_cpus=2, include_dashboard=False, object_store_memory=80 << 20, logging_level="error")
        print(ray.get_runtime_context().gcs_address, flush=True)
        sys.stdin.read()
        ray.shutdown()
        return
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()


# ---- tasks ----

SLEEPER = """
import os, sys, time
from pathlib import Path
Path(sys.argv[1], str(os.getpid())).touch()
try:
    time.sleep(1000)
finally:
    Path(sys.argv[1], f"cleanly.{os.getpid()}").touch()
"""


def two_sleepers(workers: Workers, folder: Path) -> None:
    """Run two commands that write their process's number and sleep."""
    script = folder / "sleeper.py"
    script.write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom command import termination_is_an_interruption\n"
        f"with termination_is_an_interruption():\n{SLEEPER.replace(chr(10), chr(10) + '    ')}"
    )
    commands = [Command(script, (str(folder / "pids"),), folder)] * 2
    list(engine.run(run_command, commands, workers, alone=False))


def stage_small(path: Path, place: Place, checkpoints: Checkpoints) -> np.ndarray:
    """Return the probabilities of a recording, (epoch, stage)."""
    return scorer_of(checkpoints, place.gpu).stage_opened(open_recording(path), Request()).probabilities


def stage_all(workers: Workers, folder: Path, folds: Path, output: Path) -> None:
    """Stage every recording of a folder, and write the probabilities."""
    paths = sorted(folder.glob("*.edf"))
    work = functools.partial(stage_small, checkpoints=Checkpoints((str(folds),), ("sleepedf",), None, 0))
    staged: dict[str, Any] = {one.item.stem: one.result for one in engine.run(work, paths, workers)}
    np.savez(output, **staged)


@command
def main(argv: Sequence[str] | None = None) -> int:
    name, address, task, *places = sys.argv[1:]
    work: Callable[..., None] = two_sleepers if task == "sleep" else stage_all
    work(Workers(2, name, address), *map(Path, places))
    return 0


if __name__ == "__main__":
    if len(sys.argv) == 2:
        serve(sys.argv[1])
    else:
        from tests.support.clusters import main

        raise SystemExit(main())
