"""What is done to a channel before a network sees it, so that the amplifier's offset, drift and gain do not matter.

The network has no bias before its LSTM: it reads amplitudes as they are. A recording in epochs at 100 Hz is freed of
offset and drift by a high-pass, its amplitude is brought into the range that the weights know, and it is written in
their unit. Weights trained on signals as they were recorded get none of it.

Lengths are in samples at 100 Hz, amplitudes in µV, frequencies in Hz.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import SignalChange
from recordings.amplitude import WINDOW, rhythm_amplitude
from recordings.baseline import RATE, Signal, baseline_ends, less_baseline, without_baseline
from recordings.epochs import EPOCH_SAMPLES, Epochs, Parts, faults

CLIPPED_SHARE = 0.01  # of an epoch's samples at a limit; more do not count for the amplitude
HIGHEST_CUTOFF = 0.5  # Hz; the baseline that is taken away has 4 values a second


# ---- what is done ----


@dataclass(frozen=True)
class Conditioning:
    """What is done to every recording, in this order; the default is nothing at all.

    Attributes:
        high_pass: cut-off in Hz (where half the amplitude is left); None: offset and drift stay.
        amplitude: lowest and highest amplitude in µV, as `rhythm_amplitude` measures it; a recording outside is scaled
            to the nearer one. Twice the same value: every recording gets it. None: as recorded.
        scale, offset: then x becomes scale · x + offset, for weights that were trained in another unit than µV.
        own: lowest and highest amplitude in µV of the nights that the weights were trained on, as they were recorded. A
            night of the same data set that lies within, without an offset, is left as it is, and only written in the
            weights' unit, unless it is in that unit already. None: no night is left.
    """

    high_pass: float | None = None
    amplitude: tuple[float, float] | None = None
    scale: float = 1.0
    offset: float = 0.0
    own: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.high_pass is not None and not 0 < self.high_pass <= HIGHEST_CUTOFF:
            raise ValueError(f"high_pass is {self.high_pass!r}; it must be above 0 and at most {HIGHEST_CUTOFF:g} Hz")
        if self.amplitude is not None and not 0 < self.amplitude[0] <= self.amplitude[1] < math.inf:
            raise ValueError(f"amplitude is {self.amplitude!r}; it must be two values above 0 µV, the lower one first")
        if not (0 < self.scale < math.inf and math.isfinite(self.offset)):
            raise ValueError(f"scale {self.scale!r}, offset {self.offset!r}: they must be finite, the scale above 0")

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Conditioning:
        """Return what `dataclasses.asdict` made of one, after it went through JSON.

        Raises:
            ValueError: it is something else.
        """
        if not isinstance(stored, dict) or stored.keys() - cls.__dataclass_fields__.keys():
            raise ValueError(f"no conditioning: {str(stored)[:40]}")
        for name, one in stored.items():
            pair = name in ("amplitude", "own")
            numbers = one if pair and isinstance(one, list) and len(one) == 2 else [one]
            known = all(type(number) in (int, float) for number in numbers) and len(numbers) == 1 + pair
            if not known and (one is not None or name in ("scale", "offset")):
                raise ValueError(f"{name} is {str(one)[:40]}")
        values: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in stored.items()}
        return cls(**values)

    def plan(self, parts: Parts, own: bool = False) -> Plan:
        """Return what is done to one channel of a whole recording, of which only a part is in memory at a time.

        Args:
            parts: the channel's epochs at 100 Hz; flat and clipped ones do not count for the amplitude.
            own: the night is of the data set that the weights were trained on.
        """
        left = self.unchanged_plan(parts) if own else None
        if left:
            return left
        removed, measured, factor, ends = 0.0, math.nan, 1.0, None
        if self.high_pass is not None:
            removed = median_offset(parts)
            ends = baseline_ends(parts, self.high_pass)
        if self.amplitude is not None:
            measured = rhythm_amplitude(good(part, filtered) for part, filtered in without_baseline(parts, ends))
            if measured > 0:
                factor = float(np.clip(measured, *self.amplitude)) / measured
        return Plan(factor, removed, measured, False, factor * self.scale, self.offset, ends)

    def unchanged_plan(self, parts: Parts) -> Plan | None:
        """Return the plan that only changes the unit of a night of the data set; None if it is no such night."""
        if not self.own:
            return None
        measured, offset = rhythm_amplitude(good(part, part.x) for part in parts()), median_offset(parts)
        low, high = self.own
        if low * self.scale <= measured <= high * self.scale and abs(offset - self.offset) <= OWN_OFFSET * self.scale:
            return Plan(1.0, 0.0, measured, True)
        if low <= measured <= high and abs(offset) <= OWN_OFFSET:
            return Plan(1.0, 0.0, measured, True, self.scale, self.offset)
        return None

    def of_nights(self) -> SignalChange | None:
        """Return what is done to prepared nights of the data set as they are read; None for nothing."""
        if self == Conditioning():
            return None
        tag = hashlib.sha256(repr(self).encode()).hexdigest()[:8]
        return SignalChange(tag, self.condition_night)

    def condition_night(self, x: Signal, recorded: NDArray[np.intp] | None = None) -> Signal:
        """Condition a prepared night of the data set itself, (epoch, sample).

        Args:
            x: µV at 100 Hz.
            recorded: (epoch,) which epochs of the recording these are; None: all follow each other.

        Raises:
            ValueError: its epochs have another length than conditioning is made for.
        """
        if x.ndim != 2 or x.shape[1] % WINDOW or (self.high_pass is not None and x.shape[1] != EPOCH_SAMPLES):
            raise ValueError(f"x has shape {x.shape}; it must be (epoch, {EPOCH_SAMPLES})")
        flat, clipped = np.transpose([faults(epoch) for epoch in x])
        share = (clipped > CLIPPED_SHARE).astype(np.float32)
        recorded = np.arange(len(x)) if recorded is None else recorded
        epochs = Epochs(x, recorded, len(x), flat > 0, share, 0.0)
        return self.plan(lambda: [epochs], own=True).condition(x)

    def in_words(self) -> str:
        """Return what is done to a recording, for people."""
        parts = [] if self.high_pass is None else [f"high-pass {self.high_pass:g} Hz"]
        if self.amplitude is not None:
            low, high = self.amplitude
            goal = f"{low:g} µV" if low == high else f"{low:g} to {high:g} µV"
            parts.append(f"amplitude brought to {goal}")
        if self.scale != 1 or self.offset:
            parts.append(f"then × {self.scale:g}{f' + {self.offset:g}' if self.offset else ''}")
        return ", ".join(parts) or "as recorded"


OWN_OFFSET = 5.0  # µV; the nights of Sleep-EDF, high-passed in the recorder, have less than 1


@dataclass(frozen=True, eq=False)
class Measured:
    """What was measured of a channel, and what its amplitude was multiplied by.

    Attributes:
        factor: what its amplitude was multiplied by; 1 for as recorded.
        removed: µV, the offset that the high-pass removed (the median); 0 without one.
        amplitude: µV, as measured; nan where it was not, or where every epoch is flat or clipped.
        left: it is a night of the weights' own data set, and was left as recorded but for its unit.
    """

    factor: float
    removed: float
    amplitude: float
    left: bool

    def described(self, need: Conditioning) -> dict[str, Any]:
        """Return what was done, and why, as JSON-ready values."""
        return {
            "needed": need.in_words(),
            "left_as_recorded": self.left,
            "amplitude_uv": None if math.isnan(self.amplitude) else round(self.amplitude, 3),
            "multiplied_by": round(self.factor, 4),
            "offset_removed_uv": round(self.removed, 2),
        }


@dataclass(frozen=True, eq=False)
class Plan(Measured):
    """What is done to the epochs of one channel: x less its baseline becomes scale · x + offset.

    Attributes:
        ends: (block, 2) µV, the slow baseline where each block of KNOT samples begins and ends; None: it stays.
    """

    scale: float = 1.0
    offset: float = 0.0
    ends: Signal | None = None

    def condition(self, x: Signal, first: int = 0) -> Signal:
        """Return (epoch, sample) in the unit that the weights expect; `first` is the number of the first one."""
        return rescaled(less_baseline(x, self.ends, first), self.scale, self.offset)


def rescaled(x: Signal, scale: float, offset: float) -> Signal:
    """Return scale · x + offset, and `x` itself where that is the same."""
    if scale != 1:
        x = x * np.float32(scale)
    return x + np.float32(offset) if offset else x


def median_offset(parts: Parts) -> float:
    """Return the median of the good epochs in µV, 0 of none, from ten samples a second."""
    some = [good(part, part.x)[:, :: RATE // 10].reshape(-1) for part in parts()]
    values = np.concatenate([np.zeros(0, np.float32), *some])
    return float(np.median(values)) if len(values) else 0.0


def good(part: Epochs, x: Signal) -> Signal:
    """Return (epoch, sample) of a part without the epochs that are flat or clipped."""
    faulty = part.flat | (part.clipped > 0)
    return x[~faulty] if faulty.any() else x


HIGH_PASS = 0.2
"""Hz, for weights that were trained without one on Sleep-EDF, which was recorded with a high-pass of 0.5 Hz: its own
signals hardly change. On a night of another laboratory the published weights score best from 0.1 to 0.5 Hz, those in
the box up to 0.2 Hz."""
