"""Everything that an evaluation leaves on disk: tables/, figures/, methods.txt, and one page that shows them all."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.table import Table
from files.folders import writable_folder
from files.writing import written_whole
from scoring import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, METHODS = "evaluation.md", "methods.txt"


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure: the name of its files, what it shows, and itself."""

    name: str
    caption: str
    figure: Figure


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All tables and figures, in the order in which the page shows them, the methods, and what a reader has to know."""

    parts: list[Table | Drawn] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    methods: str = ""

    def write(self, folder: Path) -> list[Path]:
        """Write every file, each whole or not at all, and return the paths.

        Raises:
            InputError: a file cannot be written.
        """
        tables, figures = writable_folder(folder / "tables"), writable_folder(folder / "figures")
        paths = []
        for part in self.parts:
            if isinstance(part, Table):
                paths += part.write(tables)
            else:
                pictures = [figures / f"{part.name}.{suffix}" for suffix in ("pdf", "png")]
                plots.save(part.figure, *pictures)
                paths += pictures
        for name, text in ((METHODS, self.methods + "\n"), (PAGE, self.page())):
            with written_whole(folder / name) as partial:
                partial.write_text(text, encoding="utf-8")
            paths.append(folder / name)
        return paths

    def page(self) -> str:
        """Return the page, in Markdown."""
        doubts = "".join(f"**{said}**\n\n" for said in self.doubts)
        shown = "\n".join(shown_part(part) for part in self.parts)
        return f"# Evaluation\n\n{doubts}{shown}\n## Methods\n\n{self.methods}\n"


def shown_part(part: Table | Drawn) -> str:
    if isinstance(part, Table):
        return part.markdown()
    return f"![{part.caption}](figures/{part.name}.png)\n\n*{part.caption}*\n"
