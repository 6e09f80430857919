"""A pass stops at the first number that is not finite, and says where it comes from."""

from __future__ import annotations

import numpy as np
import pytest

from data import Night
from training.batches import plan_steps
from training.failure import FoldError, PassWatch


def watch(**huge):
    """Return the watch of a pass over nights a and b, 7 and 3 epochs in chunks of two; `a=4`: its epoch 4 is huge."""
    nights = []
    for name, n in (("a", 7), ("b", 3)):
        x = np.full((n, 10), 50, np.float32)
        if name in huge:
            x[huge[name], 3] = -1e12
        nights.append(Night(name, x, np.zeros(n, np.int32)))
    return PassWatch("fold 3: train pass 2", nights, plan_steps([7, 3], 2, 2), 2)


def test_finite_losses_and_weights_pass():
    watch().check_losses({"loss_ce": np.float32(1.5), "loss_rec": np.float32(3e38)}, 0)
    watch().check_weights({"dense/bias": np.zeros(5, np.float32)})


@pytest.mark.parametrize(("value", "shown"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "-inf")])
def test_a_loss_that_is_not_finite_is_named_with_its_pass_and_step(value, shown):
    message = f"fold 3: train pass 2: loss_rec is {shown} in step 3 of 4; its signals stay within 50 µV, so lower the"
    with pytest.raises(FoldError, match=message):
        watch().check_losses({"loss_ce": np.float32(1), "loss_rec": np.float32(value)}, 2)


@pytest.mark.parametrize(
    ("huge", "step", "named"),
    [
        ({"a": 4}, 2, "a has a sample of 1e+12 µV in epoch 4: leave out this night"),
        ({"a": 4}, 3, "a has a sample of 1e+12 µV in epoch 4"),  # whose step has spoiled the weights of the next
        ({"b": 2}, 1, "b has a sample of 1e+12 µV in epoch 2"),
        ({"b": 2}, 3, "stay within 50 µV"),  # long before, and what came between was finite
        ({"a": 6}, 1, "stay within 50 µV"),  # not seen yet
    ],
)
def test_the_night_is_named_where_it_can_be_told(huge, step, named):
    with pytest.raises(FoldError) as failed:
        watch(**huge).check_losses({"loss_ce": np.float32(np.nan)}, step)
    assert named in str(failed.value)


def test_weights_are_looked_at_after_the_last_step():
    with pytest.raises(FoldError, match="the weights dense/bias are not finite after step 4; its signals"):
        watch().check_weights({"conv_1/kernel": np.ones(3), "dense/bias": np.array([1, np.inf])})
