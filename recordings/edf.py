"""EDF and BDF files, with or without +: their headers, their annotations, and any one of their signals.

edfio decodes what a header means; which bytes belong to which record is decided here, so that one signal of a week can
be read without the others, and gaps in time (EDF+D) are known.

Source of the formats: Kemp et al. (1992), https://www.edfplus.info/specs/edf.html, and Kemp & Olivan (2003),
https://www.edfplus.info/specs/edfplus.html.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files import readable, reader
from recordings.recording import SIMULATED, FileState, Header, Mark, Recording, Stretch, state_of

if TYPE_CHECKING:
    from edfio import Bdf, BdfSignal, Edf, EdfSignal

MICROVOLTS = {"uv": 1.0, "µv": 1.0, "μv": 1.0, "mv": 1e3, "v": 1e6, "nv": 1e-3, "": 1.0}
"""Physical dimension of a signal, in small letters → µV. A signal without one is taken as µV, with a notice."""

ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
JITTER_SECONDS = 0.005  # half a sample at 100 Hz: less between two records is no gap
BYTES_AT_A_TIME = 2**26

EXPORT_AGAIN = "copy or export it again"


@reader("a readable EDF file", EXPORT_AGAIN)
def open_edf(path: Path) -> Recording:
    """Open an EDF or BDF file; an EDF+ file of annotations alone has no signals.

    Raises:
        InputError: no such file, no EDF, or shorter than its header says.
    """
    parsed, fields, records = read_header(path)
    labels: Sequence[str] = fields["label"]
    signals: Sequence[Any] = parsed.signals  # EdfSignal or BdfSignal
    ordinary = [i for i, label in enumerate(labels) if label not in ANNOTATIONS]
    duration = parsed.data_record_duration
    onsets, marks = annotated(labels, records)
    has_gaps = parsed.reserved[:5] in ("EDF+D", "BDF+D") and len(onsets) == records.n_records

    def read(signal: int, first: int, last: int) -> NDArray[np.float32]:
        gain, offset = scale_of(path, signals[signal])
        samples = records.numbers(ordinary[signal], first, last).astype(np.float32)
        samples *= np.float32(gain)
        samples += np.float32(offset)
        return samples

    about = f"{parsed.local_patient_identification} {parsed.local_recording_identification}"
    plus = re.match(r"[EB]DF\+[CD]?", parsed.reserved)
    return Recording(
        path.stem,
        path,
        plus[0] if plus else {2: "EDF", 3: "BDF"}[records.width],
        tuple(
            header_of(labels[i], signal, records.lengths[i], records.n_records, duration)
            for i, signal in zip(ordinary, signals, strict=True)
        ),
        start_of(parsed),
        stretches_of(path, onsets, duration) if has_gaps else (Stretch(0.0, 0.0, records.n_records * duration),),
        read,
        SIMULATED.casefold() in about.casefold(),
        marks,
        notices=tuple(header_notices(path, fields, signals)),
        files=(records.file,),
    )


# ---- the header ----

RECORDING_FIELDS = {
    "version": 8,
    "patient": 80,
    "recording": 80,
    "start_date": 8,
    "start_time": 8,
    "header_bytes": 8,
    "reserved": 44,
    "n_records": 8,
    "record_seconds": 8,
    "n_signals": 4,
}
SIGNAL_FIELDS = {
    "label": 16,
    "transducer": 80,
    "unit": 8,
    "physical_minimum": 8,
    "physical_maximum": 8,
    "digital_minimum": 8,
    "digital_maximum": 8,
    "prefilter": 80,
    "samples_a_record": 8,
    "reserved": 32,
}
"""The fields of an EDF header in their order, and the bytes of each; those of the signals have one value a signal."""

Fields = dict[str, tuple[str, ...]]


def decode_fields(block: bytes, widths: Mapping[str, int], n_values: int = 1) -> Fields:
    """Cut a part of a header into its fields, each of `n_values` texts side by side."""
    fields: Fields = {}
    at = 0
    for name, width in widths.items():
        values = (block[at + i * width : at + (i + 1) * width] for i in range(n_values))
        fields[name] = tuple(value.decode("latin-1").strip() for value in values)
        at += n_values * width
    return fields


@reader("a readable EDF file", EXPORT_AGAIN)
def read_header(path: Path) -> tuple[Edf | Bdf, Fields, Records]:
    """Return what edfio makes of a header, the header's own fields, and where the records are.

    Records beyond the header's count are kept.

    Raises:
        InputError: no such file, no EDF, or shorter than its header says.
    """
    import edfio

    with path.open("rb") as file:
        fixed = file.read(sum(RECORDING_FIELDS.values()))
        fields = decode_fields(fixed, RECORDING_FIELDS)
        n_signals, promised = int(fields["n_signals"][0]), int(fields["n_records"][0])
        block = file.read(sum(SIGNAL_FIELDS.values()) * n_signals)
        fields |= decode_fields(block, SIGNAL_FIELDS, n_signals)
        width = 3 if fixed[:1] == b"\xff" else 2
        lengths = tuple(int(text) for text in fields["samples_a_record"])
        first_record = file.read(sum(lengths) * width)  # in EDF+ it holds the fraction of the start's second
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what edfio warns of is checked below
            read = edfio.read_edf if width == 2 else edfio.read_bdf
            parsed: Edf | Bdf = read(io.BytesIO(fixed + block + first_record), header_encoding="latin-1")
        state = state_of(path)
        n_records = (state.size - len(fixed + block)) // (sum(lengths) * width)
    if n_records < promised:
        raise InputError(
            f"{path}: cut short: its header promises {promised} records of {parsed.data_record_duration:g} s, "
            f"{n_records} are there; {EXPORT_AGAIN}"
        )
    return parsed, fields, Records(state, len(fixed + block), n_records, lengths, width)


def header_notices(path: Path, fields: Fields, signals: Sequence[Any]) -> Iterator[str]:
    """Yield what the user should know of a header that can be read: the signals are those without annotations."""
    if fields["n_records"][0] == "-1":
        yield "the header leaves the number of records open (-1): still being written, or never closed; read as it is"
    if upside_down := [one.label for one in signals if is_upside_down(path, one)]:
        names = ", ".join(upside_down)
        yield f"{names}: the header gives it a negative gain; its polarity is as the header says"


def is_upside_down(path: Path, one: EdfSignal | BdfSignal) -> bool:
    """Tell whether a voltage has its minimum above its maximum, physical or digital."""
    try:
        return scale_of(path, one)[0] < 0
    except InputError:  # no voltage, or no scale: refused when it is read
        return False


def header_of(label: str, signal: EdfSignal | BdfSignal, length: int, n_records: int, record_seconds: float) -> Header:
    rate = length / record_seconds if record_seconds > 0 else 0.0
    return Header(label, signal.physical_dimension, rate, length * n_records)


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


# ---- the records ----


@dataclass(frozen=True)
class Records:
    """Where the samples of an EDF or BDF file are.

    Attributes:
        file: the file, as it was when its records were counted.
        first_byte: of the first record.
        n_records: how many there are.
        lengths: samples of each signal in a record, annotation signals included.
        width: bytes of a sample, 2 or 3.
    """

    file: FileState
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
            with readable(self.file.path, "as long as it was when it was opened", "read it again when it is whole"):
                whole = np.fromfile(self.file.path, np.uint8, count=n * record_bytes, offset=at)
                whole = whole.reshape(n, record_bytes)
            found[record - first :][:n] = whole[:, start : start + size]
        return found

    def numbers(self, signal: int, first: int, last: int) -> NDArray[np.int32]:
        """Return a signal's digital samples `first` to `last`, (sample,)."""
        length = self.lengths[signal]
        first_record = first // length
        raw = self.bytes_of(signal, first_record, -(-last // length)).reshape(-1, self.width)  # (sample, byte)
        padded = np.zeros((len(raw), 4), np.uint8)
        padded[:, 4 - self.width :] = raw  # little-endian: the sign is in the last byte
        whole = padded.reshape(-1).view("<i4") >> (32 - 8 * self.width)
        return whole[first - first_record * length : last - first_record * length]


# ---- annotations ----

TIMED_TEXTS = re.compile(rb"([+-]\d+(?:\.\d+)?)(?:\x15([\d.]*))?\x14([^\x00]*)\x14\x00")
"""A time-stamped annotation list (TAL): onset, duration if any, texts with a \\x14 between two."""


def annotated(labels: Sequence[str], records: Records) -> tuple[list[float], tuple[Mark, ...]]:
    """Return the time stamp of every record that has one, in seconds, and all annotations in order of time."""
    own = [i for i, label in enumerate(labels) if label in ANNOTATIONS]
    onsets: list[float] = []
    marks: list[Mark] = []
    for number, signal in enumerate(own):
        for record in records.bytes_of(signal, 0, records.n_records):
            found = TIMED_TEXTS.findall(record.tobytes())
            if number == 0 and found:
                onsets.append(float(found[0][0]))  # the first one of each record keeps the time
            marks += [mark for one in found for mark in marks_of(*one)]
    return onsets, tuple(sorted(marks, key=lambda mark: mark.onset))


def marks_of(onset: bytes, duration: bytes, texts: bytes) -> list[Mark]:
    """Return a mark for each text of a list; one that only keeps the time has none."""
    try:
        seconds = float(duration) if duration else None
    except ValueError:  # 1.2.3
        seconds = None
    return [Mark(float(onset), seconds, text.decode("utf-8", "replace")) for text in texts.split(b"\x14") if text]


def stretches_of(path: Path, onsets: Sequence[float], duration: float) -> tuple[Stretch, ...]:
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
