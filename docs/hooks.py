"""Hooks of MkDocs: the site is made of the pages of the repository, each of which stands in one place only.

README.md becomes the first page, CHANGELOG.md, CONTRIBUTING.md and the card of the weights pages of their own. Two
pages exist in the site alone: the reference of `scoring`, made from its docstrings, and a gallery of the pictures.
A link to a file that is no page becomes the name of the file.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
FROM_ROOT = {
    "README.md": "index.md",
    "pretrained_model/README.md": "weights.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
}
REFERENCE = """# Reference

::: scoring.Scorer

::: scoring.ScoredNight
"""
IMAGE = re.compile(r"(!\[[^\]]*\]\()docs/")  # README.md stands above docs/, the first page in it
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?://|#|mailto:)([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages that do not stand in docs/."""
    for source, page in FROM_ROOT.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text(encoding="utf-8")))
    files.append(File.generated(config, "reference.md", content=REFERENCE))
    pictures = sorted(path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.png"))
    gallery = "\n\n".join(f"![{posixpath.basename(name).removesuffix('.png')}]({name})" for name in pictures)
    files.append(File.generated(config, "gallery.md", content=f"# Pictures\n\n{gallery}\n"))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Let each link lead to where its page is in the site; a file that is no page keeps its name and loses its link."""
    name = page.file.src_uri
    source = next((source for source, page_name in FROM_ROOT.items() if page_name == name), f"docs/{name}")

    def moved(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))
        goal = FROM_ROOT.get(target, target.removeprefix("docs/") if target.startswith("docs/") else "")
        if goal and files.get_file_from_path(goal):
            return f"[{link[1]}]({posixpath.relpath(goal, posixpath.dirname(name) or '.')}{link[3] or ''})"
        if not (ROOT / target).exists():
            raise PluginError(f"{source}: a link to {target}, which does not exist")
        return link[1]

    return IMAGE.sub(r"\1", LINK.sub(moved, markdown)) if source in FROM_ROOT else LINK.sub(moved, markdown)
