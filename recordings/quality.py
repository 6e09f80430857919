"""What cannot be scored: the epochs of a channel that no network should see, and channels that are no EEG at all."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from recordings.epochs import PLAUSIBLE_STD, TARGET_RATE, Epochs, Parts, epoch_std, epochs_in_parts, without_samples
from recordings.filters import band_passed
from recordings.recording import Mark, RawSignal, Stretch
from recordings.spectrum import SPECTRUM_HZ, band_power, spectrum
from sleepstage import EPOCH_SECONDS

# ---- limits ----
# All were measured on real nights: 33 of Sleep-EDF (5 s of each epoch), two hours of one of them (whole epochs), one
# night of UCDDB, and W and N3 of 18 more. None of them is refused, nor any ten epochs of them in a row.

CLIPPED_FLAG = 0.01  # of an epoch's samples; with more it is flagged
CLIPPED_LIMIT = 0.1
"""Of an epoch's samples; from here on it is not scored. When every other epoch of 232 real ones was clipped, accuracy
fell by 4 points in those with 10 to 15 % of their samples at a limit, by 2 points at 5 to 10 %, by none below."""

BROAD_BAND = (0.5, 30.0)  # Hz, in which the amplitude is measured: neither an offset nor a drift counts
MISTAKEN_UNIT = 100.0
"""A channel whose typical epoch is this many times too small or too large has a mistaken unit, which can be put right:
a unit in the headers of UCDDB is some 100 µV. Beyond, as with volts taken for µV, nothing is known of the signal."""

AMPLITUDE = "implausible amplitude"  # what is wrong with an epoch, as its flags say it

LEAST_GOOD = 0.1  # of a channel's epochs; with fewer it counts as dead
LEAST_JUDGED = 10  # epochs; fewer do not tell whether a channel is an EEG

STEEPNESS = 2.0
"""dB by which the power density at 1-4 Hz must exceed that at 20-30 Hz, in the median epoch. Real nights: 8.3 to 27.4
(any ten epochs: from 4.6); white noise, which mains hum leaves behind too: 0; EMG (10-45 Hz): -42."""
SLOW, FAST = (1.0, 4.0), (20.0, 30.0)  # Hz

FASTER_SHARE = 0.002
"""Of the power at 0.5-30 Hz that must lie above 4 Hz, in the median epoch. Real nights: 0.066 to 0.53 (any ten epochs:
from 0.015); respiration: 0.0002 or less."""
FASTER = (4.0, 30.0)  # Hz

HEART_BAND = (2.0, 30.0)  # Hz
HEART_KURTOSIS = 5.0  # which nine epochs in ten must exceed; real nights: 1.1 or less; one real ECG 6.0
HEART_STD = 100.0
"""µV, which the median epoch must exceed too. Ten epochs of a real night have a kurtosis of up to 23, but never more
than 5 with more than 72 µV; the real ECG has 416 µV."""

SAMPLED_EPOCHS = 40  # that tell whether a channel is worth reading


# ---- one channel ----


@dataclass(frozen=True, eq=False)
class Quality:
    """What is wrong with a channel.

    Attributes:
        faults: name → (recorded epoch,) bool.
        good: (recorded epoch,) bool, which can be scored.
        reason: why the channel cannot be scored at all; "" where it can.
    """

    faults: dict[str, NDArray[np.bool_]]
    good: NDArray[np.bool_]
    reason: str


@dataclass(frozen=True, eq=False)
class Seen:
    """What one look at a channel leaves of it.

    Attributes:
        epochs: without samples.
        stds: (recorded epoch,) float32, their standard deviations in µV.
        power: (recorded epoch, frequency) float32, their spectrum.
        content: the SHA-256 of the signal, as `Epochs.content`.
    """

    epochs: Epochs
    stds: NDArray[np.float32]
    power: NDArray[np.float32]
    content: str


def look_at(parts: Parts) -> Seen:
    """Go through a channel once."""
    digest, stds, power = hashlib.sha256(), [np.zeros(0, np.float32)], [np.zeros((0, len(SPECTRUM_HZ)), np.float32)]

    def looked_at() -> Iterator[Epochs]:
        for part in parts():
            digest.update(np.ascontiguousarray(part.x).data)
            stds.append(epoch_std(part.x))
            power.append(spectrum(part.x))
            yield part

    epochs = without_samples(looked_at())
    content = "" if epochs.flat.all() else digest.hexdigest()
    return Seen(epochs, np.concatenate(stds), np.concatenate(power), content)


def chosen(parts: Parts, good: NDArray[np.bool_]) -> Parts:
    """Return the epochs of a channel that can be scored; those that are clipped too little to be flagged, as whole.

    Args:
        parts: all of its epochs.
        good: (recorded epoch,) bool.
    """

    def of_each() -> Iterator[Epochs]:
        first = 0
        for part in parts():
            kept = part.only(good[first : first + len(part.x)])
            first += len(part.x)
            yield replace(kept, clipped=np.where(kept.clipped > CLIPPED_FLAG, kept.clipped, np.float32(0)))

    return of_each


def quality(parts: Parts, seen: Seen, marks: Sequence[Mark] = ()) -> Quality:
    """Judge the epochs of a channel, and the channel as a whole.

    Args:
        parts: its epochs.
        seen: what a look at them has left.
        marks: the recording's annotations.
    """
    epochs, power = seen.epochs, seen.power
    std = np.sqrt(band_power(power, BROAD_BAND))
    faults = {
        "flat": epochs.flat,
        "clipped": epochs.clipped > CLIPPED_FLAG,
        AMPLITUDE: ~epochs.flat & implausible(std, ~epochs.flat),
        "marked bad": marked_bad(marks, epochs.n_epochs, epochs.first_second)[epochs.recorded],
    }
    unusable = faults | {"clipped": epochs.clipped >= CLIPPED_LIMIT}
    bad = np.any(list(unusable.values()), axis=0)
    reason = dead(seen.stds, unusable, bad) or no_eeg(power[~bad], lambda: spikes(chosen(parts, ~bad)))
    if reason:
        faults["no EEG"] = np.ones(len(bad), bool)
    return Quality(faults, ~bad & (not reason), reason)


def implausible(std: NDArray[np.float32], alive: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return (epoch,) whether an epoch's standard deviation in µV is none of a scalp EEG.

    Where hardly any epoch's is, but the unit seems only mistaken, the limits move along with the channel.
    """
    low, high = PLAUSIBLE_STD
    outside = (std < low) | (std > high)
    if not alive.any() or np.mean(outside[alive]) <= 1 - LEAST_GOOD:
        return outside
    typical = float(np.median(std[alive]))
    if low / MISTAKEN_UNIT <= typical <= high * MISTAKEN_UNIT:
        spread = math.sqrt(high / low)
        outside = (std < typical / spread) | (std > typical * spread)
    return outside


def marked_bad(marks: Sequence[Mark], n_epochs: int, first_second: float) -> NDArray[np.bool_]:
    """Return (epoch,) whether an annotation reaches into it whose text starts with "bad", in any case.

    One without a length has one epoch.

    MNE names what its users mark so (https://mne.tools/stable/auto_tutorials/preprocessing/20_rejecting_bad_data.html).
    """
    bad = np.zeros(n_epochs, bool)
    for mark in marks:
        if is_bad_mark(mark.text):
            start = (mark.onset - first_second) / EPOCH_SECONDS
            end = start + (mark.duration or 0.0) / EPOCH_SECONDS
            first = math.floor(round(start, 6))  # a rounding error must not cost an epoch
            bad[max(0, first) : max(0, first + 1, math.ceil(round(end, 6)))] = True
    return bad


def is_bad_mark(text: str) -> bool:
    return text.strip().casefold().startswith("bad")


# ---- the channel as a whole ----


def dead(stds: NDArray[np.float32], faults: dict[str, NDArray[np.bool_]], bad: NDArray[np.bool_]) -> str:
    """Say why hardly any epoch of a channel is good, by the most frequent of their faults; "" where enough are."""
    if not len(bad) or np.mean(~bad) >= LEAST_GOOD:
        return ""
    worst = max(faults, key=lambda name: np.count_nonzero(faults[name]))
    share = f"{np.count_nonzero(faults[worst])} of {len(bad)} epochs"
    if worst != AMPLITUDE:
        return f"{share} are {worst}"
    low, high = PLAUSIBLE_STD
    typical = np.median(stds[faults[worst]])
    return (
        f"{AMPLITUDE} in {share} (a standard deviation of {typical:.3g} µV, an EEG has {low:g} to {high:g}); "
        "check the unit in the file"
    )


def no_eeg(power: NDArray[np.float32], spikes: Callable[[], float]) -> str:
    """Say why the good epochs of a channel are no EEG; "" where nothing speaks against it, or there are too few.

    Args:
        power: (epoch, frequency) their spectrum.
        spikes: returns the excess kurtosis that nine of ten exceed; it is only called where that matters.
    """
    if len(power) < LEAST_JUDGED:
        return ""
    slow, fast, faster, broad = (band_power(power, band) for band in (SLOW, FAST, FASTER, BROAD_BAND))
    per_hz = (SLOW[1] - SLOW[0]) / (FAST[1] - FAST[0])
    if 10 * np.log10(np.median(slow / fast) / per_hz) < STEEPNESS:
        return "no EEG by its spectrum, which does not fall with frequency: noise, hum or EMG?"
    if np.median(faster / broad) < FASTER_SHARE:
        return f"no EEG by its spectrum, with hardly anything above {FASTER[0]:g} Hz: respiration or temperature?"
    if np.median(np.sqrt(broad)) > HEART_STD and spikes() > HEART_KURTOSIS:
        return "no EEG by its shape, large spikes in nearly every epoch: ECG?"
    return ""


def spikes(parts: Parts) -> float:
    """Return the excess kurtosis that nine epochs in ten exceed."""
    return nine_in_ten_exceed(np.concatenate([kurtosis(part.x) for part in parts()]))


def nine_in_ten_exceed(values: NDArray[np.float64]) -> float:
    return float(np.percentile(values, 10))


def kurtosis(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (epoch,) the excess kurtosis at 2-30 Hz: 0 for noise, 10 and more for the beats of a heart."""
    return np.array([kurtosis_of(band_passed(epoch, TARGET_RATE, *HEART_BAND)) for epoch in x])


def kurtosis_of(samples: NDArray[np.float64]) -> float:
    squares = (samples - samples.mean()) ** 2
    variance = squares.mean()
    return float((squares**2).mean() / variance**2 - 3) if variance > 0 else math.nan


# ---- a channel that may not be worth reading ----


def sampled_reason(signal: RawSignal) -> str:
    """Say why a channel cannot be scored, judged by epochs here and there; "" where nothing speaks against it."""
    if signal.marked_bad:
        return "the file marks it as bad"
    parts = epochs_in_parts(replace(signal, stretches=tuple(sampled(signal.stretches))))
    return quality(parts, look_at(parts)).reason


def sampled(stretches: Sequence[Stretch]) -> Iterator[Stretch]:
    """Yield pieces of a recording, evenly spaced, each with one epoch and a second more, on a grid of their own."""
    piece = EPOCH_SECONDS + 1.0  # so that rounding at odd rates costs no epoch
    offsets = [part.offset + piece * i for part in stretches for i in range(int(part.seconds // piece))]
    chosen = np.unique(np.linspace(0, len(offsets) - 1, SAMPLED_EPOCHS).astype(int)) if offsets else ()
    for number, index in enumerate(chosen):
        yield Stretch(2.0 * EPOCH_SECONDS * number, offsets[index], piece)
