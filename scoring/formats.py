"""The stages of a recording in the formats of other programs.

bids     NAME_desc-recsleepnet_events.tsv and .json (https://bids-specification.readthedocs.io, derived data)
eannot   NAME_stages.eannot, one stage a line, for Luna (https://zzz.bwh.harvard.edu/luna/ref/annotations/)
nsrr     NAME_stages.xml, as the National Sleep Research Resource gives its annotations (https://sleepdata.org)

None has a name that an expert's hypnogram would have: it would be overwritten, or the model compared with itself.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from command import InputError
from files.writing import save_json, written_whole
from recordings.hypnogram import EDF_TEXTS
from recordings.scored_files import BIDS, BIDS_SIDECAR, in_format
from scoring.sleepstats import runs_of
from scoring.staged import LOW_CONFIDENCE, StagedRecording, time_of
from sleepstage import EPOCH_SECONDS, STAGES, UNKNOWN, Stage
from version import __version__

EANNOT_LABELS = {UNKNOWN: "?", Stage.W: "W", Stage.N1: "N1", Stage.N2: "N2", Stage.N3: "N3", Stage.REM: "R"}
NSRR_CONCEPTS = {
    UNKNOWN: "Unscored|9",
    Stage.W: "Wake|0",
    Stage.N1: "Stage 1 sleep|1",
    Stage.N2: "Stage 2 sleep|2",
    Stage.N3: "Stage 3 sleep|3",
    Stage.REM: "REM sleep|5",
}

Writer = Callable[[Path, StagedRecording], list[Path]]
"""Writes the files of one format into a folder, and returns their paths."""


def parse_formats(names: Sequence[str]) -> tuple[str, ...]:
    """Return the formats that names mean, each once.

    Raises:
        InputError: one is unknown.
    """
    for name in names:
        if name not in WRITERS:
            raise InputError(f"no format {name}: there are {', '.join(WRITERS)}; CSV, EDF+ and JSON are always written")
    return tuple(dict.fromkeys(names))


def write_formats(folder: Path, staged: StagedRecording, formats: Sequence[str]) -> list[Path]:
    """Write a recording's stages in each format that can hold them, and return the paths.

    Raises:
        InputError: a format is unknown, or a file cannot be written.
    """
    can = [name for name in parse_formats(formats) if not reason_against(staged, name)]
    return [path for name in can for path in WRITERS[name](folder, staged)]


def notices_on(staged: StagedRecording, formats: Sequence[str]) -> tuple[str, ...]:
    """Return why a recording is not written in some of the formats, in words."""
    reasons = {name: reason_against(staged, name) for name in formats}
    return tuple(f"not written as {name}: {reason}" for name, reason in reasons.items() if reason)


def reason_against(staged: StagedRecording, name: str) -> str:
    """Say why a format cannot hold a recording's stages; "" where it can."""
    if name == "eannot" and staged.first_second:
        return f"its epochs start {staged.first_second:g} s after the recording, which the format cannot say"
    return ""


def in_digits(seconds: float) -> str:
    """Return seconds to the microsecond, without zeros at the end."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".")


# ---- BIDS ----


def write_bids(folder: Path, staged: StagedRecording) -> list[Path]:
    """Write one event for each epoch, with its confidence and its flags, and the JSON that says what they are."""
    table = in_format(folder, staged.name, "bids")
    sidecar = table.with_name(table.name.removesuffix(BIDS) + BIDS_SIDECAR)
    save_json(sidecar, bids_columns(staged))
    with written_whole(table) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", lineterminator="\n")
        writer.writerow(("onset", "duration", "trial_type", "confidence", "flags"))
        for epoch, (stage, confidence, flags) in enumerate(
            zip(staged.stages, staged.confidence, staged.flags(), strict=True)
        ):
            sure = f"{confidence:.4f}" if np.isfinite(confidence) else "n/a"
            writer.writerow(
                (in_digits(staged.onset(epoch)), EPOCH_SECONDS, EDF_TEXTS[int(stage)], sure, flags or "n/a")
            )
    return [table, sidecar]


def bids_columns(staged: StagedRecording) -> dict[str, object]:
    """Return what a BIDS sidecar says of the columns."""
    levels = {EDF_TEXTS[int(stage)]: f"{stage.name}, by the rules of the AASM" for stage in STAGES}
    simulated = " The recording is SIMULATED." if staged.simulated else ""
    n_human = int(staged.by_human.sum())
    checked = f"{n_human} of {len(staged)} epochs as a human staged them" if n_human else "which no human has checked"
    return {
        "onset": {"Description": "Start of the epoch", "Units": "s"},
        "duration": {"Description": "Length of the epoch", "Units": "s"},
        "trial_type": {
            "LongName": "Sleep stage",
            "Description": f"Stage by RecSleepNet {__version__}, {checked}.{simulated}",
            "Levels": {**levels, EDF_TEXTS[UNKNOWN]: "Could not be scored; see flags"},
        },
        "confidence": {
            "Description": f"Probability of the stage; below {LOW_CONFIDENCE:g} it needs a human's look",
        },
        "flags": {"Description": "What is wrong with the epoch"},
    }


# ---- Luna ----


def write_eannot(folder: Path, staged: StagedRecording) -> list[Path]:
    """Write one label a line; line N is epoch N from the recording's start."""
    path = in_format(folder, staged.name, "eannot")
    with written_whole(path) as partial:
        partial.write_text("".join(f"{EANNOT_LABELS[int(stage)]}\n" for stage in staged.stages), encoding="ascii")
    return [path]


# ---- NSRR ----


def write_nsrr(folder: Path, staged: StagedRecording) -> list[Path]:
    """Write an event for each run of one stage; some readers want every element on a line of its own."""
    path = in_format(folder, staged.name, "nsrr")
    root = ElementTree.Element("PSGAnnotation")
    simulated = ", SIMULATED recording" if staged.simulated else ""
    ElementTree.SubElement(root, "SoftwareVersion").text = f"RecSleepNet {__version__}{simulated}"
    ElementTree.SubElement(root, "EpochLength").text = str(EPOCH_SECONDS)
    events = ElementTree.SubElement(root, "ScoredEvents")
    clock = {"ClockTime": f"00.00.00 {time_of(staged.start, 0.0).replace(':', '.')}"} if staged.start else {}
    add_event(events, "", "Recording Start Time", 0.0, staged.onset(len(staged)), clock)
    for stage, first, end in stage_runs(staged):
        concept = NSRR_CONCEPTS[stage]
        add_event(events, "Stages|Stages", concept, staged.onset(first), (end - first) * EPOCH_SECONDS, {})
    ElementTree.indent(root, space="")
    with written_whole(path) as partial:
        ElementTree.ElementTree(root).write(partial, encoding="UTF-8", xml_declaration=True)
    return [path]


def add_event(
    events: ElementTree.Element, kind: str, concept: str, start: float, seconds: float, more: dict[str, str]
) -> None:
    """Add an event of a kind, from `start` on, in seconds; `more` are elements that follow."""
    event = ElementTree.SubElement(events, "ScoredEvent")
    values = {
        "EventType": kind,
        "EventConcept": concept,
        "Start": in_digits(start),
        "Duration": f"{seconds:.1f}",
        **more,
    }
    for name, value in values.items():
        ElementTree.SubElement(event, name).text = value or None


def stage_runs(staged: StagedRecording) -> Iterator[tuple[int, int, int]]:
    """Yield the stage of each run, its first epoch and its end (half-open), in order."""
    stages = staged.stages
    runs = [
        (int(stage), int(first), int(end))
        for stage in np.unique(stages)
        for first, end in zip(*runs_of(stages == stage), strict=True)
    ]
    yield from sorted(runs, key=lambda run: run[1])


WRITERS: dict[str, Writer] = {"bids": write_bids, "eannot": write_eannot, "nsrr": write_nsrr}
