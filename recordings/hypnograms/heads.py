"""Where the table is in a text file, and what its columns are: by their names, or without a head by what they hold."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from command import InputError, one_line
from files.reading import readable
from recordings.hypnograms.labels import NUMBER_CODES, Codes, code_of, is_event, plain_label
from recordings.tables import SEPARATORS, lines_of
from recordings.times import UNITS, moment_of, number_of

NAMES = {
    "stage": "stage|stages|sleep stage|sleep stages|sleepstage|hypnogram|hypno|sleep state|aasm stage|stage aasm|"
    "stadium|schlafstadium|schlafstadien|stade|stade de sommeil|fase|fase del sueno|etapa|estagio|stadio|slaapstadium",
    "event": "trial type|description|annotation|event|events|label|class|name|value|comment|type|event type|evenement|"
    "ereignis|evento|gebeurtenis|bemerkung",
    "onset": "onset|start|begin|onset time|start time|begin time|recording onset|epoch start|stage start|t 0|t|beginn|"
    "anfang|startzeit|beginnzeit|debut|heure de debut|inicio|hora de inicio|inizio|ora di inizio|ora inizio|begintijd|"
    "starttijd",
    "end": "end|stop|end time|stop time|epoch end|stage end|ende|endzeit|fin|heure de fin|hora de fin|fim|hora de fim|"
    "fine|ora di fine|ora fine|einde|eindtijd|t 1",
    "duration": "duration|dur|length|bout length|epoch duration|stage duration|epoch length|dauer|duree|duracion|"
    "duracao|durata|duur|lange",
    "clock": "clock|time|clock time|clock start time|timestamp|datetime|date time|time of day|wall time|zeit|uhrzeit|"
    "heure|hora|ora|orario|tijd|elapsed|elapsed time",
    "date": "date|day|datum|fecha|data",
    "epoch": "epoch|epochs|epoch number|epoch no|epoch nr|epoch id|epoch index|epoch num|no|nr|number|index|epoche|"
    "epoca|epoque",
    "annotator": "annotator|scorer|rater|expert|annotator id",
    "scored_by": "scored by",
}
"""What each column is, by its name in plain letters and without its unit."""
ROLES = {role: {name: rank for rank, name in enumerate(names.split("|"))} for role, names in NAMES.items()}
GIVEN = ("stage", "onset", "duration", "end", "clock", "epoch", "annotator")  # those that a user may name

DREAMS = {"5": 0, "4": 4, "3": 1, "2": 2, "1": 3, "0": 3, "-1": -1, "-2": -1, "-3": -1}
"""The numbers of DREAMS, whose files start with `[hypnogram…]`: 1 and 0 are stages 3 and 4, below 0 is unscored."""
DREAMS_SECONDS = 5.0
OWN_CODES = (({"cast defined stage"}, "cast defined stage", "rk"), ({"stage hum", "stage ai"}, "stage hum", "aasm"))
"""Columns that only one data set has, which of them is the expert's, and what its numbers mean: WSC, and BOAS."""

LIKE_STAGES = re.compile(r"(.+ )?stages?( .+)?")  # stage_hum, stage_expert2
MARKS = "#*%"  # what a line that is a comment starts with
HEAD_LINES = 80
Row = tuple[int, list[str]]


@dataclass(frozen=True)
class Table:
    """A table of a text file.

    Attributes:
        names: of its columns, "" where it has no head.
        roles: what a column is → which it is.
        rows: their lines and cells, each as long as `names`.
        units: of its columns, as they stand in its head; "" where there is none.
        with_events: its labels are not only stages.
        codes: what labels mean in this kind of table.
        rate: what an epoch lasts, by its head.
        given: the roles that the user named.
        notices: what the user should know of how it was read.
    """

    names: tuple[str, ...]
    roles: Mapping[str, int]
    rows: Sequence[Row]
    units: tuple[str, ...]
    with_events: bool = False
    codes: Codes = field(default_factory=dict)
    rate: float | None = None
    given: frozenset[str] = frozenset()
    notices: tuple[str, ...] = ()

    def cells(self, role: str) -> list[str]:
        """Return the cells of a column, none where there is no such column."""
        return [row[self.roles[role]] for _, row in self.rows] if role in self.roles else []

    def name(self, role: str) -> str:
        """Return the name of a column."""
        return self.names[self.roles[role]]

    def unit(self, role: str) -> str:
        """Return the unit of a column."""
        return self.units[self.roles[role]]

    @property
    def numbers(self) -> list[int]:
        return [number for number, _ in self.rows]


def name_and_unit(text: str) -> tuple[str, str]:
    """Return a column's name in plain letters, and its unit: `Onset (s)`, `onset_s`, `Onset in s` are onset, s."""
    bracket = re.search(r"[\[(]([^\])]*)[\])]", text)
    plain = plain_label(re.sub(r"[\[(][^\])]*[\])]?", " ", text)) if text.strip() else ""
    if bracket or any(plain in names for names in ROLES.values()):
        return plain, bracket[1].strip().casefold() if bracket else ""
    trailing = re.fullmatch(r"(.+?)(?: in)? ([a-z]+)", plain)
    if trailing and (trailing[2] in UNITS or trailing[2] in ("samples", "sample", "epochs")):
        return trailing[1], trailing[2]
    return plain, ""


def table_in(path: Path, text: str, reading_columns: Mapping[str, str], annotator: str) -> Table | None:
    """Return the table in a text; None for a list of one stage a line.

    Raises:
        InputError: no table, no column of stages, a column that the user names is not there, or rows differ in length.
    """
    numbered = [(number, line) for number, line in enumerate(lines_of(text), 1) if line.strip()]
    sep = next((line.strip()[4:5] for _, line in numbered[:1] if re.fullmatch(r"sep=.", line.strip(), re.I)), "")
    numbered = numbered[1:] if sep else numbered
    for at, (_, line) in enumerate(numbered[:HEAD_LINES]):
        for sign in sep or SEPARATORS:
            cells = split(path, [line.lstrip(MARKS)], sign)[0]
            roles = roles_of(cells, reading_columns)
            named = bool(reading_columns) and len(roles) >= len(reading_columns)
            if ({"stage", "event"} & roles.keys() or named) and (
                len(roles) > 1 or (at == 0 and len(cells) > 1) or named
            ):
                return with_head(path, cells, rows_after(path, numbered[at + 1 :], sign), reading_columns, annotator)
    return without_head(path, numbered, sep, reading_columns)


def split(path: Path, lines: Sequence[str], sign: str) -> list[list[str]]:
    with readable(path, "a readable table", "repair it"):
        return [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=sign)]


def rows_after(path: Path, numbered: Sequence[tuple[int, str]], sign: str) -> list[Row]:
    """Return rows with the number of the line where each ends; blank ones are left out."""
    number = [number for number, _ in numbered]
    with readable(path, "a readable table", "repair it"):
        table = csv.reader([line for _, line in numbered], delimiter=sign)
        rows = ((number[table.line_num - 1], [cell.strip() for cell in row]) for row in table)
        return [row for row in rows if any(row[1])]


def roles_of(names: Sequence[str], given: Mapping[str, str]) -> dict[str, int]:
    """Return what columns are by their names: of several of one role, the one that is known best."""
    plain = [name_and_unit(name)[0] for name in names]
    roles: dict[str, int] = {}
    for role, known in ROLES.items():
        there = [(known[name], at) for at, name in enumerate(plain) if name in known]
        if there:
            roles[role] = min(there)[1]
    for role, name in given.items():
        at = next((at for at, one in enumerate(names) if plain_label(one) == plain_label(name)), None)
        if at is not None:
            roles[role] = at
    of_stages = [at for at, name in enumerate(plain) if LIKE_STAGES.fullmatch(name) and at not in roles.values()]
    return roles if "stage" in roles or not of_stages else {**roles, "stage": of_stages[0]}


# ---- with a head ----


def with_head(path: Path, names: Sequence[str], rows: list[Row], given: Mapping[str, str], annotator: str) -> Table:
    """Return a table whose columns are told by their names.

    Raises:
        InputError: a row is longer than the head, a column that the user names is not there, or as `labelled`.
    """
    units = [name_and_unit(name)[1] for name in names]
    if rows and all(re.fullmatch(r"\[[^\]]*\]|", cell) for cell in rows[0][1]):  # a row of units, as Noxturnal's
        units = [
            cell.strip("[]").casefold() or unit for cell, unit in zip(rows[0][1], [*units, *rows[0][1]], strict=False)
        ]
        rows = rows[1:]
    width = len(names)
    for number, row in rows:
        if len(row) > width and any(row[width:]):
            raise InputError(f"{path}: line {number} has {len(row)} columns, its head {width}; repair it")
    whole = [(number, [*row, *[""] * (width - len(row))][:width]) for number, row in rows]
    for name in given.values():
        if plain_label(name) not in map(plain_label, names):
            raise InputError(f"{path}: no column {name}, which --columns names; there are {', '.join(names)}")
    roles = roles_of(names, given)
    roles, codes, with_events, notices = labelled(path, names, roles, whole, given, annotator)
    unnamed = next((at for at, name in enumerate(names) if not name), None)
    if unnamed is not None and "epoch" not in roles and all(row[unnamed].isdecimal() for _, row in whole):
        roles["epoch"] = unnamed  # the index of a data frame
    units = [*units, *[""] * width][:width]
    return Table(tuple(names), roles, whole, tuple(units), with_events, codes, None, frozenset(given), notices)


def labelled(
    path: Path,
    names: Sequence[str],
    roles: dict[str, int],
    rows: Sequence[Row],
    given: Mapping[str, str],
    annotator: str,
) -> tuple[dict[str, int], Codes, bool, tuple[str, ...]]:
    """Return roles with `stage` the column of labels, its own codes, whether events stand in it, and what to say.

    Events in a column of their own win over a column that repeats the stage beside them, as RemLogic writes.
    """
    plain = [name_and_unit(name)[0] for name in names]
    if "stage" in given:
        return roles, {}, False, ()
    for needed, expert, numbers in OWN_CODES:
        if needed <= set(plain) and not annotator:
            at = plain.index(expert)
            return {**roles, "stage": at}, NUMBER_CODES[numbers], False, (f"stages are those in {names[at]}",)
    events = [
        at for rank, at in sorted((ROLES["event"][name], at) for at, name in enumerate(plain) if name in ROLES["event"])
    ]
    staged = [at for at in events if any(is_stage(row[at]) for _, row in rows)]
    if staged or (events and "stage" not in roles):
        return {**roles, "stage": (staged or events)[0]}, {}, True, ()
    others = {at for role, at in roles.items() if role != "stage"}
    several = [at for at, name in enumerate(plain) if LIKE_STAGES.fullmatch(name) and at not in others]
    if annotator and "annotator" not in roles:
        chosen = [at for at in several if plain_label(annotator) in (plain[at], *plain[at].split())]
        if len(chosen) != 1:
            raise InputError(f"{path}: --annotator {annotator}: no such column; there are {', '.join(names)}")
        return {**roles, "stage": chosen[0]}, {}, False, (f"stages are those in {names[chosen[0]]}",)
    exact = [at for at in several if plain[at] in ROLES["stage"]]
    if len(several) > 1 and len(exact) != 1:
        listed = ", ".join(names[at] for at in several)
        raise InputError(f"{path}: several columns of stages ({listed}); name one with --columns stage=NAME")
    return roles, {}, False, ()


def is_stage(text: str) -> bool:
    return bool(text) and (code_of(text, {}, True) or 0) >= 0 and code_of(text, {}, True) is not None


# ---- without a head ----


def without_head(path: Path, numbered: list[tuple[int, str]], sep: str, given: Mapping[str, str]) -> Table | None:
    """Return a table whose columns are told by what they hold; None for a list."""
    said = dict(
        re.findall(r"^([^:;\t]+):[ \t]*(.*?)[ \t]*$", "\n".join(line for _, line in numbered[:HEAD_LINES]), re.M)
    )
    body = [(number, line) for number, line in numbered if line.lstrip()[0] not in MARKS]
    words = [line.split() for _, line in body]
    if (
        body
        and 2 <= len(words[0]) <= 3
        and all(len(one) == len(words[0]) and number_of(one[0]) is not None for one in words)
    ):
        body, sep = [(number, " ".join(line.split())) for number, line in body], " "
    later = [line for _, line in body[len(body) // 2 :]]
    sign = next(
        (one for one in sep or SEPARATORS if later and 2 * sum(one in line for line in later) >= len(later)), ""
    )
    if not sign:
        return None
    first = next(at for at, (_, line) in enumerate(body) if sign in line)
    for number, line in body[:first]:
        if ":" not in line:
            raise InputError(
                f"{path}: line {number} is {one_line(line)[:30]!r}, above a table without a head; repair it"
            )
    rows = [(number, trimmed(row)) for number, row in rows_after(path, body[first:], sign)]
    if len(rows) == 1 and len(rows[0][1]) > 3:
        return None
    for number, row in rows:
        if len(row) != len(rows[0][1]):
            raise InputError(
                f"{path}: line {number} has {len(row)} columns, line {rows[0][0]} {len(rows[0][1])}; repair it"
            )
    roles = roles_by_content(path, rows)
    only_events = any(is_event(row[roles["stage"]]) for _, row in rows)
    rate = rate_of(path, said)
    return Table(("",) * len(rows[0][1]), roles, rows, ("",) * len(rows[0][1]), only_events, {}, rate)


def trimmed(row: list[str]) -> list[str]:
    while len(row) > 1 and not row[-1]:
        row = row[:-1]
    return row


def rate_of(path: Path, said: Mapping[str, str]) -> float | None:
    """Return what an epoch lasts by the head of Domino's export.

    Raises:
        InputError: it is not the sleep profile.
    """
    if "Signal ID" not in said and "Signal Type" not in said:
        return None
    kind, rate = said.get("Signal Type", "Discret"), re.fullmatch(r"(\d+) *s(?:ec)?", said.get("Rate", ""))
    if kind.casefold() != "discret" or not rate:
        what = f"Signal Type {kind}, Rate {said.get('Rate', '?')}"
        raise InputError(f"{path}: an export of Domino, but not the sleep profile ({what}); export that")
    return float(rate[1])


def roles_by_content(path: Path, rows: Sequence[Row]) -> dict[str, int]:
    """Return what the columns of a table without a head are.

    One holds the labels. Of the others, times of day are the start and, if there are two, the end. Numbers that go up
    by one count epochs; those that go up are starts, or ends where the first is not 0 and the label comes first, as in
    Visbrain's; a second column of numbers is the end or the duration, as they continue.

    Raises:
        InputError: there is no such column, or it is not clear which is which.
    """
    columns = [[row[at] for _, row in rows] for at in range(len(rows[0][1]))]
    numbers = {at: values for at, column in enumerate(columns) if (values := all_numbers(column))}
    clocks = [at for at, column in enumerate(columns) if at not in numbers and all(map(moment_of, column))]
    texts = [at for at in range(len(columns)) if at not in numbers and at not in clocks]
    roles: dict[str, int] = dict(zip(("clock", "end"), clocks, strict=False))
    counting = next((at for at, values in numbers.items() if all(b - a == 1 for a, b in pairwise(values))), None)
    if not texts and counting is not None and len(numbers) == 2:  # an epoch and a number of a stage
        texts = [at for at in numbers if at != counting]
        numbers.pop(texts[0])
    unclear = InputError(
        f"{path}: no column of stages among {one_line(', '.join(rows[0][1]))[:80]}; call it stage in the first line, "
        "with onset and duration if there are such, or name it with --columns stage=NAME"
    )
    if len(texts) != 1 or len(clocks) > 2 or not (numbers or clocks):
        raise unclear
    roles["stage"] = texts[0]
    if counting in numbers and len(rows) > 1:
        roles["epoch"] = counting
        numbers.pop(counting)
    rising = [at for at, values in numbers.items() if 2 * sum(a < b for a, b in pairwise(values)) >= len(values) - 1]
    if clocks and numbers:
        roles["duration"] = next(iter(numbers))
    elif numbers:
        if not rising or len(numbers) > 2:
            raise unclear
        start = rising[0]
        first = numbers[start][0]
        roles["end" if len(numbers) == 1 and texts[0] < start and first > 0 else "onset"] = start
        for at in numbers.keys() - {start}:
            roles[second_of(path, numbers[start], numbers[at], unclear)] = at
    return roles


def second_of(path: Path, starts: Sequence[float], seconds: Sequence[float], unclear: InputError) -> str:
    """Return what a second column of numbers is, by how the rows continue each other."""
    joined = {
        "end": sum(end == start for end, start in zip(seconds, starts[1:], strict=False)),
        "duration": sum(a + length == b for a, length, b in zip(starts, seconds, starts[1:], strict=False)),
    }
    if len(starts) > 1 and joined["end"] == joined["duration"]:
        raise unclear
    return max(joined, key=joined.__getitem__) if len(starts) > 1 else "duration"


def all_numbers(column: Sequence[str]) -> list[float]:
    """Return the numbers in a column, none where one is no number."""
    values = [number_of(cell) for cell in column]
    return [value for value in values if value is not None] if None not in values else []
