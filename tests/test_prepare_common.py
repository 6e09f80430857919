"""One raw recording and its hypnogram → one prepared night: the steps by themselves."""

import os
from datetime import datetime

import numpy as np
import pytest
from edf_files import write_edf
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from data import load_night
from hypnogram import Hypnogram
from prepare_common import (
    WAKE_EPOCHS_KEPT,
    RawNight,
    Rules,
    around_sleep,
    as_ranges,
    drop_then_trim,
    in_processes,
    parse_subjects,
    prepare_file,
    prepare_night,
    trim_then_drop,
)
from sleepstage import UNKNOWN, Stage

hypnograms = st.lists(st.integers(UNKNOWN, 4), min_size=1, max_size=400).map(lambda codes: np.array(codes, np.int32))
mostly_wake = st.lists(st.tuples(st.integers(UNKNOWN, 4), st.integers(1, 200)), min_size=1, max_size=8).map(
    lambda runs: np.concatenate([np.full(length, code, np.int32) for code, length in runs])
)


def noise(seconds, rate, std=20.0, seed=0):
    return np.random.default_rng(seed).normal(0, std, seconds * rate)


# ---- trimming ----


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
