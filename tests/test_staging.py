"""From a recording and folds to stages: which folds, which channel, whose clock, and what speaks against them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import edf_files
import edfio
import numpy as np
import pytest

import checkpoint
from command import InputError
from config import DATASETS, Settings
from sleepstage import UNKNOWN
from staging import (
    SPECTRUM_HZ,
    Request,
    Stagers,
    check_fits_recordings,
    doubtful_runs,
    parse_lights,
    spectrum,
    stage_recording,
    unseen_folds,
)

pytest_plugins = ["folds"]

SLEEPEDF = DATASETS["sleepedf"]
START = datetime(2001, 2, 3, 23, 50, 0)


def eeg(n_epochs, rate=100, std=20.0, seed=0):
    return np.random.default_rng(seed).normal(0, std, round(n_epochs * 30 * rate))


def write_edf(path, signals, annotations=None):
    """Write (label, unit, rate, samples) signals."""
    marks = None if annotations is None else [edfio.EdfAnnotation(*one) for one in annotations]
    reordered = [(label, rate, unit, data) for label, unit, rate, data in signals]
    return edf_files.write_edf(path, reordered, START, annotations=marks)


@pytest.fixture(scope="module")
def folds(folds_dir):
    return [
        checkpoint.load_fold(folder, SLEEPEDF, number)
        for number, folder in checkpoint.find_folds(folds_dir, SLEEPEDF).items()
    ]


@pytest.fixture(scope="module")
def stagers():
    return Stagers()


@pytest.fixture
def stage(tmp_path, folds, stagers):
    """Stage a recording of these signals and return what comes of it."""

    def call(signals, *, name="night.edf", annotations=None, chosen=None, **request):
        path = write_edf(tmp_path / name, signals, annotations)
        return stage_recording(path, chosen or folds, Request(SLEEPEDF, **request), stagers)

    return call


def fpz(samples, rate=100, unit="uV"):
    return ("EEG Fpz-Cz", unit, rate, samples)


# ---- folds ----


def test_probabilities_are_the_mean_over_folds_and_channels(stage, folds):
    signals = [fpz(eeg(6)), ("C3-A2", "uV", 100, eeg(6, seed=1))]
    every = stage(signals, channels=("EEG Fpz-Cz", "C3-A2"))
    assert every.folds == (0, 4)
    single = [
        stage(signals, channels=(channel,), chosen=[fold]).probabilities
        for channel in ("EEG Fpz-Cz", "C3-A2")
        for fold in folds
    ]
    assert np.abs(single[0] - single[1]).max() > 0.05, "the folds differ"
    np.testing.assert_allclose(every.probabilities, np.mean(single, axis=0), atol=1e-6)
    np.testing.assert_allclose(every.probabilities.sum(axis=1), 1, atol=1e-6)
    assert [channel.label for channel in every.channels] == ["EEG Fpz-Cz", "C3-A2"]


def test_networks_are_compiled_once_for_each_settings(folds, stagers):
    first = stagers.with_weights(folds[0])
    assert stagers.with_weights(folds[1]) is first
    np.testing.assert_array_equal(first.network.values()["dense/kernel"], folds[1].best.weights["dense/kernel"])
    settings = replace(folds[0].run.settings, mixed_precision=True)
    assert stagers.with_weights(replace(folds[0], run=replace(folds[0].run, settings=settings))) is not first


@pytest.mark.parametrize(
    ("name", "expected", "said"),
    [
        ("SC4001E0-PSG.edf", [0], None),  # subject 0 is tested in fold 0, and trains fold 4
        ("SC4042E0-PSG.edf", [4], None),
        ("SC4011E0-PSG.edf", [0, 4], "subject 1 of sleepedf was in the training of every fold"),
        ("SC4411E0-PSG.edf", [0, 4], None),  # subject 41 is none of sleepedf's
        ("SC4001E0.npz", [0], None),
        ("my night.edf", [0, 4], None),
        ("mine.npz", [0, 4], "the subject of mine was in the training of every fold"),
    ],
)
def test_a_night_of_the_data_set_is_left_to_folds_that_never_saw_it(tmp_path, folds, name, expected, said):
    chosen, warnings = unseen_folds(tmp_path / name, folds, SLEEPEDF)
    assert [fold.run.fold for fold in chosen] == expected
    assert (said is None) == (not warnings)
    assert said is None or warnings[0].startswith(said)


@pytest.mark.parametrize("settings", [{"input_size": 500}, {"sampling_rate": 128, "input_size": 3840}])
def test_a_fold_of_other_epochs_is_refused(folds, settings):
    other = replace(folds[0], run=replace(folds[0].run, settings=Settings(**settings)))
    with pytest.raises(InputError, match=r"trained on \d+ samples an epoch .*--input_size 3000"):
        check_fits_recordings(other)


# ---- channels and units ----


@pytest.mark.parametrize(("unit", "in_uv"), [("mV", 1e3), ("V", 1e6)])
@pytest.mark.parametrize("rate", [100, 200])
def test_units_and_rates_do_not_change_the_stages(stage, unit, in_uv, rate):
    t = np.arange(6 * 30 * rate) / rate
    wave = 40 * np.sin(2 * np.pi * 2 * t) + 20 * np.sin(2 * np.pi * 10 * t)
    reference = stage([fpz(wave[:: rate // 100])]).probabilities
    np.testing.assert_allclose(stage([fpz(wave / in_uv, rate, unit)]).probabilities, reference, atol=0.01)


def test_a_stand_in_is_said_aloud(stage):
    staged = stage([("EOG", "uV", 100, eeg(2)), ("F4-M1", "uV", 100, eeg(2))])
    assert staged.channels[0].label == "F4-M1"
    assert any("channel F4-M1 stands in for EEG Fpz-Cz" in warning for warning in staged.warnings)


def test_a_channel_that_was_asked_for_is_said_to_be_another(stage):
    staged = stage([fpz(eeg(2)), ("O1", "uV", 100, eeg(2))], channels=("O1",))
    assert any("channel O1 is not EEG Fpz-Cz" in warning for warning in staged.warnings)
    assert not any("channel" in warning for warning in stage([fpz(eeg(2))], channels=("fpz cz",)).warnings)


def test_the_same_channel_twice_counts_once(stage):
    assert len(stage([fpz(eeg(2))], channels=("EEG Fpz-Cz", "fpzcz")).channels) == 1


def test_no_such_channel_names_the_file(stage):
    with pytest.raises(InputError, match=r"night.edf: no channel O1; there are EEG Fpz-Cz"):
        stage([fpz(eeg(2))], channels=("O1",))


# ---- time ----


def test_a_part_epoch_at_the_end_is_left_out_with_a_notice(stage):
    staged = stage([fpz(eeg(3.4))])
    assert len(staged) == 3
    assert "the last 12 s are no whole epoch; left out" in staged.notices


def test_less_than_an_epoch_is_refused(stage):
    with pytest.raises(InputError, match=r"night.edf: 29 s of signal, and no whole epoch \(30 s\) in it"):
        stage([fpz(eeg(29 / 30))])


def test_epochs_without_a_signal_are_not_staged(stage, monkeypatch):
    import staging

    whole = stage([fpz(eeg(6))])
    cut = staging.signal_epochs

    def with_hole(signal, first_second):
        epochs = cut(signal, first_second)
        there = epochs.recorded != 2
        parts = {name: getattr(epochs, name)[there] for name in ("x", "recorded", "flat", "clipped")}
        return replace(epochs, **parts)

    monkeypatch.setattr(staging, "signal_epochs", with_hole)
    staged = stage([fpz(eeg(6))])
    assert staged.stages.tolist().index(UNKNOWN) == 2 and (staged.stages == UNKNOWN).sum() == 1
    assert np.isnan(staged.probabilities[2]).all() and np.isnan(staged.power[2]).all()
    np.testing.assert_allclose(staged.probabilities[:2], whole.probabilities[:2], atol=1e-6)
    assert "1 epochs reach into gaps of the recording and are not staged" in staged.notices


@pytest.mark.parametrize(
    ("off", "on", "expected"),
    [
        ("23:51", None, (60, None)), ("00:10", None, (1200, None)), ("23:51:30", "00:05", (90, 900)),
        ("120", "600", (120, 600)), (None, "00:00", (None, 600)), ("23:50", None, (0, None)),
    ],
)  # fmt: skip
def test_lights_are_clock_times_or_seconds(stage, off, on, expected):
    given = {"lights_off": parse_lights(off, "--lights_off"), "lights_on": parse_lights(on, "--lights_on")}
    staged = stage([fpz(eeg(60))], **given)
    assert (staged.lights_off, staged.lights_on) == expected


@pytest.mark.parametrize("text", ["25:00", "12:60", "1:2:3:4", "noon", "-5", "12:", "nan", "inf", "1e99"])
def test_lights_that_are_no_time_are_refused(text):
    with pytest.raises(InputError, match=r"--lights_off .*: give a clock time, HH:MM or HH:MM:SS, or seconds"):
        parse_lights(text, "--lights_off")


@pytest.mark.parametrize(
    ("off", "on", "message"),
    [
        (
            timedelta(hours=12),
            None,
            "12:00:00 is not in the recording, which lasts from 23:50:00 to 00:00:00",
        ),
        (601.0, None, "--lights_off 601.0 is not in the recording"),
        (200.0, 100.0, "lights on at 100 s is not after lights off at 200 s"),
    ],
)
def test_lights_outside_the_recording_are_refused(stage, off, on, message):
    with pytest.raises(InputError, match=message):
        stage([fpz(eeg(20))], lights_off=off, lights_on=on)


def test_marks_in_the_file_count_unless_the_user_says_otherwise(stage):
    marks = [(60, None, "Lights Off"), (300, None, "lights on (alarm)")]
    staged = stage([fpz(eeg(20))], annotations=marks)
    assert (staged.lights_off, staged.lights_on) == (60, 300)
    assert "lights off 23:51:00: marked in the file" in staged.notices
    assert (staged.in_bed.start, staged.in_bed.stop) == (2, 10)
    staged = stage([fpz(eeg(20))], annotations=marks, lights_off=90.0)
    assert (staged.lights_off, staged.lights_on) == (90, 300)


# ---- the expert ----


def write_hypnogram(path, codes, start=START):
    texts = {0: "W", 1: "1", 2: "2", 3: "3", 4: "R", UNKNOWN: "?"}
    annotations = [edfio.EdfAnnotation(30 * i, 30, f"Sleep stage {texts[code]}") for i, code in enumerate(codes)]
    edfio.Edf(
        [], recording=edfio.Recording(startdate=start.date()), starttime=start.time(), annotations=annotations
    ).write(path)
    return path


def test_the_hypnogram_beside_a_recording_is_found_by_name(stage, tmp_path):
    write_hypnogram(tmp_path / "SC4001EC-Hypnogram.edf", [0, 1, UNKNOWN, 2, 4])
    staged = stage([fpz(eeg(4))], name="SC4001E0-PSG.edf")
    assert staged.expert.tolist() == [0, 1, UNKNOWN, 2]
    assert staged.expert_file.name == "SC4001EC-Hypnogram.edf"
    assert stage([fpz(eeg(4))], name="night.edf").expert is None


@pytest.mark.parametrize(
    ("delay", "first_second", "expected"),
    [
        (60, 0, [-1, -1, 1, 2, 3, 4]),
        (-60, 0, [3, 4, 1, 2, -1, -1]),
        (40, 10, [-1, 1, 2, 3, 4]),
        (-20, 10, [2, 3, 4, 1, 2]),
    ],
)
def test_the_experts_epochs_are_put_on_the_signals_clock(stage, tmp_path, delay, first_second, expected):
    codes = [1, 2, 3, 4] if delay > 0 else [1, 2, 3, 4, 1, 2]
    path = write_hypnogram(tmp_path / "h.edf", codes, START + timedelta(seconds=delay))
    staged = stage([fpz(eeg(6))], hypnogram=path)
    assert staged.first_second == first_second
    assert staged.onset(1) == first_second + 30
    assert staged.expert.tolist() == expected


def test_a_hypnogram_of_another_night_is_refused(stage, tmp_path):
    path = write_hypnogram(tmp_path / "h.edf", [0, 1], START + timedelta(days=7))
    with pytest.raises(InputError, match=r"no epoch has both .* from 2001-02-10 .* is it of this night\?"):
        stage([fpz(eeg(6))], hypnogram=path)


# ---- trust ----


def test_what_speaks_against_trust_is_said(stage):
    flat = np.concatenate([eeg(3, 64), np.zeros(3 * 30 * 64)])
    warnings = " | ".join(stage([fpz(flat, 64)]).warnings)
    assert "3 of 6 epochs are flat, the first at 23:51:30" in warnings
    assert "recorded at 64 Hz; what lies above 32 Hz is missing" in warnings
    assert "implausible amplitude" in " ".join(stage([fpz(eeg(3, std=0.02))]).warnings)
    clipped = np.clip(eeg(3, std=100), -100, 100)
    assert "3 of 3 epochs are clipped" in " ".join(stage([fpz(clipped)]).warnings)


def test_a_night_without_n2_and_n3_is_unlike_sleep(stage):
    staged = stage([fpz(eeg(6))])
    unlike = any("no N2 and no N3 at all" in warning for warning in staged.warnings)
    assert unlike == (not np.isin(staged.stages, (2, 3)).any())


def test_runs_of_low_confidence_are_listed_the_longest_first(stage):
    staged = stage([fpz(eeg(20))])
    sure, unsure = [0.9, 0.1, 0, 0, 0], [0.4, 0.3, 0.2, 0.1, 0]
    rows = [sure] * 2 + [unsure] * 4 + [sure] + [unsure] * 3 + [sure] * 4 + [unsure] * 6
    staged = replace(staged, probabilities=np.array(rows, np.float32))
    assert [(run.first, run.n_epochs) for run in doubtful_runs(staged)] == [(14, 6), (2, 4)]


def test_the_spectrum_of_a_sine_is_where_it_should_be():
    t = np.arange(3000) / 100
    decibel = spectrum(np.stack([20 * np.sin(2 * np.pi * 12.5 * t), 0 * t]).astype(np.float32))
    assert SPECTRUM_HZ[decibel[0].argmax()] == 12.5
    power = 10 ** (decibel[0] / 10)
    assert power.sum() * SPECTRUM_HZ[1] == pytest.approx(20**2 / 2, rel=0.01)  # Parseval: the sine's variance in µV²
    assert np.isfinite(decibel[1]).all()
