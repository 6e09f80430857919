"""Many recordings of five minutes with their hypnograms, as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.support.edf_files import write_edf

N_EPOCHS = 10


def small_nights(folder: Path, number: int) -> Path:
    """Write so many recordings of one channel, each with a hypnogram beside it, and return the folder."""
    folder.mkdir(parents=True)
    for i in range(number):
        rng = np.random.default_rng(i)
        stages = rng.permutation(["W", "N1", "N2", "N3", "R"] * (N_EPOCHS // 5))
        signal = pink_noise(rng, N_EPOCHS * 3000)
        write_edf(folder / f"s{i:03d}.edf", [("EEG Fpz-Cz", 100, "uV", signal)], record_seconds=30)
        (folder / f"s{i:03d}-hypnogram.csv").write_text("stage\n" + "\n".join(stages) + "\n")
    return folder


def pink_noise(rng: np.random.Generator, n_samples: int) -> NDArray[np.float64]:
    """Return noise whose spectrum falls with frequency, as that of an EEG does, with a deviation of 20 µV."""
    spectrum = np.fft.rfft(rng.normal(size=n_samples))
    signal: NDArray[np.float64] = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 10)), n_samples)
    signal *= 20 / signal.std()
    return signal
