"""A recording and the checkpoints of a data set → a staged recording.

Every fold stages every channel; the probability of a stage is the mean over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from folds.checkpoint import Fold
from recordings.channels import Channel, resolve_channel, same_channel, trained_or_stand_in
from recordings.datasets import DATASETS, hypnogram_beside, night_name, read_hypnogram
from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE, Epochs, signal_epochs
from recordings.fit import misfit, slow_excess
from recordings.hypnogram import Hypnogram, grid_start, on_grid
from recordings.opening import one_channel
from recordings.recording import RawSignal, Recording, changed_files
from scoring.lights import Lights, lights_of
from scoring.spectrum import SPECTRUM_HZ, spectrum
from scoring.staged import StagedChannel, StagedRecording
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
    """

    channels: tuple[str, ...] = ()
    hypnogram: Path | None = None
    lights_off: Lights | None = None
    lights_on: Lights | None = None


# ---- networks ----


def stager_of(fold: Fold) -> Stager:
    """Return the compiled network with a fold's weights; another fold of the same sizes has it no more."""
    from model import compiled_stager

    stager = compiled_stager(fold.run.settings)
    stager.network.assign(fold.best.weights, str(fold.folder))
    return stager


def check_fits_recordings(fold: Fold) -> None:
    """Raise InputError unless a fold was trained on whole epochs at 100 Hz, as recordings are cut into."""
    settings = fold.run.settings
    if (settings.sampling_rate, settings.input_size) != (TARGET_RATE, EPOCH_SAMPLES):
        raise InputError(
            f"{fold.folder}: trained on {settings.input_size} samples an epoch at {settings.sampling_rate} Hz; "
            f"recordings are scored in epochs of {EPOCH_SAMPLES} samples at {TARGET_RATE} Hz: train with "
            f"--input_size {EPOCH_SAMPLES} --sampling_rate {TARGET_RATE}, or choose another --dir"
        )


# ---- one recording ----


def stage_recording(opened: Recording, folds: Sequence[Fold], request: Request) -> StagedRecording:
    """Stage one recording with every fold that may, and compare it with the expert's hypnogram if there is one.

    Raises:
        InputError: the recording, the channel, the hypnogram or the lights cannot be used; the message names the file.
    """
    expert, expert_file = expert_of(opened, request)
    delay = expert.delay(opened.start) if expert else 0.0
    lights_off, lights_on, marks = lights_of(opened, request.lights_off, request.lights_on)
    chosen, seen = unseen_folds(opened, folds)
    found, stand_ins = chosen_channels(opened, chosen, request)
    first_second = grid_start(delay)  # the expert's epochs count
    own = DATASETS[folds[0].run.db].subject_of(recorded_night(opened)) is not None
    channels = [stage_channel(one_channel(opened, one), first_second, chosen, own) for one in found]
    n_epochs = min(len(one.probabilities) for one in channels)
    probabilities = np.mean([one.probabilities[:n_epochs] for one in channels], axis=0)
    if not np.isfinite(probabilities).any():
        raise InputError(
            f"{opened.place}: {opened.seconds:g} s of signal, and no whole epoch ({EPOCH_SECONDS} s) in it"
        )
    placed = None if expert is None else aligned(opened, expert, delay, n_epochs)
    doubts = (*(doubt for one in channels for doubt in one.doubts), *changed_files(opened.files))
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
        lights_off=lights_off,
        lights_on=lights_on,
        folds=tuple(chosen),
        simulated=opened.simulated,
        warnings=(*seen, *stand_ins, *doubts, *night_doubts(probabilities), *expert_doubts(placed, channels[0])),
        notices=(*opened.notices, *notices_on(opened, channels, probabilities, first_second), *marks),
    )


def stage_channel(signal: RawSignal, first_second: float, folds: Sequence[Fold], own: bool) -> StagedChannel:
    """Stage one channel with every fold, conditioned as each fold's weights need it.

    The network goes from the last epoch before a gap to the first one after it, as it does in training, where epochs
    that nobody staged are left out. `own` says that the night is of the folds' own data set.
    """
    epochs = signal_epochs(signal, first_second)
    total = np.zeros((len(epochs.x), len(STAGES)), np.float32)
    needs = list(dict.fromkeys(fold.run.conditioning for fold in folds)) if len(epochs.x) else []
    done = {need: need.apply(epochs.x, epochs.recorded, epochs.flat, epochs.clipped, own) for need in needs}
    for fold in folds if needs else ():
        total += stager_of(fold).probabilities(done[fold.run.conditioning].x)
    return StagedChannel(
        label=signal.channel,
        unit=signal.unit,
        rate=signal.rate,
        probabilities=with_gaps(epochs, total / len(folds), np.nan),
        power=with_gaps(epochs, spectrum(epochs.x), np.nan),
        flat=with_gaps(epochs, epochs.flat, False),
        clipped=with_gaps(epochs, epochs.clipped, False),
        doubts=(*signal_doubts(signal, epochs), *gain_doubts(signal, done.values())) if len(epochs.x) else (),
        conditioned=tuple(one.described(need) for need, one in done.items()),
        content=epochs.content,
    )


def with_gaps(epochs: Epochs, values: NDArray[Any], missing: Any) -> NDArray[Any]:
    """(recorded epoch, …) -> (epoch, …), with `missing` for an epoch without a signal."""
    placed = np.full((epochs.n_epochs, *values.shape[1:]), missing, values.dtype)
    placed[epochs.recorded] = values
    return placed


# ---- which folds ----


def recorded_night(opened: Recording) -> str:
    """Return the name that a recording's prepared night has, or would have."""
    return night_name(opened.path or Path(f"{opened.name}.edf"))


def unseen_folds(opened: Recording, folds: Sequence[Fold]) -> tuple[Sequence[Fold], tuple[str, ...]]:
    """Return the folds that never saw a recording's subject in training, or all of them with a warning.

    The recording's name tells the subject.
    """
    name = recorded_night(opened)
    unseen = [fold for fold in folds if not fold.run.has_seen(name)]
    if unseen:
        return unseen, ()
    dataset = DATASETS[folds[0].run.db]
    subject = dataset.subject_of(name)
    whose = f"the subject of {name}" if subject is None else f"subject {subject} of {dataset.name}"
    return folds, (f"{whose} was in the training of every fold used here: the stages are better than on a new night",)


# ---- which channels ----


def chosen_channels(
    opened: Recording, folds: Sequence[Fold], request: Request
) -> tuple[list[Channel], tuple[str, ...]]:
    """Return the channels to stage, and a warning for each that is not the one that the folds were trained on."""
    trained = list(
        dict.fromkeys(name for fold in folds for name in (fold.run.channels or [DATASETS[fold.run.db].channel]) if name)
    )
    try:
        if request.channels:
            found = list(dict.fromkeys(resolve_channel(name, opened.labels) for name in request.channels))
        elif opened.labels == ("",):  # a prepared night or an array that names no channel
            found = [Channel("(no name)", 0)]
        else:
            found = [trained_or_stand_in(trained, opened.labels)]
    except InputError as error:
        raise InputError(f"{opened.place}: {error}") from error
    wanted = " or ".join(trained)
    return found, tuple(
        f"channel {one.label} {'is not' if request.channels else 'stands in for'} {wanted}, "
        "on which the checkpoint was trained: expect more errors"
        for one in found
        if not any(same_channel(one.label, name) for name in trained)
    )


# ---- the expert ----


def expert_of(opened: Recording, request: Request) -> tuple[Hypnogram | None, Path | None]:
    """Return the expert's hypnogram and its file: the one named, the prepared night's own, or the one beside it."""
    if request.hypnogram:
        if not request.hypnogram.is_file():
            raise InputError(f"{request.hypnogram}: cannot be read (no such file); check the name")
        return read_hypnogram(request.hypnogram, opened.path), request.hypnogram
    if opened.night:
        return Hypnogram(opened.night.y), opened.path
    beside = hypnogram_beside(opened.path) if opened.path else None
    return (read_hypnogram(beside, opened.path), beside) if beside else (None, None)


def aligned(opened: Recording, expert: Hypnogram, delay: float, n_epochs: int) -> NDArray[np.int32]:
    """Return the expert's stages of the recording's epochs, UNKNOWN where there is none.

    Raises:
        InputError: not one epoch has both a signal and a stage.
    """
    placed, _ = on_grid(expert.codes, delay, n_epochs)
    if (placed == UNKNOWN).all():
        starts = f" from {expert.start}, the signal {n_epochs} from {opened.start}" if delay else ""
        raise InputError(
            f"{opened.place}: no epoch has both a signal and an expert's stage (the hypnogram has "
            f"{len(expert.codes)} epochs{starts}); is it of this night?"
        )
    return placed


def expert_doubts(expert: NDArray[np.int32] | None, channel: StagedChannel) -> Iterator[str]:
    """Yield what speaks against the expert's (epoch,) stages being those of a channel's epochs."""
    if expert is None:
        return
    density = 10 ** (channel.power[: len(expert)].astype(np.float64) / 10)  # dB -> µV²/Hz
    said = misfit(slow_excess(density, SPECTRUM_HZ), expert)
    if said:
        yield said
