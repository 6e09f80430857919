"""Nights of another data set, or recordings with hypnograms → test nights of folds that were trained elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from command import InputError
from folds.checkpoint import Fold
from recordings.datasets import Dataset, known_subject, night_name
from recordings.opening import open_recording
from scoring.channel_choice import trained_channels
from scoring.request import Request, plan_staging
from scoring.staged import StagedRecording
from scoring.staging import stage_recording
from scoring.test_nights import TestNight, stage_if_possible


def stage_other_nights(
    folds: Sequence[Fold], nights: Mapping[int, Sequence[Path]]
) -> tuple[list[StagedRecording], dict[str, str]]:
    """Stage prepared nights of any data set with all folds that never saw their subjects, as recordings are.

    Args:
        folds: trained on whatever data set.
        nights: the prepared nights of every subject.

    Returns:
        The staged nights; and of those that had to be left out, why, by name.

    Raises:
        InputError: there is no night, or none that can be staged.
    """
    paths = [path for of_subject in nights.values() for path in of_subject]
    if not paths:
        raise InputError("there is no night to score; prepare some")
    left_out: dict[str, str] = {}
    bar = tqdm(paths, unit="night", leave=False, disable=None)
    tried = (stage_if_possible(path, left_out, partial(stage_as_recording, path, folds)) for path in bar)
    staged = [one for one in tried if one]
    if not staged:
        raise InputError(next(iter(left_out.values())))
    return staged, left_out


def stage_as_recording(path: Path, folds: Sequence[Fold]) -> StagedRecording:
    opened = open_recording(path)
    return stage_recording(opened, plan_staging(opened, Request(), folds))


def with_experts(staged: Iterable[StagedRecording], dataset: Dataset | None = None) -> list[TestNight]:
    """Return those recordings that an expert staged, as test nights; a recording that cannot be scored is none.

    Args:
        staged: the recordings.
        dataset: whose they are: it knows the subjects. None: any data set may, and else each recording is a subject.
    """
    tested = []
    for one in staged:
        if one.agreement is None:
            continue
        night = night_name(one.path) if one.path else one.name
        number = one.folds[0].run.fold if len(one.folds) == 1 else None
        tested.append(TestNight(one, one.agreement, subject_of(night, dataset), number, one.seen))
    return tested


def subject_of(night: str, dataset: Dataset | None) -> int | str:
    """Return the subject that a night's name says it is of; the night itself where it does not say so."""
    known = dataset.subject_of(night) if dataset else known_subject(night)
    return night if known is None else known


# ---- what is different ----


def differences(staged: Sequence[StagedRecording], folds: Sequence[Fold]) -> list[str]:
    """Say how the nights differ from what the weights were trained on: channel, rate, conditioning, quality.

    Each warning stands once, with the number of nights that it is about.
    """
    first = [one.channels[0] for one in staged]
    said = [f"{len(staged)} nights are scored with weights of {folds[0].run.db}"]
    said += [f"channel of {n} nights: {label or 'not named'}" for label, n in Counter(c.label for c in first).items()]
    said.append(f"channel of the weights: {' or '.join(trained_channels(folds)) or 'not named'}")
    rates = Counter(one.rate for one in first)
    said.append(
        f"rate: {', '.join(f'{rate:g} Hz ({n} nights)' for rate, n in rates.items())}; the weights see "
        f"{folds[0].run.settings.sampling_rate} Hz"
    )
    said += conditioned_lines(staged)
    warned = Counter(text for one in staged for text in one.warnings)
    return [*said, *(f"warning, {n} of {len(staged)} nights: {text}" for text, n in warned.most_common())]


def conditioned_lines(staged: Sequence[StagedRecording]) -> list[str]:
    """Say what is done to the signals before the weights see them, and how much that was."""
    done = [each for one in staged for each in one.channels[0].conditioned]
    lines = [f"signals for these weights: {words}" for words in dict.fromkeys(each["needed"] for each in done)]
    factors = [each["multiplied_by"] for each in done if not each["left_as_recorded"]]
    if factors:
        lines.append(f"amplitudes were multiplied by {min(factors):.2f} to {max(factors):.2f}")
    n_left = sum(each["left_as_recorded"] for each in done)
    if n_left:
        lines.append(f"{n_left} times a signal was left as recorded: a night of the weights' own data set")
    return lines
