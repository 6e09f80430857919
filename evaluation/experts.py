"""Several experts of the same nights → how far a model agrees with each, with their consensus, and softly.

Soft agreement and the comparison with a consensus follow Guillot, Sauvet, During and Thorey (2020), "Dreem open
datasets", IEEE Transactions on Neural Systems and Rehabilitation Engineering 28(9).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from command import InputError, counted, log
from evaluation.agreement import MEASURES
from evaluation.nights import Scored, placed_on
from evaluation.table import Row, Table, shown, table
from scoring import metrics
from scoring.metrics import N_STAGES, Scores
from sleepstage import UNKNOWN


@dataclass(frozen=True, eq=False)
class Scorer:
    """A model or an expert among the experts.

    Attributes:
        label: what it is called.
        is_model: it is one of the models.
        with_each: agreement with each of the other experts, by label, over all epochs that both staged.
        with_consensus: agreement with the consensus of the (other) experts; None where they have none.
        soft: soft agreement with the (other) experts, 0 to 1.
    """

    label: str
    is_model: bool
    with_each: Mapping[str, Scores]
    with_consensus: Scores | None
    soft: float


@dataclass(frozen=True, eq=False)
class Panel:
    """Models and experts on the same epochs.

    Attributes:
        scorers: the models, then the experts.
        nights: the names of the nights that all have.
        n_epochs: in them.
        agreed: share of epochs in which one stage has more experts than any other.
    """

    scorers: tuple[Scorer, ...]
    nights: tuple[str, ...]
    n_epochs: int
    agreed: float


def panel_of(models: Sequence[Scored], experts: Sequence[Scored]) -> Panel:
    """Compare models with several experts, and each expert with the others.

    Raises:
        InputError: there is no night that all have, or no epoch that an expert staged.
    """
    everybody = (*models, *experts)
    shared = [name for name in models[0].nights if all(name in one.nights for one in everybody)]
    if not shared:
        raise InputError(
            f"{', '.join(one.label for one in everybody)} have no night in common; the names of their files decide"
        )
    for one in everybody:
        if len(one.nights) > len(shared):
            log.info("%s: %d nights are not of everybody and are left out", one.label, len(one.nights) - len(shared))
    stages = {one.label: joined(models[0], one, shared) for one in everybody}
    labels = [one.label for one in experts]
    if len(stages) < len(everybody):
        raise InputError("two folders have one label; give them others: LABEL=FOLDER")
    votes = {label: one_hot(stages[label]) for label in labels}
    scorers = []
    for one in everybody:
        others = [label for label in labels if label != one.label]
        scorers.append(scorer(one.label, one in models, stages, others, votes))
    consensus = majority(sum(votes.values(), np.zeros_like(votes[labels[0]])))
    return Panel(tuple(scorers), tuple(shared), len(consensus), float((consensus != UNKNOWN).mean()))


def joined(first: Scored, one: Scored, names: Sequence[str]) -> NDArray[np.int32]:
    """Return somebody's stages of all the nights named, at the epochs of `first`, one night after the other."""
    return np.concatenate([placed_on(first.nights[name], one.nights[name], one.label) for name in names])


def scorer(
    label: str,
    is_model: bool,
    stages: Mapping[str, NDArray[np.int32]],
    others: Sequence[str],
    votes: Mapping[str, NDArray[np.int64]],
) -> Scorer:
    """Compare one of `stages` with the experts `others`."""
    mine = stages[label]
    total = sum((votes[other] for other in others), np.zeros((len(mine), N_STAGES), np.int64))
    with_each = {other: scores for other in others if (scores := agreement(stages[other], mine))}
    return Scorer(label, is_model, with_each, agreement(majority(total), mine), soft_agreement(total, mine))


def agreement(expert: NDArray[np.int32], stages: NDArray[np.int32]) -> Scores | None:
    """Return the agreement over the epochs that both staged; None where there is none."""
    both = (expert != UNKNOWN) & (stages != UNKNOWN)
    return metrics.scores(expert[both], stages[both]) if both.any() else None


def one_hot(stages: NDArray[np.int32]) -> NDArray[np.int64]:
    """(epoch,) codes -> (epoch, stage) 1 for the stage; all 0 where there is none."""
    votes: NDArray[np.int64] = (stages[:, np.newaxis] == np.arange(N_STAGES)).astype(np.int64)
    return votes


def majority(votes: NDArray[np.int64]) -> NDArray[np.int32]:
    """(epoch, stage) experts -> (epoch,) the stage with the most experts; UNKNOWN in a tie, and where nobody staged.

    Guillot and others break ties by the experts' reliability. Here an epoch in a tie has no consensus, since with two
    or three experts that would let one of them decide alone.
    """
    most = votes.max(axis=1)
    alone = (votes == most[:, np.newaxis]).sum(axis=1) == 1
    return np.where((most > 0) & alone, votes.argmax(axis=1), UNKNOWN).astype(np.int32)


def soft_agreement(votes: NDArray[np.int64], stages: NDArray[np.int32]) -> float:
    """Return the mean, over epochs, of the share of the leading stage's experts that chose the scorer's stage.

    1 wherever the scorer chose a leading stage, 0 where it chose one that no expert did.

    Args:
        votes: (epoch, stage) experts that chose the stage.
        stages: (epoch,) the scorer's.
    """
    staged = (votes.sum(axis=1) > 0) & (stages != UNKNOWN)
    if not staged.any():
        return float("nan")
    chosen = votes[staged, stages[staged]]
    return float((chosen / votes[staged].max(axis=1)).mean())


# ---- for readers ----


def experts_table(panel: Panel) -> Table:
    """Return how far models and experts agree with each expert, with the consensus, and softly."""
    experts = [one.label for one in panel.scorers if not one.is_model]
    rows: list[Row] = []
    for one in panel.scorers:
        consensus = one.with_consensus
        rows.append(
            {
                "scorer": one.label,
                "is_model": one.is_model,
                **{
                    f"kappa_{label}": one.with_each[label].kappa if label in one.with_each else float("nan")
                    for label in experts
                },
                "consensus_epochs": consensus.n_epochs if consensus else 0,
                **{
                    f"consensus_{measure.name}": measure.of(consensus) if consensus else float("nan")
                    for measure in MEASURES
                },
                "soft_agreement": one.soft,
            }
        )

    def as_shown(row: Row) -> Row:
        return {
            "": row["scorer"],
            **{f"kappa, {label}": shown(row[f"kappa_{label}"], 3) for label in experts},
            "consensus: accuracy (%)": shown(100 * row["consensus_accuracy"]),
            "macro-F1 (%)": shown(100 * row["consensus_macro_f1"]),
            "kappa": shown(row["consensus_kappa"], 3),
            "soft agreement": shown(row["soft_agreement"], 3),
        }

    caption = (
        f"{counted(len(experts), 'expert')}, {counted(len(panel.nights), 'night')}, {panel.n_epochs:,} epochs. The "
        f"consensus is the stage that most experts chose; {100 * panel.agreed:.1f} % of the epochs have one, the "
        "others are left out. An expert is compared with the others."
    )
    return table("experts", caption, rows, as_shown)
