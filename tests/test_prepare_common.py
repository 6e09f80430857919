"""One raw recording and its hypnogram → one prepared night: the steps by themselves."""

import os
import warnings
from datetime import datetime

import edfio
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from data import load_night
from prepare_common import (
    WAKE_EPOCHS_KEPT,
    Hypnogram,
    RawNight,
    RawSignal,
    Rules,
    amplitude_notice,
    around_sleep,
    as_ranges,
    channel_labels,
    drop_then_trim,
    in_processes,
    overlap,
    parse_subjects,
    prepare_file,
    prepare_night,
    read_signal,
    read_stage_lines,
    resample,
    resolve_channel,
    signal_epochs,
    trim_then_drop,
)
from sleepstage import UNKNOWN, Stage

ISRUC_A = ["LOC-A2", "ROC-A1", "F3-A2", "C3-A2", "O1-A2", "C4-A1", "X1", "SaO2"]
ISRUC_M = ["E1-M2", "E2-M1", "F3-M2", "C3-M2", "O1-M2", "C4-M1", "X1", "SpO2"]
ISRUC_40 = ["ROC", "A1", "LOC", "A2", "C4", "O2", "C3", "O1", "F4", "F3", "X1"]

hypnograms = st.lists(st.integers(UNKNOWN, 4), min_size=1, max_size=400).map(lambda codes: np.array(codes, np.int32))
mostly_wake = st.lists(st.tuples(st.integers(UNKNOWN, 4), st.integers(1, 200)), min_size=1, max_size=8).map(
    lambda runs: np.concatenate([np.full(length, code, np.int32) for code, length in runs])
)


def write_edf(path, signals, start=None, record_seconds=1, **options):
    start = start or datetime(2001, 2, 3, 22, 0, 0)
    edf = edfio.Edf(
        [edfio.EdfSignal(data, rate, label=label, physical_dimension=unit) for label, rate, unit, data in signals],
        recording=edfio.Recording(startdate=start.date()),
        starttime=start.time(),
        data_record_duration=record_seconds,
        **options,
    )
    edf.write(path)
    return path


def noise(seconds, rate, std=20.0, seed=0):
    return np.random.default_rng(seed).normal(0, std, seconds * rate)


# ---- channels ----


@pytest.mark.parametrize(
    "wanted, labels, used",
    [
        ("C3-A2", ISRUC_A, "C3-A2"),
        ("C3-A2", ISRUC_M, "C3-M2"),
        ("C3-M2", ISRUC_A, "C3-A2"),
        ("c3a2", ISRUC_M, "C3-M2"),
        ("EEG C3:A2", ISRUC_A, "C3-A2"),
        ("C3-A2", ["C4A1", "C3A2"], "C3A2"),
        ("C3A2", ["EEG C3-M2"], "EEG C3-M2"),
        ("Fpz-Cz", ["EEG Fpz-Cz", "EEG Pz-Oz"], "EEG Fpz-Cz"),
        ("eeg fpz cz", ["EEG Fpz-Cz", "EEG Pz-Oz"], "EEG Fpz-Cz"),
        ("EEG", ["EEG", "EOG"], "EEG"),
    ],
)
def test_a_channel_is_found_by_name_or_alias(wanted, labels, used):
    channel = resolve_channel(wanted, labels)
    assert (channel.label, channel.active, channel.reference) == (used, labels.index(used), None)


def test_the_exact_name_wins_over_an_alias():
    assert resolve_channel("C3-M2", ["C3-A2", "C3-M2"]).active == 1


@pytest.mark.parametrize("wanted", ["C3-A2", "C3A2", "EEG C3-M2"])
def test_a_channel_is_derived_from_unreferenced_electrodes(wanted):
    channel = resolve_channel(wanted, ISRUC_40)
    assert (channel.label, ISRUC_40[channel.active], ISRUC_40[channel.reference]) == ("C3 - A2", "C3", "A2")


def test_an_unknown_channel_lists_those_there_are():
    with pytest.raises(InputError, match=r"no channel Cz-A1; there are LOC-A2, ROC-A1, .*--select_ch"):
        resolve_channel("Cz-A1", ISRUC_A)


def test_two_channels_of_one_name_are_never_guessed():
    with pytest.raises(InputError, match=r"C3-A2 could be any of C3A2 \(signal 0\), C3-M2 \(signal 2\)"):
        resolve_channel("C3-A2", ["C3A2", "C4A1", "C3-M2"])


@settings(deadline=None)
@given(st.lists(st.sampled_from(ISRUC_A + ISRUC_M + ISRUC_40), unique=True), st.sampled_from(ISRUC_A + ISRUC_40))
def test_a_channel_that_is_there_is_always_found(others, wanted):
    labels = [*others, wanted] if wanted not in others else others
    assert labels[resolve_channel(wanted, labels).active] == wanted


# ---- raw signals ----


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


def test_a_recording_with_gaps_in_time_is_refused(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))], annotations=[])
    path.write_bytes(path.read_bytes().replace(b"EDF+C", b"EDF+D"))
    with pytest.raises(InputError, match=r"a.edf: has gaps in time \(EDF\+D\)"):
        read_signal(path, "C3")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"b.edf: no such file"):
        read_signal(tmp_path / "b.edf", "C3")


def test_an_unknown_channel_names_the_file_too(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "uV", noise(60, 100))])
    with pytest.raises(InputError, match=r"a.edf: no channel O1; there are C3;"):
        read_signal(path, "O1")
    assert channel_labels(path) == ("C3",)


def test_the_clock_is_kept_even_when_the_date_is_withheld(tmp_path):
    path = tmp_path / "a.edf"
    signal = edfio.EdfSignal(noise(60, 100), 100, label="C3", physical_dimension="uV")
    edfio.Edf([signal], starttime=datetime(1, 1, 1, 23, 5).time()).write(path)
    assert read_signal(path, "C3").start == datetime(1985, 1, 1, 23, 5)


def test_only_the_wanted_signal_is_read(tmp_path, monkeypatch):
    path = write_edf(tmp_path / "a.edf", [(name, 100, "uV", noise(60, 100)) for name in ("C3", "C4", "O1")])
    loads = []
    load = edfio.edf_signal.LazyLoader.load
    monkeypatch.setattr(edfio.edf_signal.LazyLoader, "load", lambda *args: loads.append(args) or load(*args))
    read_signal(path, "C4")
    assert len(loads) == 1


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
    raw = RawSignal(pulses, rate, "C3", "uV", None)
    assert raw.n_epochs == 600
    epochs = signal_epochs(raw)
    assert len(epochs) in (599, 600)
    assert abs(int(resample(pulses, rate).argmax()) - 599 * 3000) <= 4


def test_at_100_hz_nothing_is_touched():
    samples = noise(60, 100).astype(np.float32)
    assert resample(samples, 100.0) is samples


@settings(deadline=None)
@given(st.integers(0, 100), st.integers(1, 15_000))
def test_epochs_are_the_signal_cut_in_order(first_second, n_samples):
    samples = np.arange(n_samples, dtype=np.float32)
    epochs = signal_epochs(RawSignal(samples, 100.0, "C3", "uV", None), first_second)
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


# ---- hypnograms ----


def test_stage_lines_skip_what_is_blank(tmp_path):
    path = tmp_path / "1_1.txt"
    path.write_bytes("\ufeff0\r\n1\r\n\r\n 5 \r\n\n".encode())
    hypnogram = read_stage_lines(path, {0: Stage.W, 1: Stage.N1, 5: Stage.REM})
    assert hypnogram.codes.tolist() == [0, 1, 4]
    assert hypnogram.codes.dtype == np.int32
    assert hypnogram.start is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("0\n\n9\n", r"stage '9' in line 3; there are 0, 1"),
        ("0\nN2", r"stage 'N2' in line 2"),
        ("\n", "no stages in it"),
    ],
)
def test_a_line_that_is_no_stage_is_named(tmp_path, text, message):
    (tmp_path / "1_1.txt").write_text(text)
    with pytest.raises(InputError, match=rf"1_1.txt: {message}"):
        read_stage_lines(tmp_path / "1_1.txt", {0: Stage.W, 1: Stage.N1})


@settings(deadline=None)
@given(mostly_wake | hypnograms)
def test_trimming_twice_is_trimming_once(codes):
    kept = codes[around_sleep(codes)]
    np.testing.assert_array_equal(kept[around_sleep(kept)], kept)


@settings(deadline=None)
@given(mostly_wake | hypnograms)
def test_trimming_keeps_all_sleep_and_half_an_hour_of_wake(codes):
    part = around_sleep(codes)
    sleep = np.flatnonzero(codes != Stage.W)
    if len(sleep) == 0:
        assert (part.start, part.stop) == (0, len(codes))
        return
    assert part.start == max(0, sleep[0] - WAKE_EPOCHS_KEPT)
    assert part.stop == min(len(codes), sleep[-1] + 1 + WAKE_EPOCHS_KEPT)


@settings(deadline=None)
@given(mostly_wake | hypnograms)
def test_kept_epochs_are_in_order_once_and_staged(codes):
    for rule in (drop_then_trim, trim_then_drop):
        kept = rule(codes)
        assert (np.diff(kept) > 0).all()
        assert (codes[kept] != UNKNOWN).all()
        assert set(np.flatnonzero(codes > Stage.W)) <= set(kept)


@settings(deadline=None)
@given(mostly_wake | hypnograms)
def test_the_order_does_not_matter_where_everything_is_staged(codes):
    staged = codes[codes != UNKNOWN]
    np.testing.assert_array_equal(drop_then_trim(staged), trim_then_drop(staged))


def test_the_two_orders_differ_by_movement_far_from_sleep():
    codes = np.array([Stage.W] * 200 + [UNKNOWN] + [Stage.W] * 100 + [Stage.N2] * 5 + [Stage.W] * 100, np.int32)
    assert drop_then_trim(codes).tolist() == list(range(241, 366))
    assert trim_then_drop(codes).tolist() == [*range(140, 200), *range(201, 366)]


@settings(deadline=None)
@given(st.floats(0, 5000), st.integers(0, 200), st.integers(-3000, 3000))
def test_signal_and_hypnogram_share_whole_epochs_at_the_same_time(seconds, n_codes, delay):
    shared = overlap(seconds, n_codes, delay)
    assert 0 <= shared.n_epochs <= n_codes
    if shared.n_epochs:
        assert shared.first_second >= 0
        assert shared.first_second + shared.n_epochs * 30 <= seconds + 1e-6
        assert shared.first_epoch + shared.n_epochs <= n_codes
        assert shared.first_second == delay + shared.first_epoch * 30  # the same instant on both clocks
        before = shared.first_second - 30  # no earlier epoch has both
        assert shared.first_epoch == 0 or before < 0


@pytest.mark.parametrize(
    "delay, expected", [(0, (0, 0, 10)), (60, (60, 0, 8)), (-60, (0, 2, 10)), (-45, (15, 2, 9)), (10, (10, 0, 9))]
)
def test_overlap_by_hand(delay, expected):
    shared = overlap(300, 20, delay)
    assert (shared.first_second, shared.first_epoch, shared.n_epochs) == expected


# ---- a night ----

START = datetime(2001, 2, 3, 22, 0, 0)


def ramp_night(tmp_path, n_epochs, codes, rate=100, hypnogram_start=None):
    """Write a night whose epoch k is k µV all through, and return it with a function that gives its hypnogram."""
    data = np.repeat(np.arange(n_epochs, dtype=float), 30 * rate)
    path = write_edf(tmp_path / "night.rec", [("C3A2", rate, "uV", data)], START, 30)
    (tmp_path / "night.txt").touch()
    raw = RawNight("night", 1, "night.rec", "night.txt", (path,), (tmp_path / "night.txt",))
    return raw, lambda _: Hypnogram(np.array(codes, np.int32), hypnogram_start)


def test_a_night_keeps_each_epoch_with_its_own_stage(tmp_path):
    codes = [0] * 70 + [1, 2, UNKNOWN, 3, 4] + [0] * 70
    raw, read_hypnogram = ramp_night(tmp_path, 145, codes)
    night = prepare_night(raw, Rules("C3A2", 0), read_hypnogram).night
    kept = [*range(10, 72), *range(73, 135)]
    np.testing.assert_allclose(night.x.mean(axis=1), kept, atol=0.01)
    assert night.y.tolist() == [codes[k] for k in kept]
    source = night.source
    assert [source[f"{step}_epochs"] for step in ("signal", "hypnogram", "shared", "staged", "kept")] == [
        145, 145, 145, 144, 124,
    ]  # fmt: skip
    assert (source["first_kept_second"], source["start_time"]) == (300, "2001-02-03T22:00:00")
    assert (source["signal_file"], source["hypnogram_file"]) == ("night.rec", "night.txt")
    assert all(isinstance(value, (str, int, float)) for value in source.values())


@pytest.mark.parametrize("minutes, first_in_signal, first_in_codes", [(1, 2, 0), (-1, 0, 2)])
def test_different_start_times_are_aligned(tmp_path, minutes, first_in_signal, first_in_codes):
    codes = [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    start = START.replace(hour=21 if minutes < 0 else 22, minute=59 if minutes < 0 else 1)
    raw, read_hypnogram = ramp_night(tmp_path, 10, codes, hypnogram_start=start)
    prepared = prepare_night(raw, Rules("C3A2", 4), read_hypnogram)
    np.testing.assert_allclose(prepared.night.x.mean(axis=1), range(first_in_signal, first_in_signal + 8), atol=0.01)
    assert prepared.night.y.tolist() == codes[first_in_codes : first_in_codes + 8]
    assert f"the hypnogram starts {minutes * 60} s after the signal; aligned on time" in prepared.notices
    with pytest.raises(InputError, match=rf"starting {minutes * 60} s later; 4 have no partner"):  # two at either end
        prepare_night(raw, Rules("C3A2", 3), read_hypnogram)


@pytest.mark.parametrize("in_signal, in_hypnogram", [(10, 13), (13, 10)])
def test_the_shorter_one_counts_up_to_a_limit(tmp_path, in_signal, in_hypnogram):
    raw, read_hypnogram = ramp_night(tmp_path, in_signal, [2] * in_hypnogram)
    assert len(prepare_night(raw, Rules("C3A2", 3), read_hypnogram).night) == 10
    message = (
        rf"night: the signal has {in_signal} epochs, the hypnogram {in_hypnogram}; 3 have no partner, over the limit"
    )
    with pytest.raises(InputError, match=message + r" of 2; .*--max_mismatch 3"):
        prepare_night(raw, Rules("C3A2", 2), read_hypnogram)
    assert len(prepare_night(raw, Rules("C3A2", 2, may_differ=("night",)), read_hypnogram).night) == 10


def test_a_tail_that_nobody_staged_is_no_mismatch(tmp_path):
    raw, read_hypnogram = ramp_night(tmp_path, 10, [2] * 10 + [UNKNOWN] * 500)
    assert len(prepare_night(raw, Rules("C3A2", 0), read_hypnogram).night) == 10


def test_times_that_do_not_meet_are_refused(tmp_path):
    raw, read_hypnogram = ramp_night(tmp_path, 10, [2] * 10, hypnogram_start=START.replace(day=4))
    with pytest.raises(InputError, match=r"starting 86400 s later; \d+ have no partner"):
        prepare_night(raw, Rules("C3A2", 10), read_hypnogram)


@pytest.mark.parametrize("codes", [[UNKNOWN] * 10, []])
def test_a_night_without_any_stage_is_refused(tmp_path, codes):
    raw, read_hypnogram = ramp_night(tmp_path, 10, codes)
    with pytest.raises(InputError, match=r"no epoch in the hypnogram has a stage"):
        prepare_night(raw, Rules("C3A2", 10), read_hypnogram)


def test_the_last_epochs_can_be_left_out(tmp_path):
    raw, read_hypnogram = ramp_night(tmp_path, 50, [2] * 50)
    assert len(prepare_night(raw, Rules("C3A2", 0, drop_last=30), read_hypnogram).night) == 20
    with pytest.raises(InputError, match=r"no epoch is left that has both a signal and a stage"):
        prepare_night(raw, Rules("C3A2", 0, drop_last=50), read_hypnogram)


def test_flat_wake_only_recordings_are_prepared_with_notices(tmp_path):
    raw, read_hypnogram = ramp_night(tmp_path, 10, [0] * 10)
    prepared = prepare_night(raw, Rules("C3-M2", 0), read_hypnogram)
    assert len(prepared.night) == 10
    assert prepared.notices == (
        "channel C3-M2: using C3A2",
        "nothing but W in it, so nothing was trimmed",
        "the signal is flat; was the right channel selected?",
    )


# ---- a night's file ----


def test_a_night_is_prepared_once_for_the_same_settings(tmp_path):
    raw, read_hypnogram = ramp_night(tmp_path, 50, [2] * 50)

    def prepare(rules, overwrite=False):
        return prepare_file(raw, rules, read_hypnogram, tmp_path, overwrite)

    rules = Rules("C3A2", 0)
    assert prepare(rules).status == "prepared"
    again = prepare(rules)
    assert (again.status, again.counts) == ("already there", (0, 0, 50, 0, 0))
    assert prepare(Rules("C3A2", 7)).status == "already there"  # a limit changes nothing in the night
    assert prepare(rules, overwrite=True).status == "prepared"
    other = prepare(Rules("C3-A2", 0, trim_first=True))
    assert other.notices[0] == (
        "prepared before with select_ch C3A2 instead of C3-A2, with trim_first 0 instead of 1; preparing it again"
    )
    assert load_night(tmp_path / "night.npz").source["select_ch"] == "C3-A2"


def test_a_broken_night_is_prepared_again(tmp_path):
    raw, read_hypnogram = ramp_night(tmp_path, 50, [2] * 50)
    (tmp_path / "night.npz").write_bytes(b"half a file")
    outcome = prepare_file(raw, Rules("C3A2", 0), read_hypnogram, tmp_path, overwrite=False)
    assert (outcome.status, outcome.notices[0]) == (
        "prepared",
        "prepared before by something else or cut short; preparing it again",
    )
    assert len(load_night(tmp_path / "night.npz", 3000, 100)) == 50


def killed(_):
    os._exit(9)


def test_a_process_that_is_ended_from_outside_is_no_traceback():
    with pytest.raises(InputError, match=r"a process was ended from outside, .* try a smaller --n_jobs"):
        list(in_processes(killed, [None, None], 2))


# ---- subjects ----


@pytest.mark.parametrize(
    "texts, expected",
    [(["0-3"], (0, 1, 2, 3)), (["5-7", "1", "3"], (1, 3, 5, 6, 7)), (["1,2"], (1, 2)), (["37-41"], (37, 38, 40, 41))],
)
def test_subjects_are_numbers_and_ranges(texts, expected):
    assert parse_subjects(texts, [*range(39), *range(40, 50)]) == expected


@pytest.mark.parametrize("texts", [["a"], ["3-"], ["-1"], ["39"], ["60-70"], ["7-5"], ["1.5"]])
def test_subjects_that_do_not_exist_are_refused(texts):
    with pytest.raises(InputError, match=rf"--subjects {texts[0]}: "):
        parse_subjects(texts, [*range(39), *range(40, 50)])


@settings(deadline=None)
@given(st.sets(st.integers(0, 200), min_size=1))
def test_ranges_read_back_as_the_same_subjects(numbers):
    assert parse_subjects(as_ranges(numbers).split(", "), sorted(numbers)) == tuple(sorted(numbers))
