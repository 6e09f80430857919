"""Make the nights that the shipped weights were trained and tested on, from prepared ones.

    python pretrained_model/compose_nights.py ./data/sleepedf ./composed

Of every prepared epoch only the first 5 s are used. OUT gets four folders for `--data_dir`, each with the name of
NIGHTS in it:

5s           the first 5 s of each epoch
same         30-s epochs of six such pieces, the nearest in time that have the epoch's stage: for training
neighbours   30-s epochs of the pieces of epochs i-2 … i+3, whatever their stage: for testing, since it needs no stage
varied       each night four times, as 30-s epochs of other pieces and with other joins: for training with the robust
             recipe (the shipped weights were not trained on these)
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from command import InputError, command, log, log_to_terminal, new_parser
from data import Night, load_night, save_night
from files.folders import existing_folder, writable_folder

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


def around(y: NDArray[np.int32], n_pieces: int) -> Epochs:
    """Return (epoch, piece): the epochs around each one, as many as there are pieces."""
    first = -((n_pieces - 1) // 2)
    clipped: Epochs = (np.arange(len(y))[:, np.newaxis] + np.arange(first, first + n_pieces)).clip(0, len(y) - 1)
    return clipped


def neighbours(y: NDArray[np.int32]) -> Epochs:
    """Return (epoch, 6): the two epochs before, the epoch, the three after; the first and last stand in beyond them."""
    return around(y, PIECES)


WAYS: dict[str, Callable[[NDArray[np.int32]], Epochs]] = {
    "5s": first_piece,
    "same": same_stage,
    "neighbours": neighbours,
}

# ---- nights of other pieces, with smooth joins ----

NEAREST = 13  # epochs of the same stage, the epoch itself among them, of which some are drawn
FADE = 40  # samples over which one piece gives way to the next
SEARCHED = 60  # samples by which a piece may begin later, so that it goes on as the one before ended
SMOOTH_PIECES = 8  # with fades and later beginnings, so many fill an epoch
EPOCH = PIECES * PIECE_SECONDS * RATE

VARIED = "varied"
VERSIONS = (("same", True), ("same", False), ("same", True), ("neighbours", False))
"""Of each night of `varied`: which pieces, and whether their joins are smooth."""


def drawn_alike(y: NDArray[np.int32], n_pieces: int, draw: np.random.Generator) -> Epochs:
    """Return (epoch, piece): the epoch itself and others of its stage, drawn from the nearest in time, in order."""
    chosen = np.empty((len(y), n_pieces), np.intp)
    for stage in np.unique(y):
        alike = np.flatnonzero(y == stage)
        for epoch in alike:
            nearest = alike[np.argsort(np.abs(alike - epoch), kind="stable")[1:NEAREST]]
            others = np.resize(draw.permutation(nearest) if len(nearest) else [epoch], n_pieces - 1)
            chosen[epoch] = np.sort([epoch, *others])
    return chosen


def smoothly_joined(pieces: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    """Join (epoch, piece, sample) to (epoch, 3000): each piece begins where it goes on best, and fades in.

    Of the first samples of a piece those are left out after which it is most like the end of the piece before, as for
    time-stretching speech (Verhelst & Roelands 1993, "WSOLA"). An epoch begins somewhere within its first piece.
    """
    n_epochs, n_pieces, length = pieces.shape
    kept = length - SEARCHED
    rising = np.sin(np.pi / 2 * (np.arange(FADE) + 0.5) / FADE).astype(np.float32) ** 2
    joined = np.zeros((n_epochs, length + (n_pieces - 1) * (kept - FADE)), np.float32)
    joined[:, :length] = pieces[:, 0]
    end = length
    for number in range(1, n_pieces):
        piece, tail = pieces[:, number], joined[:, end - FADE : end]
        heads = np.lib.stride_tricks.sliding_window_view(piece[:, : SEARCHED + FADE - 1], FADE, axis=1)
        begin = np.square(heads - tail[:, np.newaxis]).sum(axis=2).argmin(axis=1)  # (epoch,)
        new = np.take_along_axis(piece, begin[:, np.newaxis] + np.arange(kept), axis=1)
        new[:, :FADE] = tail + rising * (new[:, :FADE] - tail)
        joined[:, end - FADE : end - FADE + kept] = new
        end += kept - FADE
    first = draw.integers(0, end - EPOCH + 1, n_epochs)
    return np.take_along_axis(joined, first[:, np.newaxis] + np.arange(EPOCH), axis=1)


def varied(night: Night) -> Iterator[Night]:
    """Yield a night of first pieces as 30-s epochs, once for each of VERSIONS; what is drawn depends on its name."""
    for number, (way, smooth) in enumerate(VERSIONS, 1):
        draw = np.random.default_rng([number, *night.name.encode()])
        n_pieces = SMOOTH_PIECES if smooth else PIECES
        chosen = drawn_alike(night.y, n_pieces, draw) if way == "same" else around(night.y, n_pieces)
        pieces = night.x[chosen]  # (epoch, sample) -> (epoch, piece, sample)
        x = smoothly_joined(pieces, draw) if smooth else pieces.reshape(len(night), -1)
        source = {**night.source, "composed": f"{way}, {'smooth' if smooth else 'plain'} joins"}
        yield replace(night, name=f"{night.name}-{number}", x=x, source=source)


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__)
    parser.add_argument("nights", metavar="NIGHTS", help="folder of prepared nights, 100 Hz, epochs of 5 s or more")
    parser.add_argument("out", metavar="OUT", help="gets 5s/, same/, neighbours/ and varied/")
    options = parser.parse_args(argv)
    log_to_terminal()
    source = existing_folder(options.nights, "prepared nights")
    paths = sorted(source.glob("*.npz"))
    if not paths:
        raise InputError(f"{source}: no night (.npz) in it; prepare some with prepare_sleepedf.py")
    folders = {way: Path(options.out) / way / source.resolve().name for way in (*WAYS, VARIED)}
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
        for version in varied(replace(night, x=pieces)):
            save_night(writable_folder(folders[VARIED]) / f"{version.name}.npz", version)
    log.info("%d nights -> %s", len(paths), ", ".join(map(str, folders.values())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
