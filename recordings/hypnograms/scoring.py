"""From what a file of any kind says, label by label, to the stages of 30-s epochs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
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
from recordings.hypnograms.labels import LEFT_OUT, Codes, code_of, known_labels, looks_like_a_stage, plain_number
from sleepstage import EPOCH_SECONDS, UNKNOWN

EPOCH_LIMITS = (1, 300)  # seconds that an epoch of a hypnogram may last
SHOWN = 3  # other events by name


@dataclass(frozen=True)
class Reading:
    """How the user wants hypnograms to be read.

    Attributes:
        stage_map: label → code, as `labels.stage_map` returns it.
        epoch_seconds: what an epoch of a hypnogram lasts, to be resampled to 30 s; None: 30, and others are refused.
        columns: what the columns `stage`, `onset`, `duration` of a table are called in it.
        only_by: where a table says who scored each epoch, whose stages count; the others are not scored. "": all.
    """

    stage_map: Mapping[str, int] = field(default_factory=dict)
    epoch_seconds: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    only_by: str = ""

    def __post_init__(self) -> None:
        low, high = EPOCH_LIMITS
        if self.epoch_seconds is not None and not low <= self.epoch_seconds <= high:
            raise InputError(f"--epoch_seconds {self.epoch_seconds}: must be from {low} to {high}")


AS_IT_IS = Reading()


class Label(NamedTuple):
    """One label of a hypnogram.

    Attributes:
        text: as it stands in the file.
        place: where, for messages: `line 12`.
        onset: seconds from the hypnogram's start; None where each label is the next epoch.
        duration: seconds; None or 0 where it lasts to the next stage.
    """

    text: str
    place: str
    onset: float | None = None
    duration: float | None = None


@dataclass(frozen=True)
class Scoring:
    """What a file says, before its labels are looked up.

    Attributes:
        labels: in the order of the file.
        with_events: other events may stand among the stages; they are left out.
        codes: what labels mean in this kind of file, before those that are known everywhere.
        only_codes: no other labels are known in it, whatever the user says.
        epoch_seconds: what an epoch lasts by the file's word.
        start: when it starts.
        clock: the time of day when it starts, where the date is not sure.
        unread: how many of its labels cannot be read, and where; "" when all can.
    """

    labels: Sequence[Label]
    with_events: bool = False
    codes: Codes = field(default_factory=dict)
    only_codes: bool = False
    epoch_seconds: float | None = None
    start: datetime | None = None
    clock: time | None = None
    unread: str = ""


class Staged(NamedTuple):
    """A label that is a stage: its code, and where and how long it is, in ms."""

    label: Label
    code: int
    onset: int
    duration: int


# ---- labels → stages ----


def hypnogram_of(path: Path, scoring: Scoring, reading: Reading = AS_IT_IS) -> Hypnogram:
    """Return a file's hypnogram in epochs of 30 s.

    Raises:
        InputError: a label that cannot be read or is unknown (the message names the first, its place, and those known),
            no stage at all, stages that overlap or are not made of whole epochs, or epochs of another length that
            nobody asked to resample.
    """
    if scoring.unread:
        raise InputError(f"{path}: {scoring.unread}; {EXPORT_AGAIN}")
    own = {**scoring.codes, **reading.stage_map}
    coded = [(label, code_in(path, label, scoring, own)) for label in scoring.labels]
    stages = [(label, code) for label, code in coded if code is not None and code != LEFT_OUT]
    others = Counter(label.text.strip()[:30] for label, code in coded if code is None)
    if not stages:
        found = f"; it has {', '.join(list(others)[:SHOWN])}" if others else ""
        raise InputError(
            f"{path}: no stages in it{found}; there are {known_labels(own)}; copy or export it again, or give "
            "--stage_map FILE"
        )
    seconds = epoch_seconds_of(path, scoring, reading)
    if stages[0][0].onset is None:
        check_length(path, stages[-1][0], len(stages) * seconds)
        codes, offset, missing = np.array([code for _, code in stages], np.int32), 0.0, None
    else:
        ordered = in_order(stages, seconds)
        (codes, offset), missing = on_epochs(path, ordered, seconds), holes(ordered, seconds)
    notices = tuple(said for said in (left_out_notice(others), missing) if said)
    if seconds != EPOCH_SECONDS:
        codes = resampled(codes, seconds)
        notices += (f"{path.name}: epochs of {seconds} s resampled to {EPOCH_SECONDS} s",)
    return Hypnogram(codes, scoring.start, offset, scoring.clock, notices)


def code_in(path: Path, label: Label, scoring: Scoring, own: Codes) -> int | None:
    """Return the code of a label; None for another event.

    Raises:
        InputError: it should be a stage, and is not known.
    """
    text = label.text.strip()
    code = own.get(plain_number(text)) if scoring.only_codes else code_of(text, own, scoring.with_events)
    if code is None and (not scoring.with_events or looks_like_a_stage(text)):
        known = ", ".join(own) if scoring.only_codes else known_labels(own)
        if text.lstrip("-").isdecimal() and not own:
            raise InputError(
                f"{path}: stage {text[:20]!r} in {label.place} is a number; its numbers mean other stages in each "
                "laboratory: say which with --stage_map rk (5 is REM), aasm (4 is REM), or a FILE"
            )
        remedy = "copy or export it again" if scoring.only_codes else "say what it means with --stage_map FILE"
        raise InputError(f"{path}: unknown stage {text[:40]!r} in {label.place}; there are {known}; {remedy}")
    return code


def left_out_notice(others: Mapping[str, int]) -> str | None:
    if not others:
        return None
    shown = ", ".join(list(others)[:SHOWN]) + (", …" if len(others) > SHOWN else "")
    return f"{sum(others.values())} entries of the hypnogram are no stages ({shown})"


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


def in_order(stages: Sequence[tuple[Label, int]], seconds: int) -> list[Staged]:
    """Return stages in order of time; one without a duration lasts to the next, the last one an epoch."""
    ordered = sorted(stages, key=lambda stage: stage[0].onset or 0.0)
    onsets = [milliseconds(label.onset or 0.0) for label, _ in ordered]
    nexts = [*onsets[1:], onsets[-1] + 1000 * seconds]
    return [
        Staged(label, code, onset, milliseconds(label.duration) if label.duration else following - onset)
        for (label, code), onset, following in zip(ordered, onsets, nexts, strict=True)
    ]


def milliseconds(seconds: float) -> int:
    """Return seconds as whole ms; what is no number, or beyond all limits, as something that no limit allows."""
    return round(1000 * seconds) if abs(seconds) <= 2 * LONGEST_SECONDS else 3000 * LONGEST_SECONDS


def on_epochs(path: Path, stages: Sequence[Staged], seconds: int) -> tuple[NDArray[np.int32], float]:
    """Put stages on a grid of epochs, UNKNOWN where there is none.

    Returns:
        (epoch of `seconds`,) codes; and where the first epoch starts, in seconds from the hypnogram's start: less than
        an epoch.

    Raises:
        InputError: a stage is not made of whole epochs, starts before the last one ends, or beyond any night.
    """
    epoch = 1000 * seconds
    for stage in stages:
        check_length(path, stage.label, (stage.onset + stage.duration) / 1000)
    offset = stages[0].onset % epoch
    check_whole(path, stages, epoch, offset)
    n_epochs = max(stage.onset - offset + stage.duration for stage in stages) // epoch
    codes = np.full(n_epochs, UNKNOWN, np.int32)
    end = 0
    for label, code, onset, duration in stages:
        if onset < end:
            raise InputError(f"{path}: {label.text!r} in {label.place} starts before the last one ends; repair it")
        codes[(onset - offset) // epoch : (onset - offset + duration) // epoch] = code
        end = onset + duration
    return codes, offset / 1000


def holes(stages: Sequence[Staged], seconds: int) -> str | None:
    """Return what to say of epochs of `seconds` between the first and the last stage that none covers."""
    ends = [(one.onset + one.duration, following.onset) for one, following in pairwise(stages)]
    missing = [(end, onset) for end, onset in ends if end < onset]
    if not missing:
        return None
    n_epochs, (first, last) = sum(onset - end for end, onset in missing) // (1000 * seconds), missing[0]
    return (
        f"the hypnogram has {counted(len(missing), 'hole')}, {counted(n_epochs, 'epoch')} without a stage: the first "
        f"from {first / 1000:g} s to {last / 1000:g} s after its start"
    )


def check_length(path: Path, label: Label, seconds: float) -> None:
    onset = label.onset or 0.0
    if not 0 <= seconds <= LONGEST_SECONDS or onset < 0 or (label.duration or 0.0) < 0:
        when = (
            f" at {label.onset:g} s lasts {label.duration} s" if label.onset is not None else f" ends at {seconds:g} s"
        )
        raise InputError(f"{path}: {label.text!r} in {label.place}{when}; the limit is {LONGEST_DAYS} days")


def check_whole(path: Path, stages: Sequence[Staged], epoch: int, offset: int) -> None:
    """Raise InputError unless every stage is made of whole epochs; epochs of another length are named."""
    odd = next((one for one in stages if (one.onset - offset) % epoch or one.duration % epoch), None)
    if odd is None:
        return
    common = gcd(*(one.duration for one in stages), *(one.onset - offset for one in stages))
    remedy = f"onset and duration must be whole epochs of {epoch // 1000} s; repair it"
    if common % 1000 == 0 and 5 <= common // 1000 <= EPOCH_LIMITS[1]:
        remedy = f"its epochs last {common // 1000} s: resample them with --epoch_seconds {common // 1000}"
    raise InputError(
        f"{path}: {odd.label.text!r} in {odd.label.place} at {odd.onset / 1000:g} s lasts {odd.duration / 1000:g} s; "
        f"{remedy}"
    )


def seconds_of_day(text: str) -> float | None:
    """Return the seconds since midnight of `22:31:00`, `22:31:00,500`, `10:31:00 PM`; None for anything else."""
    words = text.strip().upper().replace(",", ".").split()
    half = words.pop() if words and words[-1] in ("AM", "PM") else ""
    parts = words[-1].split("T")[-1].split(":") if words else []
    if not 2 <= len(parts) <= 3 or not all(part.replace(".", "", 1).isdecimal() for part in parts):
        return None
    hours, minutes, seconds = (*map(float, parts), *[0.0] * (3 - len(parts)))
    if half:
        hours = hours % 12 + (12 if half == "PM" else 0)
    return 3600 * hours + 60 * minutes + seconds if hours < 24 and minutes < 60 and seconds < 60 else None


def since_first(seconds: Sequence[float]) -> list[float]:
    """Return times of day, in seconds, as seconds since the first: after midnight they go on."""
    since, day = [0.0][: len(seconds)], 0.0
    for before, now in pairwise(seconds):
        day += 86_400 if now < before - 43_200 else 0
        since.append(now + day - seconds[0])
    return since


def time_of_day(seconds: float) -> time:
    """Return seconds since midnight as a time of day."""
    whole = int(seconds)
    return time(whole // 3600, whole // 60 % 60, whole % 60, round((seconds - whole) * 1e6) % 10**6)


def clocked(labels: Sequence[Label], times: Sequence[float]) -> tuple[list[Label], time]:
    """Return labels with onsets from times of day, in seconds, and the time of day of the first."""
    placed = [label._replace(onset=onset) for label, onset in zip(labels, since_first(times), strict=True)]
    return placed, time_of_day(times[0])
