"""report.html: one file, which needs no other, with all that its reader has to know."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from command import InputError
from folds.run import Origin
from scoring.methods import trained_on
from scoring.recording_files import write_recording
from scoring.report import write_report
from tests.support.staged_nights import STAGES, a_fold, refused_night, staged_night


def report_on(tmp_path, *nights, failed=None):
    for one in nights:
        write_recording(tmp_path, one)
    write_report(tmp_path / "report.html", nights, failed or {})
    return (tmp_path / "report.html").read_text()


def test_the_report_is_one_file_with_all_in_it(tmp_path):
    expert = staged_night(tmp_path, expert=STAGES.astype(np.int32), expert_file=tmp_path / "h.edf")
    expert = replace(expert, name="<other>")
    page = report_on(tmp_path, staged_night(tmp_path), expert, failed={"lost.edf": "lost.edf: no such file"})
    shown = (
        "Total sleep time (TST), min",
        "beware",
        "lost.edf: no such file",
        "&lt;other&gt;",
        "trained on sleepedf",
        "256 Hz to 100 Hz",
        "23:55:30: 6 epochs",
        "Macro-F1",
        "23:15:30",  # lights off
        "not a medical device",
        "<td>Date</td><td>2001-02-03</td>",
        "max-width: 700px",
    )
    for text in shown:
        assert text in page, text
    assert page.count("data:image/png;base64") >= 2
    assert 'src="http' not in page and '<link href="http' not in page


def test_a_simulated_recording_is_called_so(tmp_path):
    assert "night (SIMULATED)" in report_on(tmp_path, staged_night(tmp_path, simulated=True))


def test_every_fold_that_staged_something_is_named_once(tmp_path):
    other = staged_night(tmp_path, name="other", folds=(a_fold(4), a_fold(7)))
    page = report_on(tmp_path, staged_night(tmp_path), other)
    assert "trained on sleepedf (folds 0, 4 and 7;" in page and "mean over the folds" in page
    assert [page.count(f"output/sleepedf/{number}<") for number in (0, 4, 7)] == [1, 1, 1]


def test_lights_that_leave_no_epoch_are_said_in_words(tmp_path):
    page = report_on(tmp_path, staged_night(tmp_path, lights_off=5999.0, lights_on=6000.0))
    assert (
        "No statistics: no epoch between lights off and lights on has a stage." in page
        and "Total sleep time" not in page
    )


def test_a_channel_that_cannot_be_scored_has_its_reason_in_the_report(tmp_path):
    page = report_on(tmp_path, refused_night(tmp_path))
    assert "No statistics: C3-M2: 200 of 200 epochs are flat." in page and "Total sleep time" not in page


def test_all_that_the_weights_have_learned_from_is_named_the_first_one_first():
    source = replace(a_fold(0).run, db="sleepedfx")
    tuned = replace(
        a_fold(0), run=replace(a_fold(0).run, db="isruc", init_from=Origin("there", "0a", "npz", 3, source))
    )
    assert trained_on([a_fold(0), a_fold(4)]) == "sleepedf"
    assert trained_on([tuned, tuned]) == "sleepedfx, then isruc"


def test_a_report_that_cannot_be_written_is_the_users_error(tmp_path):
    night = staged_night(tmp_path)
    write_recording(tmp_path, night)
    (tmp_path / "report.html").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        write_report(tmp_path / "report.html", [night], {})
