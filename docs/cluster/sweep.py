"""Search settings with Optuna: each trial trains folds into a folder of its own, as `trainer.py --suffix` does.

    python docs/cluster/sweep.py --trials 20 -- --db isruc --from_fold 0 --to_fold 2 --recipe robust

What follows `--` goes to trainer.py. Run it several times at once to have several trials at once, and again to go on.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

PROGRAM = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROGRAM))

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import trainer
from folds.folders import fold_folder
from folds.history import load_history


def settings_of(trial: optuna.Trial) -> dict[str, float]:
    """Return the settings to try. Edit this: every option of trainer.py may stand here."""
    return {
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True),
        "weight_decay": trial.suggest_float("weight_decay", 1e-3, 0.3, log=True),
        "augment_shift": trial.suggest_float("augment_shift", 0, 5),
    }


def train(arguments: Sequence[str], suffix: str, settings: Mapping[str, float]) -> float:
    """Train the folds, and return the mean of their validation macro-F1: test nights choose nothing.

    Raises:
        CalledProcessError: a fold failed, as it does when the loss is no number.
    """
    given = [*arguments, "--suffix", suffix, *(f"--{name}={value}" for name, value in settings.items())]
    subprocess.run([sys.executable, str(PROGRAM / "trainer.py"), *given], check=True)
    options = trainer.parser().parse_args(given)
    folds = range(options.from_fold, options.to_fold + 1)
    folders = [fold_folder(Path(options.output_dir), options.db, suffix, fold) for fold in folds]
    return mean(kept_macro_f1(folder) for folder in folders)


def kept_macro_f1(folder: Path) -> float:
    """Return the validation macro-F1 of the weights that a fold kept; the last that were kept are the best."""
    return [one.valid_macro_f1 or 0.0 for one in load_history(folder) if one.kept][-1]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", default="sweep", help="of the study, in the file NAME.log (default %(default)s)")
    parser.add_argument("--trials", type=int, default=20, help="how many to add (default %(default)s)")
    parser.add_argument("trainer", nargs="+", metavar="OPTION", help="of trainer.py, after --")
    options = parser.parse_args(argv)

    def objective(trial: optuna.Trial) -> float:
        return train(options.trainer, f"{options.name}{trial.number}", settings_of(trial))

    storage = JournalStorage(JournalFileBackend(f"{options.name}.log"))  # a file that several machines may share
    study = optuna.create_study(storage=storage, study_name=options.name, direction="maximize", load_if_exists=True)
    study.optimize(objective, options.trials, catch=subprocess.CalledProcessError)
    if not any(one.value is not None for one in study.trials):
        raise SystemExit(f"none of the {len(study.trials)} trials came to its end")
    best, chosen = study.best_trial, f"--suffix {options.name}{study.best_trial.number}"
    print(f"best of {len(study.trials)} trials: {chosen}, validation macro-F1 {100 * study.best_value:.1f} %")
    print(" ".join(f"--{name} {value:.4g}" for name, value in best.params.items()))


if __name__ == "__main__":
    main()
