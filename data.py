"""One prepared night: what it is, and its file (one writer, one reader)."""

from __future__ import annotations

import itertools
import math
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files.arrays import ArrayFile, npy_form, opened_arrays
from files.folders import writable_folder
from files.limits import LONGEST_SIGNAL, LONGEST_SMALL
from files.reading import readable
from files.writing import written_whole
from sleepstage import STAGES, UNKNOWN

AGAIN = "prepare the night again"
ALL_STAGES = tuple(range(len(STAGES)))


@dataclass(frozen=True, eq=False)
class Night:
    """One prepared recording.

    Attributes:
        name: the file's name without `.npz`.
        x: (epoch, sample) float32, µV.
        y: (epoch,) int32, codes of `sleepstage.Stage`.
        fs: sampling rate in Hz.
        ch_label: the channel, by the name that was used.
        source: plain numbers and strings that say where the night came from.
        first_epoch: the number of its first epoch; above 0 where only the rest of the night is used.
        judged: (epoch,) bool, True where the stage is a human's; the others, of a model, are learned from, and never
            compared with. None: all are a human's.
        recorded: (epoch,) which epochs of the recording these are; the state begins anew behind a gap. None: each
            follows the one before it.
        known: the stages that the scorer marked. An epoch is one of these for sure, and which of them is all that is
            learned and judged.
    """

    name: str
    x: NDArray[np.float32]
    y: NDArray[np.int32]
    fs: float = 100.0
    ch_label: str = ""
    source: Mapping[str, str | int | float] = field(default_factory=dict)
    first_epoch: int = 0
    judged: NDArray[np.bool_] | None = None
    recorded: NDArray[np.intp] | None = None
    known: tuple[int, ...] = ALL_STAGES

    @property
    def expert(self) -> NDArray[np.int32]:
        """(epoch,) the stages that a human gave, UNKNOWN elsewhere."""
        return self.y if self.judged is None else np.where(self.judged, self.y, UNKNOWN).astype(np.int32)

    def __len__(self) -> int:
        return len(self.y)

    def stretches(self) -> list[Night]:
        """Return what lies between the gaps, each as a night of its own; a night without gaps as it is."""
        if self.recorded is None:
            return [self]
        borders = [0, *(np.flatnonzero(np.diff(self.recorded) != 1) + 1).tolist(), len(self)]
        return [self.stretch(first, last) for first, last in itertools.pairwise(borders)]

    def stretch(self, first: int, last: int) -> Night:
        """Return a night of the epochs from `first` up to `last`, which is left out."""
        judged = None if self.judged is None else self.judged[first:last]
        x, y = part_of(self.x, first, last), self.y[first:last]
        return replace(self, x=x, y=y, first_epoch=self.first_epoch + first, judged=judged, recorded=None)

    def among_known(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (epoch, stage) probabilities, given that each epoch is of a stage that the scorer marked."""
        if self.known == ALL_STAGES:
            return probabilities
        possible = np.where(np.isin(ALL_STAGES, self.known), probabilities + np.finfo(np.float32).tiny, 0)
        among: NDArray[np.float32] = possible / possible.sum(axis=1, keepdims=True)
        return among

    @property
    def simulated(self) -> bool:
        """True for a night that simulate.py generated: whatever is made of it must say so."""
        return bool(self.source.get("simulated"))


# ---- one night on disk ----

NOT_SOURCE = ("x", "y", "fs", "ch_label", "judged", "epoch", "known_stages")


def save_night(path: Path, night: Night) -> None:
    """Write a night as one compressed npz, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    arrays = {
        "x": night.x.astype(np.float32, copy=False),
        "y": night.y.astype(np.int32, copy=False),
        "fs": np.float64(night.fs),
        "ch_label": night.ch_label,
        **({} if night.judged is None else {"judged": night.judged}),
        **({} if night.recorded is None else {"epoch": night.recorded}),
        **({} if night.known == ALL_STAGES else {"known_stages": np.array(night.known, np.int32)}),
        **night.source,
    }
    # NumPy's own savez_compressed has one level, 6: four times the time of level 1, and no smaller a file for an EEG.
    with (
        written_whole(path) as partial,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name, value in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(value), allow_pickle=False)


class SignalChange(NamedTuple):
    """What is done to a night's signal as it is read: (epoch, sample), and which epochs of the recording these are →
    (epoch, sample). `tag` tells it from others."""

    tag: str
    apply: Callable[[NDArray[np.float32], NDArray[np.intp] | None], NDArray[np.float32]]


def load_night(
    path: Path,
    input_size: int | None = None,
    sampling_rate: int | None = None,
    on_disk: bool = False,
    change: SignalChange | None = None,
) -> Night:
    """Read a night that `save_night` or a TinySleepNet-style tool wrote, and check it.

    `x` may be (epoch, sample) or (epoch, sample, 1). A file without `fs` is taken to be at 100 Hz.

    Args:
        path: an npz file with at least `x` and `y`.
        input_size: samples that an epoch must have; any number when None.
        sampling_rate: rate in Hz that the night must have; any when None.
        on_disk: leave the signal on disk, uncompressed in `memory_map/` beside the night, and read only what is used.
        change: what is done to the signal.

    Raises:
        InputError: no such file, no npz, or its content is not a night; the message names the file and what is wrong.
    """
    stored = copy_on_disk(path, change) if on_disk else None
    there = stored is not None and is_fresh(stored, path)
    with opened_night(path) as archive:
        source = {name: value for name in archive if name not in NOT_SOURCE for value in plain_value(archive, name)}
        x = on_disk_as_array(stored) if stored and there else checked_signal(path, archive)
        y = checked_stages(path, archive["y"])
        fs, ch_label, judged = rate_of(archive), channel_of(archive), judged_in(path, archive, len(y))
        recorded, known = recorded_in(path, archive, len(y)), known_in(path, archive, y)
    check_fits(path, x.shape, len(y), fs, input_size, sampling_rate)
    if not there:
        x = change.apply(x, recorded) if change else x
        x = left_on_disk(stored, path, x) if stored else x
    return Night(path.stem, x, y, fs, ch_label, source, judged=judged, recorded=recorded, known=known)


REMOVE_COPY = "remove it, and it is made again"


class SignalOnDisk:
    """A signal in an npy file, (epoch, sample) float32, of which only the epochs asked for are read.

    It is read, not mapped: what is mapped counts as the program's memory for as long as the system pleases.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with readable(path, "a readable signal", REMOVE_COPY), path.open("rb") as file:
            self.shape, _, _ = npy_form(file)
            self.offset = file.tell()

    def __len__(self) -> int:
        return int(self.shape[0])

    def part(self, first: int, last: int) -> SignalOnDisk:
        """Return what reads the epochs from `first` up to `last`, which is left out."""
        part = copy(self)
        part.offset += first * self.shape[1] * np.dtype(np.float32).itemsize
        part.shape = (last - first, *self.shape[1:])
        return part

    def __getitem__(self, epochs: slice) -> NDArray[np.float32]:
        start, stop, _ = epochs.indices(len(self))
        n_samples = self.shape[1]
        offset = self.offset + start * n_samples * np.dtype(np.float32).itemsize
        n_epochs = max(stop - start, 0)
        with readable(self.path, "as long as it was when it was opened", REMOVE_COPY):
            return np.fromfile(self.path, np.float32, n_epochs * n_samples, offset=offset).reshape(n_epochs, n_samples)


def part_of(x: NDArray[np.float32], first: int, last: int) -> NDArray[np.float32]:
    """Return the epochs of a signal from `first` up to `last`, which is left out; on disk, if they are there."""
    return cast("NDArray[np.float32]", x.part(first, last)) if isinstance(x, SignalOnDisk) else x[first:last]


def copy_on_disk(path: Path, change: SignalChange | None) -> Path:
    """Return where a night's signal lies uncompressed, each change of it in a file of its own."""
    return path.parent / "memory_map" / f"{path.stem}{f'.{change.tag}' if change else ''}.npy"


def is_fresh(stored: Path, path: Path) -> bool:
    """Tell whether a copy was made from the night as it is now: it has the night's very time."""
    return stored.exists() and stored.stat().st_mtime_ns == path.stat().st_mtime_ns


def left_on_disk(stored: Path, path: Path, x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Write (epoch, sample) to `stored`, with the night's time, and return what reads it from there."""
    changed = path.stat().st_mtime_ns
    writable_folder(stored.parent)
    with written_whole(stored) as partial:
        np.save(partial, np.ascontiguousarray(x))
        os.utime(partial, ns=(changed, changed))
    return on_disk_as_array(stored)


def on_disk_as_array(stored: Path) -> NDArray[np.float32]:
    return cast("NDArray[np.float32]", SignalOnDisk(stored))  # length, shape and slices are all that a pass needs


@dataclass(frozen=True)
class NightSummary:
    """What a night's file says of it without its signal."""

    n_epochs: int
    ch_label: str


def summarize_night(path: Path, input_size: int | None = None, sampling_rate: int | None = None) -> NightSummary:
    """Check a night without reading its signal: all that `load_night` checks, finite values aside.

    Raises:
        InputError: as `load_night`.
    """
    with opened_night(path) as archive:
        y, fs, ch_label = checked_stages(path, archive["y"]), rate_of(archive), channel_of(archive)
        shape, dtype = archive.form("x")
        check_signal_form(path, shape, dtype)
        recorded_in(path, archive, len(y)), known_in(path, archive, y)
    check_fits(path, shape, len(y), fs, input_size, sampling_rate)
    return NightSummary(len(y), ch_label)


@contextmanager
def opened_night(path: Path) -> Iterator[ArrayFile]:
    """Open a night's npz, which must hold `x` and `y`; whatever is wrong with the file becomes an InputError."""
    with opened_arrays(path, AGAIN) as archive:
        missing = [name for name in ("x", "y") if name not in archive]
        if missing:
            raise InputError(
                f"{path}: no {' and '.join(missing)} in it; a night needs x (epoch, sample) in µV and y (epoch,)"
            )
        yield archive


def rate_of(archive: ArrayFile) -> float:
    if "fs" not in archive:
        return 100.0
    rate = float(archive["fs"].item())
    if not 0 < rate < math.inf:
        raise ValueError(f"fs is {rate}, no rate in Hz")
    return rate


def channel_of(archive: ArrayFile) -> str:
    return str(archive["ch_label"].item()) if "ch_label" in archive else ""


def judged_in(path: Path, archive: ArrayFile, n_epochs: int) -> NDArray[np.bool_] | None:
    """Return which stages of a night are a human's; None where it says nothing of that, and all are.

    Raises:
        InputError: it is not one truth value for each epoch.
    """
    if "judged" not in archive:
        return None
    shape, dtype = archive.form("judged")
    if shape != (n_epochs,) or dtype != np.bool_:
        raise InputError(f"{path}: judged is {dtype} of shape {shape}; it must be bool, ({n_epochs},): {AGAIN}")
    judged: NDArray[np.bool_] = archive["judged"]
    if not judged.any():
        raise InputError(f"{path}: a human gave none of its stages; {AGAIN}")
    return judged


def recorded_in(path: Path, archive: ArrayFile, n_epochs: int) -> NDArray[np.intp] | None:
    """Return which epochs of the recording a night's are; None where it says nothing of that, or has no gap.

    Raises:
        InputError: it is not one whole number for each epoch, each above the one before.
    """
    if "epoch" not in archive:
        return None
    shape, dtype = archive.form("epoch")
    if shape != (n_epochs,) or dtype.kind not in "iu":
        raise InputError(f"{path}: epoch is {dtype} of shape {shape}; it must be whole numbers, ({n_epochs},)")
    recorded: NDArray[np.intp] = archive["epoch"].astype(np.intp)
    steps = np.diff(recorded)
    if recorded[0] < 0 or (steps < 1).any():
        at = int(np.argmax(steps < 1)) + 1 if recorded[0] >= 0 else 0
        raise InputError(
            f"{path}: epoch holds {recorded[at]} at place {at}; it must hold where each epoch of x lies in the "
            "recording, from 0 on, each further on than the one before"
        )
    return None if (steps == 1).all() else recorded


def known_in(path: Path, archive: ArrayFile, y: NDArray[np.int32]) -> tuple[int, ...]:
    """Return the stages that a night's scorer marked; all, where it says nothing of that.

    Raises:
        InputError: they are not two stages at least, or an epoch has another stage.
    """
    if "known_stages" not in archive:
        return ALL_STAGES
    shape, dtype = archive.form("known_stages")
    stages = archive["known_stages"].tolist() if len(shape) == 1 and dtype.kind in "iu" else []
    known = tuple(code for code in ALL_STAGES if code in stages)
    if len(known) < 2 or len(known) != len(stages):
        raise InputError(
            f"{path}: known_stages is {str(stages or dtype)[:40]}; it must hold the numbers of two stages or more, "
            f"0 to {len(STAGES) - 1} (W N1 N2 N3 REM), each once"
        )
    if foreign := sorted(set(y.tolist()) - set(known)):
        raise InputError(
            f"{path}: stage {foreign[0]} in y, but known_stages is {known}; add it there, or leave out its epochs"
        )
    return known


def plain_value(archive: ArrayFile, name: str) -> Iterable[str | int | float]:
    """Return the one number or string stored under `name`; the arrays and objects that other tools keep stay unread."""
    shape, dtype = archive.form(name)
    plain = shape == () and dtype.kind in "biufU" and dtype.itemsize <= LONGEST_SMALL
    return (archive[name].item(),) if plain else ()


def check_signal_form(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    one_channel = len(shape) == 2 or (len(shape) == 3 and shape[2] == 1)
    if not one_channel or shape[0] == 0 or dtype.kind not in "iuf":
        raise InputError(
            f"{path}: x is {dtype} of shape {shape}; it must hold numbers, (epoch, sample), and at least one epoch"
        )


def checked_signal(path: Path, archive: ArrayFile) -> NDArray[np.float32]:
    """Return (epoch, sample) float32 of what a file holds under `x`; raise InputError unless it is a signal."""
    check_signal_form(path, *archive.form("x"))
    x = archive.signal("x", LONGEST_SIGNAL)
    # One sum an epoch finds NaN and infinity without a second array of the signal's size.
    bad = np.flatnonzero(~np.isfinite(x.sum(axis=1, dtype=np.float64)))
    if len(bad):
        raise InputError(
            f"{path}: x holds NaN or infinity in {len(bad)} epochs, the first is epoch {bad[0]}; leave out this night"
        )
    return x


def checked_stages(path: Path, y: NDArray[Any]) -> NDArray[np.int32]:
    if y.ndim != 1 or not np.issubdtype(y.dtype, np.integer):
        raise InputError(f"{path}: y is {y.dtype} of shape {y.shape}; it must hold whole numbers, (epoch,)")
    bad = np.flatnonzero((y < 0) | (y >= len(STAGES)))
    if len(bad):
        raise InputError(
            f"{path}: stage {y[bad[0]]} at epoch {bad[0]}; stages are 0 to {len(STAGES) - 1} (W N1 N2 N3 REM)"
        )
    return y.astype(np.int32, copy=False)


def check_fits(
    path: Path, shape: tuple[int, ...], n_stages: int, fs: float, input_size: int | None, sampling_rate: int | None
) -> None:
    """Raise InputError unless signal and stages are of as many epochs, and of the size and rate asked for."""
    n_epochs, n_samples = shape[:2]
    if n_epochs != n_stages:
        raise InputError(f"{path}: {n_epochs} epochs in x but {n_stages} stages in y; prepare the night again")
    if input_size is not None and n_samples != input_size:
        raise InputError(
            f"{path}: {n_samples} samples an epoch, but input_size is {input_size}; set input_size to {n_samples}"
        )
    if sampling_rate is not None and fs != sampling_rate:
        raise InputError(f"{path}: {fs:g} Hz, but sampling_rate is {sampling_rate}; prepare the night at that rate")
