"""What laboratories call the stages: the labels that are known, and those that a user's own map says."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from command import InputError
from recordings.tables import lines_of, rows_of, text_of
from sleepstage import RK_TO_AASM, STAGE_NAMES, UNKNOWN, Stage

Codes = Mapping[str, int]
"""Label as `key_of` returns it → code of the stage, UNKNOWN, or LEFT_OUT."""

LEFT_OUT = -2  # what a stage map says is no stage at all

WAKE = "w wake awake wakefulness wk s0 wach wachheit eveil eveille veille vigilia despierto acordado veglia wakker waak"
DEEP = "sws|slow wave|deep|delta|tiefschlaf|s3 s4|n3 n4|s3 4|n3 4"  # stages 3 and 4 in one
PARADOXICAL = "r rem rems mor paradoxical paradoxal paradoxale paradox traumschlaf"
UNSCORED = (
    "?|unknown|unscored|not scored|unstaged|uns|undefined|unsure|no|no stage|ns|indeterminate|mt|movement time|mvt|"
    "movement|bewegung|n a|na|na n|nan|none|nicht bewertet|unbekannt|non score|inconnu|desconocido|sconosciuto|"
    "desconhecido|onbekend|m|a|u|l|art|artifact|artefact|artefakt|artefato|artefacto|disconnected|disconnection"
)
KNOWN: dict[str, int] = {
    **dict.fromkeys(WAKE.split(), Stage.W),
    **{f"{name}{number}": code for name in ("n", "s", "nrem", "nr") for number, code in enumerate((1, 2, 3, 3), 1)},
    **dict.fromkeys(DEEP.split("|"), Stage.N3),
    **dict.fromkeys(PARADOXICAL.split(), Stage.REM),
    **dict.fromkeys(UNSCORED.split("|"), UNKNOWN),
}
"""Plain label → code, AASM and Rechtschaffen & Kales, in English, German, French, Spanish, Portuguese, Italian, Dutch.
L is Luna's for lights on; M, A and U are movement, artifact and unknown."""

OF_EVENTS = {*"maul", "no", "na", "art", "movement", "bewegung", "artifact", "artefact", "artefakt", "indeterminate"}
"""Labels that say nothing of the stage where other events stand beside the stages."""

RK_NUMBERS = {"0": Stage.W, **{name: RK_TO_AASM[name] for name in "1234"}, "i": 1, "ii": 2, "iii": 3, "iv": 3, "3 4": 3}
AFTER_THE_WORD_STAGE: dict[str, int] = {**KNOWN, **RK_NUMBERS}

OF_STAGES = (
    "stage stages stg slpstg stadium stadien stufe schlafstadium schlafstufe schlafphase stade phase fase etapa "
    "estagio estadio stadio slaapstadium slaapfase"
)
OF_SLEEP = "sleep slp schlaf sommeil sueno sono sonno slaap de du del di do da of"
STAGE_WORDS, SLEEP_WORDS = {*OF_STAGES.split()}, {*OF_SLEEP.split()}

NUMBERS = {
    "rk": {"0": "W", "1": "1", "2": "2", "3": "3", "4": "4", "5": "R", "6": "M", "7": "?", "8": "?", "9": "?"},
    "aasm": {"0": "W", "1": "1", "2": "2", "3": "3", "4": "R", "-1": "?", "-2": "?", "8": "?", "9": "?"},
}
"""What whole numbers may mean, by the name that --stage_map takes. In `rk` 3 and 4 are stages 3 and 4 and 5 is REM
(Profusion, NSRR); in `aasm` 4 is REM (YASA, MNE)."""
NUMBER_CODES: dict[str, dict[str, int]] = {
    name: {number: int(RK_TO_AASM[stage]) for number, stage in numbers.items()} for name, numbers in NUMBERS.items()
}

LIKE_A_STAGE = re.compile(
    r"non ?rem.*|n?rem ?\d?\W?|[ns]r? ?\d\W?|[ns]r? ?\d [ns]? ?\d|s[wr]|light|core|sleep|non ?r|[wr]\W"
)
EVENT_WORD = re.compile(
    r"\b(arous|aro\b|microarous|micro ?eveil|apn|hypop|rera|spindle|k ?complex|slow wave|desat|s[ap]o2|limb|plm|lm\b"
    r"|leg|snor|lights|light o|licht|lumiere|lu[zc]|bad|edge|boundary|segment|marker?|supine|prone|left|right|position"
    r"|mcap|cap\b|notif|avert|warn|event|evenement|record|start|stop|begin|end\b|impedan|calib|biocal|eye|blink|cough"
    r"|brux|seizure|spike|note|comment|bathroom|toilet|cpap|electrod|channel|gain|filter|montage|eog|e[mck]g|eeg|heart"
    r"|brady|tachy|onset|talk|speak|body|technician|trial|stim|artef|artif|move|response|press)"
)
"""What an event is called, in plain letters: it is no stage, whatever it stands between."""


# ---- one label ----


def plain_label(text: str) -> str:
    """Return a label without what does not count: case, accents, separators, a channel; `SLEEP-S2` is `sleep s2`."""
    text = re.sub(r"(?<=[a-z])(?=[A-Z0-9])", " ", re.sub(r"@@.*|\|\d+\s*$", "", text))  # StageN2, Lights off@@EEG
    text = "".join(sign for sign in unicodedata.normalize("NFKD", text) if not unicodedata.combining(sign))
    return re.sub(r"[\s_|:/().,;+-]+", " ", text).strip().casefold() or text.strip()


def plain_number(text: str) -> str:
    """Return 2 for 2.0 and 2.000e+00, as NumPy writes whole numbers; other text as it is."""
    if not re.fullmatch(r"[+-]?\d{1,3}\.\d+(?:e[+-]\d\d)?", text):
        return text
    return f"{float(text):g}"


def key_of(text: str) -> str:
    """Return a label as maps have it: case does not count, nor which separator a text has; -1, _1 and 1 are three."""
    folded = plain_number(text.strip().casefold())
    return re.sub(r"[\s_|:/-]+", " ", folded).strip() if any(map(str.isalpha, folded)) else folded


def code_of(text: str, own: Codes, with_events: bool = False) -> int | None:
    """Return the code of a label, None for one that is not known.

    Args:
        text: as it stands in the file.
        own: the user's map, or what a format's numbers mean; it comes first.
        with_events: other events stand beside the stages, so that `M` may be a movement and no stage.
    """
    if (key := key_of(text)) in own:
        return own[key]
    words = plain_label(text).split()
    rest = [word for word in words if word not in STAGE_WORDS]
    name = " ".join([word for word in rest if word not in SLEEP_WORDS] or rest)
    name = re.sub(r"\b(nrem|nr|n|s) (?=\d)", r"\1", re.sub(r"^non ?rem ?", "nrem ", name).strip())
    if len(rest) < len(words):
        return None if re.search(r"(?<![\w-])-\d", text) else AFTER_THE_WORD_STAGE.get(name)
    if with_events and name in OF_EVENTS:
        return None
    return KNOWN.get(" ".join(words), KNOWN.get(name))


def looks_like_a_stage(text: str) -> bool:
    """Tell whether a label that is not known seems to mean a stage, so that leaving it out would be wrong."""
    words = plain_label(text).split()
    rest = " ".join(word for word in words if word not in SLEEP_WORDS)
    if not STAGE_WORDS.isdisjoint(words[:2]):
        return True
    return not is_event(text) and bool(LIKE_A_STAGE.fullmatch(rest or "sleep"))


def is_event(text: str) -> bool:
    """Tell whether a label is an event by its name."""
    return bool(EVENT_WORD.search(plain_label(text)))


def known_labels(own: Codes) -> str:
    """Return the labels that are known, for messages."""
    return ", ".join((*list(own)[:20], "w, wake, n1, s1, nrem 1, stage 1 … n4, r, rem, mt, ? and their like"))


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
    for number, row in rows_of(path, lines_of(text_of(path))):
        if number == 1 and [cell.casefold() for cell in row] == ["label", "stage"]:
            continue
        if len(row) != 2 or row[1].upper() not in stages:
            raise InputError(
                f"{path}: line {number} is {', '.join(row)[:40]!r}; it needs a label and one of "
                f"{', '.join(filter(None, stages))} or nothing, as in: stade 2,N2"
            )
        if codes.setdefault(key_of(row[0]), stages[row[1].upper()]) != stages[row[1].upper()]:
            raise InputError(f"{path}: line {number} gives {row[0]!r} another stage; keep one")
    if not codes:
        raise InputError(f"{path}: no labels in it; give a label and a stage a line, as in: stade 2,N2")
    return codes
