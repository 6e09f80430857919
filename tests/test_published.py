"""Checkpoints of the published program: read as they are, refused with the reason."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import model
from command import InputError
from config import Settings
from data import load_night
from folds import published
from folds.checkpoint import load_fold
from model import compiled_stager
from recordings.datasets import DATASETS
from scoring import metrics
from tests.support.generated import COUNTERS, REFERENCE, assert_near, generated_batch, published_weights
from tests.support.generated import write_published as write

SHARED = Path(__file__).parents[2] / "shared"
REAL = SHARED / "real" / "published_checkpoints"
needs_real = pytest.mark.skipif(not REAL.is_dir(), reason="the published checkpoints are not part of the program")


def read(folder):
    prefix = published.checkpoint_in(folder)
    assert prefix is not None
    return published.load_checkpoint(prefix)


def test_generated_checkpoint_gives_the_published_logits(tmp_path):
    """The generated weights, through a file of the published format, give the published program's forward pass."""
    write(tmp_path / "0")
    fold = load_fold(tmp_path / "0", DATASETS["sleepedf"], 0)
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
        (renamed, "damaged: tensor cnn/rec_2_1/conv2d/kernel is missing"),
        (lambda tensors: {**tensors, "cnn/extra": np.zeros(3, np.float32)}, "tensor cnn/extra is unknown"),
        (with_changed(DENSE, np.transpose), r"dense/kernel has shape \(5, 128\) where \(128, 5\) is needed"),
        (with_changed(LSTM, np.transpose), r"kernel has shape \(512, 384\)"),
        (with_changed(DENSE, lambda value: value.astype(np.float64)), "dense/kernel holds float64"),
        (with_changed(DENSE, lambda value: value * np.nan), "dense/kernel has values that are not finite"),
        (
            lambda tensors: {"x": np.zeros(1, np.float32)},
            "not a published RecSleepNet checkpoint, or damaged: tensor .* is missing",
        ),
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


# ---- the real ones ----


def reference_night():
    """The generated night of reference_checkpoints.npz, as tests/reference/README.md gives it."""
    r, t = np.random.RandomState(7), np.arange(3000) / 100
    x = r.standard_normal((30, 3000)) * 12
    for f, a in ((1, 30), (6, 10), (13, 8)):
        x += a * r.uniform(0, 1, (30, 1)) * np.sin(2 * np.pi * f * t + r.uniform(0, 6.28, (30, 1)))
    return x.astype(np.float32)


def real_stager(db, fold):
    loaded = load_fold(REAL / db / str(fold), DATASETS[db], fold)
    stager = compiled_stager(loaded.run.settings)
    stager.network.assign(loaded.best.weights)
    return stager


@needs_real
@pytest.mark.parametrize(
    ("db", "fold"), [("sleepedf", 0), ("sleepedf", 7), ("sleepedfx", 3), ("isruc", 2), ("ucddb", 14)]
)
def test_published_checkpoints_give_the_published_logits(db, fold):
    with np.load(REFERENCE / "reference_checkpoints.npz") as expected:
        logits = real_stager(db, fold).logits(reference_night())
        assert_near(f"logits of the published checkpoint {db}/{fold}", logits, expected[f"{db}/{fold}"], 1e-4)


@needs_real
def test_published_fold_0_scores_the_real_excerpt():
    """232 real 30-s epochs of a subject that this fold never saw; four stages occur."""
    night = load_night(SHARED / "real" / "sc4001_232_epochs_30s.npz", 3000, 100)
    scores = metrics.scores(night.y, real_stager("sleepedf", 0).logits(night.x).argmax(axis=1))
    assert scores.accuracy == pytest.approx(0.944, abs=5e-4)
    assert scores.macro_f1 == pytest.approx(0.881, abs=5e-4)
