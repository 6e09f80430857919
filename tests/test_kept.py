"""A scored recording read back from its files is the one that they were written from."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from command import InputError
from scoring.kept import read_kept, scored_in
from scoring.night_table import figures_of
from scoring.recording_files import summarize, write_recording
from scoring.staged import NOT_REVIEWED, Reviewed
from sleepstage import UNKNOWN
from tests.support.staged_nights import N_EPOCHS, STAGES, staged_night


def reviewed(**stages: int) -> Reviewed:
    """Return a review of `staged_night` in which a human gave some epochs, e1 and so on, a stage."""
    codes = np.full(N_EPOCHS, NOT_REVIEWED, np.int32)
    for name, stage in stages.items():
        codes[int(name[1:])] = stage
    return Reviewed(codes, len(stages), "2026-01-02T03:04:05+00:00")


@pytest.fixture
def night(tmp_path):
    return staged_night(tmp_path, expert=STAGES.astype(np.int32), expert_file=tmp_path / "expert.csv")


def same_columns(one, other):
    left, right = one.columns(), other.columns()
    assert left.keys() == right.keys()
    for name, column in left.items():
        np.testing.assert_array_equal(list(column), list(right[name]), err_msg=name)


def test_all_that_outputs_say_of_a_night_is_read_back(night, tmp_path):
    write_recording(tmp_path, night)
    kept = read_kept(tmp_path, "night")
    same_columns(kept, night)
    assert summarize(kept) == summarize(night)
    assert figures_of(kept) == figures_of(night)
    np.testing.assert_array_equal(kept.unsure, night.unsure)


def test_a_stage_is_that_of_the_table_where_rounding_makes_two_alike(night, tmp_path):
    night.probabilities[3] = (0.30001, 0.30002, 0.2, 0.1, 0.09997)
    write_recording(tmp_path, night)
    assert read_kept(tmp_path, "night").stages[3] == night.stages[3] == 1


def test_what_was_written_with_a_review_is_read_back_with_it(night, tmp_path):
    night = replace(night, reviewed=reviewed(e0=0, e1=2, e100=4, e7=UNKNOWN))
    write_recording(tmp_path, night)
    kept = read_kept(tmp_path, "night")
    same_columns(kept, night)
    assert summarize(kept) == summarize(night)
    np.testing.assert_array_equal(kept.model_stages, night.model_stages)
    np.testing.assert_array_equal(kept.by_human, np.isin(np.arange(N_EPOCHS), (0, 1, 7, 100)))


def test_reading_and_writing_again_changes_nothing(night, tmp_path):
    write_recording(tmp_path, replace(night, reviewed=reviewed(e1=2)))
    files = [tmp_path / f"night{ending}" for ending in ("_stages.csv", "_stages.edf", "_summary.json")]
    before = [path.read_bytes() for path in files]
    write_recording(tmp_path, read_kept(tmp_path, "night"))
    assert [path.read_bytes() for path in files] == before


def test_the_nights_of_a_folder_are_found_below_it_too(night, tmp_path):
    (tmp_path / "P01").mkdir()
    write_recording(tmp_path, night)
    write_recording(tmp_path, replace(night, name="P01/night"))
    assert scored_in(tmp_path) == ["P01/night", "night"]
    assert read_kept(tmp_path, "P01/night").name == "P01/night"


def test_files_that_do_not_fit_are_the_users_error(night, tmp_path):
    write_recording(tmp_path, night)
    table, summary = tmp_path / "night_stages.csv", tmp_path / "night_summary.json"
    whole, about = table.read_text(), json.loads(summary.read_text())
    lines = whole.splitlines(keepends=True)
    for content, said in (
        ("".join(lines[:-1]), "has 199 epochs, the summary beside it 200"),
        (whole.replace(",N2,", ",N9,", 1), "stage 'N9'"),
        (whole.replace("flags", "flogs", 1), "no column flags"),
        (whole.replace("0.84", "x", 1), "could not convert"),
        ("".join([*lines[:-1], "night,199\n"]), "more or fewer cells"),
    ):
        table.write_text(content)
        with pytest.raises(InputError, match=said):
            read_kept(tmp_path, "night")
    table.write_text(whole)
    for name in ("channels", "confidence", "methods", "epochs"):
        summary.write_text(json.dumps({key: value for key, value in about.items() if key != name}))
        with pytest.raises(InputError, match=rf"no {name} in it\); score the recording again"):
            read_kept(tmp_path, "night")
    for changes, said in (
        ({"channels": []}, "no channel in it"),
        ({"channels": [{"label": "C3"}]}, "no unit_in_file in it"),
        ({"checkpoints": [{"fold": "0"}]}, "fold is 0"),
        ({"stretches_s": [[0, 1]]}, "stretches_s is"),
        ({"start": "yesterday"}, "yesterday"),
    ):
        summary.write_text(json.dumps(about | changes))
        with pytest.raises(InputError, match=said):
            read_kept(tmp_path, "night")
    summary.unlink()
    with pytest.raises(InputError, match="no such file; score the recording again"):
        read_kept(tmp_path, "night")
