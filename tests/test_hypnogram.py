"""Experts' hypnograms: their files, their codes, their place on the signal's clock."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from hypnogram import overlap, read_stage_lines
from sleepstage import Stage


def test_stage_lines_skip_what_is_blank(tmp_path):
    path = tmp_path / "1_1.txt"
    path.write_bytes("\ufeff0\r\n1\r\n\r\n 5 \r\n\n".encode())
    hypnogram = read_stage_lines(path, {0: Stage.W, 1: Stage.N1, 5: Stage.REM})
    assert hypnogram.codes.tolist() == [0, 1, 4]
    assert hypnogram.codes.dtype == np.int32
    assert hypnogram.start is None


@pytest.mark.parametrize(
    "text, message",
    [
        ("0\n\n9\n", r"stage '9' in line 3; there are 0, 1"),
        ("0\nN2", r"stage 'N2' in line 2"),
        ("\n", "no stages in it"),
    ],
)
def test_a_line_that_is_no_stage_is_named(tmp_path, text, message):
    (tmp_path / "1_1.txt").write_text(text)
    with pytest.raises(InputError, match=rf"1_1.txt: {message}"):
        read_stage_lines(tmp_path / "1_1.txt", {0: Stage.W, 1: Stage.N1})


@settings(deadline=None)
@given(st.floats(0, 5000), st.integers(0, 200), st.integers(-3000, 3000))
def test_signal_and_hypnogram_share_whole_epochs_at_the_same_time(seconds, n_codes, delay):
    shared = overlap(seconds, n_codes, delay)
    assert 0 <= shared.n_epochs <= n_codes
    if shared.n_epochs:
        assert shared.first_second >= 0
        assert shared.first_second + shared.n_epochs * 30 <= seconds + 1e-6
        assert shared.first_epoch + shared.n_epochs <= n_codes
        assert shared.first_second == delay + shared.first_epoch * 30  # the same instant on both clocks
        before = shared.first_second - 30  # no earlier epoch has both
        assert shared.first_epoch == 0 or before < 0


@pytest.mark.parametrize(
    "delay, expected", [(0, (0, 0, 10)), (60, (60, 0, 8)), (-60, (0, 2, 10)), (-45, (15, 2, 9)), (10, (10, 0, 9))]
)
def test_overlap_by_hand(delay, expected):
    shared = overlap(300, 20, delay)
    assert (shared.first_second, shared.first_epoch, shared.n_epochs) == expected
