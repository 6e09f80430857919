"""Hypnograms that are annotations of a recording or of a file beside it: EDF+, BDF+, and what MNE opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from command import InputError
from files.reading import reader
from recordings.edf import EXPORT_AGAIN, open_edf
from recordings.hypnogram import Hypnogram
from recordings.hypnograms.labels import Codes
from recordings.hypnograms.scoring import AS_IT_IS, Label, Reading, Scoring, hypnogram_of
from recordings.opening import MNE_FORMATS, open_recording

SUFFIXES = (".edf", ".bdf", ".rec", *MNE_FORMATS)


def scored(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the annotations of a file; what is no stage among them is left out.

    Raises:
        InputError: no such file, it cannot be opened, or it is no recording and has no clock.
    """
    # A file of annotations alone is no recording, and EDF+ allows it.
    opened = open_recording(path) if path.suffix.casefold() in MNE_FORMATS else open_edf(path)
    if opened.start is None and not opened.headers:
        raise InputError(f"{path}: its start date and time cannot be read, so its stages have no place; repair it")
    labels = [
        Label(text, f"annotation {number}", onset, duration)
        for number, (onset, duration, text) in enumerate(opened.marks, 1)
    ]
    return Scoring(labels, with_events=True, start=opened.start, unread=opened.unread_marks)


@reader("a readable hypnogram", EXPORT_AGAIN)
def read_annotations(path: Path, codes: Codes) -> Hypnogram:
    """Read an EDF+ file whose annotations are all stages; epochs that none covers are UNKNOWN.

    Args:
        path: the EDF+ file.
        codes: text of each stage → our code.

    Raises:
        InputError: no such file, no EDF, no clock, an annotation that cannot be read or is no stage, or one that is not
            made of whole epochs.
    """
    found = scored(path)
    return hypnogram_of(path, replace(found, codes=codes, only_codes=True, with_events=False))
