"""A few short nights, and the arguments with which trainer.py trains on them in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data import Night, save_night

# Folds 0 and 4 of sleepedf can be trained with these subjects: 0 and 4 are tested, 1 validates, the others train.
SUBJECTS = (0, 1, 2, 3, 4)
SHORT = ["--input_size", "100", "--batch_size", "2", "--seq_length", "5", "--n_rnn_units", "8", "--skip_missing"]


def short_nights(
    folder: Path,
    subjects: tuple[int, ...] = SUBJECTS,
    lengths: dict[int, int] | None = None,
    n_samples: int = 100,
    gain: float = 1.0,
) -> Path:
    """Write a night of 20 + subject epochs of 1 s for each subject, or as many as `lengths` says; return the folder.

    Stages differ in amplitude.
    """
    rng = np.random.default_rng(n_samples)  # nights of another length are other signals
    nights = folder / "sleepedf"
    nights.mkdir(parents=True)
    for subject in subjects:
        y = rng.integers(0, 5, (lengths or {}).get(subject, 20 + subject)).astype(np.int32)
        x = (gain * rng.normal(0, 10, (len(y), n_samples)) * (1 + y[:, np.newaxis])).astype(np.float32)
        save_night(nights / f"SC4{subject:02d}1E0.npz", Night(f"SC4{subject:02d}1E0", x, y, 100.0, "EEG Fpz-Cz"))
    return folder


def train_arguments(data: Path, output: Path, *more: str, first: int = 0, last: int = 0) -> list[str]:
    folds = ["--from_fold", str(first), "--to_fold", str(last)]
    where = ["--db", "sleepedf", "--gpu", "-1", "--data_dir", str(data), "--output_dir", str(output)]
    return [*where, *folds, *SHORT, "--pretrain_epochs", "1", "--n_epochs", "2", *more]
