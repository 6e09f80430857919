"""How stages came about, as a paragraph that a paper can paste."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from folds.checkpoint import Fold
from folds.families import families_of
from recordings.datasets import DATASETS
from scoring.staged import LOW_CONFIDENCE, StagedRecording, limit_of
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
    sentences = (
        f"Sleep was staged in epochs of {EPOCH_SECONDS} s (W, N1, N2, N3, REM; AASM) from one EEG channel"
        f"{f' ({listed(named)})' if named else ''} by RecSleepNet for TensorFlow 2, version {__version__}, a "
        "convolutional network with a reconstruction block and an LSTM.",
        *map(weights_text, families_of(folds).values()),
        how,
        signals(folds),
        confidence_text(folds),
        f"Software: {libraries}.",
    )
    return " ".join(filter(None, sentences))


def weights_text(folds: Sequence[Fold]) -> str:
    """Say what the weights of one family were trained on, and which they are."""
    several = len(folds) > 1
    hashes = ", ".join(f"{fold.run.fold}: {fold.sha256[:SHOWN_DIGITS]}" for fold in folds)
    return (
        f"The weights were trained on {trained_on(folds)} "
        f"(fold{'s' if several else ''} {listed([str(fold.run.fold) for fold in folds])}; first {SHOWN_DIGITS} digits "
        f"of the SHA-256 of the file of each, {hashes})."
    )


def signals(folds: Sequence[Fold]) -> str:
    """Say what the network sees of an epoch, and what is done to a recording before."""
    settings = [fold.run.settings for fold in folds]
    inputs = {
        f"{one.input_size / one.sampling_rate:g} s of each epoch in µV at {one.sampling_rate} Hz" for one in settings
    }
    of = families_of(folds)
    needs = {
        f"{fold.run.conditioning.in_words()}{f' (for {db})' if len(of) > 1 else ''}"
        for db, family in of.items()
        for fold in family
    }
    return (
        f"The network saw {listed(sorted(inputs))}. Conditioning of recordings other than the weights' own nights: "
        f"{listed(sorted(needs))}."
    )


def confidence_text(folds: Sequence[Fold]) -> str:
    """Say whether the probabilities were calibrated, how, and below which an epoch counts as unsure."""
    families = families_of(folds)
    if len(families) > 1:
        texts = [f"Of {db}: {confidence_text(family)}" for db, family in families.items()]
        mean = f"In the mean over families an epoch is unsure below the mean of their limits, {limit_of(folds):.2f}."
        return " ".join((*texts, mean))
    found = [fold.calibration for fold in folds if fold.calibration]
    text = "Confidence is the probability of the most probable stage"
    if len(found) < len(folds):
        return (
            f"{text}, as the network gives it; it was not calibrated. Below {LOW_CONFIDENCE:g} an epoch counts as "
            "unsure, a limit chosen on one night."
        )
    temperatures = listed([f"{one.temperature:.2f}" for one in found])
    nights = listed([str(len(one.nights)) for one in found])
    text += f", calibrated with a temperature found on the fold's validation nights ({temperatures}; {nights} nights)."
    if any(one.limit is None for one in found):
        return f"{text} Below {LOW_CONFIDENCE:g} an epoch counts as unsure; some fold has no limit that does better."
    limits = listed([f"{one.limit:.2f}" for one in found])
    if len(found) > 1:
        limits += f"; where folds are averaged, their mean, {limit_of(folds):.2f}"
    return (
        f"{text} Below the fold's limit ({limits}) an epoch counts as unsure: the lowest confidence at and above which "
        f"{100 * found[0].wanted:.0f} % of its validation epochs were right."
    )


# ---- how folds and nights go together ----


def of_test_nights(folds: Sequence[Fold]) -> str:
    """Say how test nights were staged."""
    db = folds[0].run.db
    n_folds = DATASETS[db].n_folds if db in DATASETS else len(folds)
    return f"Each test night was staged by the fold that had not seen its subject ({len(folds)} of {n_folds} folds)."


MEAN_OF_FAMILIES = (
    "The probability of a stage is the mean, one weight each, over families of weights (one for each data set) of "
    "the mean over their folds; folds that had seen a subject did not stage it."
)
MEAN_OF_FOLDS = "The probability of a stage is the mean over the folds; folds that had seen a subject did not stage it."


def methods_of_recordings(scored: Sequence[StagedRecording]) -> str:
    """Return the paragraph on scored recordings: what staged them, and what a human changed."""
    staged_now = [one for one in scored if one.kept is None]
    folds = {(fold.run.db, fold.run.fold): fold for staged in staged_now for fold in staged.folds}
    families = families_of(folds.values())
    used = [fold for family in families.values() for fold in sorted(family, key=lambda fold: fold.run.fold)]
    how = MEAN_OF_FAMILIES if len(families) > 1 else MEAN_OF_FOLDS if len(used) > 1 else ""
    channels = [channel.label for staged in staged_now for channel in staged.channels]
    texts = [methods_text(used, channels, how)] if staged_now else []
    texts += [one.kept["methods"].partition(REVIEW_BEGINS)[0].strip() for one in scored if one.kept is not None]
    return " ".join((*dict.fromkeys(texts), *map(review_text, filter(lambda one: one.reviewed, scored))))


REVIEW_BEGINS = "A human reviewed "


def review_text(staged: StagedRecording) -> str:
    """Say how much of a night a human staged."""
    n_human = int(staged.by_human.sum())
    return (
        f"{REVIEW_BEGINS}{staged.name} and staged {n_human} of {len(staged)} epochs, "
        f"{staged.n_changed} of them otherwise than the network; the other stages are the network's."
    )
