"""Score recordings with saved checkpoints, or the checkpoints on the test nights of their folds.

python predict.py night.edf
python predict.py nights/*.edf other.vhdr --channel "EEG Fpz-Cz" --dir ./output --db sleepedf
python predict.py night.edf --list_channels

python predict.py --dir ./pretrained_model
python predict.py --dir ./output --db sleepedf --output_dir ./scores
python predict.py --dir ./pretrained_model --weights sleepedf --db isruc --output_dir ./scores
"""

from __future__ import annotations

import argparse
import math
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

import config
from command import InputError, command, duration_in_words, log, log_to_terminal, new_parser
from device import choose_device, start_tensorflow
from files import PROGRAM_FOLDER, existing_folder, writable_folder
from folds.checkpoint import load_folds
from folds.folders import datasets_in, find_folds
from folds.split import prepared_nights
from recordings.datasets import DATASETS, Dataset, dataset_named
from recordings.epochs import same_signals
from recordings.opening import open_recording, opener_of
from scoring import metrics
from scoring.lights import parse_lights
from scoring.other_nights import differences, stage_other_nights, with_experts
from scoring.recording_files import write_recording
from scoring.scorer import DEFAULT_DB, ScoredNight, Scorer
from scoring.staging import Request, check_fits_recordings
from scoring.test_nights import TestNight, confidence_of, coverage, intervals, pooled, stage_folds
from sleepstage import EPOCH_SECONDS

FOR_RECORDINGS = ("list_channels", "channel", "fold", "hypnogram", "lights_off", "lights_on", "report", "svg")
FOR_TEST_NIGHTS = ("data_dir", "skip_missing")
SCORED_DIR = "./scored"
SHOWN_DOUBTS = 5  # runs of unsure epochs; the summary has all


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("recordings", nargs="*", metavar="RECORDING", help=".edf .rec .bdf .vhdr .set .fif .npz; none: the test nights")
    add("--db", "--dataset", help=f"{', '.join(DATASETS)} (default {DEFAULT_DB}; where it is not there: what is)")
    add("--dir", default=config.PRETRAINED_DIR, help="holds <db>/<fold>/ (default %(default)s)")
    add("--weights", metavar="DB", help="score the nights of --db with the folds of this other data set")
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
    add("--svg", action="store_true", help="also write each picture as a drawing, to edit or to print")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    check_options(options)
    if not options.recordings:
        score_other_nights(options) if options.weights else score_test_nights(options)
        return 0
    paths = [Path(name) for name in options.recordings]
    return list_channels(paths) if options.list_channels else score_recordings(paths, options)


def check_options(options: argparse.Namespace) -> None:
    """Raise InputError for an option that the command would not read."""
    of_others = FOR_TEST_NIGHTS if options.recordings else FOR_RECORDINGS
    for name in of_others:
        if getattr(options, name) not in (None, False):
            what = "the test nights, not of recordings" if options.recordings else "recordings: name at least one"
            raise InputError(f"--{name} is an option of {what}")
    if options.recordings and options.weights and options.db not in (None, options.weights):
        raise InputError("--db and --weights both choose whose folds score recordings; give one of them")


# ---- test nights ----


def score_test_nights(options: argparse.Namespace) -> None:
    """Score the test nights of every fold there is, print the scores, and write them if that is asked for."""
    choose_device(options.gpu)
    root = existing_folder(options.dir, "checkpoints")
    dataset = dataset_to_test(root, options)
    folds = load_folds(find_folds(root, dataset, options.suffix), dataset)
    data_dir = existing_folder(Path(options.data_dir or config.DATA_DIR) / dataset.name, "prepared nights")
    subjects = [subject for fold in folds for subject in fold.run.subjects["test"]]
    nights = prepared_nights(dataset, data_dir, subjects, options.skip_missing)
    output_dir = writable_folder(options.output_dir) if options.output_dir else None
    log.info("computing on %s", start_tensorflow(options.gpu))
    tested = stage_folds(folds, nights)
    print_scores(tested, coverage(tested, dataset))
    if output_dir:
        from scoring.test_night_files import write_test_nights

        write_test_nights(output_dir, tested, folds, dataset)
        print_written(output_dir, len(tested))


def score_other_nights(options: argparse.Namespace) -> None:
    """Score all nights of one data set with the folds of another, print the scores and what is different, write both.

    Raises:
        InputError: there are no such folds or nights, or no night could be compared with its expert.
    """
    if not options.db:
        raise InputError("--weights says whose folds score, and --db whose nights; give --db too")
    dataset, weights = dataset_named(options.db), dataset_named(options.weights)
    root = existing_folder(options.dir, "checkpoints")
    folds = load_folds(find_folds(root, weights, options.suffix), weights)
    for fold in folds:
        check_fits_recordings(fold)
    data_dir = existing_folder(Path(options.data_dir or config.DATA_DIR) / dataset.name, "prepared nights")
    nights = prepared_nights(dataset, data_dir, dataset.subjects, options.skip_missing)
    output_dir = writable_folder(options.output_dir) if options.output_dir else None
    log.info("computing on %s", start_tensorflow(options.gpu))
    staged = stage_other_nights(folds, nights)
    different, tested = differences(staged, folds), with_experts(staged, dataset)
    if not tested:
        raise InputError(f"no night of {dataset.name} could be scored: {staged[0].reason}")
    for said in different:
        log.info("%s", said)
    print_scores(tested, coverage(tested, dataset, weights))
    if output_dir:
        from scoring.test_night_files import write_test_nights

        write_test_nights(output_dir, tested, folds, dataset, weights, different)
        print_written(output_dir, len(tested))


def print_written(output_dir: Path, n_nights: int) -> None:
    log.info("\nwritten to %s: metrics.json, nights.csv, epochs.csv", output_dir)
    log.info("pictures: %s and %d in %s", output_dir / "confusion.png", n_nights, output_dir / "hypnograms")
    log.info("tables and figures for a paper: python evaluate.py %s", output_dir)


def dataset_to_test(root: Path, options: argparse.Namespace) -> Dataset:
    """Return the data set asked for, or the default; without checkpoints of it, the one that has them and nights.

    Raises:
        InputError: there is no such data set, or nothing to score; the message says what to do.
    """
    there = datasets_in(root, options.suffix)
    if options.db or DEFAULT_DB in there or not there:
        return dataset_named(options.db or DEFAULT_DB)
    data_dir = Path(options.data_dir or config.DATA_DIR)
    with_nights = [name for name in there if has_nights(data_dir / name)]
    if len(with_nights) == 1:
        log.info("no checkpoints of %s in %s: scoring those of %s", DEFAULT_DB, root, with_nights[0])
        return dataset_named(with_nights[0])
    if with_nights:
        raise InputError(f"{root} holds checkpoints of {', '.join(there)}; choose one with --db")
    prepare = f"python {DATASETS[there[0]].prepared_with}"
    raise InputError(
        f"{root} holds checkpoints of {', '.join(there)}, and {data_dir} has no prepared nights to test them on\n"
        f"score a recording: python predict.py night.edf; or prepare test nights: {prepare}"
    )


def has_nights(folder: Path) -> bool:
    """Tell whether a folder, in the working directory or else beside the program, holds prepared nights."""
    place = folder if folder.is_dir() else PROGRAM_FOLDER / folder
    return next(place.glob("*.npz"), None) is not None


def print_scores(tested: Sequence[TestNight], covered: str) -> None:
    """Print the scores over all nights, under what they cover."""
    limits = intervals(tested)
    log.info("\n%s\n\n%s", covered, metrics.as_text(pooled(tested), limits))
    log.info("\nconfidence: %s", confidence_of(tested).in_words())
    if limits is None:
        log.info("\nno intervals: the bootstrap draws subjects, and there is only one")


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
        log.info("%s: %s, %s%s", path, opened.format, duration_in_words(opened.seconds), start)
        for header in opened.headers:
            log.info("    %-24s %6g Hz  %s", header.label or "(no name)", header.rate, header.unit or "no unit")
    return failed


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of one recording, by the name it is shown under: its stages, or why there are none."""

    shown: str
    night: ScoredNight | None
    error: str = ""


def score_recordings(paths: Sequence[Path], options: argparse.Namespace) -> int:
    """Stage every recording, write its files, and return 1 when one of several failed."""
    request, names = request_of(paths, options), names_of(paths)
    paths = list(names)
    refused = refused_names(paths)
    alone = len(paths) == 1
    if alone:
        open_recording(paths[0])  # what is wrong with it is found before anything heavy is imported
    scorer = Scorer(
        options.dir, options.weights or options.db, suffix=options.suffix, fold=options.fold, gpu=options.gpu
    )
    output_dir = writable_folder(options.output_dir or SCORED_DIR)
    numbers = ", ".join(str(fold.run.fold) for fold in scorer.folds)
    if len(refused) < len(paths):
        log.info("%s, folds %s, computing on %s", scorer.dataset.name, numbers, scorer.device)
        for words in dict.fromkeys(fold.run.conditioning.in_words() for fold in scorer.folds):
            log.info("signals for these weights: %s", words)
    with logging_redirect_tqdm([log]), tqdm(paths, unit="recording", leave=False, disable=alone or None) as bar:
        outcomes = [
            refused.get(path) or score_recording(path, names[path], scorer, request, output_dir, options.svg, alone)
            for path in bar
        ]
    scored = [outcome.night for outcome in outcomes if outcome.night]
    report = output_dir / "report.html" if options.report and scored else None
    if report:
        from scoring.report import write_report

        write_report(report, scored, {outcome.shown: outcome.error for outcome in outcomes if outcome.error})
    print_outcomes(outcomes, output_dir, report, options.svg)
    return int(any(outcome.error for outcome in outcomes))


def refused_names(paths: Sequence[Path]) -> dict[Path, Outcome]:
    """Return those of several files that are not there or of no known format; a single one is opened instead.

    It takes no time, and a mistyped name is shown before the minutes that the others may take.
    """
    outcomes = {path: named_outcome(path) for path in paths if len(paths) > 1}
    return {path: outcome for path, outcome in outcomes.items() if outcome}


def named_outcome(path: Path) -> Outcome | None:
    """Return the outcome of a file that cannot be a recording, by its name."""
    try:
        opener_of(path)
    except InputError as error:
        log.info("%s: failed: %s", path.name, error)
        return Outcome(path.name, None, str(error))
    return None


def request_of(paths: Sequence[Path], options: argparse.Namespace) -> Request:
    """Check what is asked for of the recordings before anything is read."""
    if options.hypnogram and len(paths) > 1:
        raise InputError(f"--hypnogram belongs to one recording, and there are {len(paths)}; score it alone")
    return Request(
        tuple(options.channel or ()),
        Path(options.hypnogram) if options.hypnogram else None,
        parse_lights(options.lights_off, "--lights_off"),
        parse_lights(options.lights_on, "--lights_on"),
    )


def names_of(paths: Sequence[Path]) -> dict[Path, str]:
    """Return each recording, once, and what its files are called: its own name, and its folder too where two are alike.

    Raises:
        InputError: two in one folder have one name.
    """
    places = [path.parent.resolve() / path.name for path in paths]  # a link keeps its own name
    for place, times in Counter(places).items():
        if times > 1:
            log.info("%s is named %d times: scored once", place.name, times)
    once = dict(reversed(list(zip(places, paths, strict=True))))
    stems = Counter(place.stem.casefold() for place in once)  # some disks do not tell Night from night
    alike = [place for place in once if stems[place.stem.casefold()] > 1]
    common = Path(os.path.commonpath([place.parent for place in alike])) if alike else Path()
    names = {
        path: place.relative_to(common).with_suffix("").as_posix() if place in alike else place.stem
        for place, path in reversed(once.items())
    }
    refuse_same_files(names)
    return names


def refuse_same_files(names: Mapping[Path, str]) -> None:
    """Raise InputError when the files of two recordings would have one name."""
    taken: dict[str, Path] = {}
    for path, name in names.items():
        other = taken.setdefault(name.casefold(), path)
        if other != path:
            raise InputError(
                f"{other} and {path} would be written to the same files, {path.stem}_…; "
                "score one of them with another --output_dir"
            )


def score_recording(
    path: Path, name: str, scorer: Scorer, request: Request, output_dir: Path, svg: bool, alone: bool
) -> Outcome:
    """Stage one recording and write its files; a user's error is an outcome, unless it is the only recording."""
    try:
        night = scorer.stage_opened(replace(open_recording(path), name=name), request)
        writable_folder((output_dir / name).parent)
        write_recording(output_dir, night, svg)
    except InputError as error:
        if alone:
            raise
        shown = Path(name).with_name(path.name).as_posix()
        log.info("%s: failed: %s", shown, error)
        return Outcome(shown, None, str(error))
    for line in recording_lines(night, len(scorer.folds)):
        log.info("%s", line)
    return Outcome(name, night)


def recording_lines(night: ScoredNight, n_folds: int) -> Iterator[str]:
    """Yield what is printed of a scored recording."""
    counts = ", ".join(f"{name} {count}" for name, count in night.stage_counts().items())
    channels = " + ".join(f"{channel.label} ({channel.rate:g} Hz)" for channel in night.channels)
    numbers = ", ".join(str(fold.run.fold) for fold in night.folds)
    left_out = "" if len(night.folds) == n_folds else f", folds {numbers} (others saw it)"
    yield f"{night.title}: {channels}, {len(night)} epochs ({counts}){left_out}"
    yield from (f"    {one.label}: {words}" for one in night.channels for words in one.conditioned_in_words())
    if night.agreement and night.expert_file:
        words = metrics.in_words(night.agreement)
        yield f"    expert {night.expert_file.name}: {night.agreement.n_epochs} epochs, {words}"
    yield from (f"    warning: {warning}" for warning in night.warnings)
    yield from (f"    note: {notice}" for notice in night.notices)
    if runs := night.doubtful_runs:
        shown = ", ".join(f"{night.clock(run.first)} ({run.n_epochs} epochs)" for run in runs[:SHOWN_DOUBTS])
        more = f" and {len(runs) - SHOWN_DOUBTS} more in the summary" if len(runs) > SHOWN_DOUBTS else ""
        yield f"    worth a look, low confidence: {shown}{more}"


def print_outcomes(outcomes: Sequence[Outcome], output_dir: Path, report: Path | None, svg: bool) -> None:
    """Print the closing table, and what failed and why."""
    log.info("")
    log.info("%-28s %7s %7s %7s %7s %7s  %s", "recording", "hours", "TST min", "SE %", "REM min", "unsure", "warnings")
    for outcome in outcomes:
        log.info("%s", outcome_line(outcome))
    simulated = sum(outcome.night is not None and outcome.night.simulated for outcome in outcomes)
    if simulated:
        log.info("%d SIMULATED: good for trying things out, not for results", simulated)
    nights = [outcome.night for outcome in outcomes if outcome.night]
    compared = with_experts(outcome.night for outcome in outcomes if outcome.night)
    if len(compared) > 1:
        n_subjects = len({night.subject for night in compared})
        n_seen = sum(night.seen for night in compared)
        seen = f", {n_seen} of subjects SEEN IN TRAINING" if n_seen else ""
        print_scores(compared, f"with an expert: {len(compared)} recordings, {n_subjects} subjects{seen}")
        log.info("tables and figures for a paper: python evaluate.py %s\n", output_dir)
    for said in same_signals((night.name, night.channels[0].content) for night in nights):
        log.info("%s", said)
    pictures = "_hypnogram.png and .svg" if svg else "_hypnogram.png"
    log.info("written to %s: _stages.csv, _stages.edf, _summary.json, %s of each", output_dir, pictures)
    if report:
        log.info("report over all: %s", report)


def outcome_line(outcome: Outcome) -> str:
    """Return a row of the closing table: figures, or why there are none."""
    night = outcome.night
    if night is None:
        return f"{outcome.shown:<28} failed: {outcome.error}"
    if night.reason:
        return f"{night.title:<28} {len(night) * EPOCH_SECONDS / 3600:7.1f} not scored: {night.reason}"
    values = (night.statistics.get(name) for name in ("TST_min", "SE_percent", "REM_min"))
    cells = " ".join(metrics.number(math.nan if value is None else value, 7) for value in values)
    hours, unsure = len(night) * EPOCH_SECONDS / 3600, 100 * night.unsure.mean()
    return f"{night.title:<28} {hours:7.1f} {cells} {unsure:5.1f} %  {len(night.warnings)}"


if __name__ == "__main__":
    raise SystemExit(main())
