"""What laboratories call the stages: the labels that are known, and those that a user's own map says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from command import InputError
from recordings.tables import rows_of, text_of
from sleepstage import RK_TO_AASM, STAGE_NAMES, UNKNOWN, Stage

Codes = Mapping[str, int]
"""Plain label → code of the stage, UNKNOWN, or LEFT_OUT."""

LEFT_OUT = -2  # what a stage map says is no stage at all

KNOWN: dict[str, int] = {
    **dict.fromkeys(("w", "wake", "awake", "wakefulness", "wk", "s0", "wach", "eveil", "éveil", "veille"), Stage.W),
    **dict.fromkeys(("vigilia", "veglia"), Stage.W),
    **{f"{name}{number}": code for name in ("n", "s", "nrem", "nrem ") for number, code in enumerate((1, 2, 3, 3), 1)},
    **dict.fromkeys(("sws", "slow wave", "slow wave sleep"), Stage.N3),
    **dict.fromkeys(("r", "rem", "rem sleep", "paradoxical sleep"), Stage.REM),
    **dict.fromkeys(("?", "unknown", "unscored", "not scored", "unstaged", "uns", "undefined"), UNKNOWN),
    **dict.fromkeys(("unsure", "no stage", "indeterminate", "mt", "movement time", "movement", "bewegung"), UNKNOWN),
    **dict.fromkeys(("m", "a", "u", "l", "art", "artifact", "artefact", "artefakt"), UNKNOWN),
}
"""Plain label → code, AASM and Rechtschaffen & Kales. L is Luna's for lights on; M, A and U are movement, artifact and
unknown."""

OF_EVENTS = {"m", "a", "u", "l", "art", "movement", "bewegung", "artifact", "artefact", "artefakt", "indeterminate"}
"""Labels that say nothing of the stage where other events stand beside the stages."""

AFTER_THE_WORD_STAGE: dict[str, int] = {**KNOWN, **{name: RK_TO_AASM[name] for name in "1234"}}

NUMBERS = {
    "rk": {"0": "W", "1": "1", "2": "2", "3": "3", "4": "4", "5": "R", "6": "M", "7": "?", "8": "?", "9": "?"},
    "aasm": {"0": "W", "1": "1", "2": "2", "3": "3", "4": "R", "-1": "?", "-2": "?", "8": "?", "9": "?"},
}
"""What whole numbers may mean, by the name that --stage_map takes. In `rk` 3 and 4 are stages 3 and 4 and 5 is REM
(Profusion, NSRR); in `aasm` 4 is REM (YASA, MNE)."""
NUMBER_CODES: dict[str, dict[str, int]] = {
    name: {number: int(RK_TO_AASM[stage]) for number, stage in numbers.items()} for name, numbers in NUMBERS.items()
}

STAGE_WORD = re.compile(
    r"(?:sleep )?(?:stage|stadium|stufe) (?P<name>.+?)(?: sleep)?|sleep (?P<short>[snr]\w*|mt|wake)"
)
LIKE_A_STAGE = re.compile(r"(?:sleep )?(?:stage|stadium|stufe) \S{1,3}|n?rem ?\d|[ns]\d")


def plain_label(text: str) -> str:
    """Return a label without what does not count: case, and which separators it has; `SLEEP-S2` is `sleep s2`."""
    return re.sub(r"[\s_|:/-]+", " ", text).strip().casefold() or text.strip()


def plain_number(text: str) -> str:
    """Return 2 for 2.0 and 2.000e+00, as NumPy writes whole numbers; other text as it is."""
    if not re.fullmatch(r"[+-]?\d{1,3}\.\d+(?:e[+-]\d\d)?", text):
        return text
    return f"{float(text):g}"


def code_of(text: str, own: Codes, with_events: bool = False) -> int | None:
    """Return the code of a label, None for one that is not known.

    Args:
        text: as it stands in the file.
        own: the user's map, or what a format's numbers mean; it comes first.
        with_events: other events stand beside the stages, so that `M` may be a movement and no stage.
    """
    exact = plain_number(text.strip().casefold())  # `-1` is not `1`
    plain = plain_label(text)
    for name in (exact, plain):
        if name in own:
            return own[name]
    named = STAGE_WORD.fullmatch(plain)
    if named:
        return AFTER_THE_WORD_STAGE.get(named["name"] or named["short"])
    return None if with_events and plain in OF_EVENTS else KNOWN.get(plain)


def looks_like_a_stage(text: str) -> bool:
    """Tell whether a label that is not known seems to mean a stage, so that leaving it out would be wrong."""
    return bool(LIKE_A_STAGE.fullmatch(plain_label(text)))


def known_labels(own: Codes) -> str:
    """Return the labels that are known, for messages."""
    return ", ".join(dict.fromkeys((*own, *(name for name in KNOWN if name.isascii()))))


# ---- the user's own map ----


def stage_map(text: str) -> dict[str, int]:
    """Return what --stage_map says: the name of known numbers, or a file of labels and their stages.

    The file has a label and a stage a line, `stade 2,N2`; the stage is W, N1, N2, N3, REM (or R), ? for not scored, or
    nothing for what is no stage.

    Raises:
        InputError: no such file, a line without two columns, an unknown stage, or a label twice.
    """
    if text in NUMBER_CODES:
        return NUMBER_CODES[text]
    path = Path(text)
    if not path.is_file():
        raise InputError(f"--stage_map {text}: no such file; there are {', '.join(NUMBER_CODES)}, or name a file")
    stages = {**{name: code for code, name in enumerate(STAGE_NAMES)}, "R": Stage.REM, "?": UNKNOWN, "": LEFT_OUT}
    codes: dict[str, int] = {}
    for number, row in rows_of(path, text_of(path).splitlines()):
        if number == 1 and [cell.casefold() for cell in row] == ["label", "stage"]:
            continue
        if len(row) != 2 or row[1].upper() not in stages:
            raise InputError(
                f"{path}: line {number} is {', '.join(row)[:40]!r}; it needs a label and one of "
                f"{', '.join(filter(None, stages))} or nothing, as in: stade 2,N2"
            )
        if codes.setdefault(row[0].casefold(), stages[row[1].upper()]) != stages[row[1].upper()]:
            raise InputError(f"{path}: line {number} gives {row[0]!r} another stage; keep one")
    if not codes:
        raise InputError(f"{path}: no labels in it; give a label and a stage a line, as in: stade 2,N2")
    return {name: code for label, code in codes.items() for name in (label, plain_label(label))}
