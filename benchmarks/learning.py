"""What is the review of a night worth? Simulated nights of another laboratory are scored, corrected and learned from.

    python benchmarks/learning.py
    python benchmarks/learning.py --seeds 0 1 2 --markdown --csv learning.csv --picture learning.png

The nights are simulated: their true stages are known, and stand for what a human would say. One fold of the box scores
them. Of each night that is reviewed, a share of the epochs gets the true stage, the most doubtful ones first, or drawn
at random; or the whole night does. The fold is trained further with these nights as `trainer.py --recipe finetune`
trains it. Agreement is with the true stages of other nights of that laboratory. docs/learn.md shows the table.
"""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from command import command, log, log_to_terminal, new_parser
from config import FINETUNE, settings_of
from data import Night
from engine.device import start_tensorflow
from files.folders import PROGRAM_FOLDER, existing_folder
from files.writing import written_whole
from folds.checkpoint import Fold, load_source
from folds.history import TRAIN
from folds.run import Run
from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE
from scoring import metrics, plots
from simulating.amplifiers import amplifier
from simulating.eeg import SOUNDS, Sound, blink, eye_movement, k_complex, sawtooth, simulate_eeg, spindle
from simulating.layouts import simulated_night
from sleepstage import RK_TO_AASM
from training.fold import FoldTraining
from training.planning import FoldPlan

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LABORATORY = SOUNDS | {
    "W": Sound(11, 1.4, ((9, 0.9, 10), (25, 8, 4)), {blink: 3}),
    "1": replace(SOUNDS["1"], events=dict.fromkeys(SOUNDS["1"].events, 1)),
    "2": replace(SOUNDS["2"], events={spindle: 6, k_complex: 2}),
    "3": Sound(10, 2.0, ((1.0, 0.4, 16),), {spindle: 3}),
    "4": Sound(10, 2.0, ((0.9, 0.3, 25),), {spindle: 1}),
    "R": replace(SOUNDS["R"], events={sawtooth: 2, eye_movement: 4}),
}
"""Older people, an electrode further back: slower and weaker alpha, slow waves of 0.6 of the size, fewer spindles,
K-complexes, vertex waves, blinks and eye movements."""

REVIEWED = (1, 2, 4, 8)  # nights
DOUBTFUL, RANDOM, WHOLE = "doubtful first", "at random", "whole night"
ONLY = ", only these"  # without the epochs that nobody looked at
KINDS = (DOUBTFUL, RANDOM, DOUBTFUL + ONLY, RANDOM + ONLY, WHOLE)
TESTED = 4  # nights; one more validates

PASSES = FINETUNE["n_epochs"]  # over whole nights; of parts of nights as many as make the same number of steps


@dataclass(frozen=True, eq=False)
class Scored:
    """A night: (epoch, sample) µV, true stages (epoch,) and the fold's probabilities (epoch, stage)."""

    x: NDArray[np.float32]
    truth: NDArray[np.int32]
    probabilities: NDArray[np.float32]

    @property
    def model(self) -> NDArray[np.int32]:
        """(epoch,) the fold's stages."""
        stages: NDArray[np.int32] = self.probabilities.argmax(axis=1).astype(np.int32)
        return stages


@dataclass(frozen=True)
class Row:
    """Agreement on the test nights, and whether a validation night, reviewed in the same way, prefers the new weights.

    Attributes:
        kind: which epochs were reviewed; "" where none were.
        nights: how many were reviewed.
        seed: of the simulation.
        accuracy, macro_f1, kappa: on the test nights, with the true stages.
        right: share of the stages that were learned from that are true.
        kept: whether accuracy and macro-F1 of the validation night are both better than the fold's, as trainer.py wants
            it before it keeps weights; over the epochs that were looked at.
        kept_by_all: the same over all epochs that are learned from, the fold's own stages among them.
    """

    kind: str
    nights: int
    seed: int
    accuracy: float
    macro_f1: float
    kappa: float
    right: float = 1.0
    kept: bool = False
    kept_by_all: bool = False


# ---- the fold ----


def fold_of(source: Fold, seed: int) -> FoldTraining:
    """Return the training of a fold that starts from `source`; of nights in memory, so it needs no folder."""
    from training.steps import compiled_training

    settings = settings_of({"recipe": "finetune", "seed": seed})
    run = Run("simulated", 0, settings, {}, {}, [], {})
    return FoldTraining(*compiled_training(settings), FoldPlan(run, Path(), {}, source))


def begin(fold: FoldTraining) -> None:
    """Go back to the weights of the source, and forget what the optimiser knows."""
    assert fold.source
    fold.training.restart(fold.run.seed)
    fold.training.start_from(fold.source.best.weights, (), str(fold.source.folder))


def learn(fold: FoldTraining, nights: Sequence[Night], passes: int) -> None:
    """Train the fold further with these nights."""
    for number in range(1, passes + 1):
        fold.one_pass(TRAIN, number, nights, fold.training.train)


def agreement(fold: FoldTraining, nights: Sequence[Night]) -> metrics.Scores:
    """Return the agreement of the fold, as it is now, with the stages of nights, all epochs together."""
    return fold.scored(fold.training.plain_weights(()), nights)


# ---- nights and their reviews ----


def laboratory_night(fold: FoldTraining, hours: float, seed: tuple[int, ...]) -> Scored:
    """Simulate a night of the laboratory, and score it; epochs without a stage are left out, as in preparation."""
    assert fold.source
    night = simulated_night(hours, 10, seed, amplifier(()))
    truth = np.array([RK_TO_AASM[stage] for stage in night.stages], np.int32)
    x = simulate_eeg(night.stages, TARGET_RATE, night.rng, LABORATORY).astype(np.float32).reshape(-1, EPOCH_SAMPLES)
    change = replace(fold.source.run.conditioning, own=None).of_nights()  # no night of the fold's own data set
    assert change, "the fold's signals are conditioned"
    x = change.apply(x, None)[truth >= 0]
    return Scored(x, truth[truth >= 0], fold.stager.probabilities(x))


@dataclass(frozen=True, eq=False)
class Review:
    """A night as it is learned from, as it judges weights, and the share of its stages that are true."""

    night: Night
    judging: Night
    right: float


def reviewed(night: Scored, kind: str, share: float, rng: np.random.Generator) -> Review:
    """Return a night with the true stage where it was looked at, and elsewhere with the fold's, or nothing."""
    n_epochs = len(night.truth)
    by_doubt = np.argsort(night.probabilities.max(axis=1), kind="stable")
    order = by_doubt if kind.startswith(DOUBTFUL) else rng.permutation(n_epochs)
    looked_at = np.zeros(n_epochs, bool)
    looked_at[order[: n_epochs if kind == WHOLE else round(share * n_epochs)]] = True
    stages = np.where(looked_at, night.truth, night.model).astype(np.int32)
    used = looked_at if kind.endswith(ONLY) else np.ones(n_epochs, bool)
    right = float(np.mean((stages == night.truth)[used]))
    return Review(
        Night("", night.x[used], stages[used]),
        Night("", night.x[used], stages[used], judged=looked_at[used]),
        right,
    )


# ---- the experiment ----


def better(after: metrics.Scores, before: metrics.Scores) -> bool:
    return after.accuracy > before.accuracy and after.macro_f1 > before.macro_f1


def rows_of_seed(source: Fold, hours: float, share: float, seed: int) -> Iterator[Row]:
    """Yield the rows of one draw of nights; the same nights are reviewed in every way."""
    fold = fold_of(source, seed)
    begin(fold)
    fold.stager.network.assign(fold.training.plain_weights(()))
    nights = [laboratory_night(fold, hours, (seed, i)) for i in range(max(REVIEWED) + 1 + TESTED)]
    tested = [Night("", night.x, night.truth) for night in nights[-TESTED:]]
    box = agreement(fold, tested)
    right = float(np.mean(np.concatenate([night.model == night.truth for night in nights[:-TESTED]])))
    yield Row("", 0, seed, box.accuracy, box.macro_f1, box.kappa, right)
    for kind in KINDS:
        rng = np.random.default_rng((seed, KINDS.index(kind)))
        reviews = [reviewed(night, kind, share, rng) for night in nights[:-TESTED]]
        valid = reviews.pop()
        begin(fold)
        before = [agreement(fold, [night]) for night in (valid.judging, valid.night)]
        for n in REVIEWED:
            learned = reviews[:n]
            begin(fold)
            mean_epochs = np.mean([len(review.night) for review in learned])
            learn(fold, [review.night for review in learned], round(PASSES * len(nights[0].truth) / mean_epochs))
            scores = agreement(fold, tested)
            after = [agreement(fold, [night]) for night in (valid.judging, valid.night)]
            kept = list(map(better, after, before))
            right = float(np.mean([review.right for review in learned]))
            yield Row(kind, n, seed, scores.accuracy, scores.macro_f1, scores.kappa, right, *kept)


# ---- table and picture ----


def of_kind(rows: Sequence[Row], kind: str, n: int) -> list[Row]:
    return [row for row in rows if (row.kind, row.nights) == (kind, n)]


def spread(values: Sequence[float], digits: int = 2) -> str:
    """Return a mean, and the lowest and the highest value."""
    return f"{np.mean(values):.{digits}f} ({min(values):.{digits}f}–{max(values):.{digits}f})"


def table_lines(rows: Sequence[Row], markdown: bool) -> Iterator[str]:
    """Yield the table: kappa on the test nights, by what was reviewed and by how many nights."""
    box = of_kind(rows, "", 0)
    counts = [f"{n} nights" if n > 1 else "1 night" for n in REVIEWED]
    head = ["reviewed", *counts, "stages right", "kept", "kept by all"]
    yield line_of(head, markdown)
    if markdown:
        yield line_of(["---"] * len(head), markdown)
    shown = spread([row.kappa for row in box]), spread([row.right for row in box])
    yield line_of(["none", shown[0], *[""] * (len(REVIEWED) - 1), shown[1], "", ""], markdown)
    for kind in KINDS:
        of_all = [row for row in rows if row.kind == kind]
        kappas = [spread([row.kappa for row in of_kind(rows, kind, n)]) for n in REVIEWED]
        right = spread([row.right for row in of_all])
        kept = [sum(row.kept for row in of_all), sum(row.kept_by_all for row in of_all)]
        yield line_of([kind, *kappas, right, *(f"{n} of {len(of_all)}" for n in kept)], markdown)


def line_of(cells: Sequence[str], markdown: bool) -> str:
    return f"| {' | '.join(cells)} |" if markdown else "  ".join(f"{cell:<26}" for cell in cells).rstrip()


def learning_figure(rows: Sequence[Row]) -> Figure:
    """Draw kappa against the number of reviewed nights: the mean over seeds, and each seed as a point."""
    styles = dict(zip(KINDS, ("o-", "s--", "o:", "s:", "^-"), strict=True))
    box = of_kind(rows, "", 0)
    with plots.drawing(5.6, 3.4) as figure:
        axes = figure.add_subplot()
        for number, kind in enumerate(KINDS):
            shade = str(0.14 * number)
            means = [
                float(np.mean([row.kappa for row in (of_kind(rows, kind, n) if n else box)])) for n in (0, *REVIEWED)
            ]
            places = np.arange(len(means)) + 0.06 * (number - len(KINDS) // 2)
            axes.plot(places, means, styles[kind], color=shade, ms=4, lw=1, label=kind)
            for place, n in zip(places[1:], REVIEWED, strict=True):
                values = [row.kappa for row in of_kind(rows, kind, n)]
                axes.plot([place] * 2, [min(values), max(values)], "-", color=shade, lw=0.7)
        axes.set_xticks(range(len(REVIEWED) + 1), [str(n) for n in (0, *REVIEWED)])
        axes.set_xlabel("Reviewed nights")
        axes.set_ylabel("Kappa on other nights")
        axes.grid(axis="y", color=plots.PALE, linewidth=0.4)
        axes.legend(loc="lower right", frameon=False)
        axes.set_title("Simulated nights of another laboratory")
    return figure


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    with written_whole(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [one.name for one in fields(Row)], lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in rows)


def read_rows(path: Path) -> Iterator[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            figures = (float(row[name]) for name in ("accuracy", "macro_f1", "kappa", "right"))
            kept = (row[name] == "True" for name in ("kept", "kept_by_all"))
            yield Row(row["kind"], int(row["nights"]), int(row["seed"]), *figures, *kept)  # type: ignore[arg-type]


# ---- command ----


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--init_from", default=str(PROGRAM_FOLDER / "pretrained_model/sleepedf/0"), metavar="FOLDER", help="a fold")
    add("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="draws of nights (default 0 1 2)")
    add("--read", type=Path, nargs="+", default=[], metavar="CSV", help="show what --csv wrote before; no new run")
    add("--hours", type=float, default=1.5, help="length of a night (default %(default)s)")
    add("--share", type=float, default=0.1, help="of the epochs of a night that is looked at (default %(default)s)")
    add("--markdown", action="store_true", help="print the table for a document")
    add("--csv", type=Path, metavar="FILE", help="write every figure there")
    add("--picture", type=Path, metavar="FILE", help="draw the agreement there")
    return parser


def new_rows(options: argparse.Namespace) -> Iterator[Row]:
    """Yield the rows of every seed, and print each."""
    folder = existing_folder(options.init_from, "a fold")
    start_tensorflow(-1)
    source = load_source(folder)
    for seed in options.seeds:
        for row in rows_of_seed(source, options.hours, options.share, seed):
            log.info("seed %d: %s, %d nights: kappa %.3f", seed, row.kind or "none reviewed", row.nights, row.kappa)
            yield row


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    rows = [row for path in options.read for row in read_rows(path)] or list(new_rows(options))
    log.info("")
    for line in table_lines(rows, options.markdown):
        log.info("%s", line)
    if options.csv:
        write_rows(options.csv, rows)
    if options.picture:
        plots.save(learning_figure(rows), options.picture)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
