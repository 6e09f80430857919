"""The generated weights and batches behind tests/reference, and how near we come to what they gave."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from folds import published
from training.batches import Batch

REFERENCE = Path(__file__).parents[1] / "reference"

# The scale of each generated weight, in the order in which they were drawn.
SCALES = (0.1, 0.05, 0.05, 0.05, 0.05, 0.05, 0.08, 0.1, 0.2, 0.2, 0.2, 0.3, 0.1)


DISTANCES: dict[str, tuple[float, float]] = {}
"""Largest distance and its bound, by what was compared; `pytest --fidelity` prints them."""


def assert_near(what, found, expected, bound: float, *, relative: bool = False) -> None:
    """Assert that no value is further than `bound` from the reference, and note the largest distance.

    Args:
        what: names the comparison.
        found: ours.
        expected: the published program's, of the same shape.
        bound: the largest distance allowed.
        relative: measure each distance as a share of the expected value.
    """
    found, expected = np.asarray(found, np.float64), np.asarray(expected, np.float64)
    assert found.shape == expected.shape
    distance = float(np.max(np.abs(found - expected) / (np.abs(expected) if relative else 1)))
    DISTANCES[what] = (max(distance, DISTANCES.get(what, (0, 0))[0]), bound)
    assert distance <= bound, f"{what}: {distance:.3g} away, {bound:.3g} allowed"


def published_weights() -> dict[str, np.ndarray]:
    """Return the generated weights by their published names, in their published shapes."""
    return {
        name: (np.random.RandomState(1000 + i).standard_normal(shape) * scale).astype(np.float32)
        for i, ((name, (_, shape)), scale) in enumerate(zip(published.WEIGHTS.items(), SCALES, strict=True))
    }


def generated_weights() -> dict[str, np.ndarray]:
    """Return the generated weights by our names; kernels lose their second axis, which is always 1."""
    values = published_weights()
    weights = {ours: values[name] for name, (ours, _) in published.WEIGHTS.items()}
    return {name: value[:, 0] if value.ndim == 4 else value for name, value in weights.items()}


COUNTERS = {"global_step": np.int32(120), "global_epoch": np.int32(7)}


def write_published(folder: Path, tensors=None, name: str = "best_model.ckpt-120") -> Path:
    """Write tensors as TensorFlow 1's Saver did: one index, one data file, and `checkpoint` that names them.

    Without `tensors` they are the generated weights. Returns what `published.checkpoint_in` finds.
    """
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {**published_weights(), **COUNTERS} if tensors is None else tensors
    names = sorted(tensors)
    tf.raw_ops.SaveV2(
        prefix=str(folder / name),
        tensor_names=names,
        shape_and_slices=[""] * len(names),
        tensors=[tf.constant(tensors[name]) for name in names],
    )
    (folder / "checkpoint").write_text(f'model_checkpoint_path: "/home/somebody/else/{name}"\n')
    return folder / name


def generated_batch(k: int) -> Batch:
    """Return reference batch k: 3 nights × 4 epochs, of which 4, 3 and 2 are real."""
    r = np.random.RandomState(2000 + k)
    x = (r.standard_normal((12, 3000)) * 20).astype(np.float32)
    x += (30 * np.sin(2 * np.pi * r.uniform(0.5, 12, (12, 1)) * np.arange(3000) / 100)).astype(np.float32)
    y = r.randint(0, 5, 12)
    weight = (np.arange(4) < np.array([[4], [3], [2]])).astype(np.float32)
    x = x.reshape(3, 4, 3000) * weight[..., None]
    real_y = y.reshape(3, 4) * weight
    return Batch(x.astype(np.float32), real_y.astype(np.int32), weight, np.full(3, k == 0), np.ones((3, 5), np.bool_))
