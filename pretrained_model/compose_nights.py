"""Make the nights that the shipped weights were trained and tested on, from prepared ones.

    python pretrained_model/compose_nights.py ./data/sleepedf ./composed

Of every prepared epoch only the first 5 s are used. OUT gets three folders for `--data_dir`, each with the name of
NIGHTS in it:

5s           the first 5 s of each epoch
same         30-s epochs of six such pieces, the nearest in time that have the epoch's stage: for training
neighbours   30-s epochs of the pieces of epochs i-2 … i+3, whatever their stage: for testing, since it needs no stage
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from command import InputError, command, log, log_to_terminal, new_parser
from data import load_night, save_night
from files import existing_folder, writable_folder

PIECE_SECONDS, RATE = 5, 100
PIECES = 6  # of an epoch

Epochs = NDArray[np.intp]


def first_piece(y: NDArray[np.int32]) -> Epochs:
    """Return (epoch, 1): each epoch's own piece alone."""
    return np.arange(len(y))[:, np.newaxis]


def same_stage(y: NDArray[np.int32]) -> Epochs:
    """Return (epoch, 6): the epochs of the same stage that are nearest in time, in order of time.

    Of two that are equally near, the earlier one comes first. Where a stage has fewer epochs, they are repeated.
    """
    chosen = np.empty((len(y), PIECES), np.intp)
    for stage in np.unique(y):
        alike = np.flatnonzero(y == stage)
        for epoch in alike:
            nearest = np.argsort(np.abs(alike - epoch), kind="stable")[:PIECES]
            chosen[epoch] = np.resize(np.sort(alike[nearest]), PIECES)
    return chosen


def neighbours(y: NDArray[np.int32]) -> Epochs:
    """Return (epoch, 6): the two epochs before, the epoch, the three after; the first and last stand in beyond them."""
    around = np.arange(len(y))[:, np.newaxis] + np.arange(-2, 4)
    clipped: Epochs = around.clip(0, len(y) - 1)
    return clipped


WAYS: dict[str, Callable[[NDArray[np.int32]], Epochs]] = {
    "5s": first_piece,
    "same": same_stage,
    "neighbours": neighbours,
}


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__)
    parser.add_argument("nights", metavar="NIGHTS", help="folder of prepared nights, 100 Hz, epochs of 5 s or more")
    parser.add_argument("out", metavar="OUT", help="gets 5s/, same/ and neighbours/")
    options = parser.parse_args(argv)
    log_to_terminal()
    source = existing_folder(options.nights, "prepared nights")
    paths = sorted(source.glob("*.npz"))
    if not paths:
        raise InputError(f"{source}: no night (.npz) in it; prepare some with prepare_sleepedf.py")
    folders = {way: Path(options.out) / way / source.resolve().name for way in WAYS}
    if source.resolve() in [folder.resolve() for folder in folders.values()]:
        raise InputError(f"{options.out}: {source} itself would be written over; choose another OUT")
    for path in tqdm(paths, unit="night", leave=False, disable=None):
        night = load_night(path, sampling_rate=RATE)
        pieces = night.x[:, : PIECE_SECONDS * RATE]
        if pieces.shape[1] < PIECE_SECONDS * RATE:
            raise InputError(f"{path}: epochs of {pieces.shape[1]} samples; {PIECE_SECONDS * RATE} are needed")
        for way, chosen in WAYS.items():
            x = pieces[chosen(night.y)].reshape(len(night), -1)  # (epoch, piece, sample) -> (epoch, sample)
            composed = replace(night, x=x, source={**night.source, "composed": way})
            save_night(writable_folder(folders[way]) / path.name, composed)
    log.info("%d nights -> %s", len(paths), ", ".join(map(str, folders.values())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
