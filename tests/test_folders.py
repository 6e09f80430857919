"""Where folds lie, which ones are found, and how far each has come by the files in it."""

from __future__ import annotations

import pytest

from command import InputError
from folds import folders
from recordings.datasets import DATASETS


def begun(folder, *names):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_text("{}")
    return folder


# ---- finding folds ----


def test_folds_are_found_above_and_in_the_data_sets_folder(tmp_path):
    for fold in (10, 2):
        folders.fold_folder(tmp_path, "isruc", "mine", fold).mkdir(parents=True)
    (tmp_path / "isruc_mine" / "notes").mkdir()
    assert list(folders.find_folds(tmp_path, DATASETS["isruc"], "mine")) == [2, 10]
    assert list(folders.find_folds(tmp_path / "isruc_mine", DATASETS["isruc"])) == [2, 10]


def test_a_suffix_is_never_ignored(tmp_path):
    folders.fold_folder(tmp_path, "isruc", None, 0).mkdir(parents=True)
    with pytest.raises(InputError, match="no checkpoints of isruc"):
        folders.find_folds(tmp_path / "isruc", DATASETS["isruc"], "mine")
    folders.fold_folder(tmp_path, "isruc", "mine", 3).mkdir(parents=True)
    assert list(folders.find_folds(tmp_path / "isruc_mine", DATASETS["isruc"], "mine")) == [3]


def test_no_folds_says_what_is_there_and_how_to_train(tmp_path):
    folders.fold_folder(tmp_path, "sleepedf", None, 0).mkdir(parents=True)
    with pytest.raises(InputError, match=r"there is sleepedf \(choose with --db and --suffix\)\. Train .* --db isruc"):
        folders.find_folds(tmp_path, DATASETS["isruc"])


def test_data_sets_are_found_above_and_by_the_name_of_their_own_folder(tmp_path):
    for name in ("isruc/3", "ucddb_mine/2", "sleepedf/notes"):
        (tmp_path / name).mkdir(parents=True)
    assert folders.datasets_in(tmp_path) == folders.datasets_in(tmp_path / "isruc") == ["isruc"]
    assert folders.datasets_in(tmp_path, "mine") == ["ucddb"]
    assert folders.datasets_in(tmp_path / "ucddb_mine", "mine") == ["ucddb"]
    assert folders.datasets_in(tmp_path / "ucddb_mine") == folders.datasets_in(tmp_path / "sleepedf") == []


# ---- how far a fold has come ----


@pytest.mark.parametrize(
    ("files", "finished", "in_training", "nothing_yet"),
    [
        ((), False, False, False),
        ((folders.RUN,), False, False, True),
        ((folders.RUN, folders.RESUME), False, True, True),
        ((folders.RUN, folders.RESUME, folders.BEST), False, True, False),
        ((folders.RUN, folders.RESUME, folders.BEST, folders.TEST_SCORES), True, False, False),
        ((folders.RUN, folders.BEST), False, False, False),  # a copy for scoring
    ],
)
def test_the_files_say_how_far_a_fold_has_come(tmp_path, files, finished, in_training, nothing_yet):
    fold = begun(tmp_path / "0", *files)
    assert folders.is_finished(fold) == finished
    assert folders.is_in_training(fold) == in_training
    assert folders.has_nothing_yet(fold) == nothing_yet
    if in_training or nothing_yet:
        with pytest.raises(InputError, match=r"0 is still in training; let trainer.py finish it"):
            folders.check_not_in_training(fold)
    else:
        folders.check_not_in_training(fold)


def test_clear_removes_our_files_only(tmp_path):
    names = (folders.RUN, folders.BEST, folders.HISTORY, folders.TEST_SCORES, folders.RESUME, folders.LOG)
    fold = begun(tmp_path / "0", *names, "notes.txt")
    begun(fold / folders.TENSORBOARD, "events")
    folders.clear(fold)
    assert [path.name for path in fold.iterdir()] == ["notes.txt"]
    folders.clear(fold)  # nothing left to remove is no error


def test_one_trainer_at_a_time_is_in_a_fold(tmp_path):
    fold = tmp_path / "deep" / "0"
    with (
        folders.alone_in(fold),
        pytest.raises(InputError, match=r"another trainer.py is training this fold; wait for it, or use --suffix"),
        folders.alone_in(fold),
    ):
        pass
    with folders.alone_in(fold):
        pass
