"""A recording and the checkpoints of a data set → a staged recording.

Every fold stages every channel; the probability of a stage is the mean over them.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from folds.calibration import tempered
from folds.checkpoint import Fold
from folds.checks import content_of
from folds.run import Run
from recordings.channels import Channel, resolve_channel, same_channel, trained_and_stand_ins
from recordings.conditioning import Plan
from recordings.datasets import DATASETS, Dataset, hypnogram_beside, night_name, read_hypnogram, study_of
from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE, Epochs, Parts, epochs_in_parts
from recordings.fit import misfit, slow_excess
from recordings.hypnogram import LARGEST_MISMATCH, Hypnogram, grid_start, on_grid, without_partner
from recordings.hypnograms.scoring import AS_IT_IS, Reading
from recordings.opening import one_channel
from recordings.quality import chosen, look_at, quality, sampled_reason
from recordings.recording import Mark, RawSignal, Recording, changed_files, fingerprint
from recordings.spectrum import SPECTRUM_HZ, density_of
from scoring.lights import Lights, lights_of
from scoring.staged import NO_SIGNAL, StagedChannel, StagedRecording, limit_of
from scoring.trust import gain_doubts, night_doubts, notices_on, signal_doubts
from sleepstage import EPOCH_SECONDS, STAGES, UNKNOWN

if TYPE_CHECKING:
    from model import Stager


@dataclass(frozen=True)
class Request:
    """What the user wants of a recording.

    Attributes:
        channels: names of channels; none for the one that the checkpoints were trained on.
        hypnogram: the expert's, in a file of its own; None for one beside the recording, if any.
        lights_off, lights_on: seconds from the recording's start, or the time since midnight; None for the marks in the
            recording, if any.
        reading: how hypnograms are to be read.
    """

    channels: tuple[str, ...] = ()
    hypnogram: Path | None = None
    lights_off: Lights | None = None
    lights_on: Lights | None = None
    reading: Reading = AS_IT_IS


# ---- networks ----


def stager_of(fold: Fold, one_by_one: bool = False) -> Stager:
    """Return the compiled network with a fold's weights; another fold of the same sizes has it no more.

    Args:
        fold: the fold.
        one_by_one: compiled for one epoch at a time, for a stream.
    """
    from model import BLOCK_EPOCHS, compiled_stager

    stager = compiled_stager(fold.run.settings, 1 if one_by_one else BLOCK_EPOCHS)
    stager.network.assign(fold.best.weights, str(fold.folder))
    return stager


def compile_networks(folds: Sequence[Fold]) -> None:
    """Compile the networks of the folds; whoever needs one meanwhile waits for it."""
    from model import compiled_stager

    for stager in {compiled_stager(fold.run.settings) for fold in folds}:
        stager.compile()


def calibrated(fold: Fold, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a fold's (epoch, stage) probabilities at its temperature; as they are where it has none."""
    return tempered(probabilities, fold.calibration.temperature) if fold.calibration else probabilities


def check_fits_recordings(fold: Fold) -> None:
    """Raise InputError unless a fold was trained on whole epochs at 100 Hz, as recordings are cut into."""
    settings = fold.run.settings
    if (settings.sampling_rate, settings.input_size) != (TARGET_RATE, EPOCH_SAMPLES):
        raise InputError(
            f"{fold.folder}: trained on {settings.input_size} samples an epoch at {settings.sampling_rate} Hz; "
            f"recordings are scored in epochs of {EPOCH_SAMPLES} samples at {TARGET_RATE} Hz: train with "
            f"--input_size {EPOCH_SAMPLES} --sampling_rate {TARGET_RATE}, or choose other weights"
        )


# ---- one recording ----


def check_request(opened: Recording, request: Request, folds: Sequence[Fold] = ()) -> None:
    """Refuse what `stage_recording` would refuse, as far as that is seen without a network and without the signal.

    Args:
        opened: the recording.
        request: what is wanted of it.
        folds: those that will stage it; without them, only a channel that is asked for by name is looked for.

    Raises:
        InputError: the channel, the hypnogram or the lights cannot be used; the message names the file.
    """
    expert, _ = expert_of(opened, request)
    if expert:
        delay = expert.delay(opened.start)
        aligned(opened, expert, delay, max(0, int((opened.seconds - grid_start(delay)) // EPOCH_SECONDS)))
    lights_of(opened, request.lights_off, request.lights_on)
    try:
        named = [resolve_channel(name, opened.labels) for name in request.channels]
        if folds and not named and opened.labels != ("",):
            next(iter(trained_and_stand_ins(trained_channels(folds), opened.labels)))
    except InputError as error:
        raise InputError(f"{opened.place}: {error}") from error
    for channel in named:
        one_channel(opened, channel)


def stage_recording(opened: Recording, folds: Sequence[Fold], request: Request) -> StagedRecording:
    """Stage one recording with every fold that may, and compare it with the expert's hypnogram if there is one.

    Raises:
        InputError: the recording, the channel, the hypnogram or the lights cannot be used; the message names the file.
    """
    expert, expert_file = expert_of(opened, request)
    delay = expert.delay(opened.start) if expert else 0.0
    lights = lights_of(opened, request.lights_off, request.lights_on)
    unseen, seen = unseen_folds(opened, folds)
    found, stand_ins = chosen_channels(opened, unseen, request)
    first_second = grid_start(delay)  # the expert's epochs count
    own = is_of_data_set(opened, DATASETS.get(folds[0].run.db))
    channels = [stage_channel(one_channel(opened, one), first_second, unseen, own, opened.marks) for one in found]
    probabilities = mean_of_good([one.probabilities for one in channels])
    check_has_epochs(opened, channels)
    placed = None if expert is None else aligned(opened, expert, delay, len(probabilities))
    doubts = (
        *(doubt for one in channels for doubt in one.doubts),
        *changed_files(opened.files),
        *night_doubts(probabilities, limit_of(unseen)),
        *expert_doubts(placed, channels[0]),
    )
    notices = (*notices_on(opened, channels, probabilities, first_second), *lights.notices)
    return StagedRecording(
        name=opened.name,
        path=opened.path,
        format=opened.format,
        start=opened.start,
        first_second=first_second,
        channels=tuple(channels),
        probabilities=probabilities,
        expert=placed,
        expert_file=expert_file,
        lights_off=lights.off,
        lights_on=lights.on,
        folds=tuple(unseen),
        limit=limit_of(unseen),
        fingerprint=fingerprint(opened.files),
        stretches=opened.stretches,
        simulated=opened.simulated,
        warnings=(*seen, *stand_ins, *doubts, *lights.warnings),
        notices=(*opened.notices, *notices, *expert_notices(opened, expert, placed)),
    )


def check_has_epochs(opened: Recording, channels: Sequence[StagedChannel]) -> None:
    if all(one.faults[NO_SIGNAL].all() for one in channels):
        raise InputError(
            f"{opened.place}: {opened.seconds:g} s of signal, and no whole epoch ({EPOCH_SECONDS} s) in it"
        )


def stage_channel(
    signal: RawSignal, first_second: float, folds: Sequence[Fold], own: bool, marks: Sequence[Mark] = ()
) -> StagedChannel:
    """Stage one channel with every fold, conditioned as each fold's weights need it.

    The network goes from the last epoch before a gap, or before one that cannot be scored, to the first one after it,
    as it does in training, where epochs that nobody staged are left out; what is filtered ends there too.

    Args:
        signal: the channel.
        first_second: where the first epoch starts in it.
        folds: those that stage it.
        own: the night is of the folds' own data set.
        marks: the recording's annotations.
    """
    parts = epochs_in_parts(signal, first_second)
    seen = look_at(parts)
    judged = quality(parts, seen, marks)
    epochs, good_parts = seen.epochs, chosen(parts, judged.good)
    good = epochs.only(judged.good)
    needs = list(dict.fromkeys(fold.run.conditioning for fold in folds)) if judged.good.any() else []
    plans = {need: need.plan(good_parts, own) for need in needs}
    probabilities = mean_probabilities(good_parts, [(fold, plans[fold.run.conditioning]) for fold in folds if plans])
    no_signal = with_gaps(epochs, np.zeros(len(epochs.x), bool), True)
    return StagedChannel(
        label=signal.channel,
        unit=signal.unit,
        rate=signal.rate,
        probabilities=with_gaps(good, probabilities, np.nan),
        power=with_gaps(good, seen.power[judged.good], np.nan),
        faults={NO_SIGNAL: no_signal, **{name: with_gaps(epochs, mask, False) for name, mask in judged.faults.items()}},
        doubts=(*signal_doubts(signal, seen, judged), *gain_doubts(signal, plans.values())) if len(epochs.x) else (),
        reason=judged.reason,
        conditioned=tuple(one.described(need) for need, one in plans.items()),
        content=seen.content,
    )


def mean_probabilities(parts: Parts, folds: Sequence[tuple[Fold, Plan]]) -> NDArray[np.float32]:
    """Return the mean probability of each stage over the folds, (recorded epoch, stage).

    It goes through the channel once, with the LSTM of every fold at the same place, and only a part in memory; or all
    of it, for networks that are bidirectional.
    """
    means = [np.zeros((0, len(STAGES)), np.float32)]
    states: list[Any] = [None] * len(folds)
    first = 0
    whole = any(fold.run.settings.bidirectional for fold, _ in folds)
    for x in regrouped(parts, sys.maxsize if whole else EPOCHS_AT_A_TIME) if folds else ():
        total = np.zeros((len(x), len(STAGES)), np.float32)
        for number, (fold, plan) in enumerate(folds):
            probabilities, states[number] = stager_of(fold).probabilities_on(plan.condition(x, first), states[number])
            total += calibrated(fold, probabilities)
        first += len(x)
        means.append(total / np.float32(len(folds)))
    return np.concatenate(means)


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


# ---- which folds ----


def is_of_data_set(opened: Recording, dataset: Dataset | None) -> bool:
    """Tell whether a recording is a night of a published data set: prepared, or under its study's own name for it."""
    if dataset is None:
        return False
    known = opened.night is not None or (opened.path is not None and study_of(opened.path) is not None)
    return known and dataset.subject_of(recorded_night(opened)) is not None


def recorded_night(opened: Recording) -> str:
    """Return the name that a recording's prepared night has, or would have."""
    return night_name(opened.path or Path(f"{opened.name}.edf"))


def content_at(path: Path | None) -> str:
    """Return the content of a prepared night, as folds keep it; "" for any other recording."""
    return content_of(path) if path is not None and path.suffix == ".npz" else ""


def unseen_folds(opened: Recording, folds: Sequence[Fold]) -> tuple[Sequence[Fold], tuple[str, ...]]:
    """Return the folds that never saw a recording's subject in training, or all of them with a warning.

    The recording's name tells the subject; a prepared night is also known by its signal.
    """
    name = recorded_night(opened)
    content = content_at(opened.path) if opened.night is not None else ""
    unseen = [fold for fold in folds if not fold.run.has_seen(name, content)]
    if unseen:
        return unseen, ()
    dataset = DATASETS.get(folds[0].run.db)
    subject = dataset.subject_of(name) if dataset else None
    whose = f"the subject of {name}" if subject is None else f"subject {subject} of {folds[0].run.db}"
    return folds, (f"{whose} was in the training of every fold used here: the stages are better than on a new night",)


# ---- which channels ----


def chosen_channels(
    opened: Recording, folds: Sequence[Fold], request: Request
) -> tuple[list[Channel], tuple[str, ...]]:
    """Return the channels to stage, and a warning for each that is not the one that the folds were trained on."""
    trained = trained_channels(folds)
    passed_over: tuple[str, ...] = ()
    try:
        if request.channels:
            found = list(dict.fromkeys(resolve_channel(name, opened.labels) for name in request.channels))
        elif opened.labels == ("",):  # a prepared night or an array that names no channel
            found = [Channel("(no name)", 0)]
        else:
            first, passed_over = first_alive(opened, trained)
            found = [first]
    except InputError as error:
        raise InputError(f"{opened.place}: {error}") from error
    return found, passed_over + other_than(trained, [one.label for one in found], bool(request.channels))


def other_than(trained: Sequence[str], labels: Sequence[str], asked: bool) -> tuple[str, ...]:
    """Return a warning for each channel that is not one of those that folds were trained on.

    Args:
        trained: the names of those.
        labels: the names of the channels that are staged.
        asked: the user asked for them by name.
    """
    return tuple(
        f"channel {label} {'is not' if asked else 'stands in for'} {' or '.join(trained)}, "
        "on which the checkpoint was trained: expect more errors"
        for label in labels
        if not any(same_channel(label, name) for name in trained)
    )


def trained_channels(folds: Sequence[Fold]) -> list[str]:
    """Return the names of the channels that folds were trained on, each once."""
    names = (name for fold in folds for name in channels_of(fold.run) if name)
    return list(dict.fromkeys(names))


def channels_of(run: Run) -> Sequence[str]:
    """Return the channels that a run's nights name; those of a published data set, where they name none."""
    return run.channels or ([DATASETS[run.db].channel] if run.db in DATASETS else [])


def first_alive(opened: Recording, trained: Sequence[str]) -> tuple[Channel, tuple[str, ...]]:
    """Return the nearest channel that can be scored, and a warning for each that was passed over; else the nearest.

    Raises:
        InputError: there is none, or its name could mean several channels.
    """
    there: list[Channel] = []
    passed_over: list[str] = []
    for channel in trained_and_stand_ins(trained, opened.labels):
        there.append(channel)
        reason = why_not(opened, channel)
        if not reason:
            return channel, tuple(passed_over)
        passed_over.append(f"channel {channel.label} was passed over: {reason}")
    return there[0], ()  # which will say itself why it cannot be scored


def why_not(opened: Recording, channel: Channel) -> str:
    """Say why a channel cannot be scored, read here and there; "" where nothing speaks against it."""
    try:
        return sampled_reason(one_channel(opened, channel))
    except InputError as error:
        return str(error).removeprefix(f"{opened.place}: ")


# ---- the expert ----


def expert_of(opened: Recording, request: Request) -> tuple[Hypnogram | None, Path | None]:
    """Return the expert's hypnogram and its file: the one named, the prepared night's own, or the one beside it."""
    if request.hypnogram:
        if not request.hypnogram.is_file():
            raise InputError(f"{request.hypnogram}: no such file; check the name")
        return read_hypnogram(request.hypnogram, opened.path, request.reading), request.hypnogram
    if opened.night:
        return Hypnogram(opened.night.expert), opened.path
    beside = hypnogram_beside(opened.path) if opened.path else None
    return (read_hypnogram(beside, opened.path, request.reading), beside) if beside else (None, None)


def aligned(opened: Recording, expert: Hypnogram, delay: float, n_epochs: int) -> NDArray[np.int32]:
    """Return the expert's stages of the recording's epochs, UNKNOWN where there is none.

    Raises:
        InputError: not one epoch has both a signal and a stage, or many stages have no signal where many epochs have no
            stage, as when one of the clocks is wrong.
    """
    placed, _ = on_grid(expert.codes, delay, n_epochs)
    if (placed == UNKNOWN).all():
        starts = f" from {expert.start}, the signal {n_epochs} from {opened.start}" if delay else ""
        raise InputError(
            f"{opened.place}: no epoch has both a signal and an expert's stage (the hypnogram has "
            f"{len(expert.codes)} epochs{starts}); is it of this night?"
        )
    outside, bare = (int(one) for one in without_partner(expert.codes, delay, n_epochs))
    if min(outside, bare) > LARGEST_MISMATCH // 2:  # moved by so much, they miss each other at both ends
        raise InputError(
            f"{opened.place}: the hypnogram starts {delay:g} s after the signal; {outside} of its epochs have a stage "
            f"and no signal, {bare} of the signal's have no hypnogram: check the start times of both"
        )
    return placed


def expert_notices(opened: Recording, expert: Hypnogram | None, placed: NDArray[np.int32] | None) -> Iterator[str]:
    """Yield what the user should know of an expert's hypnogram and its (epoch,) stages of the recording."""
    if expert is None or placed is None:
        return
    yield expert.placed(opened.start)
    yield from expert.notices
    n_staged = np.count_nonzero(placed != UNKNOWN)
    if n_staged < len(placed):
        yield f"the hypnogram has a stage for {n_staged} of {len(placed)} epochs; the others are not compared"
    outside = np.count_nonzero(expert.codes != UNKNOWN) - n_staged
    if outside:
        yield f"the hypnogram has a stage for {outside} epochs outside the recording"


def expert_doubts(expert: NDArray[np.int32] | None, channel: StagedChannel) -> Iterator[str]:
    """Yield what speaks against the expert's (epoch,) stages being those of a channel's epochs."""
    if expert is None:
        return
    said = misfit(slow_excess(density_of(channel.power[: len(expert)]), SPECTRUM_HZ), expert)
    if said:
        yield said
