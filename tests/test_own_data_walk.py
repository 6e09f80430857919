"""docs/own-data.md, typed from its start to its end."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pandas as pd

import predict
import prepare
import simulate
import trainer

PAGE = Path(__file__).parent.parent / "docs" / "own-data.md"
MAIN: dict[str, Callable[[list[str]], int]] = {
    f"{module.__name__}.py": module.main for module in (simulate, prepare, trainer, predict)
}
SHORTER = {
    "trainer.py": ["--to_fold", "0", "--n_epochs", "1", "--batch_size", "4", "--gpu", "-1"],
    "predict.py": ["--gpu", "-1"],
}


def walk() -> list[tuple[list[str], list[str]]]:
    """Return the commands of the page's first section, and the lines of output that it shows for each."""
    section = PAGE.read_text(encoding="utf-8").split("\n## ")[1]
    steps: list[tuple[list[str], list[str]]] = []
    for line in re.findall(r"^    (.+)$", section, re.MULTILINE):
        if re.match(r"(\$ )?python ", line):
            steps.append((shlex.split(line.removeprefix("$ "))[1:], []))
        elif line != "...":
            steps[-1][1].append(line)
    return steps


def test_the_walk_from_six_recordings_to_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    steps = walk()
    assert [command[0] for command, _ in steps] == [
        *("simulate.py", "prepare.py", "prepare.py", "trainer.py", "predict.py", "predict.py")
    ]
    for (script, *options), shown in steps:
        assert MAIN[script]([*options, *SHORTER.get(script, ())]) == 0, capsys.readouterr().err
        said = capsys.readouterr().out.splitlines()
        assert [line for line in shown if line not in said] == []
    nights = pd.read_csv(tmp_path / "scores" / "nights.csv")
    assert len(nights) == 1  # fold 0 tests one subject
    assert (tmp_path / "scored" / "P01_stages.csv").is_file()
