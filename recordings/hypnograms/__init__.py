"""The hypnograms of experts, whatever the form: one small module a kind, and the list of kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files.reading import reader
from recordings.edf import EXPORT_AGAIN
from recordings.hypnogram import Hypnogram
from recordings.hypnograms import columns, lines, luna, marks, xml_files
from recordings.hypnograms.labels import code_of
from recordings.hypnograms.laying import hypnogram_of
from recordings.hypnograms.scoring import AS_IT_IS, Entry, Reading, Scoring
from sleepstage import NOT_SCORED


class Kind(NamedTuple):
    """A kind of hypnogram: its name, its suffixes, and what reads it."""

    name: str
    suffixes: tuple[str, ...]
    scored: Callable[[Path, Reading], Scoring]


KINDS = (
    Kind("annotations of EDF+ and others", marks.SUFFIXES, marks.scored),
    Kind("Sleep-EDF's first", (".hyp",), marks.scored_signal),
    Kind("XML of NSRR or Profusion", (".xml",), xml_files.scored),
    Kind("Luna's stages", (".eannot",), lines.scored),
    Kind("Luna's annotations", (".annot",), luna.scored),
    Kind("a list in JSON", (".json",), lines.scored_json),
    Kind("a table, or a stage a line", (".csv", ".tsv", ".txt"), columns.scored),
)


def kind_of(path: Path) -> Kind:
    """Return the kind of a hypnogram.

    Raises:
        InputError: no such file, or no kind has its suffix.
    """
    suffix = path.suffix.casefold()
    for kind in KINDS:
        if suffix in kind.suffixes:
            return kind
    suffixes = ", ".join(dict.fromkeys(suffix for kind in KINDS for suffix in kind.suffixes))
    raise InputError(f"{path}: {suffix or 'no suffix'} is not a supported hypnogram; there are {suffixes}")


@reader("a readable recording", EXPORT_AGAIN)
def has_stages(recording: Path) -> bool:
    """Tell whether there are stages among the annotations of a recording.

    Raises:
        InputError: it cannot be opened.
    """
    suffix = recording.suffix.casefold()
    entries = marks.scored(recording).entries if suffix in marks.SUFFIXES else ()
    codes = (code_of(entry.text, {}, with_events=True) for entry in entries)
    return any(code is not None and code >= 0 for code in codes)


@reader("a readable hypnogram", EXPORT_AGAIN)
def read_file(path: Path, reading: Reading = AS_IT_IS) -> Hypnogram:
    """Read a hypnogram of any kind, in epochs of 30 s.

    Raises:
        InputError: as `kind_of`, the kind's reader, and `laying.hypnogram_of`; the message names the file.
    """
    return hypnogram_of(path, kind_of(path).scored(path, reading), reading)


def hypnogram_from(stages: Sequence[Any] | NDArray[Any], reading: Reading = AS_IT_IS, name: str = "array") -> Hypnogram:
    """Return the hypnogram of stages in memory, one an epoch, that starts with its signal.

    Args:
        stages: (epoch,) texts, or numbers that `reading.stage_map` explains; None, nan and "" are not scored.
        reading: how they are to be read; `labels.stage_map("aasm")` is the map of that name.
        name: what messages call them.

    Raises:
        InputError: not one row of texts or numbers, or as `laying.hypnogram_of`.
    """
    values = np.asarray(stages)
    if values.ndim != 1 or values.dtype.kind not in "iufUO":
        raise InputError(
            f"{name}: stages of {values.dtype} and shape {values.shape}; give one stage an epoch, (epoch,)"
        )
    unscored = (None, "", "nan")
    texts = [NOT_SCORED if one in unscored or str(one) in unscored else str(one) for one in values.tolist()]
    return hypnogram_of(Path(name), Scoring([Entry(text, f"epoch {i}") for i, text in enumerate(texts)]), reading)
