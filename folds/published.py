"""Reads the checkpoints of the published RecSleepNet program (TensorFlow 1.13), as they are.

A checkpoint is `NAME.index` with `NAME.data-00000-of-00001`; a file `checkpoint` says which of several is the latest.
The tensors are read by name: no graph, no `.meta`, nothing of TensorFlow 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from engine.device import import_tensorflow
from files.arrays import shape_differences
from files.fetching import fetch, read_checksums
from files.reading import check_text, readable, reader
from recordings.conditioning import HIGH_PASS, Conditioning

CELL = "rnn/rnn/multi_rnn_cell/cell_0/lstm_cell"

WEIGHTS = {  # name there: our name, shape there. A kernel's second axis is the height of a one-channel signal, 1.
    "cnn/conv1d_1/conv2d/kernel": ("conv_1/kernel", (50, 1, 1, 128)),
    "cnn/conv1d_2_1/conv2d/kernel": ("crb/conv_a/kernel", (8, 1, 128, 128)),
    "cnn/conv1d_2_2/conv2d/kernel": ("crb/conv_b/kernel", (8, 1, 128, 128)),
    "cnn/conv1d_2_3/conv2d/kernel": ("crb/conv_c/kernel", (8, 1, 128, 128)),
    "cnn/rec_2_1/conv2d/kernel": ("crb/conv_d/kernel", (8, 1, 128, 128)),
    "cnn/rec_2_2/conv2d/kernel": ("crb/conv_e/kernel", (8, 1, 128, 128)),
    f"{CELL}/kernel": ("lstm_0/kernel", (384, 512)),
    f"{CELL}/bias": ("lstm_0/bias", (512,)),
    f"{CELL}/w_i_diag": ("lstm_0/w_i", (128,)),
    f"{CELL}/w_f_diag": ("lstm_0/w_f", (128,)),
    f"{CELL}/w_o_diag": ("lstm_0/w_o", (128,)),
    "softmax_linear/dense/kernel": ("dense/kernel", (128, 5)),
    "softmax_linear/dense/bias": ("dense/bias", (5,)),
}
COUNTERS = ("global_step", "global_epoch")
SHAPES: dict[str, tuple[int, ...]] = {
    **{name: shape for name, (_, shape) in WEIGHTS.items()},
    **dict.fromkeys(COUNTERS, ()),
}

VERSIONS = {"tensorflow": "1"}  # all that is known of the program that made them

AS_PUBLISHED = {
    "recipe": "published",
    "high_pass": 0.0,
    "amplitude": (0.0,),
    "dropout": (0.5, 0.5, 0.5),
    "normalise": False,
    "weight_decay": 0.0,
    "warm_up": 0.0,
    "cosine": False,
    "weight_average": 0.0,
    "keep_first": 0.0,
    "freeze": False,
    "random_start": False,
    "augment_polarity": 0.0,
    "augment_gain": 0.0,
    "augment_shift": 0.0,
    "augment_band": 0.0,
}
"""What the published program does, and this one did, where there is a setting now; config.py may say something else."""

SETTINGS = {
    **AS_PUBLISHED,
    "sampling_rate": 100,
    "input_size": 3000,
    "n_rnn_layers": 1,
    "n_rnn_units": 128,
    "seed": 42,
    "pretrain_on": ("train", "valid", "test"),
}
"""What is known of how they were trained; the files do not hold it."""

# A night whose signal lies within the amplitudes of the training nights is left as it is; see docs/conditioning.md.
SLEEPEDF_AMPLITUDE = (3.8, 9.4)
"""µV, as `recordings.conditioning.rhythm_amplitude` measures it: lowest and highest of 33 nights of Sleep-EDF-20."""

CONDITIONING = {
    "sleepedf": Conditioning(HIGH_PASS, amplitude=(7.0, 9.0), own=SLEEPEDF_AMPLITUDE),
    "sleepedfx": Conditioning(HIGH_PASS, amplitude=(7.0, 9.0), own=SLEEPEDF_AMPLITUDE),
    "isruc": Conditioning(HIGH_PASS, amplitude=(8.0, 8.0), scale=0.05, own=(4.0, 16.0)),
    "ucddb": Conditioning(HIGH_PASS, amplitude=(8.5, 8.5), scale=0.01, offset=0.55, own=(2.0, 20.0)),
}
"""What each family of published weights needs done to a recording, by data set. All of it was measured on recordings of
other laboratories than those that the weights were trained on, or on few nights; docs/conditioning.md has the figures.

sleepedf, sleepedfx: trained in µV without an offset. From the upper quartile (7.15 µV) to the highest (9.3 µV) of 33
nights of Sleep-EDF-20, whose median is 5.8: they lose much where a signal is weaker than it should be, and little where
it is stronger.
isruc: no recording of that laboratory was at hand. On nights of others these weights do best at 0.03 to 0.06 of the µV,
where the amplitude becomes 0.26 to 0.5; 0.05 × 8 is in the middle. That its own nights have 4 to 16 µV is assumed.
ucddb: trained on the numbers in the files' headers, about 0.01 × µV around 0.55; 8.5 µV is the median of 19 nights.
"""

RELEASE_URL = "https://github.com/CMACH508/RecSleepNet/raw/08571e85a8330e41b4f124baad5a33fbd3207e32/pretrained_model/"
RELEASE_LICENCE = "for academic and non-commercial use only"
RELEASE_FILES = Path(__file__).with_name("published_files.txt")

COPY_AGAIN = "copy the published files again"


@dataclass(frozen=True, eq=False)
class PublishedCheckpoint:
    """Weights by our names, float32, and the counters of the moment when they were kept."""

    weights: dict[str, NDArray[np.float32]]
    global_step: int
    global_epoch: int


def checkpoint_in(folder: Path) -> Path | None:
    """Return the path, less its endings, of the checkpoint in a folder; None if there is none.

    Of several, `checkpoint` names the latest; the folder that it names is left unread, because folders are moved.

    Raises:
        InputError: there are several, and `checkpoint` names none of them.
    """
    names = [path.name.removesuffix(".index") for path in folder.glob("*.index")]
    if len(names) > 1:
        names = [name for name in names if name == latest_name(folder / "checkpoint")]
        if not names:
            raise InputError(
                f"{folder}: several .index files, and {folder / 'checkpoint'} names none of them; keep one"
            )
    return folder / names[0] if names else None


@reader("readable", COPY_AGAIN)
def latest_name(state: Path) -> str | None:
    if not state.is_file():
        return None
    check_text(state)
    lines = state.read_text(encoding="utf-8", errors="replace").splitlines()
    paths = [line.split('"')[1] for line in lines if line.startswith("model_checkpoint_path:") and line.count('"') == 2]
    return PurePosixPath(paths[0].replace("\\", "/")).name if paths else None


def fetch_published(db: str, folder: Path, url: str = RELEASE_URL) -> int:
    """Fetch the published checkpoints of a data set to `<folder>/<db>/<fold>/`, and return how many folds there are.

    Args:
        db: the data set.
        folder: gets them; what is whole there already is not fetched again.
        url: what they stand below, with a `/` at its end.

    Raises:
        InputError: there are none of this data set, the network or the server failed, or a file is another one.
    """
    checksums = {name: value for name, value in read_checksums(RELEASE_FILES).items() if name.startswith(f"{db}/")}
    if not checksums:
        raise InputError(f"--download {db}: there are published checkpoints of {', '.join(CONDITIONING)}")
    fetch(checksums, url, folder)
    return len({name.split("/")[1] for name in checksums})


def data_file(prefix: Path) -> Path:
    """Return the file that holds the values of the checkpoint at `prefix`."""
    return prefix.with_name(f"{prefix.name}.data-00000-of-00001")


def load_checkpoint(prefix: Path) -> PublishedCheckpoint:
    """Read the checkpoint at `prefix`, as `checkpoint_in` returns it.

    Raises:
        InputError: a file is missing or damaged, or a tensor is missing, unknown, or of another shape or type.
    """
    data = data_file(prefix)
    if not data.is_file():
        raise InputError(f"{data}: no such file beside its .index; {COPY_AGAIN}")
    tf = import_tensorflow()
    with readable(data, "a readable checkpoint", COPY_AGAIN):
        opened = tf.train.load_checkpoint(str(prefix))
        for difference in shape_differences(opened.get_variable_to_shape_map(), SHAPES):
            raise InputError(f"{prefix}: not a published RecSleepNet checkpoint, or damaged: tensor {difference}")
        tensors = {name: opened.get_tensor(name) for name in SHAPES}
    check_values(prefix, tensors)
    weights = {ours: tensors[name] for name, (ours, _) in WEIGHTS.items()}
    weights = {name: value[:, 0] if value.ndim == 4 else value for name, value in weights.items()}
    return PublishedCheckpoint(weights, *(int(tensors[name]) for name in COUNTERS))


def check_values(prefix: Path, tensors: Mapping[str, Any]) -> None:
    for name in WEIGHTS:
        if tensors[name].dtype != np.float32:
            raise InputError(f"{prefix}: tensor {name} holds {tensors[name].dtype}, RecSleepNet's float32")
        if not np.isfinite(tensors[name]).all():
            raise InputError(f"{prefix}: tensor {name} has values that are not finite; {COPY_AGAIN}")
