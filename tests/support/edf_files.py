"""EDF files that tests write."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import edfio
import numpy as np
from numpy.typing import NDArray

START = datetime(2001, 2, 3, 22, 0, 0)

WIDE = edfio.EdfAnnotation(0, None, "makes room for longer onsets in every record")


def noise(seconds: int, rate: int, std: float = 20.0, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(0, std, seconds * rate)


def write_edf(
    path: Path,
    signals: Sequence[tuple[str, float, str, NDArray[np.float64]]],
    start: datetime | None = None,
    record_seconds: float | None = 1,
    bdf: bool = False,
    **options: Any,
) -> Path:
    """Write an EDF, or a BDF, of (label, rate, unit, samples) signals and return its path."""
    start = start or START
    file: Any
    file, signal = (edfio.Bdf, edfio.BdfSignal) if bdf else (edfio.Edf, edfio.EdfSignal)
    edf = file(
        [signal(data, rate, label=label, physical_dimension=unit) for label, rate, unit, data in signals],
        recording=edfio.Recording(startdate=start.date()),
        starttime=start.time(),
        data_record_duration=record_seconds,
        **options,
    )
    edf.write(path)
    return path


def repeated(path: Path, longer: Path, times: int) -> Path:
    """Write an EDF file that holds the records of another one several times, without ever holding it; return its path.

    It has to be plain: the records of an EDF+ file say when they begin.
    """
    content = path.read_bytes()
    first = int(content[184:192])  # byte of the first record
    n_records = int(content[236:244]) * times
    with longer.open("wb") as file:
        file.write(content[:236] + f"{n_records:<8}".encode() + content[244:first])
        for _ in range(times):
            file.write(content[first:])
    return longer


def with_gap(path: Path, seconds: int, onset: int, gap: int) -> Path:
    """Turn an EDF+ file with records of 1 s, and with WIDE in it, into one that pauses for `gap` s after `onset` s."""
    content = path.read_bytes()
    for second in reversed(range(onset, seconds)):
        old, new = f"+{second}\x14\x14".encode(), f"+{second + gap}\x14\x14".encode()
        spare = bytes(len(new) - len(old) + 1)
        assert content.count(old + spare) == 1
        content = content.replace(old + spare, new + bytes(1))
    path.write_bytes(content.replace(b"EDF+C", b"EDF+D"))
    return path


SLEEPEDF_START = datetime(1989, 4, 24, 16, 13)


def write_hypnogram(
    path: Path, *annotations: tuple[float, float | None, str], start: datetime = SLEEPEDF_START
) -> Path:
    """Write an EDF+ file of (onset, duration, text) annotations alone, as Sleep-EDF's hypnograms are."""
    edf = edfio.Edf(
        [],
        recording=edfio.Recording(startdate=start.date()),
        starttime=start.time(),
        annotations=[edfio.EdfAnnotation(*annotation) for annotation in annotations],
    )
    edf.write(path)
    return path


def stage_later(hypnogram: Path, n_epochs: int, to: Path) -> Path:
    """Copy an EDF+ hypnogram of Sleep-EDF, every stage `n_epochs` later; what comes before is W."""
    edf = edfio.read_edf(hypnogram)
    later = [edfio.EdfAnnotation(one.onset + 30 * n_epochs, one.duration, one.text) for one in edf.annotations]
    edfio.Edf(
        [],
        recording=edfio.Recording(startdate=edf.startdate),
        starttime=edf.starttime,
        annotations=[edfio.EdfAnnotation(0, 30 * n_epochs, "Sleep stage W"), *later],
    ).write(to)
    return to


def fails_in_a_library(error: BaseException) -> None:
    """Raise an error as if a line of some library did."""
    names: dict[str, Any] = {}
    exec(compile("def fail(error):\n    raise error\n", "/usr/lib/some_library.py", "exec"), names)
    names["fail"](error)
