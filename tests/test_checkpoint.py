"""The kept weights of a fold: the same when read back, refused with the reason, found as the start of another fold."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from command import InputError
from config import Settings
from folds.checkpoint import (
    Best,
    find_source,
    load_best,
    load_fold,
    load_folds,
    load_resume,
    load_source,
    origin_of,
    save_best,
    save_resume,
)
from folds.folders import BEST, RESUME, RUN, TEST_SCORES
from folds.run import Run, save_run
from recordings.datasets import DATASETS, Dataset

SLEEPEDF = DATASETS["sleepedf"]
SUBJECTS = {"train": (1,), "valid": (2,), "test": (0,)}


def save_tiny(root, number, db="sleepedf"):
    """Write a fold that no network fits, for what only reads it."""
    folder = root / db / str(number)
    folder.mkdir(parents=True)
    save_run(folder, Run(db, number, Settings(), SUBJECTS, {"test": {}}, ["EEG Fpz-Cz"], {}))
    save_best(folder, Best({"dense/bias": np.full(5, number, np.float32)}, 10 * number, number))
    return folder


def test_best_reads_back_without_pickles(tmp_path):
    weights = {"crb/conv_a/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "dense/bias": np.ones(5, np.float32)}
    save_best(tmp_path, Best(weights, 120, 4))
    read = load_best(tmp_path)
    assert (read.global_step, read.pass_number) == (120, 4)
    assert read.weights.keys() == weights.keys()
    for name, value in weights.items():
        np.testing.assert_array_equal(read.weights[name], value)
        assert read.weights[name].dtype == np.float32


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"nonsense"])
def test_a_damaged_checkpoint_is_refused(tmp_path, damage):
    save_best(tmp_path, Best({"dense/bias": np.ones(500, np.float32)}, 1, 1))
    path = tmp_path / BEST
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"best_model\.npz: not a readable npz file \(.+\); train the fold again, or"):
        load_best(tmp_path)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    save_best(tmp_path, Best({"dense/bias": np.array([0, np.nan], np.float32)}, 1, 1))
    with pytest.raises(InputError, match=r"best_model\.npz: dense/bias has values that are not finite"):
        load_best(tmp_path)


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path):
    np.savez(tmp_path / BEST, x=np.ones(3))
    with pytest.raises(InputError, match="not a checkpoint of this program"):
        load_best(tmp_path)


def test_one_array_without_a_name_is_refused(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    (tmp_path / "array.npy").rename(tmp_path / BEST)
    with pytest.raises(InputError, match=r"best_model\.npz: not a readable npz file \(it holds one array without a"):
        load_best(tmp_path)


# ---- resume ----


def test_resume_reads_back(tmp_path):
    save_resume(tmp_path, 3, {"global_step": np.array(9)})
    done, values = load_resume(tmp_path)
    assert done == 3 and values["global_step"] == 9 and set(values) == {"global_step"}


def test_a_damaged_resume_is_named(tmp_path):
    np.savez(tmp_path / RESUME, x=1)
    with pytest.raises(InputError, match=r"resume\.npz: no passes_done in it"):
        load_resume(tmp_path)


# ---- folds ----


def test_a_fold_of_another_data_set_is_refused(tmp_path):
    folder = save_tiny(tmp_path, 3)
    assert load_fold(folder, SLEEPEDF, 3).best.global_step == 30
    with pytest.raises(InputError, match="holds a fold of sleepedf, not of isruc; use --db sleepedf"):
        load_fold(folder, DATASETS["isruc"], 3)


def test_a_folder_without_a_checkpoint_says_how_to_train_it(tmp_path):
    with pytest.raises(InputError, match=r"no checkpoint for fold 3 in .* --db sleepedf --from_fold 3 --to_fold 3"):
        load_fold(tmp_path, SLEEPEDF, 3)


def test_what_is_said_of_a_checkpoint(tmp_path):
    folder = save_tiny(tmp_path, 3)
    assert load_fold(folder, SLEEPEDF, 3).described() == {
        "db": "sleepedf", "fold": 3, "folder": str(folder), "format": "npz", "pass_number": 3, "global_step": 30,
        "channels": ["EEG Fpz-Cz"], "temperature": None,
        "sha256": hashlib.sha256((folder / "best_model.npz").read_bytes()).hexdigest(),
    }  # fmt: skip


def test_folds_that_were_only_begun_are_left_out(tmp_path):
    folders = {number: save_tiny(tmp_path, number) for number in (0, 3)}
    (folders[0] / BEST).unlink()
    assert [fold.run.fold for fold in load_folds(folders, SLEEPEDF)] == [3]
    (folders[3] / BEST).unlink()
    with pytest.raises(InputError, match=r"none of the folds has a checkpoint yet; let trainer.py finish a pass"):
        load_folds(folders, SLEEPEDF)


# ---- first weights ----


def test_the_source_is_the_folder_itself_or_the_fold_so_numbered_in_it(tmp_path):
    folders = {number: save_tiny(tmp_path, number) for number in (0, 3)}
    assert find_source(tmp_path, SLEEPEDF, 3) == find_source(tmp_path / "sleepedf", SLEEPEDF, 3) == folders[3]
    assert find_source(tmp_path / "sleepedf", DATASETS["isruc"], 3) == folders[3], "of another data set"
    assert find_source(folders[0], SLEEPEDF, 3) == folders[0], "one fold for all"
    with pytest.raises(InputError, match="no fold 4 to start from, there are 0, 3; name the folder of one fold"):
        find_source(tmp_path, SLEEPEDF, 4)
    with pytest.raises(InputError, match="no fold 3 to start from, there are no folds"):
        find_source(folders[0].parent.parent, DATASETS["isruc"], 3)


def test_ones_own_folds_start_from_another_data_sets_one_after_the_other(tmp_path):
    folders = {number: save_tiny(tmp_path, number) for number in (0, 3)}
    own = Dataset("own", None, (0, 1, 2), 3, "", "C4", "prepare.py", {}, {0: 0, 1: 1, 2: 2})
    assert [find_source(tmp_path, own, number) for number in range(3)] == [folders[0], folders[3], folders[0]]
    with pytest.raises(InputError, match="no fold 1 to start from, there are 0, 3"):
        find_source(tmp_path / "sleepedf", own, 1)


def test_a_source_is_known_by_the_sum_of_its_file(tmp_path):
    folder = save_tiny(tmp_path, 3)
    source = load_source(folder)
    origin = origin_of(source)
    assert origin.sha256 == hashlib.sha256((folder / BEST).read_bytes()).hexdigest()
    assert (origin.folder, origin.format, origin.pass_number) == (str(folder), "npz", 3)
    assert origin.run is source.run


def test_a_source_has_to_be_finished_and_there(tmp_path):
    folder = save_tiny(tmp_path, 3)
    (folder / RESUME).write_bytes(b"")
    with pytest.raises(InputError, match=r"3 is still in training; let trainer.py finish it"):
        load_source(folder)
    (folder / TEST_SCORES).write_text("{}")
    assert load_source(folder).best.pass_number == 3
    for name in (BEST, RUN):
        (folder / name).unlink()
    with pytest.raises(InputError, match="no checkpoint in it; name the folder of a fold that has one"):
        load_source(folder)


@pytest.mark.parametrize(
    ("spoiled", "says"),
    [
        ({"w": "text"}, "w holds no numbers"),
        ({"w": np.array([1j])}, "w holds no numbers"),
        ({"global_step": np.nan}, "global_step is nan, no count"),
        ({"global_step": -1}, "global_step is -1, no count"),
        ({"pass_number": np.array([1, 2])}, r"pass_number is \[1 2\], no count"),
    ],
)
def test_what_is_no_number_in_a_checkpoint_is_named(tmp_path, spoiled, says):
    np.savez(tmp_path / BEST, **({"w": np.zeros(3, np.float32), "global_step": 1, "pass_number": 1} | spoiled))
    with pytest.raises(InputError, match=rf"best_model\.npz: .*{says}"):
        load_best(tmp_path)
    np.savez(tmp_path / RESUME, **{"passes_done": spoiled.get("global_step", spoiled.get("pass_number", np.nan))})
    with pytest.raises(InputError, match=r"resume\.npz: passes_done is .*, no count"):
        load_resume(tmp_path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_not_gone_on_with(tmp_path, bad):
    save_resume(tmp_path, 3, {"w": np.array([1.0, bad])})
    with pytest.raises(
        InputError, match=r"resume\.npz: w has values that are not finite; train the fold again with --r"
    ):
        load_resume(tmp_path)
