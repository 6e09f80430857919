"""What is printed of what was scored: a few lines a recording, the closing table, the scores over all nights."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from command import counted, log, numbered
from folds.families import families_of, in_words
from recordings.epochs import same_signals
from scoring import metrics
from scoring.many import Outcome, Output
from scoring.night_table import FILE
from scoring.other_nights import with_experts
from scoring.scorer import DEFAULT_DB, ScoredNight, Scorer
from scoring.test_nights import TestNight, confidence_of, intervals, pooled
from sleepstage import EPOCH_SECONDS

SHOWN_DOUBTS = 5  # runs of unsure epochs; the summary has all

# ---- recordings ----


def print_scorer(scorer: Scorer, asked: Sequence[str], dirs: Sequence[str], where: str) -> None:
    """Print which weights score, on what, and what they want of a signal.

    Args:
        scorer: has them.
        asked: the data sets that were asked for; none for the default.
        dirs: where they were looked for.
        where: what is computed on, in words.
    """
    families = families_of(scorer.folds)
    if set(families) != set(asked or (DEFAULT_DB,)):
        log.info("scoring with the checkpoints of %s in %s", ", ".join(families), ", ".join(dirs))
    log.info("%s, computing on %s", in_words(scorer.folds), where)
    for db, folds in families.items():
        for words in dict.fromkeys(fold.run.conditioning.in_words() for fold in folds):
            log.info("signals for %s: %s", "these weights" if len(families) == 1 else f"the weights of {db}", words)


def recording_lines(night: ScoredNight, n_folds: int) -> Iterator[str]:
    """Yield what is printed of a scored recording."""
    counts = ", ".join(f"{name} {count}" for name, count in night.stage_counts().items())
    channels = " + ".join(f"{channel.label} ({channel.rate:g} Hz)" for channel in night.channels)
    voted = "; ".join(f"{one['db']}, {numbered('fold', one['folds'])}" for one in night.families)
    numbers = numbered("fold", (fold.run.fold for fold in night.folds))
    left_out = "" if len(night.folds) == n_folds else f", {'those folds' if voted else numbers} (others saw it)"
    yield f"{night.title}: {channels}, {counted(len(night), 'epoch')} ({counts}){left_out}"
    yield from (f"    {one.label}: {words}" for one in night.channels for words in one.conditioned_in_words())
    if voted:
        yield f"    mean over {len(night.families)} families, one weight each: {voted}"
    if night.agreement and night.expert_file:
        words = metrics.in_words(night.agreement)
        n_compared = night.agreement.n_epochs
        yield f"    expert {night.expert_file.name}: {n_compared} of {counted(len(night), 'epoch')}, {words}"
    yield from (f"    warning: {warning}" for warning in night.warnings)
    yield from (f"    note: {notice}" for notice in night.notices)
    if runs := night.doubtful_runs:
        shown = ", ".join(f"{night.clock(run.first)} ({run.n_epochs} epochs)" for run in runs[:SHOWN_DOUBTS])
        more = f" and {len(runs) - SHOWN_DOUBTS} more in the summary" if len(runs) > SHOWN_DOUBTS else ""
        yield f"    worth a look, low confidence: {shown}{more}"


def print_outcomes(outcomes: Sequence[Outcome], output: Output, report: Path | None) -> None:
    """Print the closing table, and what failed and why."""
    log.info("")
    width = max([28, *(len(outcome.night.title) for outcome in outcomes if outcome.night)])
    heads = ("hours", "TST min", "SE %", "REM min", "unsure")
    log.info("%s %s  warnings", "recording".ljust(width), " ".join(f"{head:>7}" for head in heads))
    for outcome in outcomes:
        log.info("%s", outcome_line(outcome, width))
    simulated = sum(outcome.night is not None and outcome.night.simulated for outcome in outcomes)
    if simulated:
        log.info("%d SIMULATED: good for trying things out, not for results", simulated)
    nights = [outcome.night for outcome in outcomes if outcome.night]
    compared = with_experts(nights)
    if len(compared) > 1:
        n_subjects = len({night.subject for night in compared})
        n_seen = sum(night.seen for night in compared)
        seen = f", {n_seen} of subjects SEEN IN TRAINING" if n_seen else ""
        print_scores(compared, f"with an expert: {len(compared)} recordings, {n_subjects} subjects{seen}")
        log.info("tables and figures for a paper: python evaluate.py %s\n", output.folder)
    for said in same_signals((night.name, night.channels[0].content) for night in nights):
        log.info("%s", said)
    pictures = "_hypnogram.png and .svg" if output.svg else "_hypnogram.png"
    more = "".join(f", {name}" for name in output.formats)
    log.info("written to %s: _stages.csv, _stages.edf, _summary.json, %s%s of each", output.folder, pictures, more)
    log.info("all figures, a row for each: %s", output.folder / FILE)
    if report:
        log.info("report over all: %s", report)


def outcome_line(outcome: Outcome, width: int) -> str:
    """Return a row of the closing table: figures, or why there are none; names have `width` letters."""
    night = outcome.night
    if night is None:
        return f"{outcome.job.shown:<{width}} failed: {outcome.error}"
    if night.reason:
        return f"{night.title:<{width}} {len(night) * EPOCH_SECONDS / 3600:7.1f} not scored: {night.reason}"
    values = (night.statistics.get(name) for name in ("TST_min", "SE_percent", "REM_min"))
    cells = " ".join(metrics.number(math.nan if value is None else value, 7) for value in values)
    hours, unsure = len(night) * EPOCH_SECONDS / 3600, 100 * night.unsure.mean()
    return f"{night.title:<{width}} {hours:7.1f} {cells} {unsure:5.1f} %  {len(night.warnings)}"


# ---- over all nights ----


def print_scores(tested: Sequence[TestNight], covered: str) -> None:
    """Print the scores over all nights, under what they cover."""
    limits = intervals(tested)
    log.info("\n%s\n\n%s", covered, metrics.as_text(pooled(tested), limits))
    log.info("\nconfidence: %s", confidence_of(tested).in_words())
    if limits is None:
        log.info("\nno intervals: the bootstrap draws subjects, and there is only one")


def print_left_out(n_tested: int, left_out: Mapping[str, str]) -> None:
    """Print which nights had to be left out, and why."""
    if left_out:
        log.info("\n%d of %d nights left out:", len(left_out), len(left_out) + n_tested)
    for name, reason in left_out.items():
        log.info("    %s: %s", name, reason)


def print_written(output_dir: Path, n_nights: int) -> None:
    log.info("\nwritten to %s: metrics.json, nights.csv, epochs.csv", output_dir)
    log.info("pictures: %s and %d in %s", output_dir / "confusion.png", n_nights, output_dir / "hypnograms")
    log.info("tables and figures for a paper: python evaluate.py %s", output_dir)
