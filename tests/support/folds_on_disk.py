"""Folds on disk with generated weights, for scoring recordings without training.

A test file takes them in with `pytest_plugins = ["tests.support.folds_on_disk"]`.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from config import Settings
from folds.checkpoint import Best, save_best
from folds.folders import fold_folder
from folds.run import Run, save_run
from folds.split import split_subjects
from recordings.datasets import DATASETS

SEED_OF_FOLD = {0: 1, 4: 2}


def save_fold(root: Path, number: int, db: str = "sleepedf", **settings) -> Path:
    """Write fold `number` under `root`, and return its folder. Its network knows nothing, but stages every epoch."""
    from model import RecSleepNet

    folder = fold_folder(root, db, None, number)
    folder.mkdir(parents=True)
    chosen = Settings(n_rnn_units=8, **settings)
    subjects = asdict(split_subjects(DATASETS[db], number))
    nights = {part: {f"SC4{subject:02d}1E0": 9 for subject in subjects[part]} for part in subjects}
    nights["train"]["mine"] = 9
    save_run(folder, Run(db, number, chosen, subjects, nights, ["EEG Fpz-Cz"], {}))
    network = RecSleepNet(chosen, seed=SEED_OF_FOLD.get(number, number))
    weights = network.values()
    rng = np.random.default_rng(number)
    weights["dense/kernel"] = rng.normal(0, 3, weights["dense/kernel"].shape).astype(np.float32)
    save_best(folder, Best(weights, global_step=100 + number, pass_number=number))
    return folder


@pytest.fixture(scope="session")
def folds_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with folds 0 and 4 of sleepedf; tests read it and leave it as it is."""
    root = tmp_path_factory.mktemp("folds")
    for number in SEED_OF_FOLD:
        save_fold(root, number)
    return root


@pytest.fixture
def make_fold():
    """Return `save_fold`, for a fold of one's own."""
    return save_fold
