"""Times as tables and exports write them: of day, with a date, with a zone; and plain numbers with a unit."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

DAY = 86_400  # seconds
ZONE = r"(?:(?P<zulu>z|utc|gmt)|(?:utc|gmt)?(?P<zone>[+-]\d{2}:?\d{2}))?(?: ?\[[a-z_/+-]+\])?"
OF_DAY = re.compile(
    r"(?P<hour>\d{1,2})(?P<sign>[:.h])(?P<minute>\d{2})(?:(?:(?P=sign)|[:.]|(?<=\d)m|m)(?P<second>\d{2})s?"
    rf"(?:[.,](?P<fraction>\d{{1,9}})|:(?P<ms>\d{{3}}))?)? ?(?:h|uhr)? ?(?P<half>[ap]\.?m\.?)? ?{ZONE}",
    re.ASCII,
)
MONTH_NAMES = "jan feb mar apr may jun jul aug sep oct nov dec"
MONTHS = {name: number for number, name in enumerate(MONTH_NAMES.split(), 1)}
DATE = re.compile(
    r"(?:(?P<year>\d{4})[-/.](?P<month>\d{1,2})[-/.](?P<day>\d{1,2})"
    r"|(?P<first>\d{1,2})[-/.](?P<second>\d{1,2}|[a-z]{3})[-/.](?P<last>\d{4}|\d{2}))(?:t|,? +)",
    re.ASCII,
)


class Moment(NamedTuple):
    """A time as it is written: seconds since midnight, its date, (first, second, year) or none, its zone in seconds."""

    seconds: float
    date: tuple[int, int, int] | None = None
    year_first: bool = False
    zone: int = 0


def moment_of(text: str) -> Moment | None:
    """Return the time in `22:31:00`, `22.31.00`, `10:31 p.m.`, `2022-12-15T22:31Z`, `15/12/2022 22:31`; else None."""
    text = " ".join(text.casefold().split())
    dated = DATE.match(text)
    found = OF_DAY.fullmatch(text[dated.end() :] if dated else text)
    if not found:
        return None
    hour, minute, second = (int(found[name] or 0) for name in ("hour", "minute", "second"))
    if found["half"]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found["half"][0] == "p" else 0)
    fraction = float(f"0.{found['fraction'] or found['ms'] or 0}")
    seconds = 3600 * hour + 60 * minute + second + fraction
    if minute > 59 or second > 59 or seconds > DAY or (dated and date_of(dated) is None):
        return None
    zone = found["zone"] or "+0000"
    offset = int(zone[0] + "1") * (3600 * int(zone[1:3]) + 60 * int(zone[-2:]))
    return Moment(seconds, date_of(dated) if dated else None, bool(dated and dated["year"]), offset)


def date_of(found: re.Match[str]) -> tuple[int, int, int] | None:
    """Return a date as it is written, (first, second, year): of a year that comes first (day, month, year)."""
    if found["year"]:
        return int(found["day"]), int(found["month"]), int(found["year"])
    second = found["second"] if found["second"].isdecimal() else MONTHS.get(found["second"], 0)
    year = int(found["last"])
    return int(found["first"]), int(second), year + (0 if year > 99 else 1900 if year > 84 else 2000)


def seconds_of_day(text: str) -> float | None:
    """Return the seconds since midnight of a time of day, whatever its date; None for anything else."""
    moment = moment_of(text)
    return moment.seconds if moment and moment.seconds < DAY else None


def on_one_clock(moments: Sequence[Moment]) -> tuple[list[float], bool]:
    """Return times in seconds on one clock, that of the first one's zone, and whether they count from a known day.

    Whether day or month comes first is told by the dates themselves: one above 12, or one order that takes less days.
    Where nothing tells, dates do not count. With them, seconds count from the first day of the calendar.

    Raises:
        ValueError: a date that does not exist, or a part of the times has one.
    """
    zones = [moment.zone - moments[0].zone for moment in moments]
    plain = [moment.seconds - zone for moment, zone in zip(moments, zones, strict=True)]
    dates = [moment.date for moment in moments if moment.date]
    if not dates:
        return plain, False
    if len(dates) < len(moments):
        raise ValueError("some times have a date and some have none")
    orders = [[day_number(first, second, year) for first, second, year in dates]]
    if not moments[0].year_first:
        orders.append([day_number(second, first, year) for first, second, year in dates])
    spans = {max(days) - min(days): days for order in orders if None not in order for days in [as_whole(order)]}
    if not spans:
        raise ValueError("a date that does not exist")
    whole = [as_whole(order) for order in orders if None not in order]
    if len(whole) == 2 and whole[0] != whole[1] and len(spans) == 1:
        return plain, False
    days = spans[min(spans)]
    return [second + DAY * day for second, day in zip(plain, days, strict=True)], True


def day_number(day: int, month: int, year: int) -> int | None:
    try:
        return date(year, month, day).toordinal()
    except ValueError:
        return None


def as_whole(days: Sequence[int | None]) -> list[int]:
    return [day for day in days if day is not None]


def time_of_day(seconds: float) -> time:
    """Return seconds since midnight as a time of day."""
    return (datetime.min + timedelta(seconds=seconds % DAY)).time()


def date_time(seconds: float) -> datetime:
    """Return seconds from the first day of the calendar, as `on_one_clock` counts, as date and time."""
    return datetime.min + timedelta(days=seconds // DAY - 1, seconds=seconds % DAY)


UNITS = {
    **dict.fromkeys(
        ("", "s", "sec", "secs", "second", "seconds", "sek", "sekunden", "secondes", "segundos", "secondi"), 1.0
    ),
    **dict.fromkeys(("ms", "msec", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("min", "mins", "minute", "minutes", "minuten", "minutos", "minuti"), 60.0),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours", "stunden", "heures", "horas", "ore"), 3600.0),
}
"""Unit of a number → seconds."""


def number_of(text: str) -> float | None:
    """Return a finite number, with a decimal point or comma; None for anything else."""
    if not re.fullmatch(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d{1,3})?", text.strip(), re.IGNORECASE | re.ASCII):
        return None
    number = float(text.strip().replace(",", "."))
    return number if math.isfinite(number) else None
