"""A staged night: every figure follows from its probabilities, its expert and its clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from scoring.sleepstats import runs_of
from scoring.staged import StagedNight, time_of
from sleepstage import STAGE_NAMES, UNKNOWN
from tests.support.staged_nights import N_EPOCHS, STAGES, a_fold, staged_night


def of(rows, **more):
    return StagedNight(name="night", probabilities=np.array(rows, np.float32), **more)


SURE, UNSURE, NONE = [0.9, 0.1, 0, 0, 0], [0.4, 0.3, 0.2, 0.1, 0], [np.nan] * 5


# ---- epochs ----


def test_the_most_probable_stage_counts_and_none_where_there_is_no_signal():
    night = of([[0.1, 0.2, 0.3, 0.4, 0], NONE, [0, 0, 0, 0.2, 0.8], SURE])
    assert night.stages.tolist() == [3, UNKNOWN, 4, 0]
    np.testing.assert_array_equal(night.confidence, np.array([0.4, np.nan, 0.8, 0.9], np.float32))
    assert night.unsure.tolist() == [True, False, False, False]
    assert len(night) == 4


def test_epochs_have_their_onset_and_their_time_of_day():
    night = of([SURE] * 3, start=datetime(2001, 2, 3, 23, 59, 30), first_second=10.0)
    assert [night.onset(epoch) for epoch in range(3)] == [10, 40, 70]
    assert [night.clock(epoch) for epoch in range(3)] == ["23:59:40", "00:00:10", "00:00:40"]
    assert of([SURE] * 3, first_second=10.0).clock(1) == "40 s"
    assert time_of(None, 1e5) == "100000 s"


def test_a_simulated_night_is_called_so():
    assert (of([SURE]).title, of([SURE], simulated=True).title) == ("night", "night (SIMULATED)")


@pytest.mark.parametrize(
    ("mask", "expected"), [([], []), ([0, 0], []), ([1, 1], [(0, 2)]), ([1, 0, 1, 1, 0, 1], [(0, 1), (2, 4), (5, 6)])]
)
def test_runs(mask, expected):
    assert list(zip(*runs_of(np.array(mask, bool)), strict=True)) == expected


# ---- figures ----


def test_runs_of_low_confidence_are_listed_the_longest_first():
    rows = [SURE] * 2 + [UNSURE] * 4 + [SURE] + [UNSURE] * 3 + [SURE] * 4 + [UNSURE] * 6
    assert [(run.first, run.n_epochs) for run in of(rows).doubtful_runs] == [(14, 6), (2, 4)]
    assert of(rows).doubtful_runs[0].confidence == pytest.approx(0.4)


def test_statistics_are_of_the_time_in_bed():
    rows = np.eye(5)[[0, 0, 2, 2, 2, 0]]
    assert (of(rows).statistics["TIB_min"], of(rows).statistics["SOL_min"]) == (3, 1)
    night = of(rows, first_second=10.0, lights_off=40.0, lights_on=130.0)
    assert night.in_bed == slice(1, 4)
    assert (night.statistics["TIB_min"], night.statistics["SOL_min"]) == (1.5, 0.5)
    assert of(rows, lights_off=180.0).statistics == {}


def test_agreement_is_over_the_epochs_that_both_staged():
    rows = [SURE, SURE, NONE, SURE, [0, 0, 1, 0, 0]]
    scores = of(rows, expert=np.array([0, 1, 0, UNKNOWN, 2], np.int32)).agreement
    assert scores is not None and scores.n_epochs == 3 and scores.accuracy == pytest.approx(2 / 3)
    assert of(rows).agreement is None
    assert of(rows, expert=np.array([UNKNOWN, UNKNOWN, 0, UNKNOWN, UNKNOWN], np.int32)).agreement is None


# ---- a recording ----


def test_the_table_has_a_clock_and_an_expert_only_if_there_is_one(tmp_path):
    expert = np.where(np.arange(N_EPOCHS) < 5, UNKNOWN, STAGES).astype(np.int32)
    table = staged_night(tmp_path, start=None, expert=expert).to_frame()
    assert "clock" not in table
    assert table["expert"].tolist()[:6] == ["?"] * 5 + ["W"]
    assert "expert" not in staged_night(tmp_path).to_frame()


def test_the_flags_of_an_epoch_are_what_is_wrong_with_any_channel(tmp_path):
    night = staged_night(tmp_path)
    flat = np.zeros(N_EPOCHS + 3, bool)  # this channel is longer than the other
    flat[[7, 9, 92, N_EPOCHS]] = True
    longer = replace(night.channels[0], faults={"flat": flat, "clipped": flat[::-1]})
    flags = replace(night, channels=(night.channels[0], longer)).flags()
    assert len(flags) == N_EPOCHS
    assert (flags[7], flags[9], flags[92]) == ("clipped; flat", "flat", "low confidence; flat")
    assert (flags[100], flags[0]) == ("no signal", "")


def test_stages_are_counted(tmp_path):
    counts = staged_night(tmp_path).stage_counts()
    assert counts == {"W": 40, "N1": 10, "N2": 50 + 20, "N3": 40 - 2, "REM": 40} and list(counts) == list(STAGE_NAMES)


def test_it_describes_itself_in_one_line(tmp_path):
    night = staged_night(tmp_path)
    assert repr(night) == ("<ScoredNight night: C3-M2, 200 epochs (W 40, N1 10, N2 70, N3 38, REM 40), 1 warning>")
    quiet = replace(night, channels=night.channels * 2, simulated=True, warnings=())
    assert repr(quiet).startswith("<ScoredNight night (SIMULATED): C3-M2 + C3-M2, 200 epochs (W 40,")
    assert repr(quiet).endswith("REM 40)>")


def test_it_holds_the_folds_that_staged_it(tmp_path):
    assert [fold.run.fold for fold in staged_night(tmp_path).folds] == [0, 4]
    assert [fold.run.fold for fold in staged_night(tmp_path, folds=(a_fold(7),)).folds] == [7]


@pytest.mark.parametrize(
    ("unit", "rate", "expected"),
    [
        ("uV", 100.0, []),
        ("µV", 100.0, []),
        ("mV", 100.0, ["mV to µV"]),
        ("", 128.0, ["no unit to µV", "128 Hz to 100 Hz (polyphase, 25/32)"]),
    ],
)
def test_what_was_done_to_a_channel_is_said(tmp_path, unit, rate, expected):
    assert replace(staged_night(tmp_path).channels[0], unit=unit, rate=rate).conversions == expected
