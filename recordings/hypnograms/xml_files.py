"""Hypnograms in XML: the National Sleep Research Resource's annotations, and Compumedics' Profusion."""

from __future__ import annotations

import math
from pathlib import Path
from xml.etree import ElementTree

from command import InputError
from files.reading import readable
from recordings.hypnograms.labels import NUMBER_CODES
from recordings.hypnograms.scoring import AS_IT_IS, Entry, Reading, Scoring
from recordings.tables import text_of

NSRR, PROFUSION = "PSGAnnotation", "CMPStudyConfig"
STAGES = "stages"  # how NSRR calls the kind of event that a stage is: Stages|Stages


def scored(path: Path, reading: Reading = AS_IT_IS) -> Scoring:
    """Return the stages in an XML file, by the name of its root.

    Raises:
        InputError: no such file, no XML, of neither kind, or a number in it is none.
    """
    text = text_of(path)
    if "<!DOCTYPE" in text or "<!ENTITY" in text:  # what makes a small file large; neither program writes it
        raise InputError(f"{path}: has a document type, which no hypnogram has; export it again")
    with readable(path, "a readable XML file", "export it again"):
        root = ElementTree.fromstring(text)
    if root.tag == NSRR:
        return nsrr(path, root)
    if root.tag == PROFUSION:
        return profusion(path, root)
    raise InputError(
        f"{path}: <{root.tag[:40]}> is no hypnogram; there are NSRR's <{NSRR}> and Profusion's <{PROFUSION}>"
    )


def nsrr(path: Path, root: ElementTree.Element) -> Scoring:
    """Return the events that are stages, `Stage 2 sleep|2`; their times are from the recording's start."""
    entries = []
    for number, event in enumerate(root.iter("ScoredEvent"), 1):
        if (event.findtext("EventType") or "").partition("|")[0].strip().casefold() != STAGES:
            continue
        place = f"event {number}"
        onset, duration = (number_of(path, event, name, place) for name in ("Start", "Duration"))
        entries.append(Entry((event.findtext("EventConcept") or "").partition("|")[0], place, onset, duration))
    return Scoring(entries, epoch_seconds=epoch_length(path, root))


def profusion(path: Path, root: ElementTree.Element) -> Scoring:
    """Return the numbers of the epochs in <SleepStages>."""
    numbers = [one.text or "" for one in root.iterfind("SleepStages/SleepStage")]
    entries = [Entry(number.strip(), f"epoch {i}") for i, number in enumerate(numbers, 1)]
    return Scoring(entries, codes=NUMBER_CODES["rk"], epoch_seconds=epoch_length(path, root))


def epoch_length(path: Path, root: ElementTree.Element) -> float | None:
    return None if root.find("EpochLength") is None else number_of(path, root, "EpochLength", "the head")


def number_of(path: Path, element: ElementTree.Element, name: str, place: str) -> float:
    """Return the number in an element below another.

    Raises:
        InputError: it is missing, or no finite number.
    """
    text = element.findtext(name) or ""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{path}: {text[:20]!r} in <{name}> of {place} is no number; repair or export it again")
    return number
