"""All that scored test nights leave on disk.

metrics.json    every score, pooled and of each fold
nights.csv      one row for each night
epochs.csv      one row for each epoch: stages and probabilities
confusion.png, hypnograms/NIGHT.png
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from files import save_json, writable_folder, written_whole
from folds.checkpoint import Fold
from recordings.datasets import Dataset
from scoring import metrics, plots
from scoring.staged import NAMES, StagedNight
from scoring.test_nights import TestNight, coverage, intervals, pooled
from sleepstage import EPOCH_SECONDS, STAGE_NAMES
from version import versions

if TYPE_CHECKING:
    import pandas as pd

NOTHING: Mapping[str, str] = {}


def write_test_nights(
    folder: Path,
    tested: Sequence[TestNight],
    folds: Sequence[Fold],
    dataset: Dataset,
    left_out: Mapping[str, str] = NOTHING,
) -> list[Path]:
    """Write all files, each whole or not at all, and return their paths; `left_out` says why nights are missing.

    Raises:
        InputError: a file cannot be written.
    """
    paths = [folder / name for name in ("metrics.json", "nights.csv", "epochs.csv", "confusion.png")]
    save_json(paths[0], summary(tested, folds, dataset, left_out))
    write_table(paths[1], night_table(tested).round(4))
    write_table(paths[2], epoch_table(tested))
    title = coverage(tested, dataset, left_out).replace(", ", "\n", 1)  # one line would be wider than the picture
    plots.save(plots.confusion_figure(pooled(tested).confusion, title), paths[3])
    pictures = writable_folder(folder / "hypnograms")
    for night in tqdm(tested, desc="pictures", unit="night", leave=False, disable=None):
        paths.append(pictures / f"{night.staged.name}.png")
        plots.save(plots.night_figure(night.staged, night_title(night.staged)), paths[-1])
    return paths


def write_table(path: Path, table: pd.DataFrame) -> None:
    with written_whole(path) as partial:
        table.to_csv(partial, index=False)


def night_title(staged: StagedNight) -> str:
    return f"{staged.title}: {metrics.in_words(staged.agreement)}" if staged.agreement else staged.title


def summary(
    tested: Sequence[TestNight], folds: Sequence[Fold], dataset: Dataset, left_out: Mapping[str, str] = NOTHING
) -> dict[str, Any]:
    """Return everything that is printed, as JSON-ready values."""
    return {
        "db": dataset.name,
        "folds": f"{len({night.fold for night in tested})} of {dataset.n_folds}",
        "nights": len(tested),
        "simulated_nights": sum(night.staged.simulated for night in tested),
        "seen_nights": [night.staged.name for night in tested if night.seen],
        "nights_left_out": dict(left_out),
        "checkpoints": [fold.described() for fold in folds],
        "pooled": metrics.as_json(pooled(tested), intervals(tested)),
        "by_fold": {
            fold.run.fold: metrics.as_json(pooled(mine))
            for fold in folds
            if (mine := [night for night in tested if night.fold == fold.run.fold])
        },
        "versions": versions(),
    }


def night_table(tested: Sequence[TestNight]) -> pd.DataFrame:
    """Return one row for each night: night, subject, fold, epochs, accuracy, macro_f1, kappa (nan where undefined)."""
    import pandas as pd

    rows = [
        (
            one.staged.name,
            one.subject,
            one.fold,
            one.scores.n_epochs,
            *(getattr(one.scores, name) for name in metrics.POOLED),
        )
        for one in tested
    ]
    return pd.DataFrame(rows, columns=["night", "subject", "fold", "epochs", *metrics.POOLED])


def epoch_table(tested: Sequence[TestNight]) -> pd.DataFrame:
    """Return one row for each epoch: where it is, its start in the prepared night in s, stages, probabilities."""
    import pandas as pd

    def rows(night: TestNight) -> pd.DataFrame:
        staged = night.staged
        epochs = np.arange(len(staged))
        where = {"night": staged.name, "subject": night.subject, "fold": night.fold}
        stages = {
            "epoch": epochs,
            "onset_s": epochs * EPOCH_SECONDS,
            "expert": NAMES[staged.expert],
            "model": NAMES[staged.stages],
        }
        probabilities = {f"p_{name}": staged.probabilities[:, code].round(4) for code, name in enumerate(STAGE_NAMES)}
        return pd.DataFrame({**where, **stages, **probabilities})

    return pd.concat([rows(night) for night in tested], ignore_index=True)
