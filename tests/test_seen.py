"""Which folds have learned from a recording's subject, whatever the recording is called."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from config import Settings
from folds.checkpoint import Fold
from folds.run import Run
from folds.seen import folds_that_saw
from recordings.channels import Channel
from recordings.fingerprints import fingerprint
from recordings.opening import one_channel, open_array


def fold(db, nights, persons=()):
    epochs = {"train": dict.fromkeys(nights, 3), "valid": {}, "test": {}}
    run = Run(db, 0, Settings(), {"train": (), "valid": (), "test": ()}, epochs, [], {}, persons=dict(persons))
    return Fold.__new__(Fold), run


def folds_of(*runs):
    made = []
    for empty, run in runs:
        object.__setattr__(empty, "run", run)
        made.append(empty)
    return made


def recording(name):
    return replace(open_array(np.zeros(3000, np.float32), 100.0, name=Path(name).stem), path=Path(name))


SLEEPEDF = ("sleepedf", ["SC4001E0"])
OWN = ("own", ["P01_n1", "P02"], {"P01_n1": "P01", "P02": "P02"})


@pytest.mark.parametrize(
    "name",
    [
        "SC4001E0-PSG.edf",
        "SC4002E0-PSG.edf",
        "sc4002e0-psg.edf",
        "sc4002e0.rec",
        "SC4002E0.edf",
        "SC4001E0-PSG (1).edf",
    ],
)
def test_a_night_of_sleepedf_is_known_by_every_name_it_goes_by(name):
    folds = folds_of(fold(*SLEEPEDF), fold("sleepedf", ["SC4011E0"]))
    assert folds_that_saw(folds, recording(name)) == folds[:1]


@pytest.mark.parametrize("name", ["P01_n1.edf", "p01_N1.fif", "P01_night2.edf", "p01-session3.bdf", "p02.edf"])
def test_a_person_of_one_s_own_data_set_is_known_in_any_case_and_by_another_night(name):
    folds = folds_of(fold(*OWN), fold("own", ["P03"], {"P03": "P03"}))
    assert folds_that_saw(folds, recording(name)) == folds[:1]


def test_whose_it_is_is_told_by_others_too():
    folds = folds_of(fold("own", ["sub-1"], {"sub-1": "89"}))
    assert folds_that_saw(folds, recording("sub-2.edf")) == []
    assert folds_that_saw(folds, recording("sub-2.edf"), subject="89") == folds


def test_folds_of_old_know_nights_alone():
    folds = folds_of(fold("own", ["P01_n1"]))
    assert folds_that_saw(folds, recording("P01_n1.edf")) == folds
    assert folds_that_saw(folds, recording("P01_n2.edf")) == []


# ---- by the signal ----


def eeg(seed):
    return np.random.default_rng(seed).normal(0, 20, 40 * 3000).astype(np.float32)


def scored(samples):
    opened = open_array(samples, 100.0, "C4-M1", "stranger")
    return opened, one_channel(opened, Channel("C4-M1", 0))


@pytest.mark.parametrize("disguised", [eeg(0), -3 * eeg(0), eeg(0)[3000:], eeg(0)[:-4000].astype(np.float64)])
def test_a_signal_is_known_under_another_name(disguised):
    knows = fold("own", ["P01"])
    folds = folds_of((knows[0], replace(knows[1], fingerprints={"P01": fingerprint([eeg(0)])})), fold("own", ["P02"]))
    opened, signal = scored(disguised)
    assert folds_that_saw(folds, opened, signal=signal) == folds[:1]
    assert folds_that_saw(folds, opened) == []
    opened, signal = scored(eeg(1))
    assert folds_that_saw(folds, opened, signal=signal) == []


def test_the_signal_is_not_read_for_folds_that_know_none():
    opened, signal = scored(eeg(0))
    unread = replace(signal, read=lambda first, last: pytest.fail("it was read"))
    assert folds_that_saw(folds_of(fold("own", ["P01"])), opened, signal=unread) == []
