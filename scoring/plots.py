"""Every figure: who was confused with whom, and the night as expert and model saw it.

Figures are made without pyplot, so that drawing one changes no backend and leaves nothing behind in the process. The
suffix of the path chooses the format (`.png`, `.svg`, `.pdf`). Every figure keeps its meaning without colour.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from files.writing import written_whole
from recordings.spectrum import SPECTRUM_HZ
from scoring.sleepstats import runs_of
from scoring.staged import StagedNight, StagedRecording
from sleepstage import EPOCH_SECONDS, STAGE_NAMES, STAGES, UNKNOWN, Stage

if TYPE_CHECKING:  # matplotlib is imported where it draws: `--help` must not wait for it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FROM_THE_TOP = (Stage.W, Stage.REM, Stage.N1, Stage.N2, Stage.N3)
"""The order in which clinicians draw a hypnogram: REM beside wakefulness, which it resembles, then by depth."""

# Blues deepen with non-REM sleep; REM stands apart in vermilion. Told apart in red-green and blue-yellow blindness, and
# in print without colour wherever two of them touch in `FROM_THE_TOP`.
COLOURS = {Stage.W: "#f2dfa7", Stage.REM: "#d1495b", Stage.N1: "#b9d9f0", Stage.N2: "#5b9bd5", Stage.N3: "#12355b"}
INK, PALE = "#222222", "#d9d9d9"

STYLE: Any = {  # by matplotlib's names for its settings
    "font.size": 8,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,  # the grid never covers a line of the hypnogram
    "axes.linewidth": 0.6,
    "axes.edgecolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "figure.constrained_layout.use": True,
    "hatch.linewidth": 0.35,
    "savefig.dpi": 200,
    "svg.fonttype": "none",  # text stays text, to be searched and edited
}


def confusion_figure(confusion: ArrayLike, title: str = "") -> Figure:
    """Draw a confusion matrix: the share of each expert stage that the model gave each stage, and the epochs below it.

    Args:
        confusion: (expert stage, model stage) epochs.
        title: above the matrix; some 45 characters a line.
    """
    with drawing(3.5, 3.6) as figure:
        axes = figure.add_subplot()
        draw_confusion(axes, np.asarray(confusion, np.int64))
        axes.set_title(title, fontsize=8)
    return figure


def night_figure(staged: StagedNight, title: str = "") -> Figure:
    """Draw a prepared night: the expert's hypnogram, where the two differ, the model's, and its probabilities.

    Time runs over the epochs given; epochs that preparation left out take none.

    Args:
        staged: the night, with an expert.
        title: a line above the picture, for instance with the night's name and accuracy.
    """
    assert staged.expert is not None, "a prepared night has an expert"
    hours = np.arange(len(staged) + 1) * EPOCH_SECONDS / 3600  # (epoch + 1,), the edges of the epochs
    heights = [3, 0.4, 3, 2]
    with drawing(7.2, 0.7 + 0.45 * sum(heights)) as figure:
        panels = figure.subplots(len(heights), sharex=True, height_ratios=heights)
        draw_hypnogram(panels[0], hours, staged.expert, "Expert")
        draw_strip(panels[1], hours, staged.expert != staged.stages, "Differ")
        draw_hypnogram(panels[2], hours, staged.stages, "Model")
        draw_hypnodensity(panels[3], hours, staged.probabilities.astype(np.float64))
        finish_time_axis(panels, hours)
        panels[0].set_title(title)
    return figure


def recording_figure(staged: StagedRecording, title: str = "") -> Figure:
    """Draw a scored recording: hypnogram over hypnodensity over spectrogram, with the expert's hypnogram on top if any.

    Time is the recording's clock, or hours from its start where it has none. Where there is no signal, all is grey.

    Args:
        staged: the recording.
        title: a line or two above the picture.
    """
    edges = np.array([staged.onset(epoch) for epoch in range(len(staged) + 1)]) / 3600
    if staged.start:
        edges += staged.start.hour + staged.start.minute / 60 + staged.start.second / 3600
    by_human = [0.4] if staged.reviewed else []
    heights = ([3, 0.4] if staged.expert is not None else []) + [3, *by_human, 0.4, 2, 2.4]
    with drawing(7.2, 0.8 + 0.45 * sum(heights)) as figure:
        panels = figure.subplots(len(heights), sharex=True, height_ratios=heights)
        if staged.expert is not None:
            draw_hypnogram(panels[0], edges, staged.expert, "Expert")
            draw_strip(panels[1], edges, (staged.expert != UNKNOWN) & (staged.expert != staged.stages), "Differ")
        unsure, density, spectrum = panels[-3:]
        hypnogram = panels[2 if staged.expert is not None else 0]
        draw_hypnogram(hypnogram, edges, staged.stages, "Reviewed" if staged.reviewed else "Model")
        if staged.reviewed:
            draw_strip(panels[-4], edges, staged.by_human, "Human")
        draw_strip(unsure, edges, staged.unsure, f"Unsure < {staged.limit:.2f}")
        draw_hypnodensity(density, edges, staged.probabilities.astype(np.float64))
        draw_spectrogram(figure, spectrum, edges, staged.power)
        mark_gaps(panels, edges, staged.stages == UNKNOWN)
        mark_lights(panels, edges[0] - staged.first_second / 3600, staged)
        finish_time_axis(panels, edges, staged.start)
        panels[0].set_title(title, pad=14 if has_lights(staged) else None)
    return figure


def import_matplotlib() -> None:
    """Import what figures are drawn with: a quarter of a second, which may pass beside other work."""
    import matplotlib.backends.backend_agg
    import matplotlib.figure  # noqa: F401


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """Yield an empty figure to draw on in our style; sizes in inches: 3.5 is one column of a journal, 7.2 two."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        yield Figure(figsize=(width, height))


def save(figure: Figure, *paths: Path) -> None:
    """Write a figure in the format of each path's suffix.

    Raises:
        InputError: a picture cannot be written.
    """
    from matplotlib import rc_context

    with rc_context(STYLE):
        for path in paths:
            with written_whole(path) as partial:
                figure.savefig(partial)


# ---- the parts of the figures ----


def draw_confusion(axes: Axes, counts: NDArray[np.int64]) -> None:
    """Draw (expert stage, model stage) epochs: the share of each row as shade, share and number as text."""
    by_expert = counts.sum(axis=1, keepdims=True)
    percent = 100 * counts / np.maximum(by_expert, 1)  # (expert, model); a stage that the expert never used is all 0
    axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), share in np.ndenumerate(percent):
        ink = "white" if share > 65 else INK
        shown = f"{share:.1f} %" if by_expert[row, 0] else "–"
        axes.text(column, row - 0.08, shown, ha="center", va="center", color=ink)
        axes.text(column, row + 0.22, f"{counts[row, column]:,}", ha="center", va="center", color=ink, fontsize=6)
    axes.set_xticks(range(len(STAGES)), STAGE_NAMES)
    axes.set_yticks(range(len(STAGES)), STAGE_NAMES)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Model")
    axes.set_ylabel("Expert")


def draw_hypnogram(axes: Axes, hours: NDArray[np.float64], stages: NDArray[Any], label: str) -> None:
    """Draw (epoch,) stage codes as a stair between the edges `hours`, (epoch + 1,), with REM as a thick line."""
    level = np.full(len(STAGES) + 1, np.nan)  # the last one is that of UNKNOWN, -1: no line
    level[list(FROM_THE_TOP)] = range(len(STAGES))  # 0 is the top: the axis is turned over below
    add_stairs(axes, level[stages], hours, baseline=None, fill=False, edgecolor=INK, linewidth=0.7)
    starts, ends = runs_of(stages == Stage.REM)
    axes.hlines(
        np.full(len(starts), level[Stage.REM]), hours[starts], hours[ends], color=COLOURS[Stage.REM], linewidth=3.5
    )
    axes.set_yticks(range(len(STAGES)), [stage.name for stage in FROM_THE_TOP])
    axes.set_ylim(len(STAGES) - 0.6, -0.4)
    for stage in FROM_THE_TOP:
        minutes = np.count_nonzero(stages == stage) * EPOCH_SECONDS / 60
        beside: Any = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 7}
        axes.text(1.006, level[stage], f"{minutes:.0f} min", **beside)
    axes.grid(axis="both", color=PALE, linewidth=0.4)
    axes.set_ylabel(label)


def add_stairs(axes: Axes, values: NDArray[np.float64], edges: NDArray[np.float64], **how: Any) -> None:
    """Draw what `axes.stairs` draws, without its search for limits, which are set elsewhere: it looks at every step."""
    from matplotlib.patches import StepPatch

    axes.add_artist(StepPatch(values, edges, **how))


def draw_strip(axes: Axes, hours: NDArray[np.float64], mask: NDArray[np.bool_], label: str) -> None:
    add_stairs(axes, mask.astype(np.float64), hours, baseline=0, fill=True, color=INK, linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], [label])
    axes.tick_params(axis="y", length=0)
    axes.spines[:].set_visible(False)
    axes.set_facecolor("#f2f2f2")


def draw_hypnodensity(axes: Axes, hours: NDArray[np.float64], probabilities: NDArray[np.float64]) -> None:
    """Draw (epoch, stage) probabilities, stacked with the deepest stage at the bottom."""
    upwards = FROM_THE_TOP[::-1]
    tops = np.cumsum(probabilities[:, list(upwards)], axis=1)  # (epoch, stage), stacked from the deepest stage up
    bottom = np.zeros(len(probabilities))
    for stage, top in zip(upwards, tops.T, strict=True):
        # Without colour REM and N2 are alike, and they touch where N1 is improbable: REM is hatched.
        hatch: Any = {"hatch": "/////", "edgecolor": "white"} if stage is Stage.REM else {}
        style: Any = {"facecolor": COLOURS[stage], "linewidth": 0, "label": stage.name, **hatch}
        add_stairs(axes, top, hours, baseline=bottom, fill=True, **style)
        bottom = top
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1])
    axes.set_ylabel("Probability")
    axes.legend(reverse=True, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, handlelength=1, fontsize=7)


def draw_spectrogram(figure: Figure, axes: Axes, hours: NDArray[np.float64], power: NDArray[np.float32]) -> None:
    """Draw (epoch, frequency) dB. The map is one that the colour-blind read alike, and that grows lighter evenly."""
    hours, shown = in_fewer_columns(hours, power[:, 1:])  # without 0 Hz, which amplifiers take away
    low, high = np.nanpercentile(shown, (5, 98)) if np.isfinite(shown).any() else (0, 1)
    step = SPECTRUM_HZ[1]
    edges = np.arange(shown.shape[1] + 1) * step + step / 2  # (frequency + 1,) Hz
    mesh = axes.pcolormesh(hours, edges, shown.T, cmap="cividis", vmin=low, vmax=max(high, low + 1), rasterized=True)
    axes.set_ylim(0, SPECTRUM_HZ[-1])
    axes.set_yticks([0, 10, 20, 30])
    axes.set_ylabel("Frequency (Hz)")
    bar = figure.colorbar(mesh, cax=axes.inset_axes((1.015, 0, 0.014, 1)))
    bar.set_label("dB (µV²/Hz)", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    bar.outline.set_visible(False)


MOST_COLUMNS = 2880  # of the spectrogram, a day: two a pixel


def in_fewer_columns(
    hours: NDArray[np.float64], power: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """Return edges and dB of the mean of some epochs each, where there are more than a picture can show.

    A column has no signal, nan, only where none of its epochs has one.
    """
    together = -(-len(power) // MOST_COLUMNS)
    if together <= 1:
        return hours, power
    firsts = np.arange(0, len(power), together)
    present = np.isfinite(power)
    sums = np.add.reduceat(np.where(present, power, 0), firsts, axis=0)  # (epoch, frequency) -> (column, frequency)
    counts = np.add.reduceat(present, firsts, axis=0, dtype=np.float32)
    means = np.full_like(sums, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return np.append(hours[firsts], hours[-1]), means


def mark_gaps(panels: NDArray[Any], hours: NDArray[np.float64], missing: NDArray[np.bool_]) -> None:
    for start, end in zip(*runs_of(missing), strict=True):
        for axes in panels:
            axes.axvspan(hours[start], hours[end], color=PALE, linewidth=0)


def has_lights(staged: StagedRecording) -> bool:
    return staged.lights_off is not None or staged.lights_on is not None


def mark_lights(panels: NDArray[Any], start: float, staged: StagedRecording) -> None:
    """Draw a broken line through all panels where the lights go off and on; `start` is the recording's, in hours."""
    for second, text in ((staged.lights_off, "lights off"), (staged.lights_on, "lights on")):
        if second is None:
            continue
        hour = start + second / 3600
        for axes in panels:
            axes.axvline(hour, color=INK, linewidth=0.8, linestyle=(0, (4, 2)))
        place: Any = {"xycoords": ("data", "axes fraction"), "xytext": (0, 2), "textcoords": "offset points"}
        panels[0].annotate(text, (hour, 1), **place, ha="center", fontsize=7)


def finish_time_axis(panels: NDArray[Any], hours: NDArray[np.float64], start: datetime | None = None) -> None:
    """Label the time below the last panel: the clock from `start` on, or hours."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

    for axes in panels[:-1]:
        axes.tick_params(axis="x", length=0)
        axes.spines["bottom"].set_visible(False)
    panels[-1].set_xlim(hours[0], hours[-1])
    panels[-1].xaxis.set_major_locator(MaxNLocator(12, steps=[1, 2, 2.5, 5, 10]))
    panels[-1].set_xlabel("Time (hours)")
    if start:
        shown = "%H:%M" if hours[-1] - hours[0] <= 24 else "%H:%M\n%d %b"
        steps = (5 / 60, 10 / 60, 0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96)
        step = next(step for step in steps if (hours[-1] - hours[0]) / step <= 12)
        panels[-1].xaxis.set_major_locator(MultipleLocator(step))
        panels[-1].xaxis.set_major_formatter(FuncFormatter(lambda hour, _: moment(start, hour).strftime(shown)))
        panels[-1].set_xlabel("Clock time")


def moment(start: datetime, hour: float) -> datetime:
    """Return the moment `hour` hours after the midnight before `start`, to the minute."""
    return datetime(start.year, start.month, start.day) + timedelta(minutes=round(hour * 60))
