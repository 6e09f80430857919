"""ISRUC: channels of every subject, the numbering, both experts, and the command on whole folders."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from command import InputError
from data import load_night
from folds import split
from prepare_isruc import OFFICIAL_SLEEP, main, nights_in, official_verdict, wanted_subjects
from recordings.channels import resolve_channel
from recordings.datasets import DATASETS, ISRUC
from recordings.prepare_command import PREPARED, Outcome

pytest_plugins = ["tests.support.raw_recordings"]

ROOT = Path(__file__).parent.parent


def prepare(raw, tmp_path, *options):
    return main(["--data_dir", str(raw), "--output_dir", str(tmp_path / "out"), *options])


def prepared_nights(tmp_path):
    return {path.stem: load_night(path, 3000, 100) for path in sorted((tmp_path / "out").iterdir())}


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


# ---- what the release holds ----


def test_c3_a2_is_found_in_every_subject(real):
    used = {}
    for row in rows(real / "isruc" / "channel_names_by_subject.csv"):
        labels = row["channels"].split(", ")
        used[row["group"], int(row["subject"])] = resolve_channel("C3-A2", labels).label
    assert used.pop(("non_normal", 40)) == "C3 - A2"  # derived from single electrodes
    assert set(used.values()) == {"C3-A2", "C3-M2"}
    assert len(used) == 109  # 99 more of subgroup I, 10 healthy ones


def test_the_official_counts_are_the_column_sums(real):
    own = [row for row in rows(real / "isruc" / "isruc_label_counts.csv") if row["group"] == "non_normal"]
    assert [int(row["subject"]) for row in own] == list(ISRUC.subjects)
    stages = ("label_1", "label_2", "label_3", "label_5")
    sums = [sum(float(row[stage]) for row in own if row["subject"] != "40") for stage in stages]
    assert tuple(sums) == OFFICIAL_SLEEP


# ---- the command ----


def test_a_folder_is_prepared(raw, tmp_path, capsys):
    folder = raw("isruc")
    (folder / "1" / "1_1.xlsx").touch()
    (folder / "7.rar").touch()
    (folder / "notes").mkdir()
    assert prepare(folder, tmp_path) == 0
    nights = prepared_nights(tmp_path)
    assert {name: night.ch_label for name, night in nights.items()} == {"subject0": "C3-A2", "subject1": "C3-M2"}
    for number, night in enumerate(nights.values(), 1):
        codes = np.loadtxt(folder / str(number) / f"{number}_1.txt", dtype=int)
        assert night.y.tolist() == [{5: 4}.get(code, code) for code in codes]  # half an hour: nothing to trim
        assert (night.source["signal_rate"], night.source["hypnogram_file"]) == (200, f"{number}_1.txt")
        assert 5 < np.median(night.x.std(axis=1)) < 100
    out = capsys.readouterr().out
    assert "subjects 1-39 become subject0-subject38, subjects 41-100 become subject39-subject98" in out
    assert "subject 40 is left out: unreferenced electrodes (--include_subject_40)" in out
    assert "channel C3-A2: using C3-M2" in out
    assert "the official table is for 99 whole nights" in out


def test_trainer_finds_them(raw, tmp_path):
    prepare(raw("isruc"), tmp_path)
    found = split.prepared_nights(DATASETS["isruc"], tmp_path / "out", DATASETS["isruc"].subjects, skip_missing=True)
    assert [subject for subject, nights in found.items() if nights] == [0, 1]


def test_subject_40_is_derived_on_request(raw, tmp_path, capsys):
    folder = raw("isruc")
    assert prepare(folder, tmp_path, "--include_subject_40", "--subjects", "40") == 0
    night = prepared_nights(tmp_path)["subject99"]
    assert night.ch_label == "C3 - A2"
    # Both electrodes carry the same noise of 10 µV; in N1, some 10 µV itself, the difference shows that it is gone.
    assert np.median(night.x[night.y == 1].std(axis=1)) < 13
    assert "channel C3-A2: using C3 - A2" in capsys.readouterr().out
    assert prepare(folder, tmp_path, "--subjects", "40") == 2
    assert "--subjects 40: is left out unless you give --include_subject_40" in capsys.readouterr().err
    assert prepare(folder, tmp_path, "--subjects", "1-40") == 1
    out = capsys.readouterr().out
    assert "subject 3: no recording in" in out
    assert "subject 40: no recording" not in out


@pytest.mark.parametrize("subjects", [["40"], ["40", "1"], ["40,1"], ["1,40"], ["1", "2,40,3"], ["040"], ["40-40"]])
def test_subject_40_by_its_number_is_refused_however_it_is_written(raw, tmp_path, capsys, subjects):
    assert prepare(raw("isruc"), tmp_path, "--subjects", *subjects) == 2
    error = capsys.readouterr().err
    assert "--subjects 40: is left out unless you give --include_subject_40" in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "include", "wanted"),
    [
        (None, False, None),
        (["39-41"], False, (39, 41)),
        (["1,", "39-41"], False, (1, 39, 41)),
        (["39-41"], True, (39, 40, 41)),
        (["40,1"], True, (1, 40)),
    ],
)
def test_a_range_leaves_subject_40_out_without_a_word(given, include, wanted):
    assert wanted_subjects(given, include) == wanted


def test_only_the_chosen_expert_counts(tmp_path):
    for name in ("2.rec", "2_1.txt"):
        (tmp_path / "2").mkdir(exist_ok=True)
        (tmp_path / "2" / name).touch()
    assert nights_in(tmp_path, 1)[0].pair() == (tmp_path / "2" / "2.rec", tmp_path / "2" / "2_1.txt")
    with pytest.raises(InputError, match=r"no hypnogram 2/2_2.txt to go with"):
        nights_in(tmp_path, 2)[0].pair()


def test_the_other_expert_makes_another_night(raw, tmp_path, capsys):
    folder = raw("isruc")
    assert prepare(folder, tmp_path, "--subjects", "1") == 0
    one = prepared_nights(tmp_path)["subject0"]
    assert prepare(folder, tmp_path, "--subjects", "1", "--expert", "2") == 0
    two = prepared_nights(tmp_path)["subject0"]
    assert "prepared before with hypnogram_file 1_1.txt instead of 1_2.txt" in capsys.readouterr().out
    assert (one.x == two.x).all()
    assert 0 < (one.y != two.y).mean() < 0.2


def test_the_last_30_epochs_can_be_left_out(raw, tmp_path):
    folder = raw("isruc")
    assert prepare(folder, tmp_path, "--subjects", "1") == 0
    whole = prepared_nights(tmp_path)["subject0"]
    assert prepare(folder, tmp_path, "--subjects", "1", "--drop_last_30") == 0
    cleaned = prepared_nights(tmp_path)["subject0"]
    assert cleaned.y.tolist() == whole.y[:-30].tolist()
    assert (cleaned.x == whole.x[:-30]).all()


def test_one_bad_night_does_not_lose_the_others(raw, tmp_path, capsys):
    folder = raw("isruc")
    (folder / "1" / "1_1.txt").write_text("0\n\n4\n")
    (folder / "5").mkdir()
    (folder / "5" / "5_1.txt").write_text("0\n" * 60)
    assert prepare(folder, tmp_path) == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["subject1.npz"]
    out = capsys.readouterr().out
    assert "1_1.txt: unknown stage '4' in line 3; there are 0, 1, 2, 3, 5" in out
    assert "subject4: no signal 5/5.rec to go with" in out


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda folder: (folder / "2_1.txt").unlink(), "no hypnogram 2/2_1.txt to go with"),
        (
            lambda folder: (folder / "2_1.txt").write_text("0\n" * 200),
            "the hypnogram has 200 epochs of 30 s and no clock, the recording 60: check that it is of this recording",
        ),
        (lambda folder: (folder / "2.rec").write_bytes(b"no EDF"), "2.rec: not a readable EDF file"),
    ],
)
def test_what_is_wrong_with_a_night_is_said(raw, tmp_path, capsys, spoil, message):
    folder = raw("isruc")
    spoil(folder / "2")
    assert prepare(folder, tmp_path, "--subjects", "2") == 1
    assert message in capsys.readouterr().out
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    "files, message",
    [
        ([], "no nights: no N/N.rec in it (N from 1 to 100); fetch N.rar of subgroup I and unpack it there"),
        (["1.rar", "2.rar"], "unpack the 2 .rar files there"),
        (["1/2.rec", "101/101.rec"], "no nights: no N/N.rec in it"),
    ],
)
def test_a_folder_without_nights_is_a_mistake(tmp_path, capsys, files, message):
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert prepare(tmp_path, tmp_path) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "options, message",
    [(["--subjects", "101"], "the data set has subjects 1-100"), (["--data_dir", "no"], "no folder no")],
)
def test_mistakes_are_one_line_and_status_2(simulated_once, tmp_path, capsys, options, message):
    assert prepare(simulated_once / "isruc", tmp_path, *options) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


# ---- the closing comparison ----


def outcomes(change=0, n_nights=99, drop_last=0):
    source = {"drop_last": drop_last}
    empty = [Outcome(f"subject{i}", PREPARED, source=source) for i in range(1, n_nights)]
    counts = (0, OFFICIAL_SLEEP[0] + change, *OFFICIAL_SLEEP[1:])
    return [Outcome("subject0", PREPARED, counts, source), *empty]


def test_whole_sets_are_compared_with_the_official_table():
    assert "99 subjects: sleep stages match the official table to 1 %" in official_verdict(outcomes(change=100))
    assert "99 subjects: sleep stages DIFFER from the official table" in official_verdict(outcomes(change=200))
    assert "match" in official_verdict(
        [*outcomes(), Outcome("subject99", PREPARED, (5, 999, 999, 9, 9), {"drop_last": 0})]
    )
    assert "nothing to compare" in official_verdict(outcomes(n_nights=98))
    assert "nothing to compare" in official_verdict(outcomes(drop_last=30))


def test_the_script_runs_as_a_process(simulated_once, tmp_path):
    command = [sys.executable, ROOT / "prepare_isruc.py", "--data_dir", simulated_once / "isruc", "--subjects", "1"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stderr) == (0, "")
    assert [path.name for path in (tmp_path / "data" / "isruc").iterdir()] == ["subject0.npz"]
