"""Make prepared nights of UCDDB of which only some stages are at hand, conditioned as a stranger's recording is.

    python pretrained_model/partial_nights.py ./partial ./also --known W N3 --valid ucddb003 ucddb006 ucddb019 ucddb026

A file of PARTIAL is called as its night and holds `x` (epoch, sample) at 128 Hz as the recording's header has it, `y`
(epoch,) and `epoch` (epoch,), where in the night each epoch lies. OUT gets train/ and valid/, for `trainer.py --also`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from command import InputError, command, log, log_to_terminal, new_parser
from data import Night, load_night, save_night
from files.folders import existing_folder, writable_folder
from recordings.conditioning import HIGH_PASS, Conditioning
from recordings.datasets import UCDDB_HEADER_MICROVOLTS
from recordings.epochs import EPOCH_SAMPLES, TARGET_RATE, resample
from sleepstage import STAGE_NAMES

RECORDED_RATE = 128
CHANNEL = "C3A2"


def at_100_hz(stretch: Night) -> np.ndarray:
    """Return the epochs of a stretch without gaps, (epoch, 3000) µV."""
    samples = stretch.x.reshape(-1) * np.float32(UCDDB_HEADER_MICROVOLTS)  # (epoch, sample) -> (sample,)
    return resample(samples - np.median(samples), RECORDED_RATE).reshape(-1, EPOCH_SAMPLES)


def conditioned(night: Night, amplitude: float, known: Sequence[str]) -> Night:
    """Return a night as strangers' recordings reach the network: high-passed and brought to an amplitude in µV."""
    x = np.concatenate([at_100_hz(stretch) for stretch in night.stretches()])
    x = Conditioning(HIGH_PASS, (amplitude, amplitude)).condition_night(x, night.recorded)
    stages = tuple(STAGE_NAMES.index(name) for name in STAGE_NAMES if name in known)
    return replace(night, x=x, fs=float(TARGET_RATE), ch_label=CHANNEL, known=stages)


@command
def main(argv: Sequence[str] | None = None) -> int:
    parser = new_parser(__doc__)
    parser.add_argument("partial", metavar="PARTIAL", help="folder of the nights")
    parser.add_argument("out", metavar="OUT", help="gets train/ and valid/")
    parser.add_argument("--known", nargs="+", choices=STAGE_NAMES, default=STAGE_NAMES, help="the stages at hand")
    parser.add_argument("--valid", nargs="+", default=(), metavar="NIGHT", help="those that validate")
    parser.add_argument("--amplitude", type=float, default=9.0, help="µV (default %(default)g)")
    options = parser.parse_args(argv)
    log_to_terminal()
    paths = sorted(existing_folder(options.partial, "nights").glob("*.npz"))
    if missing := set(options.valid) - {path.stem for path in paths}:
        raise InputError(f"{options.partial}: no night {', '.join(sorted(missing))} for --valid")
    for path in paths:
        night = conditioned(load_night(path), options.amplitude, options.known)
        part = "valid" if path.stem in options.valid else "train"
        save_night(writable_folder(Path(options.out) / part) / path.name, night)
    log.info("%d nights, %d of them to validate -> %s", len(paths), len(options.valid), options.out)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
