"""trainer.py --init_from: folds that start from the weights of others."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil

import numpy as np
import pytest

import trainer
from convert import without_reconstruction
from folds import checkpoint, folders, published
from folds.history import History, load_history
from folds.published import CELL
from folds.run import load_run, save_run
from scoring import metrics
from tests.support.generated import published_weights
from tests.support.short_folds import ROBUST, figures, fold_of, weights
from tests.support.short_nights import short_nights, train_arguments
from training.steps import Training


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def tune(data_dir, tmp_path, capsys):
    """Call trainer.py --init_from on fold 0, without a word about pre-training."""

    def call(source, *more, data=data_dir, suffix="tuned"):
        arguments = train_arguments(data, tmp_path / "output", "--suffix", suffix, "--init_from", str(source), *more)
        at = arguments.index("--pretrain_epochs")
        status = trainer.main(arguments[:at] + arguments[at + 2 :])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(trainer, "train_folds", lambda *_: {})
    monkeypatch.setattr(trainer, "print_table", lambda *_: None)


def test_a_fold_starts_from_the_weights_of_the_same_fold(tune, trained, tmp_path):
    """With steps of no size the first weights are the last; the epochs are twice as long as the source's."""
    data = short_nights(tmp_path / "data", n_samples=200)
    status, printed = tune(trained, "--input_size", "200", "--learning_rate", "1e-12", data=data)
    source, fold = trained / "sleepedf" / "0", tmp_path / "output" / "sleepedf_tuned" / "0"
    assert status == 0 and f"fold 0: starts from {source}, kept at pass " in printed
    assert "fold 0  start   0  validation accuracy " in printed
    phases = [one.phase for one in load_history(fold)]
    assert phases == ["start", "train", "train"], "no pre-training unless it is asked for"
    for name, value in weights(source).items():
        np.testing.assert_allclose(weights(fold)[name], value, rtol=1e-5, atol=1e-8)
    stored = json.loads((fold / "config.json").read_text())["init_from"]
    assert stored["folder"] == str(source) and stored["sha256"] == sha256(source / "best_model.npz")
    assert stored["format"] == "npz" and stored["pass_number"] == checkpoint.load_best(source).pass_number
    assert stored["run"] == json.loads((source / "config.json").read_text())
    assert tune(trained, "--input_size", "200", "--learning_rate", "1e-12", data=data)[0] == 0, "the same run"


def test_pretraining_may_be_asked_for(train, trained, tmp_path):
    status, _ = train("--init_from", str(trained / "sleepedf"), "--suffix", "tuned", "--n_epochs", "1")
    assert status == 0
    phases = [one.phase for one in load_history(tmp_path / "output" / "sleepedf_tuned" / "0")]
    assert phases == ["start", "pretrain", "train"]


@pytest.mark.parametrize("recipe", [[], ROBUST])
def test_first_weights_are_kept_unless_a_pass_finds_better_ones(tune, trained, tmp_path, monkeypatch, recipe):
    """Validation that is perfect before the first pass and by chance after it: the first weights stay, to the bit."""
    confusions = iter([np.eye(5, dtype=int), np.ones((5, 5), int), np.ones((5, 5), int), np.eye(5, dtype=int)])
    monkeypatch.setattr("training.fold.scores_of", lambda *_: metrics.from_confusion(next(confusions)))
    status, printed = tune(trained, *recipe)
    source, fold = trained / "sleepedf" / "0", tmp_path / "output" / "sleepedf_tuned" / "0"
    assert status == 0 and [one.kept for one in load_history(fold)] == [True, False, False]
    assert "fold 0: done; checkpoint of pass 0 scores" in printed
    for name, value in weights(source).items():
        np.testing.assert_array_equal(weights(fold)[name], value)


def test_a_robust_fold_goes_on_from_what_was_normalised(tune, train, tmp_path):
    """With steps of no size, what is kept is one of the two starts: as it was, or normalised by the nights here."""
    assert train(*ROBUST, "--pretrain_epochs", "0")[0] == 0
    source = fold_of(tmp_path)
    normalised = checkpoint.load_best(source, folders.NORMALISED)
    assert normalised.pass_number == checkpoint.load_best(source).pass_number
    other = short_nights(tmp_path / "other", gain=3.0)
    status, printed = tune(source, *ROBUST, "--learning_rate", "1e-12", data=other)
    assert (
        status == 0 and "fold 0: first weights normalised by the nights of this fold: validation macro-F1 " in printed
    )
    tuned = tmp_path / "output" / "sleepedf_tuned" / "0"
    assert load_history(tuned)[0].phase == "start" and load_history(tuned)[0].kept
    checkpoint.save_best(source, dataclasses.replace(normalised, global_step=1), folders.NORMALISED)
    status, printed = tune(source, *ROBUST, data=other, suffix="again")
    assert status == 2 and "normalised.npz is of another pass than best_model.npz; delete it" in printed


def test_frozen_convolutions_stay_and_the_rest_learns(tune, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(History, "is_better", lambda *_: True)
    assert tune(trained, "--freeze")[0] == 0
    before, after = (weights(folder) for folder in (trained / "sleepedf" / "0", tmp_path / "output/sleepedf_tuned/0"))
    for name, value in before.items():
        assert np.array_equal(after[name], value) == name.startswith(("conv_1", "crb")), name


def test_a_published_checkpoint_may_be_the_source(tune, tmp_path):
    from tests.support.generated import write_published as write

    prefix = write(tmp_path / "published" / "sleepedf" / "0")
    status, _ = tune(prefix.parent, "--n_rnn_units", "128", "--learning_rate", "1e-12", "--n_epochs", "1")
    fold = tmp_path / "output" / "sleepedf_tuned" / "0"
    assert status == 0
    np.testing.assert_allclose(weights(fold)["lstm_0/w_f"], published_weights()[f"{CELL}/w_f_diag"], rtol=1e-5)
    origin = load_run(fold).init_from
    assert (origin.format, origin.pass_number) == ("TensorFlow 1", 7)
    assert origin.sha256 == sha256(published.data_file(prefix))


def test_a_source_of_other_shapes_is_refused(tune, trained, tmp_path):
    for more, message in (
        (["--n_rnn_units", "16"], "lstm_0/kernel has shape (264, 32) where (272, 64) is needed"),
        (["--n_rnn_layers", "2"], "lstm_1/bias is missing"),
    ):
        status, printed = tune(trained, *more)
        assert status == 2 and message in printed.splitlines()[-1] and "sleepedf/0" in printed.splitlines()[-1]
        assert not (tmp_path / "output" / "sleepedf_tuned").exists()


def test_another_source_is_another_run(tune, trained, tmp_path, no_training):
    fold = tmp_path / "output" / "sleepedf_tuned" / "0"
    fold.mkdir(parents=True)
    other = tmp_path / "other" / "sleepedf"
    shutil.copytree(trained / "sleepedf", other)
    source = checkpoint.load_source(trained / "sleepedf" / "0")
    run = dataclasses.replace(source.run, init_from=checkpoint.origin_of(source))
    settings = dataclasses.replace(run.settings, pretrain_epochs=0)
    save_run(fold, dataclasses.replace(run, settings=settings))
    assert tune(other)[0] == 0, "the same weights in another folder"
    checkpoint.save_best(other / "0", dataclasses.replace(source.best, pass_number=99))
    status, printed = tune(other)
    assert status == 2 and "was made with init_from." in printed and "init_from.sha256 " in printed.splitlines()[-1]


def test_a_source_that_saw_the_test_subjects_is_refused(tune, trained, tmp_path):
    source = trained / "sleepedf" / "4"
    status, printed = tune(source)
    assert status == 2
    assert f"fold 0: {source} has learned from the subjects of its test nights SC4001E0;" in printed
    assert not (tmp_path / "output").exists()


def test_seen_subjects_are_never_forgotten(tune, trained, tmp_path):
    status, printed = tune(trained / "sleepedf" / "4", "--allow_seen", "--n_epochs", "1")
    assert status == 0
    fold = tmp_path / "output" / "sleepedf_tuned" / "0"
    warning = "warning: fold 0: these weights have seen the subjects of its test nights SC4001E0"
    assert warning in printed and warning in (fold / "train.log").read_text()
    assert "warning: its weights have seen the subjects of SC4001E0" in printed
    assert json.loads((fold / "test_scores.json").read_text())["seen_nights"] == ["SC4001E0"]


def test_weights_for_scoring_only_are_a_source_too_and_a_stopped_fold_goes_on(tune, trained, tmp_path, monkeypatch):
    source = tmp_path / "slim" / "sleepedf" / "0"
    shutil.copytree(trained / "sleepedf" / "0", source)
    checkpoint.save_best(source, without_reconstruction(checkpoint.load_best(source)))
    status, printed = tune(source)
    assert status == 0 and "the reconstruction branch starts from drawn weights" in printed
    calls, train_step = iter(range(1, 1000)), Training.train

    def stopping(self, *args):
        if next(calls) == 14:  # in the second pass
            raise KeyboardInterrupt
        return train_step(self, *args)

    with monkeypatch.context() as patch:
        patch.setattr(Training, "train", stopping)
        assert tune(source, suffix="stopped")[0] == 130
    status, printed = tune(source, suffix="stopped")
    assert status == 0 and "going on after train pass 1" in printed
    folds = [tmp_path / "output" / f"sleepedf_{suffix}" / "0" for suffix in ("tuned", "stopped")]
    assert figures(folds[0]) == figures(folds[1])
    for name, value in weights(folds[0]).items():
        np.testing.assert_array_equal(weights(folds[1])[name], value)


def test_a_fold_never_starts_from_the_folder_that_it_is_written_to(train, trained, tmp_path):
    shutil.copytree(trained, tmp_path / "output")
    status, printed = train("--init_from", str(fold_of(tmp_path)), "--restart")
    assert status == 2 and "this fold is written there; use --suffix NAME" in printed.splitlines()[-1]
    assert (fold_of(tmp_path) / "best_model.npz").exists()


@pytest.mark.parametrize(
    ("source", "more", "message"),
    [
        (None, ["--allow_seen"], "--allow_seen is an option of it"),
        (None, ["--keep_first", "0.5"], "--keep_first is the share of weights that the training starts from: give"),
        ("", [], "--init_from needs a FOLDER"),
        ("in_training", [], "in_training is still in training; let trainer.py finish it"),
        ("no_config", [], "config.json: no such file; a fold needs it"),
        ("nosuch", [], "first weights: no folder nosuch"),
        ("empty", [], "no fold 0 to start from, there are no folds; name the folder of one fold"),
        ("only_4", [], "no fold 0 to start from, there are 4; name the folder of one fold"),
        ("sleepedf/unnamed", [], "put it into <db>/<fold>, as sleepedf/0"),
    ],
)
def test_a_source_that_cannot_be_used(train, trained, tmp_path, source, more, message):
    from tests.support.generated import write_published as write

    (tmp_path / "empty").mkdir()
    shutil.copytree(trained / "sleepedf" / "4", tmp_path / "only_4" / "sleepedf" / "4")
    write(tmp_path / "sleepedf" / "unnamed")
    for name in ("in_training", "no_config"):
        shutil.copytree(trained / "sleepedf" / "0", tmp_path / name)
    (tmp_path / "in_training" / "test_scores.json").rename(tmp_path / "in_training" / "resume.npz")
    (tmp_path / "no_config" / "config.json").unlink()
    where = [] if source is None else ["--init_from", source if source in ("", "nosuch") else str(tmp_path / source)]
    status, printed = train(*where, *more)
    assert status == 2
    assert printed.splitlines()[-1].startswith("trainer.py: error: ") and message in printed.splitlines()[-1]
    assert not (tmp_path / "output").exists()
