"""What is done to a channel before a network sees it, so that the amplifier's offset, drift and gain do not matter.

The network has no bias before its LSTM: it reads amplitudes as they are. A recording in epochs at 100 Hz is freed of
offset and drift by a high-pass, its amplitude is brought into the range that the weights know, and it is written in
their unit. Weights trained on signals as they were recorded get none of it.

Lengths are in samples at 100 Hz, amplitudes in µV, frequencies in Hz.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data import SignalChange
from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE, Epochs, Parts, faults

RATE = TARGET_RATE
CLIPPED_SHARE = 0.01  # of an epoch's samples at a limit; more do not count for the amplitude
HIGHEST_CUTOFF = 0.5  # Hz; the baseline that is taken away has 4 values a second

Signal = NDArray[np.float32]
Mask = NDArray[np.bool_]


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

    def apply(
        self,
        x: Signal,
        recorded: NDArray[np.intp] | None = None,
        flat: Mask | None = None,
        clipped: Mask | None = None,
        own: bool = False,
    ) -> Conditioned:
        """Condition one channel of a whole recording; `x` itself stays as it is.

        Args:
            x: (recorded epoch, sample) µV at 100 Hz; for a high-pass epochs have 3000 samples.
            recorded: (recorded epoch,) which epochs of the grid these are; None: all, without a gap.
            flat: (recorded epoch,) epochs without a signal; None: there are none.
            clipped: (recorded epoch,) epochs that were driven too far; like flat ones they do not count for the
                amplitude.
            own: the night is of the data set that the weights were trained on.
        """
        if x.ndim != 2 or x.shape[1] % WINDOW or (self.high_pass is not None and x.shape[1] != EPOCH_SAMPLES):
            raise ValueError(f"x has shape {x.shape}; it must be (epoch, {EPOCH_SAMPLES})")
        recorded = np.arange(len(x)) if recorded is None else recorded
        flat = np.zeros(len(x), bool) if flat is None else flat
        share = np.zeros(len(x), np.float32) if clipped is None else clipped.astype(np.float32)
        whole = Epochs(x, recorded, len(x), flat, share, 0.0)
        plan = self.plan(lambda: [whole], own)
        return Conditioned(plan.factor, plan.removed, plan.amplitude, plan.left, plan.condition(x))

    def plan(self, parts: Parts, own: bool = False) -> Plan:
        """Return what is done to one channel of a whole recording, of which only a part is in memory at a time.

        Args:
            parts: the channel's epochs; what `apply` says of them.
            own: the night is of the data set that the weights were trained on.
        """
        left = self.left_as_it_is(parts) if own else None
        if left:
            return left
        removed, measured, factor, ends = 0.0, math.nan, 1.0, None
        if self.high_pass is not None:
            removed = middle(parts)
            ends = baseline_ends(parts, self.high_pass)
        if self.amplitude is not None:
            measured = rhythm_amplitude(good(part, filtered) for part, filtered in without_baseline(parts, ends))
            if measured > 0:
                factor = float(np.clip(measured, *self.amplitude)) / measured
        return Plan(factor, removed, measured, False, factor * self.scale, self.offset, ends)

    def left_as_it_is(self, parts: Parts) -> Plan | None:
        """Return a night of the data set itself without a change but that of the unit; None if it is a stranger."""
        if not self.own:
            return None
        measured, offset = rhythm_amplitude(good(part, part.x) for part in parts()), middle(parts)
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

    def condition_night(self, x: Signal) -> Signal:
        """Condition a prepared night of the data set itself, (epoch, sample), all epochs of which follow each other."""
        flat, clipped = np.transpose([faults(one) for one in x])
        return self.apply(x, flat=flat > 0, clipped=clipped > CLIPPED_SHARE, own=True).x

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
class Conditioned(Measured):
    """A conditioned channel: `x` (recorded epoch, 3000) float32, in the unit that the weights expect."""

    x: Signal


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


def middle(parts: Parts) -> float:
    """Return the median of the good epochs, 0 of none, from ten samples a second: it is only reported."""
    some = [good(part, part.x)[:, :: RATE // 10].reshape(-1) for part in parts()]
    values = np.concatenate([np.zeros(0, np.float32), *some])
    return float(np.median(values)) if len(values) else 0.0


def good(part: Epochs, x: Signal) -> Signal:
    """Return (epoch, sample) of a part without the epochs that are flat or clipped."""
    faulty = part.flat | (part.clipped > 0)
    return x[~faulty] if faulty.any() else x


# ---- without gaps ----


def stretches(recorded: NDArray[np.intp], flat: Mask) -> Iterator[slice]:
    """Yield runs of epochs that follow each other and are all flat or all not.

    Where an electrode comes off, an offset of millivolts jumps to nothing; a filter across the jump would ring into the
    epochs beside it.
    """
    breaks = np.flatnonzero((np.diff(recorded) != 1) | (flat[1:] != flat[:-1])) + 1
    for first, last in pairwise([0, *breaks.tolist(), len(recorded)]):
        if last > first:
            yield slice(first, last)


# ---- high-pass ----

HIGH_PASS = 0.2
"""Hz, for weights that were trained without one on Sleep-EDF, which was recorded with a high-pass of 0.5 Hz: its own
signals hardly change. On a night of another laboratory the published weights score best from 0.1 to 0.5 Hz, those in
the box up to 0.2 Hz."""

KNOT = 25  # samples from one value of the baseline to the next: 4 Hz


def high_passed(x: Signal, parts: Iterable[slice], cutoff: float) -> Signal:
    """Return (epoch, sample) less its slow baseline, each part by itself; zero phase.

    The baseline is a Butterworth low-pass, forwards and backwards. What is left over is a Butterworth high-pass of the
    same order, forwards and backwards: 1 − 1/(1 + f⁴) = f⁴/(1 + f⁴), f in cut-offs. The baseline has nothing fast in
    it, so that it is worked out at 4 Hz, in a tenth of the time and to 1 %.
    """
    return less_baseline(x, ends_of(halves_of(x), parts, cutoff))


def baseline_ends(parts: Parts, cutoff: float) -> Signal:
    """Return the baseline of a channel, (block, 2), each stretch without gaps by itself."""
    seen = [(halves_of(part.x), part.recorded, part.flat) for part in parts()]
    if not seen:
        return np.zeros((0, 2), np.float32)
    halves, recorded, flat = (np.concatenate(one) for one in zip(*seen, strict=True))
    del seen
    return ends_of(halves, stretches(recorded, flat), cutoff)


def ends_of(halves: Signal, parts: Iterable[slice], cutoff: float) -> Signal:
    """Return the baseline where each block begins and ends, (block, 2), from its weighted sums, (block, 2)."""
    ends = np.empty_like(halves)
    for part in parts:
        blocks = slice(part.start * BLOCKS, part.stop * BLOCKS)
        baseline = smoothed(knots_of(halves[blocks]), cutoff)
        ends[blocks, 0], ends[blocks, 1] = baseline[:-1], baseline[1:]
    return ends


def without_baseline(parts: Parts, ends: Signal | None) -> Iterator[tuple[Epochs, Signal]]:
    """Yield each part, and its (epoch, sample) less the baseline."""
    first = 0
    for part in parts():
        yield part, less_baseline(part.x, ends, first)
        first += len(part.x)


def less_baseline(x: Signal, ends: Signal | None, first: int = 0) -> Signal:
    """Return (epoch, sample) less the baseline of the epochs from `first` on; `x` itself where there is none."""
    if ends is None:
        return x
    blocks = x.reshape(-1, KNOT)  # (epoch, sample) -> (block, sample): no copy
    # Not @, whose threads wait for each other on a busy machine.
    between: Signal = np.einsum("bk,ks->bs", ends[first * BLOCKS :][: len(blocks)], RAMPS)
    return np.subtract(blocks, between, out=between).reshape(x.shape)


BLOCKS = EPOCH_SAMPLES // KNOT  # of an epoch
RISING = ((np.arange(KNOT) + 0.5) / KNOT).astype(np.float32)  # (sample,) from one knot to the next
RAMPS = np.stack([1 - RISING, RISING])  # (knot, sample): how much of each sample is the knot's before and after it


def halves_of(x: Signal) -> Signal:
    """Return the sums under the two halves of a triangle over each block, (block, knot before and after)."""
    halves: Signal = np.einsum("bs,ks->bk", x.reshape(-1, KNOT), RAMPS)
    return halves


def knots_of(halves: Signal) -> NDArray[np.float64]:
    """Return (knot,) averages under triangles, which lie at the borders of blocks; `halves` is (block, 2)."""
    means = halves.astype(np.float64) / (KNOT / 2)
    inner = (means[1:, 0] + means[:-1, 1]) / 2
    return np.concatenate([means[:1, 0], inner, means[-1:, 1]])


def smoothed(knots: NDArray[np.float64], cutoff: float) -> Signal:
    """Low-pass (knot,), mirrored in its end points: an offset or a steady drift goes on beyond them as it is."""
    beyond = min(len(knots) - 1, math.ceil(SETTLED / cutoff * RATE / KNOT))
    before, after = 2 * knots[0] - knots[beyond:0:-1], 2 * knots[-1] - knots[-2 : -beyond - 2 : -1]
    slow = low_passed(np.concatenate([before, knots, after]), cutoff)
    slow = low_passed(slow[::-1], cutoff)[::-1]
    return slow[beyond : len(slow) - beyond].astype(np.float32)


SETTLED = 2.0  # periods of the cut-off; after them a step has left less than a thousandth
TOGETHER = 64  # knots that are filtered at a time


def low_passed(knots: NDArray[np.float64], cutoff: float) -> NDArray[np.float64]:
    """Filter (knot,) with a Butterworth low-pass, as if its first value had been there for ever.

    y(n) = g (x(n) + 2 x(n-1) + x(n-2)) - a y(n-1) - b y(n-2), by the bilinear transform. SciPy's `sosfilt` gives the
    same to 1e-10, but takes most of a second to import. Many knots at a time are what their own input makes of them
    from rest, and what the two values before them make of them.
    """
    k = math.tan(math.pi * cutoff * KNOT / RATE)
    norm = 1 + math.sqrt(2) * k + k * k
    g, a, b = k * k / norm, 2 * (k * k - 1) / norm, (1 - math.sqrt(2) * k + k * k) / norm
    impulse = [0.0, 1.0]  # the response to it, one knot late
    for _ in range(TOGETHER - 1):
        impulse.append(-a * impulse[-1] - b * impulse[-2])
    late, response = np.array(impulse[:-1]), np.array(impulse[1:])
    knot = np.arange(TOGETHER)
    lag = knot[:, np.newaxis] - knot
    from_input = np.where(lag >= 0, response[lag], 0.0)  # (knot, knot of the input)
    x = np.pad(knots, (2, -len(knots) % TOGETHER), "edge")
    driven = (g * (x[2:] + 2 * x[1:-1] + x[:-2])).reshape(-1, TOGETHER)  # (knot,) -> (group, knot)
    y = np.einsum("gj,kj->gk", driven, from_input)
    from_last, from_second = -a * response - b * late, -b * response  # (knot,): of the last value before, and its last
    before = [(knots[0], knots[0])]
    for last, second in y[:-1, [-1, -2]].tolist():
        y1, y2 = before[-1]
        before.append(
            (last + from_last[-1] * y1 + from_second[-1] * y2, second + from_last[-2] * y1 + from_second[-2] * y2)
        )
    y += np.einsum("gs,sk->gk", np.array(before), np.stack([from_last, from_second]))
    filtered: NDArray[np.float64] = y.reshape(-1)[: len(knots)]
    return filtered


# ---- amplitude ----

WINDOW = 5 * RATE  # long enough for 1 Hz, short enough that a spindle or a slow wave fills a part of it
RHYTHMS = ((1, 4), (4, 8), (11, 16))  # Hz: delta, theta and sigma, the rhythms of sleep that is not REM
STRONG = 0.8  # quantile over windows
AT_A_TIME = 600  # windows, which fit into a processor's cache


def rhythm_amplitude(parts: Iterable[Signal]) -> float:
    """Return the amplitude in µV of the strong windows of all (epoch, sample); nan where there is nothing.

    A window's amplitude is the geometric mean of the root mean squares of its three rhythms; the 80 % quantile over all
    windows of 5 s is returned. Wakefulness has eye movements and muscles, but little sigma; a window where all three
    are strong is NREM sleep, which every night has, so that the rest of a recording hardly counts. Hum, and what a
    recorder filters out above 30 Hz, lie outside all three.
    """
    amplitudes = np.concatenate([np.zeros(0), *(window_amplitudes(x.reshape(-1, WINDOW)) for x in parts)])
    amplitudes = amplitudes[amplitudes > 0]
    return float(np.quantile(amplitudes, STRONG)) if len(amplitudes) else math.nan


def window_amplitudes(windows: Signal) -> NDArray[np.float64]:
    """Return (window,) µV of (window, sample) µV, some at a time."""
    firsts = range(0, len(windows), AT_A_TIME)
    return np.concatenate([np.zeros(0), *(amplitudes_of(windows[first : first + AT_A_TIME]) for first in firsts)])


def amplitudes_of(windows: Signal) -> NDArray[np.float64]:
    """Return (window,) µV: the geometric mean of the root mean squares of the rhythms in (window, sample) µV."""
    hann = np.hanning(WINDOW + 2)[1:-1].astype(np.float32)
    spectrum = np.fft.rfft(windows * hann, axis=1)  # SciPy's is as fast, and takes 0.2 s to import
    power = spectrum.real**2 + spectrum.imag**2  # (window, frequency)
    seconds = WINDOW // RATE
    bands = [power[:, low * seconds : high * seconds].sum(axis=1, dtype=np.float64) for low, high in RHYTHMS]
    whole = 2 / (WINDOW * float((hann**2).sum()))  # Parseval: sum over the positive frequencies -> mean square
    mean_squares: NDArray[np.float64] = np.prod(bands, axis=0) ** (1 / len(RHYTHMS)) * whole
    return np.sqrt(mean_squares)
