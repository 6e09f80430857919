"""The outputs of a scored night, written again with what a human made of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files.locks import tables_of
from recordings.channels import Channel, resolve_channel
from recordings.epochs import epochs_in_parts
from recordings.opening import one_channel, open_again
from recordings.quality import look_at
from recordings.recording import RawSignal, Recording, fingerprint
from recordings.scored_files import DRAWING, SUMMARY, in_format
from recordings.spectrum import SPECTRUM_HZ
from reviewing.journal import read_review, review_file
from scoring.formats import WRITERS
from scoring.kept import KeptRecording, read_kept, scored_in, with_power
from scoring.night_table import KEY, earlier_rows, figures_of, was_scored, write_rows
from scoring.recording_files import write_recording
from scoring.staged import Reviewed, StagedRecording
from sleepstage import UNKNOWN

REPORT = "report.html"


def read_reviewed(folder: Path, name: str) -> KeptRecording:
    """Read a scored night, with what a human made of it so far, written into its outputs or not.

    Raises:
        InputError: its files or its review cannot be used.
    """
    staged = read_kept(folder, name)
    return replace(staged, reviewed=read_review(folder, name, staged) or staged.reviewed)


def kept_review(folder: Path, name: str, staged: StagedRecording) -> Reviewed | None:
    """Return what a human made of a night that is scored once more into the same folder; None where nobody did.

    Args:
        folder: the output folder of predict.py.
        name: what the recording's files are called.
        staged: the night as it is staged now.

    Raises:
        InputError: the review there is of another recording or of other epochs, so that it would be lost.
    """
    try:
        found = read_review(folder, name, staged)
    except InputError as error:
        raise InputError(f"{error}; or score into another --output_dir, or give --discard_review") from error
    if found is not None or not (folder / f"{name}{SUMMARY}").exists():
        return found
    try:
        before = read_kept(folder, name)
    except InputError:  # what cannot be read holds no review, and is written anew
        return None
    if before.reviewed is None:
        return None
    same = (before.fingerprint, len(before), before.first_second) == (
        *(staged.fingerprint, len(staged), staged.first_second),
    )
    if not same:
        raise InputError(
            f"{folder / name}: its outputs hold a review of another recording, or of other epochs; score into another "
            "--output_dir, or give --discard_review"
        )
    return before.reviewed


def discarded_review(folder: Path, name: str, staged: StagedRecording) -> None:
    """Put a review aside, as NAME_review.jsonl.old: the night that is scored now has none."""
    path = review_file(folder, name)
    if path.exists():
        path.replace(path.with_name(f"{path.name}.old"))


def recording_of(staged: KeptRecording, given: Path | None = None) -> Recording:
    """Open the recording that a night was scored from.

    Args:
        staged: the night.
        given: where the recording is now; None for where it was.

    Raises:
        InputError: it is not there, cannot be opened, or is another one.
    """
    path = given or staged.path
    if path is None:
        raise InputError(f"{staged.name}: was scored from memory; name its file with --recording")
    if not path.is_file():
        raise InputError(f"{path}: {staged.name} was scored from it, and it is not there; name it with --recording")
    opened = open_again(path, staged.stretches)
    if staged.fingerprint and fingerprint(opened.files) != staged.fingerprint:
        raise InputError(f"{path}: is not the file that {staged.name} was scored from; name that with --recording")
    return opened


def scored_channel(staged: KeptRecording, opened: Recording) -> RawSignal:
    """Return the first of the channels that were scored.

    Raises:
        InputError: the recording does not have it.
    """
    label = staged.channels[0].label
    if opened.labels == ("",):
        return one_channel(opened, Channel(label, 0))
    active, _, reference = label.partition(" - ")
    pair = [opened.labels.index(one) for one in (active, reference) if one in opened.labels]
    if reference and len(pair) == 2 and label not in opened.labels:
        return one_channel(opened, Channel(label, *pair))
    return one_channel(opened, resolve_channel(label, opened.labels))


def power_of(staged: KeptRecording, signal: RawSignal) -> NDArray[np.float32]:
    """Return the (epoch, frequency) spectrum of a channel, dB of µV²/Hz; nan where the model could not stage."""
    seen = look_at(epochs_in_parts(signal, staged.first_second))
    power = np.full((max(len(staged), seen.epochs.n_epochs), len(SPECTRUM_HZ)), np.nan, np.float32)
    power[seen.epochs.recorded] = seen.power
    power = power[: len(staged)]
    power[staged.model_stages == UNKNOWN] = np.nan
    return power


def write_outputs(folder: Path, name: str, recording: Path | None = None) -> tuple[KeptRecording, list[Path]]:
    """Write the files of a scored night again, with the stages as a human left them.

    They are those that predict.py wrote, in the same formats, with the picture; the row of the night in `nights.csv`;
    and the report over all recordings in the folder, if there is one.

    Args:
        folder: the output folder of predict.py.
        name: what the recording's files are called.
        recording: where the recording is now; None for where it was.

    Returns:
        The night, and the paths of the files.

    Raises:
        InputError: nobody reviewed it, or a file cannot be read or written.
    """
    staged = read_reviewed(folder, name)
    if staged.reviewed is None:
        raise InputError(f"{folder / name}: nobody has reviewed it yet; review it with: python review.py {folder}")
    opened = recording_of(staged, recording)
    staged = with_power(staged, power_of(staged, scored_channel(staged, opened)))
    if recording is not None:
        staged = replace(staged, path=recording)
    svg = (folder / f"{name}{DRAWING}").exists()
    paths = write_recording(folder, staged, svg, tuple(formats_there(folder, staged)))
    with tables_of(folder):
        return staged, [*paths, *write_row(folder, staged), *write_report_again(folder, [staged])]


def formats_there(folder: Path, staged: KeptRecording) -> Iterator[str]:
    """Yield the formats in which a night's stages were written already."""
    yield from (name for name in WRITERS if in_format(folder, staged.name, name).exists())


def write_row(folder: Path, staged: KeptRecording) -> list[Path]:
    """Write the night's row of `nights.csv` again, where it has one; return the path of the table if so."""
    rows = earlier_rows(folder)
    found = [row for row in rows if row[KEY] == staged.name and was_scored(row)]
    return [write_rows(folder, [{**found[0], **figures_of(staged)}], rows)] if found else []


def write_report_again(folder: Path, staged: Sequence[StagedRecording]) -> list[Path]:
    """Write the report over all recordings of a folder again, where there is one; return its path if so.

    Args:
        folder: the output folder of predict.py.
        staged: the recordings whose files were just written.
    """
    path = folder / REPORT
    if not path.exists():
        return []
    from scoring.report import write_report

    rows = {str(row[KEY]): row for row in earlier_rows(folder)}
    there = scored_in(folder)
    names = [name for name in rows or there if name in there]
    failed = {name: str(row["failed"]) for name, row in rows.items() if row.get("failed") and name not in names}
    fresh = {one.name: one for one in staged}
    nights = [fresh.get(name) or read_kept(folder, name) for name in names]
    write_report(path, nights, failed)
    return [path]
