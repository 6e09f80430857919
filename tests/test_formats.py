"""The stages in the formats of other programs, read back as their users read them."""

from __future__ import annotations

import json
import re
from datetime import datetime
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from command import InputError
from recordings.datasets import read_hypnogram
from recordings.finding import find_recordings
from recordings.hypnogram import EDF_TEXTS
from scoring.formats import EANNOT_LABELS, notices_on, parse_formats, write_formats
from scoring.recording_files import write_recording
from sleepstage import EPOCH_SECONDS, UNKNOWN
from tests.support.staged_nights import N_EPOCHS, refused_night, staged_night

ALL = ("bids", "eannot", "nsrr")
CODES = {text: code for code, text in EDF_TEXTS.items()}


def written(tmp_path, format_name, **changes):
    night = staged_night(tmp_path, **changes)
    return night, write_formats(tmp_path, night, [format_name])


def test_bids_events_have_a_row_for_each_epoch_and_every_column_and_level_is_described(tmp_path):
    night, (path, sidecar) = written(tmp_path, "bids", name="sub-01_task-sleep_eeg", first_second=12.5)
    assert (path.name, sidecar.name) == (
        "sub-01_task-sleep_desc-recsleepnet_events.tsv",
        "sub-01_task-sleep_desc-recsleepnet_events.json",
    )
    table = pd.read_csv(path, sep="\t", na_values="n/a", keep_default_na=False)
    assert list(table)[:3] == ["onset", "duration", "trial_type"]
    np.testing.assert_array_equal([CODES[text] for text in table["trial_type"]], night.stages)
    np.testing.assert_array_equal(table["onset"], 12.5 + 30.0 * np.arange(N_EPOCHS))
    assert set(table["duration"]) == {EPOCH_SECONDS}
    np.testing.assert_allclose(table["confidence"], night.confidence, atol=1e-4)
    assert table["flags"][7] == "clipped" and table["flags"].isna().sum() == N_EPOCHS - 9
    described = json.loads(sidecar.read_text())
    assert list(described) == list(table)
    assert set(table["trial_type"]) <= set(described["trial_type"]["Levels"])


def test_onsets_late_in_a_week_keep_their_digits(tmp_path):
    _, (path, _) = written(tmp_path, "bids", first_second=600_000.25)
    assert pd.read_csv(path, sep="\t")["onset"].iloc[-1] == 600_000.25 + 30 * (N_EPOCHS - 1)
    _, (path,) = written(tmp_path, "nsrr", first_second=600_000.25)
    last = ElementTree.parse(path).getroot().findall(".//ScoredEvent")[-1]
    assert float(last.findtext("Start") or "") + float(last.findtext("Duration") or "") == 600_000.25 + 30 * N_EPOCHS


def test_luna_gets_a_label_for_each_epoch(tmp_path):
    night, (path,) = written(tmp_path, "eannot")
    codes = {label: code for code, label in EANNOT_LABELS.items()}
    lines = path.read_text().splitlines()
    np.testing.assert_array_equal([codes[line] for line in lines], night.stages)


def test_epochs_that_start_after_the_recording_are_not_written_for_luna_and_that_is_said(tmp_path):
    night, paths = written(tmp_path, "eannot", first_second=12.0)
    assert not paths and not list(tmp_path.glob("*.eannot"))
    said = "not written as eannot: its epochs start 12 s after the recording, which the format cannot say"
    assert notices_on(night, ALL) == (said,)
    assert notices_on(staged_night(tmp_path), ALL) == ()


def test_nsrr_annotations_are_read_back(tmp_path):
    night, (path,) = written(tmp_path, "nsrr", simulated=True)
    root = ElementTree.parse(path).getroot()
    assert root.tag == "PSGAnnotation" and root.findtext("EpochLength") == "30"
    assert "SIMULATED" in (root.findtext("SoftwareVersion") or "")
    start, *events = root.findall("ScoredEvents/ScoredEvent")
    assert start.findtext("EventConcept") == "Recording Start Time"
    assert start.findtext("ClockTime") == "00.00.00 23.10.30" and start.findtext("Duration") == "6000.0"
    stages = np.full(N_EPOCHS, UNKNOWN)
    numbers = {"0": 0, "1": 1, "2": 2, "3": 3, "5": 4, "9": UNKNOWN}
    for event in events:
        assert event.findtext("EventType") == "Stages|Stages"
        first, length = (int(float(event.findtext(name) or "")) // 30 for name in ("Start", "Duration"))
        stages[first : first + length] = numbers[(event.findtext("EventConcept") or "").partition("|")[2]]
    np.testing.assert_array_equal(stages, night.stages)


def test_nsrr_annotations_are_laid_out_as_readers_that_match_text_want_them(tmp_path):
    """Published readers of SHHS look for these lines, one element on each."""
    _, (path,) = written(tmp_path, "nsrr", start=None)
    text = path.read_text()
    assert len(re.findall(r"<EventConcept>Recording Start Time</EventConcept>\n<Start>0</Start>", text)) == 1
    found = re.findall(
        r"<EventType>Stages.Stages</EventType>\n<EventConcept>.+</EventConcept>\n<Start>[0-9\.]+</Start>\n"
        r"<Duration>[0-9\.]+</Duration>",
        text,
    )
    assert len(found) == text.count("<ScoredEvent>") - 1 == 9
    assert "ClockTime" not in text


@pytest.mark.parametrize("format_name", ALL)
def test_our_own_readers_take_them_for_hypnograms(tmp_path, format_name):
    night, (path, *_) = written(tmp_path, format_name)
    np.testing.assert_array_equal(read_hypnogram(path, None).codes, night.stages)


def test_a_recording_gets_them_beside_its_other_files(tmp_path):
    paths = write_recording(tmp_path, staged_night(tmp_path), formats=ALL)
    names = {
        *(f"night_desc-recsleepnet_events{suffix}" for suffix in (".tsv", ".json")),
        "night_stages.eannot",
        "night_stages.xml",
    }
    assert names < {path.name for path in paths} == {path.name for path in tmp_path.iterdir() if path.suffix != ".lock"}


def test_they_are_not_taken_for_an_experts_hypnogram(tmp_path):
    (tmp_path / "night.edf").touch()
    for path in write_recording(tmp_path, staged_night(tmp_path), formats=ALL):
        assert path.name != "night.edf"
    (found,) = find_recordings([tmp_path])
    assert found.hypnogram is None and not found.problem
    (tmp_path / "night.eannot").write_text("W\n")
    (found,) = find_recordings([tmp_path])
    assert found.hypnogram == tmp_path / "night.eannot"


def test_a_night_that_cannot_be_scored_is_unscored_in_each(tmp_path):
    paths = write_formats(tmp_path, refused_night(tmp_path), ALL)
    events, _, eannot, nsrr = paths
    assert set(pd.read_csv(events, sep="\t")["trial_type"]) == {"Sleep stage ?"}
    assert set(eannot.read_text().split()) == {"?"}
    assert nsrr.read_text().count("Unscored|9") == 1


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path):
    assert parse_formats(["nsrr", "bids", "nsrr"]) == ("nsrr", "bids")
    with pytest.raises(InputError, match="no format luna: there are bids, eannot, nsrr; CSV, EDF\\+ and JSON"):
        write_recording(tmp_path, staged_night(tmp_path, start=datetime(2001, 1, 1)), formats=["luna"])
    assert not list(tmp_path.iterdir())
