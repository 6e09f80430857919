"""benchmarks/scale.py measures what trainer.py does: on a few short nights, here."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import numpy as np
import pytest

from data import load_night

FILE = Path(__file__).parent.parent / "benchmarks" / "scale.py"


@pytest.fixture
def scale(monkeypatch):
    spec = importlib.util.spec_from_file_location("scale", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name, value in {"N_EPOCHS": 30, "COLD_NIGHTS": 3, "FEW_NIGHTS": 2}.items():
        monkeypatch.setattr(module, name, value)
    return module


def test_all_nights_of_a_fold_go_through_its_passes(scale, tmp_path, capsys):
    scale.measure(tmp_path / "many", 60, 4)
    printed = capsys.readouterr().out
    # 48 of 60 train: as published four groups of 15 nights of two chunks, packed 96 chunks or fewer in six lanes
    assert "open 48 nights" in printed and "published: 8 steps of 15 nights" in printed
    assert 14 <= int(re.search(r"robust: (\d+) steps of 6 nights", printed)[1]) <= 18
    assert re.search(r"batches from one file, not cached +\d", printed)
    nights = sorted((tmp_path / "many" / "data" / scale.DB).glob("*.npz"))
    assert len(nights) == 60 and len({path.stat().st_ino for path in nights}) == 4


def test_a_night_in_one_large_file_is_the_night(scale, tmp_path):
    scale.write_nights(tmp_path / "many", 2, 2)
    nights = [load_night(path) for path in sorted((tmp_path / "many").glob("*.npz"))]
    (tmp_path / "shard").write_bytes(b"".join(night.x.tobytes() for night in nights))
    with (tmp_path / "shard").open("rb") as file:
        second = scale.PartOfFile(file.fileno(), nights[1].x.nbytes)
        np.testing.assert_array_equal(second[5:9], nights[1].x[5:9])


def test_a_plan_needs_no_files(scale, capsys):
    scale.plan_many(300)
    assert "300 nights: a plan of 40 steps needs" in capsys.readouterr().out
