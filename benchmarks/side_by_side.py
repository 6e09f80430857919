"""Folds one after the other against several at a time: seconds, memory, and whether the weights are the same.

    python benchmarks/side_by_side.py
    python benchmarks/side_by_side.py --n_jobs 4 --engine ray --address 10.0.0.1:6379
    python benchmarks/side_by_side.py --hours 8 --n_epochs 3

It makes its nights by itself, of real size by default, and trains two folds on them. Run it on a machine that has
nothing else to do. The memory is that of all processes of the command on this machine: what they share counts once.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from data import Night, save_night
from folds.checkpoint import load_best

FOLDS = (0, 4)  # of sleepedf; with these subjects both can be trained
SUBJECTS = range(5)
EPOCHS_AN_HOUR = 120
LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Measured:
    """What a command took: seconds on the clock, and the most memory in MB."""

    seconds: float
    peak_mb: float


def make_nights(folder: Path, hours: float) -> None:
    """Write a night for each subject: noise whose amplitude depends on the stage."""
    (folder / "sleepedf").mkdir(parents=True)
    for subject in SUBJECTS:
        rng = np.random.default_rng(subject)
        y = rng.integers(0, 5, int(hours * EPOCHS_AN_HOUR)).astype(np.int32)
        x = (rng.normal(0, 10, (len(y), 3000)) * (1 + y[:, np.newaxis])).astype(np.float32)
        name = f"SC4{subject:02d}1E0"
        save_night(folder / "sleepedf" / f"{name}.npz", Night(name, x, y, 100.0, "EEG Fpz-Cz"))


def descendants(pid: int) -> list[int]:
    """Return a process and all that it has started."""
    try:
        of_threads = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:
        return []
    return [pid, *(one for children in of_threads for child in children for one in descendants(int(child)))]


def memory_mb(pid: int) -> float:
    """Return the memory of a process, with its share of what it shares."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # it has ended
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def measured(arguments: list[str]) -> Measured:
    """Run trainer.py, and look at its memory as it runs."""
    started, peak = time.perf_counter(), 0.0
    process = subprocess.Popen([sys.executable, ROOT / "trainer.py", *arguments], stdout=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, sum(map(memory_mb, descendants(process.pid))))
        time.sleep(LOOK_SECONDS)
    if process.returncode:
        raise SystemExit(f"trainer.py ended with {process.returncode}")
    return Measured(time.perf_counter() - started, peak)


def same_weights(one: Path, other: Path) -> bool:
    """Tell whether the folds in two output folders have the same weights, to the bit."""
    pairs = [[load_best(root / "sleepedf" / str(fold)).weights for root in (one, other)] for fold in FOLDS]
    return all(a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a) for a, b in pairs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=4.0, help="of each night (default %(default)s)")
    parser.add_argument("--n_epochs", default="2", help="training passes (default %(default)s)")
    parser.add_argument("--gpu", default="-1", help="as for trainer.py (default %(default)s)")
    parser.add_argument("--n_jobs", default="2", help="folds at a time (default %(default)s)")
    parser.add_argument("--engine", default="local")
    parser.add_argument("--address", default="")
    parser.add_argument("--folder", help="for nights and folds; shared by all machines (default a temporary one)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        make_nights(folder / "data", options.hours)
        of_all = ["--db", "sleepedf", "--data_dir", str(folder / "data"), "--skip_missing"]
        of_all += ["--from_fold", "0", "--to_fold", "4", "--pretrain_epochs", "1", "--n_epochs", options.n_epochs]
        several = ["--n_jobs", options.n_jobs, "--engine", options.engine, "--gpu", options.gpu]
        several += ["--address", options.address] if options.address else []
        one = measured([*of_all, "--output_dir", str(folder / "one"), "--gpu", options.gpu.split(",")[0]])
        two = measured([*of_all, "--output_dir", str(folder / "two"), *several])
        print(f"one after the other    {one.seconds:7.1f} s  {one.peak_mb:6.0f} MB")
        print(f"{options.n_jobs} at a time, {options.engine:<10} {two.seconds:7.1f} s  {two.peak_mb:6.0f} MB")
        print(f"the same weights: {'yes' if same_weights(folder / 'one', folder / 'two') else 'NO'}")


if __name__ == "__main__":
    main()
