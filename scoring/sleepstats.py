"""One hypnogram → sleep statistics, by the names of the AASM manual."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sleepstage import EPOCH_SECONDS, STAGES, UNKNOWN, Stage

EPOCH_MINUTES = EPOCH_SECONDS / 60
ASLEEP = tuple(stage for stage in STAGES if stage is not Stage.W)

PERSISTENT_MINUTES = 10  # of sleep in a row

Statistics = dict[str, float | None]

Runs = tuple[NDArray[np.intp], NDArray[np.intp]]
"""Where each run starts, and where it ends (half-open), in epochs."""


def sleep_statistics(stages: ArrayLike) -> Statistics:
    """Return the sleep statistics of the time in bed, in minutes, percent and numbers.

    The names and definitions are those of the AASM manual for the scoring of sleep (Iber et al. 2007) and of Silber et
    al. (2007), and the values those of YASA, except where it says so:

    - `TIB_min`, time in bed: from lights off to lights on, which is the whole hypnogram given here.
    - `SPT_min`, sleep period time: from the first epoch of sleep to the end of the last one.
    - `TST_min`, total sleep time: N1, N2, N3 and REM together.
    - `SE_percent`, sleep efficiency: TST as a share of TIB.
    - `SME_percent`, sleep maintenance efficiency: TST as a share of SPT.
    - `SOL_min`, sleep onset latency: from lights off to the first epoch of any sleep.
    - `REM_latency_min`: from the first epoch of sleep to the first one of REM, as the AASM defines it (YASA counts it
      from lights off).
    - `WASO_min`, wake after sleep onset: W within the SPT. What lies between the last sleep and lights on, which the
      AASM manual adds to WASO, is `W_after_SPT_min`.
    - `W_min`, …, `REM_min`: minutes of each stage in TIB; `N1_percent`, …, `REM_percent`: share of each in TST.
    - `unscored_min`: epochs without a stage (gaps, movement). They count into TIB and SPT, and into nothing else.
    - `transitions`: how often a staged epoch follows one of another stage.
    - `awakenings`: runs of W in the SPT, hence between sleep and sleep; the final awakening is none of them.
    - `LPS_min`, latency to persistent sleep: from lights off to the first of 20 epochs (10 min) of sleep in a row, as
      in trials of hypnotics (Rosenberg et al., JAMA Netw Open 2:e1918254, 2019) and in Luna (`SOL_PER`).
    - `fragmentation_index`: transitions from sleep to W per hour of TST, as YASA and Luna have it (SFI). Haba-Rubio et
      al. (Sleep Med 5:577–581, 2004), who introduced it, count those to N1 too.

    Args:
        stages: (epoch,) codes of `sleepstage.Stage`, or UNKNOWN.

    Returns:
        Name → value; None where a hypnogram has none (a latency to what never comes, a share of nothing).

    Raises:
        ValueError: no epochs.
    """
    hypnogram = checked(stages)
    asleep = np.flatnonzero(np.isin(hypnogram, ASLEEP))
    first, end = (int(asleep[0]), int(asleep[-1]) + 1) if len(asleep) else (0, 0)
    period = hypnogram[first:end]
    rem = np.flatnonzero(hypnogram == Stage.REM)
    tst, tib = minutes(len(asleep)), minutes(len(hypnogram))
    return {
        "TIB_min": tib,
        "SPT_min": minutes(len(period)),
        "TST_min": tst,
        "SE_percent": percent(tst, tib),
        "SME_percent": percent(tst, minutes(len(period))),
        "SOL_min": minutes(first) if len(asleep) else None,
        "REM_latency_min": minutes(int(rem[0]) - first) if len(rem) else None,
        "WASO_min": minutes(np.count_nonzero(period == Stage.W)) if len(asleep) else None,
        "W_after_SPT_min": minutes(np.count_nonzero(hypnogram[end:] == Stage.W)) if len(asleep) else None,
        **{f"{stage.name}_min": minutes(np.count_nonzero(hypnogram == stage)) for stage in STAGES},
        **{f"{stage.name}_percent": percent(minutes(np.count_nonzero(period == stage)), tst) for stage in ASLEEP},
        "unscored_min": minutes(np.count_nonzero(hypnogram == UNKNOWN)),
        "transitions": transitions(hypnogram),
        "awakenings": awakenings(period),
        "LPS_min": sleep_latency(hypnogram, PERSISTENT_MINUTES),
        "fragmentation_index": fragmentation_index(hypnogram),
    }


def checked(stages: ArrayLike) -> NDArray[np.integer]:
    """Return (epoch,) stages; raise ValueError unless there is at least one epoch."""
    hypnogram: NDArray[np.integer] = np.asarray(stages)
    if hypnogram.ndim != 1 or not len(hypnogram):
        raise ValueError(f"stages of shape {hypnogram.shape}; a hypnogram is (epoch,), with at least one")
    return hypnogram


def sleep_latency(hypnogram: NDArray[np.integer], at_least: float) -> float | None:
    """Return the minutes before the first `at_least` minutes of any sleep in a row; None where there are none."""
    n_epochs = math.ceil(at_least / EPOCH_MINUTES)
    asleep = np.isin(hypnogram, ASLEEP).astype(np.int64)
    in_a_row = np.convolve(asleep, np.ones(n_epochs, np.int64), "valid") if len(asleep) >= n_epochs else asleep[:0]
    found = np.flatnonzero(in_a_row == n_epochs)
    return minutes(found[0]) if len(found) else None


def fragmentation_index(hypnogram: NDArray[np.integer]) -> float | None:
    """Return how often sleep ends in W, per hour of sleep."""
    asleep = np.isin(hypnogram, ASLEEP)
    to_wake = int(np.count_nonzero(asleep[:-1] & (hypnogram[1:] == Stage.W)))
    return to_wake / (minutes(np.count_nonzero(asleep)) / 60) if asleep.any() else None


def minutes(n_epochs: int | np.integer) -> float:
    return int(n_epochs) * EPOCH_MINUTES


def percent(part: float, whole: float) -> float | None:
    return 100 * part / whole if whole else None


def transitions(hypnogram: NDArray[np.integer]) -> int:
    before, after = hypnogram[:-1], hypnogram[1:]
    return int(np.count_nonzero((before != after) & (before != UNKNOWN) & (after != UNKNOWN)))


def awakenings(period: NDArray[np.integer]) -> int:
    """Return how many runs of W there are; an epoch without a stage in between does not end one."""
    staged = period[period != UNKNOWN]
    return int(np.count_nonzero((staged[1:] == Stage.W) & (staged[:-1] != Stage.W)))


def in_bed(n_epochs: int, first_second: float, lights_off: float | None, lights_on: float | None) -> slice:
    """Return the epochs between lights off and lights on; an epoch belongs where most of it lies.

    Args:
        n_epochs: of the hypnogram.
        first_second: where its first epoch starts in the recording.
        lights_off: seconds from the recording's start; None for the hypnogram's start.
        lights_on: the same, None for its end.
    """

    def edge(second: float) -> int:
        return min(max(0, math.floor((second - first_second) / EPOCH_SECONDS + 0.5)), n_epochs)

    start = 0 if lights_off is None else edge(lights_off)
    return slice(start, n_epochs if lights_on is None else max(start, edge(lights_on)))


def runs_of(mask: NDArray[np.bool_]) -> Runs:
    """Return where each run of True starts and where it ends (half-open)."""
    steps = np.diff(mask.astype(np.int8), prepend=0, append=0)
    return np.flatnonzero(steps == 1), np.flatnonzero(steps == -1)
