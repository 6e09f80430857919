"""The plan of a recording: made once, whichever door it comes in by, and without TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import predict
from command import InputError
from folds.checkpoint import load_folds
from folds.folders import find_folds
from recordings import hypnograms, opening
from recordings.datasets import DATASETS
from recordings.opening import open_recording
from scoring import Scorer, lights, request
from scoring.request import Request, grouped, plan_staging
from tests.support.edf_files import write_edf
from tests.support.staged_nights import a_fold

pytest_plugins = ["tests.support.folds_on_disk"]

ROOT = Path(__file__).parent.parent
N_EPOCHS = 6


def eeg(n_epochs):
    white = np.random.default_rng(0).normal(0, 20, n_epochs * 3000)
    return white + np.convolve(white, np.ones(20), "same") / 4  # its power falls with frequency, as that of an EEG


@pytest.fixture
def path(tmp_path):
    """Return a recording with a hypnogram that goes with it by its name alone."""
    (tmp_path / "P01-hypnogram.csv").write_text("stage\n" + "W\nN2\n" * (N_EPOCHS // 2))
    return write_edf(tmp_path / "P01.edf", [("EEG Fpz-Cz", 100, "uV", eeg(N_EPOCHS))])


@pytest.fixture
def counted(monkeypatch):
    """Count how often a recording is opened, a hypnogram read, and each thing decided."""
    counts: Counter[str] = Counter()

    def count(place, name, what):
        original = getattr(place, name)

        def call(*args, **options):
            counts[what] += 1
            return original(*args, **options)

        monkeypatch.setattr(place, name, call)

    opener = opening.OPENERS[".edf"]
    monkeypatch.setitem(opening.OPENERS, ".edf", lambda *arguments: counts.update(["opened"]) or opener(*arguments))
    count(hypnograms, "kind_of", "hypnogram")
    count(request, "lights_of", "lights")
    count(request, "channels_of_recording", "channels")
    count(request, "unseen_folds", "folds")
    count(request, "limit_of", "limit")
    count(lights, "marked", "marks")
    return counts


ONCE = {"opened": 1, "hypnogram": 1, "lights": 1, "channels": 1, "folds": 1, "limit": 1, "marks": 2}


def test_scorer_opens_reads_and_decides_once(counted, folds_dir, path):
    night = Scorer(folds_dir, gpu=-1).stage(path)
    assert dict(counted) == ONCE and night.expert_file.name == "P01-hypnogram.csv"


def test_predict_opens_reads_and_decides_once(counted, folds_dir, path, tmp_path):
    assert predict.main([str(path), "--dir", str(folds_dir), "--gpu", "-1", "--output_dir", str(tmp_path / "out")]) == 0
    assert dict(counted) == ONCE


def test_of_several_recordings_only_the_file_is_opened_again(counted, folds_dir, path, tmp_path):
    write_edf(tmp_path / "P02.edf", [("EEG Fpz-Cz", 100, "uV", eeg(2))])
    arguments = ["--dir", str(folds_dir), "--gpu", "-1", "--output_dir", str(tmp_path / "out")]
    assert predict.main([str(path), str(tmp_path / "P02.edf"), *arguments]) == 0
    both = {name: 2 * n for name, n in ONCE.items()}
    assert dict(counted) == {**both, "opened": 4, "hypnogram": 1}


# ---- what is decided ----


@pytest.fixture(scope="module")
def folds(folds_dir):
    sleepedf = DATASETS["sleepedf"]
    return load_folds(find_folds(folds_dir, sleepedf), sleepedf)


def test_a_file_beside_a_recording_that_is_no_hypnogram_is_said_and_a_given_one_refused(path, folds):
    beside = path.with_name("P01-hypnogram.csv")
    beside.write_text("stage\nslept badly\n")
    plan = plan_staging(open_recording(path), Request(), folds)
    assert plan.expert is None and plan.notices[0].startswith(f"not compared with an expert: {beside}")
    with pytest.raises(InputError, match="slept badly"):
        plan_staging(open_recording(path), Request(hypnogram=beside), folds)


def test_folds_are_grouped_by_what_they_want_of_a_signal():
    first, other = a_fold(0), a_fold(1)
    settings = replace(other.run.settings, high_pass=0.2)
    conditioned = [replace(other, run=replace(other.run, fold=n, settings=settings)) for n in (1, 2)]
    elsewhere = replace(first, run=replace(first.run, db="isruc"))
    groups = grouped([first, *conditioned, elsewhere])
    assert [[(fold.run.db, fold.run.fold) for fold in group.folds] for group in groups] == [
        [("sleepedf", 0)],
        [("sleepedf", 1), ("sleepedf", 2)],
        [("isruc", 0)],
    ]
    assert not any(group.own for group in groups)


def test_a_night_of_the_folds_own_data_set_is_known_as_one(tmp_path, folds):
    path = write_edf(tmp_path / "SC4001E0-PSG.edf", [("EEG Fpz-Cz", 100, "uV", eeg(2))])
    plan = plan_staging(open_recording(path), Request(), folds)
    assert [group.own for group in plan.groups] == [True] and [fold.run.fold for fold in plan.folds] == [0]


def test_a_plan_needs_no_tensorflow(path):
    program = f"""
import sys
from pathlib import Path
from recordings.opening import open_recording
from scoring import Scorer
from scoring.request import Request, plan_staging
plan = plan_staging(open_recording(Path({str(path)!r})), Request(), Scorer(gpu=-1).folds)
sys.exit("tensorflow" in sys.modules or len(plan.folds) != 5)
"""
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
