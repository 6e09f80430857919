"""What a file calls its unit → µV: every spelling of a voltage that recorders were seen to write."""

from __future__ import annotations

import re

MICRO = (
    *("u", "µ", "μ", "mc", "mk", "micro", "мк"),
    *(
        "Âµ",
        "â\x88\x9eµ",
        "Î¼",
        "æ",
        "ìê",
        "¦Ì",
        "\x83Ê",
        "ï¿½",
        "\ufffd",
    ),  # µ in other codes
    *("?", "."),  # where a program had no such letter
)
"""What stands for micro, in a header that is read as Latin-1 or UTF-8."""

VOLT = r"(?:volts?|vol|v|в|Â)"
PREFIXES = {"micro": 1.0, "milli": 1e3, "nano": 1e-3, "": 1e6}
SPELLED = (
    ("micro", re.compile(rf"(?:{'|'.join(map(re.escape, MICRO))})\s*{VOLT}", re.IGNORECASE)),
    ("milli", re.compile(rf"(?:m|milli|м)\s*{VOLT}", re.IGNORECASE)),
    ("nano", re.compile(rf"(?:n|nano|н)\s*{VOLT}", re.IGNORECASE)),
    ("", re.compile(VOLT, re.IGNORECASE)),
)
NO_UNIT = ("", "-", "n/a", "na", "none")  # taken as µV, with a notice
BESIDE = re.compile(r"^[\s\[(]+|[\s\])]+$|\.$|[\s/](?:bit|dc|ac|rms|pp)$", re.IGNORECASE)  # stands beside a unit


def plain_unit(unit: str) -> str:
    """Return a unit without what stands beside it: zero bytes, blanks, brackets, a full stop."""
    before, plain = None, unit.replace("\0", "")
    while plain != before:
        before, plain = plain, BESIDE.sub("", plain)
    return plain


def is_named(unit: str) -> bool:
    """Tell whether a file gives a unit at all; a signal without one is taken as µV."""
    return plain_unit(unit).casefold() not in NO_UNIT


def microvolts_in(unit: str) -> float | None:
    """Return how many µV one of a unit is; None for what is no voltage, or not understood."""
    if not is_named(unit):
        return 1.0
    plain = plain_unit(unit)
    return next((PREFIXES[prefix] for prefix, spelling in SPELLED if spelling.fullmatch(plain)), None)
