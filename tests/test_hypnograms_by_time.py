"""Whatever is done to the rows of a hypnogram: right stages at the right times, or a refusal that names the line."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command import InputError
from sleepstage import UNKNOWN
from tests.support.timed_hypnograms import (
    FORMS,
    N_EPOCHS,
    NIGHT,
    placed_stages,
    rows_changed,
    write_edf_form,
    write_form,
    write_json_form,
    wrong_epochs,
)


def expected(first: int) -> list[int]:
    return [UNKNOWN] * first + NIGHT[first:]


@pytest.mark.parametrize("first", [0, 1, 37])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_stages_at_their_times(tmp_path, form, first):
    assert placed_stages(write_form(tmp_path, form, first)).tolist() == expected(first)


def test_annotations_and_lists_give_the_stages_at_their_times(tmp_path):
    for first in (0, 37):
        assert placed_stages(write_edf_form(tmp_path, first)).tolist() == expected(first)
    assert placed_stages(write_json_form(tmp_path)).tolist() == expected(0)
    assert len(NIGHT) == N_EPOCHS


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(form=st.sampled_from(sorted(FORMS)), first=st.integers(0, 60), seed=st.integers(0, 10**6))
def test_rows_that_move_vanish_or_come_twice_put_no_stage_at_a_wrong_time(tmp_path, form, first, seed):
    path = write_form(tmp_path, form, first)
    path.write_bytes(rows_changed(random.Random(seed), path.read_bytes()))
    try:
        wrong = wrong_epochs(path)
    except InputError as error:
        assert re.search(r"line \d+", str(error)), error
    else:
        assert wrong == []
