"""What a file of any kind says, entry by entry, before it is laid on epochs; and how the user wants it read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, time
from math import inf
from typing import NamedTuple

from command import InputError
from recordings.hypnograms.labels import Codes

EPOCH_LIMITS = (1, 300)  # seconds that an epoch of a hypnogram may last
TO_NEXT = inf  # the duration of an entry that lasts to the next, whatever that is


@dataclass(frozen=True)
class Reading:
    """How the user wants hypnograms to be read.

    Attributes:
        stage_map: label → code, as `labels.stage_map` returns it.
        epoch_seconds: what an epoch of a hypnogram lasts, to be resampled to 30 s; None: 30, and others are refused.
        columns: what the columns of a table are called in it, by what `columns.ROLES` calls them.
        annotator: whose stages count, where a table has those of several.
        only_by: where a table says who scored each epoch, whose stages count; the others are not scored. "": all.
    """

    stage_map: Mapping[str, int] = field(default_factory=dict)
    epoch_seconds: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    annotator: str = ""
    only_by: str = ""

    def __post_init__(self) -> None:
        low, high = EPOCH_LIMITS
        if self.epoch_seconds is not None and not low <= self.epoch_seconds <= high:
            raise InputError(f"--epoch_seconds {self.epoch_seconds}: must be from {low} to {high}")


AS_IT_IS = Reading()


class Entry(NamedTuple):
    """What a file says of a time: a stage, or another event.

    Attributes:
        text: its label as it stands in the file; "" where nothing stands.
        place: where, for messages: `line 12`.
        onset: seconds from the hypnogram's start, or on the clock that `Scoring.clocked` names; None where each entry
            is the next epoch.
        duration: seconds; TO_NEXT; None or 0 where the file gives none.
    """

    text: str
    place: str
    onset: float | None = None
    duration: float | None = None

    @property
    def shown(self) -> str:
        """Its label for messages."""
        return self.text.strip()[:30]


@dataclass(frozen=True)
class Scoring:
    """What a file says, before its labels are looked up.

    Attributes:
        entries: in the order of the file.
        with_events: other events may stand among the stages; they are left out.
        codes: what labels mean in this kind of file, before a map and those that are known everywhere.
        only_codes: no other labels are known in it, whatever the user says.
        epoch_seconds: what an epoch lasts by the file's word.
        steps: entries are steps of this length by their kind, and make epochs without being asked.
        start: when it starts.
        clock: the time of day when it starts, where the date is not sure.
        clocked: what onsets are: "day", seconds since midnight; "date", as `times.on_one_clock` counts; "" from the
            start, which is the signal's where neither `start` nor `clock` says.
        unread: how many of its labels cannot be read, and where; "" when all can.
        notices: what the user should know of how it was read.
    """

    entries: Sequence[Entry]
    with_events: bool = False
    codes: Codes = field(default_factory=dict)
    only_codes: bool = False
    epoch_seconds: float | None = None
    steps: bool = False
    start: datetime | None = None
    clock: time | None = None
    clocked: str = ""
    unread: str = ""
    notices: tuple[str, ...] = ()
