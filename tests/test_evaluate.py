"""evaluate.py as a user calls it: whole folders in, every table and figure out, with the right numbers."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy import stats
from sklearn import metrics as sklearn_metrics

import evaluate
from command import InputError
from data import Night, save_night
from evaluation.assembly import evaluation_of
from evaluation.nights import night_of, read_scored, read_subjects, subject_of
from evaluation.table import Table
from files.writing import save_json
from recordings.hypnogram import EDF_TEXTS
from scoring.recording_files import summarize, write_table
from sleepstage import STAGE_NAMES, UNKNOWN
from tests.support.score_folders import score_folder
from tests.support.staged_nights import STAGES, staged_night


@pytest.fixture
def run(tmp_path, capsys):
    """Call evaluate.py; return its status, what it printed, and where it wrote to."""

    def call(*arguments):
        output = tmp_path / "evaluated"
        status = evaluate.main([*map(str, arguments), "--output_dir", str(output)])
        printed = capsys.readouterr()
        return status, printed.out + printed.err, output

    return call


HISTORY = (
    "phase,pass_number,global_step,loss_rec,loss_ce,loss_l2,train_accuracy,valid_accuracy,valid_macro_f1,kept,seconds\n"
    "pretrain,1,10,5.0,,,,,,False,1.0\n"
    "train,1,20,1.0,1.5,0.2,0.4,0.5,0.4,True,60.0\n"
    "train,2,30,1.0,1.2,0.2,0.5,0.7,0.6,True,30.0\n"
    "train,3,40,1.0,1.1,0.2,0.6,0.6,0.5,False,30.0\n"
)


def write_histories(place: Path) -> Path:
    for number in (0, 4):
        folder = place / "output" / "sleepedf" / str(number)
        folder.mkdir(parents=True)
        (folder / "history.csv").write_text(HISTORY)
    return place / "output" / "sleepedf"


@pytest.fixture
def folds(tmp_path):
    return write_histories(tmp_path)


# ---- everything at once ----


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Two score folders, `box` and `other`, and what evaluate.py makes of them and of two folds, in `evaluated`."""
    place = tmp_path_factory.mktemp("whole")
    box, other = score_folder(place / "box", 1.5), score_folder(place / "other", 1.0)
    training = write_histories(place)
    arguments = [str(box), f"published={other}", "--training", str(training), "--output_dir", str(place / "evaluated")]
    assert evaluate.main(arguments) == 0
    return place


def test_one_command_makes_every_table_and_figure(whole):
    output = whole / "evaluated"
    tables = {
        "agreement_box", "agreement_published", "stages_box", "stages_published", "sleep_statistics_box",
        "sleep_statistics_published", "nights", "comparison_box_published", "confidence", "confidence_nights",
        "training",
    }  # fmt: skip
    figures = {
        "confusion_box", "confusion_published", "sleep_statistics_box", "sleep_statistics_published", "f1_nights",
        "comparison_box_published", "reliability", "accuracy_by_confidence", "learning_curves",
    }  # fmt: skip
    assert {path.name for path in (output / "tables").iterdir()} == {
        f"{name}.{suffix}" for name in tables for suffix in ("csv", "md", "tex")
    }
    assert {path.name for path in (output / "figures").iterdir()} == {
        f"{name}.{suffix}" for name in figures for suffix in ("pdf", "png")
    }
    page = (output / "evaluation.md").read_text()
    assert all(f"figures/{name}.png" in page for name in figures)
    assert all((output / "tables" / f"{name}.md").read_text() in page for name in tables)
    methods = (output / "methods.txt").read_text()
    assert methods.strip() in page
    assert "trained on sleepedf" in methods and "Wilcoxon" in methods and "SHA-256" in methods
    for name in figures:
        assert (output / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        with Image.open(output / "figures" / f"{name}.png") as picture:
            assert np.asarray(picture.convert("L")).std() > 5, f"{name} is not blank, without colour either"


def test_the_tables_agree_with_scikit_learn_and_scipy_on_the_score_files(whole):
    """From epochs.csv alone, by another way than the program's."""
    output, folders = whole / "evaluated", {"box": whole / "box", "published": whole / "other"}
    read = {label: pd.read_csv(folder / "epochs.csv") for label, folder in folders.items()}
    by_subject = {
        label: table.groupby("subject")[["expert", "model"]].apply(
            lambda rows: sklearn_metrics.cohen_kappa_score(rows["expert"], rows["model"])
        )
        for label, table in read.items()
    }
    for label, kappa in by_subject.items():
        row = pd.read_csv(output / "tables" / f"agreement_{label}.csv").set_index("figure").loc["Kappa"]
        assert (row["mean"], row["sd"], row["median"]) == pytest.approx(
            (kappa.mean(), kappa.std(), kappa.median()), rel=1e-5
        )
    compared = pd.read_csv(output / "tables" / "comparison_box_published.csv").set_index("figure").loc["Kappa"]
    differences = by_subject["box"] - by_subject["published"]
    assert compared["mean_difference"] == pytest.approx(differences.mean(), rel=1e-5)
    assert compared["p"] == pytest.approx(stats.wilcoxon(differences).pvalue, rel=1e-5)
    stages = pd.read_csv(output / "tables" / "stages_box.csv").set_index("stage")
    f1 = sklearn_metrics.f1_score(read["box"]["expert"], read["box"]["model"], labels=STAGE_NAMES, average=None)
    np.testing.assert_allclose(stages["f1_percent"], 100 * f1, rtol=1e-5)
    night = read["box"][read["box"]["night"] == "SC4032E0"]
    in_table = pd.read_csv(output / "tables" / "nights.csv").set_index(["model", "night"]).loc[("box", "SC4032E0")]
    assert in_table["Accuracy (%)"] == pytest.approx(100 * (night["expert"] == night["model"]).mean(), rel=1e-5)
    confidence = pd.read_csv(output / "tables" / "confidence.csv").set_index("model").loc["box"]
    most = read["box"][[f"p_{name}" for name in STAGE_NAMES]].max(axis=1)
    sure = most >= 0.6
    right = read["box"]["expert"] == read["box"]["model"]
    assert confidence["above_percent"] == pytest.approx(100 * sure.mean(), rel=1e-5)
    assert confidence["right_above_percent"] == pytest.approx(100 * right[sure].mean(), rel=1e-5)


def test_few_subjects_are_said_to_be_few(run, whole, tmp_path):
    _, printed, output = run(score_folder(tmp_path / "one", 1.5, (0,)), whole / "other")
    assert "8 nights are of one of them only" in printed
    caption = (output / "tables" / "comparison_one_other.md").read_text()
    assert "One subject says nothing about others: there is no interval and no test." in caption
    of_five = (whole / "evaluated" / "tables" / "comparison_box_published.md").read_text()
    assert "With 5 subjects p cannot fall below 0.0625" in of_five


def test_simulated_nights_and_seen_subjects_are_said(run, tmp_path):
    folder = score_folder(tmp_path / "box", 1.5, (0, 1), seen=True)
    about = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps({**about, "simulated_nights": 3}))
    _, printed, output = run(folder)
    page = (output / "evaluation.md").read_text()
    for said in ("box: 3 of 4 nights are SIMULATED", "SC4011E0, SC4012E0 were SEEN IN TRAINING"):
        assert said in page and said in printed


def test_learning_curves_alone(run, folds):
    status, printed, output = run("--training", folds)
    assert status == 0, printed
    table = pd.read_csv(output / "tables" / "training.csv")
    assert table["fold"].tolist() == [0, 4] and table["kept_pass"].tolist() == [2, 2]
    assert table["valid_accuracy_percent"].tolist() == [70, 70] and table["minutes"].tolist() == [2, 2]
    assert [path.name for path in sorted((output / "figures").iterdir())] == [
        "learning_curves.pdf",
        "learning_curves.png",
    ]
    status, _, _ = run("--training", folds / "4")
    assert status == 0


def test_latex_tables_escape_what_latex_reads(run, tmp_path):
    _, _, output = run(f"a_b & 50%={score_folder(tmp_path / 'box', 1.5, (0,))}")
    [text] = [path.read_text() for path in (output / "tables").glob("agreement_*.tex")]
    assert r"Agreement of a\_b \& 50\% with" in text and r"\toprule" in text and r"Accuracy (\%)" in text
    assert re.search(r"\$\\pm\$", text) and "±" not in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 1


# ---- other kinds of folders ----


def tables_of(model: Path, *experts: Path, subjects=None) -> dict[str, pd.DataFrame]:
    """Return the values of every table that evaluate.py would write, by name; pictures take the most time."""
    found = evaluation_of([read_scored(str(model), subjects)], [read_scored(str(one)) for one in experts], [])
    return {part.name: part.values for part in found.parts if isinstance(part, Table)}


def scored_recordings(folder: Path, expert=None, **changes) -> Path:
    folder.mkdir()
    for name in ("SC4001E0-PSG", "mine"):
        path = folder.parent / f"{name}.edf"
        night = staged_night(folder.parent, name=name, path=path, expert=expert, **changes)
        write_table(folder / f"{name}_stages.csv", night)
        save_json(folder / f"{name}_summary.json", summarize(night))
    return folder


def test_scored_recordings_are_evaluated_with_their_experts(tmp_path):
    expert = np.where(np.arange(len(STAGES)) < 20, UNKNOWN, np.roll(STAGES, 3)).astype(np.int32)
    folder = scored_recordings(tmp_path / "scored", expert)
    table = tables_of(folder)["nights"].set_index("night")
    both = (np.arange(len(STAGES)) >= 20) & ~np.isin(np.arange(len(STAGES)), (100, 101))
    assert table.index.tolist() == ["SC4001E0", "mine"] and table["subject"].tolist() == ["0", "mine"]
    assert set(table["epochs"]) == {both.sum()}
    assert table["Accuracy (%)"].tolist() == pytest.approx([100 * (expert == STAGES)[both].mean()] * 2)
    assert "by RecSleepNet" in read_scored(str(folder)).methods


def write_hypnogram(path: Path, stages, start=datetime(2001, 2, 3, 23, 10, 30)) -> None:
    from edfio import Edf, EdfAnnotation, Recording

    notes = [EdfAnnotation(30 * epoch, 30, EDF_TEXTS[int(stage)]) for epoch, stage in enumerate(stages)]
    path.parent.mkdir(exist_ok=True)
    recording = Recording(startdate=start.date())
    Edf([], recording=recording, starttime=start.time(), annotations=notes).write(path)


def test_an_expert_in_a_folder_of_hypnograms_is_placed_by_the_clock(tmp_path, caplog):
    """The hypnogram starts four epochs after the recording, and has another name in Sleep-EDF's way."""
    scored_recordings(tmp_path / "scored")
    late = datetime(2001, 2, 3, 23, 10, 30) + timedelta(seconds=120)
    write_hypnogram(tmp_path / "experts" / "SC4001EC-Hypnogram.edf", STAGES[4:], late)
    with caplog.at_level("INFO", "recsleepnet"):
        table = tables_of(tmp_path / "scored", tmp_path / "experts")["nights"]
    [row] = table.to_dict("records")
    assert (row["night"], row["epochs"], row["Accuracy (%)"]) == ("SC4001E0", len(STAGES) - 4 - 2, 100)
    assert "scored: 1 nights are not in experts" in caplog.text


def test_two_folders_of_hypnograms_are_compared(tmp_path):
    write_hypnogram(tmp_path / "a" / "one.edf", STAGES)
    write_hypnogram(tmp_path / "b" / "one.edf", np.roll(STAGES, 5))
    found = tables_of(tmp_path / "a", tmp_path / "b")
    assert found["stages_a"]["epochs"].sum() == len(STAGES)
    expected = sklearn_metrics.recall_score(np.roll(STAGES, 5), STAGES, average=None)
    np.testing.assert_allclose(found["stages_a"]["recall_percent"], 100 * expected)
    assert "confidence" not in found, "hypnograms have no confidence"


def test_several_experts(run, tmp_path):
    scored_recordings(tmp_path / "scored")
    for number in (1, 2, 3):
        for name in ("SC4001EC-Hypnogram", "mine"):
            write_hypnogram(tmp_path / f"expert_{number}" / f"{name}.edf", np.roll(STAGES, number))
    experts = [tmp_path / f"expert_{number}" for number in (1, 2, 3)]
    status, printed, output = run(tmp_path / "scored", "--experts", *experts)
    assert status == 0, printed
    table = pd.read_csv(output / "tables" / "experts.csv").set_index("scorer")
    assert table.index.tolist() == ["scored", "expert_1", "expert_2", "expert_3"]
    staged = ~np.isin(np.arange(len(STAGES)), (100, 101))
    expected = sklearn_metrics.cohen_kappa_score(np.roll(STAGES, 2)[staged], STAGES[staged])
    assert table.loc["scored", "kappa_expert_2"] == pytest.approx(expected, rel=1e-5)
    assert table["soft_agreement"].between(0.9, 1).all()
    assert (output / "figures" / "experts.pdf").exists() and "soft agreement" in printed


def test_prepared_nights_have_no_clock(tmp_path):
    folder = score_folder(tmp_path / "box", 1.5, (0,))
    table = pd.read_csv(folder / "epochs.csv").query("night == 'SC4001E0'")
    y = table["expert"].map(STAGE_NAMES.index).to_numpy(np.int32)
    (tmp_path / "second").mkdir()
    for name, stages in (("SC4001E0", y), ("SC4002E0", y[:-1])):
        save_night(tmp_path / "second" / f"{name}.npz", Night(name, np.ones((len(stages), 3000), np.float32), stages))
    with pytest.raises(InputError, match="SC4002E0: 120 epochs, but 119 in second; epochs of prepared nights have no"):
        tables_of(folder, tmp_path / "second")
    (tmp_path / "second" / "SC4002E0.npz").unlink()
    assert tables_of(folder, tmp_path / "second")["nights"]["night"].tolist() == ["SC4001E0"]


def test_whose_nights_they_are_may_be_told(tmp_path):
    for name in ("a", "b", "c"):
        write_hypnogram(tmp_path / "model" / f"{name}.edf", STAGES)
        write_hypnogram(tmp_path / "expert" / f"{name}.edf", np.roll(STAGES, 2))
    (tmp_path / "subjects.csv").write_text("night,subject\na,007\nb,007\nc,8\n")
    subjects = read_subjects(tmp_path / "subjects.csv")
    table = tables_of(tmp_path / "model", tmp_path / "expert", subjects=subjects)["nights"]
    assert table["subject"].tolist() == ["007", "007", "8"]


def test_names_of_nights():
    assert night_of("SC4001EC-Hypnogram.edf") == "SC4001E0" == night_of("SC4001E0-PSG.edf")
    assert night_of("ucddb002_stage.txt") == "ucddb002" and night_of("a/mine_hypnogram.edf") == "a/mine"
    assert subject_of("SC4071E0") == "7" and subject_of("ucddb002") == "2" and subject_of("mine") == "mine"


# ---- what is refused ----


def test_mistakes_of_the_user(run, tmp_path, folds):
    box, other = score_folder(tmp_path / "box", 1.5, (0,)), score_folder(tmp_path / "other", 1.0, (1,))
    (tmp_path / "empty").mkdir()
    write_hypnogram(tmp_path / "hypnograms" / "one.edf", STAGES)
    for arguments, says in (
        ((), "nothing to evaluate; name a folder of scores"),
        (("--experts", box), "name a folder of scores first"),
        ((tmp_path / "gone",), "no such folder"),
        ((tmp_path / "empty",), "no scores and no hypnograms in it"),
        ((box, f"box={other}"), "two folders have the label box; give them others: LABEL=FOLDER"),
        ((f"a/b={box}",), "a label goes into names of files"),
        ((box, other), "have no night in common"),
        ((box, "--experts", other), "have no night in common; the names of their files decide"),
        ((tmp_path / "hypnograms",), "no expert's stages in it"),
        (("--training", box), "no history.csv in it"),
        ((box, "--subjects", folds / "0" / "history.csv"), "needs a column night in its first line"),
    ):
        status, printed, _ = run(*arguments)
        assert status == 2 and says in printed, (arguments, printed)


def test_damaged_scores_are_the_users_error(run, tmp_path):
    box = score_folder(tmp_path / "box", 1.5, (0,))
    for name, content, says in (
        ("epochs.csv", "night,subject\n", "no epoch, expert, model"),
        ("epochs.csv", "", "not a readable CSV table"),
        ("metrics.json", "{", "metrics.json: not readable"),
    ):
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(box, folder)
        (folder / name).write_text(content)
        status, printed, _ = run(folder)
        assert status == 2 and says in printed
    text = (box / "epochs.csv").read_text()
    (box / "epochs.csv").write_text(text.replace(",REM,", ",R,"))
    status, printed, _ = run(box)
    assert status == 2 and "stage 'R'; there are W, N1" in printed


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("x", "p_N2 is x in line 5; a probability is 0 to 1"),
        ("-1", "p_N2 is -1"),
        ("7", "p_N2 is 7"),
        ("inf", "p_N2 is inf"),
        ("", "the probabilities in line 5 are not 1 together"),
        ("1", "the probabilities in line 5 are not 1 together"),
    ],
)
@pytest.mark.parametrize("kind", ["test nights", "recordings"])
def test_what_is_no_probability_is_refused_with_its_line(run, tmp_path, kind, cell, says):
    if kind == "recordings":
        folder = scored_recordings(tmp_path / "out")
        path = next(folder.glob("*_stages.csv"))
    else:
        folder = score_folder(tmp_path / "out", 1.5, (0,))
        path = folder / "epochs.csv"
    rows = [line.split(",") for line in path.read_text().splitlines()]
    rows[4][rows[0].index("p_N2")] = cell
    path.write_text("\n".join(map(",".join, rows)) + "\n")
    status, printed, _ = run(folder)
    assert status == 2 and path.name in printed and says in printed and printed.count("\n") == 1


def test_what_predict_writes_is_read_back_whole(tmp_path):
    found = read_scored(str(score_folder(tmp_path / "box", 1.5)))
    written = pd.read_csv(tmp_path / "box" / "epochs.csv")
    assert list(found.nights) == sorted(written["night"].unique()) and found.label == "box"
    for name, night in found.nights.items():
        rows = written[written["night"] == name]
        assert [STAGE_NAMES[code] for code in night.stages] == rows["model"].tolist()
        assert [STAGE_NAMES[code] for code in night.expert] == rows["expert"].tolist()
        assert night.limit == 0.6 and night.subject == str(rows["subject"].iloc[0])
    assert found.methods.startswith("Sleep was staged in epochs of 30 s")
