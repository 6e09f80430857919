"""The pages show what commands print: `make docs` is green, and red when a figure or a line is changed by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), ROOT / "pretrained_model" / "README.md"])
COMMAND = (
    '<!-- [[[cog run("python simulate.py --db own --subjects 1 --hours 0.1 --output_dir raw") ]]] -->\n'
    "<!-- [[[end]]] -->\n"
)


def cog(*arguments, **environment):
    command = [
        sys.executable,
        "-m",
        "cogapp",
        "-I",
        "docs",
        "-p",
        "from pages import code_map, figures, public_sets, run",
        *map(str, arguments),
    ]
    variables = {**os.environ, **environment}
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=variables)


def filled(path, text):
    path.write_text(text, encoding="utf-8")
    done = cog("-r", path)
    assert done.returncode == 0, done.stderr
    return path.read_text(encoding="utf-8")


def test_the_quick_blocks_of_all_pages_are_true():
    done = cog("--check", "--diff", *PAGES, PAGES="quick")
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_line_that_no_command_prints_is_seen(tmp_path):
    page = tmp_path / "page.md"
    text = filled(page, COMMAND)
    assert "$ python simulate.py" in text and "simulated raw/P01.edf" in text
    assert cog("--check", page).returncode == 0
    page.write_text(text.replace("P01.edf", "P02.edf"), encoding="utf-8")
    changed = cog("--check", "--diff", page)
    assert changed.returncode != 0 and "-simulated raw/P02.edf" in changed.stdout


def test_a_command_that_fails_fills_no_page(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(COMMAND.replace("--hours 0.1", "--hours 99"), encoding="utf-8")
    assert cog("-r", page).returncode != 0
    assert page.read_text(encoding="utf-8") == COMMAND.replace("--hours 0.1", "--hours 99")


@pytest.mark.parametrize(("other", "is_red"), [("12.5 s", False), ("11:59:59", False), ("98.1 %", True)])
def test_times_are_left_open_and_figures_are_not(tmp_path, other, is_red):
    now = {"12.5 s": "3 s", "11:59:59": "10:00:00", "98.1 %": "97.1 %"}[other]
    page = tmp_path / "page.md"
    shown = filled(page, f"<!-- [[[cog run(\"printf '%s\\n' '{now}'\") ]]] -->\n<!-- [[[end]]] -->\n")
    page.write_text(shown.replace(f"\n{now}", f"\n{other}"), encoding="utf-8")
    assert (cog("--check", page).returncode != 0) == is_red


def test_every_figure_says_how_and_when_it_was_measured():
    for name, entry in json.loads((ROOT / "docs" / "figures.json").read_text(encoding="utf-8")).items():
        assert entry.keys() == {"columns", "rows", "command", "version", "date"}, name
        assert all(len(row) == len(entry["columns"]) for row in entry["rows"]), name


def test_no_link_of_the_site_is_broken(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(tmp_path / "site")]
    variables = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=variables)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site" / "index.html").is_file() and "Scorer" in (tmp_path / "site/reference.html").read_text()
