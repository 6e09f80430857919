"""A recording on disk and what predict.py would have written of it: no network is needed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from recordings.opening import open_recording
from recordings.recording import fingerprint
from scoring.recording_files import write_recording
from scoring.scorer import ScoredNight
from tests.support.edf_files import write_edf
from tests.support.staged_nights import N_EPOCHS, staged_night

RATE = 100


def simulated_eeg(rate: int = RATE, n_epochs: int = N_EPOCHS, seed: int = 0) -> np.ndarray:
    """Return (sample,) µV: noise whose slow waves come and go, with a jump of 100 µV at the start of each epoch."""
    rng = np.random.default_rng(seed)
    seconds = np.arange(30 * n_epochs * rate) / rate
    waves = 40 * np.sin(2 * np.pi * 1.2 * seconds) * np.sin(2 * np.pi * seconds / 1800) ** 2
    jump = np.where(seconds % 30 < 0.1, 100.0, 0.0)
    samples: np.ndarray = np.clip(waves + jump + rng.normal(0, 12, len(seconds)), -300, 300)
    return samples


def a_recording(folder: Path, n_epochs: int = N_EPOCHS) -> Path:
    """Write an EDF of three EEG channels and one that is no voltage."""
    folder.mkdir(parents=True, exist_ok=True)
    oxygen = np.random.default_rng(9).uniform(90, 99, 30 * n_epochs)
    signals = [
        ("C3-M2", RATE, "uV", simulated_eeg(RATE, n_epochs)),
        ("C4-M1", 2 * RATE, "uV", simulated_eeg(2 * RATE, n_epochs, 1)),
        ("Chin EMG", RATE, "mV", simulated_eeg(RATE, n_epochs, 2) / 1000),
        ("SaO2", 1, "%", oxygen),
    ]
    return write_edf(folder / "night.edf", signals, start=staged_night(folder).start)


def a_scored_night(folder: Path, **changes) -> ScoredNight:
    """Write a recording of 200 epochs into `folder`, its outputs into `folder`/scored, and return what was written."""
    path = a_recording(folder)
    night = staged_night(folder)
    channel = replace(night.channels[0], unit="uV", rate=float(RATE))
    opened = open_recording(path)
    night = replace(night, path=path, channels=(channel,), fingerprint=fingerprint(opened.files))
    night = replace(night, stretches=opened.stretches)
    night = replace(night, **changes)
    (folder / "scored" / night.name).parent.mkdir(parents=True, exist_ok=True)
    write_recording(folder / "scored", night)
    return night
