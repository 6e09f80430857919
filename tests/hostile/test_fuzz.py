"""A seeded share of the damaged files, and that the fuzzer sees what it is there to see."""

from __future__ import annotations

import os
import random
import time
from dataclasses import replace

import numpy as np
import pytest

from command import InputError
from tests.hostile import fuzz
from tests.hostile.kinds import KINDS
from tests.hostile.mutations import ANYWHERE, EDF, NPZ, damaged

FILES = {
    **dict.fromkeys(KINDS, 15),
    **{"EDF, EDF+, BDF": 40, "prepared night": 20, "hypnogram, EDF+": 40},
    **{"EDF, EDF+, BDF, scored": 0, "published checkpoint": 0, "EEGLAB": 1, "FIF": 5, "BrainVision markers": 5},
}
"""How many are read here; `make fuzz` reads thousands. What needs the network is left to it."""


@pytest.mark.parametrize("name", [name for name, n_files in FILES.items() if n_files])
def test_a_damaged_file_is_read_or_refused_in_one_line(name):
    count = fuzz.fuzz(name, range(FILES[name]), seed=7)
    assert count.failures == []
    assert count.read + count.refused == FILES[name]


def test_the_same_seed_damages_in_the_same_way():
    content = bytes(range(256)) * 4
    again = [damaged(random.Random("7 a 3"), content, (*EDF, *NPZ)) for _ in range(2)]
    assert again[0] == again[1]
    assert len({damaged(random.Random(f"7 a {number}"), content, ANYWHERE) for number in range(50)}) > 40


def failing_with(error):
    def read(path):
        raise error

    return read


@pytest.mark.parametrize(
    ("read", "what"),
    [
        (lambda path: None, "read"),
        (failing_with(InputError("a.edf: cut short; copy it again")), "refused"),
        (failing_with(InputError("a.edf: two\nlines")), "failed"),
        (failing_with(KeyError("x")), "failed"),
        (failing_with(AssertionError()), "failed"),
        (lambda path: np.ones(2**24).sum(), "failed"),
    ],
    ids=["read", "refused", "two lines", "traceback", "wrong result", "128 MB"],
)
def test_an_outcome_is_what_it_is(tmp_path, read, what, monkeypatch):
    monkeypatch.setattr(fuzz, "MEMORY_LIMIT", 100_000)  # kB
    assert fuzz.outcome(replace(KINDS["config.json"], read=read), tmp_path)[0] == what


def busy(path):
    while True:
        pass


@pytest.mark.parametrize("hang", [busy, lambda path: time.sleep(30), lambda path: os.read(os.pipe()[0], 1)])
def test_what_takes_too_long_is_stopped(tmp_path, monkeypatch, hang):
    monkeypatch.setattr(fuzz, "HANG_SECONDS", 0.2)
    monkeypatch.setattr(fuzz, "STUCK_SECONDS", 2)
    what, said = fuzz.outcome(replace(KINDS["config.json"], read=hang), tmp_path)
    assert what == "failed" and "Hang" in said
