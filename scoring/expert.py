"""The expert's hypnogram of a recording: which one it is, where its epochs lie, and whether it fits the signal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from command import InputError
from recordings.datasets import read_hypnogram
from recordings.finding import Found
from recordings.fit import misfit, slow_excess
from recordings.hypnogram import LARGEST_MISMATCH, Hypnogram, check_epochs, grid_start, on_grid, without_partner
from recordings.hypnograms.scoring import Reading
from recordings.recording import Recording
from recordings.spectrum import SPECTRUM_HZ, density_of
from sleepstage import EPOCH_SECONDS, UNKNOWN


@dataclass(frozen=True, eq=False)
class Expert:
    """An expert's hypnogram of a recording.

    Attributes:
        hypnogram: its stages.
        file: where they are from; None for stages in memory.
        delay: seconds from the recording's start to its first epoch; negative where it starts first.
    """

    hypnogram: Hypnogram
    file: Path | None
    delay: float

    @property
    def first_second(self) -> float:
        """Where the first epoch of the recording's grid starts, so that the expert's epochs are its epochs."""
        return grid_start(self.delay)

    def stages(self, n_epochs: int) -> NDArray[np.int32]:
        """Return (epoch,) codes on the recording's grid of `n_epochs`, UNKNOWN where there is no stage."""
        return on_grid(self.hypnogram.codes, self.delay, n_epochs)[0]


class ExpertOrNot(NamedTuple):
    """The expert of a recording; None without one, and then in words why a file by its name is not used, if any."""

    expert: Expert | None
    why_not: str = ""


def expert_of(opened: Recording, given: Path | Hypnogram | None, found: Found | None, reading: Reading) -> ExpertOrNot:
    """Read the hypnogram that the user gives, else the prepared night's own, else the one that is found by its name.

    One that a name leads to need not be a hypnogram: what speaks against it is said, and nothing is compared. But what
    lies beside a recording under its data set's name for it must be good, as one that the user gives.

    Args:
        opened: the recording.
        given: what the user gives.
        found: what belongs to the recording by its name.
        reading: how hypnograms are to be read.

    Raises:
        InputError: no such file, it cannot be read, or it is not of this recording.
    """
    if isinstance(given, Hypnogram):
        return ExpertOrNot(placed(opened, given, None))
    if given is not None:
        if not given.is_file():
            raise InputError(f"{given}: no such file; check the name")
        return ExpertOrNot(read_expert(opened, given, reading))
    if opened.night:
        return ExpertOrNot(placed(opened, Hypnogram(opened.night.expert), opened.path))
    if found is None or not (found.hypnogram or found.problem):
        return ExpertOrNot(None)
    try:
        if found.hypnogram is None:
            raise InputError(found.problem)
        hypnogram = read_hypnogram(found.hypnogram, opened.path, reading)
    except InputError as error:
        if found.of_data_set:
            raise
        return ExpertOrNot(None, f"not compared with an expert: {error}")
    return ExpertOrNot(placed(opened, hypnogram, found.hypnogram))


def read_expert(opened: Recording, path: Path, reading: Reading) -> Expert:
    return placed(opened, read_hypnogram(path, opened.path, reading), path)


def placed(opened: Recording, hypnogram: Hypnogram, file: Path | None) -> Expert:
    """Put a hypnogram on the recording's clock.

    Raises:
        InputError: not one epoch has both a signal and a stage, or many stages have no signal where many epochs have no
            stage, as when one of the clocks is wrong.
    """
    expert = Expert(hypnogram, file, hypnogram.delay(opened.start))
    n_epochs = max(0, int((opened.seconds - expert.first_second) // EPOCH_SECONDS))
    if (expert.stages(n_epochs) == UNKNOWN).all():
        starts = f" from {hypnogram.start}, the signal {n_epochs} from {opened.start}" if expert.delay else ""
        raise InputError(
            f"{opened.place}: no epoch has both a signal and an expert's stage (the hypnogram has "
            f"{len(hypnogram.codes)} epochs{starts}); {remedy_of(opened, hypnogram)}"
        )
    if not opened.night:
        check_epochs(opened.place, hypnogram, n_epochs)
    outside, bare = (int(one) for one in without_partner(hypnogram.codes, expert.delay, n_epochs))
    if min(outside, bare) > LARGEST_MISMATCH // 2:  # moved by so much, they miss each other at both ends
        raise InputError(
            f"{opened.place}: the hypnogram starts {expert.delay:g} s after the signal; {outside} of its epochs have a "
            f"stage and no signal, {bare} of the signal's have no hypnogram: check the start times of both"
        )
    return expert


def remedy_of(opened: Recording, hypnogram: Hypnogram) -> str:
    """Say what to do about a hypnogram that shares no epoch with its recording."""
    dated = hypnogram.start and opened.start and not hypnogram.is_undated(opened.start)
    if dated and hypnogram.start and opened.start and hypnogram.start.date() != opened.start.date():
        return (
            "is it of this night? If so, one of the dates is wrong: take them out of the hypnogram, or name a column "
            "of times of day with --columns clock=NAME"
        )
    return "is it of this night?"


# ---- what the user should know ----


def expert_notices(opened: Recording, hypnogram: Hypnogram, stages: NDArray[np.int32]) -> Iterator[str]:
    """Yield what the user should know of an expert's hypnogram and its (epoch,) stages of the recording."""
    yield hypnogram.placed(opened.start)
    yield from hypnogram.notices
    n_staged = np.count_nonzero(stages != UNKNOWN)
    if n_staged < len(stages):
        yield f"the hypnogram has a stage for {n_staged} of {len(stages)} epochs; the others are not compared"
    outside = np.count_nonzero(hypnogram.codes != UNKNOWN) - n_staged
    if outside:
        yield f"the hypnogram has a stage for {outside} epochs outside the recording"


def expert_doubts(stages: NDArray[np.int32], power: NDArray[np.float32]) -> Iterator[str]:
    """Yield what speaks against an expert's (epoch,) stages being those of a channel's (epoch, frequency) spectrum."""
    if mismatch := misfit(slow_excess(density_of(power[: len(stages)]), SPECTRUM_HZ), stages):
        yield mismatch
