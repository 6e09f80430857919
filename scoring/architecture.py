"""One hypnogram → its architecture: NREM–REM cycles, thirds of the night, stage bouts, transitions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scoring.sleepstats import ASLEEP, EPOCH_MINUTES, Runs, Statistics, checked, minutes, percent, runs_of
from sleepstage import STAGE_NAMES, STAGES, Stage

NREM_STARTS = (Stage.N2, Stage.N3)
GOES_ON = (*NREM_STARTS, Stage.REM)
PERIOD_EPOCHS = 30  # 15 min: a NREM period has them at least, and as many of anything else end a period
LEAST_REM_EPOCHS = 10  # 5 min
N_THIRDS = 3


# ---- NREM–REM cycles ----


@dataclass(frozen=True)
class Cycle:
    """A NREM–REM cycle: the epochs that it goes over, where its REM period starts, and its figures.

    Attributes:
        first, end: its epochs, half-open, counted from lights off.
        rem_first: where its REM period starts; None of the last cycle, if the night ends before its REM.
        stage_minutes: of each stage, by name.
    """

    first: int
    end: int
    rem_first: int | None
    stage_minutes: dict[str, float]

    @property
    def complete(self) -> bool:
        """True when it ends in REM."""
        return self.rem_first is not None

    def figures(self) -> dict[str, Any]:
        """Return its figures as JSON-ready values; a REM period's minutes go over what interrupts it."""
        rem_first = self.end if self.rem_first is None else self.rem_first
        return {
            "start_min": minutes(self.first),
            "duration_min": minutes(self.end - self.first),
            "NREM_period_min": minutes(rem_first - self.first),
            "REM_period_min": minutes(self.end - rem_first),
            **{f"{name}_min": length for name, length in self.stage_minutes.items()},
            "complete": self.complete,
        }


def cycles(stages: ArrayLike) -> list[Cycle]:
    """Return the NREM–REM cycles of a night, by the criteria of Feinberg & Floyd (1979), as Luna has them.

    - A NREM period starts with the first epoch of N2 or N3 after sleep onset or after the last cycle. It lasts at least
      15 min up to its REM.
    - A REM period goes on to the last REM before 15 min without any. It has at least 5 min of REM, except the first one
      of the night and one in which the night ends. Shorter REM is part of the NREM period, and so is W.
    - A NREM period and its REM period are a cycle. Where 15 min without N2, N3 and REM follow a NREM period, and where
      the night ends in it, it is a cycle that is not complete.

    Feinberg I, Floyd TC: Systematic trends across the night in human sleep cycles. Psychophysiology 16:283–291, 1979.
    Cycles are not split where REM seems to have been skipped: that needs a human's eye (Blume & Cajochen, MethodsX
    8:101318, 2021).

    Args:
        stages: (epoch,) codes of `sleepstage.Stage`, or UNKNOWN, from lights off to lights on.

    Raises:
        ValueError: no epochs.
    """
    hypnogram = checked(stages)
    found: list[Cycle] = []
    for start, stop in joined(np.isin(hypnogram, GOES_ON)):
        first = nrem_start(hypnogram, start, stop)
        for rem_first, end in joined(hypnogram == Stage.REM):
            if not start <= rem_first < stop:
                continue
            ends_night = end == stop and not np.isin(hypnogram[stop:], GOES_ON).any()
            long = np.count_nonzero(hypnogram[rem_first:end] == Stage.REM) >= LEAST_REM_EPOCHS
            first_of_night = not any(cycle.complete for cycle in found)
            if rem_first - first >= PERIOD_EPOCHS and (long or first_of_night or ends_night):
                found.append(Cycle(first, end, rem_first, stage_minutes(hypnogram[first:end])))
                first = nrem_start(hypnogram, end, stop)
        if np.count_nonzero(hypnogram[first:stop] != Stage.REM) >= PERIOD_EPOCHS:
            found.append(Cycle(first, stop, None, stage_minutes(hypnogram[first:stop])))
    return found


def nrem_start(hypnogram: NDArray[np.integer], start: int, stop: int) -> int:
    """Return where N2 or N3 comes first; `stop` where it does not."""
    there = np.flatnonzero(np.isin(hypnogram[start:stop], NREM_STARTS))
    return start + int(there[0]) if len(there) else stop


def joined(mask: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
    """Yield where runs of True start and end (half-open), those less than 15 min apart taken together."""
    starts, ends = (edges.tolist() for edges in runs_of(mask))
    apart = [place for place in range(1, len(starts)) if starts[place] - ends[place - 1] >= PERIOD_EPOCHS]
    edges = [0, *apart, len(starts)] if starts else []
    yield from ((starts[first], ends[after - 1]) for first, after in pairwise(edges))


def stage_minutes(part: NDArray[np.integer]) -> dict[str, float]:
    return {stage.name: minutes(np.count_nonzero(part == stage)) for stage in STAGES}


# ---- thirds of the night ----


def thirds(stages: ArrayLike) -> list[dict[str, float]]:
    """Return the minutes of each stage, by name, in each third of the sleep period, from first to last sleep.

    N3 lies in the first third and REM in the last one of a healthy night (Carskadon & Dement, in: Principles and
    Practice of Sleep Medicine). Where the number of epochs is no multiple of 3, thirds differ by one epoch at most.
    There are none without sleep.

    Raises:
        ValueError: no epochs.
    """
    hypnogram = checked(stages)
    asleep = np.flatnonzero(np.isin(hypnogram, ASLEEP))
    if not len(asleep):
        return []
    period = hypnogram[asleep[0] : asleep[-1] + 1]
    edges = [round(third * len(period) / N_THIRDS) for third in range(N_THIRDS + 1)]
    return [stage_minutes(period[first:end]) for first, end in pairwise(edges)]


# ---- bouts and transitions ----


def bouts(stages: ArrayLike) -> dict[str, Statistics]:
    """Return how many bouts each stage has, and their mean, median and longest in minutes; None where it has none.

    A bout is a run of epochs of one stage, as YASA's `find_periods` finds them; an epoch without a stage ends it.

    Raises:
        ValueError: no epochs.
    """
    hypnogram = checked(stages)
    return {stage.name: bout_figures(runs_of(hypnogram == stage)) for stage in STAGES}


def bout_figures(runs: Runs) -> Statistics:
    lengths = (runs[1] - runs[0]) * EPOCH_MINUTES
    there = len(lengths) > 0
    return {
        "bouts": len(lengths),
        "bout_mean_min": float(lengths.mean()) if there else None,
        "bout_median_min": float(np.median(lengths)) if there else None,
        "bout_longest_min": float(lengths.max()) if there else None,
    }


def transition_counts(stages: ArrayLike) -> NDArray[np.int64]:
    """Return how often each stage follows each: (stage, next stage) int64, epochs that stay in a stage included.

    A pair of epochs counts if both have a stage; counts and shares are those of YASA's `transition_matrix`.

    Raises:
        ValueError: no epochs.
    """
    hypnogram = checked(stages)
    before, after = hypnogram[:-1], hypnogram[1:]
    staged = (before >= 0) & (after >= 0)
    pairs = np.bincount(len(STAGES) * before[staged] + after[staged], minlength=len(STAGES) ** 2)
    return pairs.reshape(len(STAGES), len(STAGES)).astype(np.int64)  # (stage · next,) -> (stage, next)


def transition_shares(counts: NDArray[np.int64]) -> list[list[float | None]]:
    """Return each count as a share of its row, as JSON-ready values; None for a stage that nothing follows."""
    return [[part if (part := percent(one, row.sum())) is None else part / 100 for one in row] for row in counts]


# ---- for files ----


def as_json(stages: ArrayLike) -> dict[str, Any]:
    """Return the architecture of a night from lights off to lights on, ready for `json.dump`.

    Raises:
        ValueError: no epochs.
    """
    counts = transition_counts(stages)
    return {
        "cycles": [cycle.figures() for cycle in cycles(stages)],
        "thirds_of_SPT_min": thirds(stages),
        "bouts": bouts(stages),
        "stage_order": list(STAGE_NAMES),
        "transitions_from_to": counts.tolist(),
        "transition_probability_from_to": transition_shares(counts),
    }


def as_columns(stages: ArrayLike) -> Statistics:
    """Return the architecture of a night as the columns of one row.

    Raises:
        ValueError: no epochs.
    """
    found = cycles(stages)
    complete = [cycle for cycle in found if cycle.complete]
    counts = transition_counts(stages)
    parts: list[dict[str, float]] = thirds(stages) or [{}] * N_THIRDS
    return {
        "cycles": len(found),
        "cycles_complete": len(complete),
        "cycle_mean_min": mean([minutes(cycle.end - cycle.first) for cycle in complete]),
        **{f"{name}_third{number}_min": part.get(name) for number, part in enumerate(parts, 1) for name in STAGE_NAMES},
        **{f"{name}_{what}": value for name, figures in bouts(stages).items() for what, value in figures.items()},
        **{
            f"{before}_to_{after}": int(counts[row, column])
            for row, before in enumerate(STAGE_NAMES)
            for column, after in enumerate(STAGE_NAMES)
        },
    }


def mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
