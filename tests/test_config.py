"""Settings: their published values, what they refuse, and that each is an option that reaches the run."""

import argparse
import dataclasses
import math
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import config
from command import InputError
from config import Settings

# Origin: the settings of the published program and the values in its published graphs.
PUBLISHED = {
    "pretrain_epochs": 10,
    "n_epochs": 100,
    "learning_rate": 1e-4,
    "clip_grad_value": 5.0,
    "seq_length": 20,
    "batch_size": 15,
    "class_weights": (1, 1.5, 1, 1, 1),
    "l2_weight_decay": 1e-3,
    "rec_weight": 1e-5,
    "seed": 42,
    "sampling_rate": 100,
    "input_size": 3000,
    "n_rnn_layers": 1,
    "n_rnn_units": 128,
}
OURS = {
    "recipe": "published",
    "dropout": (0.5, 0.5, 0.5),
    "normalise": False,
    "weight_decay": 0.0,
    "warm_up": 0.0,
    "cosine": False,
    "weight_average": 0.0,
    "keep_first": 0.0,
    "freeze": False,
    "bidirectional": False,
    "random_start": False,
    "augment_polarity": 0.0,
    "augment_gain": 0.0,
    "augment_shift": 0.0,
    "augment_band": 0.0,
    "high_pass": 0.0,
    "amplitude": (0.0,),
    "pretrain_on": ("train",),
    "patience": 0,
    "pack_nights": False,
}  # where we differ on purpose

NAMES = [field.name for field in fields(Settings)]
ANOTHER = {  # a valid value of each setting that is not its default
    "dropout": (0.1, 0.2, 0.3),
    "normalise": True,
    "weight_decay": 0.05,
    "warm_up": 1.0,
    "cosine": True,
    "weight_average": 0.99,
    "keep_first": 0.25,
    "freeze": True,
    "random_start": True,
    "augment_polarity": 0.5,
    "augment_gain": 0.1,
    "augment_shift": 2.0,
    "augment_band": 0.2,
    "pretrain_epochs": 0,
    "n_epochs": 7,
    "learning_rate": 0.5,
    "clip_grad_value": 1.0,
    "seq_length": 10,
    "batch_size": 3,
    "class_weights": (1.0, 2.0, 3.0, 4.0, 0.5),
    "l2_weight_decay": 0.0,
    "rec_weight": 0.0,
    "pretrain_on": ("train", "valid", "test"),
    "patience": 5,
    "pack_nights": True,
    "seed": 0,
    "sampling_rate": 128,
    "input_size": 500,
    "n_rnn_layers": 2,
    "n_rnn_units": 64,
    "bidirectional": True,
    "high_pass": 0.2,
    "amplitude": (7.0, 9.0),
}


def parsed(*argv: str) -> Settings:
    parser = argparse.ArgumentParser()
    config.add_settings_options(parser)
    return config.settings_from(parser.parse_args(argv))


# ---- values ----


def test_defaults_are_the_published_values():
    assert dataclasses.asdict(Settings()) == PUBLISHED | OURS


def test_settings_cannot_change_under_a_run():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().n_epochs = 3


SWITCHES = [name for name in NAMES if isinstance(getattr(Settings(), name), bool)]
WRONG = ["many", None, -1, math.nan, math.inf, (), [1.0]]


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in NAMES for value in [*WRONG, 1 if name in SWITCHES else True]],
)
def test_a_wrong_value_is_refused_by_its_setting_s_name(name, value):
    with pytest.raises(InputError, match=rf"^{name} is .*; it must be "):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("n_epochs", 0, "n_epochs is 0; it must be a whole number at least 1"),
        ("n_epochs", 1.0, "n_epochs is 1.0; it must be a whole number at least 1"),
        ("learning_rate", 0, "learning_rate is 0; it must be a number from 1e-12 to 1"),
        ("learning_rate", 1.1, "learning_rate is 1.1; it must be a number from 1e-12 to 1"),
        ("seed", 2**31, "seed is 2147483648; it must be a whole number from 0 to 2.14748e+09"),
        ("class_weights", (1, 1), "class_weights has 2 values; it needs 5, one for each stage"),
        (
            "class_weights",
            (1, 1, -1, 1, 1),
            "class_weights is (1, 1, -1, 1, 1); it must be numbers, each at least 0",
        ),
        ("pretrain_on", ("train", "train"), "pretrain_on is ('train', 'train'); name each once"),
        ("pretrain_on", ("all",), "pretrain_on is ('all',); it must be one or more of train, valid, test"),
        ("pretrain_on", "train", "pretrain_on is 'train'; it must be a tuple of one or more of train, valid, test"),
    ],
)
def test_errors_say_what_may_stand_there(name, value, says):
    with pytest.raises(InputError) as error:
        Settings(**{name: value})
    assert str(error.value) == says


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_epochs", 1),
        ("learning_rate", 1),
        ("learning_rate", 1e-12),
        ("seed", 2**31 - 1),
        ("seed", 0),
        ("patience", 0),
        ("class_weights", (0, 0, 0, 0, 1)),
        ("pretrain_on", ("train", "valid", "test")),
    ],
)
def test_limits_themselves_are_allowed(name, value):
    assert getattr(Settings(**{name: value}), name) == value


# ---- options ----


def test_every_setting_is_an_option():
    parser = argparse.ArgumentParser()
    config.add_settings_options(parser)
    page = parser.format_help()
    for name in NAMES:
        assert f"--{name} " in page or f"--{name}, --no-{name}" in page


# The recipe is the one setting that moves others.
@pytest.mark.parametrize("name", [name for name in NAMES if name != "recipe"])
def test_every_option_reaches_its_setting_and_no_other(name):
    value = ANOTHER[name]
    typed = [] if value is True else [str(one) for one in (value if isinstance(value, tuple) else (value,))]
    assert parsed(f"--{name}", *typed) == dataclasses.replace(Settings(), **{name: value})
    assert value != getattr(Settings(), name)


@pytest.mark.parametrize("name", ["robust", "finetune"])
def test_a_recipe_brings_its_values(name):
    values = config.RECIPES[name]
    assert values.keys() <= set(NAMES)
    assert parsed("--recipe", name) == Settings(recipe=name, **values) != Settings(recipe=name)


def test_what_is_typed_wins_over_a_recipe():
    robust = parsed("--recipe", "robust")
    typed = parsed("--recipe", "robust", "--learning_rate", "0.5", "--no-normalise")
    assert typed == dataclasses.replace(robust, learning_rate=0.5, normalise=False)


def test_a_recipe_in_config_py_brings_its_values_too(monkeypatch):
    monkeypatch.setattr(Settings, "recipe", "robust")
    assert config.settings_of({}).learning_rate == config.ROBUST["learning_rate"]
    assert config.settings_of({"recipe": "published"}).learning_rate == 1e-4


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_can_be_turned_off(name):
    assert getattr(parsed(f"--{name}", f"--no-{name}"), name) is False


def test_no_option_leaves_config_py():
    assert parsed() == Settings()


@settings(deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=5, max_size=5))
def test_class_weights_are_read_as_written(weights):
    assert parsed("--class_weights", *map(repr, weights)).class_weights == tuple(weights)


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["--n_epochs", "ten"], "argument --n_epochs: invalid int value: 'ten'"),
        (["--n_epochs", "2.5"], "argument --n_epochs: invalid int value: '2.5'"),
        (["--class_weights", "1", "x"], "argument --class_weights: invalid float value: 'x'"),
        (["--class_weights"], "argument --class_weights: expected at least one argument"),
    ],
)
def test_an_option_of_the_wrong_type_is_refused_by_name(argv, says, capsys):
    with pytest.raises(SystemExit) as stop:
        parsed(*argv)
    assert stop.value.code == 2
    assert says in capsys.readouterr().err


def test_an_option_outside_its_limits_is_refused_by_name():
    with pytest.raises(InputError, match=r"^n_epochs is 0"):
        parsed("--n_epochs", "0")
    with pytest.raises(InputError, match=r"^class_weights has 4 values"):
        parsed("--class_weights", "1", "1", "1", "1")


@pytest.mark.parametrize(
    ("value", "edited", "says"),
    [
        (
            '"training passes"] = 100',
            '"training passes"] = "100"',
            "n_epochs is '100'; it must be a whole number at least 1",
        ),
        ("= (1.0, 1.5, 1.0, 1.0, 1.0)", "= 1.0", "class_weights is 1.0; it must be a tuple of numbers"),
        ("= (1.0, 1.5, 1.0, 1.0, 1.0)", "= [1.0, 2.0]", "class_weights has 2 values; it needs 5"),
        ("= 5.0", "= 0", "clip_grad_value is 0; it must be a number at least 1e-12"),
    ],
)
def test_a_mistake_in_config_py_is_one_line(tmp_path, value, edited, says):
    """trainer.py, beside a config.py that somebody edited."""
    folder = Path(config.__file__).parent
    for path in folder.glob("*.py"):
        shutil.copy(path, tmp_path)
    for package in folder.glob("*/__init__.py"):
        name = package.parent.name
        shutil.copytree(package.parent, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    source = (tmp_path / "config.py").read_text(encoding="utf-8")
    assert value in source
    (tmp_path / "config.py").write_text(source.replace(value, edited, 1), encoding="utf-8")
    command = [sys.executable, tmp_path / "trainer.py", "--db", "sleepedf", "--from_fold", "0", "--to_fold", "0"]
    program = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert program.returncode == 2
    assert program.stderr.startswith(f"trainer.py: error: {says}") and program.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"amplitude": (9.0, 7.0)}, "it must be one value, or the lowest and the highest"),
        ({"amplitude": (1.0, 2.0, 3.0)}, "it must be one value, or the lowest and the highest"),
        ({"high_pass": 0.2, "input_size": 500}, "set high_pass to 0"),
        ({"high_pass": 0.2, "sampling_rate": 128}, "set high_pass to 0"),
        ({"amplitude": (0.0, 9.0)}, "it must be one value, or the lowest and the highest above 0"),
        ({"amplitude": (8.0,), "sampling_rate": 200, "input_size": 6000}, "are for 100 Hz"),
        ({"amplitude": (8.0,), "input_size": 250}, "whole pieces of 5 s"),
        ({"dropout": (0.5, 0.5)}, "dropout has 2 values; it needs 3"),
    ],
)
def test_conditioning_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        Settings(**settings)
