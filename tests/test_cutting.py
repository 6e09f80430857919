"""A stream is cut into the epochs that a file of it has, to the bit, however it comes in pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE, signal_epochs
from recordings.recording import RawSignal, Stretch
from streaming.cutting import Cut, Cutter
from streaming.feed import Piece

RATES = (64, 100, 128, 200, 256, 99.5)


def noise(n_samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 20, n_samples).astype(np.float32)


def all_cuts(cutter: Cutter, pieces: list[Piece]) -> list[Cut]:
    return [cut for piece in pieces for cut in cutter.add(piece)] + list(cutter.end())


def as_file(stretches: list[tuple[int, np.ndarray]], rate: float) -> RawSignal:
    """Return stretches, each with the number of its first sample, as a channel of a recording with gaps."""
    samples = np.concatenate([part for _, part in stretches])
    placed, offset = [], 0
    for first, part in stretches:
        placed.append(Stretch(first / rate, offset / rate, len(part) / rate))
        offset += len(part)
    return RawSignal(lambda a, b: samples[a:b], len(samples), rate, "C3", "uV", None, tuple(placed))


@st.composite
def streams(draw):
    """Draw a rate, stretches with gaps between them, and one way to cut them into pieces."""
    rate = draw(st.sampled_from(RATES))
    stretches, pieces, at = [], [], 0
    for seed in range(draw(st.integers(1, 3))):
        at += draw(st.integers(0, int(70 * rate)))
        part = noise(draw(st.integers(1, int(100 * rate))), seed)
        stretches.append((at, part))
        edges = sorted({0, len(part), *draw(st.lists(st.integers(0, len(part)), max_size=6))})
        pieces += [Piece(at + a, part[np.newaxis, a:b]) for a, b in pairwise(edges)]
        at += len(part) + 1
    return rate, stretches, pieces


@given(streams())
@settings(max_examples=40, deadline=None)
def test_any_pieces_give_the_epochs_of_the_file_to_the_bit(stream):
    rate, stretches, pieces = stream
    cuts = all_cuts(Cutter(rate, 1), pieces)
    file = signal_epochs(as_file(stretches, rate))
    there = [cut for cut in cuts if cut.there[0]]
    assert [cut.number for cut in there] == file.recorded.tolist()
    assert [cut.number for cut in cuts[: file.n_epochs]] == list(range(file.n_epochs)), "each once, and in order"
    assert not any(cut.there[0] for cut in cuts[file.n_epochs :])
    assert all(np.array_equal(cut.x[0], x) for cut, x in zip(there, file.x, strict=True))
    assert [bool(cut.flat[0]) for cut in there] == file.flat.tolist()
    assert np.array_equal([cut.clipped[0] for cut in there], file.clipped)


@pytest.mark.parametrize("rate", RATES)
def test_an_epoch_is_out_a_fraction_of_a_second_after_its_end(rate):
    cutter, x = Cutter(rate, 1), noise(int(95 * rate))
    out = {}
    for i in range(len(x)):
        for cut in cutter.add(Piece(i, x[np.newaxis, i : i + 1])):
            out[cut.number] = (i + 1) / rate
    assert list(out) == [0, 1, 2]
    for number, second in out.items():
        assert 0 <= second - 30 * (number + 1) <= 0.25


def test_what_is_kept_does_not_grow():
    rate, cutter = 256, Cutter(256, 1)
    for i in range(0, 300 * rate, 64):
        list(cutter.add(Piece(i, noise(64)[np.newaxis])))
        assert sum(part.shape[1] for part in cutter.parts) <= 31 * rate


def test_samples_that_were_there_before_are_left_out():
    x = noise(9500)
    late = [Piece(0, x[np.newaxis, :4000]), Piece(3000, -x[np.newaxis, :1000]), Piece(3500, x[np.newaxis, 3500:])]
    cuts = all_cuts(Cutter(100, 1), late)
    assert np.array_equal(np.concatenate([cut.x[0] for cut in cuts]), x[:9000])


def test_a_number_that_is_none_costs_its_epoch_in_its_channel_only():
    x = np.stack([noise(9000), noise(9000, 1)])
    x[1, 4000] = np.nan
    cuts = all_cuts(Cutter(100, 2), [Piece(0, x)])
    assert [cut.there.tolist() for cut in cuts] == [[True, True], [True, False], [True, True]]


def test_another_process_goes_on_with_the_same_epochs():
    x = noise(200 * 128)
    whole = all_cuts(Cutter(128, 1), [Piece(0, x[np.newaxis])])
    later = all_cuts(Cutter(128, 1, next_epoch=3), [Piece(0, x[np.newaxis])])
    assert [cut.number for cut in later] == [3, 4, 5]
    assert all(np.array_equal(one.x, other.x) for one, other in zip(later, whole[3:], strict=True))


def test_epochs_that_never_came_are_lost_as_soon_as_that_is_known():
    cutter = Cutter(TARGET_RATE, 1, next_epoch=2)
    cuts = list(cutter.add(Piece(5 * EPOCH_SAMPLES + 1, noise(10)[np.newaxis])))
    assert [(cut.number, bool(cut.there[0])) for cut in cuts] == [(2, False), (3, False), (4, False), (5, False)]
