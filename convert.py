"""Copy the checkpoints of finished folds, to be given away; published ones (TensorFlow 1) are fetched and converted.

    python convert.py FOLDER --db sleepedf --to OUT [--scoring_only]
    python convert.py --download isruc

With --scoring_only the reconstruction branch, a third of the weights, is left out. With --calibrate_on DATA_DIR the
temperature and the limit of confidence are found on each fold's validation nights there. With --features_on DATA_DIR
each fold's training nights there say towards what a recording adapts the network. --brought_to 9 is for weights that
were trained on nights brought to 9 µV before: every recording is high-passed and brought to that amplitude.
--download fetches the published checkpoints of a data set to ./published, which predict.py --dir reads as they are.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from command import InputError, command, counted, log, log_to_terminal, new_parser
from data import Night, load_night
from engine.device import choose_device, import_tensorflow, start_tensorflow
from files.folders import existing_folder, writable_folder
from files.writing import PARTIAL
from folds.adaptation import Features, measured, save_features
from folds.calibration import Calibration, save_calibration
from folds.checkpoint import Best, Fold, load_best, load_fold, save_best, sha256_of
from folds.folders import BEST, CALIBRATION, RUN, check_not_in_training, dataset_of_folds, find_folds, fold_folder
from folds.published import RELEASE_LICENCE, RELEASE_URL, fetch_published
from folds.run import load_run, save_run
from folds.split import prepared_nights
from recordings.conditioning import HIGH_PASS, Conditioning
from recordings.dataset_file import find_dataset
from recordings.datasets import DATASETS
from scoring.calibrating import calibrate
from scoring.networks import features_of_night, of_night

PUBLISHED_DIR = "./published"

FEATURE_NIGHTS = 12
"""Training nights on which features are measured: the first ones, of half a dozen subjects."""

NEAR = 0.1
"""Share by which the amplitude of a composed night may differ from the one that its pieces were brought to."""


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    parser.add_argument(
        "folder", nargs="?", metavar="FOLDER", help="holds <db>/<fold>/ or <fold>/, as predict.py --dir"
    )
    parser.add_argument("--download", metavar="DB", help="fetch the published checkpoints of this data set")
    parser.add_argument("--mirror", metavar="URL", help="fetch them from here, where <DB>/<fold>/ stand as published")
    parser.add_argument("--db", "--dataset", help=f"data set: {', '.join(DATASETS)}")
    parser.add_argument("--suffix", help="copy the folds of <db>_<suffix>, as given to trainer.py")
    parser.add_argument("--to", metavar="OUT", help=f"gets <db>/<fold>/ (with --download by default {PUBLISHED_DIR})")
    parser.add_argument("--scoring_only", action="store_true", help="leave out the weights that scoring does not use")
    parser.add_argument("--calibrate_on", metavar="DATA_DIR", help="holds <db>/*.npz, with the validation nights")
    parser.add_argument("--features_on", metavar="DATA_DIR", help="holds <db>/*.npz, with the training nights")
    parser.add_argument("--brought_to", type=float, metavar="UV", help="amplitude to which those nights were brought")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    if options.download:
        download(options)
        return 0
    for name in ("folder", "db", "to"):
        if getattr(options, name) is None:
            raise InputError(f"{'FOLDER' if name == 'folder' else f'--{name}'} is missing; see --help")
    if options.mirror:
        raise InputError(f"--mirror {options.mirror} goes with --download")
    copy(options)
    return 0


def download(options: argparse.Namespace) -> None:
    """Fetch published checkpoints, and say under which licence they are and how they score."""
    for name in ("folder", "db", "suffix", "calibrate_on", "features_on", "brought_to", "scoring_only"):
        if getattr(options, name):
            raise InputError(f"--download fetches checkpoints as they are; leave out {getattr(options, name)}")
    to = Path(options.to or PUBLISHED_DIR)
    url = options.mirror.rstrip("/") + "/" if options.mirror else RELEASE_URL
    log.info("licence of the published checkpoints: %s", RELEASE_LICENCE)
    n_folds = fetch_published(options.download, to, url)
    log.info("%s: %s", fold_folder(to, options.download, None, 0).parent, counted(n_folds, "fold"))
    log.info("score with them: python predict.py night.edf --dir %s --db %s", to, options.download)


def copy(options: argparse.Namespace) -> None:
    """Copy folds, and calibrate them if that is asked for."""
    choose_device(-1)  # little or nothing is computed
    root = existing_folder(options.folder, "checkpoints")
    dataset = dataset_of_folds(root, options.db, options.suffix)
    found = find_folds(root, dataset, options.suffix)
    targets = {number: fold_folder(Path(options.to), dataset.name, None, number) for number in found}
    for folder in found.values():
        check_not_in_training(folder)
    if options.calibrate_on or options.features_on:
        log.info("computing on %s", start_tensorflow(-1))
    folds = {number: load_fold(folder, dataset, number) for number, folder in found.items()}
    if options.scoring_only:
        folds = {number: replace(fold, best=without_reconstruction(fold.best)) for number, fold in folds.items()}
    if options.brought_to:
        folds = {number: conditioned(fold, options.brought_to) for number, fold in folds.items()}
    there = {number for number, fold in folds.items() if is_copied(fold, targets[number])}
    for number, fold in folds.items():
        target = targets[number]
        if number in there:
            log.info("fold %d: is in %s already", number, target)
        else:
            save_run(writable_folder(target), fold.run)
            save_best(target, fold.best)
            log.info("fold %d: %s, %s, step %d -> %s", number, fold.folder, fold.format, fold.best.global_step, target)
        if options.calibrate_on or not (target / CALIBRATION).exists():  # a copy may have been killed before it
            calibration = calibration_of(fold, sha256_of(target / BEST), options.calibrate_on)
            if calibration:
                save_calibration(target, calibration)
        if options.features_on:
            save_features(target, features_of(fold, sha256_of(target / BEST), options.features_on))


def conditioned(fold: Fold, amplitude: float) -> Fold:
    """Return a fold whose recordings are high-passed and brought to an amplitude in µV, unless they are so already."""
    low, high = (1 - NEAR) * amplitude, (1 + NEAR) * amplitude
    adapted = Conditioning(HIGH_PASS, (amplitude, amplitude), own=(low, high))
    return replace(fold, run=replace(fold.run, adapted=adapted))


def is_copied(fold: Fold, target: Path) -> bool:
    """Tell whether a fold has been copied to `target`; what is left of a copy that was killed is copied again.

    Raises:
        InputError: another fold is there.
    """
    inside = {path.name for path in target.iterdir()} if target.is_dir() else set()
    if not inside & {RUN, BEST}:
        return False
    if RUN in inside and load_run(target).as_json() == fold.run.as_json():
        if all(name == RUN or name.startswith(PARTIAL) for name in inside):
            return False
        if BEST in inside and same_weights(load_best(target), fold.best):
            return True
    raise InputError(f"{target} holds a fold already; name another folder with --to, or delete it")


def same_weights(one: Best, other: Best) -> bool:
    names, counters = one.weights.keys(), (one.pass_number, one.global_step)
    return (
        names == other.weights.keys()
        and counters == (other.pass_number, other.global_step)
        and all(np.array_equal(one.weights[name], other.weights[name]) for name in names)
    )


def nights_of(fold: Fold, part: str, data_dir: str) -> Iterator[Night]:
    """Yield the prepared nights of a part of a fold's subjects in `data_dir`, conditioned as its weights need it."""
    dataset, settings = find_dataset(fold.run.db, data_dir), fold.run.settings
    folder = existing_folder(Path(data_dir) / dataset.name, "prepared nights")
    nights = prepared_nights(dataset, folder, fold.run.subjects[part], skip_missing=True)
    change = fold.run.conditioning.of_nights()
    for path in (path for paths in nights.values() for path in paths):
        yield load_night(path, settings.input_size, settings.sampling_rate, change=change)


def features_of(fold: Fold, sha256: str, data_dir: str) -> Features:
    """Return what a copied fold's features are on its training nights in `data_dir`.

    Raises:
        InputError: there is no training night, or one cannot be read.
    """
    nights = itertools.islice(nights_of(fold, "train", data_dir), FEATURE_NIGHTS)
    found = measured({night.name: features_of_night(fold, night.x) for night in nights}, sha256)
    log.info("fold %d: features of %d nights, %d epochs", fold.run.fold, len(found.nights), found.n_epochs)
    return found


def calibration_of(fold: Fold, sha256: str, data_dir: str | None) -> Calibration | None:
    """Return the calibration of a copied fold: found on validation nights in `data_dir`, or else the one it has.

    Args:
        fold: the fold.
        sha256: of the file that holds the copied weights.
        data_dir: holds the data set's prepared nights; None: nothing is computed.

    Raises:
        InputError: there is no validation night, or one cannot be read.
    """
    if data_dir is None:
        return replace(fold.calibration, sha256=sha256) if fold.calibration else None
    found = calibrate(of_night(replace(fold, calibration=None)), nights_of(fold, "valid", data_dir), sha256)
    log.info("fold %d: %s", fold.run.fold, found.in_words())
    return found


def without_reconstruction(best: Best) -> Best:
    """Return a checkpoint without the weights of the reconstruction branch."""
    import_tensorflow()
    from model import RECONSTRUCTION

    return replace(best, weights={name: value for name, value in best.weights.items() if name not in RECONSTRUCTION})


if __name__ == "__main__":
    raise SystemExit(main())
