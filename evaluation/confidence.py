"""A folder's nights → how far the confidence in them can be trusted."""

from __future__ import annotations

from collections.abc import Sequence

from evaluation.nights import Scored
from evaluation.table import NO_VALUE, Row, Table, shown, table
from scoring.confidence import Confidence, judged
from scoring.staged import LOW_CONFIDENCE


def confidence_of(scored: Scored) -> Confidence | None:
    """Return a model's confidence over all its nights with an expert; None for hypnograms, which have none."""
    nights, limits = {}, {}
    for night in scored.with_expert():
        if night.probabilities is not None and night.expert is not None:
            nights[night.name] = judged(night.probabilities, night.expert)
            limits[night.name] = LOW_CONFIDENCE if night.limit is None else night.limit
    return Confidence(scored.label, nights, limits) if nights else None


# ---- for readers ----


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
            "limit": one.at_limit.limit,
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
        "Confidence against what is right. ECE: expected calibration error, ten bins of equal width. Below the limit "
        "an epoch counts as unsure. Where nights have limits of their own (folds), their mean stands here."
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
