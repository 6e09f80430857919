"""What makes a function a reader: all that goes wrong while a user's file is read becomes the user's error."""

from __future__ import annotations

import functools
import json
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from command import InputError, one_line, reason_of
from files.folders import PROGRAM_FOLDER
from files.limits import LONGEST_JSON, LONGEST_TEXT

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
