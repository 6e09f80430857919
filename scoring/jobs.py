"""What is to be scored: recordings in files, folders, patterns or a pairing table, and what is wanted of each."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from command import InputError, as_text, log
from folds.checkpoint import Fold
from recordings.datasets import hypnogram_beside, read_hypnogram
from recordings.finding import Found, find_recordings
from recordings.hypnograms.scoring import Reading
from recordings.opening import open_recording, opener_of
from recordings.pairing_table import read_pairing_table
from recordings.recording import Recording
from scoring.lights import parse_lights
from scoring.staging import Request, check_request


@dataclass(frozen=True, eq=False)
class Job:
    """A recording to score.

    Attributes:
        found: the recording and what belongs to it.
        name: what its files are called, with the folders below the output folder.
        request: what is wanted of it.
        notices: what the user should know of it before it is opened.
    """

    found: Found
    name: str
    request: Request
    notices: tuple[str, ...] = ()

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
        opened = open_recording(self.path)
        return replace(opened, name=self.name, notices=(*opened.notices, *self.notices))


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
        lights_off=parse_lights(found.lights_off, "lights_off") if found.lights_off else wanted.lights_off,
        lights_on=parse_lights(found.lights_on, "lights_on") if found.lights_on else wanted.lights_on,
    )
    if wanted.hypnogram or (by_table and found.hypnogram):
        return Job(found, name, replace(request, hypnogram=wanted.hypnogram or found.hypnogram))
    paired, notices = paired_by_name(found, wanted.reading)
    return Job(found, name, replace(request, hypnogram=paired), notices)


def paired_by_name(found: Found, reading: Reading) -> tuple[Path | None, tuple[str, ...]]:
    """Return the hypnogram that a recording has by its name, and why there is none to compare with, if it has none.

    A hypnogram that lies beside it under its data set's name is read with the recording, and must be good.
    """
    try:
        of_data_set = hypnogram_beside(found.recording)
    except InputError:
        return None, ()  # said when the recording is read
    if of_data_set or not found.hypnogram:
        return None, (f"not compared with an expert: {found.problem}",) if found.problem and not of_data_set else ()
    try:
        read_hypnogram(found.hypnogram, found.recording, reading)
    except InputError as error:
        return None, (f"not compared with an expert: {error}",)
    return found.hypnogram, ()


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


def check(job: Job, folds: Sequence[Fold] = ()) -> float:
    """Read what a recording says of itself, and return its seconds.

    Args:
        job: the recording.
        folds: those that will score it; without them, only a channel that is asked for by name is looked for.

    Raises:
        InputError: it cannot be read, or has not what is wanted of it.
    """
    opened = job.opened()
    check_request(opened, job.request, folds)
    return opened.seconds
