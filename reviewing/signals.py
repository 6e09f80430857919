"""What a reviewer sees of a signal: a few seconds of a channel, filtered if that is wanted, and the night's spectrum.

Only what is looked at is read, so that a week opens as fast as a night.
"""

from __future__ import annotations

import re
import threading
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recordings.epochs import epochs_of, plan_blocks
from recordings.filters import AROUND, band_passed
from recordings.recording import RawSignal
from recordings.spectrum import SPECTRUM_HZ, spectrum
from scoring.sleepstats import runs_of
from sleepstage import EPOCH_SECONDS


class View(NamedTuple):
    """A filter for the eye: its name, and its cut-offs in Hz."""

    name: str
    high_pass: float
    low_pass: float


VIEWS = (
    View("0.3–35 Hz (EEG, EOG)", 0.3, 35.0),
    View("0.3–70 Hz (ECG)", 0.3, 70.0),
    View("10–100 Hz (EMG)", 10.0, 100.0),
)
"""What the AASM manual recommends to show, by kind of channel."""

KINDS: dict[str, tuple[int, int, str]] = {
    "ECG": (2, 1000, r"ecg|ekg"),
    "EMG": (3, 50, r"emg|chin|leg|tib|submental|kinn"),
    "EOG": (1, 150, r"eog|loc|roc|e[12]$|lio|reo|eye"),
    "EEG": (1, 100, r""),
}
"""By kind of channel: the number of its view (0 is as recorded), µV from the middle to the edge, and words in names.

A name that has none of the words is taken for an EEG.
"""


def kind_of(label: str) -> str:
    """Return what kind of channel a name means."""
    words = set(re.split(r"[^a-z0-9]+", label.casefold()))
    return next(kind for kind, (_, _, known) in KINDS.items() if not known or any(re.match(known, w) for w in words))


MOST_POINTS = 6000  # of a channel in an epoch: 200 Hz; of more the lowest and highest of some samples each are sent


def window(signal: RawSignal, second: float, seconds: float) -> NDArray[np.float32]:
    """Return (sample,) µV from a time of the recording on, at the channel's rate; nan where nothing was recorded."""
    samples = np.full(round(seconds * signal.rate), np.nan, np.float32)
    for part in signal.stretches:
        start, end = max(second, part.onset), min(second + seconds, part.onset + part.seconds)
        first = round((start - part.onset + part.offset) * signal.rate)
        n_samples = min(round((end - start) * signal.rate), signal.n_samples - first)
        at = round((start - second) * signal.rate)
        n_samples = min(n_samples, len(samples) - at)
        if n_samples > 0:
            samples[at : at + n_samples] = signal.read(first, first + n_samples)
    return samples


def filtered_window(signal: RawSignal, second: float, seconds: float, view: View | None) -> NDArray[np.float32]:
    """Return what `window` does, filtered; without a view as it was recorded, around its own median."""
    if view is None:
        samples = window(signal, second, seconds)
        middle = np.nanmedian(samples) if np.isfinite(samples).any() else 0
        return (samples - middle).astype(np.float32)
    samples = window(signal, second - AROUND, seconds + 2 * AROUND)
    for first, end in zip(*runs_of(np.isfinite(samples)), strict=True):
        samples[first:end] = band_passed(samples[first:end], signal.rate, view.high_pass, view.low_pass)
    before = round(AROUND * signal.rate)
    return samples[before : before + round(seconds * signal.rate)]


def enveloped(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return at most MOST_POINTS: of more samples the lowest and the highest of some each, in turn."""
    if len(samples) <= MOST_POINTS:
        return samples
    edges = np.linspace(0, len(samples), MOST_POINTS // 2 + 1).astype(int)[:-1]
    lowest, highest = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
    return np.stack([lowest, highest], axis=1).reshape(-1)  # (piece, 2) -> (point,)


# ---- the spectrum of a night ----

BREATH = 0.002  # seconds after each column, in which pages are answered
MOST_COLUMNS = 1440  # a screen has not many more; of a longer recording some epochs stand for those around them


class NightSpectrum:
    """The spectrum of a channel over a night, computed in a thread of its own, first coarse and then fine.

    Attributes:
        epochs: (column,) which epochs are looked at, evenly spread.
        power: (column, frequency) dB of µV²/Hz, nan where none is known yet, or none can be.
        n_done: how many columns have been looked at.
    """

    def __init__(self, signal: RawSignal, first_second: float, n_epochs: int) -> None:
        self.signal, self.first_second = signal, first_second
        self.epochs = np.unique(np.linspace(0, max(0, n_epochs - 1), min(n_epochs, MOST_COLUMNS)).astype(int))
        self.power = np.full((len(self.epochs), len(SPECTRUM_HZ)), np.nan, np.float32)
        self.n_done = 0
        self.ended = threading.Event()

    def start(self) -> None:
        """Begin; the thread ends with the process."""
        threading.Thread(target=self.compute, daemon=True).start()

    def stop(self) -> None:
        """Let the thread end."""
        self.ended.set()

    def compute(self) -> None:
        """Look at all columns: every 64th, then those between them, and so on."""
        parts = self.signal.stretches
        blocks = {
            block.first_epoch: block
            for part in parts
            for block in plan_blocks(self.signal, part, self.first_second, epochs_at_a_time=1)
        }
        for column in coarse_to_fine(len(self.epochs)):
            if self.ended.is_set():
                return
            block = blocks.get(int(self.epochs[column]))
            cut = epochs_of(self.signal, [block], self.first_second) if block else None
            if cut is not None and len(cut.x):
                self.power[column] = spectrum(cut.x)[0]
            self.n_done += 1
            time.sleep(BREATH)

    def shades(self) -> NDArray[np.uint8]:
        """Return (column, frequency) shades from 1 to 255, without 0 Hz; 0 where nothing is known."""
        shown = self.power[:, 1:].copy()
        shades = np.zeros(shown.shape, np.uint8)
        known = np.isfinite(shown)
        if known.any():
            low, high = np.percentile(shown[known], (5, 98))
            scaled = 1 + 254 * (shown[known] - low) / max(1.0, high - low)
            shades[known] = np.clip(scaled, 1, 255).astype(np.uint8)
        return shades


def coarse_to_fine(n: int) -> list[int]:
    """Return 0 to n - 1: every 64th first, then those halfway between them, and so on."""
    order = list(range(0, n, 64))
    for step in (64, 32, 16, 8, 4, 2):
        order += range(step // 2, n, step)
    return order


def epoch_window(signal: RawSignal, first_second: float, epoch: int, view: View | None) -> NDArray[np.float32]:
    """Return what is sent of one epoch of a channel."""
    onset = first_second + epoch * EPOCH_SECONDS
    return enveloped(filtered_window(signal, onset, EPOCH_SECONDS, view))
