"""Turn scores into what a paper prints: tables, figures, and a paragraph of methods.

    python evaluate.py ./scores --training ./output/sleepedf
    python evaluate.py box=./scores/box published=./scores/published
    python evaluate.py ./scored --experts ./expert_1 ./expert_2 ./expert_3

A folder holds what predict.py wrote with --output_dir, or hypnograms of any kind that it reads, prepared nights too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from command import InputError, command, log, log_to_terminal, new_parser
from evaluation.assembly import evaluation_of
from evaluation.curves import read_curves
from evaluation.nights import Scored, read_scored, read_subjects
from evaluation.page import METHODS, PAGE
from evaluation.table import Table
from files.folders import writable_folder
from files.locks import tables_of

OUTPUT_DIR = "./evaluated"


def parser() -> argparse.ArgumentParser:
    parser = new_parser(__doc__)
    add = parser.add_argument
    add("scores", nargs="*", metavar="[LABEL=]FOLDER", help="what to evaluate; each two of them are compared")
    add("--experts", nargs="+", metavar="[LABEL=]FOLDER", help="one folder for each expert, with hypnograms")
    add("--training", nargs="+", metavar="FOLDER", help="folds, for their learning curves: ./output/sleepedf")
    add("--subjects", metavar="FILE", help="CSV table with columns night and subject, where names do not say it")
    add("--output_dir", default=OUTPUT_DIR, help="gets all tables and figures (default %(default)s)")
    return parser


@command
def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    log_to_terminal()
    if options.experts and not options.scores:
        raise InputError("--experts are compared with scores; name a folder of scores first")
    if not options.scores and not options.training:
        raise InputError("nothing to evaluate; name a folder of scores, or folds with --training")
    subjects = read_subjects(Path(options.subjects)) if options.subjects else None
    models = [read_scored(place, subjects) for place in options.scores]
    experts = [read_scored(place, subjects) for place in options.experts or ()]
    refuse_same_labels((*models, *experts))
    found = evaluation_of(models, experts, read_curves(options.training) if options.training else [])
    folder = writable_folder(options.output_dir)
    with tables_of(folder):
        written = found.write(folder)
    for part in found.parts:
        if isinstance(part, Table) and part.name.startswith(("agreement", "comparison", "experts")):
            log.info("%s\n", part.text())
    for said in found.doubts:
        log.info("warning: %s", said)
    log.info("%s\n", found.methods)
    log.info(
        "written to %s: %d files; %s shows all, %s is for pasting", options.output_dir, len(written), PAGE, METHODS
    )
    return 0


def refuse_same_labels(everybody: Sequence[Scored]) -> None:
    """Raise InputError when two folders would be called the same."""
    labels = [one.label.casefold() for one in everybody]
    for label in labels:
        if labels.count(label) > 1:
            raise InputError(f"two folders have the label {label}; give them others: LABEL=FOLDER")


if __name__ == "__main__":
    raise SystemExit(main())
