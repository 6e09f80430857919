"""The nights of one fold: read once, in the order of a pass, and as they are to be trained on."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from command import log
from data import Night, load_night
from folds.checks import signal_findings
from folds.history import TRAIN
from training.augmentation import changed_nights, upside_down
from training.batches import Batch, Step, batch_nights, plan_of_pass
from training.planning import FoldPlan

MEASURED_BATCHES = 100  # of a pass: with 20 the validation scores of one network differed by 4 points


class FoldNights:
    """The nights of one fold.

    Args:
        plan: which nights, where they are, and what is done to them.
        on_disk: leave their signals on disk.
    """

    def __init__(self, plan: FoldPlan, on_disk: bool = False) -> None:
        self.run, self.files, self.settings, self.on_disk = plan.run, plan.files, plan.run.settings, on_disk
        self.loaded: dict[str, list[Night]] = {}

    def of(self, *parts: str) -> list[Night]:
        """Return the nights of some parts of the split, each read once."""
        for part in parts:
            if part not in self.loaded:
                self.loaded[part] = self.read(part)
        return [night for part in parts for night in self.loaded[part]]

    def read(self, part: str) -> list[Night]:
        """Read the nights of a part of the split, each stretch between gaps as a night of its own, and say what is
        suspicious about their signals."""
        paths = [self.files[name] for name in self.run.epochs[part]]
        size, rate, change = self.settings.input_size, self.settings.sampling_rate, self.run.conditioning.of_nights()
        nights = [load_night(path, size, rate, self.on_disk, change) for path in paths]
        for night in nights:
            for words in signal_findings(night.x):
                log.info("warning: fold %d: %s: %s", self.run.fold, night.name, words)
        return [stretch for night in nights for stretch in night.stretches()]

    def validation(self) -> list[Night]:
        """Return the nights that choose the weights; turned upside down too, where the training nights are.

        Otherwise weights that a polarity breaks could be better than any that do not mind it.
        """
        nights = self.of("valid")
        turned = [upside_down(night) for night in nights] if self.settings.augment_polarity else []
        return [*nights, *turned]

    def ordered(self, phase: str, number: int, nights: Sequence[Night]) -> tuple[list[Night], list[Step]]:
        """Return a pass's nights, changed as it trains on them, and its steps; seed, phase and pass decide on both."""
        # Not drawn from one generator pass after pass: what pass 7 draws must not depend on where the run began.
        seed = (self.run.seed, int(phase == TRAIN), number)
        ordered = [nights[i] for i in np.random.default_rng(seed).permutation(len(nights))]
        if phase == TRAIN:
            ordered = changed_nights(ordered, self.settings, seed)
        return ordered, plan_of_pass([len(night) for night in ordered], self.settings)

    def some_batches(self, number: int, nights: Sequence[Night]) -> Iterator[Batch]:
        """Yield batches from all over a training pass, to measure what a network is normalised by; else none."""
        if self.settings.normalise:
            ordered, plan = self.ordered(TRAIN, number, nights)
            some = plan[:: math.ceil(len(plan) / MEASURED_BATCHES)]
            yield from batch_nights(ordered, some, self.settings.seq_length)
