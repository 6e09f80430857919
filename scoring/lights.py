"""When the lights went off and on: what the user says, or what marks in the recording say."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from command import InputError
from recordings.opening import LONGEST_DAYS
from recordings.recording import Recording
from scoring.staged import time_of

Lights = float | timedelta
"""Seconds from the recording's start, or the time since midnight."""

LONGEST_SECONDS = LONGEST_DAYS * 86_400
LIGHTS_OFF = ("lights off", "lights out", "light off")
LIGHTS_ON = ("lights on", "light on")


def lights_of(
    opened: Recording, given_off: Lights | None, given_on: Lights | None
) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Return lights off and on in seconds from the recording's start, and a notice on what marks in the file say."""
    notices = []
    off = seconds_of(opened, given_off, "--lights_off")
    if off is None:
        off = marked(opened, LIGHTS_OFF)
        notices += [] if off is None else [f"lights off {time_of(opened.start, off)}: marked in the file"]
    on = seconds_of(opened, given_on, "--lights_on", after=off or 0.0)
    if on is None:
        on = marked(opened, LIGHTS_ON)
        notices += [] if on is None else [f"lights on {time_of(opened.start, on)}: marked in the file"]
    if on is not None and on <= (off or 0.0):
        raise InputError(f"{opened.place}: lights on at {on:g} s is not after lights off at {off or 0.0:g} s")
    return off, on, tuple(notices)


def marked(opened: Recording, texts: Sequence[str]) -> float | None:
    return next((mark.onset for mark in opened.marks if mark.text.strip().casefold().startswith(tuple(texts))), None)


def parse_lights(text: str | float | None, option: str) -> Lights | None:
    """Return seconds, or the time since midnight that a clock time means.

    Raises:
        InputError: it is neither.
    """
    if text is None:
        return None
    text = str(text)
    try:
        parts = [int(part) for part in text.split(":")] if ":" in text else []
        if not parts and 0 <= float(text) < LONGEST_SECONDS:
            return float(text)
        hours, minutes, seconds = (*parts, 0)[:3]
        if len(parts) <= 3 and 0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 60:
            return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except ValueError:
        pass
    raise InputError(f"{option} {text}: give a clock time, HH:MM or HH:MM:SS, or seconds from the recording's start")


def seconds_of(opened: Recording, given: Lights | None, option: str, after: float = 0.0) -> float | None:
    """Return what `--lights_off` or `--lights_on` means in seconds from the recording's start.

    A clock time is the first one after `after` seconds.

    Raises:
        InputError: it is a clock time and the recording has none, or lies outside the recording.
    """
    if given is None or isinstance(given, float):
        second = given
    elif opened.start is None:
        raise InputError(f"{opened.place}: has no clock; give {option} in seconds from its start")
    else:
        midnight = opened.start.replace(hour=0, minute=0, second=0, microsecond=0)
        second = after + ((midnight + given - opened.start).total_seconds() - after) % 86_400
    if second is not None and second > opened.seconds:
        raise InputError(
            f"{opened.place}: {option} {given} is not in the recording, which lasts from "
            f"{time_of(opened.start, 0)} to {time_of(opened.start, opened.seconds)}"
        )
    return second
