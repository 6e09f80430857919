"""The figures of an evaluation, each against a computation of another kind or another program's."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from command import InputError
from evaluation.agreement import MEASURES, over_subjects, scores_by_subject
from evaluation.experts import majority, one_hot, panel_of, soft_agreement
from evaluation.nights import Scored
from evaluation.pairs import compare, difference, holm, rank_biserial
from evaluation.resampling import interval_of_mean
from evaluation.sleep import STATISTICS, bland_altman, limits_of
from scoring.sleepstats import sleep_statistics
from sleepstage import UNKNOWN
from tests.support.score_folders import scored

LABELS = list(range(5))
by_name = {measure.name: measure for measure in MEASURES}


# ---- over subjects ----


def by_scikit_learn(nights) -> dict[str, float]:
    """Return every figure over the epochs of some nights, as scikit-learn has it."""
    expert = np.concatenate([night.expert for night in nights])
    model = np.concatenate([night.stages for night in nights])
    f1 = sklearn_metrics.f1_score(expert, model, average=None, labels=LABELS)
    return {
        "accuracy": sklearn_metrics.accuracy_score(expert, model),
        "macro_f1": sklearn_metrics.f1_score(expert, model, average="macro"),
        "kappa": sklearn_metrics.cohen_kappa_score(expert, model),
        **{f"f1_{name}": value for name, value in zip(("W", "N1", "N2", "N3", "REM"), f1, strict=True)},
    }


def test_figures_over_subjects_are_those_of_scikit_learn_and_the_standard_library():
    model = scored("model", 1.0)
    found = over_subjects(scores_by_subject(model.with_expert()))
    subjects = {night.subject: [] for night in model.nights.values()}
    for night in model.nights.values():
        subjects[night.subject].append(night)
    each = [by_scikit_learn(nights) for nights in subjects.values()]
    pooled = by_scikit_learn(model.nights.values())
    for name, figure in found.items():
        values = [one[name] for one in each]
        assert figure.n_subjects == 5
        assert figure.mean == pytest.approx(statistics.mean(values))
        assert figure.sd == pytest.approx(statistics.stdev(values))
        assert figure.median == pytest.approx(statistics.median(values))
        quartiles = statistics.quantiles(values, method="inclusive")
        assert (figure.quartile_1, figure.quartile_3) == pytest.approx((quartiles[0], quartiles[2]))
        assert (figure.lowest, figure.highest) == pytest.approx((min(values), max(values)))
        assert figure.pooled == pytest.approx(pooled[name])
        assert figure.low < figure.pooled < figure.high


def test_one_subject_has_no_spread_and_no_interval():
    figure = over_subjects(scores_by_subject(scored("model", 1.0, (3,)).with_expert()))["kappa"]
    assert figure.n_subjects == 1 and figure.mean == figure.median == figure.pooled
    assert np.isnan([figure.sd, figure.low, figure.high]).all()


def test_epochs_that_one_did_not_stage_do_not_count():
    model = scored("model", 1.0, (0,))
    name, night = next(iter(model.nights.items()))
    stages, expert = night.stages.copy(), night.expert.copy()
    stages[:10], expert[5:20] = UNKNOWN, UNKNOWN
    alone = Scored("model", {name: replace(night, stages=stages, expert=expert)})
    [scores] = scores_by_subject(alone.with_expert()).values()
    assert scores.n_epochs == len(night) - 20
    assert scores.accuracy == np.mean(night.stages[20:] == night.expert[20:])


# ---- two models ----


def test_the_differences_of_two_models_are_those_of_scikit_learn():
    first, second = scored("first", 1.5), scored("second", 1.0)
    compared = compare(first, second)
    assert compared.subjects == tuple("01234") and compared.n_nights == 10 and compared.n_epochs == 1200
    for one in compared.differences:
        expected = []
        for subject in compared.subjects:
            a, b = (
                by_scikit_learn([night for night in model.nights.values() if night.subject == subject])
                for model in (first, second)
            )
            expected.append(a[one.measure] - b[one.measure])
        np.testing.assert_allclose(one.differences, expected, atol=1e-12)
        assert one.d_z == pytest.approx(statistics.mean(expected) / statistics.stdev(expected))
        assert one.p == pytest.approx(p_by_all_signs(np.array(expected)))


def p_by_all_signs(differences) -> float:
    """Return the two-sided p of the signed ranks: the share of all signs whose sum of ranks is at least as far out."""
    ranks = pd.Series(np.abs(differences)).rank().to_numpy()
    sums = np.array([ranks @ signs for signs in itertools.product((-1, 1), repeat=len(ranks))])
    return float(np.mean(np.abs(sums) >= abs(ranks @ np.sign(differences)) - 1e-9))


def test_five_subjects_cannot_give_a_smaller_p_than_one_in_sixteen():
    one = difference("accuracy", np.array([0.9, 0.8, 0.85, 0.7, 0.95]), np.array([0.1, 0.2, 0.3, 0.35, 0.4]))
    assert one.p == 0.0625 == compare(scored("a", 3.0), scored("b", 0.5)).smallest_p
    assert one.rank_biserial == 1 and one.low > 0


def test_holm_by_hand():
    # sorted .01 .03 .04: 3 × .01; max(.03, 2 × .03); max(.06, .04); what is not there does not count
    assert holm([0.01, float("nan"), 0.04, 0.03]) == pytest.approx([0.03, float("nan"), 0.06, 0.06], nan_ok=True)
    assert holm([0.9, 0.8]) == [1, 1]


def test_rank_biserial_by_hand():
    # ranks of |1 -2 3 4| are 1 to 4: (1 + 3 + 4 - 2) / 10; a difference of 0 has no rank
    assert rank_biserial(np.array([1.0, -2.0, 3.0, 4.0, 0.0])) == pytest.approx(0.6)
    assert np.isnan(rank_biserial(np.zeros(3)))


def test_models_that_are_the_same_have_nothing_to_test():
    compared = compare(scored("a", 1.0), scored("b", 1.0))
    for one in compared.differences:
        assert np.isnan(one.p) and one.low == one.high == 0


def test_one_subject_is_no_comparison_of_models():
    compared = compare(scored("a", 1.0, (2,)), scored("b", 2.0))
    assert compared.subjects == ("2",) and compared.n_nights == 2 and compared.smallest_p == 1
    assert all(np.isnan([one.p, one.low, one.high, one.d_z]).all() for one in compared.differences)


def test_models_with_other_experts_or_nights_are_not_compared():
    first, second = scored("a", 1.0, (0, 1)), scored("b", 1.0, (1, 2))
    changed = {
        name: replace(night, expert=np.roll(night.expert, 1)) for name, night in scored("c", 1.0, (0,)).nights.items()
    }
    with pytest.raises(InputError, match="the expert's stages in a are not those in c"):
        compare(first, Scored("c", changed))
    with pytest.raises(InputError, match="no night in common"):
        compare(first, scored("d", 1.0, (4,)))
    assert compare(first, second).subjects == ("1",)


def test_only_epochs_that_both_models_staged_are_compared():
    first, second = scored("a", 1.0, (0,)), scored("b", 2.0, (0,))
    nights = {name: replace(night, stages=masked(night.stages, 30)) for name, night in second.nights.items()}
    compared = compare(first, Scored("b", nights))
    assert compared.n_epochs == 2 * (120 - 30)


def masked(stages, n):
    stages = stages.copy()
    stages[:n] = UNKNOWN
    return stages


def test_intervals_of_a_mean_agree_with_a_plain_bootstrap():
    values = np.random.default_rng(1).normal(3, 2, 12)
    random = np.random.default_rng(2)
    drawn = [random.choice(values, 12).mean() for _ in range(5000)]
    np.testing.assert_allclose(interval_of_mean(values), np.percentile(drawn, [2.5, 97.5]), atol=0.1)
    assert np.isnan(interval_of_mean(values[:1])).all()


# ---- sleep statistics ----


def test_limits_of_agreement_are_those_of_yasa():
    yasa = pytest.importorskip("yasa")
    nights = scored("model", 1.0).with_expert()
    found = {one.statistic: one for one in bland_altman(nights)}
    tables = {
        whose: pd.DataFrame([sleep_statistics(getattr(night, whose)) for night in nights])
        for whose in ("stages", "expert")
    }
    names = ["TST_min", "SE_percent", "N2_min", "REM_min"]
    theirs = yasa.SleepStatsAgreement(tables["expert"][names], tables["stages"][names]).summary()
    for name in names:
        row, limits = theirs.loc[name], found[name].limits
        assert limits["bias"] == pytest.approx(row["bias_mean", "center"])
        assert limits["lower"] == pytest.approx(row["loa_lower", "center"])
        assert limits["upper"] == pytest.approx(row["loa_upper", "center"])
    assert found.keys() == STATISTICS.keys()


def test_their_intervals_draw_subjects_with_all_their_nights():
    nights = scored("model", 0.5).with_expert()
    [one] = [one for one in bland_altman(nights) if one.statistic == "N2_min"]
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        chosen = random.integers(0, 5, 5)
        drawn.append(limits_of(np.concatenate([one.differences[one.subjects == subject] for subject in chosen])))
    bias, _, lower, upper = np.array(drawn).T
    scale = np.ptp(one.differences)
    for name, values in (("bias", bias), ("lower", lower), ("upper", upper)):
        np.testing.assert_allclose(one.intervals[name], np.percentile(values, [2.5, 97.5]), atol=0.04 * scale)


def test_one_night_has_no_limits_of_agreement():
    night = scored("model", 1.0, (0,)).with_expert()[:1]
    limits = bland_altman(night)[0].limits
    assert np.isfinite(limits["bias"]) and np.isnan([limits["sd"], limits["lower"], limits["upper"]]).all()


# ---- several experts ----

hypnograms = st.integers(1, 30).flatmap(
    lambda n: st.lists(st.lists(st.integers(-1, 4), min_size=n, max_size=n), min_size=2, max_size=5)
)


@given(hypnograms)
def test_soft_agreement_and_consensus_by_loops(rows):
    *experts, mine = (np.array(row, np.int32) for row in rows)
    votes = sum(one_hot(one) for one in experts)
    shares, consensus = [], []
    for epoch, stage in enumerate(mine):
        given_stages = [one[epoch] for one in experts if one[epoch] != UNKNOWN]
        counts = {code: given_stages.count(code) for code in given_stages}
        leading = [code for code, count in counts.items() if count == max(counts.values())]
        consensus.append(leading[0] if len(leading) == 1 else UNKNOWN)
        if given_stages and stage != UNKNOWN:
            shares.append(counts.get(stage, 0) / max(counts.values()))
    np.testing.assert_array_equal(majority(votes), consensus)
    assert soft_agreement(votes, mine) == pytest.approx(np.mean(shares) if shares else float("nan"), nan_ok=True)


def test_a_panel_compares_everybody_with_the_experts_who_are_not_themselves():
    model = scored("model", 2.0, (0, 1))
    experts = [
        Scored(
            label, {name: replace(night, expert=None) for name, night in scored(label, skill, (0, 1, 2)).nights.items()}
        )
        for label, skill in (("one", 3.0), ("two", 2.5), ("three", 0.1))
    ]
    panel = panel_of([model], experts)
    assert [one.label for one in panel.scorers] == ["model", "one", "two", "three"]
    assert len(panel.nights) == 4 and panel.n_epochs == 480
    found = {one.label: one for one in panel.scorers}
    assert found["model"].with_each.keys() == {"one", "two", "three"}
    assert found["two"].with_each.keys() == {"one", "three"}
    joined = {
        one.label: np.concatenate([one.nights[name].stages for name in panel.nights]) for one in (model, *experts)
    }
    expected = sklearn_metrics.cohen_kappa_score(joined["one"], joined["three"])
    assert found["one"].with_each["three"].kappa == found["three"].with_each["one"].kappa == pytest.approx(expected)
    agreed = majority(one_hot(joined["one"]) + one_hot(joined["three"]))
    assert found["two"].with_consensus.n_epochs == np.count_nonzero(joined["one"] == joined["three"])
    assert found["two"].with_consensus.accuracy == np.mean((joined["two"] == agreed)[agreed != UNKNOWN])
    assert found["one"].soft > found["three"].soft


def test_experts_of_other_nights_are_no_panel():
    others = [scored("one", 1.0, (3,)), scored("two", 1.0, (4,))]
    with pytest.raises(InputError, match="model, one, two have no night in common"):
        panel_of([scored("model", 1.0, (0,))], others)
