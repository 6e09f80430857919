"""All that a scored recording leaves on disk.

NAME_stages.csv      one row for each epoch: time, stage, probabilities, confidence
NAME_stages.edf      the stages as EDF+ annotations
NAME_summary.json    sleep statistics, agreement, model, channels, warnings
NAME_hypnogram.png   hypnogram, hypnodensity and spectrogram
NAME_hypnogram.svg   the same as a drawing, if it is asked for

And the stages in the formats of other programs, if they are asked for: see `formats`.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError, duration_in_words
from files.locks import held
from files.reading import load_json
from files.writing import save_json, written_whole
from recordings.hypnogram import EDF_TEXTS
from recordings.recording import SIMULATED
from recordings.scored_files import DRAWING, ENDINGS
from scoring import metrics, plots
from scoring.formats import parse_formats, write_formats
from scoring.methods import confidence_text, methods_of_recordings
from scoring.sleepstats import runs_of
from scoring.staged import HUMAN, StagedChannel, StagedRecording
from sleepstage import EPOCH_SECONDS, STAGE_NAMES, UNKNOWN
from version import versions

SCORED_BY_HUMAN = f"Scored by {HUMAN}"
"""The annotation, over all of its epochs, of each run that a human staged."""


def write_recording(
    folder: Path, staged: StagedRecording, svg: bool = False, formats: Sequence[str] = ()
) -> list[Path]:
    """Write all files of one recording, each whole or not at all, and return their paths.

    Args:
        folder: gets them.
        staged: the recording.
        svg: write its picture as a drawing too.
        formats: write its stages in these formats too, keys of `formats.WRITERS`.

    Raises:
        InputError: a format is unknown, a file cannot be written, or files of this name are of another recording.
    """
    paths = [folder / f"{staged.name}{ending}" for ending in (*ENDINGS, *([DRAWING] if svg else []))]
    table, annotations, summary, *pictures = paths
    parse_formats(formats)
    with held(
        summary.with_name(f".{Path(staged.name).name}.lock"),
        f"{summary}: another command is writing it; wait for it, then go on",
    ):
        refuse_other_recording(summary, staged)
        save_json(summary, summarize(staged))  # first: from here on it says whose all files of this name are
        write_table(table, staged)
        write_annotations(annotations, staged)
        plots.save(plots.recording_figure(staged, picture_title(staged)), *pictures)
        return [*paths, *write_formats(folder, staged, formats)]


# ---- whose files they are ----


def refuse_other_recording(summary: Path, staged: StagedRecording) -> None:
    """Raise InputError when there is a summary of this name that is of another recording."""
    if not summary.exists():
        return
    before = load_json(summary, "remove it or choose another output folder")
    if not isinstance(before, dict) or not is_of(before, staged):
        whose = before.get("file") or before.get("recording") if isinstance(before, dict) else None
        raise InputError(f"{summary}: is of another recording, {whose or 'unknown'}; choose another output folder")


def is_of(summary: Mapping[str, Any], staged: StagedRecording) -> bool:
    """Tell whether a summary is of this recording: of its file, wherever that lies now, or of the same signal."""
    if staged.fingerprint and summary.get("file_fingerprint") == staged.fingerprint:
        return True
    file, channels = summary.get("file"), summary.get("channels")
    if isinstance(file, str) and staged.path and Path(file).resolve() == staged.path.resolve():
        return bool(summary.get("start") == start_of(staged))
    contents = {
        one.get("signal_sha256") for one in (channels if isinstance(channels, list) else ()) if isinstance(one, dict)
    }
    return any(one.content in contents for one in staged.channels if one.content)


def start_of(staged: StagedRecording) -> str | None:
    return staged.start.isoformat() if staged.start else None


# ---- the table ----


def write_table(path: Path, staged: StagedRecording) -> None:
    """Write one row for each epoch, as `to_frame().to_csv` would; importing pandas takes longer than staging the night.

    Raises:
        InputError: the file cannot be written.
    """
    columns = staged.columns()
    with written_whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator=os.linesep)
        writer.writerow(columns)
        writer.writerows(zip(*map(cells, columns.values()), strict=True))


def cells(column: Any) -> list[Any]:
    """Return a column's values for a file: numbers in as few digits as tell them apart, nothing for nan."""
    if isinstance(column, np.ndarray) and column.dtype.kind == "f":
        return ["" if number == "nan" else number for number in column.astype(str)]
    return list(column)


# ---- annotations ----


def write_annotations(path: Path, staged: StagedRecording) -> None:
    """Write the stages as an EDF+ file of annotations only, one for each epoch, on the recording's own clock.

    What a human staged is marked by annotations of its own, beside the standard texts of the stages.

    Raises:
        InputError: the file cannot be written.
    """
    from edfio import Edf, EdfAnnotation, Patient, Recording

    annotations = [
        EdfAnnotation(staged.onset(epoch), EPOCH_SECONDS, EDF_TEXTS[int(stage)])
        for epoch, stage in enumerate(staged.stages)
    ]
    annotations += [
        EdfAnnotation(staged.onset(int(first)), EPOCH_SECONDS * int(end - first), SCORED_BY_HUMAN)
        for first, end in zip(*runs_of(staged.by_human), strict=True)
    ]
    dated = staged.start is not None and 1985 <= staged.start.year <= 2084  # what EDF can say
    edf = Edf(
        [],
        patient=Patient(name=SIMULATED) if staged.simulated else None,
        recording=Recording(startdate=staged.start.date() if staged.start and dated else None),
        starttime=staged.start.time() if staged.start else None,
        annotations=annotations,
    )
    with written_whole(path) as partial:
        edf.write(partial)


# ---- the summary ----


def summarize(staged: StagedRecording) -> dict[str, Any]:
    """Return all that is known of a scored recording, as JSON-ready values."""
    agreement = staged.agreement
    return {
        "recording": staged.title,
        "file": str(staged.path.resolve()) if staged.path else None,
        "file_fingerprint": staged.fingerprint or None,
        "format": staged.format,
        "simulated": staged.simulated,
        "start": start_of(staged),
        "first_epoch_s": staged.first_second,
        "stretches_s": [list(astuple(part)) for part in staged.stretches],
        "epochs": len(staged),
        "lights_off_s": staged.lights_off,
        "lights_on_s": staged.lights_on,
        "reason": staged.reason or None,
        "statistics": {name: value and round(value, 2) for name, value in staged.statistics.items()},
        "architecture": staged.architecture,
        "confidence": confidence(staged),
        "expert_file": str(staged.expert_file) if staged.expert_file else None,
        "agreement": None if agreement is None else metrics.as_json(agreement),
        **how_it_was_staged(staged),
        "warnings": list(staged.warnings),
        "notices": list(staged.notices),
        "methods": methods_of_recordings([staged]),
        **({"review": review(staged), "reviewed_with": versions()} if staged.reviewed else {}),
    }


OF_THE_MODEL = ("channels", "folds", "checkpoints", "versions")  # names in a summary that a review leaves as they are


def how_it_was_staged(staged: StagedRecording) -> dict[str, Any]:
    """Return what is known of channels, folds and libraries, as JSON-ready values."""
    if staged.kept is not None:
        return {name: staged.kept[name] for name in (*OF_THE_MODEL, "families") if name in staged.kept}
    channels = [describe_channel(staged, channel) for channel in staged.channels]
    folds = [fold.run.fold for fold in staged.folds]
    checkpoints = [fold.described() for fold in staged.folds]
    voted = {"families": staged.families} if staged.families else {}
    return {**dict(zip(OF_THE_MODEL, (channels, folds, checkpoints, versions()), strict=True)), **voted}


def review(staged: StagedRecording) -> dict[str, Any]:
    """Return how much of a night a human staged, and how much of it otherwise than the model, as JSON-ready values."""
    assert staged.reviewed is not None
    by_human, human, model = staged.by_human, staged.reviewed.stages, staged.model_stages
    both = by_human & (human != UNKNOWN) & (model != UNKNOWN)
    from_to = np.zeros((len(STAGE_NAMES), len(STAGE_NAMES)), np.int64)
    np.add.at(from_to, (model[both], human[both]), 1)
    return {
        "epochs_by_human": int(np.count_nonzero(by_human)),
        "epochs_changed": staged.n_changed,
        "changed_percent": round(100 * staged.n_changed / max(1, len(staged)), 2),
        "unsure_epochs_by_human": int(np.count_nonzero(by_human & staged.unsure)),
        "model_right_percent": round(100 * float((human[both] == model[both]).mean()), 2) if both.any() else None,
        "stage_order": list(STAGE_NAMES),
        "epochs_from_model_to_human": from_to.tolist(),
        "edits": staged.reviewed.edits,
        "last_edit": staged.reviewed.last or None,
    }


def confidence(staged: StagedRecording) -> dict[str, Any]:
    """Return how sure the model is, and which runs of epochs are worth a look, as JSON-ready values."""
    kept = staged.kept["confidence"] if staged.kept else None
    return {
        "mean": mean_or_none(staged.confidence[staged.model_stages != UNKNOWN]),
        "calibrated": bool(kept["calibrated"]) if kept else all(fold.calibration for fold in staged.folds),
        "in_words": kept.get("in_words", "") if kept else confidence_text(staged.folds),
        "low_below": staged.limit,
        "low_epochs": int(np.count_nonzero(staged.unsure)),
        "worth_a_look": [
            {
                "onset_s": staged.onset(run.first),
                "clock": staged.clock(run.first) if staged.start else None,
                "epochs": run.n_epochs,
                "mean_confidence": round(run.confidence, 4),
            }
            for run in staged.doubtful_runs
        ],
    }


def describe_channel(staged: StagedRecording, channel: StagedChannel) -> dict[str, Any]:
    """Return what a channel was, what was done to it, and how far it agrees with all channels together."""
    probabilities = channel.probabilities[: len(staged)]
    both = np.isfinite(probabilities[:, 0])
    same = probabilities[both].argmax(axis=1) == staged.model_stages[both]
    return {
        "label": channel.label,
        "unit_in_file": channel.unit,
        "rate_in_file_hz": channel.rate,
        "signal_sha256": channel.content,
        "conversions": channel.conversions,
        "conditioning": list(channel.conditioned),
        "agreement_with_the_whole": mean_or_none(same),
        "reason": channel.reason or None,
    }


def mean_or_none(values: NDArray[Any]) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def picture_title(staged: StagedRecording) -> str:
    """Return the two lines above a picture: what was staged, and the night in figures."""
    channels = " + ".join(channel.label for channel in staged.channels)
    figures = []
    if staged.statistics:
        asleep = duration_in_words(60 * (staged.statistics["TST_min"] or 0))
        figures.append(f"TST {asleep}, sleep efficiency {staged.statistics['SE_percent'] or 0:.0f} %")
    if staged.reason:
        figures.append("not scored: see the warnings")
    if staged.agreement:
        figures.append(f"expert: {metrics.in_words(staged.agreement)}")
    return "\n".join((f"{staged.title}, {channels}", "; ".join(figures)))
