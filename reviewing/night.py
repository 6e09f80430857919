"""A scored night that is open for review: its recording, its channels, what the model said and what the human says."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from recordings.channels import Channel
from recordings.opening import one_channel
from recordings.recording import RawSignal, Recording
from reviewing.journal import Journal, State, name_of, review_file
from reviewing.outputs import recording_of, scored_channel, write_outputs
from reviewing.signals import KINDS, VIEWS, NightSpectrum, epoch_window, kind_of
from scoring.kept import KeptRecording, read_kept
from scoring.plots import COLOURS, FROM_THE_TOP
from scoring.staged import NAMES, NOT_REVIEWED
from sleepstage import EPOCH_SECONDS, STAGE_NAMES

SHOWN_STATISTICS = ("TST_min", "SE_percent", "SOL_min", "REM_latency_min", "WASO_min")


class OpenNight:
    """A night that pages show and change.

    Args:
        folder: the output folder of predict.py.
        name: what the night's files are called.
        recording: where the recording is now; None for where it was.

    Raises:
        InputError: its files, its recording or its review cannot be used.
    """

    def __init__(self, folder: Path, name: str, recording: Path | None = None) -> None:
        self.folder, self.name, self.recording = folder, name, recording
        self.staged: KeptRecording = read_kept(folder, name)
        opened = recording_of(self.staged, recording)
        scored = scored_channel(self.staged, opened)
        self.channels = [scored, *(one for one in channels_of(opened) if one.channel != scored.channel)]
        self.as_staged = replace(self.staged, reviewed=None)
        self.journal = Journal(review_file(folder, name), self.staged)
        self.spectrum = NightSpectrum(scored, self.staged.first_second, len(self.staged))

    # ---- what a page is told ----

    def described(self) -> dict[str, Any]:
        """Return all that a page needs to draw the night, as JSON-ready values."""
        staged = self.staged
        return {
            "title": staged.title,
            "n_epochs": len(staged),
            "epoch_seconds": EPOCH_SECONDS,
            "first_second": staged.first_second,
            "start": staged.start.isoformat() if staged.start else None,
            "lights": [staged.lights_off, staged.lights_on],
            "limit": staged.limit,
            "warnings": list(staged.warnings),
            "stages": list(STAGE_NAMES),
            "from_the_top": [stage.name for stage in FROM_THE_TOP],
            "colours": {stage.name: COLOURS[stage] for stage in FROM_THE_TOP},
            "model": [str(name) for name in NAMES[staged.model_stages]],
            "expert": None if staged.expert is None else [str(name) for name in NAMES[staged.expert]],
            "unsure": np.flatnonzero(staged.unsure).tolist(),
            "flags": {epoch: text for epoch, text in enumerate(staged.flags()) if text},
            "probabilities": base64.b64encode(in_percent(staged.probabilities).tobytes()).decode(),
            "channels": [
                {"label": one.channel, "rate": one.rate, "kind": kind_of(one.channel)} for one in self.channels
            ],
            "kinds": {kind: {"view": view, "range": range_} for kind, (view, range_, _) in KINDS.items()},
            "views": ["as recorded", *(view.name for view in VIEWS)],
            "spectrum_epochs": self.spectrum.epochs.tolist(),
            **self.changes(0),
        }

    def changes(self, since: int) -> dict[str, Any]:
        """Return what was changed since a version; everything, where the review is not the one that had it any more."""
        state = self.journal.catch_up()
        again = since > state.version
        changed = np.flatnonzero((state.changed_at > (0 if again else since)) & (state.changed_at > 0))
        return {
            "version": state.version,
            "again": again,
            "changed": [[int(epoch), name_of(int(state.stages[epoch]))] for epoch in changed],
            "can_undo": bool(state.done),
            "can_redo": bool(state.undone),
            "spectrum_done": self.spectrum.n_done,
            "statistics": self.statistics(state),
        }

    def statistics(self, state: State) -> dict[str, float | int | None]:
        """Return the sleep statistics between lights off and on of the stages as they are now."""
        as_now = replace(self.as_staged, reviewed=state.reviewed()).statistics
        return {name: as_now.get(name) for name in SHOWN_STATISTICS}

    def signal(self, channel: int, epoch: int, view: int) -> NDArray[np.float32]:
        """Return (point,) µV of one epoch of a channel.

        Args:
            channel: its number in `described`.
            epoch: its number; before the first and after the last one too, where the recording has a signal there.
            view: 0 for the signal as it was recorded, else a filter's number.

        Raises:
            IndexError: no such channel or view.
            InputError: the recording cannot be read.
        """
        if not (0 <= channel < len(self.channels) and 0 <= view <= len(VIEWS)):
            raise IndexError(f"channel {channel}, view {view}")
        shown = VIEWS[view - 1] if view else None
        return epoch_window(self.channels[channel], self.staged.first_second, epoch, shown)

    # ---- what a page asks for ----

    def edit(self, epoch: int, stage: str | None, seen: int, page: str) -> State:
        """Give an epoch a human's stage, as `Journal.set` does."""
        return self.journal.set(epoch, stage, seen, page)

    def finish(self) -> dict[str, Any]:
        """Write the outputs again, and return what was written and how much was changed, as JSON-ready values.

        Raises:
            InputError: nobody has reviewed the night yet, or a file cannot be written.
        """
        if not (self.journal.catch_up().stages != NOT_REVIEWED).any() and not self.journal.path.exists():
            raise InputError("no epoch has a stage of yours yet: there is nothing to write")
        staged, paths = write_outputs(self.folder, self.name, self.recording)
        return {
            "files": [str(path) for path in paths],
            "by_human": int(staged.by_human.sum()),
            "changed": staged.n_changed,
            "n_epochs": len(staged),
        }


def channels_of(opened: Recording) -> list[RawSignal]:
    """Return the channels of a recording that can be shown in µV, as the file has them."""
    found = (shown_channel(opened, number, label) for number, label in enumerate(opened.labels))
    return [one for one in found if one is not None]


def shown_channel(opened: Recording, number: int, label: str) -> RawSignal | None:
    """Return a channel of a recording, or None where it is no voltage, or of no EEG's rate."""
    try:
        return one_channel(opened, Channel(label, number))
    except InputError:
        return None


def in_percent(probabilities: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return (epoch, stage) probabilities in steps of half a percent; 255 where there is none."""
    return np.where(np.isfinite(probabilities), np.rint(200 * np.nan_to_num(probabilities)), 255).astype(np.uint8)
