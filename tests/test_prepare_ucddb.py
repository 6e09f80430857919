"""UCDDB: the real stage files, what belongs to a night, units, and the command on whole folders."""

import csv
import shutil
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import edfio
import numpy as np
import pooch
import pytest
from scipy.signal import resample as fourier_resample

import prepare_ucddb
from data import load_night
from files import fetching
from prepare_ucddb import RELEASE_ROWS, RELEASE_STAGED, main, nights_in, release_verdict
from recordings.datasets import DATASETS, read_ucddb
from recordings.prepare_command import PREPARED, Outcome
from simulating.layouts import simulate
from sleepstage import UNKNOWN

pytest_plugins = ["tests.support.raw_recordings"]

ROOT = Path(__file__).parent.parent
NOT_HERE = {8: (768, 757)}  # subject 008: epochs of its signal; of them 11 are of the undocumented stage 8


def prepare(raw, tmp_path, *options):
    return main(["--data_dir", str(raw), "--output_dir", str(tmp_path / "out"), *options])


def prepared_nights(tmp_path):
    return {path.stem: load_night(path, 3000, 100) for path in sorted((tmp_path / "out").iterdir())}


def test_the_hypnogram_of_another_night_is_said(tmp_path, capsys):
    folder = tmp_path / "raw"
    simulate("ucddb", folder, [2, 3], hours=3, seed=0)
    stages = [folder / f"ucddb00{subject}_stage.txt" for subject in (2, 3)]
    assert prepare(folder, tmp_path) == 0
    assert "of this night?" not in capsys.readouterr().out
    texts = [path.read_text() for path in stages]
    for path, text in zip(stages, reversed(texts), strict=True):
        path.write_text(text)
    assert prepare(folder, tmp_path, "--overwrite") == 0
    said = "    N3 in the hypnogram has hardly more slow waves than the other stages: is it of this night?"
    assert capsys.readouterr().out.count(said) == 1  # the other night fits by chance


# ---- the real release ----


def test_the_real_stage_files_have_the_documented_epochs(real):
    files = sorted((real / "ucddb").glob("*_stage.txt"))
    codes = [read_ucddb(path).codes for path in files]
    assert len(codes) == 24
    rows, staged = NOT_HERE[8]
    assert sum(map(len, codes)) + rows == RELEASE_ROWS
    assert sum(int((night != UNKNOWN).sum()) for night in codes) + staged == RELEASE_STAGED


def test_real_signals_and_hypnograms_differ_by_one_epoch_at_most(real):
    """So that the default limit of 2 refuses no night of the release."""
    with (real / "ucddb" / "ucddb_audit.csv").open() as file:
        seconds = {row["record_id"]: float(row["duration_seconds"]) for row in csv.DictReader(file)}
    for path in (real / "ucddb").glob("*_stage.txt"):
        assert abs(seconds[path.name.removesuffix("_stage.txt")] // 30 - len(read_ucddb(path).codes)) <= 1


def test_a_real_night_in_its_own_unit(real, tmp_path, capsys):
    archive = np.load(real / "ucddb" / "ucddb022_718_epochs_128hz.npz")
    samples = archive["x"].ravel()[: 200 * 3840]
    codes = archive["y"][:200]
    (tmp_path / "raw").mkdir()
    signal = edfio.EdfSignal(samples.astype(float), 128, label="C3A2", physical_dimension="uV")
    recording = edfio.Recording(startdate=datetime(2002, 11, 5).date())
    edfio.Edf([signal], recording=recording, data_record_duration=1).write(tmp_path / "raw" / "ucddb022.rec")
    (tmp_path / "raw" / "ucddb022_stage.txt").write_text("".join(f"{code}\n" for code in codes))
    assert prepare(tmp_path / "raw", tmp_path) == 0
    printed = capsys.readouterr().out
    assert "the header's numbers are no µV: multiplied by 100, and their offset of 0.5" in printed
    assert "implausible amplitude" not in printed
    night = prepared_nights(tmp_path)["ucddb022"]
    assert abs(np.median(night.x)) < 1 and 5 < np.median(night.x.std(axis=1)) < 50, "µV, without the offset"
    kept = slice(round(night.source["first_kept_second"] / 30), None)
    ours = np.array([0, 4, 1, 2, 3, 3])[codes]
    assert night.y.tolist() == ours[kept][: len(night)].tolist()
    # Another way to resample gives the same signal within what a filter's edge at 50 Hz may change.
    other = fourier_resample(samples, len(samples) * 100 // 128).reshape(-1, 3000)[kept][: len(night)]
    assert np.corrcoef(night.x[1:-1].ravel(), other[1:-1].ravel())[0, 1] > 0.99
    restored = night.source["header_scale"] * night.x + night.source["header_offset"]
    assert np.median(restored) == pytest.approx(np.median(other), abs=1e-3)
    assert restored[1:-1].std() == pytest.approx(other[1:-1].std(), rel=0.02)


def test_a_night_that_is_in_microvolts_stays_as_it_is(raw, tmp_path):
    assert prepare(raw("ucddb"), tmp_path) == 0
    night = prepared_nights(tmp_path)["ucddb002"]
    assert (night.source["header_scale"], night.source["header_offset"]) == (1.0, 0.0)


# ---- files ----


def test_other_files_of_the_release_are_no_nights(tmp_path):
    for name in (
        "ucddb002.rec",
        "ucddb002_stage.txt",
        "ucddb002_lifecard.edf",
        "ucddb002_respevt.txt",
        "ucddb003_lifecard.edf",
        "ucddb004.rec",
        "SubjectDetails.xls",
        "SHA256SUMS.txt",
        "RECORDS",
    ):
        (tmp_path / name).touch()
    assert [(night.name, night.subject) for night in nights_in(tmp_path)] == [("ucddb002", 2)]


# ---- the command ----


def test_a_folder_is_prepared(raw, tmp_path, capsys):
    folder = raw("ucddb")
    (folder / "ucddb002_lifecard.edf").touch()
    (folder / "SubjectDetails.xls").touch()
    assert prepare(folder, tmp_path) == 0
    nights = prepared_nights(tmp_path)
    assert sorted(nights) == ["ucddb002", "ucddb003"]
    for name, night in nights.items():
        codes = np.loadtxt(folder / f"{name}_stage.txt", dtype=int)
        assert night.y.tolist() == [[0, 4, 1, 2, 3, 3][code] for code in codes if code < 6]
        assert (night.ch_label, night.source["signal_rate"]) == ("C3A2", 128)
    assert "the release has 25 nights with 20,789 epochs, 20,774 of them staged" in capsys.readouterr().out


def test_one_bad_night_does_not_lose_the_others(raw, tmp_path, capsys):
    folder = raw("ucddb")
    stages = folder / "ucddb002_stage.txt"
    stages.write_text(stages.read_text() + "9\n")
    (folder / "ucddb005_stage.txt").write_text("0\n")
    assert prepare(folder, tmp_path, "--subjects", "2-6") == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["ucddb003.npz"]
    out = capsys.readouterr().out
    assert "ucddb002_stage.txt: unknown stage '9' in line 61; there are 0, 1, 2, 3, 4, 5, 6, 7, 8" in out
    assert "ucddb005: no signal ucddb005.rec to go with" in out
    assert "subject 6: no recording in" in out


@pytest.mark.parametrize("more, status", [(1, 0), (2, 0), (3, 1)])
def test_a_hypnogram_may_be_a_little_longer(raw, tmp_path, capsys, more, status):
    folder = raw("ucddb")
    stages = folder / "ucddb002_stage.txt"
    stages.write_text(stages.read_text() + "0\n" * more)
    assert prepare(folder, tmp_path, "--subjects", "2") == status
    assert f"60 epochs at 128 Hz, hypnogram {60 + more}" in capsys.readouterr().out or status


def test_another_channel_by_an_alias(raw, tmp_path, capsys):
    assert prepare(raw("ucddb"), tmp_path, "--select_ch", "C4-M1", "--subjects", "2") == 0
    assert prepared_nights(tmp_path)["ucddb002"].ch_label == "C4A1"
    assert "channel C4-M1: using C4A1" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options, message",
    [
        (["--subjects", "4"], "--subjects 4: the data set has subjects 2-3, 5-15, 17-28"),
        (["--data_dir", "no"], "raw UCDDB recordings: no folder no"),
    ],
)
def test_mistakes_are_one_line_and_status_2(simulated_once, tmp_path, capsys, options, message):
    assert prepare(simulated_once / "ucddb", tmp_path, *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_folder_without_nights_is_a_mistake(tmp_path, capsys):
    (tmp_path / "ucddb002_lifecard.edf").touch()
    assert prepare(tmp_path, tmp_path) == 2
    assert (
        "no nights: no ucddb0NN.rec in it; fetch them with: python prepare_ucddb.py --download"
        in capsys.readouterr().err
    )


# ---- the closing comparison ----


def outcomes(rows=RELEASE_ROWS, staged=RELEASE_STAGED, n_nights=25):
    empty = {"hypnogram_epochs": 0, "staged_epochs": 0}
    first = Outcome("ucddb002", PREPARED, source={"hypnogram_epochs": rows, "staged_epochs": staged})
    return [first, *(Outcome(f"ucddb{i:03d}", PREPARED, source=empty) for i in range(n_nights - 1))]


def test_the_whole_set_is_compared_with_the_release():
    assert "matches the release (20,789 and 20,774)" in release_verdict(outcomes())
    assert "matches the release" in release_verdict(outcomes(staged=RELEASE_STAGED - 4))  # signals an epoch shorter
    assert "DIFFERS from the release" in release_verdict(outcomes(rows=RELEASE_ROWS - 1))
    assert "DIFFERS from the release" in release_verdict(outcomes(staged=RELEASE_STAGED + 1))
    assert "nothing to compare" in release_verdict(outcomes(n_nights=24))


# ---- download ----


def test_download_fetches_two_checked_files_a_subject(raw, tmp_path, monkeypatch):
    released = raw("ucddb")
    (released / "SHA256SUMS.txt").write_text(
        "".join(f"{pooch.file_hash(path)} {path.name}\n" for path in sorted(released.glob("ucddb*")))
    )
    fetched = []

    def fetch_file(url, path):
        assert url.startswith("https://physionet.org/files/ucddb/1.0.0/")
        fetched.append(url.rpartition("/")[2])
        shutil.copy(released / fetched[-1], path)

    monkeypatch.setattr(fetching, "fetch_file", fetch_file)
    assert prepare(tmp_path / "new", tmp_path, "--download", "--subjects", "3") == 0
    assert fetched == ["SHA256SUMS.txt", "ucddb003.rec", "ucddb003_stage.txt"]
    assert list(prepared_nights(tmp_path)) == ["ucddb003"]
    assert prepare(tmp_path / "new", tmp_path, "--download", "--subjects", "30") == 2  # never fetched: no such subject


def test_a_failed_download_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(prepare_ucddb, "RELEASE_URL", "http://127.0.0.1:9/")
    assert prepare(tmp_path / "raw", tmp_path, "--download") == 2
    error = capsys.readouterr().err
    assert "cannot fetch http://127.0.0.1:9/SHA256SUMS.txt: no connection; try again later" in error
    assert error.count("\n") == 1


def test_the_script_runs_as_a_process(simulated_once, tmp_path):
    command = [sys.executable, ROOT / "prepare_ucddb.py", "--data_dir", simulated_once / "ucddb", "--n_jobs", "2"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    names = sorted(path.name for path in (tmp_path / "data" / "ucddb").iterdir())
    assert names == ["ucddb002.npz", "ucddb003.npz"]
    assert DATASETS["ucddb"].night_pattern.format(subject=2) in names
