"""When the lights went off and on: what the user says, or what marks in the recording say."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

from command import InputError, one_line
from files.limits import LONGEST_SECONDS
from recordings.opening import BOUNDARY
from recordings.quality import is_bad_mark
from recordings.recording import Mark, Recording
from recordings.times import DAY, moment_of
from scoring.staged import time_of

Lights = float | timedelta
"""Seconds from the recording's start, or the time since midnight."""

SHOWN_TEXTS, SHOWN_LETTERS = 10, 40  # of the annotations that were not understood


class TimeInBed(NamedTuple):
    """When the lights went off and on, in seconds from the recording's start, and what the user should know of it.

    Attributes:
        off, on: None when nobody says.
        warnings: one when the file marks one of them only.
        notices: where they are from, and what else the file's annotations say.
    """

    off: float | None
    on: float | None
    warnings: tuple[str, ...]
    notices: tuple[str, ...]

    def unknown(self) -> Iterator[str]:
        """Yield what to say of statistics of a night whose lights nobody tells."""
        if self.off is None and self.on is None:
            yield "lights off and on are not known: whole recording taken as time in bed"


def lights_of(opened: Recording, given_off: Lights | None, given_on: Lights | None) -> TimeInBed:
    """Return lights off and on within the recording: what the user says, else what marks in the file say.

    Raises:
        InputError: a clock time is given and the recording has none, or nothing lies between lights off and on.
    """
    notices: list[str] = []
    off = seconds_of(opened, given_off, "lights off", notices)
    if off is None:
        off = marked(opened, OFF, notices)
    first = clipped(opened, off, "off", notices)
    on = seconds_of(opened, given_on, "lights on", notices, after=first or 0.0)
    if on is None:
        on = marked(opened, ON, notices, after=first or 0.0)
    last = clipped(opened, on, "on", notices)
    if (first, last) != (None, None) and (opened.seconds if last is None else last) <= (first or 0.0):
        off_at, on_at, start, end = (
            time_of(opened.start, second)
            for second in (off or 0.0, opened.seconds if on is None else on, 0.0, opened.seconds)
        )
        raise InputError(
            f"{opened.place}: nothing of the recording, {start} to {end}, lies between lights off at {off_at} and "
            f"lights on at {on_at}; give other times"
        )
    warnings = tuple(missing_half(opened.marks, first, last))
    return TimeInBed(first, last, warnings, (*notices, *not_understood(opened.marks)))


# ---- marks in the file ----

OFF = re.compile(
    r"lights? ?(off|out)\b|l ?(off|out)$|licht ?(aus|uit)\b|lumi[eè]res? ?(off|[eé]teintes?)\b"
    r"|extinction (des |de la )?lumi[eè]res?\b|(luz|luces) (off|apagadas?)\b|luzes apagadas\b|luci spente\b"
)
ON = re.compile(
    r"lights? ?on\b|l ?on$|licht ?(an|ein|aan)\b|lumi[eè]res? ?(on|allum[eé]es?)\b"
    r"|allumage (des |de la )?lumi[eè]res?\b|(luz|luces) (on|encendidas?)\b|luzes acesas\b|luci accese\b"
)
"""What a text starts with, as whole words, in small letters and with blanks for hyphens, underscores and colons. L OFF
and its like are a text of their own: they could be the beginning of anything."""

BEGIN = re.compile(r"(start|begin)( of)? recording\b|recording (start|begin)(s|ed)?\b")
END = re.compile(r"(stop|end)( of)? recording\b|recording (stop|stopped|stops|end|ended|ends)\b")
"""They count where the lights are not marked."""

STAGE_TEXT = re.compile(r"((sleep )?stage )?(w|wake|n|n?[1-4]|r|rem|m|\?)|movement time")


def plain(text: str) -> str:
    """Return a text as it is looked up, without the channel that HMC's annotations name: `Lights off@@EEG F4-M1`."""
    return re.sub(r"[\s:_-]+", " ", text.partition("@@")[0]).strip().casefold()


def marked(opened: Recording, what: re.Pattern[str], notices: list[str], after: float = 0.0) -> float | None:
    """Return the first lights off, or the last lights on after `after` seconds, and add a notice on where it is from.

    Where the lights are not marked, the recording's own start and stop count, if they are.
    """
    off = what is OFF
    for pattern, meant in ((what, "marked in the file"), (BEGIN if off else END, "")):
        found = [mark for mark in opened.marks if pattern.match(plain(mark.text)) and (off or mark.onset > after)]
        if found:
            mark = found[0 if off else -1]
            several = f", the {'first' if off else 'last'} of {len(found)} marks" if len(found) > 1 else ""
            said = meant or f"marked as {one_line(mark.text.strip())} in the file"
            notices.append(f"lights {'off' if off else 'on'} {time_of(opened.start, mark.onset)}: {said}{several}")
            return mark.onset
    return None


def missing_half(marks: tuple[Mark, ...], off: float | None, on: float | None) -> Iterator[str]:
    """Yield a warning when the file marks one of lights off and on, and nobody says when the other was."""
    marked_off, marked_on = (any(what.match(plain(mark.text)) for mark in marks) for what in (OFF, ON))
    if marked_off and off is not None and on is None:
        yield "lights off is marked in the file, and no lights on after it: statistics end with the recording"
    if marked_on and on is not None and off is None:
        yield "lights on is marked in the file, and no lights off: statistics start with the recording"


def not_understood(marks: tuple[Mark, ...]) -> Iterator[str]:
    """Yield a notice on the annotations that mean nothing to this program: distinct texts, the most frequent first."""
    counts = Counter(mark.text.strip() for mark in marks if not understood(mark.text))
    if counts:
        shown = [f"{one_line(text[:SHOWN_LETTERS])} ({count})" for text, count in counts.most_common(SHOWN_TEXTS)]
        more = f" and {len(counts) - SHOWN_TEXTS} other texts" if len(counts) > SHOWN_TEXTS else ""
        yield f"annotations not used: {', '.join(shown)}{more}"


def understood(text: str) -> bool:
    words = plain(text)
    return (
        any(pattern.match(words) for pattern in (OFF, ON, BEGIN, END))
        or bool(STAGE_TEXT.fullmatch(words))
        or is_bad_mark(text)
        or words in ("", BOUNDARY)
    )


# ---- what the user says ----


AMBIGUOUS = re.compile(r"\d{4}|0?[.,]\d+")
"""`1700`, which may be 17:00 or seconds, and what spreadsheets make of a time of day, a part of a day such as 0.708."""


def parse_lights(text: str | float | None, option: str) -> Lights | None:
    """Return seconds, or the time since midnight that a clock time means: `17:00`, `17.00`, `17h00`, `5:00 PM`.

    Raises:
        InputError: it is neither, or could be either.
    """
    if text is None:
        return None
    given = str(text).strip()
    if isinstance(text, str) and AMBIGUOUS.fullmatch(given):
        raise InputError(f"{option} {text}: may be a time of day or seconds; write HH:MM, or 1700.0 for 1700 seconds")
    moment = moment_of(given) if isinstance(text, str) else None
    if moment and moment.date is None and moment.seconds < DAY and not moment.zone:
        return timedelta(seconds=moment.seconds)
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if moment or not 0 <= seconds < LONGEST_SECONDS:
        raise InputError(
            f"{option} {text}: give a clock time, HH:MM or HH:MM:SS, or seconds from the recording's start"
        )
    return seconds


def seconds_of(
    opened: Recording, given: Lights | None, which: str, notices: list[str], after: float = 0.0
) -> float | None:
    """Return what the user says of lights off or on in seconds from the recording's start, and add what that is.

    A clock time is the first one after `after` seconds; when that is not in the recording, the one nearest to it.

    Raises:
        InputError: it is a clock time and the recording has none.
    """
    if given is None:
        return None
    second = given if isinstance(given, float) else None
    if isinstance(given, timedelta):
        if opened.start is None:
            raise InputError(f"{opened.place}: has no clock; give {which} in seconds from its start")
        midnight = opened.start.replace(hour=0, minute=0, second=0, microsecond=0)
        second = after + ((midnight + given - opened.start).total_seconds() - after) % 86_400
        day_before = second - 86_400
        second = day_before if second > opened.seconds and -day_before < second - opened.seconds else second
    if second is not None and 0 <= second <= opened.seconds:  # `clipped` says the others
        notices.append(f"{which} {time_of(opened.start, second)}: as given")
    return second


def clipped(opened: Recording, second: float | None, which: str, notices: list[str]) -> float | None:
    """Return a time within the recording, and add to the notices when it was not."""
    if second is None or 0 <= second <= opened.seconds:
        return second
    end = 0.0 if second < 0 else opened.seconds
    side, verb = ("before", "starts") if second < 0 else ("after", "ends")
    notices.append(
        f"lights {which} {time_of(opened.start, second)} is {side} the recording, which {verb} at "
        f"{time_of(opened.start, end)}: taken as that"
    )
    return end
