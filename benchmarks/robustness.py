"""How much do stages depend on the amplifier? Disturb a night in every way that amplifiers do, and score it each time.

    python benchmarks/robustness.py night.npz --db sleepedf --dir ./pretrained_model
    python benchmarks/robustness.py night.npz --db isruc --dir ./published --fold 2 --markdown --picture rows.png

A night is an .npz with `x` (epoch, 3000) in µV at 100 Hz, `y` (epoch,), and, where it has gaps, `epoch`: which epochs
of the grid these are. Each row is scored as recorded and with the conditioning. Agreement is with the scoring of the
undisturbed night. Flat epochs do not count; macro-F1 is over the stages that the night has.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

from command import command, log, log_to_terminal, new_parser
from engine.device import start_tensorflow
from files.folders import existing_folder
from folds.checkpoint import Fold, load_folds
from folds.folders import find_folds
from recordings.baseline import RATE
from recordings.channels import Channel
from recordings.conditioning import Conditioning
from recordings.datasets import dataset_named
from recordings.epochs import EPOCH_SAMPLES, Epochs, faults, resampling, signal_epochs
from recordings.opening import one_channel, open_recording
from recordings.quality import CLIPPED_FLAG
from scoring import metrics, plots
from scoring.networks import of_night
from simulating.amplifiers import FAULTS, Sampled, Step, scaled, shifted

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Signal = NDArray[np.float32]
Disturb = Callable[[Signal], Signal]
RECORD_SECONDS = 10  # of an EDF file; a rate with one decimal then has whole numbers of samples


@dataclass(frozen=True, eq=False)
class Night:
    """`x` (epoch, sample) µV, `y` (epoch,), `recorded` (epoch,) its place on the grid."""

    x: Signal
    y: NDArray[np.int32]
    recorded: NDArray[np.intp]


# ---- disturbances ----


def disturbances() -> Iterator[tuple[str, Disturb]]:
    """Yield a row's name and what it does to (epoch, sample) µV: the faults of simulate.py's amplifiers, and more."""
    yield "undisturbed", lambda x: x
    for offset in (20, 55, 200, 5000):
        yield f"offset +{offset} µV", through(shifted(offset))
    for gain in (0.2, 0.5, 2, 5):
        yield f"gain × {gain:g}", through(scaled(gain))
    for name in ("drift", "inverted", "hum", "flat", "highpass_1hz", "lowpass_30hz"):
        yield f"{name}: {FAULTS[name].what}", through(FAULTS[name].step)
    yield "1 % of samples clipped", clipping
    for rate in (64, 99.5, 128, 200, 204.8, 256, 500, 512.5, 1024):
        yield f"EDF, {rate:g} Hz", lambda x, rate=rate: through_edf(x, rate, "uV")  # type: ignore[misc]
    for unit in ("mV", "V"):
        yield f"EDF in {unit}", lambda x, unit=unit: through_edf(x, RATE, unit)  # type: ignore[misc]


def through(step: Step) -> Disturb:
    """Return what sends (epoch, sample) µV through a step of an amplifier."""

    def disturbed(x: Signal) -> Signal:
        samples = step(Sampled(x.reshape(-1).astype(np.float64), RATE)).samples
        return samples.reshape(x.shape).astype(np.float32)

    return disturbed


def clipping(x: Signal) -> Signal:
    median = np.median(x)
    limit = np.quantile(np.abs(x - median), 0.99)
    return x.clip(median - limit, median + limit)


def through_edf(x: Signal, rate: float, unit: str) -> Signal:
    """Write an EDF file at another rate or in another unit, and read it as the program reads it."""
    from edfio import Edf, EdfSignal
    from scipy.signal import resample_poly

    ratio = resampling(rate)
    samples = x.reshape(-1).astype(np.float64)
    samples = samples if ratio == 1 else resample_poly(samples, ratio.denominator, ratio.numerator)
    n_records = round(len(samples) / rate) // RECORD_SECONDS
    samples = samples[: round(n_records * RECORD_SECONDS * rate)]
    samples *= {"uV": 1.0, "mV": 1e-3, "V": 1e-6}[unit]
    limits = (float(f"{samples.min():.1e}") * 1.1, float(f"{samples.max():.1e}") * 1.1)
    limits = (float(f"{limits[0]:.2g}"), float(f"{limits[1]:.2g}"))  # the header has 8 characters for each
    signal = EdfSignal(samples, rate, label="EEG", physical_dimension=unit, physical_range=limits)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "night.edf"
        Edf([signal], data_record_duration=RECORD_SECONDS).write(path)
        return signal_epochs(one_channel(open_recording(path), Channel("EEG", 0))).x


# ---- scoring ----


def probabilities(x: Signal, folds: Sequence[Fold]) -> NDArray[np.float32]:
    """Return (epoch, stage), the mean over folds."""
    mean: NDArray[np.float32] = np.mean([of_night(fold)(x) for fold in folds], axis=0)
    return mean


@dataclass
class Row:
    """Scores of one disturbance with one conditioning, and what its amplitude was multiplied by."""

    accuracy: float
    macro_f1: float
    agreement: float
    factor: float

    def __str__(self) -> str:
        return f"{self.accuracy:.3f}  {self.macro_f1:.3f}  {self.agreement:.3f}  {self.factor:6.2f}"


def score_rows(
    night: Night, folds: Sequence[Fold], conditionings: Sequence[Conditioning]
) -> Iterator[tuple[str, list[Row]]]:
    """Yield each disturbance with one row for each conditioning."""
    before: dict[int, NDArray[np.intp]] = {}
    for name, disturb in disturbances():
        x = disturb(night.x)
        n_epochs = len(x)  # other rates may cost the last one
        flat, clipped = np.transpose([faults(epoch) for epoch in x])
        flat, share = flat > 0, (clipped > CLIPPED_FLAG).astype(np.float32)
        epochs = Epochs(x, night.recorded[:n_epochs], n_epochs, flat, share, 0.0)
        rows = []
        for number, conditioning in enumerate(conditionings):
            plan = conditioning.plan(lambda epochs=epochs: [epochs])  # type: ignore[misc]
            model = probabilities(plan.condition(x), folds).argmax(axis=1)
            first = before.setdefault(number, model)[:n_epochs]
            agreement = float(np.mean((model == first)[~flat]))
            scores = metrics.scores(night.y[:n_epochs][~flat], model[~flat])
            rows.append(Row(scores.accuracy, scores.macro_f1, agreement, plan.factor))
        yield name, rows


# ---- picture ----


def rows_figure(table: Sequence[tuple[str, Sequence[Row]]], title: str) -> Figure:
    """Draw the accuracy of each disturbance: an open circle as recorded, a full one conditioned."""
    with plots.drawing(7.2, 0.8 + 0.16 * len(table)) as figure:
        axes = figure.add_subplot()
        places = range(len(table))
        recorded, conditioned = zip(*([row.accuracy for row in rows] for _, rows in table), strict=True)
        axes.hlines(places, recorded, conditioned, color=plots.PALE)
        axes.plot(recorded, places, "o", color=plots.INK, mfc="white", ms=4, label="as recorded")
        axes.plot(conditioned, places, "o", color=plots.INK, ms=4, label="conditioned")
        axes.set_yticks(places, [name for name, _ in table])
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.set_xlim(0, 1)
        axes.set_xlabel("Accuracy")
        axes.grid(axis="x", color=plots.PALE, linewidth=0.4)
        axes.legend(loc="lower left", frameon=False)
        axes.set_title(title)
    return figure


# ---- command ----


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("night", type=Path, metavar="NIGHT.npz")
    add("--db", required=True, help="data set of the checkpoints")
    add("--dir", required=True, help="holds <db>/<fold>/")
    add("--fold", type=int, nargs="+", help="only these folds (default: all that are there)")
    add("--high_pass", type=float, metavar="HZ", help="instead of the checkpoints'; 0: none")
    add("--amplitude", type=float, nargs=2, metavar="µV", help="instead of the checkpoints'; 0 0: none")
    add("--gain", type=float, default=1.0, help="what x is multiplied by to become µV (UCDDB's header values: 100)")
    add("--markdown", action="store_true", help="print the table for a document")
    add("--picture", type=Path, metavar="FILE", help="draw the accuracy of each row there")
    return parser


def chosen_conditioning(folds: Sequence[Fold], options: argparse.Namespace) -> Conditioning:
    chosen = folds[0].run.conditioning
    if options.high_pass is not None:
        chosen = replace(chosen, high_pass=options.high_pass or None)
    if options.amplitude is not None:
        low, high = options.amplitude
        chosen = replace(chosen, amplitude=(low, high) if high else None)
    return chosen


def load_night(path: Path, gain: float) -> Night:
    with np.load(path, allow_pickle=False) as archive:
        x, y = archive["x"], archive["y"].astype(np.int32)
        recorded = archive["epoch"] if "epoch" in archive else np.arange(len(y))
    return Night((x.reshape(len(y), EPOCH_SAMPLES) * gain).astype(np.float32), y, recorded)


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    dataset, night = dataset_named(options.db), load_night(options.night, options.gain)
    folders = find_folds(existing_folder(options.dir, "checkpoints"), dataset)
    start_tensorflow(-1)
    folds = load_folds({number: folders[number] for number in options.fold or folders}, dataset)
    chosen = chosen_conditioning(folds, options)
    numbers = ", ".join(str(fold.run.fold) for fold in folds)
    log.info("%s: %d epochs; %s, folds %s", options.night.name, len(night.y), dataset.name, numbers)
    log.info("conditioned: %s; each: accuracy, macro-F1, agreement with undisturbed, amplitude ×", chosen.in_words())
    line = "| {:26} | {:30} | {:30} |" if options.markdown else "{:26}  {:32}  {:32}"
    log.info("%s", line.format("", "as recorded", "conditioned"))
    if options.markdown:
        log.info("|---|---|---|")
    table = []
    for name, rows in score_rows(night, folds, (Conditioning(), chosen)):
        log.info("%s", line.format(name, *map(str, rows)))
        table.append((name, rows))
    if options.picture:
        title = f"{options.night.stem}, {dataset.name}, folds {numbers}"
        plots.save(rows_figure(table, title), options.picture)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
