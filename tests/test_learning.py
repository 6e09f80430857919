"""Learning from a review: its nights are prepared as the human left them; three commands from scoring to weights."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import predict
import prepare
import review
import trainer
from command import InputError
from data import Night, load_night, save_night
from folds.checks import content_of
from folds.history import load_test_scores
from folds.run import signal_of
from reviewing.journal import Journal, review_file
from scoring.calibrating import calibrate
from scoring.kept import read_kept
from scoring.test_nights import scores_of
from simulating.layouts import simulate
from sleepstage import STAGE_NAMES, UNKNOWN
from tests.support.scored_nights import a_scored_night
from tests.support.staged_nights import STAGES

ROOT = Path(__file__).parent.parent
SAID = {5: "W", 91: "N1", 92: "REM", 93: "?", 101: "N2"}
"""By epoch: the model has W, N3, N3, N3 and nothing."""
HUMANS = [0, 1, 4, 2]  # W N1 REM N2: the ? is no stage
AFTER = np.delete(STAGES, [93, 100]).astype(np.int32)  # without the ?, and what neither could stage
AFTER[[5, 91, 92, 99]] = HUMANS
SAID_OF_IT = "5 of 200 epochs by a human, 4 changed; the model's stages of the others are learned from"


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("once")
    a_scored_night(folder)
    return folder


@pytest.fixture
def scored(once, tmp_path, monkeypatch):
    """A folder with one scored night, called `scored`, in which we are."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(once, tmp_path, dirs_exist_ok=True)
    summary = tmp_path / "scored" / "night_summary.json"
    summary.write_text(summary.read_text().replace(str(once.resolve()), str(tmp_path.resolve())))
    return tmp_path / "scored"


def say(folder: Path, said: dict[int, str], name: str = "night") -> None:
    journal = Journal(review_file(folder, name), read_kept(folder, name))
    for epoch, stage in said.items():
        journal.set(epoch, stage, journal.state.version)


def finish(name: str = "night") -> None:
    assert review.main(["scored", "--night", name, "--finish"]) == 0


def prepared(*options: str, status: int = 0) -> Night:
    assert prepare.main(["--db", "mine", "--reviewed", "scored", *options]) == status
    return load_night(Path("data/mine/night.npz"))


def test_all_of_a_night_is_learned_from_and_only_what_a_human_typed_is_compared_with(scored, capsys):
    say(scored, SAID)
    finish()
    night = prepared()
    assert night.judged is not None
    said = capsys.readouterr().out
    assert SAID_OF_IT in said and "night.edf  night_stages.csv  night" in said
    assert night.y.tolist() == AFTER.tolist() and night.ch_label == "C3-M2"
    assert np.flatnonzero(night.judged).tolist() == [5, 91, 92, 99]
    assert night.expert[night.judged].tolist() == HUMANS and (night.expert[~night.judged] == UNKNOWN).all()
    assert str(night.source["hypnogram_version"]).startswith("5 edits")


def test_of_a_night_that_was_looked_at_as_a_whole_all_is_compared_with(scored, capsys):
    say(scored, SAID)
    finish()
    night = prepared("--whole")
    assert "are taken as the human's" in capsys.readouterr().out
    assert night.judged is None and night.y.tolist() == night.expert.tolist() == AFTER.tolist()
    assert prepared().judged is not None  # and the other way round it is prepared again


def test_a_night_where_no_stage_could_be_given_is_nothing_to_learn_from(scored, capsys):
    say(scored, {7: "?"})
    finish()
    assert prepare.main(["--db", "mine", "--reviewed", "scored"]) == 1
    assert "no stage in it that a human gave" in capsys.readouterr().out


def sure_of_w(x: np.ndarray) -> np.ndarray:
    """Return the probabilities of a network that is sure of W in every epoch."""
    return np.tile(np.eye(5, dtype=np.float32)[0] * 0.9 + 0.02, (len(x), 1))


def test_weights_are_judged_by_what_a_human_typed(tmp_path):
    """By the model's own stages nothing would ever be better than the model."""
    x, y = np.ones((6, 3000), np.float32), np.array([2, 2, 2, 2, 0, 0], np.int32)
    night = Night("night", x, y, judged=np.array([False, False, False, True, True, True]))
    save_night(tmp_path / "night.npz", night)
    night = load_night(tmp_path / "night.npz")
    contents = [content_of(tmp_path / "night.npz")]
    save_night(tmp_path / "more.npz", replace(night, judged=np.ones(6, bool)))
    contents.append(content_of(tmp_path / "more.npz"))
    assert contents[0] != contents[1] and signal_of(contents[0]) == signal_of(contents[1])
    scores = scores_of(sure_of_w, [night])
    assert (scores.n_epochs, scores.accuracy) == (3, pytest.approx(2 / 3))
    assert calibrate(sure_of_w, [night], "").n_epochs == 3


@pytest.mark.parametrize(
    ("judged", "said"), [(np.zeros(6, bool), "none of its stages"), (np.ones(5, bool), "shape (5,)"), (1, "shape ()")]
)
def test_a_night_says_of_each_epoch_whose_stage_it_has(tmp_path, judged, said):
    np.savez(tmp_path / "night.npz", x=np.ones((6, 3000), np.float32), y=np.zeros(6, np.int32), judged=judged)
    with pytest.raises(InputError, match=re.escape(said)):
        load_night(tmp_path / "night.npz")


def test_the_channel_may_be_another_one(scored):
    say(scored, SAID)
    finish()
    assert prepared("--select_ch", "C4-M1").ch_label == "C4-M1"


def test_a_night_that_was_reviewed_further_is_prepared_again(scored, capsys):
    say(scored, SAID)
    finish()
    prepared()
    say(scored, {150: "W"})
    capsys.readouterr()
    prepared(status=1)  # as it was
    assert "was reviewed since its stages were written" in (said := capsys.readouterr().out)
    assert "python review.py scored --night night --finish" in said
    finish()
    again = prepared()
    assert again.judged is not None
    assert again.expert[again.judged].tolist() == [*HUMANS, 0]
    assert "preparing it again" in capsys.readouterr().out


def test_without_a_review_there_is_nothing_to_learn(scored, capsys):
    assert prepare.main(["--db", "mine", "--reviewed", "scored"]) == 2
    assert "no night in it was reviewed" in capsys.readouterr().err
    assert not Path("data").exists()


def test_a_recording_that_is_another_file_now_is_refused(scored, capsys):
    say(scored, SAID)
    finish()
    with Path("night.edf").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"xxxx")
    assert prepare.main(["--db", "mine", "--reviewed", "scored"]) == 2
    said = capsys.readouterr().err
    assert "is not the file that night was scored from" in said and "--recording FILE --finish" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--reviewed", "scored", "--data_dir", "."], "leave out --data_dir"),
        (["--reviewed", "scored", "--stage_map", "rk"], "leave out --stage_map"),
        (["--data_dir", ".", "--whole"], "--whole is an option of --reviewed"),
    ],
)
def test_what_contradicts_a_review_is_refused(scored, capsys, options, said):
    assert prepare.main(["--db", "mine", *options]) == 2
    assert said in capsys.readouterr().err


def test_whole_without_reviewed_is_refused_by_the_trainer(capsys):
    assert trainer.main(["--db", "mine", "--from_fold", "0", "--to_fold", "0", "--whole"]) == 2
    assert "--whole is an option of --reviewed" in capsys.readouterr().err


def test_add_without_reviewed_is_refused_by_the_trainer(capsys):
    assert trainer.main(["--db", "mine", "--from_fold", "0", "--to_fold", "0", "--add"]) == 2
    assert "--add is an option of --reviewed" in capsys.readouterr().err


def test_a_night_of_an_earlier_command_is_left_out_and_said_to_be_unless_it_is_added(scored, tmp_path, capsys):
    """As after a first try with one night, which is too few to train on."""
    simulate("own", tmp_path / "nights", [1], 0.2, seed=0)
    assert prepare.main(["--db", "mine", "--data_dir", "nights", "--select_ch", "C4-M1"]) == 0
    say(scored, SAID)
    finish()
    learning = ["--db", "mine", "--reviewed", "scored", "--gpu", "-1"]
    capsys.readouterr()
    assert trainer.main([*learning, "--add"]) == 2
    printed = capsys.readouterr()
    assert "left out of the folds" not in printed.out and "has 2 subjects in its folds" in printed.err
    assert trainer.main(learning) == 2
    printed = capsys.readouterr()
    assert "as this command does not name them: P01; to have them, name them, with --add" in printed.out
    assert "has 1 subjects in its folds" in printed.err


def the_loop() -> list[list[str]]:
    """Return the commands of the README that score, review and learn."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Correct, and learn from it\n")[1]
    return [
        shlex.split(line, comments=True)[1:] for line in re.findall(r"^    (python .+)$", section, re.MULTILINE)[:3]
    ]


def test_three_commands_from_a_night_to_weights(tmp_path, monkeypatch, capsys):
    """The page is tested elsewhere: here its words come from the true stages."""
    monkeypatch.chdir(tmp_path)
    scoring, reviewing, learning = the_loop()
    simulate("own", tmp_path / "nights", [1, 2, 3], 0.2, seed=0)
    assert scoring == ["predict.py", "./nights"]
    assert predict.main([*scoring[1:], "--fold", "0", "--gpu", "-1"]) == 0
    for name in ("P01", "P02", "P03"):
        night = read_kept(tmp_path / "scored", name)
        doubtful = np.argsort(night.confidence)[:10]
        assert night.expert is not None
        say(tmp_path / "scored", {int(i): [*STAGE_NAMES, "?"][night.expert[i]] for i in doubtful}, name)
        assert reviewing[:2] == ["review.py", "./scored"]
        assert review.main([*reviewing[1:2], "--night", name, "--finish"]) == 0
    assert learning[0] == "trainer.py"
    assert trainer.main([*learning[1:], "--to_fold", "0", "--n_epochs", "1", "--gpu", "-1"]) == 0
    said = capsys.readouterr().out
    assert "P03 (SIMULATED): 10 of 24 epochs by a human" in said and "these weights want" not in said
    folder = tmp_path / "output" / "mine" / "0"
    run = json.loads((folder / "config.json").read_text())
    assert (folder / "best_model.npz").is_file() and run["init_from"]["folder"].endswith("sleepedf/0")
    assert load_test_scores(folder).confusion.sum() <= 10  # what the human typed, without ?
