"""Codes and names that prepared nights and published checkpoints rely on."""

from sleepstage import RK_TO_AASM, STAGE_NAMES, STAGES, UNKNOWN, Stage


def test_codes_are_those_of_the_published_nights():
    assert {stage.name: stage.value for stage in Stage} == {"W": 0, "N1": 1, "N2": 2, "N3": 3, "REM": 4}
    assert STAGES == (0, 1, 2, 3, 4)
    assert STAGE_NAMES == ("W", "N1", "N2", "N3", "REM")


def test_unknown_is_no_stage():
    assert UNKNOWN not in STAGES


def test_rechtschaffen_and_kales_become_aasm():
    assert RK_TO_AASM == {"W": 0, "1": 1, "2": 2, "3": 3, "4": 3, "R": 4, "M": UNKNOWN, "?": UNKNOWN}
