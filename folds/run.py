"""What a fold was trained with (config.json), and whom its weights have seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from command import InputError
from config import Settings, settings_of
from files.forms import Form, check_forms, dict_of, is_count, is_text, list_of
from files.reading import load_json, readable
from files.writing import save_json
from folds import published
from folds.folders import RUN
from folds.split import PARTS
from recordings.conditioning import Conditioning
from recordings.datasets import DATASETS
from recordings.fingerprints import Fingerprints
from recordings.whose_night import person_key

SETTINGS_OF_OLD: dict[str, tuple[Any, ...]] = {
    "n_classes": (5,),
    "mixed_precision": (False, True),  # the weights were kept in float32 either way
    **dict.fromkeys(("augment_tilt", "augment_noise", "augment_drop"), (0,)),
}
"""Settings that are no more, and the values of them at which this program does the same."""


@dataclass(frozen=True)
class Run:
    """What a fold was trained with: enough to do it again, and to rebuild its network.

    Attributes:
        db, fold: the data set's name and the fold's number.
        settings: of the run.
        subjects: the subjects of each part of the split, `train`, `valid` and `test`.
        epochs: the epochs of each night, by part and name.
        channels: the channels that the nights name.
        versions: of Python and the libraries.
        init_from: where its first weights came from; None when they were drawn.
        contents: what the file of each night held, as `folds.checks.content_of` tells it; none for folds of old.
        fingerprints: of the nights' signals, as `recordings.fingerprints` tells them; none for folds of old.
        persons: whose each night is, by the person's name; none where subjects are numbered, and for folds of old.
        adapted: what is done to a signal before it reaches weights that were trained on signals as recorded; None: what
            the settings say, as in training.
    """

    db: str
    fold: int
    settings: Settings
    subjects: Mapping[str, Sequence[int]]
    epochs: Mapping[str, Mapping[str, int]]
    channels: Sequence[str]
    versions: Mapping[str, str]
    init_from: Origin | None = None
    adapted: Conditioning | None = None
    contents: Mapping[str, str] = field(default_factory=dict)
    persons: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, str] = field(default_factory=dict)

    @property
    def conditioning(self) -> Conditioning:
        """What is done to every signal on its way to these weights."""
        if self.adapted:
            return self.adapted
        low, high = (*self.settings.amplitude, *self.settings.amplitude)[:2]
        return Conditioning(self.settings.high_pass or None, (low, high) if low else None)

    @property
    def seed(self) -> int:
        """The seed of this fold."""
        return self.settings.seed + self.fold

    def lineage(self) -> Iterator[Run]:
        """Yield this run, the one that its first weights came from, and so on: all that its weights have learned."""
        yield self
        if self.init_from:
            yield from self.init_from.run.lineage()

    def has_seen(self, night: str, content: str = "", person: str = "", fingerprint: str = "") -> bool:
        """Tell whether a night's subject trained or chose these weights, or those that they came from.

        Nights are known by their names, in any case; where their content or fingerprint is given, by their signals too;
        and where the person is, by the persons that one's own data set names. Pre-training, which sees no labels, does
        not count.
        """
        return any(
            run.learned_from(night) or run.learned_from_signal(content, fingerprint) or run.learned_from_person(person)
            for run in self.lineage()
        )

    def seen_test_nights(self) -> list[str]:
        """Return the test nights whose subjects or signals these weights have seen, or those that they came from."""
        doubled, before = self.doubled_test_nights(), self.test_nights_seen_before()
        return [night for night in self.epochs.get("test", ()) if night in doubled or night in before]

    def test_nights_seen_before(self) -> list[str]:
        """Return the test nights whose subjects the first weights have seen."""
        nights, source = self.epochs.get("test", ()), self.init_from
        if source is None:
            return []
        return [night for night in nights if source.run.has_seen(night, *self.told_of(night))]

    def told_of(self, night: str) -> tuple[str, str, str]:
        """Return content, person and fingerprint of one of this run's nights, "" where they are not known."""
        return self.contents.get(night, ""), self.persons.get(night, ""), self.fingerprints.get(night, "")

    def doubled_test_nights(self) -> list[str]:
        """Return the test nights whose very signals this run learns from under other names."""
        signals = ((night, *self.told_of(night)) for night in self.epochs.get("test", ()))
        return [night for night, content, _, fingerprint in signals if self.learned_from_signal(content, fingerprint)]

    def learned_from_signal(self, content: str, fingerprint: str = "") -> bool:
        """Tell whether this run itself trained or chose its weights with a night's very signal."""
        same_file = bool(content) and signal_of(content) in self.signals_learned
        return same_file or (bool(fingerprint) and bool(self.fingerprints_learned.like(fingerprint)))

    @cached_property
    def fingerprints_learned(self) -> Fingerprints:
        return Fingerprints({night: self.fingerprints.get(night, "") for night in self.nights_learned})

    @property
    def knows_fingerprints(self) -> bool:
        """True where a signal can be looked for among those that these weights have learned from."""
        return any(any(run.fingerprints.values()) for run in self.lineage())

    @cached_property
    def signals_learned(self) -> frozenset[str]:
        return frozenset(signal_of(self.contents[night]) for night in self.nights_learned if night in self.contents)

    def learned_from(self, night: str) -> bool:
        """Tell whether this run itself trained or chose its weights with a night's subject."""
        dataset = DATASETS.get(self.db)
        subject = dataset.subject_of(night) if dataset else None
        if subject is None:
            return night.casefold() in self.names_learned
        return subject in self.subjects_learned

    def learned_from_person(self, person: str) -> bool:
        """Tell whether this run itself trained or chose its weights with a night of somebody of this name."""
        return bool(person) and person_key(person) in self.persons_learned

    @cached_property
    def persons_learned(self) -> frozenset[str]:
        return frozenset(person_key(self.persons[night]) for night in self.nights_learned if night in self.persons)

    @cached_property
    def names_learned(self) -> frozenset[str]:
        return frozenset(night.casefold() for night in self.nights_learned)

    @cached_property
    def nights_learned(self) -> frozenset[str]:
        return frozenset(night for part in ("train", "valid") for night in self.epochs.get(part, ()))

    @cached_property
    def subjects_learned(self) -> frozenset[int | None]:
        """The subjects that had a night; all of the split for a published fold, which does not name its nights."""
        if not self.nights_learned:
            return frozenset((*self.subjects["train"], *self.subjects["valid"]))
        return frozenset(map(DATASETS[self.db].subject_of, self.nights_learned))

    def as_json(self) -> dict[str, Any]:
        content = {**asdict(self), "seed": self.seed}
        if self.init_from:
            content["init_from"]["run"] = self.init_from.run.as_json()
        return json.loads(json.dumps(content))  # type: ignore[no-any-return]


def signal_of(content: str) -> str:
    """Return the part of a night's content that is its signal's."""
    return content.partition("-")[0]


@dataclass(frozen=True)
class Origin:
    """Where the first weights of a fold came from.

    Attributes:
        folder: the fold that had them, as it was named.
        sha256: of the file that they were read from.
        format: of that file.
        pass_number: the pass after which they were kept there.
        run: what they were trained with.
    """

    folder: str
    sha256: str
    format: str
    pass_number: int
    run: Run


# ---- config.json ----


def save_run(folder: Path, run: Run) -> None:
    save_json(folder / RUN, run.as_json())


def load_run(folder: Path) -> Run:
    """Read a fold's config.json.

    Raises:
        InputError: it is missing, damaged, or holds settings that this program does not know.
    """
    path = folder / RUN
    stored = load_json(path, "a fold needs it: copy it too, or train the fold again")
    with readable(path, "the config.json of a fold", "train the fold again"):
        return run_of(stored)


def run_of(stored: Mapping[str, Any]) -> Run:
    """Return the run that a config.json holds, and those that its first weights came from.

    Raises:
        ValueError: something is missing, or of another type than it should be.
    """
    check_form(stored)
    values = {name: stored[name] for name in FORMS}
    adapted = Conditioning.from_json(stored["adapted"]) if stored.get("adapted") is not None else None
    if "adapted" not in stored and values["versions"] == published.VERSIONS:  # converted before there was such a thing
        adapted = published.CONDITIONING.get(values["db"])
    origin = stored.get("init_from")  # folds of before there was such a thing do not have it
    init_from = Origin(**{name: origin[name] for name in ORIGIN_FORMS}, run=run_of(origin["run"])) if origin else None
    settings = {**published.AS_PUBLISHED, **values["settings"]}
    settings = {name: value for name, value in settings.items() if value not in SETTINGS_OF_OLD.get(name, ())}
    if unknown := settings.keys() - Settings.__dataclass_fields__.keys():
        raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
    return Run(
        **{
            **values,
            "settings": settings_of(settings),
            "init_from": init_from,
            "adapted": adapted,
            **{name: stored.get(name, {}) for name in OF_NIGHTS},
        }
    )


def check_form(stored: Any) -> None:
    """Raise ValueError unless what a config.json holds is of the types that a run needs."""
    check_forms(stored, FORMS)
    check_forms(stored, dict.fromkeys(OF_NIGHTS, dict_of(is_text)), all_needed=False)
    if stored.get("init_from"):
        check_forms(stored["init_from"], ORIGIN_FORMS)


FORMS: dict[str, Form] = {
    "db": is_text,
    "fold": is_count,
    "settings": dict_of(lambda _: True),
    "subjects": lambda value: dict_of(list_of(is_count))(value) and value.keys() >= set(PARTS),
    "epochs": dict_of(dict_of(is_count)),
    "channels": list_of(is_text),
    "versions": dict_of(is_text),
}
OF_NIGHTS = ("contents", "persons", "fingerprints")  # night → text; folds of old have none
ORIGIN_FORMS: dict[str, Form] = {"folder": is_text, "sha256": is_text, "format": is_text, "pass_number": is_count}
"""What each value of a config.json must be, and those of its `init_from` but for the run."""


NEED_NOT_BE_ALIKE = ("versions.", "init_from.", *(f"{name}." for name in OF_NIGHTS))


def check_same_run(folder: Path, run: Run) -> None:
    """Raise InputError if `folder` was made with other settings, nights or first weights than `run`.

    Versions may differ, and so may the folder of the same first weights.
    """
    stored = load_run(folder)
    check_same_contents(folder, stored, run)
    before, now = flattened(stored.as_json()), flattened(run.as_json())
    names = [name for name in {**before, **now} if not name.startswith(NEED_NOT_BE_ALIKE)]
    if before.get("init_from.sha256") != now.get("init_from.sha256"):
        names += ["init_from.folder", "init_from.sha256"]
    differing = [
        f"{name} {before.get(name)} (now {now.get(name)})" for name in names if before.get(name) != now.get(name)
    ]
    if differing:
        others = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        raise InputError(
            f"{folder} was made with {', '.join(differing[:3])}{others}; "
            "use --suffix NAME for another folder, or --restart to start over"
        )


def check_same_contents(folder: Path, before: Run, now: Run) -> None:
    """Raise InputError if a night has another content than when a fold was begun; where that was not kept, it may."""
    changed = [
        night
        for night, content in before.contents.items()
        if content and now.contents.get(night, content) not in ("", content)
    ]
    if changed:
        raise InputError(
            f"{folder} was made with other contents of {', '.join(changed[:3])}"
            f"{f' and {len(changed) - 3} more nights' if len(changed) > 3 else ''}; put back the files as they were, "
            "or use --suffix NAME for another folder, or --restart to start over"
        )


def flattened(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"a": {"b": 1}} -> {"a.b": 1}."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        flat.update(flattened(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value})
    return flat
