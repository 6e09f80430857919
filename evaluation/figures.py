"""Every figure of an evaluation, in the style of `scoring.plots`; each keeps its meaning without colour."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from evaluation.agreement import MEASURES, f1_of_nights
from evaluation.curves import Curve
from evaluation.experts import Panel
from evaluation.nights import Scored
from evaluation.pairs import Comparison
from evaluation.sleep import STATISTICS, BlandAltman
from folds.history import Pass
from scoring.confidence import Confidence, Judged
from scoring.plots import COLOURS, INK, PALE, drawing
from sleepstage import STAGE_NAMES, Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ONE_COLUMN, TWO_COLUMNS = 3.5, 7.2  # inches
MODELS: tuple[dict[str, Any], ...] = (  # told apart by mark, line and lightness
    {"color": INK, "marker": "o", "linestyle": "-"},
    {"color": COLOURS[Stage.N2], "marker": "s", "linestyle": "--"},
    {"color": COLOURS[Stage.REM], "marker": "^", "linestyle": ":"},
    {"color": "#8c8c8c", "marker": "D", "linestyle": "-."},
)


def style_of(number: int) -> dict[str, Any]:
    return MODELS[number % len(MODELS)]


# ---- agreement ----


def f1_figure(models: Sequence[Scored]) -> Figure:
    """Draw the F1 of each stage: a mark for each night, and a bar at the median."""
    with drawing(TWO_COLUMNS if len(models) > 1 else ONE_COLUMN, 2.6) as figure:
        axes = figure.add_subplot()
        width = 0.8 / len(models)
        for number, scored in enumerate(models):
            f1 = 100 * f1_of_nights(scored.with_expert())  # (night, stage)
            left = (number - len(models) / 2) * width
            places = np.linspace(left + width * 0.2, left + width * 0.8, len(f1)) if len(f1) > 1 else [left + width / 2]
            look = style_of(number)
            for code in range(len(STAGE_NAMES)):
                known = np.isfinite(f1[:, code])
                axes.plot(
                    code + np.asarray(places)[known], f1[known, code],
                    color=look["color"], marker=look["marker"], linestyle="", markersize=3.5, markerfacecolor="white",
                    label=f"{scored.label}, a night" if code == 0 else None,
                )  # fmt: skip
                if known.any():
                    ends = (code + left + width * 0.1, code + left + width * 0.9)
                    axes.hlines(np.median(f1[known, code]), *ends, color=look["color"], linewidth=2)
        axes.set_xticks(range(len(STAGE_NAMES)), STAGE_NAMES)
        axes.tick_params(axis="x", length=0)
        axes.set_ylim(0, 100)
        axes.set_ylabel("F1 of a night (%)")
        axes.grid(axis="y", color=PALE, linewidth=0.4)
        legend_above(axes)
    return figure


def legend_above(axes: Axes, **how: Any) -> None:
    axes.legend(frameon=False, fontsize=7, loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2, ncols=3, **how)


def comparison_figure(compared: Comparison) -> Figure:
    """Draw the differences of two models: a mark for each subject, the mean and its interval."""
    shown = [one for one in compared.differences if len(one.first)]
    labels = {measure.name: measure.label.replace(" (%)", "").replace("Kappa", "Kappa × 100") for measure in MEASURES}
    with drawing(ONE_COLUMN, 0.9 + 0.26 * len(shown)) as figure:
        axes = figure.add_subplot()
        axes.axvline(0, color=INK, linewidth=0.6)
        for row, one in enumerate(shown):
            differences = 100 * one.differences
            axes.plot(
                differences, np.full(len(differences), row - 0.18), "o", color=INK, markersize=3, fillstyle="none"
            )
            if np.isfinite(one.low):
                axes.hlines(row + 0.18, 100 * one.low, 100 * one.high, color=INK, linewidth=1.2)
            axes.plot(differences.mean(), row + 0.18, "D", color=INK, markersize=4)
        axes.set_yticks(range(len(shown)), [labels[one.measure] for one in shown])
        axes.set_ylim(len(shown) - 0.4, -0.6)
        reach = 1.1 * max([1.0, *(float(np.abs(100 * one.differences).max()) for one in shown)])
        axes.set_xlim(-reach, reach)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x", color=PALE, linewidth=0.4)
        axes.set_xlabel(f"{compared.first} less {compared.second}, points\n○ a subject   ◆ mean, 95 % interval")
    return figure


def bland_altman_figure(statistics: Sequence[BlandAltman], label: str) -> Figure:
    """Draw difference against mean of each sleep statistic, a mark for each night, and bias and limits of agreement."""
    rows = -(-len(statistics) // 3)
    with drawing(TWO_COLUMNS, 0.5 + 1.75 * rows) as figure:
        panels = np.atleast_1d(figure.subplots(rows, 3, squeeze=False)).ravel()
        for axes, one in zip(panels, statistics, strict=False):
            draw_bland_altman(axes, one)
        for axes in panels[len(statistics) :]:
            axes.set_visible(False)
        figure.supxlabel("Mean of model and expert", fontsize=8)
        figure.supylabel(f"{label} less expert", fontsize=8)
    return figure


def draw_bland_altman(axes: Axes, one: BlandAltman) -> None:
    """Draw one statistic: a ring for each night, the bias as a line, the limits of agreement as broken ones."""
    axes.axhline(0, color=PALE, linewidth=0.8)
    axes.plot(one.means, one.differences, "o", color=INK, markersize=3, fillstyle="none")
    limits = one.limits
    axes.axhline(limits["bias"], color=INK, linewidth=1)
    for name in ("lower", "upper"):
        if np.isfinite(limits[name]):
            axes.axhline(limits[name], color=INK, linewidth=0.8, linestyle="--")
    reach = [abs(value) for value in (*one.differences, *limits.values()) if np.isfinite(value)]
    axes.set_ylim(-1.15 * max(1, *reach), 1.15 * max(1, *reach))
    axes.set_title(STATISTICS[one.statistic], fontsize=8)


# ---- experts ----


def experts_figure(panel: Panel) -> Figure:
    """Draw the kappa of every scorer with every expert, with the consensus, and the soft agreement, as shades."""
    experts = [one.label for one in panel.scorers if not one.is_model]
    heads = [*experts, "consensus", "soft"]
    table = np.array(
        [
            [
                *(one.with_each[label].kappa if label in one.with_each else np.nan for label in experts),
                one.with_consensus.kappa if one.with_consensus else np.nan,
                one.soft,
            ]
            for one in panel.scorers
        ]
    )
    with drawing(1.4 + 0.55 * len(heads), 1.0 + 0.4 * len(panel.scorers)) as figure:
        axes = figure.add_subplot()
        axes.imshow(np.clip(table, 0, 1), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(table):
            ink = "white" if value > 0.65 else INK
            axes.text(column, row, f"{value:.2f}" if np.isfinite(value) else "–", ha="center", va="center", color=ink)
        axes.set_xticks(range(len(heads)), heads, rotation=30, ha="right")
        axes.set_yticks(range(len(panel.scorers)), [one.label for one in panel.scorers])
        axes.axvline(len(experts) + 0.5, color="white", linewidth=3)
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title("Kappa, and soft agreement", fontsize=8)
    return figure


# ---- confidence ----


FEWEST_DRAWN = 20  # epochs; the share of fewer is mostly chance


def reliability_figure(every: Sequence[Confidence]) -> Figure:
    """Draw the share of right epochs against confidence, and below how many epochs have it.

    Bins with fewer than 20 epochs are not drawn; the error counts them.
    """
    with drawing(ONE_COLUMN, 3.8) as figure:
        upper, lower = figure.subplots(2, sharex=True, height_ratios=[3, 1])
        upper.plot([0, 100], [0, 100], color=PALE, linewidth=1)
        edges = np.linspace(0, 100, 21)
        for number, one in enumerate(every):
            curve, look = one.reliability, style_of(number)
            label = f"{one.label}: ECE {100 * curve.error:.1f} %"
            drawn = curve.counts >= FEWEST_DRAWN
            upper.plot(
                100 * curve.confidence[drawn], 100 * curve.right[drawn], markersize=4, linewidth=1, label=label, **look
            )
            shares = 100 * np.histogram(100 * one.pooled.confidence, edges)[0] / len(one.pooled.right)
            lower.stairs(shares, edges, color=look["color"], linestyle=look["linestyle"], linewidth=1)
        upper.set_ylim(0, 100)
        upper.set_ylabel("Right (%)")
        upper.grid(color=PALE, linewidth=0.4)
        upper.legend(frameon=False, fontsize=7, loc="upper left")
        lower.set_xlim(20, 100)  # five stages: no confidence is lower
        lower.set_ylim(bottom=0)
        lower.set_ylabel("Epochs (%)")
        lower.set_xlabel("Confidence (%)")
    return figure


def coverage_figure(every: Sequence[Confidence]) -> Figure:
    """Draw how many of the surest epochs are right, of each night as a thin line and of all as a thick one."""
    with drawing(ONE_COLUMN * min(2, len(every)), 2.7) as figure:
        panels = figure.subplots(1, len(every), sharey=True, squeeze=False)[0]
        for number, (axes, one) in enumerate(zip(panels, every, strict=True)):
            for night in one.nights.values():
                axes.plot(*surest_first(night), color="#a6a6a6", linewidth=0.6)
            axes.plot(*surest_first(one.pooled), color=INK, linewidth=1.8, label="all nights")
            at = one.at_limit
            if at.share_above > 0:
                text = f"at the limit, {at.limit:.2f}"
                place = (100 * at.share_above, 100 * at.right_above)
                axes.plot(*place, "o", color=INK, markersize=6, markerfacecolor="white", label=text)
            axes.set_xlim(0, 100)
            axes.set_title(one.label, fontsize=8)
            axes.set_xlabel("Epochs kept, surest first (%)")
            axes.grid(color=PALE, linewidth=0.4)
            axes.legend(frameon=False, fontsize=7, loc="lower left")
            if number == 0:
                axes.set_ylabel("Of these right (%)")
        lowest = min(line.get_ydata().min() for axes in panels for line in axes.get_lines())
        panels[0].set_ylim(max(0.0, 10 * np.floor(lowest / 10)), 101)
    return figure


def surest_first(epochs: Judged) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the percentage of epochs kept, in steps of 1 % from 5 % on, and of these the percentage that is right."""
    order = np.argsort(-epochs.confidence, kind="stable")
    right = np.cumsum(epochs.right[order]) / np.arange(1, len(order) + 1)
    kept = np.arange(5, 101)
    return kept.astype(np.float64), 100 * right[np.maximum(1, np.ceil(kept * len(order) / 100).astype(int)) - 1]


# ---- training ----

CURVES: tuple[tuple[str, Callable[[Pass], float | None]], ...] = (
    ("Cross-entropy, training", lambda one: one.loss_ce),
    ("Accuracy, validation (%)", lambda one: None if one.valid_accuracy is None else 100 * one.valid_accuracy),
    ("Macro-F1, validation (%)", lambda one: None if one.valid_macro_f1 is None else 100 * one.valid_macro_f1),
)


def learning_figure(curves: Sequence[Curve]) -> Figure:
    """Draw loss and validation scores of each fold by pass, a mark at the pass that was kept, and the mean over folds.

    The mean goes as far as every fold does.
    """
    from matplotlib.ticker import MaxNLocator

    with drawing(TWO_COLUMNS, 2.4) as figure:
        panels = figure.subplots(1, len(CURVES))
        for axes, (title, value) in zip(panels, CURVES, strict=True):
            lines = [np.array([value(one) for one in curve.passes], np.float64) for curve in curves]
            for number, (curve, line) in enumerate(zip(curves, lines, strict=True)):
                shade = str(0.15 + 0.5 * number / max(1, len(curves) - 1)) if len(curves) > 1 else INK
                passes = [one.pass_number for one in curve.passes]
                axes.plot(passes, line, color=shade, linewidth=0.7, linestyle=("-", "--", ":", "-.")[number % 4])
                if curve.kept:
                    kept = passes.index(curve.kept.pass_number)
                    axes.plot(passes[kept], line[kept], "o", color=shade, markersize=4, fillstyle="none")
            if len(lines) > 1:
                shortest = min(map(len, lines))
                mean = np.mean([line[:shortest] for line in lines], axis=0)
                axes.plot(np.arange(1, shortest + 1), mean, color=INK, linewidth=2, label=f"mean of {len(lines)} folds")
            axes.set_title(title, fontsize=8)
            axes.set_xlabel("Pass")
            axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
            axes.grid(color=PALE, linewidth=0.4)
        panels[0].plot([], [], "o", color=INK, fillstyle="none", linestyle="", label="kept")
        panels[0].legend(frameon=False, fontsize=7, loc="upper right")
    return figure
