"""Which folds have learned from a recording's subject: the one place that is asked, for files, arrays and nights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from folds.checkpoint import Fold
from folds.checks import content_of, fingerprint_at
from recordings.datasets import night_name
from recordings.epochs import epochs_in_parts
from recordings.fingerprints import fingerprint
from recordings.recording import RawSignal, Recording
from recordings.whose_night import subject_by_name


def night_of(opened: Recording) -> str:
    """Return the name that a recording's prepared night has, or would have."""
    return night_name(opened.path or Path(f"{opened.name}.edf"))


def folds_that_saw(
    folds: Sequence[Fold], opened: Recording, subject: str = "", signal: RawSignal | None = None
) -> list[Fold]:
    """Return the folds whose weights have learned from a recording's subject, in their order.

    The subject is known by the recording's name, whatever its case, by what is said of it, and by its signal: under
    another name, scaled, turned over, cut or stored otherwise it is the same one.

    Args:
        folds: any.
        opened: the recording.
        subject: whose it is, as `recordings.finding.Found` has it; "" for what its name says.
        signal: the channel that is to be scored, which is read if a fold knows the signals that it has learned from; of
            a prepared night it need not be given.

    Raises:
        InputError: the recording cannot be read.
    """
    night, person = night_of(opened), subject or subject_by_name(opened.path or Path(opened.name))
    prepared = opened.path if opened.night is not None else None
    content, text = content_of(prepared) if prepared else "", ""
    if any(fold.run.knows_fingerprints for fold in folds):
        if prepared:
            text = fingerprint_at(prepared)
        elif signal is not None:
            text = fingerprint(part.x for part in epochs_in_parts(signal)())
    return [fold for fold in folds if fold.run.has_seen(night, content, person, text)]
