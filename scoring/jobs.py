"""What is to be scored: recordings in files, folders, patterns or a pairing table, and what is wanted of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from command import InputError, as_text, log
from folds.checkpoint import Fold
from recordings.finding import Found, find_recordings
from recordings.opening import open_recording, opener_of
from recordings.pairing_table import read_pairing_table
from recordings.recording import Recording
from scoring.lights import parse_lights
from scoring.request import Request, StagingPlan, plan_staging


@dataclass(frozen=True, eq=False)
class Job:
    """A recording to score.

    Attributes:
        found: the recording and what belongs to it.
        name: what its files are called, with the folders below the output folder.
        request: what is wanted of it.
    """

    found: Found
    name: str
    request: Request

    @property
    def path(self) -> Path:
        """The recording's file."""
        return self.found.recording

    @property
    def shown(self) -> str:
        """What it is called when it fails: its name with its suffix."""
        return as_text(Path(self.name).with_name(self.path.name).as_posix())

    def opened(self) -> Recording:
        """Open the recording under the name that its files will have.

        Raises:
            InputError: it cannot be read.
        """
        return replace(open_recording(self.path, self.request.unit), name=self.name)


@dataclass(frozen=True, eq=False)
class PlannedJob:
    """A recording whose staging is planned.

    Attributes:
        job: the recording.
        plan: how it is staged.
        seconds: how long it is.
        kept: the recording, still open from planning; None where it is opened again when its turn comes. That is so
            of one among several, since an open prepared night holds all of its samples.
    """

    job: Job
    plan: StagingPlan
    seconds: float
    kept: Recording | None

    def opened(self) -> Recording:
        """Return the open recording.

        Raises:
            InputError: it cannot be read any more.
        """
        return self.kept or self.job.opened()


def jobs_in(places: Sequence[str], table: str | None, wanted: Request) -> list[Job]:
    """Return the recordings to score, each once, in the order in which they are found.

    Args:
        places: files, folders, patterns.
        table: a pairing table, which stands in for `places`.
        wanted: what is wanted of each; a cell of the table goes before it.

    Raises:
        InputError: no recording, a table that is none, two recordings whose files would have one name, or a hypnogram
            for several.
    """
    found = read_pairing_table(Path(table)) if table else find_recordings(places)
    found = each_once(found)
    if wanted.hypnogram and len(found) > 1:
        raise InputError(
            f"--hypnogram belongs to one recording, and there are {len(found)}; name the others' in a table (--table)"
        )
    return [a_job(one, name, wanted, by_table=bool(table)) for one, name in zip(found, names_of(found), strict=True)]


def each_once(found: Sequence[Found]) -> list[Found]:
    """Return each recording once, and say which one was named in two ways."""
    once: dict[Path, Found] = {}
    for one in found:
        place = place_of(one)
        if place in once:
            log.info("%s is named more than once: scored once", place.name)
        once.setdefault(place, one)
    return list(once.values())


def place_of(found: Found) -> Path:
    """Return where a recording is, whatever way leads there; a link keeps its own name."""
    return found.recording.parent.resolve() / found.recording.name


def names_of(found: Sequence[Found]) -> list[str]:
    """Return what the files of each recording are called: its name below the folder that was searched.

    Where two would be alike, they have the folders in which they differ too.

    Raises:
        InputError: two in one folder have one name.
    """
    places = [place_of(one) for one in found]
    names = [(one.below / place.stem).as_posix() for one, place in zip(found, places, strict=True)]
    times = Counter(name.casefold() for name in names)  # some disks do not tell Night from night
    alike = [place for place, name in zip(places, names, strict=True) if times[name.casefold()] > 1]
    common = Path(os.path.commonpath([place.parent for place in alike])) if alike else Path()
    names = [
        as_text(place.relative_to(common).with_suffix("").as_posix() if place in alike else name)
        for place, name in zip(places, names, strict=True)
    ]
    refuse_same_files(found, names)
    return names


def refuse_same_files(found: Sequence[Found], names: Sequence[str]) -> None:
    """Raise InputError when the files of two recordings would have one name."""
    taken: dict[str, Path] = {}
    for one, name in zip(found, names, strict=True):
        other = taken.setdefault(name.casefold(), one.recording)
        if other != one.recording:
            raise InputError(
                f"{other} and {one.recording} would be written to the same files, {one.recording.stem}_…; "
                "score one of them with another --output_dir"
            )


def a_job(found: Found, name: str, wanted: Request, by_table: bool) -> Job:
    """Return what is wanted of a recording: what its table says, else what is wanted of all."""
    request = replace(
        wanted,
        channels=(found.channel,) if found.channel else wanted.channels,
        hypnogram=wanted.hypnogram or (found.hypnogram if by_table else None),
        lights_off=parse_lights(found.lights_off, "lights_off") if found.lights_off else wanted.lights_off,
        lights_on=parse_lights(found.lights_on, "lights_on") if found.lights_on else wanted.lights_on,
        found=found,
    )
    return Job(found, name, request)


# ---- checks, before anything heavy is imported ----


def not_there(jobs: Sequence[Job]) -> Iterator[tuple[Job, str]]:
    """Yield the recordings that are not there or of no known format, and why; it takes no time."""
    yield from ((job, why) for job in jobs if (why := why_not_there(job.path)))


def why_not_there(path: Path) -> str:
    """Say why a file cannot be a recording, by its name; "" where it can."""
    try:
        opener_of(path)
    except InputError as error:
        return str(error)
    return ""


def plan_job(job: Job, folds: Sequence[Fold], keep_open: bool) -> PlannedJob:
    """Open a recording, and decide how it is staged.

    Args:
        job: the recording.
        folds: those that there are.
        keep_open: it is staged next.

    Raises:
        InputError: it cannot be read, or has not what is wanted of it.
    """
    opened = job.opened()
    plan = plan_staging(opened, job.request, folds)
    return PlannedJob(job, plan, opened.seconds, opened if keep_open else None)
