"""What scored test nights leave on disk: tables that pandas reads, scores as JSON, a picture of each night."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from command import InputError
from recordings.datasets import DATASETS
from scoring.test_night_files import epoch_table, night_table, summary, write_test_nights
from sleepstage import STAGE_NAMES
from tests.support.staged_nights import a_fold, a_tested_night
from version import __version__

SLEEPEDF = DATASETS["sleepedf"]


@pytest.fixture
def tested():
    return [
        a_tested_night("SC4001E0", 0, 1, n=50),
        a_tested_night("SC4002E0", 0, 2, n=70),
        a_tested_night("SC4041E0", 4, 3, n=10),
    ]


def test_night_table_has_a_row_tested_night(tested):
    table = night_table(tested[:2])
    assert list(table.columns) == ["night", "subject", "fold", "epochs", "accuracy", "macro_f1", "kappa"]
    assert list(table.night) == ["SC4001E0", "SC4002E0"]
    assert list(table.epochs) == [50, 70]
    assert list(table.kappa) == [night.scores.kappa for night in tested[:2]]
    assert night_table([]).empty


def test_epoch_table_has_a_row_an_epoch(tested):
    table = epoch_table(tested)
    assert list(table.columns) == [
        "night", "subject", "fold", "epoch", "onset_s", "expert", "model", "p_W", "p_N1", "p_N2", "p_N3", "p_REM",
    ]  # fmt: skip
    assert len(table) == 130 and table["night"].value_counts().to_dict() == {
        "SC4001E0": 50, "SC4002E0": 70, "SC4041E0": 10,
    }  # fmt: skip
    last = table[table["night"] == "SC4041E0"]
    assert last["onset_s"].tolist() == [30 * epoch for epoch in range(10)] and set(last["fold"]) == {4}
    assert last["expert"].tolist() == [STAGE_NAMES[code] for code in tested[2].staged.expert]
    assert last["model"].tolist() == [STAGE_NAMES[code] for code in tested[2].staged.stages]
    np.testing.assert_allclose(last["p_N3"], tested[2].staged.probabilities[:, 3], atol=5e-5)


def test_the_summary_has_every_score_and_where_it_is_from(tested):
    tested[2] = replace(tested[2], seen=True, staged=replace(tested[2].staged, simulated=True))
    folds = [a_fold(0), a_fold(4), a_fold(7)]
    content = summary(tested, folds, SLEEPEDF)
    json.dumps(content, allow_nan=False)
    assert (content["db"], content["folds"], content["nights"]) == ("sleepedf", "2 of 20", 3)
    assert content["seen_nights"] == ["SC4041E0"] and content["simulated_nights"] == 1
    assert [one["global_step"] for one in content["checkpoints"]] == [100, 104, 107]
    assert {fold: scores["epochs"] for fold, scores in content["by_fold"].items()} == {0: 120, 4: 10}
    assert content["pooled"]["epochs"] == 130 and content["pooled"]["intervals_95"]["kappa"]
    assert content["versions"]["recsleepnet"] == __version__


def test_all_files_are_written_and_nothing_else(tested, tmp_path):
    written = write_test_nights(tmp_path, tested, [a_fold(0), a_fold(4)], SLEEPEDF)
    there = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".tables.lock"]
    assert sorted(written) == sorted(there)
    assert {path.relative_to(tmp_path).as_posix() for path in written} == {
        "metrics.json", "nights.csv", "epochs.csv", "confusion.png",
        "hypnograms/SC4001E0.png", "hypnograms/SC4002E0.png", "hypnograms/SC4041E0.png",
    }  # fmt: skip
    assert pd.read_csv(tmp_path / "nights.csv")["accuracy"].tolist() == [
        round(night.scores.accuracy, 4) for night in tested
    ]


def test_a_folder_that_is_gone_is_the_users_error(tested, tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        write_test_nights(tmp_path / "gone", tested, [a_fold(0), a_fold(4)], SLEEPEDF)
