"""Score saved checkpoints on the test nights of their folds.

python predict.py --dir ./pretrained_model
python predict.py --dir ./output --db sleepedf --output_dir ./scores
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import checkpoint
import config
import metrics
from checkpoint import Fold
from command import (
    InputError,
    command,
    existing_folder,
    import_tensorflow,
    log,
    log_to_terminal,
    writable_folder,
    written_whole,
)
from config import Dataset
from data import find_nights, load_night
from metrics import ScoredNight
from sleepstage import EPOCH_SECONDS, STAGE_NAMES

if TYPE_CHECKING:
    import pandas as pd

    from model import Stager

BOOTSTRAP_SEED = 0  # the intervals are the same each time


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", "--dataset", default="isruc", help=f"{', '.join(config.DATASETS)} (default isruc)")
    parser.add_argument("--dir", default=config.PRETRAINED_DIR, help="holds <db>/<fold>/ (default %(default)s)")
    parser.add_argument("--suffix", help="score the folds of <db>_<suffix>, as given to trainer.py")
    parser.add_argument("--gpu", type=int, default=0, help="GPU number; -1, or no GPU in the machine: CPU (default 0)")
    parser.add_argument("--data_dir", default=config.DATA_DIR, help="holds <db>/*.npz (default %(default)s)")
    parser.add_argument("--output_dir", help="gets tables, stages of every epoch and pictures (default: none written)")
    parser.add_argument("--skip_missing", action="store_true", help="go on without the subjects that have no night")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    dataset = config.dataset_named(options.db)
    folders = checkpoint.find_folds(existing_folder(options.dir, "checkpoints"), dataset, options.suffix)
    folds = load_folds(folders, dataset)
    data_dir = existing_folder(Path(options.data_dir) / dataset.name, "prepared nights")
    subjects = [subject for fold in folds for subject in fold.run.subjects["test"]]
    nights = find_nights(dataset, data_dir, subjects, options.skip_missing)
    output_dir = writable_folder(options.output_dir) if options.output_dir else None
    staged = stage_folds(folds, nights, options.gpu)
    report(staged, dataset)
    if output_dir:
        write_all(output_dir, staged, folds, dataset)
    return 0


# ---- checkpoints ----


def load_folds(folders: Mapping[int, Path], dataset: Dataset) -> list[Fold]:
    """Read the checkpoint of every fold; a fold that is still in training counts with the best one so far."""
    folds = []
    for number, folder in folders.items():
        folds.append(checkpoint.load_fold(folder, dataset, number))
        if checkpoint.is_unfinished(folder):
            log.info("fold %d is still in training: scored with its best checkpoint so far", number)
    return folds


# ---- staging ----


@dataclass(frozen=True, eq=False)
class StagedNight:
    """A test night with the model's view of it: `probabilities` is (epoch, stage), `expert` and `model` (epoch,)."""

    scored: ScoredNight
    expert: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    simulated: bool

    @property
    def model(self) -> NDArray[np.int32]:
        return np.asarray(self.probabilities.argmax(axis=1), np.int32)


def stage_folds(folds: Sequence[Fold], nights: Mapping[int, Sequence[Path]], gpu: int) -> list[StagedNight]:
    """Stage the test nights of every fold with the fold's checkpoint, and log a line a fold."""
    import_tensorflow()
    from model import use_device

    log.info("computing on %s", use_device(gpu))
    staged: list[StagedNight] = []
    stager: Stager | None = None
    for fold in folds:
        stager = stager_of(fold, stager)
        paths = [(subject, path) for subject in fold.run.subjects["test"] for path in nights[subject]]
        bar = tqdm(paths, desc=f"fold {fold.run.fold}", unit="night", leave=False, disable=None)
        of_fold = [stage_night(stager, fold, subject, path) for subject, path in bar]
        log.info("%s", fold_line(fold, of_fold))
        staged += of_fold
    if not staged:
        raise InputError("none of the folds has a test night here; prepare some")
    return staged


def stager_of(fold: Fold, before: Stager | None) -> Stager:
    """Return a stager with the fold's weights: the one before, compiled already, if the settings are the same."""
    from model import RecSleepNet, Stager

    stager = before
    if stager is None or stager.network.settings != fold.run.settings:
        stager = Stager(RecSleepNet(fold.run.settings))
    stager.network.assign(fold.best.weights, str(fold.folder))
    return stager


def stage_night(stager: Stager, fold: Fold, subject: int, path: Path) -> StagedNight:
    settings = fold.run.settings
    night = load_night(path, settings.input_size, settings.sampling_rate)
    probabilities = stager.probabilities(night.x)
    scores = metrics.scores(night.y, probabilities.argmax(axis=1))
    return StagedNight(ScoredNight(night.name, subject, fold.run.fold, scores), night.y, probabilities, night.simulated)


# ---- what is printed ----


def fold_line(fold: Fold, staged: Sequence[StagedNight]) -> str:
    start = f"fold {fold.run.fold:2d}  {fold.format}, pass {fold.best.pass_number}, step {fold.best.global_step}"
    if not staged:
        return f"{start}  no test night here"
    scores = metrics.pooled(night.scored for night in staged)
    return (
        f"{start}  {len(staged)} nights  {scores.n_epochs} epochs  "
        f"accuracy {100 * scores.accuracy:.1f} %  macro-F1 {100 * scores.macro_f1:.1f} %"
    )


def report(staged: Sequence[StagedNight], dataset: Dataset) -> None:
    """Print the scores over all folds."""
    scored = [night.scored for night in staged]
    intervals = limits(scored)
    log.info("\n%s\n\n%s", coverage(staged, dataset), metrics.report(metrics.pooled(scored), intervals))
    if intervals is None:
        log.info("\nno intervals: the bootstrap draws subjects, and there is only one")


def coverage(staged: Sequence[StagedNight], dataset: Dataset) -> str:
    scored = [night.scored for night in staged]
    n_folds, n_subjects = (len({getattr(night, name) for night in scored}) for name in ("fold", "subject"))
    n_simulated = sum(night.simulated for night in staged)
    return (
        f"{dataset.name}: {n_folds} of {dataset.n_folds} folds, {n_subjects} of {len(dataset.subjects)} subjects, "
        f"{len(staged)} nights{f', {n_simulated} SIMULATED' if n_simulated else ''}"
    )


def limits(scored: Sequence[ScoredNight]) -> dict[str, metrics.Interval] | None:
    return metrics.intervals(metrics.by_subject(scored), seed=BOOTSTRAP_SEED)


# ---- what is written ----


def write_all(folder: Path, staged: Sequence[StagedNight], folds: Sequence[Fold], dataset: Dataset) -> None:
    """Write metrics.json, nights.csv, epochs.csv, confusion.png and a hypnogram a night."""
    import plots

    scored = [night.scored for night in staged]
    scores = metrics.pooled(scored)
    checkpoint.save_json(folder / "metrics.json", summary(staged, folds, dataset))
    write_table(folder / "nights.csv", metrics.night_table(scored).round(4))
    write_table(folder / "epochs.csv", epoch_table(staged))
    plots.confusion_picture(folder / "confusion.png", scores.confusion, coverage(staged, dataset))
    pictures = writable_folder(folder / "hypnograms")
    for night in tqdm(staged, desc="pictures", unit="night", leave=False, disable=None):
        plots.hypnogram_picture(
            pictures / f"{night.scored.night}.png", night.expert, night.model, night.probabilities, night_title(night)
        )
    log.info("\nwritten to %s: metrics.json, nights.csv, epochs.csv", folder)
    log.info("pictures: %s and %d in %s", folder / "confusion.png", len(staged), pictures)


def summary(staged: Sequence[StagedNight], folds: Sequence[Fold], dataset: Dataset) -> dict[str, Any]:
    """Return everything that is printed, as JSON-ready values."""
    scored = [night.scored for night in staged]
    checkpoints = [
        {
            "fold": fold.run.fold,
            "folder": str(fold.folder),
            "format": fold.format,
            "pass_number": fold.best.pass_number,
            "global_step": fold.best.global_step,
            "channels": fold.run.channels,
        }
        for fold in folds
    ]
    return {
        "db": dataset.name,
        "folds": f"{len({night.fold for night in scored})} of {dataset.n_folds}",
        "nights": len(staged),
        "simulated_nights": sum(night.simulated for night in staged),
        "checkpoints": checkpoints,
        "pooled": metrics.as_json(metrics.pooled(scored), limits(scored)),
        "by_fold": {
            fold.run.fold: metrics.as_json(metrics.pooled(mine))
            for fold in folds
            if (mine := [night for night in scored if night.fold == fold.run.fold])
        },
        "versions": checkpoint.library_versions(),
    }


def epoch_table(staged: Sequence[StagedNight]) -> pd.DataFrame:
    """Return one row an epoch: where it is, its start in the prepared night in seconds, stages, probabilities."""
    import pandas as pd

    def rows(night: StagedNight) -> pd.DataFrame:
        names = np.array(STAGE_NAMES)
        epochs = np.arange(len(night.expert))
        where = {"night": night.scored.night, "subject": night.scored.subject, "fold": night.scored.fold}
        stages = {
            "epoch": epochs,
            "onset_s": epochs * EPOCH_SECONDS,
            "expert": names[night.expert],
            "model": names[night.model],
        }
        probabilities = {f"p_{name}": night.probabilities[:, code].round(4) for code, name in enumerate(STAGE_NAMES)}
        return pd.DataFrame({**where, **stages, **probabilities})

    return pd.concat([rows(night) for night in staged], ignore_index=True)


def write_table(path: Path, table: pd.DataFrame) -> None:
    with written_whole(path) as partial:
        table.to_csv(partial, index=False)


def night_title(night: StagedNight) -> str:
    scores = night.scored.scores
    name = f"{night.scored.night}{' (SIMULATED)' if night.simulated else ''}"
    return f"{name}: accuracy {100 * scores.accuracy:.1f} %, kappa {scores.kappa:.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
