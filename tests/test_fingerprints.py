"""The fingerprint of a signal: the same when it is scaled, turned over or cut, and never another night's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import resample_poly

from recordings.fingerprints import N_KEPT, Fingerprints, fingerprint, hashes_in, same_signal

EXCERPT = Path(__file__).parents[2] / "shared" / "real" / "sc4001_232_epochs_30s.npz"
OTHERS = EXCERPT.parent / "sleepedf20_5s"


def eeg(seed, n_epochs=60):
    """Return (epoch, sample) of noise that falls with frequency, as an EEG's does."""
    white = np.fft.rfft(np.random.default_rng(seed).normal(size=n_epochs * 3000))
    falling = white / np.maximum(np.fft.rfftfreq(n_epochs * 3000, 0.01), 0.3)
    wave = np.fft.irfft(falling, n_epochs * 3000)
    return (20 * wave / wave.std()).astype(np.float32).reshape(n_epochs, 3000)


DISGUISES = {
    "gain": lambda x: 3.7 * x,
    "polarity": lambda x: -x,
    "offset": lambda x: x + 1000,
    "an epoch less before": lambda x: x[1:],
    "an epoch less behind": lambda x: x[:-1],
    "another first sample": lambda x: x.reshape(-1)[1234:],
    "float64": lambda x: x.astype(np.float64),
    "by columns": np.asfortranarray,
    "whole µV": np.rint,
    "a third less": lambda x: x[len(x) // 3 :],
    "epochs left out in the middle": lambda x: np.delete(x, slice(20, 24), axis=0),
    "at 256 Hz and back": lambda x: resample_poly(resample_poly(x.reshape(-1), 256, 100), 100, 256),
}


@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguised_signal_is_known(name):
    x = eeg(0)
    assert same_signal(fingerprint([x]), fingerprint([DISGUISES[name](x)]))


@pytest.mark.skipif(not EXCERPT.exists(), reason="the excerpt of a real night is not here")
@pytest.mark.parametrize("name", DISGUISES)
def test_a_disguised_real_night_is_known(name):
    x = np.load(EXCERPT)["x"]
    assert same_signal(fingerprint([x]), fingerprint([DISGUISES[name](x)]))


def test_two_nights_are_never_one():
    nights = {str(seed): fingerprint([eeg(seed)]) for seed in range(20)}
    assert all(nights.values())
    assert list(Fingerprints(nights).groups()) == []


@pytest.mark.skipif(not OTHERS.exists(), reason="the real nights are not here")
def test_two_real_nights_are_never_one():
    nights = {path.stem: fingerprint([np.load(path)["x"]]) for path in sorted(OTHERS.glob("*.npz"))[:12]}
    assert list(Fingerprints(nights).groups()) == []
    first, second, *_ = map(hashes_in, nights.values())
    assert len(set(first) & set(second)) < 4


def test_parts_give_the_fingerprint_of_the_whole_but_for_its_seams():
    x = eeg(1)
    assert same_signal(fingerprint([x]), fingerprint([x[:20], x[20:40], x[40:]]))


@pytest.mark.parametrize(
    "x",
    [np.zeros((9, 3000)), np.full((9, 3000), 5.0), np.sin(np.arange(27_000) / 9), eeg(2)[0, :500], np.zeros((0, 3000))],
)
def test_a_signal_without_enough_patterns_has_none(x):
    assert fingerprint([x.astype(np.float32)]) == ""
    assert not same_signal("", "")


def test_a_fingerprint_is_always_the_same_and_short():
    text = fingerprint([eeg(3)])
    assert len(text) == 8 * N_KEPT and hashes_in(text) == sorted(hashes_in(text))
    assert text == fingerprint([eeg(3)])


def test_the_nights_of_one_signal_are_found_among_many():
    x = eeg(4)
    nights = {f"other{seed}": fingerprint([eeg(seed)]) for seed in range(10, 16)}
    nights |= {"a": fingerprint([x]), "b": fingerprint([-x]), "c": fingerprint([x[1:]]), "unknown": ""}
    assert list(Fingerprints(nights).groups()) == [["a", "b", "c"]]
    assert sorted(Fingerprints(nights).like(fingerprint([2 * x]))) == ["a", "b", "c"]
