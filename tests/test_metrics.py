"""The figures against scikit-learn on random hypnograms, edges by hand, the bootstrap against a plain loop."""

import json
import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring import metrics
from scoring.metrics import Scores
from sleepstage import STAGE_NAMES, Stage

PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60)

# Worked out by hand below: 10 epochs, 7 agreed; row W: 3 of 4, row N2: 4 of 6.
HAND = np.zeros((5, 5), int)
HAND[Stage.W, Stage.W], HAND[Stage.W, Stage.N2] = 3, 1
HAND[Stage.N2, Stage.N2], HAND[Stage.N2, Stage.N1] = 4, 2


def a_night(seed: int, *, n: int = 200, agreement: float = 0.8) -> Scores:
    random = np.random.default_rng(seed)
    expert = random.integers(0, 5, n)
    return metrics.scores(expert, np.where(random.random(n) < agreement, expert, random.integers(0, 5, n)))


# ---- one confusion matrix ----


@settings(deadline=None)
@given(PAIRS)
def test_figures_are_those_of_scikit_learn(pairs):
    expert, model = np.array(pairs).T
    ours = metrics.scores(expert, model)
    assert ours.n_epochs == len(pairs)
    assert ours.accuracy == pytest.approx(sklearn.metrics.accuracy_score(expert, model))
    assert ours.macro_f1 == pytest.approx(sklearn.metrics.f1_score(expert, model, average="macro", zero_division=0))
    if len(set(expert) | set(model)) > 1:  # scikit-learn, too, has no kappa for a single stage
        assert ours.kappa == pytest.approx(sklearn.metrics.cohen_kappa_score(expert, model))
    there = sorted(set(expert) | set(model))
    theirs = sklearn.metrics.precision_recall_fscore_support(expert, model, labels=there, zero_division=0)
    for values, expected in zip((ours.precision, ours.recall, ours.f1, ours.support), theirs, strict=True):
        np.testing.assert_allclose(values[there], expected)


@settings(deadline=None)
@given(PAIRS)
def test_stages_in_neither_hypnogram_have_no_figures(pairs):
    ours = metrics.scores(*np.array(pairs).T)
    absent = sorted(set(range(5)) - set(np.ravel(pairs)))
    assert np.isnan(np.stack([ours.precision, ours.recall, ours.f1])[:, absent]).all()
    assert not ours.support[absent].any()


@settings(deadline=None)
@given(PAIRS)
def test_rows_of_the_confusion_matrix_are_the_expert(pairs):
    confusion = metrics.scores(*np.array(pairs).T).confusion
    for expert in range(5):
        for model in range(5):
            assert confusion[expert, model] == pairs.count((expert, model))


def test_hand_computed_example():
    scores = metrics.from_confusion(HAND)
    assert scores.accuracy == 0.7
    # Chance: W 4/10 · 3/10, N1 0 · 2/10, N2 6/10 · 5/10 = 0.42; (0.7 - 0.42) / (1 - 0.42)
    assert scores.kappa == pytest.approx(0.28 / 0.58)
    # F1: W 2·3/(4+3), N1 0 (the model alone used it), N2 2·4/(6+5); N3 and REM occur nowhere and do not count
    assert scores.macro_f1 == pytest.approx((6 / 7 + 0 + 8 / 11) / 3)
    assert scores.precision[Stage.N1] == scores.recall[Stage.N1] == 0
    assert scores.recall[Stage.W] == 0.75
    assert scores.precision[Stage.N2] == 0.8


def test_kappa_of_a_single_stage_is_undefined():
    assert math.isnan(metrics.scores([2, 2], [2, 2]).kappa)
    assert metrics.scores([2, 2], [2, 3]).kappa == 0


def test_later_counting_does_not_change_scores():
    confusion = HAND.copy()
    scores = metrics.from_confusion(confusion)
    confusion += 1
    assert scores.confusion.sum() == 10
    with pytest.raises(ValueError, match="read-only"):
        scores.confusion[0, 0] += 1


@pytest.mark.parametrize(
    ("expert", "model", "says"),
    [
        ([0, 1], [0], "2 epochs staged by the expert, 1 by the model"),
        ([], [], "one or more"),
        ([0, -1], [0, 0], "expert: stage -1 at epoch 1"),
        ([0, 0], [5, 0], "model: stage 5 at epoch 0"),
        ([0.0], [0], "whole numbers"),
        ([[0]], [[0]], r"\(epoch,\)"),
    ],
)
def test_what_is_no_pair_of_hypnograms(expert, model, says):
    with pytest.raises(ValueError, match=says):
        metrics.scores(expert, model)


@pytest.mark.parametrize("confusion", [np.zeros((5, 5)), np.ones((4, 4)), HAND - 1, HAND * 0.55])
def test_what_is_no_confusion_matrix(confusion):
    with pytest.raises(ValueError, match=r"no epochs to score|whole numbers"):
        metrics.from_confusion(confusion)


# ---- nights and subjects ----


def test_pooled_scores_count_every_epoch_once():
    nights = [a_night(1, n=50), a_night(2, n=70), a_night(3, n=10)]
    together = metrics.pooled(nights)
    assert together.n_epochs == 130
    np.testing.assert_array_equal(together.confusion, sum(night.confusion for night in nights))
    np.testing.assert_array_equal(metrics.pooled(iter(nights)).confusion, together.confusion)
    with pytest.raises(ValueError, match="no epochs"):
        metrics.pooled([])


# ---- intervals ----


def twenty_subjects() -> dict[int, np.ndarray]:
    return {subject: a_night(subject, agreement=0.5 + subject / 50).confusion for subject in range(20)}


def intervals(confusions):
    limits = metrics.intervals(confusions, seed=1)
    assert limits is not None
    return limits


def test_intervals_agree_with_a_plain_bootstrap():
    subjects = twenty_subjects()
    random = np.random.default_rng(0)
    drawn = [
        metrics.from_confusion(sum(subjects[subject] for subject in random.integers(0, 20, 20))) for _ in range(2000)
    ]
    limits = intervals(subjects)
    for name in metrics.POOLED:
        expected = np.percentile([getattr(scores, name) for scores in drawn], [2.5, 97.5])
        # Each limit of 2,000 resamples has a standard error of 0.001 here: the interval is 0.1 wide.
        np.testing.assert_allclose(limits[name], expected, atol=0.005)


def test_intervals_hold_the_figure_and_widen_with_fewer_subjects():
    subjects = twenty_subjects()
    few = {subject: subjects[subject] for subject in (0, 6, 13, 19)}
    of_all, of_few = intervals(subjects), intervals(few)
    for name in metrics.POOLED:
        figure = getattr(metrics.from_confusion(sum(subjects.values())), name)
        assert of_all[name][0] < figure < of_all[name][1]
        assert np.diff(of_few[name]) > np.diff(of_all[name])


def test_intervals_follow_the_seed():
    subjects = twenty_subjects()
    assert metrics.intervals(subjects, seed=1) == metrics.intervals(subjects, seed=1)
    assert metrics.intervals(subjects, seed=1) != metrics.intervals(subjects, seed=2)


def test_one_subject_has_no_interval():
    assert metrics.intervals({0: HAND}, seed=1) is None
    assert metrics.intervals({}, seed=1) is None


def test_identical_subjects_have_an_interval_of_no_width():
    limits = intervals({0: HAND, 1: HAND})
    assert limits["accuracy"] == pytest.approx((0.7, 0.7))


# ---- for files and for reading ----


def test_json_has_no_nan():
    limits = {"accuracy": (0.4, 0.9), "macro_f1": (0.3, 0.8), "kappa": (math.nan, math.nan)}
    written = json.loads(json.dumps(metrics.as_json(metrics.scores([2, 2], [2, 2]), limits), allow_nan=False))
    assert written["epochs"] == 2
    assert written["accuracy"] == 1
    assert written["kappa"] is None
    assert written["intervals_95"] == {"accuracy": [0.4, 0.9], "macro_f1": [0.3, 0.8], "kappa": [None, None]}
    assert written["stages"]["N2"] == {"precision": 1, "recall": 1, "f1": 1, "epochs": 2}
    assert written["stages"]["W"] == {"precision": None, "recall": None, "f1": None, "epochs": 0}
    assert list(written["stages"]) == written["stage_order"] == list(STAGE_NAMES)
    assert written["confusion_expert_by_model"][Stage.N2] == [0, 0, 2, 0, 0]


def test_json_without_intervals_says_so():
    assert metrics.as_json(metrics.from_confusion(HAND), None)["intervals_95"] is None


def test_text():
    limits = {"accuracy": (0.651, 0.749), "macro_f1": (0.4, 0.6), "kappa": (0.4, math.nan)}
    assert metrics.as_text(metrics.from_confusion(HAND), limits) == "\n".join(
        [
            "Accuracy   70.0 %  95 % interval over subjects 65.1 to 74.9 %",
            "Macro-F1   52.8 %  95 % interval over subjects 40.0 to 60.0 %",
            "Kappa     0.483    95 % interval over subjects 0.400 to –",
            "",
            "Stage  precision %  recall %   F1 %   epochs",
            "W            100.0      75.0   85.7        4",
            "N1             0.0       0.0    0.0        0",
            "N2            80.0      66.7   72.7        6",
            "N3               –         –      –        0",
            "REM              –         –      –        0",
            "all                            52.8       10",
            "",
            "Epochs by stage; row: expert, column: model",
            "           W     N1     N2     N3    REM",
            "W          3      0      1      0      0",
            "N1         0      0      0      0      0",
            "N2         0      2      4      0      0",
            "N3         0      0      0      0      0",
            "REM        0      0      0      0      0",
        ]
    )


def test_text_of_many_epochs_stays_aligned():
    *_, names, first, _, _, _, last = metrics.as_text(metrics.from_confusion(HAND * 123_456)).splitlines()
    assert len(names) == len(first) == len(last)
    assert "370,368" in first


def test_text_without_intervals_has_none():
    first, *_ = metrics.as_text(metrics.from_confusion(HAND)).splitlines()
    assert first == "Accuracy   70.0 %"


def test_in_words():
    assert metrics.in_words(metrics.from_confusion(HAND)) == "accuracy 70.0 %, macro-F1 52.8 %, kappa 0.483"
    assert metrics.in_words(metrics.scores([2, 2], [2, 2])) == "accuracy 100.0 %, macro-F1 100.0 %, kappa –"


@pytest.mark.parametrize(
    ("value", "width", "digits", "shown"),
    [(2.345, 6, 2, "  2.35"), (12.0, 0, 1, "12.0"), (math.nan, 4, 1, "   –"), (math.inf, 0, 3, "–")],
)
def test_a_number_is_right_aligned_or_a_dash(value, width, digits, shown):
    assert metrics.number(value, width, digits) == shown
