"""What augmentation does to a night: each change alone, all together, and that it can be repeated to the bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import Settings
from data import Night, load_night, save_night
from training.augmentation import Change, changed, changed_nights, is_used, upside_down

NOTHING = Change((1, 2), 0, 0, 1.0, None, None)
ALL = Settings(
    seq_length=4,
    random_start=True,
    augment_polarity=0.5,
    augment_gain=0.2,
    augment_shift=2.0,
    augment_band=0.5,
)


def night(n_epochs=9, n_samples=3000, seed=0):
    draw = np.random.default_rng(seed)
    x = draw.normal(0, 20, (n_epochs, n_samples)).astype(np.float32)
    return Night("one", x, draw.integers(0, 5, n_epochs).astype(np.int32))


def wave(hz, n_epochs=2):
    samples = 10 * np.sin(2 * np.pi * hz * np.arange(n_epochs * 3000) / 100)
    return samples.astype(np.float32).reshape(n_epochs, 3000)


def gain_of(change, hz):
    return np.std(change.apply(wave(hz), 100, 0)) / np.std(wave(hz))


def test_nothing_asked_for_leaves_the_nights_themselves():
    nights = [night()]
    assert not is_used(Settings()) and is_used(ALL)
    assert changed_nights(nights, Settings(), (1,))[0] is nights[0]
    np.testing.assert_array_equal(changed(nights[0], NOTHING).x[0:9], nights[0].x)


def test_polarity_and_gain():
    x = night().x
    np.testing.assert_array_equal(replace(NOTHING, factor=-1.0).apply(x, 100, 0), -x)
    np.testing.assert_allclose(replace(NOTHING, factor=1.5).apply(x, 100, 0), 1.5 * x, rtol=1e-6)


def test_a_night_is_turned_when_it_is_read_so_that_one_on_disk_stays_there(tmp_path):
    save_night(tmp_path / "one.npz", night())
    on_disk = load_night(tmp_path / "one.npz", on_disk=True)
    turned = upside_down(on_disk)
    assert turned.x.x is on_disk.x and len(turned) == len(turned.x) == 9
    np.testing.assert_array_equal(turned.x[:], -night().x)
    np.testing.assert_array_equal(turned.x[4:7], -night().x[4:7])


def test_borders_of_epochs_move_and_the_ends_stay_inside():
    one = night()
    samples = one.x.reshape(-1)
    moved = changed(one, replace(NOTHING, shift=150)).x
    np.testing.assert_array_equal(moved[2:4].reshape(-1), samples[2 * 3000 + 150 : 4 * 3000 + 150])
    np.testing.assert_array_equal(moved[8:9].reshape(-1), samples[-3000:])
    back = changed(one, replace(NOTHING, shift=-150)).x
    np.testing.assert_array_equal(back[1:9].reshape(-1), samples[3000 - 150 : -150])
    np.testing.assert_array_equal(back[0:1].reshape(-1), samples[:3000])


def test_epochs_that_are_not_contiguous_are_rolled():
    one = night(n_samples=500)
    moved = changed(one, replace(NOTHING, shift=150)).x
    for start in (0, 4):
        chunk, source = moved[start : start + 4], one.x[start : start + 4]
        found = [turn for turn in range(-150, 151) if np.array_equal(np.roll(source, turn, axis=1), chunk)]
        assert len(found) == 1


@pytest.mark.parametrize("order", [1, 2])
def test_filters_have_half_the_power_at_their_cut_off_and_no_delay(order):
    high, low = replace(NOTHING, high_pass=(1.0, order)), replace(NOTHING, low_pass=(30.0, order))
    for change, hz, passed in ((high, 1, 10), (low, 30, 3)):
        assert gain_of(change, hz) == pytest.approx(2**-0.5, rel=1e-2)
        np.testing.assert_allclose(change.apply(wave(passed), 100, 0), wave(passed), atol=0.1 if order == 2 else 1)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31), st.integers(1, 30), st.sampled_from([500, 3000]))
def test_what_is_drawn_can_be_repeated_and_fits_its_stages(seed, n_epochs, n_samples):
    asked = replace(ALL, input_size=n_samples)
    nights = [night(n_epochs, n_samples, seed % 1000), night(n_epochs + 1, n_samples, seed % 999)]
    first, again = (changed_nights(nights, asked, (seed, 1, 3)) for _ in range(2))
    for one, other, source in zip(first, again, nights, strict=True):
        assert len(one) == len(one.x) == len(one.y)
        np.testing.assert_array_equal(one.y, source.y[one.first_epoch :])
        for start in range(0, len(one), 4):
            chunk = slice(start, min(start + 4, len(one)))
            x = one.x[chunk]
            assert x.shape == (chunk.stop - chunk.start, n_samples) and x.dtype == np.float32
            assert np.isfinite(x).all()
            np.testing.assert_array_equal(x, other.x[chunk])


def test_another_pass_and_another_night_are_changed_in_another_way():
    draws = [Change.drawn(ALL, 9, seed) for seed in ((1, 1, 1, 0), (1, 1, 1, 1), (1, 1, 2, 0), (2, 1, 1, 0))]
    assert len({change.factor for change in draws}) == 4


def test_what_is_drawn_is_distributed_as_asked():
    draws = [Change.drawn(ALL, 9, (0, number)) for number in range(2000)]
    factors = np.array([change.factor for change in draws])
    assert np.mean(factors < 0) == pytest.approx(0.5, abs=0.05)
    assert np.std(np.log(np.abs(factors))) == pytest.approx(0.2, rel=0.1)
    assert {change.first for change in draws} == set(range(4))
    assert max(abs(change.shift) for change in draws) <= 200
    for filters in ([one.high_pass for one in draws], [one.low_pass for one in draws]):
        assert np.mean([one is not None for one in filters]) == pytest.approx(0.5, abs=0.05)


def test_a_night_that_starts_late_has_its_first_chunk_there():
    one = night(10)
    late = changed(one, replace(NOTHING, first=3))
    assert len(late) == 7 and late.first_epoch == 3
    np.testing.assert_array_equal(late.x[0:4], one.x[3:7])
