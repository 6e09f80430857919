"""What amplifiers do to a signal before it is in a file: the faults that simulate.py can put into its recordings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from command import InputError
from sleepstage import EPOCH_SECONDS


class Sampled(NamedTuple):
    """A signal as it goes through an amplifier: (sample,) µV, and Hz."""

    samples: NDArray[np.float64]
    rate: float

    @property
    def seconds(self) -> NDArray[np.float64]:
        """(sample,) when each sample is taken."""
        times: NDArray[np.float64] = np.arange(len(self.samples)) / self.rate
        return times


Step = Callable[[Sampled], Sampled]


# ---- steps ----


def unchanged(signal: Sampled) -> Sampled:
    """Leave a signal as it is."""
    return signal


def scaled(gain: float) -> Step:
    """Return a step that multiplies."""
    return lambda signal: signal._replace(samples=gain * signal.samples)


def shifted(microvolts: float) -> Step:
    """Return a step that adds an offset."""
    return lambda signal: signal._replace(samples=signal.samples + microvolts)


def wave(hz: float, microvolts: float, phase: float = 0.0) -> Step:
    """Return a step that adds a sine; with a phase of π/2 it is a cosine, which 50 Hz needs at a rate of 100 Hz."""
    return lambda signal: signal._replace(
        samples=signal.samples + microvolts * np.sin(2 * np.pi * hz * signal.seconds + phase)
    )


def filtered(order: int, hz: float, kind: str) -> Step:
    """Return a step that filters as a circuit does, from the past alone: Butterworth, `highpass` or `lowpass`."""

    def step(signal: Sampled) -> Sampled:
        from scipy.signal import butter, sosfilt

        return signal._replace(samples=sosfilt(butter(order, hz, kind, fs=signal.rate, output="sos"), signal.samples))

    return step


def sampled_at(rate: Fraction) -> Step:
    """Return a step that brings a signal to another rate."""

    def step(signal: Sampled) -> Sampled:
        from scipy.signal import resample_poly

        ratio = rate / Fraction(signal.rate).limit_denominator(1000)
        return Sampled(resample_poly(signal.samples, ratio.numerator, ratio.denominator), float(rate))

    return step


def flat_epochs(one_in: int) -> Step:
    """Return a step after which one epoch in so many is 0, as with an electrode that has come off."""

    def step(signal: Sampled) -> Sampled:
        epoch = np.floor(signal.seconds / EPOCH_SECONDS)
        return signal._replace(samples=np.where(epoch % one_in == one_in // 2, 0.0, signal.samples))

    return step


def in_turn(*steps: Step) -> Step:
    """Return a step that is several, one after the other."""
    return lambda signal: reduce(lambda so_far, step: step(so_far), steps, signal)


# ---- faults ----

MOST_16_BIT, MOST_24_BIT = 3_200.0, 262_144.0  # µV to either side; the second is that of BioSemi's amplifiers


@dataclass(frozen=True)
class Fault:
    """One thing that an amplifier does.

    Attributes:
        what: in words.
        step: what becomes of the signal.
        most: µV to either side, at which the converter clips; None for as much as the file can hold.
        unit: physical dimension in the file.
        bdf: write 24 bits to a sample, not 16.
    """

    what: str
    step: Step = unchanged
    most: float | None = None
    unit: str = "uV"
    bdf: bool = False


FAULTS = {
    "dc_bdf": Fault(
        "BDF, 24 bits, DC-coupled: 20 mV offset, drift ±300 µV in 20 min",
        in_turn(shifted(20_000), wave(1 / 1200, 300)),
        bdf=True,
    ),
    "offset": Fault("55 µV added", shifted(55)),  # as in a real night of another laboratory
    "drift": Fault("±100 µV in 10 min", wave(1 / 600, 100)),
    "gain_half": Fault("half the amplitude", scaled(0.5)),
    "gain_double": Fault("twice the amplitude", scaled(2)),
    "inverted": Fault("B - A instead of A - B", scaled(-1)),
    "hum": Fault("50 Hz, 10 µV", wave(50, 10, phase=np.pi / 2)),
    "clipped": Fault("converter ends at ±50 µV", most=50),
    "flat": Fault("one epoch in 20 is 0", flat_epochs(20)),
    "highpass_1hz": Fault("high-pass at 1 Hz, second order", filtered(2, 1, "highpass")),
    "lowpass_30hz": Fault("low-pass at 30 Hz, fourth order", filtered(4, 30, "lowpass")),
    "mv": Fault("in mV", unit="mV"),
    "v": Fault("in V", unit="V"),
    "64_hz": Fault("sampled at 64 Hz", sampled_at(Fraction(64))),
    "204.8_hz": Fault("sampled at 204.8 Hz", sampled_at(Fraction(1024, 5))),
    "512.5_hz": Fault("sampled at 512.5 Hz", sampled_at(Fraction(1025, 2))),
    "1024_hz": Fault("sampled at 1024 Hz", sampled_at(Fraction(1024))),
}


@dataclass(frozen=True)
class Amplifier:
    """Faults, in the order in which a signal goes through them; without any, signals stay as they are."""

    faults: tuple[tuple[str, Fault], ...] = ()

    @property
    def bdf(self) -> bool:
        """Whether its files are BDF."""
        return any(fault.bdf for _, fault in self.faults)

    @property
    def unit(self) -> str:
        """The physical dimension in its files."""
        return next((fault.unit for _, fault in reversed(self.faults) if fault.unit != "uV"), "uV")

    def most(self, of_release: float) -> float:
        """Return the µV to either side at which it clips; without any fault, what the release's files can hold."""
        if not self.faults:
            return of_release
        room = MOST_24_BIT if self.bdf else MOST_16_BIT
        return min([room, *(fault.most for _, fault in self.faults if fault.most)])

    @property
    def digital_range(self) -> tuple[int, int]:
        """The lowest and the highest number that its converter gives; without any fault, 12 bits as in the releases."""
        bits = 24 if self.bdf else 16 if self.faults else 12
        return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1

    def record(self, samples: NDArray[np.float64], rate: float) -> Sampled:
        """Return what becomes of (sample,) µV at `rate` Hz."""
        return in_turn(*(fault.step for _, fault in self.faults))(Sampled(samples, rate))

    def file(self, path: Path) -> Path:
        """Return what a recording is called when this amplifier writes it."""
        return path.with_suffix(".bdf") if self.bdf else path

    def __str__(self) -> str:
        return ", ".join(f"{name} ({fault.what})" for name, fault in self.faults)


def amplifier(names: Sequence[str]) -> Amplifier:
    """Return the amplifier that has the faults of these names.

    Raises:
        InputError: there is no such fault.
    """
    for name in names:
        if name not in FAULTS:
            raise InputError(f"--amplifier {name}: no such fault; there are {', '.join(FAULTS)}")
    return Amplifier(tuple((name, FAULTS[name]) for name in names))
