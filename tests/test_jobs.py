"""What is to be scored: which recordings, what their files are called, what is wanted of each, what is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from command import InputError
from scoring.jobs import jobs_in, not_there, plan_job
from scoring.request import Request
from tests.support.edf_files import noise, write_edf
from tests.support.staged_nights import a_fold

NOTHING = Request()


@pytest.fixture
def nights(tmp_path):
    """Return a function that makes empty files, and the folder that they are in."""

    def make(*names):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path

    return make


def names(places, table=None, wanted=NOTHING):
    return [job.name for job in jobs_in([str(place) for place in places], table, wanted)]


# ---- names ----


def test_sub_folders_are_mirrored(nights):
    root = nights("lab/s1/night1.edf", "lab/s1/night2.bdf", "lab/s2/deep/night1.edf", "lab/alone.edf")
    assert sorted(names([root / "lab"])) == ["alone", "s1/night1", "s1/night2", "s2/deep/night1"]
    assert names([root / "lab" / "s1"]) == ["night1", "night2"]
    assert sorted(names([root / "lab" / "**" / "*.edf"])) == ["alone", "s1/night1", "s2/deep/night1"]


def test_names_that_are_alike_in_two_folders_have_these_folders(nights):
    root = nights("a/x/n.edf", "b/x/n.edf", "b/other.edf")
    assert sorted(names([root / "a", root / "b"])) == ["a/x/n", "b/x/n", "other"]
    assert names([root / "a" / "x" / "n.edf", root / "b" / "x" / "n.edf"]) == ["a/x/n", "b/x/n"]


def test_a_bids_root_gives_the_folders_of_its_subjects(nights):
    root = nights("bids/dataset_description.json", "bids/sub-01/ses-1/eeg/sub-01_ses-1_task-sleep_eeg.edf")
    (job,) = jobs_in([str(root / "bids")], None, NOTHING)
    assert job.name == "sub-01/ses-1/eeg/sub-01_ses-1_task-sleep_eeg"
    assert (job.found.subject, job.found.night) == ("01", "1")


def test_the_same_files_are_refused(nights):
    root = nights("n.edf", "n.bdf")
    with pytest.raises(InputError, match="would be written to the same files, n_…"):
        names([root])


def test_a_folder_without_a_recording_is_refused(nights):
    root = nights("empty/readme.txt")
    with pytest.raises(InputError, match="empty: no recording in it"):
        names([root / "empty"])


def test_files_that_are_not_there_are_told_by_their_names(nights):
    root = nights("n.edf", "m.docx")
    jobs = jobs_in([str(root / name) for name in ("n.edf", "m.docx", "nosuch.edf")], None, NOTHING)
    said = {job.path.name: why for job, why in not_there(jobs)}
    assert list(said) == ["m.docx", "nosuch.edf"]
    assert ".docx is not a supported format" in said["m.docx"] and "no such file" in said["nosuch.edf"]


# ---- what is wanted ----


def test_the_table_goes_before_the_options(nights):
    root = nights("a/n1.edf", "n2.edf", "expert.edf")
    table = root / "table.csv"
    table.write_text(
        "recording,hypnogram,channel,lights off,lights_on,group\n"
        "a/n1.edf,expert.edf,C4-M1,23:00,,patients\nn2.edf,,,,,controls\n"
    )
    wanted = Request(channels=("C3-M2",), lights_off=60.0, lights_on=3600.0)
    first, second = jobs_in([], str(table), wanted)
    assert (first.name, second.name) == ("a/n1", "n2")
    assert first.request == Request(("C4-M1",), root / "expert.edf", timedelta(hours=23), 3600.0, found=first.found)
    assert second.request == replace(wanted, found=second.found)
    assert dict(second.found.columns) == {"group": "controls"}


def test_a_time_that_is_none_is_refused_in_the_table(nights):
    root = nights("n1.edf")
    (root / "table.csv").write_text("recording,lights_off\nn1.edf,late\n")
    with pytest.raises(InputError, match="lights_off late: give a clock time"):
        jobs_in([], str(root / "table.csv"), NOTHING)


def test_one_hypnogram_is_not_for_several_recordings(nights):
    root = nights("n1.edf", "n2.edf")
    with pytest.raises(InputError, match="--hypnogram belongs to one recording, and there are 2"):
        names([root], wanted=Request(hypnogram=Path("h.edf")))


def test_a_text_beside_a_recording_that_is_no_hypnogram_is_said_and_not_used(nights):
    root = nights("n1.edf")
    (root / "n1.txt").write_text("slept badly\n")
    (job,) = jobs_in([str(root)], None, NOTHING)
    write_edf(root / "n1.edf", [("EEG Fpz-Cz", 100, "uV", noise(60, 100))])
    plan = plan_job(job, [a_fold(0)], keep_open=False).plan
    assert plan.expert is None and plan.notices[0].startswith(f"not compared with an expert: {root / 'n1.txt'}")


# ---- checks ----


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (Request(channels=("Pz-Oz",)), "night.edf: no channel Pz-Oz"),
        (Request(hypnogram=Path("nosuch.edf")), "nosuch.edf: no such file"),
        (Request(lights_off=9999.0), "nothing of the recording"),
    ],
)
def test_what_a_recording_has_not_is_refused_before_it_is_scored(tmp_path, request_, message):
    path = write_edf(tmp_path / "night.edf", [("EEG Fpz-Cz", 100, "uV", noise(60, 100))])
    (good,) = jobs_in([str(path)], None, NOTHING)
    planned = plan_job(good, [a_fold(0)], keep_open=False)
    assert planned.seconds == 60 and [channel.label for channel in planned.plan.channels] == ["EEG Fpz-Cz"]
    (job,) = jobs_in([str(path)], None, request_)
    with pytest.raises(InputError, match=message):
        plan_job(job, [a_fold(0)], keep_open=False)


def test_a_unit_that_the_user_names_is_that_of_the_recording(tmp_path):
    path = write_edf(tmp_path / "a.edf", [("C3", 100, "adc", noise(60, 100))])
    millivolts, microvolts = (jobs_in([str(path)], None, Request(unit=unit))[0].opened() for unit in ("mV", "uV"))
    np.testing.assert_allclose(millivolts.read(0, 0, 10), 1e3 * microvolts.read(0, 0, 10), rtol=1e-6)
