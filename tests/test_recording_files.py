"""What a scored recording leaves on disk, read back as its users read it: pandas, MNE, json, a picture viewer."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import mne
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from command import InputError
from recordings.hypnogram import EDF_TEXTS
from recordings.hypnograms.marks import read_annotations
from recordings.spectrum import SPECTRUM_HZ
from scoring import plots
from scoring.recording_files import cells, summarize, write_recording
from sleepstage import STAGE_NAMES, UNKNOWN
from tests.support.staged_nights import N_EPOCHS, STAGES, refused_night, staged_night, texts
from version import __version__


@pytest.fixture
def night(tmp_path):
    return staged_night(tmp_path)


# ---- all files ----


def test_one_stem_and_nothing_else(night, tmp_path):
    names = {"night_stages.csv", "night_stages.edf", "night_summary.json", "night_hypnogram.png"}
    for svg in (False, True):
        written = write_recording(tmp_path, night, svg)
        there = [path.name for path in tmp_path.iterdir() if path.name != ".night.lock"]
        assert sorted(there) == sorted(path.name for path in written)
        assert {path.name for path in written} == names | ({"night_hypnogram.svg"} if svg else set())


def test_a_folder_that_is_gone_is_the_users_error(night, tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        write_recording(tmp_path / "gone", night)


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"path": Path("elsewhere/night.edf")}, True),  # moved, or a copy: the signal tells
        ({"path": Path("elsewhere/night.edf"), "channels": "other"}, False),
        ({"channels": "other"}, True),  # exported again, or another channel
        ({"channels": "other", "start": datetime(2002, 2, 3)}, False),  # another disk in the same drive
        ({"path": None, "channels": "other"}, False),
        ({"path": None}, True),
        ({"path": Path("elsewhere/copy.edf"), "channels": "other", "fingerprint": "of the file"}, True),
        ({"path": Path("elsewhere/night.edf"), "channels": "other", "fingerprint": "of another"}, False),
    ],
)
def test_files_are_overwritten_only_by_the_same_recording(night, tmp_path, changes, same):
    write_recording(tmp_path, replace(night, fingerprint="of the file"))
    if "channels" in changes:
        changes = {**changes, "channels": (replace(night.channels[0], content="other"),)}
    if same:
        write_recording(tmp_path, replace(night, **changes))
        return
    with pytest.raises(InputError, match=r"night_summary.json: is of another recording, .*night.edf; choose another"):
        write_recording(tmp_path, replace(night, **changes))


@pytest.mark.parametrize("content", ["no JSON", "[]", '{"channels": 3}', '{"file": 1, "channels": [null]}'])
def test_a_summary_that_says_nothing_is_not_overwritten(night, tmp_path, content):
    (tmp_path / "night_summary.json").write_text(content)
    with pytest.raises(InputError, match=r"night_summary.json: .*; (remove it or )?choose another output folder"):
        write_recording(tmp_path, night)


# ---- the table ----


def test_the_table_is_read_back_by_pandas(night, tmp_path):
    write_recording(tmp_path, night)
    table = pd.read_csv(tmp_path / "night_stages.csv", keep_default_na=True)
    assert list(table) == [
        "recording", "epoch", "onset_s", "clock", "stage", "p_W", "p_N1", "p_N2", "p_N3", "p_REM", "confidence",
        "flags",
    ]  # fmt: skip
    assert table["epoch"].tolist() == list(range(N_EPOCHS))
    assert table["onset_s"].tolist() == [30 * epoch for epoch in range(N_EPOCHS)]
    assert table["clock"].tolist()[:2] == ["23:10:30", "23:11:00"] and table["clock"].iloc[-1] == "00:50:00"
    there = table[table["stage"] != "?"]
    assert len(there) == N_EPOCHS - 2
    assert there["stage"].tolist() == [STAGE_NAMES[code] for code in np.delete(STAGES, [100, 101])]
    probabilities = there[[f"p_{name}" for name in STAGE_NAMES]].to_numpy()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=3e-4)
    np.testing.assert_allclose(probabilities.max(axis=1), there["confidence"])
    flags = table["flags"].fillna("")
    assert flags[7] == "clipped" and flags[90] == "low confidence" and flags[100] == "no signal"
    assert (flags != "").sum() == 1 + 6 + 2
    assert table["p_W"].isna().sum() == 2


@pytest.mark.parametrize("start", [None, datetime(2001, 2, 3, 23, 10, 30)])
def test_the_table_is_the_one_that_pandas_writes(tmp_path, start):
    expert = STAGES.astype(np.int32)
    expert[3] = UNKNOWN
    night = staged_night(tmp_path, name='a "night", of mine', start=start, first_second=0.1, expert=expert)
    write_recording(tmp_path, night)
    table = (tmp_path / f"{night.name}_stages.csv").read_bytes()
    assert table == night.to_frame().to_csv(index=False).encode()


def test_probabilities_are_written_as_pandas_does():
    shares = (np.arange(10_001) / 10_000).astype(np.float32).round(4)
    assert cells(shares) == pd.DataFrame(shares).to_csv(index=False, header=False).split()


# ---- annotations ----


def test_the_annotations_are_read_back_by_mne(night, tmp_path):
    write_recording(tmp_path, night)
    found = mne.read_annotations(tmp_path / "night_stages.edf")
    np.testing.assert_array_equal(found.onset, 30.0 * np.arange(N_EPOCHS))
    assert set(found.duration) == {30.0}
    names = ["?" if code == UNKNOWN else {4: "R"}.get(code, STAGE_NAMES[code]) for code in night.stages]
    assert list(found.description) == [f"Sleep stage {name}" for name in names]


def test_the_annotations_are_a_hypnogram_that_we_read_ourselves(night, tmp_path):
    write_recording(tmp_path, night)
    hypnogram = read_annotations(tmp_path / "night_stages.edf", {text: code for code, text in EDF_TEXTS.items()})
    np.testing.assert_array_equal(hypnogram.codes, night.stages)
    assert hypnogram.start == night.start


@pytest.mark.parametrize("start", [None, datetime(1971, 1, 1, 23, 0)])
def test_annotations_of_a_recording_without_a_date(tmp_path, start):
    write_recording(tmp_path, staged_night(tmp_path, start=start))
    assert len(mne.read_annotations(tmp_path / "night_stages.edf")) == N_EPOCHS


# ---- the summary ----


def test_the_summary_says_what_was_done(night, tmp_path):
    write_recording(tmp_path, night)
    summary = json.loads((tmp_path / "night_summary.json").read_text())
    assert summary["statistics"]["TIB_min"] == 95  # from lights off on
    assert summary["statistics"]["SOL_min"] == 10
    assert summary["statistics"]["unscored_min"] == 1
    assert [one["start_min"] for one in summary["architecture"]["cycles"]] == [15]  # from lights off, 5 min in
    assert summary["architecture"]["thirds_of_SPT_min"][2]["REM"] == 20
    assert summary["channels"] == [
        {
            "label": "C3-M2",
            "unit_in_file": "mV",
            "rate_in_file_hz": 256.0,
            "signal_sha256": "a hash",
            "conversions": ["mV to µV", "256 Hz to 100 Hz (polyphase, 25/64)"],
            "conditioning": [],
            "agreement_with_the_whole": 1.0,
            "reason": None,
        }
    ]
    assert summary["confidence"]["low_epochs"] == 6
    assert summary["confidence"]["worth_a_look"] == [
        {"onset_s": 2700.0, "clock": "23:55:30", "epochs": 6, "mean_confidence": pytest.approx(0.456)}
    ]
    assert summary["folds"] == [0, 4] and [one["global_step"] for one in summary["checkpoints"]] == [100, 104]
    assert summary["warnings"] == ["beware"] and summary["notices"] == ["by the way"]
    assert summary["agreement"] is None and summary["versions"]["tensorflow"]
    assert summary["versions"]["recsleepnet"] == __version__


def test_the_summary_compares_with_the_expert_where_both_staged(tmp_path):
    expert = STAGES.astype(np.int32)
    expert[:20] = 1  # of which the first half is not staged
    expert[:10] = UNKNOWN
    summary = summarize(staged_night(tmp_path, expert=expert, expert_file=tmp_path / "h.edf"))
    assert summary["agreement"]["epochs"] == N_EPOCHS - 2 - 10
    assert summary["agreement"]["accuracy"] == pytest.approx((N_EPOCHS - 2 - 20) / (N_EPOCHS - 12))


def test_lights_that_leave_no_epoch_leave_no_statistics(tmp_path):
    summary = summarize(staged_night(tmp_path, lights_off=5999.0, lights_on=6000.0))
    assert summary["statistics"] == {} and summary["architecture"] == {}


def test_a_channel_that_cannot_be_scored_leaves_its_files_and_a_reason(tmp_path):
    write_recording(tmp_path, refused_night(tmp_path), svg=True)
    summary = json.loads((tmp_path / "night_summary.json").read_text())
    assert summary["reason"] == "C3-M2: 200 of 200 epochs are flat" and summary["statistics"] == {}
    confidence = {"mean": None, "calibrated": False, "low_below": 0.6, "low_epochs": 0, "worth_a_look": []}
    assert summary["confidence"].pop("in_words").startswith("Confidence is the probability of the most probable stage")
    assert summary["confidence"] == confidence
    assert summary["channels"][0]["agreement_with_the_whole"] is None
    assert summary["channels"][0]["reason"] == "200 of 200 epochs are flat"
    table = pd.read_csv(tmp_path / "night_stages.csv")
    assert set(table["stage"]) == {"?"} and set(table["flags"]) == {"flat; no EEG"} and table["confidence"].isna().all()
    assert set(mne.read_annotations(tmp_path / "night_stages.edf").description) == {"Sleep stage ?"}
    assert "not scored: see the warnings" in texts(tmp_path / "night_hypnogram.svg")


def test_of_two_channels_one_that_cannot_be_scored_agrees_with_nothing(tmp_path):
    refused = refused_night(tmp_path)
    night = staged_night(tmp_path, channels=(*refused.channels, *staged_night(tmp_path).channels))
    summary = summarize(night)
    assert summary["reason"] is None and summary["statistics"]["TST_min"]
    assert [one["agreement_with_the_whole"] for one in summary["channels"]] == [None, 1.0]


# ---- pictures ----


def test_the_picture_shows_the_night(night, tmp_path):
    write_recording(tmp_path, night, svg=True)
    shown = texts(tmp_path / "night_hypnogram.svg")
    for text in ("Model", "Unsure < 0.60", "Probability", "Frequency (Hz)", "Clock time", "lights off", "night, C3-M2"):
        assert text in shown
    assert "Expert" not in shown and "lights on" not in shown
    assert "23:30" in shown and "00:00" in shown
    with Image.open(tmp_path / "night_hypnogram.png") as image:
        assert image.size[0] == pytest.approx(7.2 * 200, abs=2)


def test_the_expert_has_a_line_of_its_own(tmp_path):
    night = staged_night(tmp_path, expert=STAGES.astype(np.int32), expert_file=tmp_path / "h.edf", start=None)
    write_recording(tmp_path, night, svg=True)
    shown = texts(tmp_path / "night_hypnogram.svg")
    assert "Expert" in shown and "Differ" in shown and "Time (hours)" in shown
    assert any("expert: accuracy 100.0 %, macro-F1 100.0 %, kappa 1.000" in text for text in shown)


@pytest.mark.parametrize("n_epochs", [1, 5760])
def test_an_epoch_or_two_days_are_drawn(tmp_path, n_epochs):
    night = staged_night(tmp_path)
    channel = replace(night.channels[0], power=np.resize(night.channels[0].power, (n_epochs, len(SPECTRUM_HZ))))
    whole = replace(night, probabilities=np.resize(night.probabilities, (n_epochs, 5)), channels=(channel,))
    plots.save(replace(whole, lights_off=None).plot(), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 10_000


# ---- simulated ----


def test_everything_of_a_simulated_recording_says_so(tmp_path):
    night = staged_night(tmp_path, simulated=True)
    write_recording(tmp_path, night, svg=True)
    assert (pd.read_csv(tmp_path / "night_stages.csv")["recording"] == "night (SIMULATED)").all()
    summary = json.loads((tmp_path / "night_summary.json").read_text())
    assert summary["simulated"] is True and "SIMULATED" in summary["recording"]
    assert b"Simulated" in (tmp_path / "night_stages.edf").read_bytes()[:256]
    assert any("SIMULATED" in text for text in texts(tmp_path / "night_hypnogram.svg"))
