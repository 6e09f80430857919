"""prepare.py on recordings of one's own: six formats and kinds of hypnogram in one folder, and what goes wrong."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import mne
import numpy as np
import pytest

import prepare
from data import Night, load_night, save_night
from recordings.dataset_file import FILE, find_dataset, load_description
from recordings.edf import open_edf
from recordings.opening import open_recording
from simulating.layouts import OWN_KINDS, simulate

ROOT = Path(__file__).parent.parent
HOURS = 0.25


@pytest.fixture(scope="module")
def six_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of six recordings; the fifth is a FIF."""
    folder = tmp_path_factory.mktemp("six")
    simulate("own", folder, range(1, 7), HOURS, seed=0)
    opened = open_edf(folder / "P05.edf")
    volts = np.stack([opened.read(i, 0, opened.headers[i].n_samples) for i in range(2)]) / 1e6
    raw = mne.io.RawArray(volts, mne.create_info(["C4-M1", "C3-M2"], 256.0, "eeg"), verbose="ERROR")
    raw.save(folder / "P05_raw.fif", verbose="ERROR")
    (folder / "P05.edf").unlink()
    return folder


@pytest.fixture
def six(six_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(six_once, tmp_path / "raw")
    return tmp_path / "raw"


def run(*options: str) -> int:
    return prepare.main(["--db", "own", *options])


OWN = ("--data_dir", "raw", "--select_ch", "C4-M1")


def test_six_recordings_become_a_data_set(six, capsys):
    assert run(*OWN) == 0
    said = capsys.readouterr().out
    pairs = (
        "P01.edf      P01_hypnogram.csv",
        "P04.edf      its own annotations",
        "P06.edf      Sleep profile - P06.txt",
    )
    assert all(pair in said for pair in pairs)
    assert "6 of them simulated" not in said  # the FIF says nothing of it
    assert "train on it: python trainer.py --db own --from_fold 0 --to_fold 5" in said
    description = load_description(Path("data/own"))
    assert description and description.n_folds == 6
    assert [one.name for one in description.subjects] == ["P01", "P02", "P03", "P04", "P05_raw", "P06"]
    for subject in description.subjects:
        (one,) = subject.nights
        night = load_night(Path("data/own") / f"{one.name}.npz")
        assert (len(night), night.fs, night.ch_label) == (one.epochs, 100, "C4-M1")
        assert one.recorded_hz == 256
    assert find_dataset("own", "data").n_folds == 6


def test_every_hypnogram_is_that_of_its_recording(six):
    """The same night is written with the other kinds of hypnogram; all must be prepared alike."""
    nights = []
    for number, (_, kind) in enumerate(OWN_KINDS):
        folder = Path(f"kind{number}")
        folder.mkdir()
        name = OWN_KINDS[number][0].format(1)
        start, stages = open_recording(six / "P01.edf").start, [stage for stage in "W112234RR?W" for _ in range(2)]
        shutil.copy(six / ("P04.edf" if kind is None else "P01.edf"), folder / "P01.edf")
        if kind is not None and start:
            (folder / name).write_text(kind(stages, start))
            assert run("--data_dir", str(folder), "--select_ch", "C4-M1", "--output_dir", f"{folder}/out") == 0
            nights.append(load_night(folder / "out" / "P01.npz"))
    assert len(nights) == 5
    for night in nights:
        assert night.y.tolist() == nights[0].y.tolist()
        assert np.array_equal(night.x, nights[0].x)


def test_a_dry_run_shows_the_pairing_and_writes_nothing(six, capsys):
    assert run("--data_dir", "raw", "--dry_run") == 0
    said = capsys.readouterr().out
    assert "6 recordings of 6 subjects" in said and "raw/P01.edf has C4-M1, C3-M2, EMG" in said
    assert not Path("data").exists()
    (six / "P02.txt").unlink()
    assert run("--data_dir", "raw", "--dry_run") == 1
    assert "P02: no hypnogram by any rule" in capsys.readouterr().out


def test_what_cannot_be_prepared_is_named_and_the_others_are_prepared(six, capsys):
    (six / "P02.txt").unlink()
    (six / "P03_staging.csv").write_text("stage\nW\n")
    (six / "P05.eannot").write_text("W\nN7\n")
    (six / "P00.edf").write_bytes(b"no EDF")
    assert run(*OWN) == 1
    said = capsys.readouterr().out
    assert "P02: no hypnogram by any rule, and no stages in its own annotations" in said
    assert "P00.edf: not a readable EDF file" in said
    assert "P03: several hypnograms fit it by name (P03-nsrr.xml, P03_staging.csv)" in said
    assert "unknown stage 'N7' in line 2; there are w, wake" in said
    description = load_description(Path("data/own"))
    assert description and [one.name for one in description.subjects] == ["P01", "P04", "P06"]
    assert description.n_folds == 3


def test_folds_stay_when_more_is_prepared(six):
    assert run(*OWN, "--subjects", "P01", "P02", "P03") == 0
    before = load_description(Path("data/own"))
    assert run(*OWN) == 0
    after = load_description(Path("data/own"))
    assert before and after and after.n_folds == before.n_folds == 3
    assert [one.fold for one in after.subjects[:3]] == [one.fold for one in before.subjects]


def test_what_a_command_does_not_name_is_in_none_of_its_folds(six, capsys):
    assert run(*OWN, "--subjects", "P04", "P06") == 0
    assert run(*OWN, "--subjects", "P01", "P02", "P03") == 0
    assert "this command does not name them: P04, P06; to have them, name them, with --add" in capsys.readouterr().out
    dataset = find_dataset("own", "data")
    assert sorted(name for names in dataset.night_names.values() for name in names) == ["P01", "P02", "P03"]
    assert dataset.n_folds == 3
    assert run(*OWN, "--subjects", "P05_raw", "--add") == 0
    after = find_dataset("own", "data")
    assert sorted(name for names in after.night_names.values() for name in names) == ["P01", "P02", "P03", "P05_raw"]
    assert {one: after.fold_of[one] for one in dataset.fold_of} == dataset.fold_of


def test_inputs_that_changed_are_noticed_and_taken_when_asked(six, capsys):
    three = (*OWN, "--subjects", "P01", "P02", "P03")
    assert run(*three) == 0
    night = Path("data/own/P01.npz")
    before = load_night(night)
    hypnogram = six / "P01_hypnogram.csv"
    hypnogram.write_text(hypnogram.read_text().replace("N1", "N2"))
    capsys.readouterr()
    assert run(*three) == 0
    said = capsys.readouterr().out
    assert "the hypnogram P01_hypnogram.csv is not what this night was prepared from any more" in said
    assert said.count("is not what this night") == 2, "where it is prepared, and in the table at the end"
    assert np.array_equal(load_night(night).y, before.y)
    assert run(*three, "--overwrite") == 0
    assert 1 in before.y and 1 not in load_night(night).y
    shutil.copy(six / "P06.edf", six / "P01.edf")
    capsys.readouterr()
    assert run(*three) == 0
    assert "the recording P01.edf is not what" in capsys.readouterr().out
    (six / "P01.edf").write_bytes(b"no EDF")
    assert run(*three, "--overwrite") == 1
    description = load_description(Path("data/own"))
    assert description and description.n_folds == 3, "what failed leaves the night that is there in its fold"


def test_a_pairing_table_decides(six, capsys):
    table = six / "pairs.csv"
    rows = ["recording,hypnogram,subject,night,channel,group", "P01.edf,P01_hypnogram.csv,A,1,C3-M2,x"]
    rows += ["P02.edf,,A,2,,x", "P03.edf,,B,1,,y", "P04.edf,P04.edf,C,1,,y", "P06.edf,,D,1,,x"]
    table.write_text("\n".join(rows))
    assert run("--table", "raw/pairs.csv", "--select_ch", "C4-M1", "--n_folds", "3", "--stratify", "group") == 0
    description = load_description(Path("data/own"))
    assert description and description.stratified_by == "group"
    first, *_ = description.subjects
    assert (first.name, [night.channel for night in first.nights]) == ("A", ["C3-M2", "C4-M1"])
    assert first.columns == {"group": "x"}
    assert run("--table", "raw/pairs.csv", *OWN) == 2
    assert "leave out --data_dir" in capsys.readouterr().err


def test_other_ways_to_read_hypnograms_prepare_again(six, capsys):
    for name in six.iterdir():
        if not name.name.startswith("P02"):
            name.unlink()
    numbers = {"Wake": 0, "N1": 1, "N2": 2, "N3": 3, "REM": 4, "Movement": -1, "?": -2}
    path = six / "P02.txt"
    path.write_text("\n".join(str(numbers[line]) for line in path.read_text().split()))
    assert run(*OWN) == 1
    assert "--stage_map rk" in capsys.readouterr().out
    assert run(*OWN, "--stage_map", "aasm") == 0
    assert run(*OWN, "--stage_map", "aasm") == 0
    assert "P02: already there" in capsys.readouterr().out
    (six / "map.csv").write_text("".join(f"{number},{'W' if number else 'N2'}\n" for number in range(-2, 5)))
    assert run(*OWN, "--stage_map", "raw/map.csv") == 0
    assert "prepared before with read_as" in capsys.readouterr().out


def test_bids(six):
    root = Path("bids")
    for number in (1, 3):
        eeg = root / f"sub-{number:02d}" / "ses-1" / "eeg"
        eeg.mkdir(parents=True)
        shutil.copy(six / f"P{number:02d}.edf", eeg / f"sub-{number:02d}_ses-1_task-sleep_eeg.edf")
        events = "onset\tduration\ttrial_type\n0\t300\tWake\n60\t2\tarousal\n300\t600\tN2\n"
        (eeg / f"sub-{number:02d}_ses-1_task-sleep_events.tsv").write_text(events)
    (root / "dataset_description.json").write_text("{}")
    (root / "participants.tsv").write_text("participant_id\tgroup\nsub-01\tx\nsub-03\ty\n")
    assert run("--data_dir", "bids", "--select_ch", "C4-M1") == 0
    description = load_description(Path("data/own"))
    assert description and description.n_folds == 0
    first, second = description.subjects
    assert (first.name, first.nights[0].night, first.columns) == ("01", "1", {"group": "x"})
    assert second.name == "03"


def test_nights_in_folders_of_one_name_keep_their_folders(six):
    for number in (1, 2):
        folder = Path(f"own/P{number:02d}")
        folder.mkdir(parents=True)
        shutil.copy(six / f"P{number:02d}.edf", folder / "psg.edf")
        (folder / "hypnogram.txt").write_text("Wake\nN1\nN2\n" * 10)
    assert run("--data_dir", "own", "--select_ch", "C4-M1") == 0
    assert sorted(path.name for path in Path("data/own").glob("*.npz")) == ["P01_psg.npz", "P02_psg.npz"]


def test_prepared_nights_of_other_programs_are_taken_as_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "data" / "tiny"
    folder.mkdir(parents=True)
    x, y = np.zeros((4, 3000, 1), np.float32), np.array([0, 1, 2, 3])
    for name in ("SC4001E0", "SC4002E0", "SC4011E0", "SC4021E0"):
        np.savez(folder / f"{name}.npz", x=x, y=y, fs=100.0, ch_label="EEG Fpz-Cz")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert prepare.main(["--db", "tiny", "--data_dir", "data/tiny"]) == 0
    assert {path.name: path.read_bytes() for path in folder.glob("*.npz")} == before
    dataset = find_dataset("tiny", "data")
    assert (dataset.n_folds, dataset.channel) == (3, "EEG Fpz-Cz")
    assert {dataset.subject_of(name) for name in ("SC4001E0", "SC4002E0")} == {0}
    assert prepare.main(["--db", "other", "--data_dir", "data/tiny"]) == 2
    assert "give --db tiny and no --output_dir" in capsys.readouterr().err
    save_night(folder / "bad.npz", Night("bad", x[:, :, 0], np.array([0, 1, 2, 9], np.int32)))
    assert prepare.main(["--db", "tiny", "--data_dir", "data/tiny"]) == 2


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--data_dir", "raw"), "--select_ch: say which channel; raw/P01.edf has C4-M1, C3-M2, EMG"),
        (("--data_dir", "none"), "no folder none"),
        ((*OWN, "--subjects", "P9"), "--subjects P9: no such subject; there are P01, P02"),
        ((*OWN, "--columns", "phase=x"), "--columns phase=x: give stage=NAME"),
        ((*OWN, "--epoch_seconds", "0"), "--epoch_seconds 0: must be from 1"),
        ((*OWN, "--stage_map", "none.csv"), "--stage_map none.csv: no such file"),
        ((*OWN, "--subject_pattern", "{who}"), "--subject_pattern {who}"),
    ],
)
def test_a_users_mistake_is_one_line(six, capsys, options, reason):
    assert run(*options) == 2
    assert reason in capsys.readouterr().err
    assert not Path("data").exists()


def test_the_name_of_a_published_data_set_is_refused(capsys):
    assert prepare.main(["--db", "isruc"]) == 2
    assert "is the name of a published data set; prepare it with prepare_isruc.py" in capsys.readouterr().err


def test_the_command_line(six):
    command = [sys.executable, str(ROOT / "prepare.py"), "--db", "own", *OWN, "--subjects", "P01"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "1 subjects: folds need 3" in done.stdout
    assert json.loads(Path("data/own", FILE).read_text())["subjects"][0]["name"] == "P01"
