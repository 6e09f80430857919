"""Generated recordings in each data set's own raw layout, to try every command without a download.

    python simulate.py --db sleepedf --output_dir ./raw_data/sleepedf --subjects 0-3 --hours 3 --seed 0
    python simulate.py --db isruc --output_dir ./raw_data/hum --amplifier hum 204.8_hz

They look like sleep to a network, not to a physician: every stage has the features that scorers look for (alpha in W,
theta in N1, spindles and K-complexes in N2, slow waves in N3, sawtooth waves in REM) over a 1/f background, and nothing
else. Each file says in its header that it is simulated. Scores on them mean nothing for real sleep.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from command import InputError, command, log, log_to_terminal, new_parser
from recordings.prepare_options import as_ranges, parse_subjects
from simulating.amplifiers import FAULTS, amplifier
from simulating.layouts import LAYOUTS, simulate


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("--db", required=True, choices=LAYOUTS, help="the data set whose layout to follow")
    add("--output_dir", help="folder for the recordings (default ./raw_data/<db>)")
    add(
        "--subjects",
        nargs="+",
        metavar="N",
        help="as in 1 3 5-7 (default four that fold 0 can be trained with)",
    )
    add("--hours", type=float, default=3.0, help="length of a night (default %(default)s)")
    add("--seed", type=int, default=0, help="the same seed gives the same recordings (default %(default)s)")
    add(
        "--amplifier",
        nargs="+",
        default=(),
        metavar="FAULT",
        help="what it does to the EEG, in this order: " + ", ".join(FAULTS),
    )
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    if not 0.1 <= options.hours <= 24:
        raise InputError(f"--hours is {options.hours:g}; a night has from 0.1 to 24")
    if options.seed < 0:
        raise InputError(f"--seed is {options.seed}; it must be 0 or more")
    layout = LAYOUTS[options.db]
    subjects = layout.for_fold_0 if options.subjects is None else parse_subjects(options.subjects, layout.subjects)
    folder = Path(options.output_dir or f"./raw_data/{options.db}")
    for subject in subjects:
        for path in simulate(options.db, folder, [subject], options.hours, options.seed, options.amplifier):
            log.info("simulated %s", path)
    if options.amplifier:
        log.info("amplifier: %s", amplifier(options.amplifier))
    log.info("subjects %s, %g hours a night: SIMULATED, no real sleep in them", as_ranges(subjects), options.hours)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
