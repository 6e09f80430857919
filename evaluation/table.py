"""A table in the forms in which papers want it: CSV with all digits, Markdown, and LaTeX for booktabs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from files.writing import written_whole

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]

NO_VALUE = "–"
IN_LATEX = {"–": "--", "±": r"$\pm$", "≥": r"$\geq$", "µ": r"$\mu$"}  # what every LaTeX reads


@dataclass(frozen=True, eq=False)
class Table:
    """A table of a paper.

    Attributes:
        name: of its files, without a suffix.
        caption: what it shows.
        values: its numbers, with all their digits, for the CSV.
        shown: its cells as text, for readers.
    """

    name: str
    caption: str
    values: pd.DataFrame
    shown: pd.DataFrame

    def write(self, folder: Path) -> list[Path]:
        """Write NAME.csv, NAME.md and NAME.tex, each whole or not at all, and return their paths."""
        paths = [folder / f"{self.name}.{suffix}" for suffix in ("csv", "md", "tex")]
        with written_whole(paths[0]) as partial:
            self.values.to_csv(partial, index=False, float_format="%.6g")
        for path, text in zip(paths[1:], (self.markdown(), self.latex()), strict=True):
            with written_whole(path) as partial:
                partial.write_text(text, encoding="utf-8")
        return paths

    def markdown(self) -> str:
        """Return the caption and the table; all columns but the first are right-aligned."""
        heads = list(self.shown.columns)
        rows = [heads, ["---", *["---:"] * (len(heads) - 1)], *self.shown.to_numpy().tolist()]
        lines = ["| " + " | ".join(str(cell).replace("|", r"\|") for cell in row) + " |" for row in rows]
        return f"{self.caption}\n\n" + "\n".join(lines) + "\n"

    def text(self) -> str:
        """Return the caption and the table for a terminal."""
        return f"{self.caption}\n\n{self.shown.to_string(index=False)}"

    def latex(self) -> str:
        """Return a floating table for the package booktabs, with the caption and the label tab:NAME."""
        text = self.shown.to_latex(
            index=False,
            escape=True,
            caption=latex_text(self.caption),
            label=f"tab:{self.name}",
            column_format="l" + "r" * (len(self.shown.columns) - 1),
            position="htb",
        )
        for sign, command in IN_LATEX.items():
            text = text.replace(sign, command)
        return str(text)


def latex_text(text: str) -> str:
    """Return text with the signs escaped that mean something to LaTeX; pandas escapes cells, but no caption."""
    return "".join(f"\\{sign}" if sign in "%&#_$" else sign for sign in text)


def shown(value: float | None, digits: int = 1) -> str:
    """Return a rounded number; a dash where there is none."""
    return NO_VALUE if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def shown_range(values: Sequence[float], digits: int = 1) -> str:
    """Return `low to high`; a dash where one is missing."""
    low, high = values
    return f"{shown(low, digits)} to {shown(high, digits)}" if math.isfinite(low) and math.isfinite(high) else NO_VALUE


def shown_p(value: float) -> str:
    """Return a p value as papers print it."""
    return "< 0.001" if value < 0.001 else shown(value, 3)


def table(name: str, caption: str, rows: Sequence[Row], as_shown: Callable[[Row], Row]) -> Table:
    """Return a table of rows; `as_shown` makes of a row what readers see."""
    import pandas as pd

    return Table(name, caption, pd.DataFrame(rows), pd.DataFrame([as_shown(row) for row in rows], dtype=object))
