"""All that scored recordings leave on disk: a table, EDF+ annotations, a summary, pictures, and a report over them.

STEM_stages.csv      a row an epoch: time, stage, probabilities, confidence
STEM_stages.edf      the stages as EDF+ annotations
STEM_summary.json    sleep statistics, agreement, model, channels, warnings
STEM_hypnogram.png   and .svg: hypnogram, hypnodensity and spectrogram
report.html          all recordings in one file
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import metrics
from checkpoint import Fold, library_versions, save_json
from command import written_whole
from metrics import Scores
from plots import recording_picture
from recording import SIMULATED, TARGET_RATE, resampling
from sleepstage import EPOCH_SECONDS, STAGE_NAMES, UNKNOWN, Stage
from sleepstats import Statistics, sleep_statistics
from staging import LOW_CONFIDENCE, StagedChannel, StagedRecording, doubtful_runs, time_of

if TYPE_CHECKING:
    import pandas as pd

EDF_TEXTS = {UNKNOWN: "Sleep stage ?"} | {
    int(stage): f"Sleep stage {'R' if stage is Stage.REM else stage.name}" for stage in Stage
}
"""The texts that EDF+ gives the AASM stages (https://www.edfplus.info/specs/edftexts.html)."""


def write_recording(folder: Path, staged: StagedRecording, folds: Sequence[Fold]) -> list[Path]:
    """Write all files of one recording, each whole or not at all, and return their paths.

    Raises:
        InputError: a file cannot be written.
    """
    endings = ("_stages.csv", "_stages.edf", "_summary.json", "_hypnogram.png", "_hypnogram.svg")
    table, annotations, summary, *pictures = (folder / f"{staged.path.stem}{ending}" for ending in endings)
    with written_whole(table) as partial:
        stage_table(staged).to_csv(partial, index=False)
    write_annotations(annotations, staged)
    save_json(summary, summarize(staged, folds))
    recording_picture(pictures, staged, title(staged))
    return [table, annotations, summary, *pictures]


# ---- figures ----


def statistics_of(staged: StagedRecording) -> Statistics | None:
    """Return the sleep statistics between lights off and lights on; None when there is no epoch in between."""
    stages = staged.stages[staged.in_bed]
    return sleep_statistics(stages) if len(stages) else None


def agreement_of(staged: StagedRecording) -> Scores | None:
    """Return the agreement with the expert over all epochs that both staged; None without an expert."""
    if staged.expert is None:
        return None
    both = (staged.expert != UNKNOWN) & (staged.stages != UNKNOWN)
    return metrics.scores(staged.expert[both], staged.stages[both]) if both.any() else None


# ---- the table ----


def stage_table(staged: StagedRecording) -> pd.DataFrame:
    """Return one row an epoch. `stage` is ? where there is no signal; `clock` is there when the recording has one."""
    import pandas as pd

    names = np.array([*STAGE_NAMES, "?"])  # the last one is that of UNKNOWN, -1
    epochs = range(len(staged))
    columns: dict[str, Any] = {
        "recording": staged.name,
        "epoch": epochs,
        "onset_s": [staged.onset(epoch) for epoch in epochs],
        "clock": [staged.clock(epoch) for epoch in epochs] if staged.start else None,
        "stage": names[staged.stages],
        **{f"p_{name}": staged.probabilities[:, code].round(4) for code, name in enumerate(STAGE_NAMES)},
        "confidence": staged.confidence.round(4),
        "flags": flags(staged),
        "expert": None if staged.expert is None else names[staged.expert],
    }
    return pd.DataFrame({name: column for name, column in columns.items() if column is not None})


def flags(staged: StagedRecording) -> list[str]:
    """Return what is wrong with each epoch, in words."""
    masks = {
        "no signal": staged.stages == UNKNOWN,
        "low confidence": staged.unsure,
        **{what: any_channel(staged, what) for what in ("flat", "clipped")},
    }
    return ["; ".join(text for text, mask in masks.items() if mask[epoch]) for epoch in range(len(staged))]


def any_channel(staged: StagedRecording, what: str) -> Any:
    return np.any([getattr(channel, what)[: len(staged)] for channel in staged.channels], axis=0)


# ---- annotations ----


def write_annotations(path: Path, staged: StagedRecording) -> None:
    """Write the stages as an EDF+ file of annotations only, one an epoch, on the recording's own clock."""
    from edfio import Edf, EdfAnnotation, Patient, Recording

    annotations = [
        EdfAnnotation(staged.onset(epoch), EPOCH_SECONDS, EDF_TEXTS[int(stage)])
        for epoch, stage in enumerate(staged.stages)
    ]
    dated = staged.start is not None and staged.start.year >= 1985  # what EDF can say
    edf = Edf(
        [],
        patient=Patient(name=SIMULATED) if staged.simulated else None,
        recording=Recording(startdate=staged.start.date() if staged.start and dated else None),
        starttime=staged.start.time() if staged.start else None,
        annotations=annotations,
    )
    with written_whole(path) as partial:
        edf.write(partial)


# ---- the summary ----


def summarize(staged: StagedRecording, folds: Sequence[Fold]) -> dict[str, Any]:
    """Return all that is known of a scored recording, as JSON-ready values."""
    agreement = agreement_of(staged)
    return {
        "recording": staged.name,
        "file": str(staged.path),
        "format": staged.format,
        "simulated": staged.simulated,
        "start": staged.start.isoformat() if staged.start else None,
        "first_epoch_s": staged.first_second,
        "epochs": len(staged),
        "lights_off_s": staged.lights_off,
        "lights_on_s": staged.lights_on,
        "statistics": {name: value and round(value, 2) for name, value in (statistics_of(staged) or {}).items()},
        "confidence": confidence(staged),
        "expert_file": str(staged.expert_file) if staged.expert_file else None,
        "agreement": None if agreement is None else metrics.as_json(agreement),
        "channels": [describe_channel(staged, channel) for channel in staged.channels],
        "folds": list(staged.folds),
        "checkpoints": [describe_fold(fold) for fold in folds if fold.run.fold in staged.folds],
        "warnings": list(staged.warnings),
        "notices": list(staged.notices),
        "versions": library_versions(),
    }


def confidence(staged: StagedRecording) -> dict[str, Any]:
    return {
        "mean": round(float(np.nanmean(staged.confidence)), 4),
        "low_below": LOW_CONFIDENCE,
        "low_epochs": int(np.count_nonzero(staged.unsure)),
        "worth_a_look": [
            {
                "onset_s": staged.onset(run.first),
                "clock": staged.clock(run.first) if staged.start else None,
                "epochs": run.n_epochs,
                "mean_confidence": round(run.confidence, 4),
            }
            for run in doubtful_runs(staged)
        ],
    }


def describe_channel(staged: StagedRecording, channel: StagedChannel) -> dict[str, Any]:
    n_epochs, staged_epochs = len(staged), staged.stages != UNKNOWN
    same = channel.probabilities[:n_epochs].argmax(axis=1) == staged.stages
    return {
        "label": channel.label,
        "unit_in_file": channel.unit,
        "rate_in_file_hz": channel.rate,
        "conversions": conversions(channel),
        "agreement_with_the_whole": round(float(same[staged_epochs].mean()), 4),
    }


def conversions(channel: StagedChannel) -> list[str]:
    """Return what was done to a channel before it was staged, in words."""
    done = [] if channel.unit.casefold() in ("uv", "µv", "μv") else [f"{channel.unit or 'no unit'} to µV"]
    ratio = resampling(channel.rate)
    if ratio != 1:
        done.append(f"{channel.rate:g} Hz to {TARGET_RATE} Hz (polyphase, {ratio})")
    return done


def describe_fold(fold: Fold) -> dict[str, Any]:
    return {
        "db": fold.run.db,
        "fold": fold.run.fold,
        "folder": str(fold.folder),
        "format": fold.format,
        "pass_number": fold.best.pass_number,
        "global_step": fold.best.global_step,
        "channels": list(fold.run.channels),
    }


def title(staged: StagedRecording) -> str:
    """Return the two lines above a picture: what was staged, and the night in figures."""
    channels = " + ".join(channel.label for channel in staged.channels)
    statistics = statistics_of(staged)
    figures = []
    if statistics:
        percent = statistics["SE_percent"] or 0.0
        figures.append(f"TST {hours_minutes(statistics['TST_min'])}, sleep efficiency {percent:.0f} %")
    agreement = agreement_of(staged)
    if agreement:
        kappa = metrics.number(agreement.kappa, 0, 2)
        figures.append(f"agreement with the expert {100 * agreement.accuracy:.1f} %, kappa {kappa}")
    return "\n".join((f"{staged.name}, {channels}", "; ".join(figures)))


def hours_minutes(minutes: float | None) -> str:
    """Return 7 h 05 min for 425."""
    return "–" if minutes is None else f"{round(minutes) // 60} h {round(minutes) % 60:02d} min"


# ---- the report ----

SHOWN_STATISTICS = {  # name in the summary: what a reader sees
    "TIB_min": "Time in bed (TIB), min",
    "SPT_min": "Sleep period time (SPT), min",
    "TST_min": "Total sleep time (TST), min",
    "SE_percent": "Sleep efficiency (SE), % of TIB",
    "SOL_min": "Sleep onset latency (SOL), min",
    "REM_latency_min": "REM latency, min from sleep onset",
    "WASO_min": "Wake after sleep onset (WASO), min",
    "awakenings": "Awakenings",
    "transitions": "Stage transitions",
    "unscored_min": "Not staged, min",
}
CONFIDENCE_TEXT = (
    f"Confidence is the probability of the most probable stage. Below {LOW_CONFIDENCE:g} an epoch counts as unsure; "
    "runs of two minutes or more are listed as worth a look."
)


PICTURE_TEXT = (
    "Grey or broken: nobody staged it. Unsure: epochs of low confidence. Below: the probability of each stage, and the "
    "power spectrum. Broken upright lines: lights off and on."
)


def write_report(
    path: Path, scored: Sequence[StagedRecording], folds: Sequence[Fold], failed: Mapping[str, str]
) -> None:
    """Write one self-contained HTML file over all recordings; their pictures must lie beside it.

    Args:
        path: the file to write.
        scored: the recordings.
        folds: their checkpoints.
        failed: the recordings that could not be scored, and why.

    Raises:
        InputError: it cannot be written.
    """
    from mne import Report

    report = Report(title="Sleep staging report", verbose="ERROR")
    failures = f"<h5>Not scored</h5>{html_list([f'{name}: {why}' for name, why in failed.items()])}" if failed else ""
    report.add_html(overview(scored) + failures, title="All recordings", tags=("overview",))
    for staged in scored:
        where: Any = {"section": staged.name}
        picture = path.parent / f"{staged.path.stem}_hypnogram.png"
        report.add_image(picture, title="Night", caption=PICTURE_TEXT, tags=("night",), **where)
        report.add_html(statistics_html(staged), title="Sleep statistics", tags=("statistics",), **where)
        report.add_html(trust_html(staged), title="Before you trust it", tags=("trust",), **where)
        agreement = agreement_of(staged)
        if agreement and staged.expert_file:
            text = f"Expert: {staged.expert_file.name}\n\n{metrics.report(agreement)}"
            report.add_html(f"<pre>{escape(text)}</pre>", title="Agreement", tags=("agreement",), **where)
    report.add_html(methods_html(scored, folds), title="Methods", tags=("methods",))
    with written_whole(path) as partial:
        report.save(partial, overwrite=True, open_browser=False, verbose="ERROR")


def overview(scored: Sequence[StagedRecording]) -> str:
    heads = ("Recording", "Channel", "Hours", "TST min", "SE %", "REM %", "N3 %", "Unsure %", "Kappa", "Warnings")
    rows = []
    for staged in scored:
        statistics = statistics_of(staged) or {}
        agreement = agreement_of(staged)
        rows.append(
            (
                staged.name,
                " + ".join(channel.label for channel in staged.channels),
                f"{len(staged) * EPOCH_SECONDS / 3600:.1f}",
                *(shown(statistics.get(name)) for name in ("TST_min", "SE_percent", "REM_percent", "N3_percent")),
                f"{100 * staged.unsure.mean():.1f}",
                metrics.number(agreement.kappa, 0, 2) if agreement else "",
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
    statistics = statistics_of(staged)
    if statistics is None:
        return "<p>No epoch lies between lights off and lights on.</p>"
    ends = {"Lights off": staged.lights_off, "Lights on": staged.lights_on}
    rows = [
        *((text, "not given" if second is None else time_of(staged.start, second)) for text, second in ends.items()),
        *((text, shown(statistics[name])) for name, text in SHOWN_STATISTICS.items()),
    ]
    stages = [
        (name, shown(statistics[f"{name}_min"]), shown(statistics.get(f"{name}_percent"))) for name in STAGE_NAMES
    ]
    return html_table(("", "Value"), rows) + html_table(("Stage", "Minutes", "% of TST"), stages)


def trust_html(staged: StagedRecording) -> str:
    runs = [
        f"{staged.clock(run.first)}: {run.n_epochs} epochs, mean confidence {run.confidence:.2f}"
        for run in doubtful_runs(staged)
    ]
    parts = {"Warnings": staged.warnings, "Notes": staged.notices, "Worth a look": runs}
    return "".join(f"<h5>{name}</h5>{html_list(items)}" for name, items in parts.items()) + f"<p>{CONFIDENCE_TEXT}</p>"


def trained_on(folds: Sequence[Fold]) -> str:
    """Return the data sets that the weights have learned from, the first one first."""
    return ", then ".join(dict.fromkeys(run.db for fold in folds for run in reversed(list(fold.run.lineage()))))


def methods_html(scored: Sequence[StagedRecording], folds: Sequence[Fold]) -> str:
    versions = library_versions()
    used = sorted({number for staged in scored for number in staged.folds})
    text = (
        f"Sleep was staged in epochs of {EPOCH_SECONDS} s by RecSleepNet, trained on {trained_on(folds)} "
        f"(mean probability of folds {', '.join(map(str, used))}), from one EEG channel in µV at {TARGET_RATE} Hz. "
        f"Versions: {', '.join(f'{name} {version}' for name, version in versions.items())}."
    )
    rows = [
        (str(fold.run.fold), fold.format, str(fold.best.pass_number), str(fold.best.global_step), str(fold.folder))
        for fold in folds
        if fold.run.fold in used
    ]
    heads = ("Fold", "Format", "Kept after pass", "Step", "Folder")
    how = [
        f"{staged.name}, {one.label}: {step}"
        for staged in scored
        for one in staged.channels
        for step in conversions(one)
    ]
    return f"<p>{escape(text)}</p>{html_table(heads, rows)}<h5>Conversions</h5>{html_list(how)}"
