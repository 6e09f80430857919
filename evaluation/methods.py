"""How an evaluation was done, as paragraphs that a paper can paste: what staged, how it was judged, with what."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata

from evaluation.nights import Scored
from evaluation.resampling import RESAMPLES
from sleepstage import EPOCH_SECONDS
from version import __version__

AGREEMENT = (
    "Agreement with the expert was computed over the epochs of {epoch} s that both staged: accuracy, macro-F1 (the "
    "mean F1 of the stages that occur), Cohen's kappa and the F1 of each stage. Mean, standard deviation and median "
    "are over subjects, each of which counts once over all its nights; pooled figures are over all epochs. Intervals "
    "are 95 % percentiles of {resamples:,} bootstrap resamples of subjects."
)
SLEEP = (
    "Sleep statistics follow the AASM manual; model and expert are compared by bias and limits of agreement (bias ± "
    "1.96 standard deviations of the differences; Bland and Altman 1986) over nights, with intervals from resampled "
    "subjects."
)
CONFIDENCE = (
    "Confidence is the probability of the most probable stage. The expected calibration error is over ten bins of "
    "equal width (Guo et al. 2017)."
)
PAIRS = (
    "Models were compared on the same epochs by the differences of their figures per subject: mean with a bootstrap "
    "interval, two-sided Wilcoxon signed-rank test with Holm's correction for all figures of a comparison, "
    "matched-pairs rank-biserial correlation, and the mean over the standard deviation of the differences (d)."
)
EXPERTS = (
    "With several experts, the consensus of an epoch is the stage with most experts (epochs in a tie are left out), "
    "each expert is compared with the others, and soft agreement is that of Guillot et al. (2020)."
)
LIBRARIES = ("numpy", "scipy", "scikit-learn", "pandas")


def methods_of(models: Sequence[Scored], *, judged: bool, several_experts: bool) -> str:
    """Return the paragraphs on all that was done.

    Args:
        models: what was evaluated.
        judged: there is an expert to compare with.
        several_experts: there are several.
    """
    stated = [f"{one.label}. {one.methods}" for one in models if one.methods]
    parts = []
    if judged:
        parts += [AGREEMENT.format(epoch=EPOCH_SECONDS, resamples=RESAMPLES), SLEEP]
        if any(night.probabilities is not None for one in models for night in one.nights.values()):
            parts.append(CONFIDENCE)
        if len(models) > 1:
            parts.append(PAIRS)
    if several_experts:
        parts.append(EXPERTS)
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    parts.append(f"Computed with RecSleepNet for TensorFlow 2, version {__version__} ({libraries}).")
    return "\n\n".join([*stated, " ".join(parts)])
