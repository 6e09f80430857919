"""convert.py: checkpoints of either format become copies that score to the bit as they did."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

import convert
import predict
from data import Night, save_night
from folds import published
from folds.checkpoint import Best, load_fold
from folds.folders import BEST, RESUME, RUN, TEST_SCORES
from folds.run import load_run
from model import RECONSTRUCTION
from recordings.datasets import DATASETS
from tests.support.generated import write_published as write

pytest_plugins = ["tests.support.folds_on_disk"]


def test_a_folder_may_mix_both_formats_and_converting_changes_no_score(tmp_path, capsys):
    """predict.py scores a published fold and a converted one alike, to the bit, and says which is which."""
    data, given, out = tmp_path / "data", tmp_path / "published", tmp_path / "converted"
    rng = np.random.default_rng(0)
    (data / "sleepedf").mkdir(parents=True)
    for subject in (0, 1):
        y = rng.integers(0, 5, 12).astype(np.int32)
        night = Night("", rng.normal(0, 20, (12, 3000)).astype(np.float32), y, 100.0, "EEG Fpz-Cz")
        save_night(data / "sleepedf" / f"SC4{subject:02d}1E0.npz", night)
        write(given / "sleepedf" / str(subject))

    def epochs(directory, output):
        arguments = ["--db", "sleepedf", "--gpu", "-1", "--data_dir", str(data), "--dir", str(directory)]
        assert predict.main([*arguments, "--output_dir", str(tmp_path / output)]) == 0
        return (tmp_path / output / "epochs.csv").read_bytes()

    before = epochs(given, "before")
    assert "TensorFlow 1, pass 7, step 120" in capsys.readouterr().out
    assert convert.main([str(given), "--db", "sleepedf", "--to", str(out)]) == 0
    assert epochs(out, "after") == before
    assert "npz, pass 7, step 120" in capsys.readouterr().out
    shutil.rmtree(out / "sleepedf" / "1")
    shutil.copytree(given / "sleepedf" / "1", out / "sleepedf" / "1")
    assert epochs(out, "mixed") == before
    printed = capsys.readouterr().out
    assert "fold  0  npz" in printed and "fold  1  TensorFlow 1" in printed


def test_converted_weights_are_the_same_to_the_bit(tmp_path):
    write(tmp_path / "in" / "isruc" / "2")
    assert convert.main([str(tmp_path / "in"), "--db", "isruc", "--to", str(tmp_path / "out")]) == 0
    before = load_fold(tmp_path / "in" / "isruc" / "2", DATASETS["isruc"], 2)
    after = load_fold(tmp_path / "out" / "isruc" / "2", DATASETS["isruc"], 2)
    assert after.format == "npz" and after.run.settings == before.run.settings
    for name, value in before.best.weights.items():
        np.testing.assert_array_equal(after.best.weights[name], value)


def test_only_what_scores_may_be_converted(tmp_path):
    write(tmp_path / "in" / "isruc" / "2")
    arguments = [str(tmp_path / "in"), "--db", "isruc", "--to", str(tmp_path / "out"), "--scoring_only"]
    assert convert.main(arguments) == 0
    before = load_fold(tmp_path / "in" / "isruc" / "2", DATASETS["isruc"], 2).best.weights
    after = load_fold(tmp_path / "out" / "isruc" / "2", DATASETS["isruc"], 2).best.weights
    assert before.keys() - after.keys() == {"crb/conv_d/kernel", "crb/conv_e/kernel"}
    assert sum(value.size for value in after.values()) == 597_765


def test_converting_overwrites_nothing(tmp_path, capsys):
    write(tmp_path / "in" / "isruc" / "2")
    arguments = [str(tmp_path / "in"), "--db", "isruc", "--to", str(tmp_path / "out")]
    assert convert.main(arguments) == 0
    assert convert.main([*arguments, "--scoring_only"]) == 2
    assert "holds a fold already" in capsys.readouterr().err
    assert convert.main(arguments) == 0
    assert "fold 2: is in " in capsys.readouterr().out


def test_a_copy_that_was_killed_between_its_files_is_made_again(tmp_path, capsys):
    for number in (2, 3):
        write(tmp_path / "in" / "isruc" / str(number))
    arguments = [str(tmp_path / "in"), "--db", "isruc", "--to", str(tmp_path / "out")]
    assert convert.main(arguments) == 0
    second = tmp_path / "out" / "isruc" / "3"
    wanted = (second / BEST).read_bytes()
    (second / BEST).unlink()
    (second / ".partial-1-best_model.npz").write_bytes(wanted[:1000])
    assert convert.main(arguments) == 0
    assert sorted(path.name for path in second.iterdir()) == [BEST, RUN]
    load_fold(second, DATASETS["isruc"], 3)
    (second / BEST).unlink()
    (second / "train.log").touch()  # a fold that trainer.py has begun
    assert convert.main(arguments) == 2
    assert "holds a fold already" in capsys.readouterr().err


def test_converting_a_damaged_checkpoint_leaves_nothing_behind(tmp_path, capsys):
    data = published.data_file(write(tmp_path / "in" / "isruc" / "2"))
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    assert convert.main([str(tmp_path / "in"), "--db", "isruc", "--to", str(tmp_path / "out")]) == 2
    assert "damaged" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ---- our own ----


def arguments(folder, to, *more):
    return [str(folder), "--db", "sleepedf", "--to", str(to), *more]


def test_only_the_weights_of_the_reconstruction_are_left_out():
    weights = {name: np.ones(1, np.float32) for name in ("dense/bias", *RECONSTRUCTION)}
    kept = convert.without_reconstruction(Best(weights, 120, 4))
    assert set(kept.weights) == {"dense/bias"} and (kept.global_step, kept.pass_number) == (120, 4)


def test_a_copy_keeps_what_the_fold_was_trained_with(folds_dir, tmp_path, capsys):
    assert convert.main(arguments(folds_dir, tmp_path / "out")) == 0
    assert "fold 4: " in capsys.readouterr().out
    copied = tmp_path / "out" / "sleepedf" / "4"
    assert sorted(path.name for path in copied.iterdir()) == [BEST, RUN]
    assert load_run(copied).as_json() == load_run(folds_dir / "sleepedf" / "4").as_json()


def test_a_folder_that_holds_half_a_fold_is_not_written_to(folds_dir, tmp_path, capsys):
    copies = tmp_path / "copies"
    assert convert.main(arguments(folds_dir, copies)) == 0
    (copies / "sleepedf" / "0" / BEST).unlink()
    shutil.copy(folds_dir / "sleepedf" / "4" / RUN, copies / "sleepedf" / "0" / RUN)  # it was to become another fold
    assert convert.main(arguments(folds_dir, copies)) == 2
    assert f"{copies}/sleepedf/0 holds a fold already" in capsys.readouterr().err


@pytest.mark.parametrize("so_far", [(RUN, RESUME, BEST), (RUN, RESUME), (RUN,)])
def test_a_fold_in_training_is_not_given_away(folds_dir, tmp_path, capsys, so_far):
    shutil.copytree(folds_dir / "sleepedf", tmp_path / "output" / "sleepedf_mine")
    fold = tmp_path / "output" / "sleepedf_mine" / "4"
    (fold / RESUME).write_bytes(b"")
    for path in fold.iterdir():
        if path.name not in so_far:
            path.unlink()
    assert convert.main(arguments(tmp_path / "output", tmp_path / "more", "--suffix", "mine")) == 2
    assert "sleepedf_mine/4 is still in training" in capsys.readouterr().err and not (tmp_path / "more").exists()
    (fold / TEST_SCORES).write_text("{}")
    finished = convert.main(arguments(tmp_path / "output", tmp_path / "more", "--suffix", "mine")) == 0
    assert finished == (BEST in so_far)


def test_a_data_set_has_to_be_named(folds_dir, tmp_path, capsys):
    assert convert.main([str(folds_dir), "--to", str(tmp_path / "out")]) == 2
    assert "--db is missing" in capsys.readouterr().err
    assert convert.main([str(folds_dir), "--db", "nosuch", "--to", str(tmp_path / "out")]) == 2
    assert "--db nosuch: no such data set" in capsys.readouterr().err and not (tmp_path / "out").exists()
