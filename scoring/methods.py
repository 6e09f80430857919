"""How stages came about, as a paragraph that a paper can paste."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from folds.checkpoint import Fold
from recordings.epochs import TARGET_RATE
from sleepstage import EPOCH_SECONDS
from version import __version__, versions

SHOWN_LIBRARIES = ("python", "tensorflow", "numpy", "scipy")
SHOWN_DIGITS = 12  # of a hash: enough to tell weights apart


def listed(words: Sequence[str]) -> str:
    """Return `a`, `a and b`, or `a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def trained_on(folds: Iterable[Fold]) -> str:
    """Return the data sets that the weights have learned from, the first one first."""
    return ", then ".join(dict.fromkeys(run.db for fold in folds for run in reversed(list(fold.run.lineage()))))


def methods_text(folds: Sequence[Fold], channels: Iterable[str], how: str) -> str:
    """Return a paragraph: network, weights with their hashes, signals, confidence, versions.

    Args:
        folds: those that staged something.
        channels: names of the channels that were staged; a name that is empty is unknown.
        how: how folds and nights go together, as a sentence.
    """
    named = sorted(set(filter(None, channels)))
    found = versions()
    libraries = listed([f"{name} {found[name]}" for name in SHOWN_LIBRARIES])
    several = len(folds) > 1
    hashes = ", ".join(f"{fold.run.fold}: {fold.sha256[:SHOWN_DIGITS]}" for fold in folds)
    sentences = (
        f"Sleep was staged in epochs of {EPOCH_SECONDS} s (W, N1, N2, N3, REM; AASM) from one EEG channel"
        f"{f' ({listed(named)})' if named else ''} by RecSleepNet for TensorFlow 2, version {__version__}, a "
        "convolutional network with a reconstruction block and an LSTM.",
        f"The weights were trained on {trained_on(folds)} "
        f"(fold{'s' if several else ''} {listed([str(fold.run.fold) for fold in folds])}; first {SHOWN_DIGITS} digits "
        f"of the SHA-256 of the file of each, {hashes}).",
        how,
        signals(folds),
        confidence(folds),
        f"Software: {libraries}.",
    )
    return " ".join(filter(None, sentences))


def signals(folds: Sequence[Fold]) -> str:
    """Say at which rate the network sees its signal, and what is done to a recording before."""
    rates = dict.fromkeys(fold.run.settings.sampling_rate for fold in folds)
    needs = listed(list(dict.fromkeys(fold.run.conditioning.in_words() for fold in folds)))
    rate = listed([str(rate) for rate in rates]) if rates else str(TARGET_RATE)
    return f"Signals entered the network in µV at {rate} Hz; conditioning of recordings: {needs}."


def confidence(folds: Sequence[Fold]) -> str:
    """Say whether the probabilities were calibrated, and how."""
    return "Probabilities are those of the network, without calibration."
