"""Run a command that a signal hits at a chosen moment.

    python -m tests.hostile.killed KIND NUMBER SIGNAL DELAY_MS FOLDER NOTES SCRIPT.py ARGUMENT …

KIND `write` counts what is opened for writing, renamed, removed or made in FOLDER; `tensorflow` counts the modules
that are imported from TensorFlow on. At the NUMBER-th the process that was started gets SIGNAL, DELAY_MS later, when it
may be in the middle of writing. NOTES gets a line for each event, with the process that it happened in. Python's audit
hooks tell of the events, before they happen (https://docs.python.org/3/library/audit_events.html).
"""

from __future__ import annotations

import itertools
import os
import runpy
import signal
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
WRITE_FLAGS = os.O_WRONLY | os.O_RDWR
MOVES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")


def writes_into(folder: str, event: str, arguments: tuple[Any, ...]) -> bool:
    """Tell whether an audit event is one that changes something in a folder."""
    if event not in (*MOVES, "open") or not isinstance(arguments[0], (str, os.PathLike)):
        return False
    writing = event != "open" or bool(arguments[2] & WRITE_FLAGS)
    return writing and os.path.realpath(arguments[0]).startswith(folder)


def imports_tensorflow(event: str, _: tuple[Any, ...]) -> bool:
    return event == "import" and "tensorflow" in sys.modules


def hit_at(kind: str, number: int, sent: signal.Signals, delay: float, folder: str, notes: str) -> None:
    """Install the hook; a worker that this process starts has it too, and hits this process."""
    started, counter, busy = os.getpid(), itertools.count(1), threading.local()
    log = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        counts = writes_into(folder, event, arguments) if kind == "write" else imports_tensorflow(event, arguments)
        if not counts or getattr(busy, "now", False):
            return
        busy.now = True
        reached = next(counter) == number
        os.write(log, f"{os.getpid()} {event} {arguments[0]}\n".encode(errors="replace"))
        if reached and delay:
            threading.Timer(delay, os.kill, (started, sent)).start()
        elif reached:
            os.kill(started, sent)
        busy.now = False

    sys.addaudithook(hook)


def main() -> None:
    kind, number, sent, delay, folder, notes, script, *arguments = sys.argv[1:]
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in a shell's background ignore it
    sys.argv = [script, *arguments]
    sys.path[0] = str(ROOT)
    hit_at(kind, int(number), signal.Signals(int(sent)), float(delay) / 1000, os.path.realpath(folder), notes)
    runpy.run_path(str(ROOT / script), run_name="__main__")


if __name__ == "__main__":
    main()
