"""From a recording and folds to stages: which folds, which channel, and whose clock."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import edfio
import numpy as np
import pytest

import model
from command import InputError
from config import Settings
from folds.adaptation import measured
from folds.checkpoint import load_folds
from folds.folders import find_folds
from recordings import epochs
from recordings.conditioning import Conditioning
from recordings.datasets import DATASETS
from recordings.opening import open_array, open_raw, open_recording
from recordings.recording import Stretch
from scoring import staging
from scoring.networks import (
    adapted_probabilities,
    check_fits_recordings,
    compile_networks,
    features_of_night,
    probabilities_of,
)
from scoring.request import Request, plan_staging
from scoring.staging import stage_recording
from scoring.unseen import unseen_folds
from sleepstage import UNKNOWN
from tests.support import edf_files

pytest_plugins = ["tests.support.folds_on_disk"]

ROOT = Path(__file__).parent.parent
SLEEPEDF = DATASETS["sleepedf"]
START = datetime(2001, 2, 3, 23, 50, 0)


def eeg(n_epochs, rate=100, std=20.0, seed=0):
    white = np.random.default_rng(seed).normal(0, std, round(n_epochs * 30 * rate))
    return white + np.convolve(white, np.ones(20), "same") / 4  # its power falls with frequency, as that of an EEG


def write_edf(path, signals, annotations=None):
    """Write (label, unit, rate, samples) signals."""
    marks = None if annotations is None else [edfio.EdfAnnotation(*one) for one in annotations]
    reordered = [(label, rate, unit, data) for label, unit, rate, data in signals]
    return edf_files.write_edf(path, reordered, START, annotations=marks)


@pytest.fixture(scope="module")
def folds(folds_dir):
    return load_folds(find_folds(folds_dir, SLEEPEDF), SLEEPEDF)


def staged_with(opened, folds, request):
    return stage_recording(opened, plan_staging(opened, request, folds))


@pytest.fixture
def stage(tmp_path, folds):
    """Stage a recording of these signals and return what comes of it."""

    def call(signals, *, name="night.edf", annotations=None, chosen=None, **request):
        path = write_edf(tmp_path / name, signals, annotations)
        return staged_with(open_recording(path), chosen or folds, Request(**request))

    return call


def fpz(samples, rate=100, unit="uV"):
    return ("EEG Fpz-Cz", unit, rate, samples)


# ---- the file ----


def test_a_recording_that_grows_while_it_is_staged_is_warned_of(tmp_path, folds):
    path = write_edf(tmp_path / "night.edf", [fpz(eeg(6))])
    assert not any("changed" in said for said in staged_with(open_recording(path), folds, Request()).warnings)
    opened = open_recording(path)
    path.write_bytes(path.read_bytes() + bytes(200))
    said = staged_with(opened, folds, Request()).warnings
    assert any(one.startswith("night.edf changed while it was read (") for one in said)


# ---- folds ----


def test_probabilities_are_the_mean_over_folds_and_channels(stage, folds):
    signals = [fpz(eeg(6)), ("C3-A2", "uV", 100, eeg(6, seed=1))]
    every = stage(signals, channels=("EEG Fpz-Cz", "C3-A2"))
    assert [fold.run.fold for fold in every.folds] == [0, 4]
    single = [
        stage(signals, channels=(channel,), chosen=[fold]).probabilities
        for channel in ("EEG Fpz-Cz", "C3-A2")
        for fold in folds
    ]
    assert np.abs(single[0] - single[1]).max() > 0.05, "the folds differ"
    np.testing.assert_allclose(every.probabilities, np.mean(single, axis=0), atol=1e-6)
    np.testing.assert_allclose(every.probabilities.sum(axis=1), 1, atol=1e-6)
    assert [channel.label for channel in every.channels] == ["EEG Fpz-Cz", "C3-A2"]


def test_folds_of_one_size_take_turns_in_one_network(folds):
    x = np.random.default_rng(0).normal(0, 20, (4, 3000)).astype(np.float32)
    first, other = (probabilities_of(fold, x)[0] for fold in folds)
    assert np.abs(first - other).max() > 0.05
    np.testing.assert_array_equal(probabilities_of(folds[0], x)[0], first)
    compiled = model.compiled_stager(folds[0].run.settings)
    assert model.compiled_stager(folds[1].run.settings) is compiled
    assert model.compiled_stager(replace(folds[0].run.settings, n_rnn_layers=2)) is not compiled


def test_a_night_goes_on_from_the_state_of_its_first_part(folds):
    x = np.random.default_rng(0).normal(0, 20, (7, 3000)).astype(np.float32)
    first, state = probabilities_of(folds[0], x[:3])
    probabilities_of(folds[1], x)  # another fold in between changes nothing
    rest, _ = probabilities_of(folds[0], x[3:], state)
    np.testing.assert_allclose(np.concatenate([first, rest]), probabilities_of(folds[0], x)[0], atol=1e-6)


def test_a_network_that_two_threads_want_is_compiled_once(folds):
    run = replace(folds[0].run, settings=replace(folds[0].run.settings, n_rnn_units=24))
    threads = [Thread(target=compile_networks, args=([replace(folds[0], run=run)],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    stager = model.compiled_stager(run.settings)
    stager.logits(np.zeros((3, 3000), np.float32))
    for thread in threads:
        thread.join()
    assert model.compiled_stager(run.settings) is stager
    assert stager.compiled.experimental_get_tracing_count() == 1


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
    opened = replace(open_array(np.zeros(3000), 100), path=tmp_path / name)
    chosen, seen, warnings, _ = unseen_folds(opened, folds)
    assert [fold.run.fold for fold in chosen] == expected
    assert (said is None) == (not warnings) == (not seen)
    assert said is None or warnings[0].startswith(said)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("SC4001E0", [0]), ("SC4042E0", [4]), ("SC4001E0-PSG", [0]), ("SC4011E0", [0, 4]), ("array", [0, 4])],
)
def test_what_has_no_file_is_known_by_its_name(folds, name, expected):
    chosen, _, warnings, _ = unseen_folds(open_array(np.zeros(3000), 100, name=name), folds)
    assert [fold.run.fold for fold in chosen] == expected
    assert bool(warnings) == (name == "SC4011E0")


@pytest.mark.parametrize("settings", [{"input_size": 500}, {"sampling_rate": 128, "input_size": 3840}])
def test_a_fold_of_other_epochs_is_refused(folds, settings):
    other = replace(folds[0], run=replace(folds[0].run, settings=Settings(**settings)))
    with pytest.raises(InputError, match=r"trained on \d+ samples an epoch .*--input_size 3000"):
        check_fits_recordings(other)


# ---- long recordings ----


@pytest.mark.parametrize("n_epochs", [6, 40])
def test_a_recording_that_is_read_in_parts_has_the_same_stages(monkeypatch, adapted, n_epochs):
    samples = eeg(n_epochs, rate=128) + 300
    samples[5 * 128 : 35 * 128] = 0  # flat: a stretch of its own
    opened = replace(
        open_array(samples, 128),
        stretches=(Stretch(0.0, 0.0, 45.0), Stretch(130.0, 45.0, 30.0 * n_epochs - 45)),
    )
    whole = staged_with(opened, adapted, Request())
    monkeypatch.setattr(epochs, "EPOCHS_KEPT", 0)
    monkeypatch.setattr(epochs, "SAMPLES_AT_A_TIME", 7 * 30 * 128)
    monkeypatch.setattr(staging, "EPOCHS_AT_A_TIME", 5)
    parts = staged_with(opened, adapted, Request())
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-6)
    np.testing.assert_allclose(parts.power, whole.power, atol=1e-3)
    assert parts.channels[0].conditioned == whole.channels[0].conditioned
    assert (parts.warnings, parts.notices) == (whole.warnings, whole.notices)
    assert (parts.stages == UNKNOWN).any() and (parts.stages != UNKNOWN).any()


def test_a_bidirectional_fold_stages_a_recording_as_a_whole(monkeypatch, make_fold, tmp_path, folds):
    make_fold(tmp_path, 0, bidirectional=True)
    opened, both = open_array(eeg(30), 100), load_folds(find_folds(tmp_path, SLEEPEDF), SLEEPEDF)
    whole = staged_with(opened, [*both, folds[1]], Request())
    monkeypatch.setattr(epochs, "EPOCHS_KEPT", 0)
    monkeypatch.setattr(epochs, "SAMPLES_AT_A_TIME", 7 * 30 * 100)
    monkeypatch.setattr(staging, "EPOCHS_AT_A_TIME", 5)
    parts = staged_with(opened, [*both, folds[1]], Request())
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, atol=1e-6)
    alone = [staged_with(opened, [fold], Request()).probabilities for fold in (*both, folds[1])]
    np.testing.assert_allclose(whole.probabilities, np.mean(alone, axis=0), atol=1e-6)


PEAK = """
import sys
from pathlib import Path
import predict
assert predict.main(sys.argv[1:]) == 0
lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(lines["VmHWM"].split()[0]) // 1024)  # getrusage would count the process that started this one
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from Linux' /proc")
def test_a_week_needs_hardly_more_memory_than_a_night(tmp_path, folds_dir):
    signals = [("EEG Fpz-Cz", 100, "uV", eeg(960))]
    night, peaks = edf_files.write_edf(tmp_path / "night.edf", signals, record_seconds=30), []
    for path in (night, edf_files.repeated(night, tmp_path / "week.edf", 21)):
        where = ["--dir", str(folds_dir), "--fold", "0", "--gpu", "-1", "--output_dir", str(tmp_path / "scored")]
        done = subprocess.run(
            [sys.executable, "-c", PEAK, str(path), *where], cwd=ROOT, capture_output=True, text=True, check=True
        )
        peaks.append(int(done.stdout.split()[-1]))  # MiB
    assert peaks[1] < peaks[0] + 150, peaks


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


# ---- what cannot be scored ----


def test_an_epoch_that_cannot_be_scored_is_skipped_by_the_network(folds):
    samples = eeg(9)
    without = np.delete(samples.reshape(9, 3000), [3, 4], axis=0).ravel()
    samples[3 * 3000 : 5 * 3000] = 0
    staged = staged_with(open_array(samples, 100, "EEG Fpz-Cz"), folds, Request())
    assert np.flatnonzero(staged.stages == UNKNOWN).tolist() == [3, 4]
    assert np.isnan(staged.probabilities[3:5]).all() and np.isnan(staged.power[3:5]).all()
    assert [flag for flag in staged.flags() if "flat" in flag] == ["flat", "flat"]
    expected = staged_with(open_array(without, 100, "EEG Fpz-Cz"), folds, Request()).probabilities
    np.testing.assert_allclose(np.delete(staged.probabilities, [3, 4], axis=0), expected, atol=1e-6)
    assert staged.statistics["unscored_min"] == 1 and not any("gaps" in notice for notice in staged.notices)


def test_what_is_marked_bad_in_the_file_is_not_scored(stage):
    marks = [(65, 30, "BAD_movement"), (155, None, "bad_electrode")]
    staged = stage([fpz(eeg(8))], annotations=marks)
    assert np.flatnonzero(staged.stages == UNKNOWN).tolist() == [2, 3, 5]
    assert [staged.flags()[epoch] for epoch in (2, 3, 5)] == ["marked bad"] * 3
    assert any("3 of 8 epochs are marked bad, the first at 23:51:00" in warning for warning in staged.warnings)


def test_marks_of_mne_count_too(folds):
    mne = pytest.importorskip("mne")
    raw = mne.io.RawArray(eeg(5)[np.newaxis] * 1e-6, mne.create_info(["Fpz-Cz"], 100.0, "eeg"), verbose="ERROR")
    raw.set_annotations(mne.Annotations([35.0], [2.0], ["BAD_sweat"]))
    staged = staged_with(open_raw(raw), folds, Request())
    assert np.flatnonzero(staged.stages == UNKNOWN).tolist() == [1]


@pytest.mark.parametrize("scale", [1e-6, 1e3])
def test_a_unit_that_is_wrong_by_far_gives_a_reason_and_no_figures(stage, scale):
    unit = "uV" if scale < 1 else "V"
    staged = stage([fpz(eeg(6) * scale, unit=unit)])
    assert (staged.stages == UNKNOWN).all() and staged.statistics == {}
    assert staged.reason.startswith("EEG Fpz-Cz: implausible amplitude in 6 of 6 epochs")
    assert f"EEG Fpz-Cz: not scored: {staged.reason.removeprefix('EEG Fpz-Cz: ')}" in staged.warnings


def test_the_mean_is_over_the_channels_that_are_good(stage):
    one, other = eeg(6), eeg(6, seed=1)
    one[3000:9000] = 0
    other[6000:12000] = 0
    signals = [fpz(one), ("C3-A2", "uV", 100, other)]
    both = stage(signals, channels=("EEG Fpz-Cz", "C3-A2"))
    first, second = (stage(signals, channels=(name,)).probabilities for name in ("EEG Fpz-Cz", "C3-A2"))
    np.testing.assert_allclose(both.probabilities[1], second[1], atol=1e-6)
    np.testing.assert_allclose(both.probabilities[3], first[3], atol=1e-6)
    np.testing.assert_allclose(both.probabilities[0], (first[0] + second[0]) / 2, atol=1e-6)
    assert np.flatnonzero(both.stages == UNKNOWN).tolist() == [2] and both.reason == ""


def test_a_channel_that_cannot_be_scored_takes_no_part_in_the_mean(stage):
    signals = [fpz(eeg(6)), ("C3-A2", "uV", 100, np.zeros(6 * 3000))]
    both = stage(signals, channels=("EEG Fpz-Cz", "C3-A2"))
    np.testing.assert_allclose(both.probabilities, stage(signals).probabilities, atol=1e-6)
    assert both.reason == "" and "C3-A2: not scored: 6 of 6 epochs are flat" in both.warnings


# ---- stand-ins ----


def test_a_stand_in_that_is_dead_is_passed_over(stage):
    signals = [("F4-M1", "uV", 100, np.zeros(6 * 3000)), ("F3-M2", "degC", 100, eeg(6)), ("C4-M1", "uV", 100, eeg(6))]
    staged = stage(signals)
    assert [channel.label for channel in staged.channels] == ["C4-M1"]
    assert "channel F4-M1 was passed over: 5 of 5 epochs are flat" in staged.warnings
    assert any(
        said.startswith("channel F3-M2 was passed over: F3-M2 is in degC, not in vol") for said in staged.warnings
    )
    assert any("channel C4-M1 stands in for EEG Fpz-Cz" in warning for warning in staged.warnings)
    assert [one.label for one in stage(signals, channels=("F4-M1",)).channels] == ["F4-M1"], "who asks for it gets it"


def test_the_trained_channel_is_passed_over_too_when_it_is_dead(stage):
    staged = stage([fpz(np.zeros(6 * 3000)), ("C4-M1", "uV", 100, eeg(6))])
    assert [channel.label for channel in staged.channels] == ["C4-M1"]
    assert "channel EEG Fpz-Cz was passed over: 5 of 5 epochs are flat" in staged.warnings


def test_where_every_channel_is_dead_the_nearest_says_why(stage):
    staged = stage([("C4-M1", "uV", 100, np.zeros(6 * 3000)), ("F4-M1", "uV", 100, np.zeros(6 * 3000))])
    assert staged.reason == "F4-M1: 6 of 6 epochs are flat"
    assert not any("passed over" in warning for warning in staged.warnings)


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


def test_epochs_without_a_signal_are_not_staged(folds):
    samples = eeg(6)
    whole = staged_with(open_array(samples, 100, "EEG Fpz-Cz"), folds, Request())
    samples[2 * 3000 + 700] = np.nan
    staged = staged_with(open_array(samples, 100, "EEG Fpz-Cz"), folds, Request())
    assert staged.stages.tolist().index(UNKNOWN) == 2 and (staged.stages == UNKNOWN).sum() == 1
    assert np.isnan(staged.probabilities[2]).all() and np.isnan(staged.power[2]).all()
    np.testing.assert_allclose(staged.probabilities[:2], whole.probabilities[:2], atol=1e-6)
    assert "1 epochs reach into gaps of the recording and are not staged" in staged.notices


def test_a_gap_in_an_edf_file_is_not_staged(folds, tmp_path):
    """Records of 1 s; after 75 s of them the recorder paused for 50 s: epochs 2 and 3, and a part of 4, are lost."""
    path = write_edf(tmp_path / "night.edf", [fpz(eeg(6))], annotations=[])
    content = path.read_bytes()
    for second in range(179, 74, -1):  # each record keeps its own time; the digits that follow move up
        stamp = b"+%d\x14\x14\x00" % second
        moved = b"+%d\x14\x14\x00" % (second + 50)
        extra = len(moved) - len(stamp)
        content = content.replace(stamp + b"\x00" * extra, moved, 1)
    path.write_bytes(content.replace(b"EDF+C", b"EDF+D", 1))
    staged = staged_with(open_recording(path), folds, Request())
    assert staged.format == "EDF+D" and len(staged) == 7  # 230 s
    assert np.flatnonzero(staged.stages == UNKNOWN).tolist() == [2, 3, 4]
    assert "3 epochs reach into gaps of the recording and are not staged" in staged.notices


def test_lights_and_marks_are_those_of_the_recording(stage):
    marks = [(60, None, "Lights Off"), (300, None, "lights on (alarm)")]
    staged = stage([fpz(eeg(20))], annotations=marks)
    assert (staged.lights_off, staged.lights_on) == (60, 300)
    assert "lights off 23:51:00: marked in the file" in staged.notices
    assert (staged.in_bed.start, staged.in_bed.stop) == (2, 10)
    staged = stage([fpz(eeg(20))], annotations=marks, lights_off=90.0)
    assert (staged.lights_off, staged.lights_on) == (90, 300)
    assert stage([fpz(eeg(20))], lights_off=timedelta(hours=23, minutes=52)).lights_off == 120


def test_lights_outside_the_recording_name_the_file(stage):
    with pytest.raises(InputError, match=r"night.edf: nothing of the recording, .* lies between lights off"):
        stage([fpz(eeg(20))], lights_off=601.0)


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
    with pytest.raises(InputError, match=r"no epoch has both .* 2001-02-10 .* of this night\? If so, .* take them out"):
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


def test_what_speaks_against_the_whole_night_is_said(stage):
    staged = stage([fpz(eeg(6))])
    unlike = any("no N2 and no N3 at all" in warning for warning in staged.warnings)
    assert unlike == (not np.isin(staged.stages, (2, 3)).any())


# ---- conditioning ----


@pytest.fixture
def adapted(folds):
    """Return the folds as if they wanted recordings high-passed and at 8 µV, and nights of their own as they are."""
    conditioning = Conditioning(0.2, amplitude=(8.0, 8.0), own=(1.0, 100.0))
    return [replace(fold, run=replace(fold.run, adapted=conditioning)) for fold in folds]


@pytest.mark.parametrize(
    "disturb",
    [lambda x: x + 55, lambda x: x * 0.2, lambda x: x * 5 - 300, lambda x: x + np.linspace(-100, 100, len(x))],
)
def test_what_an_amplifier_does_leaves_conditioned_stages_as_they_are(stage, adapted, disturb):
    samples = eeg(20)
    expected, found = (stage([fpz(x)], chosen=adapted) for x in (samples, disturb(samples)))
    np.testing.assert_allclose(found.probabilities, expected.probabilities, atol=0.01)


def test_without_conditioning_they_do_not(stage):
    samples = eeg(20)
    assert np.abs(stage([fpz(samples * 0.2)]).probabilities - stage([fpz(samples)]).probabilities).max() > 0.05


def test_what_was_done_is_told(stage, adapted):
    night = stage([fpz(eeg(6) / 100 + 20)], chosen=adapted)
    (done,) = night.channels[0].conditioned
    assert done["needed"] == "high-pass 0.2 Hz, amplitude brought to 8 µV"
    assert done["offset_removed_uv"] == pytest.approx(20, abs=0.1) and done["multiplied_by"] > 4
    assert any("had to be multiplied by" in warning for warning in night.warnings)
    assert not any("multiplied" in warning for warning in stage([fpz(eeg(6))], chosen=adapted).warnings)


def test_a_name_alone_makes_no_night_of_the_data_set(stage, adapted):
    """Anybody's file may be called as a prepared night is; only a study's own name for a recording counts."""
    night = stage([fpz(eeg(6))], name="SC4001E0.edf", chosen=[adapted[0]])
    assert not night.channels[0].conditioned[0]["left_as_recorded"]
    assert any("amplitude × " in words for words in night.channels[0].conditioned_in_words())


def test_a_night_of_their_own_data_set_is_left_as_it_is(stage, adapted, folds):
    own = stage([fpz(eeg(6))], name="SC4411E0-PSG.edf", chosen=adapted)
    expected = stage([fpz(eeg(6))], name="SC4001E0-PSG.edf", chosen=[adapted[0]])
    plain = stage([fpz(eeg(6))], name="SC4001E0-PSG.edf", chosen=[folds[0]])
    np.testing.assert_array_equal(expected.probabilities, plain.probabilities)
    assert list(expected.channels[0].conditioned_in_words()) == [
        "a night of the weights' own data set, left as recorded"
    ]
    assert own.channels[0].conditioned[0]["multiplied_by"] != 1, "subject 41 is none of sleepedf's"
    strange = stage([fpz(eeg(6) + 55)], name="SC4001E0-PSG.edf", chosen=[adapted[0]])
    assert strange.channels[0].conditioned[0]["multiplied_by"] != 1, "an offset: not as its recorder makes them"


def test_a_strangers_recording_adapts_the_networks_and_a_night_of_their_own_data_set_does_not(stage, folds):
    draw = np.random.default_rng(0)
    features = measured({"SC4021E0": draw.normal(0, 0.5, (40, 256)).astype(np.float32)}, "abc")
    able = [replace(fold, features=features) for fold in folds]
    stranger, plain = (stage([fpz(eeg(70))], chosen=chosen) for chosen in (able, folds))
    x = eeg(70).reshape(70, 3000).astype(np.float32)
    wanted = np.mean([adapted_probabilities(fold, features_of_night(fold, x)) for fold in able], axis=0)
    np.testing.assert_allclose(stranger.probabilities, wanted, atol=1e-3)  # 16 bits of the file
    assert np.abs(stranger.probabilities - plain.probabilities).max() > 0.01
    told = [words for words in stranger.channels[0].conditioned_in_words() if "features" in words]
    assert told == ["features moved by 25 % towards those of training nights"]
    own, own_plain = (stage([fpz(eeg(6))], name="SC4001E0-PSG.edf", chosen=[chosen[0]]) for chosen in (able, folds))
    np.testing.assert_array_equal(own.probabilities, own_plain.probabilities)
    assert own.channels[0].conditioned[0]["adapted_by"] == 0
