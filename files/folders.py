"""Folders that are there, and folders that can be written to."""

from __future__ import annotations

import os
from pathlib import Path

from command import InputError, log
from files.writing import remove_abandoned

PROGRAM_FOLDER = Path(__file__).resolve().parent.parent


def existing_folder(folder: str | Path, what: str, remedy: str = "name another folder") -> Path:
    """Return `folder` if it exists in the working directory, else beside the program, and say so.

    Raises:
        InputError: neither is there. `what` and `remedy` say in the message what was looked for, and what to do.
    """
    here, beside = Path(folder), PROGRAM_FOLDER / folder
    if here.is_dir():
        return here
    if beside.is_dir():
        log.info("%s: reading %s (no %s in the working directory)", what, beside, folder)
        return beside
    raise InputError(f"{what}: no folder {folder}, neither in {Path.cwd()} nor beside the program; {remedy}")


def writable_folder(folder: str | Path) -> Path:
    """Return `folder`, made if need be, without the files that a killed process left half-written in it.

    Raises:
        InputError: it cannot be made or written to.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}; choose another folder") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"cannot write to the folder {path}; choose another folder or change its permissions")
    remove_abandoned(path)
    return path
