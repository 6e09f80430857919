"""A seeded share of the kill test, of the command that starts in a second; `make kill` runs all of it."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tests.hostile import kills

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")


@pytest.fixture(scope="module")
def prepares(tmp_path_factory):
    return [task for task in kills.tasks(tmp_path_factory.mktemp("kills")) if task.name.startswith("prepare")]


@pytest.mark.parametrize("number", [0, 1])
def test_killed_prepare_goes_on_to_the_same_nights(prepares, tmp_path, number):
    said: list[str] = []
    count = kills.kill_until(prepares[number], 2, np.random.default_rng(number), tmp_path, said.append)
    assert count.kills == 2 and count.ends >= 1 and count.wrong == 0, said


@pytest.mark.parametrize("number", [0, 1])
def test_interrupted_prepare_says_so(prepares, tmp_path, number):
    """With two processes each of them sends the signal; the second one used to leave the workers waiting for good."""
    said: list[str] = []
    assert kills.interrupt(prepares[number], "write", np.random.default_rng(0), tmp_path, said.append).wrong == 0, said


def test_what_is_not_whole_left_over_missing_or_changed_is_seen(tmp_path):
    """The kill test is able to fail."""
    wanted, found = tmp_path / "wanted", tmp_path / "found"
    for folder in (wanted, found):
        folder.mkdir()
        np.savez(folder / "best_model.npz", a=np.zeros(3))
        (folder / "history.csv").write_text("a,seconds\n1,2\n")
    assert list(kills.whole(found)) == list(kills.differences(found, wanted)) == []
    (found / "history.csv").write_text("a,seconds\n1,3\n")
    assert list(kills.differences(found, wanted)) == [], "the seconds of a pass are its own"
    (found / "history.csv").write_text("a,seconds\n2,2\n")
    (found / ".partial-7-x.npz").touch()
    (wanted / "x.json").write_text("{}")
    assert list(kills.differences(found, wanted)) == [
        ".partial-7-x.npz is left over",
        "x.json is missing",
        "history.csv has another content",
    ]
    (found / "best_model.npz").write_bytes((wanted / "best_model.npz").read_bytes()[:-9])
    (found / "history.csv").write_text("a,seco")
    assert {line.split()[0] for line in kills.whole(found)} == {"best_model.npz", "history.csv"}
