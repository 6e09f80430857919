"""Folds that trainer.py trains in seconds on a few short nights, and what is compared of them."""

from __future__ import annotations

import pytest

import trainer
from folds import checkpoint
from folds.history import load_history
from tests.short_nights import train_arguments

ROBUST = ["--recipe", "robust", "--batch_size", "2", "--n_epochs", "2"]
ROBUST += ["--high_pass", "0", "--amplitude", "0"]
"""The robust recipe, for epochs of one second."""


@pytest.fixture
def train(data_dir, tmp_path, capsys):
    """Call trainer.py on the short nights; return its status and what it printed."""

    def call(*more, data=data_dir, output=tmp_path / "output", **folds):
        status = trainer.main(train_arguments(data, output, *more, **folds))
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


def fold_of(tmp_path, fold=0):
    return tmp_path / "output" / "sleepedf" / str(fold)


def weights(folder):
    return checkpoint.load_best(folder).weights


def figures(folder):
    return [
        (one.phase, one.pass_number, one.loss_rec, one.loss_ce, one.valid_macro_f1, one.kept)
        for one in load_history(folder)
    ]
