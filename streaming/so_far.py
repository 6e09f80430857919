"""What a channel has shown of itself so far: what is wrong with its next epoch, and what is done to it.

It is what a recording gets (recordings/quality.py, conditioning.py), from what lies before the end of the epoch
only:

- The baseline under an epoch is worked out from this epoch and the one before it. What comes after is unknown; at the
  epoch's end it is taken to go on as it was, as at the end of a recording. The same Butterworth filter forwards only
  would shift slow waves in time, and costs far more agreement.
- The amplitude is that of all epochs so far, or one that the user knows.
- Whether it is an EEG at all is judged by its last good epochs.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from files.arrays import Arrays
from recordings.amplitude import STRONG, WINDOW, window_amplitudes
from recordings.baseline import high_passed
from recordings.conditioning import Conditioning, rescaled
from recordings.epochs import EPOCH_SAMPLES
from recordings.quality import (
    AMPLITUDE,
    BROAD_BAND,
    CLIPPED_FLAG,
    CLIPPED_LIMIT,
    SAMPLED_EPOCHS,
    implausible,
    kurtosis,
    nine_in_ten_exceed,
    no_eeg,
)
from recordings.spectrum import SPECTRUM_HZ, band_power, spectrum
from scoring.staged import NO_SIGNAL

NO_EEG = "no EEG"


@dataclass(frozen=True, eq=False)
class Judged:
    """What is wrong with an epoch of a channel, in words; whether it can be staged; why the channel cannot be."""

    faults: tuple[str, ...]
    good: bool
    reason: str = ""


MISSING = Judged((NO_SIGNAL,), False)


class QualitySoFar:
    """Judges the epochs of a channel one after the other."""

    def __init__(self) -> None:
        self.stds = np.zeros(0, np.float32)  # (epoch,) of all that were not flat
        self.power = np.zeros((0, len(SPECTRUM_HZ)), np.float32)  # (epoch, frequency), of the last good ones
        self.spikes = np.zeros(0, np.float64)  # (epoch,) kurtosis, of the same

    def judge(self, x: NDArray[np.float32], flat: bool, clipped: float) -> Judged:
        """Judge the next epoch, (sample,) µV, by itself and by those before it."""
        power = spectrum(x[np.newaxis])  # (1, frequency)
        implausible_now = False
        if not flat:
            self.stds = np.append(self.stds, np.sqrt(band_power(power, BROAD_BAND)).astype(np.float32))
            implausible_now = bool(implausible(self.stds, np.ones(len(self.stds), bool))[-1])
        found = {"flat": flat, "clipped": clipped > CLIPPED_FLAG, AMPLITUDE: implausible_now}
        faults = tuple(name for name, there in found.items() if there)
        if flat or implausible_now or clipped >= CLIPPED_LIMIT:
            return Judged(faults, False)
        self.power = np.concatenate([self.power, power])[-SAMPLED_EPOCHS:]
        self.spikes = np.append(self.spikes, kurtosis(x[np.newaxis]))[-SAMPLED_EPOCHS:]
        reason = no_eeg(self.power, lambda: nine_in_ten_exceed(self.spikes))
        return Judged((*faults, NO_EEG) if reason else faults, not reason, reason)

    def kept(self) -> Arrays:
        """Return what another process needs to go on."""
        return {"stds": self.stds, "power": self.power, "spikes": self.spikes}

    def go_on(self, kept: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from what `kept` returned."""
        self.stds, self.power, self.spikes = (np.array(kept[name]) for name in ("stds", "power", "spikes"))


class ConditioningSoFar:
    """Conditions the good epochs of a channel one after the other.

    Args:
        need: what the weights need.
        amplitude: µV, of a recording of the same person with the same amplifier; None: that of what came so far.
    """

    def __init__(self, need: Conditioning, amplitude: float | None = None) -> None:
        self.need = need
        self.known = amplitude
        self.windows = np.zeros(0, np.float64)  # (window,) µV so far, less those of clipped epochs
        self.before = np.zeros((0, EPOCH_SAMPLES), np.float32)  # the epoch before, as recorded; none after a gap
        self.last = -2  # the number of the epoch before

    @property
    def amplitude(self) -> float:
        """µV, as it is known or as it was measured so far; nan before anything was."""
        if self.known is not None:
            return self.known
        positive = self.windows[self.windows > 0]
        return float(np.quantile(positive, STRONG)) if len(positive) else math.nan

    @property
    def factor(self) -> float:
        """What the amplitude is multiplied by, by what is known now."""
        if self.need.amplitude is None or not self.amplitude > 0:
            return 1.0
        return float(np.clip(self.amplitude, *self.need.amplitude)) / self.amplitude

    def condition(self, number: int, x: NDArray[np.float32], clipped: bool) -> NDArray[np.float32]:
        """Return the next good epoch, (1, sample), in the unit that the weights expect.

        Args:
            number: of the epoch; where one is missing before it, filters start anew.
            x: (sample,) µV as recorded.
            clipped: it does not count for the amplitude.
        """
        epoch = x[np.newaxis]
        if self.need.high_pass is not None:
            before = self.before if number == self.last + 1 else self.before[:0]
            both = np.concatenate([before, epoch])
            self.before, self.last = epoch, number
            epoch = high_passed(both, [slice(0, len(both))], self.need.high_pass)[-1:]
        if self.need.amplitude is not None and not clipped:
            self.windows = np.append(self.windows, window_amplitudes(epoch.reshape(-1, WINDOW)))
        return rescaled(epoch, self.factor * self.need.scale, self.need.offset)

    def kept(self) -> Arrays:
        """Return what another process needs to go on."""
        return {"windows": self.windows, "before": self.before, "last": np.array(self.last)}

    def go_on(self, kept: Mapping[str, NDArray[np.generic]]) -> None:
        """Go on from what `kept` returned."""
        self.windows, self.before = np.array(kept["windows"]), np.array(kept["before"])
        self.last = int(kept["last"])
