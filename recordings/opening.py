"""A recording of any format → one of its channels.

EDF and BDF are read by edf.py, BrainVision, EEGLAB and FIF by MNE, prepared nights by data.py. A recording that is in
memory already, as an MNE Raw or an array, is opened alike.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from command import InputError, as_text, counted
from data import load_night
from files.limits import LATEST_ONSET, LONGEST_DAYS, LONGEST_SECONDS, RATES
from files.reading import readable, reader
from recordings.before_mne import CHECKS
from recordings.brainvision import segments_of
from recordings.channels import Channel, alike, resolve_channel
from recordings.edf import EXPORT_AGAIN, open_edf, open_edf_again
from recordings.quality import sampled_reason
from recordings.recording import SIMULATED, Header, Mark, RawSignal, Recording, Stretch, state_of
from recordings.units import microvolts_in
from sleepstage import EPOCH_SECONDS

if TYPE_CHECKING:
    from mne.io import BaseRaw

BOUNDARY = "boundary"  # EEGLAB's mark where signal was cut out


Opener = Callable[[Path, str], Recording]


def opener_of(path: Path) -> Opener:
    """Return what opens a recording, by its suffix; nothing is read yet.

    Raises:
        InputError: no such file, or of another format; the message names the file.
    """
    opener = OPENERS.get(path.suffix.casefold())
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the recordings in it by name, as in {path}/*.edf")
    if not path.is_file():
        raise InputError(f"{path}: no such file; check the name")
    if opener is None:
        raise InputError(
            f"{path}: {path.suffix or 'no suffix'} is not a supported format; there are {', '.join(OPENERS)} "
            "(BrainVision: give the .vhdr; EEGLAB: the .set)"
        )
    return opener


def open_recording(path: Path, unit: str = "") -> Recording:
    """Open a recording; its samples stay on disk.

    Args:
        path: the file.
        unit: of signals whose own is no voltage that is known, as uV; "" refuses these.

    Raises:
        InputError: as `opener_of`, or damaged, cut short, or without a signal; the message names the file.
    """
    opened = opener_of(path)(path, checked_unit(unit))
    if not opened.headers:
        raise InputError(f"{path}: holds no signal ({len(opened.marks)} annotations); give the recording itself")
    if opened.seconds > LONGEST_SECONDS:
        days = opened.seconds / 86_400
        raise InputError(f"{path}: lasts {days:.0f} days by its own clock; the limit is {LONGEST_DAYS} days")
    return replace(opened, name=as_text(opened.name))


def checked_unit(unit: str) -> str:
    """Return a unit that the user names.

    Raises:
        InputError: it is no voltage.
    """
    if unit and microvolts_in(unit) is None:
        raise InputError(f"--unit {unit}: is no voltage; give uV, mV, V or nV")
    return unit


def open_again(path: Path, stretches: Sequence[Stretch]) -> Recording:
    """Open a recording whose parts without gaps are known from an earlier time, if that is faster without its marks.

    Raises:
        InputError: as `open_recording`.
    """
    if opener_of(path) is not open_edf or not stretches:
        return open_recording(path)
    return open_edf_again(path, stretches)


# ---- formats that MNE reads ----

MNE_FORMATS = {
    ".vhdr": ("BrainVision", "read_raw_brainvision"),
    ".set": ("EEGLAB", "read_raw_eeglab"),
    ".fif": ("FIF", "read_raw_fif"),
}


@reader("a readable recording", EXPORT_AGAIN)
def open_with_mne(path: Path, unit: str = "") -> Recording:
    """Open a BrainVision, EEGLAB or FIF recording; `unit` is that of signals that MNE does not know to be in volts.

    Raises:
        InputError: MNE cannot read it.
    """
    import mne

    suffix = path.suffix.casefold()
    if suffix in CHECKS:
        CHECKS[suffix](path)
    name, function = MNE_FORMATS[suffix]
    with readable(path, f"a readable {name} recording", EXPORT_AGAIN), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names and montages, which do not matter here
        raw = getattr(mne.io, function)(path, preload=False, verbose="ERROR")
    return opened_raw(raw, path, name, unit)


def open_raw(raw: BaseRaw) -> Recording:
    """Open a recording that MNE has opened already; its name is that of its file, if it has one."""
    file = next((Path(name) for name in raw.filenames if name), None)
    return opened_raw(raw, file, "MNE Raw")


def opened_raw(raw: BaseRaw, path: Path | None, format_name: str, unit: str = "") -> Recording:
    """Return what MNE has opened as a recording, its samples in µV, read when they are asked for."""
    import mne

    in_volts = [one["unit"] == mne.io.constants.FIFF.FIFF_UNIT_V for one in raw.info["chs"]]
    rate = float(raw.info["sfreq"])
    name = path.stem if path else "raw"

    def read(signal: int, first: int, last: int) -> NDArray[np.float32]:
        factor = 1e6 if in_volts[signal] else microvolts_in(unit) if unit else None
        if factor is None:
            raise InputError(
                f"{path or name}: {raw.ch_names[signal]} is not in volts; select another channel, or say which voltage "
                "that is: --unit uV"
            )
        with readable(path or Path(name), "readable to its end", EXPORT_AGAIN):
            volts = raw.get_data(picks=[signal], start=first, stop=last, verbose="ERROR")[0]
        microvolts: NDArray[np.float32] = (volts * factor).astype(np.float32)
        return microvolts

    start = raw.info["meas_date"]
    about = f"{path.name if path else ''} {raw.info['description']} {raw.info['subject_info']}"
    marks = mne_marks(raw)
    stretches, paused = mne_stretches(raw, path, marks)
    return Recording(
        name,
        path,
        format_name,
        tuple(
            Header(label, "V" if volts else "", rate, raw.n_times)
            for label, volts in zip(raw.ch_names, in_volts, strict=True)
        ),
        start and start.replace(tzinfo=None) + timedelta(seconds=raw.first_time),
        stretches,
        read,
        SIMULATED.casefold() in about.casefold(),
        marks,
        notices=(*boundary_notice(marks), *paused),
        files=tuple(state_of(file) for name in raw.filenames if name and (file := Path(name)).is_file()),
        bad_signals=frozenset(raw.ch_names.index(name) for name in raw.info["bads"]),
    )


def mne_marks(raw: BaseRaw) -> tuple[Mark, ...]:
    """Return every annotation at a time of a recording, its onset in seconds from the first sample."""
    of_brainvision = "BrainVision" in type(raw).__name__
    text_of = without_type if of_brainvision else str
    point = 1.5 / raw.info["sfreq"] if of_brainvision else -1.0  # its markers have at least one sample

    def lasting(seconds: float) -> float | None:
        return None if seconds < point else seconds

    marks = (
        Mark(float(one["onset"] - raw.first_time), lasting(float(one["duration"])), text_of(str(one["description"])))
        for one in raw.annotations
    )
    return tuple(mark for mark in marks if abs(mark.onset) <= LATEST_ONSET)


def without_type(text: str) -> str:
    """Return the description of a BrainVision marker without its type, which MNE puts before it: Comment/Lights off.

    A type that says that the signal is bad counts where the description does not say so; a stimulus or a response keeps
    its type, so that `S  1` is no stage.
    """
    kind, _, description = text.partition("/")
    if kind.casefold() in ("stimulus", "response"):
        return text
    is_bad = kind.casefold().startswith("bad") and not description.casefold().startswith("bad")
    return text if is_bad or not description else description


def mne_stretches(
    raw: BaseRaw, path: Path | None, marks: tuple[Mark, ...]
) -> tuple[tuple[Stretch, ...], tuple[str, ...]]:
    """Return what lies between the pauses of a recording, and what to say of them.

    A FIF recording fills its pauses with zeros; BrainVision's leaves them out, and says when each segment began.
    """
    rate = float(raw.info["sfreq"])
    if path is not None and path.suffix.casefold() == ".vhdr":
        return segments_of(path, int(raw.n_times), rate)
    ends = [0.0]
    for mark in marks:
        if mark.text.upper() == "BAD_ACQ_SKIP":
            ends += [mark.onset, mark.onset + (mark.duration or 0.0)]
    ends.append(raw.n_times / rate)
    parts = zip(ends[::2], ends[1::2], strict=True)
    return tuple(Stretch(start, start, end - start) for start, end in parts if end > start), ()


def boundary_notice(marks: tuple[Mark, ...]) -> tuple[str, ...]:
    cuts = sum(mark.text.casefold() == BOUNDARY for mark in marks)
    return (f"signal was cut out in {cuts} places (boundary marks); epochs run across them",) if cuts else ()


# ---- prepared nights, and arrays ----


def open_prepared(path: Path, unit: str = "") -> Recording:
    """Open a prepared night as a recording of one channel, in µV and without a clock.

    Raises:
        InputError: it cannot be read, or its epochs are not of 30 s.
    """
    night = load_night(path)
    n_epochs, n_samples = night.x.shape
    if n_samples != EPOCH_SECONDS * night.fs:
        raise InputError(
            f"{path}: {n_samples} samples an epoch at {night.fs:g} Hz are {n_samples / night.fs:g} s; "
            f"an epoch that can be scored has {EPOCH_SECONDS} s"
        )
    samples = night.x.reshape(-1)  # (epoch, sample) -> (sample,)
    return Recording(
        path.stem,
        path,
        "prepared night",
        (Header(night.ch_label, "uV", night.fs, len(samples)),),
        None,  # epochs may have been left out, so that only the first one's time of day is known
        (Stretch(0.0, 0.0, float(n_epochs * EPOCH_SECONDS)),),
        lambda signal, first, last: samples[first:last],
        night.simulated,
        night=night,
    )


def open_array(samples: ArrayLike, rate: float, channel: str = "", name: str = "array") -> Recording:
    """Open an array as a recording of one channel, without a clock.

    Args:
        samples: (sample,) in µV.
        rate: Hz.
        channel: the channel's name, if it is known.
        name: what files made of it are called.

    Raises:
        InputError: it is not one row of numbers, or the rate is not above 0.
    """
    given = np.asarray(samples)
    if given.ndim != 1 or given.dtype.kind not in "iuf":
        raise InputError(
            f"{name}: an array of {given.dtype} and shape {given.shape}; give one channel, (sample,) in µV"
        )
    if not 0 < rate < math.inf:
        raise InputError(f"{name}: rate is {rate}; give the sampling rate in Hz")
    values = given.astype(np.float32, copy=False)
    return Recording(
        name,
        None,
        "array",
        (Header(channel, "uV", float(rate), len(values)),),
        None,
        (Stretch(0.0, 0.0, len(values) / rate),),
        lambda signal, first, last: values[first:last],
        simulated=False,
    )


OPENERS: dict[str, Opener] = {
    **dict.fromkeys((".edf", ".rec", ".bdf"), open_edf),
    **dict.fromkeys(MNE_FORMATS, open_with_mne),
    ".npz": open_prepared,
}


# ---- one channel ----


def one_channel(opened: Recording, channel: Channel) -> RawSignal:
    """Return one channel of an open recording.

    Raises:
        InputError: it is no voltage, has no scale or no rate of an EEG, or is the difference of two signals of
            different rates.
    """
    header = opened.headers[channel.active]
    used = [channel.active] if channel.reference is None else [channel.active, channel.reference]
    rates = [opened.headers[i].rate for i in used]
    if len(set(rates)) > 1:
        described = ", ".join(f"{opened.headers[i].label} has {opened.headers[i].rate:g} Hz" for i in used)
        raise InputError(f"{opened.place}: cannot derive {channel.label}: {described}; select another channel")
    if not RATES[0] <= header.rate <= RATES[1]:
        raise InputError(
            f"{opened.place}: {channel.label} has {header.rate:g} Hz; a channel that can be scored has {RATES[0]:g} to "
            f"{RATES[1]:g} Hz: select another channel"
        )

    def read(first: int, last: int) -> NDArray[np.float32]:
        samples = opened.read(used[0], first, last)
        return samples - opened.read(used[1], first, last) if len(used) > 1 else samples

    read(0, min(1, header.n_samples))  # refused here, if at all
    return RawSignal(
        read,
        header.n_samples,
        header.rate,
        channel.label,
        header.unit,
        opened.start,
        opened.stretches,
        opened.simulated,
        opened.notices,
        opened.files,
        marked_bad=not opened.bad_signals.isdisjoint(used),
    )


def read_signal(path: Path, wanted: str, unit: str = "") -> RawSignal:
    """Open one channel of a recording without gaps; the other signals stay on disk.

    Raises:
        InputError: as `open_recording` and `one_channel`, no such channel, or gaps; the message names the file.
    """
    opened = open_recording(path, unit)
    if len(opened.stretches) > 1:
        first, second = opened.stretches[:2]
        pause = second.onset - first.onset - first.seconds
        raise InputError(
            f"{path}: has {counted(len(opened.stretches) - 1, 'gap')} in time, the first of {pause:g} s after "
            f"{first.seconds:g} s, which preparation does not bridge; cut it into one file for each part"
        )
    try:
        signal = one_channel(opened, live_channel(opened, wanted))
    except InputError as error:
        raise InputError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from error
    bad = (f"the file marks {signal.channel} as bad",) if signal.marked_bad else ()
    return replace(signal, notices=signal.notices + bad)


def live_channel(opened: Recording, wanted: str) -> Channel:
    """Return the channel of a name; of several signals with this very label, the only one that can be scored.

    Raises:
        InputError: no such channel, or several that can be scored, or none.
    """
    live = [one for one in alike(wanted, opened.labels) if not reason_against(opened, one)]
    return live[0] if len(live) == 1 else resolve_channel(wanted, opened.labels)


def reason_against(opened: Recording, channel: Channel) -> str:
    """Say why a channel cannot be scored, read here and there; "" where nothing speaks against it."""
    try:
        return sampled_reason(one_channel(opened, channel))
    except InputError as error:
        return str(error).removeprefix(f"{opened.place}: ")
