"""The example notebook: every cell runs, in order, and says what the text beside it says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "score_a_night.ipynb"


def code_cells() -> list[str]:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    sources = [cell["source"] for cell in cells if cell["cell_type"] == "code"]
    return ["".join(line for line in source if not line.startswith("%")) for source in sources]  # % is for notebooks


@pytest.fixture(scope="module")
def after(tmp_path_factory):
    """Return the names that the notebook leaves behind, run in a folder of its own with one fold of the weights."""
    folder = tmp_path_factory.mktemp("notebook")
    shutil.copytree(ROOT / "pretrained_model" / "sleepedf" / "0", folder / "pretrained_model" / "sleepedf" / "0")
    names: dict[str, object] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for number, source in enumerate(code_cells()):
            exec(compile(source, f"{NOTEBOOK.name}, code cell {number}", "exec"), names)
    return folder, names


def test_a_path_mne_and_an_array_give_the_same_stages(after):
    _, names = after
    assert len(names["night"]) == 360
    assert (names["from_mne"].stages == names["night"].stages).all()
    assert (names["from_array"].stages == names["night"].stages).all()


def test_the_night_is_compared_with_the_expert_beside_it(after):
    _, names = after
    assert names["night"].agreement.n_epochs > 300


def test_its_files_are_those_of_predict(after):
    folder, names = after
    stem = names["night"].name
    found = {path.name.removeprefix(stem) for path in (folder / "scored").iterdir() if path.suffix != ".lock"}
    assert found == {"_stages.csv", "_stages.edf", "_summary.json", "_hypnogram.png"}
