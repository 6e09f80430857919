"""Recordings → their files, several at a time: what one worker does, and what comes back from it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import engine
from command import InputError, as_text
from engine.rooms import Workers
from engine.watched import Place
from files.folders import writable_folder
from folds.checkpoint import Fold
from recordings.scored_files import SUMMARY
from scoring.formats import notices_on
from scoring.jobs import Job, PlannedJob
from scoring.kept import read_summary
from scoring.recording_files import write_recording
from scoring.scorer import ScoredNight, Scorer
from scoring.staged import Reviewed, StagedRecording, time_of


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one recording: its stages, or why there are none."""

    job: Job
    night: ScoredNight | None
    error: str = ""


@dataclass(frozen=True)
class Output:
    """Where the files of recordings go, which are written beside the usual ones, and what becomes of a review there.

    Attributes:
        folder: gets the files.
        svg: the picture as a drawing too.
        formats: of the stages, beside the usual ones.
        review: the folder, a recording's name and its night as it is staged now → its review, None where there is none.
    """

    folder: Path
    svg: bool
    formats: tuple[str, ...]
    review: Callable[[Path, str, StagedRecording], Reviewed | None]


@dataclass(frozen=True)
class Checkpoints:
    """What a `Scorer` is made from; each worker makes its own, once."""

    folders: tuple[str, ...]
    db: tuple[str, ...]
    suffix: str | None
    fold: int | None


FoldKey = tuple[str, int]
"""What tells a fold from others: its data set's name, and its number."""


def key_of(fold: Fold) -> FoldKey:
    return fold.run.db, fold.run.fold


@dataclass(frozen=True, eq=False)
class Task:
    """What a worker is given: a planned recording without the folds, which the worker has itself, and their keys."""

    planned: PlannedJob
    folds: tuple[tuple[FoldKey, ...], ...]  # (group, fold)


@dataclass(frozen=True, eq=False)
class Answer:
    """What comes back from a worker: the night without its folds, whose weights are here already."""

    night: ScoredNight | None
    error: str = ""


def task_of(planned: PlannedJob) -> Task:
    """Return what a worker is given of a planned recording."""
    groups = planned.plan.groups
    keys = tuple(tuple(map(key_of, group.folds)) for group in groups)
    bare = tuple(replace(group, folds=()) for group in groups)
    return Task(replace(planned, plan=replace(planned.plan, groups=bare), kept=None), keys)


def planned_by(task: Task, folds: Sequence[Fold]) -> PlannedJob:
    """Return a planned recording with its folds."""
    by_key = {key_of(fold): fold for fold in folds}
    plan = task.planned.plan
    groups = (
        replace(group, folds=tuple(by_key[key] for key in keys))
        for group, keys in zip(plan.groups, task.folds, strict=True)
    )
    return replace(task.planned, plan=replace(plan, groups=tuple(groups)))


def score_one(planned: PlannedJob, scorer: Scorer, output: Output) -> Outcome:
    """Stage one recording and write its files; a user's error is an outcome."""
    job = planned.job
    try:
        night = scorer.stage_planned(planned.opened(), planned.plan)
        night = replace(night, reviewed=output.review(output.folder, job.name, night))
        said = (*notices_on(night, output.formats), *unlike_before(output.folder, job.name, night))
        night = replace(night, notices=(*night.notices, *said))
        writable_folder((output.folder / job.name).parent)
        write_recording(output.folder, night, output.svg, output.formats)
    except InputError as error:
        return Outcome(job, None, as_text(str(error)))
    return Outcome(job, night)


def unlike_before(folder: Path, name: str, night: StagedRecording) -> Iterator[str]:
    """Yield what the outputs that a recording has there already do not lose in silence: its review, and its lights."""
    if night.reviewed:
        n_by_human = int(night.by_human.sum())
        yield f"its review is kept: {n_by_human} of {len(night)} epochs are as a human staged them"
    if not (folder / f"{name}{SUMMARY}").exists():
        return
    try:
        before = read_summary(folder / f"{name}{SUMMARY}")
    except InputError:  # what cannot be read says nothing, and is written anew
        return
    for which, now in (("off", night.lights_off), ("on", night.lights_on)):
        was = before[f"lights_{which}_s"]
        if was is not None and now is None:
            yield (
                f"lights {which} was {time_of(night.start, was)} when it was scored before, and is not given now: the "
                f"statistics are not those of before; give --lights_{which} again if they should be"
            )


@functools.lru_cache(maxsize=1)
def scorer_of(checkpoints: Checkpoints, gpu: int) -> Scorer:
    """Return this process's scorer."""
    one = checkpoints
    return Scorer(one.folders, one.db, suffix=one.suffix, fold=one.fold, gpu=gpu)


def score_at(task: Task, place: Place, checkpoints: Checkpoints, output: Output) -> Answer:
    """Score one recording in a worker."""
    scorer = scorer_of(checkpoints, place.gpu)
    outcome = score_one(planned_by(task, scorer.folds), scorer, output)
    return Answer(outcome.night and replace(outcome.night, folds=()), outcome.error)


def score_several(
    jobs: Iterable[PlannedJob], checkpoints: Checkpoints, output: Output, workers: Workers
) -> Iterator[Outcome]:
    """Yield what became of each recording, as they are done.

    Args:
        jobs: the recordings.
        checkpoints: what scores them; the folds of their plans are from there.
        output: where their files go.
        workers: where they are scored.
    """
    jobs = list(jobs)
    work = functools.partial(score_at, checkpoints=checkpoints, output=output)
    with closing(engine.run(work, map(task_of, jobs), workers)) as done:
        for one in done:
            planned, answer = jobs[one.number], one.result or Answer(None, one.died)
            night = answer.night and replace(answer.night, folds=planned.plan.folds)
            yield Outcome(planned.job, night, answer.error)
