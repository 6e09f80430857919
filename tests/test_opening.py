"""A recording of any format, or one in memory → one of its channels in µV."""

from __future__ import annotations

import math
from datetime import timedelta, timezone

import edfio
import mne
import numpy as np
import pytest
from scipy.io import savemat

from command import InputError
from data import Night, save_night
from recordings import opening
from recordings.channels import Channel, resolve_channel
from recordings.epochs import signal_epochs
from recordings.opening import (
    one_channel,
    open_array,
    open_prepared,
    open_raw,
    open_recording,
    read_signal,
    without_type,
)
from recordings.recording import Mark, Stretch, changed_files
from tests.support.edf_files import START, WIDE, noise, with_gap, write_edf

EEG = noise(150, 100)
UTC_START = START.replace(tzinfo=timezone.utc)


# ---- every format ----


def write_bdf(path):
    signal = edfio.BdfSignal(EEG, 100, label="Fpz-Cz", physical_dimension="uV")
    other = edfio.BdfSignal(noise(150, 50, seed=1), 50, label="EOG", physical_dimension="uV")
    edfio.Bdf(
        [other, signal],
        recording=edfio.Recording(startdate=START.date()),
        starttime=START.time(),
        data_record_duration=1,
        annotations=[edfio.EdfAnnotation(30, None, "Lights off")],
    ).write(path)


def write_brainvision(path):
    np.stack([np.zeros(15000), EEG], axis=1).astype("<f4").tofile(path.with_suffix(".eeg"))  # (sample, channel)
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\nMarkerFile={path.stem}.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        "NumberOfChannels=2\nSamplingInterval=10000\n\n[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n\n"
        "[Channel Infos]\nCh1=EOG,,1,µV\nCh2=Fpz-Cz,,1,µV\n",
        encoding="utf-8",
    )
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\n\n[Marker Infos]\nMk1=New Segment,,1,1,0,20010203220000000000\n"
        "Mk2=Comment,Lights off,3001,1,0\n",
        encoding="utf-8",
    )


def raw_array(clock=True):
    info = mne.create_info(["EOG", "Fpz-Cz", "SaO2"], 100, ["eog", "eeg", "misc"])
    raw = mne.io.RawArray(np.stack([0 * EEG, EEG * 1e-6, 0 * EEG]), info, verbose="ERROR")
    return raw.set_meas_date(UTC_START if clock else None)


def write_fif(path):
    raw_array().set_annotations(mne.Annotations(30, 0, "Lights off", orig_time=UTC_START)).save(path, verbose="ERROR")


def write_eeglab(path, events=()):
    places = np.array([("EOG",), ("Fpz-Cz",)], dtype=[("labels", object)])
    empty = {name: [] for name in ("epoch", "icawinv", "icasphere", "icaweights", "icaact")}
    kinds = [("type", object), ("latency", object), ("duration", object)]
    event = np.array(list(events), dtype=kinds) if events else []
    data = np.stack([0 * EEG, EEG]).astype(np.float32)
    known = {"setname": "a", "nbchan": 2, "pnts": 15000, "trials": 1, "srate": 100.0, "xmin": 0.0, "xmax": 149.99}
    content = {**known, **empty, "event": event, "data": data, "chanlocs": places, "ref": "common"}
    savemat(path, {"EEG": content}, appendmat=False)


FORMATS = {
    "BDF+C": (".bdf", write_bdf),
    "BrainVision": (".vhdr", write_brainvision),
    "FIF": (".fif", write_fif),
    "EEGLAB": (".set", write_eeglab),
    "EDF+C": (".EDF", lambda path: write_edf(path, [("EOG", 50, "uV", noise(150, 50)), ("Fpz-Cz", 100, "uV", EEG)],
                                             annotations=[edfio.EdfAnnotation(30, None, "Lights off")])),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_microvolts(tmp_path, name):
    suffix, write = FORMATS[name]
    path = tmp_path / f"a_raw{suffix}"
    write(path)
    opened = open_recording(path)
    assert opened.format == name and not opened.simulated
    assert (opened.name, opened.path) == ("a_raw", path)
    assert opened.labels[:2] == ("EOG", "Fpz-Cz")
    signal = one_channel(opened, resolve_channel("EEG Fpz-Cz", opened.labels))
    assert signal.rate == 100
    np.testing.assert_allclose(signal_epochs(signal).x.ravel(), EEG, atol=0.002)
    np.testing.assert_array_equal(signal.read(7000, 7100), signal.read(0, signal.n_samples)[7000:7100])
    if name != "EEGLAB":  # which holds neither
        assert opened.start == START
        marks = [(one.onset, one.text.rpartition("/")[2]) for one in opened.marks if "ights" in one.text]
        assert marks == [(30.0, "Lights off")]


def spoiled(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda folder: folder / "nosuch.bdf", "nosuch.bdf: no such file"),
        (lambda folder: folder, "is a folder; give the recordings in it by name"),
        (
            lambda folder: spoiled(folder / "a.eeg", b""),
            r"a.eeg: .eeg is not a supported format; there are .edf,.*vhdr",
        ),
        (lambda folder: spoiled(folder / "a", b""), "a: no suffix is not a supported format"),
        (lambda folder: spoiled(folder / "a.vhdr", b"x"), "a.vhdr: not a readable BrainVision recording"),
        (lambda folder: spoiled(folder / "a.set", b"x"), "a.set: not a readable EEGLAB recording"),
        (lambda folder: spoiled(folder / "a.fif", b"x"), "a.fif: not a readable FIF recording"),
        (lambda folder: spoiled(folder / "a.bdf", b"\xffBIOSEMI"), "a.bdf: not a readable EDF file"),
        (lambda folder: spoiled(folder / "a.npz", b"x"), "a.npz: not a readable npz file"),
    ],
)
def test_what_cannot_be_opened_is_named(tmp_path, write, message):
    with pytest.raises(InputError, match=message) as refused:
        open_recording(write(tmp_path))
    assert "\n" not in str(refused.value)


def test_annotations_alone_are_no_recording(tmp_path):
    path = tmp_path / "a.edf"
    edfio.Edf([], annotations=[edfio.EdfAnnotation(0, 30, "Sleep stage W")]).write(path)
    with pytest.raises(InputError, match=r"a.edf: holds no signal \(1 annotations\); give the recording itself"):
        open_recording(path)


def test_a_recording_that_seems_to_last_for_months_is_refused(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 10, "uV", noise(60, 10))], annotations=[WIDE])
    month = with_gap(path, 60, 30, 31 * 86_400 - 60)  # 31 days from start to end
    assert open_recording(month).seconds == 31 * 86_400
    path = write_edf(tmp_path / "b.edf", [("C3", 10, "uV", noise(60, 10))], annotations=[WIDE])
    with pytest.raises(InputError, match=r"b.edf: lasts 62 days by its own clock; the limit is 31 days"):
        open_recording(with_gap(path, 60, 30, 62 * 86_400))


def test_a_mistake_of_our_own_is_no_mistake_of_the_user(tmp_path, monkeypatch):
    def failing(*_):
        raise AttributeError("no such attribute")

    write_fif(tmp_path / "a_raw.fif")
    monkeypatch.setattr(opening, "mne_marks", failing)
    with pytest.raises(AttributeError, match="no such attribute"):
        open_recording(tmp_path / "a_raw.fif")


# ---- formats that MNE reads ----


def test_pauses_of_a_fif_recording_are_gaps(tmp_path):
    raw = raw_array().set_annotations(mne.Annotations([40.0], [25.0], ["BAD_ACQ_SKIP"]))
    raw.save(tmp_path / "a_raw.fif", verbose="ERROR")
    opened = open_recording(tmp_path / "a_raw.fif")
    assert opened.stretches == (Stretch(0, 0, 40), Stretch(65, 65, 85))


def test_a_channel_that_is_no_voltage_is_refused_by_mne_formats_too(tmp_path):
    write_fif(tmp_path / "a_raw.fif")
    opened = open_recording(tmp_path / "a_raw.fif")
    with pytest.raises(InputError, match=r"a_raw.fif: SaO2 is not in volts"):
        one_channel(opened, resolve_channel("SaO2", opened.labels))


def test_cuts_of_an_eeglab_recording_are_noticed(tmp_path):
    write_eeglab(tmp_path / "a.set", [("boundary", 3001.0, 0.0), ("boundary", 6001.0, 0.0), ("Lights off", 10.0, 0.0)])
    opened = open_recording(tmp_path / "a.set")
    assert opened.notices == ("signal was cut out in 2 places (boundary marks); epochs run across them",)
    write_eeglab(tmp_path / "b.set")
    assert open_recording(tmp_path / "b.set").notices == ()


# ---- a recording that is open already ----


def test_an_open_raw_gives_the_same_microvolts():
    opened = open_raw(raw_array().set_annotations(mne.Annotations(30, 2, "Lights off", orig_time=UTC_START)))
    assert (opened.name, opened.path, opened.place, opened.format) == ("raw", None, "raw", "MNE Raw")
    assert [(one.label, one.unit, one.rate, one.n_samples) for one in opened.headers] == [
        ("EOG", "V", 100, 15000),
        ("Fpz-Cz", "V", 100, 15000),
        ("SaO2", "", 100, 15000),
    ]
    assert (opened.start, opened.stretches, opened.simulated) == (START, (Stretch(0, 0, 150),), False)
    assert opened.marks == (Mark(30.0, 2.0, "Lights off"),)
    signal = one_channel(opened, resolve_channel("Fpz-Cz", opened.labels))
    np.testing.assert_allclose(signal_epochs(signal).x.ravel(), EEG, atol=1e-4)
    with pytest.raises(InputError, match=r"^raw: SaO2 is not in volts"):
        one_channel(opened, resolve_channel("SaO2", opened.labels))


def test_an_open_raw_has_the_name_of_its_file(tmp_path):
    write_fif(tmp_path / "night_raw.fif")
    raw = mne.io.read_raw_fif(tmp_path / "night_raw.fif", verbose="ERROR")
    opened, of_file = open_raw(raw), open_recording(tmp_path / "night_raw.fif")
    assert (opened.name, opened.path) == (of_file.name, of_file.path) == ("night_raw", tmp_path / "night_raw.fif")
    assert (opened.headers, opened.start, opened.marks) == (of_file.headers, of_file.start, of_file.marks)
    np.testing.assert_array_equal(opened.read(1, 0, 15000), of_file.read(1, 0, 15000))


@pytest.mark.parametrize("clock", [True, False])
@pytest.mark.parametrize("saved", [True, False])
def test_a_raw_that_was_cropped_starts_later(tmp_path, clock, saved):
    raw = raw_array(clock).set_annotations(mne.Annotations(30, 2, "Lights off")).crop(10, 100, include_tmax=False)
    if saved:
        raw.save(tmp_path / "a_raw.fif", verbose="ERROR")
    opened = open_recording(tmp_path / "a_raw.fif") if saved else open_raw(raw)
    assert opened.start == (START + timedelta(seconds=10) if clock else None)
    assert opened.seconds == 90
    assert opened.marks == (Mark(20.0, 2.0, "Lights off"),)
    np.testing.assert_allclose(opened.read(1, 0, 9000), EEG[1000:10000], atol=1e-4)


@pytest.mark.parametrize("said", [None, "A Simulated night"])
def test_a_simulated_raw_is_known_by_its_description(said):
    raw = raw_array()
    raw.info["description"] = said
    assert open_raw(raw).simulated == bool(said)


# ---- prepared nights, and arrays ----


def test_a_prepared_night_is_a_recording_too(tmp_path):
    night = Night("a", EEG.reshape(5, 3000).astype(np.float32), np.arange(5, dtype=np.int32), 100.0, "EEG Fpz-Cz")
    save_night(tmp_path / "a.npz", night)
    opened = open_recording(tmp_path / "a.npz")
    assert opened.labels == ("EEG Fpz-Cz",) and opened.start is None
    assert opened.night is not None
    assert opened.night.y.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(opened.read(0, 3000, 6000), night.x[1])


@pytest.mark.parametrize("simulated", [0, 1])
def test_a_prepared_night_that_is_simulated_says_so(tmp_path, simulated):
    night = Night("a", np.ones((3, 3000), np.float32), np.zeros(3, np.int32), source={"simulated": simulated})
    save_night(tmp_path / "a.npz", night)
    assert open_prepared(tmp_path / "a.npz").simulated == bool(simulated)


def test_nights_cut_to_5_s_are_no_recordings(tmp_path):
    save_night(tmp_path / "a.npz", Night("a", np.ones((3, 500), np.float32), np.zeros(3, np.int32)))
    with pytest.raises(
        InputError, match="500 samples an epoch at 100 Hz are 5 s; an epoch that can be scored has 30 s"
    ):
        open_recording(tmp_path / "a.npz")


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.int16, list])
def test_an_array_is_a_recording_of_one_channel(kind):
    whole = np.round(EEG)
    opened = open_array(whole.tolist() if kind is list else whole.astype(kind), 100, "Fpz-Cz", "mine")
    assert (opened.name, opened.path, opened.place, opened.labels) == ("mine", None, "mine", ("Fpz-Cz",))
    assert (opened.start, opened.seconds, opened.marks, opened.simulated) == (None, 150, (), False)
    signal = one_channel(opened, resolve_channel("Fpz-Cz", opened.labels))
    assert (signal.rate, signal.unit, signal.n_epochs) == (100.0, "uV", 5)
    assert signal.read(0, 10).dtype == np.float32
    np.testing.assert_array_equal(signal_epochs(signal).x.ravel(), whole)


def test_an_array_of_another_rate_is_resampled_and_what_is_no_number_left_out():
    samples = noise(90, 200)
    samples[7000] = math.nan
    epochs = signal_epochs(one_channel(open_array(samples, 200), resolve_channel("", [""])))
    assert epochs.x.shape == (2, 3000) and epochs.recorded.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (np.zeros((1, 6000)), r"an array of float64 and shape \(1, 6000\)"),
        (np.float64(3), r"an array of float64 and shape \(\)"),
        (np.zeros(60, bool), "an array of bool"),
        (np.zeros(60, complex), "an array of complex128"),
        (["1", "2"], "an array of <U1"),
        ([None, 2.0], "an array of object"),
    ],
)
def test_what_is_no_row_of_numbers_is_refused(samples, said):
    with pytest.raises(InputError, match=rf"^mine: {said}.*; give one channel, \(sample,\) in µV"):
        open_array(samples, 100, name="mine")


@pytest.mark.parametrize("rate", [0, -100, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(InputError, match=rf"^array: rate is {rate}; give the sampling rate in Hz"):
        open_array(EEG, rate)


# ---- one channel ----


def test_a_derived_channel_is_the_difference(tmp_path):
    c3, a2 = noise(60, 200, seed=1), noise(60, 200, seed=2)
    path = write_edf(tmp_path / "40.rec", [("A2", 200, "mV", a2 / 1000), ("C3", 200, "uV", c3)])
    raw = read_signal(path, "C3-A2")
    assert raw.channel == "C3 - A2"
    np.testing.assert_allclose(raw.read(0, raw.n_samples), c3 - a2, atol=0.01)
    np.testing.assert_allclose(raw.read(100, 200), (c3 - a2)[100:200], atol=0.01)


def test_electrodes_of_different_rates_are_not_subtracted(tmp_path):
    path = write_edf(tmp_path / "a.rec", [("A2", 100, "uV", noise(60, 100)), ("C3", 200, "uV", noise(60, 200))])
    with pytest.raises(InputError, match=r"a.rec: cannot derive C3 - A2: C3 has 200 Hz, A2 has 100 Hz"):
        read_signal(path, "C3-A2")


def test_a_signal_that_is_no_voltage_is_refused_at_once(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("Temp", 100, "DegC", noise(60, 100))])
    with pytest.raises(InputError, match=r"a.edf: Temp is in DegC, not in volts"):
        read_signal(path, "Temp")


def test_a_signal_keeps_what_the_recording_says(tmp_path):
    raw = read_signal(write_edf(tmp_path / "a.edf", [("C3", 100, "mV", noise(60, 100))]), "C3")
    assert (raw.rate, raw.n_samples, raw.n_epochs, raw.seconds) == (100, 6000, 2, 60)
    assert (raw.channel, raw.unit, raw.start, raw.stretches) == ("C3", "mV", START, (Stretch(0, 0, 60),))


def test_a_signal_has_the_notices_of_its_recording(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    content = bytearray(path.read_bytes())
    content[236:244] = b"-1      "
    path.write_bytes(content)
    assert read_signal(path, "C3").notices == open_recording(path).notices != ()


@pytest.mark.parametrize(
    ("name", "write"), [("a.bdf", write_bdf), ("a.vhdr", write_brainvision), ("a_raw.fif", write_fif)]
)
def test_a_file_that_is_still_written_is_noticed(tmp_path, name, write):
    path = tmp_path / name
    write(path)
    opened = open_recording(path)
    assert list(changed_files(opened.files)) == []
    data = path.with_suffix(".eeg") if path.suffix == ".vhdr" else path
    size = data.stat().st_size
    with data.open("ab") as file:
        file.write(bytes(1000))
    said = (
        f"{data.name} changed while it was read ({size:,} bytes, now {size + 1000:,}): read it again when it is whole"
    )
    assert list(changed_files(opened.files)) == [said]
    data.unlink()
    assert list(changed_files(opened.files)) == [f"{data.name} was removed while it was read"]


def test_preparation_refuses_gaps_in_time(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    with pytest.raises(InputError, match=r"a.edf: has 1 gap in time, the first of"):
        read_signal(with_gap(path, 60, 30, 100), "C3")


def test_epochs_of_a_file_with_gaps_are_where_they_are(tmp_path):
    ramp = np.repeat(np.arange(600.0), 100)
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", ramp)], annotations=[WIDE])
    opened = open_recording(with_gap(path, 600, 250, 1000))
    assert opened.stretches == (Stretch(0, 0, 250), Stretch(1250, 250, 350))
    epochs = signal_epochs(one_channel(opened, resolve_channel("C3", opened.labels)))
    assert epochs.recorded.tolist() == [*range(8), *range(42, 53)]
    np.testing.assert_allclose(epochs.x[:, 0], [*range(0, 240, 30), *range(260, 590, 30)], atol=0.01)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"b.edf: no such file"):
        read_signal(tmp_path / "b.edf", "C3")


def test_an_unknown_channel_names_the_file_too(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    with pytest.raises(InputError, match=r"a.edf: no channel O1; there are C3;"):
        read_signal(path, "O1")
    assert open_recording(path).labels == ("C3",)


@pytest.mark.parametrize(("rate", "seconds"), [(1e-3, 2000), (5, 60), (200_000, 1)])
def test_a_rate_that_no_eeg_has_is_refused_before_it_is_resampled(rate, seconds):
    opened = open_array(np.zeros(max(2, int(rate * seconds)), np.float32), rate)
    with pytest.raises(
        InputError, match=r"array: C3 has .* Hz; a channel that can be scored has 10 to 100000 Hz: select"
    ):
        one_channel(opened, Channel("C3", 0))


def test_a_stimulus_is_no_stage_and_a_comment_is_what_it_says():
    assert [without_type(text) for text in ("Stimulus/S  1", "Comment/Lights off", "Stage/N2", "New Segment/")] == [
        "Stimulus/S  1",
        "Lights off",
        "N2",
        "New Segment/",
    ]
