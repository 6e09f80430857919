"""The kinds of files that users give: sound ones to damage, and how the program reads each kind to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import edfio
import numpy as np

from config import Settings
from data import Night, load_night, save_night, summarize_night
from evaluation.nights import read_scored
from files.limits import LONGEST_DAYS
from files.writing import save_json
from folds import published
from folds.calibration import Calibration, load_calibration, save_calibration
from folds.checkpoint import Best, load_best, load_resume, save_best, save_resume
from folds.folders import BEST, CALIBRATION, HISTORY, RESUME, RUN, TEST_SCORES
from folds.history import Pass, load_history, load_test_scores, save_history, save_test_scores
from folds.run import Origin, Run, load_run, save_run
from recordings.channels import Channel
from recordings.conditioning import Conditioning
from recordings.dataset_file import (
    FEWEST,
    FILE,
    Description,
    OwnNight,
    Subject,
    load_description,
    save_description,
)
from recordings.datasets import read_hypnogram
from recordings.epochs import epochs_in_parts
from recordings.opening import one_channel, open_prepared, open_recording
from recordings.quality import look_at, quality
from recordings.recording import Recording
from scoring.lights import lights_of
from scoring.recording_files import summarize, write_annotations, write_table
from scoring.request import Request
from scoring.scorer import Scorer
from sleepstage import EPOCH_SECONDS, STAGES, UNKNOWN
from tests.hostile.mutations import (
    ANYWHERE,
    EDF,
    NPZ,
    ZIP_DIRECTORY,
    Mutation,
    cell_changed,
    json_changed,
    line_changed,
)
from tests.hostile.requests import read_request, request_changed, sound_requests
from tests.support.edf_files import WIDE, noise, with_gap, write_edf, write_hypnogram
from tests.support.folds_on_disk import save_fold
from tests.support.generated import write_published
from tests.support.score_folders import score_folder
from tests.support.scored_nights import a_scored_night
from tests.support.timed_hypnograms import FORMS as TIMED
from tests.support.timed_hypnograms import rows_changed, write_form, wrong_epochs
from tests.test_hypnograms import KINDS as FORMS
from tests.test_opening import write_brainvision, write_eeglab, write_fif

Read = Callable[[Path], None]
"""Reads a file as the program does, and asserts what holds for all that is read."""


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes:
        sound: writes sound files of it into a folder; those that are damaged are the ones that `names` matches.
        names: pattern of the files that are damaged.
        own: how its format is damaged where it has a meaning.
        read: reads one.
        opened: what is opened when another file than the one that is opened is damaged.
        only_own: it is damaged in no other way than the first of `own`, so that what it says stays known.
    """

    sound: Callable[[Path], None]
    names: str
    own: tuple[Mutation, ...]
    read: Read
    opened: str = ""
    only_own: bool = False


# ---- recordings ----

MARKS = [
    WIDE,
    *(edfio.EdfAnnotation(onset, None, text) for onset, text in ((3, "Lights off"), (80, "L ON"), (20, "BAD_x"))),
]


def sound_recordings(folder: Path) -> None:
    signals = [("EEG Fpz-Cz", 100.0, "uV", noise(100, 100)), ("EOG", 50.0, "mV", noise(100, 50, 0.02))]
    write_edf(folder / "plain.edf", signals)
    write_edf(folder / "plus.edf", signals[:1], annotations=MARKS)
    with_gap(write_edf(folder / "gap.edf", signals[:1], annotations=[WIDE]), 100, 40, 600)
    bdf = edfio.BdfSignal(noise(100, 64), 64, label="Fpz-Cz", physical_dimension="uV")
    edfio.Bdf([bdf], annotations=MARKS[1:]).write(folder / "night.bdf")


def read_recording(path: Path) -> None:
    opened = open_recording(path)
    check_recording(opened)
    for number, header in list(enumerate(opened.headers))[:2]:
        signal = one_channel(opened, Channel(header.label, number))
        parts = epochs_in_parts(signal)
        seen = look_at(parts)
        good = quality(parts, seen, opened.marks).good
        assert np.isfinite(seen.power[good]).all()
        assert sum(len(part.x) for part in parts()) * EPOCH_SECONDS <= signal.seconds + 1e-6


def check_recording(opened: Recording) -> None:
    assert opened.seconds <= LONGEST_DAYS * 86_400
    assert all(part.seconds >= 0 and part.onset >= 0 for part in opened.stretches)
    lights_of(opened, None, None)


def sound_brainvision(folder: Path) -> None:
    write_brainvision(folder / "night.vhdr")


def sound_fif(folder: Path) -> None:
    write_fif(folder / "night_raw.fif")


def sound_eeglab(folder: Path) -> None:
    write_eeglab(folder / "night.set")


@cache
def scorer() -> Scorer:
    with TemporaryDirectory() as folder:
        save_fold(Path(folder), 0)
        return Scorer(folder, "sleepedf", gpu=-1)


def read_and_score(path: Path) -> None:
    """Stage a recording and write what predict.py writes of it, but for the picture."""
    staged = scorer().stage_opened(replace(open_recording(path), name="night"), Request())
    table, annotations = path.parent / "out.csv", path.parent / "out.edf"
    write_table(table, staged)
    write_annotations(annotations, staged)
    save_json(path.parent / "out.json", summarize(staged))
    assert len(table.read_text(encoding="utf-8").splitlines()) == len(staged) + 1
    assert len(edfio.read_edf(annotations).annotations) == len(staged)


# ---- hypnograms ----


def sound_hypnograms(folder: Path) -> None:
    texts = [f"Sleep stage {one}" for one in "W123R432W"]
    spans = [(number * 300.0, 300.0, text) for number, text in enumerate(texts)]
    write_hypnogram(folder / "SC4001EC-Hypnogram.edf", *spans, (2700.0, 30.0, "Movement time"))
    new = ("Sleep stage W", "Sleep stage N1", "Sleep stage N2", "Sleep stage N3", "Sleep stage R", "Sleep stage ?")
    write_hypnogram(folder / "own.edf", *((number * 60.0, 60.0, text) for number, text in enumerate(new * 3)))


def sound_other_hypnograms(folder: Path) -> None:
    for number, (name, text) in enumerate(FORMS.values()):
        (folder / f"{number}{name}").write_text(text, encoding="utf-8")


def sound_stage_lines(folder: Path) -> None:
    (folder / "1").mkdir()
    (folder / "1" / "1_1.txt").write_text("\r\n".join("001123325550" * 6) + "\r\n")
    (folder / "ucddb002_stage.txt").write_text("\n".join("0012345678" * 6) + "\n")


def read_stages(path: Path) -> None:
    hypnogram = read_hypnogram(path, None)
    assert hypnogram.codes.dtype == np.int32
    assert np.isin(hypnogram.codes, [UNKNOWN, *STAGES]).all()
    assert len(hypnogram.codes) * EPOCH_SECONDS <= LONGEST_DAYS * 86_400


def sound_timed_hypnograms(folder: Path) -> None:
    for number, form in enumerate(TIMED):
        for first in (0, 37):
            below = folder / f"{number}_{first}"
            below.mkdir()
            write_form(below, form, first)


def read_stages_by_time(path: Path) -> None:
    wrong = wrong_epochs(path)
    assert not wrong, f"{len(wrong)} epochs have the stage of another time, the first is {wrong[0]}"


# ---- prepared nights ----


def a_night() -> Night:
    y = np.array([0, 1, 2, 3], np.int32)
    x = noise(len(y), 3000).astype(np.float32).reshape(len(y), -1)
    return Night("SC4001E0", x, y, 100.0, "EEG Fpz-Cz", {"signal_file": "a.edf", "simulated": 0, "signal_rate": 100.0})


def sound_nights(folder: Path) -> None:
    save_night(folder / "SC4001E0.npz", a_night())
    np.savez(folder / "plain.npz", x=a_night().x[:, :, np.newaxis].astype(np.float64), y=a_night().y, fs=100)


def read_night(path: Path) -> None:
    """Read a night in every way: its summary, into memory, left on disk, and as a recording."""
    summary = summarize_night(path)
    night = load_night(path)
    assert (summary.n_epochs, summary.ch_label) == (len(night), night.ch_label)
    assert np.isfinite(night.x).all() and np.isin(night.y, list(STAGES)).all()
    on_disk = load_night(path, on_disk=True)
    np.testing.assert_array_equal(on_disk.x[0 : len(night)], night.x)
    check_recording(open_prepared(path))


def sound_description(folder: Path) -> None:
    nights = [OwnNight(f"night{number}", "1", 9, "C4", 256.0, "a.edf", "a.csv") for number in range(FEWEST)]
    subjects = [
        Subject(f"s{number}", number, number, {"site": "north"}, [night]) for number, night in enumerate(nights)
    ]
    save_description(folder, Description("own", {"drop_last": 0, "select_ch": "C4"}, 100.0, "", FEWEST, "", subjects))


def read_description(path: Path) -> None:
    description = load_description(path.parent)
    assert description is not None
    dataset = description.dataset()
    names = [name for of_one in (dataset.night_names or {}).values() for name in of_one]
    assert {dataset.subject_of(name) for name in names} <= set(dataset.subjects)


# ---- folds ----


def a_run() -> Run:
    subjects = {"train": [2, 3], "valid": [1], "test": [0]}
    epochs = {part: {f"SC4{subject:02d}1E0": 9 for subject in subjects[part]} for part in subjects}
    adapted = Conditioning(0.2, (7.0, 9.0), own=(3.8, 9.4))
    first = Run(
        "sleepedf", 0, Settings(n_rnn_units=8), subjects, epochs, ["EEG Fpz-Cz"], {"python": "3"}, None, adapted
    )
    return replace(first, init_from=Origin("there", "0" * 64, "npz", 3, first), adapted=None)


def sound_fold(folder: Path) -> None:
    rng = np.random.default_rng(0)
    weights = {"conv_1/kernel": rng.normal(0, 1, (50, 1, 16)).astype(np.float32), "dense/bias": np.zeros(5, np.float32)}
    save_best(folder, Best(weights, 120, 4))
    save_resume(folder, 2, {**weights, "adam/step": np.array(3)})
    passes = [
        Pass("start", 0, 0, valid_accuracy=0.5, valid_macro_f1=0.4),
        Pass("pretrain", 1, 10, 0.5, seconds=1.0),
        Pass("train", 1, 20, 0.4, 1.2, 0.1, 0.5, 0.4, 0.3, True, 2.0),
    ]
    save_history(folder, passes)
    save_run(folder, a_run())
    table = [[row + column for column in range(5)] for row in range(5)]
    save_calibration(folder, Calibration(1.2, 0.7, 0.9, 0.8, ("SC4011E0",), 9, 0.05, 0.02, "0" * 64))
    save_test_scores(folder, Best(weights, 120, 4), {"confusion_expert_by_model": table}, ["SC4001E0"])


def read_best(path: Path) -> None:
    best = load_best(path.parent)
    assert best.global_step >= 0 and best.pass_number >= 0
    assert all(np.isfinite(value).all() for value in best.weights.values())


def read_resume(path: Path) -> None:
    done, values = load_resume(path.parent)
    assert done >= 0 and all(np.isfinite(value).all() for value in values.values())


def read_history(path: Path) -> None:
    for one in load_history(path.parent):
        assert one.phase in ("start", "pretrain", "train") and one.pass_number >= 0
        assert one.in_words()


def read_run(path: Path) -> None:
    run = load_run(path.parent)
    assert run.conditioning.in_words() is not None
    assert run.as_json() and isinstance(run.seed, int)
    assert isinstance(run.has_seen("SC4001E0"), bool) and isinstance(run.seen_test_nights(), list)


def read_calibration(path: Path) -> None:
    calibration = load_calibration(path.parent, "0" * 64)
    assert calibration is not None and calibration.temperature > 0 and calibration.in_words()


def read_scores(path: Path) -> None:
    tested = load_test_scores(path.parent)
    assert tested.confusion.shape == (5, 5)
    assert ", ".join(tested.seen_nights) is not None and f"{tested.pass_number:d}"


def sound_published(folder: Path) -> None:
    write_published(folder)


def read_published(path: Path) -> None:
    prefix = published.checkpoint_in(path.parent)
    if prefix:
        assert np.isfinite(published.load_checkpoint(prefix).weights["dense/kernel"]).all()


# ---- scores ----


def sound_scores(folder: Path) -> None:
    score_folder(folder / "box", 1.5, (0,))
    a_scored_night(folder / "recordings")


def read_scores_of(path: Path) -> None:
    for night in read_scored(str(path.parent)).nights.values():
        assert np.isin(night.stages, [UNKNOWN, *STAGES]).all()
        p = night.probabilities
        assert p is not None and (np.isnan(p) | ((p >= 0) & (p <= 1))).all()
        assert len(night.stages) == len(p) and str(night.subject)


KINDS = {
    "EDF, EDF+, BDF": Kind(sound_recordings, "*.*df", EDF, read_recording),
    "EDF, EDF+, BDF, scored": Kind(sound_recordings, "*.*df", EDF, read_and_score),
    "BrainVision header": Kind(sound_brainvision, "*.vhdr", (line_changed,), read_recording),
    "BrainVision markers": Kind(sound_brainvision, "*.vmrk", (line_changed,), read_recording, "night.vhdr"),
    "FIF": Kind(sound_fif, "*.fif", (), read_recording),
    "EEGLAB": Kind(sound_eeglab, "*.set", (), read_recording),
    "hypnogram, EDF+": Kind(sound_hypnograms, "*.edf", EDF, read_stages),
    "hypnogram, text": Kind(sound_stage_lines, "**/*.txt", (line_changed,), read_stages),
    "hypnogram, other forms": Kind(sound_other_hypnograms, "*.*", (line_changed,), read_stages),
    "hypnogram, rows moved": Kind(sound_timed_hypnograms, "*/*.*", (rows_changed,), read_stages_by_time, only_own=True),
    "prepared night": Kind(sound_nights, "*.npz", NPZ, read_night),
    "best_model.npz": Kind(sound_fold, BEST, NPZ, read_best),
    "resume.npz": Kind(sound_fold, RESUME, NPZ, read_resume),
    "history.csv": Kind(sound_fold, HISTORY, (cell_changed, line_changed), read_history),
    "config.json": Kind(sound_fold, RUN, (json_changed,), read_run),
    "calibration.json": Kind(sound_fold, CALIBRATION, (json_changed,), read_calibration),
    "dataset.json": Kind(sound_description, FILE, (json_changed,), read_description),
    "test_scores.json": Kind(sound_fold, TEST_SCORES, (json_changed,), read_scores),
    "npz, its zip directory": Kind(sound_nights, "*.npz", ZIP_DIRECTORY, read_night),
    "epochs.csv": Kind(sound_scores, "box/epochs.csv", (cell_changed, line_changed), read_scores_of),
    "metrics.json": Kind(sound_scores, "box/metrics.json", (json_changed,), read_scores_of),
    "NAME_stages.csv": Kind(sound_scores, "*/*/*_stages.csv", (cell_changed, line_changed), read_scores_of),
    "NAME_summary.json": Kind(sound_scores, "*/*/*_summary.json", (json_changed,), read_scores_of),
    "requests to the page": Kind(sound_requests, "*.request", (request_changed,), read_request),
    "published checkpoint": Kind(sound_published, "*.ckpt*", ANYWHERE, read_published),
}


def sound_files(kind: Kind, folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Write a kind's sound files into a folder, check that they are read, and yield those to damage."""
    kind.sound(folder)
    for path in sorted(folder.glob(kind.names)):
        kind.read(path.with_name(kind.opened) if kind.opened else path)
        yield path, path.read_bytes()
