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
    "trainer.py": ["--from_fold", "0", "--to_fold", "0", "--n_epochs", "1", "--batch_size", "4", "--gpu", "-1"],
    "predict.py": ["--gpu", "-1"],
}


def walk() -> list[list[str]]:
    """Return the commands of the page's first section; what they print is compared by `make docs`."""
    section = PAGE.read_text(encoding="utf-8").split("\n## ")[1]
    return [shlex.split(line)[1:] for line in re.findall(r"^(?:\$ |    )(python .+)$", section, re.MULTILINE)]


def test_the_walk_from_six_recordings_to_a_table(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    steps = walk()
    assert [command[0] for command in steps] == [
        *("simulate.py", "prepare.py", "prepare.py", "trainer.py", "predict.py", "predict.py")
    ]
    for script, *options in steps:
        assert MAIN[script]([*options, *SHORTER.get(script, ())]) == 0, capsys.readouterr().err
    nights = pd.read_csv(tmp_path / "scores" / "nights.csv")
    assert len(nights) == 1  # fold 0 tests one subject
    assert (tmp_path / "scored" / "P01_stages.csv").is_file()
