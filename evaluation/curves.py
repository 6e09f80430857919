"""history.csv of one or many folds → learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from command import InputError
from evaluation.table import NO_VALUE, Row, Table, shown, table
from folds.folders import HISTORY, numbered_folders
from folds.history import TRAIN, Pass, load_history


@dataclass(frozen=True, eq=False)
class Curve:
    """A fold's training passes, in order; pre-training, which has no accuracy, is not among them."""

    label: str
    passes: tuple[Pass, ...]

    @property
    def kept(self) -> Pass | None:
        """The pass whose weights were kept in the end."""
        return next((one for one in reversed(self.passes) if one.kept), None)


def read_curves(places: Sequence[str]) -> list[Curve]:
    """Read the histories of folds: of a fold's own folder, or of all folds in a folder.

    Raises:
        InputError: no such folder, or no training pass in it.
    """
    folders = [folder for place in places for folder in fold_folders(Path(place))]
    several = len({folder.parent for folder in folders}) > 1
    curves = []
    for folder in folders:
        passes = tuple(one for one in load_history(folder) if one.phase == TRAIN)
        if passes:
            label = f"{folder.resolve().parent.name}/{folder.resolve().name}" if several else folder.resolve().name
            curves.append(Curve(label, passes))
    if not curves:
        raise InputError(f"{', '.join(places)}: no training pass in any {HISTORY}; name the folder of trained folds")
    return curves


def fold_folders(place: Path) -> list[Path]:
    """Return the folders with a history: the place itself, or the numbered ones in it."""
    if (place / HISTORY).is_file():
        return [place]
    found = [folder for folder in numbered_folders(place).values() if (folder / HISTORY).is_file()]
    if not found:
        raise InputError(
            f"{place}: no {HISTORY} in it nor in folders of folds; name what trainer.py wrote, as ./output/sleepedf"
        )
    return found


# ---- for readers ----


def training_table(curves: Sequence[Curve]) -> Table:
    """Return what the training of each fold came to."""
    rows = [
        {
            "fold": one.label,
            "passes": len(one.passes),
            "kept_pass": one.kept.pass_number if one.kept else None,
            "valid_accuracy_percent": 100 * (one.kept.valid_accuracy or 0) if one.kept else float("nan"),
            "valid_macro_f1_percent": 100 * (one.kept.valid_macro_f1 or 0) if one.kept else float("nan"),
            "minutes": sum(each.seconds for each in one.passes) / 60,
        }
        for one in curves
    ]

    def as_shown(row: Row) -> Row:
        return {
            "fold": row["fold"],
            "passes": str(row["passes"]),
            "kept pass": str(row["kept_pass"] or NO_VALUE),
            "validation accuracy (%)": shown(row["valid_accuracy_percent"]),
            "validation macro-F1 (%)": shown(row["valid_macro_f1_percent"]),
            "minutes": shown(row["minutes"]),
        }

    return table("training", "Training passes, and the pass whose weights were kept.", rows, as_shown)
