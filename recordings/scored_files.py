"""What the files of a scored recording are called: NAME and one of these endings. They are written in scoring."""

from __future__ import annotations

from pathlib import Path

TABLE, ANNOTATIONS, SUMMARY, PICTURE = ENDINGS = (
    "_stages.csv",
    "_stages.edf",
    "_summary.json",
    "_hypnogram.png",
)
"""Those that every scored recording has."""

DRAWING = "_hypnogram.svg"
EANNOT, NSRR = "_stages.eannot", "_stages.xml"
BIDS, BIDS_SIDECAR = "_desc-recsleepnet_events.tsv", "_desc-recsleepnet_events.json"

FORMATS = {"bids": BIDS, "eannot": EANNOT, "nsrr": NSRR}
"""What --format calls a format, and the ending of the file that holds its stages."""

WITH_STAGES = (TABLE, ANNOTATIONS, *FORMATS.values())
"""They look like hypnograms, and are no expert's."""


def in_format(folder: Path, name: str, format_name: str) -> Path:
    """Return the file that holds a recording's stages in a format."""
    named = name.removesuffix("_eeg") if format_name == "bids" else name  # sub-01_eeg.edf has sub-01_events.tsv
    return folder / f"{named}{FORMATS[format_name]}"
