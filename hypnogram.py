"""An expert's hypnogram: where it lies beside a recording, what its labels mean, and its place on the signal's clock.

What the data sets call their raw files and their stages is here, because preparation and scoring both need it.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from command import InputError
from recording import edf_header, start_of
from sleepstage import EPOCH_SECONDS, RK_TO_AASM, UNKNOWN, Stage


@dataclass(frozen=True, eq=False)
class Hypnogram:
    """An expert's stages.

    Attributes:
        codes: (epoch,) int32, codes of `sleepstage.Stage`, or UNKNOWN.
        start: when its first epoch starts; None when it starts with the signal.
    """

    codes: NDArray[np.int32]
    start: datetime | None = None


# ---- what the labels mean ----

SLEEPEDF_CODES = {f"Sleep stage {name}": int(stage) for name, stage in RK_TO_AASM.items()} | {
    "Sleep stage ?": UNKNOWN,
    "Movement time": UNKNOWN,
}
AASM_CODES = {f"Sleep stage {name}": int(Stage[name]) for name in ("W", "N1", "N2", "N3")} | {
    "Sleep stage R": int(Stage.REM),
    "Sleep stage ?": UNKNOWN,
}
"""The texts of EDF+ for AASM stages, as predict.py writes them."""

ISRUC_CODES = {0: Stage.W, 1: Stage.N1, 2: Stage.N2, 3: Stage.N3, 5: Stage.REM}  # AASM already
UCDDB_CODES = {
    0: Stage.W,
    1: Stage.REM,
    2: Stage.N1,
    3: Stage.N2,
    4: Stage.N3,
    5: Stage.N3,
    6: UNKNOWN,  # artifact
    7: UNKNOWN,  # indeterminate
    8: UNKNOWN,  # undocumented; 15 epochs of nights 008 and 024
}


# ---- reading ----


def read_stage_lines(path: Path, codes: Mapping[int, int]) -> Hypnogram:
    """Read a hypnogram of one whole number a line; blank lines do not count.

    Args:
        path: the text file.
        codes: the data set's number of each stage → our code.

    Raises:
        InputError: no such file, nothing in it, or a line that is none of the data set's numbers.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip()]
    names = {str(code): ours for code, ours in codes.items()}
    for number, text in numbered:
        if text not in names:
            raise InputError(f"{path}: stage {text[:20]!r} in line {number}; there are {', '.join(names)}")
    if not numbered:
        raise InputError(f"{path}: no stages in it; fetch it again")
    return Hypnogram(np.array([names[text] for _, text in numbered], np.int32))


def read_annotations(path: Path, codes: Mapping[str, int]) -> Hypnogram:
    """Read the stages that are annotations of an EDF+ file; epochs that no annotation covers are UNKNOWN.

    Args:
        path: the EDF+ file.
        codes: text of each stage → our code.

    Raises:
        InputError: no such file, no EDF, an annotation that is no stage, or one that is not made of whole epochs.
    """
    import edfio

    header, _ = edf_header(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what edfio warns of has been checked
            annotations = sorted(edfio.read_edf(path, lazy_load_data=True, header_encoding="latin-1").annotations)
    except ValueError as error:
        raise InputError(f"{path}: its annotations cannot be read ({error}); fetch it again") from error
    spans = [epochs_of(path, one.text, one.onset, one.duration, codes) for one in annotations]
    stages = np.full(max((span.stop for span in spans), default=0), UNKNOWN, np.int32)
    end = 0
    for annotation, span in zip(annotations, spans, strict=True):
        if span.start < end:
            raise InputError(f"{path}: {annotation.text!r} at {annotation.onset:g} s starts before the last one ends")
        stages[span] = codes[annotation.text]
        end = span.stop
    return Hypnogram(stages, start_of(header))


def epochs_of(path: Path, text: str, onset: float, duration: float | None, codes: Mapping[str, int]) -> slice:
    if text not in codes:
        raise InputError(f"{path}: unknown annotation {text!r} at {onset:g} s; there are {', '.join(codes)}")
    if duration is None or onset < 0 or onset % EPOCH_SECONDS or duration % EPOCH_SECONDS:
        raise InputError(
            f"{path}: {text!r} at {onset:g} s lasts {duration} s; onset and duration must be whole epochs of 30 s"
        )
    return slice(int(onset) // EPOCH_SECONDS, int(onset + duration) // EPOCH_SECONDS)


def read_sleepedf(path: Path) -> Hypnogram:
    """Read a hypnogram of Sleep-EDF: EDF+ annotations with Rechtschaffen and Kales' stages.

    Raises:
        InputError: as `read_annotations`.
    """
    return read_annotations(path, SLEEPEDF_CODES)


def read_isruc(path: Path) -> Hypnogram:
    """Read one expert's stages of ISRUC, one number a line.

    Raises:
        InputError: as `read_stage_lines`.
    """
    return read_stage_lines(path, ISRUC_CODES)


def read_ucddb(path: Path) -> Hypnogram:
    """Read a night's stages of UCDDB, one number a line.

    Raises:
        InputError: as `read_stage_lines`.
    """
    return read_stage_lines(path, UCDDB_CODES)


def read_hypnogram(path: Path, db: str) -> Hypnogram:
    """Read a hypnogram that the user names: EDF+ annotations in old or new texts, or lines in the codes of `db`.

    Raises:
        InputError: no such file, or it holds no hypnogram of one of these forms.
    """
    if path.suffix.casefold() == ".edf":
        return read_annotations(path, SLEEPEDF_CODES | AASM_CODES)
    if path.suffix.casefold() != ".txt":
        raise InputError(
            f"{path}: {path.suffix or 'no suffix'} is no form of hypnogram; there are .edf (EDF+) and .txt"
        )
    return read_ucddb(path) if db == "ucddb" else read_isruc(path)


# ---- the data sets' own names ----

ISRUC_SUBJECTS = range(1, 101)
ISRUC_UNREFERENCED = 40  # records single electrodes; the published runs leave this subject out


def isruc_night(subject: int) -> str:
    """Return the name of a subject's prepared night: the published runs number the 99 subjects without a gap.

    Subject 40 comes after all others, so that including it renames nobody.
    """
    if subject == ISRUC_UNREFERENCED:
        return f"subject{len(ISRUC_SUBJECTS) - 1}"
    return f"subject{subject - 1 if subject < ISRUC_UNREFERENCED else subject - 2}"


@dataclass(frozen=True)
class Naming:
    """How a data set names what belongs to one night.

    Attributes:
        recording: matches `folder/file` of a recording; its first group is the night's key.
        hypnogram: the hypnogram's name beside it, with the key for `{key}` and ? as in a shell.
        night: key → name of the prepared night.
        read: reads that hypnogram.
    """

    recording: re.Pattern[str]
    hypnogram: str
    night: Callable[[str], str]
    read: Callable[[Path], Hypnogram]


NAMINGS = (
    Naming(
        re.compile(r".*/((?:SC4|ST7)\d{3}[A-Z])0-PSG\.edf"),
        "{key}?-Hypnogram.edf",
        lambda key: f"{key}0",
        read_sleepedf,
    ),
    Naming(re.compile(r"(\d{1,3})/\1\.rec"), "{key}_1.txt", lambda key: isruc_night(int(key)), read_isruc),
    Naming(re.compile(r".*/(ucddb\d{3})\.rec"), "{key}_stage.txt", lambda key: key, read_ucddb),
)


def naming_of(path: Path) -> tuple[Naming, str] | None:
    """Return the naming that a recording follows, and its key; None for a recording of one's own."""
    path = path.absolute()
    for naming in NAMINGS:
        found = naming.recording.fullmatch(f"{path.parent.name}/{path.name}")
        if found:
            return naming, found[1]
    return None


def hypnogram_beside(path: Path) -> Path | None:
    """Return the hypnogram that lies beside a recording under its data set's name for it.

    Raises:
        InputError: there are several.
    """
    named = naming_of(path)
    found = sorted(path.parent.glob(named[0].hypnogram.format(key=named[1]))) if named else []
    if len(found) > 1:
        raise InputError(f"{path}: several hypnograms beside it ({', '.join(one.name for one in found)}); leave one")
    return found[0] if found else None


def night_name(path: Path) -> str:
    """Return the name that a recording's prepared night has, or would have."""
    named = naming_of(path)
    return named[0].night(named[1]) if named else path.stem


# ---- on one clock ----


@dataclass(frozen=True)
class Overlap:
    """The epochs that signal and hypnogram share.

    Attributes:
        first_second: where in the signal the first shared epoch starts.
        first_epoch: which of the hypnogram's epochs that is.
        n_epochs: how many they share.
    """

    first_second: float
    first_epoch: int
    n_epochs: int


def overlap(signal_seconds: float, hypnogram_epochs: int, hypnogram_delay: float) -> Overlap:
    """Put a signal and a hypnogram on one clock.

    Args:
        signal_seconds: length of the signal.
        hypnogram_epochs: length of the hypnogram.
        hypnogram_delay: seconds from the signal's start to the hypnogram's; negative when the hypnogram starts first.
    """
    first_epoch = max(0, int(np.ceil(-hypnogram_delay / EPOCH_SECONDS)))
    first_second = hypnogram_delay + first_epoch * EPOCH_SECONDS
    in_signal = int((signal_seconds - first_second) // EPOCH_SECONDS)
    return Overlap(first_second, first_epoch, max(0, min(in_signal, hypnogram_epochs - first_epoch)))
