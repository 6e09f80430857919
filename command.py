"""What every command shares: the user's errors and exit status, folders, files that are written whole, the log."""

from __future__ import annotations

import functools
import importlib
import io
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROGRAM_FOLDER = Path(__file__).resolve().parent

log = logging.getLogger("recsleepnet")


class InputError(ValueError):
    """A mistake in what the user gave: one line with what, which value, where, and what to do."""


Main = Callable[[Sequence[str] | None], int | None]


def command(main: Main) -> Callable[..., int]:
    """Turn `main(argv)` into a command: its exit status, and one line for a user's mistake.

    Status 0 is success, 1 a partial failure that `main` returned, 2 a user's mistake, 130 an interruption.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        logging.captureWarnings(True)
        try:
            return main(argv) or 0
        except InputError as error:
            print(f"{Path(main.__code__.co_filename).name}: error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt as stop:
            print(f"\n{stop if stop.args else 'stopped'}", file=sys.stderr)
            return 130

    return run


def log_to_terminal() -> None:
    """Send the program's own messages to standard output as plain lines."""
    logging.raiseExceptions = False  # `... | head` closes our output early; that is no error
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without µ or – shows ? and not nothing at all
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.handlers[:] = [handler]
    log.setLevel(logging.INFO)


def reason_of(error: BaseException) -> str:
    """Return the first line of what an error says; its name if it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


TF_LOG_LEVEL, ERRORS_ONLY = "TF_CPP_MIN_LOG_LEVEL", "2"


def import_tensorflow(gpu: int = 0) -> Any:
    """Import and return TensorFlow, without the lines that its libraries write while loading; errors still show.

    With `gpu` -1 no library for GPUs is even started.
    """
    if gpu < 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    os.environ.setdefault(TF_LOG_LEVEL, ERRORS_ONLY)  # TensorFlow's own switch; it comes too late for the first lines
    with hushed_libraries():
        return importlib.import_module("tensorflow")


@contextmanager
def hushed_libraries() -> Iterator[None]:
    """Hide what libraries write to the terminal past Python, unless it ends in an error.

    With TF_CPP_MIN_LOG_LEVEL at 0 or 1 the user wants to read it: nothing is hidden.
    """
    if os.environ.get(TF_LOG_LEVEL, ERRORS_ONLY) < ERRORS_ONLY:
        yield
        return
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException:
            written.seek(0)
            os.write(terminal, written.read())
            raise
        finally:
            os.dup2(terminal, 2)
            os.close(terminal)


def existing_folder(folder: str | Path, what: str, remedy: str = "name another one") -> Path:
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
    """Return `folder`, made if need be.

    Raises:
        InputError: it cannot be made or written to.
    """
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot make the folder {path}: {error.strerror}; choose another one") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise InputError(f"cannot write to the folder {path}; choose another one or change its permissions")
    return path


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, with its suffix, that becomes `path` when the block ends without an error.

    Raises:
        InputError: the disk is full or the folder cannot be written to.
    """
    partial = path.with_name(f".partial-{os.getpid()}-{path.name}")
    try:
        yield partial
        partial.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; free space or choose another folder"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
