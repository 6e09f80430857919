"""Nights with gaps, and nights whose scorer marked only some stages: on disk, in training, in validation."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

import data
import model
from command import InputError
from config import Settings
from data import Night, load_night, save_night
from folds.checks import content_of
from folds.run import load_run
from recordings.conditioning import Conditioning
from scoring.calibrating import probabilities_of
from tests.support.short_nights import short_nights
from training.augmentation import Change
from training.batches import batch_nights, plan_steps
from training.steps import Training

TINY = Settings(input_size=100, batch_size=2, seq_length=3, n_rnn_units=8)
W, N1, N2, N3, REM = range(5)


def partial_night(recorded=(3, 4, 9, 10, 11, 20), stages=(W, W, N3, N3, N3, W), name="ucddb002", n_samples=100):
    x = np.random.default_rng(0).normal(0, 20, (len(recorded), n_samples)).astype(np.float32)
    return Night(name, x, np.array(stages, np.int32), recorded=np.array(recorded), known=(W, N3))


# ---- on disk ----


def test_gaps_and_known_stages_come_back_as_they_were_saved(tmp_path):
    save_night(tmp_path / "ucddb002.npz", partial_night())
    back = load_night(tmp_path / "ucddb002.npz")
    assert back.recorded.tolist() == [3, 4, 9, 10, 11, 20] and back.known == (W, N3)
    assert not back.source


def test_epochs_that_follow_each_other_have_no_gap(tmp_path):
    save_night(tmp_path / "n.npz", partial_night(recorded=(7, 8, 9, 10, 11, 12)))
    night = load_night(tmp_path / "n.npz")
    assert night.recorded is None and night.stretches() == [night]


def test_what_a_night_says_of_its_stages_is_part_of_its_content(tmp_path):
    night = partial_night()
    versions = (night, replace(night, recorded=None), replace(night, known=(W, N2, N3)))
    for number, version in enumerate(versions):
        save_night(tmp_path / f"{number}.npz", version)
    assert len({content_of(tmp_path / f"{number}.npz") for number in range(3)}) == 3


REFUSED = {
    "too few places": ({"epoch": [0, 1]}, "epoch is int64 of shape (2,); it must be whole numbers, (6,)"),
    "broken places": ({"epoch": np.arange(6) / 2}, "epoch is float64 of shape (6,)"),
    "twice the same": ({"epoch": [0, 1, 1, 2, 3, 4]}, "epoch holds 1 at place 2"),
    "backwards": ({"epoch": [0, 5, 4, 6, 7, 8]}, "epoch holds 4 at place 2"),
    "before the beginning": ({"epoch": [-1, 0, 1, 2, 3, 4]}, "epoch holds -1 at place 0"),
    "one stage": ({"known_stages": [0]}, "known_stages is [0]; it must hold the numbers of two stages or more"),
    "no stage of ours": ({"known_stages": [0, 3, 5]}, "known_stages is [0, 3, 5]"),
    "names": ({"known_stages": ["W", "N3"]}, "known_stages is <U2"),
    "a stage that was not marked": ({"known_stages": [0, 2]}, "stage 3 in y, but known_stages is (0, 2)"),
}


@pytest.mark.parametrize("read", [data.load_night, data.summarize_night])
@pytest.mark.parametrize(("content", "says"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_is_refused_by_name(tmp_path, content, says, read):
    night = partial_night()
    np.savez(tmp_path / "night.npz", x=night.x, y=night.y, **content)
    with pytest.raises(InputError) as error:
        read(tmp_path / "night.npz")
    assert str(error.value).startswith(f"{tmp_path / 'night.npz'}: ") and says in str(error.value)


# ---- stretches ----


@given(steps=st.lists(st.integers(1, 3), min_size=1, max_size=30))
def test_every_epoch_is_in_one_stretch_and_a_stretch_has_no_gap(steps):
    recorded = np.cumsum(steps)
    night = Night("n", np.arange(len(steps), dtype=np.float32)[:, np.newaxis], np.zeros(len(steps), np.int32))
    stretches = replace(night, recorded=recorded).stretches()
    np.testing.assert_array_equal(np.concatenate([one.x for one in stretches]), night.x)
    for one in stretches:
        places = recorded[one.first_epoch : one.first_epoch + len(one)]
        assert one.recorded is None and (np.diff(places) == 1).all()
    assert len(stretches) == 1 + np.count_nonzero(np.diff(recorded) > 1)


def test_stretches_on_disk_are_those_in_memory(tmp_path):
    save_night(tmp_path / "night.npz", partial_night())
    in_memory, on_disk = (load_night(tmp_path / "night.npz", on_disk=where).stretches() for where in (False, True))
    for one, other in zip(in_memory, on_disk, strict=True):
        assert len(one) == len(other.x) and one.x.shape == other.x.shape
        np.testing.assert_array_equal(one.x, other.x[:])
        np.testing.assert_array_equal(one.x[1:2], other.x[1:2])


def test_a_high_pass_ends_at_a_gap():
    draw = np.random.default_rng(1)
    x = (draw.normal(0, 20, (6, 3000)) + 100 * np.arange(6)[:, np.newaxis]).astype(np.float32)
    high_pass, recorded = Conditioning(high_pass=0.2), np.array([0, 1, 2, 7, 8, 9])
    together = high_pass.condition_night(x, recorded)
    apart = np.concatenate([high_pass.condition_night(part) for part in (x[:3], x[3:])])
    np.testing.assert_allclose(together, apart, atol=1e-4)
    assert np.abs(together - high_pass.condition_night(x)).max() > 1, "as if there were no gap"


def test_a_stretch_of_one_chunk_loses_no_epoch_to_a_random_start():
    settings = replace(TINY, random_start=True, seq_length=20)
    assert {Change.drawn(settings, 20, (seed,)).first for seed in range(50)} == {0}
    assert len({Change.drawn(settings, 21, (seed,)).first for seed in range(50)}) > 10


# ---- the loss, the stages ----


@pytest.fixture(scope="module")
def tiny():
    return Training(TINY)


def loss_and_gradient(training, known):
    night = partial_night()
    batch = next(batch_nights([night, night], plan_steps([6, 6], 2, 3), 3))
    with tf.GradientTape() as tape:
        losses, logits, _ = training.losses(
            *map(tf.constant, (batch.x, batch.y, batch.weight)),
            training.first_state(),
            known=None if known is None else tf.constant(known),
        )
    return losses["loss_ce"].numpy(), tape.gradient(losses["loss_ce"], training.network.dense.bias.value), batch, logits


def test_the_loss_asks_only_which_of_the_known_stages_it_is(tiny):
    known = np.isin(np.arange(5), (W, N3))[np.newaxis].repeat(2, axis=0)
    loss, gradient, batch, logits = loss_and_gradient(tiny, known)
    assert (batch.known == known).all()
    among = tf.nn.log_softmax(tf.gather(logits, [W, N3], axis=-1)).numpy()  # (night, epoch, W or N3)
    wanted = -np.take_along_axis(among, (batch.y == N3).astype(int)[..., np.newaxis], axis=-1).mean()
    assert loss == pytest.approx(wanted, rel=1e-5)
    assert not gradient.numpy()[[N1, N2, REM]].any() and gradient.numpy()[[W, N3]].all()


def test_where_all_stages_are_known_the_loss_is_the_ordinary_one(tiny):
    restricted, ordinary = (loss_and_gradient(tiny, known)[0] for known in (np.ones((2, 5), bool), None))
    assert restricted == ordinary


def test_stages_are_those_that_the_scorer_marked_and_the_state_begins_anew_at_a_gap():
    stager, night = model.compiled_stager(TINY), partial_night()
    stager.network.assign(model.RecSleepNet(TINY, seed=3).values())
    found = probabilities_of(stager.probabilities, night)
    assert found.shape == (6, 5) and not found[:, [N1, N2, REM]].any()
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    apart = np.concatenate([stager.probabilities(part) for part in np.split(night.x, [2, 5])])
    np.testing.assert_allclose(found[:, N3], apart[:, N3] / apart[:, [W, N3]].sum(axis=1), rtol=1e-5)
    assert np.abs(apart - stager.probabilities(night.x)).max() > 1e-4, "the state matters"


def test_a_known_stage_of_no_probability_is_no_division_by_nothing():
    among = partial_night(recorded=(0,), stages=(W,)).among_known(np.array([[0, 0, 1, 0, 0]], np.float32))
    np.testing.assert_allclose(among, [[0.5, 0, 0, 0.5, 0]])


# ---- trainer.py --also ----


@pytest.fixture
def also(tmp_path):
    for part, name in (("train", "ucddb002"), ("valid", "ucddb003")):
        (tmp_path / "also" / part).mkdir(parents=True)
        save_night(tmp_path / "also" / part / f"{name}.npz", replace(partial_night(), name=name, ch_label="C3A2"))
    return tmp_path / "also"


def test_every_fold_learns_from_the_nights_of_others(train, also, tmp_path):
    status, printed = train("--also", str(also))
    assert status == 0 and "warning: fold 0: the nights are of several channels: C3A2, EEG Fpz-Cz" in printed
    folder = tmp_path / "output" / "sleepedf" / "0"
    run = load_run(folder)
    assert run.epochs["train"]["ucddb002"] == run.epochs["valid"]["ucddb003"] == 6
    assert list(run.epochs["test"]) == ["SC4001E0"]
    assert run.has_seen("ucddb002") and run.has_seen("ucddb003") and not run.has_seen("SC4001E0")
    calibration = json.loads((folder / "calibration.json").read_text())
    assert calibration["nights"] == ["SC4011E0", "ucddb003"]


def test_a_night_that_a_fold_may_test_is_none_of_others(train, also, tmp_path):
    (also / "train" / "ucddb002.npz").rename(also / "train" / "SC4001E0.npz")
    status, printed = train("--also", str(also))
    assert status == 2 and "SC4001E0 is called as a night of sleepedf, which a fold may test" in printed
    status, printed = train("--also", str(short_nights(tmp_path / "none")))
    assert status == 2 and "no night in" in printed
