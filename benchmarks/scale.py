"""Measure what grows with the number of nights, without the network: a fold's start, its reading, a pass.

    python benchmarks/scale.py FOLDER --nights 10000 --files 1400

It writes so many nights of real size (1,000 epochs of 3,000 samples, 12 MB of signal each) as a data set of one's own,
and sends them through what trainer.py does before, between and after the network's steps. To save space there are
`--files` different nights, and the others are hard links to them. FOLDER needs some 17 MB for each file; what was
written there is removed at the end. For Linux.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import sys
import time
import tracemalloc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

PROGRAM = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROGRAM))

import numpy as np
from numpy.typing import NDArray

from command import log
from config import Settings, settings_of
from data import Night, copy_on_disk, load_night, save_night
from folds.checks import file_findings, first_findings
from folds.dealing import dealt
from folds.folders import RUN
from folds.history import TRAIN
from folds.run import Run, save_run
from folds.split import prepared_nights
from recordings.dataset_file import FILE, Description, OwnNight, Subject, find_dataset, save_description
from recordings.datasets import Dataset
from training.batches import batch_nights, plan_of_pass, plan_steps, prefetched
from training.fold import FoldTraining
from training.planning import FoldPlan, check_folder, paths_by_name, planned_runs

DB = "many"
N_EPOCHS, N_SAMPLES = 1000, 3000
STEP_OF_CONVERTER = 0.2  # µV; recorded EEGs are that coarse, and packed to half their size by it
COLD_NIGHTS = 300  # of which the comparison with one large file is made
FEW_NIGHTS = 300  # whose reading is timed, where each takes as long as any

RECIPES = {
    "published": Settings(),
    # Its conditioning would make copies of its own on disk; the reading is the same without.
    "robust": settings_of({"recipe": "robust", "high_pass": 0.0, "amplitude": (0.0,)}),
}


@contextmanager
def timed(what: str, n: int = 0, of: str = "night") -> Iterator[None]:
    """Print time and CPU time of a block, both for each of `n` too, what it read from disk, and the peak so far."""
    started, cpu_before, before = time.perf_counter(), time.process_time(), bytes_from_disk()
    yield
    taken, cpu, read = time.perf_counter() - started, time.process_time() - cpu_before, bytes_from_disk() - before
    each = f"  {1000 * taken / n:7.2f} ms, {1000 * cpu / n:7.2f} of CPU, a {of}" if n else ""
    disk = f"  {read / 1e9:5.1f} GB from disk" if read > 1e8 else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    print(f"{what:48} {taken:7.1f} s, {cpu:6.1f} of CPU{each}{disk}  peak {peak:.0f} MB", flush=True)


def bytes_from_disk() -> int:
    """Return what the process has read from disk so far, what was in the system's cache aside."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))


def forget(paths: Sequence[Path]) -> None:
    """Ask the system to drop what it has cached of files."""
    os.sync()
    for path in paths:
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


# ---- the nights ----


def name_of(number: int) -> str:
    return f"many-{number:06d}"


def write_nights(folder: Path, n_nights: int, n_files: int) -> None:
    """Write different nights, with their copies for --memory_map, and links to them under other names."""
    folder.mkdir(parents=True)
    for number in range(n_nights):
        path = folder / f"{name_of(number)}.npz"
        if number < n_files:
            save_night(path, generated(number))
        else:
            path.hardlink_to(folder / f"{name_of(number % n_files)}.npz")


def generated(number: int) -> Night:
    rng = np.random.default_rng(number)
    x = rng.standard_normal((N_EPOCHS, N_SAMPLES), np.float32)
    x *= np.float32(20 / STEP_OF_CONVERTER)
    np.rint(x, out=x)
    x *= np.float32(STEP_OF_CONVERTER)
    return Night(name_of(number), x, rng.integers(0, 5, N_EPOCHS).astype(np.int32), ch_label="C4-A1")


def described(n_nights: int) -> Description:
    """Return a data set of one night a subject, without folds."""
    nights = [OwnNight(name_of(i), "", N_EPOCHS, "C4-A1", 125.0, f"{name_of(i)}.edf", "") for i in range(n_nights)]
    subjects = tuple(Subject(one.name, i, None, {}, (one,)) for i, one in enumerate(nights))
    return Description(DB, {}, 100.0, "none", subjects=subjects)


def link_copies(folder: Path, n_nights: int, n_files: int) -> None:
    """Let the nights that are links have the copies on disk of those that they are links to."""
    for number in range(n_files, n_nights):
        copy = copy_on_disk(folder / f"{name_of(number)}.npz", None)
        if not copy.exists():
            copy.hardlink_to(copy_on_disk(folder / f"{name_of(number % n_files)}.npz", None))


# ---- a training without its network ----


class NoTraining:
    """Stands for the network and its optimisers: every step is done at once."""

    network = SimpleNamespace(values=dict)

    def first_state(self) -> None:
        return None

    def set_learning_rate(self, rate: float) -> None:
        pass

    def train(self, batch: Any, state: Any) -> tuple[Any, Any]:
        return {"loss": np.float32(0)}, state


def fold_of(run: Run, folder: Path, nights: Mapping[int, Sequence[Path]]) -> FoldTraining:
    files = paths_by_name(nights.values())
    training = cast("Any", NoTraining())
    return FoldTraining(training, cast("Any", None), FoldPlan(run, folder, files), on_disk=True)


def started(dataset: Dataset, data: Path, output: Path) -> tuple[Run, dict[int, list[Path]]]:
    """Do what trainer.py does before TensorFlow starts, for one fold."""
    n = len(dataset.subjects)
    with timed("start: look for the nights", n):
        nights = prepared_nights(dataset, data, dataset.subjects)
    with timed("start: plan one fold (read headers, checksums)", n):
        runs = planned_runs(dataset, range(1), RECIPES["published"], nights)
    with timed("start: what is suspicious about all files", n):
        for _ in file_findings(dataset, data, runs):
            pass
    few = dict(list(nights.items())[:FEW_NIGHTS])
    with timed(f"start: check the first 100 epochs, {len(few)} nights", len(few)):
        for _ in first_findings(path for of_one in few.values() for path in of_one):
            pass
    with timed("start: write config.json, and compare it"):
        output.mkdir()
        save_run(output, runs[0])
        check_folder(output, runs[0])
    print(f"{'':48} config.json has {(output / RUN).stat().st_size / 1e6:.2f} MB")
    return runs[0], nights


def passes(run: Run, output: Path, nights: Mapping[int, Sequence[Path]]) -> None:
    """Read the training nights of a fold, and send them through a pass of each recipe."""
    subjects = run.subjects["train"]
    few = replace(run, epochs={"train": dict(list(run.epochs["train"].items())[:FEW_NIGHTS])})
    with timed(f"a fold's start: read and look at {len(few.epochs['train'])} nights", len(few.epochs["train"])):
        fold_of(few, output, nights).nights.of("train")
    with timed(f"a fold's start: open {len(subjects)} nights", len(subjects)):
        loaded = read(nights[subject][0] for subject in subjects)
    for recipe, settings in RECIPES.items():
        fold = fold_of(replace(run, settings=settings), output, nights)
        with timed(f"{recipe}: plan a pass"):
            n_steps = len(plan_of_pass([len(night) for night in loaded], settings))
        with timed(f"{recipe}: {n_steps} steps of {settings.batch_size} nights", n_steps, "step"):
            fold.one_pass(TRAIN, 1, loaded, fold.training.train)


# ---- one large file instead of one a night ----


class PartOfFile:
    """The signal of one night in a file that holds many, which stays open: slices of epochs, as an array has."""

    def __init__(self, file: int, first: int) -> None:
        self.file, self.first, self.shape = file, first, (N_EPOCHS, N_SAMPLES)

    def __len__(self) -> int:
        return N_EPOCHS

    def __getitem__(self, epochs: slice) -> NDArray[np.float32]:
        start, stop, _ = epochs.indices(N_EPOCHS)
        size = N_SAMPLES * 4
        read = os.pread(self.file, (stop - start) * size, self.first + start * size)
        return np.frombuffer(read, np.float32).reshape(-1, N_SAMPLES)


def compare_with_shard(fold: FoldTraining, paths: Sequence[Path], shard: Path) -> None:
    """Take the batches of some nights from a file a night, and from one file, both not in the system's cache."""
    settings = RECIPES["published"]
    nights = fold.nights.of("train")[: len(paths)]
    copies = [copy_on_disk(path, None) for path in paths]
    with shard.open("wb") as file:
        for night in nights:
            file.write(np.ascontiguousarray(night.x[:]).data)
    plan = plan_steps([len(night) for night in nights], settings.batch_size, settings.seq_length)
    with shard.open("rb") as file:
        size = N_EPOCHS * N_SAMPLES * 4
        parts: list[Any] = [PartOfFile(file.fileno(), i * size) for i in range(len(nights))]
        in_one = [replace(night, x=part) for night, part in zip(nights, parts, strict=True)]
        for cached in ("not cached", "cached"):
            for what, these, files in (("a file a night", nights, copies), ("one file", in_one, [shard])):
                if cached == "not cached":
                    forget(files)
                with timed(f"batches from {what}, {cached}", len(plan), "step"):
                    for _ in prefetched(batch_nights(these, plan, settings.seq_length)):
                        pass


# ---- no files at all ----


def plan_many(n_nights: int) -> None:
    """Deal the folds of many subjects and plan a pass over their nights; this needs no files."""
    with timed(f"{n_nights} nights: deal ten folds"):
        description = dealt(described(n_nights), 10)
    with timed(f"{n_nights} nights: the subject of each night's name"):
        dataset = description.dataset()
        for number in range(n_nights):
            dataset.subject_of(name_of(number))
    tracemalloc.start()
    n_steps = len(plan_of_pass([N_EPOCHS] * n_nights, RECIPES["published"]))
    print(f"{n_nights} nights: a plan of {n_steps} steps needs {tracemalloc.get_traced_memory()[1] / 1e6:.0f} MB")
    tracemalloc.stop()


def measure(folder: Path, n_nights: int, n_files: int) -> None:
    data, output = folder / "data" / DB, folder / "fold"
    with timed("write the nights", n_files):
        write_nights(data, n_nights, n_files)
    size = (data / f"{name_of(0)}.npz").stat().st_size / 1e6
    print(f"{'':48} a night has {size:.1f} MB as npz, {N_EPOCHS * N_SAMPLES * 4 / 1e6:.1f} MB in memory")
    with timed("deal ten folds, write dataset.json"):
        save_description(data, dealt(described(n_nights), 10))
    print(f"{'':48} dataset.json has {(data / FILE).stat().st_size / 1e6:.2f} MB")
    with timed("start: read dataset.json"):
        dataset = find_dataset(DB, data.parent)
    run, nights = started(dataset, data, output)
    first = [nights[number][0] for number in range(n_files)]
    few = first[: min(FEW_NIGHTS, n_files)]
    forget(few)
    with timed("a first fold: unpack each night onto the disk", len(few)):
        read(few)
    read(first[len(few) :])
    link_copies(data, n_nights, n_files)
    passes(run, output, nights)
    cold = first[:COLD_NIGHTS]
    only = replace(run, subjects={**run.subjects, "train": range(len(cold))})
    compare_with_shard(fold_of(only, output, nights), cold, folder / "shard")


def read(paths: Iterable[Path]) -> list[Night]:
    return [load_night(path, N_SAMPLES, 100, on_disk=True) for path in paths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="is made, and removed at the end")
    parser.add_argument("--nights", type=int, default=10_000, help="names of nights (default %(default)s)")
    parser.add_argument("--files", type=int, default=1400, help="different nights (default %(default)s)")
    parser.add_argument("--plan", type=int, default=100_000, help="nights that are only planned (default %(default)s)")
    options = parser.parse_args()
    log.setLevel("ERROR")  # nights under several names are suspicious
    options.folder.mkdir(parents=True)
    try:
        measure(options.folder, options.nights, min(options.files, options.nights))
    finally:
        shutil.rmtree(options.folder)
    plan_many(options.plan)


if __name__ == "__main__":
    main()
