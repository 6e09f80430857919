"""Simulated recordings: the releases' layouts, the features of each stage, seeds, and real files left alone."""

import subprocess
import sys
from pathlib import Path

import edfio
import numpy as np
import pytest
from scipy.signal import welch

from data import load_night
from folds.split import split_subjects
from prepare_sleepedf import main as prepare_sleepedf
from recordings.datasets import DATASETS, read_sleepedf
from simulate import main
from simulating.eeg import RK, SOUNDS, simulate_eeg, simulate_stages
from simulating.layouts import LAYOUTS, simulate

pytest_plugins = ["tests.support.raw_recordings"]

ROOT = Path(__file__).parent.parent


def signals(path):
    edf = edfio.read_edf(path)
    return edf, {signal.label: signal.sampling_frequency for signal in edf.signals}


def loudness(stage, low, high):
    """Return the median power in a band, µV², of 40 epochs of one stage."""
    epochs = simulate_eeg([stage] * 40, 100, np.random.default_rng(5)).reshape(40, 3000)
    hz, power = welch(epochs, 100, nperseg=500, axis=1)
    return float(np.median(power[:, (hz >= low) & (hz < high)].sum(axis=1) * hz[1]))


# ---- layouts ----


def test_a_psg_is_laid_out_as_a_real_one(real, simulated_once):
    theirs, real_rates = signals(real / "SC4001E0_first_300s-PSG.edf")
    ours, rates = signals(simulated_once / "sleepedf" / "SC4001E0-PSG.edf")
    assert rates == real_rates
    assert list(rates) == list(real_rates)
    assert ours.data_record_duration == theirs.data_record_duration == 30
    assert ours.reserved == theirs.reserved == ""
    hypnogram = edfio.read_edf(simulated_once / "sleepedf" / "SC4001EC-Hypnogram.edf")
    assert hypnogram.reserved == "EDF+C"
    assert hypnogram.startdatetime == ours.startdatetime
    assert hypnogram.annotations[-1].text == "Sleep stage ?"
    assert hypnogram.annotations[-1].onset == ours.duration


def test_isruc_names_its_channels_as_the_release_does(simulated_once):
    for subject, eeg in ((1, "C3-A2"), (2, "C3-M2"), (40, "C3")):
        edf, rates = signals(simulated_once / "isruc" / str(subject) / f"{subject}.rec")
        assert rates[eeg] == 200
        assert len(rates) == (19 if subject != 40 else 21)
        for expert in (1, 2):
            lines = (simulated_once / "isruc" / str(subject) / f"{subject}_{expert}.txt").read_text().splitlines()
            assert len(lines) == edf.duration / 30
            assert set(lines) <= {"0", "1", "2", "3", "5"}


def test_ucddb_has_fourteen_signals_of_three_rates(real, simulated_once):
    edf, rates = signals(simulated_once / "ucddb" / "ucddb002.rec")
    second = (real / "ucddb" / "ucddb_audit.csv").read_text().splitlines()[1].split(",")
    assert list(rates) == second[6].split("; ")
    assert list(rates.values()) == [float(rate) for rate in second[7].split("; ")]
    assert edf.data_record_duration == 1


@pytest.mark.parametrize(
    "path", ["sleepedf/SC4001E0-PSG.edf", "sleepedf/SC4001EC-Hypnogram.edf", "isruc/1/1.rec", "ucddb/ucddb002.rec"]
)
def test_every_file_says_that_it_is_simulated(simulated_once, path):
    edf = edfio.read_edf(simulated_once / path)
    assert "Simulated" in edf.local_patient_identification
    assert "Simulated" in edf.local_recording_identification


def test_nights_that_the_release_does_not_have_are_not_made(tmp_path):
    names = [path.name for path in simulate("sleepedf", tmp_path, [13, 36], hours=0.1, seed=0)]
    assert names == ["SC4131E0-PSG.edf", "SC4131EC-Hypnogram.edf", "SC4362E0-PSG.edf", "SC4362EC-Hypnogram.edf"]


# ---- stages ----


def test_a_night_has_all_stages_in_a_plausible_share():
    nights = [simulate_stages(960, 60, np.random.default_rng(seed)) for seed in range(10)]
    assert {len(night) for night in nights} == {960}
    share = {stage: np.mean([night.count(stage) / 960 for night in nights]) for stage in SOUNDS}
    assert set(share) == {*RK, "M", "?"}
    assert 0.3 < share["2"] < 0.55
    assert 0.05 < share["3"] + share["4"] < 0.3
    assert 0.1 < share["R"] < 0.35
    assert 0.02 < share["1"] < 0.15
    assert 0 < share["M"] + share["?"] < 0.02
    assert all(night[:60] == night[-60:] == ["W"] * 60 for night in nights)


def test_deep_sleep_comes_early_and_rem_late():
    nights = [simulate_stages(960, 0, np.random.default_rng(seed)) for seed in range(20)]
    early, late = ([stage for night in nights for stage in night[part]] for part in (slice(480), slice(480, None)))
    assert early.count("4") > 2 * late.count("4")
    assert late.count("R") > 1.5 * early.count("R")


@pytest.mark.parametrize("n_epochs, wake_epochs", [(1, 5), (12, 2), (13, 6), (13, 7), (60, 0)])
def test_a_night_of_any_length_is_whole(n_epochs, wake_epochs):
    assert len(simulate_stages(n_epochs, wake_epochs, np.random.default_rng(0))) == n_epochs


# ---- signals ----


@pytest.mark.parametrize("stage", SOUNDS)
def test_amplitudes_are_plausible(stage):
    epochs = simulate_eeg([stage] * 40, 100, np.random.default_rng(5)).reshape(40, 3000)
    assert np.isfinite(epochs).all()
    assert 5 < np.median(epochs.std(axis=1)) < (60 if stage != "M" else 300)


@pytest.mark.parametrize(
    "low, high, most",
    [(9, 11, "W"), (12, 14, "2"), (0.5, 2, "4"), (18, 30, "W")],
    ids=["alpha", "spindles", "slow waves", "beta"],
)
def test_each_stage_has_the_rhythm_that_scorers_look_for(low, high, most):
    power = {stage: loudness(stage, low, high) for stage in RK if {stage, most} != {"3", "2"} or stage == most}
    assert max(power, key=power.__getitem__) == most


def test_theta_outweighs_alpha_in_n1():
    assert loudness("1", 4, 7) > 3 * loudness("1", 9, 11)


def test_stage_3_has_fewer_slow_waves_than_stage_4():
    assert loudness("2", 0.5, 2) < loudness("3", 0.5, 2) < loudness("4", 0.5, 2)


def test_epochs_run_into_each_other():
    eeg = simulate_eeg(["4"] * 200, 100, np.random.default_rng(1))
    steps = np.abs(np.diff(eeg))
    at_edges = steps[2999::3000]
    assert np.median(at_edges) < 2 * np.median(steps)


def test_stages_can_be_told_apart_in_another_subject(tmp_path):
    """A nearest mean of log spectra, far less than a network, gets most of another subject's epochs right."""
    simulate("sleepedf", tmp_path / "raw", [0, 1, 2], hours=3, seed=0)
    assert prepare_sleepedf(["--data_dir", str(tmp_path / "raw"), "--output_dir", str(tmp_path / "out")]) == 0
    spectra, stages, subjects = [], [], []
    for path in sorted((tmp_path / "out").iterdir()):
        night = load_night(path)
        spectra.append(np.log(welch(night.x, 100, nperseg=300, axis=1)[1][:, 1:120]))
        stages.append(night.y)
        subjects.append(np.full(len(night), int(path.name[3:5])))
    x, y, subject = (np.concatenate(parts) for parts in (spectra, stages, subjects))
    means = np.array([x[(y == stage) & (subject > 0)].mean(axis=0) for stage in range(5)])
    nearest = ((x[subject == 0, None] - means) ** 2).sum(axis=2).argmin(axis=1)
    assert (nearest == y[subject == 0]).mean() > 0.9


# ---- seeds ----


def test_the_seed_decides_every_byte(tmp_path):
    def made(folder, seed):
        return [path.read_bytes() for path in simulate("sleepedf", tmp_path / folder, [0], hours=0.1, seed=seed)]

    assert made("a", 1) == made("b", 1)
    assert all(one != other for one, other in zip(made("a", 1), made("c", 2), strict=True))


def test_subjects_and_nights_differ(simulated_once):
    nights = [path.read_bytes() for path in (simulated_once / "sleepedf").glob("*-PSG.edf")]
    assert len(set(nights)) == len(nights) == 4


# ---- the command ----


def test_a_real_recording_is_never_replaced(tmp_path, capsys):
    real = tmp_path / "SC4001E0-PSG.edf"
    real.write_bytes(b"0       X F X Female_33yr" + b" " * 500)
    assert main(["--db", "sleepedf", "--output_dir", str(tmp_path), "--subjects", "0", "--hours", "0.1"]) == 2
    assert "SC4001E0-PSG.edf: exists and is not simulated; choose another --output_dir" in capsys.readouterr().err
    assert real.read_bytes().startswith(b"0       X F X")
    assert [path.name for path in tmp_path.iterdir()] == [real.name]


def test_a_simulated_one_is_replaced(tmp_path):
    given = ["--db", "ucddb", "--output_dir", str(tmp_path), "--subjects", "2", "--hours", "0.1"]
    assert main(given) == 0
    before = (tmp_path / "ucddb002.rec").read_bytes()
    assert main([*given, "--seed", "1"]) == 0
    assert (tmp_path / "ucddb002.rec").read_bytes() != before


@pytest.mark.parametrize("db", LAYOUTS)
def test_the_default_is_a_few_subjects_in_the_documented_place(tmp_path, monkeypatch, db, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["--db", db, "--hours", "0.1"]) == 0
    written = [path for path in (tmp_path / "raw_data" / db).rglob("*") if path.is_file()]
    assert len(written) == {"sleepedf": 16, "isruc": 12, "ucddb": 8, "own": 11}[db]
    assert "SIMULATED, no real sleep in them" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, message",
    [
        (["--hours", "0"], "--hours is 0; a night has from 0.1 to 24"),
        (["--hours", "nan"], "--hours is nan; a night has from 0.1 to 24"),
        (["--seed", "-1"], "--seed is -1; it must be 0 or more"),
        (["--subjects", "39"], "--subjects 39: the data set has subjects"),
        (["--output_dir", "/proc/nothing"], "cannot make the folder /proc/nothing"),
    ],
)
def test_mistakes_are_one_line_and_status_2(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    assert main(["--db", "sleepedf", *options]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"simulate.py: error: {message}")
    assert error.count("\n") == 1
    assert not list(tmp_path.rglob("*.edf"))


def test_the_script_runs_as_a_process(tmp_path):
    command = [sys.executable, ROOT / "simulate.py", "--db", "sleepedf", "--subjects", "0", "--hours", "0.2"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    hypnogram = read_sleepedf(tmp_path / "raw_data" / "sleepedf" / "SC4001EC-Hypnogram.edf")
    assert len(hypnogram.codes) == 24 + 40  # 0.2 hours, and 20 minutes of UNKNOWN past the signal


@pytest.mark.parametrize("db", ["sleepedf", "isruc", "ucddb"])
def test_the_default_subjects_make_fold_0_complete(db):
    raw = LAYOUTS[db].for_fold_0
    prepared = {subject - 1 for subject in raw} if db == "isruc" else set(raw)  # 1 is prepared as subject0
    split = split_subjects(DATASETS[db], 0)
    assert all(prepared & set(part) for part in (split.train, split.valid, split.test))
