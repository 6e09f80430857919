"""What a fold was trained with: the same when read back, and known to have seen whom it has seen."""

from __future__ import annotations

import dataclasses
import json

import pytest

from command import InputError
from config import Settings
from files.writing import save_json
from folds.folders import RUN
from folds.published import CONDITIONING
from folds.run import Origin, Run, check_same_run, flattened, load_run, save_run
from recordings.conditioning import Conditioning
from training.planning import conditioned_alike

NIGHTS = {"train": {"a": 3}, "valid": {"b": 2}, "test": {"c": 1}}
SUBJECTS = {"train": (1,), "valid": (2,), "test": (0,)}


def run(**settings):
    return Run("sleepedf", 0, Settings(**settings), SUBJECTS, NIGHTS, ["EEG Fpz-Cz"], {"python": "3"})


def test_run_reads_back(tmp_path):
    save_run(tmp_path, run(n_epochs=7, class_weights=(1.0, 2.0, 3.0, 4.0, 5.0)))
    read = load_run(tmp_path)
    assert read.settings == Settings(n_epochs=7, class_weights=(1.0, 2.0, 3.0, 4.0, 5.0))
    assert read.as_json() == run(n_epochs=7, class_weights=(1.0, 2.0, 3.0, 4.0, 5.0)).as_json()
    assert read.seed == 42


def test_same_run_may_have_other_versions(tmp_path):
    save_run(tmp_path, run())
    newer = Run("sleepedf", 0, Settings(), SUBJECTS, NIGHTS, ["EEG Fpz-Cz"], {"python": "4"})
    check_same_run(tmp_path, newer)


# ---- whom it has seen ----

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
        (trained_on("ours"), "SC4011E0", True),  # a data set that is not in recordings/datasets.py any more
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


def test_the_lineage_is_all_that_the_weights_have_learned():
    first = trained_on()
    second = started_from(first)
    third = started_from(second, "ucddb")
    assert list(third.lineage()) == [third, second, first]
    assert list(first.lineage()) == [first]


def test_only_test_nights_that_the_first_weights_have_seen_are_named():
    nights = {"train": {"SC4011E0": 3}, "test": {"SC4021E0": 3, "SC4001E0": 3}}
    assert trained_on(nights=nights, init_from=Origin("there", "0a", "npz", 3, trained_on())).seen_test_nights() == [
        "SC4021E0"
    ]
    assert trained_on(nights=nights).seen_test_nights() == []


# ---- first weights ----


def test_first_weights_read_back(tmp_path):
    tuned = started_from(started_from(trained_on()))
    save_run(tmp_path, tuned)
    assert load_run(tmp_path).as_json() == tuned.as_json()
    stored = json.loads((tmp_path / RUN).read_text())
    del stored["init_from"]
    save_json(tmp_path / RUN, stored)
    assert load_run(tmp_path).init_from is None, "folds of before there was such a thing are read"


def test_settings_that_there_once_were_are_read_over(tmp_path):
    stored = run().as_json()
    stored["settings"] |= {"n_classes": 5, "mixed_precision": True, "augment_tilt": 0.0, "augment_noise": 0.0}
    save_json(tmp_path / RUN, stored)
    assert load_run(tmp_path).settings == Settings()


def test_settings_that_there_once_were_are_refused_where_they_did_something(tmp_path):
    stored = run().as_json()
    stored["settings"]["augment_tilt"] = 0.1
    save_json(tmp_path / RUN, stored)
    with pytest.raises(InputError, match="no such setting: augment_tilt"):
        load_run(tmp_path)


# ---- another run, a damaged one ----


def test_other_settings_are_named_with_both_values(tmp_path):
    save_run(tmp_path, run())
    with pytest.raises(InputError, match=r"seq_length 20 \(now 4\), settings.batch_size 15 \(now 3\);"):
        check_same_run(tmp_path, run(batch_size=3, seq_length=4))


def test_other_first_weights_are_another_run_wherever_they_lie(tmp_path):
    source = trained_on()
    save_run(tmp_path, trained_on(init_from=Origin("here", "0a", "npz", 3, source)))
    check_same_run(tmp_path, trained_on(init_from=Origin("moved", "0a", "npz", 3, source)))
    with pytest.raises(InputError, match=r"init_from.folder here \(now moved\), init_from.sha256 0a \(now 0b\);"):
        check_same_run(tmp_path, trained_on(init_from=Origin("moved", "0b", "npz", 3, source)))
    with pytest.raises(InputError, match=r"init_from.folder here \(now None\)"):
        check_same_run(tmp_path, trained_on())


def test_names_of_nested_values_are_joined():
    assert flattened({"a": {"b": 1, "c": {"d": [2]}}, "e": None}) == {"a.b": 1, "a.c.d": [2], "e": None}


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
    (tmp_path / RUN).write_text(content)
    with pytest.raises(InputError, match=message):
        load_run(tmp_path)


# ---- conditioning ----


def stored(**changes):
    """Return the config.json of a fold of before there was conditioning, with some values changed."""
    content = run().as_json()
    del content["adapted"], content["settings"]["high_pass"], content["settings"]["amplitude"]
    return {**content, **changes}


def test_a_fold_of_before_there_was_conditioning_has_none_whatever_config_py_says(tmp_path, monkeypatch):
    monkeypatch.setattr(Settings.__init__, "__defaults__", tuple(conditioned_defaults()))
    assert Settings().amplitude == (8.0,), "the user has edited config.py"
    save_json(tmp_path / RUN, stored())
    assert load_run(tmp_path).conditioning == Conditioning()


def conditioned_defaults():
    changed = {"high_pass": 0.2, "amplitude": (8.0,)}
    return [changed.get(field.name, field.default) for field in dataclasses.fields(Settings)]


def test_a_published_fold_that_was_converted_before_is_conditioned_as_one_that_is_read_today(tmp_path):
    save_json(tmp_path / RUN, stored(versions={"tensorflow": "1"}))
    assert load_run(tmp_path).conditioning == CONDITIONING["sleepedf"]


WRONG_TYPES = {
    "fold": "one",
    "subjects": {"train": [1], "valid": "2", "test": [0]},
    "epochs": [1],
    "channels": "EEG",
    "versions": {"python": 3},
    "settings": [],
    "adapted": [1],
    "init_from": "x",
}


@pytest.mark.parametrize("name", WRONG_TYPES)
def test_a_value_of_another_type_is_named(tmp_path, name):
    (tmp_path / RUN).write_text(json.dumps({**run().as_json(), name: WRONG_TYPES[name]}))
    with pytest.raises(InputError, match=r"config\.json: not the config\.json of a fold \(.+\); train the fold again"):
        load_run(tmp_path)


# ---- what first weights hand on ----


@pytest.mark.parametrize(
    ("settings", "chosen", "wanted"),
    [
        (Settings(recipe="finetune"), (), (0.2, (9.0,))),
        (Settings(high_pass=0.1), ("high_pass",), (0.1, (9.0,))),
        (Settings(amplitude=(7.0, 9.0)), ("high_pass", "amplitude"), (0.0, (7.0, 9.0))),
        (Settings(input_size=500), (), (0.0, (0.0,))),  # no 0.2 Hz in epochs of 5 s
    ],
)
def test_conditioning_that_nobody_chose_is_that_of_the_first_weights(settings, chosen, wanted):
    adapted = Conditioning(0.2, (9.0, 9.0))  # trained on signals as they were recorded, as the weights in the box
    for first in (run(high_pass=0.2, amplitude=(9.0,)), dataclasses.replace(run(), adapted=adapted)):
        alike = conditioned_alike(settings, first, chosen)
        assert (alike.high_pass, alike.amplitude) == wanted
    other_unit = dataclasses.replace(run(), adapted=dataclasses.replace(adapted, scale=0.05))
    assert conditioned_alike(settings, other_unit, chosen) == settings
    assert (alike.high_pass, alike.amplitude) == wanted
    nothing = {"high_pass": 0.0, "amplitude": (0.0,)}
    assert dataclasses.replace(alike, **nothing) == dataclasses.replace(settings, **nothing)
