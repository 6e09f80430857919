"""Every table: what was computed → rows, with all digits for a file and rounded for readers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from evaluation.agreement import MEASURES, OverSubjects, scores_of_night
from evaluation.confidence import Confidence
from evaluation.curves import Curve
from evaluation.experts import Panel
from evaluation.nights import Scored
from evaluation.pairs import Comparison
from evaluation.sleep import STATISTICS, BlandAltman
from evaluation.table import NO_VALUE, Table, shown, shown_p, shown_range
from scoring.metrics import Scores
from sleepstage import STAGE_NAMES

Row = dict[str, Any]


def table(name: str, caption: str, rows: Sequence[Row], as_shown: Callable[[Row], Row]) -> Table:
    """Return a table of rows; `as_shown` makes of a row what readers see."""
    import pandas as pd

    return Table(name, caption, pd.DataFrame(rows), pd.DataFrame([as_shown(row) for row in rows], dtype=object))


def n_of(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


# ---- agreement ----


def agreement_table(scored: Scored, figures: Mapping[str, OverSubjects]) -> Table:
    """Return every figure over subjects: mean and SD, median and quartiles, range, pooled with its interval."""
    nights = scored.with_expert()
    n_epochs = sum(int(night.both.sum()) for night in nights)
    n_subjects = len({night.subject for night in nights})
    rows = [
        {"figure": measure.label}
        | {
            name: value * (1 if name == "n_subjects" else measure.scale)
            for name, value in asdict(figures[measure.name]).items()
        }
        for measure in MEASURES
    ]
    digits = {measure.label: measure.digits for measure in MEASURES}

    def as_shown(row: Row) -> Row:
        some = digits[row["figure"]]
        return {
            "": row["figure"],
            "subjects": str(row["n_subjects"]),
            "mean ± SD": f"{shown(row['mean'], some)} ± {shown(row['sd'], some)}",
            "median (quartiles)": (
                f"{shown(row['median'], some)} ({shown_range((row['quartile_1'], row['quartile_3']), some)})"
            ),
            "range": shown_range((row["lowest"], row["highest"]), some),
            "all epochs": shown(row["pooled"], some),
            "95 % interval": shown_range((row["low"], row["high"]), some),
        }

    caption = (
        f"Agreement of {scored.label} with the expert, {n_of(n_subjects, 'subject')}, {n_of(len(nights), 'night')}, "
        f"{n_epochs:,} epochs. Mean, SD, median and range are over subjects, each of which counts once; the interval "
        "is that of the figure over all epochs, with subjects drawn (10,000 bootstrap resamples)."
    )
    return table(f"agreement_{scored.label}", caption, rows, as_shown)


def stage_table(scored: Scored, pooled: Scores) -> Table:
    """Return precision, recall and F1 of each stage, and the confusion matrix, over all epochs."""
    rows = [
        {
            "stage": name,
            "precision_percent": 100 * pooled.precision[code],
            "recall_percent": 100 * pooled.recall[code],
            "f1_percent": 100 * pooled.f1[code],
            "epochs": int(pooled.support[code]),
            **{f"as_{other}": int(pooled.confusion[code, number]) for number, other in enumerate(STAGE_NAMES)},
        }
        for code, name in enumerate(STAGE_NAMES)
    ]

    def as_shown(row: Row) -> Row:
        return {
            "expert's stage": row["stage"],
            **{
                f"{name} (%)": shown(row[f"{key}_percent"])
                for name, key in (("precision", "precision"), ("recall", "recall"), ("F1", "f1"))
            },
            "epochs": f"{row['epochs']:,}",
            **{f"as {name}": f"{row[f'as_{name}']:,}" for name in STAGE_NAMES},
        }

    caption = f"Stages of {scored.label} over all epochs; the last columns are the confusion matrix."
    return table(f"stages_{scored.label}", caption, rows, as_shown)


def night_table(models: Sequence[Scored]) -> Table:
    """Return the figures of every night of every model."""
    rows: list[Row] = []
    for scored in models:
        for night in scored.with_expert():
            scores = scores_of_night(night)
            rows.append(
                {"model": scored.label, "night": night.name, "subject": night.subject, "epochs": scores.n_epochs}
                | {measure.label: measure.scale * measure.of(scores) for measure in MEASURES}
            )

    def as_shown(row: Row) -> Row:
        figures = {one.label: shown(row[one.label], one.digits) for one in MEASURES}
        return {name: str(row[name]) for name in ("model", "night", "subject", "epochs")} | figures

    return table("nights", "Agreement with the expert, night by night.", rows, as_shown)


# ---- comparisons ----


def comparison_table(compared: Comparison) -> Table:
    """Return the differences of two models, figure by figure."""
    scales = {measure.name: measure for measure in MEASURES}
    rows: list[Row] = []
    for one in compared.differences:
        measure = scales[one.measure]
        rows.append(
            {
                "figure": measure.label,
                "n_subjects": len(one.first),
                f"mean_{compared.first}": measure.scale * mean(one.first),
                f"mean_{compared.second}": measure.scale * mean(one.second),
                "mean_difference": measure.scale * mean(one.differences),
                "low": measure.scale * one.low,
                "high": measure.scale * one.high,
                "p": one.p,
                "p_holm": one.p_holm,
                "rank_biserial": one.rank_biserial,
                "d_z": one.d_z,
            }
        )
    digits = {measure.label: measure.digits for measure in MEASURES}

    def as_shown(row: Row) -> Row:
        some = digits[row["figure"]]
        return {
            "": row["figure"],
            "subjects": str(row["n_subjects"]),
            **{label: shown(row[f"mean_{label}"], some) for label in (compared.first, compared.second)},
            "difference": shown(row["mean_difference"], some),
            "95 % interval": shown_range((row["low"], row["high"]), some),
            "p": shown_p(row["p"]),
            "p (Holm)": shown_p(row["p_holm"]),
            "rank-biserial": shown(row["rank_biserial"], 2),
            "d": shown(row["d_z"], 2),
        }

    caption = f"{compared.first} less {compared.second}, subject by subject. {what_so_few_can_say(compared)}"
    return table(f"comparison_{compared.first}_{compared.second}", caption, rows, as_shown)


def mean(values: Any) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def what_so_few_can_say(compared: Comparison) -> str:
    """Return how many subjects there are, and what that leaves open."""
    n = len(compared.subjects)
    said = f"{n_of(n, 'subject')}, {n_of(compared.n_nights, 'night')}, {compared.n_epochs:,} epochs that both staged."
    if n == 1:
        return f"{said} One subject says nothing about others: there is no interval and no test."
    said += " Intervals: 95 % of the mean difference, subjects drawn; p: Wilcoxon's signed-rank test, two-sided."
    if compared.smallest_p > 0.05:
        said += f" With {n} subjects p cannot fall below {compared.smallest_p:.3g}, whatever the models are."
    return said


def bland_altman_table(scored: Scored, statistics: Sequence[BlandAltman]) -> Table:
    """Return bias and limits of agreement of each sleep statistic."""
    rows = [
        {
            "statistic": one.statistic,
            "n_nights": len(one.model),
            "n_subjects": len(set(one.subjects.tolist())),
            "mean_expert": mean(one.expert),
            "mean_model": mean(one.model),
            **one.limits,
            **{
                f"{name}_{end}": limit
                for name, both in one.intervals.items()
                for end, limit in zip(("low", "high"), both, strict=True)
            },
        }
        for one in statistics
    ]

    def as_shown(row: Row) -> Row:
        return {
            "": STATISTICS[row["statistic"]],
            "nights": str(row["n_nights"]),
            "expert": shown(row["mean_expert"]),
            "model": shown(row["mean_model"]),
            "bias": shown(row["bias"]),
            "95 % interval": shown_range((row["bias_low"], row["bias_high"])),
            "SD": shown(row["sd"]),
            "limits of agreement": shown_range((row["lower"], row["upper"])),
        }

    prepared = any(not night.on_clock for night in scored.with_expert())
    caption = (
        f"Sleep statistics of {scored.label} less the expert's, over nights (Bland and Altman). Intervals: subjects "
        "drawn."
        + (
            " Prepared nights hold no lights and no epochs that nobody staged: time in bed is all that is left of a night."
            if prepared
            else ""
        )
    )
    return table(f"sleep_statistics_{scored.label}", caption, rows, as_shown)


# ---- experts ----


def experts_table(panel: Panel) -> Table:
    """Return how far models and experts agree with each expert, with the consensus, and softly."""
    experts = [one.label for one in panel.scorers if not one.is_model]
    rows: list[Row] = []
    for one in panel.scorers:
        consensus = one.with_consensus
        rows.append(
            {
                "scorer": one.label,
                "is_model": one.is_model,
                **{
                    f"kappa_{label}": one.with_each[label].kappa if label in one.with_each else float("nan")
                    for label in experts
                },
                "consensus_epochs": consensus.n_epochs if consensus else 0,
                **{
                    f"consensus_{measure.name}": measure.of(consensus) if consensus else float("nan")
                    for measure in MEASURES
                },
                "soft_agreement": one.soft,
            }
        )

    def as_shown(row: Row) -> Row:
        return {
            "": row["scorer"],
            **{f"kappa, {label}": shown(row[f"kappa_{label}"], 3) for label in experts},
            "consensus: accuracy (%)": shown(100 * row["consensus_accuracy"]),
            "macro-F1 (%)": shown(100 * row["consensus_macro_f1"]),
            "kappa": shown(row["consensus_kappa"], 3),
            "soft agreement": shown(row["soft_agreement"], 3),
        }

    caption = (
        f"{n_of(len(experts), 'expert')}, {n_of(len(panel.nights), 'night')}, {panel.n_epochs:,} epochs. The consensus "
        f"is the stage that most experts chose; {100 * panel.agreed:.1f} % of the epochs have one, the others are left "
        "out. An expert is compared with the others."
    )
    return table("experts", caption, rows, as_shown)


# ---- confidence ----


def confidence_table(every: Sequence[Confidence]) -> Table:
    """Return how well confidence is calibrated, and what the limit does."""
    rows = [
        {
            "model": one.label,
            "epochs": len(one.pooled.right),
            "mean_confidence_percent": 100 * float(one.pooled.confidence.mean()),
            "right_percent": 100 * float(one.pooled.right.mean()),
            "calibration_error_percent": 100 * one.reliability.error,
            "brier": one.pooled.brier,
            "limit": one.limit,
            "above_percent": 100 * one.at_limit.share_above,
            "right_above_percent": 100 * one.at_limit.right_above,
            "right_below_percent": 100 * one.at_limit.right_below,
            "lowest_right_above_percent": 100 * one.worst_night[1],
            "lowest_night": one.worst_night[0],
        }
        for one in every
    ]

    def as_shown(row: Row) -> Row:
        return {
            "": row["model"],
            "confidence (%)": shown(row["mean_confidence_percent"]),
            "right (%)": shown(row["right_percent"]),
            "ECE (%)": shown(row["calibration_error_percent"]),
            "Brier": shown(row["brier"], 3),
            "limit": shown(row["limit"], 2),
            "epochs above (%)": shown(row["above_percent"]),
            "of these right (%)": shown(row["right_above_percent"]),
            "below, right (%)": shown(row["right_below_percent"]),
            "worst night, above (%)": f"{shown(row['lowest_right_above_percent'])} ({row['lowest_night'] or NO_VALUE})",
        }

    caption = (
        "Confidence against what is right. ECE: expected calibration error, ten bins of equal width. Above the limit an "
        "epoch counts as sure. Where nights have limits of their own (folds), their mean stands here."
    )
    return table("confidence", caption, rows, as_shown)


def limit_table(every: Sequence[Confidence]) -> Table:
    """Return, night by night, how many epochs lie above the limit, and how many of them are right."""
    rows = [
        {
            "model": one.label,
            "night": name,
            "limit": at.limit,
            "above_percent": 100 * at.share_above,
            "right_above_percent": 100 * at.right_above,
            "right_below_percent": 100 * at.right_below,
        }
        for one in every
        for name, at in one.by_night.items()
    ]

    def as_shown(row: Row) -> Row:
        return {
            "model": row["model"],
            "night": row["night"],
            "limit": shown(row["limit"], 2),
            "epochs above (%)": shown(row["above_percent"]),
            "of these right (%)": shown(row["right_above_percent"]),
            "below, right (%)": shown(row["right_below_percent"]),
        }

    return table("confidence_nights", "What the limit of confidence does, night by night.", rows, as_shown)


# ---- training ----


def training_table(curves: Sequence[Curve]) -> Table:
    """Return what the training of each fold came to."""
    rows = [
        {
            "fold": one.label,
            "passes": len(one.passes),
            "kept_pass": one.kept.pass_number if one.kept else None,
            "valid_accuracy_percent": 100 * (one.kept.valid_accuracy or 0) if one.kept else float("nan"),
            "valid_macro_f1_percent": 100 * (one.kept.valid_macro_f1 or 0) if one.kept else float("nan"),
            "minutes": sum(each.seconds for each in one.passes) / 60,
        }
        for one in curves
    ]

    def as_shown(row: Row) -> Row:
        return {
            "fold": row["fold"],
            "passes": str(row["passes"]),
            "kept pass": str(row["kept_pass"] or NO_VALUE),
            "validation accuracy (%)": shown(row["valid_accuracy_percent"]),
            "validation macro-F1 (%)": shown(row["valid_macro_f1_percent"]),
            "minutes": shown(row["minutes"]),
        }

    return table("training", "Training passes, and the pass whose weights were kept.", rows, as_shown)
