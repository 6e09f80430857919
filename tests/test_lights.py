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


def marked(*marks, minutes=10):
    return recording(minutes, marks=[(onset, None, text) for onset, text in marks])


@pytest.mark.parametrize(
    ("off", "on", "expected"),
    [
        ("23:51", None, (60, None)), ("00:10", None, (1200, None)), ("23:51:30", "00:05", (90, 900)),
        ("120", "600", (120, 600)), (None, "00:00", (None, 600)), ("23:50", None, (0, None)),
        (120, 600.5, (120, 600.5)),
    ],
)  # fmt: skip
def test_lights_are_clock_times_or_seconds(off, on, expected):
    found = lights(recording(), off, on)
    assert found[:3] == (*expected, ())
    clocks = [time for time in (off, on) if time is not None]
    assert [notice.split(": ")[1] for notice in found.notices] == ["as given"] * len(clocks)


@pytest.mark.parametrize(
    ("text", "hours"),
    [("17.00", 17), ("17h00", 17), ("5:00PM", 17), ("5:00 p.m.", 17), ("17:00:00", 17), ("0:30", 0.5)],
)
def test_lights_are_understood_as_people_write_times(text, hours):
    assert parse_lights(text, "--lights_off") == timedelta(hours=hours)
    assert parse_lights(17.0, "--lights_off") == 17.0  # a number of Python is seconds


@pytest.mark.parametrize("text", ["1700", "0.708333333", "0,75", ".75"])
def test_lights_that_may_be_two_things_are_refused(text):
    with pytest.raises(InputError, match=r"may be a time of day or seconds; write HH:MM"):
        parse_lights(text, "--lights_off")


def test_a_channel_behind_the_text_does_not_count():
    assert lights(marked((60, "Lights off@@EEG F4-M1"), (500, "Lights on@@EEG F4-M1")))[:2] == (60, 500)


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
        (
            timedelta(hours=11),
            None,
            "lies between lights off at 11:00:00 and lights on at 00:00:00; give other times",
        ),
        (601.0, None, "nothing of the recording, 23:50:00 to 00:00:00, lies between lights off at 00:00:01"),
        (200.0, 100.0, "between lights off at 23:53:20 and lights on at 23:51:40"),
        (None, 0.0, "between lights off at 23:50:00 and lights on at 23:50:00"),
        (None, timedelta(hours=23), "between lights off at 23:50:00 and lights on at 23:00:00"),
    ],
)
def test_lights_that_leave_nothing_of_the_recording_are_refused(off, on, message):
    with pytest.raises(InputError, match=message):
        lights_of(recording(10), off, on)


@pytest.mark.parametrize(
    ("off", "on", "expected", "said"),
    [
        ("22:30", None, (0, None), "off 22:30:00 is before the recording, which starts at 23:50:00"),
        (None, "07:00", (None, 600), "on 07:00:00 is after the recording, which ends at 00:00:00"),
        (None, 601, (None, 600), "on 00:00:01 is after the recording, which ends at 00:00:00"),
    ],
)
def test_lights_outside_the_recording_are_those_of_its_start_and_end(off, on, expected, said):
    assert lights(recording(10), off, on) == (*expected, (), (f"lights {said}: taken as that",))


def test_marks_outside_the_recording_are_those_of_its_start_and_end():
    assert lights(marked((-60, "Lights off"), (660, "Lights on")))[:2] == (0, 600)


def test_a_clock_time_needs_a_recording_with_a_clock():
    assert lights(recording(start=None), "60", "600")[:3] == (60, 600, ())
    with pytest.raises(InputError, match="night: has no clock; give lights on in seconds from its start"):
        lights(recording(start=None), "60", "23:55")


# ---- marks in the file ----


def test_marks_in_the_file_count_unless_the_user_says_otherwise():
    both = marked((60, "Lights Off"), (300, " lights on (alarm)"))
    off, on = "lights off 23:51:00: marked in the file", "lights on 23:55:00: marked in the file"
    assert lights(both) == (60, 300, (), (off, on))
    assert lights(both, off="90") == (90, 300, (), ("lights off 23:51:30: as given", on))
    assert lights(both, off="90", on="200")[:3] == (90, 200, ())


OFF = (
    "lights off", "Lights Out", "LIGHT OFF", "light-off", "Lights_Off", "lights:out", "LIGHTSOFF", "L OFF", "LOUT",
    "L-OUT", "Licht aus", "Licht uit", "Lumière éteinte", "lumieres eteintes", "Extinction des lumières",
    "Luces apagadas", "luz apagada", "Luzes apagadas", "luci spente", "Lights off, patient tired",
)  # fmt: skip
ON = (
    "lights on", "Light On", "lights-on", "LIGHTS_ON", "Lights: On", "L ON", "LON", "l_on", "Licht an", "Licht aan",
    "Lumière allumée", "lumières allumées", "Luces encendidas", "luz encendida", "Luzes acesas", "luci accese",
)  # fmt: skip
NEITHER = (
    "lights only dim", "lights", "all lights off", "lights offered", "L on chin loose", "Lonely", "lout snoring",
    "Licht anders", "lights outside the door", "Lumière",
)  # fmt: skip


@pytest.mark.parametrize("text", OFF)
def test_lights_off_is_understood(text):
    assert lights(marked((60, text)))[:2] == (60, None)


@pytest.mark.parametrize("text", ON)
def test_lights_on_is_understood(text):
    assert lights(marked((60, text)))[:2] == (None, 60)


@pytest.mark.parametrize("text", NEITHER)
def test_what_only_sounds_like_lights_is_none_and_is_listed(text):
    assert lights(marked((60, text))) == (None, None, (), (f"annotations not used: {text} (1)",))


@pytest.mark.parametrize(
    ("text", "missing"),
    [("Lights off", "no lights on after it: statistics end"), ("LON", "no lights off: statistics s")],
)
def test_one_mark_without_the_other_is_warned_of(text, missing):
    (warning,) = lights(marked((60, text))).warnings
    assert f"is marked in the file, and {missing}" in warning
    assert lights(marked((60, text)), off="30", on="90").warnings == ()


def test_the_first_lights_off_and_the_last_lights_on_count():
    night = marked((10, "Lights on"), (60, "Lights off"), (200, "L ON"), (230, "L OFF"), (500, "lights on"))
    assert lights(night) == (
        60, 500, (),
        (
            "lights off 23:51:00: marked in the file, the first of 2 marks",
            "lights on 23:58:20: marked in the file, the last of 2 marks",
        ),
    )  # fmt: skip
    early = lights(marked((10, "Lights on"), (60, "Lights off")))
    assert early[:2] == (60, None) and "no lights on after it" in early.warnings[0]


def test_the_recordings_own_start_and_stop_count_where_no_lights_are_marked():
    whole = marked((30, "Recording Start"), (540, "Stop recording"))
    assert lights(whole) == (
        30, 540, (),
        (
            "lights off 23:50:30: marked as Recording Start in the file",
            "lights on 23:59:00: marked as Stop recording in the file",
        ),
    )  # fmt: skip
    assert lights(marked((30, "recording started"), (60, "Lights off"), (540, "Recording ends")))[:2] == (60, 540)


# ---- other annotations ----


def test_what_was_not_understood_is_listed_the_most_frequent_first():
    texts = [*["Snoring"] * 3, *["Obstructive apnea"] * 2, "x" * 60]
    assert lights(marked(*((9, text) for text in texts))).notices == (
        f"annotations not used: Snoring (3), Obstructive apnea (2), {'x' * 40} (1)",
    )
    (notice,) = lights(marked(*((9, f"text {number}") for number in range(14)))).notices
    assert notice.endswith("text 9 (1) and 4 other texts") and notice.count("(1)") == 10


@pytest.mark.parametrize(
    "text",
    ["Sleep stage W", "Sleep stage ?", "Sleep stage 4", "N2", "REM", "W", "Movement time", "BAD_sweat", "boundary", ""],
)
def test_stages_and_marks_that_mean_something_are_not_listed(text):
    assert lights(marked((60, text))).notices == ()


def test_lights_that_nobody_tells_are_said_and_seconds_come_with_their_clock_time():
    assert list(lights(recording()).unknown()) == [
        "lights off and on are not known: whole recording taken as time in bed"
    ]
    told = lights(recording(), "120")
    assert not list(told.unknown()) and told.notices == ("lights off 23:52:00: as given",)
