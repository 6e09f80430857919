"""A whole channel, conditioned at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recordings.conditioning import Conditioning, Measured
from recordings.epochs import Epochs


@dataclass(frozen=True, eq=False)
class Conditioned(Measured):
    """What was measured, and `x` (recorded epoch, sample) in the unit that the weights expect."""

    x: np.ndarray


def conditioned(
    conditioning: Conditioning,
    x: np.ndarray,
    recorded: np.ndarray | None = None,
    flat: np.ndarray | None = None,
    clipped: np.ndarray | None = None,
) -> Conditioned:
    """Condition (recorded epoch, sample) µV, of which these are flat or clipped; None: none, and no gap."""
    recorded = np.arange(len(x)) if recorded is None else recorded
    flat = np.zeros(len(x), bool) if flat is None else flat
    share = np.zeros(len(x), np.float32) if clipped is None else clipped.astype(np.float32)
    plan = conditioning.plan(lambda: [Epochs(x, recorded, len(x), flat, share, 0.0)])
    return Conditioned(plan.factor, plan.removed, plan.amplitude, plan.left, plan.condition(x))
