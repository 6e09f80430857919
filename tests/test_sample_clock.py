"""Time stamps become numbers of samples: gaps count, jitter and clocks that err do not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.sample_clock import LONGEST_GAP, SampleClock

RATE = 100.0


@pytest.fixture
def said(caplog):
    caplog.set_level("INFO")
    return lambda: caplog.messages


def stamps(n_samples: int, start: float = 1000.0) -> np.ndarray:
    times: np.ndarray = start + np.arange(n_samples) / RATE
    return times


def numbers(clock: SampleClock, times: np.ndarray) -> list[int]:
    return [number for first, part in clock.place(times) for number in range(first, first + len(times[part]))]


@given(st.lists(st.integers(0, 1000), max_size=8))
@settings(deadline=None)
def test_how_the_stamps_come_makes_no_difference(edges):
    times = np.concatenate([stamps(400), stamps(300, 1010.0), stamps(300, 1020.0)])
    clock, found = SampleClock(RATE), []
    for one in np.split(times, sorted(edges)):
        found += numbers(clock, one)
    assert found == [*range(400), *range(1000, 1300), *range(2000, 2300)]


def test_a_gap_is_said_with_its_samples(said):
    assert numbers(SampleClock(RATE), np.concatenate([stamps(200), stamps(10, 1012.0)]))[-10:] == list(
        range(1200, 1210)
    )
    assert said() == ["note: a gap of 10.00 s: 1000 samples are missing"]


def test_jitter_is_no_gap_and_does_not_add_up(said):
    times = stamps(20_000) + np.random.default_rng(0).uniform(-0.4, 0.4, 20_000)
    assert numbers(SampleClock(RATE), times) == list(range(20_000))
    assert said() == []


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, LONGEST_GAP + 60])
def test_a_stream_that_is_back_with_another_clock_has_lost_what_our_own_says(said, jump):
    clock = SampleClock(RATE)
    numbers(clock, stamps(500))
    clock.lost(7.0)
    assert numbers(clock, stamps(500, 1005.0 + 7 + jump)) == list(range(1200, 1700))
    assert said()[0].startswith("note: the stream is back with another clock (it jumps by ")
    assert said()[1] == "note: a gap of 7.00 s: 700 samples are missing"


def test_a_stream_that_is_back_with_its_own_clock_has_lost_what_that_says(said):
    clock = SampleClock(RATE)
    numbers(clock, stamps(500))
    clock.lost(6.0)
    assert numbers(clock, stamps(500, 1005.0 + 7)) == list(range(1200, 1700))
    assert said() == ["note: a gap of 7.00 s: 700 samples are missing"]


@pytest.mark.parametrize("jump", [-3600.0, -2.0, LONGEST_GAP + 60])
def test_a_clock_that_jumps_is_said_and_the_samples_go_on(said, jump):
    times = np.concatenate([stamps(500), stamps(500, 1005.0 + jump)])
    assert numbers(SampleClock(RATE), times) == list(range(1000))
    (line,) = said()
    assert line.startswith("note: the stream's clock jumped by ") and line.endswith("its samples are taken to go on")


def test_another_rate_than_the_header_says_is_said_once(said):
    clock = SampleClock(RATE)
    for first in range(0, 30_000, 1000):
        times = 1000 + np.arange(first, first + 1000) / 50.0
        assert numbers(clock, times) == list(range(first, first + 1000))
    assert said() == ["note: 50 samples a second by their time stamps, 100 by the header: the header counts"]
