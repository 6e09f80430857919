"""Score folders as predict.py writes them, of nights that were staged by chance: no network is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from evaluation.nights import EvaluatedNight, Scored
from files.writing import save_json
from recordings.datasets import DATASETS
from scoring import metrics
from scoring.staged import StagedNight
from scoring.test_night_files import epoch_table, summary, write_table
from scoring.test_nights import TestNight
from tests.support.staged_nights import a_fold

SUBJECTS = (0, 1, 2, 3, 4)


def tested_nights(skill: float, subjects: Sequence[int] = SUBJECTS, n: int = 120) -> list[TestNight]:
    """Return two nights of each subject; the higher the skill, the more often the model is right, and the surer.

    The expert is the same whatever the skill.
    """
    nights = []
    for subject in subjects:
        for number in (1, 2):
            random = np.random.default_rng(10 * subject + number)
            expert = np.repeat(random.integers(0, 5, n // 4), 4).astype(np.int32)
            logits = random.normal(0, 1, (n, 5))
            logits[np.arange(n), expert] += skill + 0.2 * random.normal()
            probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
            staged = StagedNight(
                name=f"SC4{subject:02d}{number}E0", probabilities=probabilities.astype(np.float32), expert=expert
            )
            nights.append(TestNight(staged, metrics.scores(expert, staged.stages), subject, subject, seen=False))
    return nights


def score_folder(folder: Path, skill: float, subjects: Sequence[int] = SUBJECTS, **changes) -> Path:
    """Write what predict.py --output_dir would, less its pictures, and return the folder."""
    folder.mkdir(parents=True)
    tested = [replace(one, **changes) for one in tested_nights(skill, subjects)]
    folds = [a_fold(subject) for subject in subjects]
    save_json(folder / "metrics.json", summary(tested, folds, DATASETS["sleepedf"]))
    write_table(folder / "epochs.csv", epoch_table(tested))
    return folder


def scored(label: str, skill: float, subjects: Sequence[int] = SUBJECTS) -> Scored:
    """Return the same nights as `evaluation.nights` reads them."""
    nights = {
        one.staged.name: EvaluatedNight(
            name=one.staged.name,
            subject=str(one.subject),
            stages=one.staged.stages,
            expert=one.staged.expert,
            probabilities=one.staged.probabilities.astype(np.float64),
            on_clock=False,
        )
        for one in tested_nights(skill, subjects)
    }
    return Scored(label, nights)
