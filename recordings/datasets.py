"""The data sets: what each calls its recordings, hypnograms, subjects and nights, and what its stages mean.

A study is a release of raw files. A data set is the part of a study's prepared nights that was published with folds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from pathlib import Path

from command import InputError, log
from recordings.hypnogram import Hypnogram
from recordings.hypnograms import read_file
from recordings.hypnograms.lines import holds_numbers, read_stage_lines
from recordings.hypnograms.marks import read_annotations
from recordings.hypnograms.scoring import AS_IT_IS, Reading
from sleepstage import MOVEMENT, NOT_SCORED, RK_TO_AASM, Stage


def without(numbers: Sequence[int], *left_out: int) -> tuple[int, ...]:
    """Return the numbers less those left out."""
    return tuple(number for number in numbers if number not in left_out)


# ---- studies: raw files ----


@dataclass(frozen=True)
class Study:
    """How a study names its raw files and stages. Names are known whatever the case of their letters.

    Attributes:
        name: for people.
        subjects: those that it has, by its own numbers.
        key: pattern of what a night's files have in common.
        recording, hypnogram: what they are called, with `{key}`, and ? for one letter or digit; a / where the name of
            the folder counts too.
        night: key → name of the prepared night.
        subject: key → the subject's number.
        read: reads a hypnogram.
        spelled: a key as it stands in a file's name → as the study writes it.
        also_called: what else recordings are called: in the first release, or by people whose reader wants a suffix.
    """

    name: str
    subjects: tuple[int, ...]
    key: str
    recording: str
    hypnogram: str
    night: Callable[[str], str]
    subject: Callable[[str], int]
    read: Callable[[Path], Hypnogram]
    spelled: Callable[[str], str] = str.upper
    also_called: tuple[str, ...] = ()

    def key_of_recording(self, path: Path, in_any_folder: bool = False) -> str | None:
        """Return the key of the night that a recording is of, None for a file with another name.

        Args:
            path: the recording.
            in_any_folder: the user says that it is of this study: what its folder is called does not count, unless that
                is the key of another night.
        """
        return self.key_in((self.recording, *self.also_called), path, in_any_folder)

    def key_of_hypnogram(self, path: Path, in_any_folder: bool = False) -> str | None:
        """Return the key of the night that a hypnogram is of, None for a file with another name."""
        return self.key_in((self.hypnogram,), path, in_any_folder)

    def key_in(self, templates: Sequence[str], path: Path, in_any_folder: bool = False) -> str | None:
        """Return the key in a file's name, as the study writes it, by the first template that fits, or None."""
        for template in templates:
            wanted = template.rpartition("/")[2] if in_any_folder else template
            name = "/".join(path.parts[-1 - wanted.count("/") :])
            if found := pattern_of(wanted, self.key).fullmatch(name):
                key = self.spelled(found["key"])
                folder = pattern_of("{key}", self.key).fullmatch(path.parent.name)
                return key if not folder or self.spelled(folder["key"]) == key else None
        return None


@lru_cache
def pattern_of(template: str, key: str) -> re.Pattern[str]:
    """Return what matches the names that a template with `{key}` and ? means."""
    first, *others = template.replace("?", r"[A-Z0-9]").replace(".", r"\.").split("{key}")
    return re.compile(first + f"(?P<key>{key})" + "(?P=key)".join(others), re.ASCII | re.IGNORECASE)


SLEEPEDF_TEXTS = {name: f"Sleep stage {name}" for name in RK_TO_AASM} | {MOVEMENT: "Movement time"}
SLEEPEDF_CODES = {text: int(RK_TO_AASM[name]) for name, text in SLEEPEDF_TEXTS.items()}
SLEEPEDF_NIGHT_MISSING = {13: 2, 36: 1, 52: 1}  # the release has no second, or first, night of these subjects


def read_sleepedf(path: Path) -> Hypnogram:
    """Read a hypnogram of Sleep-EDF: EDF+ annotations with Rechtschaffen and Kales' stages.

    Raises:
        InputError: as `read_annotations`.
    """
    return read_annotations(path, SLEEPEDF_CODES)


SLEEPEDF = Study(
    "Sleep-EDF, sleep cassette",
    subjects=without(range(83), 39, 68, 69, 78, 79),
    key=r"SC4\d\d[12][EFG]",
    recording="{key}0-PSG.edf",
    hypnogram="{key}?-Hypnogram.edf",  # ? is the scorer
    night=lambda key: f"{key}0",
    subject=lambda key: int(key[3:5]),
    read=read_sleepedf,
    also_called=("{key}0.rec",),  # in the first release, in small letters
)
TELEMETRY = Study(
    "Sleep-EDF, sleep telemetry",  # other subjects, under temazepam or placebo: in none of the data sets
    subjects=(),  # never prepared
    key=r"ST7\d\d[12][A-Z]",
    recording=SLEEPEDF.recording,
    hypnogram=SLEEPEDF.hypnogram,
    night=SLEEPEDF.night,
    subject=SLEEPEDF.subject,
    read=read_sleepedf,
    also_called=SLEEPEDF.also_called,
)


ISRUC_CODES = {0: Stage.W, 1: Stage.N1, 2: Stage.N2, 3: Stage.N3, 5: Stage.REM}  # AASM already
ISRUC_SUBJECTS = tuple(range(1, 101))
ISRUC_UNREFERENCED = 40  # records single electrodes; the published runs leave this subject out
ISRUC_EXPERTS = {number: f"{{key}}/{{key}}_{number}.txt" for number in (1, 2)}
"""What the hypnogram of each expert is called."""


def isruc_night(subject: int) -> str:
    """Return the name of a subject's prepared night: the published runs number the 99 subjects without a gap.

    Subject 40 comes after all others, so that including it renames nobody.
    """
    if subject == ISRUC_UNREFERENCED:
        return f"subject{len(ISRUC_SUBJECTS) - 1}"
    return f"subject{subject - 1 if subject < ISRUC_UNREFERENCED else subject - 2}"


def read_isruc(path: Path) -> Hypnogram:
    """Read one expert's stages of ISRUC, one number a line.

    Raises:
        InputError: as `read_stage_lines`.
    """
    return read_stage_lines(path, ISRUC_CODES)


ISRUC = Study(
    "ISRUC-Sleep, subgroup I",
    subjects=ISRUC_SUBJECTS,
    key=r"0{0,2}[1-9]|0?[1-9]\d|100",
    recording="{key}/{key}.rec",
    hypnogram=ISRUC_EXPERTS[1],
    night=lambda key: isruc_night(int(key)),
    subject=int,
    read=read_isruc,
    spelled=lambda key: str(int(key)),
    also_called=("{key}/{key}.edf",),  # renamed for readers that refuse .rec
)


UCDDB_STAGES = {0: "W", 1: "R", 2: "1", 3: "2", 4: "3", 5: "4", 6: MOVEMENT, 7: NOT_SCORED, 8: NOT_SCORED}
"""Number in the files → Rechtschaffen and Kales' stage; 6 is artifact, 7 indeterminate, 8 is undocumented and occurs in
15 epochs of nights 008 and 024."""
UCDDB_CODES = {number: int(RK_TO_AASM[name]) for number, name in UCDDB_STAGES.items()}


def read_ucddb(path: Path) -> Hypnogram:
    """Read a night's stages of UCDDB, one number a line.

    Raises:
        InputError: as `read_stage_lines`.
    """
    return read_stage_lines(path, UCDDB_CODES)


UCDDB_HEADER_MICROVOLTS = 100.0
"""What one unit of the files' headers is in µV, about: they have a range of ±4 around an offset of some 0.55, and their
amplitudes are those of an EEG at 75 to 100 µV a unit. What they call the unit is not to be trusted."""

UCDDB = Study(
    "UCDDB",
    subjects=without(range(2, 29), 4, 16),
    key=r"ucddb\d{3}",
    recording="{key}.rec",
    hypnogram="{key}_stage.txt",
    night=lambda key: key,
    subject=lambda key: int(key[-3:]),
    read=read_ucddb,
    spelled=str.lower,
    also_called=("{key}.edf",),
)

STUDIES = (SLEEPEDF, TELEMETRY, ISRUC, UCDDB)


def study_of(path: Path) -> tuple[Study, str] | None:
    """Return the study that a recording is of by its name, and its night's key; None for a recording of one's own."""
    path = path.absolute()
    return next(((study, key) for study in STUDIES if (key := study.key_of_recording(path))), None)


def night_name(recording: Path) -> str:
    """Return the name that a recording's prepared night has, or would have."""
    found = study_of(recording)
    return found[0].night(found[1]) if found else recording.stem


# ---- a recording's hypnogram ----


def hypnogram_beside(recording: Path) -> Path | None:
    """Return the hypnogram that lies beside a recording under its study's name for it.

    Raises:
        InputError: there are several.
    """
    as_released = (recording, recording.with_suffix(".edf"), recording.with_suffix(".rec"))  # or in another format
    found = next(filter(None, map(study_of, as_released)), None)
    if not found:
        return None
    study, key = found
    folder = recording.parent
    files = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    paths = sorted(path for path in files if study.key_of_hypnogram(path.absolute()) == key)
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise InputError(f"{recording}: several hypnograms beside it ({names}); say which is the hypnogram")
    return paths[0] if paths else None


def read_hypnogram(path: Path, recording: Path | None = None, reading: Reading = AS_IT_IS) -> Hypnogram:
    """Read a hypnogram that the user names, or that lies beside a recording.

    Lines of numbers mean other stages in ISRUC than in UCDDB: the name of the hypnogram says whose they are, or that of
    the recording, unless the user does.

    Args:
        path: the hypnogram, of any kind that `hypnograms` reads.
        recording: whose it is, if that is known.
        reading: how the user wants it to be read.

    Raises:
        InputError: no such file, it holds no hypnogram of one of these kinds, or nothing says what its numbers mean.
    """
    suffix = path.suffix.casefold()
    if suffix == ".txt" and not reading.stage_map and holds_numbers(path):
        named = next((study for study in STUDIES if study_names(study, path)), None)
        by_recording = study_of(recording) if recording else None
        study = named or (by_recording[0] if by_recording else None)
        if study and study.hypnogram.endswith(suffix):
            return study.read(path)
    return read_file(path, reading)


def study_names(study: Study, hypnogram: Path) -> bool:
    """Tell whether a hypnogram is called as a study calls them; of ISRUC, whichever expert's."""
    others = ISRUC_EXPERTS.values() if study is ISRUC else (study.hypnogram,)
    return bool(study.key_in(tuple(others), hypnogram.absolute()))


# ---- data sets: prepared nights, in folds ----


@dataclass(frozen=True)
class Dataset:
    """A data set as training and scoring see it: a published one, or one's own, which says itself what it has.

    Attributes:
        name: what `--db` calls it, and its folder under the data folder.
        study: whose nights they are; None for one's own.
        subjects: all subjects, in the order in which folds are cut; ISRUC's are numbered without a gap.
        n_folds: of the cross-validation.
        night_pattern: the prepared nights of a subject; `{subject}` is its number, `*` and `?` as in a shell.
        channel: the one that the published networks were trained on; of one's own, that of the prepared nights.
        prepared_with: the script that prepares it.
        night_names: of one's own: the prepared nights of each subject.
        fold_of: of one's own: the fold that tests each subject.
        persons: of one's own: what each subject is called.
    """

    name: str
    study: Study | None
    subjects: tuple[int, ...]
    n_folds: int
    night_pattern: str
    channel: str
    prepared_with: str
    night_names: Mapping[int, Sequence[str]] | None = None
    fold_of: Mapping[int, int] | None = None
    persons: Mapping[int, str] | None = None

    def nights_in(self, folder: Path, subject: int) -> list[Path]:
        """Return the prepared nights of a subject that are in a folder, in order of name."""
        if self.night_names is not None:
            paths = (folder / f"{name}.npz" for name in sorted(self.night_names.get(subject, ())))
            return [path for path in paths if path.is_file()]
        pattern = self.pattern_of_subject(subject)
        return sorted(path for path in folder.glob("*.npz") if fnmatchcase(path.name.casefold(), pattern))

    def subject_of(self, night: str) -> int | None:
        """Return the subject that a prepared night's name says it is of; None when it is no name of this data set.

        The case of its letters does not matter.
        """
        name = night.casefold()
        if self.night_names is not None:
            return self.subject_of_night.get(name)
        return next((one for one in self.subjects if fnmatchcase(f"{name}.npz", self.pattern_of_subject(one))), None)

    def pattern_of_subject(self, subject: int) -> str:
        """Return the names of a published subject's prepared nights, in small letters, with * and ? as in a shell."""
        return self.night_pattern.format(subject=subject).casefold()

    @cached_property
    def subject_of_night(self) -> Mapping[str, int]:
        """The subject of each night of one's own, by the night's name in small letters."""
        return {night.casefold(): subject for subject, names in (self.night_names or {}).items() for night in names}


SLEEPEDF_NIGHTS = "SC4{subject:02d}[12]?0*.npz"  # * tells versions of one night apart
DATASETS = {
    dataset.name: dataset
    for dataset in (
        Dataset("sleepedf", SLEEPEDF, tuple(range(20)), 20, SLEEPEDF_NIGHTS, "EEG Fpz-Cz", "prepare_sleepedf.py"),
        Dataset("sleepedfx", SLEEPEDF, SLEEPEDF.subjects, 10, SLEEPEDF_NIGHTS, "EEG Fpz-Cz", "prepare_sleepedf.py"),
        Dataset("isruc", ISRUC, tuple(range(99)), 10, "subject{subject}.npz", "C3-A2", "prepare_isruc.py"),
        Dataset("ucddb", UCDDB, UCDDB.subjects, 25, "ucddb{subject:03d}.npz", "C3A2", "prepare_ucddb.py"),
    )
}
MISSPELLED = {"isurc": "isruc"}  # the command in the published description


def known_subject(night: str) -> int | None:
    """Return the subject that a night's name says it is of, in whatever published data set; None if it says none."""
    subjects = (dataset.subject_of(night) for dataset in DATASETS.values())
    return next((subject for subject in subjects if subject is not None), None)


def dataset_named(name: str) -> Dataset:
    """Return the data set that `--db name` means.

    Raises:
        InputError: no data set has this name.
    """
    if name in MISSPELLED:
        log.info("--db %s: reading this as %s", name, MISSPELLED[name])
    name = MISSPELLED.get(name, name)
    if name not in DATASETS:
        raise InputError(f"--db {name}: no such data set; there are {', '.join(DATASETS)}")
    return DATASETS[name]
