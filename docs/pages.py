"""What the pages show is what the commands print: `make docs` runs them and compares.

A page holds blocks that Cog fills (https://cog.readthedocs.io):

    <!-- [[[cog run("python predict.py night.edf --list_channels") ]]] -->
    …the command and what it printed…
    <!-- [[[end]]] -->

`run` types a command in a scratch folder that all blocks of a page share, in order. `figures` fills a table with what
was measured on real nights, from docs/figures.json, which says for each the command and the version that measured it.
Times, sizes in memory, hashes and the folders of this machine may differ: they are left as the page has them.
"""

from __future__ import annotations

import ast
import atexit
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import cog

ROOT = Path(__file__).resolve().parent.parent
FIGURES = Path(__file__).with_name("figures.json")
QUICK = os.environ.get("PAGES") == "quick"
"""Blocks that are called slow are left as they are."""

LEFT_OPEN = (
    (re.compile(r"\b\d+(\.\d+)? (ms|s|min|h|MB|GB)\b"), "TIME OR SIZE"),
    (re.compile(r"\b\d{1,2}:\d\d:\d\d\b"), "CLOCK"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "DATE"),
    (re.compile(r"\b[0-9a-f]{7,64}\b"), "HASH"),
    (re.compile(r"\b\d+\.\d+\.\d+\b"), "VERSION"),
)
"""What differs from run to run or from machine to machine, and what it counts as when two outputs are compared."""


def run(command: str, *, only: str = "", status: int = 0, slow: bool = False) -> None:
    """Type a command and show it with what it prints.

    Args:
        command: as a reader types it; `python X.py` runs the program's own X.py.
        only: show only the lines that this pattern is found in.
        status: the exit status that it must have.
        slow: leave the block as it is when only the quick ones are wanted.

    Raises:
        RuntimeError: it ended with another status.
    """
    if slow and QUICK:
        show(cog.previous)
        return
    done = subprocess.run(
        typed(command), cwd=scratch(cog.inFile), capture_output=True, text=True, check=False, env=environment()
    )
    if done.returncode != status:
        raise RuntimeError(f"{command}: status {done.returncode}\n{done.stdout}{done.stderr}")
    printed = [line.rstrip() for line in (done.stdout + done.stderr).splitlines() if re.search(only, line)]
    show("\n".join(["```console", f"$ {command}", *printed, "```", ""]))


def figures(name: str) -> None:
    """Show a table of docs/figures.json, with the command that measured it under it."""
    entry = measured(name)
    columns = entry["columns"]
    rows = ["| " + " | ".join(map(str, row)) + " |" for row in entry["rows"]]
    head = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    source = f"*Measured by `{entry['command']}`, version {entry['version']}, {entry['date']}.*"
    cog.out("\n".join(["", *head, *rows, "", source, "", ""]))


def public_sets() -> None:
    """Show the public data sets that `prepare.py --db` knows."""
    sys.path.insert(0, str(ROOT))
    from recordings.public_sets import PUBLIC_SETS

    rows = [
        f"| `{one.name}` | [{one.title}]({one.home}) | {one.nights or '–'} | {one.licence} ({one.access}) | "
        f"{one.channel} | {one.tried} |"
        for one in PUBLIC_SETS.values()
    ]
    head = ["| `--db` | data set | nights | licence | channel | tried on |", "|---|---|---|---|---|---|"]
    cog.out("\n".join(["", *head, *rows, "", ""]))


def code_map() -> None:
    """Show every file of the program with the first sentence of its docstring, by folder."""
    folders = [ROOT, *sorted({path.parent for path in ROOT.glob("*/**/__init__.py")} - {ROOT / "tests"})]
    lines = []
    for folder in folders:
        if "tests" in folder.parts or ".venv" in folder.parts:
            continue
        name = folder.relative_to(ROOT).as_posix()
        lines += ["", f"**{'root' if name == '.' else f'{name}/'}**", "", "| file | its one job |", "|---|---|"]
        lines += [f"| `{path.name}` | {first_sentence(path)} |" for path in sorted(folder.glob("*.py"))]
    cog.out("\n".join([*lines, "", ""]))


def first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split()).replace("|", "\\|")


def measured(name: str) -> Any:
    """Return one entry of docs/figures.json: its columns, rows, command, version and date.

    Raises:
        RuntimeError: there is none of this name.
    """
    known = json.loads(FIGURES.read_text(encoding="utf-8"))
    if name not in known:
        raise RuntimeError(f"{FIGURES.name} has no {name}; there are {', '.join(known)}")
    return known[name]


# ---- how a block is compared ----


def show(text: str) -> None:
    """Put out a block; where it differs from what the page has only in what is left open, the page stays as it is."""
    cog.out(cog.previous if masked(cog.previous) == masked(text) else text)


def masked(text: str) -> str:
    """Return a text with all that may differ from run to run replaced by a word for it."""
    text = text.strip("\n")
    for pattern, word in LEFT_OPEN:
        text = pattern.sub(word, text)
    return text


# ---- where and how commands run ----


@cache
def scratch(page: str) -> Path:
    """Return the folder in which a page's commands run."""
    folder = tempfile.TemporaryDirectory(prefix=f"{Path(page).stem}-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def typed(command: str) -> list[str]:
    words = shlex.split(command)
    if words[0] == "python":
        script = [str(ROOT / words[1])] if words[1].endswith(".py") else [words[1]]
        return [sys.executable, *script, *words[2:]]
    return words


def environment() -> dict[str, str]:
    """Return the environment of a reader with a terminal of 120 columns and no GPU."""
    return {**os.environ, "COLUMNS": "120", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(ROOT)}
