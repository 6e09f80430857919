"""Which folds a command means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from command import InputError
from recordings.datasets import DATASETS
from training.planning import chosen_folds

ISRUC = DATASETS["isruc"]


@pytest.mark.parametrize(
    ("first", "last", "numbers"),
    [(None, None, range(10)), (7, None, range(7, 10)), (None, 2, range(3)), (4, 4, range(4, 5))],
)
def test_without_a_first_or_a_last_fold_all_there_are_are_meant(first, last, numbers):
    assert chosen_folds(ISRUC, first, last) == numbers


def test_a_data_set_of_two_subjects_has_no_folds():
    with pytest.raises(InputError, match="isruc has no folds: they need three subjects"):
        chosen_folds(replace(ISRUC, n_folds=0), None, None)
