"""Score recordings with saved checkpoints, or the checkpoints on the test nights of their folds.

python predict.py night.edf
python predict.py ./nights "more/*.edf" other.vhdr --channel "EEG Fpz-Cz" --dir ./output --db sleepedf
python predict.py --table nights.csv --report
python predict.py night.edf --list_channels

python predict.py --dir ./pretrained_model
python predict.py --dir ./output --db sleepedf --output_dir ./scores
python predict.py --dir ./pretrained_model --weights sleepedf --db isruc --output_dir ./scores
"""

from __future__ import annotations

import argparse
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

import config
import engine
from command import (
    InputError,
    as_text,
    command,
    duration_in_words,
    log,
    log_to_terminal,
    new_parser,
)
from engine.device import choose_device, start_tensorflow
from engine.rooms import Workers
from files.folders import PROGRAM_FOLDER, existing_folder, writable_folder
from folds.checkpoint import Fold, load_folds
from folds.families import told_apart
from folds.folders import dataset_of_folds, datasets_in, find_folds
from folds.split import prepared_nights
from recordings.dataset_file import find_dataset
from recordings.datasets import DATASETS, Dataset
from recordings.hypnograms.options import add_reading_options, reading_of
from recordings.opening import checked_unit, open_recording
from reviewing.outputs import discarded_review, kept_review, write_report_again
from scoring.formats import WRITERS, parse_formats
from scoring.jobs import Job, PlannedJob, jobs_in, not_there, plan_job
from scoring.lights import parse_lights
from scoring.many import Checkpoints, Outcome, Output, score_one, score_several
from scoring.networks import check_fits_recordings
from scoring.night_table import Row, add_rows, earlier_rows, failed_row, night_row
from scoring.other_nights import differences, stage_other_nights, with_experts
from scoring.printed import print_left_out, print_outcomes, print_scorer, print_scores, print_written, recording_lines
from scoring.progress import shown
from scoring.request import Request
from scoring.scorer import DEFAULT_DB, Scorer
from scoring.test_nights import coverage, stage_folds

FOR_RECORDINGS = (
    *("list_channels", "channel", "fold", "hypnogram", "lights_off", "lights_on", "n_jobs", "engine", "address"),
    *("report", "svg", "format", "discard_review", "unit"),
)
FOR_HYPNOGRAMS = ("stage_map", "epoch_seconds", "columns")
FOR_TEST_NIGHTS = ("data_dir", "skip_missing")
SCORED_DIR = "./scored"


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("recordings", nargs="*", metavar="RECORDING", help="file, folder or pattern; none: the test nights")
    add(
        "--db",
        "--dataset",
        nargs="+",
        default=(),
        help=f"{', '.join(DATASETS)}, or your own (default {DEFAULT_DB}; or what is there); "
        "recordings: several, for their mean",
    )
    add(
        "--dir",
        nargs="+",
        default=[config.PRETRAINED_DIR],
        help=f"holds <db>/<fold>/ (default {config.PRETRAINED_DIR})",
    )
    add("--weights", metavar="DB", help="score the nights of --db with the folds of this other data set")
    add("--suffix", help="score with the folds of <db>_<suffix>, as given to trainer.py")
    add(
        "--gpu",
        type=engine.gpus_in,
        default=(0,),
        help="GPU number, or one for each job as in 0,1; -1, or no GPU in the machine: CPU (default 0)",
    )
    add("--output_dir", help=f"gets what is written (default {SCORED_DIR} for recordings, none for test nights)")
    nights = parser.add_argument_group("test nights")
    nights.add_argument("--data_dir", help=f"holds <db>/*.npz (default {config.DATA_DIR})")
    nights.add_argument("--skip_missing", action="store_true", help="go on without the subjects that have no night")
    add_options_of_recordings(parser.add_argument_group("recordings"))
    return parser


def add_options_of_recordings(recordings: argparse._ArgumentGroup) -> None:
    """Give the parser the options that test nights do not have."""
    add = recordings.add_argument
    add("--table", metavar="FILE", help="instead of RECORDING: CSV of recording, hypnogram, channel, lights_off, …")
    add("--list_channels", action="store_true", help="only list the channels of each recording")
    add(
        "--channel", action="append", metavar="NAME", help="score this channel, or A-B; several: their mean probability"
    )
    add("--unit", metavar="U", help="of signals whose own unit is not known: uV, mV, V or nV")
    add("--fold", type=int, metavar="K", help="score with this fold only (default: the mean of all folds)")
    add(
        "--hypnogram",
        metavar="FILE",
        help="the expert's, of any kind (default: one beside the recording, if named so)",
    )
    add_reading_options(recordings)
    add("--lights_off", metavar="TIME", help="clock time HH:MM[:SS], or seconds; statistics start here")
    add("--lights_on", metavar="TIME", help="clock time HH:MM[:SS], or seconds; statistics end here")
    add("--report", action="store_true", help="also write report.html over all recordings")
    add("--svg", action="store_true", help="also write each picture as a drawing, to edit or to print")
    add("--format", action="append", metavar="FORMAT", help=f"also write {', '.join(WRITERS)}; several times: each")
    add("--discard_review", action="store_true", help="do not keep what a human made of these nights in review.py")
    engine.add_options(recordings, "recordings")


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    options.dir, options.db, recordings = told_apart(options.dir, options.db, options.suffix)
    options.recordings = [*options.recordings, *recordings]
    check_options(options)
    if not (options.recordings or options.table):
        return score_other_nights(options) if options.weights else score_test_nights(options)
    return list_channels(options) if options.list_channels else score_recordings(options)


def check_options(options: argparse.Namespace) -> None:
    """Raise InputError for an option that the command would not read."""
    if options.recordings and options.table:
        raise InputError(f"--table {options.table} says which recordings there are; leave out {options.recordings[0]}")
    of_recordings = bool(options.recordings or options.table)
    if len(options.gpu) > 1 and not of_recordings:
        raise InputError("--gpu: test nights are scored on one GPU")
    for name in FOR_TEST_NIGHTS if of_recordings else (*FOR_RECORDINGS, *FOR_HYPNOGRAMS):
        if getattr(options, name) not in (None, False):
            what = "the test nights, not of recordings" if of_recordings else "recordings: name at least one"
            raise InputError(f"--{name} is an option of {what}")
    if of_recordings:
        if options.weights and options.db not in ((), (options.weights,)):
            raise InputError("--db and --weights both choose whose folds score recordings; give one of them")
        options.families = (options.weights,) if options.weights else options.db
    else:
        for name, given in (("db", options.db), ("dir", options.dir)):
            if len(given) > 1:
                raise InputError(
                    f"--{name} {' '.join(given)}: test nights are scored with one; name recordings, or one"
                )
        options.dir, options.db = options.dir[0], options.db[0] if options.db else None


# ---- test nights ----


def score_test_nights(options: argparse.Namespace) -> int:
    """Score the test nights of every fold there is, print the scores, and write them if that is asked for.

    Returns:
        1 if a night had to be left out, else 0.
    """
    choose_device(options.gpu[0])
    root = existing_folder(options.dir, "checkpoints")
    dataset = dataset_to_test(root, options)
    folds = load_folds(find_folds(root, dataset, options.suffix), dataset)
    data_dir = existing_folder(Path(options.data_dir or config.DATA_DIR) / dataset.name, "prepared nights")
    subjects = [subject for fold in folds for subject in fold.run.subjects["test"]]
    nights = prepared_nights(dataset, data_dir, subjects, options.skip_missing)
    output_dir = writable_folder(options.output_dir) if options.output_dir else None
    log.info("computing on %s", start_tensorflow(options.gpu[0]))
    tested, left_out = stage_folds(folds, nights)
    print_scores(tested, coverage(tested, dataset, left_out))
    print_left_out(len(tested), left_out)
    if output_dir:
        from scoring.test_night_files import write_test_nights

        write_test_nights(output_dir, tested, folds, dataset, left_out)
        print_written(output_dir, len(tested))
    return int(bool(left_out))


def score_other_nights(options: argparse.Namespace) -> int:
    """Score all nights of one data set with the folds of another, print the scores and what is different, write both.

    Returns:
        1 if a night had to be left out, else 0.

    Raises:
        InputError: there are no such folds or nights, or no night could be compared with its expert.
    """
    if not options.db:
        raise InputError("--weights says whose folds score, and --db whose nights; give --db too")
    root, data_dir = existing_folder(options.dir, "checkpoints"), Path(options.data_dir or config.DATA_DIR)
    dataset, weights = find_dataset(options.db, data_dir), dataset_of_folds(root, options.weights, options.suffix)
    folds = load_folds(find_folds(root, weights, options.suffix), weights)
    for fold in folds:
        check_fits_recordings(fold)
    folder = existing_folder(data_dir / dataset.name, "prepared nights")
    nights = prepared_nights(dataset, folder, dataset.subjects, options.skip_missing)
    output_dir = writable_folder(options.output_dir) if options.output_dir else None
    log.info("computing on %s", start_tensorflow(options.gpu[0]))
    staged, left_out = stage_other_nights(folds, nights)
    different, tested = differences(staged, folds), with_experts(staged, dataset)
    if not tested:
        raise InputError(f"no night of {dataset.name} could be scored: {staged[0].reason}")
    for said in different:
        log.info("%s", said)
    print_scores(tested, coverage(tested, dataset, left_out, weights))
    print_left_out(len(tested), left_out)
    if output_dir:
        from scoring.test_night_files import write_test_nights

        write_test_nights(output_dir, tested, folds, dataset, left_out, weights, different)
        print_written(output_dir, len(tested))
    return int(bool(left_out))


def dataset_to_test(root: Path, options: argparse.Namespace) -> Dataset:
    """Return the data set asked for, or the default; without checkpoints of it, the one that has them and nights.

    Raises:
        InputError: there is no such data set, or nothing to score; the message says what to do.
    """
    there, data_dir = datasets_in(root, options.suffix), Path(options.data_dir or config.DATA_DIR)
    if options.db or DEFAULT_DB in there or not there:
        return find_dataset(options.db or DEFAULT_DB, data_dir)
    with_nights = [name for name in there if has_nights(data_dir / name)]
    if len(with_nights) == 1:
        log.info("no checkpoints of %s in %s: scoring those of %s", DEFAULT_DB, root, with_nights[0])
        return find_dataset(with_nights[0], data_dir)
    if with_nights:
        raise InputError(f"{root} holds checkpoints of {', '.join(there)}; choose one with --db")
    script = DATASETS[there[0]].prepared_with if there[0] in DATASETS else f"prepare.py --db {there[0]}"
    prepare = f"python {script}"
    raise InputError(
        f"{root} holds checkpoints of {', '.join(there)}, and {data_dir} has no prepared nights to test them on\n"
        f"score a recording: python predict.py night.edf; or prepare test nights: {prepare}"
    )


def has_nights(folder: Path) -> bool:
    """Tell whether a folder, in the working directory or else beside the program, holds prepared nights."""
    place = folder if folder.is_dir() else PROGRAM_FOLDER / folder
    return next(place.glob("*.npz"), None) is not None


# ---- recordings ----


def list_channels(options: argparse.Namespace) -> int:
    """Print the channels of each recording; return 1 when one of several cannot be read."""
    failed = 0
    jobs = jobs_in(options.recordings, options.table, Request())
    for path in (job.path for job in jobs):
        try:
            opened = open_recording(path)
        except InputError as error:
            if len(jobs) == 1:
                raise
            log.info("%s", error)
            failed = 1
            continue
        start = f", starts {opened.start:%Y-%m-%d %H:%M:%S}" if opened.start else ""
        log.info("%s: %s, %s%s", path, opened.format, duration_in_words(opened.seconds), start)
        for header in opened.headers:
            log.info("    %-24s %6g Hz  %s", header.label or "(no name)", header.rate, header.unit or "no unit")
    return failed


def score_recordings(options: argparse.Namespace) -> int:
    """Stage every recording, write its files, and return 1 when one of several failed."""
    workers, formats = engine.workers_of(options, options.gpu), parse_formats(options.format or ())
    jobs = jobs_in(options.recordings, options.table, request_of(options))
    alone = len(jobs) == 1
    outcomes = {job: failure(job, why, alone) for job, why in not_there(jobs)}
    scorer = Scorer(options.dir, options.families, suffix=options.suffix, fold=options.fold, gpu=options.gpu[0])
    planned = plans_of(jobs, scorer.folds, outcomes)
    review = discarded_review if options.discard_review else kept_review
    output = Output(writable_folder(options.output_dir or SCORED_DIR), options.svg, formats, review)
    earlier_rows(output.folder)  # it refuses another table before anything is scored
    try:
        with closing(scored(planned, scorer, output, workers, options)) as done:
            add_outcomes(outcomes, done, planned, len(scorer.folds), alone)
    finally:  # an interruption leaves the table of those that were scored
        in_order = [outcomes[job] for job in jobs if job in outcomes]
        if in_order:
            add_rows(output.folder, [row_of(outcome) for outcome in in_order])
    report = write_the_report(output.folder, in_order, options.report)
    print_outcomes(in_order, output, report)
    return int(any(outcome.error for outcome in in_order))


def request_of(options: argparse.Namespace) -> Request:
    """Return what is asked for of all recordings."""
    return Request(
        tuple(options.channel or ()),
        Path(options.hypnogram) if options.hypnogram else None,
        parse_lights(options.lights_off, "--lights_off"),
        parse_lights(options.lights_on, "--lights_on"),
        reading_of(options),
        unit=checked_unit(options.unit or ""),
    )


def failure(job: Job, why: str, alone: bool) -> Outcome:
    """Say at once why a recording cannot be scored; raise InputError if it is the only one."""
    if alone:
        raise InputError(why)
    log.info("failed: %s", why)
    return Outcome(job, None, as_text(why))


def plans_of(jobs: Sequence[Job], folds: Sequence[Fold], outcomes: dict[Job, Outcome]) -> list[PlannedJob]:
    """Return the recordings that can be scored, as far as is seen without a network, and how they are.

    The others are added to `outcomes`. TensorFlow is not imported yet.
    """
    planned: list[PlannedJob] = []
    with logging_redirect_tqdm([log]):
        for job in tqdm(jobs, desc="checking", unit="recording", leave=False, disable=None if len(jobs) > 1 else True):
            if job in outcomes:
                continue
            try:
                planned.append(plan_job(job, folds, keep_open=len(jobs) == 1))
            except InputError as error:
                outcomes[job] = failure(job, str(error), len(jobs) == 1)
    return planned


def scored(
    jobs: Sequence[PlannedJob], scorer: Scorer, output: Output, workers: Workers, options: argparse.Namespace
) -> Generator[Outcome, None, None]:
    """Yield what became of each recording: one after the other in this process, or several at a time."""
    if not jobs:
        return
    workers = workers.of(len(jobs))
    if not workers.several:
        print_scorer(scorer, options.db, options.dir, scorer.device)
        yield from (score_one(job, scorer, output) for job in jobs)
        return
    print_scorer(scorer, options.db, options.dir, workers.in_words())
    checkpoints = Checkpoints(options.dir, options.families, options.suffix, options.fold)
    yield from score_several(jobs, checkpoints, output, workers)


def add_outcomes(
    outcomes: dict[Job, Outcome], done: Iterable[Outcome], planned: Sequence[PlannedJob], n_folds: int, alone: bool
) -> None:
    """Collect what became of recordings as they are done, and show it."""
    with shown(planned, [job.seconds for job in planned]) as ready:
        for _, outcome in zip(ready, done, strict=True):
            print_outcome(outcome, n_folds, alone)
            outcomes[outcome.job] = outcome


def print_outcome(outcome: Outcome, n_folds: int, alone: bool) -> None:
    """Print what became of one recording; raise InputError if it failed and is the only one."""
    if outcome.night is None:
        failure(outcome.job, outcome.error, alone)
        return
    for line in recording_lines(outcome.night, n_folds):
        log.info("%s", line)


def row_of(outcome: Outcome) -> Row:
    """Return a recording's row of nights.csv."""
    job, night = outcome.job, outcome.night
    return night_row(job.found, night) if night else failed_row(job.found, job.name, outcome.error)


def write_the_report(folder: Path, outcomes: Sequence[Outcome], wanted: bool) -> Path | None:
    """Write report.html, and return its path; None where nothing was scored, or nobody asks for it.

    One that is there already is written again, over all recordings of the folder: it must not say what the other files
    say no more.
    """
    scored = [outcome.night for outcome in outcomes if outcome.night]
    if not scored:
        return None
    if not wanted:
        return next(iter(write_report_again(folder, scored)), None)
    from scoring.report import write_report

    path = folder / "report.html"
    write_report(path, scored, {outcome.job.shown: outcome.error for outcome in outcomes if outcome.error})
    return path


if __name__ == "__main__":
    raise SystemExit(main())
