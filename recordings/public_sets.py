"""Public data sets that `prepare.py --db NAME` knows: one table, to be read and extended.

Each row says what its options are when nobody gives them. The data sets with published folds (`sleepedf`, `sleepedfx`,
`isruc`, `ucddb`) have scripts of their own, because their folds count subjects by number; they stand in
recordings/datasets.py.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from command import InputError, log
from files.fetching import fetch, fetch_checksums

CHECKSUMS = "SHA256SUMS.txt"  # what PhysioNet calls the list in each release
ON_REQUEST, OPEN = "on request", "open"
LAYOUT = "simulated files in its layout"
FORM = "the form of its hypnograms alone"


@dataclass(frozen=True)
class PublicSet:
    """A public data set, as it is handed out.

    Attributes:
        name: what `--db` calls it.
        title, home: for people.
        access: `open` or `on request`.
        licence: what its home says.
        nights: how many there are; 0 where it is not known here.
        channel: the one to prepare, if no other is asked for.
        recordings: what its recordings are called, as patterns in a shell; "" for every one.
        hypnograms: the same of its hypnograms; of several patterns, the first that any file has.
        subject_pattern: what the recordings' names say of subject and night; "" where finding tells it.
        stage_map, epoch_seconds, columns: the options of these names; see prepare.py --help.
        release: where its files stand one by one, with a list of checksums; "" where they do not.
        files: of a release, what a night's files are called there; {subject} is a subject's name.
        subject: of a release, what such names look like, as a regular expression.
        tried: what this program has read of it.
    """

    name: str
    title: str
    home: str
    access: str
    licence: str
    nights: int
    channel: str
    tried: str
    recordings: str = ""
    hypnograms: tuple[str, ...] = ()
    subject_pattern: str = ""
    stage_map: str = ""
    epoch_seconds: int = 0
    columns: tuple[str, ...] = ()
    release: str = ""
    files: tuple[str, ...] = ()
    subject: str = ""


PUBLIC_SETS = {
    one.name: one
    for one in (
        PublicSet(
            "hmc",
            "Haaglanden Medisch Centrum sleep staging database 1.1",
            "https://physionet.org/content/hmc-sleep-staging/1.1/",
            OPEN,
            "CC BY 4.0",
            nights=151,
            channel="EEG C4-M1",
            tried=LAYOUT,
            recordings="SN*.edf",
            hypnograms=("*_sleepscoring.edf", "*_sleepscoring.txt"),
            release="https://physionet.org/files/hmc-sleep-staging/1.1/",
            files=("recordings/{subject}.edf", "recordings/{subject}_sleepscoring.*"),
            subject=r"SN\d{3}",
        ),
        PublicSet(
            "cap",
            "CAP Sleep Database 1.0.0",
            "https://physionet.org/content/capslpdb/1.0.0/",
            OPEN,
            "ODC-By 1.0",
            nights=108,
            channel="C4-A1",
            tried=f"{LAYOUT}; two of its hypnograms",
            recordings="*.edf",
            hypnograms=("*.txt",),
            release="https://physionet.org/files/capslpdb/1.0.0/",
            files=("{subject}.edf", "{subject}.txt"),
            subject=r"[a-z]+\d+(?=\.)",
        ),
        PublicSet(
            "sleepedf_st",
            "Sleep-EDF Expanded 1.0.0, sleep telemetry",
            "https://physionet.org/content/sleep-edfx/1.0.0/",
            OPEN,
            "ODC-By 1.0",
            nights=44,
            channel="EEG Fpz-Cz",
            tried=f"{LAYOUT}; eleven of its hypnograms",
            recordings="ST7*-PSG.edf",
            release="https://physionet.org/files/sleep-edfx/1.0.0/",
            files=("sleep-telemetry/{subject}*",),
            subject=r"ST7\d\d",
        ),
        PublicSet(
            "dreams",
            "DREAMS Subjects",
            "https://zenodo.org/records/2650142",
            OPEN,
            "Creative Commons, no derivatives",
            nights=20,
            channel="CZ-A1",
            tried=f"{LAYOUT}; four of its half hours",
            recordings="subject*.edf",
            hypnograms=("HypnogramAASM_subject*.txt",),
        ),
        PublicSet(
            "mass",
            "Montreal Archive of Sleep Studies, SS1 and SS3 (epochs of 30 s); SS2, SS4, SS5: --epoch_seconds 20",
            "https://borealisdata.ca/dataverse/MASS",
            ON_REQUEST,
            "see its home",
            nights=200,
            channel="C4-CLE",
            tried=LAYOUT,
            recordings="* PSG.edf",
            hypnograms=("* Base.edf",),
            subject_pattern="{subject} PSG",
        ),
        PublicSet(
            "shhs",
            "Sleep Heart Health Study",
            "https://sleepdata.org/datasets/shhs",
            ON_REQUEST,
            "data use agreement",
            nights=0,
            channel="EEG",
            tried=LAYOUT,
            recordings="shhs*.edf",
            hypnograms=("*-nsrr.xml",),
            subject_pattern="shhs{night:1}-{subject}",
        ),
        PublicSet(
            "mesa",
            "Multi-Ethnic Study of Atherosclerosis, sleep",
            "https://sleepdata.org/datasets/mesa",
            ON_REQUEST,
            "data use agreement",
            nights=0,
            channel="EEG3",
            tried=LAYOUT,
            recordings="mesa-sleep-*.edf",
            hypnograms=("*-nsrr.xml",),
            subject_pattern="mesa-sleep-{subject}",
        ),
        PublicSet(
            "stages",
            "Stanford Technology Analytics and Genomics in Sleep",
            "https://sleepdata.org/datasets/stages",
            ON_REQUEST,
            "data use agreement",
            nights=0,
            channel="C4-M1",
            tried=FORM,
            recordings="*.edf",
            hypnograms=("*.csv",),
        ),
        PublicSet(
            "wsc",
            "Wisconsin Sleep Cohort",
            "https://sleepdata.org/datasets/wsc",
            ON_REQUEST,
            "data use agreement, non-commercial",
            nights=2570,
            channel="C3-M2",
            tried=FORM,
            recordings="wsc-visit*.edf",
            hypnograms=("*.eannot", "*.allscore.txt", "*.stg.txt"),
            subject_pattern="wsc-visit{night:1}-{subject}-nsrr",
        ),
        PublicSet(
            "anphy",
            "ANPHY-Sleep",
            "https://osf.io/r26fh/",
            OPEN,
            "see its home",
            nights=29,
            channel="C4-M1",
            tried=FORM,
            recordings="EPCTL*.edf",
            hypnograms=("EPCTL*.txt",),
        ),
        PublicSet(
            "boas",
            "Bitbrain open access sleep, OpenNeuro ds005555; the polysomnography",
            "https://openneuro.org/datasets/ds005555",
            OPEN,
            "CC0",
            nights=128,
            channel="PSG_C4",
            tried=f"{LAYOUT}; three of its hypnograms",
            recordings="*_acq-psg_eeg.edf",
            stage_map="aasm",
            columns=("stage=stage_hum",),
        ),
        PublicSet(
            "dod",
            "Dreem Open Datasets H and O, converted to EDF: their HDF5 files are not read",
            "https://github.com/Dreem-Organization/dreem-learning-open",
            OPEN,
            "MIT for the stages; see its home",
            nights=81,
            channel="C4-M1",
            tried="all 125 hypnograms of DOD-H; none of its recordings",
            hypnograms=("*.json",),
        ),
    )
}


def hypnogram_pattern(data_set: PublicSet, folder: Path) -> str:
    """Return the pattern of the hypnograms that a folder has, the first of those that the data set may have."""
    names = {path.name for path in folder.rglob("*")} if data_set.hypnograms else set()
    patterns = (one for one in data_set.hypnograms if any(fnmatch(name, one) for name in names))
    return next(patterns, data_set.hypnograms[0] if data_set.hypnograms else "")


def in_words(data_set: PublicSet) -> str:
    """Return what the table says of a data set, in a line."""
    parts = [data_set.title, f"{data_set.licence} ({data_set.access})", f"channel {data_set.channel}"]
    return "; ".join([*parts, f"tried on {data_set.tried}, see {data_set.home}"])


# ---- download ----


def download(data_set: PublicSet, subjects: Sequence[str] | None, folder: Path, mirror: str = "") -> None:
    """Fetch the files of some subjects into a folder, each checked; what is there whole is not fetched again.

    Args:
        data_set: whose they are.
        subjects: their names in the release.
        folder: gets the files, in the release's own folders.
        mirror: another server that has the release; "" for its home.

    Raises:
        InputError: the data set has no such release or subject, nobody was named, or the server failed.
    """
    if not data_set.release:
        how = "ask for it" if data_set.access == ON_REQUEST else "fetch it"
        raise InputError(f"--download: {data_set.name} has no release to fetch file by file; {how} at {data_set.home}")
    url = mirror.rstrip("/") + "/" if mirror else data_set.release
    checksums = fetch_checksums(url, CHECKSUMS, folder)
    there = subjects_of(data_set, checksums)
    if not subjects:
        raise InputError(f"--download: say which subjects, as in --subjects {' '.join(there[:2])}; {of_all(there)}")
    for name in subjects:
        if name not in there:
            raise InputError(f"--subjects {name}: {data_set.name} has no such subject; {of_all(there)}")
    wanted = [file for file in checksums if any(fnmatch(file, one) for one in patterns(data_set, subjects))]
    log.info("fetching %d files of %d subjects from %s (%s)", len(wanted), len(subjects), url, data_set.licence)
    fetch({file: checksums[file] for file in wanted}, url, folder)


def patterns(data_set: PublicSet, subjects: Sequence[str]) -> list[str]:
    return [pattern.format(subject=subject) for subject in subjects for pattern in data_set.files]


def subjects_of(data_set: PublicSet, files: Iterable[str]) -> list[str]:
    """Return the names of the subjects that a release has, in order of name."""
    before = data_set.files[0].partition("{subject}")[0]
    named = re.compile(re.escape(before) + f"({data_set.subject})")
    return sorted({match[1] for file in files if (match := named.match(file))})


def of_all(names: Sequence[str]) -> str:
    return f"there are {len(names)}, {names[0]} to {names[-1]}" if names else "its list of checksums names none"
