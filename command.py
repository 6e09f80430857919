"""What every command shares: its parser, the user's errors and exit status, what is printed."""

from __future__ import annotations

import argparse
import functools
import io
import logging
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from version import __version__

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


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a command, with `--version` in it; `description` is shown as it is written."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--version", action="version", version=f"RecSleepNet for TensorFlow 2, version {__version__}")
    return parser


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


def as_text(name: str) -> str:
    """Return a file's name as text that can be written: ? stands for a byte of it that is none."""
    return name.encode("utf-8", "replace").decode()


def one_line(text: str) -> str:
    """Return text from a file as it can stand in a line: · for the letters that would break or hide it."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", "·", text)


def duration_in_words(seconds: float) -> str:
    """Return 7 h 05 min for 25,500; 45 min; 12 s for what is shorter than a minute."""
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes} min" if seconds >= 60 else f"{seconds:.0f} s"
