"""What every command shares: its parser, the user's errors and exit status, what is printed."""

from __future__ import annotations

import argparse
import functools
import io
import logging
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from version import __version__

log = logging.getLogger("recsleepnet")


class InputError(ValueError):
    """A mistake in what the user gave: one line with what, which value, where, and what to do."""


Main = Callable[[Sequence[str] | None], int | None]


def command(main: Main) -> Callable[..., int]:
    """Turn `main(argv)` into a command: its exit status, and one line for a user's mistake.

    Status 0 is success, 1 a partial failure that `main` returned, 2 a user's mistake, 130 an interruption (Ctrl-C) and
    143 a termination (`kill`); after these two the same command goes on.
    """

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        logging.captureWarnings(True)
        try:
            with termination_is_an_interruption():
                return main(argv) or 0
        except InputError as error:
            print(f"{Path(main.__code__.co_filename).name}: error: {error}", file=sys.stderr)
            return 2
        except KeyboardInterrupt as stop:
            print(f"\n{stop if stop.args else 'stopped'}", file=sys.stderr)
            return TERMINATED if isinstance(stop, TerminationError) else INTERRUPTED

    return run


# ---- interruptions ----

INTERRUPTED, TERMINATED = 130, 143  # exit statuses: 128 and the signal's number, as shells have them


class TerminationError(KeyboardInterrupt):
    """`kill` (SIGTERM), which stops a command as Ctrl-C does: cleanly."""


def in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()  # only there signals can be handled


def terminate(*_: object) -> None:
    raise TerminationError


@contextmanager
def termination_is_an_interruption() -> Iterator[None]:
    """Let SIGTERM raise TerminationError in the block, unless somebody else handles it."""
    if not in_main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def interruptions_wait() -> Iterator[None]:
    """Keep Ctrl-C and `kill` until the end of the block: a library that is interrupted as it loads fails in any way."""
    handled = {
        number: handler
        for number in (signal.SIGINT, signal.SIGTERM)
        if in_main_thread() and callable(handler := signal.getsignal(number))
    }
    came: list[int] = []
    for number in handled:
        signal.signal(number, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for number, handler in handled.items():
            signal.signal(number, handler)
    if came:
        signal.raise_signal(came[0])


class Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line, without all options, and takes --lights-off for --lights_off."""

    def error(self, message: str) -> NoReturn:
        """Print the reason, and end with status 2."""
        self.exit(2, f"{self.prog}: error: {message}; see {self.prog} --help\n")

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """Parse with the hyphens inside the names of options as underscores; values stay as they are."""
        given = sys.argv[1:] if args is None else args
        end = given.index("--") if "--" in given else len(given)
        return super().parse_known_args([*map(self.spelled, given[:end]), *given[end:]], namespace)

    def spelled(self, argument: str) -> str:
        name, equals, value = argument.partition("=")
        own = name.replace("-", "_").replace("__", "--", 1)
        return f"{own}{equals}{value}" if own in self._option_string_actions else argument


def new_parser(description: str | None) -> argparse.ArgumentParser:
    """Return the parser of a command, with `--version` in it; `description` is shown as it is written."""
    parser = Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
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


def counted(number: int, what: str) -> str:
    """Return 1 warning, 2 warnings."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def numbered(what: str, numbers: Iterable[int]) -> str:
    """Return fold 3; folds 0, 4."""
    texts = [str(number) for number in numbers]
    return f"{what}{'' if len(texts) == 1 else 's'} {', '.join(texts)}"


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
