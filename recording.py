"""A recording of any format → one channel in µV at 100 Hz, in epochs.

EDF and BDF, with or without +, are read here, their headers by edfio; BrainVision, EEGLAB and FIF by MNE; prepared
nights by data.py. Only the wanted channel is read, an hour or less at a time, so that days of it fit into memory.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from channels import Channel, resolve_channel
from command import InputError
from data import Night, load_night
from sleepstage import EPOCH_SECONDS

if TYPE_CHECKING:
    from edfio import Bdf, BdfSignal, Edf, EdfSignal

TARGET_RATE = 100  # Hz, of every prepared night
EPOCH_SAMPLES = TARGET_RATE * EPOCH_SECONDS
PLAUSIBLE_STD = (1.0, 500.0)  # µV; the median epoch of a scalp EEG lies well inside
SIMULATED = "Simulated"  # stands in the patient or recording field of every file that simulate.py writes

MICROVOLTS = {"uv": 1.0, "µv": 1.0, "μv": 1.0, "mv": 1e3, "v": 1e6, "nv": 1e-3, "": 1.0}
"""Physical dimension of an EDF signal, in small letters → µV. A signal without one is taken as µV, with a notice."""

LONGEST_DAYS = 31  # a recording that seems longer has a wrong clock somewhere
SAMPLES_AT_A_TIME = 4_000_000
BYTES_AT_A_TIME = 2**26


# ---- a recording, opened ----


@dataclass(frozen=True)
class Header:
    """What a file says of one signal: its name, its unit, Hz, and how many samples it has."""

    label: str
    unit: str
    rate: float
    n_samples: int


@dataclass(frozen=True)
class Stretch:
    """A part of a recording without gaps, in seconds.

    Attributes:
        onset: when it starts, from the recording's start.
        offset: where it starts in the file, which holds no gaps.
        seconds: its length.
    """

    onset: float
    offset: float
    seconds: float


@dataclass(frozen=True, eq=False)
class Recording:
    """An open recording.

    Attributes:
        path: the file.
        format: its format by the name that users know.
        headers: of its signals.
        start: when it starts, on the recorder's own clock; None when the file does not say.
        stretches: its parts without gaps, in order.
        read: (signal, first sample, last sample) → (sample,) float32, µV.
        simulated: True when the file says that it was generated.
        marks: (seconds from the start, text) of every annotation.
        night: the prepared night, if it is one.
        notices: what the user should know of the file.
    """

    path: Path
    format: str
    headers: tuple[Header, ...]
    start: datetime | None
    stretches: tuple[Stretch, ...]
    read: Callable[[int, int, int], NDArray[np.float32]]
    simulated: bool
    marks: tuple[tuple[float, str], ...] = ()
    night: Night | None = None
    notices: tuple[str, ...] = ()

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(header.label for header in self.headers)

    @property
    def seconds(self) -> float:
        """Its length, gaps included."""
        return max((part.onset + part.seconds for part in self.stretches), default=0.0)


def open_recording(path: Path) -> Recording:
    """Open a recording by its suffix; its samples stay on disk.

    Raises:
        InputError: no such file, another format, damaged, cut short, or without a signal; the message names the file.
    """
    opener = OPENERS.get(path.suffix.casefold())
    if path.is_dir():
        raise InputError(f"{path}: is a folder; give the recordings in it by name, as in {path}/*.edf")
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    if opener is None:
        raise InputError(
            f"{path}: {path.suffix or 'no suffix'} is no format that is read; there are {', '.join(OPENERS)} "
            "(BrainVision: give the .vhdr; EEGLAB: the .set)"
        )
    opened = opener(path)
    if not opened.headers:
        raise InputError(f"{path}: holds no signal ({len(opened.marks)} annotations); give the recording itself")
    if opened.seconds > LONGEST_DAYS * 86_400:
        raise InputError(f"{path}: lasts {opened.seconds / 86_400:.0f} days by its own clock; the limit is 31 days")
    return opened


# ---- EDF and BDF ----

LABEL_BYTES, LENGTH_BYTES, LENGTHS_AT = 16, 8, 216
"""In an EDF header: width of a label and of a signal's samples a record, and bytes of each signal before the latter."""

ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
TIMED_TEXTS = re.compile(rb"([+-]\d+(?:\.\d+)?)(?:\x15[\d.]*)?\x14([^\x00]*)\x14\x00")
JITTER_SECONDS = 0.005  # half a sample at 100 Hz: less between two records is no gap


@dataclass(frozen=True)
class Records:
    """Where the samples of an EDF or BDF file are.

    Attributes:
        path: the file.
        first_byte: of the first record.
        n_records: how many there are.
        lengths: samples of each signal in a record, annotation signals included.
        width: bytes of a sample, 2 or 3.
    """

    path: Path
    first_byte: int
    n_records: int
    lengths: tuple[int, ...]
    width: int

    def bytes_of(self, signal: int, first: int, last: int) -> NDArray[np.uint8]:
        """Return a signal's bytes in records `first` to `last`: (record, byte)."""
        record_bytes = sum(self.lengths) * self.width
        start = sum(self.lengths[:signal]) * self.width
        size = self.lengths[signal] * self.width
        found = np.empty((last - first, size), np.uint8)
        step = max(1, BYTES_AT_A_TIME // max(1, record_bytes))
        for record in range(first, last, step):
            n = min(step, last - record)
            at = self.first_byte + record * record_bytes
            whole = np.fromfile(self.path, np.uint8, count=n * record_bytes, offset=at).reshape(n, record_bytes)
            found[record - first :][:n] = whole[:, start : start + size]
        return found

    def numbers(self, signal: int, first: int, last: int) -> NDArray[np.int32]:
        """Return a signal's digital samples `first` to `last`."""
        length = self.lengths[signal]
        first_record = first // length
        raw = self.bytes_of(signal, first_record, -(-last // length)).reshape(-1, self.width)  # (sample, byte)
        padded = np.zeros((len(raw), 4), np.uint8)
        padded[:, 4 - self.width :] = raw  # little-endian: the sign is in the last byte
        whole = padded.reshape(-1).view("<i4") >> (32 - 8 * self.width)
        return whole[first - first_record * length : last - first_record * length]


def open_edf(path: Path) -> Recording:
    header, records = edf_header(path)
    labels = header_column(path, LABEL_BYTES, 0)
    signals: Sequence[Any] = header.signals  # EdfSignal or BdfSignal
    ordinary = [i for i, label in enumerate(labels) if label not in ANNOTATIONS]
    duration = header.data_record_duration
    headers = tuple(
        Header(
            labels[i],
            signal.physical_dimension,
            rate_of(records.lengths[i], duration),
            records.lengths[i] * records.n_records,
        )
        for i, signal in zip(ordinary, signals, strict=True)
    )
    onsets, marks = annotated(header, labels, records)

    def read(signal: int, first: int, last: int) -> NDArray[np.float32]:
        gain, offset = scale_of(path, signals[signal])
        samples = records.numbers(ordinary[signal], first, last).astype(np.float32)
        samples *= np.float32(gain)
        samples += np.float32(offset)
        return samples

    about = f"{header.local_patient_identification} {header.local_recording_identification}"
    plus = re.match(r"[EB]DF\+[CD]?", header.reserved)
    return Recording(
        path,
        plus[0] if plus else {2: "EDF", 3: "BDF"}[records.width],
        headers,
        start_of(header),
        stretches_of(path, onsets, duration) if onsets else (Stretch(0.0, 0.0, records.n_records * duration),),
        read,
        SIMULATED.casefold() in about.casefold(),
        marks,
    )


def edf_header(path: Path) -> tuple[Edf | Bdf, Records]:
    """Read the header of an EDF or BDF file, and find its records. Records beyond the header's count are kept.

    Raises:
        InputError: no such file, no EDF, or shorter than its header says.
    """
    import edfio

    try:
        with path.open("rb") as file:
            fixed = file.read(256)
            header = fixed + file.read(256 * int(fixed[252:256]))
            width = 3 if fixed[:1] == b"\xff" else 2
            lengths = tuple(int(text) for text in header_column(path, LENGTH_BYTES, LENGTHS_AT))
            first_record = file.read(sum(lengths) * width)  # in EDF+ it holds the fraction of the start's second
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what edfio warns of is checked below
            read = edfio.read_edf if width == 2 else edfio.read_bdf
            parsed: Edf | Bdf = read(io.BytesIO(header + first_record), header_encoding="latin-1")
        promised, duration = int(fixed[236:244]), parsed.data_record_duration
        n_records = (path.stat().st_size - len(header)) // (sum(lengths) * width)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except Exception as error:  # a parser fails on foreign bytes in any way whatever
        raise InputError(f"{path}: not a readable EDF file ({error}); fetch it again") from error
    if n_records < promised:
        raise InputError(
            f"{path}: cut short: its header promises {promised} records of {duration:g} s, "
            f"{n_records} are there; fetch it again"
        )
    return parsed, Records(path, len(header), n_records, lengths, width)


def header_column(path: Path, width: int, before: int) -> tuple[str, ...]:
    """Return one field of every signal's header: it has `width` bytes, and `before` bytes a signal stand before it."""
    with path.open("rb") as file:
        file.seek(252)
        n_signals = int(file.read(4))
        file.seek(256 + before * n_signals)
        return tuple(file.read(width).decode("latin-1").strip() for _ in range(n_signals))


def rate_of(samples_a_record: int, record_seconds: float) -> float:
    return samples_a_record / record_seconds if record_seconds > 0 else 0.0


def start_of(edf: Edf | Bdf) -> datetime | None:
    """Return when a recording starts, on the recorder's own clock; None when the file does not say."""
    from edfio import AnonymizedDateError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two date fields that differ: edfio takes the EDF+ one
        try:
            try:
                day = edf.startdate
            except AnonymizedDateError:
                day = date(1985, 1, 1)  # what EDF+ writes for a date that is withheld; the clock still counts
            return datetime.combine(day, edf.starttime)
        except (ValueError, IndexError):  # no such date; no time-keeping annotation in an EDF+ file
            return None


def scale_of(path: Path, one: EdfSignal | BdfSignal) -> tuple[float, float]:
    """Return gain and offset, both in µV, that turn a signal's digital samples into µV.

    Raises:
        InputError: its unit is no voltage, its header gives no scale, or it is not sampled.
    """
    scale = MICROVOLTS.get(one.physical_dimension.casefold())
    if scale is None:
        raise InputError(f"{path}: {one.label} is in {one.physical_dimension}, not in volts; select another channel")
    try:
        (low, high), (first, last) = one.physical_range, one.digital_range
        gain = scale * (high - low) / (last - first)
    except (ValueError, ZeroDivisionError):
        gain = 0.0
    if not gain or not one.sampling_frequency > 0:
        raise InputError(f"{path}: the header gives no scale or rate for {one.label}; select another channel")
    return gain, scale * low - gain * first


def annotated(
    header: Edf | Bdf, labels: tuple[str, ...], records: Records
) -> tuple[list[float], tuple[tuple[float, str], ...]]:
    """Return the onset of every record, if there may be gaps (EDF+D), and all annotations, in seconds."""
    own = [i for i, label in enumerate(labels) if label in ANNOTATIONS]
    onsets, marks = [], []
    for number, signal in enumerate(own):
        for record in records.bytes_of(signal, 0, records.n_records):
            found = TIMED_TEXTS.findall(record.tobytes())
            if number == 0 and found:
                onsets.append(float(found[0][0]))  # the first one of each record keeps the time
            marks += [(float(at), text) for at, texts in found for text in texts.split(b"\x14") if text]
    has_gaps = header.reserved[:5] in ("EDF+D", "BDF+D") and len(onsets) == records.n_records
    return onsets if has_gaps else [], tuple((at, text.decode("utf-8", "replace")) for at, text in sorted(marks))


def stretches_of(path: Path, onsets: list[float], duration: float) -> tuple[Stretch, ...]:
    """Join records that follow each other without a gap.

    Raises:
        InputError: a record starts before the one before it has ended.
    """
    starts = [0]
    for number, (before, now) in enumerate(pairwise(onsets), 1):
        gap = now - before - duration
        if gap < -JITTER_SECONDS:
            raise InputError(f"{path}: record {number} starts at {now:g} s, before the last one has ended; repair it")
        if gap > JITTER_SECONDS:
            starts.append(number)
    ends = [*starts[1:], len(onsets)]
    return tuple(
        Stretch(onsets[start] - onsets[0], start * duration, (end - start) * duration)
        for start, end in zip(starts, ends, strict=True)
    )


# ---- formats that MNE reads ----

MNE_FORMATS = {
    ".vhdr": ("BrainVision", "read_raw_brainvision"),
    ".set": ("EEGLAB", "read_raw_eeglab"),
    ".fif": ("FIF", "read_raw_fif"),
}


def open_with_mne(path: Path) -> Recording:
    import mne

    name, reader = MNE_FORMATS[path.suffix.casefold()]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of names and montages, which do not matter here
            raw = getattr(mne.io, reader)(path, preload=False, verbose="ERROR")
    except Exception as error:  # a parser fails on foreign bytes in any way whatever
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: not a readable {name} recording ({reason}); export it again") from error
    in_volts = [one["unit"] == mne.io.constants.FIFF.FIFF_UNIT_V for one in raw.info["chs"]]
    rate = float(raw.info["sfreq"])

    def read(signal: int, first: int, last: int) -> NDArray[np.float32]:
        if not in_volts[signal]:
            raise InputError(f"{path}: {raw.ch_names[signal]} is not in volts; select another channel")
        volts = raw.get_data(picks=[signal], start=first, stop=last, verbose="ERROR")[0]
        microvolts: NDArray[np.float32] = (volts * 1e6).astype(np.float32)
        return microvolts

    start = raw.info["meas_date"]
    about = f"{path.name} {raw.info['description']} {raw.info['subject_info']}"
    marks = mne_marks(raw)
    return Recording(
        path,
        name,
        tuple(
            Header(label, "V" if volts else "", rate, raw.n_times)
            for label, volts in zip(raw.ch_names, in_volts, strict=True)
        ),
        start and start.replace(tzinfo=None) + timedelta(seconds=raw.first_time),
        mne_stretches(raw, rate),
        read,
        SIMULATED.casefold() in about.casefold(),
        tuple((at, text) for at, _, text in marks),
        notices=boundary_notice(marks),
    )


def mne_marks(raw: Any) -> list[tuple[float, float, str]]:
    """Return (onset, duration, text) of every annotation, seconds from the first sample."""
    first = raw.first_time if raw.annotations.orig_time is not None else 0.0
    return [(float(one["onset"]) - first, float(one["duration"]), str(one["description"])) for one in raw.annotations]


def mne_stretches(raw: Any, rate: float) -> tuple[Stretch, ...]:
    """Return what lies between the pauses of a FIF recording, which it fills with zeros."""
    ends = [0.0]
    for onset, duration, text in mne_marks(raw):
        if text.upper() == "BAD_ACQ_SKIP":
            ends += [onset, onset + duration]
    ends.append(raw.n_times / rate)
    parts = zip(ends[::2], ends[1::2], strict=True)
    return tuple(Stretch(start, start, end - start) for start, end in parts if end > start)


def boundary_notice(marks: list[tuple[float, float, str]]) -> tuple[str, ...]:
    cuts = sum(text.casefold() == "boundary" for _, _, text in marks)
    return (f"signal was cut out in {cuts} places (boundary marks); epochs run across them",) if cuts else ()


# ---- prepared nights ----


def open_prepared(path: Path) -> Recording:
    night = load_night(path)
    n_epochs, n_samples = night.x.shape
    if n_samples != EPOCH_SECONDS * night.fs:
        raise InputError(
            f"{path}: {n_samples} samples an epoch at {night.fs:g} Hz are {n_samples / night.fs:g} s; "
            f"an epoch that can be scored has {EPOCH_SECONDS} s"
        )
    samples = night.x.reshape(-1)  # (epoch, sample) -> (sample,)
    header = Header(night.ch_label, "uV", night.fs, len(samples))
    return Recording(
        path,
        "prepared night",
        (header,),
        None,  # epochs may have been left out, so that only the first one's time of day is known
        (Stretch(0.0, 0.0, float(n_epochs * EPOCH_SECONDS)),),
        lambda signal, first, last: samples[first:last],
        night.simulated,
        night=night,
    )


OPENERS: dict[str, Callable[[Path], Recording]] = {
    **dict.fromkeys((".edf", ".rec", ".bdf"), open_edf),
    **dict.fromkeys(MNE_FORMATS, open_with_mne),
    ".npz": open_prepared,
}


# ---- one channel ----


@dataclass(frozen=True, eq=False)
class RawSignal:
    """One channel of a recording, as it was recorded; its samples stay on disk until they are read.

    Attributes:
        read: (first sample, last sample) → (sample,) float32, µV.
        n_samples: how many there are.
        rate: sampling rate in Hz.
        channel: the channel's name as used.
        unit: the physical dimension in the file; the samples here are in µV whatever it is.
        start: when the recording starts, on the recorder's own clock; None when the file does not say.
        stretches: its parts without gaps, in order.
        simulated: True when the file says that it was generated.
    """

    read: Callable[[int, int], NDArray[np.float32]]
    n_samples: int
    rate: float
    channel: str
    unit: str
    start: datetime | None
    stretches: tuple[Stretch, ...]
    simulated: bool = False

    @property
    def samples(self) -> NDArray[np.float32]:
        """All samples at once, (sample,) in µV."""
        return self.read(0, self.n_samples)

    @property
    def seconds(self) -> float:
        return round(self.n_samples / self.rate, 6)  # a rate is a fraction: its rounding must not cost an epoch

    @property
    def n_epochs(self) -> int:
        return int(self.seconds // EPOCH_SECONDS)


def one_channel(opened: Recording, channel: Channel) -> RawSignal:
    """Return one channel of an open recording.

    Raises:
        InputError: it is no voltage, has no scale, or is the difference of two signals of different rates.
    """
    header = opened.headers[channel.active]
    used = [channel.active] if channel.reference is None else [channel.active, channel.reference]
    rates = [opened.headers[i].rate for i in used]
    if len(set(rates)) > 1:
        described = ", ".join(f"{opened.headers[i].label} has {opened.headers[i].rate:g} Hz" for i in used)
        raise InputError(f"{opened.path}: cannot derive {channel.label}: {described}; select another channel")

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
    )


def read_signal(path: Path, wanted: str) -> RawSignal:
    """Open one channel of a recording without gaps; the other signals stay on disk.

    Raises:
        InputError: as `open_recording` and `one_channel`, no such channel, or gaps; the message names the file.
    """
    opened = open_recording(path)
    if len(opened.stretches) > 1:
        raise InputError(f"{path}: has gaps in time (EDF+D), which preparation does not bridge; convert it to EDF+C")
    try:
        channel = resolve_channel(wanted, opened.labels)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return one_channel(opened, channel)


# ---- signal → epochs ----


def resampling(rate: float) -> Fraction:
    """Return what `rate` Hz is multiplied by to give 100 Hz (128 → 25/32)."""
    return (Fraction(TARGET_RATE) / Fraction(rate)).limit_denominator(10_000)


def resample(samples: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """Bring (sample,) at `rate` Hz to 100 Hz with a polyphase filter."""
    ratio = resampling(rate)
    if ratio == 1:
        return samples
    from scipy.signal import resample_poly  # takes a second to import: only where it is needed

    resampled: NDArray[np.float32] = resample_poly(samples, ratio.numerator, ratio.denominator)
    return resampled


@dataclass(frozen=True, eq=False)
class Epochs:
    """A channel cut into epochs on one grid; an epoch that is not wholly recorded, or not a number, has no signal.

    Attributes:
        x: (recorded epoch, sample) float32, µV at 100 Hz.
        recorded: (recorded epoch,) which epochs of the grid these are.
        n_epochs: epochs of the grid, up to the last one that is recorded.
        flat, clipped: (recorded epoch,) bool.
        first_second: where the grid starts in the recording.
    """

    x: NDArray[np.float32]
    recorded: NDArray[np.intp]
    n_epochs: int
    flat: NDArray[np.bool_]
    clipped: NDArray[np.bool_]
    first_second: float


def signal_epochs(signal: RawSignal, first_second: float = 0.0) -> Epochs:
    """Cut a channel into whole epochs at 100 Hz from `first_second` on; what reaches into a gap is left out."""
    blocks = [block for part in signal.stretches for block in plan_blocks(signal, part, first_second)]
    n_recorded = sum(block.n_epochs for block in blocks)
    x = np.empty((n_recorded, EPOCH_SAMPLES), np.float32)
    flat, clipped = np.zeros(n_recorded, bool), np.zeros(n_recorded, bool)
    recorded = np.concatenate([np.arange(0), *(np.arange(one.n_epochs) + one.first_epoch for one in blocks)])
    done = 0
    for block in blocks:
        into = slice(done, done + block.n_epochs)
        raw = signal.read(block.first_sample, block.last_sample)
        resampled = resample(raw, signal.rate)[block.skip :][: block.n_epochs * EPOCH_SAMPLES]
        x[into] = resampled.reshape(block.n_epochs, EPOCH_SAMPLES)  # (sample,) -> (epoch, sample)
        flat[into], clipped[into] = np.transpose([faults(part) for part in raw_epochs(raw, block, signal.rate)])
        done = into.stop
    n_epochs = int(recorded[-1]) + 1 if n_recorded else 0
    finite = np.isfinite(x.sum(axis=1, dtype=np.float64))
    if not finite.all():  # formats of floating-point numbers write "not a number" where there is no signal
        x, recorded, flat, clipped = x[finite], recorded[finite], flat[finite], clipped[finite]
    return Epochs(x, recorded, n_epochs, flat, clipped, first_second)


@dataclass(frozen=True)
class Block:
    """Samples to read and resample at a time, with enough around them that the filter sees no edge.

    Attributes:
        first_epoch, n_epochs: what they give.
        first_sample, last_sample: what to read.
        skip: samples at 100 Hz before the first epoch.
    """

    first_epoch: int
    n_epochs: int
    first_sample: int
    last_sample: int
    skip: int


def plan_blocks(signal: RawSignal, part: Stretch, first_second: float) -> Iterator[Block]:
    """Divide a stretch into blocks whose resampled epochs are those of the whole stretch, resampled at once."""
    ratio = resampling(signal.rate)
    up, down = ratio.numerator, ratio.denominator
    start, end = (round(second * signal.rate) for second in (part.offset, part.offset + part.seconds))
    end = min(end, signal.n_samples)
    at = round((part.onset - first_second) * TARGET_RATE)  # where its first sample lies on the grid, at 100 Hz
    first = max(0, -(-at // EPOCH_SAMPLES))
    last = (at + -(-(end - start) * up // down)) // EPOCH_SAMPLES
    context = -(-(10 * max(up, down) // up + 1) // down) * down  # SciPy's filter reaches so far to either side
    step = max(1, int(SAMPLES_AT_A_TIME // (EPOCH_SECONDS * signal.rate)))
    for epoch in range(first, last, step):
        n_epochs = min(step, last - epoch)
        offset = epoch * EPOCH_SAMPLES - at  # of the block's first sample at 100 Hz, in the stretch
        before = max(0, offset // up * down - context)  # a multiple of `down`: a whole sample at 100 Hz
        after = -(-(offset + n_epochs * EPOCH_SAMPLES) * down // up) + context
        yield Block(epoch, n_epochs, start + before, min(end, start + after), offset - before * up // down)


def raw_epochs(raw: NDArray[np.float32], block: Block, rate: float) -> Iterator[NDArray[np.float32]]:
    """Yield the samples of each of a block's epochs at the recording's own rate."""
    edges = (block.skip / TARGET_RATE + EPOCH_SECONDS * np.arange(block.n_epochs + 1)) * rate
    for first, last in pairwise(np.rint(edges).astype(int)):
        yield raw[first:last]


FLAT_RANGE = 1.0  # µV from the lowest to the highest sample of an epoch
CLIPPED_SHARE = 0.01  # of an epoch's samples at exactly its highest, or exactly its lowest value
CLIPPED_RANGE = 50.0  # µV; with less, many equal samples mean a coarse converter, not one that is driven too far


def faults(samples: NDArray[np.float32]) -> tuple[bool, bool]:
    """Say whether an epoch of (sample,) µV is flat, and whether it is clipped."""
    low, high = samples.min(), samples.max()
    if high - low < FLAT_RANGE:
        return True, False
    at_limit = max(np.count_nonzero(samples == low), np.count_nonzero(samples == high))
    return False, bool(high - low >= CLIPPED_RANGE and at_limit >= CLIPPED_SHARE * len(samples))


def amplitude_notice(x: NDArray[np.float32]) -> str | None:
    """Say so when the median standard deviation of (epoch, sample) µV is not that of a scalp EEG."""
    std = float(np.median([one.std() for one in x]))  # one at a time: all at once would copy the signal
    low, high = PLAUSIBLE_STD
    if low <= std <= high:
        return None
    if std == 0:
        return "the signal is flat; was the right channel selected?"
    return (
        f"implausible amplitude: the median epoch has a standard deviation of {std:.3g} µV, "
        f"an EEG has {low:g} to {high:g}; check the unit in the file"
    )
