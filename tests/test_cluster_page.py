"""What docs/large-data.md hands out: the Slurm array, the sweep, the Dockerfile. Each is run, or else linted."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import predict
import trainer
from folds.folders import find_folds, is_finished
from folds.history import load_history
from folds.run import load_run
from recordings.datasets import DATASETS
from tests.support.short_nights import SHORT, short_nights
from tests.test_design import ROOMS

ROOT = Path(__file__).parent.parent
ARRAY = ROOT / "docs" / "cluster" / "slurm_folds.sh"
TINY = ["--db", "sleepedf", "--gpu", "-1", *SHORT, "--pretrain_epochs", "0", "--n_epochs", "1"]


def linter(name: str) -> str:
    """Return where requirements-dev.txt has put a linter, which is no Python."""
    path = Path(sys.executable).parent / name
    if not path.exists():
        pytest.skip(f"no {name}: pip install --requirement requirements-dev.txt")
    return str(path)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return short_nights(tmp_path_factory.mktemp("data"))


def scored(data: Path, output: Path, *more: str) -> int:
    where = ["--db", "sleepedf", "--dir", str(output), "--data_dir", str(data), "--skip_missing", "--gpu", "-1"]
    return predict.main([*where, *more])


# ---- Slurm ----


SHOWN = """#!/bin/sh
printf '%s\\n' "$TF_NUM_INTRAOP_THREADS" "$TF_NUM_INTEROP_THREADS" "$@"
"""
"""Instead of Python: it shows what it was given."""


def task(number: int | None, arguments: list[str], python: Path | str) -> subprocess.CompletedProcess[str]:
    """Run a task of the array, as Slurm does on some node."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    slurm = {"SLURM_CPUS_PER_TASK": "3", **({} if number is None else {"SLURM_ARRAY_TASK_ID": str(number)})}
    environment = {**known, **slurm, "PYTHON": str(python)}
    command = ["bash", str(ARRAY), *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_an_array_trains_a_fold_a_task_and_predict_gathers_them(data, tmp_path, capsys):
    """Folds that are trained at the same time, in processes of their own, are in test_cluster.py."""
    shown = tmp_path / "shown"
    shown.write_text(SHOWN)
    shown.chmod(0o755)
    arguments = [*TINY, "--data_dir", str(data), "--output_dir", str(tmp_path / "output")]
    for fold in (0, 4):
        done = task(fold, arguments, shown)
        assert done.returncode == 0, done.stderr
        command = done.stdout.splitlines()
        assert command[:3] == ["3", "3", "trainer.py"]
        assert trainer.main(command[3:]) == 0
    folds = find_folds(tmp_path / "output", DATASETS["sleepedf"])
    assert list(folds) == [0, 4] and all(map(is_finished, folds.values()))
    assert scored(data, tmp_path / "output") == 0
    assert "sleepedf: 2 of 20 folds, 2 of 20 subjects, 2 nights" in capsys.readouterr().out


def test_an_array_that_is_no_array_says_so():
    done = task(None, TINY, sys.executable)
    assert "submit this with sbatch --array=FIRST-LAST" in done.stderr and done.returncode != 0


def test_a_task_starts_the_trainer_and_ends_as_it_does():
    done = task(0, ["--db", "sleepedf", "--data_dir", "nowhere"], sys.executable)
    assert done.returncode == 2 and "no folder nowhere" in done.stderr


def test_the_array_script_is_sound():
    found = subprocess.run([linter("shellcheck"), str(ARRAY)], capture_output=True, text=True, check=False)
    assert not found.stdout + found.stderr


# ---- sweeps ----


@pytest.fixture(scope="module")
def sweep():
    pytest.importorskip("optuna", reason="no optuna: pip install --requirement requirements-cluster.txt")
    spec = importlib.util.spec_from_file_location("sweep", ROOT / "docs" / "cluster" / "sweep.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_here(command, check):
    """Run trainer.py in this process, which has TensorFlow already."""
    assert Path(command[1]) == ROOT / "trainer.py" and trainer.main(command[2:]) == 0 and check


def test_each_trial_of_a_sweep_is_a_folder_of_folds(sweep, data, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep.subprocess, "run", run_here)
    given = ["--", *TINY, "--data_dir", str(data), "--from_fold", "0", "--to_fold", "0"]
    sweep.main(["--name", "try", "--trials", "1", *given])
    sweep.main(["--name", "try", "--trials", "0", *given])  # the study is kept
    folder = find_folds(tmp_path / "output", DATASETS["sleepedf"], "try0")[0]
    value = [one.valid_macro_f1 for one in load_history(folder) if one.kept][-1]
    line = f"best of 1 trials: --suffix try0, validation macro-F1 {100 * value:.1f} %"
    assert capfd.readouterr().out.count(line) == 2
    settings = load_run(folder).settings
    assert 1e-4 <= settings.learning_rate <= 1e-2 and 1e-3 <= settings.weight_decay <= 0.3
    assert scored(data, tmp_path / "output", "--suffix", "try0") == 0


def test_a_trial_that_fails_does_not_end_the_sweep(sweep, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    given = ["--", "--db", "sleepedf", "--data_dir", "nowhere", "--from_fold", "0", "--to_fold", "0"]
    with pytest.raises(SystemExit, match="none of the 2 trials came to its end"):
        sweep.main(["--trials", "2", *given])
    assert capfd.readouterr().err.count("no folder nowhere") == 2


# ---- containers ----

DOCKERFILE = ROOT / "Dockerfile"


def test_the_dockerfile_is_sound():
    found = subprocess.run([linter("hadolint"), str(DOCKERFILE)], capture_output=True, text=True, check=False)
    assert not found.stdout + found.stderr


def test_the_image_gets_every_file_of_the_program():
    lines = re.sub(r"\\\n", " ", DOCKERFILE.read_text(encoding="utf-8")).splitlines()
    copied = [source for line in lines if line.startswith("COPY ") for source in shlex.split(line)[1:-1]]
    paths = [path for source in copied for path in ROOT.glob(source.rstrip("/"))]
    assert all(any(ROOT.glob(source.rstrip("/"))) for source in copied), copied
    held = {path for path in ROOMS.values() if any(path == one or one in path.parents for one in paths)}
    assert set(ROOMS.values()) - held == set()
    assert {ROOT / "pretrained_model", ROOT / "requirements.lock"} <= set(paths)
