"""Whether a hypnogram fits its signal: on made-up series, on real nights, and as the commands say it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import resample_poly

from recordings import fit
from recordings.epochs import resample
from simulating.amplifiers import FAULTS, amplifier
from sleepstage import UNKNOWN

pytest_plugins = ["tests.support.raw_recordings"]

NIGHT = np.repeat([0, 1, 2, 3, 2, 4, 2, 3, 2, 4, 0], [40, 8, 60, 50, 20, 30, 60, 40, 70, 60, 30]).astype(np.int32)
DEPTH = np.array([0.0, 1.0, 2.0, 3.5, 1.2])  # excess of slow waves of W, N1, N2, N3, REM


def moved(codes, shift):
    """Return the stages `shift` epochs later, UNKNOWN where nothing is left."""
    placed = np.full(len(codes), UNKNOWN, np.int32)
    here = np.arange(max(0, shift), min(len(codes), len(codes) + shift))
    placed[here] = codes[here - shift]
    return placed


def excess_of(codes, noise=1.0, seed=0):
    return DEPTH[codes] + np.random.default_rng(seed).normal(0, noise, len(codes))


# ---- made-up nights ----


def test_a_hypnogram_in_its_place_fits():
    assert fit.misfit(excess_of(NIGHT), NIGHT) is None


@pytest.mark.parametrize(("shift", "said"), [(5, "5 epochs (2.5 min) earlier"), (-120, "120 epochs (60 min) later")])
def test_a_shift_is_found_with_its_direction(shift, said):
    """Stages that come `shift` epochs late fit the signal better that much earlier."""
    codes = np.concatenate([np.zeros(130, np.int32), NIGHT, np.zeros(130, np.int32)])
    excess = excess_of(codes)
    assert fit.misfit(excess, moved(codes, shift)) == (
        f"the hypnogram fits the signal clearly better {said}; check the start times of both"
    )


def test_the_hypnogram_of_another_night_is_said():
    said = fit.misfit(excess_of(NIGHT[::-1].copy()), np.roll(NIGHT, 200))
    assert said == "N3 in the hypnogram has hardly more slow waves than the other stages: is it of this night?"


@pytest.mark.parametrize(
    ("excess", "codes"),
    [
        (excess_of(NIGHT)[:100], moved(NIGHT, 5)[:100]),  # under an hour
        (np.full(len(NIGHT), np.nan), NIGHT),
        (np.zeros(len(NIGHT)), NIGHT),
        (excess_of(NIGHT), np.zeros(len(NIGHT), np.int32)),
        (excess_of(NIGHT), np.full(len(NIGHT), UNKNOWN, np.int32)),
        (np.empty(0), np.empty(0, np.int32)),
    ],
    ids=["short", "no signal", "flat", "W only", "nothing staged", "nothing"],
)
def test_what_tells_nothing_is_not_judged(excess, codes):
    assert fit.misfit(excess, codes) is None


def test_a_day_of_wake_and_epochs_without_signal_or_stage_do_not_disturb():
    codes = np.concatenate([np.zeros(1500, np.int32), NIGHT])
    excess = excess_of(codes)
    excess[1600:1620] = np.nan
    codes[1700:1710] = UNKNOWN
    assert fit.misfit(excess, codes) is None
    assert "7 epochs (3.5 min) earlier" in fit.misfit(excess, moved(codes, 7))


def test_slow_waves_do_not_depend_on_gain_offset_or_polarity():
    rng = np.random.default_rng(0)
    seconds = np.arange(3000) / 100
    slow = 40 * np.sin(2 * np.pi * seconds) + rng.normal(0, 5, (1, 3000))
    x = np.concatenate([slow, rng.normal(0, 10, (1, 3000))]).astype(np.float32)
    with_waves, without = fit.slow_waves(x)
    assert with_waves - without > 4
    np.testing.assert_allclose(fit.slow_waves(-0.5 * x + 55), fit.slow_waves(x), atol=0.05)
    assert np.isnan(fit.slow_waves(np.zeros((1, 3000), np.float32))).all()


# ---- real nights ----


@pytest.fixture(scope="module")
def real_nights(real):
    """Return (excess, stages) of 33 nights of Sleep-EDF, of 232 epochs of one more, and of one night of UCDDB."""
    nights = {}
    for path in sorted((real / "sleepedf20_5s").glob("*.npz")):
        with np.load(path) as night:
            nights[path.stem] = (fit.slow_waves(night["x"].reshape(len(night["y"]), -1)), night["y"].astype(np.int32))
    with np.load(real / "sc4001_232_epochs_30s.npz") as night:
        nights["excerpt"] = (fit.slow_waves(night["x"].reshape(-1, 3000)), night["y"].astype(np.int32))
    with np.load(real / "ucddb" / "ucddb022_718_epochs_128hz.npz") as night:
        excess, codes = np.full(787, np.nan), np.full(787, UNKNOWN, np.int32)
        excess[night["epoch"]] = fit.slow_waves(resample_poly(night["x"].astype(np.float32), 25, 32, axis=1) * 100)
        codes[night["epoch"]] = np.array([0, 4, 1, 2, 3, 3])[night["y"].astype(int)]
        nights["ucddb022"] = (excess, codes)
    return nights


def test_no_real_night_is_doubted(real_nights):
    assert {name: said for name, (excess, codes) in real_nights.items() if (said := fit.misfit(excess, codes))} == {}
    assert len(real_nights) == 35


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_of_an_amplifier_makes_a_real_night_doubted(real, fault):
    with np.load(real / "sc4001_232_epochs_30s.npz") as night:
        codes, samples = night["y"].astype(np.int32), night["x"].reshape(-1).astype(float)
    through = amplifier([fault])
    recorded = through.record(samples, 100)
    most = through.most(0.0)
    x = resample(np.clip(recorded.samples, -most, most).astype(np.float32), recorded.rate)
    excess = fit.slow_waves(x.reshape(-1, 3000))
    assert fit.misfit(excess, codes) is None
    assert fault == "flat" or "10 epochs (5 min) earlier" in fit.misfit(excess, moved(codes, 10))


@pytest.mark.parametrize(("shift", "at_least"), [(3, 0.9), (5, 0.97), (10, 1.0), (60, 1.0)])
def test_most_shifts_of_real_nights_are_said(real_nights, shift, at_least):
    whole = [night for name, night in real_nights.items() if name != "excerpt"]
    said = [fit.misfit(excess, moved(codes, way * shift)) for excess, codes in whole for way in (1, -1)]
    assert np.mean([one is not None for one in said]) >= at_least


def test_most_hypnograms_of_other_subjects_are_said(real_nights):
    nights = [(name[:5], *night) for name, night in real_nights.items() if name != "excerpt"][::3]
    said = [
        fit.misfit(excess, codes) for subject, excess, _ in nights for other, _, codes in nights if subject != other
    ]
    assert len(said) > 100
    assert np.mean([one is not None for one in said]) > 0.85
    assert np.mean(["of this night?" in (one or "") for one in said]) > 0.5
