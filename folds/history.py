"""What a fold's training came to: a row for each pass (history.csv, TensorBoard), and its test scores.

A history also decides what comes next: whether a pass is the best so far, whether patience is at its end.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError, duration_in_words, reason_of
from config import Settings
from engine.device import import_tensorflow
from files.locks import BusyError
from files.reading import check_text, load_json, readable, reader
from files.writing import save_json, written_whole
from folds.checkpoint import Best
from folds.folders import HISTORY, TENSORBOARD, TEST_SCORES, TRAIN_AGAIN
from sleepstage import STAGES

START, PRETRAIN, TRAIN = (
    "start",
    "pretrain",
    "train",
)  # the phases; the first weights of a fold, as they came, are pass 0


@dataclass(frozen=True)
class Pass:
    """One row of history.csv; None where a phase has no such value."""

    phase: str
    pass_number: int
    global_step: int
    loss_rec: float | None = None
    loss_ce: float | None = None
    loss_l2: float | None = None
    train_accuracy: float | None = None
    valid_accuracy: float | None = None
    valid_macro_f1: float | None = None
    kept: bool = False
    seconds: float = 0.0

    def in_words(self) -> str:
        """Return the pass as one line."""
        start = f"{self.phase} {self.pass_number:3d}"
        if self.phase == START:
            return f"{start}  {self.validation_in_words()}"
        if self.phase == PRETRAIN:
            return f"{start}  rec {self.loss_rec:.4g}  {self.seconds:.1f} s"
        return (
            f"{start}  ce {self.loss_ce:.4f}  l2 {self.loss_l2:.4f}  rec {self.loss_rec:.4g}  "
            f"accuracy {100 * (self.train_accuracy or 0):.1f} %  {self.validation_in_words()}  {self.seconds:.1f} s"
        )

    def validation_in_words(self) -> str:
        accuracy, macro_f1 = 100 * (self.valid_accuracy or 0), 100 * (self.valid_macro_f1 or 0)
        kept = "  kept" if self.kept else ""
        return f"validation accuracy {accuracy:.1f} % macro-F1 {macro_f1:.1f} %{kept}"


@dataclass
class History:
    """The passes of a fold so far, and what follows from them."""

    settings: Settings
    passes: list[Pass] = field(default_factory=list)

    def of_phase(self, phase: str) -> list[Pass]:
        """Return the passes of one phase."""
        return [one for one in self.passes if one.phase == phase]

    def to_do(self, phase: str) -> range:
        """Return the numbers of the passes that a phase still needs."""
        n_passes = {PRETRAIN: self.settings.pretrain_epochs, TRAIN: self.settings.n_epochs}[phase]
        return range(len(self.of_phase(phase)) + 1, n_passes + 1)

    def is_better(self, accuracy: float, macro_f1: float) -> bool:
        """Tell whether accuracy AND macro-F1 are both higher than at the last kept checkpoint (0 before the first)."""
        kept = [one for one in self.passes if one.kept]
        if not kept:
            return accuracy > 0 and macro_f1 > 0
        return accuracy > (kept[-1].valid_accuracy or 0) and macro_f1 > (kept[-1].valid_macro_f1 or 0)

    def out_of_patience(self) -> bool:
        """Tell whether the last `patience` training passes brought no better checkpoint."""
        recent = self.of_phase(TRAIN)[-self.settings.patience :]
        return 0 < self.settings.patience == len(recent) and not any(one.kept for one in recent)

    def time_left(self) -> str:
        """Return in words how long the rest takes, if every pass takes as long as those of the last one's phase."""
        if self.passes[-1].phase == START:
            return ""
        each = median(one.seconds for one in self.of_phase(self.passes[-1].phase))
        n_left = len(self.to_do(PRETRAIN)) + len(self.to_do(TRAIN))
        return f"{duration_in_words(n_left * each)} left"

    def last(self) -> str:
        """Return in words how far the fold has come."""
        return f"after {self.passes[-1].phase} pass {self.passes[-1].pass_number}" if self.passes else "at its start"


# ---- history.csv ----

HISTORY_TYPES: dict[str, Any] = {
    "phase": str,
    "pass_number": int,
    "global_step": int,
    "kept": lambda text: text == "True",
}


NEEDED = ("phase", "pass_number", "global_step", "seconds")
LOSSES = {START: (), PRETRAIN: ("loss_rec",), TRAIN: ("loss_rec", "loss_ce", "loss_l2")}
"""What a pass of each phase needs beside."""


def save_history(folder: Path, passes: Sequence[Pass]) -> None:
    """Write history.csv, whole or not at all."""
    with written_whole(folder / HISTORY) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(Pass.__dataclass_fields__))
        writer.writeheader()
        writer.writerows(asdict(one) for one in passes)


def load_history(folder: Path) -> list[Pass]:
    """Read history.csv.

    Raises:
        InputError: it cannot be read.
    """
    return read_passes(folder / HISTORY)


def check_alone(folder: Path, passes: Sequence[Pass]) -> None:
    """Raise BusyError if a fold's history holds other passes than these: those of another trainer.

    Locks keep trainers apart. Where a file system has none, or only within one machine, this does: of two trainers, one
    stops here before it writes anything of its pass.
    """
    if (folder / HISTORY).exists() and load_history(folder) != list(passes):
        raise BusyError(
            f"{folder}: another trainer has written its passes there meanwhile, so this file system does not hold "
            "locks; train each fold from one place, or use --suffix"
        )


@reader("a readable history", TRAIN_AGAIN)
def read_passes(path: Path) -> list[Pass]:
    check_text(path)
    with path.open(newline="", encoding="utf-8") as file:
        return [pass_of(row) for row in csv.DictReader(file)]


def pass_of(row: Mapping[Any, Any]) -> Pass:
    """Return the pass that a row of history.csv is of; raise ValueError when it is none."""
    if row.keys() - Pass.__dataclass_fields__.keys() or None in row.values():
        raise ValueError(f"not the columns of a history: {', '.join(map(str, row))[:80]}")
    values = {name: HISTORY_TYPES.get(name, float)(text) if text else None for name, text in row.items()}
    missing = [name for name in NEEDED if values.get(name) is None]
    if missing:
        raise ValueError(f"a pass without {', '.join(missing)}")
    if values["phase"] not in (START, PRETRAIN, TRAIN):
        raise ValueError(f"no phase {values['phase']!r}")
    missing = [name for name in LOSSES[values["phase"]] if values.get(name) is None]
    if missing:
        raise ValueError(f"a pass of phase {values['phase']} without {', '.join(missing)}")
    return Pass(**values)  # type: ignore[arg-type]


class Events:
    """The fold's TensorBoard events: every figure of a pass, at its global step."""

    def __init__(self, folder: Path) -> None:
        self.tf, self.folder = import_tensorflow(), folder / TENSORBOARD
        self.summary = self.tf.summary
        with self.written():
            self.writer = self.summary.create_file_writer(str(self.folder))

    @contextmanager
    def written(self) -> Iterator[None]:
        try:
            yield
        except self.tf.errors.OpError as error:
            reason = f"cannot write {self.folder}: {reason_of(error)}; free space or choose another folder"
            raise InputError(reason) from error

    def write(self, one: Pass) -> None:
        """Add a pass.

        Raises:
            InputError: the disk is full, or the folder is gone.
        """
        with self.written(), self.writer.as_default(step=one.global_step):
            for name, value in asdict(one).items():
                if isinstance(value, float):
                    self.summary.scalar(f"{one.phase}/{name}", value)
            self.writer.flush()


# ---- test_scores.json ----


@dataclass(frozen=True, eq=False)
class Tested:
    """The scores of a fold's kept checkpoint on its test nights: (expert, model) epochs, and when it was kept.

    `seen_nights` are those of them whose subjects the fold's first weights have seen.
    """

    confusion: NDArray[np.int64]
    pass_number: int
    seen_nights: Sequence[str] = ()


def save_test_scores(folder: Path, best: Best, scores: Mapping[str, Any], seen_nights: Sequence[str]) -> None:
    """Write the scores of a fold's kept checkpoint on its test nights, which marks the fold as finished."""
    content = {
        "pass_number": best.pass_number,
        "global_step": best.global_step,
        "seen_nights": seen_nights,
        "scores": scores,
    }
    save_json(folder / TEST_SCORES, content)


def load_test_scores(folder: Path) -> Tested:
    """Read test_scores.json.

    Raises:
        InputError: it is missing or damaged.
    """
    content = load_json(folder / TEST_SCORES, TRAIN_AGAIN)
    with readable(folder / TEST_SCORES, "the scores of a fold", TRAIN_AGAIN):
        if not isinstance(content, dict) or not isinstance(content["scores"], dict):
            raise ValueError("it holds no scores")
        confusion = np.array(content["scores"]["confusion_expert_by_model"])
        n_stages = len(STAGES)
        if confusion.shape != (n_stages, n_stages) or confusion.dtype.kind not in "iu" or confusion.min() < 0:
            raise ValueError("confusion_expert_by_model is no table of counts")
        seen, number = content.get("seen_nights", ()), content["pass_number"]
        if (
            not isinstance(number, int)
            or not isinstance(seen, (list, tuple))
            or not all(isinstance(one, str) for one in seen)
        ):
            raise ValueError("pass_number or seen_nights of another type")
        return Tested(confusion, number, seen)
