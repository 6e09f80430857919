"""nights.csv as pandas reads it: a row for each recording, what it keeps of an earlier run, what it refuses."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from command import InputError
from recordings.finding import Found
from scoring.night_table import COLUMNS, STATISTICS, add_rows, earlier_rows, failed_row, night_row
from tests.support.staged_nights import STAGES, refused_night, staged_night

ROOT = Path(__file__).parent.parent


def found(tmp_path, name="night", **changes):
    return Found(tmp_path / f"{name}.edf", **changes)


def table_of(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "nights.csv", index_col="recording")


def test_a_row_has_every_figure_of_the_summary(tmp_path):
    expert = STAGES.astype(np.int32)
    night = staged_night(tmp_path, expert=expert, expert_file=tmp_path / "expert.edf", simulated=True)
    one = found(
        tmp_path, subject="07", night="2", told="name", columns={"group": "patients", "TST_min": "300", "notes": "ill"}
    )
    add_rows(tmp_path, [night_row(one, night)])
    row = table_of(tmp_path).loc["night"]
    for name, value in night.statistics.items():
        assert row[name] == pytest.approx(value, abs=1e-4) if value is not None else np.isnan(row[name])
    cycles = night.architecture["cycles"]
    assert row["cycles"] == row["cycles_complete"] == len(cycles) == 1
    assert row["cycle_mean_min"] == cycles[0]["duration_min"]
    assert row["REM_third3_min"] == night.architecture["thirds_of_SPT_min"][2]["REM"]
    assert row["N1_bouts"] == night.architecture["bouts"]["N1"]["bouts"] and row["W_to_N1"] == 1
    assert (row["subject"], row["night"], row["group"], row["TST_min_given"]) == (7, 2, "patients", 300)
    assert row["notes_given"] == "ill" and [name for name in row.index if name in COLUMNS] == list(COLUMNS[1:])
    assert (row["expert"], row["expert_epochs"], row["accuracy"], row["kappa"]) == ("expert.edf", 198, 1, 1)
    assert (row["simulated"], row["channel"], row["lights_off"]) == ("yes", "C3-M2", "23:15:30")
    assert (row["warnings"], row["warning_texts"], row["notes"], row["folds"]) == (1, "beware", "by the way", "0 4")
    assert set(STATISTICS) < set(row.index) and row["unsure_percent"] == 3


def test_a_recording_that_failed_has_a_row_that_says_why(tmp_path):
    rows = [
        failed_row(found(tmp_path, "lost"), "lost", "lost.edf: no such file"),
        night_row(found(tmp_path), staged_night(tmp_path)),
        night_row(found(tmp_path, "flat"), refused_night(tmp_path)),
    ]
    rows[2]["recording"] = "flat"
    add_rows(tmp_path, rows)
    table = table_of(tmp_path)
    assert table["failed"].to_dict() == {
        "lost": "lost.edf: no such file", "night": pytest.approx(np.nan, nan_ok=True),
        "flat": "not scored: C3-M2: 200 of 200 epochs are flat",
    }  # fmt: skip
    assert table.loc[["lost", "flat"], list(STATISTICS)].isna().all(axis=None)


def test_rows_of_an_earlier_run_stay_and_those_scored_again_are_replaced(tmp_path):
    def row(name, warnings):
        night = staged_night(tmp_path, name=name, warnings=warnings)
        return night_row(found(tmp_path, name), night)

    add_rows(tmp_path, [row("one", ()), row("two", ())])
    add_rows(tmp_path, [row("two", ("beware", "again")), row("three", ())])
    assert table_of(tmp_path)["warnings"].to_dict() == {"one": 0, "two": 2, "three": 0}


def test_a_failure_does_not_take_the_place_of_files_that_are_there(tmp_path):
    here, there = found(tmp_path / "a"), found(tmp_path / "b")
    add_rows(tmp_path, [night_row(here, staged_night(tmp_path))])
    for _ in range(2):
        add_rows(tmp_path, [failed_row(there, "night", "no EEG"), failed_row(here, "night", "no EEG")])
    rows = earlier_rows(tmp_path)
    assert [(row["file"], row["failed"]) for row in rows] == [
        (str(here.recording), ""), (str(there.recording), "no EEG"), (str(here.recording), "no EEG"),
    ]  # fmt: skip
    add_rows(tmp_path, [night_row(there, staged_night(tmp_path))])
    assert [(row["file"], row["failed"]) for row in earlier_rows(tmp_path)] == [(str(there.recording), "")]


def test_no_row_is_lost_where_many_add_at_the_same_time(tmp_path):
    program = (
        "import sys; from pathlib import Path; from scoring.night_table import add_rows\n"
        "for n in range(10): add_rows(Path(sys.argv[1]), [{'recording': f'{sys.argv[2]}{n}', 'hours': 1}])\n"
    )
    writers = [subprocess.Popen([sys.executable, "-c", program, tmp_path, name], cwd=ROOT) for name in "abc"]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert len(table_of(tmp_path)) == 30


@pytest.mark.parametrize("head", ["night,subject,fold\nSC4001E0,0,0\n", "a\n1\n"])
def test_another_table_of_this_name_is_not_overwritten(tmp_path, head):
    (tmp_path / "nights.csv").write_text(head)
    with pytest.raises(InputError, match=r"nights.csv: is another table .*; choose another --output_dir"):
        earlier_rows(tmp_path)


def test_an_empty_folder_has_no_earlier_rows(tmp_path):
    assert earlier_rows(tmp_path) == []
