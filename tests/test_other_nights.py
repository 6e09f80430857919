"""Weights of one data set on the nights of another: the same report, leakage seen, every difference said."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import convert
import predict
from data import Night, save_night
from folds.checkpoint import load_fold
from recordings.datasets import DATASETS
from scoring import metrics

pytest_plugins = ["tests.support.folds_on_disk"]

random = np.random.default_rng(0)


def a_night(folder, name, channel, n=8, rate=100):
    y = random.integers(0, 5, n).astype(np.int32)
    x = random.normal(0, 20, (n, 30 * rate)).cumsum(axis=1) / 10  # as slow as an EEG
    folder.mkdir(parents=True, exist_ok=True)
    x -= x.mean(axis=1, keepdims=True)
    save_night(folder / f"{name}.npz", Night(name, x.astype(np.float32), y, float(rate), channel))
    return y


@pytest.fixture
def score(folds_dir, tmp_path, capsys):
    """Call predict.py with the weights of sleepedf on the nights of a data set; return status, text, and folder."""

    def call(db, *more, weights=("--weights", "sleepedf")):
        where = ["--dir", str(folds_dir), "--data_dir", str(tmp_path / "data"), "--gpu", "-1"]
        status = predict.main(["--db", db, *weights, *where, "--output_dir", str(tmp_path / "scores"), *more])
        printed = capsys.readouterr()
        return status, printed.out + printed.err, tmp_path / "scores"

    return call


def test_another_data_sets_nights_get_the_same_report(score, tmp_path):
    experts = [a_night(tmp_path / "data" / "isruc", f"subject{number}", "C3-A2", 8 + number) for number in (0, 1, 2)]
    a_night(tmp_path / "data" / "isruc", "subject3", "C3-A2", 9, rate=200)
    status, printed, folder = score("isruc", "--skip_missing")
    assert status == 0, printed
    for said in (
        "isruc: weights of sleepedf, 4 of 99 subjects, 4 nights",
        "4 nights are scored with weights of sleepedf",
        "channel of 4 nights: C3-A2",
        "channel of the weights: EEG Fpz-Cz",
        "rate: 100 Hz (3 nights), 200 Hz (1 nights); the weights see 100 Hz",
        "signals for these weights: as recorded",
        "4 of 4 nights: channel C3-A2 stands in for EEG Fpz-Cz",
        "95 % interval over subjects",
    ):
        assert said in printed, said
    about = json.loads((folder / "metrics.json").read_text())
    assert (about["db"], about["weights"], about["folds"], about["seen_nights"]) == ("isruc", "sleepedf", "2 of 20", [])
    assert len(about["differences"]) >= 5 and "C3-A2" in about["methods"] and "trained on sleepedf" in about["methods"]
    epochs = pd.read_csv(folder / "epochs.csv")
    assert epochs.groupby("night").size().tolist() == [8, 9, 10, 9] and epochs["fold"].isna().all()
    first = epochs[epochs["night"] == "subject0"]
    assert [metrics.STAGE_NAMES[code] for code in experts[0]] == first["expert"].tolist()
    assert about["pooled"]["accuracy"] == pytest.approx((epochs["expert"] == epochs["model"]).mean())
    assert {path.name for path in (folder / "hypnograms").iterdir()} == {f"subject{n}.png" for n in range(4)}


def test_folds_that_saw_a_subject_do_not_stage_it(score, tmp_path):
    """Folds 0 and 4 test subjects 0 and 4; the other fold has learned from each of them, and both from subject 3."""
    for name in ("SC4001E0", "SC4041E0", "SC4031E0", "SC4201E0"):
        a_night(tmp_path / "data" / "sleepedfx", name, "EEG Fpz-Cz")
    status, printed, folder = score("sleepedfx", "--skip_missing")
    assert status == 0, printed
    nights = pd.read_csv(folder / "nights.csv").set_index("night")
    assert nights.loc["SC4001E0", "fold"] == 0 and nights.loc["SC4041E0", "fold"] == 4
    assert nights.loc[["SC4031E0", "SC4201E0"], "fold"].isna().all()
    assert json.loads((folder / "metrics.json").read_text())["seen_nights"] == ["SC4031E0"]
    assert "1 of subjects SEEN IN TRAINING" in printed and "was in the training of every fold used here" in printed


def test_recordings_with_hypnograms_are_pooled(folds_dir, tmp_path, capsys):
    names = ("SC4001E0", "SC4002E0", "mine")
    paths = [tmp_path / "nights" / f"{name}.npz" for name in names]
    experts = [a_night(tmp_path / "nights", name, "EEG Fpz-Cz", 10) for name in names]
    where = ["--dir", str(folds_dir), "--weights", "sleepedf", "--gpu", "-1", "--output_dir", str(tmp_path / "scored")]
    assert predict.main([*map(str, paths), *where]) == 0
    printed = capsys.readouterr().out
    tables = [pd.read_csv(tmp_path / "scored" / f"{name}_stages.csv") for name in names]
    model = np.concatenate([table["stage"].map(metrics.STAGE_NAMES.index) for table in tables])
    scores = metrics.scores(np.concatenate(experts), model)
    assert "with an expert: 3 recordings, 2 subjects" in printed and "python evaluate.py" in printed
    assert f"Accuracy  {100 * scores.accuracy:5.1f} %" in printed and "95 % interval over subjects" in printed


def test_wrong_use(score, capsys):
    status, printed, _ = score("isruc")
    assert status == 2 and "prepared nights: no folder" in printed
    status, printed, _ = score("sleepedf", weights=("--weights", "nonsense"))
    assert status == 2 and "--db nonsense: no such data set" in printed
    assert predict.main(["night.edf", "--weights", "sleepedf", "--db", "isruc"]) == 2
    assert "--db and --weights both choose whose folds score recordings" in capsys.readouterr().err


# ---- calibration of a copy ----


def test_copies_are_calibrated_on_validation_nights(folds_dir, tmp_path, capsys):
    for number in (0, 4):
        for subject in load_fold(folds_dir / "sleepedf" / str(number), DATASETS["sleepedf"], number).run.subjects[
            "valid"
        ]:
            a_night(tmp_path / "data" / "sleepedf", f"SC4{subject:02d}1E0", "EEG Fpz-Cz", 12)
    arguments = [str(folds_dir), "--db", "sleepedf", "--to", str(tmp_path / "out")]
    assert convert.main([*arguments, "--calibrate_on", str(tmp_path / "data")]) == 0
    printed = capsys.readouterr().out
    copy = load_fold(tmp_path / "out" / "sleepedf" / "4", DATASETS["sleepedf"], 4)
    found = copy.calibration
    words = f"temperature {found.temperature:.2f} on {len(found.nights)} validation"
    assert f"fold 4: confidence: {words}" in printed
    assert copy.calibration.n_epochs == 12 * len(copy.calibration.nights) > 0
    assert load_fold(folds_dir / "sleepedf" / "4", DATASETS["sleepedf"], 4).calibration is None, "it is left as it is"
