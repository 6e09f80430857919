"""Damage thousands of files and read them: every one must give a correct result, or one line that names it.

    python -m tests.hostile.fuzz --files 6000 --seed 1
    python -m tests.hostile.fuzz --kind "EDF, EDF+, BDF" --only 1234 --seed 1

A traceback, a hang of 10 s or 1 GB more memory than at the start is a failure. Failures are kept in --keep, with how
to repeat them. It runs on Linux.
"""

from __future__ import annotations

import argparse
import math
import random
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

from command import InputError, log
from tests.hostile.kinds import KINDS, Kind, sound_files
from tests.hostile.mutations import damaged

HANG_SECONDS = 10  # of the processor's time; as long as a file may take
STUCK_SECONDS = 120  # of the clock's; so that what waits for ever is a failure too
MEMORY_LIMIT = 2**20  # kB above the start: 1 GB


class Hang(BaseException):
    """Reading took too long; no `except Exception` of the program takes it for an error of the file."""


@dataclass
class Count:
    """What became of the files of one kind."""

    read: int = 0
    refused: int = 0
    failures: list[str] = field(default_factory=list)


def stop(number: int, frame: FrameType | None) -> None:
    raise Hang(f"{HANG_SECONDS} s of work, or {STUCK_SECONDS} s of waiting")


def most_memory(from_now: bool = False) -> int:
    """Return the most memory that this process has held, in kB; `from_now` forgets what was before."""
    if from_now:
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))


@contextmanager
def within_limits() -> Iterator[None]:
    """Raise Hang when the block takes too long, MemoryError when it takes too much memory."""
    before = most_memory(from_now=True)
    handlers = {number: signal.signal(number, stop) for number in (signal.SIGPROF, signal.SIGALRM)}
    signal.setitimer(signal.ITIMER_PROF, HANG_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, STUCK_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
    grown = most_memory() - before
    if grown > MEMORY_LIMIT:
        raise MemoryError(f"{grown // 1024:,} MB more than before")


def outcome(kind: Kind, path: Path) -> tuple[str, str]:
    """Return `read`, `refused` or `failed`, and what was said."""
    try:
        with within_limits():
            kind.read(path)
    except InputError as error:
        said = str(error)
        return ("refused", said) if "\n" not in said and said.isprintable() and len(said) < 1000 else ("failed", said)
    except (Exception, Hang):
        return "failed", traceback.format_exc()
    return "read", ""


def fuzz(name: str, numbers: Sequence[int], seed: int, keep: Path | None = None) -> Count:
    """Damage and read files of one kind, one for each of `numbers`, and count what became of them."""
    kind, count = KINDS[name], Count()
    with TemporaryDirectory() as folder:
        sound = list(sound_files(kind, Path(folder)))
        for number in numbers:
            rng = random.Random(f"{seed} {name} {number}")
            path, content = rng.choice(sound)
            hostile = kind.own[0](rng, content) if kind.only_own else damaged(rng, content, kind.own)
            path.write_bytes(hostile)
            what, said = outcome(kind, path.with_name(kind.opened) if kind.opened else path)
            path.write_bytes(content)
            if what == "failed":
                count.failures.append(f"{name} {number}: {said.strip().splitlines()[-1] if said else ''}")
                if keep:
                    keep_failure(keep, name, number, path.name, hostile, said)
            else:
                setattr(count, what, getattr(count, what) + 1)
    return count


def keep_failure(keep: Path, name: str, number: int, file: str, content: bytes, said: str) -> None:
    folder = keep / f"{name.replace(' ', '_')}-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(content)
    (folder / "said.txt").write_text(said, encoding="utf-8", errors="backslashreplace")


WEIGHTS = {
    **dict.fromkeys(KINDS, 4),
    **{"EDF, EDF+, BDF": 12, "prepared night": 8, "hypnogram, EDF+": 8},
    **{"EDF, EDF+, BDF, scored": 2, "published checkpoint": 2, "FIF": 3, "EEGLAB": 0.25},
}


def shares(n_files: int) -> dict[str, int]:
    """Return how many files of each kind there are among `n_files`, one at the least."""
    return {name: math.ceil(n_files * WEIGHTS[name] / sum(WEIGHTS.values())) for name in KINDS}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=6000, help="how many, over all kinds (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed damages the same way (default %(default)s)")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this kind")
    parser.add_argument("--only", type=int, help="only the file of this number")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"), help="gets the failures")
    options = parser.parse_args(argv)
    log.setLevel("ERROR")
    counts = {}
    print(f"{'':<24} {'files':>6} {'read':>6} {'refused':>8} {'failed':>7}")
    for name in options.kind or KINDS:
        numbers = range(shares(options.files)[name]) if options.only is None else [options.only]
        counts[name] = one = fuzz(name, numbers, options.seed, options.keep)
        row = f"{len(numbers):>6,} {one.read:>6,} {one.refused:>8,} {len(one.failures):>7,}"
        print(f"{name:<24} {row}", flush=True)
    every = list(counts.values())
    read, refused, failed = (
        sum(part) for part in zip(*((c.read, c.refused, len(c.failures)) for c in every), strict=True)
    )
    print(f"{'all':<24} {read + refused + failed:>6,} {read:>6,} {refused:>8,} {failed:>7,}")
    for line in (line for one in every for line in one.failures):
        print(line, file=sys.stderr)
    return int(failed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
