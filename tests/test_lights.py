"""Lights off and on: as the user says, else as the file says, and always within the recording."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pytest

from command import InputError
from recordings.recording import Header, Mark, Recording, Stretch
from scoring.lights import lights_of, parse_lights

START = datetime(2001, 2, 3, 23, 50, 0)


def recording(minutes=30.0, *, start: datetime | None = START, marks=()):
    seconds = 60 * minutes
    return Recording(
        name="night",
        path=None,
        format="EDF",
        headers=(Header("EEG Fpz-Cz", "uV", 100.0, round(100 * seconds)),),
        start=start,
        stretches=(Stretch(0.0, 0.0, seconds),),
        read=lambda signal, first, last: np.zeros(last - first, np.float32),
        simulated=False,
        marks=tuple(Mark(*one) for one in marks),
    )


def lights(opened, off=None, on=None):
    return lights_of(opened, parse_lights(off, "--lights_off"), parse_lights(on, "--lights_on"))


@pytest.mark.parametrize(
    ("off", "on", "expected"),
    [
        ("23:51", None, (60, None)), ("00:10", None, (1200, None)), ("23:51:30", "00:05", (90, 900)),
        ("120", "600", (120, 600)), (None, "00:00", (None, 600)), ("23:50", None, (0, None)),
        (120, 600.5, (120, 600.5)),
    ],
)  # fmt: skip
def test_lights_are_clock_times_or_seconds(off, on, expected):
    assert lights(recording(), off, on) == (*expected, ())


def test_lights_on_come_after_lights_off_if_need_be_a_day_later():
    assert lights(recording(25 * 60), "23:55", "23:54")[:2] == (300, 86_400 + 240)
    assert lights(recording(25 * 60), None, "23:54")[:2] == (None, 240)


@pytest.mark.parametrize("text", ["25:00", "12:60", "1:2:3:4", "noon", "-5", "12:", "nan", "inf", "1e99"])
def test_lights_that_are_no_time_are_refused(text):
    with pytest.raises(InputError, match=r"--lights_off .*: give a clock time, HH:MM or HH:MM:SS, or seconds"):
        parse_lights(text, "--lights_off")


@pytest.mark.parametrize(
    ("off", "on", "message"),
    [
        (timedelta(hours=12), None, "12:00:00 is not in the recording, which lasts from 23:50:00 to 00:00:00"),
        (601.0, None, "--lights_off 601.0 is not in the recording"),
        (200.0, 100.0, "lights on at 100 s is not after lights off at 200 s"),
        (None, 0.0, "lights on at 0 s is not after lights off at 0 s"),
    ],
)
def test_lights_outside_the_recording_are_refused(off, on, message):
    with pytest.raises(InputError, match=message):
        lights_of(recording(10), off, on)


def test_a_clock_time_needs_a_recording_with_a_clock():
    assert lights(recording(start=None), "60", "600") == (60, 600, ())
    with pytest.raises(InputError, match="night: has no clock; give --lights_on in seconds from its start"):
        lights(recording(start=None), "60", "23:55")


def test_marks_in_the_file_count_unless_the_user_says_otherwise():
    marked = recording(10, marks=[(60, None, "Lights Off"), (300, None, " lights on (alarm)")])
    assert lights(marked) == (
        60, 300, ("lights off 23:51:00: marked in the file", "lights on 23:55:00: marked in the file"),
    )  # fmt: skip
    assert lights(marked, off="90") == (90, 300, ("lights on 23:55:00: marked in the file",))
    assert lights(marked, off="90", on="200") == (90, 200, ())
    assert lights(recording(10, marks=[(60, None, "all lights off")])) == (None, None, ()), "some other text"
