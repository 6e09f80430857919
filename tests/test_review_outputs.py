"""The outputs of a reviewed night say what the human said and what the model said, and nothing else changes."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import mne
import numpy as np
import pytest

import review
from command import InputError
from evaluation.nights import read_scored
from files.writing import save_json
from recordings.finding import Found
from recordings.hypnograms import read_file
from reviewing.journal import Journal, review_file
from reviewing.outputs import power_of, read_reviewed, recording_of, scored_channel, write_outputs
from scoring import metrics
from scoring.formats import WRITERS, write_formats
from scoring.kept import read_kept
from scoring.night_table import add_rows, night_row
from scoring.report import write_report
from sleepstage import STAGE_NAMES, UNKNOWN
from tests.support.scored_nights import a_scored_night
from tests.support.staged_nights import N_EPOCHS, STAGES

SAID = {5: "W", 91: "N1", 92: "REM", 93: "?", 101: "N2"}
"""By epoch: the model has W, N3, N3, N3 and nothing."""
CODES = {name: code for code, name in enumerate(STAGE_NAMES)} | {"?": UNKNOWN}


@pytest.fixture(scope="module")
def as_scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    a_scored_night(folder, expert=STAGES.astype(np.int32), expert_file=folder / "expert.csv")
    say(folder / "scored", SAID)
    return folder


@pytest.fixture
def scored(as_scored, tmp_path):
    """A folder in which a human reviewed the only night, and nobody wrote its outputs again."""
    shutil.copy(as_scored / "night.edf", tmp_path / "night.edf")
    folder = Path(shutil.copytree(as_scored / "scored", tmp_path / "scored"))
    summary = folder / "night_summary.json"
    summary.write_text(summary.read_text().replace(str(as_scored.resolve()), str(tmp_path.resolve())))
    return folder


def say(folder, said, name="night"):
    journal = Journal(review_file(folder, name), read_kept(folder, name))
    for epoch, stage in said.items():
        journal.set(epoch, stage, journal.state.version)


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_has_what_was_said_and_who_said_it(scored):
    before = rows_of(scored / "night_stages.csv")
    write_outputs(scored, "night")
    after = rows_of(scored / "night_stages.csv")
    for epoch, (old, new) in enumerate(zip(before, after, strict=True)):
        assert new["stage"] == SAID.get(epoch, old["stage"])
        assert new["model_stage"] == old["stage"]
        assert new["scored_by"] == ("human" if epoch in SAID else "model")
        assert {**old, "stage": ""} == {name: new[name] if name != "stage" else "" for name in old}


def test_the_annotations_are_standard_and_mark_what_a_human_staged(scored):
    write_outputs(scored, "night")
    marks = mne.read_annotations(scored / "night_stages.edf")
    human = [(one["onset"], one["duration"]) for one in marks if one["description"] == "Scored by human"]
    assert human == [(150, 30), (2730, 90), (3030, 30)]
    stages = [one["description"] for one in marks if one["description"].startswith("Sleep stage")]
    assert len(stages) == N_EPOCHS and stages[92] == "Sleep stage R" and stages[93] == "Sleep stage ?"


@pytest.mark.parametrize("ending", ["_stages.csv", "_stages.edf"])
def test_both_are_hypnograms_that_the_other_commands_read(scored, ending):
    staged, _ = write_outputs(scored, "night")
    read = read_file(scored / f"night{ending}")
    wanted = np.array([CODES[row["stage"]] for row in rows_of(scored / "night_stages.csv")])
    np.testing.assert_array_equal(staged.stages, wanted)
    n_read = len(read.codes)  # a `?` at the end is no stage
    np.testing.assert_array_equal(read.codes, wanted[:n_read])
    assert (wanted[n_read:] == UNKNOWN).all()


def test_the_summary_counts_and_computes_again(scored):
    before = json.loads((scored / "night_summary.json").read_text())
    staged, _ = write_outputs(scored, "night")
    after = json.loads((scored / "night_summary.json").read_text())
    review_said = after["review"]
    assert {name: review_said[name] for name in ("epochs_by_human", "epochs_changed", "unsure_epochs_by_human")} == {
        "epochs_by_human": 5,
        "epochs_changed": 4,  # W in epoch 5 is the model's stage too
        "unsure_epochs_by_human": 3,
    }
    assert review_said["model_right_percent"] == pytest.approx(100 / 3, abs=0.01)  # of W, N1, REM; ? is no stage
    from_to = np.zeros((5, 5), int)
    from_to[0, 0] = from_to[3, 1] = from_to[3, 4] = 1
    assert review_said["epochs_from_model_to_human"] == from_to.tolist()
    assert after["statistics"]["N1_min"] == before["statistics"]["N1_min"] + 0.5
    good = staged.stages >= 0
    assert after["agreement"] == metrics.as_json(metrics.scores(STAGES[good], staged.stages[good]))
    assert [one["epochs"] for one in before["confidence"]["worth_a_look"]] == [6]
    assert after["confidence"]["worth_a_look"] == []  # one and two epochs are left on either side
    for name in ("file", "channels", "folds", "checkpoints", "versions", "warnings", "start"):
        assert after[name] == before[name]
    assert after["methods"].startswith(before["methods"])
    said = "staged 5 of 200 epochs, 4 of them otherwise than the network; the other stages are the network's."
    assert after["methods"].endswith(said)


def test_writing_them_twice_gives_the_same(scored):
    write_outputs(scored, "night")
    files = [scored / f"night{ending}" for ending in ("_stages.csv", "_stages.edf", "_summary.json")]
    before = [path.read_bytes() for path in files]
    write_outputs(scored, "night")
    assert [path.read_bytes() for path in files] == before


def test_all_taken_back_is_the_model_again(scored):
    before = rows_of(scored / "night_stages.csv")
    write_outputs(scored, "night")
    say(scored, dict.fromkeys(SAID))
    write_outputs(scored, "night")
    assert [row["stage"] for row in rows_of(scored / "night_stages.csv")] == [row["stage"] for row in before]


def test_the_spectrum_of_the_picture_is_that_of_the_recording(scored):
    staged = read_reviewed(scored, "night")
    power = power_of(staged, scored_channel(staged, recording_of(staged)))
    assert np.isnan(power).all(axis=1).nonzero()[0].tolist() == [100, 101]  # which the model could not stage
    assert power[15, 4:7].mean() > power[15, 40:].mean() + 10  # waves of 1.2 Hz


def test_every_file_that_there_was_is_written_again(scored, tmp_path):
    night = a_scored_night(tmp_path)
    write_formats(scored, night, tuple(WRITERS))
    other = {"recording": "other", "stages": "", "group": "patients"}
    found = Found(night.path, told="table", subject="7", columns={"group": "controls"})
    add_rows(scored, [night_row(found, night), other])
    write_report(scored / "report.html", [night], {})
    _, paths = write_outputs(scored, "night")
    others = (
        "night_stages.eannot",
        "night_stages.xml",
        "night_desc-recsleepnet_events.tsv",
        "nights.csv",
        "report.html",
    )
    assert {path.name for path in paths} >= set(others)
    rows = {row["recording"]: row for row in rows_of(scored / "nights.csv")}
    assert rows["night"]["group"] == "controls" and rows["night"]["subject"] == "7"
    assert rows["night"]["epochs_by_human"] == "5" and rows["night"]["N1_min"] == "5.5"
    assert rows["other"]["group"] == "patients"
    page = (scored / "report.html").read_text()
    assert "staged 5 of 200 epochs" in page and "trained on sleepedf" in page and "output/sleepedf/4" in page
    eannot = (scored / "night_stages.eannot").read_text().splitlines()
    assert [eannot[epoch] for epoch in (91, 92, 93)] == ["N1", "R", "?"]


def test_the_other_nights_of_a_report_stay_as_they_are(scored, tmp_path):
    night = a_scored_night(tmp_path)
    a_scored_night(tmp_path, name="other", warnings=("of the other night",))
    write_report(scored / "report.html", [night], {})
    write_outputs(scored, "night")
    page = (scored / "report.html").read_text()
    assert "of the other night" in page and "staged 5 of 200 epochs" in page


def test_evaluation_judges_the_model_and_says_so(scored):
    before = read_scored(str(scored)).nights["night"].stages
    write_outputs(scored, "night")
    again = read_scored(str(scored))
    np.testing.assert_array_equal(again.nights["night"].stages, before)
    assert "scored: night was reviewed by a human; the model's own stages are judged" in again.doubts


def test_a_recording_that_is_elsewhere_is_named(scored, tmp_path):
    (tmp_path / "night.edf").rename(tmp_path / "moved.edf")
    with pytest.raises(InputError, match=r"not there; name it with --recording"):
        write_outputs(scored, "night")
    write_outputs(scored, "night", tmp_path / "moved.edf")
    assert json.loads((scored / "night_summary.json").read_text())["file"].endswith("moved.edf")
    (tmp_path / "moved.edf").write_bytes((tmp_path / "moved.edf").read_bytes()[:-1] + b"\0")
    with pytest.raises(InputError, match="is not the file that night was scored from"):
        write_outputs(scored, "night")


def test_the_command_writes_them_and_says_how_much_was_changed(scored, capsys):
    assert review.main([str(scored), "--finish"]) == 0
    assert "night: 5 of 200 epochs by a human, 4 changed" in capsys.readouterr().out
    assert rows_of(scored / "night_stages.csv")[92]["stage"] == "REM"


def test_what_cannot_be_finished_is_the_users_error(tmp_path, capsys):
    a_scored_night(tmp_path)
    folder = tmp_path / "scored"
    a_scored_night(tmp_path, name="other")
    (tmp_path / "empty").mkdir()
    save_json(folder / "third_summary.json", {})
    for arguments, said in (
        ([str(tmp_path / "gone")], "no folder"),
        ([str(tmp_path / "empty")], "no recording was scored into it"),
        ([str(folder)], "holds 3 nights; choose one with --night: night, other, third"),
        ([str(folder), "--night", "fourth"], "no night fourth"),
        ([str(folder), "--night", "third"], "no recording in it"),
        ([str(folder), "--night", "night"], "nobody has reviewed it yet"),
    ):
        assert review.main([*arguments, "--finish"]) == 2
        assert said in capsys.readouterr().err
