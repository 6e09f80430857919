"""The door for Python: whatever a recording comes as, it gets the stages that predict.py gives it."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

import predict
from command import InputError
from folds import folders
from recordings.channels import Channel
from recordings.opening import one_channel, open_recording
from scoring import ScoredNight, Scorer
from scoring.scorer import dataset_for_recordings
from simulating.eeg import simulate_eeg
from sleepstage import EPOCH_SECONDS
from tests.support.edf_files import write_edf

pytest_plugins = ["tests.support.folds_on_disk"]

STAGES = "WWWW111222222444444RRRRR"
N_EPOCHS = len(STAGES)
LABEL = "EEG Fpz-Cz"


def eeg(n_epochs, seed=0):
    return np.random.default_rng(seed).normal(0, 20, n_epochs * 3000)


@pytest.fixture(scope="module")
def scorer(folds_dir):
    return Scorer(folds_dir, "sleepedf", gpu=-1)


@pytest.fixture(scope="module")
def shipped():
    """The folds in the box, which know the stages apart."""
    return Scorer(gpu=-1)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Return an EDF recording with two channels, the second of which holds a short sleep."""
    generated = simulate_eeg(list(STAGES), 100, np.random.default_rng(4)).reshape(-1)
    signals = [("EOG", 100, "uV", eeg(N_EPOCHS, 1)), (LABEL, 100, "uV", generated)]
    return write_edf(tmp_path_factory.mktemp("recordings") / "night.edf", signals, datetime(2001, 2, 3, 22, 0, 0))


@pytest.fixture(scope="module")
def by_predict(path, tmp_path_factory):
    """Return the folder that predict.py wrote of the same recording."""
    output = tmp_path_factory.mktemp("scored")
    assert predict.main([str(path), "--gpu", "-1", "--output_dir", str(output)]) == 0
    return output


@pytest.fixture(scope="module")
def night(shipped, path):
    return shipped.stage(path)


def samples_of(path):
    signal = one_channel(open_recording(path), Channel(LABEL, 1))
    return signal.read(0, signal.n_samples)


def raw_in_memory(path):
    info = mne.create_info(["EOG", LABEL], 100, "eeg")
    return mne.io.RawArray(np.stack([eeg(N_EPOCHS, 1), samples_of(path)]) / 1e6, info, verbose="ERROR")


# ---- whatever it comes as ----


@pytest.mark.parametrize(
    "stage",
    [
        lambda scorer, path: scorer.stage(path),
        lambda scorer, path: scorer.stage(str(path)),
        lambda scorer, path: scorer.stage(mne.io.read_raw_edf(path, verbose="ERROR")),
        lambda scorer, path: scorer.stage(raw_in_memory(path)),
        lambda scorer, path: scorer.stage(samples_of(path), rate=100, channel=LABEL),
        lambda scorer, path: scorer.stage(list(map(float, samples_of(path))), rate=100.0),
    ],
    ids=["path", "text", "raw", "raw in memory", "array", "list"],
)
def test_every_form_gets_the_stages_of_predict(shipped, path, by_predict, stage):
    table = pd.read_csv(by_predict / "night_stages.csv")
    staged = stage(shipped, path)
    assert isinstance(staged, ScoredNight)
    assert staged.to_frame()["stage"].tolist() == table["stage"].tolist()
    assert len(set(table["stage"])) >= 4, "stages that are all alike would prove nothing"
    np.testing.assert_allclose(staged.probabilities, table.filter(regex="^p_").to_numpy(), atol=2e-3)


def test_a_recording_that_mne_has_opened_keeps_its_name_and_clock(scorer, path):
    raw = mne.io.read_raw_edf(path, verbose="ERROR")
    staged = scorer.stage(raw)
    assert (staged.name, staged.format, staged.start) == ("night", "MNE Raw", datetime(2001, 2, 3, 22, 0, 0))
    assert staged.path == path
    memory = scorer.stage(raw_in_memory(path))
    assert (memory.name, memory.path, memory.start) == ("raw", None, None)
    assert "clock" not in memory.to_frame()


def test_channels_are_chosen_by_name(scorer, path):
    assert [channel.label for channel in scorer.stage(path, channel="EOG").channels] == ["EOG"]
    both = scorer.stage(path, channel=["EOG", LABEL])
    assert [channel.label for channel in both.channels] == ["EOG", LABEL]


def test_lights_are_read_as_in_predict(scorer, path):
    staged = scorer.stage(path, lights_off="22:01", lights_on=180)
    assert (staged.lights_off, staged.lights_on, staged.statistics["TIB_min"]) == (60, 180, 2)
    with pytest.raises(InputError, match="lights_off noon: give a clock time"):
        scorer.stage(path, lights_off="noon")


def test_a_hypnogram_is_compared(scorer, path, tmp_path):
    (tmp_path / "ucddb002_stage.txt").write_text("0\n" * N_EPOCHS)
    staged = scorer.stage(path, hypnogram=tmp_path / "ucddb002_stage.txt")
    assert staged.expert.tolist() == [0] * N_EPOCHS
    assert staged.agreement.accuracy == np.mean(staged.stages == 0)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        (np.zeros(6000), {}, "rate is missing"),
        (np.zeros((2, 6000)), {"rate": 100}, r"array: an array of float64 and shape \(2, 6000\); give one channel"),
        (np.zeros(6000), {"rate": 0, "name": "mine"}, "mine: rate is 0"),
        (eeg(1)[:2900], {"rate": 100}, r"array: 29 s of signal, and no whole epoch \(30 s\) in it"),
        ("nosuch.edf", {}, "nosuch.edf: no such file"),
    ],
)
def test_what_is_no_recording_is_refused(scorer, given, options, message):
    with pytest.raises(InputError, match=message):
        scorer.stage(given, **options)


# ---- whom the folds have seen ----


def folds_of(staged):
    return [fold.run.fold for fold in staged.folds]


def test_an_array_named_as_a_night_is_left_to_folds_that_never_saw_it(scorer):
    assert folds_of(scorer.stage(eeg(2), rate=100, channel=LABEL)) == [0, 4]
    assert folds_of(scorer.stage(eeg(2), rate=100, channel=LABEL, name="SC4001E0")) == [0]
    assert folds_of(scorer.stage(eeg(2), rate=100, channel=LABEL, name="SC4042E0-PSG")) == [4]
    seen = scorer.stage(eeg(2), rate=100, channel=LABEL, name="SC4011E0")
    assert folds_of(seen) == [0, 4] and any("was in the training of every fold" in one for one in seen.warnings)


def test_a_raw_of_a_night_is_left_to_folds_that_never_saw_it(scorer, tmp_path):
    path = write_edf(tmp_path / "SC4041E0-PSG.edf", [(LABEL, 100, "uV", eeg(2))])
    assert folds_of(scorer.stage(mne.io.read_raw_edf(path, verbose="ERROR"))) == [4]


# ---- a scored night ----


def test_its_picture_is_a_figure(night):
    figure = night.plot()
    assert isinstance(figure, Figure)
    assert [axes.get_ylabel() for axes in figure.axes[:4]] == ["Model", "", "Probability", "Frequency (Hz)"]
    assert figure.axes[0].get_title(loc="left").startswith(f"night, {LABEL}\nTST ")


def test_it_saves_the_files_of_predict(night, by_predict, tmp_path):
    written = night.save(tmp_path / "new" / "folder", svg=True)
    assert [path.name for path in written] == [
        "night_stages.csv", "night_stages.edf", "night_summary.json", "night_hypnogram.png", "night_hypnogram.svg",
    ]  # fmt: skip
    there = [path for path in (tmp_path / "new" / "folder").iterdir() if path.name[0] != "."]  # a lock is no output
    assert sorted(written) == sorted(there)
    for path in written[:4]:
        assert path.read_bytes() == (by_predict / path.name).read_bytes(), path.name


def test_what_was_in_memory_is_saved_under_its_name(scorer, tmp_path):
    staged = scorer.stage(eeg(2), rate=100, name="mine")
    assert {path.name.partition("_")[0] for path in staged.save(tmp_path)} == {"mine"}
    summary = json.loads((tmp_path / "mine_summary.json").read_text())
    assert summary["file"] is None and summary["format"] == "array"


def test_what_is_saved_is_not_overwritten_by_another_of_its_name(scorer, tmp_path):
    one, other = (scorer.stage(eeg(2, seed), rate=100, name="mine") for seed in (0, 1))
    one.save(tmp_path)
    one.save(tmp_path)
    with pytest.raises(InputError, match=r"mine_summary.json: is of another recording, mine; choose another output"):
        other.save(tmp_path)
    other.save(tmp_path / "other")


def test_a_folder_that_cannot_be_made_is_the_users_error(night, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot make the folder"):
        night.save(tmp_path / "file")


def test_its_table_has_a_row_an_epoch(night):
    table = night.to_frame()
    assert len(table) == N_EPOCHS and list(table["onset_s"]) == [EPOCH_SECONDS * epoch for epoch in range(N_EPOCHS)]
    assert table["clock"].tolist()[:2] == ["22:00:00", "22:00:30"]


def test_it_describes_itself(night, scorer, shipped):
    counts = ", ".join(f"{name} {count}" for name, count in night.stage_counts().items())
    assert repr(night).startswith(f"<ScoredNight night: {LABEL}, {N_EPOCHS} epochs ({counts})")
    assert repr(scorer) == "<Scorer sleepedf, folds 0, 4>"
    assert repr(shipped) == "<Scorer sleepedf, folds 0, 1, 2, 3, 4>"


# ---- the scorer itself ----


def test_one_fold_may_be_chosen(folds_dir, path):
    scorer = Scorer(folds_dir, "sleepedf", fold=4, gpu=-1)
    assert repr(scorer) == "<Scorer sleepedf, fold 4>"
    assert folds_of(scorer.stage(path)) == [4]
    with pytest.raises(InputError, match="fold 7 is not there; there are folds 0, 4"):
        Scorer(folds_dir, "sleepedf", fold=7, gpu=-1)


def test_without_a_data_set_named_the_one_that_is_there_scores(folds_dir):
    assert repr(Scorer(folds_dir, gpu=-1)) == "<Scorer sleepedf, folds 0, 4>"


def test_of_several_data_sets_the_default_scores_or_one_is_named(tmp_path):
    for db in ("sleepedfx", "ucddb"):
        folders.fold_folder(tmp_path, db, None, 0).mkdir(parents=True)
    with pytest.raises(InputError, match="holds checkpoints of sleepedfx, ucddb; choose one with db"):
        dataset_for_recordings(tmp_path, None, None)
    assert dataset_for_recordings(tmp_path, "ucddb", None).name == "ucddb"
    folders.fold_folder(tmp_path, "isruc", None, 0).mkdir(parents=True)
    assert dataset_for_recordings(tmp_path, None, None).name == "isruc"


def test_folds_of_5_s_epochs_are_refused(make_fold, tmp_path):
    make_fold(tmp_path, 0, input_size=500)
    with pytest.raises(InputError, match="trained on 500 samples an epoch at 100 Hz"):
        Scorer(tmp_path, gpu=-1)


# ---- in a process of its own ----


def test_importing_it_prints_nothing_and_loads_no_library():
    program = """
import sys
from scoring import Scorer, ScoredNight
heavy = {"tensorflow", "mne", "pandas", "matplotlib", "scipy", "edfio", "sklearn"} & set(sys.modules)
sys.exit(f"loaded: {heavy}" if heavy else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(predict.__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
