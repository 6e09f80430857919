"""What people hold in Python → an open recording, and a request: files, MNE's objects, arrays, lists of stages."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from command import InputError
from files.reading import readable
from recordings.edf import EXPORT_AGAIN
from recordings.hypnogram import Hypnogram
from recordings.hypnograms import hypnogram_from
from recordings.hypnograms.labels import key_of
from recordings.hypnograms.labels import stage_map as map_named
from recordings.hypnograms.scoring import Reading
from recordings.opening import open_array, open_raw, open_recording
from recordings.recording import Recording, Stretch
from scoring.lights import parse_lights
from scoring.request import Request
from sleepstage import EPOCH_SECONDS, STAGE_NAMES, UNKNOWN, Stage

if TYPE_CHECKING:
    from mne import BaseEpochs
    from mne.io import BaseRaw

LONGEST_NAME = 200  # bytes; file systems take 255, and files have endings
CODES = {**{name: code for code, name in enumerate(STAGE_NAMES)}, "R": int(Stage.REM), "?": UNKNOWN}

GIVE = "give a file, an MNE Raw, MNE Epochs of 30 s, or one channel as an array in µV with rate="


# ---- the recording ----


def opened_from(
    recording: str | Path | BaseRaw | BaseEpochs | ArrayLike, channels: Sequence[str], rate: Any, name: str
) -> Recording:
    """Open what somebody holds.

    Args:
        recording: a file; an MNE Raw; MNE Epochs of 30 s; one channel in µV, (sample,), (1, sample) or (epoch, sample).
        channels: of an array: what it is called, if that is known.
        rate: of an array, Hz.
        name: of an array: what its files are called.

    Raises:
        InputError: it is nothing of these, cannot be read, or the rate or the name cannot be.
    """
    if isinstance(recording, (str, Path)):
        return open_recording(Path(recording))
    mne: Any = sys.modules.get("mne")  # where nobody imported it, nothing of it was made
    if mne and isinstance(recording, mne.io.BaseRaw):
        return open_raw(recording)
    if mne and isinstance(recording, mne.BaseEpochs):
        return open_epochs(recording)
    if hasattr(recording, "ch_names"):
        raise InputError(f"a recording cannot be of type {type(recording).__name__}: {GIVE}")
    check_name(name)
    hertz = rate_of(rate)
    return open_array(one_row(recording, hertz, name), hertz, channels[0] if channels else "", name)


def rate_of(rate: Any) -> float:
    """Return a sampling rate in Hz; raise InputError where it is missing or no number."""
    if rate is None:
        raise InputError("rate is missing; an array needs its sampling rate in Hz, as in rate=100")
    try:
        return float(rate)
    except (TypeError, ValueError) as error:
        raise InputError(f"rate is {rate!r}; give the sampling rate in Hz, as in rate=100") from error


def one_row(samples: Any, rate: float, name: str) -> NDArray[Any]:
    """Return (sample,) of (sample,), (1, sample), or (epoch, sample) with epochs of 30 s; what is masked is nan.

    Raises:
        InputError: it is no array of numbers, or has several channels.
    """
    try:
        given = (
            np.ma.filled(samples.astype(np.float32), np.nan) if np.ma.isMaskedArray(samples) else np.asarray(samples)
        )
    except ValueError as error:
        raise InputError(f"{name}: not an array of numbers ({error}); {GIVE}") from error
    if given.ndim == 2 and (len(given) == 1 or given.shape[1] == EPOCH_SECONDS * rate):
        return given.reshape(-1)  # (1, sample) or (epoch, sample) -> (sample,)
    return given


def open_epochs(epochs: BaseEpochs) -> Recording:
    """Open MNE's Epochs of 30 s that follow each other; where one was dropped, the recording has a gap.

    Raises:
        InputError: they are of another length, overlap, or there is none.
    """
    import mne

    with readable(Path(str(epochs.filename or "epochs")), "MNE Epochs that can be read", EXPORT_AGAIN):
        data = epochs.get_data(copy=False)  # (epoch, channel, sample), volts
    rate, n_samples = float(epochs.info["sfreq"]), data.shape[2]
    firsts = epochs.events[:, 0]  # (epoch,) the sample of each
    if not len(data) or n_samples != round(EPOCH_SECONDS * rate) or (np.diff(firsts) < n_samples).any():
        seconds = n_samples / rate
        raise InputError(
            f"{len(data)} MNE Epochs of {seconds:g} s: they must last {EPOCH_SECONDS} s and follow each other, as "
            f"mne.make_fixed_length_epochs(raw, duration={EPOCH_SECONDS}) makes them; or give the Raw"
        )
    whole = np.moveaxis(data, 1, 0).reshape(data.shape[1], -1)  # (channel, epoch · sample)
    opened = open_raw(mne.io.RawArray(whole, epochs.info, verbose="ERROR"))
    start = opened.start and opened.start + timedelta(seconds=float(firsts[0] / rate + epochs.tmin))
    stretches = tuple(stretches_of(firsts, n_samples, rate))
    return replace(opened, name="epochs", format="MNE Epochs", start=start, stretches=stretches)


def stretches_of(firsts: NDArray[np.integer], n_samples: int, rate: float) -> Iterator[Stretch]:
    """Yield the runs of epochs that follow each other, by the first sample of each."""
    breaks = [0, *(np.flatnonzero(np.diff(firsts) != n_samples) + 1).tolist(), len(firsts)]
    for first, end in pairwise(breaks):
        onset = float(firsts[first] - firsts[0]) / rate
        yield Stretch(onset, first * n_samples / rate, (end - first) * n_samples / rate)


def check_name(name: str) -> None:
    """Raise InputError for a name by which files would lie elsewhere, or could not be written."""
    parts = (name, name.replace("\\", "/").rpartition("/")[2])
    if not name.strip(". ") or parts[0] != parts[1] or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        shown = name if len(name) <= 40 else f"{name[:40]}… ({len(name)} letters)"
        raise InputError(
            f"name is {shown!r}; files are called by it: give at most {LONGEST_NAME} letters, without / and \\"
        )


# ---- the request ----


def request_from(
    channels: Sequence[str],
    hypnogram: str | Path | Sequence[Any] | NDArray[Any] | None,
    stage_map: str | Path | Mapping[Any, str] | None,
    lights_off: str | float | None,
    lights_on: str | float | None,
) -> Request:
    """Return what somebody wants of a recording.

    Raises:
        InputError: stages, their map, or times that cannot be.
    """
    reading = Reading({} if stage_map is None else codes_in(stage_map))
    return Request(
        tuple(channels),
        expert_from(hypnogram, reading),
        parse_lights(lights_off, "lights_off"),
        parse_lights(lights_on, "lights_on"),
        reading,
    )


def names_of(channel: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return the names of the channels that are wanted, none for None."""
    names = (channel,) if isinstance(channel, str) else tuple(() if channel is None else channel)
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"channel is {name!r}; give the name of a channel, or names")
    return names


def expert_from(
    hypnogram: str | Path | Sequence[Any] | NDArray[Any] | None, reading: Reading
) -> Path | Hypnogram | None:
    """Return the file of a hypnogram, or the hypnogram that stages in memory are."""
    if hypnogram is None or isinstance(hypnogram, Path):
        return hypnogram
    if isinstance(hypnogram, str):
        return Path(hypnogram) if hypnogram else None
    try:
        return hypnogram_from(hypnogram, reading, "hypnogram")
    except InputError as error:
        raise InputError(str(error).replace("--stage_map", "stage_map")) from error


def codes_in(stage_map: str | Path | Mapping[Any, str]) -> Mapping[str, int]:
    """Return label → code of "rk", "aasm", a file, or a dictionary such as {"0": "W", "1": "N1"}.

    Raises:
        InputError: no such map, or a stage that there is not.
    """
    if not isinstance(stage_map, Mapping):
        return map_named(str(stage_map))
    for label, stage in stage_map.items():
        if stage not in CODES:
            raise InputError(f"stage_map: {label!r} means {stage!r}; there are {', '.join(CODES)}")
    return {key_of(str(label)): CODES[stage] for label, stage in stage_map.items()}
