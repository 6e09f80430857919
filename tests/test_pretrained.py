"""The weights in the box: the files are whole and small, score as they did, and the nights behind them can be made."""

from __future__ import annotations

import hashlib
import importlib.util
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import predict
from data import Night, load_night, save_night
from folds.adaptation import SHARE
from folds.checkpoint import load_best, load_fold
from folds.run import load_run
from folds.split import split_subjects
from model import RECONSTRUCTION
from pretrained_model import compose_nights
from recordings.datasets import DATASETS
from scoring.networks import of_night
from simulating.eeg import simulate_eeg
from tests.support.edf_files import write_edf
from tests.support.short_nights import short_nights

pytest_plugins = ["tests.support.raw_recordings"]

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


def test_four_folders_of_nights_are_written(tmp_path):
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
    versions = sorted((tmp_path / "composed" / "varied" / "sleepedf").iterdir())
    assert [path.stem for path in versions] == [f"SC4001E0-{number}" for number in (1, 2)]
    loaded = [load_night(path) for path in versions]
    assert all(one.x.shape == (8, 3000) and one.x.max() <= 7 and one.simulated for one in loaded)
    assert [one.source["composed"] for one in loaded] == ["same, smooth joins, high-pass", "neighbours, plain joins"]
    assert np.abs(loaded[0].x).max() < 0.01, "nothing of an offset is left"
    assert {DATASETS["sleepedf"].subject_of(path.stem) for path in versions} == {0}


@given(st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 9))
def test_drawn_pieces_are_of_the_epochs_stage_near_it_and_the_epoch_is_one_of_them(stages, seed):
    y = np.array(stages, np.int32)
    chosen = compose_nights.drawn_alike(y, 6, np.random.default_rng(seed))
    assert (y[chosen] == y[:, np.newaxis]).all() and (np.diff(chosen, axis=1) >= 0).all()
    assert (chosen == np.arange(len(y))[:, np.newaxis]).any(axis=1).all()
    rank = [np.count_nonzero(y[min(a, b) : max(a, b)] == y[a]) for a, row in enumerate(chosen) for b in row]
    assert max(rank) <= compose_nights.NEAREST


def test_a_smooth_join_goes_on_with_a_wave_as_if_it_had_never_been_cut():
    """Pieces of one sine that begin at any phase: where they are joined, no step is larger than within it."""
    phase = np.random.default_rng(0).uniform(0, 2 * np.pi, (20, compose_nights.SMOOTH_PIECES, 1))
    pieces = np.sin(2 * np.pi * 2 * np.arange(500) / 100 + phase).astype(np.float32)  # 2 Hz: 50 samples a period
    joined = compose_nights.smoothly_joined(pieces, np.random.default_rng(1))
    largest = 2 * np.sin(np.pi * 2 / 100)  # between two samples of the sine
    assert joined.shape == (20, 3000)
    assert np.abs(np.diff(joined, axis=1)).max() < 1.3 * largest
    plain = pieces[:, :6].reshape(20, -1)
    assert np.abs(np.diff(plain, axis=1)).max() > 5 * largest  # as it would be without


def test_a_recorders_high_pass_leaves_the_rhythms_and_ends_at_each_piece():
    """0.05 Hz and an offset of millivolts go, 10 Hz stays; no piece rings into the next."""
    seconds = np.arange(500) / 100
    fast = np.sin(2 * np.pi * 10 * seconds)
    pieces = np.stack([fast + 2000, fast + 50 * np.sin(2 * np.pi * 0.05 * seconds), 0 * fast]).astype(np.float32)
    for seed in range(5):
        left = compose_nights.high_passed(pieces, np.random.default_rng(seed))
        assert np.abs(left[:2, 100:-100] - fast[100:-100]).max() < 1.5 and not left[2].any()  # (f / cut-off)²


def test_pieces_are_brought_to_one_amplitude():
    pieces = simulate_eeg([*"2" * 8], 100, np.random.default_rng(1)).reshape(-1, 500).astype(np.float32)
    factors = {gain: compose_nights.of_amplitude(gain * pieces, 9.0) for gain in (1.0, 3.0)}
    np.testing.assert_allclose(factors[1.0], factors[3.0], rtol=1e-4)
    assert compose_nights.of_amplitude(pieces, 0.0) is pieces


def test_its_own_source_is_not_written_over(tmp_path, capsys):
    nights = tmp_path / "same" / "sleepedf"
    nights.mkdir(parents=True)
    save_night(nights / "SC4001E0.npz", Night("", np.ones((2, 3000), np.float32), np.zeros(2, np.int32)))
    before = (nights / "SC4001E0.npz").read_bytes()
    assert compose_nights.main([str(nights), str(tmp_path)]) == 2
    assert "itself would be written over" in capsys.readouterr().err
    assert (nights / "SC4001E0.npz").read_bytes() == before


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
    assert spec is not None and spec.loader is not None
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    for path in sorted((real / "sleepedf20_5s").glob("SC40*.npz")):
        y = load_night(path).y
        expected = np.stack([theirs.pieces_of(epoch, y, way) for epoch in range(len(y))])
        np.testing.assert_array_equal(compose_nights.WAYS[way](y), expected)


# ---- the weights ----

FOLDS = {path.name: path for path in sorted((BOX / "sleepedf").iterdir())}
LARGEST_FOLD = 2.5e6  # bytes
WITH_PATIENTS = ("0", "1", "2")
"""The folds that were trained on with W and N3 of patients: see the card."""

STAGES_OF_GENERATED_NIGHT = {
    "0": "0000001144222222222233333333331111210000",
    "1": "0000000011122222222233333333330112240000",
    "2": "0000001111222222222233333333332211210000",
    "3": "0000001114222222222233333333330111110000",
    "4": "0000001144222222222233333333332211210000",
}
"""By fold: what the shipped weights made of `generated_night` when they were put here."""


def test_the_box_holds_five_folds_of_sleepedf():
    assert list(FOLDS) == ["0", "1", "2", "3", "4"]


def test_every_file_has_its_sum_and_is_the_one_that_was_shipped():
    lines = (BOX / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    there = {path.relative_to(BOX).as_posix(): path for path in (BOX / "sleepedf").rglob("*") if path.is_file()}
    assert sums.keys() == there.keys()
    for name, path in there.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[name], name


@pytest.mark.parametrize("fold", FOLDS)
def test_a_fold_is_small_and_only_for_scoring(fold):
    assert {path.name for path in FOLDS[fold].iterdir()} == {
        "best_model.npz", "calibration.json", "config.json", "features.json",
    }  # fmt: skip
    assert sum(path.stat().st_size for path in FOLDS[fold].iterdir()) < LARGEST_FOLD
    weights = load_best(FOLDS[fold]).weights
    assert not RECONSTRUCTION & weights.keys() and all(np.isfinite(value).all() for value in weights.values())


@pytest.mark.parametrize("fold", FOLDS)
def test_a_fold_is_of_the_published_split_and_never_saw_its_test_subject(fold):
    run = load_run(FOLDS[fold])
    split = asdict(split_subjects(DATASETS["sleepedf"], int(fold)))
    assert {part: tuple(subjects) for part, subjects in run.subjects.items()} == split
    assert run.epochs["test"] and not any(run.has_seen(night) for night in run.epochs["test"])
    sizes = [one.settings.input_size for one in run.lineage()]
    assert set(sizes[:-1]) == {3000} and sizes[-1] == 500
    origins = [one.init_from.folder for one in run.lineage() if one.init_from]
    box, first = f"pretrained_model/sleepedf/{fold}", [f"output/sleepedf_{name}/{fold}" for name in ("30s", "5s")]
    last = [box] if fold in WITH_PATIENTS else []
    assert origins == [*last, f"output/sleepedf_robust/{fold}", box, *first]


@pytest.mark.parametrize("fold", FOLDS)
def test_patients_of_another_laboratory_trained_some_folds_and_chose_none_that_they_trained(fold):
    nights = {
        part: {one for one in names if one.startswith("ucddb")} for part, names in load_run(FOLDS[fold]).epochs.items()
    }
    if fold not in WITH_PATIENTS:
        assert not any(nights.values())
        return
    assert {one[:8] for one in nights["valid"]} == {"ucddb003", "ucddb006", "ucddb019", "ucddb026"} and not nights[
        "test"
    ]
    assert len({one[:8] for one in nights["train"]}) == 14
    assert not {one[:8] for one in nights["train"]} & nights["valid"]


@pytest.mark.parametrize("fold", FOLDS)
def test_a_strangers_recording_adapts_every_fold(fold):
    features = load_fold(FOLDS[fold], DATASETS["sleepedf"], int(fold)).features
    assert features is not None and len(features.mean) == 256 and features.share == SHARE
    learned = load_run(FOLDS[fold]).subjects["train"]
    assert {DATASETS["sleepedf"].subject_of(night) for night in features.nights} <= set(learned)


def generated_night():
    """Return 40 generated epochs with the features of W, N1, N2, N3, REM and W, (epoch, sample) in µV."""
    stages = [*"W" * 6, *"1" * 4, *"2" * 10, *"4" * 10, *"R" * 6, *"W" * 4]
    return simulate_eeg(stages, 100, np.random.default_rng(4)).reshape(len(stages), -1).astype(np.float32)


@pytest.mark.parametrize("fold", FOLDS)
def test_a_fold_gives_the_stored_stages_of_a_generated_night(fold):
    loaded = load_fold(FOLDS[fold], DATASETS["sleepedf"], int(fold))
    found = of_night(loaded)(generated_night())
    assert "".join(str(stage) for stage in found.argmax(axis=1)) == STAGES_OF_GENERATED_NIGHT[fold]


def test_a_recording_needs_no_option(tmp_path, monkeypatch, capsys):
    """What the README says on its first page, in a folder of one's own."""
    write_edf(tmp_path / "night.edf", [("EEG Fpz-Cz", 100, "uV", generated_night().reshape(-1))])
    monkeypatch.chdir(tmp_path)
    assert predict.main(["night.edf"]) == 0
    printed = capsys.readouterr().out
    assert "scoring with the checkpoints of sleepedf" in printed and "sleepedf, folds 0, 1, 2, 3, 4" in printed
    assert len((tmp_path / "scored" / "night_stages.csv").read_text().splitlines()) == 1 + 40


def test_isruc_without_weights_says_what_to_do(capsys):
    assert predict.main(["--db", "isruc"]) == 2
    error = capsys.readouterr().err
    assert "no checkpoints of isruc" in error and "there is sleepedf (choose with --db and --suffix)" in error
    assert "python trainer.py --db isruc --from_fold 0 --to_fold 9" in error
    assert "put published checkpoints into pretrained_model/isruc/<fold>" in error


def test_without_nights_the_published_command_says_what_to_do(tmp_path, capsys):
    assert predict.main(["--dir", "./pretrained_model", "--data_dir", str(tmp_path / "data")]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == (
        "predict.py: error: pretrained_model holds checkpoints of sleepedf, "
        f"and {tmp_path / 'data'} has no prepared nights to test them on"
    )
    assert second == (
        "score a recording: python predict.py night.edf; or prepare test nights: python prepare_sleepedf.py"
    )


def test_with_nights_the_published_command_scores_the_data_set_that_has_them(tmp_path, capsys):
    data = short_nights(tmp_path / "data", n_samples=3000)
    assert predict.main(["--dir", "./pretrained_model", "--data_dir", str(data), "--gpu", "-1"]) == 0
    printed = capsys.readouterr().out
    assert "no checkpoints of isruc in pretrained_model: scoring those of sleepedf" in printed
    assert "sleepedf: 5 of 20 folds, 5 of 20 subjects, 5 nights" in printed and "SEEN" not in printed
