"""dataset.json: what a data set of one's own says of itself. prepare.py writes it, `--db NAME` reads it."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from command import InputError
from files.folders import PROGRAM_FOLDER
from files.forms import Form, check_exactly, dict_of, is_count, is_flag, is_number, is_plain, is_text, list_of, or_none
from files.reading import load_json, readable
from files.writing import save_json
from recordings.datasets import DATASETS, MISSPELLED, Dataset, dataset_named
from recordings.whose_night import person_key, same_person

FILE = "dataset.json"
FORM = 1  # of the file; another number is another program's
FEWEST = 3  # subjects: one to train, one to validate and one to test with
PREPARE = "prepare.py"

AGAIN = f"prepare the data set again, or take {FILE} away to begin a new one (folds are dealt anew then)"


@dataclass(frozen=True)
class OwnNight:
    """A prepared night: its file's name, which of its subject's, its channel, where it is from, how it was recorded.

    One that is `left_out` is in no fold: the last command did not name it.
    """

    name: str
    night: str
    epochs: int
    channel: str
    recorded_hz: float
    recording: str
    hypnogram: str
    simulated: bool = False
    left_out: bool = False


@dataclass(frozen=True)
class Subject:
    """A subject: its name, the number that stands for it everywhere, the fold that tests it, what else is known.

    Attributes:
        fold: None as long as there are too few subjects for folds, and where all of its nights are left out.
        columns: as of the pairing table: group, site.
    """

    name: str
    number: int
    fold: int | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    nights: Sequence[OwnNight] = ()


@dataclass(frozen=True)
class Description:
    """The whole of dataset.json.

    Attributes:
        name: of the data set.
        prepared: the choices that it was prepared with.
        sampling_rate: of the prepared nights, Hz.
        conditioning: what was done to the signals, in words.
        n_folds: 0 as long as there are too few subjects.
        stratified_by: the column whose values every fold has alike; "" for none.
        subjects: in order of their numbers.
    """

    name: str
    prepared: Mapping[str, str | int | float]
    sampling_rate: float
    conditioning: str
    n_folds: int = 0
    stratified_by: str = ""
    subjects: Sequence[Subject] = ()

    def dataset(self) -> Dataset:
        """Return the data set as training and scoring see it."""
        subjects = [subject for subject in self.subjects if subject.fold is not None]
        channels = list(dict.fromkeys(night.channel for subject in subjects for night in subject.nights))
        return Dataset(
            self.name,
            None,
            tuple(subject.number for subject in subjects),
            self.n_folds,
            night_pattern="",
            channel=channels[0] if channels else "",
            prepared_with=f"{PREPARE} --db {self.name}",
            night_names={
                one.number: tuple(night.name for night in one.nights if not night.left_out) for one in subjects
            },
            fold_of={one.number: one.fold or 0 for one in subjects},
            persons={one.number: one.name for one in subjects},
        )


def save_description(folder: Path, description: Description) -> None:
    """Write dataset.json into the folder of the prepared nights.

    Raises:
        InputError: the file cannot be written.
    """
    save_json(folder / FILE, {"form": FORM, **asdict(description)})


def load_description(folder: Path) -> Description | None:
    """Read the dataset.json of a folder of prepared nights, None where there is none.

    Raises:
        InputError: it is damaged, or of another program.
    """
    path = folder / FILE
    if not path.exists():
        return None
    stored = load_json(path, AGAIN)
    with readable(path, "the description of a data set", AGAIN):
        check_exactly(stored, FORMS)
        if stored["form"] != FORM:
            raise ValueError("another form")
        subjects = tuple(subject_of(one) for one in stored["subjects"])
        description = Description(**{name: stored[name] for name in FORMS if name != "form"} | {"subjects": subjects})
        check(description)
    return description


NIGHT_FORMS: dict[str, Form] = {
    **dict.fromkeys(("name", "night", "channel", "recording", "hypnogram"), is_text),
    "epochs": is_count,
    "recorded_hz": is_number,
    "simulated": is_flag,
    "left_out": is_flag,
}
SUBJECT_FORMS: dict[str, Form] = {
    "name": is_text,
    "number": is_count,
    "fold": or_none(is_count),
    "columns": dict_of(is_text),
    "nights": list_of(dict_of(lambda _: True)),
}
FORMS: dict[str, Form] = {
    "form": is_count,
    **dict.fromkeys(("name", "conditioning", "stratified_by"), is_text),
    "prepared": dict_of(is_plain),
    "sampling_rate": is_number,
    "n_folds": is_count,
    "subjects": list_of(dict_of(lambda _: True)),
}
"""What each value of a dataset.json must be, and those of its subjects and their nights."""


def subject_of(stored: Mapping[str, Any]) -> Subject:
    """Return the subject that a dataset.json describes; raise ValueError when it is none."""
    check_exactly(stored, SUBJECT_FORMS)
    every = [{"left_out": False, **night} for night in stored["nights"]]  # files of old say nothing of it
    for night in every:
        check_exactly(night, NIGHT_FORMS)
    nights = tuple(OwnNight(**{name: night[name] for name in NIGHT_FORMS}) for night in every)
    return Subject(**{name: stored[name] for name in SUBJECT_FORMS} | {"nights": nights})


def check(description: Description) -> None:
    """Raise ValueError for what no data set can be, so that no fold tests whom it trained on."""
    subjects, n_folds = description.subjects, description.n_folds
    for what, values in (
        ("number", [one.number for one in subjects]),
        ("name", [person_key(one.name) for one in subjects]),
        ("night", [night.name for one in subjects for night in one.nights]),
    ):
        if len(set(values)) < len(values):
            raise ValueError(f"a {what} stands there twice")
    if any(Path(night.name).name != night.name for one in subjects for night in one.nights):
        raise ValueError("a night's name is that of a folder")
    folds = {one.fold for one in subjects if one.fold is not None}
    if n_folds and (n_folds < FEWEST or n_folds != len(folds) or folds != set(range(len(folds)))):
        raise ValueError(f"{n_folds} folds, and subjects in {len(folds)}")
    if not n_folds and folds:
        raise ValueError("no folds, and subjects in some")


# ---- `--db NAME` ----


def find_dataset(name: str, data_dir: str | Path) -> Dataset:
    """Return the data set that `--db name` means: a published one, or one that describes itself below `data_dir`.

    Raises:
        InputError: there is none of this name, or it has too few subjects for folds.
    """
    if name in DATASETS or name in MISSPELLED:
        return dataset_named(name)
    here = Path(data_dir) / name
    folder = here if here.is_dir() else PROGRAM_FOLDER / here
    description = load_description(folder)
    if description is None:
        where, takes = f"there is no {here / FILE}", "--data_dir FOLDER --select_ch CHANNEL"
        if any(folder.glob("*.npz")):
            where, takes = f"{here} has prepared nights, but no {FILE}", f"--data_dir {here}"
        raise InputError(
            f"--db {name}: no such data set; there are {', '.join(DATASETS)}, and {where}; "
            f"write it with: python {PREPARE} --db {name} {takes}"
        )
    if not description.n_folds:
        raise InputError(
            f"--db {name}: has {len(in_folds(description.subjects))} subjects in its folds; folds need {FEWEST}, "
            f"to train, validate and test: prepare more with {PREPARE}"
        )
    return replace(description, name=name).dataset()


def check_name(name: str) -> str:
    """Return the name of a data set of one's own.

    Raises:
        InputError: it is a published one's, or no name of a folder.
    """
    if name in DATASETS or name in MISSPELLED:
        published = DATASETS.get(name)
        script = f"; prepare it with {published.prepared_with}" if published else ""
        raise InputError(f"--db {name}: is the name of a published data set{script}, or choose another name")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        raise InputError(f"--db {name}: becomes the name of a folder; give it letters, digits, - and _ only")
    return name


# ---- adding nights, and leaving them out ----


def in_folds(subjects: Sequence[Subject]) -> list[Subject]:
    """Return the subjects that have a night in the folds."""
    return [one for one in subjects if not all(night.left_out for night in one.nights)]


def only_named(description: Description, names: Collection[str]) -> Description:
    """Return a description in whose folds the nights of these names are, and no others."""
    return replace(
        description,
        subjects=tuple(
            replace(one, nights=tuple(replace(night, left_out=night.name not in names) for night in one.nights))
            for one in description.subjects
        ),
    )


def with_nights(before: Description, added: Mapping[str, tuple[Mapping[str, str], Sequence[OwnNight]]]) -> Description:
    """Return a description with nights added, or put in the place of those of the same name.

    Args:
        before: the description so far.
        added: name of each subject → its columns, and its nights.

    Raises:
        InputError: a night belongs to another subject than before.
    """
    subjects = {person_key(one.name): one for one in before.subjects}
    owner = {night.name: one.name for one in before.subjects for night in one.nights}
    number = max((one.number for one in before.subjects), default=-1)
    for name, (columns, nights) in added.items():
        for night in nights:
            if not same_person(owner.setdefault(night.name, name), name):
                raise InputError(
                    f"night {night.name} is of subject {name} now, and was of {owner[night.name]}; {AGAIN}"
                )
        key = person_key(name)
        if key not in subjects:
            number += 1
        old = subjects.get(key, Subject(name, number))
        kept = {night.name: night for night in old.nights} | {night.name: night for night in nights}
        all_nights = tuple(kept[one] for one in sorted(kept))
        subjects[key] = replace(old, columns={**old.columns, **columns}, nights=all_nights)
    return replace(before, subjects=tuple(sorted(subjects.values(), key=lambda one: one.number)))
