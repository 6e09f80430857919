"""Measure the program on this machine, in one run: every share is a ratio within it.

    python benchmarks/bench.py [--json FILE] [--large GB]

Steps, scoring, `--help` and the first answer of predict.py are medians of several repeats, other commands run once. It
takes about eight minutes on 2 cores, and wants the machine for itself. `--large 20` adds the reading of 20 GB of
nights. For Linux.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

PROGRAM = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROGRAM))

import numpy as np

import config
from config import Settings
from data import Night, load_night, save_night
from engine.device import import_tensorflow
from folds.folders import fold_folder
from folds.history import TRAIN, load_history
from folds.run import Run
from folds.split import split_subjects
from recordings.datasets import DATASETS
from training.batches import Batch, batch_nights, plan_steps, prefetched
from training.fold import FoldTraining
from training.planning import FoldPlan

SETTINGS = Settings()
STEP_EPOCHS = SETTINGS.batch_size * SETTINGS.seq_length
NIGHT_EPOCHS = 1000
REPEATS = 15

Figures = dict[str, Any]


# ---- operations, counted from the shapes of the layers; a multiplication and an addition are two ----


def forward_flop(reconstruct: bool) -> dict[str, float]:
    """Return the operations of one epoch's forward pass, layer by layer."""
    positions, pooled, filters = 500, 63, 128  # after conv 1; after max-pool 8
    block = 2 * pooled * 8 * filters * filters  # each convolution of the reconstruction block
    return {
        "conv 1": 2 * positions * 50 * filters,
        "CRB a, b, c": 3 * block,
        "CRB d, e": 2 * block * reconstruct,
        "LSTM": 2 * (2 * filters + 128) * 4 * 128,
        "dense": 2 * 128 * 5,
    }


def training_flop() -> float:
    """Forward, gradient of weights, gradient of inputs: three times, but conv 1 needs no gradient of its input."""
    layers = forward_flop(reconstruct=True)
    return 3 * sum(layers.values()) - layers["conv 1"]


def pretraining_flop() -> float:
    layers = forward_flop(reconstruct=True)
    return 3 * (sum(layers.values()) - layers["LSTM"] - layers["dense"]) - layers["conv 1"]


def scoring_flop() -> float:
    return sum(forward_flop(reconstruct=False).values())


# ---- measuring ----


def seconds(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Return the median time of `work`, in seconds."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def product_rate() -> Figures:
    """Return the rate of a large float32 matrix product, the better of NumPy's and TensorFlow's, in GFLOP/s."""
    tf = import_tensorflow()
    n = 3000
    a = np.random.default_rng(0).normal(size=(n, n)).astype(np.float32)
    b = tf.constant(a)
    numpy_rate = 2 * n**3 / seconds(lambda: a @ a) / 1e9
    tensorflow_rate = 2 * n**3 / seconds(lambda: tf.matmul(b, b).numpy()) / 1e9
    return {
        "numpy_gflops": numpy_rate,
        "tensorflow_gflops": tensorflow_rate,
        "gflops": max(numpy_rate, tensorflow_rate),
    }


def generated_batch() -> Batch:
    rng = np.random.default_rng(0)
    shape = (SETTINGS.batch_size, SETTINGS.seq_length)
    x = rng.normal(0, 20, (*shape, SETTINGS.input_size)).astype(np.float32)
    first, known = np.ones(shape[0], np.bool_), np.ones((shape[0], 5), np.bool_)
    return Batch(x, rng.integers(0, 5, shape).astype(np.int32), np.ones(shape, np.float32), first, known)


def rate_of(seconds_each: float, n_epochs: int, flop: float, product_gflops: float) -> Figures:
    gflops = n_epochs * flop / seconds_each / 1e9
    return {
        "seconds": seconds_each,
        "epochs_per_second": n_epochs / seconds_each,
        "gflop": n_epochs * flop / 1e9,
        "share_of_matrix_product": gflops / product_gflops,
    }


def steps_and_scoring(product_gflops: float) -> Figures:
    """Time one step of each kind, a night, and the compilation before them; then count what was compiled again."""
    from model import Stager
    from training.steps import Training

    training, batch = Training(SETTINGS), generated_batch()
    stager = Stager(training.network)
    night = np.random.default_rng(0).normal(0, 20, (NIGHT_EPOCHS, SETTINGS.input_size)).astype(np.float32)
    started = time.perf_counter()
    training.compile()
    stager.compile()
    compiling = time.perf_counter() - started
    training.restart(0)
    state = training.first_state()
    train = seconds(lambda: training.train(batch, state)[0]["loss_ce"].numpy())
    pretrain = seconds(lambda: training.pretrain(batch, state)[0]["loss_rec"].numpy())
    score = seconds(lambda: stager.probabilities(night))
    valid = [noise("", n_epochs) for n_epochs in (850, 950, 1050, 1150)]
    validate = seconds(lambda: [stager.probabilities(one.x) for one in valid], repeats=5)
    n_valid = sum(len(one) for one in valid)
    figures = {
        "training": rate_of(train, STEP_EPOCHS, training_flop(), product_gflops),
        "pre-training": rate_of(pretrain, STEP_EPOCHS, pretraining_flop(), product_gflops),
        "validation, 4 nights": rate_of(validate, n_valid, scoring_flop(), product_gflops),
        f"scoring a night of {NIGHT_EPOCHS}": rate_of(score, NIGHT_EPOCHS, scoring_flop(), product_gflops),
        "compile_seconds": compiling,
    }
    figures["pass_over_steps"] = pass_overhead(training, stager, train)
    compiled = (training.compiled_train, training.compiled_pretrain, stager.compiled)
    figures["compilations"] = [function.experimental_get_tracing_count() for function in compiled]
    return figures


def noise(name: str, n_epochs: int) -> Night:
    rng = np.random.default_rng(n_epochs)
    x = rng.normal(0, 20, (n_epochs, SETTINGS.input_size)).astype(np.float32)
    return Night(name, x, rng.integers(0, 5, n_epochs).astype(np.int32), ch_label="EEG Fpz-Cz")


def pass_overhead(training: Any, stager: Any, step: float) -> float:
    """Return how long a pass over 30 nights takes, as a multiple of its steps."""
    nights = [noise(str(i), 180 + i) for i in range(30)]
    with tempfile.TemporaryDirectory() as folder:
        run = Run("sleepedf", 0, SETTINGS, {}, {}, [], {})
        fold = FoldTraining(training, stager, FoldPlan(run, Path(folder), {}))
        before = int(training.step)
        taken = seconds(lambda: fold.one_pass(TRAIN, 1, nights, training.train), repeats=3)
    return taken / ((int(training.step) - before) / 3 * step)


def both_forms() -> Figures:
    """Return what the frequency domain takes of the direct convolutions' time, one step of each after the other."""
    from model import Stager
    from nn import ReconstructionBlock
    from training.steps import Training

    batch = generated_batch()
    night = np.random.default_rng(0).normal(0, 20, (NIGHT_EPOCHS, SETTINGS.input_size)).astype(np.float32)
    works: dict[bool, dict[str, Callable[[], Any]]] = {}
    for in_frequency in (False, True):
        with patch.object(ReconstructionBlock, "in_frequency_domain", lambda *_, chosen=in_frequency: chosen):
            works[in_frequency] = works_of(training := Training(SETTINGS), Stager(training.network), batch, night)
            for work in works[in_frequency].values():  # compiled here, in this form
                work()
    ratios: dict[str, list[float]] = {name: [] for name in works[True]}
    for _ in range(5):
        for name in ratios:
            direct, in_frequency_domain = (seconds(works[form][name], repeats=3) for form in (False, True))
            ratios[name].append(in_frequency_domain / direct)
    return {name: spread(values) for name, values in ratios.items()}


def works_of(training: Any, stager: Any, batch: Batch, night: Any) -> dict[str, Callable[[], Any]]:
    state = training.first_state()
    return {
        "training": lambda: training.train(batch, state)[0]["loss_ce"].numpy(),
        "pre-training": lambda: training.pretrain(batch, state)[0]["loss_rec"].numpy(),
        "scoring": lambda: stager.probabilities(night),
    }


# ---- a cross-validation ----

MEAN_EPOCHS = {"sleepedf": 42_308 / 39, "sleepedfx": 195_479 / 153, "isruc": 900, "ucddb": 830}
"""Epochs of a prepared night; of Sleep-EDF as published, of the others for nights of 7.5 and 6.9 hours."""


def cross_validation_hours(steps: Figures) -> Figures:
    """Return the hours that the published cross-validation of each data set takes, from the measured steps."""
    return {name: sum(fold_hours(name, fold, steps) for fold in range(DATASETS[name].n_folds)) for name in MEAN_EPOCHS}


def fold_hours(name: str, fold: int, steps: Figures) -> float:
    """Return the hours of one fold: pre-training, training passes and the validation after each of them."""
    subjects = split_subjects(DATASETS[name], fold)
    nights_each = {"sleepedf": 39 / 20, "sleepedfx": 153 / 78}.get(name, 1.0)
    rng = np.random.default_rng(fold)
    train, valid = (
        rng.uniform(0.75, 1.25, round(nights_each * len(part))) * MEAN_EPOCHS[name]
        for part in (subjects.train, subjects.valid)
    )
    n_steps = len(plan_steps([round(n) for n in train], SETTINGS.batch_size, SETTINGS.seq_length))
    validation = valid.sum() / steps["validation, 4 nights"]["epochs_per_second"]
    one_pass = n_steps * steps["training"]["seconds"] * steps["pass_over_steps"] + validation
    before = SETTINGS.pretrain_epochs * n_steps * steps["pre-training"]["seconds"] * steps["pass_over_steps"]
    return float(before + SETTINGS.n_epochs * one_pass) / 3600


# ---- whole commands ----


@dataclass(frozen=True)
class Command:
    """What a command took, as the system counted it."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


STARTED_BY_A_SMALL_ONE = """
import json, resource, subprocess, sys, time
started = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
taken = time.perf_counter() - started
usage = resource.getrusage(resource.RUSAGE_CHILDREN)
if done.returncode:
    sys.exit(done.stdout.decode())
print(json.dumps([taken, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e6]))
"""
"""Linux counts the memory of the process that started a command as its own: that must not be this one."""


def run(script: str, *arguments: str | Path) -> Command:
    """Run a script of the program as a user does, in a process of its own."""
    command = [sys.executable, str(PROGRAM / script), *map(str, arguments)]
    done = subprocess.run([sys.executable, "-c", STARTED_BY_A_SMALL_ONE, *command], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return Command(*json.loads(done.stdout))


def write_nights(folder: Path, n_epochs: int) -> None:
    """Write two nights of `n_epochs` noise for each of the 20 subjects of sleepedf."""
    folder.mkdir(parents=True)
    for name in (f"SC4{subject:02d}{number}E0" for subject in range(20) for number in (1, 2)):
        save_night(folder / f"{name}.npz", noise(name, n_epochs))


def training_commands(folder: Path) -> Figures:
    """Train one pass on 40,000 epochs, with signals in memory and on disk."""
    write_nights(folder / "data" / "sleepedf", 1000)
    arguments = ["--db", "sleepedf", "--from_fold", "0", "--to_fold", "0", "--pretrain_epochs", "0", "--n_epochs", "1"]
    where: list[str | Path] = ["--data_dir", folder / "data", "--output_dir", folder / "output"]
    in_memory = run("trainer.py", *arguments, *where)
    on_disk = run("trainer.py", *arguments, *where, "--memory_map", "--suffix", "disk")
    passes = {
        name: load_history(fold_folder(folder / "output", "sleepedf", suffix, 0))[0].seconds
        for name, suffix in (("memory", None), ("disk", "disk"))
    }
    return {
        "peak_mb_40000_epochs": in_memory.peak_mb,
        "peak_mb_40000_epochs_memory_map": on_disk.peak_mb,
        "speed_memory_map": passes["memory"] / passes["disk"],
    }


def preparing_commands(folder: Path) -> Figures:
    """Prepare generated Sleep-EDF nights of full length, one at a time and two at a time."""
    raw, out = folder / "raw", folder / "prepared"
    run("simulate.py", "--db", "sleepedf", "--output_dir", raw, "--subjects", "0-3", "--hours", "22")
    help_cpu = run("prepare_sleepedf.py", "--help").cpu_seconds
    one = run("prepare_sleepedf.py", "--data_dir", raw, "--output_dir", out)
    two = run("prepare_sleepedf.py", "--data_dir", raw, "--output_dir", out, "--overwrite", "--n_jobs", "2")
    n_nights = len(list(out.glob("*.npz")))
    return {
        "cpu_seconds_a_22_hour_night": (one.cpu_seconds - help_cpu) / n_nights,
        "n_jobs_2_over_1": two.seconds / one.seconds,
    }


def scoring_command(folder: Path) -> Figures:
    """Score one recording of 8 hours 20 minutes, TensorFlow's import and compilation included."""
    raw = folder / "raw_night"
    run("simulate.py", "--db", "sleepedf", "--output_dir", raw, "--subjects", "0", "--hours", str(NIGHT_EPOCHS / 120))
    arguments: list[str | Path] = ["--db", "sleepedf", "--dir", folder / "output", "--output_dir", folder / "scored"]
    return {"seconds_file_to_stages": run("predict.py", raw / "SC4001E0-PSG.edf", *arguments).seconds}


CAUSES = """
import json, resource, sys
from pathlib import Path

def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

laps, last = {}, 0.0

def lap(cause):
    global last
    laps[cause], last = cpu() - last, cpu()

path, folds, folder = sys.argv[1:]
import predict
from recordings.opening import open_recording
from scoring import plots
from scoring.scorer import Scorer
from scoring.networks import compile_networks
from scoring.request import Request
opened = open_recording(Path(path))
scorer = Scorer(folds, gpu=-1)
lap("Python, NumPy, files")
scorer.device
import model
lap("importing TensorFlow")
compile_networks(scorer.folds[:1])
lap("building and compiling the network")
plots.import_matplotlib()
lap("importing matplotlib")
night = scorer.stage_opened(opened, Request())
lap("reading, conditioning, spectrum, five folds")
night.save(folder)
lap("picture and files")
print(json.dumps(laps))
"""


def first_answer(folder: Path) -> Figures:
    """Score a night of eight hours with the weights in the box, each time in a process of its own.

    Returns:
        Median and range of CPU seconds, seconds and peak, what the CPU seconds are spent on, and those of each of 20.
    """
    raw, weights = folder / "raw_8_hours", PROGRAM / config.PRETRAINED_DIR
    run("simulate.py", "--db", "sleepedf", "--output_dir", raw, "--subjects", "0", "--hours", "8")
    night = (raw / "SC4001E0-PSG.edf").rename(folder / "night.edf")  # under its own name four folds have seen it
    arguments: list[str | Path] = ["--dir", weights, "--gpu", "-1", "--output_dir", folder / "scored_8_hours"]
    runs = [run("predict.py", night, *arguments) for _ in range(5)]
    program = [sys.executable, "-c", CAUSES, str(night), str(weights), str(folder / "scored_8_hours")]
    printed = [subprocess.run(program, cwd=PROGRAM, stdout=subprocess.PIPE, text=True, check=True) for _ in range(5)]
    laps = [json.loads(one.stdout.splitlines()[-1]) for one in printed]
    nights = [Path(shutil.copy(night, folder / f"night_{number}.edf")) for number in range(20)]
    many = run("predict.py", *nights, *arguments)
    return {
        "cpu_seconds_of_20_nights_each": many.cpu_seconds / len(nights),
        **{name: spread([getattr(one, name) for one in runs]) for name in ("cpu_seconds", "seconds", "peak_mb")},
        "causes_cpu_seconds": {cause: statistics.median(one[cause] for one in laps) for cause in laps[0]},
    }


def spread(values: list[float]) -> Figures:
    return {"median": statistics.median(values), "from": min(values), "to": max(values)}


def yasa_seconds() -> Figures | None:
    """Stage a night of the same length with YASA, the stager that many use today; None where it is not installed."""
    if find_spec("yasa") is None:
        return None
    import mne
    import yasa

    signal = noise("", NIGHT_EPOCHS).x.reshape(1, -1) * 1e-6  # µV -> V, as MNE has it
    raw = mne.io.RawArray(signal, mne.create_info(["EEG"], SETTINGS.sampling_rate, "eeg"), verbose="error")

    def stage() -> None:
        yasa.SleepStaging(raw, eeg_name="EEG").predict()

    return {"first_seconds": seconds(stage, repeats=1), "seconds": seconds(stage, repeats=3)}


def help_seconds() -> Figures:
    scripts = ("trainer.py", "predict.py", "prepare_sleepedf.py")
    return {script: statistics.median(run(script, "--help").seconds for _ in range(5)) for script in scripts}


# ---- data larger than memory ----


def large_pass(gigabytes: float) -> Figures:
    """Send nights of so many GB through the batches of one pass, from disk, in a process of its own.

    Training is not timed here: it needs one batch of 3.6 MB a step, and this says how fast they come.
    """
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, get_context("spawn")) as process:
        return process.submit(read_large, Path(folder), gigabytes).result()


def read_large(folder: Path, gigabytes: float) -> Figures:
    n_epochs = 1000
    night = Night("", np.tile(np.arange(30, dtype=np.float32), (n_epochs, 100)), np.zeros(n_epochs, np.int32))
    save_night(folder / "0.npz", night)
    n_nights = round(gigabytes * 1e9 / night.x.nbytes)
    for number in range(1, n_nights):
        shutil.copy(folder / "0.npz", folder / f"{number}.npz")
    nights = [load_night(folder / f"{number}.npz", on_disk=True) for number in range(n_nights)]
    plan = plan_steps([n_epochs] * n_nights, SETTINGS.batch_size, SETTINGS.seq_length)
    started = time.perf_counter()
    read = sum(batch.x.nbytes for batch in prefetched(batch_nights(nights, plan, SETTINGS.seq_length)))
    taken = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
    return {"gigabytes": read / 1e9, "seconds_a_batch": taken / len(plan), "peak_mb_without_tensorflow": peak}


# ---- the report ----


def machine() -> Figures:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor()
    return {"cpu": name, "cores": os.cpu_count(), "python": platform.python_version()}


def measure(large: float | None) -> Figures:
    product = product_rate()
    figures: Figures = {
        "machine": machine(),
        "matrix product": product,
        "steps": steps_and_scoring(product["gflops"]),
        "both forms": both_forms(),
        "help": help_seconds(),
    }
    figures["cross-validation hours"] = cross_validation_hours(figures["steps"])
    with tempfile.TemporaryDirectory() as folder:
        figures["trainer.py"] = training_commands(Path(folder))
        figures["predict.py"] = scoring_command(Path(folder))
        figures["first answer"] = first_answer(Path(folder))
        figures["YASA"] = yasa_seconds()
        figures["prepare_sleepedf.py"] = preparing_commands(Path(folder))
    if large:
        figures["large"] = large_pass(large)
    return figures


def lines_of(figures: Figures) -> list[str]:
    """Return the figures as lines for reading."""
    machine, product, steps = figures["machine"], figures["matrix product"], figures["steps"]
    lines = [
        f"{machine['cpu']}, {machine['cores']} cores, Python {machine['python']}",
        f"float32 matrix product: {product['gflops']:.0f} GFLOP/s "
        f"(NumPy {product['numpy_gflops']:.0f}, TensorFlow {product['tensorflow_gflops']:.0f})",
        "",
        f"{'':24} {'seconds':>8} {'epochs/s':>9} {'GFLOP':>7} {'of the matrix product':>22}",
    ]
    for name, rate in steps.items():
        if isinstance(rate, dict):
            share = f"{100 * rate['share_of_matrix_product']:.0f} %"
            lines.append(
                f"{name:24} {rate['seconds']:8.3f} {rate['epochs_per_second']:9.0f} {rate['gflop']:7.1f} {share:>22}"
            )
    lines += ["", *form_and_hour_lines(figures), "", *first_answer_lines(figures["first answer"])]
    training, prepared = figures["trainer.py"], figures["prepare_sleepedf.py"]
    lines += [
        "",
        f"a pass takes {steps['pass_over_steps']:.3f} times its steps",
        f"compiling all three: {steps['compile_seconds']:.1f} s; compiled {steps['compilations']} times",
        "--help: " + ", ".join(f"{script} {taken:.2f} s" for script, taken in figures["help"].items()),
        f"trainer.py, 40,000 epochs: peak {training['peak_mb_40000_epochs']:.0f} MB; "
        f"with --memory_map {training['peak_mb_40000_epochs_memory_map']:.0f} MB, "
        f"at {100 * training['speed_memory_map']:.0f} % of the speed",
        f"predict.py, an EDF of {NIGHT_EPOCHS} epochs to stages on disk: "
        f"{figures['predict.py']['seconds_file_to_stages']:.1f} s, import and compilation included",
        f"prepare_sleepedf.py, a 22-hour night: {prepared['cpu_seconds_a_22_hour_night']:.2f} s of CPU; "
        f"--n_jobs 2 takes {100 * prepared['n_jobs_2_over_1']:.0f} % of the time",
    ]
    if figures["YASA"]:
        yasa = figures["YASA"]
        lines.append(
            f"YASA, a night of {NIGHT_EPOCHS}: {yasa['first_seconds']:.1f} s at first, {yasa['seconds']:.2f} s then"
        )
    if "large" in figures:
        large = figures["large"]
        lines.append(
            f"{large['gigabytes']:.0f} GB from disk: a batch every {1000 * large['seconds_a_batch']:.1f} ms, "
            f"peak {large['peak_mb_without_tensorflow']:.0f} MB without TensorFlow"
        )
    return lines


def form_and_hour_lines(figures: Figures) -> list[str]:
    forms = ", ".join(f"{name} {in_spread(one)}" for name, one in figures["both forms"].items())
    hours = ", ".join(f"{name} {one:.0f} h" for name, one in figures["cross-validation hours"].items())
    return [f"the frequency domain takes of the direct form: {forms}", f"a cross-validation as published: {hours}"]


def first_answer_lines(answer: Figures) -> list[str]:
    """Return what a night of eight hours takes, and what it is spent on."""
    return [
        f"predict.py night.edf, 8 hours, 5 folds: {in_spread(answer['cpu_seconds'])} s of CPU, "
        f"{in_spread(answer['seconds'])} s, peak {answer['peak_mb']['median']:.0f} MB; CPU seconds of it:",
        *(f"    {cause:44} {taken:5.2f}" for cause, taken in answer["causes_cpu_seconds"].items()),
        f"20 such nights: {answer['cpu_seconds_of_20_nights_each']:.2f} s of CPU each",
    ]


def in_spread(one: Figures) -> str:
    return f"{one['median']:.2f} ({one['from']:.2f} to {one['to']:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.add_argument("--large", type=float, metavar="GB", help="also send so much data through a pass from disk")
    options = parser.parse_args()
    figures = measure(options.large)
    print("\n".join(lines_of(figures)))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
