"""predict.py on recordings, as a user calls it: what it prints, writes and refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import edfio
import mne
import numpy as np
import pandas as pd
import pytest
from scipy.signal import resample_poly

import predict
import simulate
from scoring.scorer import Scorer
from sleepstage import STAGE_NAMES
from tests.support import edf_files
from tests.support.edf_files import stage_later
from version import __version__

pytest_plugins = ["tests.support.folds_on_disk", "tests.support.raw_recordings"]

PREDICT = Path(predict.__file__)


def eeg(n_epochs, seed=0):
    return np.random.default_rng(seed).normal(0, 20, n_epochs * 3000)


def write_edf(path, samples, *, label="EEG Fpz-Cz", rate=100, unit="uV", bdf=False):
    return edf_files.write_edf(path, [(label, rate, unit, samples)], bdf=bdf)


@pytest.fixture
def score(folds_dir, tmp_path, capsys):
    """Call predict.py on recordings; return its status and what it printed."""

    def call(*arguments, directory=folds_dir):
        where = ["--db", "sleepedf", "--gpu", "-1", "--dir", str(directory), "--output_dir", str(tmp_path / "scored")]
        status = predict.main([*map(str, arguments), *where])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


# ---- what it prints and writes ----


def test_a_recording_becomes_files(score, tmp_path):
    status, printed = score(write_edf(tmp_path / "night.edf", eeg(5)))
    assert status == 0
    assert "sleepedf, folds 0, 4, computing on the CPU" in printed
    assert "night: EEG Fpz-Cz (100 Hz), 5 epochs (W " in printed
    assert len(pd.read_csv(tmp_path / "scored" / "night_stages.csv")) == 5
    assert len(mne.read_annotations(tmp_path / "scored" / "night_stages.edf")) == 5
    summary = json.loads((tmp_path / "scored" / "night_summary.json").read_text())
    assert summary["folds"] == [0, 4] and summary["versions"]["recsleepnet"] == __version__
    assert not list((tmp_path / "scored").glob(".partial*"))


def test_without_a_data_set_named_the_folds_that_are_there_score(folds_dir, make_fold, tmp_path, capsys):
    path = write_edf(tmp_path / "night.edf", eeg(3))

    def call(directory):
        arguments = [str(path), "--gpu", "-1", "--dir", str(directory), "--output_dir", str(tmp_path / "scored")]
        status = predict.main(arguments)
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    status, printed = call(folds_dir)
    assert status == 0 and f"scoring with the checkpoints of sleepedf in {folds_dir}" in printed
    assert "sleepedf, folds 0, 4, computing on" in printed
    several = tmp_path / "several"
    for db in ("sleepedfx", "ucddb"):
        make_fold(several, 0, db)
    status, printed = call(several)
    assert status == 2 and f"{several} holds checkpoints of sleepedfx, ucddb; choose one with db" in printed
    make_fold(several, 0, "isruc")
    status, printed = call(several)
    assert status == 0 and "isruc, fold 0, computing on" in printed, "isruc is the default"
    (tmp_path / "empty").mkdir()
    status, printed = call(tmp_path / "empty")
    assert status == 2 and "empty has no folder of a data set; choose one with db" in printed
    status, printed = call(folds_dir / "sleepedf")
    assert status == 0 and "sleepedf, folds 0, 4, computing on" in printed, "the data set's own folder"


def test_one_fold_may_be_chosen(score, tmp_path):
    path = write_edf(tmp_path / "night.edf", eeg(3))
    assert score(path, "--fold", "4")[0] == 0
    assert json.loads((tmp_path / "scored" / "night_summary.json").read_text())["folds"] == [4]
    status, printed = score(path, "--fold", "7")
    assert status == 2 and "fold 7 is not there; there are folds 0, 4" in printed


def test_a_channel_that_is_dead_has_files_and_a_reason_but_no_figures(score, simulated_once, tmp_path):
    night = simulated_once / "sleepedf" / "SC4001E0-PSG.edf"
    status, printed = score(night, "--channel", "EOG horizontal", "--report")
    assert status == 0
    assert "(W 0, N1 0, N2 0, N3 0, REM 0)" in printed
    assert "SC4001E0-PSG (SIMULATED)         0.5 not scored: EOG horizontal: 60 of 60 epochs are flat" in printed
    summary = json.loads((tmp_path / "scored" / "SC4001E0-PSG_summary.json").read_text())
    assert summary["statistics"] == {} and summary["reason"] == "EOG horizontal: 60 of 60 epochs are flat"
    assert set(pd.read_csv(tmp_path / "scored" / "SC4001E0-PSG_stages.csv")["stage"]) == {"?"}
    assert set(mne.read_annotations(tmp_path / "scored" / "SC4001E0-PSG_stages.edf").description) == {"Sleep stage ?"}
    assert "60 of 60 epochs are flat" in (tmp_path / "scored" / "report.html").read_text()


def test_the_others_go_on_when_one_fails(score, tmp_path):
    good = [write_edf(tmp_path / f"{name}.edf", eeg(3)) for name in ("first", "last")]
    (tmp_path / "bad.edf").write_bytes(b"no EDF")
    status, printed = score(good[0], tmp_path / "bad.edf", tmp_path / "nosuch.bdf", good[1], "--report")
    assert status == 1
    table = printed.splitlines()[-8:]
    assert any("bad.edf" in line and "not a readable EDF file" in line for line in table)
    assert any("nosuch.bdf" in line and "no such file" in line for line in table)
    assert len(list((tmp_path / "scored").glob("*_stages.csv"))) == 2
    page = (tmp_path / "scored" / "report.html").read_text()
    assert "nosuch.bdf: no such file" in page.replace("\n", " ")


def test_the_expert_beside_a_recording_is_compared(score, simulated_once, tmp_path):
    status, printed = score(simulated_once / "sleepedf" / "SC4001E0-PSG.edf", "--lights_off", "600")
    assert status == 0
    assert "SC4001E0-PSG (SIMULATED): EEG Fpz-Cz (100 Hz), 60 epochs" in printed
    assert "fold 0 (others saw it)" in printed and "expert SC4001EC-Hypnogram.edf: " in printed
    assert "1 SIMULATED: good for trying things out" in printed
    assert "expert" in pd.read_csv(tmp_path / "scored" / "SC4001E0-PSG_stages.csv")
    assert json.loads((tmp_path / "scored" / "SC4001E0-PSG_summary.json").read_text())["lights_off_s"] == 600


def test_an_experts_stages_that_are_shifted_against_the_signal_are_warned_of(score, three_hours, tmp_path):
    psg = three_hours / "SC4001E0-PSG.edf"
    assert "fits the signal" not in score(psg)[1]
    stage_later(three_hours / "SC4001EC-Hypnogram.edf", 8, to=tmp_path / "late.edf")
    status, printed = score(psg, "--hypnogram", tmp_path / "late.edf")
    said = "the hypnogram fits the signal clearly better 8 epochs (4 min) earlier; check the start times of both"
    assert status == 0 and f"    warning: {said}" in printed
    assert said in json.loads((tmp_path / "scored" / "SC4001E0-PSG_summary.json").read_text())["warnings"]


def moved(hypnogram, seconds, to):
    """Copy an EDF+ hypnogram with a clock that is `seconds` later."""
    edf = edfio.read_edf(hypnogram)
    start = datetime.combine(edf.startdate, edf.starttime) + timedelta(seconds=seconds)
    edfio.Edf(
        [],
        recording=edfio.Recording(startdate=start.date()),
        starttime=start.time(),
        annotations=edf.annotations,
    ).write(to)
    return to


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_hypnogram_whose_clock_is_an_hour_off_is_refused(score, three_hours, tmp_path, seconds):
    late = moved(three_hours / "SC4001EC-Hypnogram.edf", seconds, tmp_path / "late.edf")
    status, printed = score(three_hours / "SC4001E0-PSG.edf", "--hypnogram", late)
    assert (
        status == 2 and f"the hypnogram starts {seconds} s after the signal; 120 of its epochs have a stage" in printed
    )


def test_how_many_epochs_were_compared_is_said(score, three_hours, tmp_path):
    late = moved(three_hours / "SC4001EC-Hypnogram.edf", 600, tmp_path / "late.edf")
    status, printed = score(three_hours / "SC4001E0-PSG.edf", "--hypnogram", late)
    assert status == 0 and "    expert late.edf: 336 of 360 epochs, " in printed
    assert "note: the hypnogram has a stage for 338 of 360 epochs; the others are not compared" in printed
    assert "note: the hypnogram has a stage for 20 epochs outside the recording" in printed


def test_a_date_that_edf_cannot_write_keeps_no_recording_from_being_scored(score, tmp_path):
    path = write_edf(tmp_path / "shifted.edf", eeg(3))
    path.write_bytes(path.read_bytes().replace(b"Startdate 03-FEB-2001", b"Startdate 04-MAR-2130"))
    other = write_edf(tmp_path / "other.edf", eeg(3, 1))
    status, printed = score(path, other)
    assert status == 0, printed
    assert json.loads((tmp_path / "scored" / "shifted_summary.json").read_text())["start"] == "2130-03-04T22:00:00"
    assert len(mne.read_annotations(tmp_path / "scored" / "shifted_stages.edf")) == 3


def test_a_name_that_is_no_text_is_scored(score, tmp_path):
    write_edf(tmp_path / "night.edf", eeg(3))
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/n\xff.edf"))
    (tmp_path / "night.edf").rename(path)
    status, printed = score(path, write_edf(tmp_path / "other.edf", eeg(3, 1)), "--report")
    assert status == 0, printed
    assert sorted(one.name for one in (tmp_path / "scored").glob("*_stages.csv")) == [
        "n?_stages.csv",
        "other_stages.csv",
    ]


def two_nights(tmp_path):
    """Write recordings of one name into two folders."""
    for seed, folder in enumerate("ab"):
        (tmp_path / folder).mkdir()
        write_edf(tmp_path / folder / "night.edf", eeg(3, seed))
    return tmp_path / "a" / "night.edf", tmp_path / "b" / "night.edf"


def test_recordings_of_one_name_keep_their_folders(score, tmp_path):
    one, other = two_nights(tmp_path)
    alone = write_edf(tmp_path / "b" / "alone.edf", eeg(3, 7))
    status, printed = score(one, other, alone, "--report")
    assert status == 0
    scored = tmp_path / "scored"
    assert {path.relative_to(scored).as_posix() for path in scored.rglob("*_summary.json")} == {
        "a/night_summary.json", "b/night_summary.json", "alone_summary.json",
    }  # fmt: skip
    assert "a/night: EEG Fpz-Cz" in printed and "b/night: EEG Fpz-Cz" in printed
    assert pd.read_csv(scored / "b" / "night_stages.csv")["recording"].unique().tolist() == ["b/night"]
    assert "b/night" in (scored / "report.html").read_text()


def test_a_recording_named_twice_is_scored_once(score, tmp_path):
    path = write_edf(tmp_path / "night.edf", eeg(3))
    status, printed = score(path, tmp_path / "." / "night.edf", tmp_path / ".." / tmp_path.name / "night.edf")
    assert status == 0 and "night.edf is named more than once: scored once" in printed
    assert printed.count("night: EEG Fpz-Cz") == 1


def test_files_of_another_recording_are_not_overwritten(score, tmp_path, monkeypatch):
    one, other = two_nights(tmp_path)
    assert score(one)[0] == 0
    before = {path: path.read_bytes() for path in (tmp_path / "scored").iterdir()}
    status, printed = score(other)
    assert status == 2
    said = f"night_summary.json: is of another recording, {one}; choose another output folder"
    assert printed.splitlines()[-1].endswith(said)
    assert {path: path.read_bytes() for path in (tmp_path / "scored").iterdir()} == before
    monkeypatch.chdir(one.parent)
    assert score("night.edf")[0] == 0, "the same file, named otherwise"
    moved = one.rename(tmp_path / "night.edf")
    assert score(moved)[0] == 0, "the same recording in another place"
    write_edf(moved, eeg(3, 5))
    assert score(moved)[0] == 0, "the same file, exported again"


def test_one_night_under_two_names_is_said(score, tmp_path):
    names = ("one", "other", "third")
    paths = [write_edf(tmp_path / f"{name}.edf", eeg(3, name == "third")) for name in names]
    flat = [write_edf(tmp_path / f"flat{i}.edf", np.zeros(9000)) for i in range(2)]
    status, printed = score(*paths, *flat)
    assert status == 0
    assert "one, other: one and the same signal; keep one, or check which file is whose" in printed.splitlines()
    assert printed.count("one and the same signal") == 1


def test_recordings_of_the_other_data_sets_are_read(score, simulated_once):
    isruc, ucddb = simulated_once / "isruc" / "40" / "40.rec", simulated_once / "ucddb" / "ucddb002.rec"
    status, printed = score(isruc, ucddb)
    assert status == 0
    assert "40 (SIMULATED): C3 - A2 (200 Hz)" in printed
    assert "channel F4 - A1 was passed over: 40 of 40 epochs are flat" in printed
    assert "channel F3 - A2 was passed over: no EEG by its spectrum" in printed, "A2 alone is noise"
    assert "ucddb002 (SIMULATED): C3A2 (128 Hz)" in printed
    assert "stands in for EEG Fpz-Cz" in printed and "expert ucddb002_stage.txt" in printed


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("0 1 2 3 4 5 6", ["W", "REM", "N1", "N2", "N3", "N3", "?"]),
        ("0 1 2 3 1", ["W", "REM", "N1", "N2", "REM"]),  # without N3 nothing else in it tells it from ISRUC
    ],
)
def test_a_night_of_ucddb_is_compared_with_its_own_stages(score, tmp_path, lines, expected):
    stages = lines.split()
    path = write_edf(tmp_path / "ucddb002.rec", resample_poly(eeg(len(stages)), 32, 25), label="C3A2", rate=128)
    (tmp_path / "ucddb002_stage.txt").write_text("\n".join(stages) + "\n")
    status, printed = score(path)
    assert status == 0 and "expert ucddb002_stage.txt: " in printed
    assert pd.read_csv(tmp_path / "scored" / "ucddb002_stages.csv")["expert"].tolist() == expected
    summary = json.loads((tmp_path / "scored" / "ucddb002_summary.json").read_text())
    epochs = {name: stage["epochs"] for name, stage in summary["agreement"]["stages"].items()}
    assert epochs == {name: expected.count(name) for name in STAGE_NAMES}


def test_channels_are_listed_without_a_checkpoint(capsys, simulated_once, tmp_path):
    path = simulated_once / "sleepedf" / "SC4001E0-PSG.edf"
    assert predict.main([str(path), "--list_channels", "--dir", "nosuch"]) == 0
    printed = capsys.readouterr().out
    assert "SC4001E0-PSG.edf: EDF, 30 min, starts 2000-" in printed
    assert "EEG Fpz-Cz" in printed and "100 Hz  uV" in printed and "Temp rectal" in printed
    assert predict.main([str(path), str(tmp_path / "nosuch.edf"), "--list_channels"]) == 1
    assert "nosuch.edf: no such file" in capsys.readouterr().out


def test_help_waits_for_no_library():
    program = f"""
import sys
sys.path.insert(0, {str(PREDICT.parent)!r})
import predict
try:
    predict.main(["--help"])
except SystemExit:
    pass
print("loaded:", *{{"tensorflow", "mne", "pandas", "matplotlib", "scipy", "edfio", "sklearn"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "--lights_off" in done.stdout and done.stdout.splitlines()[-1].strip() == "loaded:"


# ---- many recordings ----


def test_a_folder_becomes_tables(score, tmp_path):
    (tmp_path / "lab" / "s1").mkdir(parents=True)
    for seed, name in enumerate(("s1/n1", "s1/n2", "alone")):
        write_edf(tmp_path / "lab" / f"{name}.edf", eeg(4, seed))
    (tmp_path / "lab" / "broken.edf").write_bytes(b"no EDF")
    status, printed = score(tmp_path / "lab", tmp_path / "nosuch.edf", "--format", "bids", "--format", "eannot")
    assert status == 1
    lines = printed.splitlines()
    started = next(place for place, line in enumerate(lines) if "computing on" in line)
    early = [line for line in lines[:started] if line.startswith("failed: ")]
    assert "nosuch.edf: no such file" in early[0] and "broken.edf: not a readable EDF" in early[1]
    assert [line.split(",")[0] for line in lines if " of 3" in line] == ["1 of 3", "2 of 3", "3 of 3"]
    table = pd.read_csv(tmp_path / "scored" / "nights.csv", index_col="recording")
    assert list(table.index) == ["alone", "broken", "s1/n1", "s1/n2", "nosuch"]
    assert table["failed"].notna().to_list() == [False, True, False, False, True]
    assert table.loc["s1/n1", "TIB_min"] == 2
    for ending in ("_stages.csv", "_desc-recsleepnet_events.tsv", "_desc-recsleepnet_events.json", "_stages.eannot"):
        assert (tmp_path / "scored" / "s1" / f"n1{ending}").is_file(), ending


def test_a_table_says_which_channel_lights_and_hypnogram_each_has(score, simulated_once, tmp_path):
    night = simulated_once / "sleepedf" / "SC4001E0-PSG.edf"
    shutil.copy(night, tmp_path / "n1.edf")
    shutil.copy(night.with_name("SC4001EC-Hypnogram.edf"), tmp_path / "expert.edf")
    write_edf(tmp_path / "n2.edf", eeg(3))
    (tmp_path / "pairs.csv").write_text(
        "recording;hypnogram;channel;lights_off;group\nn1.edf;expert.edf;EEG Pz-Oz;300;a\nn2.edf;;;;b\n"
    )
    status, printed = score("--table", tmp_path / "pairs.csv")
    assert status == 0 and "n1 (SIMULATED): EEG Pz-Oz (100 Hz)" in printed and "expert expert.edf: " in printed
    table = pd.read_csv(tmp_path / "scored" / "nights.csv", index_col="recording")
    assert table["group"].to_list() == ["a", "b"] and table["channel"].to_list() == ["EEG Pz-Oz", "EEG Fpz-Cz"]
    assert table.loc["n1", "TIB_min"] == 25 and table["kappa"].notna().to_list() == [True, False]
    status, printed = score(tmp_path / "n1.edf", "--table", tmp_path / "pairs.csv")
    assert status == 2 and "pairs.csv says which recordings there are; leave out" in printed


def test_an_interruption_leaves_the_table_of_what_was_scored(score, tmp_path, monkeypatch):
    paths = [write_edf(tmp_path / f"n{number}.edf", eeg(3, number)) for number in range(3)]
    stage = Scorer.stage_planned

    def interrupted(self, opened, plan):
        if opened.name == "n1":
            raise KeyboardInterrupt
        return stage(self, opened, plan)

    monkeypatch.setattr(Scorer, "stage_planned", interrupted)
    status, _ = score(*paths)
    assert status == 130
    assert pd.read_csv(tmp_path / "scored" / "nights.csv")["recording"].to_list() == ["n0"]
    monkeypatch.undo()
    assert score(*paths[1:])[0] == 0
    assert pd.read_csv(tmp_path / "scored" / "nights.csv")["recording"].to_list() == ["n0", "n1", "n2"]


def test_the_table_of_test_nights_is_not_overwritten(score, tmp_path):
    (tmp_path / "scored").mkdir()
    (tmp_path / "scored" / "nights.csv").write_text("night,subject,fold\n")
    status, printed = score(write_edf(tmp_path / "n.edf", eeg(3)))
    assert status == 2 and "nights.csv: is another table" in printed and "computing on" not in printed


def test_a_recording_of_a_data_set_in_another_format_has_its_hypnogram(score, tmp_path):
    arguments = ["--db", "sleepedf", "--subjects", "0", "--hours", "0.2", "--amplifier", "dc_bdf"]
    assert simulate.main([*arguments, "--output_dir", str(tmp_path)]) == 0
    status, printed = score(tmp_path / "SC4001E0-PSG.bdf")
    assert status == 0 and "expert SC4001EC-Hypnogram.edf: " in printed


# ---- what it refuses ----


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nosuch.edf"], "nosuch.edf: no such file"),
        (["NIGHT", "--channel", "Pz-Oz"], "no channel Pz-Oz"),
        (["NIGHT", "--lights_on", "12:00"], "lies between lights off"),
        (["NIGHT", "--format", "luna"], "no format luna: there are bids, eannot, nsrr"),
    ],
)
def test_a_mistake_does_not_wait_for_tensorflow(folds_dir, tmp_path, arguments, message):
    night = write_edf(tmp_path / "night.edf", eeg(3))
    given = [str(night) if word == "NIGHT" else word for word in arguments]
    program = f"""
import sys
sys.path.insert(0, {str(PREDICT.parent)!r})
import predict
status = predict.main({[*given, "--dir", str(folds_dir), "--db", "sleepedf"]!r})
print(status, *{{"tensorflow", "mne", "matplotlib.pyplot", "pandas"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert message in done.stderr and done.stdout.split() == ["2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["NIGHT", "--channel", "Pz-Oz"], "night.edf: no channel Pz-Oz; there are EEG Fpz-Cz"),
        (["NIGHT", "--hypnogram", "nosuch.txt"], "nosuch.txt: no such file"),
        (["NIGHT", "--hypnogram", "h.doc"], "h.doc: .doc is not a supported hypnogram; there are .edf"),
        (["NIGHT", "OTHER", "--hypnogram", "h.txt"], "--hypnogram belongs to one recording, and there are 2"),
        (["NIGHT", "--lights_off", "noon"], "--lights_off noon: give a clock time"),
        (["NIGHT", "--lights_on", "12:00"], "nothing of the recording, 22:00:00 to 22:01:30, lies between"),
        (["NIGHT", "--data_dir", "data"], "--data_dir is an option of the test nights"),
        (["NIGHT", "--skip_missing"], "--skip_missing is an option of the test nights"),
        (["--channel", "C3"], "--channel is an option of recordings: name at least one"),
        (["--list_channels"], "--list_channels is an option of recordings"),
        (
            ["NIGHT", "SAME_NAME"],
            "would be written to the same files, night_…; score one of them with another --output_dir",
        ),
        (["nosuch.edf"], "nosuch.edf: no such file"),
    ],
)
def test_a_mistake_is_one_line_and_status_2(score, tmp_path, arguments, message):
    given = {name: write_edf(tmp_path / f"{name.lower()}.edf", eeg(3)) for name in ("NIGHT", "OTHER")}
    given["h.doc"] = tmp_path / "h.doc"
    given["SAME_NAME"] = tmp_path / "night.bdf"
    given["h.doc"].write_text("W\n")
    status, printed = score(*(given.get(word, word) for word in arguments))
    assert status == 2
    last = printed.splitlines()[-1]
    assert last.startswith("predict.py: error: ") and message in last
    assert not list(tmp_path.glob("scored/*"))


def test_a_fold_of_5_s_epochs_is_refused(score, make_fold, tmp_path):
    make_fold(tmp_path / "output", 0, input_size=500)
    status, printed = score(write_edf(tmp_path / "night.edf", eeg(3)), directory=tmp_path / "output")
    assert status == 2 and "trained on 500 samples an epoch at 100 Hz" in printed


# ---- the real night, through a published checkpoint ----


@pytest.fixture(scope="module")
def real_night(real):
    path = real / "sc4001_232_epochs_30s.npz"
    published = real / "published_checkpoints"
    if not path.is_file() or not published.is_dir():
        pytest.skip("the real night or the published checkpoints are not here (../shared/real)")
    with np.load(path) as night:
        return night["x"].reshape(-1).astype(float), night["y"], published


def test_the_real_night_has_the_same_stages_in_every_form(score, real_night, tmp_path):
    """The published fold 0, which never saw this subject, agrees with the experts in 0.944 of these epochs."""
    samples, expert, published = real_night
    at_128 = resample_poly(samples, 32, 25)
    forms = {
        "uv": write_edf(tmp_path / "uv.edf", samples),
        "mv": write_edf(tmp_path / "mv.edf", samples / 1000, unit="mV"),
        "at_128_hz": write_edf(tmp_path / "at_128_hz.rec", at_128, rate=128),
        "biosemi": write_edf(tmp_path / "biosemi.bdf", samples, bdf=True),
        "vision": write_brainvision(tmp_path / "vision.vhdr", samples),
    }
    assert score(*forms.values(), "--fold", "0", directory=published)[0] == 0
    stages = {name: pd.read_csv(tmp_path / "scored" / f"{name}_stages.csv")["stage"].to_numpy() for name in forms}
    for name, found in stages.items():
        assert np.mean(found == stages["uv"]) >= 0.99, name
        assert np.mean(found == np.array(STAGE_NAMES)[expert]) == pytest.approx(0.944, abs=0.005), name


def write_brainvision(path, samples):
    (samples / 0.05).round().astype("<i2").tofile(path.with_suffix(".eeg"))
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\nNumberOfChannels=1\n"
        "SamplingInterval=10000\n\n[Binary Infos]\nBinaryFormat=INT_16\n\n[Channel Infos]\nCh1=Fpz-Cz,,0.05,µV\n",
        encoding="utf-8",
    )
    return path
