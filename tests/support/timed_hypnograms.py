"""Hypnograms in every form, of one night whose stage at any time is known; and rows that move, vanish and come twice.

The night's stage is a function of the time, so that whatever is done to rows, a stage at a wrong time shows.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from recordings.datasets import read_hypnogram
from recordings.hypnogram import grid_start, on_grid
from recordings.hypnograms.labels import stage_map
from recordings.hypnograms.scoring import Reading
from sleepstage import EPOCH_SECONDS, UNKNOWN
from tests.support.edf_files import write_hypnogram

START = datetime(2012, 3, 14, 22, 41, 17)  # of the signal
N_EPOCHS = 240  # of the signal; over midnight
NAMES = ("W", "N1", "N2", "N3", "REM")

Row = tuple[int, int, int]  # (first epoch, epochs, stage)


def night() -> list[int]:
    """Return (epoch,) stages in bouts of one to twelve epochs, no bout like the one before."""
    rng, stages = random.Random(7), [0]
    while len(stages) < N_EPOCHS:
        other = rng.choice([stage for stage in range(5) if stage != stages[-1]])
        stages += [other] * rng.choice((1, 1, 2, 3, 5, 8, 12))
    return stages[:N_EPOCHS]


NIGHT = night()


def at(epoch: int) -> datetime:
    return START + timedelta(seconds=EPOCH_SECONDS * epoch)


def epochs_from(first: int) -> list[Row]:
    return [(epoch, 1, NIGHT[epoch]) for epoch in range(first, N_EPOCHS)]


def bouts_from(first: int) -> list[Row]:
    rows: list[Row] = []
    for epoch, _, stage in epochs_from(first):
        if rows and rows[-1][2] == stage:
            rows[-1] = (rows[-1][0], rows[-1][1] + 1, stage)
        else:
            rows.append((epoch, 1, stage))
    return rows


# ---- forms ----

Lines = Callable[[int], list[str]]
"""First epoch that is scored → the lines of a file."""


def table(head: str, row: Callable[[int, int, str], str], bouts: bool = False, names: Sequence[str] = NAMES) -> Lines:
    """Return what writes a table with a row for each epoch, or each bout."""

    def lines(first: int) -> list[str]:
        rows = bouts_from(first) if bouts else epochs_from(first)
        return [*head.split("\n"), *(row(epoch, length, names[stage]) for epoch, length, stage in rows)]

    return lines


def clocked(form: str) -> Lines:
    return table("Time,Stage", lambda epoch, length, name: f"{at(epoch).strftime(form)},{name}")


def seconds(epochs: int) -> int:
    return EPOCH_SECONDS * epochs


REMLOGIC = "RemLogic Event Export\nPatient:\tX\n\nSleep Stage\tTime [hh:mm:ss]\tEvent\tDuration[s]"
DOMINO = "Signal ID: SchlafProfil\\profil\nStart Time: 14.03.2012\nUnit: \nSignal Type: Discret\nRate: 30 s\n"
SLEEP = ("SLEEP-S0", "SLEEP-S1", "SLEEP-S2", "SLEEP-S3", "SLEEP-REM")
LUNA = "class\tinstance\tchannel\tstart\tstop\tmeta"
FRENCH = ("Éveil", "N1", "N2", "N3", "REM")
STAGES_OF = ("Wake", "Stage1", "Stage2", "Stage3", "REM")

FORMS: dict[str, tuple[str, Lines]] = {
    "onset, duration": ("a.csv", table("onset,duration,stage", lambda e, n, s: f"{seconds(e)},{seconds(n)},{s}", True)),
    "start, end": (
        "a.csv",
        table("Start (s);End (s);Stage", lambda e, n, s: f"{seconds(e)};{seconds(e + n)};{s}", True),
    ),
    "onset alone": ("a.csv", table("onset_s,stage", lambda e, n, s: f"{seconds(e)},{s}")),
    "minutes": ("a.csv", table("Onset (min),Duration (min),Stage", lambda e, n, s: f"{e / 2},{n / 2},{s}", True)),
    "epoch numbers": ("a.csv", table("Epoch,Stage", lambda e, n, s: f"{e + 1},{s}")),
    "clock": ("a.csv", clocked("%H:%M:%S")),
    "clock with dots": ("a.csv", clocked("%H.%M.%S")),
    "clock in halves of the day": ("a.csv", clocked("%I:%M:%S %p")),
    "clock with an h": ("a.csv", clocked("%H:%M:%S h")),
    "clock with fractions": ("a.csv", clocked("%H:%M:%S.%f")),
    "dates": ("a.csv", clocked("%Y-%m-%d %H:%M:%S")),
    "dates with a zone": ("a.csv", clocked("%Y-%m-%dT%H:%M:%S+01:00")),
    "dates, day first": ("a.csv", clocked("%d/%m/%Y %H:%M:%S")),
    "date beside time": (
        "a.txt",
        table(
            "Date, Time, Duration, Annotation",
            lambda e, n, s: f"{at(e):%Y-%m-%d}, {at(e):%H:%M:%S}, 30, Sleep stage {s}",
        ),
    ),
    "clock and end": (
        "a.csv",
        table("Start Time,Stop Time,Stage", lambda e, n, s: f"{at(e):%H:%M:%S},{at(e + n):%H:%M:%S},{s}", True),
    ),
    "STAGES": (
        "a.csv",
        table(
            "Start Time,Duration (seconds),Event",
            lambda e, n, s: f"{at(e):%H:%M:%S},{seconds(n)}, {s}",
            True,
            STAGES_OF,
        ),
    ),
    "RemLogic": ("a.txt", table(REMLOGIC, lambda e, n, s: f"{s[6:]}\t{at(e):%H:%M:%S}\t{s}\t30", names=SLEEP)),
    "Noxturnal": (
        "utf16.csv",
        table(
            "Heure de début,Heure de fin,Événement,Durée,\n[],[],[],[s],",
            lambda e, n, s: f"{at(e):%d/%m/%Y %H:%M:%S},{at(e + n):%d/%m/%Y %H:%M:%S},{s},{seconds(n)},",
            names=FRENCH,
        ),
    ),
    "Domino": ("a.txt", table(DOMINO, lambda e, n, s: f"{at(e):%H:%M:%S},000; {s}")),
    "Luna": ("a.annot", table(LUNA, lambda e, n, s: f"{s}\t.\t.\t{seconds(e)}\t{seconds(e + n)}\t.", True)),
    "Luna on the clock": (
        "a.annot",
        table(LUNA, lambda e, n, s: f"{s}\t.\t.\t{at(e):%H:%M:%S}\t+{seconds(n)}\t.", True),
    ),
    "BIDS": (
        "a_events.tsv",
        table("onset\tduration\ttrial_type", lambda e, n, s: f"{seconds(e)}\t30\tSleep stage {s}"),
    ),
    "stage first, without a head": ("a.txt", table("# stages", lambda e, n, s: f"{s}\t{seconds(e)}\t30")),
    "MNE": (
        "a.txt",
        table(
            "# MNE-Annotations\n# onset, duration, description",
            lambda e, n, s: f"{seconds(e)}.0,{seconds(n)}.0,{s}",
            True,
        ),
    ),
    "this program's own": (
        "a_stages.csv",
        table("recording,epoch,onset_s,clock,stage,flags", lambda e, n, s: f"a,{e},{seconds(e)},{at(e):%H:%M:%S},{s},"),
    ),
}


def write_form(folder: Path, form: str, first: int) -> Path:
    """Write a hypnogram that is scored from an epoch of the signal on."""
    name, lines = FORMS[form]
    path = folder / name
    return write_lines(path, lines(first))


def write_lines(path: Path, lines: Sequence[str]) -> Path:
    content = "\r\n".join(lines) + "\r\n"
    path.write_bytes(content.encode("utf-16" if path.name.startswith("utf16") else "utf-8"))
    return path


def write_edf_form(folder: Path, first: int) -> Path:
    spans = [
        (seconds(epoch), seconds(length), f"Sleep stage {NAMES[stage]}") for epoch, length, stage in bouts_from(first)
    ]
    return write_hypnogram(folder / "a.edf", *spans, start=START)


def write_json_form(folder: Path) -> Path:
    (folder / "a.json").write_text(json.dumps(NIGHT))
    return folder / "a.json"


# ---- what is done to rows ----

ROW = re.compile(r"(?i)(?=.*\d)(?<![a-z])(wake|w|n[123]|rem|stage ?\d|sleep-\w+|éveil)(?![a-z])")
UNKNOWN_LABELS = ("N7", "Stage 9", "Sleep stage Q", "N2?", "SW")


def rows_changed(rng: random.Random, content: bytes) -> bytes:
    """Drop, double, move or blank rows, or give one an unknown label; times and known labels stay."""
    utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    lines = content.decode("utf-16" if utf16 else "utf-8").splitlines()
    rows = [number for number, line in enumerate(lines) if ROW.search(line) and number > 0]
    for _ in range(rng.choice((1, 1, 2, 5))):
        number = rng.choice(rows)
        change = rng.choice(("drop", "double", "swap", "move", "blank", "label"))
        if number >= len(lines) - 1 or not ROW.search(lines[number]):
            continue
        if change == "drop":
            del lines[number : number + rng.choice((1, 1, 3, 20))]
        elif change == "double":
            lines.insert(number, lines[number])
        elif change == "swap":
            lines[number], lines[number + 1] = lines[number + 1], lines[number]
        elif change == "move":
            lines.insert(rng.choice(rows), lines.pop(number))
        elif change == "blank":
            lines[number] = rng.choice(("", re.sub(ROW, "", lines[number], count=1)))
        else:
            lines[number] = re.sub(ROW, rng.choice(UNKNOWN_LABELS), lines[number], count=1)
        rows = [number for number, line in enumerate(lines) if ROW.search(line) and number > 0] or [0]
    return ("\r\n".join(lines) + "\r\n").encode("utf-16" if utf16 else "utf-8")


def placed_stages(path: Path) -> np.ndarray:
    """Return (epoch of the signal,) the stages of a file; they lie on the epochs of the signal, or it fails."""
    numbers = Reading(stage_map("aasm")) if path.suffix == ".json" else Reading()
    hypnogram = read_hypnogram(path, None, numbers)
    delay = hypnogram.delay(START)
    assert grid_start(delay) == 0, f"{delay} s after the signal's start is within an epoch"
    return on_grid(hypnogram.codes, delay, N_EPOCHS)[0]


def wrong_epochs(path: Path) -> list[int]:
    """Return the epochs that have another stage than the night had at that time."""
    stages = placed_stages(path)
    return [epoch for epoch, stage in enumerate(stages) if stage not in (UNKNOWN, NIGHT[epoch])]
