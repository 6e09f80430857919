"""A recording and the checkpoints of a data set → a staged recording, and what speaks against trusting it.

Every fold stages every channel; the probability of a stage is the mean over them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from channels import Channel, resolve_channel, same_channel, trained_or_stand_in
from checkpoint import Fold
from command import InputError
from config import Dataset, Settings
from hypnogram import Hypnogram, hypnogram_beside, night_name, read_hypnogram
from recording import (
    EPOCH_SAMPLES,
    LONGEST_DAYS,
    TARGET_RATE,
    Epochs,
    RawSignal,
    Recording,
    amplitude_notice,
    one_channel,
    open_recording,
    signal_epochs,
)
from sleepstage import EPOCH_SECONDS, STAGES, UNKNOWN, Stage
from sleepstats import in_bed

if TYPE_CHECKING:
    from model import Stager

LOW_CONFIDENCE = 0.6
"""An epoch whose most probable stage is less probable than this is worth a human look. It was chosen on 232 epochs of
real EEG: of the 9 below it 5 were staged wrong, of the 223 others 8."""

Lights = float | timedelta
LONGEST_SECONDS = LONGEST_DAYS * 86_400


# ---- what is asked for ----


@dataclass(frozen=True)
class Request:
    """What the user wants of each recording.

    Attributes:
        dataset: whose checkpoints they are.
        channels: names of channels; none for the one that the checkpoints were trained on.
        hypnogram: the expert's, in a file of its own; None for one beside the recording, if any.
        lights_off, lights_on: seconds from the recording's start, or the time since midnight; None for the marks in the
            recording, if any.
    """

    dataset: Dataset
    channels: tuple[str, ...] = ()
    hypnogram: Path | None = None
    lights_off: Lights | None = None
    lights_on: Lights | None = None


# ---- what comes of it ----


@dataclass(frozen=True, eq=False)
class StagedChannel:
    """One channel as the folds see it, on the recording's grid of epochs.

    Attributes:
        label, unit, rate: its name, and what its unit and its rate in Hz are in the file.
        probabilities: (epoch, stage) float32, the mean over folds; nan where there is no signal.
        power: (epoch, frequency) float32, dB of µV²/Hz at the frequencies SPECTRUM_HZ; nan where there is no signal.
        flat, clipped: (epoch,) bool.
        doubts: what speaks against trusting the signal.
    """

    label: str
    unit: str
    rate: float
    probabilities: NDArray[np.float32]
    power: NDArray[np.float32]
    flat: NDArray[np.bool_]
    clipped: NDArray[np.bool_]
    doubts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class StagedRecording:
    """A recording with the model's stages, and with the expert's if there are any.

    Attributes:
        path, format: the file.
        start: when the recording starts, on its own clock; None when unknown.
        first_second: where the first epoch starts in it.
        channels: those that were staged.
        probabilities: (epoch, stage) float32, the mean over folds and channels; nan where there is no signal.
        expert, expert_file: (epoch,) codes or UNKNOWN, and where they are from; None without a hypnogram.
        lights_off, lights_on: seconds from the recording's start; None when nobody says.
        folds: numbers of the folds that staged it.
        warnings: what speaks against trusting the stages.
        notices: what else the user should know.
        simulated: True when the file says that it was generated.
    """

    path: Path
    format: str
    start: datetime | None
    first_second: float
    channels: tuple[StagedChannel, ...]
    probabilities: NDArray[np.float32]
    expert: NDArray[np.int32] | None
    expert_file: Path | None
    lights_off: float | None
    lights_on: float | None
    folds: tuple[int, ...]
    simulated: bool
    warnings: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.probabilities)

    @property
    def name(self) -> str:
        """The recording's name for people, which says so when it is simulated."""
        return f"{self.path.stem}{' (SIMULATED)' if self.simulated else ''}"

    @property
    def confidence(self) -> NDArray[np.float32]:
        """(epoch,) the probability of the most probable stage; nan where there is no signal."""
        most: NDArray[np.float32] = self.probabilities.max(axis=1)
        return most

    @property
    def stages(self) -> NDArray[np.int32]:
        """(epoch,) the most probable stage; UNKNOWN where there is no signal."""
        return np.where(np.isfinite(self.confidence), self.probabilities.argmax(axis=1), UNKNOWN).astype(np.int32)

    @property
    def unsure(self) -> NDArray[np.bool_]:
        """(epoch,) True where the confidence is low."""
        return self.confidence < LOW_CONFIDENCE

    @property
    def power(self) -> NDArray[np.float32]:
        """(epoch, frequency) dB of µV²/Hz at the frequencies SPECTRUM_HZ, of the first channel."""
        return self.channels[0].power[: len(self)]

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


def time_of(start: datetime | None, second: float) -> str:
    """Return the time of day `second` seconds after a recording's start; the seconds where it has no clock."""
    return f"{second:g} s" if start is None else f"{start + timedelta(seconds=second):%H:%M:%S}"


# ---- networks ----


class Stagers:
    """Compiled networks, one for each settings; a fold only brings its weights."""

    def __init__(self) -> None:
        self.by_settings: dict[Settings, Stager] = {}

    def with_weights(self, fold: Fold) -> Stager:
        """Return a network with a fold's weights; another fold with the same settings has it no more."""
        from model import RecSleepNet, Stager

        settings = fold.run.settings
        if settings not in self.by_settings:
            self.by_settings[settings] = Stager(RecSleepNet(settings))
        stager = self.by_settings[settings]
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


def stage_recording(path: Path, folds: Sequence[Fold], request: Request, stagers: Stagers) -> StagedRecording:
    """Stage one recording with every fold that may, and compare it with the expert's hypnogram if there is one.

    Raises:
        InputError: the recording, the channel, the hypnogram or the lights cannot be used; the message names the file.
    """
    opened = open_recording(path)
    expert, expert_file = expert_of(opened, request)
    delay = (expert.start - opened.start).total_seconds() if expert and expert.start and opened.start else 0.0
    lights_off, lights_on, marks = lights_of(opened, request)
    chosen, seen = unseen_folds(path, folds, request.dataset)
    found, stand_ins = chosen_channels(opened, chosen, request)
    first_second = delay % EPOCH_SECONDS  # the expert's epochs count
    channels = [stage_channel(one_channel(opened, one), first_second, chosen, stagers) for one in found]
    n_epochs = min(len(one.probabilities) for one in channels)
    probabilities = np.mean([one.probabilities[:n_epochs] for one in channels], axis=0)
    if not np.isfinite(probabilities).any():
        raise InputError(f"{path}: {opened.seconds:g} s of signal, and no whole epoch ({EPOCH_SECONDS} s) in it")
    return StagedRecording(
        path=path,
        format=opened.format,
        start=opened.start,
        first_second=first_second,
        channels=tuple(channels),
        probabilities=probabilities,
        expert=None if expert is None else aligned(opened, expert, delay, n_epochs),
        expert_file=expert_file,
        lights_off=lights_off,
        lights_on=lights_on,
        folds=tuple(fold.run.fold for fold in chosen),
        simulated=opened.simulated,
        warnings=(
            *seen,
            *stand_ins,
            *(doubt for one in channels for doubt in one.doubts),
            *night_doubts(probabilities),
        ),
        notices=(*opened.notices, *notices_on(opened, channels, probabilities, first_second), *marks),
    )


def stage_channel(signal: RawSignal, first_second: float, folds: Sequence[Fold], stagers: Stagers) -> StagedChannel:
    """Stage one channel with every fold.

    The network goes from the last epoch before a gap to the first one after it, as it does in training, where epochs
    that nobody staged are left out.
    """
    epochs = signal_epochs(signal, first_second)
    total = np.zeros((len(epochs.x), len(STAGES)), np.float32)
    if len(epochs.x):
        for fold in folds:
            total += stagers.with_weights(fold).probabilities(epochs.x)
    return StagedChannel(
        label=signal.channel,
        unit=signal.unit,
        rate=signal.rate,
        probabilities=on_grid(epochs, total / len(folds), np.nan),
        power=on_grid(epochs, spectrum(epochs.x), np.nan),
        flat=on_grid(epochs, epochs.flat, False),
        clipped=on_grid(epochs, epochs.clipped, False),
        doubts=tuple(signal_doubts(signal, epochs)) if len(epochs.x) else (),
    )


def on_grid(epochs: Epochs, values: NDArray[Any], missing: Any) -> NDArray[Any]:
    """(recorded epoch, …) -> (epoch, …), with `missing` for an epoch without a signal."""
    placed = np.full((epochs.n_epochs, *values.shape[1:]), missing, values.dtype)
    placed[epochs.recorded] = values
    return placed


# ---- which folds ----


def unseen_folds(path: Path, folds: Sequence[Fold], dataset: Dataset) -> tuple[Sequence[Fold], tuple[str, ...]]:
    """Return the folds that never saw a recording's subject in training, or all of them with a warning.

    The recording's name tells the subject.
    """
    name = night_name(path)
    unseen = [fold for fold in folds if not fold.run.has_seen(name)]
    if unseen:
        return unseen, ()
    subject = dataset.subject_of(name)
    whose = f"the subject of {name}" if subject is None else f"subject {subject} of {dataset.name}"
    return folds, (f"{whose} was in the training of every fold used here: the stages are better than on a new night",)


# ---- which channels ----


def chosen_channels(
    opened: Recording, folds: Sequence[Fold], request: Request
) -> tuple[list[Channel], tuple[str, ...]]:
    """Return the channels to stage, and a warning for each that is not the one that the folds were trained on."""
    trained = list(
        dict.fromkeys(name for fold in folds for name in (fold.run.channels or [request.dataset.channel]) if name)
    )
    try:
        if request.channels:
            found = list(dict.fromkeys(resolve_channel(name, opened.labels) for name in request.channels))
        elif opened.night and not opened.night.ch_label:
            found = [Channel("(no name)", 0)]
        else:
            found = [trained_or_stand_in(trained, opened.labels)]
    except InputError as error:
        raise InputError(f"{opened.path}: {error}") from error
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
        return read_hypnogram(request.hypnogram, request.dataset.name), request.hypnogram
    if opened.night:
        return Hypnogram(opened.night.y), opened.path
    beside = hypnogram_beside(opened.path)
    return (read_hypnogram(beside, request.dataset.name), beside) if beside else (None, None)


def aligned(opened: Recording, expert: Hypnogram, delay: float, n_epochs: int) -> NDArray[np.int32]:
    """Return the expert's stages of the recording's epochs, UNKNOWN where there is none.

    Raises:
        InputError: not one epoch has both a signal and a stage.
    """
    shift = int(delay // EPOCH_SECONDS)  # epochs from the recording's first to the hypnogram's first
    placed = np.full(n_epochs, UNKNOWN, np.int32)
    first, last = max(0, shift), min(n_epochs, shift + len(expert.codes))
    if last > first:
        placed[first:last] = expert.codes[first - shift : last - shift]
    if (placed == UNKNOWN).all():
        starts = f" from {expert.start}, the signal {n_epochs} from {opened.start}" if delay else ""
        raise InputError(
            f"{opened.path}: no epoch has both a signal and an expert's stage (the hypnogram has "
            f"{len(expert.codes)} epochs{starts}); is it of this night?"
        )
    return placed


# ---- lights off, lights on ----

LIGHTS_OFF = ("lights off", "lights out", "light off")
LIGHTS_ON = ("lights on", "light on")


def lights_of(opened: Recording, request: Request) -> tuple[float | None, float | None, tuple[str, ...]]:
    """Return lights off and on in seconds from the recording's start, and a notice on what marks in the file say."""
    notices = []
    off = seconds_of(opened, request.lights_off, "--lights_off")
    if off is None:
        off = marked(opened, LIGHTS_OFF)
        notices += [] if off is None else [f"lights off {time_of(opened.start, off)}: marked in the file"]
    on = seconds_of(opened, request.lights_on, "--lights_on", after=off or 0.0)
    if on is None:
        on = marked(opened, LIGHTS_ON)
        notices += [] if on is None else [f"lights on {time_of(opened.start, on)}: marked in the file"]
    if on is not None and on <= (off or 0.0):
        raise InputError(f"{opened.path}: lights on at {on:g} s is not after lights off at {off or 0.0:g} s")
    return off, on, tuple(notices)


def marked(opened: Recording, texts: Sequence[str]) -> float | None:
    return next((at for at, text in opened.marks if text.strip().casefold().startswith(tuple(texts))), None)


def parse_lights(text: str | None, option: str) -> Lights | None:
    """Return seconds, or the time since midnight that a clock time means.

    Raises:
        InputError: it is neither.
    """
    if text is None:
        return None
    try:
        parts = [int(part) for part in text.split(":")] if ":" in text else []
        if not parts and 0 <= float(text) < LONGEST_SECONDS:
            return float(text)
        hours, minutes, seconds = (*parts, 0)[:3]
        if len(parts) <= 3 and 0 <= hours < 24 and 0 <= minutes < 60 and 0 <= seconds < 60:
            return timedelta(hours=hours, minutes=minutes, seconds=seconds)
    except ValueError:
        pass
    raise InputError(f"{option} {text}: give a clock time, HH:MM or HH:MM:SS, or seconds from the recording's start")


def seconds_of(opened: Recording, given: Lights | None, option: str, after: float = 0.0) -> float | None:
    """Return what `--lights_off` or `--lights_on` means in seconds from the recording's start.

    A clock time is the first one after `after` seconds.

    Raises:
        InputError: it is a clock time and the recording has none, or lies outside the recording.
    """
    if given is None or isinstance(given, float):
        second = given
    elif opened.start is None:
        raise InputError(f"{opened.path}: has no clock; give {option} in seconds from its start")
    else:
        midnight = opened.start.replace(hour=0, minute=0, second=0, microsecond=0)
        second = after + ((midnight + given - opened.start).total_seconds() - after) % 86_400
    if second is not None and second > opened.seconds:
        raise InputError(
            f"{opened.path}: {option} {given} is not in the recording, which lasts from "
            f"{time_of(opened.start, 0)} to {time_of(opened.start, opened.seconds)}"
        )
    return second


# ---- trust ----

FAULTY_SHARE = 0.01  # of epochs flat or clipped; fewer are movements, which the table flags and nobody needs to be told


def signal_doubts(signal: RawSignal, epochs: Epochs) -> Iterator[str]:
    """Yield what speaks against trusting a channel."""
    amplitude = amplitude_notice(epochs.x)
    if amplitude:
        yield f"{signal.channel}: {amplitude}"
    for what, mask in (("flat", epochs.flat), ("clipped", epochs.clipped)):
        if mask.mean() > FAULTY_SHARE:
            first = epochs.first_second + EPOCH_SECONDS * int(epochs.recorded[mask.argmax()])
            how_many = f"{np.count_nonzero(mask)} of {len(mask)} epochs are {what}"
            yield f"{signal.channel}: {how_many}, the first at {time_of(signal.start, first)}"
    if signal.rate < TARGET_RATE:
        yield f"{signal.channel}: recorded at {signal.rate:g} Hz; what lies above {signal.rate / 2:g} Hz is missing"


def night_doubts(probabilities: NDArray[np.float32]) -> Iterator[str]:
    """Yield what speaks against trusting (epoch, stage) probabilities."""
    staged = probabilities[np.isfinite(probabilities[:, 0])]
    if not np.isin(staged.argmax(axis=1), (Stage.N2, Stage.N3)).any():
        yield "no N2 and no N3 at all: unlike a night's sleep"
    unsure = np.count_nonzero(staged.max(axis=1) < LOW_CONFIDENCE)
    if unsure > len(staged) / 4:
        yield f"{unsure} of {len(staged)} epochs are of low confidence (below {LOW_CONFIDENCE:g})"


def notices_on(
    opened: Recording, channels: Sequence[StagedChannel], probabilities: NDArray[np.float32], first_second: float
) -> Iterator[str]:
    for one in channels:
        if not one.unit:
            yield f"{one.label}: the file gives no unit; taken as µV"
    missing = np.count_nonzero(np.isnan(probabilities[:, 0]))
    if missing:
        yield f"{missing} epochs reach into gaps of the recording and are not staged"
    left = opened.seconds - first_second - len(probabilities) * EPOCH_SECONDS
    if left >= 1 / TARGET_RATE:
        yield f"the last {left:g} s are no whole epoch; left out"
    if first_second:
        yield f"the expert's epochs start {first_second:g} s after the recording; what comes before is left out"


# ---- spectrum ----

SPECTRUM_SECONDS = 4
SPECTRUM_HZ = np.arange(30 * SPECTRUM_SECONDS + 1) / SPECTRUM_SECONDS  # (frequency,), 0 to 30 Hz
LEAST_POWER = 1e-6  # µV²/Hz; nothing has no logarithm


def spectrum(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the power spectrum of every epoch: `x` (epoch, sample) in µV → (epoch, frequency) dB of µV²/Hz.

    Welch's method, Hann windows of 4 s that overlap by half.
    """
    from scipy.signal import welch

    power = np.empty((len(x), len(SPECTRUM_HZ)), np.float32)
    for first in range(0, len(x), 100):  # a hundred epochs at a time: the windows take ten times their memory
        block = x[first : first + 100]
        _, density = welch(block, TARGET_RATE, nperseg=SPECTRUM_SECONDS * TARGET_RATE, axis=1)
        power[first : first + 100] = density[:, : len(SPECTRUM_HZ)]
    return 10 * np.log10(np.maximum(power, LEAST_POWER))


# ---- what is worth a human look ----


@dataclass(frozen=True)
class Doubtful:
    """A run of epochs of low confidence: its first epoch, how many it has, and their mean confidence."""

    first: int
    n_epochs: int
    confidence: float


def doubtful_runs(staged: StagedRecording, shortest: int = 4) -> list[Doubtful]:
    """Return the runs of at least `shortest` epochs of low confidence, the longest first."""
    steps = np.diff(staged.unsure.astype(np.int8), prepend=0, append=0)
    pairs = zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True)
    runs = [
        Doubtful(int(start), int(end - start), float(staged.confidence[start:end].mean()))
        for start, end in pairs
        if end - start >= shortest
    ]
    return sorted(runs, key=lambda run: (-run.n_epochs, run.first))
