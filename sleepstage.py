"""The five stages of sleep, their codes, and the way from Rechtschaffen & Kales to AASM."""

from __future__ import annotations

from enum import IntEnum


class Stage(IntEnum):
    """A sleep stage of the AASM manual; the value is its code in every prepared night and every model."""

    W = 0
    N1 = 1
    N2 = 2
    N3 = 3
    REM = 4


STAGES = tuple(Stage)
STAGE_NAMES = tuple(stage.name for stage in STAGES)

UNKNOWN = -1
"""Code of an epoch that no expert staged (MOVEMENT, UNKNOWN, artifact). Preparation drops such epochs."""

EPOCH_SECONDS = 30

MOVEMENT, NOT_SCORED = "M", "?"

# Rechtschaffen & Kales (1968) → AASM (Iber et al. 2007): stages 3 and 4 become N3, movement time has no counterpart.
RK_TO_AASM = {
    "W": Stage.W,
    "1": Stage.N1,
    "2": Stage.N2,
    "3": Stage.N3,
    "4": Stage.N3,
    "R": Stage.REM,
    MOVEMENT: UNKNOWN,
    NOT_SCORED: UNKNOWN,
}
