"""Stages of a night, and an EEG that has the features of each.

It looks like sleep to a network, not to a physician: every stage has the features that scorers look for (alpha in W,
theta in N1, spindles and K-complexes in N2, slow waves in N3, sawtooth waves in REM) over a 1/f background, and nothing
else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sleepstage import EPOCH_SECONDS, MOVEMENT, NOT_SCORED

FADE_SECONDS = 1  # neighbouring epochs run into each other, so that no edge gives the epochs away

# ---- stages: a Markov chain whose transitions change through the night ----

RK = ("W", "1", "2", "3", "4", "R")

# Rows: from; columns: to, in the order of RK. Deep sleep early in the night, REM late, as in any textbook's hypnogram.
EARLY = np.array(
    [
        [0.80, 0.18, 0.02, 0.00, 0.00, 0.00],
        [0.06, 0.64, 0.29, 0.00, 0.00, 0.01],
        [0.01, 0.02, 0.86, 0.09, 0.00, 0.02],
        [0.01, 0.00, 0.08, 0.72, 0.18, 0.01],
        [0.01, 0.00, 0.02, 0.09, 0.88, 0.00],
        [0.02, 0.03, 0.03, 0.00, 0.00, 0.92],
    ]
)
LATE = np.array(
    [
        [0.80, 0.18, 0.02, 0.00, 0.00, 0.00],
        [0.06, 0.64, 0.26, 0.00, 0.00, 0.04],
        [0.02, 0.03, 0.87, 0.03, 0.00, 0.05],
        [0.02, 0.01, 0.25, 0.68, 0.04, 0.00],
        [0.02, 0.00, 0.10, 0.30, 0.58, 0.00],
        [0.02, 0.02, 0.02, 0.00, 0.00, 0.94],
    ]
)


def simulate_stages(n_epochs: int, wake_epochs: int, rng: np.random.Generator) -> list[str]:
    """Draw a night's stages: W, sleep that ends in W, and a little MOVEMENT and UNKNOWN.

    Args:
        n_epochs: length of the night.
        wake_epochs: W before the sleep, and after it.
        rng: where chance comes from.
    """
    n_asleep = max(0, n_epochs - 2 * wake_epochs)
    state, asleep = RK.index("1"), []
    for i in range(n_asleep):
        asleep.append(RK[state])
        late = i / n_asleep
        state = int(rng.choice(len(RK), p=(1 - late) * EARLY[state] + late * LATE[state]))
    for i in rng.choice(n_asleep, size=n_asleep // 100, replace=False):
        asleep[i] = MOVEMENT if rng.random() < 0.7 else NOT_SCORED
    edge = ["W"] * min(wake_epochs, n_epochs // 2)
    return [*edge, *asleep, *edge, *["W"] * (n_epochs - n_asleep - 2 * len(edge))]


# ---- signal: for every stage a background, rhythms that are always there, and events that come and go ----

Waveform = Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float64]]


def spindle(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """12-14 Hz, waxing and waning, 0.7-1.5 s."""
    duration = rng.uniform(0.7, 1.5)
    envelope: NDArray[np.float64] = np.where(t < duration, np.sin(np.pi * t / duration) ** 2, 0)
    return 22 * envelope * np.sin(2 * np.pi * rng.uniform(12, 14) * t)


def k_complex(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A sharp negative wave and a slower positive one, together about a second."""
    size = rng.uniform(70, 110)
    return size * (-np.exp(-(((t - 0.35) / 0.1) ** 2)) + 0.7 * np.exp(-(((t - 0.75) / 0.2) ** 2)))


def vertex_wave(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """One sharp negative wave of a quarter of a second."""
    return -rng.uniform(25, 45) * np.exp(-(((t - 0.5) / 0.07) ** 2))


def sawtooth(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Notched 2.5-4 Hz waves for a second or two."""
    phase = t * rng.uniform(2.5, 4)
    return 30 * np.where(t < rng.uniform(1.2, 2), 2 * (phase % 1) - 1, 0)


def eye_movement(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A quick deflection that the frontal electrode picks up from the eye."""
    size = float(rng.choice([-1, 1]) * rng.uniform(25, 45))
    return size * np.exp(-(((t - 0.6) / 0.18) ** 2))


def blink(t: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """A large positive wave of a third of a second."""
    return rng.uniform(60, 110) * np.exp(-(((t - 0.4) / 0.12) ** 2))


EVENT_SECONDS = 2


@dataclass(frozen=True)
class Sound:
    """What a stage's EEG is made of.

    Attributes:
        background: standard deviation in µV of the 1/f noise.
        steepness: its power falls as frequency to this power.
        rhythms: (centre Hz, width Hz, standard deviation µV) of each.
        events: waveform → how many a minute.
    """

    background: float
    steepness: float
    rhythms: tuple[tuple[float, float, float], ...]
    events: Mapping[Waveform, float]


SOUNDS = {
    "W": Sound(11, 1.3, ((10, 0.8, 13), (25, 8, 4)), {blink: 6}),
    "1": Sound(7, 1.6, ((5.5, 1.2, 8),), {vertex_wave: 2}),
    "2": Sound(10, 1.9, ((2.0, 1.0, 7),), {spindle: 8, k_complex: 3}),
    "3": Sound(10, 2.0, ((1.0, 0.4, 26),), {spindle: 4}),
    "4": Sound(10, 2.0, ((0.9, 0.3, 42),), {spindle: 1}),
    "R": Sound(6, 1.5, ((6.5, 1.5, 3), (20, 5, 1.5)), {sawtooth: 5, eye_movement: 8}),
    MOVEMENT: Sound(120, 0.8, ((30, 15, 60),), {}),
    NOT_SCORED: Sound(11, 1.3, ((10, 0.8, 6),), {}),
}


def simulate_eeg(
    stages: Sequence[str], rate: int, rng: np.random.Generator, sounds: Mapping[str, Sound] = SOUNDS
) -> NDArray[np.float64]:
    """Return one EEG channel of a night, (sample,) in µV, whose every epoch has the features of its stage.

    Args:
        stages: keys of `sounds`, one an epoch.
        rate: sampling rate in Hz.
        rng: where chance comes from; it also draws this subject's amplitude.
        sounds: what each stage's EEG is made of.
    """
    length, fade = EPOCH_SECONDS * rate, FADE_SECONDS * rate
    longer = np.empty((len(stages), length + fade))  # (epoch, sample): each reaches into the next
    labels = np.array(stages)
    for stage, sound in sounds.items():
        own = labels == stage
        longer[own] = shaped_noise(int(own.sum()), length + fade, rate, sound, rng)
    rising = np.linspace(0, 1, fade)
    x = longer[:, :length]
    tails = longer[:-1, length:] * rising[::-1]
    x[1:, :fade] = x[1:, :fade] * rising + tails
    eeg = x.reshape(-1)  # (epoch, sample) -> (sample,)
    add_events(eeg, stages, rate, rng, sounds)
    return eeg * rng.uniform(0.85, 1.2)


def shaped_noise(
    n_epochs: int, n_samples: int, rate: int, sound: Sound, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return (epoch, sample) µV of noise with a stage's background and rhythms."""
    hz: NDArray[np.float64] = np.fft.rfftfreq(n_samples, 1 / rate).astype(np.float64, copy=False)
    power = np.zeros_like(hz)
    audible = (hz >= 0.3) & (hz < 45)
    power[audible] = unit_power(hz[audible] ** -sound.steepness) * sound.background**2
    for centre, width, std in sound.rhythms:
        power += unit_power(np.exp(-(((hz - centre) / width) ** 2)) * audible) * std**2
    # Real and imaginary part of variance 1; the n_samples/2 makes the sum of `power` the variance of the noise.
    white = rng.standard_normal((n_epochs, 2 * len(hz))).view(np.complex128)  # (epoch, frequency)
    spectrum = white * (np.sqrt(power) * n_samples / 2)
    return np.fft.irfft(spectrum, n_samples, axis=1)


def unit_power(power: NDArray[np.float64]) -> NDArray[np.float64]:
    scaled: NDArray[np.float64] = power / power.sum()
    return scaled


def add_events(
    eeg: NDArray[np.float64],
    stages: Sequence[str],
    rate: int,
    rng: np.random.Generator,
    sounds: Mapping[str, Sound],
) -> None:
    """Add each stage's events to (sample,) µV in place, none across the end of its epoch."""
    t = np.arange(EVENT_SECONDS * rate) / rate
    latest = (EPOCH_SECONDS - EVENT_SECONDS) * rate
    for epoch, stage in enumerate(stages):
        for waveform, a_minute in sounds[stage].events.items():
            n_events = max(1, rng.poisson(a_minute * EPOCH_SECONDS / 60))
            for start in epoch * EPOCH_SECONDS * rate + rng.integers(0, latest, n_events):
                eeg[start : start + len(t)] += waveform(t, rng)
