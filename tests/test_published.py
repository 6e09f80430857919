"""Checkpoints of the published program: read as they are, refused with the reason, converted without a change."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from generated import REFERENCE, assert_near, generated_batch, published_weights

import checkpoint
import metrics
import model
import predict
import published
from command import InputError
from config import DATASETS, Settings
from data import Night, load_night, save_night

SHARED = Path(__file__).parents[2] / "shared"
REAL = SHARED / "real" / "published_checkpoints"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the published checkpoints are not part of the program")

COUNTERS = {"global_step": np.int32(120), "global_epoch": np.int32(7)}


def write(folder, tensors=None, name="best_model.ckpt-120"):
    """Write tensors as TensorFlow 1's Saver did: one index, one data file, and `checkpoint` that names them."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {**published_weights(), **COUNTERS} if tensors is None else tensors
    names = sorted(tensors)
    tf.raw_ops.SaveV2(
        prefix=str(folder / name),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(tensors[name]) for name in names],
    )
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "/home/somebody/else/{name}"\n')
    return folder / name


def read(folder):
    return published.load_checkpoint(published.checkpoint_in(folder))


def test_generated_checkpoint_gives_the_published_logits(tmp_path):
    """The generated weights, through a file of the published format, give the published program's forward pass."""
    write(tmp_path / "0")
    fold = checkpoint.load_fold(tmp_path / "0", DATASETS["sleepedf"], 0)
    network = model.RecSleepNet(Settings())
    network.assign(fold.best.weights)
    batch = generated_batch(0)
    logits, _ = network.call(tf.constant(batch.x), tf.constant(batch.weight > 0), network.first_state(3))
    with np.load(REFERENCE / "reference_steps.npz") as expected:
        assert_near(
            "logits, through a checkpoint file", logits.numpy().reshape(12, 5), expected["forward0_logits"], 6e-5
        )
    assert (fold.best.global_step, fold.best.pass_number, fold.format) == (120, 7, "TensorFlow 1")
    assert fold.run.subjects["test"] == (0,) and fold.run.subjects["valid"] == (1, 6)


def test_a_moved_folder_is_read(tmp_path):
    write(tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    assert read(tmp_path / "there").global_step == 120


def test_of_several_the_one_that_checkpoint_names_is_read(tmp_path):
    write(tmp_path, {**published_weights(), **COUNTERS, "global_step": np.int32(60)}, "best_model.ckpt-60")
    write(tmp_path)
    assert read(tmp_path).global_step == 120
    (tmp_path / "checkpoint").unlink()
    with pytest.raises(InputError, match="several"):
        read(tmp_path)


def renamed(tensors):
    return {("cnn/other" if name == "cnn/rec_2_1/conv2d/kernel" else name): value for name, value in tensors.items()}


def with_changed(name, change):
    return lambda tensors: {**tensors, name: change(tensors[name])}


LSTM, DENSE = f"{published.CELL}/kernel", "softmax_linear/dense/kernel"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (renamed, "no tensor cnn/rec_2_1/conv2d/kernel in it"),
        (lambda tensors: {**tensors, "cnn/extra": np.zeros(3, np.float32)}, "tensor cnn/extra in it is unknown"),
        (with_changed(DENSE, np.transpose), r"dense/kernel has shape \(5, 128\), RecSleepNet's has \(128, 5\)"),
        (with_changed(LSTM, np.transpose), r"kernel has shape \(512, 384\)"),
        (with_changed(DENSE, lambda value: value.astype(np.float64)), "dense/kernel holds float64"),
        (with_changed(DENSE, lambda value: value * np.nan), "dense/kernel has values that are not finite"),
        (lambda tensors: {"x": np.zeros(1, np.float32)}, "it is not a published RecSleepNet checkpoint"),
    ],
)
def test_a_changed_tensor_is_refused_by_name(tmp_path, spoil, message):
    write(tmp_path, spoil({**published_weights(), **COUNTERS}))
    with pytest.raises(InputError, match=message) as refused:
        read(tmp_path)
    assert "\n" not in str(refused.value) and "best_model.ckpt-120" in str(refused.value)


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda prefix: cut(Path(f"{prefix}.data-00000-of-00001"), 0.5), "damaged"),
        (lambda prefix: cut(Path(f"{prefix}.index"), 0.5), "damaged"),
        (lambda prefix: flip(Path(f"{prefix}.data-00000-of-00001")), "damaged"),
        (lambda prefix: Path(f"{prefix}.index").write_bytes(b""), "damaged"),
        (lambda prefix: Path(f"{prefix}.data-00000-of-00001").unlink(), "no such file beside its .index"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path, spoil, message):
    spoil(write(tmp_path))
    with pytest.raises(InputError, match=message) as refused:
        read(tmp_path)
    assert "\n" not in str(refused.value)


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
    assert checkpoint.main([str(given), "--db", "sleepedf", "--to", str(out)]) == 0
    assert epochs(out, "after") == before
    assert "npz, pass 7, step 120" in capsys.readouterr().out
    shutil.rmtree(out / "sleepedf" / "1")
    shutil.copytree(given / "sleepedf" / "1", out / "sleepedf" / "1")
    assert epochs(out, "mixed") == before
    printed = capsys.readouterr().out
    assert "fold  0  npz" in printed and "fold  1  TensorFlow 1" in printed


def test_converted_weights_are_the_same_to_the_bit(tmp_path):
    write(tmp_path / "in" / "isruc" / "2")
    assert checkpoint.main([str(tmp_path / "in"), "--db", "isruc", "--to", str(tmp_path / "out")]) == 0
    before = checkpoint.load_fold(tmp_path / "in" / "isruc" / "2", DATASETS["isruc"], 2)
    after = checkpoint.load_fold(tmp_path / "out" / "isruc" / "2", DATASETS["isruc"], 2)
    assert after.format == "npz" and after.run.settings == before.run.settings
    for name, value in before.best.weights.items():
        np.testing.assert_array_equal(after.best.weights[name], value)


def test_only_what_scores_may_be_converted(tmp_path):
    write(tmp_path / "in" / "isruc" / "2")
    arguments = [str(tmp_path / "in"), "--db", "isruc", "--to", str(tmp_path / "out"), "--scoring_only"]
    assert checkpoint.main(arguments) == 0
    before = checkpoint.load_fold(tmp_path / "in" / "isruc" / "2", DATASETS["isruc"], 2).best.weights
    after = checkpoint.load_fold(tmp_path / "out" / "isruc" / "2", DATASETS["isruc"], 2).best.weights
    assert before.keys() - after.keys() == {"crb/conv_d/kernel", "crb/conv_e/kernel"}
    assert sum(value.size for value in after.values()) == 597_765


def test_converting_overwrites_nothing(tmp_path, capsys):
    write(tmp_path / "in" / "isruc" / "2")
    arguments = [str(tmp_path / "in"), "--db", "isruc", "--to", str(tmp_path / "out")]
    assert checkpoint.main(arguments) == 0
    assert checkpoint.main(arguments) == 2
    assert "holds a fold already" in capsys.readouterr().err


def test_converting_a_damaged_checkpoint_leaves_nothing_behind(tmp_path, capsys):
    cut(Path(f"{write(tmp_path / 'in' / 'isruc' / '2')}.data-00000-of-00001"), 0.5)
    assert checkpoint.main([str(tmp_path / "in"), "--db", "isruc", "--to", str(tmp_path / "out")]) == 2
    assert "damaged" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ---- the real ones ----


def reference_night():
    """The generated night of reference_checkpoints.npz, as tests/reference/README.md gives it."""
    r, t = np.random.RandomState(7), np.arange(3000) / 100
    x = r.standard_normal((30, 3000)) * 12
    for f, a in ((1, 30), (6, 10), (13, 8)):
        x += a * r.uniform(0, 1, (30, 1)) * np.sin(2 * np.pi * f * t + r.uniform(0, 6.28, (30, 1)))
    return x.astype(np.float32)


@pytest.fixture(scope="module")
def stager():
    return model.Stager(model.RecSleepNet(Settings()))


def load_real(stager, db, fold):
    loaded = checkpoint.load_fold(REAL / db / str(fold), DATASETS[db], fold)
    stager.network.assign(loaded.best.weights)


@needs_real
@pytest.mark.parametrize(
    ("db", "fold"), [("sleepedf", 0), ("sleepedf", 7), ("sleepedfx", 3), ("isruc", 2), ("ucddb", 14)]
)
def test_published_checkpoints_give_the_published_logits(stager, db, fold):
    load_real(stager, db, fold)
    with np.load(REFERENCE / "reference_checkpoints.npz") as expected:
        logits = stager.logits(reference_night())
        assert_near(f"logits of the published checkpoint {db}/{fold}", logits, expected[f"{db}/{fold}"], 1e-4)


@needs_real
def test_published_fold_0_scores_the_real_excerpt(stager):
    """232 real 30-s epochs of a subject that this fold never saw; four stages occur."""
    night = load_night(SHARED / "real" / "sc4001_232_epochs_30s.npz", 3000, 100)
    load_real(stager, "sleepedf", 0)
    scores = metrics.scores(night.y, stager.logits(night.x).argmax(axis=1))
    assert scores.accuracy == pytest.approx(0.944, abs=5e-4)
    assert scores.macro_f1 == pytest.approx(0.881, abs=5e-4)
