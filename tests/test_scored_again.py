"""predict.py on a recording whose outputs a human reviewed: nothing of it is undone in silence."""

from __future__ import annotations

import json

import pandas as pd
import pytest

import predict
from reviewing.journal import Journal, review_file
from reviewing.outputs import write_outputs
from scoring.kept import read_kept
from tests.support.scored_nights import a_recording

pytest_plugins = ["tests.support.folds_on_disk"]

SAID = {1: "N3", 2: "?", 4: "REM"}


@pytest.fixture
def score(folds_dir, tmp_path, capsys):
    """Call predict.py on a recording of six epochs; return its status and what it printed."""
    path = a_recording(tmp_path, n_epochs=6)

    def call(*options):
        where = ["--db", "sleepedf", "--gpu", "-1", "--dir", str(folds_dir), "--output_dir", str(tmp_path / "scored")]
        status = predict.main([str(path), *options, *where])
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


@pytest.fixture
def reviewed(score, tmp_path):
    """The folder of a night that was scored with a report and lights, and reviewed; its outputs are not written yet."""
    assert score("--channel", "C3-M2", "--report", "--lights_off", "30", "--lights_on", "150")[0] == 0
    folder = tmp_path / "scored"
    journal = Journal(review_file(folder, "night"), read_kept(folder, "night"))
    for epoch, stage in SAID.items():
        journal.set(epoch, stage, journal.state.version)
    return folder


def stages_in(folder):
    table = pd.read_csv(folder / "night_stages.csv")
    return {
        int(i): table["stage"][i] for i in table.index[table.get("scored_by", pd.Series("", table.index)) == "human"]
    }


@pytest.mark.parametrize("journal_is_there", [False, True])
def test_scoring_again_keeps_the_review_in_every_file(score, reviewed, journal_is_there):
    if not journal_is_there:
        write_outputs(reviewed, "night")
        review_file(reviewed, "night").unlink()
    status, printed = score("--channel", "C4-M1")
    assert status == 0 and "its review is kept: 3 of 6 epochs are as a human staged them" in printed
    assert stages_in(reviewed) == SAID
    assert json.loads((reviewed / "night_summary.json").read_text())["review"]["epochs_by_human"] == 3
    assert pd.read_csv(reviewed / "nights.csv")["epochs_by_human"].tolist() == [3]
    assert "3 of 6 epochs" in (reviewed / "report.html").read_text()


def test_it_says_that_the_lights_of_before_are_gone(score, reviewed):
    _, printed = score("--channel", "C3-M2")
    assert "lights off was" in printed and "lights on was" in printed and "give --lights_off again" in printed
    _, printed = score("--channel", "C3-M2")
    assert "lights off was" not in printed, "they are not in what was written last"


def test_a_review_goes_only_when_that_is_asked_for(score, reviewed):
    status, printed = score("--channel", "C3-M2", "--discard_review")
    assert status == 0 and "its review is kept" not in printed
    assert stages_in(reviewed) == {} and not review_file(reviewed, "night").exists()
    assert (reviewed / "night_review.jsonl.old").exists()
    assert "3 of 6 epochs" not in (reviewed / "report.html").read_text()


def test_a_review_of_other_epochs_is_refused_and_nothing_is_written(score, reviewed, tmp_path):
    before = (reviewed / "night_stages.csv").read_bytes()
    a_recording(tmp_path, n_epochs=7)
    status, printed = score("--channel", "C3-M2")
    assert status == 2 and "is the review of another night" in printed and "--discard_review" in printed
    assert (reviewed / "night_stages.csv").read_bytes() == before
