"""Stage a stream as it comes: an epoch a line, at most a second after its end.

python live.py --lsl                               the only LSL stream of type EEG
python live.py --lsl "my amplifier" --channel C3-A2 --lsl_out stages
python live.py --follow recording.edf              an EDF or BDF file that is still being written
python live.py --follow recording.edf --no_wait    the same as far as it is there now
some-driver | python live.py --stdin --sampling_rate 256

Ctrl-C ends it. The same command goes on in the same files.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import config
from command import InputError, command, log, log_to_terminal, new_parser
from files.folders import writable_folder
from files.limits import RATES
from folds.families import in_words
from scoring.scorer import DEFAULT_DB, Scorer
from scoring.staged import time_of
from sleepstage import EPOCH_SECONDS, STAGE_NAMES
from streaming.feed import Feed
from streaming.growing import follow
from streaming.lsl import Send, marker_stream, open_lsl, pylsl
from streaming.session import Session, begin
from streaming.staging import LiveEpoch, check_fits_streams
from streaming.standard_input import DECODERS, open_standard_input

OUTPUT_DIR = "./scored"


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    source = parser.add_argument_group("the stream, one of these").add_mutually_exclusive_group(required=True)
    source.add_argument("--lsl", nargs="?", const="", metavar="NAME", help="an LSL stream; no NAME: that of type EEG")
    source.add_argument("--follow", metavar="FILE", help="an EDF or BDF file that is still being written")
    forms = " or ".join(DECODERS)
    source.add_argument("--stdin", nargs="?", const="text", metavar="FORM", help=f"samples in µV: {forms}")
    add = parser.add_argument
    add("--sampling_rate", type=float, metavar="HZ", help="of the samples on standard input")
    add("--no_wait", action="store_true", help="the end of the file, as it is now, is the end")
    add("--give_up", type=float, metavar="SECONDS", help="end when nothing has come for so long (default: never)")
    add(
        "--channel", action="append", metavar="NAME", help="stage this channel, or A-B; several: their mean probability"
    )
    add("--amplitude", type=float, metavar="UV", help="of an earlier night: amplitude_uv in its _summary.json")
    add("--name", help="what the files are called (default: as the stream or the file)")
    add("--lsl_out", metavar="NAME", help="also send each stage as a marker of this LSL stream")
    weights = parser.add_argument_group("weights, as for predict.py")
    add = weights.add_argument
    add("--db", "--dataset", help=f"whose folds stage (default {DEFAULT_DB}; or what is there)")
    add("--dir", default=config.PRETRAINED_DIR, help="holds <db>/<fold>/ (default %(default)s)")
    add("--suffix", help="stage with the folds of <db>_<suffix>")
    add("--fold", type=int, metavar="K", help="stage with this fold only (default: the mean of all folds)")
    add("--gpu", type=int, default=0, help="GPU number; -1, or no GPU in the machine: CPU (default 0)")
    parser.add_argument("--output_dir", default=OUTPUT_DIR, help="gets the table (default %(default)s)")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    check_options(options)
    scorer = Scorer(options.dir, options.db, suffix=options.suffix, fold=options.fold, gpu=options.gpu)
    for fold in scorer.folds:
        check_fits_streams(fold)
    folder = writable_folder(options.output_dir)
    send = marker_stream(options.lsl_out) if options.lsl_out else None
    feed = open_feed(options)
    place = str(Path(options.follow).resolve()) if options.follow else feed.place
    session = begin(feed, scorer.folds, folder, place, options.channel or (), options.amplitude)
    log.info("%s", session.opening_words())
    for warning in session.warnings:
        log.info("warning: %s", warning)
    log.info("%s, computing on %s", in_words(scorer.folds), scorer.device)
    session.stager.compile()
    try:
        run(session, options.give_up, send)
    finally:
        log.info("%s", session.closing_words())
    return 0


def check_options(options: argparse.Namespace) -> None:
    """Raise InputError for an option that cannot be, or that would not be read."""
    if options.stdin and options.stdin not in DECODERS:
        raise InputError(f"--stdin {options.stdin}: there are {', '.join(DECODERS)}")
    if bool(options.stdin) != (options.sampling_rate is not None):
        raise InputError("--stdin and --sampling_rate HZ go together: give both or none")
    if options.stdin and not RATES[0] <= options.sampling_rate <= RATES[1]:
        raise InputError(f"--sampling_rate {options.sampling_rate:g}: it must be {RATES[0]:g} to {RATES[1]:g} Hz")
    if options.no_wait and not options.follow:
        raise InputError("--no_wait is an option of --follow")
    if options.stdin and len(options.channel or ()) > 1:
        raise InputError("standard input is one channel; give --channel once, to say what it is")
    for name in ("amplitude", "give_up"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            raise InputError(f"--{name} {value:g}: it must be above 0")
    if options.name is not None and (options.name != Path(options.name).name or not options.name):
        raise InputError(f"--name {options.name}: it must be a name without a folder")
    if options.lsl is not None or options.lsl_out:
        pylsl()  # not installed: said before anything else starts


def open_feed(options: argparse.Namespace) -> Feed:
    """Open the stream that is asked for; one that is not there yet is waited for."""
    if options.follow:
        feed = follow(Path(options.follow), not options.no_wait)
    elif options.stdin:
        feed = open_standard_input(options.sampling_rate, options.stdin, (options.channel or [""])[0])
    else:
        feed = open_lsl(options.lsl or None, options.give_up)
    return replace(feed, name=options.name) if options.name else feed


def run(session: Session, give_up: float | None, send: Send | None) -> None:
    """Stage the epochs of a stream until it ends: print each, write it, and send it."""
    log.info("%s", heading())
    for cut in session.cuts(give_up):
        epoch = session.stager.stage(cut)
        if session.table.add(session.feed.title, session.start, epoch):
            log.info("%s", line_of(session, epoch))
            session.counts[epoch.stage_name] += 1
            if send:
                send(epoch.stage_name, session.lsl_time(epoch))
        session.table.remember(replace(session.about, next_epoch=epoch.number + 1), session.stager.kept())
        say_changed_reasons(session, epoch)


def say_changed_reasons(session: Session, epoch: LiveEpoch) -> None:
    """Say when a channel cannot be staged any more, and when it can again."""
    for channel, before, now in zip(session.channels, session.reasons, epoch.reasons, strict=True):
        if now and now != before:
            log.info("warning: %s: not staged: %s", channel.label, now)
        elif before and not now and epoch.faults == ():
            log.info("note: %s: staged again", channel.label)
    session.reasons = epoch.reasons


def heading() -> str:
    return f"{'epoch':>6}  {'time':<9} stage  " + " ".join(f"{name:>4}" for name in STAGE_NAMES)


def line_of(session: Session, epoch: LiveEpoch) -> str:
    """Return an epoch's line: number, time, stage, probabilities, what is wrong with it."""
    at = time_of(session.start, epoch.number * EPOCH_SECONDS)
    known = epoch.stage_name != "?"
    shown = " ".join(f"{p:4.2f}" if known else "   –" for p in epoch.probabilities)
    return f"{epoch.number:6d}  {at:<9} {epoch.stage_name:<5}  {shown}  {epoch.flags}".rstrip()


if __name__ == "__main__":
    raise SystemExit(main())
