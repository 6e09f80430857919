"""What is suspicious about prepared nights, said by night before a long training: nothing here is refused.

The cheap checks read the directory, the stages and the first epochs of every file; the thorough ones all of it.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data import Night, load_night, opened_night, plain_value
from files.arrays import npy_form
from files.reading import readable
from folds.run import Run, signal_of
from recordings.datasets import Dataset
from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE, amplitude_notice, epoch_std, resample
from recordings.fingerprints import Fingerprints, fingerprint
from recordings.fit import misfit, slow_waves
from sleepstage import STAGE_NAMES

IMPLAUSIBLE = 1e5  # µV; no amplifier records as much
FIRST_EPOCHS = 100  # that the cheap checks read of a night: 10 ms
AT_A_TIME = 100  # epochs; all at once would copy the signal
FLAT_SHARE = 0.05  # of a night's epochs; a loose electrode for some minutes is no news
FLAT_STD = 1e-3  # µV; no converter has steps so fine
SHARED_EPOCHS = 10  # that two nights must have in common; a few may be equal in any two

OF_THE_STAGES = ("judged.npy", "epoch.npy", "known_stages.npy")  # what a night may say of its stages, and their places

PREPARE_AGAIN = "prepare the night again"
FINGERPRINT = "fingerprint"  # what a prepared night calls it


# ---- what a file holds ----


def content_of(path: Path) -> str:
    """Return what tells a night's content from another's: the checksums of its signal, its stages, and whose they are.

    The zip file has them in its directory: CRC-32 and length, of which two different nights are the same once in some
    10^12 pairs. Packing the file again changes nothing.

    Raises:
        InputError: the file cannot be read.
    """
    with readable(path, "a readable npz file", PREPARE_AGAIN), zipfile.ZipFile(path) as archive:
        x, y = archive.getinfo("x.npy"), archive.getinfo("y.npy")
        more = [f"{archive.getinfo(name).CRC:08x}" for name in OF_THE_STAGES if name in archive.namelist()]
        return f"{x.CRC:08x}{x.file_size:x}-{y.CRC:08x}{''.join(more)}"


def fingerprint_at(path: Path) -> str:
    """Return the fingerprint of a prepared night's signal: the stored one, else, of an older file, that of its signal.

    Raises:
        InputError: the file cannot be read.
    """
    with opened_night(path) as archive:
        stored = list(plain_value(archive, FINGERPRINT)) if FINGERPRINT in archive else []
    if stored:
        return str(stored[0])
    night = load_night(path)
    return fingerprint([resample(night.x.reshape(-1), night.fs)])


def fingerprints_of(paths: Sequence[Path]) -> dict[str, str]:
    """Return the fingerprint of each prepared night's signal, by the night's name.

    Raises:
        InputError: a file cannot be read.
    """
    bar = tqdm(paths, desc="comparing signals", unit="night", leave=False, disable=None)
    return {path.stem: fingerprint_at(path) for path in bar}


def first_epochs(path: Path) -> NDArray[np.float32]:
    """Return the first epochs of a night's signal, (epoch, sample) in µV, without reading the others.

    Raises:
        InputError: the file cannot be read.
    """
    with readable(path, "a readable npz file", PREPARE_AGAIN), zipfile.ZipFile(path) as archive:
        with archive.open("x.npy") as member:
            shape, dtype, by_column = npy_form(member)
            n_epochs = shape[0] if by_column else min(shape[0], FIRST_EPOCHS)
            n_samples = int(np.prod(shape[1:]))
            x = np.frombuffer(member.read(n_epochs * n_samples * dtype.itemsize), dtype)
        x = x.reshape((n_epochs, n_samples), order="F" if by_column else "C")[:FIRST_EPOCHS]
        return x.astype(np.float32)


# ---- the cheap checks ----


def file_findings(dataset: Dataset, folder: Path, runs: Sequence[Run]) -> Iterator[str]:
    """Yield what is suspicious about the files of a data set's prepared nights, with which `runs` are to be trained."""
    yield from foreign_files(dataset, folder)
    yield from doubled_nights(runs)
    for run in runs:
        if doubled := run.doubled_test_nights():
            yield f"fold {run.fold}: it tests the very signals that it learns from: {', '.join(doubled)}"


def doubled_nights(runs: Sequence[Run]) -> Iterator[str]:
    """Yield what to say of nights that are one and the same signal under several names, as of several persons."""
    prints = {name: text for run in runs for name, text in run.fingerprints.items()}
    contents = {name: signal_of(content) for run in runs for name, content in run.contents.items()}
    of_files = defaultdict(list)  # a signal without a fingerprint can be that of another file still
    for name, content in sorted(contents.items()):
        of_files[content].append(name)
    groups = [tuple(names) for names in Fingerprints(prints).groups()]
    files = (tuple(names) for names in of_files.values() if len(names) > 1)
    groups += [names for names in files if not any(set(names) <= set(group) for group in groups)]
    persons = {name: person for run in runs for name, person in run.persons.items()}
    for names in groups:
        shown = ", ".join(f"{name} ({persons[name]})" if name in persons else name for name in names)
        yield f"{shown}: one and the same signal; keep one, or check which file is whose"


def first_findings(paths: Iterable[Path]) -> Iterator[str]:
    """Yield what is suspicious about the first epochs of nights, at the cost of some milliseconds a night."""
    for path in paths:
        yield from (f"{path.stem}: {words}" for words in signal_findings(first_epochs(path)))


def foreign_files(dataset: Dataset, folder: Path) -> Iterator[str]:
    """Yield the npz files of a folder that no subject of the data set has, by their names."""
    foreign = [path.name for path in sorted(folder.glob("*.npz")) if dataset.subject_of(path.stem) is None]
    foreign = [name for name in foreign if not name.startswith(".")]
    if foreign:
        more = f" and {len(foreign) - 5} more" if len(foreign) > 5 else ""
        yield f"no subject of {dataset.name} has such a night, so it is not used: {', '.join(foreign[:5])}{more}"


def signal_findings(x: NDArray[np.float32]) -> Iterator[str]:
    """Yield what is suspicious about a night's signal: `x` is (epoch, sample) in µV, in memory or left on disk."""
    blocks = [x[first : first + AT_A_TIME] for first in range(0, len(x), AT_A_TIME)]
    largest = np.concatenate([np.abs(block).max(axis=1) for block in blocks])  # (epoch,)
    with np.errstate(over="ignore"):  # 1e30 is said below
        stds = np.concatenate([epoch_std(block) for block in blocks])
    huge = np.flatnonzero(largest > IMPLAUSIBLE)
    if len(huge):
        at = f"the first is epoch {huge[0]} with {largest[huge[0]]:.3g} µV"
        yield f"{len(huge)} of {len(x)} epochs have samples beyond {IMPLAUSIBLE:.0f} µV; {at}"
    flat = np.flatnonzero(stds < FLAT_STD)
    if len(flat) >= FLAT_SHARE * len(x):
        yield f"{len(flat)} of {len(x)} epochs are flat, from epoch {flat[0]} on"
    alive = stds[(stds >= FLAT_STD) & (largest <= IMPLAUSIBLE)]
    if len(alive) and (words := amplitude_notice(alive)):
        yield words


# ---- the thorough checks ----


def thorough_findings(paths: Iterable[Path], input_size: int, sampling_rate: int) -> Iterator[str]:
    """Yield what is suspicious about nights when all of each is read: faults, stages that do not fit, shared epochs.

    Raises:
        InputError: a night cannot be read.
    """
    seen: dict[bytes, str] = {}
    shared: dict[tuple[str, str], int] = defaultdict(int)
    for path in paths:
        night = load_night(path, input_size, sampling_rate)
        yield from (f"{night.name}: {words}" for words in night_findings(night))
        for epoch in epoch_hashes(night):
            other = seen.setdefault(epoch, night.name)
            if other != night.name:
                shared[other, night.name] += 1
    for (one, other), n_epochs in shared.items():
        if n_epochs >= SHARED_EPOCHS:
            yield f"{one}, {other}: {n_epochs} epochs have one and the same signal; check which file is whose"


def night_findings(night: Night) -> Iterator[str]:
    """Yield what is suspicious about one night, its stages included."""
    yield from signal_findings(night.x)
    stages = np.unique(night.y)
    if len(stages) == 1:
        yield f"every epoch is {STAGE_NAMES[stages[0]]}"
    if (
        night.fs == TARGET_RATE
        and night.x.shape[1] == EPOCH_SAMPLES
        and (words := misfit(slow_waves(night.x), night.y))
    ):
        yield words


def epoch_hashes(night: Night) -> Iterator[bytes]:
    """Yield a hash of every epoch that is not flat."""
    for epoch in night.x:
        if epoch.min() < epoch.max():
            yield hashlib.blake2b(np.ascontiguousarray(epoch).data, digest_size=12).digest()
