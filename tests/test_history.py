"""The rows of a fold's training: what comes next by them, and the same when read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from command import InputError
from config import Settings
from files.writing import save_json
from folds.checkpoint import Best
from folds.folders import HISTORY, TEST_SCORES
from folds.history import (
    PRETRAIN,
    TRAIN,
    Events,
    History,
    Pass,
    load_history,
    load_test_scores,
    save_history,
    save_test_scores,
)

EMPTY = [[0] * 5 for _ in range(5)]


def history(*passes, **settings):
    return History(Settings(**settings), list(passes))


def pretrained(number, seconds=0.0):
    return Pass(PRETRAIN, number, number, 1.0, seconds=seconds)


def trained(number, accuracy=0.5, macro_f1=0.5, kept=False, seconds=0.0):
    return Pass(
        TRAIN, number, number, 1.0, valid_accuracy=accuracy, valid_macro_f1=macro_f1, kept=kept, seconds=seconds
    )


# ---- which pass is better ----


@pytest.mark.parametrize(
    ("accuracy", "macro_f1", "better"),
    [
        (0.71, 0.61, True),
        (0.71, 0.60, False),  # both have to be higher
        (0.70, 0.61, False),
        (0.70, 0.60, False),
        (0.99, 0.59, False),
        (0.69, 0.99, False),
    ],
)
def test_a_pass_is_better_if_both_figures_are_higher_than_those_last_kept(accuracy, macro_f1, better):
    passes = [
        trained(1, 0.5, 0.5, kept=True),
        trained(2, 0.7, 0.6, kept=True),
        trained(3, 0.9, 0.59),  # not kept: it does not count
        trained(4, 0.6, 0.9),
    ]
    assert history(*passes).is_better(accuracy, macro_f1) == better


@pytest.mark.parametrize(
    ("accuracy", "macro_f1", "better"), [(0.01, 0.01, True), (0.0, 0.5, False), (0.5, 0.0, False), (0.0, 0.0, False)]
)
def test_the_first_pass_is_better_than_nothing(accuracy, macro_f1, better):
    assert history().is_better(accuracy, macro_f1) == better
    assert history(pretrained(1), trained(1, 0.9, 0.9)).is_better(accuracy, macro_f1) == better


# ---- patience ----


@pytest.mark.parametrize(
    ("patience", "kept", "out"),
    [
        (3, "KxxX", True),
        (3, "Kxx", False),
        (3, "xxK", False),
        (3, "KxxKxx", False),
        (3, "KxxKxxx", True),
        (3, "xxx", True),
        (3, "xx", False),
        (3, "", False),
        (1, "K", False),
        (1, "x", True),
        (0, "xxxxxxxx", False),  # 0: never
    ],
)
def test_patience_ends_after_as_many_passes_that_were_not_kept(patience, kept, out):
    passes = [trained(number, kept=one == "K") for number, one in enumerate(kept, 1)]
    assert history(*passes, patience=patience).out_of_patience() == out


def test_pretraining_takes_no_patience():
    passes = [*(pretrained(number) for number in range(1, 6)), trained(1), trained(2)]
    assert not history(*passes, patience=3).out_of_patience()
    assert history(*passes, trained(3), patience=3).out_of_patience()


# ---- what is left ----


def test_what_a_phase_still_needs():
    begun = history(pretrained(1), pretrained(2), trained(1), pretrain_epochs=2, n_epochs=4)
    assert list(begun.to_do(PRETRAIN)) == [] and list(begun.to_do(TRAIN)) == [2, 3, 4]
    new = history(pretrain_epochs=2, n_epochs=1)
    assert list(new.to_do(PRETRAIN)) == [1, 2] and list(new.to_do(TRAIN)) == [1]
    assert list(history(trained(1), trained(2), n_epochs=1, pretrain_epochs=0).to_do(TRAIN)) == []


def test_the_time_left_is_that_of_the_passes_left_at_the_median_of_their_phase():
    passes = [pretrained(1, 1000), trained(1, seconds=60), trained(2, seconds=90), trained(3, seconds=6000)]
    assert history(*passes, pretrain_epochs=1, n_epochs=7).time_left() == "6 min left"  # 4 passes of 90 s
    assert history(*passes[:1], pretrain_epochs=2, n_epochs=7).time_left() == "2 h 13 min left"  # 8 of 1000 s
    assert history(*passes, pretrain_epochs=1, n_epochs=3).time_left() == "0 s left"


def test_how_far_it_has_come_in_words():
    assert history().last() == "at its start"
    assert history(pretrained(1), pretrained(2)).last() == "after pretrain pass 2"
    assert history(pretrained(1), trained(1), trained(2)).last() == "after train pass 2"


def test_a_pass_in_words():
    assert Pass(PRETRAIN, 2, 40, 0.01234, seconds=3.14).in_words() == "pretrain   2  rec 0.01234  3.1 s"
    one = Pass(TRAIN, 12, 40, 0.5, 1.25, 0.125, 0.5, 0.75, 0.625, kept=True, seconds=2.0)
    assert one.in_words() == (
        "train  12  ce 1.2500  l2 0.1250  rec 0.5  accuracy 50.0 %  "
        "validation accuracy 75.0 % macro-F1 62.5 %  kept  2.0 s"
    )


# ---- history.csv ----

numbers = st.floats(allow_nan=False, allow_infinity=False)
maybe = st.none() | numbers
passes = st.builds(
    Pass,
    phase=st.sampled_from(["pretrain", "train"]),
    pass_number=st.integers(1, 1000),
    global_step=st.integers(0, 10**9),
    loss_rec=numbers,
    loss_ce=numbers,
    loss_l2=numbers,
    train_accuracy=maybe,
    valid_accuracy=maybe,
    valid_macro_f1=maybe,
    kept=st.booleans(),
    seconds=numbers,
)


@given(st.lists(passes, max_size=5))
def test_history_reads_back_to_the_bit(tmp_path_factory, history):
    folder = tmp_path_factory.mktemp("fold")
    save_history(folder, history)
    assert load_history(folder) == history


@pytest.mark.parametrize(
    "content",
    [
        "phase,pass_number\ntrain,one\n",
        "phase,pass_number\ntrain,1\n",
        "phase,pass_number,global_step,loss_rec,loss_ce,loss_l2\ntrain,1,10,0.5,,0.1\n",
        "a,b\n1,2\n",
    ],
)
def test_a_damaged_history_is_refused(tmp_path, content):
    (tmp_path / HISTORY).write_text(content)
    with pytest.raises(
        InputError, match=r"history\.csv: not a readable history .*; train the fold again with --restart"
    ):
        load_history(tmp_path)


# ---- test_scores.json ----


def test_test_scores_read_back(tmp_path):
    confusion = [[row * 5 + column for column in range(5)] for row in range(5)]
    save_test_scores(tmp_path, Best({}, 120, 4), {"confusion_expert_by_model": confusion}, ["SC4001E0"])
    tested = load_test_scores(tmp_path)
    assert tested.confusion.tolist() == confusion
    assert (tested.pass_number, tested.seen_nights) == (4, ["SC4001E0"])
    save_json(tmp_path / TEST_SCORES, {"pass_number": 1, "scores": {"confusion_expert_by_model": EMPTY}})
    assert load_test_scores(tmp_path).seen_nights == (), "folds of before there was such a thing are read"


@pytest.mark.parametrize("content", [{}, [], {"pass_number": 1}, {"scores": {"confusion_expert_by_model": EMPTY}}])
def test_damaged_test_scores_are_named(tmp_path, content):
    save_json(tmp_path / TEST_SCORES, content)
    with pytest.raises(InputError, match=r"test_scores\.json: not the scores of a fold"):
        load_test_scores(tmp_path)


def test_events_that_cannot_be_written_are_the_users_error(tmp_path):
    (tmp_path / "tensorboard").write_text("a file where the folder should be")
    with pytest.raises(InputError, match=r"cannot write .*tensorboard: .*; free space or choose another folder"):
        Events(tmp_path).write(Pass("pretrain", 1, 10, 0.5))
