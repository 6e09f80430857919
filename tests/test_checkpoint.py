"""What a fold leaves on disk: written whole, read with checks, and the same when read back."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import checkpoint
from checkpoint import Best, Origin, Pass, Run
from command import InputError
from config import DATASETS, Settings

NIGHTS = {"train": {"a": 3}, "valid": {"b": 2}, "test": {"c": 1}}
SUBJECTS = {"train": (1,), "valid": (2,), "test": (0,)}


def run(**settings):
    return Run("sleepedf", 0, Settings(**settings), SUBJECTS, NIGHTS, ["EEG Fpz-Cz"], {"python": "3"})


def test_run_reads_back(tmp_path):
    checkpoint.save_run(tmp_path, run(n_epochs=7, class_weights=(1.0, 2.0, 3.0, 4.0, 5.0)))
    read = checkpoint.load_run(tmp_path)
    assert read.settings == Settings(n_epochs=7, class_weights=(1.0, 2.0, 3.0, 4.0, 5.0))
    assert read.as_json() == run(n_epochs=7, class_weights=(1.0, 2.0, 3.0, 4.0, 5.0)).as_json()
    assert read.seed == 42


def test_same_run_may_have_other_versions(tmp_path):
    checkpoint.save_run(tmp_path, run())
    newer = Run("sleepedf", 0, Settings(), SUBJECTS, NIGHTS, ["EEG Fpz-Cz"], {"python": "4"})
    checkpoint.check_same_run(tmp_path, newer)


NIGHTS_OF_1 = {"train": {"SC4011E0": 3}, "valid": {"SC4021E0": 3}, "test": {"SC4001E0": 3}}


def trained_on(db="sleepedf", nights=NIGHTS_OF_1, init_from=None):
    return Run(db, 0, Settings(), {"train": (1, 9), "valid": (2,), "test": (0,)}, nights, [], {}, init_from)


def started_from(run, db="isruc"):
    return trained_on(db, {"train": {"subject5": 9}}, Origin("there", "0a", "npz", 3, run))


@pytest.mark.parametrize(
    ("seen_by", "night", "seen"),
    [
        (trained_on(), "SC4011E0", True),
        (trained_on(), "SC4012E0", True),  # another night of subject 1
        (trained_on(), "SC4021E0", True),  # validation chose the weights
        (trained_on(), "SC4001E0", False),
        (trained_on(), "SC4091E0", False),  # subject 9 is in the split, but had no night
        (trained_on(nights={}), "SC4091E0", True),  # a published fold does not name its nights
        (trained_on(nights={}), "SC4001E0", False),
        (trained_on("sleepedfx"), "SC4012E0", True),
        (trained_on("ours"), "SC4011E0", True),  # a data set that is not in config.py any more
        (trained_on("ours"), "SC4012E0", False),
        (trained_on("isruc", {"train": {"subject1": 3}}), "subject1", True),
        (trained_on("isruc", {"train": {"subject1": 3}}), "SC4011E0", False),
        (started_from(trained_on("sleepedfx")), "SC4012E0", True),
        (started_from(started_from(trained_on())), "SC4012E0", True),
        (started_from(trained_on()), "SC4001E0", False),
        (started_from(trained_on()), "subject5", True),
    ],
)
def test_a_run_knows_whom_its_weights_have_seen(seen_by, night, seen):
    assert seen_by.has_seen(night) == seen


def test_first_weights_read_back(tmp_path):
    tuned = started_from(started_from(trained_on()))
    checkpoint.save_run(tmp_path, tuned)
    assert checkpoint.load_run(tmp_path).as_json() == tuned.as_json()
    stored = json.loads((tmp_path / checkpoint.RUN).read_text())
    del stored["init_from"]
    checkpoint.save_json(tmp_path / checkpoint.RUN, stored)
    assert checkpoint.load_run(tmp_path).init_from is None, "folds of before there was such a thing are read"


def test_other_settings_are_named_with_both_values(tmp_path):
    checkpoint.save_run(tmp_path, run())
    with pytest.raises(InputError, match=r"seq_length 20 \(now 4\), settings.batch_size 15 \(now 3\);"):
        checkpoint.check_same_run(tmp_path, run(batch_size=3, seq_length=4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable"),
        ("[]", "not the config.json of a fold"),
        ('{"db": "isruc"}', "not the config.json of a fold"),
        (json.dumps({**run().as_json(), "settings": {"nosuch": 1}}), "nosuch"),
        (json.dumps({**run().as_json(), "settings": {"batch_size": "ten"}}), "batch_size is 'ten'"),
    ],
)
def test_a_damaged_run_is_refused(tmp_path, content, message):
    (tmp_path / checkpoint.RUN).write_text(content)
    with pytest.raises(InputError, match=message):
        checkpoint.load_run(tmp_path)


def test_best_reads_back_without_pickles(tmp_path):
    weights = {"crb/conv_a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "dense/bias": np.ones(5, np.float32)}
    checkpoint.save_best(tmp_path, Best(weights, 120, 4))
    read = checkpoint.load_best(tmp_path)
    assert (read.global_step, read.pass_number) == (120, 4)
    assert read.weights.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(read.weights[name], value)
        assert read.weights[name].dtype == np.float32


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"nonsense"])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    checkpoint.save_best(tmp_path, Best({"dense/bias": np.ones(500, np.float32)}, 1, 1))
    path = tmp_path / checkpoint.BEST
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="damaged"):
        checkpoint.load_best(tmp_path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    checkpoint.save_best(tmp_path, Best({"dense/bias": np.array([0, np.nan], np.float32)}, 1, 1))
    with pytest.raises(InputError, match=r"best_model\.npz: dense/bias has values that are not finite"):
        checkpoint.load_best(tmp_path)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    np.savez(tmp_path / checkpoint.BEST, x=np.ones(3))
    with pytest.raises(InputError, match="not a checkpoint of this program"):
        checkpoint.load_best(tmp_path)


numbers = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | numbers
passes = st.builds(
    Pass,
    phase=st.sampled_from(["pretrain", "train"]),
    pass_number=st.integers(1, 1000),
    global_step=st.integers(0, 10**9),
    loss_rec=numbers,
    loss_ce=maybe,
    loss_l2=maybe,
    train_accuracy=maybe,
    valid_accuracy=maybe,
    valid_macro_f1=maybe,
    kept=st.booleans(),
    seconds=numbers,
)


@given(st.lists(passes, max_size=5))
def test_history_reads_back_to_the_bit(tmp_path_factory, history):
    folder = tmp_path_factory.mktemp("fold")
    checkpoint.save_history(folder, history)
    assert checkpoint.load_history(folder) == history


def test_resume_reads_back(tmp_path):
    checkpoint.save_resume(tmp_path, 3, {"global_step": np.int64(9)})
    done, values = checkpoint.load_resume(tmp_path)
    assert done == 3 and values["global_step"] == 9 and set(values) == {"global_step"}


def test_folds_are_found_above_and_in_the_data_sets_folder(tmp_path):
    for fold in (10, 2):
        checkpoint.fold_folder(tmp_path, "isruc", "mine", fold).mkdir(parents=True)
    (tmp_path / "isruc_mine" / "notes").mkdir()
    assert list(checkpoint.find_folds(tmp_path, DATASETS["isruc"], "mine")) == [2, 10]
    assert list(checkpoint.find_folds(tmp_path / "isruc_mine", DATASETS["isruc"])) == [2, 10]


def test_a_suffix_is_never_ignored(tmp_path):
    checkpoint.fold_folder(tmp_path, "isruc", None, 0).mkdir(parents=True)
    with pytest.raises(InputError, match="no checkpoints of isruc"):
        checkpoint.find_folds(tmp_path / "isruc", DATASETS["isruc"], "mine")
    checkpoint.fold_folder(tmp_path, "isruc", "mine", 3).mkdir(parents=True)
    assert list(checkpoint.find_folds(tmp_path / "isruc_mine", DATASETS["isruc"], "mine")) == [3]


def test_damaged_files_of_a_fold_are_named(tmp_path):
    checkpoint.save_json(tmp_path / checkpoint.TEST_SCORES, {})
    with pytest.raises(InputError, match=r"test_scores\.json: damaged"):
        checkpoint.load_test_scores(tmp_path)
    np.savez(tmp_path / checkpoint.RESUME, x=1)
    with pytest.raises(InputError, match=r"resume\.npz: damaged"):
        checkpoint.load_resume(tmp_path)
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(tmp_path / checkpoint.BEST)
    with pytest.raises(InputError, match=r"best_model\.npz: damaged"):
        checkpoint.load_best(tmp_path)


def test_no_folds_says_what_is_there_and_how_to_train(tmp_path):
    checkpoint.fold_folder(tmp_path, "sleepedf", None, 0).mkdir(parents=True)
    with pytest.raises(InputError, match=r"there is sleepedf \(choose with --db and --suffix\)\. Train .* --db isruc"):
        checkpoint.find_folds(tmp_path, DATASETS["isruc"])


def test_data_sets_are_found_above_and_by_the_name_of_their_own_folder(tmp_path):
    for name in ("isruc/3", "ucddb_mine/2", "sleepedf/notes"):
        (tmp_path / name).mkdir(parents=True)
    assert checkpoint.datasets_in(tmp_path) == checkpoint.datasets_in(tmp_path / "isruc") == ["isruc"]
    assert checkpoint.datasets_in(tmp_path, "mine") == ["ucddb"]
    assert checkpoint.datasets_in(tmp_path / "ucddb_mine", "mine") == ["ucddb"]
    assert checkpoint.datasets_in(tmp_path / "ucddb_mine") == checkpoint.datasets_in(tmp_path / "sleepedf") == []


def test_clear_removes_our_files_only(tmp_path):
    checkpoint.save_run(tmp_path, run())
    checkpoint.save_history(tmp_path, [])
    (tmp_path / "notes.txt").write_text("mine")
    checkpoint.clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
