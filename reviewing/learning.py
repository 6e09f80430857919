"""Nights that a human reviewed → recordings with hypnograms, to be prepared and learned from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from command import InputError, log
from files.folders import existing_folder
from recordings.finding import Found, paired
from recordings.hypnograms.scoring import Reading
from recordings.scored_files import TABLE
from recordings.whose_night import SubjectPattern
from reviewing.journal import read_review
from reviewing.outputs import recording_of
from scoring.kept import KeptRecording, read_kept, scored_in
from scoring.staged import HUMAN

WHOLE = "you looked at every epoch: the model's stages that you left count as yours"


@dataclass(frozen=True)
class ReviewedNight:
    """A night of a scored folder that a human reviewed: its name there, and what its files say."""

    folder: Path
    name: str
    staged: KeptRecording

    @property
    def recording(self) -> Path:
        """Where it was scored from.

        Raises:
            InputError: it is not there any more, or is another file.
        """
        try:
            return recording_of(self.staged).path or Path()
        except InputError as error:
            raise InputError(f"{error}: {self.finish('--recording FILE')}") from error

    def unfinished(self) -> str:
        """Return why its table of stages is not what the human said last; "" where it is."""
        said, written = read_review(self.folder, self.name, self.staged), self.staged.reviewed
        if said is None or (written is not None and np.array_equal(said.stages, written.stages)):
            return ""
        return f"was reviewed since its stages were written; write them again: {self.finish()}"

    def finish(self, *options: str) -> str:
        """Return the command that writes its outputs again."""
        return " ".join(["python review.py", str(self.folder), "--night", self.name, *options, "--finish"])

    def version(self) -> str:
        """Return what tells this state of the review from others."""
        reviewed = self.staged.reviewed
        return f"{reviewed.edits} edits, the last at {reviewed.last or 'an unknown time'}" if reviewed else ""

    def in_words(self, whole: bool) -> str:
        """Return how much of it a human staged, and what becomes of the rest."""
        by_human, n_epochs = int(self.staged.by_human.sum()), len(self.staged)
        said = f"{self.staged.title}: {by_human} of {n_epochs} epochs by a human, {self.staged.n_changed} changed"
        if by_human == n_epochs:
            return said
        rest = "taken as the human's" if whole else "learned from, and not compared with"
        return f"{said}; the model's stages of the others are {rest}"


def reviewed_nights(folder: Path) -> Iterator[ReviewedNight]:
    """Yield the nights of a folder of predict.py that a human reviewed, finished or not.

    Raises:
        InputError: their files cannot be used.
    """
    for name in scored_in(folder):
        staged = read_kept(folder, name)
        if staged.by_human.any() or read_review(folder, name, staged) is not None:
            yield ReviewedNight(folder, name, staged)


def reading_of_review(whole: bool) -> Reading:
    """Return whose stages weights are judged by: the human's; of a `whole` night the model's too."""
    return Reading(only_by="" if whole else HUMAN)


def reviewed_recordings(place: Path, whole: bool = False, subject_pattern: str = "") -> list[Found]:
    """Return the recordings of the nights that a human reviewed, each with the channel that was scored first.

    The hypnogram is the table of stages as the review left it. A night whose review was not written into its outputs
    yet has a problem.

    Args:
        place: the folder that predict.py scored into.
        whole: the human looked at every epoch; this only changes what is said here.
        subject_pattern: as in `finding.find_recordings`.

    Raises:
        InputError: no night was reviewed, a recording is not where it was, or a file cannot be used.
    """
    folder = existing_folder(place, "scored recordings", "score recordings with predict.py")
    nights = list(reviewed_nights(folder))
    if not nights:
        raise InputError(f"{folder}: no night in it was reviewed; review one: python review.py {folder}")
    recordings = [shown(night.recording) for night in nights]
    root = Path(os.path.commonpath([path.parent for path in recordings]))
    pattern = SubjectPattern(subject_pattern) if subject_pattern else None
    found = []
    for night, one in zip(nights, paired(root, recordings, "", pattern), strict=True):
        log.info("%s", night.in_words(whole))
        table = folder / f"{night.name}{TABLE}"
        channel = night.staged.channels[0].label
        found.append(
            replace(one, hypnogram=table, channel=channel, problem=night.unfinished(), version=night.version())
        )
    return found


def shown(path: Path) -> Path:
    """Return a path as one from here, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
