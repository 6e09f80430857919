"""Which recordings are of one person: where a column names the person, and where two names differ in case alone."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

from command import InputError
from recordings.finding import Found
from recordings.tables import plain_name
from recordings.whose_night import PARTICIPANTS, person_key

BY_NAME = "subject"  # what --subject_column is given to go by names alone
ID_LIKE = re.compile(
    r"(?:p|pt|person|patient|subject|subj|sub|participant|individual|volunteer|nsrr)?_?(?:id|nr|no|number|code)"
    r"|person|patient|individual|participant",
)
"""Names of columns, in small letters, that may say who somebody is; `site_id` and `scanner` do not."""


def with_persons(found: Sequence[Found], column: str = "") -> tuple[list[Found], list[str]]:
    """Return recordings with the subject that each person has, and what to say of that.

    Args:
        found: recordings, each with the subject that its name tells.
        column: of the pairing table or participants.tsv, which names the person; "": one that looks like it and has one
            value for several subjects is taken. `subject`: names alone count.

    Raises:
        InputError: a recording has no such column.
    """
    wanted = plain_name(column)
    chosen = wanted or next(columns_of_persons(found), "")
    said: list[str] = []
    if chosen and chosen != BY_NAME:
        before = list(found)
        found = [by_column(one, chosen, required=bool(wanted)) for one in before]
        said.append(merged_in_words(before, found, chosen, asked=bool(wanted)))
    return spelled_alike(found, said), said


def columns_of_persons(found: Sequence[Found]) -> Iterator[str]:
    """Yield the columns that look as if they named persons, and in which several subjects are one."""
    names = dict.fromkeys(name for one in found for name in one.columns if ID_LIKE.fullmatch(name))
    for name in names:
        subjects: dict[str, set[str]] = defaultdict(set)
        for one in found:
            if one.columns.get(name) and one.told != "table":
                subjects[person_key(one.columns[name])].add(person_key(one.subject))
        everybody = len(subjects) == 1 and len(next(iter(subjects.values()))) > 2  # such as the number of the study
        if not everybody and any(len(of_one) > 1 for of_one in subjects.values()):
            yield name


def by_column(one: Found, column: str, required: bool) -> Found:
    value = one.columns.get(column, "")
    if not value and required:
        there = ", ".join(one.columns) or "none"
        raise InputError(
            f"--subject_column {column}: {one.recording} has no such column, or nothing in it (there are: {there}); "
            f"fill it in in the pairing table or {PARTICIPANTS}, or leave the option out"
        )
    return replace(one, subject=value, told="column") if value else one


def merged_in_words(before: Sequence[Found], after: Sequence[Found], column: str, asked: bool) -> str:
    """Say which subjects are one person by a column."""
    names: dict[str, dict[str, None]] = defaultdict(dict)
    for old, new in zip(before, after, strict=True):
        names[new.subject][old.subject] = None
    several = [f"{' and '.join(of_one)} are one ({person})" for person, of_one in names.items() if len(of_one) > 1]
    start = f"persons are told by the column {column}"
    end = "" if asked else f"; --subject_column {BY_NAME} goes by names instead"
    return f"{start}: {', '.join(several) or f'{len(names)} subjects, and no two of them are one'}{end}"


def spelled_alike(found: Sequence[Found], said: list[str]) -> list[Found]:
    """Return recordings whose subjects have one spelling each, the first; `said` gets what differs."""
    spelling: dict[str, str] = {}
    for one in found:
        first = spelling.setdefault(person_key(one.subject), one.subject)
        if first != one.subject:
            said.append(f"{one.subject} and {first} are taken as one person")
    said[:] = list(dict.fromkeys(said))
    return [replace(one, subject=spelling[person_key(one.subject)]) for one in found]
