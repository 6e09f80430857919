"""Whose night a recording is: by a table, by its name and its folders, and by what is written of the participants.

Names of persons are compared without regard to the case of their letters: P01 and p01 are one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from command import InputError
from recordings.tables import read_table

BIDS_NAME = re.compile(r"sub-(?P<subject>[^_]+)(?:_ses-(?P<session>[^_]+))?(?:_.*?run-(?P<run>[^_]+))?", re.IGNORECASE)
SLEEPEDF_NAME = re.compile(r"(?P<subject>(?:SC4|ST7)\d\d)(?P<night>[12])[A-Z]", re.IGNORECASE)  # raw or prepared
NIGHT_MARK = re.compile(
    r"(?:(?P<subject>.+?)[\s_.-]+)?(?:night|nacht|nuit|noche|notte|n|ses|session|visit|v|day|d|rec|run)"
    r"[\s_-]*0*(?P<night>\d+)",
    re.IGNORECASE,
)
NUMBERED_LETTER = re.compile(r"[nvd]\d+", re.IGNORECASE)  # n1: the first night, or the first of the normal subjects
PARTICIPANTS, PARTICIPANT = "participants.tsv", "participant_id"
LEVELS_UP = 4  # from a recording to the root of its BIDS data set: sub, ses, eeg, and one more


def person_key(name: str) -> str:
    """Return the name of a person as it is compared with others: in small letters, accents coded in one way."""
    return unicodedata.normalize("NFC", name).casefold()


def same_person(one: str, other: str) -> bool:
    """Tell whether two names are those of one person; an empty name is nobody's."""
    return bool(one) and person_key(one) == person_key(other)


# ---- by name ----


class Whose(NamedTuple):
    """The subject and the night that a recording is of, "" without one, and what told them; see `finding.Found`."""

    subject: str
    night: str
    told: str


class SubjectPattern:
    """What recordings are called: text with {subject} and perhaps {night}, and * and ? as in a shell.

    `{subject}_{night}` is a file's name without its suffix; `{subject}/night{night}` counts the folder too;
    `{subject:3}{night:1}*` says how many characters each has.

    Raises:
        InputError: it has no {subject}, or something else in braces.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        parts = re.split(r"(\{[^{}]*\}|\*|\?)", text)
        if sum(part.startswith("{subject") for part in parts) != 1 or sum("{" in part for part in parts) > 2:
            raise InputError(f"--subject_pattern {text}: needs {{subject}}, once, as in {{subject}}_night{{night}}")
        self.regex = re.compile("".join(map(self.translated, parts)))

    def translated(self, part: str) -> str:
        if part in ("*", "?"):
            return "[^/]*" if part == "*" else "[^/]"
        if not part.startswith("{"):
            return re.escape(part)
        named = re.fullmatch(r"\{(subject|night)(?::([1-9]\d?))?\}", part)
        if not named:
            raise InputError(f"--subject_pattern {self.text}: {part}; there are {{subject}}, {{night}}, {{subject:3}}")
        return f"(?P<{named[1]}>[^/]{f'{{{named[2]}}}' if named[2] else '+?'})"

    def match(self, path: Path) -> tuple[str, str]:
        """Return the subject and the night, "" without one, of a recording.

        Raises:
            InputError: it is not called so.
        """
        parts = path.absolute().with_suffix("").parts
        found = self.regex.fullmatch("/".join(parts[-1 - self.text.count("/") :]))
        if not found:
            raise InputError(f"{path}: does not fit --subject_pattern {self.text}; change it, or write a pairing table")
        return found["subject"], found.groupdict().get("night") or ""


def whose(
    path: Path,
    root: Path,
    pattern: SubjectPattern | None = None,
    name: str = "",
    generic: bool = False,
    numbered_persons: bool = False,
) -> Whose:
    """Return a recording's subject and night.

    Args:
        path: the recording.
        root: the folder that was searched.
        pattern: what recordings are called, if the user says so.
        name: what it is called where nothing else tells the subject.
        generic: its name says nothing of the subject: other recordings have it too.
        numbered_persons: as `names_persons` says of all recordings.
    """
    if pattern:
        return Whose(*pattern.match(path), "pattern")
    if bids := BIDS_NAME.match(path.stem):
        night = "-".join(part for part in (bids["session"], bids["run"]) if part)
        return Whose(bids["subject"], night, "BIDS")
    if sleepedf := SLEEPEDF_NAME.match(path.stem):
        return Whose(sleepedf["subject"].upper(), sleepedf["night"], "data set")
    stem = re.sub(r"(?i)[\s_.-]+(psg|eeg|raw)$", "", path.stem)
    named = None if numbered_persons and NUMBERED_LETTER.fullmatch(stem) else NIGHT_MARK.fullmatch(stem)
    if named and named["subject"] and not generic:
        return Whose(named["subject"], named["night"], "name")
    folders = path.parent.relative_to(root).parts
    if folders and (generic or named):
        of_folder = NIGHT_MARK.fullmatch(folders[-1])
        night = named["night"] if named else of_folder["night"] if of_folder else ""
        of_subject = folders[:-1] if of_folder and not of_folder["subject"] and len(folders) > 1 else folders
        return Whose(of_subject[-1], night, "folder")
    return Whose(name or path.stem, "", "")


def names_persons(recordings: Sequence[Path]) -> bool:
    """Tell whether names such as n1, n2 are those of persons: they are where all of them lie in one folder.

    The healthy sleepers of the CAP Sleep Database are called so. P01/n1 and P02/n1 are nights of P01 and P02.
    """
    return len({path.parent for path in recordings if NUMBERED_LETTER.fullmatch(path.stem)}) == 1


def subject_by_name(recording: Path) -> str:
    """Return whose night a recording is by its own name alone; "" where the name does not say so."""
    subject, _, told = whose(recording, recording.parent)
    return subject if told else ""


# ---- by what is written of the participants ----


def participants_of(root: Path) -> dict[str, dict[str, str]]:
    """Return what a BIDS data set's participants.tsv says of each subject, by the key of its name without `sub-`.

    Args:
        root: the folder of the data set, or one below it.
    """
    above = [root.absolute(), *root.absolute().parents][: LEVELS_UP + 1]
    path = next((folder / PARTICIPANTS for folder in above if (folder / PARTICIPANTS).is_file()), None)
    if path is None:
        return {}
    rows = [row for _, row in read_table(path, (PARTICIPANT,))]
    return {
        person_key(row[PARTICIPANT].removeprefix("sub-")): {
            name: value for name, value in row.items() if name != PARTICIPANT and value not in ("", "n/a")
        }
        for row in rows
    }
