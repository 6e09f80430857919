"""The pauses of a BrainVision recording, and its markers without their types."""

from __future__ import annotations

import numpy as np
import pytest

from command import InputError
from recordings.hypnograms import read_file
from recordings.opening import open_recording, read_signal, without_type
from recordings.recording import Stretch

HEADER = """Brain Vision Data Exchange Header File Version 1.0
[Common Infos]
Codepage=UTF-8
DataFile=a.eeg
MarkerFile=a.vmrk
DataFormat=BINARY
DataOrientation=MULTIPLEXED
NumberOfChannels=1
SamplingInterval=10000
[Binary Infos]
BinaryFormat=INT_16
[Channel Infos]
Ch1=C4-M1,,0.1,µV
"""


def written(folder, *markers, seconds=300):
    (folder / "a.vhdr").write_text(HEADER, encoding="utf-8")
    rows = "".join(f"Mk{i}={marker}\n" for i, marker in enumerate(markers, 1))
    (folder / "a.vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\nDataFile=a.eeg\n"
        f"[Marker Infos]\n{rows}",
        encoding="utf-8",
    )
    np.round(np.random.default_rng(0).normal(0, 200, seconds * 100)).astype("<i2").tofile(folder / "a.eeg")
    return folder / "a.vhdr"


FIRST = "New Segment,,1,1,0,20200101220000000000"


@pytest.mark.parametrize(
    ("second", "stretches", "said"),
    [
        ("20200101221000000000", (Stretch(0, 0, 100), Stretch(600, 100, 200)), ()),
        ("20200101220140000000", (Stretch(0, 0, 300),), ()),  # the next segment follows without a pause
        (
            "",
            (Stretch(0, 0, 100), Stretch(100, 100, 200)),
            ("it was paused after 100 s, and the file does not say for how long",),
        ),
        (
            "20200101210000000000",
            (Stretch(0, 0, 100), Stretch(100, 100, 200)),
            ("it was paused after 100 s, and the file does not say for how long",),
        ),
    ],
)
def test_a_new_segment_is_a_pause(tmp_path, second, stretches, said):
    opened = open_recording(written(tmp_path, FIRST, f"New Segment,,10001,1,0,{second}".rstrip(",")))
    assert (opened.stretches, opened.notices) == (stretches, said)


def test_prepare_refuses_a_recording_that_was_paused(tmp_path):
    path = written(tmp_path, FIRST, "New Segment,,10001,1,0,20200101221000000000")
    with pytest.raises(InputError, match=r"a\.vhdr: has 1 gap in time, the first of 500 s after 100 s"):
        read_signal(path, "C4-M1")


def test_markers_are_known_by_their_descriptions(tmp_path):
    marks = open_recording(written(tmp_path, FIRST, "Comment,Lights off,3001,1,0", "Scoring,NREM2,6001,1,0")).marks
    assert [(mark.onset, mark.text) for mark in marks] == [(30, "Lights off"), (60, "NREM2")]
    assert [
        without_type(text) for text in ("Bad Interval/BAD_move", "Bad Interval/Min-Max", "Comment/a/b", "plain")
    ] == [
        "BAD_move",
        "Bad Interval/Min-Max",
        "a/b",
        "plain",
    ]


def test_a_recording_that_is_cut_short_is_refused(tmp_path):
    path = written(tmp_path, FIRST)
    content = (tmp_path / "a.eeg").read_bytes()
    (tmp_path / "a.eeg").write_bytes(content[:-1])
    with pytest.raises(InputError, match=r"a\.vhdr: a\.eeg is cut short: its last sample is cut; copy or export it"):
        open_recording(path)
    (tmp_path / "a.eeg").write_bytes(content[:30_000])
    path.write_text(HEADER.replace("Sampling", "DataPoints=30000\nSampling"), encoding="utf-8")
    with pytest.raises(InputError, match="cut short: 30000 samples are told of, 15000 are there"):
        open_recording(path)
    with pytest.raises(InputError, match="cut short: 20001 samples are told of, 15000 are there"):
        open_recording(cut_at(written(tmp_path, FIRST, "New Segment,,20001,1,0"), 30_000))


def cut_at(path, n_bytes):
    data = path.with_suffix(".eeg")
    data.write_bytes(data.read_bytes()[:n_bytes])
    return path


@pytest.mark.parametrize(
    ("resolution", "factor", "said"),
    [
        ("", 10, "C4-M1: the header gives no resolution; taken as 1, as BrainVision has it"),
        ("-0.1", -1, "C4-M1: the header gives it a negative gain; its polarity is as the header says"),
    ],
)
def test_a_resolution_that_is_missing_or_negative_is_said(tmp_path, resolution, factor, said):
    path = written(tmp_path, FIRST)
    plain = open_recording(path).read(0, 0, 100)
    path.write_text(HEADER.replace(",0.1,", f",{resolution},"), encoding="utf-8")
    opened = open_recording(path)
    np.testing.assert_allclose(opened.read(0, 0, 100), factor * plain, rtol=1e-5)
    assert opened.notices == (said,)


def test_stages_that_are_points_last_to_the_next(tmp_path):
    """As Analyzer's sleep scoring writes them: a marker of one sample at the begin of each epoch."""
    stages = ["Wake", "NREM1", "NREM2", "NREM2", "REM"]
    path = written(tmp_path, FIRST, *(f"Scoring,{stage},{3000 * i + 1},1,0" for i, stage in enumerate(stages)))
    assert read_file(path).codes.tolist() == [0, 1, 2, 2, 4]
