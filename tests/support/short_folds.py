"""Folds that trainer.py trains in seconds on a few short nights, and what is compared of them."""

from __future__ import annotations

from folds import checkpoint
from folds.history import load_history

ROBUST = ["--recipe", "robust", "--batch_size", "2", "--n_epochs", "2"]
ROBUST += ["--high_pass", "0", "--amplitude", "0"]
"""The robust recipe, for epochs of one second."""


def fold_of(tmp_path, fold=0):
    return tmp_path / "output" / "sleepedf" / str(fold)


def weights(folder):
    return checkpoint.load_best(folder).weights


def figures(folder):
    return [
        (one.phase, one.pass_number, one.loss_rec, one.loss_ce, one.valid_macro_f1, one.kept)
        for one in load_history(folder)
    ]
