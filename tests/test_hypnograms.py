"""Every kind of hypnogram as its program writes it, and what no program should write."""

from __future__ import annotations

import json
from datetime import datetime, time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command import InputError
from recordings.datasets import SLEEPEDF, UCDDB, read_hypnogram
from recordings.hypnogram import Hypnogram
from recordings.hypnograms import has_stages, hypnogram_from, kind_of, read_file
from recordings.hypnograms.labels import KNOWN, code_of, stage_map
from recordings.hypnograms.laying import resampled
from recordings.hypnograms.scoring import Reading
from recordings.times import moment_of, on_one_clock
from sleepstage import UNKNOWN, Stage
from tests.support.edf_files import write_hypnogram

pytest_plugins = ["tests.support.raw_recordings"]

W, N1, N2, N3, R, U = 0, 1, 2, 3, 4, UNKNOWN


def written(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_bytes(text.encode())
    return folder / name


def codes(path: Path, reading: Reading | None = None) -> list[int]:
    return list(map(int, read_file(path, reading or Reading()).codes))


# ---- one file of every kind, as its program writes it ----

DOMINO = """Signal ID: SchlafProfil\\profil
Start Time: 18.11.2021 23:59:00
Unit:\x20
Signal Type: Discret
Events list: N4,N3,N2,N1,Rem,Wach,Bewegung
Rate: 30 s

23:59:00,000; Wach
23:59:30,000; N1
00:00:00,000; N2
00:00:30,000; N3
00:01:00,000; Rem
00:01:30,000; Bewegung
"""
DOMINO_ENGLISH = (
    DOMINO.replace("18.11.2021 23:59:00", "11/18/2021 11:59:00 PM")
    .replace("Rem", "REM")
    .replace("Wach", "Wake")
    .replace("Bewegung", "A")
    .replace("\n", "\r\n")
)
NSRR = """<?xml version="1.0" encoding="UTF-8" standalone="no"?>
<PSGAnnotation><SoftwareVersion>Compumedics</SoftwareVersion><EpochLength>30</EpochLength><ScoredEvents>
<ScoredEvent><EventType/><EventConcept>Recording Start Time</EventConcept><Start>0</Start><Duration>180.0</Duration>
<ClockTime>00.00.00 23.59.00</ClockTime></ScoredEvent>
<ScoredEvent><EventType>Respiratory|Respiratory</EventType><EventConcept>Hypopnea|Hypopnea</EventConcept>
<Start>31.5</Start><Duration>14.2</Duration><SignalLocation>AIRFLOW</SignalLocation></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Wake|0</EventConcept><Start>0</Start>
<Duration>30.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Stage 1 sleep|1</EventConcept><Start>30</Start>
<Duration>30.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Stage 2 sleep|2</EventConcept><Start>60</Start>
<Duration>30.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Stage 4 sleep|4</EventConcept><Start>90</Start>
<Duration>30.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>REM sleep|5</EventConcept><Start>120</Start>
<Duration>30.0</Duration></ScoredEvent>
<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>Unscored|9</EventConcept><Start>150</Start>
<Duration>30.0</Duration></ScoredEvent>
</ScoredEvents></PSGAnnotation>
"""
PROFUSION = (
    "<CMPStudyConfig><EpochLength>30</EpochLength><ScoredEvents><ScoredEvent><Name>SpO2 desaturation</Name>"
    "<Start>3</Start></ScoredEvent></ScoredEvents><SleepStages>"
    + "".join(f"<SleepStage>{stage}</SleepStage>" for stage in (0, 1, 2, 4, 5, 9))
    + "</SleepStages></CMPStudyConfig>"
)
ANNOT = """# luna annotations | spindles[duration]
class\tinstance\tchannel\tstart\tstop\tmeta
W\t.\t.\t0.0\t30.0\t.
spindle\t1\tC3\t12.5\t13.25\tdur=0.75
N1\t.\t.\t30.0\t60.0\t.
N2\t.\t.\t60\t+30\t.
NREM3\t.\t.\te:4\te:4\t.
R\t.\t.\t0+00:02:00\t...\t.
?\t.\t.\t150\t180\t.
"""
ANNOT_ON_CLOCK = "".join(
    f"{stage}\t.\t23:59:{second}\t00:{minute}\n" if second else f"{stage}\t.\t{clock}\t+30\n"
    for stage, clock, second, minute in (
        ("W", "23:59:00", "", ""),
        ("N1", "", "30", "00:00"),
        ("N2", "00:00:00", "", ""),
        ("N3", "00:00:30", "", ""),
        ("R", "00:01:00", "", ""),
        ("?", "00:01:30", "", ""),
    )
)
BIDS = """onset\tduration\ttrial_type
0\t30\tsleep_stage_W
12.5\t3\tarousal
30\t30\tsleep_stage_N1
60\t30\tStage N2
90\t30\tN3
120\t30\tREM
150\t30\tn/a
"""
YASA_EVENTS = "epoch,onset,duration,value,description\n" + "".join(
    f"{i},{30.0 * i},30.0,{value},{name}\n"
    for i, (value, name) in enumerate([(0, "WAKE"), (1, "N1"), (2, "N2"), (3, "N3"), (4, "REM"), (-1, "ART")])
)
YASA_CLOCK = "Time,Stage\n" + "".join(
    f"2022-12-{day} {clock},{name}\n"
    for day, clock, name in (
        *((15, "23:59:00", "WAKE"), (15, "23:59:30", "N1"), (16, "00:00:00", "N2")),
        *((16, "00:00:30", "N3"), (16, "00:01:00", "REM"), (16, "00:01:30", "UNS")),
    )
)
OUR_TIMES = ("23:59:00", "23:59:30", "00:00:00", "00:00:30", "00:01:00", "00:01:30")
OURS = "recording,epoch,onset_s,clock,stage,p_W,p_N1,p_N2,p_N3,p_REM,confidence,flags\n" + "".join(
    f"night,{i},{30 * i},{OUR_TIMES[i]},{name},0.2,0.2,0.2,0.2,0.2,0.2,low confidence\n"
    for i, name in enumerate(("W", "N1", "N2", "N3", "REM", "?"))
)

KINDS = {
    "domino": ("Sleep profile.txt", DOMINO),
    "domino in English": ("Sleep profile.txt", DOMINO_ENGLISH),
    "NSRR": ("a-nsrr.xml", NSRR),
    "Profusion": ("a.xml", PROFUSION),
    ".annot": ("a.annot", ANNOT),
    ".annot on the clock": ("a.annot", ANNOT_ON_CLOCK),
    ".eannot": ("a.eannot", "W\nN1\nN2\nN3\nR\n?\n"),
    ".eannot, old": ("a.eannot", "wake\nNREM1\nNREM2\nNREM4\nREM\nL\n"),
    "BIDS": ("sub-01_task-sleep_events.tsv", BIDS),
    "YASA's events": ("a.csv", YASA_EVENTS),
    "YASA's stages": ("a.csv", YASA_CLOCK),
    "YASA's stages by number": ("a.csv", "Epoch,Stage\n0,WAKE\n1,N1\n2,N2\n3,N3\n4,REM\n5,UNS\n"),
    "our own": ("night_stages.csv", OURS),
    "our own, from a German spreadsheet": ("night_stages.csv", "\ufeff" + OURS.replace(",", ";")),
    "onset, duration, stage": ("a.csv", "0,30,Wake\n30,30,S1\n60,30,S2\n90,30,S4\n120,30,REM\n150,30,MT\n"),
    "a stage a row": ("a.csv", "stage\nWake\nStage 1\nstage 2\nSleep stage 3\nSLEEP-REM\nMovement time\n"),
    "lines": ("a.txt", "# scored by hand\n\nW\nn1\nN2\nS4\nRem\nunscored\n"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_the_same_hypnogram(tmp_path, kind):
    hypnogram = read_file(written(tmp_path, *KINDS[kind]))
    stages = hypnogram.codes.tolist()
    assert stages[:5] == [W, N1, N2, N3, R]
    assert stages[5:] in ([U], [])  # what is no stage at the end may be left out
    assert hypnogram.codes.dtype == np.int32
    on_clock = kind.startswith(("domino", ".annot on the clock", "our own"))
    assert hypnogram.clock == (time(23, 59) if on_clock else None)
    dated = kind == "YASA's stages"
    assert hypnogram.start == (datetime(2022, 12, 15, 23, 59) if dated else None)
    assert hypnogram.delay(datetime(2022, 12, 15, 23, 58)) == (60 if on_clock or dated else 0)
    assert hypnogram.delay(None) == 0


def test_a_clock_without_a_date_is_the_nearest(tmp_path):
    hypnogram = read_file(written(tmp_path, *KINDS["domino"]))
    assert hypnogram.delay(datetime(2000, 1, 2, 0, 1, 0)) == -120
    assert hypnogram.delay(datetime(2000, 1, 1, 22, 0, 0)) == 7140


def test_other_events_are_left_out_and_said(tmp_path):
    hypnogram = read_file(written(tmp_path, *KINDS["BIDS"]))
    assert hypnogram.notices == (
        "1 entries of the hypnogram are no stages (arousal)",
        "1 epoch of the hypnogram not scored (n/a)",
    )
    path = write_hypnogram(
        tmp_path / "a.edf", (0, 30, "Sleep stage W"), (12, 3, "Arousal"), (30, 60, "Stage - N2"), (90, 30, "R")
    )
    assert (codes(path), len(read_file(path).notices)) == ([W, N2, N2, R], 1)
    assert has_stages(path)
    assert not has_stages(write_hypnogram(tmp_path / "b.edf", (0, 30, "Arousal")))


@pytest.mark.parametrize("prefix", ["", "Sleep stage ", "stage ", "SLEEP-", "Stage_", "sleep_stage_", "Stadium "])
def test_stages_are_known_under_all_usual_names(prefix):
    for name, code in {"W": W, "N1": N1, "S2": N2, "s4": N3, "REM": R, "N3": N3}.items():
        if not (prefix == "SLEEP-" and name == "W"):
            assert code_of(prefix + name, {}) == code, prefix + name
    assert code_of("Sleep stage 3", {}) == N3
    assert code_of("3", {}) is None


def test_stages_that_follow_each_other_need_no_duration(tmp_path):
    path = write_hypnogram(tmp_path / "a.edf", (15, None, "Sleep stage W"), (75, 0, "Sleep stage N2"))
    hypnogram = read_file(path)
    assert hypnogram.codes.tolist() == [W, W, N2]
    assert hypnogram.offset == 15
    assert hypnogram.delay(hypnogram.start) == 15


def test_a_row_that_was_taken_out_moves_no_other(tmp_path):
    lines = OURS.splitlines(keepends=True)
    path = written(tmp_path, "a.csv", "".join(lines[:2] + lines[3:]))
    assert codes(path)[:5] == [W, U, N2, N3, R]
    numbered = written(tmp_path, "b.csv", "epoch,stage\n1,W\n2,N1\n4,N3\n")
    assert codes(numbered) == [W, N1, U, N3]


def test_columns_can_be_named(tmp_path):
    path = written(tmp_path, "a.csv", "Beginn,Dauer,Stadium AASM\n0,30,W\n30,60,N2\n")
    with pytest.raises(InputError, match=r"no column of stages among Beginn, Dauer, Stadium AASM; call it stage"):
        read_file(path)
    named = {"stage": "Stadium AASM", "onset": "Beginn", "duration": "Dauer"}
    assert codes(path, Reading(columns=named)) == [W, N2, N2]
    with pytest.raises(InputError, match=r"no column Stufe, which --columns names; there are Beginn"):
        read_file(path, Reading(columns={"stage": "Stufe"}))


def test_bids_says_itself_what_numbers_mean(tmp_path):
    path = written(tmp_path, "sub-1_events.tsv", "onset\tduration\tstage_hum\n0\t30\t0\n30\t30\t2\n60\t30\t8\n")
    with pytest.raises(InputError, match="--stage_map"):
        read_file(path)
    levels = {"0": "Wake", "2": "N2", "8": "Artifact", "9": "lamp"}
    (tmp_path / "sub-1_events.json").write_text(json.dumps({"stage_hum": {"Levels": levels}}))
    assert codes(path) == [W, N2, U]


# ---- numbers, and a map of one's own ----


def test_numbers_are_never_guessed(tmp_path):
    path = written(tmp_path, "a.txt", "0\n1\n2.0\n4.000000e+00\n5\n")
    with pytest.raises(InputError, match=r"a.txt: stage '0' in line 1 is a number; .*--stage_map rk .*aasm"):
        read_file(path)
    assert codes(path, Reading(stage_map("rk"))) == [W, N1, N2, N3, R]
    with pytest.raises(InputError, match=r"unknown stage '5' in line 5; there are 0, 1, 2, 3, 4, -1"):
        read_file(path, Reading(stage_map("aasm")))
    assert codes(written(tmp_path, "b.txt", "-1\n4\n0\n"), Reading(stage_map("aasm"))) == [U, R, W]


def test_a_map_of_ones_own_says_what_labels_mean(tmp_path):
    path = written(tmp_path, "a.txt", "Eveil\nStade-X\nSP\nrond\nSP\n")
    with pytest.raises(InputError, match=r"a.txt: unknown stage 'Stade-X' in line 2; there are w, wake, .*--stage_map"):
        read_file(path)
    table = written(tmp_path, "map.csv", "label,stage\nStade-X,N2\nSP,R\nrond,\n")
    assert codes(path, Reading(stage_map(str(table)))) == [W, N2, R, R]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a,N5\n", r"line 1 is 'a, N5'; it needs a label and one of W, N1"),
        ("a\n", r"line 1 is 'a'"),
        ("a,N1\nA,N2\n", r"line 2 gives 'A' another stage"),
        ("label,stage\n", r"no labels in it"),
    ],
)
def test_a_damaged_map_is_refused(tmp_path, text, reason):
    with pytest.raises(InputError, match=reason):
        stage_map(str(written(tmp_path, "map.csv", text)))
    with pytest.raises(InputError, match="no such file; there are rk, aasm"):
        stage_map(str(tmp_path / "none.csv"))


# ---- epochs of another length ----


def test_epochs_of_another_length_are_resampled_on_request_only(tmp_path):
    path = written(tmp_path, "a.xml", PROFUSION.replace("<EpochLength>30", "<EpochLength>20"))
    with pytest.raises(InputError, match=r"its epochs last 20 s, not 30; .* with --epoch_seconds 20"):
        read_file(path)
    hypnogram = read_file(path, Reading(epoch_seconds=20))
    assert hypnogram.codes.tolist() == [W, N2, N3, U]  # 120 s: 0 1 | 2 is split | 4 5 | 9 is split
    assert hypnogram.notices == (
        "1 epoch of the hypnogram not scored (9)",
        "a.xml: epochs of 20 s resampled to 30 s",
    )
    spans = written(tmp_path, "a.csv", "onset,duration,stage\n0,20,W\n20,40,N2\n60,60,REM\n")
    with pytest.raises(InputError, match=r"'W' in line 2 at 0 s lasts 20 s; its epochs last 20 s: resample them with"):
        read_file(spans)
    assert codes(spans, Reading(epoch_seconds=20)) == [W, N2, R, R]
    with pytest.raises(InputError, match="its epochs last 30 s, not 20"):
        read_file(written(tmp_path, "b.xml", PROFUSION), Reading(epoch_seconds=20))


@pytest.mark.parametrize("seconds", [0, -30, 301])
def test_a_length_that_no_epoch_has_is_refused(seconds):
    with pytest.raises(InputError, match="must be from 1 to 300"):
        Reading(epoch_seconds=seconds)


@given(st.lists(st.sampled_from([W, N1, N2, N3, R, U]), min_size=1, max_size=40), st.sampled_from([10, 15, 30, 60, 90]))
def test_resampling_keeps_what_fits(stages, seconds):
    found = resampled(np.array(stages, np.int32), seconds)
    assert len(found) == len(stages) * seconds // 30
    if seconds >= 30:
        assert found.tolist() == [stage for stage in stages for _ in range(seconds // 30)]
    for i, code in enumerate(found.tolist()):
        inside = [stages[second // seconds] for second in range(30 * i, 30 * i + 30)]
        assert inside.count(code) == max(map(inside.count, inside))


# ---- times ----


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("22:31:05", 81065),
        ("22.31.05", 81065),
        ("22h31", 81060),
        ("22:31:05 h", 81065),
        ("22:31:05,500", 81065.5),
        ("22:31:05:500", 81065.5),
        ("10:31:05 PM", 81065),
        ("10:31:05 p.m.", 81065),
        ("12:00:00 AM", 0),
        ("2022-12-15 22:31:05", 81065),
        ("2022-12-15T22:31", 81060),
        ("2022-12-15T22:31Z", 81060),
        ("2022-12-15 22:31:05.25+01:00", 81065.25),
        ("15/12/2022 22:31:05", 81065),
        ("24:00:00", 86400),
        ("24:00:01", None),
        ("22:61", None),
        ("13:00 PM", None),
        ("22", None),
        ("", None),
        ("-1:00", None),
        ("22:31:05:50", None),
    ],
)
def test_times_of_day(text, seconds):
    moment = moment_of(text)
    assert (moment and moment.seconds) == seconds


@pytest.mark.parametrize(
    ("texts", "seconds", "dated"),
    [
        (["23:59:30", "0:00:00"], [86370, 0], False),
        (["15/01/2016 23:59:30", "16/01/2016 00:00:00"], [0, 30], True),
        (["03/04/2012 23:59:30", "04/04/2012 00:00:00"], [0, 30], True),  # months first would be 31 days
        (["12/11/2012 23:59:30", "12/12/2012 00:00:00"], [0, 30], True),
        (["03/04/2012 01:00:00", "03/04/2012 01:00:30"], [3600, 3630], False),  # either
        (["2012-10-28 02:59:30+02:00", "2012-10-28 02:00:00+01:00"], [0, 30], True),  # winter time begins
    ],
)
def test_dates_and_zones_count(texts, seconds, dated):
    found = on_one_clock([moment_of(text) for text in texts])
    assert ([second - (found[0][0] if dated else 0) for second in found[0]], found[1]) == (seconds, dated)


# ---- what no program should write ----

BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]><PSGAnnotation>&b;</PSGAnnotation>'


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("a.xml", BOMB, "has a document type"),
        ("a.xml", "<PSGAnnotation>", "not a readable XML file"),
        ("a.xml", "<html/>", r"<html> is no hypnogram; there are NSRR's"),
        ("a.xml", NSRR.replace("<Start>30<", "<Start>nan<"), r"'nan' in <Start> of event 4 is no number"),
        ("a.xml", NSRR.replace("<Duration>30.0<", "<Duration>1e300<"), r"'Wake' in event 3 at 0 s lasts .*31 days"),
        ("a.xml", NSRR.replace("Stage 2 sleep", "Stage 7 sleep"), r"unknown stage 'Stage 7 sleep' in event 5"),
        ("a.xml", PROFUSION.replace(">4<", ">8888<"), r"unknown stage '8888' in epoch 4; there are 0, 1"),
        ("a.xml", PROFUSION.replace("<EpochLength>30", "<EpochLength>1e9"), r"says that an epoch lasts 1e\+09 s"),
        ("a.xml", PROFUSION.replace("<EpochLength>30", "<EpochLength>x"), r"'x' in <EpochLength> of the head"),
        ("a.csv", "onset,duration,stage\n0,99999999990,W\n", r"line 2 at 0 s lasts 1e\+11 s; the limit is 31"),
        ("a.csv", "onset,duration,stage\n-30,30,W\n", r"'W' in line 2 at -30 s"),
        ("a.csv", "onset,duration,stage\n0,30,W\ninf,30,W\n", r"line 3: 'inf' in column onset is no number of sec"),
        ("a.csv", "onset,duration,stage\n0,60,W\n30,30,N1\n", r"'N1' in line 3 starts before the last one ends"),
        ("a.csv", "onset,duration,stage\n0,30,W\n30,30,N9\n", r"unknown stage 'N9' in line 3; there are w, wake"),
        ("a.csv", "epoch,stage\n1,W\n9999999,W\n", r"'W' in line 3 at 3e\+08 s lasts 30 s; the limit is 31 days"),
        ("a.csv", "a,b\n1,2\n", "no column of stages among a, b"),
        ("a.csv", 'stage,x\n"W,N1\n', r"unknown stage 'W,N1' in line 2"),
        ("a.csv", "", "no stages in it"),
        ("a.tsv", "onset\tduration\ttrial_type\n0\t1\tarousal\n", r"no stages in it; it has arousal; there are w"),
        ("a.tsv", "onset\tduration\ttrial_type\n0\t30\tStage 9\n", r"unknown stage 'Stage 9' in line 2"),
        ("a.txt", DOMINO.replace("Discret", "Impuls"), r"not the sleep profile \(Signal Type Impuls, Rate 30 s\)"),
        ("a.txt", DOMINO.replace("00:00:00,000", "25:00:00"), r"no column of stages among 23:59:00,000, Wach"),
        ("a.txt", DOMINO.replace("Rate: 30 s", "Rate: 20 s"), r"its epochs last 20 s, not 30; resample"),
        ("a.txt", "W\nN1\nsleepy\n", r"unknown stage 'sleepy' in line 3; there are w, wake"),
        ("a.txt", "\0\0", "zero bytes"),
        ("a.annot", "W\t0\n", r"line 1 has 2 columns; there are 3, 4 or 6"),
        ("a.annot", "W\t.\t.\tsoon\t30\t.\n", r"line 1: 'soon' is no time"),
        ("a.annot", "W\t.\t.\t0\t1e18\t.\n", r"the limit is 31 days"),
        ("a.annot", "W\t.\t.\t30\t0\t.\n", r"the limit is 31 days"),
        ("a.annot", "W\t.\t.\t22:00:00\t+30\t.\nN1\t.\t.\t30\t60\t.\n", "some lines start at times of day"),
        ("a.eannot", "W\n" * 89_281, "the limit is 31 days"),
        ("a.json", "{}", r"is no list of stages"),
        ("a.xyz", "{}", r".xyz is not a supported hypnogram; there are .edf"),
    ],
)
def test_odd_files_are_refused_in_one_line(tmp_path, name, text, reason):
    path = written(tmp_path, name, text)
    with pytest.raises(InputError, match=reason) as refused:
        read_file(path)
    assert name in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["none.csv", "none.xml", "none.txt", "none.annot"])
def test_a_file_that_is_not_there_is_named(tmp_path, name):
    with pytest.raises(InputError, match=rf"{name}: no such file"):
        read_file(tmp_path / name)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "a.csv").open("wb") as file:
        file.truncate(2**30)  # takes no disk
    with pytest.raises(InputError, match=r"has 1,073,741,824 bytes; the limit for a text file is"):
        read_file(tmp_path / "a.csv")


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(sorted(KINDS)),
    where=st.floats(0, 1, exclude_max=True),
    put=st.binary(max_size=4),
    cut=st.integers(0, 40),
)
def test_a_file_with_damage_anywhere_is_read_or_refused(tmp_path, kind, where, put, cut):
    name, text = KINDS[kind]
    content = text.encode()
    at = int(where * len(content))
    path = tmp_path / name
    path.write_bytes(content[:at] + put + content[at + cut :])
    try:
        hypnogram = read_file(path)
    except InputError as error:
        assert name in str(error)
    else:
        assert isinstance(hypnogram, Hypnogram)
        assert len(hypnogram.codes) <= 31 * 2880
        assert set(hypnogram.codes.tolist()) <= {W, N1, N2, N3, R, U}


def test_utf16_and_windows_letters_are_read(tmp_path):
    (tmp_path / "a.txt").write_bytes("Wake\nREM\n".encode("utf-16"))
    assert codes(tmp_path / "a.txt") == [W, R]
    (tmp_path / "b.txt").write_bytes("éveil\nREM\n".encode("cp1252"))
    assert codes(tmp_path / "b.txt") == [W, R]


# ---- real files ----


def test_real_hypnograms_are_read_as_their_own_studies_read_them(real):
    for path in sorted((real / "hypnograms").glob("*.edf"))[::8]:
        assert read_hypnogram(path).codes.tolist() == SLEEPEDF.read(path).codes.tolist()
    for path in sorted((real / "ucddb").glob("*_stage.txt")):
        assert read_hypnogram(path).codes.tolist() == UCDDB.read(path).codes.tolist()


def test_every_known_label_has_a_code_of_ours():
    assert {int(code) for code in KNOWN.values()} == {*map(int, Stage), UNKNOWN}
    assert kind_of(Path("a.EDF")).name.startswith("annotations")


# ---- stages in memory ----


def test_stages_in_memory_are_read_as_those_in_a_file():
    assert hypnogram_from(["W", "N1", "Stage 2", None, "", float("nan"), "REM"]).codes.tolist() == [
        W,
        N1,
        N2,
        U,
        U,
        U,
        R,
    ]
    by_number = Reading(stage_map("aasm"))
    assert hypnogram_from(np.array([0, 1, 2, -1, 4]), by_number).codes.tolist() == [W, N1, N2, U, R]
    assert hypnogram_from(np.array([0.0, np.nan, 3.0]), by_number).codes.tolist() == [W, U, N3]
    with pytest.raises(InputError, match=r"array: stage '0' in epoch 0 is a number; .*--stage_map rk"):
        hypnogram_from(np.array([0, 1]))
    for wrong in (np.zeros((2, 3)), np.zeros(3, bool), 5, np.zeros(2, complex)):
        with pytest.raises(InputError, match=r"array: stages of .*; give one stage an epoch"):
            hypnogram_from(wrong)


@pytest.mark.parametrize(
    ("text", "n_epochs", "said"),
    [
        ("epoch,stage\n1,W\n2,N1\n3,N2\n", 3, ("its epochs are numbered from 1 on", "if the first is 0, its row is")),
        ("epoch,stage\n0,W\n1,N1\n2,N2\n", 3, ()),
        (",stage\n1,W\n2,N1\n3,N2\n", 4, ("its epochs are numbered from 1 on", "number 0 is the first")),
        ("onset,duration,stage\n0,30,W\n30,45,N2\n", 2, ("the last stage, 'N2' in line 3, ends 15 s into an epoch",)),
        ("onset,duration,stage\n0,30,W\n30,60,N2\n", 3, ()),
    ],
)
def test_what_a_table_leaves_open_is_said(tmp_path, text, n_epochs, said):
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    hypnogram = read_file(tmp_path / "a.csv")
    assert len(hypnogram.codes) == n_epochs
    notices = " ".join(hypnogram.notices)
    assert all(part in notices for part in said) and bool(notices) == bool(said)


def test_a_last_change_without_an_end_is_said_to_be_an_epoch(tmp_path):
    (tmp_path / "a.annot").write_text("N1\t.\t.\t0\t...\t.\nN2\t.\t.\t90\t...\t.\n", encoding="utf-8")
    hypnogram = read_file(tmp_path / "a.annot")
    assert hypnogram.codes.tolist() == [1, 1, 1, 2]
    assert hypnogram.notices == ("the last stage, 'N2' in line 2, has no end: counted as one epoch",)


def test_the_origin_of_mne_s_annotations_is_their_start(tmp_path):
    path, head = tmp_path / "a.txt", "# MNE-Annotations\n# orig_time : 2002-12-03 22:11:10.5+00:00\n"
    rows = "# onset, duration, description\n30.0, 60.0, Sleep stage W\n90.0, 30.0, Sleep stage 2\n"
    path.write_text(head + rows, encoding="utf-8")
    hypnogram = read_file(path)
    assert hypnogram.start == datetime(2002, 12, 3, 22, 11, 10, 500_000)
    assert hypnogram.codes.tolist() == [UNKNOWN, 0, 0, 2]
    path.write_text("# MNE-Annotations\n" + rows, encoding="utf-8")
    assert read_file(path).start is None
    path.write_text(head.replace("2002-12-03", "some day") + rows, encoding="utf-8")
    with pytest.raises(InputError, match=r"orig_time 'some day .* is no date and time; repair it"):
        read_file(path)


def test_a_column_of_an_experts_stages_names_no_annotators(tmp_path):
    """As in our own tables of a scored night that has an expert."""
    path = tmp_path / "night_stages.csv"
    path.write_text("onset_s,stage,expert\n0,W,N1\n30,N2,N2\n60,N2,\n")
    assert read_file(path).codes.tolist() == [0, 2, 2]
