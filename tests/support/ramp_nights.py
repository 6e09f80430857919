"""A night whose signal tells which epoch is which."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from recordings.hypnogram import Hypnogram
from recordings.preparation import RawNight
from tests.support.edf_files import START, write_edf


def ramp_night(
    folder: Path, n_epochs: int, codes: Sequence[int], rate: int = 100, hypnogram_start: datetime | None = None
) -> tuple[RawNight, Callable[[Path], Hypnogram]]:
    """Write a night whose epoch k is k µV all through, and return it with a function that gives its hypnogram."""
    data = np.repeat(np.arange(n_epochs, dtype=float), 30 * rate)
    path = write_edf(folder / "night.rec", [("C3A2", rate, "uV", data)], START, 30)
    (folder / "night.txt").touch()
    raw = RawNight("night", 1, "night.rec", "night.txt", (path,), (folder / "night.txt",))
    return raw, lambda _: Hypnogram(np.array(codes, np.int32), hypnogram_start)
