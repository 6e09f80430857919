"""A data set that describes itself: dataset.json, and folds that are dealt once."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from folds.dealing import dealt
from folds.split import prepared_nights, split_subjects
from recordings.dataset_file import (
    FILE,
    Description,
    OwnNight,
    Subject,
    check_name,
    find_dataset,
    load_description,
    save_description,
    with_nights,
)
from recordings.datasets import DATASETS

EMPTY = Description("own", {"select_ch": "C4"}, 100.0, "none")


def night(name: str) -> OwnNight:
    return OwnNight(name, "1", 10, "C4-M1", 256.0, f"{name}.edf", f"{name}.txt")


def of_subjects(*names: str, before: Description = EMPTY, **columns: str) -> Description:
    return with_nights(before, {name: ({**columns}, [night(f"{name}_n1"), night(f"{name}_n2")]) for name in names})


def named(n: int) -> list[str]:
    return [f"P{i}" for i in range(n)]


@settings(deadline=None)
@given(st.integers(3, 40), st.data())
def test_every_fold_has_somebody_for_every_part_and_everybody_is_tested_once(n_subjects, data):
    n_folds = data.draw(st.none() | st.integers(3, n_subjects))
    dataset = dealt(of_subjects(*named(n_subjects)), n_folds).dataset()
    assert dataset.n_folds == (n_folds or min(n_subjects, 10))
    tested: list[int] = []
    for fold in range(dataset.n_folds):
        split = split_subjects(dataset, fold)
        assert split.train and split.valid and split.test
        assert sorted((*split.train, *split.valid, *split.test)) == list(range(n_subjects))
        tested += split.test
    assert sorted(tested) == list(range(n_subjects))
    sizes = [len(split_subjects(dataset, fold).test) for fold in range(dataset.n_folds)]
    assert max(sizes) - min(sizes) <= 1


def test_folds_do_not_depend_on_a_seed_of_training():
    dataset = dealt(of_subjects(*named(8))).dataset()
    assert split_subjects(dataset, 3, seed=1) == split_subjects(dataset, 3, seed=2)
    with pytest.raises(InputError, match="own has folds 0 to 7"):
        split_subjects(dataset, 8)


@given(st.integers(3, 20), st.integers(1, 20))
@settings(deadline=None)
def test_folds_stay_when_subjects_and_nights_are_added(n_before, n_added):
    before = dealt(of_subjects(*named(n_before)))
    more = with_nights(before, {"P0": ({}, [night("P0_n3")])})
    after = dealt(of_subjects(*named(n_before + n_added), before=more))
    assert after.n_folds == before.n_folds
    for old, new in zip(before.subjects, after.subjects, strict=False):
        assert (old.name, old.number, old.fold) == (new.name, new.number, new.fold)
    assert [one.name for one in after.subjects[0].nights] == ["P0_n1", "P0_n2", "P0_n3"]
    sizes = [sum(one.fold == fold for one in after.subjects) for fold in range(after.n_folds)]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(3, 15), st.integers(1, 15))
@settings(deadline=None)
def test_a_stratum_is_spread_over_all_folds(n_patients, n_controls):
    patients = of_subjects(*named(n_patients), group="patient")
    all_ = of_subjects(*(f"C{i}" for i in range(n_controls)), before=patients, group="control")
    found = dealt(all_, 3, "group")
    for group in ("patient", "control"):
        counts = [
            sum(one.fold == fold and one.columns["group"] == group for one in found.subjects) for fold in range(3)
        ]
        assert max(counts) - min(counts) <= 1
    assert dealt(found) == found  # the column is kept


def test_the_folds_that_are_dealt_are_those_of_before():
    # from commit af4694e, which counted everybody anew for each subject
    described = of_subjects(*named(7), group="patient")
    described = of_subjects(*(f"C{i}" for i in range(5)), before=described, group="control")
    assert [one.fold for one in dealt(described, 4).subjects] == [0, 2, 3, 1, 0, 2, 2, 1, 3, 3, 1, 0]
    assert [one.fold for one in dealt(described, 4, "group").subjects] == [0, 1, 2, 1, 0, 3, 2, 1, 3, 3, 2, 0]


def test_many_nights_take_no_more_than_so_many_times_one(tmp_path):
    # Dealing, cutting a fold and asking whose a night is each took a look at everybody for everybody: 16 s.
    count = 15_000
    subjects = tuple(Subject(f"P{i}", i, nights=(night(f"P{i}"),)) for i in range(count))
    started = time.process_time()
    described = dealt(replace(EMPTY, subjects=subjects))
    dataset = described.dataset()
    assert [dataset.subject_of(f"P{i}") for i in range(count)] == list(range(count))
    assert sum(len(split_subjects(dataset, fold).test) for fold in range(10)) == count
    assert time.process_time() - started < 8  # it took 0.2 s
    save_description(tmp_path, described)
    assert load_description(tmp_path) == described


def test_other_folds_are_dealt_anew_and_nonsense_is_refused():
    six = dealt(of_subjects(*named(6)))
    assert dealt(six, 3).n_folds == 3
    for n_folds in (2, 7):
        with pytest.raises(InputError, match=f"--n_folds {n_folds}: must be from 3 to 6"):
            dealt(six, n_folds)
    with pytest.raises(InputError, match=r"--stratify site: subject P0 has no such column \(there are: none\)"):
        dealt(six, None, "site")
    two = dealt(of_subjects("A", "B"))
    assert two.n_folds == 0 and two.subjects[0].fold is None
    with pytest.raises(InputError, match="--n_folds 3: there are 2 subjects; folds need 3"):
        dealt(two, 3)
    assert dealt(of_subjects("C", before=two)).n_folds == 3


def test_a_night_never_changes_its_subject():
    with pytest.raises(InputError, match="night P0_n1 is of subject X now, and was of P0"):
        with_nights(of_subjects("P0"), {"X": ({}, [night("P0_n1")])})


# ---- the file ----


def test_what_is_written_is_read_back(tmp_path):
    description = dealt(of_subjects(*named(4), group="a"), 3, "group")
    save_description(tmp_path, description)
    assert load_description(tmp_path) == description
    assert load_description(tmp_path / "none") is None


def spoilt(description: Description, change) -> str:
    content = {"form": 1, **json.loads(json.dumps(description, default=vars))}
    change(content)
    return json.dumps(content)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content.update(form=2),
        lambda content: content.pop("subjects"),
        lambda content: content.update(n_folds=4),
        lambda content: content.update(n_folds=0),
        lambda content: content["subjects"][0].update(number=1),
        lambda content: content["subjects"][0].update(name="P1"),
        lambda content: content["subjects"][0].update(fold=7),
        lambda content: content["subjects"][0].update(age=7),
        lambda content: content["subjects"][0]["nights"][0].update(name="P1_n1"),
        lambda content: content["subjects"][0]["nights"][0].update(name="../../P1"),
    ],
)
def test_a_description_that_cannot_be_is_refused(tmp_path, change):
    (tmp_path / FILE).write_text(spoilt(dealt(of_subjects(*named(3))), change))
    with pytest.raises(InputError, match=r"dataset.json: not the description of .*; prepare the data set again"):
        load_description(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", "7"])
def test_a_damaged_description_is_refused(tmp_path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=r"dataset.json: not "):
        load_description(tmp_path)


# ---- --db NAME ----


def test_a_name_is_a_published_data_set_or_one_below_the_data_folder(tmp_path):
    assert find_dataset("isruc", tmp_path) is DATASETS["isruc"]
    (tmp_path / "own").mkdir()
    save_description(tmp_path / "own", dealt(of_subjects(*named(3))))
    dataset = find_dataset("own", tmp_path)
    assert (dataset.name, dataset.subjects, dataset.n_folds, dataset.channel) == ("own", (0, 1, 2), 3, "C4-M1")
    assert [dataset.subject_of(name) for name in ("P0_n1", "P2_n2", "P3_n1")] == [0, 2, None]
    with pytest.raises(InputError, match=r"--db other: no such data set; there are sleepedf, .*there is no "):
        find_dataset("other", tmp_path)
    save_description(tmp_path / "own", dealt(of_subjects("A")))
    with pytest.raises(InputError, match=r"--db own: has 1 subjects in its folds; folds need 3"):
        find_dataset("own", tmp_path)
    (tmp_path / "own" / FILE).unlink()
    np.savez(tmp_path / "own" / "a.npz", x=np.zeros((1, 1)))
    with pytest.raises(InputError, match=r"has prepared nights, but no dataset.json; write it with: .*--data_dir"):
        find_dataset("own", tmp_path)


def test_prepared_nights_are_those_of_the_description(tmp_path):
    dataset = dealt(of_subjects(*named(3))).dataset()
    for name in ("P0_n1", "P0_n2", "P1_n1", "stray"):
        (tmp_path / f"{name}.npz").touch()
    found = prepared_nights(dataset, tmp_path, [0, 1, 2], skip_missing=True)
    assert {one: [path.stem for path in paths] for one, paths in found.items()} == {
        0: ["P0_n1", "P0_n2"],
        1: ["P1_n1"],
        2: [],
    }
    with pytest.raises(InputError, match=r"no night of own subjects 2; prepare them with prepare.py --db own"):
        prepared_nights(dataset, tmp_path, [0, 1, 2])


@pytest.mark.parametrize("name", ["isruc", "isurc", "a/b", "", "..", "-x", "a b"])
def test_a_name_that_no_folder_should_have_is_refused(name):
    with pytest.raises(InputError, match=f"--db {name}: "):
        check_name(name)
