"""One raw recording and its hypnogram → one prepared night.

In this order: read one channel in µV, put signal and hypnogram on one clock, resample to 100 Hz, drop epochs that
nobody staged, keep 30 minutes of W around the sleep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from command import InputError
from data import Night
from recordings.datasets import Study
from recordings.epochs import PLAUSIBLE_STD, TARGET_RATE, amplitude_notice, epoch_std, signal_epochs
from recordings.fingerprints import fingerprint
from recordings.fit import misfit_of
from recordings.hypnogram import Hypnogram, around_sleep, check_epochs, grid_start, on_grid, without_partner
from recordings.opening import read_signal
from recordings.recording import FileState, RawSignal, changed_files, state_of
from recordings.recording import fingerprint as fingerprint_of_files
from recordings.units import is_named, microvolts_in
from sleepstage import EPOCH_SECONDS, UNKNOWN, Stage

WAKE_EPOCHS_KEPT = 30 * 60 // EPOCH_SECONDS  # 30 minutes before the first and after the last epoch that is not W


# ---- the epochs that are kept ----


def drop_then_trim(codes: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the epochs that are kept: those with a stage, and of these what lies around the sleep (as published)."""
    staged = np.flatnonzero(codes != UNKNOWN)
    return staged[around_sleep(codes[staged], WAKE_EPOCHS_KEPT)]


def trim_then_drop(codes: NDArray[np.int32]) -> NDArray[np.intp]:
    """Return the epochs that are kept when MOVEMENT and UNKNOWN count as sleep while trimming (as some tools do)."""
    near = around_sleep(np.where(codes == UNKNOWN, np.int32(Stage.N1), codes), WAKE_EPOCHS_KEPT)
    staged: NDArray[np.intp] = np.flatnonzero(codes[near] != UNKNOWN) + near.start
    return staged


# ---- one raw night → one prepared night ----


@dataclass(frozen=True)
class RawNight:
    """Where one night's two files should be, and which were found.

    Attributes:
        name: the prepared night's name.
        subject: the subject's number in the data set.
        signal_name, hypnogram_name: what the files should be called.
        signals, hypnograms: the files of these names; one of each, if all is well.
        channel: this night's own, in place of the one that is asked for; "" for that.
        version: of a hypnogram that may be changed again, what tells this one from those before; "" for others.
    """

    name: str
    subject: int
    signal_name: str
    hypnogram_name: str
    signals: tuple[Path, ...]
    hypnograms: tuple[Path, ...]
    channel: str = ""
    version: str = ""

    def pair(self) -> tuple[Path, Path]:
        """Return the signal's and the hypnogram's file.

        Raises:
            InputError: one of them is missing, or there are several.
        """
        return (
            self.only(self.signals, "signal", self.signal_name, self.hypnograms),
            self.only(self.hypnograms, "hypnogram", self.hypnogram_name, self.signals),
        )

    def versioned(self) -> dict[str, str]:
        """Return what a prepared night says of the version of its hypnogram, where there can be several."""
        return {"hypnogram_version": self.version} if self.version else {}

    def only(self, found: Sequence[Path], what: str, name: str, partner: Sequence[Path]) -> Path:
        if not found:
            beside = f" to go with {partner[0]}" if partner else ""
            other = partner[0].name if partner else "the other file"
            raise InputError(f"no {what} {name}{beside}; add it, or remove {other}")
        if len(found) > 1:
            raise InputError(f"{len(found)} {what}s {', '.join(map(str, found))}; keep one")
        return found[0]


def raw_nights(study: Study, data_dir: Path) -> list[RawNight]:
    """Pair a study's files in a folder, and in the folders below it, by their names, never by position.

    Returns:
        A night for each key that a recording or a hypnogram has, in order of subject; none if there are none.
    """
    paths = sorted(path for path in data_dir.absolute().rglob("*") if path.is_file())
    by_key: dict[str, tuple[list[Path], list[Path]]] = defaultdict(lambda: ([], []))
    for path in paths:
        shown = data_dir / path.relative_to(data_dir.absolute())
        for number, key_of in enumerate((study.key_of_recording, study.key_of_hypnogram)):
            key = key_of(path, in_any_folder=True)
            if key and study.subject(key) in study.subjects:
                by_key[key][number].append(shown)
    return [
        RawNight(
            name=study.night(key),
            subject=study.subject(key),
            signal_name=study.recording.format(key=key),
            hypnogram_name=study.hypnogram.format(key=key),
            signals=tuple(signals),
            hypnograms=tuple(hypnograms),
        )
        for key, (signals, hypnograms) in sorted(by_key.items(), key=lambda item: (study.subject(item[0]), item[0]))
    ]


@dataclass(frozen=True)
class Rules:
    """The user's choices for preparing a night.

    Attributes:
        select_ch: the channel that is asked for.
        max_mismatch: epochs by which signal and staged hypnogram may differ in length.
        trim_first: trim before dropping, not after.
        drop_last: epochs to leave out at the end of the hypnogram.
        may_differ: nights that may differ in length by any number of epochs.
        header_microvolts: what one unit of a header is in µV, where headers give no true unit; 0 where they do.
        read_as: how the user wants hypnograms to be read, in words; "" where there is no choice.
        unit: of signals whose own unit is not known; "" for none.
    """

    select_ch: str
    max_mismatch: int
    trim_first: bool = False
    drop_last: int = 0
    may_differ: tuple[str, ...] = ()
    header_microvolts: float = 0.0
    read_as: str = ""
    unit: str = ""

    def of_night(self, raw: RawNight) -> Rules:
        """Return the rules for one night, which may have a channel of its own."""
        return replace(self, select_ch=raw.channel) if raw.channel else self

    def settings(self) -> dict[str, str | int | float]:
        """Return those that change a prepared night, as they are stored in it."""
        settings: dict[str, str | int | float] = {
            "select_ch": self.select_ch,
            "trim_first": int(self.trim_first),
            "drop_last": self.drop_last,
        }
        settings |= {"read_as": self.read_as} if self.read_as else {}
        settings |= {"unit": self.unit} if self.unit else {}
        return settings | ({"header_microvolts": self.header_microvolts} if self.header_microvolts else {})


ReadHypnogram = Callable[[Path], Hypnogram]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A prepared night and what the user should know about it."""

    night: Night
    notices: tuple[str, ...]


def prepare_night(raw: RawNight, rules: Rules, read_hypnogram: ReadHypnogram) -> Prepared:
    """Turn a raw recording and its hypnogram into a night at 100 Hz in µV with AASM stages.

    Raises:
        InputError: a file is missing or unreadable, or the two do not fit together; the message names the file.
    """
    signal_path, hypnogram_path = raw.pair()
    hypnogram = read_hypnogram(hypnogram_path)
    signal = read_signal(signal_path, rules.select_ch, rules.unit)
    delay = hypnogram.delay(signal.start)
    check_lengths(raw.name, signal, hypnogram, delay, rules)
    epochs = signal_epochs(signal, grid_start(delay))
    codes = hypnogram.codes[: max(0, len(hypnogram.codes) - rules.drop_last)]
    placed, covered = on_grid(codes, delay, epochs.n_epochs)
    shared = slice(*np.searchsorted(epochs.recorded, (covered.start, covered.stop)))
    x, codes = epochs.x[shared], placed[epochs.recorded[shared]]
    kept = trim_then_drop(codes) if rules.trim_first else drop_then_trim(codes)
    if len(kept) == 0:
        raise InputError(f"{signal_path}, {hypnogram_path}: no epoch is left that has both a signal and a stage")
    source: dict[str, str | int | float] = {
        **source_of(raw, signal, hypnogram),
        "signal_sha256": epochs.content,
        "fingerprint": fingerprint([epochs.x]),
        "shared_epochs": len(codes),
        "staged_epochs": int((codes != UNKNOWN).sum()),
        "kept_epochs": len(kept),
        "first_kept_second": epochs.first_second + float(epochs.recorded[shared][kept[0]]) * EPOCH_SECONDS,
        **rules.settings(),
    }
    if rules.header_microvolts:
        x, restored = in_microvolts(x, signal.unit, rules.header_microvolts)
        source |= restored
    judged = judged_epochs(hypnogram_path, hypnogram, delay, epochs.n_epochs, epochs.recorded[shared][kept])
    night = Night(raw.name, x[kept], codes[kept], float(TARGET_RATE), signal.channel, source, judged=judged)
    said = (*signal.notices, *hypnogram.notices, *notices_on(night, epochs.flat[shared][kept]))
    return Prepared(night, (*said, *filter(None, [misfit_of(epochs, placed)]), *changed_files(signal.files)))


def source_of(raw: RawNight, signal: RawSignal, hypnogram: Hypnogram) -> dict[str, str | int | float]:
    """Return what a prepared night says of its recording and its hypnogram, whatever becomes of their epochs."""
    signal_path, hypnogram_path = raw.pair()
    return {
        "signal_file": signal_path.name,
        "hypnogram_file": hypnogram_path.name,
        "start_time": signal.start.isoformat() if signal.start else "",
        **hypnogram.placement(signal.start),
        "signal_rate": signal.rate,
        "signal_unit": signal.unit,
        "simulated": int(signal.simulated),
        "signal_epochs": signal.n_epochs,
        "hypnogram_epochs": len(hypnogram.codes),
        **raw.versioned(),
        **made_from("recording", signal_path, signal.files),
        **made_from("hypnogram", hypnogram_path),
    }


def made_from(what: str, path: Path, files: Sequence[FileState] = ()) -> dict[str, str]:
    """Return what a prepared night says of the files that it was made from, so that another content is noticed."""
    names = "/".join(dict.fromkeys([path.name, *(file.path.name for file in files)]))
    return {f"{what}_files": names, f"{what}_sha256": hash_of(path, names)}


def hash_of(path: Path, names: str) -> str:
    """Return the hash of the files beside `path` whose names are joined by /; "" when one is not there any more."""
    try:
        return fingerprint_of_files(state_of(path.with_name(name)) for name in names.split("/"))
    except OSError:
        return ""


def judged_epochs(
    path: Path, hypnogram: Hypnogram, delay: float, n_epochs: int, kept: NDArray[np.intp]
) -> NDArray[np.bool_] | None:
    """Return which of the epochs that are kept have a human's stage; None where all have.

    Args:
        path: the hypnogram's file.
        hypnogram: what it says.
        delay: seconds from the signal's start to the hypnogram's.
        n_epochs: of the signal, on the grid.
        kept: (epoch,) which epochs of the grid are kept.

    Raises:
        InputError: none has.
    """
    if hypnogram.judged is None:
        return None
    by_human, _ = on_grid(hypnogram.judged.astype(np.int32), delay, n_epochs)
    judged: NDArray[np.bool_] = by_human[kept] == 1
    if not judged.any():
        raise InputError(f"{path}: no stage in it that a human gave and that has a signal")
    return judged


def in_microvolts(
    x: NDArray[np.float32], unit: str, header_microvolts: float
) -> tuple[NDArray[np.float32], dict[str, float]]:
    """Bring a signal to µV whose header gives no true unit, and take its offset away; a signal in µV stays as it is.

    Args:
        x: (epoch, sample), in µV by the header's word.
        unit: the header's.
        header_microvolts: what one unit of the header is in truth.

    Returns:
        (epoch, sample) µV; and what restores the header's values, `header_scale` · x + `header_offset`.
    """
    scale = microvolts_in(unit) or 1.0
    values = x / np.float32(scale)
    if not len(x) or float(np.median(values.std(axis=1))) >= PLAUSIBLE_STD[0]:
        return x, {"header_scale": 1.0 / scale, "header_offset": 0.0}
    offset = np.median(values[:, ::10])
    return (values - offset) * np.float32(header_microvolts), {
        "header_scale": 1 / header_microvolts,
        "header_offset": float(offset),
    }


def check_lengths(name: str, signal: RawSignal, hypnogram: Hypnogram, delay: float, rules: Rules) -> None:
    """Raise InputError when signal and hypnogram differ by more epochs than the rules allow, or share no clock."""
    if (hypnogram.codes == UNKNOWN).all():
        raise InputError(f"{name}: no epoch in the hypnogram has a stage")
    if hypnogram.has_clock and not signal.start:
        raise InputError(
            f"{name}: the hypnogram has a clock and the signal has none that can be read, so the stages have no place; "
            "repair the signal's start date and time"
        )
    if name not in rules.may_differ:
        check_epochs(name, hypnogram, signal.n_epochs)
    mismatch = int(np.ceil(sum(without_partner(hypnogram.codes, delay, signal.n_epochs))))
    if mismatch > rules.max_mismatch and name not in rules.may_differ:
        later = f", starting {delay:g} s later" if delay else ""
        raise InputError(
            f"{name}: the signal has {signal.n_epochs} epochs, the hypnogram {len(hypnogram.codes)}{later}; "
            f"{mismatch} have no partner, over the limit of {rules.max_mismatch}; "
            f"check the files, or allow it with --max_mismatch {mismatch}"
        )


def notices_on(night: Night, flat: NDArray[np.bool_]) -> Iterator[str]:
    """Yield what the user should know of a prepared night, of which (epoch,) some are flat."""
    source = night.source
    if source["select_ch"] != night.ch_label:
        yield f"channel {source['select_ch']}: using {night.ch_label}"
    if not is_named(str(source["signal_unit"])):
        yield "the file gives no unit; taken as µV"
    if source.get("header_offset"):
        yield (
            f"the header's numbers are no µV: multiplied by {1 / float(source['header_scale']):g}, and their offset of "
            f"{float(source['header_offset']):.3g} taken away"
        )
    if (night.y == Stage.W).all():
        yield "nothing but W in it, so nothing was trimmed"
    stds = epoch_std(night.x)
    yield from filter(None, (amplitude_notice(stds), dead_notice(stds, flat)))


SHORTEST_DEAD = 10  # epochs; of a night's EEG five minutes in a row are never flat, and hardly ever out of range


def dead_notice(stds: NDArray[np.float32], flat: NDArray[np.bool_]) -> str | None:
    """Say so when a part of a night is no EEG, as of an electrode that came off.

    Args:
        stds: (epoch,) standard deviations, µV.
        flat: (epoch,) whether it is flat.
    """
    low, high = PLAUSIBLE_STD
    dead = flat | (stds < low) | (stds > high)
    edges = np.flatnonzero(np.diff(dead, prepend=False, append=False)).reshape(-1, 2)  # (run, start and end)
    longest = max((int(end - start) for start, end in edges), default=0)
    if longest < SHORTEST_DEAD or dead.all():
        return None
    start = next(int(start) for start, end in edges if end - start == longest)
    return (
        f"no EEG in {np.count_nonzero(dead)} of {len(dead)} epochs: flat, or a standard deviation outside {low:g} to "
        f"{high:g} µV; the longest run, {longest} epochs, starts at epoch {start}"
    )
