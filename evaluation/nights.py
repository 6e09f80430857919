"""A folder of scores or of hypnograms → nights to evaluate.

Three kinds of folders are read: test nights (`epochs.csv` of predict.py), scored recordings (`NAME_stages.csv` of
predict.py), and hypnograms in any form that predict.py reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from command import InputError, log, one_line
from data import load_night
from files.forms import Form, check_forms, dict_of, is_count, is_flag, is_number, is_text, list_of, or_none
from files.reading import load_json, readable
from recordings import tables
from recordings.datasets import STUDIES, known_subject, read_hypnogram
from recordings.scored_files import SUMMARY, TABLE
from sleepstage import EPOCH_SECONDS, STAGE_NAMES, UNKNOWN

if TYPE_CHECKING:
    import pandas as pd

EPOCHS, METRICS = "epochs.csv", "metrics.json"
HYPNOGRAM_ENDINGS = ("-Hypnogram", "_hypnogram", "_stages", "_stage")
AGAIN = "write it again with predict.py --output_dir"
CODES = {name: code for code, name in enumerate(STAGE_NAMES)} | {"?": UNKNOWN}
ROUNDING = 0.01  # by which five probabilities, each written with four digits or more, may miss 1 together
PROBABILITIES = [f"p_{name}" for name in STAGE_NAMES]


@dataclass(frozen=True, eq=False, kw_only=True)
class EvaluatedNight:
    """A night as somebody staged it.

    Attributes:
        name: of the night; nights of two folders are the same night when their names are.
        subject: whose it is.
        stages: (epoch,) codes, UNKNOWN where there is none.
        expert: (epoch,) the expert's codes, or UNKNOWN; None where the folder has none.
        probabilities: (epoch, stage) the model's, nan where it has none; None for a hypnogram.
        start: when the first epoch starts; None when unknown.
        on_clock: its epochs follow each other from the recording's start on. A prepared night's do not: what nobody
            staged was taken out.
        limit: below this confidence the model counts as unsure; None where nothing says so.
    """

    name: str
    subject: str
    stages: NDArray[np.int32]
    expert: NDArray[np.int32] | None = None
    probabilities: NDArray[np.float64] | None = None
    start: datetime | None = None
    on_clock: bool = True
    limit: float | None = None

    def __len__(self) -> int:
        return len(self.stages)

    @property
    def both(self) -> NDArray[np.bool_]:
        """(epoch,) True where both the model and the expert have a stage."""
        assert self.expert is not None
        mask: NDArray[np.bool_] = (self.expert != UNKNOWN) & (self.stages != UNKNOWN)
        return mask


@dataclass(frozen=True, eq=False)
class Scored:
    """All nights of one folder: what a model, or a person, made of them.

    Attributes:
        label: what tables and figures call it.
        nights: by name.
        methods: how the stages came about, in sentences; "" when the folder does not say.
        doubts: what a reader has to know: simulated nights, subjects seen in training.
    """

    label: str
    nights: Mapping[str, EvaluatedNight]
    methods: str = ""
    doubts: tuple[str, ...] = field(default=())

    def with_expert(self) -> list[EvaluatedNight]:
        """Return the nights that have at least one epoch staged by both."""
        return [one for one in self.nights.values() if one.expert is not None and one.both.any()]


# ---- reading a folder ----


def read_scored(place: str, subjects: Mapping[str, str] | None = None) -> Scored:
    """Read a folder; `LABEL=FOLDER` gives it a label, without which the folder's name is one.

    Args:
        place: the folder.
        subjects: night → subject, for nights whose names do not say whose they are.

    Raises:
        InputError: no such folder, nothing in it, or a file that cannot be used.
    """
    label, _, after = place.rpartition("=")
    folder = Path(after)
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name a folder of scores or of hypnograms")
    label = label or folder.resolve().name
    if "/" in label or "\\" in label:
        raise InputError(f"{label}: a label goes into names of files; give it no / or \\")
    if (folder / EPOCHS).is_file():
        scored = read_test_nights(label, folder)
    elif staged := sorted(folder.rglob(f"*{TABLE}")):
        scored = read_recordings(label, folder, staged)
    else:
        scored = Scored(label, by_name(read_hypnograms(folder)))
    if not subjects:
        return scored
    named = {name: replace(one, subject=subjects.get(name, one.subject)) for name, one in scored.nights.items()}
    return replace(scored, nights=named)


def by_name(nights: Iterable[EvaluatedNight]) -> dict[str, EvaluatedNight]:
    """Return nights by name.

    Raises:
        InputError: two have one name.
    """
    named: dict[str, EvaluatedNight] = {}
    for night in nights:
        if night.name in named:
            raise InputError(f"{night.name}: there are two nights of this name in one folder; keep one")
        named[night.name] = night
    return named


def read_test_nights(label: str, folder: Path) -> Scored:
    """Read the test nights that predict.py wrote into a folder."""
    path = folder / EPOCHS
    table = read_table(
        path, ("night", "subject", "epoch", "expert", "model", *PROBABILITIES), text=("night", "subject")
    )
    about = read_about(folder / METRICS)
    limits = about.get("confidence", {}).get("limit_by_night", {})
    nights = [
        EvaluatedNight(
            name=str(name),
            subject=str(rows["subject"].iloc[0]),
            stages=codes(path, rows["model"]),
            expert=codes(path, rows["expert"]),
            probabilities=probabilities(path, rows),
            on_clock=False,
            limit=limits.get(str(name)),
        )
        for name, rows in table.groupby("night", sort=True)
    ]
    doubts = []
    if about.get("simulated_nights"):
        doubts.append(f"{label}: {about['simulated_nights']} of {len(nights)} nights are SIMULATED")
    if seen := about.get("seen_nights"):
        doubts.append(f"{label}: the subjects of {', '.join(seen)} were SEEN IN TRAINING")
    if left_out := about.get("nights_left_out"):
        doubts.append(f"{label}: {', '.join(left_out)} could not be scored and were LEFT OUT")
    return Scored(label, by_name(nights), about.get("methods", ""), tuple(doubts))


def read_recordings(label: str, folder: Path, staged: Sequence[Path]) -> Scored:
    """Read the recordings that predict.py scored into a folder."""
    nights, methods, doubts = [], [], []
    for path in staged:
        name = path.relative_to(folder).as_posix().removesuffix(TABLE)
        table = read_table(path, ("epoch", "stage", *PROBABILITIES))
        about = read_about(path.with_name(path.name.removesuffix(TABLE) + SUMMARY))
        night = night_of(Path(about.get("file") or name).name)
        nights.append(
            EvaluatedNight(
                name=name if "/" in name else night,  # a folder in it tells recordings of one name apart
                subject=subject_of(night),
                stages=codes(path, table["model_stage" if "model_stage" in table else "stage"]),
                expert=codes(path, table["expert"]) if "expert" in table else None,
                probabilities=probabilities(path, table),
                start=about.get("start"),
                limit=about.get("confidence", {}).get("low_below"),
            )
        )
        methods.append(about.get("methods", ""))
        if about.get("simulated"):
            doubts.append(f"{label}: {name} is SIMULATED")
        if "model_stage" in table:
            doubts.append(f"{label}: {name} was reviewed by a human; the model's own stages are judged")
        doubts += [f"{label}: {name}: {said}" for said in about.get("warnings", ()) if "in the training of" in said]
    return Scored(label, by_name(nights), " ".join(dict.fromkeys(filter(None, methods))), tuple(doubts))


ABOUT: dict[str, Form] = {
    "methods": is_text,
    "confidence": dict_of(lambda _: True),
    "simulated_nights": is_count,
    "seen_nights": list_of(is_text),
    "nights_left_out": dict_of(is_text),
    "file": or_none(is_text),
    "start": or_none(is_text),
    "simulated": is_flag,
    "warnings": list_of(is_text),
}
"""What is read of metrics.json and of NAME_summary.json, where they have it."""
CONFIDENCE: dict[str, Form] = {"limit_by_night": dict_of(is_number), "low_below": is_number}


def read_about(path: Path) -> dict[str, Any]:
    """Read what predict.py says of the nights in a folder or of a recording; `start` is a datetime, or None.

    Raises:
        InputError: no such file, or it is another one.
    """
    stored = load_json(path, AGAIN)
    with readable(path, "what predict.py writes", AGAIN):
        check_forms(stored, ABOUT, all_needed=False)
        check_forms(stored.get("confidence", {}), CONFIDENCE, all_needed=False)
        return {**stored, "start": datetime.fromisoformat(stored["start"]) if stored.get("start") else None}


def read_hypnograms(folder: Path) -> list[EvaluatedNight]:
    """Read every hypnogram in a folder and the folders in it; prepared nights (.npz) are hypnograms too.

    Raises:
        InputError: there is none, or one cannot be read.
    """
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.startswith(".") and path.suffix != ".json"  # which say what others mean
    ]
    if not paths:
        raise InputError(f"{folder}: no scores and no hypnograms in it; name a folder that predict.py wrote")
    nights = []
    for path in paths:
        if path.suffix == ".npz":
            night = load_night(path)
            nights.append(hypnogram_night(path.stem, night.expert, None, on_clock=False))
        else:
            read = read_hypnogram(path, None)
            start = read.start + timedelta(seconds=read.offset) if read.start else None
            nights.append(hypnogram_night(night_of(path.relative_to(folder).as_posix()), read.codes, start))
    return nights


def hypnogram_night(
    name: str, stages: NDArray[np.int32], start: datetime | None, on_clock: bool = True
) -> EvaluatedNight:
    return EvaluatedNight(name=name, subject=subject_of(name), stages=stages, start=start, on_clock=on_clock)


def read_table(path: Path, columns: Sequence[str], text: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV table; `text` names the columns that hold names, even where they look like numbers.

    Raises:
        InputError: it cannot be read, or a column is missing.
    """
    import pandas as pd

    with readable(path, "a readable CSV table", AGAIN):
        table = pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=True)
    missing = [name for name in columns if name not in table]
    if missing or not len(table):
        raise InputError(f"{path}: no {', '.join(missing) or 'rows'} in it; {AGAIN}")
    return table


def codes(path: Path, names: pd.Series[Any]) -> NDArray[np.int32]:
    """Return the codes of stages by their names; raise InputError for a name that is no stage."""
    unknown = set(names.unique()) - CODES.keys()
    if unknown:
        raise InputError(f"{path}: stage {unknown.pop()!r}; there are {', '.join(CODES)}")
    found: NDArray[np.int32] = names.map(CODES).to_numpy(np.int32)
    return found


def probabilities(path: Path, table: pd.DataFrame) -> NDArray[np.float64]:
    """Return (epoch, stage) probabilities, nan where the model has none.

    Raises:
        InputError: a cell is no number, or they are no probabilities that are one together.
    """
    import pandas as pd

    cells = table[PROBABILITIES].apply(pd.to_numeric, errors="coerce")
    values: NDArray[np.float64] = cells.to_numpy(np.float64)
    empty = np.isnan(values)
    text = cells.isna() & table[PROBABILITIES].notna()
    wrong = text.to_numpy() | ~(empty | ((values >= 0) & (values <= 1)))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        shown = one_line(str(table[PROBABILITIES].iat[row, column])[:30])
        where = f"{PROBABILITIES[column]} is {shown} in line {table.index[row] + 2}"
        raise InputError(f"{path}: {where}; a probability is 0 to 1: {AGAIN}")
    odd = np.flatnonzero((np.abs(values.sum(axis=1) - 1) > ROUNDING) | (empty.any(axis=1) != empty.all(axis=1)))
    if len(odd):
        raise InputError(f"{path}: the probabilities in line {table.index[odd[0]] + 2} are not 1 together: {AGAIN}")
    return values


# ---- names ----


def night_of(file: str) -> str:
    """Return the name of the night that a recording or a hypnogram is of, by the name of its file."""
    path = Path(file).absolute()
    for study in STUDIES:
        for key in (study.key_of_hypnogram(path), study.key_of_recording(path)):
            if key:
                return study.night(key)
    stem = Path(file).with_suffix("").as_posix()
    for ending in HYPNOGRAM_ENDINGS:
        stem = stem.removesuffix(ending)
    return stem


def subject_of(night: str) -> str:
    """Return the subject that a night's name says it is of; the night itself where it does not say so."""
    known = known_subject(night)
    return night if known is None else str(known)


def read_subjects(path: Path) -> dict[str, str]:
    """Read whose nights are whose: a CSV table with the columns `night` and `subject`.

    Raises:
        InputError: it cannot be read.
    """
    rows = tables.read_table(path, ("night", "subject"))
    if not rows:
        raise InputError(f"{path}: no night in it; give one line for each")
    return {row["night"]: row["subject"] for _, row in rows}


# ---- two hypnograms of one night ----


def placed_on(night: EvaluatedNight, other: EvaluatedNight, whose: str) -> NDArray[np.int32]:
    """Return the stages of `other` at the epochs of `night`, UNKNOWN where it has none.

    Raises:
        InputError: nothing says which epochs of the two are the same.
    """
    if not (night.on_clock and other.on_clock):
        if len(night) != len(other):
            raise InputError(
                f"{night.name}: {len(night)} epochs, but {len(other)} in {whose}; epochs of prepared nights have no "
                "clock: score the recordings themselves, or prepare both alike"
            )
        return other.stages
    shift = 0
    if night.start and other.start:
        shift = round((other.start - night.start).total_seconds() / EPOCH_SECONDS)
    placed = np.full(len(night), UNKNOWN, np.int32)
    first, end = max(0, shift), min(len(night), shift + len(other))
    if end <= first:
        raise InputError(f"{night.name}: no epoch in common with {whose}; check the start times of both")
    placed[first:end] = other.stages[first - shift : end - shift]
    return placed


def with_experts(scored: Scored, experts: Sequence[Scored]) -> Scored:
    """Return the nights with the stages of the only expert; of several, those are left to `evaluation.experts`.

    Raises:
        InputError: no night is in both.
    """
    if len(experts) != 1:
        return scored
    expert = experts[0]
    nights = {
        name: replace(night, expert=placed_on(night, expert.nights[name], expert.label))
        for name, night in scored.nights.items()
        if name in expert.nights
    }
    if not nights:
        raise InputError(
            f"{scored.label} and {expert.label} have no night in common; the names of their files decide "
            f"({first_names(scored)}; {first_names(expert)})"
        )
    left = len(scored.nights) - len(nights)
    if left:
        log.info("%s: %d nights are not in %s and are left out", scored.label, left, expert.label)
    return replace(scored, nights=nights)


def first_names(scored: Scored) -> str:
    return ", ".join(list(scored.nights)[:3])
