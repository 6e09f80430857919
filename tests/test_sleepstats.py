"""Sleep statistics: YASA's values on real hypnograms, hand-made nights, and what must hold for any."""

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.datasets import read_sleepedf
from scoring.sleepstats import in_bed, sleep_statistics
from sleepstage import UNKNOWN, Stage

pytest_plugins = ["tests.support.raw_recordings"]

W, N1, N2, N3, REM = Stage
hypnograms = st.lists(st.integers(UNKNOWN, 4), min_size=1, max_size=300).map(lambda codes: np.array(codes, np.int32))

OURS = {  # YASA's name: ours. Its Lat_REM is from lights off, and it has no count of awakenings or transitions.
    "TIB": "TIB_min", "SPT": "SPT_min", "TST": "TST_min", "SE": "SE_percent", "SME": "SME_percent", "SOL": "SOL_min",
    "WASO": "WASO_min", "N1": "N1_min", "N2": "N2_min", "N3": "N3_min", "REM": "REM_min", "%N1": "N1_percent",
    "%N2": "N2_percent", "%N3": "N3_percent", "%REM": "REM_percent",
}  # fmt: skip
REAL_NIGHTS = ("SC4001EC", "SC4012EC", "SC4022EJ", "SC4092EC", "SC4171EU", "SC4271FC", "ST7012JP", "ST7022J0")


def by_yasa(codes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from yasa import Hypnogram

        names = np.array(["WAKE", "N1", "N2", "N3", "REM", "UNS"])
        hypnogram = Hypnogram(names[codes], freq="30s")
        return hypnogram.sleep_statistics(), hypnogram.transition_matrix()[0]


def assert_as_yasa(codes):
    ours, (theirs, matrix) = sleep_statistics(codes), by_yasa(codes)
    for name, own in OURS.items():
        expected = theirs[name]
        assert ours[own] == (None if np.isnan(expected) else pytest.approx(expected, abs=1e-3)), name  # it rounds
    if not np.isnan(theirs["Lat_REM"]):
        assert ours["REM_latency_min"] == pytest.approx(theirs["Lat_REM"] - theirs["SOL"])
    stages = [name for name in matrix.index if name != "UNS"]
    counts = matrix.loc[stages, stages].to_numpy()
    assert ours["transitions"] == counts.sum() - np.trace(counts)


@pytest.mark.parametrize("name", REAL_NIGHTS)
def test_real_nights_have_yasas_statistics(real, name):
    assert_as_yasa(read_sleepedf(real / "hypnograms" / f"{name}-Hypnogram.edf").codes)


@pytest.mark.parametrize("codes", [[W] * 5, [N2], [W, REM, W], [N1] * 20 + [W] * 3 + [UNKNOWN] * 2 + [N3] * 10])
def test_odd_nights_have_yasas_statistics(codes):
    assert_as_yasa(np.array(codes))


def test_a_night_by_hand():
    codes = [W] * 20 + [N1] * 2 + [N2] * 10 + [W] * 4 + [UNKNOWN] * 2 + [N3] * 6 + [REM] * 8 + [W] * 8
    statistics = sleep_statistics(codes)
    assert statistics == {
        "TIB_min": 30, "SPT_min": 16, "TST_min": 13, "SE_percent": pytest.approx(100 * 13 / 30),
        "SME_percent": pytest.approx(100 * 13 / 16), "SOL_min": 10, "REM_latency_min": 12, "WASO_min": 2,
        "W_after_SPT_min": 4, "W_min": 16, "N1_min": 1, "N2_min": 5, "N3_min": 3, "REM_min": 4,
        "N1_percent": pytest.approx(100 / 13), "N2_percent": pytest.approx(500 / 13),
        "N3_percent": pytest.approx(300 / 13), "REM_percent": pytest.approx(400 / 13), "unscored_min": 1,
        "transitions": 5, "awakenings": 1, "LPS_min": None, "fragmentation_index": pytest.approx(2 / (13 / 60)),
    }  # fmt: skip


def test_a_night_without_sleep_has_no_latencies():
    statistics = sleep_statistics([W] * 10)
    assert (statistics["TST_min"], statistics["SE_percent"], statistics["awakenings"]) == (0, 0, 0)
    latencies = ("SOL_min", "LPS_min", "REM_latency_min")
    for name in (*latencies, "fragmentation_index", "WASO_min", "SME_percent", "N2_percent"):
        assert statistics[name] is None


@pytest.mark.parametrize("stages", [[], [[W, N1]]])
def test_what_is_no_hypnogram_is_refused(stages):
    with pytest.raises(ValueError, match="a hypnogram is"):
        sleep_statistics(stages)


@settings(deadline=None)
@given(hypnograms)
def test_minutes_add_up(codes):
    statistics: dict[str, Any] = sleep_statistics(codes)
    stages = sum(statistics[f"{stage.name}_min"] for stage in Stage)
    assert stages + statistics["unscored_min"] == statistics["TIB_min"]
    assert statistics["TST_min"] == stages - statistics["W_min"] <= statistics["SPT_min"] <= statistics["TIB_min"]
    if statistics["TST_min"]:
        assert sum(statistics[f"{name}_percent"] for name in ("N1", "N2", "N3", "REM")) == pytest.approx(100)
        awake = statistics["SOL_min"], statistics["WASO_min"], statistics["W_after_SPT_min"]
        assert sum(awake) >= statistics["W_min"]  # SOL counts unscored epochs too


@pytest.mark.parametrize(
    ("off", "on", "expected"),
    [
        (None, None, (0, 100)), (0, 3000, (0, 100)), (60, 600, (2, 20)), (44, None, (1, 100)), (46, None, (2, 100)),
        (None, 9999, (0, 100)), (2990, 2999, (100, 100)), (600, 600, (20, 20)),
    ],
)  # fmt: skip
def test_the_time_in_bed_is_made_of_whole_epochs(off, on, expected):
    part = in_bed(100, 0.0, off, on)
    assert (part.start, part.stop) == expected
    assert in_bed(100, 10.0, off and off + 10, on and on + 10) == part  # wherever the epochs start
