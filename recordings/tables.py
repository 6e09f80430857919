"""Text files of users, and the tables in them: CSV and TSV as spreadsheets write them."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from command import InputError
from files.limits import MOST_CELLS, MOST_LINES
from files.reading import check_text, readable, reader

LINE_ENDS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"  # where `splitlines` splits
SEPARATORS = "\t;,"


@reader("a text file", "check the name, or export it again")
def text_of(path: Path) -> str:
    """Return a text file's content, whatever the editor: UTF-8 or UTF-16 with its mark, else Windows' Western letters.

    Raises:
        InputError: no such file, not readable, larger than such a file can be, or no text.
    """
    check_text(path)
    content = path.read_bytes()
    utf16 = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        text = content.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        if utf16:
            raise
        text = content.decode("cp1252", errors="replace")
    if "\0" in text:
        raise ValueError("it has zero bytes")
    if (n_lines := sum(map(text.count, LINE_ENDS)) - text.count("\r\n")) > MOST_LINES:
        raise ValueError(f"it has {n_lines:,} lines; the limit is {MOST_LINES:,}")
    return text


def lines_of(text: str) -> list[str]:
    """Return a text's lines; only what ends a line in a text file ends one, and `\\r\\r\\n` ends one."""
    lines = re.split(r"\r*\n|\r", text)
    return lines if lines[-1] else lines[:-1]


def separator_of(lines: Sequence[str]) -> str:
    """Return what separates the columns in a text's lines: the first of tab, semicolon and comma that the head has."""
    return next((sign for sign in SEPARATORS if lines and sign in lines[0]), ",")


def plain_name(name: str) -> str:
    """Return a column's name as it is looked up: `Lights off` → lights_off."""
    return re.sub(r"[\s_.-]+", "_", name.strip()).casefold()


def read_table(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Read a table with a head.

    Returns:
        The number of each line, and its cells by plain column name.

    Raises:
        InputError: as `text_of`, a column that is needed is missing, one is there twice, or a row has more columns.
    """
    rows = list(rows_of(path, lines_of(text_of(path))))
    head = [plain_name(name) for name in rows[0][1]] if rows else []
    for name in needed:
        if name not in head:
            there = ", ".join(head) or "nothing"
            raise InputError(f"{path}: needs a column {name} in its first line; there is {there}")
    check_head(path, head)
    table = []
    for number, row in rows[1:]:
        if len(row) > len(head):
            raise InputError(f"{path}: line {number} has {len(row)} columns, the first line {len(head)}; repair it")
        table.append((number, dict(zip(head, [*row, *[""] * (len(head) - len(row))], strict=True))))
    return table


def check_head(path: Path, head: Sequence[str]) -> None:
    """Raise InputError when two columns have one name."""
    twice = [name for name, times in Counter(head).items() if name and times > 1]
    if twice:
        raise InputError(f"{path}: has two columns {twice[0]}; rename or remove one")


def rows_of(path: Path, lines: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that has any, without blanks around them."""
    with readable(path, "a readable table", "repair it"):
        table = csv.reader(lines, delimiter=separator_of(lines))
        for row in table:
            if len(row) > MOST_CELLS:
                raise ValueError(f"line {table.line_num} has {len(row):,} cells; the limit is {MOST_CELLS:,}")
            cells = [cell.strip() for cell in row]
            if any(cells):
                yield table.line_num, cells
