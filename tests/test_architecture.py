"""Cycles, thirds, bouts and transitions: Luna's and YASA's values, nights by hand, and what must hold for any."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.datasets import read_sleepedf
from scoring import architecture
from scoring.architecture import bouts, cycles, thirds, transition_counts
from scoring.sleepstats import sleep_latency, sleep_statistics
from sleepstage import STAGE_NAMES, STAGES, UNKNOWN, Stage

pytest_plugins = ["tests.support.raw_recordings"]

W, N1, N2, N3, REM = Stage
LUNA = json.loads((Path(__file__).parent / "reference" / "luna_hypno.json").read_text(encoding="utf-8"))
CODES = dict(zip("?W123R", (UNKNOWN, *STAGES), strict=True))

hypnograms = st.lists(st.tuples(st.sampled_from([UNKNOWN, *STAGES]), st.integers(1, 40)), min_size=1, max_size=30).map(
    lambda runs: np.repeat([stage for stage, _ in runs], [length for _, length in runs]).astype(np.int32)
)


def night(text):
    """Return the stages that runs stand for: `W20 N2 40 …` as "W20 240 R10", one letter and a number of epochs."""
    runs = [(CODES[run[0]], int(run[1:])) for run in text.split()]
    return np.repeat([stage for stage, _ in runs], [length for _, length in runs])


def spans(text):
    return [(cycle.first, cycle.end, cycle.complete) for cycle in cycles(night(text))]


# ---- cycles ----


def test_a_night_of_two_cycles_and_a_half():
    found = cycles(night("W20 15 260 340 R20 W4 2100 R40 12 270 W9"))
    assert [(cycle.first, cycle.rem_first, cycle.end) for cycle in found] == [
        (25, 125, 145), (149, 249, 289), (291, None, 361),
    ]  # fmt: skip
    assert found[0].figures() == {
        "start_min": 12.5, "duration_min": 60, "NREM_period_min": 50, "REM_period_min": 10,
        "W_min": 0, "N1_min": 0, "N2_min": 30, "N3_min": 20, "REM_min": 10, "complete": True,
    }  # fmt: skip
    assert found[2].figures()["REM_period_min"] == 0 and not found[2].complete


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("W100", []),
        ("2100", [(0, 100, False)]),
        ("229 R20 W5", []),  # a NREM period of 14.5 min is none
        ("230 R1", [(0, 31, True)]),  # the first REM may be short
        ("230 R1 2100 R9 2100", [(0, 31, True), (31, 240, False)]),  # no later one
        ("230 R1 2100 R9 W5", [(0, 31, True), (31, 140, True)]),  # but the one in which the night ends
        ("240 R10 229 R10 2100 R10", [(0, 89, True), (89, 199, True)]),  # REM less than 15 min apart is one period
        ("240 R10 W29 R10 230", [(0, 89, True), (89, 119, False)]),
        ("R20 240 R10", [(20, 70, True)]),  # REM at sleep onset ends no cycle
        ("240 W20 110 240 R10", [(0, 40, False), (70, 120, True)]),  # 15 min of W and N1 end a cycle
        ("240 W20 19 240 R10", [(0, 119, True)]),
        ("110 240 ?5 320 R10", [(10, 85, True)]),
        ("1100", []),
    ],
)
def test_the_rules_of_cycles(text, expected):
    assert spans(text) == expected


def test_real_nights_have_lunas_cycles(real):
    """Luna differs where epochs are not staged, and in REM at the edges of a cycle, which it judges epoch by epoch."""
    found = {}
    for name in LUNA["sleepedf_cycles"]:
        codes = read_sleepedf(real / "hypnograms" / f"{name}-Hypnogram.edf").codes
        asleep = np.flatnonzero(codes > 0)
        codes = codes[max(0, asleep[0] - 40) : asleep[-1] + 20]
        found[name] = [[cycle.first, cycle.end] for cycle in cycles(codes)]
    assert [name for name, expected in LUNA["sleepedf_cycles"].items() if found[name] != expected] == [
        "SC4072EH", "SC4091EC", "SC4092EC", "SC4151EC", "SC4152EC", "SC4232EV", "SC4242EA", "SC4261FM", "SC4441EC",
        "ST7052JA",
    ]  # fmt: skip
    assert len(found) == 65


@settings(deadline=None)
@given(hypnograms)
def test_cycles_follow_each_other_within_the_sleep(codes):
    found = cycles(codes)
    ends = [0, *(cycle.end for cycle in found)]
    for cycle, before in zip(found, ends, strict=False):
        assert before <= cycle.first < cycle.end <= len(codes)
        assert codes[cycle.first] in (N2, N3) and codes[cycle.end - 1] in (N2, N3, REM)
        assert (cycle.rem_first or cycle.end) - cycle.first >= 30
        if cycle.rem_first is not None:
            assert codes[cycle.rem_first] == REM == codes[cycle.end - 1]
        assert sum(cycle.stage_minutes.values()) <= (cycle.end - cycle.first) / 2


# ---- thirds ----


def test_thirds_are_of_the_sleep_period():
    first, second, last = thirds(night("W50 14 36 R2 W9"))
    assert first == {"W": 0, "N1": 2, "N2": 0, "N3": 0, "REM": 0}
    assert second == {"W": 0, "N1": 0, "N2": 0, "N3": 2, "REM": 0}
    assert last == {"W": 0, "N1": 0, "N2": 0, "N3": 1, "REM": 1}
    assert thirds([W, W]) == []


@settings(deadline=None)
@given(hypnograms)
def test_thirds_add_up_and_are_alike(codes):
    parts, statistics = thirds(codes), sleep_statistics(codes)
    if not parts:
        assert statistics["TST_min"] == 0
        return
    for stage in (N1, N2, N3, REM):
        assert sum(part[stage.name] for part in parts) == statistics[f"{stage.name}_min"]
    assert sum(part["W"] for part in parts) == statistics["WASO_min"]


# ---- against other programs ----


@pytest.mark.parametrize("one", LUNA["simulated"], ids=lambda one: one["night"])
def test_simulated_nights_have_lunas_latency_fragmentation_and_bouts(one):
    codes = np.array([CODES[letter] for letter in one["stages"]])
    statistics, found = sleep_statistics(codes), bouts(codes)
    assert statistics["LPS_min"] == one["SOL_PER"]
    assert statistics["fragmentation_index"] == pytest.approx(60 * one["SFI"])  # Luna's is per minute
    for letter, (number, mean, median, longest) in one["bouts"].items():
        figures = found["REM" if letter == "R" else letter]
        assert figures["bouts"] == number and (figures["bout_longest_min"] or 0) == longest
        assert (figures["bout_mean_min"] or 0) == pytest.approx(mean)
        assert (figures["bout_median_min"] or 0) == pytest.approx(median)


@pytest.mark.parametrize("one", LUNA["simulated"][::4], ids=lambda one: one["night"])
def test_yasa_counts_the_same_transitions_and_bouts(one):
    codes = np.array([CODES[letter] for letter in one["stages"]])
    codes[300:303] = UNKNOWN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from yasa import Hypnogram

        theirs = Hypnogram(np.array(["WAKE", "N1", "N2", "N3", "REM", "UNS"])[codes], freq="30s")
    names = ["WAKE", "N1", "N2", "N3", "REM"]
    counts = theirs.transition_matrix()[0].reindex(index=names, columns=names, fill_value=0)
    np.testing.assert_array_equal(transition_counts(codes), counts)
    statistics = theirs.sleep_statistics()
    assert sleep_statistics(codes)["fragmentation_index"] == pytest.approx(statistics["SFI"], abs=1e-4)
    assert sleep_latency(codes, 5) == pytest.approx(statistics["SOL_5min"])
    periods = theirs.find_periods(threshold="0sec")
    for code, name in enumerate(names):
        lengths = periods.loc[periods["values"] == name, "length"] / 2
        assert bouts(codes)[STAGE_NAMES[code]]["bouts"] == len(lengths)
        if len(lengths):
            assert bouts(codes)[STAGE_NAMES[code]]["bout_mean_min"] == pytest.approx(lengths.mean())


# ---- for files ----


def test_shares_are_those_of_each_row():
    written = architecture.as_json(night("W2 12 24"))
    assert written["transitions_from_to"][:3] == [[1, 1, 0, 0, 0], [0, 1, 1, 0, 0], [0, 0, 3, 0, 0]]
    assert written["transition_probability_from_to"] == [
        [0.5, 0.5, 0, 0, 0], [0, 0.5, 0.5, 0, 0], [0, 0, 1, 0, 0], [None] * 5, [None] * 5,
    ]  # fmt: skip


@settings(deadline=None)
@given(hypnograms)
def test_a_row_has_the_same_columns_for_any_night(codes):
    assert list(architecture.as_columns(codes)) == list(architecture.as_columns([W]))
    json.dumps(architecture.as_json(codes), allow_nan=False)
