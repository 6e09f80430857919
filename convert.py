"""Copy the checkpoints of finished folds, to be given away; published ones (TensorFlow 1) are converted.

    python convert.py FOLDER --db sleepedf --to OUT [--scoring_only]

With --scoring_only the reconstruction branch, a third of the weights, is left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from command import InputError, command, log, log_to_terminal, new_parser
from device import choose_device, import_tensorflow
from files import PARTIAL, existing_folder, writable_folder
from folds.checkpoint import Best, Fold, load_best, load_fold, save_best
from folds.folders import BEST, RUN, check_not_in_training, dataset_of_folds, find_folds, fold_folder
from folds.run import load_run, save_run
from recordings.datasets import DATASETS


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    parser.add_argument("folder", metavar="FOLDER", help="holds <db>/<fold>/ or <fold>/, as predict.py --dir")
    parser.add_argument("--db", "--dataset", required=True, help=f"data set: {', '.join(DATASETS)}")
    parser.add_argument("--suffix", help="copy the folds of <db>_<suffix>, as given to trainer.py")
    parser.add_argument("--to", required=True, metavar="OUT", help="gets <db>/<fold>/, for predict.py --dir OUT")
    parser.add_argument("--scoring_only", action="store_true", help="leave out the weights that scoring does not use")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    choose_device(-1)  # nothing is computed
    root = existing_folder(options.folder, "checkpoints")
    dataset = dataset_of_folds(root, options.db, options.suffix)
    found = find_folds(root, dataset, options.suffix)
    targets = {number: fold_folder(Path(options.to), dataset.name, None, number) for number in found}
    for folder in found.values():
        check_not_in_training(folder)
    folds = {number: load_fold(folder, dataset, number) for number, folder in found.items()}
    if options.scoring_only:
        folds = {number: replace(fold, best=without_reconstruction(fold.best)) for number, fold in folds.items()}
    there = {number for number, fold in folds.items() if is_copied(fold, targets[number])}
    for number, fold in folds.items():
        target = targets[number]
        if number in there:
            log.info("fold %d: is in %s already", number, target)
            continue
        save_run(writable_folder(target), fold.run)
        save_best(target, fold.best)
        log.info("fold %d: %s, %s, step %d -> %s", number, fold.folder, fold.format, fold.best.global_step, target)
    return 0


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


def without_reconstruction(best: Best) -> Best:
    """Return a checkpoint without the weights of the reconstruction branch."""
    import_tensorflow()
    from model import RECONSTRUCTION

    return replace(best, weights={name: value for name, value in best.weights.items() if name not in RECONSTRUCTION})


if __name__ == "__main__":
    raise SystemExit(main())
