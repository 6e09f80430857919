"""A staged night, of a data set or of a recording: the model's stages, the expert's, and all figures that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from command import counted
from folds.checkpoint import Fold
from folds.families import families_of
from recordings.epochs import TARGET_RATE, resampling
from recordings.recording import Stretch
from scoring import architecture, metrics
from scoring.metrics import Scores
from scoring.sleepstats import Statistics, in_bed, runs_of, sleep_statistics
from sleepstage import EPOCH_SECONDS, STAGE_NAMES, UNKNOWN

if TYPE_CHECKING:  # pandas is imported where it is used: `--help` must not wait for it
    import pandas as pd

LOW_CONFIDENCE = 0.6
"""An epoch whose most probable stage is less probable than this is worth a human look, where folds are not calibrated.
It was chosen on 232 epochs of real EEG: of the 9 below it 5 were staged wrong, of the 223 others 8."""

SHORTEST_DOUBT = 4  # epochs; a shorter run of low confidence is not listed

NO_SIGNAL = "no signal"  # what is wrong with an epoch that reaches into a gap


def limit_of(folds: Sequence[Fold]) -> float:
    """Return the confidence below which an epoch counts as unsure: the mean over families of that of their folds."""
    limits = [limit_of_family(family) for family in families_of(folds).values()]
    return round(sum(limits) / len(limits), 4) if limits else LOW_CONFIDENCE


def limit_of_family(folds: Sequence[Fold]) -> float:
    """Return the mean of the limits of one family's folds; LOW_CONFIDENCE unless each is calibrated and has one."""
    limits = [fold.calibration.limit if fold.calibration else None for fold in folds]
    known = [limit for limit in limits if limit is not None]
    return round(sum(known) / len(known), 4) if known and len(known) == len(limits) else LOW_CONFIDENCE


NAMES = np.array([*STAGE_NAMES, "?"])
"""The name of each code; the last one is that of UNKNOWN, -1."""

NOT_REVIEWED = -2
"""Code of an epoch that no human staged in a review, where the model's stage counts."""

MODEL, HUMAN = "model", "human"  # who staged an epoch, as outputs say it


@dataclass(frozen=True, eq=False)
class Reviewed:
    """What a human made of a staged night.

    Attributes:
        stages: (epoch,) int32, the human's codes, UNKNOWN where no stage can be given; NOT_REVIEWED where the model's
            stage counts.
        edits: how many there were, those that were taken back among them.
        last: when the last one was made, in ISO 8601; "" when unknown.
    """

    stages: NDArray[np.int32]
    edits: int = 0
    last: str = ""

    @property
    def by_human(self) -> NDArray[np.bool_]:
        """(epoch,) True where a human staged."""
        mask: NDArray[np.bool_] = self.stages != NOT_REVIEWED
        return mask


@dataclass(frozen=True)
class Doubtful:
    """A run of epochs of low confidence: its first epoch, how many it has, and their mean confidence."""

    first: int
    n_epochs: int
    confidence: float


@dataclass(frozen=True, eq=False, kw_only=True)
class StagedNight:
    """A night with the model's stages, and with the expert's if there are any.

    Attributes:
        name: the night's name, or that of the recording's file without its suffix.
        probabilities: (epoch, stage) float32, the model's; nan where there is no signal, or none that can be scored.
        expert: (epoch,) codes, UNKNOWN where the expert has none; None without an expert.
        simulated: True when the file says that it was generated.
        start: when the recording starts, on its own clock; None when unknown.
        first_second: where the first epoch starts in it.
        lights_off, lights_on: seconds from the recording's start; None when nobody says.
        warnings: what speaks against trusting the stages.
        notices: what else the user should know.
        limit: an epoch of a lower confidence is unsure.
        reviewed: what a human made of it; None where nobody reviewed it.
    """

    name: str
    probabilities: NDArray[np.float32]
    expert: NDArray[np.int32] | None = None
    simulated: bool = False
    start: datetime | None = None
    first_second: float = 0.0
    lights_off: float | None = None
    lights_on: float | None = None
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    limit: float = LOW_CONFIDENCE
    reviewed: Reviewed | None = None

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def title(self) -> str:
        """The night's name for people, which says so when it is simulated."""
        return f"{self.name}{' (SIMULATED)' if self.simulated else ''}"

    # ---- epochs ----

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(epoch,) the probability of the most probable stage; nan where there is none."""
        most: NDArray[np.float32] = self.probabilities.max(axis=1)
        return most

    @property
    def stages(self) -> NDArray[np.int32]:
        """(epoch,) the human's stage where a human staged, else the model's."""
        if self.reviewed is None:
            return self.model_stages
        return np.where(self.by_human, self.reviewed.stages, self.model_stages).astype(np.int32)

    @property
    def model_stages(self) -> NDArray[np.int32]:
        """(epoch,) the most probable stage; UNKNOWN where nothing could be scored."""
        return np.where(np.isfinite(self.confidence), self.probabilities.argmax(axis=1), UNKNOWN).astype(np.int32)

    @property
    def unsure(self) -> NDArray[np.bool_]:
        """(epoch,) True where the model's confidence is low."""
        return self.confidence < self.limit

    @property
    def by_human(self) -> NDArray[np.bool_]:
        """(epoch,) True where a human staged."""
        return np.zeros(len(self), bool) if self.reviewed is None else self.reviewed.by_human

    @property
    def in_bed(self) -> slice:
        """The epochs between lights off and lights on."""
        return in_bed(len(self), self.first_second, self.lights_off, self.lights_on)

    def onset(self, epoch: int) -> float:
        """Return where an epoch starts, in seconds from the recording's start."""
        return self.first_second + epoch * EPOCH_SECONDS

    def clock(self, epoch: int) -> str:
        """Return an epoch's time of day, or, where the file has no clock, its onset."""
        return time_of(self.start, self.onset(epoch))

    # ---- figures ----

    @cached_property
    def statistics(self) -> Statistics:
        """The sleep statistics between lights off and lights on; empty when no epoch in between has a stage."""
        stages = self.stages[self.in_bed]
        return sleep_statistics(stages) if (stages != UNKNOWN).any() else {}

    @cached_property
    def architecture(self) -> dict[str, Any]:
        """Cycles, thirds, bouts and transitions between lights off and lights on; empty where `statistics` is."""
        return architecture.as_json(self.stages[self.in_bed]) if self.statistics else {}

    @cached_property
    def agreement(self) -> Scores | None:
        """The agreement with the expert over all epochs that both staged; None where there is none."""
        if self.expert is None:
            return None
        both = (self.expert != UNKNOWN) & (self.stages != UNKNOWN)
        return metrics.scores(self.expert[both], self.stages[both]) if both.any() else None

    @cached_property
    def doubtful_runs(self) -> list[Doubtful]:
        """The runs of at least four epochs of low confidence that no human staged, the longest first."""
        runs = [
            Doubtful(int(start), int(end - start), float(self.confidence[start:end].mean()))
            for start, end in zip(*runs_of(self.unsure & ~self.by_human), strict=True)
            if end - start >= SHORTEST_DOUBT
        ]
        return sorted(runs, key=lambda run: (-run.n_epochs, run.first))


@dataclass(frozen=True, eq=False)
class StagedChannel:
    """One channel as the folds see it, on the recording's grid of epochs.

    Attributes:
        label, unit, rate: its name, and what its unit and its rate in Hz are in the file.
        probabilities: (epoch, stage) float32, the mean over folds; nan where nothing could be scored.
        power: (epoch, frequency) float32, dB of µV²/Hz at the frequencies SPECTRUM_HZ; nan where it was not.
        faults: what is wrong → (epoch,) bool; epochs with NO_SIGNAL are among them.
        doubts: what speaks against trusting the signal.
        reason: why the channel cannot be scored; "" where it can.
        conditioned: what was done to the signal before the weights saw it, as JSON-ready values; usually one. Of
            several families, it says for which.
        content: the SHA-256 of the signal; empty where all of it is flat.
    """

    label: str
    unit: str
    rate: float
    probabilities: NDArray[np.float32]
    power: NDArray[np.float32]
    faults: dict[str, NDArray[np.bool_]]
    doubts: tuple[str, ...]
    reason: str = ""
    conditioned: tuple[dict[str, Any], ...] = ()
    content: str = ""

    def conditioned_in_words(self) -> Iterator[str]:
        """Yield what was done to the signal before the weights saw it, where anything was."""
        for done in self.conditioned:
            of_family = f"for {done['db']}: " if "db" in done else ""
            if done["left_as_recorded"]:
                yield f"{of_family}a night of the weights' own data set, left as recorded"
            elif done["multiplied_by"] != 1 or done["offset_removed_uv"]:
                offset, factor = done["offset_removed_uv"], done["multiplied_by"]
                yield f"{of_family}offset of {offset:g} µV removed, amplitude × {factor:.2f}"
            if done.get("adapted_by"):  # files of old do not say it
                yield f"{of_family}features moved by {100 * done['adapted_by']:.0f} % towards those of training nights"

    @property
    def conversions(self) -> list[str]:
        """What was done to the channel before it was staged, in words."""
        done = [] if self.unit.casefold() in ("uv", "µv", "μv") else [f"{self.unit or 'no unit'} to µV"]
        ratio = resampling(self.rate)
        if ratio != 1:
            done.append(f"{self.rate:g} Hz to {TARGET_RATE} Hz (polyphase, {ratio})")
        return done


@dataclass(frozen=True, eq=False, kw_only=True)
class StagedRecording(StagedNight):
    """A staged recording of one's own.

    Attributes:
        path: the file; None for a recording that was in memory.
        format: of the file.
        channels: those that were staged; `probabilities` is their mean.
        expert_file: where the expert's stages are from; None without a hypnogram.
        folds: those that staged it.
        seen: all of them have seen its subject in training.
        fingerprint: of its file; "" for a recording that was in memory.
        stretches: the parts of the recording without gaps; none where they are not known.
        kept: the summary that it was read back from; None when it was staged just now. What outputs say of the folds,
            which are not read again, is then from there.
    """

    path: Path | None
    format: str
    channels: tuple[StagedChannel, ...]
    folds: tuple[Fold, ...]
    expert_file: Path | None = None
    seen: bool = False
    fingerprint: str = ""
    stretches: tuple[Stretch, ...] = ()
    kept: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        channels = " + ".join(channel.label for channel in self.channels)
        counts = ", ".join(f"{name} {count}" for name, count in self.stage_counts().items())
        warned = f", {counted(len(self.warnings), 'warning')}" if self.warnings else ""
        return f"<{type(self).__name__} {self.title}: {channels}, {counted(len(self), 'epoch')} ({counts}){warned}>"

    def stage_counts(self) -> dict[str, int]:
        """Return how many epochs each stage has."""
        return {name: int(np.count_nonzero(self.stages == code)) for code, name in enumerate(STAGE_NAMES)}

    @property
    def families(self) -> list[dict[str, Any]]:
        """Who voted, as JSON-ready values: folds and weight of each of several families; none for one family."""
        if self.kept is not None:
            return list(self.kept.get("families", ()))
        of = families_of(self.folds)
        weight = round(1 / max(1, len(of)), 4)
        voted = [{"db": db, "folds": [one.run.fold for one in family], "weight": weight} for db, family in of.items()]
        return voted if len(voted) > 1 else []

    @property
    def fold_names(self) -> list[str]:
        """What the folds that staged it are called: by number, and of several families by data set too."""
        if voted := self.families:
            return [f"{family['db']}/{number}" for family in voted for number in family["folds"]]
        return [
            str(one) for one in ([fold.run.fold for fold in self.folds] if self.kept is None else self.kept["folds"])
        ]

    @property
    def n_changed(self) -> int:
        """How many epochs have another stage than the model's."""
        return int(np.count_nonzero(self.stages != self.model_stages))

    @property
    def power(self) -> NDArray[np.float32]:
        """(epoch, frequency) dB of µV²/Hz at the frequencies SPECTRUM_HZ, of the first channel."""
        return self.channels[0].power[: len(self)]

    @property
    def reason(self) -> str:
        """Why there are no statistics; "" where there are."""
        if self.statistics:
            return ""
        reasons = [f"{channel.label}: {channel.reason}" for channel in self.channels if channel.reason]
        if len(reasons) == len(self.channels):
            return "; ".join(reasons)
        return "no epoch between lights off and lights on has a stage"

    def flags(self) -> list[str]:
        """Return what is wrong with each epoch of any channel, in words."""
        masks = [("low confidence", self.unsure), *(pair for one in self.channels for pair in one.faults.items())]
        flags = [list(dict.fromkeys(text for text, mask in masks if mask[epoch])) for epoch in range(len(self))]
        return ["; ".join(texts) for texts in flags]

    def columns(self) -> dict[str, Any]:
        """Return the table of all epochs; `stage` is ? where `flags` says why, `clock` and `expert` only if known.

        Where a human reviewed the night, `stage` is the human's or the model's as `scored_by` says; probabilities,
        confidence and flags are the model's.
        """
        epochs = range(len(self))
        columns: dict[str, Any] = {
            "recording": [self.title] * len(self),
            "epoch": epochs,
            "onset_s": [self.onset(epoch) for epoch in epochs],
            "clock": [self.clock(epoch) for epoch in epochs] if self.start else None,
            "stage": NAMES[self.stages],
            **{f"p_{name}": self.probabilities[:, code].round(4) for code, name in enumerate(STAGE_NAMES)},
            "confidence": self.confidence.round(4),
            "flags": self.flags(),
            "scored_by": np.where(self.by_human, HUMAN, MODEL) if self.reviewed else None,
            "model_stage": NAMES[self.model_stages] if self.reviewed else None,
            "expert": None if self.expert is None else NAMES[self.expert],
        }
        return {name: column for name, column in columns.items() if column is not None}

    def to_frame(self) -> pd.DataFrame:
        """Return the table of `columns`, one row for each epoch."""
        import pandas as pd

        return pd.DataFrame(self.columns())


def time_of(start: datetime | None, second: float) -> str:
    """Return the time of day `second` seconds after a recording's start; the seconds where it has no clock."""
    return f"{second:g} s" if start is None else f"{start + timedelta(seconds=second):%H:%M:%S}"
