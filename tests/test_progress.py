"""How far a list of recordings is, in words; the time that is left goes by the recorded hours, not by the files."""

from __future__ import annotations

import logging

from command import log
from scoring.progress import Progress, shown


def test_the_time_left_goes_by_the_recorded_hours():
    now = iter([0.0, 60.0, 240.0])
    progress = Progress([3600, 10_800, 3600], clock=lambda: next(now))
    assert str(progress) == "0 of 3"
    progress.step()
    assert str(progress) == "1 of 3, 4 min left"  # an hour took a minute, four hours are left
    progress.step()
    assert str(progress) == "2 of 3, 1 min left"
    progress.step()
    assert str(progress) == "3 of 3"


def test_recordings_of_no_length_leave_the_time_open():
    progress = Progress([0, 0])
    progress.step()
    assert str(progress) == "1 of 2"


def test_a_log_gets_a_line_after_each_of_several(caplog):
    with caplog.at_level(logging.INFO, logger=log.name), shown("abc", [60, 60, 60]) as items:
        assert list(items) == ["a", "b", "c"]
    lines = [record.getMessage() for record in caplog.records]
    assert [line[:6] for line in lines] == ["1 of 3", "2 of 3", "3 of 3"] and lines[0].endswith(" left")
    caplog.clear()
    with caplog.at_level(logging.INFO, logger=log.name), shown("a", [60]) as items:
        assert list(items) == ["a"]
    assert not caplog.records


def test_a_terminal_shows_it_below_the_output(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with shown("ab", [60, 60]) as items:
        list(items)
    assert "0 of 2" in capsys.readouterr().err
