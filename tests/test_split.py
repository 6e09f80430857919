"""Who trains, validates and tests: the published folds exactly, and where their nights lie."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from folds.split import PARTS, prepared_nights, split_subjects
from recordings.datasets import DATASETS

SPLITS = json.loads((Path(__file__).parent / "reference" / "reference_splits.json").read_text())


@pytest.mark.parametrize("name", DATASETS)
def test_folds_are_the_published_ones(name):
    dataset, published = DATASETS[name], SPLITS[name]
    assert list(dataset.subjects) == published["subjects"]
    assert dataset.n_folds == published["n_folds"] == len(published["folds"])
    for fold, expected in enumerate(published["folds"]):
        split = split_subjects(dataset, fold, seed=expected["seed"] - fold)
        assert expected["seed"] == 42 + fold
        assert {part: list(getattr(split, part)) for part in PARTS} == {part: expected[part] for part in PARTS}


@settings(deadline=None)
@given(st.data(), st.sets(st.integers(0, 200), min_size=2, max_size=40))
def test_every_subject_is_tested_once_and_in_one_part_of_each_fold(choice, subjects):
    n_folds = choice.draw(st.integers(2, len(subjects)))
    dataset = replace(DATASETS["ucddb"], subjects=tuple(sorted(subjects)), n_folds=n_folds)
    splits = [split_subjects(dataset, fold, seed=choice.draw(st.integers(0, 1000))) for fold in range(n_folds)]
    assert [subject for split in splits for subject in split.test] == list(dataset.subjects)
    for split in splits:
        assert sorted(split.train + split.valid + split.test) == list(dataset.subjects)
        assert len(split.valid) == round(0.1 * (len(subjects) - len(split.test)))


def test_the_seed_draws_the_validation_subjects_and_nothing_else():
    dataset = DATASETS["isruc"]
    first, again, other = (split_subjects(dataset, 3, seed) for seed in (42, 42, 43))
    assert first == again
    assert set(first.valid) != set(other.valid)
    assert first.test == other.test


@pytest.mark.parametrize("fold", [-1, 10])
def test_a_fold_out_of_range_is_refused(fold):
    with pytest.raises(InputError, match=f"fold {fold}: isruc has folds 0 to 9"):
        split_subjects(DATASETS["isruc"], fold)


@pytest.fixture
def folder(tmp_path):
    """Nights of sleepedf subjects 0, two of them, and 3; of another study; and something unfinished."""
    for name in ("SC4002E0", "SC4001E0", "SC4031E0", "ST7011J0"):
        (tmp_path / f"{name}.npz").touch()
    (tmp_path / ".partial-SC4011E0.npz").touch()
    return tmp_path


def test_missing_subjects_are_all_listed_with_the_way_on(folder):
    with pytest.raises(InputError) as error:
        prepared_nights(DATASETS["sleepedf"], folder, range(20))
    others = ", ".join(str(subject) for subject in range(20) if subject not in (0, 3))
    assert f"{folder}: no night of sleepedf subjects {others};" in str(error.value)
    assert "--skip_missing" in str(error.value)


def test_missing_subjects_can_be_skipped(folder):
    found = prepared_nights(DATASETS["sleepedf"], folder, (3, 1, 0), skip_missing=True)
    assert {subject: [path.name for path in paths] for subject, paths in found.items()} == {
        3: ["SC4031E0.npz"],
        1: [],
        0: ["SC4001E0.npz", "SC4002E0.npz"],
    }


@pytest.mark.parametrize("skip_missing", [False, True])
def test_a_folder_without_nights_names_the_script_that_makes_them(tmp_path, skip_missing):
    with pytest.raises(InputError, match=r"no night of sleepedfx subjects 0, 1; .*prepare_sleepedf\.py$"):
        prepared_nights(DATASETS["sleepedfx"], tmp_path, (0, 1), skip_missing)


def test_a_complete_folder_is_found_whole(tmp_path):
    for subject in DATASETS["ucddb"].subjects:
        (tmp_path / f"ucddb{subject:03d}.npz").touch()
    found = prepared_nights(DATASETS["ucddb"], tmp_path, DATASETS["ucddb"].subjects)
    assert [path.name for paths in found.values() for path in paths] == sorted(p.name for p in tmp_path.iterdir())
