"""Staged recordings that no network has seen: what they hold is written down here."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from config import Settings
from folds.checkpoint import NPZ, Best, Fold
from folds.run import Run
from recordings.spectrum import SPECTRUM_HZ
from scoring import metrics
from scoring.scorer import ScoredNight
from scoring.staged import StagedChannel, StagedNight
from scoring.test_nights import TestNight

N_EPOCHS = 200
STAGES = np.repeat([0, 1, 2, 3, 2, 4, 0], [30, 10, 50, 40, 20, 40, 10])


def a_fold(number: int) -> Fold:
    """Return a fold of sleepedf without weights, kept at step 100 + number."""
    run = Run("sleepedf", number, Settings(), {"train": (1,), "valid": (2,), "test": (0,)}, {}, ["EEG Fpz-Cz"], {})
    return Fold(run, Best({}, 100 + number, number), Path("output/sleepedf") / str(number), NPZ)


def staged_night(tmp_path: Path, **changes) -> ScoredNight:
    """Return a recording of 200 epochs: sure but for epochs 90 to 95, without a signal in 100 and 101."""
    rng = np.random.default_rng(0)
    probabilities = np.full((N_EPOCHS, 5), 0.04, np.float32)
    probabilities[np.arange(N_EPOCHS), STAGES] = 0.84
    probabilities[90:96] = probabilities[90:96] * 0.4 + 0.12
    probabilities[100:102] = np.nan
    power = rng.normal(0, 5, (N_EPOCHS, len(SPECTRUM_HZ))).astype(np.float32)
    power[100:102] = np.nan
    faults = {"no signal": np.isnan(probabilities[:, 0]), "clipped": np.arange(N_EPOCHS) == 7}
    channel = StagedChannel("C3-M2", "mV", 256.0, probabilities, power, faults, (), content="a hash")
    night = ScoredNight(
        name="night",
        path=tmp_path / "night.edf",
        format="EDF",
        start=datetime(2001, 2, 3, 23, 10, 30),
        channels=(channel,),
        probabilities=probabilities,
        lights_off=300.0,
        folds=(a_fold(0), a_fold(4)),
        warnings=("beware",),
        notices=("by the way",),
    )
    return replace(night, **changes)


def refused_night(tmp_path: Path, reason: str = "200 of 200 epochs are flat") -> ScoredNight:
    """Return a recording of 200 epochs whose only channel cannot be scored."""
    night = staged_night(tmp_path)
    nothing = np.full((N_EPOCHS, 5), np.nan, np.float32)
    faults = {name: np.ones(N_EPOCHS, bool) for name in ("flat", "no EEG")}
    power = np.full((N_EPOCHS, len(SPECTRUM_HZ)), np.nan, np.float32)
    channel = replace(night.channels[0], probabilities=nothing, power=power, faults=faults, reason=reason)
    return replace(night, channels=(channel,), probabilities=nothing)


def a_tested_night(name: str, subject: int, seed: int, *, n: int = 200) -> TestNight:
    """Return a test night of `n` epochs that expert and model staged by chance, tested in the fold of its subject."""
    random = np.random.default_rng(seed)
    expert = random.integers(0, 5, n).astype(np.int32)
    staged = StagedNight(name=name, probabilities=random.dirichlet(np.ones(5), n).astype(np.float32), expert=expert)
    return TestNight(staged, metrics.scores(expert, staged.stages), subject, fold=subject, seen=False)


def texts(svg: Path) -> list[str]:
    """Return all texts of a picture."""
    return [node.text or "" for node in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]
