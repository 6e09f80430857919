"""The door for Python: saved checkpoints that stage any recording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

from numpy.typing import ArrayLike, NDArray

import config
from command import InputError, numbered
from engine.device import choose_device, start_tensorflow
from files.folders import existing_folder, writable_folder
from folds.checkpoint import Fold, load_folds
from folds.families import in_words, load_families
from folds.folders import dataset_of_folds, datasets_in, find_folds
from recordings.datasets import Dataset
from recordings.hypnogram import EDF_TEXTS
from recordings.recording import Recording
from scoring import plots
from scoring.from_python import check_name, names_of, opened_from, request_from
from scoring.networks import check_fits_recordings, compile_networks
from scoring.recording_files import picture_title, write_recording
from scoring.request import Request, StagingPlan, plan_staging
from scoring.staged import StagedRecording
from scoring.staging import stage_recording
from sleepstage import EPOCH_SECONDS, STAGES, UNKNOWN, Stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from mne import Annotations, BaseEpochs
    from mne.io import BaseRaw

DEFAULT_DB = "isruc"
YASA_NAMES = {stage: "WAKE" if stage is Stage.W else stage.name for stage in STAGES}


class ScoredNight(StagedRecording):
    """A staged recording with its picture and its files at hand; all figures are those of `StagedRecording`."""

    def plot(self) -> Figure:
        """Return the picture of the night: hypnogram, unsure epochs, probabilities, spectrogram."""
        return plots.recording_figure(self, picture_title(self))

    def save(self, folder: str | Path, svg: bool = False, formats: Sequence[str] = ()) -> list[Path]:
        """Write the files that predict.py writes, NAME_stages.csv and others, and return their paths.

        Args:
            folder: gets them; it is made if need be.
            svg: write the picture as an SVG drawing too.
            formats: write the stages in these formats too: "bids", "eannot", "nsrr".

        Raises:
            InputError: a format is unknown, the folder or a file cannot be written, or its name would lead elsewhere.
        """
        check_name(self.name)
        return write_recording(writable_folder(folder), self, svg, formats)

    def to_annotations(self) -> Annotations:
        """Return the stages as MNE's annotations, one for each epoch, for `raw.set_annotations(...)`."""
        from mne import Annotations

        onsets = [self.onset(epoch) for epoch in range(len(self))]
        return Annotations(onsets, EPOCH_SECONDS, [EDF_TEXTS[int(stage)] for stage in self.stages])

    def to_yasa(self) -> Any:
        """Return the stages as `yasa.Hypnogram`, which starts with the first epoch; what has no stage is UNS.

        Raises:
            InputError: YASA is not installed.
        """
        try:
            import yasa
        except ImportError as error:
            raise InputError("to_yasa() needs YASA, which is not installed: python -m pip install yasa") from error
        names = ["UNS" if stage == UNKNOWN else YASA_NAMES[Stage(stage)] for stage in self.stages]
        start = self.start and self.start + timedelta(seconds=self.first_second)
        return yasa.Hypnogram(names, n_stages=5, freq=f"{EPOCH_SECONDS}s", start=start, scorer="RecSleepNet")


class Scorer:
    """Checkpoints of one data set or several, ready to stage recordings; TensorFlow is imported with the first one.

    Args:
        dir: folder of folds, as for `predict.py --dir`: `<db>/<fold>/`; or several, for several data sets.
        db: the data set whose folds score; None for the default, or for what is there. Of several, the mean over them
            of the mean over the folds of each, which is read from the first folder that has it.
        suffix: score with the folds of `<db>_<suffix>`.
        fold: score with this fold only, of one data set; None for the mean of all folds.
        gpu: GPU number; -1, or no GPU in the machine, for the CPU.

    Raises:
        InputError: there are no such checkpoints, or they cannot be used for recordings.
    """

    def __init__(
        self,
        dir: str | Path | Sequence[str | Path] = config.PRETRAINED_DIR,
        db: str | Sequence[str] | None = None,
        *,
        suffix: str | None = None,
        fold: int | None = None,
        gpu: int = 0,
    ) -> None:
        choose_device(gpu)
        folders = (dir,) if isinstance(dir, str | Path) else tuple(dir)
        names = (db,) if isinstance(db, str) else tuple(dict.fromkeys(db or ()))
        roots = [existing_folder(folder, "checkpoints") for folder in folders]
        self.gpu = gpu
        self.folds = folds_for_recordings(roots, names, suffix, fold)
        for one in self.folds:
            check_fits_recordings(one)

    def __repr__(self) -> str:
        return f"<Scorer {in_words(self.folds)}>"

    @cached_property
    def device(self) -> str:
        """What is computed on, in words."""
        return start_tensorflow(self.gpu)

    @cached_property
    def preparing(self) -> Thread:
        """The thread in which `prepare` runs while a first recording is read."""
        assert self.device
        thread = Thread(target=self.prepare)
        thread.start()
        return thread

    def prepare(self) -> None:
        """Compile the networks, and import what draws."""
        compile_networks(self.folds)
        plots.import_matplotlib()

    def stage(
        self,
        recording: str | Path | BaseRaw | BaseEpochs | ArrayLike,
        *,
        channel: str | Sequence[str] | None = None,
        rate: float | None = None,
        name: str = "array",
        hypnogram: str | Path | Sequence[Any] | NDArray[Any] | None = None,
        stage_map: str | Path | Mapping[Any, str] | None = None,
        lights_off: str | float | None = None,
        lights_on: str | float | None = None,
    ) -> ScoredNight:
        """Stage a recording.

        Args:
            recording: a file of any format that is read; an MNE Raw, or MNE Epochs of 30 s; or one channel in µV,
                (sample,), (1, sample), or (epoch, sample) in epochs of 30 s.
            channel: score this channel, or A-B; of several, the mean probability. By default the one that the
                checkpoints were trained on, or its nearest stand-in. Of an array: what the channel is.
            rate: of an array, Hz.
            name: of an array: what its files are called.
            hypnogram: the expert's: a file of any kind that predict.py reads, or a stage for each epoch as a list or an
                array; by default one that goes with the file by its name, as for predict.py.
            stage_map: what its labels or numbers mean: "rk", "aasm", a file, or {label: stage}.
            lights_off: clock time HH:MM[:SS], or seconds from the recording's start; statistics start here.
            lights_on: the same, statistics end here.

        Raises:
            InputError: the recording, the channel, the hypnogram or the lights cannot be used.
        """
        channels = names_of(channel)
        opened = opened_from(recording, channels, rate, name)
        return self.stage_opened(opened, request_from(channels, hypnogram, stage_map, lights_off, lights_on))

    def stage_opened(self, opened: Recording, request: Request) -> ScoredNight:
        """Stage an open recording, as `stage` does."""
        return self.stage_planned(opened, plan_staging(opened, request, self.folds))

    def stage_planned(self, opened: Recording, plan: StagingPlan) -> ScoredNight:
        """Stage an open recording as it is planned."""
        assert self.preparing
        staged = stage_recording(opened, plan)
        return ScoredNight(**{field.name: getattr(staged, field.name) for field in fields(staged)})


def folds_for_recordings(
    roots: Sequence[Path], names: Sequence[str], suffix: str | None, fold: int | None
) -> list[Fold]:
    """Return the folds that score recordings: of one data set, or of each of several.

    Raises:
        InputError: there are none, or which ones are meant stays open.
    """
    if len(roots) == 1 and len(names) < 2:
        dataset = dataset_for_recordings(roots[0], names[0] if names else None, suffix)
        return load_folds(one_fold(find_folds(roots[0], dataset, suffix), fold), dataset)
    if not roots or not names:
        raise InputError(f"{len(roots)} folders of checkpoints: choose data sets with db (on the command line: --db)")
    if fold is not None:
        raise InputError(f"fold {fold} chooses one of one data set, in one folder; leave it out, or name one of each")
    return load_families(roots, names, suffix)


def dataset_for_recordings(root: Path, db: str | None, suffix: str | None) -> Dataset:
    """Return the data set whose checkpoints score recordings: the one asked for, or the default.

    Recordings need no data set of their own: where there are no checkpoints of the default, those of another serve.

    Raises:
        InputError: there is no such data set, or which one is meant stays open.
    """
    there = datasets_in(root, suffix)
    if db or DEFAULT_DB in there:
        return dataset_of_folds(root, db or DEFAULT_DB, suffix)
    if len(there) != 1:
        found = f"holds checkpoints of {', '.join(there)}" if there else "has no folder of a data set"
        raise InputError(f"{root} {found}; choose one with db (on the command line: --db)")
    return dataset_of_folds(root, there[0], suffix)


def one_fold(folders: Mapping[int, Path], number: int | None) -> Mapping[int, Path]:
    """Return the folders of the folds that score: all, or the one asked for.

    Raises:
        InputError: there is no such fold.
    """
    if number is None:
        return folders
    if number not in folders:
        raise InputError(
            f"fold {number} is not there; there {'is' if len(folders) == 1 else 'are'} {numbered('fold', folders)}"
        )
    return {number: folders[number]}
