"""A recording and the plan for it → a staged recording.

Every fold stages every channel; the probability of a stage is the mean over them, and over families of folds.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from folds.checkpoint import Fold
from folds.families import families_of
from recordings.conditioning import Plan
from recordings.epochs import EPOCH_SAMPLES, Epochs, Parts, epochs_in_parts
from recordings.opening import one_channel
from recordings.quality import chosen, look_at, quality
from recordings.recording import Mark, RawSignal, Recording, fingerprint
from scoring.networks import adapted_probabilities, features_of_night, probabilities_of
from scoring.request import FoldGroup, StagingPlan
from scoring.staged import NO_SIGNAL, StagedChannel, StagedRecording
from scoring.trust import gain_doubts, notices_of, signal_doubts, warnings_of
from sleepstage import EPOCH_SECONDS, STAGES


def stage_recording(opened: Recording, plan: StagingPlan) -> StagedRecording:
    """Stage a recording as it is planned, and compare it with the expert's hypnogram if there is one.

    Raises:
        InputError: there is not one whole epoch in it, or it cannot be read to its end; the message names the file.
    """
    signals = (one_channel(opened, channel) for channel in plan.channels)
    channels = tuple(stage_channel(signal, plan.first_second, plan.groups, opened.marks) for signal in signals)
    check_has_epochs(opened, channels)
    probabilities = mean_of_good([channel.probabilities for channel in channels])
    expert = plan.expert.stages(len(probabilities)) if plan.expert else None
    return StagedRecording(
        name=opened.name,
        path=opened.path,
        format=opened.format,
        start=opened.start,
        first_second=plan.first_second,
        channels=channels,
        probabilities=probabilities,
        expert=expert,
        expert_file=plan.expert.file if plan.expert else None,
        lights_off=plan.lights.off,
        lights_on=plan.lights.on,
        folds=plan.folds,
        seen=plan.seen,
        limit=plan.limit,
        fingerprint=fingerprint(opened.files),
        stretches=opened.stretches,
        simulated=opened.simulated,
        warnings=warnings_of(plan, channels, probabilities, expert),
        notices=notices_of(opened, plan, channels, probabilities, expert),
    )


def check_has_epochs(opened: Recording, channels: Sequence[StagedChannel]) -> None:
    if all(channel.faults[NO_SIGNAL].all() for channel in channels):
        raise InputError(
            f"{opened.place}: {opened.seconds:g} s of signal, and no whole epoch ({EPOCH_SECONDS} s) in it"
        )


def stage_channel(
    signal: RawSignal, first_second: float, groups: Sequence[FoldGroup], marks: Sequence[Mark] = ()
) -> StagedChannel:
    """Stage one channel with every fold, conditioned as each group's weights need it.

    The network goes from the last epoch before a gap, or before one that cannot be scored, to the first one after it,
    as it does in training, where epochs that nobody staged are left out; what is filtered ends there too.

    Args:
        signal: the channel.
        first_second: where the first epoch starts in it.
        groups: the folds that stage it.
        marks: the recording's annotations.
    """
    parts = epochs_in_parts(signal, first_second)
    seen = look_at(parts)
    judged = quality(parts, seen, marks)
    epochs, good_parts = seen.epochs, chosen(parts, judged.good)
    good = epochs.only(judged.good)
    planned = [(group, group.conditioning.plan(good_parts, group.own)) for group in groups if judged.good.any()]
    folds = [(fold, plan, group.adapts(fold)) for group, plan in planned for fold in group.folds]
    probabilities = mean_probabilities(good_parts, folds)
    no_signal = with_gaps(epochs, np.zeros(len(epochs.x), bool), True)
    gains = gain_doubts(signal, (plan for _, plan in planned))
    return StagedChannel(
        label=signal.channel,
        unit=signal.unit,
        rate=signal.rate,
        probabilities=with_gaps(good, probabilities, np.nan),
        power=with_gaps(good, seen.power[judged.good], np.nan),
        faults={NO_SIGNAL: no_signal, **{name: with_gaps(epochs, mask, False) for name, mask in judged.faults.items()}},
        doubts=(*signal_doubts(signal, seen, judged), *gains) if len(epochs.x) else (),
        reason=judged.reason,
        conditioned=tuple(
            plan.described(group.conditioning)
            | {"adapted_by": group.adapted_by(len(good.x))}
            | ({"db": group.folds[0].run.db} if len(families_of(fold for fold, _, _ in folds)) > 1 else {})
            for group, plan in planned
        ),
        content=seen.content,
    )


def mean_probabilities(parts: Parts, folds: Sequence[tuple[Fold, Plan, bool]]) -> NDArray[np.float32]:
    """Return the mean probability of each stage over families of the means over their folds, (recorded epoch, stage).

    It goes through the channel once, with the LSTM of every fold at the same place, and only a part in memory; or all
    of it, for networks that are bidirectional. Of a fold whose network the recording adapts, only the features are
    worked out on the way, 1 kB an epoch: its LSTM reads them when all are known.

    Args:
        parts: the channel.
        folds: each with what is done to the signal, and whether the recording adapts its network.
    """
    families = list(families_of(fold for fold, _, _ in folds).values())
    family_of = {id(fold): number for number, family in enumerate(families) for fold in family}
    if not folds:
        return np.zeros((0, len(STAGES)), np.float32)
    totals = [np.zeros((len(families), 0, len(STAGES)), np.float32)]  # (family, epoch, stage)
    states: list[Any] = [None] * len(folds)
    features: list[list[NDArray[np.float32]]] = [[] for _ in folds]
    first = 0
    whole = any(fold.run.settings.bidirectional for fold, _, _ in folds)
    for x in regrouped(parts, sys.maxsize if whole else EPOCHS_AT_A_TIME):
        total = np.zeros((len(families), len(x), len(STAGES)), np.float32)
        for number, (fold, plan, adapts) in enumerate(folds):
            conditioned = plan.condition(x, first)
            if adapts:
                features[number].append(features_of_night(fold, conditioned))
            else:
                probabilities, states[number] = probabilities_of(fold, conditioned, states[number])
                total[family_of[id(fold)]] += probabilities
        first += len(x)
        totals.append(total)
    means = np.concatenate(totals, axis=1)
    for (fold, _, _), found in zip(folds, features, strict=True):
        if found:
            means[family_of[id(fold)]] += adapted_probabilities(fold, np.concatenate(found))
    means /= np.array([len(family) for family in families], np.float32)[:, None, None]
    mean: NDArray[np.float32] = means.mean(axis=0)  # (family, epoch, stage) -> (epoch, stage)
    return mean


EPOCHS_AT_A_TIME = 500  # what a fold stages before the next one's weights take its place; a multiple of BLOCK_EPOCHS
NOTHING = np.zeros((0, EPOCH_SAMPLES), np.float32)


def regrouped(parts: Parts, n_epochs: int) -> Iterator[NDArray[np.float32]]:
    """Yield (epoch, sample) of all parts, `n_epochs` at a time; the last ones may be fewer."""
    rest = NOTHING
    for part in parts():
        x = np.concatenate([rest, part.x]) if len(rest) else part.x
        whole = len(x) // n_epochs * n_epochs
        yield from (x[first : first + n_epochs] for first in range(0, whole, n_epochs))
        rest = x[whole:]
    if len(rest):
        yield rest


def with_gaps(epochs: Epochs, values: NDArray[Any], missing: Any) -> NDArray[Any]:
    """(recorded epoch, …) -> (epoch, …), with `missing` for an epoch that is not among `epochs`."""
    placed = np.full((epochs.n_epochs, *values.shape[1:]), missing, values.dtype)
    placed[epochs.recorded] = values
    return placed


def mean_of_good(probabilities: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean over channels of (epoch, stage) probabilities; an epoch is nan where it is nan in every channel.

    It has as many epochs as the shortest channel.
    """
    n_epochs = min(map(len, probabilities))
    every = np.stack([one[:n_epochs] for one in probabilities])  # (channel, epoch, stage)
    n_good = np.isfinite(every).sum(axis=0)
    mean: NDArray[np.float32] = np.nansum(every, axis=0) / np.where(n_good, n_good, np.nan)
    return mean.astype(np.float32)
