"""Every value that a user may change: edit the values behind `=`.

Each setting of `Settings` is also an option of trainer.py, and what is given there wins over this file. Names and
values are those of the published program; what a value means, and where it may lie, stands beside it.
"""

from __future__ import annotations

import argparse
import math
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Annotated, Any

from command import InputError
from sleepstage import EPOCH_SECONDS, STAGES

DATA_DIR = "./data"  # prepared nights: one folder a data set
OUTPUT_DIR = "./output"  # what trainer.py writes: one folder a data set, one a fold
PRETRAINED_DIR = "./pretrained_model"  # what predict.py scores when no --dir is given

DROPOUTS = 3  # places in the network where values are dropped


@dataclass(frozen=True)
class Limits:
    """Where a number may lie, both ends included."""

    low: float
    high: float = math.inf

    def __str__(self) -> str:
        return f"at least {self.low:g}" if math.isinf(self.high) else f"from {self.low:g} to {self.high:g}"


class ListsAsTuples:
    """Takes a list behind `=` for the tuple that it stands for."""

    def __init_subclass__(cls) -> None:
        for name, value in list(vars(cls).items()):
            if isinstance(value, list):
                setattr(cls, name, tuple(value))


@dataclass(frozen=True)
class Settings(ListsAsTuples):
    """The settings of a run, under their published names; the values are those of the published recipe.

    Raises:
        InputError: a value has the wrong type or lies outside its limits; the message names the setting.
    """

    # Training
    recipe: Annotated[str, ("published", "robust", "finetune"), "how to train; the others' values are in RECIPES"] = (
        "published"
    )
    pretrain_epochs: Annotated[int, Limits(0), "passes of reconstruction pre-training"] = 10
    n_epochs: Annotated[int, Limits(1), "training passes"] = 100
    learning_rate: Annotated[float, Limits(1e-12, 1), "step size of Adam"] = 1e-4
    clip_grad_value: Annotated[float, Limits(1e-12), "gradients are clipped at this global norm"] = 5.0
    seq_length: Annotated[int, Limits(1), "epochs of a night in one chunk"] = 20
    batch_size: Annotated[int, Limits(1), "nights side by side in one batch"] = 15
    class_weights: Annotated[tuple[float, ...], Limits(0), "loss weights of W N1 N2 N3 REM"] = (1.0, 1.5, 1.0, 1.0, 1.0)
    l2_weight_decay: Annotated[float, Limits(0), "weight of the L2 loss"] = 1e-3
    rec_weight: Annotated[float, Limits(0), "weight of the reconstruction loss"] = 1e-5
    pretrain_on: Annotated[tuple[str, ...], ("train", "valid", "test"), "nights that pre-training sees"] = ("train",)
    pack_nights: Annotated[bool, (False, True), "let each lane of a batch go on with its next night by itself"] = False
    patience: Annotated[int, Limits(0), "stop after so many passes without a better checkpoint; 0: never"] = 0
    seed: Annotated[int, Limits(0, 2**31 - 1), "seed of fold 0; fold k has seed + k"] = 42

    # Training, beyond the published program
    dropout: Annotated[tuple[float, ...], Limits(0, 0.95), "share dropped: of conv 1, of features, of the LSTM"] = (
        0.5,
        0.5,
        0.5,
    )
    normalise: Annotated[bool, (False, True), "normalise by each batch; folded into the weights that are kept"] = False
    weight_decay: Annotated[float, Limits(0, 1), "decoupled weight decay (AdamW)"] = 0.0
    warm_up: Annotated[float, Limits(0), "passes over which the step size rises to learning_rate"] = 0.0
    cosine: Annotated[bool, (False, True), "let the step size fall to 0 over the passes, as a cosine"] = False
    weight_average: Annotated[float, Limits(0, 0.99999), "keep a moving average of the weights, with this decay"] = 0.0
    keep_first: Annotated[float, Limits(0, 1), "share of the first weights in those that are kept (--init_from)"] = 0.0
    freeze: Annotated[bool, (False, True), "train the LSTM and what follows; the convolutions stay"] = False
    random_start: Annotated[bool, (False, True), "cut each night into chunks from another epoch on each pass"] = False

    # Augmentation: what is done to the signal of each night of a training pass, anew at each pass
    augment_polarity: Annotated[float, Limits(0, 1), "share of nights that are turned upside down"] = 0.0
    augment_gain: Annotated[float, Limits(0, 2), "standard deviation of the gain's natural logarithm"] = 0.0
    augment_shift: Annotated[float, Limits(0, 15), "seconds by which the borders of epochs move, at most"] = 0.0
    augment_band: Annotated[float, Limits(0, 1), "share of nights with a high-pass, and with a low-pass"] = 0.0

    # Network
    sampling_rate: Annotated[int, Limits(16), "Hz"] = 100
    input_size: Annotated[int, Limits(50), "samples of an epoch"] = 3000
    n_rnn_layers: Annotated[int, Limits(1), "LSTM layers"] = 1
    n_rnn_units: Annotated[int, Limits(1), "units of an LSTM layer"] = 128
    bidirectional: Annotated[bool, (False, True), "another LSTM reads each night backwards; never for streams"] = False

    # Conditioning: what is done to every signal before the network sees it
    high_pass: Annotated[float, Limits(0, 0.5), "high-pass in Hz, zero-phase; 0: none"] = 0.0
    amplitude: Annotated[tuple[float, ...], Limits(0), "µV to which a night is brought: one, or a range; 0: none"] = (
        0.0,
    )

    def __post_init__(self) -> None:
        for setting in described(type(self)):
            setting.check(getattr(self, setting.name))
        self.check_conditioning()
        if len(self.dropout) != DROPOUTS:
            raise InputError(f"dropout has {len(self.dropout)} values; it needs {DROPOUTS}: conv 1, features, LSTM")
        if len(self.class_weights) != len(STAGES):
            raise InputError(
                f"class_weights has {len(self.class_weights)} values; it needs {len(STAGES)}, one for each stage"
            )

    def check_conditioning(self) -> None:
        """Raise InputError for a high-pass or an amplitude that the epochs do not allow."""
        ordered = all(0 < low <= high for low, high in pairwise(self.amplitude))
        if len(self.amplitude) > 2 or not ordered:
            raise InputError(
                f"amplitude is {self.amplitude!r}; it must be one value, or the lowest and the highest above 0"
            )
        if self.high_pass and self.input_size != EPOCH_SECONDS * self.sampling_rate:
            raise InputError(
                f"high_pass is {self.high_pass!r} with input_size {self.input_size}; only whole epochs of "
                f"{EPOCH_SECONDS} s follow each other, as a high-pass needs: set high_pass to 0"
            )
        if (self.high_pass or any(self.amplitude)) and (self.sampling_rate != 100 or self.input_size % 500):
            raise InputError(
                f"high_pass and amplitude are for 100 Hz and whole pieces of 5 s, not for {self.input_size} samples at "
                f"{self.sampling_rate} Hz: set both to 0"
            )


# The robust recipe: what `recipe = "robust"` puts in the place of the values above. What is given to trainer.py wins.
ROBUST: dict[str, Any] = {
    "pretrain_epochs": 0,
    "n_epochs": 30,
    "learning_rate": 1e-3,
    "batch_size": 6,
    "pack_nights": True,
    "l2_weight_decay": 0.0,
    "dropout": (0.2, 0.4, 0.4),
    "normalise": True,
    "weight_decay": 0.05,
    "warm_up": 1.0,
    "cosine": True,
    "weight_average": 0.995,
    "random_start": True,
    "augment_polarity": 0.5,
    "augment_gain": 0.1,
    "augment_shift": 2.0,
    "high_pass": 0.2,
    "amplitude": (9.0,),
}

# Few nights and weights that are good already (--init_from pretrained_model): a few careful passes. High-pass and
# amplitude are those of the weights.
FINETUNE: dict[str, Any] = {
    "pretrain_epochs": 0,
    "n_epochs": 6,
    "learning_rate": 3e-4,
    "batch_size": 2,
    "pack_nights": True,
    "freeze": True,
}

RECIPES: dict[str, dict[str, Any]] = {"published": {}, "robust": ROBUST, "finetune": FINETUNE}

# ---- nothing to edit below: how the values above are checked and become options ----

AUGMENTATIONS = tuple(field.name for field in fields(Settings) if field.name.startswith("augment_"))


@dataclass(frozen=True)
class Setting:
    """One setting: its name, the type of its value (of each, if it has several), limits or choices, meaning."""

    name: str
    type: type
    several: bool
    allowed: Limits | tuple[Any, ...]
    meaning: str
    default: Any

    def check(self, value: Any) -> None:
        """Raise InputError unless `value` has the setting's type and lies within its limits."""
        if self.several and (not isinstance(value, tuple) or not value):
            raise InputError(f"{self.name} is {value!r}; it must be a tuple of {self.wanted()}")
        for one in value if self.several else (value,):
            if not self.accepts(one):
                raise InputError(f"{self.name} is {value!r}; it must be {self.wanted()}")
        if self.several and isinstance(self.allowed, tuple) and len(set(value)) < len(value):
            raise InputError(f"{self.name} is {value!r}; name each once")

    def accepts(self, value: Any) -> bool:
        if isinstance(self.allowed, tuple):
            return isinstance(value, self.type) and value in self.allowed
        number = isinstance(value, int) if self.type is int else isinstance(value, (int, float))
        # Comparing leaves out nan; a whole number too large for a float compares all the same.
        in_limits = number and self.allowed.low <= value <= self.allowed.high and value != math.inf
        return in_limits and not isinstance(value, bool)

    def wanted(self) -> str:
        if isinstance(self.allowed, tuple):
            return ("one or more of " if self.several else "") + ", ".join(map(str, self.allowed))
        kind = "a whole number" if self.type is int else "a number"
        return f"numbers, each {self.allowed}" if self.several else f"{kind} {self.allowed}"


def described(settings: type) -> Iterator[Setting]:
    """Yield what the annotations of a settings class say of each of its fields."""
    hints = typing.get_type_hints(settings, include_extras=True)
    for field in fields(settings):
        kind, allowed, meaning = typing.get_args(hints[field.name])
        several = typing.get_origin(kind) is tuple
        yield Setting(
            field.name, typing.get_args(kind)[0] if several else kind, several, allowed, meaning, field.default
        )


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Give `parser` one option for each setting; an option that is not given leaves config.py's value.

    Raises:
        InputError: a value in config.py is not allowed.
    """
    Settings()
    group = parser.add_argument_group("settings (defaults from config.py)")
    for setting in described(Settings):
        form: dict[str, Any] = {"type": setting.type, "metavar": setting.type.__name__.upper()}
        if setting.several:
            form["nargs"] = "+"
        if setting.type is bool:
            form = {"action": argparse.BooleanOptionalAction}
        default = " ".join(map(str, setting.default)) if setting.several else setting.default
        help_text = f"{setting.meaning} (default {default})"
        group.add_argument(f"--{setting.name}", default=argparse.SUPPRESS, help=help_text, **form)


def settings_from(options: argparse.Namespace) -> Settings:
    """Return config.py's settings with what was given on the command line in their place."""
    names = {field.name for field in fields(Settings)}
    return settings_of({name: value for name, value in vars(options).items() if name in names})


def settings_of(values: Mapping[str, Any]) -> Settings:
    """Return config.py's settings, with those of the recipe and then `values` in their place; lists stand for tuples.

    Raises:
        InputError: a value is not allowed.
        TypeError: there is no such setting.
    """
    recipe = RECIPES.get(values.get("recipe", Settings.recipe), {})  # Settings refuses another name
    given = {**recipe, **values}
    known: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    return Settings(**known)
