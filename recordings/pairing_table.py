"""The pairing table: a CSV that says which recordings there are, and what belongs to each."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from command import InputError
from recordings.finding import Found, paired
from recordings.tables import read_table
from recordings.whose_night import SubjectPattern

COLUMNS = ("recording", "hypnogram", "subject", "night", "channel", "lights_off", "lights_on")
"""Those that mean something; only `recording` must be there. Others are kept by their names, as `group` or `site`."""


def read_pairing_table(path: Path, hypnograms: str = "", subject_pattern: str = "") -> list[Found]:
    """Read a pairing table. File names are from its own folder; what an empty cell leaves open, names tell.

    Args:
        path: CSV or TSV, with the names of its columns in the first line (`Lights off` is `lights_off`).
        hypnograms: as in `finding.find_recordings`.
        subject_pattern: as there.

    Raises:
        InputError: no such file, no table, a row without a recording, a file that is not there, a recording twice, or a
            name that does not fit `subject_pattern`.
    """
    rows = [(f"{path}: line {number}", row) for number, row in read_table(path, COLUMNS[:1])]
    if not rows:
        raise InputError(f"{path}: no recording in it; give one line for each")
    recordings: list[Path] = []
    for where, row in rows:
        recording = file_in(where, path.parent, row["recording"], "recording")
        if recording in recordings:
            raise InputError(f"{where}: {recording.name} is in the table already; keep one line")
        recordings.append(recording)
    pattern = SubjectPattern(subject_pattern) if subject_pattern else None
    by_names = paired(root_of(path.parent, recordings), recordings, hypnograms, pattern)
    return [with_row(found, where, path.parent, row) for found, (where, row) in zip(by_names, rows, strict=True)]


def file_in(where: str, folder: Path, name: str, what: str) -> Path:
    """Return the file that a cell names.

    Raises:
        InputError: the cell is empty, or there is no such file.
    """
    if not name:
        raise InputError(f"{where} names no {what}; fill it in or remove the line")
    if not (folder / name).is_file():
        raise InputError(f"{where}: no file {folder / name}; names are from the folder of the table")
    return folder / name


def root_of(folder: Path, recordings: Sequence[Path]) -> Path:
    """Return the table's folder where all recordings lie below it, else the one that they have in common."""
    if all(path.is_relative_to(folder) and ".." not in path.parts for path in recordings):
        return folder
    return Path(os.path.commonpath([path.parent for path in recordings]))


def with_row(found: Found, where: str, folder: Path, row: Mapping[str, str]) -> Found:
    """Return a recording with what its row says in place of what its name tells."""
    others = {name: value for name, value in row.items() if name not in COLUMNS and value}
    found = replace(
        found,
        subject=row.get("subject") or found.subject,
        night=row.get("night") or found.night,
        channel=row.get("channel", ""),
        lights_off=row.get("lights_off", ""),
        lights_on=row.get("lights_on", ""),
        columns={**found.columns, **others},
        told="table" if row.get("subject") else found.told,
    )
    if not row.get("hypnogram"):
        return found
    return replace(found, hypnogram=file_in(where, folder, row["hypnogram"], "hypnogram"), problem="")
