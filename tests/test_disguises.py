"""One person behind six disguises: name, case, cut, polarity, gain, format. prepare.py and trainer.py tell of each."""

from __future__ import annotations

import json
from pathlib import Path

import mne
import numpy as np
import pytest

import prepare
import trainer
from data import load_night, save_night
from tests.support.edf_files import write_edf
from tests.test_fingerprints import eeg

N_EPOCHS = 24
STAGES = ["W", "N1", "N2", "N3", "REM", "N2"] * (N_EPOCHS // 6)
OTHERS = ("P01_night1", "P02", "P03", "P04")
DISGUISES = {
    "name": ("Z1", lambda x: x),
    "cut": ("Z2", lambda x: x[1:-1]),
    "polarity": ("Z3", lambda x: -x),
    "gain": ("Z4", lambda x: 2.5 * x),
    "format": ("Z5_raw", lambda x: x),
}
SHORT = ("--batch_size", "2", "--pretrain_epochs", "0", "--n_jobs", "1")
ONE_SIGNAL = ["P01_night1", *(name for name, _ in DISGUISES.values())]
DESCRIPTION = Path("data/own/dataset.json")
LIKE_P01 = "Z1 (Z1), Z2 (Z2), Z3 (Z3), Z4 (Z4), Z5_raw (Z5_raw): one and the same signal"


def written(folder: Path, name: str, x: np.ndarray, stages: list[str]) -> None:
    """Write a recording, as FIF where its name ends so, and its hypnogram."""
    if name.endswith("_raw"):
        info = mne.create_info(["C4-M1"], 100.0, "eeg")
        mne.io.RawArray(x.reshape(1, -1) * 1e-6, info, verbose="ERROR").save(folder / f"{name}.fif", verbose="ERROR")
    else:
        write_edf(folder / f"{name}.edf", [("C4-M1", 100, "uV", x.reshape(-1).astype(float))])
    (folder / f"{name}.txt").write_text("".join(f"{stage}\n" for stage in stages))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Return a folder in which a data set of the disguised person and three others was prepared and trained on."""
    folder = tmp_path_factory.mktemp("disguises")
    raw = folder / "raw"
    raw.mkdir()
    for seed, name in enumerate(OTHERS):
        written(raw, name, eeg(seed, N_EPOCHS), STAGES)
    written(raw, "p01_night2", eeg(99, N_EPOCHS), STAGES)  # another night, the name in another case
    for name, change in DISGUISES.values():
        x = change(eeg(0, N_EPOCHS))
        written(raw, name, x, STAGES[1:-1] if len(x) < N_EPOCHS else STAGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        prepared = ["--db", "own", "--data_dir", "raw", "--select_ch", "C4-M1", "--n_folds", "3", "--n_jobs", "1"]
        assert prepare.main(prepared) == 0
    return folder


@pytest.fixture
def here(trained, monkeypatch):
    monkeypatch.chdir(trained)
    return trained


def test_prepare_tells_the_case_and_the_signal(here, capsys):
    assert prepare.main(["--db", "own", "--data_dir", "raw", "--select_ch", "C4-M1"]) == 0
    said = capsys.readouterr().out
    assert "p01 and P01 are taken as one person" in said
    assert f"warning: {', '.join(ONE_SIGNAL)}: one and the same signal; keep one, or check which file is whose" in said
    subjects = json.loads(DESCRIPTION.read_text())["subjects"]
    (nights,) = ([night["name"] for night in one["nights"]] for one in subjects if one["name"] == "P01")
    assert nights == ["P01_night1", "p01_night2"]


def test_trainer_tells_every_disguise_before_it_trains(here, capsys):
    assert trainer.main(["--db", "own", "--from_fold", "1", "--to_fold", "1", "--gpu", "-1", "--check"]) == 1
    said = capsys.readouterr().out
    assert f"warning: P01_night1 (P01), {LIKE_P01}" in said
    assert "fold 1: it tests the very signals that it learns from: " in said


def test_nights_that_were_prepared_before_there_were_fingerprints_are_told_too(here, tmp_path, capsys):
    folder = tmp_path / "data" / "own"
    folder.mkdir(parents=True)
    (folder / "dataset.json").write_bytes(DESCRIPTION.read_bytes())
    for path in Path("data/own").glob("*.npz"):
        night = load_night(path)
        del night.source["fingerprint"]
        save_night(folder / path.name, night)
    check = ["--db", "own", "--from_fold", "1", "--to_fold", "1", "--gpu", "-1", "--data_dir", str(tmp_path / "data")]
    assert trainer.main([*check, "--check"]) == 1
    assert f"warning: P01_night1 (P01), {LIKE_P01}" in capsys.readouterr().out
