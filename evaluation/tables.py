"""Every table: what was computed → rows, with all digits for a file and rounded for readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from command import counted
from evaluation.agreement import MEASURES, OverSubjects, scores_of_night
from evaluation.nights import Scored
from evaluation.pairs import Comparison
from evaluation.sleep import STATISTICS, BlandAltman
from evaluation.table import Row, Table, shown, shown_p, shown_range, table
from scoring.metrics import Scores
from sleepstage import STAGE_NAMES

ENOUGH_SUBJECTS = 10  # with fewer, percentiles of resampled subjects are clearly too narrow
FEW_SUBJECTS = "With so few subjects the interval is too narrow: it holds what these few differ in, and no more."


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
        f"Agreement of {scored.label} with the expert, {counted(n_subjects, 'subject')}, "
        f"{counted(len(nights), 'night')}, {n_epochs:,} epochs. Mean, SD, median and range are over subjects, each of "
        "which counts once; the interval is that of the figure over all epochs, with subjects drawn (10,000 bootstrap "
        "resamples)." + (f" {FEW_SUBJECTS}" if n_subjects < ENOUGH_SUBJECTS else "")
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
    sizes = f"{counted(n, 'subject')}, {counted(compared.n_nights, 'night')}, {compared.n_epochs:,} epochs"
    said = f"{sizes} that both staged."
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
            **{f"{name}_low": low for name, (low, _) in one.intervals.items()},
            **{f"{name}_high": high for name, (_, high) in one.intervals.items()},
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
            " Prepared nights hold no lights and no epochs that nobody staged: what is left counts as time in bed."
            if prepared
            else ""
        )
    )
    return table(f"sleep_statistics_{scored.label}", caption, rows, as_shown)
