"""The files of a scored recording → the staged recording that they were written from, as far as they hold it.

The signal is not among them: the spectrum of the epochs is nan until somebody reads the recording again.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError
from files.forms import Form, check_forms, dict_of, is_count, is_flag, is_number, is_text, list_of, or_none
from files.reading import load_json, readable
from recordings.recording import Stretch
from recordings.scored_files import SUMMARY, TABLE
from recordings.spectrum import SPECTRUM_HZ
from recordings.tables import text_of
from scoring.staged import HUMAN, NAMES, NOT_REVIEWED, Reviewed, StagedChannel, StagedRecording
from sleepstage import STAGE_NAMES, UNKNOWN

SCORE_AGAIN = "score the recording again with predict.py"
CODES = {str(name): code for code, name in enumerate(NAMES[:-1])} | {str(NAMES[-1]): UNKNOWN}

FORMS: dict[str, Form] = {
    **dict.fromkeys(("recording", "format", "methods"), is_text),
    **dict.fromkeys(("file", "file_fingerprint", "start", "expert_file", "reason"), or_none(is_text)),
    **dict.fromkeys(("lights_off_s", "lights_on_s"), or_none(is_number)),
    "first_epoch_s": is_number,
    "epochs": is_count,
    "simulated": is_flag,
    **dict.fromkeys(("warnings", "notices"), list_of(is_text)),
    **dict.fromkeys(("folds", "checkpoints"), list_of(lambda _: True)),
    "channels": list_of(dict_of(lambda _: True)),
    "confidence": dict_of(lambda _: True),
    "versions": dict_of(lambda _: True),
}
"""What a summary must hold, to be read back."""

CHANNEL: dict[str, Form] = {
    **dict.fromkeys(("label", "unit_in_file", "signal_sha256"), is_text),
    "rate_in_file_hz": is_number,
    "reason": or_none(is_text),
    "conditioning": list_of(dict_of(lambda _: True)),
}


CHECKPOINT: dict[str, Form] = {
    **dict.fromkeys(("fold", "pass_number", "global_step"), is_count),
    **dict.fromkeys(("folder", "format"), is_text),
}


def is_stretch(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(is_number, value))


def is_family(value: Any) -> bool:
    is_whole = isinstance(value, dict) and {"db", "folds", "weight"} <= value.keys()
    return is_whole and is_text(value["db"]) and list_of(is_count)(value["folds"]) and is_number(value["weight"])


@dataclass(frozen=True, eq=False, kw_only=True)
class KeptRecording(StagedRecording):
    """A scored recording as its files have it.

    Attributes:
        codes: (epoch,) the model's stages; of the probabilities the table has four digits only.
        flag_texts: what is wrong with each epoch, in words.
    """

    codes: NDArray[np.int32]
    flag_texts: Sequence[str]

    @property
    def model_stages(self) -> NDArray[np.int32]:
        """(epoch,) the model's stages."""
        return self.codes

    @property
    def unsure(self) -> NDArray[np.bool_]:
        """(epoch,) True where the model's confidence is low, as it was before it was rounded."""
        return np.array(["low confidence" in text.split("; ") for text in self.flag_texts], bool)

    def flags(self) -> list[str]:
        """Return what is wrong with each epoch, in words."""
        return list(self.flag_texts)


def scored_in(folder: Path) -> list[str]:
    """Return the names of the recordings that were scored into a folder, those in folders below it too, in order."""
    found = sorted(folder.rglob(f"*{SUMMARY}"))
    return [path.relative_to(folder).as_posix().removesuffix(SUMMARY) for path in found]


def read_kept(folder: Path, name: str) -> KeptRecording:
    """Read what predict.py wrote of a recording, with what a human had made of it when it was written again.

    Args:
        folder: the output folder.
        name: what the recording's files are called, with the folders below the output folder.

    Raises:
        InputError: a file is missing, cannot be used, or is not of the other one's recording.
    """
    about = read_summary(folder / f"{name}{SUMMARY}")
    table = folder / f"{name}{TABLE}"
    columns = read_columns(table, about["epochs"])
    with readable(table, "a table of stages", SCORE_AGAIN):
        probabilities = np.array([[number_of(cell) for cell in columns[f"p_{stage}"]] for stage in STAGE_NAMES])
        codes = codes_of(columns["model_stage" if "model_stage" in columns else "stage"])
        expert = codes_of(columns["expert"]) if "expert" in columns else None
        reviewed = reviewed_in(columns, about) if "scored_by" in columns else None
    whole = probabilities.T.astype(np.float32)  # (stage, epoch) -> (epoch, stage)
    return KeptRecording(
        name=name,
        path=Path(about["file"]) if about["file"] else None,
        format=about["format"],
        start=datetime.fromisoformat(about["start"]) if about["start"] else None,
        first_second=float(about["first_epoch_s"]),
        channels=tuple(channel_of(one, whole) for one in about["channels"]),
        probabilities=whole,
        expert=expert,
        expert_file=Path(about["expert_file"]) if about["expert_file"] else None,
        lights_off=about["lights_off_s"],
        lights_on=about["lights_on_s"],
        folds=(),
        limit=float(about["confidence"]["low_below"]),
        fingerprint=about["file_fingerprint"] or "",
        stretches=tuple(Stretch(*part) for part in about.get("stretches_s", ())),
        simulated=about["simulated"],
        warnings=tuple(about["warnings"]),
        notices=tuple(about["notices"]),
        reviewed=reviewed,
        kept=about,
        codes=codes,
        flag_texts=columns["flags"],
    )


def read_summary(path: Path) -> dict[str, Any]:
    """Return a summary, as JSON has it, whose values are what they must be.

    Raises:
        InputError: no such file, or not a summary.
    """
    about: dict[str, Any] = load_json(path, SCORE_AGAIN)
    with readable(path, "the summary of a scored recording", SCORE_AGAIN):
        check_forms(about, FORMS)
        for forms, values in ((CHANNEL, about["channels"]), (CHECKPOINT, about["checkpoints"])):
            for one in values:
                check_forms(one, forms)
        if not about["channels"]:
            raise ValueError("no channel in it")
        check_forms(about, {"stretches_s": list_of(is_stretch), "families": list_of(is_family)}, all_needed=False)
        check_forms(about["confidence"], {"low_below": is_number, "calibrated": is_flag})
        datetime.fromisoformat(about["start"] or "2000-01-01")
    return about


NEEDED = ("stage", "flags", *(f"p_{stage}" for stage in STAGE_NAMES))


def read_columns(path: Path, n_epochs: int) -> dict[str, list[str]]:
    """Return the columns of a table of stages as texts.

    Raises:
        InputError: no such file, a column is missing, or it has not as many epochs as the summary says.
    """
    with readable(path, "a table of stages", SCORE_AGAIN):
        rows = list(csv.DictReader(io.StringIO(text_of(path), newline="")))
    missing = [name for name in NEEDED if not rows or name not in rows[0]]
    if missing:
        raise InputError(f"{path}: no column {', '.join(missing)}; {SCORE_AGAIN}")
    if len(rows) != n_epochs:
        raise InputError(f"{path}: has {len(rows)} epochs, the summary beside it {n_epochs}; {SCORE_AGAIN}")
    if any(None in row or None in row.values() for row in rows):
        raise InputError(f"{path}: a row has more or fewer cells than the first line; {SCORE_AGAIN}")
    return {name: [row[name] for row in rows] for name in rows[0]}


def codes_of(names: Sequence[str]) -> NDArray[np.int32]:
    """Return the codes of stages by name; raise ValueError for a name that is none."""
    if unknown := sorted(set(names) - CODES.keys()):
        raise ValueError(f"stage {unknown[0][:20]!r}")
    return np.array([CODES[name] for name in names], np.int32)


def reviewed_in(columns: dict[str, list[str]], about: dict[str, Any]) -> Reviewed:
    """Return what a human made of a night whose outputs were written again since."""
    by_human = np.array([one == HUMAN for one in columns["scored_by"]])
    said = about.get("review") or {}
    check_forms(said, {"edits": is_count, "last_edit": or_none(is_text)})
    stages = np.where(by_human, codes_of(columns["stage"]), NOT_REVIEWED).astype(np.int32)
    return Reviewed(stages, said["edits"], said["last_edit"] or "")


def number_of(cell: str) -> float:
    return float(cell) if cell else float("nan")


def channel_of(about: dict[str, Any], probabilities: NDArray[np.float32]) -> StagedChannel:
    """Return a channel as its summary describes it; its probabilities are those of all channels together."""
    return StagedChannel(
        label=about["label"],
        unit=about["unit_in_file"],
        rate=float(about["rate_in_file_hz"]),
        probabilities=probabilities,
        power=np.full((len(probabilities), len(SPECTRUM_HZ)), np.nan, np.float32),
        faults={},
        doubts=(),
        reason=about["reason"] or "",
        conditioned=tuple(about["conditioning"]),
        content=about["signal_sha256"],
    )


def with_power(staged: KeptRecording, power: NDArray[np.float32]) -> KeptRecording:
    """Return a recording with the (epoch, frequency) spectrum of its first channel."""
    first, *others = staged.channels
    return replace(staged, channels=(replace(first, power=power), *others))
