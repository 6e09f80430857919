"""Sleep-EDF: pairing, annotations, published counts, and the command on whole folders, simulated and real."""

import inspect
import json
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import edfio
import mne
import numpy as np
import pytest

from command import InputError
from data import load_night
from prepare_sleepedf import PUBLISHED, main, nights_in, published_verdict
from recordings.datasets import SLEEPEDF, SLEEPEDF_NIGHT_MISSING, read_sleepedf
from recordings.preparation import drop_then_trim, trim_then_drop
from recordings.prepare_command import FAILED, PREPARED, Outcome
from sleepstage import UNKNOWN
from tests.support.edf_files import stage_later, write_hypnogram

pytest_plugins = ["tests.support.raw_recordings"]

ROOT = Path(__file__).parent.parent
# Epochs W N1 N2 N3 REM of each night after preparation, counted from the expert hypnograms.
EXPECTED = json.loads((Path(__file__).parent / "reference" / "sleepedf_expected_counts.json").read_text())

NOT_HERE = ("SC4161E0", "SC4162E0")  # no hypnogram among the real recordings
HERE = [name for name in EXPECTED if name <= "SC4271F0" and name not in NOT_HERE] + ["SC4441E0"]


def real_hypnogram(real, name):
    found = list((real / "hypnograms").glob(f"{name[:7]}?-Hypnogram.edf"))
    if not found:
        pytest.skip(f"the hypnogram of {name} is not among the real recordings here")
    return found[0]


def end_of_stages(codes):
    return int(np.flatnonzero(codes != UNKNOWN)[-1]) + 1


def prepare(raw, tmp_path, *options):
    return main(["--data_dir", str(raw), "--output_dir", str(tmp_path / "out"), *options])


def prepared_nights(tmp_path):
    return {path.stem: load_night(path, 3000, 100) for path in sorted((tmp_path / "out").iterdir())}


# ---- real hypnograms ----


@pytest.mark.parametrize("name", HERE)
def test_real_hypnograms_give_the_expected_counts(real, name):
    codes = read_sleepedf(real_hypnogram(real, name)).codes
    codes = codes[: end_of_stages(codes)]  # where the signal ends, if the hypnogram runs on as UNKNOWN
    assert np.bincount(codes[drop_then_trim(codes)], minlength=5).tolist() == EXPECTED[name]


def test_the_published_totals_are_those_of_the_nights():
    for published in PUBLISHED:
        nights = [counts for name, counts in EXPECTED.items() if int(name[3:5]) in published.subjects]
        assert len(nights) == published.nights
        assert tuple(np.sum(nights, axis=0)) == published.counts
    assert [sum(published.counts) for published in PUBLISHED] == [42_308, 195_479]


# Signals that go on for a little after the last stage. Inferred: with these two, and only with them, trimming before
# dropping gives the total that others report for it.
RUN_ON = ("SC4012E0", "SC4121E0")


def test_the_other_order_gives_the_other_published_total(real):
    total = sum(sum(EXPECTED[name]) for name in NOT_HERE)  # taken to have no MOVEMENT or UNKNOWN that matters
    for name in (name for name in EXPECTED if int(name[3:5]) < 20 and name not in NOT_HERE):
        codes = read_sleepedf(real_hypnogram(real, name)).codes
        total += len(trim_then_drop(codes[: end_of_stages(codes) + (name in RUN_ON)]))
    assert total == PUBLISHED[0].epochs_trimmed_first == 44_220


@pytest.mark.parametrize("name", ["ST7041JO", "ST7071JA"])
def test_telemetry_hypnograms_that_start_late_are_read_all_the_same(real, name):
    codes = read_sleepedf(real / "hypnograms" / f"{name}-Hypnogram.edf").codes
    first = {"ST7041JO": 750, "ST7071JA": 30}[name] // 30  # second of its first annotation
    assert (codes[:first] == UNKNOWN).all()
    assert codes[first] != UNKNOWN


def write_psg(path, n_epochs, start):
    """Write a PSG as long as a real one, whose epoch k is k - 1500 µV all through."""
    digital = np.repeat(np.arange(n_epochs, dtype=np.int16) - 1500, 3000)
    eeg = edfio.EdfSignal.from_digital(
        digital,
        100,
        label="EEG Fpz-Cz",
        physical_dimension="uV",
        physical_range=(-2048, 2047),
        digital_range=(-2048, 2047),
    )
    marker = edfio.EdfSignal.from_digital(np.zeros(n_epochs * 30, np.int16), 1, label="Event marker")
    recording = edfio.Recording(startdate=start.date())
    edfio.Edf([eeg, marker], recording=recording, starttime=start.time(), data_record_duration=30).write(path)


# 4002, 4042, 4091, 4152: movement time; 4092: movement time and 802 unknown epochs before its stages end;
# 4121: 8 unknown epochs; 4001, 4271: neither.
WHOLE_NIGHTS = ["SC4001E0", "SC4002E0", "SC4042E0", "SC4091E0", "SC4092E0", "SC4121E0", "SC4152E0", "SC4271F0"]


@pytest.mark.parametrize("name", WHOLE_NIGHTS)
def test_a_whole_night_with_its_real_hypnogram_gives_exactly_the_expected_counts(real, tmp_path, name, capsys):
    hypnogram = read_sleepedf(real_hypnogram(real, name))
    (tmp_path / "raw").mkdir()
    shutil.copy(real_hypnogram(real, name), tmp_path / "raw")
    write_psg(tmp_path / "raw" / f"{name}-PSG.edf", end_of_stages(hypnogram.codes), hypnogram.start)
    assert prepare(tmp_path / "raw", tmp_path) == 0
    night = prepared_nights(tmp_path)[name]
    assert np.bincount(night.y, minlength=5).tolist() == EXPECTED[name]
    epochs = night.x[:, 0].round().astype(int) + 1500  # each epoch says which it is
    assert (night.x == night.x[:, :1]).all()
    assert (hypnogram.codes[epochs] == night.y).all()
    assert night.source["hypnogram_epochs"] == 2880  # 24 hours, longer than any signal
    assert f"W {EXPECTED[name][0]}, N1 {EXPECTED[name][1]}" in capsys.readouterr().out


def test_the_real_psg_prepares_with_its_real_hypnogram(real, tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    shutil.copy(real_hypnogram(real, "SC4001E0"), tmp_path / "raw")
    psg = Path(shutil.copy(real / "SC4001E0_first_300s-PSG.edf", tmp_path / "raw" / "SC4001E0-PSG.edf"))
    psg.chmod(0o600)
    assert prepare(tmp_path / "raw", tmp_path) == 1
    message = "SC4001E0: the signal has 10 epochs, the hypnogram 2880; 2640 have no partner, over the limit of 60"
    assert message in capsys.readouterr().out
    assert prepare(tmp_path / "raw", tmp_path, "--max_mismatch", "2640") == 0
    night = prepared_nights(tmp_path)["SC4001E0"]
    assert night.x.shape == (10, 3000)
    assert night.y.tolist() == [0] * 10
    assert (night.fs, night.ch_label, night.source["start_time"]) == (100, "EEG Fpz-Cz", "1989-04-24T16:13:00")
    # The same by hand: 2048 bytes of header, records of 30 s, Fpz-Cz first, ±192 µV on -2048 … 2047.
    content = psg.read_bytes()
    record = len(content[2048:]) // 10
    digital = [struct.unpack("<3000h", content[2048 + k * record :][:6000]) for k in range(10)]
    by_hand = (np.array(digital) + 2048) * 384 / 4095 - 192
    np.testing.assert_allclose(night.x, by_hand, atol=2e-5)
    assert 1 < np.median(night.x.std(axis=1)) < 500


# ---- pairing ----


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_files_are_paired_by_name(tmp_path):
    touch(
        tmp_path,
        "SC4001E0-PSG.edf",
        "SC4002EC-Hypnogram.edf",
        "SC4002E0-PSG.edf",
        "SC4001EJ-Hypnogram.edf",
        "sleep-cassette/SC4281G0-PSG.edf",
        "sleep-cassette/SC4281GC-Hypnogram.edf",
        "ST7011J0-PSG.edf",
        "ST7011JP-Hypnogram.edf",
        "SC4001E0-PSG.edf.part",
        "SC-subjects.edf",
    )
    nights = nights_in(tmp_path)
    assert [(night.name, night.subject) for night in nights] == [("SC4001E0", 0), ("SC4002E0", 0), ("SC4281G0", 28)]
    pairs = [tuple(path.name for path in night.pair()) for night in nights]
    assert pairs == [
        ("SC4001E0-PSG.edf", "SC4001EJ-Hypnogram.edf"),
        ("SC4002E0-PSG.edf", "SC4002EC-Hypnogram.edf"),
        ("SC4281G0-PSG.edf", "SC4281GC-Hypnogram.edf"),
    ]


def test_telemetry_nights_alone_are_no_nights(tmp_path):
    touch(tmp_path, "ST7011J0-PSG.edf", "ST7011JP-Hypnogram.edf")
    with pytest.raises(InputError, match=r"no night SC4ssN\?0-PSG.edf among 2 .edf files \(ST7… nights are another"):
        nights_in(tmp_path)


# ---- the command ----


def test_a_folder_is_prepared(raw, tmp_path, capsys):
    assert prepare(raw("sleepedf"), tmp_path) == 0
    nights = prepared_nights(tmp_path)
    assert sorted(nights) == ["SC4001E0", "SC4002E0", "SC4011E0", "SC4012E0"]
    assert all(night.source["simulated"] == 1 for night in nights.values())
    out = capsys.readouterr().out
    total = sum(len(night) for night in nights.values())
    assert f"all                 4 {total:>8,}" in out
    assert "4 of them simulated" in out
    assert "published counts are for 39 nights" in out


def test_subjects_processes_and_repeats(raw, tmp_path, capsys):
    folder = raw("sleepedf")
    assert prepare(folder, tmp_path, "--subjects", "1", "--n_jobs", "2") == 0
    assert sorted(prepared_nights(tmp_path)) == ["SC4011E0", "SC4012E0"]
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    assert prepare(folder, tmp_path, "--n_jobs", "2") == 0
    assert "SC4011E0: already there" in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert prepare(folder, tmp_path, "--select_ch", "Pz-Oz") == 0
    out = capsys.readouterr().out
    assert "prepared before with select_ch EEG Fpz-Cz instead of Pz-Oz; preparing it again" in out
    assert "channel Pz-Oz: using EEG Pz-Oz" in out
    assert {night.ch_label for night in prepared_nights(tmp_path).values()} == {"EEG Pz-Oz"}


def test_processes_change_nothing(raw, tmp_path):
    folder = raw("sleepedf")
    for n_jobs in ("1", "2"):
        assert main(["--data_dir", str(folder), "--output_dir", str(tmp_path / n_jobs), "--n_jobs", n_jobs]) == 0
    for path in (tmp_path / "1").iterdir():
        one, two = load_night(path), load_night(tmp_path / "2" / path.name)
        assert (one.x == two.x).all() and (one.y == two.y).all() and one.source == two.source


def test_one_bad_night_does_not_lose_the_others(raw, tmp_path, capsys):
    folder = raw("sleepedf")
    psg = folder / "SC4001E0-PSG.edf"
    psg.write_bytes(psg.read_bytes()[:-5000])
    (folder / "SC4002EC-Hypnogram.edf").unlink()
    write_hypnogram(folder / "SC4011EC-Hypnogram.edf", (0, 30, "Sleep stage N2"))
    assert prepare(folder, tmp_path, "--subjects", "0-2") == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["SC4012E0.npz"]  # and nothing half-written
    out = capsys.readouterr().out
    failures = out.split("4 failed:\n")[1].splitlines()
    assert "subject 2: no recording in" in failures[0]
    assert "SC4001E0-PSG.edf: cut short" in failures[1]
    assert "no hypnogram SC4002E?-Hypnogram.edf" in failures[2]
    assert "SC4011EC-Hypnogram.edf: unknown stage 'Sleep stage N2' in annotation" in failures[3]


def test_a_hypnogram_that_is_shifted_against_its_signal_is_said(three_hours, tmp_path, capsys):
    folder = shutil.copytree(three_hours, tmp_path / "raw")
    assert prepare(folder, tmp_path) == 0
    assert "fits the signal" not in capsys.readouterr().out
    stage_later(three_hours / "SC4001EC-Hypnogram.edf", 8, to=folder / "SC4001EC-Hypnogram.edf")
    assert prepare(folder, tmp_path, "--overwrite") == 0
    out = capsys.readouterr().out
    assert "    the hypnogram fits the signal clearly better 8 epochs (4 min) earlier; check the start times" in out
    assert out.count("fits the signal") == 2, "as the night is done, and at the end"
    assert "\n1 with notices:\n    SC4001E0: the hypnogram fits the signal" in out


def test_what_the_header_says_of_the_file_is_said(raw, tmp_path, capsys):
    folder = raw("sleepedf")
    psg = folder / "SC4001E0-PSG.edf"
    content = bytearray(psg.read_bytes())
    content[236:244] = b"-1      "
    at = 256 + 7 * (16 + 80 + 8)  # of seven signals: minima, then maxima
    content[at : at + 8], content[at + 56 : at + 64] = content[at + 56 : at + 64], content[at : at + 8]
    psg.write_bytes(content)
    assert prepare(folder, tmp_path, "--subjects", "0") == 0
    out = capsys.readouterr().out
    assert "    the header leaves the number of records open (-1): still being written, or never closed" in out
    assert "    EEG Fpz-Cz: the header gives it a negative gain; its polarity is as the header says" in out


def test_one_signal_under_two_names_is_said(raw, tmp_path, capsys):
    folder = raw("sleepedf")
    said = "warning: SC4001E0, SC4011E0: one and the same signal; keep one, or check which file is whose"
    assert prepare(folder, tmp_path) == 0
    assert "the same signal" not in capsys.readouterr().out
    shutil.copy(folder / "SC4001E0-PSG.edf", folder / "SC4011E0-PSG.edf")
    shutil.copy(folder / "SC4001EC-Hypnogram.edf", folder / "SC4011EC-Hypnogram.edf")
    assert prepare(folder, tmp_path, "--overwrite") == 0
    assert said in capsys.readouterr().out.splitlines()
    assert prepare(folder, tmp_path) == 0  # all are already there
    assert said in capsys.readouterr().out.splitlines()


def test_an_unknown_channel_fails_every_night_with_the_list(raw, tmp_path, capsys):
    assert prepare(raw("sleepedf"), tmp_path, "--select_ch", "C3-A2") == 1
    assert "no channel C3-A2; there are EEG Fpz-Cz, EEG Pz-Oz, EOG horizontal" in capsys.readouterr().out
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "options, message",
    [
        (["--data_dir", "nowhere"], "raw Sleep-EDF recordings: no folder nowhere"),
        (["--subjects", "39"], "--subjects 39: the data set has subjects 0-38, 40-67, 70-77, 80-82"),
        (["--subjects", "x"], "--subjects x: give numbers and ranges"),
        (["--n_jobs", "0"], "--n_jobs is 0; it must be 1 or more"),
        (["--max_mismatch", "-1"], "--max_mismatch is -1; it must be 0 or more"),
        (["--output_dir", "/proc/nothing/here"], "cannot make the folder /proc/nothing/here"),
        (["--download"], "--download: say which subjects"),
    ],
)
def test_mistakes_are_one_line_and_status_2(simulated_once, tmp_path, capsys, options, message):
    given = ["--data_dir", str(simulated_once / "sleepedf"), "--output_dir", str(tmp_path / "out"), *options]
    assert main(given) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"prepare_sleepedf.py: error: {message}")
    assert error.count("\n") == 1


def test_a_folder_without_nights_is_a_mistake(tmp_path, capsys):
    assert prepare(tmp_path, tmp_path) == 2
    assert "no night SC4ssN?0-PSG.edf among 0 .edf files" in capsys.readouterr().err


# ---- the closing comparison ----


def outcomes(subjects, change=0):
    names = [name for name in EXPECTED if int(name[3:5]) in subjects]
    good = [Outcome(name, PREPARED, tuple(EXPECTED[name])) for name in names]
    first = good[0]
    return [Outcome(first.name, PREPARED, (first.counts[0] + change, *first.counts[1:])), *good[1:]]


def test_whole_sets_are_compared_with_what_is_published():
    def verdict(subjects, change=0, trim_first=False):
        return published_verdict(outcomes(subjects, change), trim_first)

    assert verdict(range(20)) == "subjects 0-19: the 42,308 epochs match the published count"
    assert verdict(range(83)) == "all subjects: the 195,479 epochs match the published count"
    assert verdict(range(20), change=1912, trim_first=True).endswith("the 44,220 epochs match the published count")
    assert "42,309 epochs DIFFER from the published 42,308 (W 8,285, " in verdict(range(20), change=1)
    assert verdict(range(20), trim_first=True).endswith("42,308 epochs DIFFER from the published 44,220")
    assert "nothing to compare" in verdict(range(10))
    assert "nothing to compare" in published_verdict([*outcomes(range(19)), Outcome("SC4191E0", FAILED)], False)


# ---- download ----


def test_download_asks_mne_for_the_subjects(raw, tmp_path, monkeypatch):
    folder = tmp_path / "fetched"

    def fetch_data(subjects, path, on_missing):
        assert (subjects, path, on_missing) == ([0, 1], folder, "ignore")
        shutil.copytree(raw("sleepedf"), path / "physionet-sleep-data")

    monkeypatch.setattr(mne.datasets.sleep_physionet.age, "fetch_data", fetch_data)
    assert prepare(folder, tmp_path, "--download", "--subjects", "0-1") == 0
    assert len(prepared_nights(tmp_path)) == 4


@pytest.mark.parametrize("error", [ConnectionError("no route\nto host"), ValueError("hash of file is wrong")])
def test_a_failed_download_is_one_line(tmp_path, monkeypatch, capsys, error):
    def fetch_data(**_):
        raise error

    monkeypatch.setattr(mne.datasets.sleep_physionet.age, "fetch_data", fetch_data)
    assert prepare(tmp_path / "raw", tmp_path, "--download", "--subjects", "0") == 2
    said = capsys.readouterr().err
    assert (
        f"download failed: {str(error).splitlines()[0]}; try again, or put the files of https://physionet.org" in said
    )
    assert said.count("\n") == 1


def test_mne_still_takes_what_download_gives():
    parameters = inspect.signature(mne.datasets.sleep_physionet.age.fetch_data).parameters
    assert {"subjects", "path", "on_missing"} <= set(parameters)


def test_the_nights_of_the_release_are_those_that_are_expected():
    assert tuple(sorted({int(name[3:5]) for name in EXPECTED})) == SLEEPEDF.subjects
    missing = {
        subject: number
        for subject in SLEEPEDF.subjects
        for number in (1, 2)
        if not any(name.startswith(f"SC4{subject:02d}{number}") for name in EXPECTED)
    }
    assert missing == SLEEPEDF_NIGHT_MISSING


# ---- as a process ----


def test_the_script_runs_from_any_working_directory(simulated_once, tmp_path):
    shutil.copytree(simulated_once / "sleepedf", tmp_path / "raw_data" / "sleepedf")
    run = subprocess.run(
        [sys.executable, ROOT / "prepare_sleepedf.py", "--subjects", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert sorted(path.name for path in (tmp_path / "data" / "sleepedf").iterdir()) == ["SC4001E0.npz", "SC4002E0.npz"]
    assert "prepared            2" in run.stdout


@pytest.mark.parametrize("script", ["prepare_sleepedf", "prepare_isruc", "prepare_ucddb", "simulate"])
def test_help_is_quick_and_names_the_options(script):
    run = subprocess.run(
        [sys.executable, "-X", "importtime", ROOT / f"{script}.py", "--help"], capture_output=True, text=True
    )
    assert run.returncode == 0
    assert "--output_dir" in run.stdout and "--subjects" in run.stdout
    imported = {line.rpartition("|")[2].strip() for line in run.stderr.splitlines()}
    assert "numpy" in imported
    assert not imported & {"scipy", "pandas", "mne", "tensorflow", "tqdm", "pooch", "edfio"}
