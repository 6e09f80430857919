"""Hypnograms that are annotations of a recording or of a file beside it: EDF+, BDF+, and what MNE opens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from command import InputError
from files.reading import reader
from recordings.edf import EXPORT_AGAIN, open_edf
from recordings.hypnogram import Hypnogram
from recordings.hypnograms.labels import NUMBER_CODES, Codes
from recordings.hypnograms.laying import hypnogram_of
from recordings.hypnograms.scoring import AS_IT_IS, Entry, Reading, Scoring
from recordings.opening import MNE_FORMATS, open_recording

SUFFIXES = (".edf", ".bdf", ".rec", *MNE_FORMATS)
OLD_SIGNAL = "hypnogram"  # the only signal of Sleep-EDF's first hypnograms, a number a record


def scored(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the annotations of a file; what is no stage among them is left out.

    Raises:
        InputError: no such file, it cannot be opened, or it is no recording and has no clock.
    """
    # A file of annotations alone is no recording, and EDF+ allows it.
    opened = open_recording(path) if path.suffix.casefold() in MNE_FORMATS else open_edf(path)
    if opened.start is None and not opened.headers:
        raise InputError(f"{path}: its start date and time cannot be read, so its stages have no place; repair it")
    entries = [
        Entry(text, f"annotation {number}", onset, duration)
        for number, (onset, duration, text) in enumerate(opened.marks, 1)
    ]
    return Scoring(entries, with_events=True, start=opened.start, unread=opened.unread_marks)


def scored_signal(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the stages in a signal of an EDF file, a number of Rechtschaffen and Kales a sample (Sleep-EDF 1.0.0).

    Raises:
        InputError: it cannot be opened, or has no such signal.
    """
    opened = open_edf(path)
    named = [number for number, header in enumerate(opened.headers) if header.label.casefold() == OLD_SIGNAL]
    if len(named) != 1:
        raise InputError(f"{path}: has no signal Hypnogram; export the hypnogram again, as EDF+ or as a table")
    header = opened.headers[named[0]]
    numbers = opened.read(named[0], 0, header.n_samples)
    seconds = 1 / header.rate
    entries = [Entry(f"{number:g}", f"sample {i}", i * seconds, seconds) for i, number in enumerate(numbers.tolist())]
    return Scoring(
        entries, codes=NUMBER_CODES["rk"], only_codes=True, epoch_seconds=round(seconds, 3), start=opened.start
    )


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
