"""Score recordings with saved checkpoints, or the checkpoints on the test nights of their folds.

python predict.py night.edf
python predict.py recordings/*.edf other.vhdr --channel "EEG Fpz-Cz" --dir ./output --db sleepedf
python predict.py night.edf --list_channels

python predict.py --dir ./pretrained_model
python predict.py --dir ./output --db sleepedf --output_dir ./scores
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

import checkpoint
import config
import metrics
from checkpoint import Fold
from command import (
    InputError,
    command,
    existing_folder,
    import_tensorflow,
    log,
    log_to_terminal,
    writable_folder,
    written_whole,
)
from config import Dataset
from data import find_nights, load_night
from metrics import ScoredNight
from recording import open_recording
from sleepstage import EPOCH_SECONDS, STAGE_NAMES
from staging import (
    Request,
    StagedRecording,
    Stagers,
    check_fits_recordings,
    doubtful_runs,
    parse_lights,
    stage_recording,
)

if TYPE_CHECKING:
    import pandas as pd

    from model import Stager

DEFAULT_DB = "isruc"
BOOTSTRAP_SEED = 0  # the intervals are the same each time


FOR_RECORDINGS = ("list_channels", "channel", "fold", "hypnogram", "lights_off", "lights_on", "report")
FOR_TEST_NIGHTS = ("data_dir", "skip_missing")
SCORED_DIR = "./scored"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("recordings", nargs="*", metavar="RECORDING", help=".edf .rec .bdf .vhdr .set .fif .npz; none: the test nights")
    add("--db", "--dataset", help=f"{', '.join(config.DATASETS)} (default {DEFAULT_DB}; for recordings: what is there)")
    add("--dir", default=config.PRETRAINED_DIR, help="holds <db>/<fold>/ (default %(default)s)")
    add("--suffix", help="score with the folds of <db>_<suffix>, as given to trainer.py")
    add("--gpu", type=int, default=0, help="GPU number; -1, or no GPU in the machine: CPU (default 0)")
    add("--output_dir", help=f"gets what is written (default {SCORED_DIR} for recordings, none for test nights)")
    nights = parser.add_argument_group("test nights")
    nights.add_argument("--data_dir", help=f"holds <db>/*.npz (default {config.DATA_DIR})")
    nights.add_argument("--skip_missing", action="store_true", help="go on without the subjects that have no night")
    add = parser.add_argument_group("recordings").add_argument
    add("--list_channels", action="store_true", help="only list the channels of each recording")
    add(
        "--channel", action="append", metavar="NAME", help="score this channel, or A-B; several: their mean probability"
    )
    add("--fold", type=int, metavar="K", help="score with this fold only (default: the mean of all folds)")
    add(
        "--hypnogram",
        metavar="FILE",
        help="the expert's, EDF+ or .txt (default: one beside the recording, if named so)",
    )
    add("--lights_off", metavar="TIME", help="clock time HH:MM[:SS], or seconds; statistics start here")
    add("--lights_on", metavar="TIME", help="clock time HH:MM[:SS], or seconds; statistics end here")
    add("--report", action="store_true", help="also write report.html over all recordings")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    check_options(options)
    if options.list_channels:
        return list_channels([Path(name) for name in options.recordings])
    root = existing_folder(options.dir, "checkpoints")
    dataset = chosen_dataset(options, root)
    request = request_of(options, dataset)
    folders = checkpoint.find_folds(root, dataset, options.suffix)
    if options.recordings:
        return score_recordings(options, load_folds(one_fold(folders, options.fold), dataset), request)
    score_test_nights(options, load_folds(folders, dataset), dataset)
    return 0


def check_options(options: argparse.Namespace) -> None:
    """Raise InputError for an option that the command would not read."""
    of_others = FOR_TEST_NIGHTS if options.recordings else FOR_RECORDINGS
    for name in of_others:
        if getattr(options, name) not in (None, False):
            what = "the test nights, not of recordings" if options.recordings else "recordings: name at least one"
            raise InputError(f"--{name} is an option of {what}")


def chosen_dataset(options: argparse.Namespace, root: Path) -> Dataset:
    """Return the data set whose checkpoints score: the one asked for, or the default.

    Recordings need no data set of their own: where there are no checkpoints of the default, those of another serve.

    Raises:
        InputError: there is no such data set, or which one is meant stays open.
    """
    there = checkpoint.datasets_in(root, options.suffix)
    if options.db or not options.recordings or DEFAULT_DB in there:
        return config.dataset_named(options.db or DEFAULT_DB)
    if len(there) != 1:
        found = f"holds checkpoints of {', '.join(there)}" if there else "has no folder of a data set"
        raise InputError(f"{root} {found}; choose one with --db")
    log.info("scoring with the checkpoints of %s, the ones in %s", there[0], root)
    return config.dataset_named(there[0])


# ---- test nights ----


def score_test_nights(options: argparse.Namespace, folds: Sequence[Fold], dataset: Dataset) -> None:
    data_dir = existing_folder(Path(options.data_dir or config.DATA_DIR) / dataset.name, "prepared nights")
    subjects = [subject for fold in folds for subject in fold.run.subjects["test"]]
    nights = find_nights(dataset, data_dir, subjects, options.skip_missing)
    output_dir = writable_folder(options.output_dir) if options.output_dir else None
    staged = stage_folds(folds, nights, options.gpu)
    report(staged, dataset)
    if output_dir:
        write_all(output_dir, staged, folds, dataset)


# ---- checkpoints ----


def load_folds(folders: Mapping[int, Path], dataset: Dataset) -> list[Fold]:
    """Read the checkpoint of every fold; a fold that is still in training counts with the best one so far."""
    folds = []
    for number, folder in folders.items():
        if checkpoint.has_nothing_yet(folder):
            log.info("fold %d is left out: it is in training and has no checkpoint yet", number)
            continue
        folds.append(checkpoint.load_fold(folder, dataset, number))
        if checkpoint.is_in_training(folder):
            log.info("fold %d is still in training: scored with its best checkpoint so far", number)
    if not folds:
        raise InputError("none of the folds has a checkpoint yet; let trainer.py finish a pass")
    return folds


# ---- recordings ----


def list_channels(paths: Sequence[Path]) -> int:
    """Print the channels of each recording; return 1 when one of several cannot be read."""
    failed = 0
    for path in paths:
        try:
            opened = open_recording(path)
        except InputError as error:
            if len(paths) == 1:
                raise
            log.info("%s", error)
            failed = 1
            continue
        start = f", starts {opened.start:%Y-%m-%d %H:%M:%S}" if opened.start else ""
        log.info("%s: %s, %s%s", path, opened.format, duration(opened.seconds), start)
        for header in opened.headers:
            log.info("    %-24s %6g Hz  %s", header.label or "(no name)", header.rate, header.unit or "no unit")
    return failed


def duration(seconds: float) -> str:
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds / 60:.1f} min"


def request_of(options: argparse.Namespace, dataset: Dataset) -> Request:
    """Check what is asked for of the recordings before anything is read."""
    if options.hypnogram and len(options.recordings) > 1:
        raise InputError(
            f"--hypnogram belongs to one recording, and there are {len(options.recordings)}; score it alone"
        )
    stems = [Path(name).stem for name in options.recordings]
    for stem in stems:
        if stems.count(stem) > 1:
            same = [name for name in options.recordings if Path(name).stem == stem]
            raise InputError(f"{' and '.join(same)} would be written to the same files, {stem}_…; score them in turn")
    return Request(
        dataset,
        tuple(options.channel or ()),
        Path(options.hypnogram) if options.hypnogram else None,
        parse_lights(options.lights_off, "--lights_off"),
        parse_lights(options.lights_on, "--lights_on"),
    )


def one_fold(folders: Mapping[int, Path], number: int | None) -> Mapping[int, Path]:
    if number is None:
        return folders
    if number not in folders:
        raise InputError(f"--fold {number}: there are folds {', '.join(map(str, folders))}")
    return {number: folders[number]}


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one recording: its stages, or why there are none."""

    path: Path
    staged: StagedRecording | None
    error: str = ""


def score_recordings(options: argparse.Namespace, folds: Sequence[Fold], request: Request) -> int:
    """Stage every recording, write its files, and return 1 when one of several failed."""
    for fold in folds:
        check_fits_recordings(fold)
    output_dir = writable_folder(options.output_dir or SCORED_DIR)
    device = start_tensorflow(options.gpu)
    numbers = ", ".join(str(fold.run.fold) for fold in folds)
    log.info("%s, folds %s, computing on %s", request.dataset.name, numbers, device)
    paths, stagers = [Path(name) for name in options.recordings], Stagers()
    alone = len(paths) == 1
    with logging_redirect_tqdm([log]), tqdm(paths, unit="recording", leave=False, disable=alone or None) as bar:
        outcomes = [score_recording(path, folds, request, stagers, output_dir, alone) for path in bar]
    scored = [outcome.staged for outcome in outcomes if outcome.staged]
    if options.report and scored:
        from export import write_report

        failed = {outcome.path.name: outcome.error for outcome in outcomes if outcome.error}
        write_report(output_dir / "report.html", scored, folds, failed)
    report_recordings(outcomes, output_dir, reported=bool(options.report and scored))
    return int(any(outcome.error for outcome in outcomes))


def score_recording(
    path: Path, folds: Sequence[Fold], request: Request, stagers: Stagers, output_dir: Path, alone: bool
) -> Outcome:
    """Stage one recording and write its files; a user's error is an outcome, unless it is the only recording."""
    from export import write_recording

    try:
        staged = stage_recording(path, folds, request, stagers)
        write_recording(output_dir, staged, folds)
    except InputError as error:
        if alone:
            raise
        log.info("%s: failed", path.name)
        return Outcome(path, None, str(error))
    for line in recording_lines(staged, len(folds)):
        log.info("%s", line)
    return Outcome(path, staged)


# ---- staging ----


@dataclass(frozen=True, eq=False)
class StagedNight:
    """A test night with the model's view of it: `probabilities` is (epoch, stage), `expert` and `model` (epoch,).

    `seen` says that the fold, or what it started from, has learned from the night's subject, as --allow_seen lets it.
    """

    scored: ScoredNight
    expert: NDArray[np.int32]
    probabilities: NDArray[np.float32]
    simulated: bool
    seen: bool

    @property
    def model(self) -> NDArray[np.int32]:
        return np.asarray(self.probabilities.argmax(axis=1), np.int32)


def stage_folds(folds: Sequence[Fold], nights: Mapping[int, Sequence[Path]], gpu: int) -> list[StagedNight]:
    """Stage the test nights of every fold with the fold's checkpoint, and log a line a fold."""
    log.info("computing on %s", start_tensorflow(gpu))
    staged: list[StagedNight] = []
    stagers = Stagers()
    for fold in folds:
        stager = stagers.with_weights(fold)
        paths = [(subject, path) for subject in fold.run.subjects["test"] for path in nights[subject]]
        bar = tqdm(paths, desc=f"fold {fold.run.fold}", unit="night", leave=False, disable=None)
        of_fold = [stage_night(stager, fold, subject, path) for subject, path in bar]
        log.info("%s", fold_line(fold, of_fold))
        staged += of_fold
    if not staged:
        raise InputError("none of the folds has a test night here; prepare some")
    return staged


def start_tensorflow(gpu: int) -> str:
    """Import TensorFlow, choose its device, and return what it computes on."""
    import_tensorflow()
    from model import use_device

    return use_device(gpu)


def stage_night(stager: Stager, fold: Fold, subject: int, path: Path) -> StagedNight:
    settings = fold.run.settings
    night = load_night(path, settings.input_size, settings.sampling_rate)
    if night.ch_label and fold.run.channels and night.ch_label not in fold.run.channels:
        trained = " or ".join(fold.run.channels)
        log.info("warning: %s is %s, the checkpoint was trained on %s", night.name, night.ch_label, trained)
    probabilities = stager.probabilities(night.x)
    scores = metrics.scores(night.y, probabilities.argmax(axis=1))
    scored, seen = ScoredNight(night.name, subject, fold.run.fold, scores), fold.run.has_seen(night.name)
    return StagedNight(scored, night.y, probabilities, night.simulated, seen)


# ---- what is printed ----


def fold_line(fold: Fold, staged: Sequence[StagedNight]) -> str:
    start = f"fold {fold.run.fold:2d}  {fold.format}, pass {fold.best.pass_number}, step {fold.best.global_step}"
    if not staged:
        return f"{start}  no test night here"
    scores = metrics.pooled(night.scored for night in staged)
    return (
        f"{start}  {len(staged)} nights  {scores.n_epochs} epochs  "
        f"accuracy {100 * scores.accuracy:.1f} %  macro-F1 {100 * scores.macro_f1:.1f} %"
    )


def report(staged: Sequence[StagedNight], dataset: Dataset) -> None:
    """Print the scores over all folds."""
    scored = [night.scored for night in staged]
    intervals = limits(scored)
    log.info("\n%s\n\n%s", coverage(staged, dataset), metrics.report(metrics.pooled(scored), intervals))
    if intervals is None:
        log.info("\nno intervals: the bootstrap draws subjects, and there is only one")


def coverage(staged: Sequence[StagedNight], dataset: Dataset) -> str:
    scored = [night.scored for night in staged]
    n_folds, n_subjects = (len({getattr(night, name) for night in scored}) for name in ("fold", "subject"))
    n_simulated, n_seen = sum(night.simulated for night in staged), sum(night.seen for night in staged)
    return (
        f"{dataset.name}: {n_folds} of {dataset.n_folds} folds, {n_subjects} of {len(dataset.subjects)} subjects, "
        f"{len(staged)} nights{f', {n_simulated} SIMULATED' if n_simulated else ''}"
        f"{f', {n_seen} of subjects SEEN IN TRAINING' if n_seen else ''}"
    )


def limits(scored: Sequence[ScoredNight]) -> dict[str, metrics.Interval] | None:
    return metrics.intervals(metrics.by_subject(scored), seed=BOOTSTRAP_SEED)


def recording_lines(staged: StagedRecording, n_folds: int) -> Iterator[str]:
    """Yield what is printed of a scored recording."""
    from export import agreement_of

    counts = ", ".join(f"{name} {np.count_nonzero(staged.stages == code)}" for code, name in enumerate(STAGE_NAMES))
    channels = " + ".join(f"{channel.label} ({channel.rate:g} Hz)" for channel in staged.channels)
    left_out = "" if len(staged.folds) == n_folds else f", folds {', '.join(map(str, staged.folds))} (others saw it)"
    yield f"{staged.name}: {channels}, {len(staged)} epochs ({counts}){left_out}"
    agreement = agreement_of(staged)
    if agreement and staged.expert_file:
        kappa = metrics.number(agreement.kappa, 0, 3)
        figures = f"accuracy {100 * agreement.accuracy:.1f} %, macro-F1 {100 * agreement.macro_f1:.1f} %, kappa {kappa}"
        yield f"    expert {staged.expert_file.name}: {agreement.n_epochs} epochs, {figures}"
    yield from (f"    warning: {warning}" for warning in staged.warnings)
    yield from (f"    note: {notice}" for notice in staged.notices)
    runs = doubtful_runs(staged)
    if runs:
        shown = ", ".join(f"{staged.clock(run.first)} ({run.n_epochs} epochs)" for run in runs[:5])
        more = f" and {len(runs) - 5} more in the summary" if len(runs) > 5 else ""
        yield f"    worth a look, low confidence: {shown}{more}"


def report_recordings(outcomes: Sequence[Outcome], output_dir: Path, reported: bool) -> None:
    """Print the closing table, and what failed and why."""
    from export import statistics_of

    log.info("")
    log.info("%-28s %7s %7s %7s %7s %7s  %s", "recording", "hours", "TST min", "SE %", "REM min", "unsure", "warnings")
    for outcome in outcomes:
        staged = outcome.staged
        if staged is None:
            log.info("%-28s failed: %s", outcome.path.name, outcome.error)
            continue
        statistics = statistics_of(staged) or {}
        values = (statistics.get(name) for name in ("TST_min", "SE_percent", "REM_min"))
        cells = (metrics.number(math.nan if value is None else value, 7) for value in values)
        unsure = f"{100 * staged.unsure.mean():5.1f} %"
        hours = len(staged) * EPOCH_SECONDS / 3600
        log.info("%-28s %7.1f %s %s  %d", staged.name, hours, " ".join(cells), unsure, len(staged.warnings))
    simulated = sum(outcome.staged is not None and outcome.staged.simulated for outcome in outcomes)
    if simulated:
        log.info("%d SIMULATED: good for trying things out, not for results", simulated)
    log.info("written to %s: _stages.csv, _stages.edf, _summary.json, _hypnogram.png and .svg of each", output_dir)
    if reported:
        log.info("report over all: %s", output_dir / "report.html")


# ---- what is written ----


def write_all(folder: Path, staged: Sequence[StagedNight], folds: Sequence[Fold], dataset: Dataset) -> None:
    """Write metrics.json, nights.csv, epochs.csv, confusion.png and a hypnogram a night."""
    import plots

    scored = [night.scored for night in staged]
    scores = metrics.pooled(scored)
    checkpoint.save_json(folder / "metrics.json", summary(staged, folds, dataset))
    write_table(folder / "nights.csv", metrics.night_table(scored).round(4))
    write_table(folder / "epochs.csv", epoch_table(staged))
    title = coverage(staged, dataset).replace(", ", "\n", 1)  # one line would be wider than the picture
    plots.confusion_picture(folder / "confusion.png", scores.confusion, title)
    pictures = writable_folder(folder / "hypnograms")
    for night in tqdm(staged, desc="pictures", unit="night", leave=False, disable=None):
        plots.hypnogram_picture(
            pictures / f"{night.scored.night}.png", night.expert, night.model, night.probabilities, night_title(night)
        )
    log.info("\nwritten to %s: metrics.json, nights.csv, epochs.csv", folder)
    log.info("pictures: %s and %d in %s", folder / "confusion.png", len(staged), pictures)


def summary(staged: Sequence[StagedNight], folds: Sequence[Fold], dataset: Dataset) -> dict[str, Any]:
    """Return everything that is printed, as JSON-ready values."""
    scored = [night.scored for night in staged]
    checkpoints = [
        {
            "fold": fold.run.fold,
            "folder": str(fold.folder),
            "format": fold.format,
            "pass_number": fold.best.pass_number,
            "global_step": fold.best.global_step,
            "channels": fold.run.channels,
        }
        for fold in folds
    ]
    return {
        "db": dataset.name,
        "folds": f"{len({night.fold for night in scored})} of {dataset.n_folds}",
        "nights": len(staged),
        "simulated_nights": sum(night.simulated for night in staged),
        "seen_nights": [night.scored.night for night in staged if night.seen],
        "checkpoints": checkpoints,
        "pooled": metrics.as_json(metrics.pooled(scored), limits(scored)),
        "by_fold": {
            fold.run.fold: metrics.as_json(metrics.pooled(mine))
            for fold in folds
            if (mine := [night for night in scored if night.fold == fold.run.fold])
        },
        "versions": checkpoint.library_versions(),
    }


def epoch_table(staged: Sequence[StagedNight]) -> pd.DataFrame:
    """Return one row an epoch: where it is, its start in the prepared night in seconds, stages, probabilities."""
    import pandas as pd

    def rows(night: StagedNight) -> pd.DataFrame:
        names = np.array(STAGE_NAMES)
        epochs = np.arange(len(night.expert))
        where = {"night": night.scored.night, "subject": night.scored.subject, "fold": night.scored.fold}
        stages = {
            "epoch": epochs,
            "onset_s": epochs * EPOCH_SECONDS,
            "expert": names[night.expert],
            "model": names[night.model],
        }
        probabilities = {f"p_{name}": night.probabilities[:, code].round(4) for code, name in enumerate(STAGE_NAMES)}
        return pd.DataFrame({**where, **stages, **probabilities})

    return pd.concat([rows(night) for night in staged], ignore_index=True)


def write_table(path: Path, table: pd.DataFrame) -> None:
    with written_whole(path) as partial:
        table.to_csv(partial, index=False)


def night_title(night: StagedNight) -> str:
    scores = night.scored.scores
    name = f"{night.scored.night}{' (SIMULATED)' if night.simulated else ''}"
    return f"{name}: accuracy {100 * scores.accuracy:.1f} %, kappa {scores.kappa:.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
