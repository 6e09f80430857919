"""Experts' hypnograms: lines of numbers, annotations, and their place on the signal's clock."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command import InputError
from recordings.datasets import SLEEPEDF_CODES
from recordings.epochs import signal_epochs
from recordings.hypnogram import (
    EDF_TEXTS,
    Hypnogram,
    check_epochs,
    grid_start,
    on_grid,
    without_partner,
)
from recordings.hypnograms.lines import read_stage_lines
from recordings.hypnograms.marks import read_annotations
from recordings.recording import RawSignal, Stretch
from sleepstage import UNKNOWN, Stage
from tests.support.edf_files import START, write_hypnogram

# ---- one number a line ----


def test_a_blank_line_between_stages_is_an_epoch_that_is_not_scored(tmp_path):
    path = tmp_path / "1_1.txt"
    path.write_bytes("\ufeff0\r\n1\r\n\r\n 5 \r\n\n".encode())
    hypnogram = read_stage_lines(path, {0: Stage.W, 1: Stage.N1, 5: Stage.REM})
    assert hypnogram.codes.tolist() == [0, 1, UNKNOWN, 4]
    assert hypnogram.notices == ("1 epoch of the hypnogram not scored (blank)",)
    assert hypnogram.codes.dtype == np.int32
    assert hypnogram.start is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("0\n\n9\n", r"unknown stage '9' in line 3; there are 0, 1;"),
        ("0\nN2", r"unknown stage 'N2' in line 2"),
        ("\n", "no stages in it"),
    ],
)
def test_a_line_that_is_no_stage_is_named(tmp_path, text, message):
    (tmp_path / "1_1.txt").write_text(text)
    with pytest.raises(InputError, match=rf"1_1.txt: {message}"):
        read_stage_lines(tmp_path / "1_1.txt", {0: Stage.W, 1: Stage.N1})


@pytest.mark.parametrize("name", ["none.txt", "."])
def test_lines_that_cannot_be_read_are_named(tmp_path, name):
    with pytest.raises(
        InputError, match=r"(: no such file|: not a text file \(.*directory.*\)); check the name, or export it again"
    ):
        read_stage_lines(tmp_path / name, {0: Stage.W})


# ---- annotations of an EDF+ file ----


def test_the_texts_of_edf_plus_are_the_aasm_stages():
    assert EDF_TEXTS == {
        UNKNOWN: "Sleep stage ?",
        0: "Sleep stage W",
        1: "Sleep stage N1",
        2: "Sleep stage N2",
        3: "Sleep stage N3",
        4: "Sleep stage R",
    }
    assert len(set(EDF_TEXTS.values())) == len(EDF_TEXTS)


def test_annotations_become_epochs(tmp_path):
    path = write_hypnogram(
        tmp_path / "SC4001EC-Hypnogram.edf",
        (60, 60, "Sleep stage W"),
        (120, 30, "Sleep stage 1"),
        (150, 30, "Sleep stage 2"),
        (180, 30, "Sleep stage 3"),
        (210, 30, "Sleep stage 4"),
        (240, 30, "Sleep stage R"),
        (270, 30, "Movement time"),
        (330, 30, "Sleep stage ?"),
        (360, 30, "Sleep stage W"),
    )
    hypnogram = read_annotations(path, SLEEPEDF_CODES)
    assert hypnogram.codes.tolist() == [-1, -1, 0, 0, 1, 2, 3, 3, 4, -1, -1, -1, 0]
    assert hypnogram.codes.dtype == np.int32
    assert hypnogram.start == datetime(1989, 4, 24, 16, 13)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(codes=st.lists(st.sampled_from(sorted(EDF_TEXTS)), min_size=1, max_size=20))
def test_stages_that_are_written_as_annotations_are_read_back(tmp_path, codes):
    annotations = [(30.0 * i, 30.0, EDF_TEXTS[code]) for i, code in enumerate(codes)]
    path = write_hypnogram(tmp_path / "a.edf", *annotations)
    assert read_annotations(path, {text: code for code, text in EDF_TEXTS.items()}).codes.tolist() == codes


@pytest.mark.parametrize(
    "annotations, message",
    [
        (
            [(0, 30, "Sleep stage 5")],
            r"unknown stage 'Sleep stage 5' in annotation 1; there are Sleep stage W, .*Move",
        ),
        ([(0, 30, "Lights off")], r"unknown stage 'Lights off'"),
        ([(0, 45, "Sleep stage W")], r"'Sleep stage W' in .* at 0 s lasts 45 s; its epochs last 45 s: resample"),
        ([(0, 30.2, "Sleep stage W")], r".* lasts 30.2 s; onset and duration must be whole epochs"),
        (
            [(0, 30, "Sleep stage W"), (45, 30, "Sleep stage W")],
            r".* at 45 s lasts 30 s; its epochs last 15 s: resample",
        ),
        (
            [(0, 90, "Sleep stage W"), (60, 30, "Sleep stage 1")],
            r"'Sleep stage 1' in .* starts before the last one",
        ),
        ([(3 * 10**6, 30, "Sleep stage W")], r"'Sleep stage W' in .* at 3e\+06 s lasts 30 s; the limit is 31 days"),
        ([(3 * 10**12, 30, "Sleep stage W")], r"1 annotation cannot be read \(the first: \+3000000000000·30·Sleep sta"),
    ],
)
def test_odd_annotations_are_refused(tmp_path, annotations, message):
    path = write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", *annotations)
    with pytest.raises(InputError, match=rf"SC4001EC-Hypnogram.edf: {message}"):
        read_annotations(path, SLEEPEDF_CODES)


def test_what_is_no_edf_is_no_hypnogram(tmp_path):
    (tmp_path / "a.edf").write_text("Sleep stage W")
    with pytest.raises(InputError, match=r"a.edf: not a readable EDF file"):
        read_annotations(tmp_path / "a.edf", SLEEPEDF_CODES)


# ---- on the signal's clock ----


@pytest.mark.parametrize(
    ("hypnogram_start", "signal_start", "delay"),
    [
        (START, START, 0),
        (START + timedelta(minutes=1, milliseconds=500), START, 60.5),
        (START - timedelta(seconds=45), START, -45),
        (None, START, 0),
        (START, None, 0),
        (None, None, 0),
    ],
)
def test_the_delay_is_from_clock_to_clock(hypnogram_start, signal_start, delay):
    assert Hypnogram(np.zeros(1, np.int32), hypnogram_start).delay(signal_start) == delay


def shared(seconds, n_codes, delay):
    """Return what a signal and a hypnogram share: first second of the signal, first epoch of the hypnogram, epochs."""
    n_epochs = max(0, int((seconds - grid_start(delay)) // 30))
    placed, covered = on_grid(np.arange(n_codes, dtype=np.int32), delay, n_epochs)
    assert len(placed) == n_epochs and placed.dtype == np.int32
    length = covered.stop - covered.start
    assert placed[covered].tolist() == [placed[covered.start] + i for i in range(length)] if length else True
    return grid_start(delay) + 30 * covered.start, int(placed[covered.start]) if length else 0, length


@settings(deadline=None)
@given(st.floats(0, 5000), st.integers(0, 200), st.integers(-3000, 3000))
def test_signal_and_hypnogram_share_whole_epochs_at_the_same_time(seconds, n_codes, delay):
    first_second, first_epoch, n_epochs = shared(seconds, n_codes, delay)
    assert 0 <= n_epochs <= n_codes
    if n_epochs:
        assert first_second >= 0
        assert first_second + n_epochs * 30 <= seconds + 1e-6
        assert first_epoch + n_epochs <= n_codes
        assert first_second == delay + first_epoch * 30  # the same instant on both clocks
        before = first_second - 30  # no earlier epoch has both
        assert first_epoch == 0 or before < 0
        after = first_second + (n_epochs + 1) * 30  # and no later one
        assert first_epoch + n_epochs == n_codes or after > seconds


@pytest.mark.parametrize(
    "delay, expected", [(0, (0, 0, 10)), (60, (60, 0, 8)), (-60, (0, 2, 10)), (-45, (15, 2, 9)), (10, (10, 0, 9))]
)
def test_the_shared_epochs_by_hand(delay, expected):
    assert shared(300, 20, delay) == expected


@pytest.mark.parametrize("delay", [-10_000, 10_000])
def test_times_that_do_not_meet_share_nothing(delay):
    placed, covered = on_grid(np.arange(20, dtype=np.int32), delay, 10)
    assert placed.tolist() == [UNKNOWN] * 10
    assert covered.start == covered.stop and 0 <= covered.start <= 10


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 200), st.integers(1, 400)), min_size=1, max_size=3),
    st.integers(0, 40),
    st.integers(-40_000, 40_000).map(lambda hundredths: hundredths / 100),
)
def test_every_epoch_of_a_signal_gets_the_stage_of_the_same_instant(parts, n_codes, delay):
    """Each sample holds when it was recorded, in hundredths of a second; each stage says which epoch it is."""
    stretches, now, offset = [], 0, 0
    for gap, seconds in parts:
        now += gap if stretches else 0
        stretches.append(Stretch(float(now), float(offset), float(seconds)))
        now, offset = now + seconds, offset + seconds
    samples = np.concatenate([100 * part.onset + np.arange(100 * part.seconds) for part in stretches]).astype(
        np.float32
    )
    signal = RawSignal(lambda a, b: samples[a:b], len(samples), 100.0, "C3", "uV", START, tuple(stretches))
    hypnogram = Hypnogram(np.arange(n_codes, dtype=np.int32), START + timedelta(seconds=delay))
    delay = hypnogram.delay(signal.start)
    epochs = signal_epochs(signal, grid_start(delay))
    placed, covered = on_grid(hypnogram.codes, delay, epochs.n_epochs)
    for x, number in zip(epochs.x, epochs.recorded, strict=True):
        hundredths_late = round(x[0] - 100 * delay)
        epoch, rest = divmod(hundredths_late, 3000)
        assert rest == 0
        assert placed[number] == (epoch if 0 <= epoch < n_codes else UNKNOWN)
        assert (covered.start <= number < covered.stop) == (0 <= epoch < n_codes)


def test_more_lines_than_a_recording_has_epochs_are_refused(tmp_path):
    (tmp_path / "1_1.txt").write_text("0\n" * 200_000)
    with pytest.raises(InputError, match=r"1_1\.txt: '0' in line 200000 ends at .* s; the limit is 31 days"):
        read_stage_lines(tmp_path / "1_1.txt", {0: Stage.W})
    (tmp_path / "1_1.txt").write_text("0\n" * 2_000_000)
    with pytest.raises(InputError, match=r"1_1\.txt: .*it has 2,000,000 lines; the limit is 1,000,000"):
        read_stage_lines(tmp_path / "1_1.txt", {0: Stage.W})
    (tmp_path / "1_1.txt").write_text("0\n" * 9_000_000)
    with pytest.raises(InputError, match=r"1_1\.txt: has 18,000,000 bytes; the limit for a text file is 16,777,216"):
        read_stage_lines(tmp_path / "1_1.txt", {0: Stage.W})


# ---- what a hypnogram lacks ----

STAGES_OF = {"Sleep stage W": 0, "Sleep stage 2": 2, "Sleep stage ?": -1}


def test_a_hole_is_said(tmp_path):
    path = write_hypnogram(tmp_path / "a.edf", (0, 60, "Sleep stage W"), (150, 30, "Sleep stage 2"))
    hypnogram = read_annotations(path, STAGES_OF)
    assert hypnogram.codes.tolist() == [0, 0, -1, -1, -1, 2]
    assert hypnogram.notices == (
        "the hypnogram has 1 hole, 3 epochs without a stage: the first from 60 s to 150 s after its start",
    )


def test_epochs_that_the_expert_left_open_are_no_hole(tmp_path):
    spans = ((0, 60, "Sleep stage W"), (60, 60, "Sleep stage ?"), (120, 30, "Sleep stage 2"))
    notices = read_annotations(write_hypnogram(tmp_path / "a.edf", *spans), STAGES_OF).notices
    assert notices == ()


def test_an_annotation_that_one_wrong_bit_made_unreadable_is_not_left_out(tmp_path):
    path = write_hypnogram(tmp_path / "a.edf", (0, 600, "Sleep stage W"), (600, 2640, "Sleep stage 2"))
    path.write_bytes(path.read_bytes().replace(b"+600\x152640", b"+6\x1800\x152640"[:9]))
    with pytest.raises(InputError, match=r"a\.edf: 1 annotation cannot be read \(the first: \+6·0.*; copy or export"):
        read_annotations(path, STAGES_OF)


def test_a_hypnogram_whose_clock_cannot_be_read_does_not_start_with_the_signal(tmp_path):
    path = write_hypnogram(tmp_path / "a.edf", (0, 600, "Sleep stage W"))
    content = bytearray(path.read_bytes())
    content[176:184] = b"99.99.99"
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=r"a\.edf: its start date and time cannot be read, so its stages have no place"
    ):
        read_annotations(path, STAGES_OF)


@pytest.mark.parametrize(
    ("delay", "n_epochs", "expected"),
    [(0, 6, (0, 0)), (0, 4, (1, 0)), (60, 6, (1, 2)), (-60, 6, (2, 2)), (0, 10, (0, 4)), (15, 6, (0, 0.5))],
)
def test_what_signal_and_hypnogram_do_not_share_is_counted(delay, n_epochs, expected):
    """The hypnogram has six epochs, the last without a stage."""
    codes = np.array([0, 1, 2, 2, 3, UNKNOWN], np.int32)
    assert without_partner(codes, delay, n_epochs) == expected


def test_a_hypnogram_without_a_clock_that_is_far_too_long_is_refused():
    stages = np.tile(np.arange(5, dtype=np.int32), 2000)
    with pytest.raises(InputError, match=r"p: .* 6960 epochs of 30 s and no clock, the recording 232: .*_seconds 1;"):
        check_epochs("p", Hypnogram(stages[:6960]), 232)
    with pytest.raises(InputError, match=r"if each is 20 s, give --epoch_seconds 20; else check"):
        check_epochs("p", Hypnogram(stages[:1440]), 960)
    with pytest.raises(InputError, match=r"the recording 100: check that it is of this recording, or cut it"):
        check_epochs("p", Hypnogram(stages[:9999]), 100)
    tail = np.full(2880, UNKNOWN, np.int32)
    tail[:960] = 2
    check_epochs("p", Hypnogram(tail), 960)
    check_epochs("p", Hypnogram(stages[:1000]), 960)
    check_epochs("p", Hypnogram(stages[:6960], clock=time(22)), 232)
