"""The weights in the box: the files are whole and small, score as they did, and the nights behind them can be made."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data import Night, load_night, save_night
from pretrained_model import compose_nights

pytest_plugins = ["recordings"]

BOX = Path(compose_nights.__file__).parent


# ---- the nights behind them ----


def test_an_epoch_of_one_stage_is_made_of_the_nearest_pieces_of_this_stage():
    y = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 0], np.int32)
    chosen = compose_nights.same_stage(y)
    assert chosen[0].tolist() == [0, 1, 3, 4, 5, 6]
    assert chosen[5].tolist() == [1, 3, 4, 5, 6, 8]  # 1 and 9 are equally near; the earlier one counts
    assert chosen[2].tolist() == [2, 7, 2, 7, 2, 7]  # two epochs of N1 make six pieces


def test_neighbours_stand_in_at_the_ends():
    chosen = compose_nights.neighbours(np.zeros(4, np.int32))
    assert chosen.tolist() == [[0, 0, 0, 1, 2, 3], [0, 0, 1, 2, 3, 3], [0, 1, 2, 3, 3, 3], [1, 2, 3, 3, 3, 3]]


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40))
def test_pieces_are_of_the_epochs_stage_and_in_order(stages):
    y = np.array(stages, np.int32)
    chosen = compose_nights.same_stage(y)
    assert (y[chosen] == y[:, np.newaxis]).all()
    enough = np.bincount(y, minlength=5)[y] >= 6
    assert (np.diff(chosen[enough], axis=1) > 0).all()


def test_three_folders_of_nights_are_written(tmp_path):
    x = np.repeat(np.arange(8, dtype=np.float32)[:, np.newaxis], 3000, axis=1)
    x[:, 500:] = 1e9  # beyond the first 5 s: never used
    night = Night("SC4001E0", x, np.zeros(8, np.int32), 100.0, "EEG Fpz-Cz", {"simulated": 1})
    (tmp_path / "data" / "sleepedf").mkdir(parents=True)
    save_night(tmp_path / "data" / "sleepedf" / "SC4001E0.npz", night)
    assert compose_nights.main([str(tmp_path / "data" / "sleepedf"), str(tmp_path / "composed")]) == 0
    made = {way: load_night(tmp_path / "composed" / way / "sleepedf" / "SC4001E0.npz") for way in compose_nights.WAYS}
    assert {way: one.x.shape for way, one in made.items()} == {
        "5s": (8, 500),
        "same": (8, 3000),
        "neighbours": (8, 3000),
    }
    assert made["neighbours"].x[3, ::500].tolist() == [1, 2, 3, 4, 5, 6]
    assert made["same"].x.max() == 7 and made["same"].simulated and made["same"].source["composed"] == "same"


def test_a_folder_without_nights_is_refused(tmp_path, capsys):
    assert compose_nights.main([str(tmp_path), str(tmp_path / "out")]) == 2
    assert "no night (.npz) in it" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("way", ["same", "neighbours"])
def test_real_nights_are_composed_as_they_were_for_the_shipped_weights(real, way):
    """The script that is shipped and the one that made the nights for training choose the same pieces."""
    tool = real.parent / "tools" / "compose_30s.py"
    if not tool.is_file():
        pytest.skip("the script that made the nights is not here (../shared/tools)")
    spec = importlib.util.spec_from_file_location("compose_30s", tool)
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    for path in sorted((real / "sleepedf20_5s").glob("SC40*.npz")):
        y = load_night(path).y
        expected = np.stack([theirs.pieces_of(epoch, y, way) for epoch in range(len(y))])
        np.testing.assert_array_equal(compose_nights.WAYS[way](y), expected)
