"""Models, experts and histories → the whole evaluation, in the order in which a reader wants it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from command import InputError
from evaluation import figures, tables
from evaluation.agreement import over_subjects, scores_by_subject
from evaluation.confidence import confidence_of, confidence_table, limit_table
from evaluation.curves import Curve, training_table
from evaluation.experts import experts_table, panel_of
from evaluation.methods import methods_of
from evaluation.nights import Scored, with_experts
from evaluation.page import Drawn, Evaluation
from evaluation.pairs import compare
from evaluation.sleep import bland_altman
from evaluation.table import Table
from scoring import metrics, plots

Parts = list[Table | Drawn]


def evaluation_of(models: Sequence[Scored], experts: Sequence[Scored], curves: Sequence[Curve]) -> Evaluation:
    """Return every table and figure that there is something for.

    Args:
        models: what is evaluated; each two of those with an expert are compared.
        experts: one, who takes the place of the experts in the models' folders, or several, who are compared too.
        curves: of the folds whose training is shown.

    Raises:
        InputError: there is no expert to compare with, or nothing in common.
    """
    judged = [scored for one in models if (scored := with_experts(one, experts)).with_expert()]
    if models and not judged and len(experts) < 2:
        raise InputError(
            f"{models[0].label}: no expert's stages in it; name a folder with an expert's hypnograms: --experts FOLDER"
        )
    parts: Parts = []
    for one in judged:
        parts += agreement_parts(one)
    if judged:
        parts += [tables.night_table(judged), Drawn("f1_nights", F1_CAPTION, figures.f1_figure(judged))]
    for first, second in combinations(judged, 2):
        parts += comparison_parts(first, second)
    parts += confidence_parts(judged)
    if len(experts) > 1:
        panel = panel_of(models, experts)
        parts += [experts_table(panel), Drawn("experts", EXPERTS_CAPTION, figures.experts_figure(panel))]
    if curves:
        drawn = Drawn("learning_curves", LEARNING_CAPTION, figures.learning_figure(curves))
        parts += [training_table(curves), drawn]
    doubts = [said for one in (*models, *experts) for said in one.doubts]
    return Evaluation(parts, doubts, methods_of(models, judged=bool(judged), several_experts=len(experts) > 1))


F1_CAPTION = "F1 of each stage: a mark for each night, a bar at the median."
EXPERTS_CAPTION = "Kappa of each scorer with each expert and with their consensus, and soft agreement."
LEARNING_CAPTION = (
    "Training: a line for each fold, a ring at the pass whose weights were kept, and the mean over folds."
)


def agreement_parts(scored: Scored) -> Parts:
    """Return what there is to say of one model and the expert."""
    subjects = scores_by_subject(scored.with_expert())
    pooled = metrics.pooled(subjects.values())
    statistics = bland_altman(scored.with_expert())
    label = scored.label
    return [
        tables.agreement_table(scored, over_subjects(subjects)),
        tables.stage_table(scored, pooled),
        Drawn(f"confusion_{label}", f"Confusion of {label}: share of each expert's stage, and epochs.",
              plots.confusion_figure(pooled.confusion, label)),
        tables.bland_altman_table(scored, statistics),
        Drawn(f"sleep_statistics_{label}",
              "Sleep statistics (Bland and Altman): a mark for each night, bias, limits of agreement (broken).",
              figures.bland_altman_figure(statistics, label)),
    ]  # fmt: skip


def comparison_parts(first: Scored, second: Scored) -> Parts:
    """Return what there is to say of two models."""
    compared = compare(first, second)
    caption = f"{compared.first} less {compared.second}: a ring for each subject, the mean and its 95 % interval."
    drawn = Drawn(f"comparison_{first.label}_{second.label}", caption, figures.comparison_figure(compared))
    return [tables.comparison_table(compared), drawn]


def confidence_parts(judged: Sequence[Scored]) -> Parts:
    """Return what there is to say of the confidence of the models that have one."""
    every = [found for one in judged if (found := confidence_of(one))]
    if not every:
        return []
    return [
        confidence_table(every),
        limit_table(every),
        Drawn("reliability", "Share of right epochs against confidence (ten bins), and how many epochs have it.",
              figures.reliability_figure(every)),
        Drawn("accuracy_by_confidence",
              "Of the surest epochs, how many are right: all nights (thick), each night (thin), and the limit (ring).",
              figures.coverage_figure(every)),
    ]  # fmt: skip
