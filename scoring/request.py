"""What the user wants of a recording → a plan: everything about staging it that is known before a network is there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from folds.checkpoint import Fold
from folds.families import families_of
from recordings.channels import Channel
from recordings.conditioning import Conditioning
from recordings.finding import Found, find_recordings
from recordings.hypnogram import Hypnogram
from recordings.hypnograms.scoring import AS_IT_IS, Reading
from recordings.opening import one_channel
from recordings.recording import FileState, Recording
from scoring.channel_choice import channels_of_recording, other_than, trained_channels
from scoring.expert import Expert, expert_of
from scoring.lights import Lights, TimeInBed, lights_of
from scoring.staged import limit_of
from scoring.unseen import is_own_night, unseen_folds


@dataclass(frozen=True)
class Request:
    """What the user wants of a recording.

    Attributes:
        channels: names of channels; none for the one that the checkpoints were trained on.
        hypnogram: the expert's: a file of its own, or one in memory; None for what goes with the recording by its name.
        lights_off, lights_on: seconds from the recording's start, or the time since midnight; None for the marks in the
            recording, if any.
        reading: how hypnograms are to be read.
        found: the recording as it was found, with what belongs to it by its name; None: its file is looked up.
        unit: of signals whose own is no voltage that is known; "" refuses these.
    """

    channels: tuple[str, ...] = ()
    hypnogram: Path | Hypnogram | None = None
    lights_off: Lights | None = None
    lights_on: Lights | None = None
    reading: Reading = AS_IT_IS
    found: Found | None = None
    unit: str = ""


@dataclass(frozen=True, eq=False)
class FoldGroup:
    """Folds of one data set that want a signal conditioned alike.

    Attributes:
        folds: one or more.
        conditioning: what is done to the signal before their networks see it.
        own: the recording is a night of the data set that they were trained on.
    """

    folds: tuple[Fold, ...]
    conditioning: Conditioning
    own: bool

    def adapts(self, fold: Fold) -> bool:
        """Tell whether the recording adapts a fold's network; a night of the fold's own data set is as in its tests."""
        return fold.features is not None and not self.own

    def adapted_by(self, n_epochs: int) -> float:
        """Return the share by which a recording of so many epochs moves the features of these folds; 0 for none."""
        return max(
            (fold.features.share_of(n_epochs) for fold in self.folds if fold.features and self.adapts(fold)),
            default=0.0,
        )


@dataclass(frozen=True, eq=False)
class StagingPlan:
    """How a recording is staged.

    Attributes:
        groups: the folds that stage it; the probability of a stage is the mean over families, each the
            mean over its folds.
        seen: every fold that stages it has seen its subject in training, as no other was there.
        channels: those that are staged.
        expert: whose stages they are compared with; None without one.
        lights: when the lights went off and on.
        warnings: what speaks against the choice of folds and channels.
        notices: which families do not vote; why it is not compared with the hypnogram that goes with it by its name.
        files: those of the recording, as they were when this was planned.
    """

    groups: tuple[FoldGroup, ...]
    seen: bool
    channels: tuple[Channel, ...]
    expert: Expert | None
    lights: TimeInBed
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    files: tuple[FileState, ...] = ()

    @property
    def folds(self) -> tuple[Fold, ...]:
        """Every fold that stages the recording."""
        return tuple(fold for group in self.groups for fold in group.folds)

    @property
    def first_second(self) -> float:
        """Where the first epoch starts in the recording: where an epoch of the expert's does."""
        return self.expert.first_second if self.expert else 0.0

    @cached_property
    def limit(self) -> float:
        """The confidence below which an epoch counts as unsure."""
        return limit_of(self.folds)


def plan_staging(opened: Recording, request: Request, folds: Sequence[Fold]) -> StagingPlan:
    """Decide how a recording is staged, and refuse what cannot be; no network is needed, and little of the signal.

    Args:
        opened: the recording.
        request: what is wanted of it.
        folds: those that there are.

    Raises:
        InputError: the hypnogram, the lights or the channel cannot be used; the message names the file.
    """
    found = request.found or found_at(opened.path)
    expert, why_not_compared = expert_of(opened, request.hypnogram, found, request.reading)
    lights = lights_of(opened, request.lights_off, request.lights_on)
    chosen = channels_of_recording(opened, folds, request.channels)
    signals = [one_channel(opened, channel) for channel in chosen.channels]  # what is no voltage is refused here
    may = unseen_folds(opened, folds, found.subject if found and found.told else "", signals[0])
    of_voters: tuple[str, ...] = ()
    if families_of(may.folds).keys() != families_of(folds).keys():  # those that are left out have no say on channels
        names = [channel.label for channel in chosen.channels]
        of_voters = other_than(trained_channels(may.folds), names, bool(request.channels))
    groups = (replace(group, own=is_own_night(opened, group.folds[0].run.db)) for group in grouped(may.folds))
    return StagingPlan(
        groups=tuple(groups),
        seen=may.seen,
        channels=chosen.channels,
        expert=expert,
        lights=lights,
        warnings=(*may.warnings, *dict.fromkeys((*chosen.warnings, *of_voters))),
        notices=(*may.notices, *([why_not_compared] if why_not_compared else [])),
        files=opened.files,
    )


def found_at(path: Path | None) -> Found | None:
    """Return a recording with what belongs to it by its name; None for one that is no file."""
    return find_recordings([path])[0] if path else None


def grouped(folds: Iterable[Fold]) -> list[FoldGroup]:
    """Return folds in groups that want a signal conditioned alike; no recording is a night of theirs."""
    groups: dict[tuple[str, Conditioning], list[Fold]] = {}
    for fold in folds:
        groups.setdefault((fold.run.db, fold.run.conditioning), []).append(fold)
    return [FoldGroup(tuple(group), conditioning, False) for (_, conditioning), group in groups.items()]
