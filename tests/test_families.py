"""Folds of several data sets: one weight each, each with its own leak checks, and the outputs say who voted."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import predict
from command import InputError
from folds.families import told_apart
from folds.split import split_subjects
from recordings.datasets import DATASETS
from recordings.opening import open_array, open_recording
from scoring.kept import read_kept
from scoring.recording_files import summarize
from scoring.request import Request, plan_staging
from scoring.scorer import Scorer
from tests.support.edf_files import write_edf
from tests.support.folds_on_disk import save_fold

LABEL = "EEG Fpz-Cz"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two folders: two folds of sleepedf, and one of isruc that learned from `SC4…` and `mine` too."""
    first, second = tmp_path_factory.mktemp("first"), tmp_path_factory.mktemp("second")
    save_fold(first, 0), save_fold(first, 4), save_fold(second, 2, "isruc")
    return first, second


@pytest.fixture(scope="module")
def signal():
    white = np.random.default_rng(1).normal(0, 20, 12 * 3000)
    return white + np.convolve(white, np.ones(20), "same") / 4  # its power falls with frequency, as that of an EEG


def stage(signal, *given, name="night"):
    return Scorer(*given, gpu=-1).stage(signal, rate=100, channel=LABEL, name=name)


def test_each_family_has_one_weight_however_many_its_folds(folders, signal):
    first, second = folders
    both = stage(signal, folders, ("sleepedf", "isruc"))
    means = [stage(signal, first, "sleepedf").probabilities, stage(signal, second, "isruc").probabilities]
    assert np.abs(means[0] - means[1]).max() > 0.05, "families that agree would prove nothing"
    np.testing.assert_allclose(both.probabilities, (means[0] + means[1]) / 2, atol=1e-6)
    about = summarize(both)
    assert about["families"] == [
        {"db": "sleepedf", "folds": [0, 4], "weight": 0.5},
        {"db": "isruc", "folds": [2], "weight": 0.5},
    ]
    assert [one["db"] for one in about["channels"][0]["conditioning"]] == ["sleepedf", "isruc"]
    assert "one weight each" in about["methods"] and about["methods"].count("The weights were trained on") == 2


def test_one_family_says_nothing_of_families(folders, signal):
    about = summarize(stage(signal, folders[0], "sleepedf"))
    assert "families" not in about and "famil" not in json.dumps(about)


def test_a_family_whose_every_fold_saw_the_subject_does_not_vote(folders, signal, tmp_path):
    of_sleepedf = [split_subjects(DATASETS["sleepedf"], number) for number in (0, 4)]
    seen = set(of_sleepedf[0].train) & set(of_sleepedf[1].train)
    number, subject = next(
        (n, one) for n in range(25) for one in split_subjects(DATASETS["ucddb"], n).test if one in seen
    )
    save_fold(tmp_path / "third", number, "ucddb")  # its nights have names of sleepedf's: it knows all but its test's
    path = write_edf(tmp_path / f"SC4{subject:02d}1E0-PSG.edf", [(LABEL, 100, "uV", signal)])
    opened = open_recording(path)
    scorer = Scorer((*folders, tmp_path / "third"), ("sleepedf", "ucddb"), gpu=-1)
    plan = plan_staging(opened, Request(), scorer.folds)

    saw = {fold.run.db for fold in scorer.folds} - {fold.run.db for fold in plan.folds}
    assert saw == {"sleepedf"} and not plan.seen and not plan.warnings
    assert plan.notices == (
        f"subject {subject} of sleepedf was in the training of every fold of sleepedf, which do not vote",
    )


@pytest.mark.parametrize("workers", [[], ["--n_jobs", "2"]])
def test_the_command_line_says_who_voted(folders, signal, tmp_path, workers):
    names = ["one.edf", "two.edf"]
    paths = [str(write_edf(tmp_path / name, [(LABEL, 100, "uV", signal)])) for name in names]
    out = tmp_path / "out"
    command = [
        *paths,
        "--db",
        "sleepedf",
        "isruc",
        "--dir",
        *map(str, folders),
        "--gpu",
        "-1",
        "--output_dir",
        str(out),
    ]
    program = [sys.executable, "predict.py", *command, *workers]  # a process of its own: no worker after TensorFlow
    done = subprocess.run(program, cwd=Path(predict.__file__).parent, capture_output=True, text=True, check=False)
    printed = done.stdout + done.stderr
    assert done.returncode == 0, printed
    assert "mean over 2 families, one weight each: sleepedf, folds 0, 4; isruc, fold 2" in printed
    assert set(pd.read_csv(out / "nights.csv")["folds"]) == {"sleepedf/0 sleepedf/4 isruc/2"}
    kept = read_kept(out, "one")
    assert summarize(kept)["families"] == json.loads((out / "one_summary.json").read_text())["families"]


def test_recordings_behind_folders_and_data_sets_stay_recordings(folders, tmp_path):
    first, second = map(str, folders)
    assert told_apart([first, second, str(tmp_path)], ["sleepedf", "isruc", "night.edf"], None) == (
        (first, second),
        ("sleepedf", "isruc"),
        [str(tmp_path), "night.edf"],
    )
    assert told_apart([first], ["sleepedf", "night.edf"], None) == ((first,), ("sleepedf",), ["night.edf"])


def test_what_stays_open_is_refused(folders, capsys):
    with pytest.raises(InputError, match="2 folders of checkpoints: choose data sets with db"):
        Scorer(folders, gpu=-1)
    with pytest.raises(InputError, match=r"no checkpoints of ucddb in .* or "):
        Scorer(folders, ("sleepedf", "ucddb"), gpu=-1)
    with pytest.raises(InputError, match="fold 0 chooses one of one data set"):
        Scorer(folders, ("sleepedf", "isruc"), fold=0, gpu=-1)
    assert predict.main(["--db", "sleepedf", "isruc"]) == 2
    assert "--db sleepedf isruc: test nights are scored with one" in "".join(capsys.readouterr())


def test_channels_are_judged_by_those_who_vote(folders, signal):
    third = Scorer(folders, ("sleepedf", "isruc"), gpu=-1)
    on_c3 = [replace(fold, run=replace(fold.run, channels=["C3-A2"])) for fold in third.folds if fold.run.db == "isruc"]
    opened = open_array(signal, 100, LABEL, "SC4011E0")
    nobody = {"train": (), "valid": (), "test": ()}
    blind = [replace(one, run=replace(one.run, epochs={}, subjects=nobody)) for one in on_c3]
    of_sleepedf = [fold for fold in third.folds if fold.run.db == "sleepedf"]
    plan = plan_staging(opened, Request(), [*of_sleepedf, *blind])
    assert {fold.run.db for fold in plan.folds} == {"isruc"}
    assert any("C3-A2, on which the checkpoint was trained" in one for one in plan.warnings)
