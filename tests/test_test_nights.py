"""Test nights: each staged with its own fold, and added by subject."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from command import InputError
from data import Night, save_night
from folds.checkpoint import load_folds
from folds.folders import find_folds
from recordings.datasets import DATASETS
from recordings.fingerprints import fingerprint
from scoring import metrics
from scoring.networks import of_night
from scoring.test_nights import (
    by_subject,
    coverage,
    fold_line,
    intervals,
    pooled,
    scores_of,
    stage_folds,
    stage_night,
    stage_test_night,
)
from tests.support.staged_nights import a_tested_night

pytest_plugins = ["tests.support.folds_on_disk"]

SLEEPEDF = DATASETS["sleepedf"]


# ---- adding up ----


def test_nights_of_one_subject_are_added():
    nights = [a_tested_night("a", 7, 1, n=50), a_tested_night("b", 3, 2, n=70), a_tested_night("c", 7, 3, n=10)]
    subjects = by_subject(nights)
    assert {subject: confusion.sum() for subject, confusion in subjects.items()} == {7: 60, 3: 70}
    assert nights[0].scores.n_epochs == nights[0].scores.confusion.sum() == 50


def test_pooled_scores_count_every_epoch_once():
    nights = [a_tested_night("a", 0, 1, n=50), a_tested_night("b", 0, 2, n=70), a_tested_night("c", 1, 3, n=10)]
    np.testing.assert_array_equal(pooled(nights).confusion, sum(night.scores.confusion for night in nights))


def test_intervals_are_over_subjects_and_the_same_each_time():
    nights = [a_tested_night(f"n{subject}", subject % 4, subject) for subject in range(8)]
    assert intervals(nights) == intervals(nights) == metrics.intervals(by_subject(nights), seed=0)
    assert intervals([a_tested_night("a", 7, 1), a_tested_night("b", 7, 2)]) is None, "two nights of one subject"


def test_coverage_counts_folds_subjects_and_nights():
    nights = [a_tested_night("a", 7, 1), a_tested_night("b", 3, 2), a_tested_night("c", 7, 3)]
    assert coverage(nights, SLEEPEDF) == "sleepedf: 2 of 20 folds, 2 of 20 subjects, 3 nights"
    simulated = replace(nights[0], staged=replace(nights[0].staged, simulated=True))
    assert coverage([simulated, replace(nights[1], seen=True)], SLEEPEDF).endswith(
        "2 nights, 1 SIMULATED, 1 of subjects SEEN IN TRAINING"
    )


# ---- staging ----


@pytest.fixture(scope="module")
def folds(folds_dir):
    return load_folds(find_folds(folds_dir, SLEEPEDF), SLEEPEDF)


@pytest.fixture(scope="module")
def nights(tmp_path_factory):
    """A night of subject 0, of 5 epochs, and two of subject 4, of 6 and 7, by subject."""
    folder = tmp_path_factory.mktemp("nights")
    rng = np.random.default_rng(0)
    paths: dict[int, list[Path]] = {0: [], 4: []}
    for name, subject, n in (("SC4001E0", 0, 5), ("SC4041E0", 4, 6), ("SC4042E0", 4, 7)):
        x = rng.normal(0, 20, (n, 3000)).astype(np.float32)
        y = rng.integers(0, 5, n).astype(np.int32)
        paths[subject].append(folder / f"{name}.npz")
        save_night(paths[subject][-1], Night(name, x, y, 100.0, "EEG Fpz-Cz"))
    return paths


def test_every_test_night_is_staged_with_its_own_fold(folds, nights, caplog):
    with caplog.at_level(logging.INFO, "recsleepnet"):
        tested, left_out = stage_folds(folds, nights)
    assert not left_out
    assert [(one.staged.name, one.subject, one.fold, one.seen) for one in tested] == [
        ("SC4001E0", 0, 0, False),
        ("SC4041E0", 4, 4, False),
        ("SC4042E0", 4, 4, False),
    ]
    with np.load(nights[4][1]) as archive:
        alone = of_night(folds[1])(archive["x"])
        np.testing.assert_array_equal(tested[2].staged.probabilities, alone)
        np.testing.assert_array_equal(tested[2].staged.expert, archive["y"])
    assert tested[2].scores.accuracy == np.mean(tested[2].staged.stages == tested[2].staged.expert)
    lines = [record.getMessage() for record in caplog.records]
    assert lines[0].startswith("fold  0  npz, pass 0, step 100  1 nights  5 epochs  accuracy ")
    assert lines[1].startswith("fold  4  npz, pass 4, step 104  2 nights  13 epochs  accuracy ")


def test_scores_are_those_of_the_staged_nights(folds):
    network = of_night(folds[0])
    rng = np.random.default_rng(1)
    prepared = [
        Night(f"n{n}", rng.normal(0, 20, (n, 3000)).astype(np.float32), rng.integers(0, 5, n).astype(np.int32), 100.0)
        for n in (4, 6)
    ]
    stages = np.concatenate([stage_night(network, night).stages for night in prepared])
    expert = np.concatenate([night.y for night in prepared])
    np.testing.assert_array_equal(scores_of(network, prepared).confusion, metrics.scores(expert, stages).confusion)
    with pytest.raises(ValueError, match="no epochs"):
        scores_of(network, [])


def test_a_fold_without_a_night_here_is_no_error_but_no_fold_with_one_is(folds, nights):
    assert len(stage_folds(folds, {**nights, 0: []})[0]) == 2
    assert fold_line(folds[0], []).endswith("no test night here")
    with pytest.raises(InputError, match="none of the folds has a test night here; prepare some"):
        stage_folds(folds, {0: [], 4: []})


def test_a_night_that_cannot_be_scored_is_left_out_and_said(folds, nights, tmp_path, caplog):
    """Huge samples make the network's output nan, which would be W; and a file is cut short."""
    with np.load(nights[4][0]) as archive:
        x, y = archive["x"], archive["y"]
    x[3] = 3e38
    save_night(tmp_path / "SC4041E0.npz", Night("SC4041E0", x, y, 100.0, "EEG Fpz-Cz"))
    (tmp_path / "SC4001E0.npz").write_bytes(nights[0][0].read_bytes()[:1000])
    there = {0: [tmp_path / "SC4001E0.npz"], 4: [tmp_path / "SC4041E0.npz", nights[4][1]]}
    with caplog.at_level(logging.INFO, "recsleepnet"):
        tested, left_out = stage_folds(folds, there)
    assert [one.staged.name for one in tested] == ["SC4042E0"] and left_out.keys() == {"SC4001E0", "SC4041E0"}
    assert "not finite from epoch 3 on, whose largest sample is 3e+38" in left_out["SC4041E0"]
    assert "SC4041E0: 1 of 6 epochs have samples beyond 100000 µV; the first is epoch 3" in caplog.text
    assert coverage(tested, SLEEPEDF, left_out).endswith("1 nights, 2 LEFT OUT")
    with pytest.raises(InputError, match="SC4001E0"):
        stage_folds(folds[:1], there)


def test_a_fold_whose_test_nights_are_not_all_here_says_so(folds, nights):
    run = replace(folds[1].run, epochs={**folds[1].run.epochs, "test": {"SC4041E0": 6, "SC4042E0": 7}})
    fold = replace(folds[1], run=run)
    tested, _ = stage_folds([fold], {4: nights[4][:1]})
    assert "  1 of 2 nights  6 epochs  " in fold_line(fold, tested)
    tested, _ = stage_folds([fold], nights)
    assert "  2 nights  13 epochs  " in fold_line(fold, tested)


def test_a_signal_that_the_fold_learned_from_is_told_by_its_fingerprint(folds, tmp_path, caplog):
    n_samples = 40 * 3000
    wave = 40 * np.random.default_rng(3).normal(0, 1, n_samples).cumsum()
    x = (wave - np.convolve(wave, np.ones(200) / 200, "same")).astype(np.float32).reshape(40, 3000)
    path = tmp_path / "SC4001E0.npz"
    save_night(path, Night("SC4001E0", x, np.arange(40, dtype=np.int32) % 5, 100.0, "EEG Fpz-Cz"))
    knows = replace(
        folds[0], run=replace(folds[0].run, fingerprints={"mine": fingerprint([-2 * x.reshape(-1)[3000:]])})
    )
    with caplog.at_level(logging.INFO, "recsleepnet"):
        assert stage_test_night(of_night(knows), knows, 0, path).seen
        assert not stage_test_night(of_night(folds[0]), folds[0], 0, path).seen
    told = [record.getMessage() for record in caplog.records if "has the very signal" in record.getMessage()]
    assert told == ["warning: SC4001E0 has the very signal of a night that fold 0 has learned from"]
