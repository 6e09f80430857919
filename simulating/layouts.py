"""Simulated nights, written in the raw layout of each data set. Each file says in its header that it is simulated."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files.folders import writable_folder
from files.reading import reader
from files.writing import written_whole
from recordings.datasets import (
    ISRUC,
    ISRUC_CODES,
    ISRUC_EXPERTS,
    ISRUC_UNREFERENCED,
    SLEEPEDF,
    SLEEPEDF_NIGHT_MISSING,
    SLEEPEDF_TEXTS,
    UCDDB,
    UCDDB_STAGES,
)
from recordings.recording import SIMULATED
from recordings.units import microvolts_in
from simulating.amplifiers import Amplifier, amplifier
from simulating.eeg import simulate_eeg, simulate_stages
from sleepstage import EPOCH_SECONDS, MOVEMENT, NOT_SCORED, RK_TO_AASM, Stage

if TYPE_CHECKING:
    from edfio import BdfSignal, EdfSignal

    Signal = EdfSignal | BdfSignal


@dataclass(frozen=True, eq=False)
class SimulatedNight:
    """A generated night.

    Attributes:
        stages: keys of SOUNDS, one an epoch.
        start: its clock.
        rng: where the rest of chance comes from.
        amplifier: what its EEG goes through.
    """

    stages: tuple[str, ...]
    start: datetime
    rng: np.random.Generator
    amplifier: Amplifier

    @property
    def seconds(self) -> int:
        return len(self.stages) * EPOCH_SECONDS

    def eeg(self, label: str, rate: int, limit: float) -> Signal:
        """Return an EEG signal that is clipped at ±`limit` µV, or where the amplifier does."""
        return self.signal(label, rate, simulate_eeg(self.stages, rate, self.rng), limit)

    def quiet(self, label: str, rate: float, unit: str = "") -> Signal:
        """Return a signal that no script reads: zeros."""
        zeros = np.zeros(round(self.seconds * rate), np.int32 if self.amplifier.bdf else np.int16)
        signal: Signal = self.signal_class.from_digital(
            zeros, rate, label=label, physical_dimension=unit, physical_range=(-1000, 1000), digital_range=(-2048, 2047)
        )
        return signal

    def signal(self, label: str, rate: int, samples: NDArray[np.float64], limit: float) -> Signal:
        """Return (sample,) µV as the amplifier records them, clipped where it does; by itself at ±`limit` µV."""
        recorded, most = self.amplifier.record(samples, rate), self.amplifier.most(limit)
        scale = microvolts_in(self.amplifier.unit) or 1.0
        signal: Signal = self.signal_class(
            np.clip(recorded.samples, -most, most) / scale,
            recorded.rate,
            label=label,
            physical_dimension=self.amplifier.unit,
            physical_range=(-most / scale, most / scale),
            digital_range=self.amplifier.digital_range,
            transducer_type="simulated",
        )
        return signal

    @property
    def signal_class(self) -> Any:
        from edfio import BdfSignal, EdfSignal

        return BdfSignal if self.amplifier.bdf else EdfSignal


@reader("readable", "choose another --output_dir")
def is_simulated(path: Path) -> bool:
    with path.open("rb") as file:
        return SIMULATED.encode() in file.read(256)


def write_edf(
    path: Path,
    signals: Sequence[Signal],
    start: datetime,
    record_seconds: int | None = None,
    annotations: Sequence[tuple[float, float, str]] | None = None,
) -> None:
    """Write an EDF or BDF file that says it is simulated; a recording that does not say so is never replaced.

    Raises:
        InputError: a real recording of this name is there, or the file cannot be written.
    """
    from edfio import Bdf, Edf, EdfAnnotation, Patient, Recording

    if path.exists() and not is_simulated(path):
        raise InputError(f"{path}: exists and is not simulated; choose another --output_dir")
    file_class: Any = Bdf if path.suffix == ".bdf" else Edf
    edf = file_class(
        signals,
        patient=Patient(name=SIMULATED),
        recording=Recording(startdate=start.date(), equipment_code=SIMULATED),
        starttime=start.time(),
        data_record_duration=record_seconds and whole_record(record_seconds, signals),
        annotations=None if annotations is None else [EdfAnnotation(*annotation) for annotation in annotations],
    )
    with written_whole(path) as partial:
        edf.write(partial)


def whole_record(seconds: int, signals: Sequence[Signal]) -> int:
    """Return `seconds`, or the least multiple of it in which every signal has a whole number of samples."""
    rates = [Fraction(one.sampling_frequency).limit_denominator(1000) for one in signals]
    return seconds * math.lcm(*((rate * seconds).denominator for rate in rates))


def write_lines(path: Path, codes: Sequence[int]) -> None:
    with written_whole(path) as partial:
        partial.write_text("".join(f"{code}\n" for code in codes), encoding="ascii")


# ---- Sleep-EDF: SC4ssN?0-PSG.edf with SC4ssN??-Hypnogram.edf ----

HYPNOGRAM_RUNS_ON = 20 * 60  # seconds; every hypnogram of the release goes on after the signal, as UNKNOWN


def write_sleepedf(folder: Path, subject: int, hours: float, seed: int, amplifier: Amplifier) -> list[Path]:
    """Write both nights of a subject: PSG in records of 30 s, with three signals at 100 Hz and four at 1 Hz."""
    written = []
    for number in (1, 2):
        if SLEEPEDF_NIGHT_MISSING.get(subject) == number:
            continue
        night = simulated_night(hours, wake_minutes=35, seed=(seed, subject, number), amplifier=amplifier)
        key, scorer = f"SC4{subject:02d}{number}E", "C"
        psg = amplifier.file(folder / SLEEPEDF.recording.format(key=key))
        hypnogram = folder / SLEEPEDF.hypnogram.format(key=key).replace("?", scorer)
        signals = [
            night.eeg("EEG Fpz-Cz", 100, limit=192),
            night.eeg("EEG Pz-Oz", 100, limit=197),
            night.quiet("EOG horizontal", 100, "uV"),
            night.quiet("Resp oro-nasal", 1),
            night.quiet("EMG submental", 1, "uV"),
            night.quiet("Temp rectal", 1, "DegC"),
            night.quiet("Event marker", 1),
        ]
        write_edf(psg, signals, night.start, record_seconds=EPOCH_SECONDS)
        runs_on = (float(night.seconds), float(HYPNOGRAM_RUNS_ON), SLEEPEDF_TEXTS[NOT_SCORED])
        write_edf(hypnogram, [], night.start, annotations=[*annotated(night.stages), runs_on])
        written += [psg, hypnogram]
    return written


def annotated(stages: Sequence[str]) -> list[tuple[float, float, str]]:
    """Return (onset, duration, text) of each run of one stage, in seconds."""
    changes = [i for i in range(len(stages)) if i == 0 or stages[i] != stages[i - 1]]
    return [
        (float(start * EPOCH_SECONDS), float((end - start) * EPOCH_SECONDS), SLEEPEDF_TEXTS[stages[start]])
        for start, end in zip(changes, [*changes[1:], len(stages)], strict=True)
    ]


# ---- ISRUC: N/N.rec with N/N_1.txt and N/N_2.txt ----

ISRUC_EEG = ("F3-A2", "C3-A2", "O1-A2", "F4-A1", "C4-A1", "O2-A1")
EXPERTS_AGREE = 0.9


def write_isruc(folder: Path, subject: int, hours: float, seed: int, amplifier: Amplifier) -> list[Path]:
    """Write a subject's night at 200 Hz, with two experts who differ in a tenth of the epochs."""
    night = simulated_night(hours, wake_minutes=10, seed=(seed, subject), amplifier=amplifier)
    names = (ISRUC.recording, ISRUC_EXPERTS[1], ISRUC_EXPERTS[2])
    recording, first, second = (folder / name.format(key=subject) for name in names)
    recording = amplifier.file(recording)
    writable_folder(recording.parent)
    slow = [night.quiet(label, 25) for label in ("X6", "DC3", "X7", "X8")]
    slow += [night.quiet(label, 12.5) for label in ("SaO2", "DC8")]
    fast = [night.quiet(label, 200, "uV") for label in ("X1", "X2", "X3", "X4", "X5")]
    write_edf(recording, [*isruc_head(night, subject), *fast, *slow], night.start, record_seconds=2)
    numbers = {stage: number for number, stage in ISRUC_CODES.items()}
    codes = [numbers[Stage(max(RK_TO_AASM[stage], Stage.W))] for stage in night.stages]  # no epoch is left unstaged
    write_lines(first, codes)
    other = night.rng.permutation(codes)
    agree = night.rng.random(len(codes)) < EXPERTS_AGREE
    write_lines(second, [int(code) for code in np.where(agree, codes, other)])
    return [recording, first, second]


def isruc_head(night: SimulatedNight, subject: int) -> list[Signal]:
    """Return EOG and EEG, named as in the release: A1/A2 or M1/M2 for the mastoids, and for one subject unreferenced.

    Only C3 and its reference carry an EEG.
    """
    names: tuple[str, ...]
    if subject == ISRUC_UNREFERENCED:
        common = (
            night.rng.standard_normal(night.seconds * 200) * 10
        )  # both electrodes pick it up: the difference is clean
        c3 = simulate_eeg(night.stages, 200, night.rng) + common
        live = {"C3": night.signal("C3", 200, c3, 600), "A2": night.signal("A2", 200, common, 600)}
        names = ("ROC", "A1", "LOC", "A2", "C4", "O2", "C3", "O1", "F4", "F3")
    else:
        mastoid = str.maketrans("A", "A" if subject % 2 else "M")
        names = tuple(name.translate(mastoid) for name in ("LOC-A2", "ROC-A1", *ISRUC_EEG))
        live = {name: night.eeg(name, 200, limit=600) for name in names if name.startswith("C3")}
    return [live.get(name) or night.quiet(name, 200, "uV") for name in names]


# ---- UCDDB: ucddb0NN.rec with ucddb0NN_stage.txt ----


def write_ucddb(folder: Path, subject: int, hours: float, seed: int, amplifier: Amplifier) -> list[Path]:
    """Write a subject's night: fourteen signals at 128, 64 and 8 Hz in records of 1 s."""
    night = simulated_night(hours, wake_minutes=10, seed=(seed, subject), amplifier=amplifier)
    key = f"ucddb{subject:03d}"
    recording = amplifier.file(folder / UCDDB.recording.format(key=key))
    stages = folder / UCDDB.hypnogram.format(key=key)
    signals = [night.quiet(label, 64, "uV") for label in ("Lefteye", "RightEye", "EMG")]
    signals += [night.eeg(label, 128, limit=600) for label in ("C3A2", "C4A1")]
    signals += [night.quiet("ECG", 128, "uV")]
    slow = ("SpO2", "Sound", "Flow", "Sum", "ribcage", "abdo", "BodyPos", "Pulse")
    signals += [night.quiet(label, 8) for label in slow]
    write_edf(recording, signals, night.start, record_seconds=1)
    numbers = {stage: number for number, stage in UCDDB_STAGES.items()}
    write_lines(stages, [numbers[stage] for stage in night.stages])
    return [recording, stages]


# ---- a laboratory of its own: P0N, each with another kind of hypnogram ----

Written = Callable[[Sequence[str], datetime], str]


def as_table(stages: Sequence[str], start: datetime) -> str:
    rows = (f"{onset:g},{length:g},{name}" for onset, length, name in spans(stages))
    return "\n".join(("onset,duration,stage", *rows, ""))


def as_lines(stages: Sequence[str], start: datetime) -> str:
    return "".join(f"{IN_WORDS[stage]}\n" for stage in stages)


def as_nsrr(stages: Sequence[str], start: datetime) -> str:
    """Return the XML of the National Sleep Research Resource."""
    events = (
        f"<ScoredEvent><EventType>Stages|Stages</EventType><EventConcept>{name}</EventConcept>"
        f"<Start>{onset:g}</Start><Duration>{length:g}</Duration></ScoredEvent>\n"
        for onset, length, name in spans(stages)
    )
    return (
        f"<PSGAnnotation><EpochLength>30</EpochLength><ScoredEvents>\n{''.join(events)}</ScoredEvents></PSGAnnotation>"
    )


def as_sleep_profile(stages: Sequence[str], start: datetime) -> str:
    """Return the text that Somnomedics' Domino exports."""
    times = (start + timedelta(seconds=EPOCH_SECONDS * i) for i in range(len(stages)))
    rows = (f"{time:%H:%M:%S},000; {IN_WORDS[stage]}" for time, stage in zip(times, stages, strict=True))
    head = (
        "Signal ID: SchlafProfil\\profil",
        f"Start Time: {start:%d.%m.%Y %H:%M:%S}",
        "Signal Type: Discret",
        "Rate: 30 s",
    )
    return "\n".join((*head, "", *rows, ""))


IN_WORDS = {"W": "Wake", "1": "N1", "2": "N2", "3": "N3", "4": "N3", "R": "REM", MOVEMENT: "Movement", NOT_SCORED: "?"}
OWN_KINDS: tuple[tuple[str, Written | None], ...] = (
    ("P{:02d}_hypnogram.csv", as_table),
    ("P{:02d}.txt", as_lines),
    ("P{:02d}-nsrr.xml", as_nsrr),
    ("", None),  # annotations of the recording itself
    ("P{:02d}.eannot", as_lines),
    ("Sleep profile - P{:02d}.txt", as_sleep_profile),
)


def spans(stages: Sequence[str]) -> list[tuple[float, float, str]]:
    """Return onset, duration in seconds, and name of each run of a stage."""
    names = [IN_WORDS[stage] for stage in stages]
    starts = [i for i, name in enumerate(names) if i == 0 or name != names[i - 1]]
    ends = [*starts[1:], len(names)]
    return [
        (float(EPOCH_SECONDS * a), float(EPOCH_SECONDS * (b - a)), names[a]) for a, b in zip(starts, ends, strict=True)
    ]


def write_own(folder: Path, subject: int, hours: float, seed: int, amplifier: Amplifier) -> list[Path]:
    """Write a subject's night: C4, C3 and M1 at 256 Hz, and a hypnogram of the kind whose turn it is."""
    night = simulated_night(hours, wake_minutes=20, seed=(seed, subject), amplifier=amplifier)
    hypnogram, written = OWN_KINDS[(subject - 1) % len(OWN_KINDS)]
    recording = amplifier.file(folder / f"P{subject:02d}.edf")
    signals = [night.eeg(label, 256, limit=500) for label in ("C4-M1", "C3-M2")] + [night.quiet("EMG", 256, "uV")]
    stages = [(onset, length, f"Sleep stage {text}") for onset, length, text in spans(night.stages)]
    write_edf(recording, signals, night.start, record_seconds=1, annotations=None if written else stages)
    if written is None:
        return [recording]
    path = folder / hypnogram.format(subject)
    with written_whole(path) as partial:
        partial.write_text(written(night.stages, night.start), encoding="utf-8")
    return [recording, path]


def simulated_night(hours: float, wake_minutes: int, seed: tuple[int, ...], amplifier: Amplifier) -> SimulatedNight:
    """Draw a night's stages and its clock; a short night has less W at its ends: a fifth at each."""
    rng = np.random.default_rng(seed)
    n_epochs = round(hours * 3600 / EPOCH_SECONDS)
    stages = simulate_stages(n_epochs, min(wake_minutes * 60 // EPOCH_SECONDS, n_epochs // 5), rng)
    day = date(2000, 1, 1) + timedelta(days=int(rng.integers(0, 365)))
    start = datetime.combine(day, time(22, int(rng.integers(0, 60))))
    return SimulatedNight(tuple(stages), start, rng, amplifier)


@dataclass(frozen=True)
class Layout:
    """A data set's raw files: which subjects there are, four that make fold 0 complete, and what writes one of them."""

    subjects: tuple[int, ...]
    for_fold_0: tuple[int, ...]
    write: Callable[[Path, int, float, int, Amplifier], list[Path]]


LAYOUTS = {
    "sleepedf": Layout(SLEEPEDF.subjects, (0, 1, 2, 3), write_sleepedf),
    "isruc": Layout(ISRUC.subjects, (1, 11, 12, 13), write_isruc),
    "ucddb": Layout(UCDDB.subjects, (2, 3, 5, 12), write_ucddb),
    "own": Layout(tuple(range(1, 100)), (1, 2, 3, 4, 5, 6), write_own),
}


def simulate(
    db: str, folder: Path, subjects: Sequence[int], hours: float, seed: int, faults: Sequence[str] = ()
) -> list[Path]:
    """Write generated recordings of `subjects` into `folder`, laid out as data set `db`, and return the files.

    Args:
        db: a key of LAYOUTS.
        folder: where to; made if need be.
        subjects: numbers that the data set has.
        hours: length of a night.
        seed: the same seed gives the same files.
        faults: what the amplifier does to the EEG, keys of `amplifiers.FAULTS`, in this order.

    Raises:
        InputError: a file cannot be written, or would replace a real recording; or there is no such fault.
    """
    through = amplifier(faults)
    folder = writable_folder(folder)
    return [path for subject in subjects for path in LAYOUTS[db].write(folder, subject, hours, seed, through)]
