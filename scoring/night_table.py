"""nights.csv: one row for each recording that was scored into a folder, with every figure there is of it."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from command import InputError, as_text
from files.locks import tables_of
from files.reading import readable
from files.writing import written_whole
from recordings.finding import Found
from recordings.tables import text_of
from scoring import architecture, metrics
from scoring.sleepstats import sleep_statistics
from scoring.staged import StagedRecording, time_of
from sleepstage import EPOCH_SECONDS, Stage

FILE = "nights.csv"
KEY = "recording"  # the first column, which tells rows apart
DIGITS = 4

Row = dict[str, Any]

NOTHING_ASLEEP = [Stage.W]  # a hypnogram that has every figure's name
STATISTICS = (*sleep_statistics(NOTHING_ASLEEP), *architecture.as_columns(NOTHING_ASLEEP))
COLUMNS = (
    *(KEY, "file", "subject", "night", "failed", "simulated", "channel", "start", "hours", "lights_off", "lights_on"),
    *STATISTICS,
    *("unsure_percent", "expert", "expert_epochs", *metrics.POOLED, "folds", "warnings", "warning_texts", "notes"),
)
"""Those of our own; a column of the pairing table with such a name gets `_given` at its end."""

REVIEW_COLUMNS = ("epochs_by_human", "epochs_changed")  # which only the rows of reviewed nights have


def night_row(found: Found, staged: StagedRecording) -> Row:
    """Return the row of a recording that was staged; what it has not is None."""
    return {
        **whose(found, staged.name),
        **figures_of(staged),
    }


def figures_of(staged: StagedRecording) -> Row:
    """Return what a recording's row says of its stages and of how they came about."""
    agreement = staged.agreement
    in_bed = staged.stages[staged.in_bed]
    figures = {**staged.statistics, **architecture.as_columns(in_bed)} if staged.statistics else {}
    reviewed = dict(zip(REVIEW_COLUMNS, (int(staged.by_human.sum()), staged.n_changed), strict=True))
    return {
        "failed": staged.reason and f"not scored: {staged.reason}",
        "simulated": "yes" if staged.simulated else "no",
        "channel": " + ".join(channel.label for channel in staged.channels),
        "start": staged.start and staged.start.isoformat(),
        "hours": len(staged) * EPOCH_SECONDS / 3600,
        "lights_off": None if staged.lights_off is None else time_of(staged.start, staged.lights_off),
        "lights_on": None if staged.lights_on is None else time_of(staged.start, staged.lights_on),
        **{name: figures.get(name) for name in STATISTICS},
        "unsure_percent": 100 * float(staged.unsure.mean()),
        "expert": staged.expert_file and staged.expert_file.name,
        "expert_epochs": agreement and agreement.n_epochs,
        **{name: agreement and metrics.plain(getattr(agreement, name)) for name in metrics.POOLED},
        "folds": " ".join(staged.fold_names),
        "warnings": len(staged.warnings),
        "warning_texts": "; ".join(staged.warnings),
        "notes": "; ".join(staged.notices),
        **(reviewed if staged.reviewed else {}),
    }


def failed_row(found: Found, name: str, why: str) -> Row:
    """Return the row of a recording that failed."""
    return {**whose(found, name), "failed": why}


def whose(found: Found, name: str) -> Row:
    """Return what is known of a recording before it is opened; other columns of its table keep their names."""
    row = {KEY: name, "file": as_text(str(found.recording.resolve()))}
    if found.told:
        row |= {"subject": found.subject, "night": found.night}
    return row | {
        f"{name}_given" if name in (*COLUMNS, *REVIEW_COLUMNS) else name: value for name, value in found.columns.items()
    }


def earlier_rows(folder: Path) -> list[Row]:
    """Return the rows that `nights.csv` in a folder has; none where there is no such file.

    Raises:
        InputError: it is another table, such as that of test nights.
    """
    path = folder / FILE
    if not path.exists():
        return []
    with readable(path, "a readable table", "choose another --output_dir"):
        table = csv.DictReader(io.StringIO(text_of(path), newline=""))
        rows = list(table)
    if table.fieldnames and table.fieldnames[0] != KEY:
        raise InputError(f"{path}: is another table (its first column is no {KEY}); choose another --output_dir")
    return [{name: value for name, value in row.items() if name} for row in rows]


def add_rows(folder: Path, rows: Sequence[Row]) -> Path:
    """Add rows to `nights.csv`, which other commands may do at the same time, and return its path.

    A recording that was scored takes the place of the rows of its name. One that failed wrote no file: the row of the
    files that are there stays, and its own stands beside it.

    Args:
        folder: gets it.
        rows: of the recordings that were scored now, or failed.

    Raises:
        InputError: it is another table, or cannot be written.
    """
    with tables_of(folder):
        return write_rows(folder, rows, earlier_rows(folder))


def write_rows(folder: Path, rows: Sequence[Row], earlier: Sequence[Row]) -> Path:
    """Write `nights.csv` with the rows of now in the place of those of before; whoever calls it holds the table."""
    together = {place_of(row): row for row in [*earlier, *rows]}
    scored = {row[KEY] for row in rows if was_scored(row)}
    again = {place_of(row) for row in rows}
    kept = [row for place, row in together.items() if place in again or row[KEY] not in scored]
    longest = max(rows, key=len, default={})
    columns = list(dict.fromkeys([*longest, *(name for row in kept for name in row)]))
    with written_whole(folder / FILE) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, restval="")
        writer.writeheader()
        writer.writerows({name: cell(value) for name, value in row.items()} for row in kept)
    return folder / FILE


def was_scored(row: Mapping[str, Any]) -> bool:
    """Tell whether a recording has files that a row is of; one that failed has none."""
    return row.get("hours") not in (None, "")


def place_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return what tells a row from all others: its recording, and the file of one that failed."""
    return row[KEY], "" if was_scored(row) else str(row.get("file") or "")


def cell(value: Any) -> Any:
    """Return a value as it is written: numbers in four digits after the point at most, nothing for None."""
    if isinstance(value, float):
        return f"{value:.{DIGITS}f}".rstrip("0").rstrip(".")
    return "" if value is None else value
