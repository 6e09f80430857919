"""What is looked at before MNE opens a file: damage on which its readers do not fail, but hang or crash."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from files.reading import reader

TAG = np.dtype([("kind", ">i4"), ("type", ">i4"), ("size", ">i4"), ("next", ">i4")])  # of a FIF file; its data follow
SECONDS_TO_LOAD = 60
LOAD = "import sys; from scipy.io import loadmat; loadmat(sys.argv[1], squeeze_me=True, mat_dtype=False)"


@reader("a readable FIF recording", "copy or export it again")
def check_fif(path: Path) -> None:
    """Raise an error when the tags of a FIF file lead back to one before, which MNE would follow for ever."""
    size, at = path.stat().st_size, 0
    with path.open("rb") as file:
        while 0 <= at <= size - TAG.itemsize:
            file.seek(at)
            tag = np.frombuffer(file.read(TAG.itemsize), TAG)[0]
            if tag["size"] < 0 or tag["next"] < -1:
                raise ValueError(f"the tag at byte {at} has no size or place")
            following = int(tag["next"]) or at + TAG.itemsize + int(tag["size"])
            if -1 < following <= at:
                raise ValueError(f"the tag at byte {at} leads back to byte {following}")
            at = following


@reader("a readable EEGLAB recording", "copy or export it again")
def check_eeglab(path: Path) -> None:
    """Raise an error when loading a MATLAB file crashes: SciPy's reader does on some damage, and nothing can catch it.

    It is loaded once in a process of its own, which takes a second.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", LOAD, str(path)], capture_output=True, timeout=SECONDS_TO_LOAD, check=False
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it takes more than {SECONDS_TO_LOAD} s to load") from None
    if done.returncode not in (0, 1):  # 1: it failed, and MNE will say how
        raise ValueError("MATLAB's format is damaged")


CHECKS = {".fif": check_fif, ".set": check_eeglab}
