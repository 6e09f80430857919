"""What several test files need: a few short nights, and a fold trained on them by the real command."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from generated import DISTANCES

import trainer
from data import Night, save_night

# Folds 0 and 4 of sleepedf can be trained with these subjects: 0 and 4 are tested, 1 validates, the others train.
SUBJECTS = (0, 1, 2, 3, 4)
SHORT = ["--input_size", "100", "--batch_size", "2", "--seq_length", "5", "--n_rnn_units", "8", "--skip_missing"]


def short_nights(
    folder: Path, subjects: tuple[int, ...] = SUBJECTS, lengths: dict[int, int] | None = None, n_samples: int = 100
) -> Path:
    """Write a night of 20 + subject epochs of 1 s for each subject, or as many as `lengths` says; return the folder.

    Stages differ in amplitude.
    """
    rng = np.random.default_rng(0)
    nights = folder / "sleepedf"
    nights.mkdir(parents=True)
    for subject in subjects:
        y = rng.integers(0, 5, (lengths or {}).get(subject, 20 + subject)).astype(np.int32)
        x = (rng.normal(0, 10, (len(y), n_samples)) * (1 + y[:, np.newaxis])).astype(np.float32)
        save_night(nights / f"SC4{subject:02d}1E0.npz", Night(f"SC4{subject:02d}1E0", x, y, 100.0, "EEG Fpz-Cz"))
    return folder


def train_arguments(data: Path, output: Path, *more: str, first: int = 0, last: int = 0) -> list[str]:
    folds = ["--from_fold", str(first), "--to_fold", str(last)]
    where = ["--db", "sleepedf", "--gpu", "-1", "--data_dir", str(data), "--output_dir", str(output)]
    return [*where, *folds, *SHORT, "--pretrain_epochs", "1", "--n_epochs", "2", *more]


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    return short_nights(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory, data_dir):
    """An output folder with folds 0 and 4 of sleepedf; tests read it and leave it as it is."""
    output = tmp_path_factory.mktemp("output")
    assert trainer.main(train_arguments(data_dir, output, last=4)) == 0
    return output


def pytest_addoption(parser):
    parser.addoption("--fidelity", action="store_true", help="print the distances to the published program's values")


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--fidelity"):
        terminalreporter.section("distances to the published program")
        for what, (distance, bound) in DISTANCES.items():
            terminalreporter.write_line(f"{what:<62}  {distance:9.1e}  (bound {bound:.1e})")
