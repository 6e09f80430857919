"""The epochs of a stream and the folds → a stage for each epoch, as soon as it is there.

Every fold stages every channel, its LSTM at the place where the epoch before left it; the probability of a stage is the
mean over them. An epoch that cannot be staged leaves the LSTM where it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files.arrays import Arrays
from folds.checkpoint import Fold
from scoring.networks import compile_networks, probabilities_of
from scoring.request import FoldGroup
from scoring.staged import NAMES, limit_of
from scoring.staging import mean_of_good
from sleepstage import STAGES, UNKNOWN
from streaming.cutting import Cut
from streaming.so_far import MISSING, ConditioningSoFar, Judged, QualitySoFar


@dataclass(frozen=True, eq=False)
class LiveEpoch:
    """A staged epoch.

    Attributes:
        number: counted from the stream's first sample.
        probabilities: (stage,) float32; nan where it could not be staged.
        unsure: its confidence is low.
        faults: what is wrong with it in any channel, in words.
        reasons: (channel,) why a channel cannot be staged at all; "" where it can.
    """

    number: int
    probabilities: NDArray[np.float32]
    unsure: bool
    faults: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def confidence(self) -> float:
        """The probability of the most probable stage; nan where there is none."""
        return float(self.probabilities.max())

    @property
    def stage(self) -> int:
        """The code of the most probable stage; UNKNOWN where it could not be staged."""
        return int(self.probabilities.argmax()) if np.isfinite(self.confidence) else UNKNOWN

    @property
    def stage_name(self) -> str:
        """W, N1, N2, N3, REM, or ? where it could not be staged."""
        return str(NAMES[self.stage])

    @property
    def flags(self) -> str:
        """What is wrong with it, in words, as predict.py writes it."""
        return "; ".join(("low confidence", *self.faults) if self.unsure else self.faults)


def check_fits_streams(fold: Fold) -> None:
    """Raise InputError for a fold that needs whole nights."""
    if fold.run.settings.bidirectional:
        raise InputError(
            f"{fold.folder}: a bidirectional network stages an epoch when it has seen the rest of the night; "
            "choose other weights for a stream"
        )


class LiveStager:
    """Stages the epochs of a stream one after the other.

    Args:
        groups: the folds that stage it.
        n_channels: how many channels it has.
        amplitude: µV, where it is known beforehand.
    """

    def __init__(self, groups: Sequence[FoldGroup], n_channels: int, amplitude: float | None = None) -> None:
        self.folds = [(fold, need) for need, group in enumerate(groups) for fold in group.folds]
        self.limit = limit_of([fold for fold, _ in self.folds])
        self.qualities = [QualitySoFar() for _ in range(n_channels)]
        self.conditionings = [
            [ConditioningSoFar(group.conditioning, amplitude) for group in groups] for _ in range(n_channels)
        ]
        self.states: list[list[Any]] = [[None] * len(self.folds) for _ in range(n_channels)]  # (channel, fold)

    def compile(self) -> None:
        """Compile what stages; it takes seconds, in which a stream would have to wait."""
        compile_networks([fold for fold, _ in self.folds], one_by_one=True)

    def stage(self, cut: Cut) -> LiveEpoch:
        """Stage the next epoch."""
        channels = range(len(self.qualities))
        judged = [self.judge(channel, cut) for channel in channels]
        conditioned = {
            channel: self.condition(channel, cut, judged[channel]) for channel in channels if judged[channel].good
        }
        totals = np.full((len(judged), 1, len(STAGES)), np.nan, np.float32)  # (channel, epoch, stage)
        totals[list(conditioned)] = 0
        for (number, (fold, need)), (channel, x) in product(enumerate(self.folds), conditioned.items()):
            states = self.states[channel]
            probabilities, states[number] = probabilities_of(fold, x[need], states[number], one_by_one=True)
            totals[channel] += probabilities
        probabilities = mean_of_good(list(totals / np.float32(len(self.folds))))[0]
        faults = tuple(dict.fromkeys(fault for one in judged for fault in one.faults))
        unsure = bool(probabilities.max() < self.limit)
        return LiveEpoch(cut.number, probabilities, unsure, faults, tuple(one.reason for one in judged))

    def judge(self, channel: int, cut: Cut) -> Judged:
        if not cut.there[channel]:
            return MISSING
        return self.qualities[channel].judge(cut.x[channel], bool(cut.flat[channel]), float(cut.clipped[channel]))

    def condition(self, channel: int, cut: Cut, judged: Judged) -> list[NDArray[np.float32]]:
        """Return an epoch of a channel as each kind of weights needs it, (1, sample)."""
        clipped = "clipped" in judged.faults
        return [one.condition(cut.number, cut.x[channel], clipped) for one in self.conditionings[channel]]

    def factors(self) -> list[float]:
        """Return what each channel is multiplied by now, for the first fold's weights."""
        return [one[0].factor for one in self.conditionings]

    # ---- for another process ----

    def kept(self) -> Arrays:
        """Return what another process needs to go on, by name."""
        kept: Arrays = {}
        for name, part in self.parts():
            kept |= {f"{name}/{key}": value for key, value in part.kept().items()}
        for (channel, states), fold in product(enumerate(self.states), range(len(self.folds))):
            if states[fold] is not None:
                kept[f"{channel}/state/{fold}"] = np.array(states[fold])
        return kept

    def go_on(self, kept: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `kept` returned."""
        for name, part in self.parts():
            part.go_on({key.removeprefix(f"{name}/"): kept[key] for key in kept if key.startswith(f"{name}/")})
        for (channel, states), fold in product(enumerate(self.states), range(len(self.folds))):
            states[fold] = kept.get(f"{channel}/state/{fold}")

    def parts(self) -> list[tuple[str, QualitySoFar | ConditioningSoFar]]:
        """Return everything that remembers, under its name."""
        qualities = [(f"{channel}/quality", one) for channel, one in enumerate(self.qualities)]
        conditionings = [
            (f"{channel}/conditioning/{need}", one)
            for channel, several in enumerate(self.conditionings)
            for need, one in enumerate(several)
        ]
        return [*qualities, *conditionings]
