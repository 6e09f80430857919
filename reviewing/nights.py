"""The nights of a scored folder: how far each is, each opened when it is looked at, and what pages remember."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from command import InputError
from files.reading import load_json
from files.writing import save_json
from reviewing.night import OpenNight
from reviewing.outputs import read_reviewed
from scoring.kept import read_kept

VIEW = "review_view.json"


class Nights:
    """Nights of a folder that pages show and change, each opened once.

    Args:
        folder: the output folder of predict.py.
        names: what the nights' files are called.
        recording: where the recording is now, of a single night; None for where it was.

    Raises:
        InputError: there is one night, and its files, its recording or its review cannot be used.
    """

    def __init__(self, folder: Path, names: Sequence[str], recording: Path | None = None) -> None:
        self.folder, self.names, self.recording = folder, list(names), recording
        self.opened: dict[int, OpenNight] = {}
        self.lock = threading.Lock()
        if len(self.names) == 1:
            self.night(0)

    def night(self, number: int) -> OpenNight:
        """Return a night, opened now or before.

        Raises:
            IndexError: no such night.
            InputError: its files, its recording or its review cannot be used.
        """
        with self.lock:
            if number not in self.opened:
                self.opened[number] = OpenNight(self.folder, self.names[number], self.recording)
                self.opened[number].spectrum.start()
            return self.opened[number]

    def close(self) -> None:
        """Let the threads of all nights end."""
        for night in self.opened.values():
            night.spectrum.stop()

    def described(self) -> dict[str, Any]:
        """Return what a start page shows: how long each night is, how doubtful, and how far its review is."""
        return {"folder": str(self.folder), "nights": [self.row(number) for number in range(len(self.names))]}

    def row(self, number: int) -> dict[str, Any]:
        """Return what the start page says of a night; of one that cannot be read, why."""
        name = self.names[number]
        try:
            kept = read_kept(self.folder, name)
            night = read_reviewed(self.folder, name)
        except InputError as error:
            return {"number": number, "title": name, "error": str(error)}
        written = kept.by_human.sum() == night.by_human.sum() and np.array_equal(kept.stages, night.stages)
        return {
            "number": number,
            "title": night.title,
            "n_epochs": len(night),
            "by_human": int(night.by_human.sum()),
            "doubtful": int(night.unsure.sum()),
            "doubtful_left": int((night.unsure & ~night.by_human).sum()),
            "changed": night.n_changed,
            "written": bool(written),
            "warnings": len(night.warnings),
        }

    # ---- what pages remember ----

    def remembered(self) -> dict[str, Any]:
        """Return how signals were shown last in this folder; nothing where nobody chose, or it cannot be read."""
        path = self.folder / VIEW
        try:
            values = load_json(path, "delete it") if path.exists() else {}
        except InputError:  # how signals are shown changes no stage: the page's own choices will do
            return {}
        return values if isinstance(values, dict) else {}

    def remember(self, view: dict[str, Any]) -> None:
        """Keep how signals are shown, in the folder.

        Raises:
            InputError: it cannot be written.
        """
        save_json(self.folder / VIEW, view)
