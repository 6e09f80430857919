"""The generated weights and batches behind tests/reference, and the names of the published program's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from data import Batch

REFERENCE = Path(__file__).parent / "reference"

CELL = "rnn/rnn/multi_rnn_cell/cell_0/lstm_cell"

# Published name, our name, shape in TensorFlow 1, scale of the generated values.
PUBLISHED = [
    ("cnn/conv1d_1/conv2d/kernel", "conv_1/kernel", (50, 1, 1, 128), 0.1),
    ("cnn/conv1d_2_1/conv2d/kernel", "crb/conv_a/kernel", (8, 1, 128, 128), 0.05),
    ("cnn/conv1d_2_2/conv2d/kernel", "crb/conv_b/kernel", (8, 1, 128, 128), 0.05),
    ("cnn/conv1d_2_3/conv2d/kernel", "crb/conv_c/kernel", (8, 1, 128, 128), 0.05),
    ("cnn/rec_2_1/conv2d/kernel", "crb/conv_d/kernel", (8, 1, 128, 128), 0.05),
    ("cnn/rec_2_2/conv2d/kernel", "crb/conv_e/kernel", (8, 1, 128, 128), 0.05),
    (f"{CELL}/kernel", "lstm_0/kernel", (384, 512), 0.08),
    (f"{CELL}/bias", "lstm_0/bias", (512,), 0.1),
    (f"{CELL}/w_i_diag", "lstm_0/w_i", (128,), 0.2),
    (f"{CELL}/w_f_diag", "lstm_0/w_f", (128,), 0.2),
    (f"{CELL}/w_o_diag", "lstm_0/w_o", (128,), 0.2),
    ("softmax_linear/dense/kernel", "dense/kernel", (128, 5), 0.3),
    ("softmax_linear/dense/bias", "dense/bias", (5,), 0.1),
]


def generated_weights() -> dict[str, np.ndarray]:
    """Return the reference weights by our names; kernels lose their second axis, which is always 1."""
    weights = {}
    for i, (_, name, shape, scale) in enumerate(PUBLISHED):
        value = (np.random.RandomState(1000 + i).standard_normal(shape) * scale).astype(np.float32)
        weights[name] = value[:, 0] if value.ndim == 4 else value
    return weights


def generated_batch(k: int) -> Batch:
    """Return reference batch k: 3 nights × 4 epochs, of which 4, 3 and 2 are real."""
    r = np.random.RandomState(2000 + k)
    x = (r.standard_normal((12, 3000)) * 20).astype(np.float32)
    x += (30 * np.sin(2 * np.pi * r.uniform(0.5, 12, (12, 1)) * np.arange(3000) / 100)).astype(np.float32)
    y = r.randint(0, 5, 12)
    weight = (np.arange(4) < np.array([[4], [3], [2]])).astype(np.float32)
    x, y = x.reshape(3, 4, 3000) * weight[..., None], y.reshape(3, 4) * weight
    return Batch(x.astype(np.float32), y.astype(np.int32), weight, first=k == 0)
