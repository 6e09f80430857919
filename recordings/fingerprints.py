"""Whether two signals are one and the same, whatever they are called, scaled, turned over, cut or stored as.

A signal is band-passed, and cut where it crosses zero. Eight intervals between crossings, one after the other, are a
pattern. Which patterns a night has does not depend on gain, polarity, format, or where it begins and ends. Of all
patterns, hashed, the smallest are kept: two nights share of these as many as they share of all (Broder 1997, "On the
resemblance and containment of documents").

Measured on 20 nights of Sleep-EDF and 8 of UCDDB: two different nights share 1 of 64 patterns at most. Of an excerpt of
232 epochs of SC4001E0, 64 of 64 are left when it is turned over, scaled or moved, 56 when it is resampled to 256 Hz and
back, 46 when it is rounded to 1 µV, some 20 when half of it is cut off.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

N_KEPT = 64  # patterns of a fingerprint
ENOUGH = 8  # patterns that two fingerprints have in common where signals are the same: an eighth of the nights
INTERVALS = 8  # of a pattern
STEPS_AN_OCTAVE = 4  # in which the lengths of intervals are told apart
FLOOR = 0.1  # of the median half-wave; smaller ones are noise of a converter or of a filter
SHORT, SHORTER, LONG = 5, 4, 25  # samples at 100 Hz of the moving means: no 50 Hz is left, and little below 1.5 Hz
HEX_DIGITS = 8  # of a pattern's hash


def fingerprint(parts: Iterable[NDArray[np.float32]]) -> str:
    """Return the fingerprint of a signal; "" where it has too few patterns to be known by.

    Args:
        parts: one after the other, (epoch, sample) or (sample,) at 100 Hz, in any unit.
    """
    kept = np.zeros(0, np.uint32)
    for part in parts:
        kept = np.unique(np.concatenate([kept, patterns(part)]))[:N_KEPT]
    return kept.astype(">u4").tobytes().hex() if len(kept) == N_KEPT else ""


def patterns(x: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return the hashes of a signal's patterns, sorted, each once: (epoch, sample) or (sample,) → (pattern,)."""
    wave = band_passed(x.reshape(-1).astype(np.float64))
    before = np.flatnonzero((wave[:-1] < 0) != (wave[1:] < 0))  # the sample before each crossing
    if len(before) <= INTERVALS:
        return np.zeros(0, np.uint32)
    crossings = before + wave[before] / (wave[before] - wave[before + 1])
    heights = np.maximum.reduceat(np.abs(wave), before + 1)[:-1]  # (half-wave,)
    lengths = np.rint(STEPS_AN_OCTAVE * np.log2(np.maximum(np.diff(crossings), 1.0))).astype(np.uint64)
    clear = heights > FLOOR * np.median(heights)
    n_patterns = len(lengths) - INTERVALS + 1
    code, good = np.zeros(n_patterns, np.uint64), np.ones(n_patterns, bool)
    for i in range(INTERVALS):
        code = code * np.uint64(61) + np.minimum(lengths[i : i + n_patterns], 60)
        good &= clear[i : i + n_patterns]
    return np.unique(mixed(code[good]))


def band_passed(wave: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (sample,) as the difference of moving means, about 1.5 to 10 Hz; it is shorter by the longest of them."""
    if len(wave) <= LONG:
        return np.zeros(0)
    wave = wave - np.median(wave)
    fast, slow = moving_mean(moving_mean(wave, SHORT), SHORTER), moving_mean(wave, LONG)
    lag = (LONG - SHORT - SHORTER + 1) // 2  # so that both are of one time
    return fast[lag : lag + len(slow)] - slow


def moving_mean(wave: NDArray[np.float64], n_samples: int) -> NDArray[np.float64]:
    total = np.cumsum(np.concatenate([[0.0], wave]))
    mean: NDArray[np.float64] = (total[n_samples:] - total[:-n_samples]) / n_samples
    return mean


def mixed(codes: NDArray[np.uint64]) -> NDArray[np.uint32]:
    """Return hashes of (pattern,) codes: MurmurHash3's last step, of which the upper half is kept."""
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        codes = (codes ^ (codes >> np.uint64(33))) * np.uint64(factor)
    return ((codes ^ (codes >> np.uint64(33))) >> np.uint64(32)).astype(np.uint32)


# ---- comparing ----


def hashes_in(text: str) -> list[str]:
    """Return a fingerprint's patterns in order, as text."""
    return [text[i : i + HEX_DIGITS] for i in range(0, len(text), HEX_DIGITS)]


def same_signal(one: str, other: str) -> bool:
    """Tell whether two fingerprints are those of one signal, or of parts of it with much in common."""
    mine, theirs = set(hashes_in(one)), set(hashes_in(other))
    smallest = sorted(mine | theirs)[:N_KEPT]
    return sum(pattern in mine and pattern in theirs for pattern in smallest) >= ENOUGH


class Fingerprints:
    """Fingerprints of many nights, by name, among which one is looked for without comparing it with each."""

    def __init__(self, of_nights: Mapping[str, str]) -> None:
        self.of_nights = {name: text for name, text in of_nights.items() if text}
        self.names: dict[str, list[str]] = defaultdict(list)
        for name, text in self.of_nights.items():
            for pattern in hashes_in(text):
                self.names[pattern].append(name)

    def like(self, text: str) -> list[str]:
        """Return the names of the nights with the same signal."""
        near = Counter(name for pattern in hashes_in(text) for name in self.names.get(pattern, ()))
        return [name for name, n in near.items() if n >= ENOUGH and same_signal(text, self.of_nights[name])]

    def groups(self) -> Iterator[list[str]]:
        """Yield the names of nights that have one signal, in order of name, each night once."""
        told: set[str] = set()
        for name in sorted(self.of_nights):
            group = sorted(set(self.like(self.of_nights[name])) - told)
            if name not in told and len(group) > 1:
                yield group
                told.update(group)
