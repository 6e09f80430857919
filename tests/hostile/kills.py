"""Kill the commands at seeded moments, writing moments too, and see that nothing is lost.

    python -m tests.hostile.kills                 all of it: some minutes
    python -m tests.hostile.kills --kills 3 --only prepare

Each command runs once undisturbed. Then it is killed (SIGKILL) and called again, until it comes to its end. After each
kill, every file under its own name must be whole; after the end, the files must be those of the undisturbed run, and
nothing else. SIGINT and SIGTERM must end it with 130 and 143 and without a traceback, also as TensorFlow is imported.
A run that comes to its end before the event at which it was to be hit is counted apart: it shows nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from reviewing.journal import Journal, review_file
from scoring.kept import read_kept
from tests.hostile.killed import ROOT
from tests.support.short_nights import SHORT, short_nights

LONGEST = 600  # seconds that a run may take, on a busy machine; longer counts as hung
NOT_COMPARED = ("train.log", "tensorboard")  # times, and events that a killed pass leaves there twice
SILENT: Any = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143}


@dataclass(frozen=True)
class Task:
    """One command line; `{out}` stands for the folder that it writes to.

    Attributes:
        begin: fills the folder before the command first runs.
        beside: another command line that runs at the same time, undisturbed, and writes to the same folder.
    """

    name: str
    script: str
    arguments: Sequence[str]
    imports_tensorflow: bool = True
    begin: Callable[[Path], object] | None = None
    beside: Sequence[str] = ()

    def run(self, out: Path, kind: str = "write", number: int = 0, sent: int = signal.SIGKILL, delay: int = 0) -> Ran:
        """Run it, hit by a signal at the event `number`; 0: undisturbed."""
        notes = out.with_name(f"{out.name}.events")
        notes.unlink(missing_ok=True)
        if self.begin and not out.exists():
            self.begin(out)
        with self.other(out) as other:
            ran = self.run_alone(out, notes, [kind, str(number), str(int(sent)), str(delay), str(out), str(notes)])
        if other and other.wait(LONGEST):
            return replace(ran, status=other.returncode, printed=f"{ran.printed}\nbeside it: {other.returncode}")
        return ran

    @contextmanager
    def other(self, out: Path) -> Iterator[subprocess.Popen[bytes] | None]:
        """Start what runs beside the command, if anything does; it goes on behind the block."""
        words = [word.format(out=out) for word in self.beside]
        yield subprocess.Popen([sys.executable, *words], cwd=ROOT, **SILENT) if words else None

    def run_alone(self, out: Path, notes: Path, hit: Sequence[str]) -> Ran:
        """Run the command and nothing beside it."""
        arguments = [argument.format(out=out) for argument in self.arguments]
        done = subprocess.run(
            [sys.executable, "-m", "tests.hostile.killed", *hit, self.script, *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=LONGEST,
        )
        events = notes.read_text(errors="replace").splitlines() if notes.exists() else []
        return Ran(done.returncode, done.stdout + done.stderr, [line.split(" ", 1) for line in events])


@dataclass(frozen=True)
class Ran:
    """How a run ended, and its events: (process, what)."""

    status: int
    printed: str
    events: list[list[str]]

    @property
    def n_events(self) -> int:
        """Those of the process that has the most; each process counts its own."""
        return max(Counter(process for process, _ in self.events).values(), default=0)


# ---- what must hold ----


def whole(folder: Path) -> Iterator[str]:
    """Yield what is wrong with the files under a folder that have their own names: half-written ones."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith(".partial-"):
            try:
                READERS.get(path.suffix, Path.read_bytes)(path)
            except Exception as error:  # any reader's own words for a file that is cut short
                yield f"{path.relative_to(folder)} is not whole: {type(error).__name__}: {error}"


def arrays(path: Path) -> dict[str, Any]:
    with np.load(path) as archive:
        return dict(archive)


def table(path: Path) -> list[list[str]]:
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n"), "the last line has no end"
    rows = [line.split(",") for line in text.splitlines()]
    if path.name == "history.csv":
        rows = [row[:-1] for row in rows]  # the last column is the time that a pass took
    if path.name == "nights.csv":
        rows[1:] = sorted(rows[1:])  # of two commands, either may be the first
    return rows


def picture(path: Path) -> bytes:
    content = path.read_bytes()
    assert content.endswith(b"IEND\xaeB`\x82"), "a PNG without its end"
    return content


def report(path: Path) -> str:
    """Return a report without the moment at which it was made."""
    return re.sub(r"Created on [\d: -]+", "", path.read_text(encoding="utf-8"))


READERS: dict[str, Callable[[Path], Any]] = {
    ".npz": arrays,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".csv": table,
    ".png": picture,
    ".html": report,
}


def differences(found: Path, wanted: Path) -> Iterator[str]:
    """Yield how a folder differs from that of an undisturbed run."""
    names, expected = names_in(found), names_in(wanted)
    yield from (f"{name} is left over" for name in sorted(names - expected))
    yield from (f"{name} is missing" for name in sorted(expected - names))
    for name in sorted(names & expected):
        if not same(found / name, wanted / name):
            yield f"{name} has another content"


def names_in(folder: Path) -> set[str]:
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if not set(path.parts) & set(NOT_COMPARED) and path.suffix != ".lock"}


def same(found: Path, wanted: Path) -> bool:
    read = READERS.get(wanted.suffix, Path.read_bytes)
    one, other = read(found), read(wanted)
    if wanted.suffix == ".npz":
        return one.keys() == other.keys() and all(np.array_equal(one[name], other[name]) for name in other)
    return bool(one == other)


def left_running(ran: Ran) -> Iterator[str]:
    """Yield the processes of a killed run that go on after some seconds, and end them."""
    deadline = time.monotonic() + 20
    for pid in sorted({int(process) for process, _ in ran.events}):
        while is_running(pid) and time.monotonic() < deadline:
            time.sleep(0.1)
        if is_running(pid):
            os.kill(pid, signal.SIGKILL)
            yield f"process {pid} goes on without its parent"


def is_running(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False


# ---- killing ----


@dataclass
class Count:
    """What was done to a command, and what went wrong."""

    kills: int = 0
    while_writing: int = 0
    ends: int = 0
    not_reached: int = 0
    interruptions: int = 0
    wrong: int = 0


def kill_until(task: Task, n_kills: int, rng: np.random.Generator, work: Path, say: Callable[[str], None]) -> Count:
    """Kill a command `n_kills` times, at events drawn from all those of an undisturbed run."""
    count, reference = Count(), work / "undisturbed"
    undisturbed = task.run(reference)
    if undisturbed.status:
        say(f"{task.name}: undisturbed, it ends with {undisturbed.status}:\n{undisturbed.printed}")
        count.wrong += 1
        return count
    n_events = undisturbed.n_events
    while count.kills < n_kills:
        out = work / f"killed_{count.ends}"
        while True:
            may_kill = count.kills < n_kills
            number = int(rng.integers(1, n_events // 2 + 2)) if may_kill else 0
            delay = int(rng.integers(1, 30)) if rng.random() < 0.5 else 0
            ran = task.run(out, "write", number, signal.SIGKILL, delay)
            if ran.status != -signal.SIGKILL:
                count.not_reached += may_kill
                break
            count.kills += 1
            count.while_writing += bool(delay)
            for problem in (*whole(out), *left_running(ran)):
                say(f"{task.name}: killed {delay} ms after event {number}: {problem}")
                count.wrong += 1
        count.ends += 1
        problems = list(differences(out, reference))
        if ran.status:
            problems.insert(0, f"it ends with {ran.status}: {ran.printed[-500:]}")
        for problem in problems:
            say(f"{task.name}: after kills, the same command: {problem}")
        count.wrong += len(problems)
        shutil.rmtree(out, ignore_errors=True)
    return count


def interrupt(task: Task, kind: str, rng: np.random.Generator, work: Path, say: Callable[[str], None]) -> Count:
    """Send SIGINT and SIGTERM, each once, at a drawn event."""
    count = Count()
    n_events = task.run(work / "counted", kind).n_events
    for sent, status in STATUS.items():
        number = int(rng.integers(1, max(2, n_events)))
        ran = task.run(work / f"interrupted_{kind}", kind, number, sent)
        count.interruptions += 1
        if ran.status == 0 and ran.n_events < number:
            count.not_reached += 1
        elif ran.status != status or "Traceback" in ran.printed:
            say(f"{task.name}: {sent.name} at {kind} event {number} of {n_events}: {ran.status}\n{ran.printed[-1500:]}")
            count.wrong += 1
        shutil.rmtree(work / f"interrupted_{kind}", ignore_errors=True)
    return count


# ---- the commands ----


def tasks(folder: Path) -> list[Task]:
    """Return the commands that are killed, with what they read made ready under `folder`."""
    raw, nights, trained = folder / "raw", folder / "nights", folder / "trained"
    simulate = ["simulate.py", "--db", "sleepedf", "--output_dir", str(raw), "--subjects", "0-2", "--hours", "1"]
    subprocess.run([sys.executable, *simulate], cwd=ROOT, check=True, capture_output=True)
    short_nights(nights)
    recordings = sorted(str(path) for path in raw.rglob("*PSG.edf"))[:2]
    of_nights = ["--db", "sleepedf", "--gpu", "-1", "--data_dir", str(nights)]
    train = [*of_nights, "--from_fold", "0", "--to_fold", "0", *SHORT, "--pretrain_epochs", "1", "--n_epochs", "4"]
    prepare = ["--data_dir", str(raw), "--output_dir", "{out}"]
    score = ["--gpu", "-1", "--output_dir", "{out}"]
    return [
        Task("prepare", "prepare_sleepedf.py", prepare, imports_tensorflow=False),
        Task("prepare, 2 processes", "prepare_sleepedf.py", [*prepare, "--n_jobs", "2"], imports_tensorflow=False),
        Task("trainer", "trainer.py", [*train, "--output_dir", "{out}"]),
        Task("predict, recordings", "predict.py", [*recordings, "--report", *score]),
        Task("predict, test nights", "predict.py", [*of_nights, "--dir", str(trained), "--skip_missing", *score]),
        Task(
            "predict beside another",
            "predict.py",
            [recordings[0], *score],
            beside=["predict.py", recordings[1], *score],
        ),
        Task("review --finish", "review.py", ["{out}", "--finish"], False, partial(reviewed_in, Path(recordings[0]))),
        Task("live --follow", "live.py", ["--follow", recordings[0], "--no_wait", *score]),
    ]


def reviewed_in(recording: Path, out: Path) -> None:
    """Put a scored recording into a folder, of which a human has changed a stage."""
    scored, name = recording.with_name("reviewed"), recording.stem
    if not scored.exists():
        predict = ["predict.py", str(recording), "--gpu", "-1", "--output_dir", str(scored)]
        subprocess.run([sys.executable, *predict], cwd=ROOT, check=True, capture_output=True)
        Journal(review_file(scored, name), read_kept(scored, name)).set(1, "N3", 0, "x")
    shutil.copytree(scored, out)


def train_for_tests(every: Sequence[Task], folder: Path) -> None:
    """Train the fold whose test nights are scored."""
    trainer = next(task for task in every if task.name == "trainer")
    ran = trainer.run(folder / "trained")
    assert ran.status == 0, ran.printed


def run_all(n_kills: int, seed: int, only: str, folder: Path, say: Callable[[str], None]) -> int:
    """Kill every command whose name starts with `only`; print a table, and return how much went wrong."""
    every = tasks(folder)
    chosen = [task for task in every if task.name.startswith(only)]
    if any("test nights" in task.name for task in chosen):
        train_for_tests(every, folder)
    wrong = 0
    heads = f"{'kills':>5} {'in a write':>10} {'came to the end':>15} {'interruptions':>13} {'not reached':>11}"
    say(f"{'command':<22} {heads} {'wrong':>5}")
    for number, task in enumerate(chosen):
        rng, work = np.random.default_rng([seed, number]), folder / f"work_{number}"
        work.mkdir()
        count = kill_until(task, n_kills, rng, work, say)
        for kind in ("write", "tensorflow") if task.imports_tensorflow else ("write",):
            interrupted = interrupt(task, kind, rng, work, say)
            count.wrong += interrupted.wrong
            count.interruptions += interrupted.interruptions
            count.not_reached += interrupted.not_reached
        done = f"{count.kills:>5} {count.while_writing:>10} {count.ends:>15} {count.interruptions:>13}"
        done += f" {count.not_reached:>11}"
        say(f"{task.name:<22} {done} {count.wrong:>5}")
        wrong += count.wrong
        shutil.rmtree(work)
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each command (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default %(default)s)")
    parser.add_argument("--only", default="", metavar="NAME", help="commands whose name starts so")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        wrong = run_all(options.kills, options.seed, options.only, Path(folder), lambda line: print(line, flush=True))
    print(f"{wrong} went wrong" if wrong else "nothing was lost")
    return int(wrong > 0)


if __name__ == "__main__":
    raise SystemExit(main())
