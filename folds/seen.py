"""Which folds have learned from a recording's subject: the one place that is asked, for files, arrays and nights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from folds.checkpoint import Fold
from folds.checks import content_of
from recordings.datasets import night_name
from recordings.recording import Recording
from recordings.whose_night import subject_by_name


def night_of(opened: Recording) -> str:
    """Return the name that a recording's prepared night has, or would have."""
    return night_name(opened.path or Path(f"{opened.name}.edf"))


def folds_that_saw(folds: Sequence[Fold], opened: Recording, subject: str = "") -> list[Fold]:
    """Return the folds whose weights have learned from a recording's subject, in their order.

    The subject is known by the recording's name, whatever its case, and by what is said of it; a prepared night is
    known by its signal, too.

    Args:
        folds: any.
        opened: the recording.
        subject: whose it is, as `recordings.finding.Found` has it; "" for what its name says.

    Raises:
        InputError: a prepared night cannot be read.
    """
    night, person = night_of(opened), subject or subject_by_name(opened.path or Path(opened.name))
    content = content_of(opened.path) if opened.night is not None and opened.path is not None else ""
    return [fold for fold in folds if fold.run.has_seen(night, content, person)]
