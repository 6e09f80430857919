"""Hypnograms of Somnomedics' Domino: the text export of its sleep profile.

    Signal ID: SchlafProfil\\profil
    Start Time: 11/18/2021 8:39:30 PM
    Unit:
    Signal Type: Discret
    Events list: N3,N2,N1,Rem,Wake,Artifact
    Rate: 30 s

    20:39:30,000; A
    20:40:00,000; Wake

The order of day and month depends on the language of the export: only the time of day counts.
"""

from __future__ import annotations

import re
from pathlib import Path

from command import InputError
from recordings.hypnograms.scoring import AS_IT_IS, Label, Reading, Scoring, clocked, seconds_of_day
from recordings.tables import text_of

HEAD_LINES = 20


def is_domino(text: str) -> bool:
    """Tell whether a text is an export of Domino, by its head."""
    head = text[:2000].casefold()
    return "signal id:" in head and "rate:" in head


def scored(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the epochs of a sleep profile.

    Raises:
        InputError: no such file, it is a list of events, or a line has no time.
    """
    lines = text_of(path).splitlines()
    head = dict(re.findall(r"^([^:;]+):[ \t]*(.*?)[ \t]*$", "\n".join(lines[:HEAD_LINES]), re.MULTILINE))
    kind, rate = head.get("Signal Type", "Discret"), re.fullmatch(r"(\d+) *s(?:ec)?", head.get("Rate", ""))
    if kind.casefold() != "discret" or not rate:
        what = f"Signal Type {kind}, Rate {head.get('Rate', '?')}"
        raise InputError(f"{path}: an export of Domino, but not the sleep profile ({what}); export that")
    seconds = float(rate[1])
    labels, times = [], []
    for number, line in enumerate(lines, 1):
        clock, separator, text = line.partition(";")
        if not separator:
            continue
        time = seconds_of_day(clock)
        if time is None:
            raise InputError(
                f"{path}: line {number}: {clock.strip()[:20]!r} is no time of day; repair or export it again"
            )
        labels.append(Label(text.strip(), f"line {number}", duration=seconds))
        times.append(time)
    if not labels:
        raise InputError(f"{path}: no stages in it; export the sleep profile again")
    labels, start = clocked(labels, times)
    return Scoring(labels, epoch_seconds=seconds, clock=start)
