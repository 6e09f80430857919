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

from files.folders import writable_folder
from files.locks import tables_of
from files.writing import save_json, written_whole
from folds.checkpoint import Fold
from recordings.datasets import Dataset
from scoring import metrics, plots
from scoring.methods import MEAN_OF_FOLDS, methods_text, of_test_nights
from scoring.staged import NAMES, StagedNight, StagedRecording
from scoring.test_nights import TestNight, confidence_of, coverage, intervals, pooled
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
    weights: Dataset | None = None,
    different: Sequence[str] = (),
) -> list[Path]:
    """Write all files, each whole or not at all, and return their paths.

    Args:
        folder: gets them.
        tested: the nights.
        folds: those that staged them.
        dataset: whose nights they are.
        left_out: why nights are missing, by name.
        weights: whose folds staged them, if they are of another data set.
        different: in which ways the nights differ from those that these folds were trained on.

    Raises:
        InputError: a file cannot be written.
    """
    paths = [folder / name for name in ("metrics.json", "nights.csv", "epochs.csv", "confusion.png")]
    covered = coverage(tested, dataset, left_out, weights)
    title = covered.replace(", ", "\n", 1)  # one line would be wider than the picture
    with tables_of(folder):  # of another command that writes here at the same time, all four or none
        save_json(paths[0], summary(tested, folds, dataset, left_out, weights, different))
        write_table(paths[1], night_table(tested).round(4))
        write_table(paths[2], epoch_table(tested))
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
    tested: Sequence[TestNight],
    folds: Sequence[Fold],
    dataset: Dataset,
    left_out: Mapping[str, str] = NOTHING,
    weights: Dataset | None = None,
    different: Sequence[str] = (),
) -> dict[str, Any]:
    """Return everything that is printed, as JSON-ready values; what is given is that of `write_test_nights`."""
    n_folds = len(folds) if weights else len({night.fold for night in tested})
    return {
        "db": dataset.name,
        "weights": (weights or dataset).name,
        "folds": f"{n_folds} of {(weights or dataset).n_folds}",
        "differences": list(different),
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
        "confidence": confidence(tested),
        "methods": methods_text(folds, channels_of(tested, folds), MEAN_OF_FOLDS if weights else of_test_nights(folds)),
        "versions": versions(),
    }


def channels_of(tested: Sequence[TestNight], folds: Sequence[Fold]) -> list[str]:
    """Return the channels that were staged; of test nights, those that the folds were trained on."""
    staged = [one.staged for one in tested if isinstance(one.staged, StagedRecording)]
    trained = [name for fold in folds for name in fold.run.channels]
    return [each.label for one in staged for each in one.channels] or trained


def confidence(tested: Sequence[TestNight]) -> dict[str, Any]:
    """Return how far the confidence can be trusted, over all nights and at the limit of each, as JSON-ready values."""
    found = confidence_of(tested)
    at = found.at_limit
    return {
        "calibration_error": metrics.plain(found.reliability.error),
        "brier": metrics.plain(found.pooled.brier),
        "share_above_limit": metrics.plain(at.share_above),
        "right_above_limit": metrics.plain(at.right_above),
        "right_below_limit": metrics.plain(at.right_below),
        "limit_by_night": dict(found.limits),
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
        probabilities = {f"p_{name}": staged.probabilities[:, code].round(6) for code, name in enumerate(STAGE_NAMES)}
        return pd.DataFrame({**where, **stages, **probabilities})

    return pd.concat([rows(night) for night in tested], ignore_index=True)
