"""report.html: all scored recordings in one file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from command import as_text
from files.writing import written_whole
from scoring import metrics
from scoring.methods import methods_of_recordings, review_text
from scoring.recording_files import confidence, how_it_was_staged
from scoring.staged import StagedRecording, time_of
from sleepstage import EPOCH_SECONDS, STAGE_NAMES

SHOWN_STATISTICS = {  # name in the summary: what a reader sees
    "TIB_min": "Time in bed (TIB), min",
    "SPT_min": "Sleep period time (SPT), min",
    "TST_min": "Total sleep time (TST), min",
    "SE_percent": "Sleep efficiency (SE), % of TIB",
    "SOL_min": "Sleep onset latency (SOL), min",
    "LPS_min": "Latency to persistent sleep (10 min), min",
    "REM_latency_min": "REM latency, min from sleep onset",
    "WASO_min": "Wake after sleep onset (WASO), min",
    "awakenings": "Awakenings",
    "fragmentation_index": "Fragmentation index, transitions to W per hour of sleep",
    "transitions": "Stage transitions",
    "unscored_min": "Not staged, min",
}
OVERVIEW_STATISTICS = ("TST_min", "SE_percent", "REM_percent", "N3_percent")
NO_DEVICE = "<p>For research only: this program is not a medical device, and its stages are no diagnosis.</p>"
NARROW = (  # tables and pictures on a telephone, or in half a window
    "@media (max-width: 700px) { .table { display: block; overflow-x: auto; } img { max-width: 100%; height: auto; } }"
)
RUNS_TEXT = "Runs of two minutes or more are listed as worth a look."


PICTURE_TEXT = (
    "Grey or broken: nobody staged it. Unsure: epochs of low confidence, and its limit. Below: the "
    "probability of each stage, and the power spectrum. Broken upright lines: lights off and on."
)


def write_report(path: Path, scored: Sequence[StagedRecording], failed: Mapping[str, str]) -> None:
    """Write one self-contained HTML file over all recordings; their pictures must lie beside it.

    Args:
        path: the file to write.
        scored: the recordings.
        failed: the recordings that could not be scored, and why.

    Raises:
        InputError: it cannot be written.
    """
    from mne import Report

    report = Report(title="Sleep staging report", verbose="ERROR")
    failures = f"<h5>Not scored</h5>{html_list([f'{name}: {why}' for name, why in failed.items()])}" if failed else ""
    report.add_custom_css(NARROW)
    report.add_html(NO_DEVICE + overview(scored) + failures, title="All recordings", tags=("overview",))
    for staged in scored:
        where: Any = {"section": staged.title}
        picture = path.parent / f"{staged.name}_hypnogram.png"
        report.add_image(picture, title="Night", caption=PICTURE_TEXT, tags=("night",), **where)
        report.add_html(recording_html(staged), title="Recording", tags=("recording",), **where)
        report.add_html(statistics_html(staged), title="Sleep statistics", tags=("statistics",), **where)
        report.add_html(trust_html(staged), title="Before you trust it", tags=("trust",), **where)
        if staged.agreement and staged.expert_file:
            text = f"Expert: {as_text(staged.expert_file.name)}\n\n{metrics.as_text(staged.agreement)}"
            report.add_html(f"<pre>{escape(text)}</pre>", title="Agreement", tags=("agreement",), **where)
    report.add_html(methods_html(scored), title="Methods", tags=("methods",))
    with written_whole(path) as partial:
        report.save(partial, overwrite=True, open_browser=False, verbose="ERROR")


def recording_html(staged: StagedRecording) -> str:
    """Return the table of what was recorded, and who staged it."""
    n_by_human = int(staged.by_human.sum())
    rows = [
        ("Recording", as_text(staged.path.name) if staged.path else staged.name),
        ("Date", f"{staged.start:%Y-%m-%d}" if staged.start else "not known"),
        ("Start", f"{staged.start:%H:%M:%S}" if staged.start else "not known"),
        ("Length", f"{len(staged) * EPOCH_SECONDS / 3600:.2f} h, {len(staged)} epochs"),
        ("Channel", " + ".join(f"{one.label} ({one.rate:g} Hz)" for one in staged.channels)),
        ("Staged by", f"the model; {n_by_human} epochs by a human" if n_by_human else "the model"),
    ]
    return html_table(("", ""), rows)


def overview(scored: Sequence[StagedRecording]) -> str:
    """Return the table over all recordings, one row for each."""
    heads = ("Recording", "Channel", "Hours", "TST min", "SE %", "REM %", "N3 %", "Unsure %", "Kappa", "Warnings")
    rows = []
    for staged in scored:
        agreement = staged.agreement
        rows.append(
            (
                staged.title,
                " + ".join(channel.label for channel in staged.channels),
                f"{len(staged) * EPOCH_SECONDS / 3600:.1f}",
                *(shown(staged.statistics.get(name)) for name in OVERVIEW_STATISTICS),
                f"{100 * staged.unsure.mean():.1f}",
                metrics.number(agreement.kappa, 0, 3) if agreement else "",
                str(len(staged.warnings)),
            )
        )
    return html_table(heads, rows)


def shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}" if isinstance(value, float) else str(value)


def html_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="table table-sm"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def html_list(items: Sequence[str]) -> str:
    return "<ul>" + "".join(f"<li>{escape(item)}</li>" for item in items) + "</ul>" if items else "<p>Nothing.</p>"


def statistics_html(staged: StagedRecording) -> str:
    """Return the tables of the sleep statistics, of the lights and of each stage."""
    statistics = staged.statistics
    if not statistics:
        return f"<p>No statistics: {escape(staged.reason)}.</p>"
    ends = {"Lights off": staged.lights_off, "Lights on": staged.lights_on}
    rows = [
        *((text, "not given" if second is None else time_of(staged.start, second)) for text, second in ends.items()),
        *([] if any(second is not None for second in ends.values()) else [("Time in bed", "the whole recording")]),
        *((text, shown(statistics[name])) for name, text in SHOWN_STATISTICS.items()),
    ]
    stages = [
        (name, shown(statistics[f"{name}_min"]), shown(statistics.get(f"{name}_percent"))) for name in STAGE_NAMES
    ]
    tables = html_table(("", "Value"), rows) + html_table(("Stage", "Minutes", "% of TST"), stages)
    return tables + cycles_html(staged)


def cycles_html(staged: StagedRecording) -> str:
    """Return the table of the NREM–REM cycles, one row for each."""
    cycles = staged.architecture["cycles"]
    names = ("start_min", "duration_min", *(f"{name}_min" for name in STAGE_NAMES))
    heads = ("NREM–REM cycle", "Start, min from lights off", "Minutes", *STAGE_NAMES)
    rows = [
        (f"{number}{'' if one['complete'] else ' (without REM)'}", *(shown(float(one[name])) for name in names))
        for number, one in enumerate(cycles, 1)
    ]
    return html_table(heads, rows)


def trust_html(staged: StagedRecording) -> str:
    """Return warnings, notes, what is worth a look, and how confidence is meant."""
    runs = [
        f"{staged.clock(run.first)}: {run.n_epochs} epochs, mean confidence {run.confidence:.2f}"
        for run in staged.doubtful_runs
    ]
    parts = {"Warnings": staged.warnings, "Notes": staged.notices, "Worth a look": runs}
    if staged.reviewed:
        parts = {"Review": [review_text(staged)], **parts}
    return (
        "".join(f"<h5>{name}</h5>{html_list(items)}" for name, items in parts.items())
        + f"<p>{escape(confidence(staged)['in_words'])} {RUNS_TEXT}</p>"
    )


def methods_html(scored: Sequence[StagedRecording]) -> str:
    """Return how the stages came about: weights, folds, conversions, versions."""
    used = {one["fold"]: one for staged in scored for one in how_it_was_staged(staged)["checkpoints"]}
    names = ("fold", "format", "pass_number", "global_step", "folder")
    rows = [tuple(str(used[number][name]) for name in names) for number in sorted(used)]
    heads = ("Fold", "Format", "Kept after pass", "Step", "Folder")
    how = [
        f"{staged.title}, {one.label}: {step}"
        for staged in scored
        for one in staged.channels
        for step in one.conversions
    ]
    return (
        f"<p>{escape(methods_of_recordings(scored))}</p>{html_table(heads, rows)}<h5>Conversions</h5>{html_list(how)}"
    )
