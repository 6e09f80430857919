"""What speaks against trusting the stages of a recording, and what else its user should know."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from recordings.conditioning import Measured
from recordings.epochs import TARGET_RATE, amplitude_notice
from recordings.quality import AMPLITUDE, Quality, Seen
from recordings.recording import RawSignal, Recording, changed_files
from scoring.expert import expert_doubts, expert_notices
from scoring.request import StagingPlan
from scoring.staged import LOW_CONFIDENCE, NO_SIGNAL, StagedChannel, time_of
from sleepstage import EPOCH_SECONDS, Stage

FAULTY_SHARE = 0.01  # of epochs with a fault; fewer are movements, which the table flags and nobody needs to be told
UNSCORED_SHARE = 0.05  # of epochs; with more, the time asleep is a good deal shorter than it was


# ---- a recording ----


def warnings_of(
    plan: StagingPlan,
    channels: Sequence[StagedChannel],
    probabilities: NDArray[np.float32],
    expert: NDArray[np.int32] | None,
) -> tuple[str, ...]:
    """Return all that speaks against trusting a recording's stages, and the comparison with its expert.

    Args:
        plan: how it was staged.
        channels: those that were staged.
        probabilities: (epoch, stage), the mean over them.
        expert: (epoch,) the expert's stages; None without one.
    """
    return (
        *plan.warnings,
        *(doubt for channel in channels for doubt in channel.doubts),
        *changed_files(plan.files),
        *night_doubts(probabilities, plan.limit),
        *(() if expert is None else expert_doubts(expert, channels[0].power)),
        *plan.lights.warnings,
    )


def notices_of(
    opened: Recording,
    plan: StagingPlan,
    channels: Sequence[StagedChannel],
    probabilities: NDArray[np.float32],
    expert: NDArray[np.int32] | None,
) -> tuple[str, ...]:
    """Return what else the user should know of a staged recording; see `warnings_of`."""
    of_expert = () if plan.expert is None or expert is None else expert_notices(opened, plan.expert.hypnogram, expert)
    return (
        *opened.notices,
        *plan.notices,
        *notices_on(opened, channels, probabilities, plan.first_second),
        *plan.lights.notices,
        *plan.lights.unknown(),
        *of_expert,
    )


# ---- its parts ----


def signal_doubts(signal: RawSignal, seen: Seen, quality: Quality) -> Iterator[str]:
    """Yield what speaks against trusting a channel; of one that cannot be scored, only why."""
    if quality.reason:
        yield f"{signal.channel}: not scored: {quality.reason}"
        return
    amplitude = amplitude_notice(seen.stds[quality.good])
    if amplitude:
        yield f"{signal.channel}: {amplitude}"
    for what, mask in quality.faults.items():
        if mask.mean() > FAULTY_SHARE:
            first = seen.epochs.first_second + EPOCH_SECONDS * int(seen.epochs.recorded[mask.argmax()])
            verb = "have an" if what == AMPLITUDE else "are"
            how_many = f"{np.count_nonzero(mask)} of {len(mask)} epochs {verb} {what}"
            yield f"{signal.channel}: {how_many}, the first at {time_of(signal.start, first)}"
    if signal.rate < TARGET_RATE:
        yield f"{signal.channel}: recorded at {signal.rate:g} Hz; what lies above {signal.rate / 2:g} Hz is missing"


MOST_GAIN = 4.0  # a recording that is that much too weak or too strong is doubtful, however it is scaled


def gain_doubts(signal: RawSignal, conditioned: Iterable[Measured]) -> Iterator[str]:
    """Yield what speaks against a channel that had to be scaled very much for the weights."""
    for one in conditioned:
        if not 1 / MOST_GAIN <= one.factor <= MOST_GAIN:
            yield (
                f"{signal.channel}: its amplitude, {one.amplitude:.3g} µV, had to be multiplied by {one.factor:.3g} "
                "for these weights; check the unit in the file"
            )


def night_doubts(probabilities: NDArray[np.float32], limit: float = LOW_CONFIDENCE) -> Iterator[str]:
    """Yield what speaks against trusting (epoch, stage) probabilities; below `limit` an epoch is of low confidence."""
    staged = probabilities[np.isfinite(probabilities[:, 0])]
    if not len(staged):
        return
    if len(probabilities) - len(staged) > UNSCORED_SHARE * len(probabilities):
        missing = f"{len(probabilities) - len(staged)} of {len(probabilities)} epochs have no stage"
        yield f"{missing}: they count as time in bed, but not as sleep"
    if not np.isin(staged.argmax(axis=1), (Stage.N2, Stage.N3)).any():
        yield "no N2 and no N3 at all: unlike a night's sleep"
    unsure = np.count_nonzero(staged.max(axis=1) < limit)
    if unsure > len(staged) / 4:
        yield f"{unsure} of {len(staged)} epochs are of low confidence (below {limit:g})"


def notices_on(
    opened: Recording, channels: Sequence[StagedChannel], probabilities: NDArray[np.float32], first_second: float
) -> Iterator[str]:
    """Yield what the user should know of a staged recording, without a doubt about it."""
    for one in channels:
        if not one.unit:
            yield f"{one.label}: the file gives no unit; taken as µV"
    lost = [one.faults[NO_SIGNAL][: len(probabilities)] for one in channels]
    missing = np.count_nonzero(np.all(lost, axis=0)) if lost else 0
    if missing:
        yield f"{missing} epochs reach into gaps of the recording and are not staged"
    left = opened.seconds - first_second - len(probabilities) * EPOCH_SECONDS
    if left >= 1 / TARGET_RATE:
        yield f"the last {left:g} s are no whole epoch; left out"
    if first_second:
        yield f"the expert's epochs start {first_second:g} s after the recording; what comes before is left out"
