"""Look at a scored night, correct its stages, and write its outputs again.

python review.py ./scored --finish
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from command import InputError, command, log, log_to_terminal, new_parser
from files import existing_folder
from reviewing.outputs import write_outputs
from scoring.kept import scored_in


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("scored", metavar="SCORED_FOLDER", help="what predict.py --output_dir wrote")
    add("--night", metavar="NAME", help="which night of the folder, as NAME in NAME_stages.csv")
    add("--recording", metavar="FILE", help="where the recording is now, if it was moved")
    add("--finish", action="store_true", help="only write the outputs again with the stages as they were reviewed")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    folder = existing_folder(options.scored, "scored recordings", "score recordings with predict.py")
    name = chosen_night(folder, options.night)
    staged, paths = write_outputs(folder, name, Path(options.recording) if options.recording else None)
    log.info(
        "%s: %d of %d epochs by a human, %d changed",
        staged.title,
        staged.by_human.sum(),
        len(staged),
        staged.n_changed,
    )
    log.info("written again: %s", ", ".join(str(path) for path in paths))
    return 0


def chosen_night(folder: Path, name: str | None) -> str:
    """Return the name of the night to review: the only one in a folder, or the one asked for.

    Raises:
        InputError: there is none, no such one, or several.
    """
    there = scored_in(folder)
    if not there:
        raise InputError(f"{folder}: no recording was scored into it; do that: python predict.py night.edf")
    if name is None and len(there) > 1:
        raise InputError(f"{folder}: holds {len(there)} nights; choose one with --night: {', '.join(there)}")
    if name is not None and name not in there:
        raise InputError(f"{folder}: no night {name}; there are {', '.join(there)}")
    return name or there[0]


if __name__ == "__main__":
    raise SystemExit(main())
