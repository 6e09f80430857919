"""Folders that are there, files that are written whole or not at all, and arrays and JSON that are read with checks."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from command import InputError, log, reason_of

if sys.platform != "win32":
    import fcntl

PROGRAM_FOLDER = Path(__file__).resolve().parent

Arrays = dict[str, NDArray[Any]]
Shapes = Mapping[str, Sequence[int]]


# ---- folders ----


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


# ---- writing ----

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
        partial.unlink(missing_ok=True)


@contextmanager
def claimed(partial: Path) -> Iterator[None]:
    """Hold a lock on a file that is being written, which ends with the process, whatever ends that."""
    if sys.platform == "win32":
        yield
        return
    with partial.open("ab") as file:
        with suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def remove_abandoned(folder: Path) -> None:
    """Remove the half-written files in a folder that no living process holds, on this machine or on another."""
    if sys.platform == "win32":
        return
    for partial in folder.glob(f"{PARTIAL}*"):
        with suppress(OSError), partial.open("r+b") as file:  # in use, gone meanwhile, or on a system without locks
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()


def save_json(path: Path, content: Any) -> None:
    """Write JSON, whole or not at all.

    Raises:
        InputError: the file cannot be written.
    """
    with written_whole(path) as partial:
        partial.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")


# ---- reading ----


def load_json(path: Path, remedy: str) -> Any:
    """Read JSON.

    Raises:
        InputError: no such file, or not JSON; the message ends in `remedy`.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {remedy}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable ({reason_of(error)}); {remedy}") from error


@contextmanager
def readable(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Turn what a library says of a user's file into the user's error. Nothing but that library's calls stands inside.

    Args:
        path: the file.
        what: what it should be, with its article: `a readable EDF file`.
        remedy: what to do if it is not.

    Raises:
        InputError: the library failed; the message names the file.
    """
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file; {remedy}") from error
    except Exception as error:  # a parser fails on foreign bytes in any way whatever
        reason = "no zip archive of arrays" if "pickle" in str(error) else reason_of(error)
        raise InputError(f"{path}: not {what} ({reason}); {remedy}") from error


@contextmanager
def opened_arrays(path: Path, remedy: str) -> Iterator[Any]:
    """Open an npz file and yield NumPy's archive of its arrays; pickled objects in it are never loaded.

    Raises:
        InputError: no such file, or whatever is wrong with it, while it is opened or while the block reads it; the
            message names the file and ends in `remedy`.
    """
    with readable(path, "a readable npz file", remedy):
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            raise ValueError("it holds one array without a name")
        with loaded as archive:
            yield archive


def shape_differences(found: Shapes, wanted: Shapes) -> Iterator[str]:
    """Yield in words how arrays by name differ from those that are wanted: missing, unknown, of another shape."""
    for name in sorted(wanted.keys() - found.keys()):
        yield f"{name} is missing"
    for name in sorted(found.keys() - wanted.keys()):
        yield f"{name} is unknown"
    for name in wanted:
        if name in found and tuple(found[name]) != tuple(wanted[name]):
            yield f"{name} has shape {tuple(found[name])} where {tuple(wanted[name])} is needed"
