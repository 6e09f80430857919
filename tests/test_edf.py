"""EDF and BDF files: what their headers say, their samples in µV, their annotations, their gaps."""

from __future__ import annotations

import tracemalloc
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import edfio
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command import InputError
from recordings import edf
from recordings.annotations import clock_of, marks_of, stretches_of, timed_texts
from recordings.edf import (
    RECORDING_FIELDS,
    SIGNAL_FIELDS,
    decode_fields,
    open_edf,
    read_header,
    text_in,
)
from recordings.opening import open_recording
from recordings.recording import Mark, Stretch
from tests.support.edf_files import START, WIDE, fails_in_a_library, noise, with_gap, write_edf

pytest_plugins = ["tests.support.raw_recordings"]

EEG = noise(150, 100)
SAME_FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def write_bdf(path, unit="uV", data=EEG):
    signal = edfio.BdfSignal(data, 100, label="Fpz-Cz", physical_dimension=unit)
    other = edfio.BdfSignal(noise(150, 50, seed=1), 50, label="EOG", physical_dimension="uV")
    edfio.Bdf([other, signal], data_record_duration=1, annotations=[edfio.EdfAnnotation(30, None, "Lights off")]).write(
        path
    )
    return path


# ---- samples ----


@pytest.mark.parametrize("unit, in_uv", [("uV", 1), ("mV", 1e3), ("V", 1e6), ("nV", 1e-3), ("", 1), ("µV", 1)])
def test_every_unit_of_voltage_becomes_microvolts(tmp_path, unit, in_uv):
    data = noise(60, 100)
    path = write_edf(tmp_path / "a.edf", [("C3", 100, unit.replace("µ", "u"), data / in_uv)])
    if unit == "µV":  # not ASCII, so not EDF, but recorders write it
        path.write_bytes(path.read_bytes().replace(b"uV      ", b"\xb5V      "))
    opened = open_edf(path)
    step = np.ptp(data) / 65535
    samples = opened.read(0, 0, 6000)
    np.testing.assert_allclose(samples, data, atol=step)
    assert samples.dtype == np.float32
    assert opened.headers[0].unit == unit


def test_a_bdf_file_in_millivolts(tmp_path):
    opened = open_edf(write_bdf(tmp_path / "a.bdf", unit="mV"))
    np.testing.assert_allclose(opened.read(1, 0, 15000), EEG * 1000, atol=0.02)


def test_the_rate_is_samples_a_record_by_its_duration(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100)), ("SaO2", 0.5, "%", noise(30, 1))], None, 6)
    assert [(one.label, one.rate, one.n_samples) for one in open_edf(path).headers] == [
        ("C3", 100, 6000),
        ("SaO2", 0.5, 30),
    ]


def test_records_of_any_length_and_any_suffix_read_alike(tmp_path):
    data = noise(120, 100)
    signals = [("C3", 100, "uV", data), ("Temp", 1, "DegC", noise(120, 1))]
    paths = [write_edf(tmp_path / f"{s}.rec", signals, None, s) for s in (1, 30, 60)]
    every = [open_edf(path).read(0, 0, 12000) for path in paths]
    assert all((one == every[0]).all() for one in every)
    assert np.ptp(every[0]) > 100


@pytest.fixture(scope="module")
def both_widths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return an EDF and a BDF of two signals in 150 records each."""
    folder = tmp_path_factory.mktemp("widths")
    two = [("EOG", 50, "uV", noise(150, 50, seed=1)), ("Fpz-Cz", 100, "uV", EEG)]
    return [write_edf(folder / "a.edf", two), write_bdf(folder / "a.bdf")]


@settings(deadline=None)
@given(signal=st.integers(0, 1), part=st.lists(st.integers(0, 7500), min_size=2, max_size=2).map(sorted))
def test_any_part_of_any_signal_is_that_of_another_reader(both_widths, signal, part):
    first, last = part
    for path, other in zip(both_widths, (edfio.read_edf, edfio.read_bdf), strict=True):
        parsed, _, records = read_header(path)
        theirs = other(path).signals[signal].digital[first:last]
        np.testing.assert_array_equal(records.numbers(signal, first, last), theirs)
        ours = open_edf(path).read(signal, first, last)
        np.testing.assert_allclose(ours, other(path).signals[signal].data[first:last], atol=1e-3)
        assert parsed.num_signals == 2


def test_it_does_not_matter_how_much_is_read_at_a_time(both_widths, monkeypatch):
    for path in both_widths:
        monkeypatch.setattr(edf, "BYTES_AT_A_TIME", 2**26)
        whole = open_edf(path).read(1, 0, 15000)
        monkeypatch.setattr(edf, "BYTES_AT_A_TIME", 1000)  # a few records
        np.testing.assert_array_equal(open_edf(path).read(1, 0, 15000), whole)


def test_nothing_but_the_wanted_signal_is_kept(tmp_path):
    path = write_edf(tmp_path / "a.edf", [(name, 100, "uV", noise(600, 100)) for name in ("C3", "C4", "O1")])
    tracemalloc.start()
    samples = open_edf(path).read(1, 0, 60_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * samples.nbytes


# ---- what is refused ----


def test_a_signal_that_is_no_voltage_is_refused_when_it_is_read(tmp_path):
    opened = open_edf(write_edf(tmp_path / "a.edf", [("Temp", 100, "DegC", noise(60, 100))]))
    with pytest.raises(InputError, match=r"a.edf: Temp is in DegC, not in volts"):
        opened.read(0, 0, 1)


@pytest.mark.parametrize("first", [104, 120], ids=["physical", "digital"])
def test_a_header_without_scale_is_refused_when_it_is_read(tmp_path, first):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    content = bytearray(path.read_bytes())
    minimum, maximum = (slice(256 + first + at, 256 + first + at + 8) for at in (0, 8))
    content[minimum] = content[maximum]
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.edf: the header gives no scale or rate for C3"):
        open_edf(path).read(0, 0, 1)


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_recording_cut_short_is_refused(tmp_path, kept):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with warnings.catch_warnings(), pytest.raises(InputError, match=r"a.edf: cut short: .* 60 records of 1 s, \d+ are"):
        warnings.simplefilter("error")
        open_edf(path)


@pytest.mark.parametrize("content", [b"", b"no EDF at all", b"0" * 300, b"0       " + b" " * 600])
def test_what_is_no_edf_is_refused(tmp_path, content):
    (tmp_path / "a.edf").write_bytes(content)
    with pytest.raises(InputError, match=r"a.edf: not a readable EDF file .*; copy or export it again"):
        open_edf(tmp_path / "a.edf")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"b.edf: no such file"):
        open_edf(tmp_path / "b.edf")


def failing(*_, **__):
    raise AttributeError("no such attribute")


@pytest.mark.parametrize("ours", ["header_of", "read_annotations_of", "start_of"])
def test_a_mistake_of_our_own_is_no_mistake_of_the_user(tmp_path, monkeypatch, ours):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(2, 100))])
    monkeypatch.setattr(edf, ours, failing)
    with pytest.raises(AttributeError, match="no such attribute"):
        open_edf(path)


def test_what_the_reader_cannot_take_is_the_user_s_file(tmp_path, monkeypatch):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(2, 100))])
    missing = AttributeError("no such attribute")
    monkeypatch.setattr(edfio, "read_edf", lambda *_, **__: fails_in_a_library(missing))
    with pytest.raises(InputError, match=r"a.edf: not a readable EDF file \(no such attribute\)"):
        open_edf(path)


# ---- the header ----


@settings(deadline=None, max_examples=30)
@given(st.data(), st.dictionaries(st.text(min_size=1), st.integers(1, 80), min_size=1, max_size=5), st.integers(0, 4))
def test_fields_come_back_as_they_were_laid_out(draw, widths, n_values):
    texts = st.text(st.characters(min_codepoint=32, max_codepoint=126))
    laid_out = {
        name: tuple(draw.draw(texts.map(lambda text, width=width: text[:width].strip())) for _ in range(n_values))
        for name, width in widths.items()
    }
    block = b"".join(
        value.ljust(widths[name]).encode("latin-1") for name, values in laid_out.items() for value in values
    )
    assert decode_fields(block, widths, n_values) == laid_out


def test_the_fields_are_those_of_the_specification():
    assert sum(RECORDING_FIELDS.values()) == sum(SIGNAL_FIELDS.values()) == 256


@pytest.mark.parametrize("suffix", [".edf", ".bdf"])
def test_every_field_says_what_another_reader_reads(tmp_path, suffix):
    make = edfio.EdfSignal if suffix == ".edf" else edfio.BdfSignal
    signals = [
        make(EEG, 100, label="Fpz-Cz", physical_dimension="uV", transducer_type="AgCl", prefiltering="HP:0.3Hz"),
        make(noise(75, 1), 0.5, label="SaO2", physical_dimension="%", physical_range=(-1e4, 999.5)),
        make(noise(75, 2), 1, label="Temp", transducer_type="thermistor"),
    ]
    path = tmp_path / f"a{suffix}"
    (edfio.Edf if suffix == ".edf" else edfio.Bdf)(
        signals,
        patient=edfio.Patient(code="P1", sex="F"),
        recording=edfio.Recording(startdate=START.date(), equipment_code="amplifier"),
        starttime=START.time(),
        data_record_duration=2,
    ).write(path)
    _, fields, records = read_header(path)
    theirs = (edfio.read_edf if suffix == ".edf" else edfio.read_bdf)(path)
    assert list(fields) == [*RECORDING_FIELDS, *(name for name in SIGNAL_FIELDS if name != "reserved")]
    one = {name: fields[name][0] for name in RECORDING_FIELDS if name != "reserved"}
    assert one["patient"] == theirs.local_patient_identification == "P1 F X X"
    assert one["recording"] == theirs.local_recording_identification
    assert one["start_date"] == START.strftime("%d.%m.%y") and one["start_time"] == "22.00.00"
    assert int(one["header_bytes"]) == theirs.bytes_in_header_record == records.first_byte == 1024
    assert int(one["n_records"]) == theirs.num_data_records == records.n_records == 75
    assert float(one["record_seconds"]) == theirs.data_record_duration == 2
    assert int(one["n_signals"]) == theirs.num_signals == 3
    of_signals = {
        "label": [one.label for one in theirs.signals],
        "transducer": [one.transducer_type for one in theirs.signals],
        "unit": [one.physical_dimension for one in theirs.signals],
        "prefilter": [one.prefiltering for one in theirs.signals],
        "reserved": [one.reserved for one in theirs.signals],
    }
    assert {name: list(fields[name]) for name in of_signals} == of_signals
    numbers = {
        "physical_minimum": [one.physical_min for one in theirs.signals],
        "physical_maximum": [one.physical_max for one in theirs.signals],
        "digital_minimum": [one.digital_min for one in theirs.signals],
        "digital_maximum": [one.digital_max for one in theirs.signals],
        "samples_a_record": [one.samples_per_data_record for one in theirs.signals],
    }
    assert {name: [float(text) for text in fields[name]] for name in numbers} == numbers
    assert list(records.lengths) == numbers["samples_a_record"] == [200, 1, 2]


def test_records_are_read_as_far_as_the_header_goes(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    whole = open_edf(path).read(0, 0, 6000)
    content = bytearray(path.read_bytes())
    said = {
        b"-1      ": "the header leaves the number of records open (-1): still being written, or never closed; read as "
        "it is",  # a recorder writes -1 until it stops
        b"59      ": "200 bytes lie behind the 59 records that the header declares: left out",
    }
    for count, notice in said.items():
        content[236:244] = count
        path.write_bytes(content)
        opened = open_edf(path)
        assert opened.seconds == (60 if count == b"-1      " else 59)
        np.testing.assert_array_equal(opened.read(0, 0, 5900), whole[:5900])
        assert opened.notices == (notice,)


def test_bytes_behind_the_declared_end_are_no_signal(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    path.write_bytes(path.read_bytes() + np.random.default_rng(0).bytes(50_001))
    opened = open_edf(path)
    assert (opened.seconds, opened.headers[0].n_samples) == (60, 6000)
    assert opened.notices == ("50,001 bytes lie behind the 60 records that the header declares: left out",)


@pytest.mark.parametrize("field", ["physical", "digital"])
def test_a_range_upside_down_is_said_and_read_as_the_header_says(tmp_path, field):
    units = {"C3": "uV", "C4": "mV", "SaO2": "%"}
    path = write_edf(tmp_path / "a.edf", [(label, 100, unit, noise(60, 100)) for label, unit in units.items()])
    upright = open_edf(path)
    assert upright.notices == ()
    content = bytearray(path.read_bytes())
    at = 256 + 3 * (16 + 80 + 8 + (16 if field == "digital" else 0))  # where the minima are; the maxima follow
    for signal in (0, 2):
        low, high = (slice(at + 8 * (signal + i), at + 8 * (signal + 1 + i)) for i in (0, 3))
        content[low], content[high] = content[high], content[low]
    path.write_bytes(content)
    opened = open_edf(path)
    assert opened.notices == ("C3: the header gives it a negative gain; its polarity is as the header says",)
    turned, c3 = opened.read(0, 0, 6000), upright.read(0, 0, 6000)
    np.testing.assert_allclose(turned - turned.mean(), c3.mean() - c3, atol=0.01)


def test_the_clock_is_kept_even_when_the_date_is_withheld(tmp_path):
    path = tmp_path / "a.edf"
    signal = edfio.EdfSignal(noise(60, 100), 100, label="C3", physical_dimension="uV")
    edfio.Edf([signal], starttime=datetime(1, 1, 1, 23, 5).time()).write(path)
    assert open_edf(path).start == datetime(1985, 1, 1, 23, 5)


def test_a_date_that_does_not_exist_is_no_start(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(2, 100))])
    assert open_edf(path).start == START
    content = bytearray(path.read_bytes())
    content[88:168] = b"X".ljust(80)
    content[168:176] = b"31.02.01"
    path.write_bytes(content)
    assert open_edf(path).start is None


@pytest.mark.parametrize("field", [8, 88], ids=["patient", "recording"])
def test_a_simulated_file_is_known_by_its_header(tmp_path, field):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(2, 100))])
    assert not open_edf(path).simulated
    content = bytearray(path.read_bytes())
    content[field : field + 80] = b"X X X SIMULATED".ljust(80)
    path.write_bytes(content)
    assert open_edf(path).simulated


def test_the_headers_of_the_real_recording(real):
    opened = open_edf(real / "SC4001E0_first_300s-PSG.edf")
    assert [(one.label, one.rate) for one in opened.headers][::3] == [
        ("EEG Fpz-Cz", 100),
        ("Resp oro-nasal", 1),
        ("Event marker", 1),
    ]
    assert (opened.start, opened.seconds, opened.format) == (datetime(1989, 4, 24, 16, 13), 300, "EDF")


# ---- gaps ----


@pytest.mark.parametrize("gap", [1, 1000])
def test_gaps_of_a_file_are_where_they_are(tmp_path, gap):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    assert open_edf(path).stretches == (Stretch(0, 0, 60),)
    opened = open_edf(with_gap(path, 60, 25, gap))
    assert opened.format == "EDF+D"
    assert opened.stretches == (Stretch(0, 0, 25), Stretch(25 + gap, 25, 35))
    assert opened.seconds == 60 + gap
    assert opened.marks == ((0.0, None, WIDE.text),)


def test_records_that_go_back_in_time_are_refused(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    content = path.read_bytes().replace(b"EDF+C", b"EDF+D").replace(b"+30\x14\x14", b"+10\x14\x14")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.edf: record 30 starts at 10 s, before the last one has ended"):
        open_edf(path)


def test_time_stamps_that_contradict_each_other_are_said_to_do_so(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    assert open_edf(path).notices == ()
    path.write_bytes(path.read_bytes().replace(b"+30\x14\x14", b"+10\x14\x14"))
    opened = open_edf(path)
    assert (opened.format, opened.stretches) == ("EDF+C", (Stretch(0, 0, 60),))
    assert opened.notices == (
        "the time stamps of its records contradict each other, first at record 30: taken as recorded without gaps, as "
        "the header says",
    )


def test_gaps_of_a_file_that_denies_them_are_where_its_time_stamps_have_them(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    path.write_bytes(with_gap(path, 60, 25, 600).read_bytes().replace(b"EDF+D", b"EDF+C"))
    opened = open_edf(path)
    assert (opened.format, opened.stretches) == ("EDF+C", (Stretch(0, 0, 25), Stretch(625, 25, 35)))
    assert opened.notices == (
        "the header says that there are no gaps (EDF+C), its time stamps have 1, the first before record 25: they "
        "count",
    )


def stamp(second: int) -> bytes:
    return f"+{second}\x14\x14\x00".encode()


@pytest.mark.parametrize("blanked", [10, 40])
def test_a_time_stamp_that_is_missing_is_taken_from_those_around_it(tmp_path, blanked):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    content = with_gap(path, 60, 25, 600).read_bytes()
    old = stamp(blanked + (600 if blanked >= 25 else 0))
    assert content.count(old) == 1
    path.write_bytes(content.replace(old, bytes(len(old))))
    opened = open_edf(path)
    assert opened.stretches == (Stretch(0, 0, 25), Stretch(625, 25, 35))
    assert opened.notices == (
        f"1 of 60 records have no time stamp that can be read, the first is {blanked}; taken from those around them",
    )


@pytest.mark.parametrize("blanked", [24, 25, 59])
def test_a_time_stamp_that_is_missing_beside_a_gap_is_refused(tmp_path, blanked):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    content = with_gap(path, 60, 25, 600).read_bytes()
    old = stamp(blanked + (600 if blanked >= 25 else 0))
    path.write_bytes(content.replace(old, bytes(len(old))))
    with pytest.raises(InputError, match=rf"a\.edf: has gaps in time, and 1 of 60 .* is {blanked}: where"):
        open_edf(path)


def test_a_file_with_gaps_and_no_time_stamps_is_refused(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    content = path.read_bytes().replace(b"EDF+C", b"EDF+D").replace(b"EDF Annotations", b"EDF Annotation ")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.edf: has gaps in time, and 60 of 60 records have no time"):
        open_edf(path)


@pytest.mark.parametrize("kind", [b"EDF+C", b"EDF+D"])
def test_a_recording_starts_with_its_first_record(tmp_path, kind):
    """Cut from a longer file, its stamps start late; onsets of marks count from where its header starts."""
    mark = edfio.EdfAnnotation(30, None, "lights off")
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE, mark])
    content = path.read_bytes().replace(b"EDF+C", kind).replace(b"+0\x14\x14\x00", b"+9\x14\x14\x00")
    for second in reversed(range(1, 60)):
        new = stamp(second + 9)
        old = stamp(second) + bytes(len(new) - len(stamp(second)))
        assert second == 30 or content.count(old) == 1
        content = content.replace(old, new)
    path.write_bytes(content)
    opened = open_edf(path)
    assert (opened.start, opened.seconds) == (START + timedelta(seconds=9), 60)
    assert [(round(mark.onset), mark.text) for mark in opened.marks] == [(-9, WIDE.text), (21, "lights off")]


def test_annotations_that_cannot_be_read_are_counted(tmp_path):
    marks = [edfio.EdfAnnotation(second, 30, "movement") for second in (10, 20, 30)]
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=marks)
    path.write_bytes(path.read_bytes().replace(b"+20\x1530", b"+2\x1820\x1530"[:6]))
    opened = open_edf(path)
    assert [mark.onset for mark in opened.marks] == [10, 30]
    assert opened.unread_marks.startswith("1 annotation cannot be read (the first: +2·")
    assert opened.unread_marks in opened.notices


@pytest.mark.parametrize("onset", ["+99999999999999", "+1" + 300 * "0", "+1.2.3", "1", "+-1", "+1e5"])
def test_an_onset_that_is_no_time_of_a_recording_is_not_read(onset):
    assert timed_texts(f"{onset}\x14lights off\x14".encode()) is None


def test_a_record_of_no_length_is_refused(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    content = bytearray(path.read_bytes())
    content[244:252] = b"0       "
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"a\.edf: not a readable EDF file \(its header says that a record lasts 0 s\); copy or"
    ):
        open_edf(path)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        (slice(252, 256), "-1", "-1 signals"),
        (slice(252, 256), "0", "0 signals"),
        (216, "99999999", "limit"),
        (216, "-5", ""),
    ],
)
def test_sizes_that_make_no_sense_are_refused_before_memory_is_taken(tmp_path, field, value, says):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100)), ("C4", 100, "uV", noise(60, 100))])
    content = bytearray(path.read_bytes())
    if field == 216:  # samples a record of the first signal
        at = 256 + 2 * 216
        for number in range(2):
            content[at + 8 * number : at + 8 * number + 8] = (
                (value if number == 0 or value != "-5" else "100").ljust(8).encode()
            )
        content[at + 8 : at + 16] = value.ljust(8).encode()
    else:
        content[field] = value.ljust(4).encode()
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.edf: not a readable EDF file \(.*{says}.*\); copy or export it again"):
        open_edf(path)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 500), st.integers(1, 30)), min_size=1, max_size=6), st.floats(-0.004, 0.004))
def test_stretches_are_the_runs_of_records_between_pauses(parts, jitter):
    """Each part is a pause and a number of records of 2 s; less than 5 ms between two records is none."""
    onsets, expected, now, offset = [], [], 0.0, 0.0
    for pause, n_records in parts:
        now += pause if expected else 0
        expected.append(Stretch(now, offset, 2.0 * n_records))
        onsets += [now + 2 * i + (jitter if i % 2 else 0) for i in range(n_records)]
        now, offset = now + 2 * n_records, offset + 2 * n_records
    assert stretches_of(Path("a.edf"), onsets, 2.0) == tuple(expected)


# ---- annotations ----

TEXTS = st.text(st.characters(exclude_characters="\x00\x14\x15", exclude_categories=["Cs"]), min_size=1, max_size=40)
ANNOTATIONS = st.lists(
    st.builds(
        edfio.EdfAnnotation,
        st.integers(0, 100_000).map(lambda hundredths: hundredths / 100),
        st.none() | st.integers(0, 10_000).map(lambda tenths: tenths / 10),
        TEXTS,
    ),
    max_size=12,
)


def as_marks(annotations):
    return sorted((one.onset, -1 if one.duration is None else one.duration, one.text) for one in annotations)


@settings(SAME_FOLDER, max_examples=50)
@given(annotations=ANNOTATIONS, with_signal=st.booleans())
def test_marks_are_the_annotations_that_were_written(tmp_path, annotations, with_signal):
    path = tmp_path / "a.edf"
    with_signal = with_signal or not annotations
    signals = [edfio.EdfSignal(noise(10, 10), 10, label="C3", physical_dimension="uV")] if with_signal else []
    edfio.Edf(signals, annotations=annotations).write(path)
    opened = open_edf(path)
    assert as_marks(opened.marks) == as_marks(annotations)
    if not any("\n" in one.text for one in annotations):  # which the other reader skips
        assert as_marks(opened.marks) == as_marks(edfio.read_edf(path).annotations)
    assert [mark.onset for mark in opened.marks] == sorted(mark.onset for mark in opened.marks)
    assert len(opened.headers) == len(signals)


def test_marks_come_in_order_of_time_whatever_their_order_in_the_file(tmp_path):
    path = write_edf(
        tmp_path / "a.edf",
        [("C3", 100, "uV", noise(10, 100))],
        annotations=[edfio.EdfAnnotation(1, None, "one"), edfio.EdfAnnotation(8, 2, "two")],
    )
    content = path.read_bytes()
    for old, new in ((b"+1\x14one", b"+9\x14one"), (b"+8\x152\x14two", b"+3\x152\x14two")):
        assert content.count(old) == 1
        content = content.replace(old, new)
    path.write_bytes(content)
    assert open_edf(path).marks == (Mark(3.0, 2.0, "two"), Mark(9.0, None, "one"))


def test_marks_of_real_hypnograms_are_those_of_another_reader(real):
    paths = sorted((real / "hypnograms").glob("*.edf"))
    if not paths:
        pytest.skip("no hypnograms among the real recordings here")
    for path in paths:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = edfio.read_edf(path, header_encoding="latin-1").annotations
        ours = open_edf(path).marks
        assert len(ours) == len(theirs) > 10
        assert as_marks(ours) == as_marks(theirs)


@pytest.mark.parametrize(
    ("duration", "texts", "marks"),
    [
        (b"", b"", []),  # keeps the time
        (b"30", b"Sleep stage W", [Mark(5.0, 30.0, "Sleep stage W")]),
        (b"", b"one\x14two", [Mark(5.0, None, "one"), Mark(5.0, None, "two")]),
        (b"1.2.3", b"odd", [Mark(5.0, None, "odd")]),
        (b"", "Schlaf für \xff".encode("latin-1"), [Mark(5.0, None, "Schlaf für ÿ")]),
    ],
)
def test_a_list_of_texts_is_a_mark_for_each(duration, texts, marks):
    assert marks_of(b"+5", duration, texts) == marks


def test_a_file_that_became_shorter_is_the_users_error(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    opened = open_edf(path)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"a\.edf: not as long as it was when it was opened .*; read it again"):
        opened.read(0, 0, 6000)


def test_a_name_with_letters_that_break_a_line_is_shown_in_one(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3xyz", 100, "uV", noise(60, 100)), ("C4", 100, "degC", noise(60, 100))])
    path.write_bytes(path.read_bytes().replace(b"C3xyz", b"C3\n\x1bz").replace(b"degC", b"de\rC"))
    opened = open_edf(path)
    assert opened.labels == ("C3··z", "C4") and opened.headers[1].unit == "de·C"
    with pytest.raises(InputError, match=r"a\.edf: C4 is in de·C, not in volts; select another channel"):
        opened.read(1, 0, 1)


def test_annotations_that_are_too_many_are_refused_before_they_are_read(tmp_path, monkeypatch):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    monkeypatch.setattr("recordings.annotations.MOST_MARKS", 0)
    with pytest.raises(InputError, match=r"a\.edf: has more than 0 annotations, the limit; export it without them"):
        open_edf(path)
    monkeypatch.setattr(edf, "LONGEST_ANNOTATIONS", 10)
    with pytest.raises(
        InputError, match=r"a\.edf: not a readable EDF file \(more than 10 bytes of annotations in a rec"
    ):
        open_edf(path)


@pytest.mark.parametrize("piece", [b"+1\x14", b"+1", b"9", b"+1\x1530\x14a"])
def test_a_long_text_takes_no_longer_than_its_length(piece):
    """What is matched from every beginning to the end takes minutes here."""
    assert timed_texts(piece * (2**20 // len(piece)) + b"x") is None


# ---- as other programs write it ----


def with_field(path, at, value):
    content = bytearray(path.read_bytes())
    content[at : at + len(value)] = value
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("label", "shown"),
    [("Impédance".encode(), "Impédance"), ("Impédance".encode("latin-1"), "Impédance"), (b"C4\0\0M1", "C4  M1")],
)
def test_labels_are_read_in_the_code_that_they_are_in(tmp_path, label, shown):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    assert open_edf(with_field(path, 256, label.ljust(16))).labels == (shown,)


def test_text_that_a_field_cuts_within_a_letter_is_read_up_to_there():
    assert text_in(("x" * 15 + "é").encode()[:16]) == "x" * 15
    assert text_in("é".encode("latin-1")) == "é"


def test_annotations_in_latin_1_are_read(tmp_path):
    path = write_edf(
        tmp_path / "a.edf",
        [("C3", 100, "uV", noise(60, 100))],
        annotations=[edfio.EdfAnnotation(3, 30, "Lumiere eteinte")],
    )
    path.write_bytes(path.read_bytes().replace(b"Lumiere eteinte", "Lumière éteinte".encode("latin-1")))
    assert [mark.text for mark in open_edf(path).marks] == ["Lumière éteinte"]


def test_records_begin_where_the_header_says_that_it_ends(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    plain, content = open_edf(path).read(0, 0, 6000), path.read_bytes()
    path.write_bytes(content[:184] + b"2560    " + content[192:512] + b" " * 2048 + content[512:])
    np.testing.assert_array_equal(open_edf(path).read(0, 0, 6000), plain)
    for wrong in (b"256     ", b"9999    ", b"        "):
        path.write_bytes(content[:184] + wrong + content[192:])
        opened = open_edf(path)
        np.testing.assert_array_equal(opened.read(0, 0, 6000), plain)
        assert opened.notices[-1].endswith("the records are read from byte 512 on")


def test_one_stamp_less_costs_no_gap():
    stamps = np.array([30.0 * i + (600 if i >= 100 else 0) for i in range(360)])
    whole = clock_of(Path("x"), stamps, 30, discontinuous=False).stretches
    for blanked in (0, 7, 359):
        lacking = stamps.copy()
        lacking[blanked] = np.nan
        assert clock_of(Path("x"), lacking, 30, discontinuous=False).stretches == whole
    lacking = stamps.copy()
    lacking[100] = np.nan
    with pytest.raises(InputError, match="x: has gaps in time, and 1 of 360 records have no time stamp"):
        clock_of(Path("x"), lacking, 30, discontinuous=False)


def test_a_unit_that_is_not_known_can_be_named(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "adc", noise(60, 100))])
    with pytest.raises(InputError, match=r"C3 is in adc, not in volts; .*--unit uV"):
        open_recording(path).read(0, 0, 10)
    np.testing.assert_allclose(
        open_recording(path, "mV").read(0, 0, 10), 1e3 * open_recording(path, "uV").read(0, 0, 10), rtol=1e-6
    )
    with pytest.raises(InputError, match="--unit degC: is no voltage"):
        open_recording(path, "degC")


@pytest.mark.parametrize(("year", "meant"), [("19", 2019), ("84", 2084), ("85", 1985), ("99", 1999), ("2019", 2019)])
def test_a_year_of_two_digits_is_that_of_edf(tmp_path, year, meant):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    opened = open_edf(with_field(path, 88, f"Startdate 24-APR-{year} X X X".encode().ljust(80)))
    assert opened.start == START.replace(year=meant, month=4, day=24)
