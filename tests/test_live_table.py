"""The table of a stream: rows that are whole, once each, and a memory that belongs to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from command import InputError
from streaming.staging import LiveEpoch
from streaming.table import About, LiveTable

START = datetime(2001, 2, 3, 22, 0)
ABOUT = About("amplifier", ["C3"], 100.0, ["a hash"], None, START.isoformat(), 1e9)


def epoch(number: int, known: bool = True) -> LiveEpoch:
    p = np.array([0.1, 0.2, 0.5, 0.15, 0.05] if known else [np.nan] * 5, np.float32)
    return LiveEpoch(number, p, number == 1, () if known else ("no signal",), ("",))


def test_rows_are_those_of_a_scored_recording(tmp_path):
    table = LiveTable(tmp_path, "amp")
    assert all(table.add("amp", START, epoch(number, number != 2)) for number in range(3))
    assert table.path.read_text().splitlines() == [
        "recording,epoch,onset_s,clock,stage,p_W,p_N1,p_N2,p_N3,p_REM,confidence,flags",
        "amp,0,0.0,22:00:00,N2,0.1000,0.2000,0.5000,0.1500,0.0500,0.5000,",
        "amp,1,30.0,22:00:30,N2,0.1000,0.2000,0.5000,0.1500,0.0500,0.5000,low confidence",
        "amp,2,60.0,22:01:00,?,,,,,,,no signal",
    ]


@pytest.mark.parametrize("killed", ["", "a", "amp,2,60.", "\namp,2,60.0,22:01:00,N2"])
def test_half_a_row_is_taken_away_and_no_row_comes_twice(tmp_path, killed):
    table = LiveTable(tmp_path, "amp")
    for number in range(2):
        table.add("amp", START, epoch(number))
    whole = table.path.read_text()
    table.file.close()
    table.path.write_text((whole[:-1] if killed.startswith("\n") else whole) + killed)
    again = LiveTable(tmp_path, "amp")
    assert again.next_epoch == 2 and again.path.read_text() == whole
    assert not again.add("amp", START, epoch(1)) and again.add("amp", START, epoch(2))
    assert again.path.read_text().count("\n") == 4


def test_only_one_process_writes(tmp_path):
    table = LiveTable(tmp_path, "amp")
    with pytest.raises(InputError, match=r"another live\.py is writing it"):
        LiveTable(tmp_path, "amp")
    table.file.close()
    LiveTable(tmp_path, "amp")


def test_what_is_remembered_comes_back(tmp_path):
    table = LiveTable(tmp_path, "amp")
    assert table.earlier() is None
    table.add("amp", START, epoch(0))
    table.remember(replace(ABOUT, next_epoch=1), {"a/b": np.arange(3.0)})
    about, kept = table.earlier()
    assert about == replace(ABOUT, next_epoch=1) and np.array_equal(kept["a/b"], np.arange(3.0))


@pytest.mark.parametrize(
    "content", [b"not a table\n", b"short", b"recording,epoch,\na,0,\na,2,\n", b"recording,epoch,\n\xff\n"]
)
def test_another_file_in_its_place_is_refused_and_left_alone(tmp_path, content):
    path = tmp_path / "amp_live.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"amp_live\.csv: not a table of live\.py"):
        LiveTable(tmp_path, "amp")
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_a_damaged_memory_is_the_users_error(tmp_path, content):
    table = LiveTable(tmp_path, "amp")
    table.add("amp", START, epoch(0))
    table.memory.write_bytes(content)
    with pytest.raises(InputError, match=r"amp_live\.npz: .*remove both, or choose another --name"):
        table.earlier()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rate": 200.0}, "rate was 100.0, now 200.0"),
        ({"channels": ["C4"]}, "channels was"),
        ({"weights": ["another"]}, "it was begun with other weights"),
        ({"amplitude": 8.0}, "amplitude was None, now 8.0"),
        ({"began": 2e9, "start": "2030-01-01T00:00:00"}, ""),
    ],
)
def test_another_session_is_known(change, said):
    found = ABOUT.difference(replace(ABOUT, **change))
    assert found.startswith(said) and bool(found) == bool(said)
    assert "starts at" in replace(ABOUT, began=None).difference(replace(ABOUT, began=None, start="2001-02-04T22:00:00"))
