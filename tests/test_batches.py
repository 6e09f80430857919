"""The batches of a pass: the published ones exactly, and their properties on nights of any length."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data import Night
from training.batches import Batch, batch_nights, plan_steps, prefetched

REFERENCE = Path(__file__).parent / "reference"
BATCHES = json.loads((REFERENCE / "reference_batches.json").read_text())

LENGTHS = st.lists(st.integers(1, 30), min_size=1, max_size=8)
SIZES = st.integers(1, 7)


def numbered_nights(lengths: list[int]) -> list[Night]:
    """Nights whose signal counts the epochs of all nights from 1, two samples an epoch; 0 is left for padding."""
    numbers = np.split(np.arange(1, sum(lengths) + 1), np.cumsum(lengths)[:-1])
    return [
        Night(f"night{i}", np.stack([number, -number], axis=1).astype(np.float32), (number % 5).astype(np.int32))
        for i, number in enumerate(numbers)
    ]


def batches_of(nights: list[Night], size: int, length: int, *, pack: bool = False) -> list[Batch]:
    plan = plan_steps([len(night) for night in nights], size, length, pack)
    return list(batch_nights(nights, plan, length))


@pytest.mark.parametrize("case", ["in_order", "shuffled"])
def test_batches_are_the_published_ones(case):
    size, length, order = BATCHES["batch_size"], BATCHES["seq_length"], BATCHES[case]["order"]
    nights = numbered_nights(BATCHES["lengths"])
    batches = batches_of(nights if order is None else [nights[i] for i in order], size, length)
    assert len(batches) == len(BATCHES[case]["batches"])
    for batch, expected in zip(batches, BATCHES[case]["batches"], strict=True):
        np.testing.assert_array_equal(batch.x[:, :, 0], expected["epoch_id"])
        np.testing.assert_array_equal(batch.x[:, :, 1], -batch.x[:, :, 0])
        np.testing.assert_array_equal(batch.y, expected["stage"])
        np.testing.assert_array_equal(batch.weight, expected["weight"])
        np.testing.assert_array_equal(batch.weight.sum(axis=1), expected["lengths"])
        held = np.any(np.array(expected["epoch_id"]) > 0, axis=1)
        np.testing.assert_array_equal(batch.first[held], np.full(held.sum(), expected["first"]))


def nights_of(batches: list[Batch]) -> list[list[int]]:
    """Return the epoch numbers that went through a lane between one `first` and the next, padding left out."""
    nights: list[list[int]] = []
    lanes: dict[int, list[int]] = {}
    for batch in batches:
        for lane, first in enumerate(batch.first):
            if first:
                lanes[lane] = []
                nights.append(lanes[lane])
            lanes.get(lane, []).extend(batch.x[lane, batch.weight[lane] == 1, 0].astype(int))
    return nights


PACK = st.booleans()


@settings(deadline=None)
@given(LENGTHS, SIZES, SIZES, PACK)
def test_every_epoch_comes_once_and_its_night_starts_with_a_fresh_state(lengths, size, length, pack):
    nights = numbered_nights(lengths)
    batches = batches_of(nights, size, length, pack=pack)
    assert sorted(nights_of(batches)) == [night.x[:, 0].astype(int).tolist() for night in nights]
    assert sum(batch.weight.sum() for batch in batches) == sum(lengths)


@settings(deadline=None)
@given(LENGTHS, SIZES, SIZES, PACK)
def test_padding_is_zero_with_weight_zero_and_shapes_never_change(lengths, size, length, pack):
    for batch in batches_of(numbered_nights(lengths), size, length, pack=pack):
        assert (batch.x.shape, batch.y.shape, batch.weight.shape) == ((size, length, 2), *[(size, length)] * 2)
        assert (batch.x.dtype, batch.y.dtype, batch.weight.dtype) == (np.float32, np.int32, np.float32)
        assert (batch.first.shape, batch.first.dtype) == ((size,), np.bool_)
        np.testing.assert_array_equal(batch.weight, batch.x[:, :, 0] > 0)  # epochs count from 1
        assert batch.weight.any(), "no batch is nothing but padding"
        assert not batch.y[batch.weight == 0].any()
        assert (np.diff(batch.weight, axis=1) <= 0).all(), "padding follows the night"


@settings(deadline=None)
@given(LENGTHS, SIZES, SIZES)
def test_packing_never_takes_more_steps(lengths, size, length):
    plain, packed = (len(plan_steps(lengths, size, length, pack)) for pack in (False, True))
    chunks = [-(-n // length) for n in lengths]
    assert -(-sum(chunks) // size) <= packed <= plain
    # Greedy filling: no lane is longer than an even share and the longest night together.
    assert packed <= sum(chunks) / size + max(chunks)


def test_packing_nights_of_unequal_length_saves_steps():
    """One long night among short ones: side by side, 14 lanes wait for it; packed, they go on."""
    lengths = [1900, *[400] * 44]
    plain, packed = (len(plan_steps(lengths, 15, 20, pack)) for pack in (False, True))
    assert (plain, packed) == (95 + 20 + 20, 95)


@pytest.mark.parametrize("pack", [False, True])
def test_no_nights_make_no_batches(pack):
    assert not batches_of([], 2, 4, pack=pack)


def test_prefetching_changes_nothing_and_passes_errors_on():
    assert list(prefetched(iter(range(100)))) == list(range(100))
    assert list(prefetched(iter([]))) == []
    with pytest.raises(ZeroDivisionError):
        list(prefetched(1 // n for n in (2, 1, 0)))


def test_prefetching_is_one_item_ahead_and_can_be_left():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    ahead = prefetched(items())
    assert [next(ahead), next(ahead)] == [0, 1]
    ahead.close()
    assert len(made) <= 3
