"""Which recordings there are below a folder, and what belongs to each: its hypnogram; `whose_night` tells the subject.

A hypnogram is paired by name, never by position: beside its recording first, then anywhere below the same folder. Words
such as `PSG` and `hypnogram` at either end of a name do not count, so that `P01_PSG.edf` goes with `P01-hypnogram.txt`.
"""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

from command import InputError
from recordings import scored_files
from recordings.datasets import hypnogram_beside
from recordings.opening import OPENERS
from recordings.whose_night import SubjectPattern, names_persons, participants_of, person_key, whose

HYPNOGRAM_SUFFIXES = (".edf", ".csv", ".tsv", ".txt", ".xml", ".eannot", ".annot", ".hyp", ".json")
WORDS_OF_HYPNOGRAMS = (
    *("hypnogram", "hypno", "stages", "stage", "staging", "sleepstages", "sleepstaging"),
    *("scoring", "scored", "scores", "score", "sleepscoring", "expert", "events", "annotations", "annotation", "annot"),
    *("sleep", "profile", "sleepprofile", "schlafprofil", "profusion", "nsrr", "base", "hypnogramaasm", "hypnogramr&k"),
    *("allscore", "stg"),
)
WORDS_OF_RECORDINGS = ("psg", "eeg", "raw", "signal", "signals", "recording", "polysomnography")

OWN_MEMORY = "_live.npz"  # written by live.py: no prepared night

BIDS_ROOT = "dataset_description.json"


@dataclass(frozen=True)
class Found:
    """A recording and what belongs to it; "" and None where nothing says.

    Attributes:
        recording: its file; it need not be there when the user named it.
        hypnogram: the expert's file.
        subject, night: whose it is, and which of that subject's.
        channel, lights_off, lights_on: what the pairing table says, as it is written there.
        columns: what else is known of its subject, by name: other columns of the table, or of BIDS' participants.tsv.
        below: the folder it lies in, from the folder that was searched.
        told: what told the subject: `table`, `pattern`, `column`, `BIDS`, `data set`, `name`, `folder`, or `` (each
            recording is taken as a subject of its own).
        problem: why it is not clear what belongs to it.
        of_data_set: the hypnogram, or the problem with it, is under the name that a data set gives it.
        version: of a hypnogram that may be changed again, what tells this one from those before.
    """

    recording: Path
    hypnogram: Path | None = None
    subject: str = ""
    night: str = ""
    channel: str = ""
    lights_off: str = ""
    lights_on: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    below: Path = Path()
    told: str = ""
    problem: str = ""
    of_data_set: bool = False
    version: str = ""


def find_recordings(
    places: Sequence[str | Path],
    hypnograms: str = "",
    subject_pattern: str = "",
    suffixes: Iterable[str] = OPENERS,
    named: str = "",
) -> list[Found]:
    """Find the recordings in files, folders and patterns, and pair each with what belongs to it.

    Args:
        places: files (taken as they are named, each once), folders (searched at any depth; of a BIDS root its
            `sub-*`), patterns as in a shell (`nights/*.edf`, `**/*.edf`).
        hypnograms: the pattern of a hypnogram's name, `*-nsrr.xml`; "" for every name that fits.
        subject_pattern: what a recording is called, with {subject} and {night}; see `SubjectPattern`.
        suffixes: of the files that are recordings.
        named: the pattern of a recording's name, `* PSG.edf`; "" for every name.

    Raises:
        InputError: a pattern or a folder without a recording, or a name that does not fit `subject_pattern`.
    """
    pattern = SubjectPattern(subject_pattern) if subject_pattern else None
    found: dict[Path, Found] = {}
    for place in places:
        for root, recordings in recordings_at(str(place), tuple(suffixes)):
            recordings = [path for path in recordings if fnmatch(path.name.casefold(), (named or "*").casefold())]
            for one in paired(root, recordings, hypnograms, pattern):
                found.setdefault(one.recording.absolute(), one)
    if not found:
        raise InputError(f"{', '.join(map(str, places))}: no recording is called {named}; change --recordings")
    return list(found.values())


# ---- the files ----


def recordings_at(place: str, suffixes: Sequence[str]) -> Iterator[tuple[Path, list[Path]]]:
    """Yield each folder that a place means, and the recordings in it or below it.

    Raises:
        InputError: there is none.
    """
    path = Path(place)
    if path.is_dir():
        recordings = first_parts([one for one in files_below(path) if is_recording(one, suffixes)])
        if not recordings:
            raise InputError(f"{place}: no recording in it or below it; there are {', '.join(suffixes)}")
        yield path, recordings
    elif path.exists() or not any(sign in place for sign in "*?["):
        yield path.parent, [path]
    else:
        yield from recordings_of_pattern(place, suffixes)


def recordings_of_pattern(pattern: str, suffixes: Sequence[str]) -> Iterator[tuple[Path, list[Path]]]:
    """Yield the recordings that a pattern matches; those in the folders that it matches, if it matches none itself.

    Raises:
        InputError: there is none.
    """
    anchor = Path(pattern).anchor
    matches = sorted(Path(anchor).glob(pattern.removeprefix(anchor)))
    files = first_parts([path for path in matches if path.is_file() and is_recording(path, suffixes)])
    folders = [] if files else [path for path in matches if path.is_dir()]
    if files:
        yield Path(os.path.commonpath([path.parent for path in files])), files
    found = [
        (folder, first_parts([one for one in files_below(folder) if is_recording(one, suffixes)])) for folder in folders
    ]
    yield from ((folder, recordings) for folder, recordings in found if recordings)
    if not files and not any(recordings for _, recordings in found):
        raise InputError(f"{pattern}: matches no recording; there are {', '.join(suffixes)}")


def files_below(root: Path) -> list[Path]:
    """Return the files in a folder and below it in order of name, hidden ones left out; of a BIDS root, its sub-*."""
    is_bids = (root / BIDS_ROOT).is_file()
    files = []
    for folder, below, names in os.walk(root):
        at_root = Path(folder) == root
        below[:] = sorted(
            name for name in below if name[0] != "." and (name.startswith("sub-") or not (is_bids and at_root))
        )
        files += [Path(folder, name) for name in sorted(names) if name[0] != "."]
    return files


def is_recording(path: Path, suffixes: Sequence[str]) -> bool:
    """Tell whether a file is a recording by its name: of a known format, and not called a hypnogram."""
    words = re.split(r"[\s_.-]+", path.stem.casefold())
    if path.name.endswith(OWN_MEMORY):
        return False
    return path.suffix.casefold() in suffixes and not {words[0], words[-1]} & set(WORDS_OF_HYPNOGRAMS) - {"sleep"}


FURTHER_PART = re.compile(
    r"(?P<first>.*)-\d{1,2}|(?P<before>.*_split-)(?P<number>\d+)(?P<behind>_.*)?",  # of MNE's FIF files, and of BIDS
    re.IGNORECASE,
)


def first_parts(recordings: Sequence[Path]) -> list[Path]:
    """Return recordings less the further files of those that are in several: opening the first reads all of them."""
    there = {(path.parent, path.stem) for path in recordings if path.suffix.casefold() == ".fif"}

    def is_further(path: Path) -> bool:
        named = FURTHER_PART.fullmatch(path.stem) if path.suffix.casefold() == ".fif" else None
        if not named:
            return False
        if named["first"] is not None:
            return (path.parent, named["first"]) in there
        first = f"{named['before']}{1:0{len(named['number'])}}{named['behind'] or ''}"
        return int(named["number"]) > 1 and (path.parent, first) in there

    return [path for path in recordings if not is_further(path)]


def core_of(path: Path) -> str:
    """Return what a recording's name has in common with its hypnogram's: P01_PSG, P01-hypnogram → p01."""
    words = "|".join(sorted((*WORDS_OF_HYPNOGRAMS, *WORDS_OF_RECORDINGS), key=len, reverse=True))
    stem, before = path.stem.casefold(), None
    while stem != before:
        before = stem
        stem = re.sub(rf"^(?:{words})(?:[\s_.-]+|$)|(?:[\s_.-]+|^)(?:{words})$", "", stem).strip(" _.-")
    return stem


# ---- pairs ----


def paired(root: Path, recordings: Sequence[Path], hypnograms: str, pattern: SubjectPattern | None) -> Iterator[Found]:
    """Yield each recording of a folder with its hypnogram, its subject and its night."""
    folders = {root, *(path.parent for path in recordings)}
    searched = files_below(root) if len(recordings) > 1 or root not in {path.parent for path in recordings} else []
    beside = (path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file())
    candidates: dict[str, list[Path]] = defaultdict(list)
    for path in sorted({*searched, *beside} - set(recordings)):
        if may_be_hypnogram(path, hypnograms):
            candidates[core_of(path)].append(path)
    cores = Counter(core_of(path) for path in recordings)
    participants, persons = participants_of(root), names_persons(recordings)
    for path in recordings:
        core = core_of(path)
        generic = not core or cores[core] > 1
        name = core if generic else path.stem
        subject, night, told = whose(path, root, pattern, name, generic, persons)
        one = Found(
            path,
            subject=subject,
            night=night,
            below=path.parent.relative_to(root),
            columns=participants.get(person_key(subject), {}),
            told=told,
        )
        yield with_hypnogram(one, candidates[core], hypnograms, alone=bool(core) and cores[core] == 1)


def may_be_hypnogram(path: Path, hypnograms: str) -> bool:
    if hypnograms:
        return fnmatch(path.name, hypnograms)
    return (
        path.suffix.casefold() in HYPNOGRAM_SUFFIXES
        and path.name[0] != "."
        and not path.name.endswith(scored_files.WITH_STAGES)
    )


def with_hypnogram(one: Found, candidates: Sequence[Path], hypnograms: str, alone: bool) -> Found:
    """Return a recording with its hypnogram: its data set's, else the one beside it, else, if that is clear, any."""
    try:
        named = None if hypnograms else hypnogram_beside(one.recording)
    except InputError as error:
        return replace(one, problem=str(error), of_data_set=True)
    if named:
        return replace(one, hypnogram=named, of_data_set=True)
    beside = [path for path in candidates if path.parent == one.recording.parent]
    fitting = beside or (list(candidates) if alone else [])
    if len(fitting) > 1:
        names = ", ".join(path.name for path in fitting)
        return replace(one, problem=f"several hypnograms fit it by name ({names}); name one in a pairing table")
    return replace(one, hypnogram=fitting[0]) if fitting else one
