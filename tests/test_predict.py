"""predict.py on test nights, as a user calls it, on folds of trainer.py: what it prints, writes and refuses."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import convert
import files.folders
import predict
from data import load_night
from folds.checkpoint import load_source, origin_of
from folds.history import load_test_scores
from folds.run import load_run, save_run
from scoring import metrics
from sleepstage import STAGE_NAMES
from tests.support.short_nights import short_nights
from version import __version__

PREDICT = Path(predict.__file__)


@pytest.fixture
def score(data_dir, trained, capsys):
    """Call predict.py on the trained folds; return its status and what it printed."""

    def call(*more, directory=trained, data=data_dir, db="sleepedf"):
        arguments = ["--db", db, "--gpu", "-1", "--dir", str(directory), "--data_dir", str(data), "--skip_missing"]
        status = predict.main([*arguments, *more])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


@pytest.fixture(scope="module")
def scored(data_dir, trained, tmp_path_factory):
    """The folder that --output_dir got."""
    output = tmp_path_factory.mktemp("scores")
    arguments = ["--db", "sleepedf", "--gpu", "-1", "--dir", str(trained), "--data_dir", str(data_dir)]
    assert predict.main([*arguments, "--output_dir", str(output)]) == 0
    return output


# ---- what it prints and writes ----


def test_it_prints_each_fold_and_all_of_them(score):
    status, printed = score()
    assert status == 0
    assert "fold  0  npz, pass " in printed and "1 nights  20 epochs" in printed
    assert "sleepedf: 2 of 20 folds, 2 of 20 subjects, 2 nights" in printed
    for words in ("Accuracy", "Macro-F1", "Kappa", "95 % interval over subjects", "precision %", "row: expert"):
        assert words in printed


def test_scores_are_those_of_the_end_of_training(scored, trained):
    by_fold = json.loads((scored / "metrics.json").read_text())["by_fold"]
    for fold in ("0", "4"):
        tested = load_test_scores(trained / "sleepedf" / fold)
        np.testing.assert_array_equal(by_fold[fold]["confusion_expert_by_model"], tested.confusion)


def test_every_epoch_is_in_the_table_once_and_gives_the_scores(scored, data_dir):
    epochs = pd.read_csv(scored / "epochs.csv")
    pooled = json.loads((scored / "metrics.json").read_text())["pooled"]
    assert len(epochs) == pooled["epochs"] == 20 + 24
    for name, rows in epochs.groupby("night"):
        night = load_night(data_dir / "sleepedf" / f"{name}.npz")
        assert rows["epoch"].tolist() == list(range(len(night)))
        assert rows["onset_s"].tolist() == [30 * epoch for epoch in range(len(night))]
        assert rows["expert"].tolist() == [STAGE_NAMES[code] for code in night.y]
    probabilities = epochs[[f"p_{name}" for name in STAGE_NAMES]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=3e-4)
    assert [STAGE_NAMES[code] for code in probabilities.argmax(axis=1)] == epochs["model"].tolist()
    codes = {name: code for code, name in enumerate(STAGE_NAMES)}
    again = metrics.scores(epochs["expert"].map(codes).to_numpy(), epochs["model"].map(codes).to_numpy())
    assert again.accuracy == pooled["accuracy"] and again.kappa == pooled["kappa"]


def test_tables_and_pictures_are_there(scored):
    nights = pd.read_csv(scored / "nights.csv")
    assert nights["night"].tolist() == ["SC4001E0", "SC4041E0"] and nights["epochs"].tolist() == [20, 24]
    for picture in ("confusion.png", "hypnograms/SC4001E0.png", "hypnograms/SC4041E0.png"):
        assert (scored / picture).read_bytes().startswith(b"\x89PNG")
    assert json.loads((scored / "metrics.json").read_text())["folds"] == "2 of 20"


def test_the_scores_say_which_program_made_them(scored):
    versions = json.loads((scored / "metrics.json").read_text())["versions"]
    assert versions["recsleepnet"] == __version__ and versions["tensorflow"]


def test_a_night_of_another_channel_is_warned_of(score, tmp_path):
    data = short_nights(tmp_path / "data")
    path = data / "sleepedf" / "SC4001E0.npz"
    with np.load(path) as archive:
        np.savez(path, **{**archive, "ch_label": "EEG Pz-Oz"})
    _, printed = score(data=data)
    assert "warning: SC4001E0 is EEG Pz-Oz, the checkpoint was trained on EEG Fpz-Cz" in printed


def test_a_fold_that_started_from_weights_that_saw_its_subject_is_warned_of(score, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "output")
    folder = tmp_path / "output" / "sleepedf" / "0"
    origin = origin_of(load_source(trained / "sleepedf" / "4"))
    save_run(folder, dataclasses.replace(load_run(folder), init_from=origin))
    _, printed = score("--output_dir", str(tmp_path / "scores"), directory=tmp_path / "output")
    assert "2 nights, 1 of subjects SEEN IN TRAINING" in printed
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text())["seen_nights"] == ["SC4001E0"]


def test_dir_may_be_the_data_sets_own_folder(score, trained):
    above, inside = score(), score(directory=trained / "sleepedf")
    assert above == inside


def test_it_is_found_beside_the_program_from_any_working_directory(data_dir, trained, tmp_path):
    arguments = ["--dataset", "sleepedf", "--dir", trained, "--data_dir", data_dir, "--skip_missing", "--gpu", "-1"]
    done = subprocess.run(
        [sys.executable, PREDICT, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "2 of 20 folds" in done.stdout and not done.stderr, "a machine without a GPU is no error"
    assert not list(tmp_path.iterdir())


def test_copies_for_scoring_score_the_same(scored, data_dir, trained, tmp_path):
    copies = tmp_path / "copies"
    arguments = [str(trained), "--db", "sleepedf", "--to", str(copies), "--scoring_only"]
    assert convert.main(arguments) == 0
    copied = sorted(path.name for path in (copies / "sleepedf" / "4").iterdir())
    assert copied == ["best_model.npz", "calibration.json", "config.json"]
    where = ["--db", "sleepedf", "--gpu", "-1", "--dir", str(copies), "--data_dir", str(data_dir)]
    assert predict.main([*where, "--output_dir", str(tmp_path / "scores")]) == 0
    assert (tmp_path / "scores" / "epochs.csv").read_bytes() == (scored / "epochs.csv").read_bytes()


def test_a_fold_in_training_is_scored_with_a_word(score, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "output")
    fold = tmp_path / "output" / "sleepedf" / "4"
    (fold / "test_scores.json").rename(fold / "resume.npz")
    status, printed = score(directory=tmp_path / "output")
    assert status == 0 and "fold 4 is still in training" in printed


def test_a_fold_that_was_only_begun_is_left_out_with_a_word(score, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "output")
    fold = tmp_path / "output" / "sleepedf" / "4"
    for name in ("best_model.npz", "test_scores.json"):
        (fold / name).unlink()
    status, printed = score(directory=tmp_path / "output")
    assert status == 0 and "fold 4 is left out: it is in training" in printed and "1 of 20 folds" in printed


# ---- what it refuses ----


def change(path, **changes):
    content = json.loads(path.read_text())
    content["settings"].update(changes)
    path.write_text(json.dumps(content))


def transposed(path):
    with np.load(path) as archive:
        np.savez(path, **{**archive, "dense/kernel": archive["dense/kernel"].T})


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda fold: [path.unlink() for path in fold.glob("*.*") if path.is_file()], "no checkpoint for fold 4 in"),
        (lambda fold: (fold / "best_model.npz").write_bytes(b"PK"), "best_model.npz: not a readable npz file ("),
        (lambda fold: (fold / "config.json").unlink(), "config.json: no such file"),
        (lambda fold: change(fold / "config.json", n_rnn_units=16), "has shape"),
        (lambda fold: change(fold / "config.json", n_rnn_layers=2), "lstm_1/bias is missing"),
        (lambda fold: transposed(fold / "best_model.npz"), "calibration.json: it is of other weights than those"),
        (
            lambda fold: [transposed(fold / "best_model.npz"), (fold / "calibration.json").unlink()],
            "dense/kernel has shape (5, 8) where (8, 5) is needed",
        ),
    ],
)
def test_a_spoiled_fold_is_refused(score, trained, tmp_path, spoil, message):
    shutil.copytree(trained, tmp_path / "output")
    spoil(tmp_path / "output" / "sleepedf" / "4")
    status, printed = score("--output_dir", str(tmp_path / "scores"), directory=tmp_path / "output")
    assert status == 2
    last = printed.splitlines()[-1]
    assert last.startswith("predict.py: error: ") and message in last and "sleepedf/4" in last
    assert not list(tmp_path.glob("scores/*"))


def test_a_folder_without_folds(score, tmp_path):
    status, printed = score(directory=tmp_path)
    assert status == 2 and "no checkpoints of sleepedf in" in printed and "there is nothing" in printed


def test_a_missing_folder(score):
    status, printed = score(directory="nosuch")
    assert status == 2 and "checkpoints: no folder nosuch" in printed


def test_folds_of_another_data_set(score, trained):
    status, printed = score(directory=trained / "sleepedf", db="isruc")
    assert status == 2 and "holds a fold of sleepedf, not of isruc; use --db sleepedf" in printed


def test_missing_test_nights_are_listed(data_dir, trained, tmp_path, capsys):
    data = short_nights(tmp_path / "data", (0, 1))
    arguments = ["--db", "sleepedf", "--gpu", "-1", "--dir", str(trained), "--data_dir", str(data)]
    assert predict.main(arguments) == 2
    assert "no night of sleepedf subjects 4;" in capsys.readouterr().err
    assert predict.main([*arguments, "--skip_missing"]) == 0
    assert "1 of 20 folds" in capsys.readouterr().out


# ---- without a data set named ----


@pytest.fixture
def folds_of(tmp_path):
    """Make empty folds of data sets, and nights of some, to choose from."""

    def call(*names, nights=()):
        for name in names:
            (tmp_path / "output" / name / "0").mkdir(parents=True)
        for name in nights:
            (tmp_path / "data" / name).mkdir(parents=True)
            (tmp_path / "data" / name / "night.npz").write_bytes(b"")
        return ["--gpu", "-1", "--dir", str(tmp_path / "output"), "--data_dir", str(tmp_path / "data")]

    return call


def test_of_several_data_sets_the_one_with_nights_is_tested(folds_of, capsys):
    assert predict.main(folds_of("sleepedf", "ucddb", nights=["ucddb"])) == 2
    assert "no checkpoint for fold 0" in (printed := capsys.readouterr()).err and "--db ucddb" in printed.err
    assert "scoring those of ucddb" in printed.out


def test_of_several_data_sets_with_nights_none_is_guessed(folds_of, capsys):
    assert predict.main(folds_of("sleepedf", "ucddb", nights=["ucddb", "sleepedf"])) == 2
    assert "output holds checkpoints of sleepedf, ucddb; choose one with --db" in capsys.readouterr().err


def test_the_default_is_tested_where_it_is(folds_of, capsys):
    assert predict.main(folds_of("sleepedf", "isruc", nights=["sleepedf"])) == 2
    assert "no checkpoint for fold 0" in (printed := capsys.readouterr()).err and "--db isruc" in printed.err
    assert "scoring those of" not in printed.out


def test_nights_beside_the_program_count_too(folds_of, monkeypatch, tmp_path, capsys):
    where = folds_of("ucddb", nights=["ucddb"])
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    for module in (files.folders, predict):
        monkeypatch.setattr(module, "PROGRAM_FOLDER", tmp_path)
    assert predict.main([*where[:4], "--data_dir", "data"]) == 2
    assert "scoring those of ucddb" in capsys.readouterr().out


# ---- in a process of its own ----


def in_a_fresh_process(program, *arguments, cwd):
    """Run a program that imports predict.py from anywhere, and return what it did."""
    start = f"import sys\nsys.path.insert(0, {str(PREDICT.parent)!r})\n"
    command = [sys.executable, "-c", start + program, *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


REPORT_STATE = """
import os
import predict
status = predict.main(sys.argv[1:])
print("status", status, "sees", os.environ.get("CUDA_VISIBLE_DEVICES"), "loaded", "tensorflow" in sys.modules)
"""


@pytest.mark.parametrize(("gpu", "sees"), [("-1", "-1"), ("0", "None")])
def test_without_a_gpu_none_is_seen(tmp_path, gpu, sees):
    done = in_a_fresh_process(REPORT_STATE, "--gpu", gpu, "--dir", "nosuch", cwd=tmp_path)
    assert done.stdout.splitlines()[-1] == f"status 2 sees {sees} loaded False", done.stderr


def test_a_mistyped_name_is_found_before_tensorflow_is_imported(tmp_path):
    done = in_a_fresh_process(REPORT_STATE, "night.efd", "--gpu", "-1", cwd=tmp_path)
    assert done.stdout.splitlines()[-1].startswith("status 2 ") and done.stdout.endswith("loaded False\n")
    assert done.stderr == "predict.py: error: night.efd: no such file; check the name\n"
    assert not list(tmp_path.iterdir())


def test_mistyped_names_of_several_are_found_before_tensorflow_is_imported(tmp_path):
    weights = str(PREDICT.parent / "pretrained_model")
    done = in_a_fresh_process(REPORT_STATE, "night.efd", "other.edf", "--dir", weights, "--gpu", "-1", cwd=tmp_path)
    printed = done.stdout.splitlines()
    assert printed[:2] == [
        "failed: night.efd: no such file; check the name",
        "failed: other.edf: no such file; check the name",
    ]
    assert printed[-1] == "status 1 sees -1 loaded False", done.stderr
