"""EDF and BDF files, with or without +: their headers, their annotations, and any one of their signals.

edfio decodes what a header means; which bytes belong to which record is decided here, so that one signal of a week can
be read without the others, and gaps in time (EDF+D) are known.

Source of the formats: Kemp et al. (1992), https://www.edfplus.info/specs/edf.html, and Kemp & Olivan (2003),
https://www.edfplus.info/specs/edfplus.html.
"""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from command import InputError, one_line
from files.limits import LONGEST_ANNOTATIONS, LONGEST_RECORD
from files.reading import readable, reader
from recordings.annotations import Annotations, Clock, clock_of, read_annotations_of
from recordings.recording import SIMULATED, FileState, Header, Recording, Stretch, state_of
from recordings.units import microvolts_in

if TYPE_CHECKING:
    from edfio import Bdf, BdfSignal, Edf, EdfSignal

ANNOTATIONS = ("EDF Annotations", "BDF Annotations")
BYTES_AT_A_TIME = 2**26

CLIPPING_YEAR = 85  # two digits: 85 to 99 are 1985 to 1999, the others 2000 to 2084, as EDF has it
LAST_YEAR = 9000  # so that what is added to it has a date too; dates that were shifted go to 2200 or so
EXPORT_AGAIN = "copy or export it again"


@reader("a readable EDF file", EXPORT_AGAIN)
def open_edf(path: Path, unit: str = "", growing: bool = False) -> Recording:
    """Open an EDF or BDF file; an EDF+ file of annotations alone has no signals.

    Args:
        path: the file.
        unit: of signals whose own is no voltage that is known; "" refuses these.
        growing: it is still being written: what its header says of its length does not count.

    Raises:
        InputError: no such file, no EDF, or shorter than its header says.
    """
    header = read_header(path, growing)
    parsed, _, records = header
    said = read_annotations_of(path, records.annotations, records.n_records, records.bytes_of)
    clock = records_clock(path, parsed, records, said) if len(parsed.signals) else Clock(0.0, ())
    return recording_with(path, header, said, clock, unit)


@reader("a readable EDF file", EXPORT_AGAIN)
def open_edf_again(path: Path, stretches: Sequence[Stretch]) -> Recording:
    """Open a file whose parts without gaps are known: without its annotations, which lie all over it, it opens at once.

    Raises:
        InputError: as `open_edf`.
    """
    return recording_with(path, read_header(path), Annotations(np.zeros(0), ()), Clock(0.0, tuple(stretches)))


def recording_with(path: Path, header: EdfHeader, said: Annotations, clock: Clock, unit: str = "") -> Recording:
    """Return the recording that a header, its annotations and its clock describe."""
    parsed, fields, records = header
    labels = [one_line(label) for label in fields["label"]]
    signals: Sequence[Any] = parsed.signals  # EdfSignal or BdfSignal
    ordinary = [i for i, label in enumerate(labels) if label not in ANNOTATIONS]
    units = [one_line(fields["unit"][i]) for i in ordinary]
    start, unread = start_of(parsed), said.unread_in_words()

    def read(signal: int, first: int, last: int) -> NDArray[np.float32]:
        gain, offset = scale_of(path, signals[signal], units[signal], unit)
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
            header_of(labels[i], own, records.lengths[i], records.n_records, parsed.data_record_duration)
            for i, own in zip(ordinary, units, strict=True)
        ),
        start and start + timedelta(seconds=clock.start),
        clock.stretches,
        read,
        SIMULATED.casefold() in about.casefold(),
        tuple(mark._replace(onset=mark.onset - clock.start) for mark in said.marks) if clock.start else said.marks,
        notices=(*header_notices(path, fields, signals, records, start), *clock.notices, *([unread] if unread else [])),
        files=(records.file,),
        unread_marks=unread,
    )


def records_clock(path: Path, parsed: Edf | Bdf, records: Records, said: Annotations) -> Clock:
    """Return when the records of a file with signals were recorded.

    Raises:
        InputError: there may be gaps, and the time stamps do not say where.
    """
    seconds = parsed.data_record_duration
    return clock_of(path, said.stamps, seconds, parsed.reserved[:5] in ("EDF+D", "BDF+D"))


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
EdfHeader: TypeAlias = "tuple[Edf | Bdf, Fields, Records]"
"""What edfio makes of a header, the header's own fields, and where the records are."""


def decode_fields(block: bytes, widths: Mapping[str, int], n_values: int = 1) -> Fields:
    """Cut a part of a header into its fields, each of `n_values` texts side by side."""
    fields: Fields = {}
    at = 0
    for name, width in widths.items():
        values = (block[at + i * width : at + (i + 1) * width] for i in range(n_values))
        fields[name] = tuple(text_in(value) for value in values)
        at += n_values * width
    return fields


def text_in(field: bytes) -> str:
    """Return the text of a header's field: UTF-8 where it is that, also where the field cuts a letter, else Latin-1."""
    field = field.replace(b"\0", b" ")
    try:
        return field.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        cut = error.start > 0 and error.end == len(field) and len(field) - error.start < 4
        return (field[: error.start].decode("utf-8") if cut else field.decode("latin-1")).strip()


@reader("a readable EDF file", EXPORT_AGAIN)
def read_header(path: Path, growing: bool = False) -> EdfHeader:
    """Return what edfio makes of a header, the header's own fields, and where the records are.

    What lies behind the header's count of records is left out, unless the file is still growing.

    Raises:
        InputError: no such file, no EDF, or shorter than its header says.
    """

    with path.open("rb") as file:
        fixed = file.read(sum(RECORDING_FIELDS.values()))
        fields = decode_fields(fixed, RECORDING_FIELDS)
        n_signals, promised = int(fields["n_signals"][0]), int(fields["n_records"][0])
        if not 0 < n_signals < 10_000:
            raise ValueError(f"{n_signals} signals")
        block = file.read(sum(SIGNAL_FIELDS.values()) * n_signals)
    fields |= decode_fields(block, SIGNAL_FIELDS, n_signals)
    width = 3 if fixed[:1] == b"\xff" else 2
    lengths = tuple(int(text) for text in fields["samples_a_record"])
    if min(lengths) < 0 or not 0 < sum(lengths) * width <= LONGEST_RECORD:
        raise ValueError(f"records of {sum(lengths) * width:,} bytes; the limit is {LONGEST_RECORD:,}")
    own = tuple(i for i, label in enumerate(fields["label"]) if label in ANNOTATIONS)
    seconds = float(fields["record_seconds"][0])
    if not (0 < seconds < math.inf or (seconds == 0 and len(own) == n_signals)):  # annotations alone need no time
        raise ValueError(f"its header says that a record lasts {seconds:g} s")
    if max((lengths[number] * width for number in own), default=0) > LONGEST_ANNOTATIONS:
        raise ValueError(f"more than {LONGEST_ANNOTATIONS:,} bytes of annotations in a record")
    state = state_of(path)
    first_byte = first_byte_of(fields, len(fixed + block), state.size, promised * sum(lengths) * width)
    there = (state.size - first_byte) // (sum(lengths) * width)
    parsed = parsed_by_edfio(fixed + block, fields["label"], lengths, width)
    if there < promised and not growing:
        raise InputError(
            f"{path}: cut short: its header promises {promised} records of {seconds:g} s, "
            f"{there} are there; {EXPORT_AGAIN}"
        )
    n_records = there if promised < 0 or growing else promised
    return parsed, fields, Records(state, first_byte, n_records, lengths, width, own)


def first_byte_of(fields: Fields, n_fields: int, size: int, promised: int) -> int:
    """Return where the records begin: where the header says that it ends, which may be behind its fields.

    Args:
        fields: the header's.
        n_fields: their bytes.
        size: of the file, in bytes.
        promised: bytes of all records, by the header; negative while that is open.
    """
    text = fields["header_bytes"][0]
    said = int(text) if text.isdecimal() else 0
    if said <= n_fields or said > size or size == n_fields + promised:  # too short to be true, or the file fits without
        return n_fields
    return said


def parsed_by_edfio(header: bytes, labels: Sequence[str], lengths: Sequence[int], width: int) -> Edf | Bdf:
    """Return what edfio makes of a header. Of the records it sees none; one at 0 s, which is empty, is put in place."""
    import edfio

    empty = bytearray(sum(lengths) * width)
    for number, label in enumerate(labels):
        at, stamp = sum(lengths[:number]) * width, b"+0\x14\x14\x00"
        if label in ANNOTATIONS and lengths[number] * width >= len(stamp):
            empty[at : at + len(stamp)] = stamp
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what edfio warns of is checked here
        read: Callable[..., Edf | Bdf] = edfio.read_edf if width == 2 else edfio.read_bdf
        at, own = sum(list(RECORDING_FIELDS.values())[:5]), f"{len(header):<8}".encode()  # the field header_bytes
        return read(io.BytesIO(header[:at] + own + header[at + 8 :] + empty), header_encoding="latin-1")


def header_notices(
    path: Path, fields: Fields, signals: Sequence[Any], records: Records, start: datetime | None
) -> Iterator[str]:
    """Yield what the user should know of a header that can be read: the signals are those without annotations."""
    if fields["n_records"][0] == "-1":
        yield "the header leaves the number of records open (-1): still being written, or never closed; read as it is"
    elif behind := records.file.size - records.first_byte - records.n_records * records.record_bytes:
        yield f"{behind:,} bytes lie behind the {records.n_records:,} records that the header declares: left out"
    if start is None:
        said = f"{fields['start_date'][0]!r}, {fields['start_time'][0]!r}, {fields['recording'][0][:40]!r}"
        yield f"the start cannot be read ({said}): a recording without a clock"
    if (text := fields["header_bytes"][0]) != str(records.first_byte):
        said = f"the header says that it has {text or 'no'} bytes"
        yield f"{said}: the records are read from byte {records.first_byte} on"
    units = [unit for label, unit in zip(fields["label"], fields["unit"], strict=True) if label not in ANNOTATIONS]
    named = zip(signals, units, strict=True)
    if upside_down := [one_line(one.label) for one, unit in named if is_upside_down(path, one, unit)]:
        names = ", ".join(upside_down)
        yield f"{names}: the header gives it a negative gain; its polarity is as the header says"


def is_upside_down(path: Path, one: EdfSignal | BdfSignal, unit: str) -> bool:
    """Tell whether a voltage has its minimum above its maximum, physical or digital."""
    try:
        return scale_of(path, one, unit)[0] < 0
    except InputError:  # no voltage, or no scale: refused when it is read
        return False


def header_of(label: str, unit: str, length: int, n_records: int, record_seconds: float) -> Header:
    rate = length / record_seconds if record_seconds > 0 else 0.0
    return Header(label, unit, rate, length * n_records)


def start_of(edf: Edf | Bdf) -> datetime | None:
    """Return when a recording starts, on the recorder's own clock; None when the file does not say."""
    from edfio import AnonymizedDateError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two date fields that differ: edfio takes the EDF+ one
        try:
            try:
                day = edf.startdate
                if day.year < 100:  # `24-APR-19`: two digits mean what they mean in EDF's own date
                    day = day.replace(year=day.year + (1900 if day.year >= CLIPPING_YEAR else 2000))
            except AnonymizedDateError:
                day = date(1985, 1, 1)  # what EDF+ writes for a date that is withheld; the clock still counts
            return datetime.combine(day, edf.starttime) if day.year <= LAST_YEAR else None
        except (ValueError, IndexError):  # no such date; no time-keeping annotation in an EDF+ file
            return None


def scale_of(path: Path, one: EdfSignal | BdfSignal, unit: str, otherwise: str = "") -> tuple[float, float]:
    """Return gain and offset, both in µV, that turn a signal's digital samples into µV.

    Args:
        path: the file.
        one: the signal.
        unit: its own, by the header.
        otherwise: the unit that counts where its own is not known; "" for none.

    Raises:
        InputError: its unit is no voltage, its header gives no scale, or it is not sampled.
    """
    own = microvolts_in(unit)
    scale = microvolts_in(otherwise) if own is None and otherwise else own
    if scale is None:
        raise InputError(
            f"{path}: {one_line(one.label)} is in {unit}, not in volts; select another channel, or say which voltage "
            "that is: --unit uV"
        )
    try:
        (low, high), (first, last) = one.physical_range, one.digital_range
        gain = scale * (high - low) / (last - first)
    except (ValueError, ZeroDivisionError):
        gain = 0.0
    if not gain or not one.sampling_frequency > 0:
        raise InputError(f"{path}: the header gives no scale or rate for {one_line(one.label)}; select another channel")
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
        annotations: which signals hold annotations.
    """

    file: FileState
    first_byte: int
    n_records: int
    lengths: tuple[int, ...]
    width: int
    annotations: tuple[int, ...]

    @property
    def record_bytes(self) -> int:
        """The bytes of a record, of all signals."""
        return sum(self.lengths) * self.width

    def bytes_of(self, signal: int, first: int, last: int) -> NDArray[np.uint8]:
        """Return a signal's bytes in records `first` to `last`: (record, byte)."""
        record_bytes = self.record_bytes
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
