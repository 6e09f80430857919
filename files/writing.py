"""Files that are written whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from command import InputError
from files.locks import claim

PARTIAL = ".partial-"  # what the names of files begin with that are not whole yet


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, with its suffix, that becomes `path` when the block ends without an error.

    Raises:
        InputError: the disk is full or the folder cannot be written to.
    """
    partial = path.with_name(f"{PARTIAL}{os.getpid()}-{path.name}")
    try:
        with claimed(partial):
            yield partial
            partial.replace(path)  # while it is claimed: nobody may take it for abandoned
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        with suppress(OSError):  # the file system has become read-only, or the folder a file: the error above says so
            partial.unlink(missing_ok=True)


@contextmanager
def claimed(partial: Path) -> Iterator[None]:
    """Hold a lock on a file that is being written, which ends with the process, whatever ends that."""
    if os.name == "nt":  # it would keep the block itself from the file
        yield
        return
    with partial.open("ab") as file:
        with suppress(OSError):  # a file system without locks
            claim(file, wait=True)
        yield


def remove_abandoned(folder: Path) -> None:
    """Remove the half-written files in a folder that no living process holds, on this machine or on another."""
    if os.name == "nt":
        return
    for partial in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError), partial.open("r+b") as file:  # in use, gone meanwhile, or on a system without locks
            claim(file, wait=False)
            partial.unlink()


def save_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    with written_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
