"""What ends a fold before its time while the others go on: a loss or a weight that is no number."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from command import InputError
from data import Night
from folds.checks import IMPLAUSIBLE
from training.batches import Step


class FoldError(InputError):
    """One fold cannot be trained to its end; the folds after it can."""


@dataclass(frozen=True)
class PassWatch:
    """Stops a pass at the first loss that is not finite, before anything of it is kept.

    Attributes:
        name: the pass, as `fold 3: train pass 12`.
        nights: of the pass, in its order.
        plan: its steps.
        seq_length: epochs in a chunk.
    """

    name: str
    nights: Sequence[Night]
    plan: Sequence[Step]
    seq_length: int

    def check_losses(self, losses: Mapping[str, Any], step: int) -> None:
        """Raise FoldError if a loss of a step, counted from 0, is not finite."""
        for name, value in losses.items():
            if not math.isfinite(number := float(value)):
                self.fail(f"{name} is {number} in step {step + 1} of {len(self.plan)}", step)

    def check_weights(self, weights: Mapping[str, Any]) -> None:
        """Raise FoldError if a weight is not finite after the last step, whose loss came before its update."""
        for name, values in weights.items():
            if not np.isfinite(values).all():
                self.fail(f"the weights {name} are not finite after step {len(self.plan)}", len(self.plan) - 1)

    def fail(self, what: str, step: int) -> None:
        raise FoldError(
            f"{self.name}: {what}; {self.cause(step)}. What was kept before stays. To train it again: --restart"
        )

    def cause(self, step: int) -> str:
        """Say what made a step fail: an implausible sample of it or of the step before, or else the learning rate."""
        slots = [slot for one in self.plan[max(0, step - 1) : step + 1] for slot in one if slot]
        largest, name, epoch = max((self.largest(*slot) for slot in slots), default=(0.0, "", 0))
        if largest > IMPLAUSIBLE:
            return (
                f"{name} has a sample of {largest:.3g} µV in epoch {epoch}: leave out this night, or prepare it again"
            )
        return f"its signals stay within {largest:.3g} µV, so lower the learning rate"

    def largest(self, number: int, chunk: int) -> tuple[float, str, int]:
        """Return the largest absolute sample of a night's chunk in µV, the night's name, and the epoch."""
        night, first = self.nights[number], chunk * self.seq_length
        x = np.abs(night.x[first : min(first + self.seq_length, len(night))])  # (epoch, sample)
        if not len(x):  # the night has ended before its neighbours
            return 0.0, night.name, first
        return float(x.max()), night.name, night.first_epoch + first + int(x.max(axis=1).argmax())
