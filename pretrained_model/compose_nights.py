"""Make the nights that the shipped weights were trained and tested on, from prepared ones.

    python pretrained_model/compose_nights.py ./data/sleepedf ./composed
    python pretrained_model/compose_nights.py ./data/sleepedf ./conditioned --amplitude 9 --only varied

Of every prepared epoch only the first 5 s are used. OUT gets a folder for `--data_dir` for each kind of night, each
with the name of NIGHTS in it:

5s           the first 5 s of each epoch
same         30-s epochs of six such pieces, the nearest in time that have the epoch's stage: for training
neighbours   30-s epochs of the pieces of epochs i-2 … i+3, whatever their stage: for testing, since it needs no stage
varied       each night twice, for training with the robust recipe: as epochs of other pieces of the stage with smooth
             joins, every other night with a recorder's high-pass; and as its neighbours

With --amplitude the pieces are brought to that amplitude, as a stranger's recording is, before they are composed. A
high-pass comes before the joins too: behind them it would make slow waves of each join.
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
from recordings.conditioning import Conditioning

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
VERSIONS = (("same", True, 0.5), ("neighbours", False, 0.0))
"""Of each night of `varied`: which pieces, whether their joins are smooth, and the share that gets a high-pass."""

CUTOFFS, ORDERS = (0.3, 1.2), (1, 2)  # Hz, of recorders; the filter runs over a piece forwards and backwards


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


def high_passed(pieces: NDArray[np.float32], draw: np.random.Generator) -> NDArray[np.float32]:
    """Return (epoch, sample) as a recorder with a high-pass would have stored it, each piece by itself."""
    from scipy.signal import butter, sosfiltfilt

    cutoff = float(np.exp(draw.uniform(*np.log(CUTOFFS))))
    sections = butter(int(draw.choice(ORDERS)), cutoff, "highpass", fs=RATE, output="sos")
    return sosfiltfilt(sections, pieces, axis=1, padlen=pieces.shape[1] - 1).astype(np.float32)  # type: ignore[no-any-return]


def of_amplitude(pieces: NDArray[np.float32], amplitude: float) -> NDArray[np.float32]:
    """Return the pieces of a night, (epoch, sample), brought to an amplitude in µV; as they are for 0."""
    return Conditioning(amplitude=(amplitude, amplitude)).condition_night(pieces) if amplitude else pieces


def varied(night: Night, amplitude: float) -> Iterator[Night]:
    """Yield a night of first pieces as 30-s epochs, once for each of VERSIONS; what is drawn depends on its name."""
    for number, (way, smooth, share) in enumerate(VERSIONS, 1):
        draw = np.random.default_rng([number, *night.name.encode()])
        filtered = draw.random() < share
        n_pieces = SMOOTH_PIECES if smooth else PIECES
        chosen = drawn_alike(night.y, n_pieces, draw) if way == "same" else around(night.y, n_pieces)
        first = of_amplitude(high_passed(night.x, draw) if filtered else night.x, amplitude)
        pieces = first[chosen]  # (epoch, sample) -> (epoch, piece, sample)
        x = smoothly_joined(pieces, draw) if smooth else pieces.reshape(len(night), -1)
        joins, high_pass = "smooth" if smooth else "plain", ", high-pass" if filtered else ""
        source = {**night.source, "composed": f"{way}, {joins} joins{high_pass}"}
        yield replace(night, name=f"{night.name}-{number}", x=x, source=source)


KINDS = (*WAYS, VARIED)


def nights_of(night: Night, kinds: Sequence[str], amplitude: float) -> Iterator[tuple[str, Night]]:
    """Yield each kind of night that is made of a night of first pieces, and the night."""
    first = of_amplitude(night.x, amplitude)
    for way in (way for way in WAYS if way in kinds):
        x = first[WAYS[way](night.y)].reshape(len(night), -1)  # (epoch, piece, sample) -> (epoch, sample)
        yield way, replace(night, x=x, source={**night.source, "composed": way})
    if VARIED in kinds:
        yield from ((VARIED, version) for version in varied(night, amplitude))


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__)
    parser.add_argument("nights", metavar="NIGHTS", help="folder of prepared nights, 100 Hz, epochs of 5 s or more")
    parser.add_argument("out", metavar="OUT", help="gets 5s/, same/, neighbours/ and varied/")
    parser.add_argument("--only", nargs="+", choices=KINDS, default=KINDS, help="make these alone")
    parser.add_argument(
        "--amplitude", type=float, default=0.0, help="µV to which the pieces are brought (default none)"
    )
    options = parser.parse_args(argv)
    log_to_terminal()
    source = existing_folder(options.nights, "prepared nights")
    paths = sorted(source.glob("*.npz"))
    if not paths:
        raise InputError(f"{source}: no night (.npz) in it; prepare some with prepare_sleepedf.py")
    folders = {way: Path(options.out) / way / source.resolve().name for way in options.only}
    if source.resolve() in [folder.resolve() for folder in folders.values()]:
        raise InputError(f"{options.out}: {source} itself would be written over; choose another OUT")
    for path in tqdm(paths, unit="night", leave=False, disable=None):
        night = load_night(path, sampling_rate=RATE)
        pieces = night.x[:, : PIECE_SECONDS * RATE]
        if pieces.shape[1] < PIECE_SECONDS * RATE:
            raise InputError(f"{path}: epochs of {pieces.shape[1]} samples; {PIECE_SECONDS * RATE} are needed")
        for kind, composed in nights_of(replace(night, x=pieces), options.only, options.amplitude):
            save_night(writable_folder(folders[kind]) / f"{composed.name}.npz", composed)
    log.info("%d nights -> %s", len(paths), ", ".join(map(str, folders.values())))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
