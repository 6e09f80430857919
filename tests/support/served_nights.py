"""review.py as its users run it: a process of its own, and its page's address."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = Path(__file__).parents[2] / "review.py"
SECONDS = 60  # to start or stop on a machine that is busy


class Served:
    """A running review.py."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout is not None
        self.said = []
        for line in self.process.stdout:
            self.said.append(line)
            if "http://" in line:
                break
        else:
            raise AssertionError("".join(self.said))
        self.address = "http://" + self.said[-1].split("http://")[1].strip()
        self.port, self.token = self.address.removeprefix("http://127.0.0.1:").strip("/").split("/")

    def end(self, how: int = signal.SIGINT) -> tuple[int, str]:
        """Send a signal; return the exit status and all that was printed after it."""
        os.kill(self.process.pid, how)
        rest, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, rest


@contextmanager
def served(*arguments: str) -> Iterator[Served]:
    """Yield a running review.py, which is gone when the block ends."""
    one = Served(*arguments)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate(timeout=SECONDS)
