"""One raw recording and its hypnogram → one prepared night: the steps by themselves, and how files are paired."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from recordings.datasets import ISRUC, ISRUC_EXPERTS, SLEEPEDF, TELEMETRY, UCDDB
from recordings.hypnogram import Hypnogram, around_sleep
from recordings.preparation import (
    WAKE_EPOCHS_KEPT,
    RawNight,
    Rules,
    drop_then_trim,
    prepare_night,
    raw_nights,
    trim_then_drop,
)
from sleepstage import UNKNOWN, Stage
from tests.support.edf_files import START, WIDE, noise, with_gap, write_edf
from tests.support.ramp_nights import ramp_night

hypnograms = st.lists(st.integers(UNKNOWN, 4), min_size=1, max_size=400).map(lambda codes: np.array(codes, np.int32))
mostly_wake = st.lists(st.tuples(st.integers(UNKNOWN, 4), st.integers(1, 200)), min_size=1, max_size=8).map(
    lambda runs: np.concatenate([np.full(length, code, np.int32) for code, length in runs])
)


# ---- trimming ----


@settings(deadline=None)
@given(mostly_wake | hypnograms)
def test_trimming_twice_is_trimming_once(codes):
    kept = codes[around_sleep(codes, WAKE_EPOCHS_KEPT)]
    np.testing.assert_array_equal(kept[around_sleep(kept, WAKE_EPOCHS_KEPT)], kept)


@settings(deadline=None)
@given(mostly_wake | hypnograms)
def test_trimming_keeps_all_sleep_and_half_an_hour_of_wake(codes):
    part = around_sleep(codes, WAKE_EPOCHS_KEPT)
    sleep = np.flatnonzero(codes > Stage.W)
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


# ---- a night ----


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
    assert str(prepared.night.source["hypnogram_placed"]).endswith(f"{minutes * 60} s after the signal's start")
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


@pytest.mark.parametrize("delay, hundredths", [(12.34, 1234), (-12.34, 1766)])
def test_a_hypnogram_that_starts_within_an_epoch_cuts_the_signal_into_its_own_epochs(tmp_path, delay, hundredths):
    """Sample k is k / 100 µV, so that an epoch tells where it was cut."""
    path = write_edf(tmp_path / "night.rec", [("C3A2", 100, "uV", np.arange(30_000) / 100)], START, 30)
    (tmp_path / "night.txt").touch()
    raw = RawNight("night", 1, "night.rec", "night.txt", (path,), (tmp_path / "night.txt",))
    codes = np.arange(10, dtype=np.int32) % 5
    hypnogram = Hypnogram(codes, START + timedelta(seconds=delay))
    night = prepare_night(raw, Rules("C3A2", 2), lambda _: hypnogram).night
    np.testing.assert_allclose(night.x[:, 0] * 100, hundredths + 3000 * np.arange(9), atol=1)
    assert night.y.tolist() == (codes[:9] if delay > 0 else codes[1:]).tolist()
    assert night.source["first_kept_second"] == pytest.approx(hundredths / 100)


TWO = Hypnogram(np.full(50, Stage.N2, np.int32))


def night_of(folder, samples):
    """Write (sample,) µV at 100 Hz as a night."""
    path = write_edf(folder / "night.rec", [("C3A2", 100, "uV", samples)], START, 30)
    (folder / "night.txt").touch()
    return RawNight("night", 1, "night.rec", "night.txt", (path,), (folder / "night.txt",))


@pytest.mark.parametrize("dead", ["flat", "weak", "huge"])
def test_an_electrode_that_came_off_is_said(tmp_path, dead):
    samples = noise(50 * 30, 100)
    samples[30 * 3000 :] *= {"flat": 0.0, "weak": 0.01, "huge": 100.0}[dead]
    prepared = prepare_night(night_of(tmp_path, samples), Rules("C3A2", 0), lambda _: TWO)
    assert prepared.notices == (
        "no EEG in 20 of 50 epochs: flat, or a standard deviation outside 1 to 500 µV; the longest run, 20 epochs, "
        "starts at epoch 30",
    )


def test_a_few_bad_epochs_are_no_dead_electrode(tmp_path):
    samples = noise(50 * 30, 100)
    for epoch in (3, 10, 11, 40):
        samples[epoch * 3000 : (epoch + 1) * 3000] *= 100
    raw = night_of(tmp_path, samples)
    assert prepare_night(raw, Rules("C3A2", 0), lambda _: TWO).notices == ()


def test_a_signal_without_a_clock_has_no_place_for_a_hypnogram_with_one(tmp_path):
    raw = night_of(tmp_path, noise(50 * 30, 100))
    content = bytearray(raw.signals[0].read_bytes())
    content[176:184] = b"99.99.99"
    raw.signals[0].write_bytes(content)
    with pytest.raises(InputError, match=r"night: the hypnogram has a clock and the signal has none that can be read"):
        prepare_night(raw, Rules("C3A2", 0), lambda _: replace(TWO, start=START))
    said = prepare_night(raw, Rules("C3A2", 0), lambda _: TWO).notices
    assert said[0].startswith("the start cannot be read (") and said[0].endswith("a recording without a clock")


def test_what_a_hypnogram_lacks_is_said(tmp_path):
    raw = night_of(tmp_path, noise(50 * 30, 100))
    hypnogram = replace(TWO, notices=("the hypnogram has 1 hole",))
    assert prepare_night(raw, Rules("C3A2", 0), lambda _: hypnogram).notices == ("the hypnogram has 1 hole",)


def test_a_recording_with_gaps_is_refused(tmp_path):
    raw, read_hypnogram = ramp_night(tmp_path, 10, [2] * 10)
    signals = [("C3A2", 100, "uV", noise(300, 100))]
    with_gap(write_edf(raw.signals[0], signals, annotations=[WIDE]), 300, 150, 1000)
    with pytest.raises(InputError, match=r"night.rec: has 1 gap in time, the first of"):
        prepare_night(raw, Rules("C3A2", 0), read_hypnogram)


# ---- pairing ----


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_are_paired_by_name_in_the_folder_and_below(tmp_path):
    touch(
        tmp_path,
        "ucddb003.rec",
        "b/ucddb002.rec",
        "a/ucddb002_stage.txt",
        "ucddb003_stage.txt",
        "ucddb004.rec",  # no subject of the study
        "ucddb005_lifecard.edf",
        "1/1.rec",
    )
    (tmp_path / "ucddb006.rec").mkdir()  # a folder is no recording
    nights = raw_nights(UCDDB, tmp_path)
    assert [(night.name, night.subject, night.signal_name, night.hypnogram_name) for night in nights] == [
        ("ucddb002", 2, "ucddb002.rec", "ucddb002_stage.txt"),
        ("ucddb003", 3, "ucddb003.rec", "ucddb003_stage.txt"),
    ]
    assert [night.pair() for night in nights] == [
        (tmp_path / "b" / "ucddb002.rec", tmp_path / "a" / "ucddb002_stage.txt"),
        (tmp_path / "ucddb003.rec", tmp_path / "ucddb003_stage.txt"),
    ]


def test_nights_come_in_the_order_of_their_subjects(tmp_path):
    touch(tmp_path, *(f"{subject}/{subject}.rec" for subject in (100, 9, 10, 2)))
    assert [night.subject for night in raw_nights(ISRUC, tmp_path)] == [2, 9, 10, 100]
    touch(tmp_path, "SC4012E0-PSG.edf", "SC4011E0-PSG.edf", "SC4002E0-PSG.edf")
    assert [night.name for night in raw_nights(SLEEPEDF, tmp_path)] == ["SC4002E0", "SC4011E0", "SC4012E0"]


def test_files_are_shown_by_the_folder_as_it_was_given(tmp_path, monkeypatch):
    touch(tmp_path, "2/2.rec", "2/2_1.txt")
    monkeypatch.chdir(tmp_path / "2")
    assert raw_nights(ISRUC, Path())[0].pair() == (Path("2.rec"), Path("2_1.txt"))
    assert raw_nights(ISRUC, Path(".."))[0].pair() == (Path("../2/2.rec"), Path("../2/2_1.txt"))


def test_either_expert_s_hypnogram_is_paired(tmp_path):
    touch(tmp_path, "2/2.rec", "2/2_1.txt", "2/2_2.txt")
    for number, name in ISRUC_EXPERTS.items():
        (night,) = raw_nights(replace(ISRUC, hypnogram=name), tmp_path)
        assert night.pair()[1] == tmp_path / "2" / f"2_{number}.txt"


def test_a_study_without_subjects_has_no_nights(tmp_path):
    touch(tmp_path, "ST7011J0-PSG.edf", "ST7011JP-Hypnogram.edf")
    assert raw_nights(TELEMETRY, tmp_path) == raw_nights(SLEEPEDF, tmp_path) == []


@pytest.mark.parametrize(
    "names, message",
    [
        (
            ["SC4001E0-PSG.edf"],
            r"no hypnogram SC4001E\?-Hypnogram.edf to go with .*SC4001E0-PSG.edf; add it",
        ),
        (["SC4001EC-Hypnogram.edf"], r"no signal SC4001E0-PSG.edf to go with .*SC4001EC-Hypnogram.edf"),
        (["SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf", "SC4001EJ-Hypnogram.edf"], r"2 hypnograms .*keep one"),
        (["SC4001E0-PSG.edf", "a/SC4001E0-PSG.edf", "SC4001EC-Hypnogram.edf"], r"2 signals .*keep one"),
    ],
)
def test_a_night_without_exactly_one_partner_is_refused(tmp_path, names, message):
    touch(tmp_path, *names)
    with pytest.raises(InputError, match=message):
        raw_nights(SLEEPEDF, tmp_path)[0].pair()
