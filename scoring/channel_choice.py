"""Which channels of a recording or a stream are staged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from command import InputError
from folds.checkpoint import Fold
from folds.run import Run
from recordings.channels import Channel, resolve_channel, same_channel, trained_and_stand_ins
from recordings.datasets import DATASETS
from recordings.opening import one_channel
from recordings.quality import sampled_reason
from recordings.recording import Recording


class ChosenChannels(NamedTuple):
    """The channels to stage, and what the user must know of the choice."""

    channels: tuple[Channel, ...]
    warnings: tuple[str, ...]


def channels_of_recording(opened: Recording, folds: Sequence[Fold], asked: Sequence[str]) -> ChosenChannels:
    """Return the channels of a recording that are staged; of those that nobody asked for, one that is alive.

    Args:
        opened: the recording; the one nearest to the trained channel is read here and there.
        folds: those that may stage it.
        asked: names of channels; none for the one that the folds were trained on.

    Raises:
        InputError: there is none, or a name could mean several.
    """
    return chosen_channels(opened.labels, folds, asked, opened.place, lambda channel: why_not(opened, channel))


def chosen_channels(
    labels: Sequence[str],
    folds: Sequence[Fold],
    asked: Sequence[str],
    place: str,
    why_not: Callable[[Channel], str] = lambda _: "",
) -> ChosenChannels:
    """Return the channels to stage, and a warning for each that is not the one that the folds were trained on.

    Args:
        labels: the names of all signals; a single empty one where nobody says what it is.
        folds: those that stage them.
        asked: names of channels; none for the one that the folds were trained on, or what stands in for it.
        place: where the signals are from, for messages.
        why_not: says why a channel that nobody asked for cannot be scored; "" where nothing speaks against it.

    Raises:
        InputError: there is none, or a name could mean several.
    """
    trained = trained_channels(folds)
    passed_over: list[str] = []
    try:
        if asked:
            channels = tuple(dict.fromkeys(resolve_channel(name, labels) for name in asked))
        elif tuple(labels) == ("",):
            channels = (Channel("(no name)", 0),)
        else:
            channels = (first_alive(trained, labels, why_not, passed_over),)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
    others = other_than(trained, [channel.label for channel in channels], bool(asked))
    return ChosenChannels(channels, (*passed_over, *others))


def first_alive(
    trained: Sequence[str], labels: Sequence[str], why_not: Callable[[Channel], str], passed_over: list[str]
) -> Channel:
    """Return the nearest channel that can be scored, and add a warning for each that cannot; else the nearest.

    Raises:
        InputError: there is none, or its name could mean several channels.
    """
    nearest: Channel | None = None
    warnings: list[str] = []
    for channel in trained_and_stand_ins(trained, labels):
        nearest = nearest or channel
        reason = why_not(channel)
        if not reason:
            passed_over += warnings
            return channel
        warnings.append(f"channel {channel.label} was passed over: {reason}")
    assert nearest is not None
    return nearest  # which will say itself why it cannot be scored


def why_not(opened: Recording, channel: Channel) -> str:
    """Say why a channel cannot be scored, read here and there; "" where nothing speaks against it."""
    try:
        return sampled_reason(one_channel(opened, channel))
    except InputError as error:
        return str(error).removeprefix(f"{opened.place}: ")


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
