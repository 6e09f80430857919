"""Fixtures of raw recordings: real ones where they are at hand, and simulated ones in each data set's own layout.

A test file takes them in with `pytest_plugins = ["tests.support.raw_recordings"]`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from simulating.layouts import simulate

SHARED = Path(__file__).parents[3] / "shared"

SIMULATED_SUBJECTS = {"sleepedf": (0, 1), "isruc": (1, 2, 40), "ucddb": (2, 3)}


@pytest.fixture(scope="session")
def real() -> Path:
    """Return the folder of real recordings; it is no part of the repository."""
    if not (SHARED / "real").is_dir():
        pytest.skip("the real recordings are not here (../shared/real)")
    return SHARED / "real"


@pytest.fixture(scope="session")
def simulated_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with half-hour nights of each data set. Never write to it."""
    folder = tmp_path_factory.mktemp("simulated")
    for db, subjects in SIMULATED_SUBJECTS.items():
        simulate(db, folder / db, subjects, hours=0.5, seed=3)
    return folder


@pytest.fixture(scope="session")
def three_hours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with two nights of Sleep-EDF, simulated, long enough for all stages. Never write to it."""
    folder = tmp_path_factory.mktemp("three_hours")
    simulate("sleepedf", folder, [0], hours=3, seed=3)
    return folder


@pytest.fixture
def raw(simulated_once: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that copies one data set's simulated recordings to a folder that a test may spoil."""

    def copy(db: str) -> Path:
        return Path(shutil.copytree(simulated_once / db, tmp_path / "raw" / db))

    return copy
