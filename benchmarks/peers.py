"""How good the weights are on recordings with an expert's hypnogram, beside YASA and, where it is installed, GSSC.

    python benchmarks/peers.py ./nights --channel C4-M1
    python benchmarks/peers.py night.edf --dir ./output --db mine --json figures.json

Every program gets the same channel and is compared with the expert on the same epochs. YASA (BSD-3) is installed with
requirements-dev.txt. GSSC (AGPL-3) is never installed with this program: `pip install gssc`, if its licence suits you.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
from numpy.typing import NDArray

import config
from command import InputError, command, log, log_to_terminal, new_parser
from files.writing import save_json
from recordings.channels import resolve_channel
from recordings.finding import find_recordings
from recordings.opening import one_channel, open_recording
from scoring import Scorer, metrics
from scoring.scorer import ScoredNight
from sleepstage import EPOCH_SECONDS, UNKNOWN

Stages = NDArray[np.int32]
CODES = {"W": 0, "WAKE": 0, "N1": 1, "N2": 2, "N3": 3, "R": 4, "REM": 4}


def yasa_stages(raw: Any) -> Stages:
    """Return (epoch,) YASA's stages of a recording of one EEG channel that MNE has open."""
    import yasa

    predicted = yasa.SleepStaging(raw, eeg_name=raw.ch_names[0]).predict()
    names = getattr(predicted, "hypno", predicted)  # a Hypnogram since 0.7
    return np.array([CODES[str(name)] for name in names], np.int32)


def gssc_stages(raw: Any) -> Stages:
    """Return (epoch,) GSSC's stages of a recording of one EEG channel that MNE has open."""
    from gssc.infer import EEGInfer

    stages, *_ = EEGInfer().mne_infer(raw, eeg=raw.ch_names, eog=[], eog_drop=True)
    return np.asarray(stages, np.int32)  # W 0, N1 1, N2 2, N3 3, REM 4, as here


PEERS: dict[str, Callable[[Any], Stages]] = {"yasa": yasa_stages, "gssc": gssc_stages}


def as_mne(night: ScoredNight) -> Any:
    """Return the channel that was staged, from its first epoch on, as an `mne.io.RawArray` in volts."""
    import mne

    assert night.path is not None
    opened = open_recording(night.path)
    signal = one_channel(opened, resolve_channel(night.channels[0].label, opened.labels))
    first = round(night.first_second * signal.rate)
    last = min(signal.n_samples, first + round(len(night) * EPOCH_SECONDS * signal.rate))
    samples = np.nan_to_num(signal.read(first, last)).astype(np.float64) * 1e-6  # µV -> V
    return mne.io.RawArray(samples[np.newaxis], mne.create_info([signal.channel], signal.rate, "eeg"), verbose="error")


def compared(night: ScoredNight) -> Iterator[tuple[str, metrics.Scores]]:
    """Yield the scores of this program and of each peer, on the epochs to which all gave a stage."""
    if night.expert is None:
        raise InputError(f"{night.path}: has no hypnogram; put one beside it, or name it in a pairing table")
    stages = {"RecSleepNet": night.model_stages}
    for name, stage in PEERS.items():
        if find_spec(name):
            stages[f"{name} {version(name)}"] = stage(as_mne(night))
    n_epochs = min(map(len, [night.expert, *stages.values()]))
    both = np.all([np.asarray(one)[:n_epochs] != UNKNOWN for one in (night.expert, *stages.values())], axis=0)
    for name, model in stages.items():
        yield name, metrics.scores(night.expert[:n_epochs][both], model[:n_epochs][both])


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("recordings", nargs="+", metavar="RECORDING", help="file, folder or pattern")
    add("--channel", default="", help="score this channel (default: the one of the weights, or its stand-in)")
    add("--dir", default=config.PRETRAINED_DIR, help="holds <db>/<fold>/ (default %(default)s)")
    add("--db", help="data set of the checkpoints")
    add("--json", type=Path, metavar="FILE", help="write the figures there")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    scorer = Scorer(options.dir, options.db)
    of_program: dict[str, list[metrics.Scores]] = {}
    for found in find_recordings(options.recordings):
        night = scorer.stage(found.recording, channel=options.channel)
        for name, scores in compared(night):
            log.info("%-24s %-12s %s", night.name, name, metrics.in_words(scores))
            of_program.setdefault(name, []).append(scores)
    figures = {name: metrics.pooled(scores) for name, scores in of_program.items()}
    for name, scores in figures.items():
        log.info("%-24s %-12s %s", "all epochs", name, metrics.in_words(scores))
    if options.json:
        save_json(options.json, {name: metrics.as_json(scores) for name, scores in figures.items()})
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
