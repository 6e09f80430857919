"""Recordings and their hypnograms before anything is read: what goes together, what nights are called, what lacks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from command import InputError, log
from recordings.finding import Found, core_of
from recordings.hypnograms import has_stages


def with_own_annotations(one: Found) -> Found:
    """Return a recording without a hypnogram with itself as one, if stages are among its annotations."""
    if one.hypnogram or one.problem:
        return one
    try:
        return replace(one, hypnogram=one.recording) if has_stages(one.recording) else one
    except InputError as error:
        return replace(one, problem=str(error))


def names_of(found: Sequence[Found]) -> dict[Path, str]:
    """Return what each prepared night is called: as its recording; with its folders where that says too little."""
    stems = Counter(one.recording.stem.casefold() for one in found)

    def name_of(one: Found) -> str:
        stem = one.recording.stem
        says_enough = stems[stem.casefold()] == 1 and core_of(one.recording) and one.told != "folder"
        return stem if says_enough else "_".join((*one.below.parts, stem))

    names = {one.recording: name_of(one) for one in found}
    taken: dict[str, Path] = {}
    for path, name in names.items():
        other = taken.setdefault(name.casefold(), path)
        if other != path:
            raise InputError(f"{other} and {path} would both become {name}.npz; rename one of them")
    return names


def trouble(one: Found) -> str:
    """Return why a recording cannot be prepared; "" where nothing speaks against it so far."""
    if one.problem or one.hypnogram:
        return one.problem
    return "no hypnogram by any rule, and no stages in its own annotations; add one, or name it in a pairing table"


def show(found: Sequence[Found], names: Mapping[Path, str]) -> None:
    """Print which recording goes with which hypnogram, and whose night it is."""
    rows = [("recording", "hypnogram", "subject", "night", "channel")]
    for one in found:
        hypnogram = one.hypnogram.name if one.hypnogram else "-"
        hypnogram = "its own annotations" if one.hypnogram == one.recording else hypnogram
        rows.append(((one.below / one.recording.name).as_posix(), hypnogram, one.subject, one.night, one.channel))
    used = [i for i in range(len(rows[0])) if any(row[i] for row in rows[1:])]
    widths = [max(len(row[i]) for row in rows) for i in used]
    for row in rows:
        log.info("%s", "  ".join(f"{row[i]:<{width}}" for i, width in zip(used, widths, strict=True)).rstrip())
    nights = Counter(one.subject for one in found)
    log.info("%d recordings of %d subjects", len(found), len(nights))
    for one in found:
        if trouble(one):
            log.info("    %s: %s", names[one.recording], trouble(one))
    if not all(one.told for one in found) and len(found) > 1:
        log.info(
            "where nothing tells whose a recording is, it is taken as a subject of its own. If two of them are of one "
            "person, say so with --subject_pattern or --table: nobody may train and test at once"
        )
