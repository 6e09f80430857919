"""trainer.py as a user calls it, on a few short nights: what it writes, how it goes on, what it refuses."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from filelock import FileLock

import predict
import trainer
from folds import checkpoint, folders
from folds.checkpoint import load_fold
from folds.folders import LOCK
from folds.history import load_history, save_history
from folds.run import load_run
from recordings.datasets import DATASETS
from tests.support.short_folds import ROBUST, figures, fold_of, weights
from tests.support.short_nights import short_nights, train_arguments
from training.failure import FoldError
from training.fold import FoldTraining
from training.steps import Training

TRAINER = Path(trainer.__file__)


# ---- what it writes ----


def test_each_fold_has_its_own_folder(trained):
    assert sorted(path.name for path in (trained / "sleepedf").iterdir()) == ["0", "4"]
    for fold in ("0", "4"):
        found = {path.name for path in (trained / "sleepedf" / fold).iterdir()} - {LOCK}
        assert found == {
            "config.json", "best_model.npz", "calibration.json", "history.csv", "test_scores.json", "train.log",
            "tensorboard",
        }  # fmt: skip


def test_a_finished_fold_is_calibrated_on_its_validation_nights(trained):
    folder = trained / "sleepedf" / "4"
    found = load_fold(folder, DATASETS["sleepedf"], 4)
    assert found.calibration.nights == list(found.run.epochs["valid"]) and found.calibration.temperature > 0
    assert found.calibration.n_epochs == sum(found.run.epochs["valid"].values())
    assert "temperature" in (folder / "train.log").read_text()


def test_config_tells_how_to_do_it_again(trained):
    run = json.loads((trained / "sleepedf" / "4" / "config.json").read_text())
    assert (run["db"], run["fold"], run["seed"]) == ("sleepedf", 4, 46)
    assert run["settings"]["input_size"] == 100 and run["settings"]["learning_rate"] == 1e-4
    assert run["subjects"]["test"] == [4] and run["subjects"]["valid"] == [1, 10]
    assert run["epochs"] == {
        "train": {"SC4001E0": 20, "SC4021E0": 22, "SC4031E0": 23},
        "valid": {"SC4011E0": 21},
        "test": {"SC4041E0": 24},
    }
    assert run["channels"] == ["EEG Fpz-Cz"]
    assert run["versions"]["tensorflow"] and run["versions"]["python"]


def test_history_has_a_row_a_pass(trained):
    history = load_history(trained / "sleepedf" / "0")
    assert [(one.phase, one.pass_number) for one in history] == [("pretrain", 1), ("train", 1), ("train", 2)]
    # Three training nights in batches of two, 20 to 24 epochs each in chunks of five: 2 × 5 steps a pass.
    assert [one.global_step for one in history] == [10, 20, 30]
    assert history[0].loss_ce is None and history[0].loss_rec > 0
    assert all(one.loss_ce > 0 and one.loss_l2 > 0 and 0 <= one.valid_accuracy <= 1 for one in history[1:])


def test_tensorboard_events_hold_the_history(trained):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = trained / "sleepedf" / "0"
    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    written = events.Tensors("train/valid_accuracy")
    found = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in written]
    wanted = [(one.global_step, one.valid_accuracy) for one in load_history(folder) if one.phase == "train"]
    assert found == [(step, pytest.approx(value)) for step, value in wanted]


def test_closing_table_pools_the_folds(train, trained):
    status, printed = train(output=trained, last=4)
    assert status == 0
    assert "2 of 20 folds" in printed
    rows = {line.split()[0]: line.split() for line in printed.splitlines() if line.strip()}
    assert rows["0"][2] == "20" and rows["4"][2] == "24" and rows["pooled"][1] == "44"
    assert "fold 1 is left out: no test night" not in printed  # subject 1 is there; its validation subjects are not
    assert "fold 1 is left out: no valid night (subjects 10, 7)" in printed


def test_finished_folds_are_not_trained_again(train, trained, monkeypatch):
    monkeypatch.setattr(trainer, "train_folds", lambda *_: pytest.fail("trained a finished fold"))
    status, printed = train(output=trained, last=4)
    assert status == 0 and "fold 4 is finished already" in printed


def test_nights_of_several_channels_are_warned_of(train, trained, tmp_path, monkeypatch):
    data = short_nights(tmp_path / "data")
    spoil(data, "SC4021E0.npz", ch_label="EEG Pz-Oz")
    monkeypatch.setattr(trainer, "train_folds", lambda *_: {})
    monkeypatch.setattr(trainer, "print_table", lambda *_: None)
    _, printed = train(data=data)
    assert "warning: fold 0: the nights are of several channels: EEG Fpz-Cz, EEG Pz-Oz" in printed


def test_suffix_names_the_folder_and_isurc_means_isruc(train, tmp_path):
    status, printed = train("--db", "isurc", "--suffix", "mine")
    assert status == 2 and "reading this as isruc" in printed and "isruc" in printed.splitlines()[-1]
    train("--suffix", "mine")
    assert (tmp_path / "output" / "sleepedf_mine" / "0" / "best_model.npz").exists()


# ---- how it goes on ----


@pytest.mark.parametrize("stop_at", [3, 14, 27])
def test_a_stopped_run_goes_on_to_the_same_weights(train, trained, tmp_path, monkeypatch, stop_at):
    """Stopped before its first pass ends, within training, within the last pass: the end is the same to the bit."""
    steps = iter(range(1, 1000))

    def stopping(step):
        def stopped(self, *args):
            if next(steps) == stop_at:
                raise KeyboardInterrupt
            return step(self, *args)

        return stopped

    with monkeypatch.context() as patch:
        patch.setattr(Training, "train", stopping(Training.train))
        patch.setattr(Training, "pretrain", stopping(Training.pretrain))
        status, printed = train()
    assert status == 130
    last = {3: "at its start", 14: "after pretrain pass 1", 27: "after train pass 1"}[stop_at]
    assert f"stopped in fold 0 {last}" in printed
    status, printed = train()
    assert status == 0
    uninterrupted = trained / "sleepedf" / "0"
    assert figures(fold_of(tmp_path)) == figures(uninterrupted)
    for name, value in weights(uninterrupted).items():
        np.testing.assert_array_equal(weights(fold_of(tmp_path))[name], value)
    assert not (fold_of(tmp_path) / "resume.npz").exists()


@pytest.mark.parametrize("stop_at", [3, 12])
def test_the_robust_recipe_goes_on_to_the_same_weights_too(train, tmp_path, monkeypatch, stop_at):
    """Its averages, its augmentation and its step size are all where they were: the end is the same to the bit."""
    more = [*ROBUST, "--pretrain_epochs", "0", "--augment_band", "0.5", "--augment_gain", "0.2"]
    assert train(*more, output=tmp_path / "whole")[0] == 0
    steps, take = iter(range(1, 1000)), Training.train

    def stopping(self, *args):
        if next(steps) == stop_at:
            raise KeyboardInterrupt
        return take(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "train", stopping)
        assert train(*more)[0] == 130
    assert train(*more)[0] == 0
    whole = tmp_path / "whole" / "sleepedf" / "0"
    assert figures(fold_of(tmp_path)) == figures(whole)
    for name, value in weights(whole).items():
        np.testing.assert_array_equal(weights(fold_of(tmp_path))[name], value)
    stored = json.loads((whole / "config.json").read_text())["settings"]
    assert stored["recipe"] == "robust" and stored["normalise"] and stored["batch_size"] == 2


def test_kill_stops_cleanly(data_dir, tmp_path):
    arguments = train_arguments(data_dir, tmp_path / "output", "--n_epochs", "100000")
    process = subprocess.Popen(
        [sys.executable, TRAINER, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        deadline = time.monotonic() + 240
        while not (fold_of(tmp_path) / "best_model.npz").exists():
            assert time.monotonic() < deadline, "no pass was kept in four minutes"
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=240)
    finally:
        process.kill()
    assert process.returncode == 143
    assert "the same command goes on" in errors and "Traceback" not in errors
    assert not list(fold_of(tmp_path).glob(".partial*"))
    done, _ = checkpoint.load_resume(fold_of(tmp_path))
    # The history is written first: stopped between the two, it holds a pass that is then done again.
    assert len(load_history(fold_of(tmp_path))) - done in (0, 1)


def test_same_seed_same_scores_another_seed_others(train, trained, tmp_path):
    train()
    train("--seed", "53", output=tmp_path / "other")  # validates on subject 1 too
    assert figures(fold_of(tmp_path)) == figures(trained / "sleepedf" / "0")
    assert figures(tmp_path / "other" / "sleepedf" / "0") != figures(trained / "sleepedf" / "0")


def test_other_settings_are_refused_unless_restarted(train, trained, tmp_path):
    output = tmp_path / "output"
    shutil.copytree(trained, output)
    status, printed = train("--learning_rate", "0.001")
    assert status == 2 and "settings.learning_rate 0.0001 (now 0.001)" in printed and "--restart" in printed
    (fold_of(tmp_path) / "notes.txt").write_text("mine")
    status, printed = train("--learning_rate", "0.001", "--restart")
    assert status == 0
    assert load_run(fold_of(tmp_path)).settings.learning_rate == 0.001
    assert (fold_of(tmp_path) / "notes.txt").read_text() == "mine"


def test_other_nights_are_refused(train, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "output")
    other = short_nights(tmp_path / "data", (0, 1, 2, 3))
    status, printed = train(data=other)
    assert status == 2 and "was made with epochs.train.SC4041E0 24 (now None)" in printed


def test_patience_ends_a_fold_early(train, tmp_path):
    """With steps of no size no pass is better than the first."""
    status, printed = train("--n_epochs", "50", "--patience", "3", "--learning_rate", "1e-12")
    assert status == 0 and "no better checkpoint for 3 passes" in printed
    assert [one.kept for one in load_history(fold_of(tmp_path)) if one.phase == "train"] == [True, False, False, False]


def test_pretrain_on_names_the_nights_of_pretraining(train, tmp_path):
    train("--pretrain_on", "train", "valid", "test", "--pretrain_epochs", "2", "--n_epochs", "1")
    steps = [one.global_step for one in load_history(fold_of(tmp_path))]
    assert steps[0] in (14, 15)  # three groups of two nights: two of 5 chunks, one of 4 or 5
    assert steps[2] - steps[1] == 10  # training itself sees the training nights only


def test_packed_nights_take_fewer_steps(train, tmp_path):
    """Training nights of 8, 2 and 2 chunks in two lanes: 8 + 2 steps; packed, the short ones share a lane."""
    data = short_nights(tmp_path / "data", lengths={2: 40, 3: 10, 4: 10})
    status, printed = train("--n_epochs", "1", data=data)
    assert status == 0 and "10 steps a pass, 40 % of their epochs are padding" in printed
    status, printed = train("--n_epochs", "1", "--pack_nights", data=data, output=tmp_path / "packed")
    assert status == 0 and "8 steps a pass, 25 % of their epochs are padding" in printed


def test_signals_left_on_disk_give_the_same_weights(train, trained, tmp_path):
    data = short_nights(tmp_path / "data")
    assert train("--memory_map", data=data)[0] == 0
    assert figures(fold_of(tmp_path)) == figures(trained / "sleepedf" / "0")
    assert (
        len(list((data / "sleepedf" / "memory_map").iterdir())) == 5
    )  # training, validation, and at last the test night


def test_a_bidirectional_fold_is_trained_and_scored(train, data_dir, tmp_path, capsys):
    status, printed = train(*ROBUST, "--bidirectional")
    assert status == 0 and {"lstm_0/kernel", "lstm_back/kernel"} <= weights(fold_of(tmp_path)).keys()
    where = ["--db", "sleepedf", "--data_dir", str(data_dir), "--gpu", "-1", "--skip_missing"]
    assert predict.main(["--dir", str(tmp_path / "output"), "--output_dir", str(tmp_path / "scores"), *where]) == 0
    pooled = next(line for line in printed.splitlines() if line.startswith("pooled"))
    assert f"Accuracy   {float(pooled.split()[2]):.1f} %" in capsys.readouterr().out


def test_nights_are_conditioned_as_the_settings_say(train, tmp_path):
    """Twice as strong nights train to the same weights, from memory and from disk; without conditioning to others."""
    nights = {gain: short_nights(tmp_path / str(gain), n_samples=500, gain=gain) for gain in (1, 2)}
    kept = {}
    for name, gain, more in (
        ("once", 1, ["--amplitude", "8"]),
        ("twice", 2, ["--amplitude", "8"]),
        ("on_disk", 2, ["--amplitude", "8", "--memory_map"]),
        ("plain", 2, []),
    ):
        assert train("--input_size", "500", "--n_epochs", "1", *more, data=nights[gain], output=tmp_path / name)[0] == 0
        kept[name] = weights(tmp_path / name / "sleepedf" / "0")["conv_1/kernel"]
    np.testing.assert_allclose(kept["twice"], kept["once"], atol=2e-5)
    np.testing.assert_array_equal(kept["on_disk"], kept["twice"])
    assert np.abs(kept["plain"] - kept["twice"]).max() > 1e-4


@pytest.mark.parametrize("more", [[], ["--restart", "--seed", "53"]])
def test_two_trainers_do_not_share_a_fold(train, trained, tmp_path, more):
    shutil.copytree(trained, tmp_path / "output")
    (fold_of(tmp_path) / "test_scores.json").unlink()
    before = sorted(path.name for path in fold_of(tmp_path).iterdir())
    with FileLock(fold_of(tmp_path) / LOCK):
        status, printed = train(*more)
    assert status == 2 and "another trainer.py is training this fold" in printed
    assert sorted(path.name for path in fold_of(tmp_path).iterdir()) == before


def test_of_several_folds_those_that_another_trainer_has_are_left_to_it(train, trained, tmp_path):
    """So the same command on two machines, with one shared folder, shares the folds."""
    fold_of(tmp_path).mkdir(parents=True)
    with FileLock(fold_of(tmp_path) / LOCK):
        status, printed = train(last=4)
    assert status == 1 and "fold 0 is left to the other trainer" in printed and "1 of 2 folds failed" in printed
    assert figures(fold_of(tmp_path, 4)) == figures(trained / "sleepedf" / "4")
    assert "1 of 20 folds" in printed


def test_without_locks_two_trainers_of_one_fold_do_not_write_over_each_other(train, trained, tmp_path, monkeypatch):
    """The other one ends a pass while this one is in its second: this one stops, and leaves what is there."""
    end_pass, passes = FoldTraining.end_pass, iter(range(10))
    theirs = load_history(trained / "sleepedf" / "0")[:2]

    def other_ends_a_pass_too(self, *args):
        if next(passes) == 1:
            save_history(self.folder, theirs)
        end_pass(self, *args)

    monkeypatch.setattr(FoldTraining, "end_pass", other_ends_a_pass_too)
    status, printed = train()
    assert status == 2 and "another trainer has written its passes there meanwhile" in printed.splitlines()[-1]
    assert load_history(fold_of(tmp_path)) == theirs


@pytest.mark.parametrize("kept", [False, True])
def test_a_folder_that_is_removed_during_a_pass_ends_with_one_line(train, tmp_path, monkeypatch, kept):
    end_pass, passes = FoldTraining.end_pass, iter(range(10))

    def removing(self, *args):
        if next(passes) == kept:
            shutil.rmtree(self.folder)
        end_pass(self, *args)

    monkeypatch.setattr(FoldTraining, "end_pass", removing)
    status, printed = train()
    assert status == 2 and "trainer.py: error: cannot write" in printed.splitlines()[-1]
    assert "history.csv: No such file or directory" in printed.splitlines()[-1]


def test_a_clock_that_is_set_back_changes_nothing(train, trained, tmp_path, monkeypatch):
    now = iter(range(10**9, 0, -3600))
    monkeypatch.setattr(time, "time", lambda: float(next(now)))
    assert train("--memory_map", data=short_nights(tmp_path / "data"))[0] == 0
    assert figures(fold_of(tmp_path)) == figures(trained / "sleepedf" / "0")


def test_a_fold_that_another_trainer_finished_meanwhile_is_left_alone(train, trained, tmp_path, monkeypatch):
    shutil.copytree(trained, tmp_path / "output")
    answers = iter([False, True])  # when the list of folds is made, and when this fold's turn comes
    monkeypatch.setattr(folders, "is_finished", lambda _: next(answers))
    monkeypatch.setattr(FoldTraining, "complete", lambda _: pytest.fail("trained a finished fold"))
    status, printed = train()
    assert status == 0 and "fold 0: finished by another trainer meanwhile" in printed


def test_only_folds_that_were_begun_have_a_folder(train, tmp_path, monkeypatch):
    def stop(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(FoldTraining, "complete", stop)
    status, printed = train("--restart", last=4)
    assert status == 130 and "the same command without --restart goes on" in printed
    assert [path.name for path in (tmp_path / "output" / "sleepedf").iterdir()] == ["0"]


# ---- what it refuses ----


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--to_fold", "20"], "fold 20: sleepedf has folds 0 to 19"),
        (["--from_fold", "4"], "--from_fold 4 --to_fold 0: the first fold comes after the last"),
        (["--db", "nosuch"], "--db nosuch: no such data set; there are sleepedf, sleepedfx, isruc, ucddb"),
        (["--data_dir", "nosuch"], "prepared nights: no folder nosuch/sleepedf"),
        (["--input_size", "3000"], "100 samples an epoch, but input_size is 3000"),
        (["--sampling_rate", "200"], "100 Hz, but sampling_rate is 200"),
        (["--batch_size", "0"], "batch_size is 0; it must be a whole number at least 1"),
        (["--class_weights", "1", "2"], "class_weights has 2 values; it needs 5"),
        (
            ["--pretrain_on", "everything"],
            "pretrain_on is ('everything',); it must be one or more of train, valid, test",
        ),
        (["--from_fold", "1", "--to_fold", "3"], "no fold from 1 to 3 has nights"),
        (["--suffix", "a/b"], "--suffix a/b: goes into a folder's name"),
    ],
)
def test_mistakes_are_one_line_and_status_2(train, tmp_path, more, message):
    status, printed = train(*more)
    assert status == 2
    assert printed.splitlines()[-1].startswith("trainer.py: error: ") and message in printed.splitlines()[-1]
    assert not (tmp_path / "output").exists()


@pytest.mark.parametrize("value", ["ten", "1.5"])
def test_a_setting_of_the_wrong_type(data_dir, tmp_path, capsys, value):
    with pytest.raises(SystemExit) as stop:
        trainer.main(train_arguments(data_dir, tmp_path, "--n_epochs", value))
    assert stop.value.code == 2 and "--n_epochs" in capsys.readouterr().err


def test_missing_subjects_are_all_listed(data_dir, tmp_path, capsys):
    arguments = [
        argument for argument in train_arguments(data_dir, tmp_path / "output") if argument != "--skip_missing"
    ]
    assert trainer.main(arguments) == 2
    error = capsys.readouterr().err
    assert ", ".join(map(str, range(5, 20))) in error and "--skip_missing" in error


def spoil(data, name, **changes):
    path = data / "sleepedf" / name
    with np.load(path) as archive:
        np.savez(path, **{**archive, **changes})


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("SC4021E0.npz", {"x": np.full((22, 100), np.nan, np.float32)}, "x holds NaN or infinity in 22 epochs"),
        ("SC4001E0.npz", {"y": np.full(20, 7)}, "stage 7 at epoch 0; stages are 0 to 4"),
        ("SC4041E0.npz", {"y": np.zeros(3, int)}, "24 epochs in x but 3 stages in y"),
    ],
)
def test_a_bad_night_is_named(train, tmp_path, name, changes, message):
    data = short_nights(tmp_path / "data")
    spoil(data, name, **changes)
    status, printed = train(data=data)
    assert status == 2 and name in printed.splitlines()[-1] and message in printed.splitlines()[-1]
    assert not (fold_of(tmp_path) / "best_model.npz").exists()


# ---- losses that are no numbers ----


def huge_epoch(data, name, epoch, value=1e30):
    path = data / "sleepedf" / name
    with np.load(path) as archive:
        x = archive["x"]
        x[epoch] = value
        np.savez(path, **{**archive, "x": x})


def test_a_loss_that_is_not_finite_ends_the_fold_and_not_the_others(train, tmp_path):
    data = short_nights(tmp_path / "data")
    huge_epoch(data, "SC4021E0.npz", 12)
    status, printed = train(data=data, last=4)
    assert status == 1 and "2 of 2 folds failed" in printed
    for fold in ("0", "4"):
        assert f"fold {fold}: pretrain pass 1: loss_rec is inf in step " in printed
        assert "SC4021E0 has a sample of 1e+30 µV in epoch 12: leave out this night" in printed
        found = {path.name for path in fold_of(tmp_path, fold).iterdir()} - {LOCK}
        assert found == {"config.json", "train.log", "tensorboard"}
    assert "loss_rec is inf" in (fold_of(tmp_path) / "train.log").read_text()


def test_weights_that_became_nan_never_replace_those_that_are_kept(train, trained, tmp_path, monkeypatch):
    """In the second training pass: the weights of the first stay kept, and the fold goes on from them."""
    steps, train_step = iter(range(1, 1000)), Training.train

    def breaking(self, *args):
        if next(steps) == 17:
            self.network.dense.bias.assign(np.full(5, np.nan, np.float32))
        return train_step(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "train", breaking)
        status, printed = train()
    assert status == 1
    assert "fold 0: train pass 2: loss_ce is nan in step 7 of 10; its signals stay within " in printed
    assert "so lower the learning rate" in printed and "1 of 1 folds failed" in printed
    assert "pooled" not in printed
    folder = fold_of(tmp_path)
    assert checkpoint.load_best(folder).pass_number == 1
    assert checkpoint.load_resume(folder)[0] == 2 == len(load_history(folder))
    assert train()[0] == 0, "what the fold goes on from is whole"
    assert figures(folder) == figures(trained / "sleepedf" / "0")


def test_weights_that_became_nan_in_the_last_step_of_a_pass_are_not_kept(train, tmp_path, monkeypatch):
    """The loss of a step is that of the weights before it."""
    steps, train_step = iter(range(1, 1000)), Training.train

    def breaking(self, *args):
        after = train_step(self, *args)
        if next(steps) == 10:
            self.network.dense.bias.assign(np.full(5, np.nan, np.float32))
        return after

    monkeypatch.setattr(Training, "train", breaking)
    status, printed = train()
    assert status == 1 and "train pass 1: the weights dense/bias are not finite after step 10" in printed
    assert not (fold_of(tmp_path) / "best_model.npz").exists()


def test_a_test_night_that_gives_no_numbers_is_not_scored_as_wake(train, tmp_path):
    data = short_nights(tmp_path / "data")
    huge_epoch(data, "SC4041E0.npz", 3, 3e38)
    status, printed = train("--pretrain_epochs", "0", data=data, first=4, last=4)
    assert status == 1
    assert "SC4041E0: what the network makes of it is not finite from epoch 3 on" in printed
    assert "largest sample is 3e+38 µV" in printed
    assert not (fold_of(tmp_path, 4) / "test_scores.json").exists()


def test_a_fold_that_cannot_be_trained_does_not_stop_the_next(train, trained, tmp_path, monkeypatch):
    complete = FoldTraining.complete

    def failing(self):
        if self.run.fold == 0:
            raise FoldError("fold 0: of no use")
        complete(self)

    monkeypatch.setattr(FoldTraining, "complete", failing)
    status, printed = train(last=4)
    assert status == 1 and "1 of 2 folds failed:\n    fold 0: of no use" in printed
    rows = {line.split()[0]: line.split() for line in printed.splitlines() if line.strip()}
    assert rows["pooled"][1] == "24"
    assert figures(fold_of(tmp_path, 4)) == figures(trained / "sleepedf" / "4")


def test_a_resume_file_with_nan_is_refused(train, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "output")
    (fold_of(tmp_path) / "test_scores.json").unlink()
    checkpoint.save_resume(fold_of(tmp_path), 2, {"dense/bias": np.full(5, np.nan, np.float32)})
    status, printed = train()
    assert status == 2 and "resume.npz: dense/bias has values that are not finite" in printed.splitlines()[-1]


# ---- suspicious nights ----


def test_the_same_night_under_two_names_is_said_and_never_forgotten(train, tmp_path):
    """Subject 2 trains fold 0, and subject 0 is tested with the very same signal."""
    data = short_nights(tmp_path / "data")
    (data / "sleepedf" / "SC4001E0.npz").unlink()
    shutil.copy(data / "sleepedf" / "SC4021E0.npz", data / "sleepedf" / "SC4001E0.npz")
    (data / "sleepedf" / "SC4991E0.npz").touch()
    status, printed = train("--check", data=data)
    assert status == 1 and not (tmp_path / "output").exists()
    said = (
        "warning: no subject of sleepedf has such a night, so it is not used: SC4991E0.npz",
        "warning: SC4001E0, SC4021E0: one and the same signal; keep one, or check which file is whose",
        "warning: fold 0: it tests the very signals that it learns from: SC4001E0",
    )
    assert all(line in printed for line in said) and "5 nights checked: 4 warnings" in printed
    status, printed = train("--n_epochs", "1", data=data)
    assert status == 0 and all(line in printed for line in said)
    assert "warning: its weights have seen the subjects of SC4001E0" in printed
    assert json.loads((fold_of(tmp_path) / "test_scores.json").read_text())["seen_nights"] == ["SC4001E0"]
    arguments = ["--db", "sleepedf", "--gpu", "-1", "--data_dir", str(data), "--dir", str(tmp_path / "output")]
    assert predict.main([*arguments, "--output_dir", str(tmp_path / "scores")]) == 0
    assert json.loads((tmp_path / "scores" / "metrics.json").read_text())["seen_nights"] == ["SC4001E0"]


def test_a_check_of_good_nights_trains_nothing(train, tmp_path):
    status, printed = train("--check")
    assert status == 0 and "5 nights checked: nothing suspicious" in printed and "warning" not in printed
    assert not (tmp_path / "output").exists()


def test_a_night_that_was_changed_meanwhile_is_refused(train, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "output")
    data = short_nights(tmp_path / "data")
    huge_epoch(data, "SC4021E0.npz", 12, 77)
    status, printed = train(data=data)
    assert status == 2 and "was made with other contents of SC4021E0; put back the files" in printed.splitlines()[-1]
    stored = fold_of(tmp_path) / "config.json"
    content = json.loads(stored.read_text())
    assert content.pop("contents").keys() == {f"SC40{subject}1E0" for subject in range(5)}
    stored.write_text(json.dumps(content))  # as folds of before had it
    assert train(data=data)[0] == 0


def test_what_is_wrong_late_in_a_night_is_said_as_it_is_loaded(train, tmp_path):
    data = short_nights(tmp_path / "data", lengths={2: 150})
    huge_epoch(data, "SC4021E0.npz", 140, 2e5)
    status, printed = train("--pretrain_epochs", "0", "--n_epochs", "1", data=data)
    assert status == 0
    warning = "warning: fold 0: SC4021E0: 1 of 150 epochs have samples beyond 100000 µV; the first is epoch 140"
    assert warning in printed and warning in (fold_of(tmp_path) / "train.log").read_text()


# ---- folders ----


def test_an_output_folder_that_cannot_be_written(train, tmp_path):
    (tmp_path / "output").write_text("a file")
    status, printed = train()
    assert status == 2 and "cannot make the folder" in printed


def test_what_a_killed_start_leaves_is_no_obstacle(train, tmp_path):
    """Killed before config.json is there: the lock, the log, the events, and a file that is not whole."""
    folder = fold_of(tmp_path)
    (folder / "tensorboard").mkdir(parents=True)
    (folder / "tensorboard" / "events.out.tfevents.1").touch()
    for name in (LOCK, "train.log", ".partial-77-config.json"):
        (folder / name).touch()
    assert train("--n_epochs", "1")[0] == 0
    assert not list(folder.glob(".partial*"))


def test_a_resume_file_beside_the_test_scores_goes(train, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "output")
    (fold_of(tmp_path) / "resume.npz").touch()
    assert train()[0] == 0
    assert not (fold_of(tmp_path) / "resume.npz").exists()


def test_finished_folds_in_a_folder_that_is_only_read_are_shown(train, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer, "writable_folder", lambda _: pytest.fail("nothing is written"))
    status, printed = train(output=trained)
    assert status == 0 and "pooled" in printed


def test_a_folder_of_something_else_is_left_alone(train, tmp_path):
    fold_of(tmp_path).mkdir(parents=True)
    (fold_of(tmp_path) / "thesis.txt").write_text("all of it")
    status, printed = train()
    assert status == 2 and "holds files but no config.json" in printed
    assert (fold_of(tmp_path) / "thesis.txt").read_text() == "all of it"


def test_help_needs_no_tensorflow():
    lines = (
        "import sys, trainer",
        "try: trainer.main(['--help'])",
        "except SystemExit: print('tensorflow' in sys.modules)",
    )
    listing = "\n".join(lines)
    done = subprocess.run(
        [sys.executable, "-c", listing], cwd=TRAINER.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "False" and "--rec_weight" in done.stdout
