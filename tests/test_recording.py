"""Recordings of every format: one channel in µV, resampled, cut into epochs."""

import tracemalloc
import warnings
from datetime import datetime, timezone

import edfio
import mne
import numpy as np
import pytest
from edf_files import START, write_edf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat

import recording
from channels import resolve_channel
from command import InputError
from data import Night, save_night
from recording import (
    RawSignal,
    Stretch,
    amplitude_notice,
    one_channel,
    open_recording,
    read_signal,
    resample,
    signal_epochs,
)

pytest_plugins = ["recordings"]


def noise(seconds, rate, std=20.0, seed=0):
    return np.random.default_rng(seed).normal(0, std, seconds * rate)


def in_memory(samples, rate, stretches=None):
    stretches = stretches or (Stretch(0.0, 0.0, len(samples) / rate),)
    return RawSignal(lambda first, last: samples[first:last], len(samples), rate, "C3", "uV", None, stretches)


# ---- one signal of an EDF file ----


@pytest.mark.parametrize("unit, in_uv", [("uV", 1), ("mV", 1e3), ("V", 1e6), ("nV", 1e-3), ("", 1), ("µV", 1)])
def test_every_unit_of_voltage_becomes_microvolts(tmp_path, unit, in_uv):
    data = noise(60, 100)
    path = write_edf(tmp_path / "a.edf", [("C3", 100, unit.replace("µ", "u"), data / in_uv)])
    if unit == "µV":  # not ASCII, so not EDF, but recorders write it
        path.write_bytes(path.read_bytes().replace(b"uV      ", b"\xb5V      "))
    raw = read_signal(path, "C3")
    step = np.ptp(data) / 65535
    np.testing.assert_allclose(raw.samples, data, atol=step)
    assert raw.samples.dtype == np.float32
    assert raw.unit == unit


def test_the_rate_is_samples_a_record_by_its_duration(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100)), ("SaO2", 0.5, "%", noise(30, 1))], None, 6)
    raw = read_signal(path, "C3")
    assert (raw.rate, raw.n_epochs, len(raw.samples)) == (100, 2, 6000)


def test_records_of_any_length_and_any_suffix_read_alike(tmp_path):
    data = noise(120, 100)
    signals = [("C3", 100, "uV", data), ("Temp", 1, "DegC", noise(120, 1))]
    every = [read_signal(write_edf(tmp_path / f"{s}.rec", signals, None, s), "C3").samples for s in (1, 30, 60)]
    assert all((one == every[0]).all() for one in every)


def test_a_derived_channel_is_the_difference(tmp_path):
    c3, a2 = noise(60, 200, seed=1), noise(60, 200, seed=2)
    path = write_edf(tmp_path / "40.rec", [("A2", 200, "mV", a2 / 1000), ("C3", 200, "uV", c3)])
    raw = read_signal(path, "C3-A2")
    assert raw.channel == "C3 - A2"
    np.testing.assert_allclose(raw.samples, c3 - a2, atol=0.01)


def test_electrodes_of_different_rates_are_not_subtracted(tmp_path):
    path = write_edf(tmp_path / "a.rec", [("A2", 100, "uV", noise(60, 100)), ("C3", 200, "uV", noise(60, 200))])
    with pytest.raises(InputError, match=r"cannot derive C3 - A2: C3 has 200 Hz, A2 has 100 Hz"):
        read_signal(path, "C3-A2")


def test_a_signal_that_is_no_voltage_is_refused(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("Temp", 100, "DegC", noise(60, 100))])
    with pytest.raises(InputError, match=r"a.edf: Temp is in DegC, not in volts"):
        read_signal(path, "Temp")


def test_a_header_without_scale_is_refused(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    content = bytearray(path.read_bytes())
    content[256 + 104 : 256 + 112] = content[256 + 112 : 256 + 120]  # physical minimum = physical maximum
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.edf: the header gives no scale or rate for C3"):
        read_signal(path, "C3")


@pytest.mark.parametrize("kept", [0.5, 0.999])
def test_a_recording_cut_short_is_refused(tmp_path, kept):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with warnings.catch_warnings(), pytest.raises(InputError, match=r"a.edf: cut short: .* 60 records of 1 s, \d+ are"):
        warnings.simplefilter("error")
        read_signal(path, "C3")


@pytest.mark.parametrize("content", [b"", b"no EDF at all", b"0" * 300, b"0       " + b" " * 600])
def test_what_is_no_edf_is_refused(tmp_path, content):
    (tmp_path / "a.edf").write_bytes(content)
    with pytest.raises(InputError, match=r"a.edf: not a readable EDF file"):
        read_signal(tmp_path / "a.edf", "C3")


WIDE = edfio.EdfAnnotation(0, None, "makes room for longer onsets in every record")


def with_gap(path, seconds, onset, gap):
    """Turn an EDF+ file with records of 1 s into one that pauses for `gap` s after `onset` s: EDF+D."""
    content = path.read_bytes()
    for second in reversed(range(onset, seconds)):
        old, new = f"+{second}\x14\x14".encode(), f"+{second + gap}\x14\x14".encode()
        spare = bytes(len(new) - len(old) + 1)
        assert content.count(old + spare) == 1
        content = content.replace(old + spare, new + bytes(1))
    path.write_bytes(content.replace(b"EDF+C", b"EDF+D"))
    return path


def test_preparation_refuses_gaps_in_time(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    with pytest.raises(InputError, match=r"a.edf: has gaps in time \(EDF\+D\)"):
        read_signal(with_gap(path, 60, 30, 100), "C3")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"b.edf: no such file"):
        read_signal(tmp_path / "b.edf", "C3")


def test_an_unknown_channel_names_the_file_too(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    with pytest.raises(InputError, match=r"a.edf: no channel O1; there are C3;"):
        read_signal(path, "O1")
    assert open_recording(path).labels == ("C3",)


def test_the_clock_is_kept_even_when_the_date_is_withheld(tmp_path):
    path = tmp_path / "a.edf"
    signal = edfio.EdfSignal(noise(60, 100), 100, label="C3", physical_dimension="uV")
    edfio.Edf([signal], starttime=datetime(1, 1, 1, 23, 5).time()).write(path)
    assert read_signal(path, "C3").start == datetime(1985, 1, 1, 23, 5)


def test_nothing_but_the_wanted_signal_is_kept(tmp_path):
    path = write_edf(tmp_path / "a.edf", [(name, 100, "uV", noise(600, 100)) for name in ("C3", "C4", "O1")])
    tracemalloc.start()
    samples = read_signal(path, "C4").samples
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * samples.nbytes


# ---- resampling and epochs ----


@pytest.mark.parametrize("rate", [50, 100, 125, 128, 200, 256, 500, 512])
def test_a_sine_survives_resampling(rate):
    seconds = np.arange(60 * rate) / rate
    sine = (40 * np.sin(2 * np.pi * 10 * seconds)).astype(np.float32)
    resampled = resample(sine, rate)
    assert resampled.dtype == np.float32
    assert len(resampled) == 6000
    expected = 40 * np.sin(2 * np.pi * 10 * np.arange(6000) / 100)
    np.testing.assert_allclose(resampled[200:-200], expected[200:-200], atol=0.4)  # 1 %; the filter's ends aside


@pytest.mark.parametrize("rate", [200, 256])
def test_what_100_hz_cannot_hold_is_filtered_out(rate):
    seconds = np.arange(60 * rate) / rate
    aliased = resample(np.sin(2 * np.pi * 70 * seconds).astype(np.float32), rate)
    assert np.abs(aliased[200:-200]).max() < 0.01


@pytest.mark.parametrize("rate", [33.3, 199.9, 256.016])
def test_odd_rates_neither_drift_nor_lose_an_epoch(rate):
    n_samples = round(rate * 30 * 600)
    pulses = np.zeros(n_samples, np.float32)
    pulses[int(rate * 30 * 599)] = 1  # the start of the last epoch
    raw = in_memory(pulses, rate)
    assert raw.n_epochs == 600
    epochs = signal_epochs(raw).x
    assert len(epochs) in (599, 600)
    assert abs(int(resample(pulses, rate).argmax()) - 599 * 3000) <= 4


def test_at_100_hz_nothing_is_touched():
    samples = noise(60, 100).astype(np.float32)
    assert resample(samples, 100.0) is samples


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(1, 15_000))
def test_epochs_are_the_signal_cut_in_order(first_second, n_samples):
    samples = np.arange(n_samples, dtype=np.float32)
    epochs = signal_epochs(in_memory(samples, 100.0), first_second).x
    assert epochs.shape[1] == 3000
    assert len(epochs) == max(0, n_samples - first_second * 100) // 3000
    np.testing.assert_array_equal(epochs.ravel(), samples[first_second * 100 :][: epochs.size])


@pytest.mark.parametrize("std", [1.5, 20, 400])
def test_a_plausible_amplitude_goes_without_saying(std):
    assert amplitude_notice(noise(300, 100, std).reshape(10, 3000).astype(np.float32)) is None


@pytest.mark.parametrize("std, said", [(0.3, "of 0.3"), (2e4, "of 2e+04"), (0, "flat")])
def test_an_implausible_amplitude_is_noticed(std, said):
    epochs = np.tile(np.array([-1, 1], np.float32) * std, (10, 1500))  # (epoch, sample), of exactly this deviation
    assert said in (amplitude_notice(epochs) or "")


# ---- blocks and gaps ----


@pytest.mark.parametrize("rate", [64.0, 100.0, 128.0, 199.9, 200.0, 256.0, 512.0])
@pytest.mark.parametrize("first_second", [0.0, 12.34])
def test_blocks_give_what_the_whole_signal_gives(rate, first_second, monkeypatch):
    samples = noise(1, int(400 * rate)).astype(np.float32)
    whole = resample(samples, rate)[round(first_second * 100) :]
    whole = whole[: len(whole) // 3000 * 3000].reshape(-1, 3000)
    monkeypatch.setattr(recording, "SAMPLES_AT_A_TIME", 100 * rate)  # three epochs at a time
    epochs = signal_epochs(in_memory(samples, rate), first_second)
    np.testing.assert_allclose(epochs.x, whole, atol=1e-3)
    assert epochs.recorded.tolist() == list(range(len(whole)))


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(st.integers(0, 200), st.integers(1, 200)), min_size=1, max_size=6), st.integers(0, 40))
def test_every_whole_epoch_between_gaps_is_there_at_its_own_time(parts, first_second):
    """Each sample holds the second in which it was recorded, so that an epoch tells where it comes from."""
    stretches, samples, now, offset = [], [], 0, 0
    for gap, seconds in parts:
        now += gap if stretches else 0
        stretches.append(Stretch(float(now), float(offset), float(seconds)))
        samples.append(np.repeat(np.arange(now, now + seconds), 100))
        now, offset = now + seconds, offset + seconds
    epochs = signal_epochs(in_memory(np.concatenate(samples).astype(np.float32), 100.0, tuple(stretches)), first_second)
    recorded = {int(second) for part in samples for second in part}
    starts = range(first_second, max(recorded) + 1, 30)
    expected = [i for i, start in enumerate(starts) if recorded >= set(range(start, start + 30))]
    assert [epoch for epoch in expected if epoch in epochs.recorded] == epochs.recorded.tolist()
    for x, epoch in zip(epochs.x, epochs.recorded, strict=True):
        np.testing.assert_array_equal(x, np.repeat(first_second + 30 * epoch + np.arange(30), 100))
    # An epoch that lies across two parts without a gap in between is whole too, but each part is resampled by itself.
    across = [epoch for epoch in expected if epoch not in epochs.recorded]
    assert all(any(0 < stretch.onset - (first_second + 30 * epoch) < 30 for stretch in stretches) for epoch in across)


def test_gaps_of_a_file_are_where_they_are(tmp_path):
    ramp = np.repeat(np.arange(600.0), 100)
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", ramp)], annotations=[WIDE])
    opened = open_recording(with_gap(path, 600, 250, 1000))
    assert opened.format == "EDF+D"
    assert opened.stretches == (Stretch(0, 0, 250), Stretch(1250, 250, 350))
    epochs = signal_epochs(one_channel(opened, resolve_channel("C3", opened.labels)))
    assert epochs.recorded.tolist() == [*range(8), *range(42, 53)]
    np.testing.assert_allclose(epochs.x[:, 0], [*range(0, 240, 30), *range(260, 590, 30)], atol=0.01)
    assert opened.marks == ((0.0, WIDE.text),)


def test_records_that_go_back_in_time_are_refused(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[WIDE])
    content = path.read_bytes().replace(b"EDF+C", b"EDF+D").replace(b"+30\x14\x14", b"+10\x14\x14")
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a.edf: record 30 starts at 10 s, before the last one has ended"):
        open_recording(path)


def test_what_is_no_number_is_not_recorded():
    samples = noise(120, 100).astype(np.float32)
    samples[4000] = np.nan
    epochs = signal_epochs(in_memory(samples, 100.0))
    assert epochs.recorded.tolist() == [0, 2, 3]
    assert len(epochs.x) == len(epochs.flat) == len(epochs.clipped) == 3


def test_flat_and_clipped_epochs_are_found():
    samples = noise(150, 100, 100).astype(np.float32)
    samples[3000:6000] = 7
    samples[6000:9000] = np.clip(samples[6000:9000], -120, 120)
    samples[9000:12000] = np.round(samples[9000:12000] / 100)  # a coarse converter
    epochs = signal_epochs(in_memory(samples, 100.0))
    assert epochs.flat.tolist() == [False, True, False, False, False]
    assert epochs.clipped.tolist() == [False, False, True, False, False]


# ---- every format ----

EEG = noise(150, 100)


def write_bdf(path, unit="uV", start=START):
    signal = edfio.BdfSignal(EEG, 100, label="Fpz-Cz", physical_dimension=unit)
    other = edfio.BdfSignal(noise(150, 50, seed=1), 50, label="EOG", physical_dimension="uV")
    edfio.Bdf(
        [other, signal],
        recording=edfio.Recording(startdate=start.date()),
        starttime=start.time(),
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


def raw_array():
    info = mne.create_info(["EOG", "Fpz-Cz", "SaO2"], 100, ["eog", "eeg", "misc"])
    raw = mne.io.RawArray(np.stack([0 * EEG, EEG * 1e-6, 0 * EEG]), info, verbose="ERROR")
    return raw.set_meas_date(START.replace(tzinfo=timezone.utc))


def write_fif(path):
    raw = raw_array().set_annotations(
        mne.Annotations(30, 0, "Lights off", orig_time=START.replace(tzinfo=timezone.utc))
    )
    raw.save(path, verbose="ERROR")


def write_eeglab(path):
    places = np.array([("EOG",), ("Fpz-Cz",)], dtype=[("labels", object)])
    empty = {name: [] for name in ("event", "epoch", "icawinv", "icasphere", "icaweights", "icaact")}
    data = np.stack([0 * EEG, EEG]).astype(np.float32)
    known = {"setname": "a", "nbchan": 2, "pnts": 15000, "trials": 1, "srate": 100.0, "xmin": 0.0, "xmax": 149.99}
    savemat(path, {"EEG": {**known, **empty, "data": data, "chanlocs": places, "ref": "common"}}, appendmat=False)


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
    assert opened.labels[:2] == ("EOG", "Fpz-Cz")
    signal = one_channel(opened, resolve_channel("EEG Fpz-Cz", opened.labels))
    assert signal.rate == 100
    np.testing.assert_allclose(signal_epochs(signal).x.ravel(), EEG, atol=0.002)
    np.testing.assert_array_equal(signal.read(7000, 7100), signal.samples[7000:7100])
    if name != "EEGLAB":  # which holds neither
        assert opened.start == START
        assert [(at, text.rpartition("/")[2]) for at, text in opened.marks if "ights" in text] == [(30.0, "Lights off")]


def test_a_bdf_file_in_millivolts(tmp_path):
    write_bdf(tmp_path / "a.bdf", unit="mV")
    opened = open_recording(tmp_path / "a.bdf")
    np.testing.assert_allclose(opened.read(1, 0, 15000), EEG * 1000, atol=0.02)


def test_pauses_of_a_fif_recording_are_gaps(tmp_path):
    raw = raw_array().set_annotations(mne.Annotations([40.0], [25.0], ["BAD_ACQ_SKIP"]))
    raw.save(tmp_path / "a_raw.fif", verbose="ERROR")
    opened = open_recording(tmp_path / "a_raw.fif")
    assert opened.stretches == (Stretch(0, 0, 40), Stretch(65, 65, 85))


def test_a_prepared_night_is_a_recording_too(tmp_path):
    night = Night("a", EEG.reshape(5, 3000).astype(np.float32), np.arange(5, dtype=np.int32), 100.0, "EEG Fpz-Cz")
    save_night(tmp_path / "a.npz", night)
    opened = open_recording(tmp_path / "a.npz")
    assert opened.labels == ("EEG Fpz-Cz",) and opened.start is None
    assert opened.night.y.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(opened.read(0, 3000, 6000), night.x[1])


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
            r"a.eeg: .eeg is no format that is read; there are .edf,.*vhdr",
        ),
        (lambda folder: spoiled(folder / "a", b""), "a: no suffix is no format that is read"),
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


def test_nights_cut_to_5_s_are_no_recordings(tmp_path):
    save_night(tmp_path / "a.npz", Night("a", np.ones((3, 500), np.float32), np.zeros(3, np.int32)))
    with pytest.raises(
        InputError, match="500 samples an epoch at 100 Hz are 5 s; an epoch that can be scored has 30 s"
    ):
        open_recording(tmp_path / "a.npz")


def test_a_channel_that_is_no_voltage_is_refused_by_mne_formats_too(tmp_path):
    write_fif(tmp_path / "a_raw.fif")
    opened = open_recording(tmp_path / "a_raw.fif")
    with pytest.raises(InputError, match="SaO2 is not in volts"):
        one_channel(opened, resolve_channel("SaO2", opened.labels))


def test_the_headers_of_the_real_recording(real):
    opened = open_recording(real / "SC4001E0_first_300s-PSG.edf")
    assert [(one.label, one.rate) for one in opened.headers][::3] == [
        ("EEG Fpz-Cz", 100),
        ("Resp oro-nasal", 1),
        ("Event marker", 1),
    ]
    assert (opened.start, opened.seconds, opened.format) == (datetime(1989, 4, 24, 16, 13), 300, "EDF")
