"""From what a file says, entry by entry, to the stages of 30-s epochs.

Nothing that stands in a file may vanish, and an epoch has a stage only from an entry that covers it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, time
from itertools import pairwise
from math import gcd
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from command import InputError, counted
from files.limits import LONGEST_DAYS, LONGEST_SECONDS
from recordings.edf import EXPORT_AGAIN
from recordings.hypnogram import Hypnogram
from recordings.hypnograms.labels import (
    LEFT_OUT,
    Codes,
    code_of,
    is_event,
    known_labels,
    looks_like_a_stage,
    plain_number,
)
from recordings.hypnograms.scoring import AS_IT_IS, EPOCH_LIMITS, TO_NEXT, Entry, Reading, Scoring
from recordings.times import DAY, date_time, time_of_day
from sleepstage import EPOCH_SECONDS, UNKNOWN

SHOWN = 3  # other events by name
SLACK = 50  # ms by which times may miss an epoch's edge: one sample at 20 Hz


class Coded(NamedTuple):
    """An entry with the code of its stage."""

    entry: Entry
    code: int


class Span(NamedTuple):
    """A stage with its time, in ms, and whether its end stands in the file."""

    coded: Coded
    onset: int
    end: int
    sure: bool


# ---- entries → stages ----


def hypnogram_of(path: Path, scoring: Scoring, reading: Reading = AS_IT_IS) -> Hypnogram:
    """Return a file's hypnogram in epochs of 30 s.

    Raises:
        InputError: a label that cannot be read or is unknown (the message names the first, its place, and those known),
            no stage at all, stages that overlap or are not made of whole epochs, or epochs of another length that
            nobody asked to resample.
    """
    if scoring.unread:
        raise InputError(f"{path}: {scoring.unread}; {EXPORT_AGAIN}")
    own = {**reading.stage_map, **scoring.codes}
    coded = [(entry, code_in(path, entry, scoring, own)) for entry in scoring.entries]
    stages = [Coded(entry, code) for entry, code in coded if code is not None and code != LEFT_OUT]
    others = [entry for entry, code in coded if code is None]
    if not stages:
        found = f"; it has {', '.join(dict.fromkeys(entry.shown for entry in others[:SHOWN]))}" if others else ""
        raise InputError(
            f"{path}: no stages in it{found}; there are {known_labels(own)}; copy or export it again, or give "
            "--stage_map FILE"
        )
    seconds, start, clock = epoch_seconds_of(path, scoring, reading), scoring.start, scoring.clock
    notices = (*scoring.notices, *left_out_notice(others))
    if stages[0].entry.onset is None:
        check_length(path, stages[-1].entry, len(stages) * seconds)
        codes, offset = np.array([code for _, code in stages], np.int32), 0.0
        n_unscored = int(np.count_nonzero(codes == UNKNOWN))
    else:
        if scoring.clocked:
            stages, others, start, clock = from_the_first(path, scoring.clocked, stages, others)
        spans = spans_of(path, stages, seconds, scoring.with_events)
        codes, offset, twice = on_epochs(path, spans, seconds)
        check_others(path, others, spans, seconds)
        unscored = [span.end - span.onset for span in spans if span.coded.code == UNKNOWN]
        n_unscored = sum(at_edge(length, 1000 * seconds) for length in unscored)
        notices += (*twice, *holes(spans, seconds), *end_notice(spans, seconds))
    if not scoring.only_codes or any(not entry.text for entry, _ in stages):  # a study says itself what it left open
        notices += tuple(unscored_notice(stages, n_unscored))
    if seconds != EPOCH_SECONDS:
        codes = resampled(codes, seconds)
        notices += (f"{path.name}: epochs of {seconds} s resampled to {EPOCH_SECONDS} s",)
    return Hypnogram(codes, start, offset, clock, notices)


def code_in(path: Path, entry: Entry, scoring: Scoring, own: Codes) -> int | None:
    """Return the code of an entry; None for another event.

    Raises:
        InputError: it should be a stage, and is not known.
    """
    text, among_events = entry.text.strip(), scoring.with_events and entry.onset is not None
    if not text:
        return own.get("", LEFT_OUT if among_events else UNKNOWN)
    code = own.get(plain_number(text)) if scoring.only_codes else code_of(text, own, among_events)
    if code is None and (not among_events or looks_like_a_stage(text)):
        known = ", ".join(own) if scoring.only_codes else known_labels(own)
        if text.lstrip("-").isdecimal() and not own:
            raise InputError(
                f"{path}: stage {text[:20]!r} in {entry.place} is a number; its numbers mean other stages in each "
                "laboratory: say which with --stage_map rk (5 is REM), aasm (4 is REM), or a FILE"
            )
        remedy = "copy or export it again" if scoring.only_codes else "say what it means with --stage_map FILE"
        raise InputError(f"{path}: unknown stage {text[:40]!r} in {entry.place}; there are {known}; {remedy}")
    return code


def left_out_notice(others: Sequence[Entry]) -> Iterator[str]:
    names = list(dict.fromkeys(entry.shown for entry in others))
    if names:
        listed = ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
        yield f"{len(others)} entries of the hypnogram are no stages ({listed})"


def unscored_notice(stages: Sequence[Coded], n_epochs: int) -> Iterator[str]:
    """Yield what to say of epochs that are marked as not scored."""
    names = list(dict.fromkeys(entry.shown or "blank" for entry, code in stages if code == UNKNOWN))
    if n_epochs:
        yield f"{counted(n_epochs, 'epoch')} of the hypnogram not scored ({', '.join(names[:SHOWN])})"


# ---- the length of an epoch ----


def epoch_seconds_of(path: Path, scoring: Scoring, reading: Reading) -> int:
    """Return what an epoch of the hypnogram lasts.

    Raises:
        InputError: the file says another length than the user, or one that nobody asked to resample.
    """
    told = scoring.epoch_seconds
    wanted = reading.epoch_seconds or EPOCH_SECONDS
    if told is None or told == wanted:
        return wanted
    if scoring.steps:
        return int(told)
    if told != int(told) or not EPOCH_LIMITS[0] <= told <= EPOCH_LIMITS[1]:
        raise InputError(f"{path}: says that an epoch lasts {told:g} s; repair or export it again")
    raise InputError(
        f"{path}: its epochs last {told:g} s, not {wanted}; resample them to {EPOCH_SECONDS} s with "
        f"--epoch_seconds {told:g}"
    )


def resampled(codes: NDArray[np.int32], seconds: int) -> NDArray[np.int32]:
    """Return (epoch of 30 s,) the stage that covers most of each, the earlier of two that cover as much.

    Args:
        codes: (epoch of `seconds`,).
        seconds: what each lasts. A last epoch that is not full is left out.
    """
    each_second = np.repeat(codes, seconds)
    epochs = each_second[: len(each_second) // EPOCH_SECONDS * EPOCH_SECONDS].reshape(-1, EPOCH_SECONDS)
    return np.array([Counter(epoch.tolist()).most_common(1)[0][0] for epoch in epochs], np.int32)


# ---- stages with times → epochs ----


def from_the_first(
    path: Path, clocked: str, stages: Sequence[Coded], others: Sequence[Entry]
) -> tuple[list[Coded], list[Entry], datetime | None, time | None]:
    """Return entries with their onsets from the first stage, and when that is: its date and time, or its time of day.

    Raises:
        InputError: times of day go back, and not over midnight.
    """
    times = [entry.onset or 0.0 for entry, _ in stages]
    first, since, day = times[0], [0.0], 0
    for (entry, _), before, now in zip(stages[1:], times, times[1:], strict=False):
        if clocked == "day" and now < before:
            if before - now < DAY / 2:
                raise InputError(
                    f"{path}: {entry.shown!r} in {entry.place} is at {time_of_day(now)}, before the last one at "
                    f"{time_of_day(before)}; put its rows in order of time"
                )
            day += DAY
        since.append(now + day - first)
    if clocked == "date":
        first = min(times)
        since = [now - first for now in times]
    placed = [Coded(entry._replace(onset=onset), code) for (entry, code), onset in zip(stages, since, strict=True)]
    later = [(entry.onset or 0.0) - first for entry in others]
    moved = [
        entry._replace(onset=onset % DAY if clocked == "day" else onset)
        for entry, onset in zip(others, later, strict=True)
    ]
    return placed, moved, *((date_time(first), None) if clocked == "date" else (None, time_of_day(first)))


def spans_of(path: Path, stages: Sequence[Coded], seconds: int, with_events: bool) -> list[Span]:
    """Return stages in order of time with their ends.

    An entry without an end lasts an epoch, unless all of them mark changes, as `are_changes` tells.

    Raises:
        InputError: there are no ends, and it is not clear what entries without one mean.
    """
    ordered = sorted(stages, key=lambda stage: stage.entry.onset or 0.0)
    onsets = [milliseconds(entry.onset or 0.0) for entry, _ in ordered]
    nexts = [*onsets[1:], onsets[-1] + 1000 * seconds]
    given = any(entry.duration for entry, _ in ordered)
    changes = not given and are_changes(path, ordered, onsets, 1000 * seconds, with_events)
    spans = []
    for stage, onset, following in zip(ordered, onsets, nexts, strict=True):
        duration, sure = stage.entry.duration, not changes
        end = following if changes else onset + 1000 * seconds
        if duration == TO_NEXT:
            end, sure = following, False
        elif duration:
            end = onset + milliseconds(duration)
        check_length(path, stage.entry, end / 1000)
        spans.append(Span(stage, onset, end, sure))
    return spans


def are_changes(path: Path, stages: Sequence[Coded], onsets: Sequence[int], epoch: int, with_events: bool) -> bool:
    """Tell whether stages without ends mark where the stage changes, or an epoch each.

    A change is never to the same stage, and most are more than an epoch apart; of epochs, many have the stage of the
    one before. Rows of a column of stages are epochs unless FEW_CHANGES of them or more are changes.

    Raises:
        InputError: they could be either.
    """
    steps = [after - before for before, after in pairwise(onsets)]
    same = [before.code == after.code for before, after in pairwise(stages)]
    longer = sum(step > epoch + SLACK for step in steps)
    repeats = sum(alike and step <= epoch + SLACK for alike, step in zip(same, steps, strict=True))
    if not longer or repeats > longer:
        return False
    if not any(same) and 2 * longer > len(steps) and (with_events or len(steps) >= FEW_CHANGES):
        return True
    if not with_events and 2 * longer <= len(steps):
        return False
    place = stages[next(i for i, step in enumerate(steps) if step > epoch + SLACK)].entry.place
    raise InputError(
        f"{path}: its stages have no end, the next is more than an epoch after {place}, and whether the stage lasts so "
        "long is not clear; give each a duration or an end"
    )


FEW_CHANGES = 10


def milliseconds(seconds: float) -> int:
    """Return seconds as whole ms; what is no number, or beyond all limits, as something that no limit allows."""
    return round(1000 * seconds) if abs(seconds) <= 2 * LONGEST_SECONDS else 3000 * LONGEST_SECONDS


def on_epochs(path: Path, spans: Sequence[Span], seconds: int) -> tuple[NDArray[np.int32], float, tuple[str, ...]]:
    """Lay stages on a grid of epochs, UNKNOWN where there is none; what of the last one is no whole epoch is left out.

    Returns:
        (epoch of `seconds`,) codes; where the first epoch starts, in seconds from the hypnogram's start: less than an
        epoch; and what to say of stages that stand there twice.

    Raises:
        InputError: a stage is not made of whole epochs, or starts before the last one ends.
    """
    epoch = 1000 * seconds
    offset = spans[0].onset % epoch
    check_whole(path, spans, epoch, offset)
    codes = np.full(max(at_edge(span.end - offset, epoch) for span in spans), UNKNOWN, np.int32)
    last, last_code, twice = (0, 0), UNKNOWN, 0
    for span in spans:
        start, end = (at_edge(edge - offset, epoch) for edge in (span.onset, span.end))
        if (start, end) == last and span.coded.code == last_code:
            twice += 1
        elif start < last[1]:
            entry = span.coded.entry
            raise InputError(f"{path}: {entry.shown!r} in {entry.place} starts before the last one ends; repair it")
        codes[start:end] = span.coded.code
        last, last_code = (start, end), span.coded.code
    said = (f"{counted(twice, 'stage')} of the hypnogram stand there twice, and count once",) if twice else ()
    return codes, offset / 1000, said


def at_edge(ms: int, epoch: int) -> int:
    """Return which epoch starts at a time; the edge before it where it is none."""
    return (ms + SLACK) // epoch


def off_edge(ms: int, epoch: int) -> bool:
    return (ms + SLACK) % epoch > 2 * SLACK


def holes(spans: Sequence[Span], seconds: int) -> Iterator[str]:
    """Yield what to say of epochs of `seconds` between the first and the last stage that none covers."""
    ends = [(span.end, following.onset) for span, following in pairwise(spans)]
    missing = [(end, onset) for end, onset in ends if end + SLACK < onset]
    if missing:
        n_epochs, (first, last) = sum(at_edge(onset - end, 1000 * seconds) for end, onset in missing), missing[0]
        yield (
            f"the hypnogram has {counted(len(missing), 'hole')}, {counted(n_epochs, 'epoch')} without a stage: the "
            f"first from {first / 1000:g} s to {last / 1000:g} s after its start"
        )


def end_notice(spans: Sequence[Span], seconds: int) -> Iterator[str]:
    """Yield what to say of a last stage whose end is not told, or is no end of an epoch of `seconds`."""
    last = spans[-1]
    entry = last.coded.entry
    if not last.sure:
        yield f"the last stage, {entry.shown!r} in {entry.place}, has no end: counted as one epoch"
    elif off_edge(last.end - spans[0].onset, 1000 * seconds):
        part = (last.end - spans[0].onset) % (1000 * seconds) / 1000
        yield f"the last stage, {entry.shown!r} in {entry.place}, ends {part:g} s into an epoch: this part is left out"


def check_others(path: Path, others: Sequence[Entry], spans: Sequence[Span], seconds: int) -> None:
    """Raise InputError when what is no known stage, and no event by name, stands where only a stage would.

    That is where it fills whole epochs that no stage covers, or starts at an epoch through which the stage before it
    would be drawn.
    """
    epoch = 1000 * seconds
    offset = spans[0].onset % epoch
    given: set[int] = set()  # epochs that an entry covers by its own word
    drawn: set[int] = set()  # epochs through which a stage without an end lasts
    for span in spans:
        first, end = (at_edge(edge - offset, epoch) for edge in (span.onset, span.end))
        given.update(range(first, end if span.sure else first + 1))
        drawn.update(range(first + 1, first + 1 if span.sure else end))
    last = max(given | drawn, default=-1)
    for entry in others:
        onset = milliseconds(entry.onset or 0.0) - offset
        length = 0 if entry.duration in (None, TO_NEXT) else milliseconds(entry.duration or 0.0)
        start, end = at_edge(onset, epoch), max(at_edge(onset + length, epoch), at_edge(onset, epoch) + 1)
        if is_event(entry.text) or off_edge(onset, epoch) or off_edge(onset + length, epoch):
            continue
        if (length == 0 and not 0 <= start <= last) or not given.isdisjoint(range(start, min(end, start + 3000))):
            continue
        if start in drawn or code_of(entry.text, {}) is None:  # an artifact that ends nothing leaves its epoch open
            raise InputError(
                f"{path}: {entry.shown!r} in {entry.place} stands where a stage would, and is not known; say what it "
                "means with --stage_map FILE: a label and a stage a line, or a label and nothing for what is no stage"
            )


def check_length(path: Path, entry: Entry, seconds: float) -> None:
    onset = entry.onset or 0.0
    duration = 0.0 if entry.duration in (None, TO_NEXT) else entry.duration or 0.0
    if not 0 <= seconds <= LONGEST_SECONDS or onset < 0 or duration < 0:
        when = f" at {onset:g} s lasts {duration:g} s" if entry.onset is not None else f" ends at {seconds:g} s"
        raise InputError(f"{path}: {entry.shown!r} in {entry.place}{when}; the limit is {LONGEST_DAYS} days")


def check_whole(path: Path, spans: Sequence[Span], epoch: int, offset: int) -> None:
    """Raise InputError unless every stage is made of whole epochs; epochs of another length are named.

    Only the last one may end within an epoch.
    """
    odd = [span for span in spans if off_edge(span.onset - offset, epoch) or off_edge(span.end - offset, epoch)]
    if not odd or (odd == [spans[-1]] and not off_edge(spans[-1].onset - offset, epoch) and len(spans) > 1):
        return
    common = gcd(*(span.end - span.onset for span in spans), *(span.onset - offset for span in spans))
    remedy = f"onset and duration must be whole epochs of {epoch // 1000} s; repair it"
    if common % 1000 == 0 and 5 <= common // 1000 <= EPOCH_LIMITS[1]:
        remedy = f"its epochs last {common // 1000} s: resample them with --epoch_seconds {common // 1000}"
    entry, onset, end = odd[0].coded.entry, odd[0].onset, odd[0].end
    raise InputError(
        f"{path}: {entry.shown!r} in {entry.place} at {onset / 1000:g} s lasts {(end - onset) / 1000:g} s; {remedy}"
    )
