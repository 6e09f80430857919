"""Folders that are there, files that are written whole or not at all, and arrays and JSON that are read with checks."""

from __future__ import annotations

import functools
import json
import math
import os
import sys
import traceback
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Concatenate, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from command import InputError, log, one_line, reason_of
from limits import LONGEST_JSON, LONGEST_SMALL, LONGEST_TEXT

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

P = ParamSpec("P")
T = TypeVar("T")
OUR_MISTAKES = (AssertionError, NameError, ImportError, AttributeError, TypeError)
"""What no file makes a line of ours raise, unless it takes for granted what the file holds: that is a mistake too."""
LONGEST_REASON = 200  # letters; some errors of others quote the file


def reader(what: str, remedy: str) -> Callable[[Callable[Concatenate[Path, P], T]], Callable[Concatenate[Path, P], T]]:
    """Make a function whose first argument is a user's file a reader: all that goes wrong in it is the user's error.

        @reader("a readable EDF file", "copy or export it again")
        def open_edf(path: Path) -> Recording:

    Whatever reads a file is a reader, or stands in a block of `readable`; a test holds this.
    """

    def as_reader(read: Callable[Concatenate[Path, P], T]) -> Callable[Concatenate[Path, P], T]:
        @functools.wraps(read)
        def guarded(path: Path, /, *args: P.args, **kwargs: P.kwargs) -> T:
            with readable(path, what, remedy):
                return read(path, *args, **kwargs)

        return guarded

    return as_reader


@contextmanager
def readable(path: Path, what: str, remedy: str) -> Iterator[None]:
    """Turn whatever goes wrong while a user's file is read into the user's error.

    A parser fails on foreign bytes in any way whatever. Our own mistakes pass as they are, so that they are seen.

    Args:
        path: the file; a pipe or a device, which might never end, is not opened.
        what: what it should be, with its article: `a readable EDF file`.
        remedy: what to do if it is not.

    Raises:
        InputError: the file cannot be read; the message names it.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise InputError(f"{path}: is no ordinary file but a pipe or a device; save it to a file first")
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, OUR_MISTAKES) and is_of_ours(error):
            raise
        if isinstance(error, FileNotFoundError) and not path.exists():
            raise InputError(f"{path}: no such file; {remedy}") from error
        raise InputError(f"{path}: not {what} ({one_line(in_words(error))[:LONGEST_REASON]}); {remedy}") from error


def in_words(error: Exception) -> str:
    """Return the reason that an error gives."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
    if isinstance(error, MemoryError):
        return "too large for this machine's memory"
    if isinstance(error, LookupError) and is_of_ours(error):
        return f"{type(error).__name__}: {reason_of(error)}"
    return reason_of(error)


def is_of_ours(error: BaseException) -> bool:
    """Tell whether the line that raised an error is one of this program's own."""
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    last = Path(frames[-1])  # of a compiled library it is the name of a file that is not here
    return last.is_file() and PROGRAM_FOLDER in last.resolve().parents and "site-packages" not in frames[-1]


def check_text(path: Path, limit: int = LONGEST_TEXT, what: str = "a text file") -> None:
    """Raise InputError when a text file is larger than any of its kind can be."""
    size = path.stat().st_size
    if size > limit:
        raise InputError(f"{path}: has {size:,} bytes; the limit for {what} is {limit:,}")


def load_json(path: Path, remedy: str) -> Any:
    """Read JSON.

    Raises:
        InputError: no such file, or not JSON; the message ends in `remedy`.
    """
    with readable(path, "readable", remedy):
        check_text(path, LONGEST_JSON, "JSON")
        return json.loads(path.read_text(encoding="utf-8"))


# ---- arrays ----


class ArrayFile:
    """The arrays of an npz file by name. Pickled objects are never loaded, and nothing larger than its limit."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive = archive
        self.names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def form(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        """Return an array's shape and type without reading it."""
        with self.archive.open(f"{name}.npy") as member:
            shape, dtype, _ = npy_form(member)
            return shape, dtype

    def size(self, name: str) -> int:
        """Return the bytes that an array needs in memory, without reading it."""
        shape, dtype = self.form(name)
        return math.prod(shape) * dtype.itemsize

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.read(name, LONGEST_SMALL)

    def read(self, name: str, limit: int) -> NDArray[Any]:
        """Return an array; raise ValueError when it needs more bytes than `limit`, before they are taken."""
        if (size := self.size(name)) > limit:
            raise ValueError(f"{name} has {size:,} bytes; the limit is {limit:,}")
        with self.archive.open(f"{name}.npy") as member:
            array: NDArray[Any] = np.lib.format.read_array(member, allow_pickle=False)
            return array


def npy_form(file: IO[bytes]) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Read the header of an array in NumPy's own format, of any version: its shape, type, and whether by columns."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_column, dtype = read(file)
    if min(shape, default=0) < 0:
        raise ValueError(f"an array of shape {shape}")
    return shape, dtype, by_column


@contextmanager
def opened_arrays(path: Path, remedy: str) -> Iterator[ArrayFile]:
    """Open an npz file and yield its arrays.

    Raises:
        InputError: no such file, or whatever is wrong with it, while it is opened or while the block reads it; the
            message names the file and ends in `remedy`.
    """
    with readable(path, "a readable npz file", remedy):
        with path.open("rb") as file:
            if file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX:
                raise ValueError("it holds one array without a name")
        with zipfile.ZipFile(path) as archive:
            yield ArrayFile(archive)


def shape_differences(found: Shapes, wanted: Shapes) -> Iterator[str]:
    """Yield in words how arrays by name differ from those that are wanted: missing, unknown, of another shape."""
    for name in sorted(wanted.keys() - found.keys()):
        yield f"{name} is missing"
    for name in sorted(found.keys() - wanted.keys()):
        yield f"{name} is unknown"
    for name in wanted:
        if name in found and tuple(found[name]) != tuple(wanted[name]):
            yield f"{name} has shape {tuple(found[name])} where {tuple(wanted[name])} is needed"
