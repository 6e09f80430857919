"""Samples on standard input: one number a line, or float32 values, in µV."""

from __future__ import annotations

import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from command import InputError, counted, log, one_line
from recordings.recording import Header
from streaming.feed import POLL_SECONDS, Feed, Piece, Pieces

BYTES_AT_A_TIME = 2**16
LONGEST_LINE = 2**10  # bytes; a number has some twenty
WAITING = 64  # blocks that are read before they are needed; then the writer has to wait

Samples = NDArray[np.float32]
Decoder = Callable[[bytes], tuple[Samples, bytes]]
"""Bytes → the samples in them, and the bytes of one that is not whole yet."""


def open_standard_input(rate: float, form: str, label: str, source: BinaryIO | None = None) -> Feed:
    """Wait for the first samples on standard input.

    Args:
        rate: of the samples, Hz.
        form: a key of DECODERS.
        label: what the channel is called; "" where nobody says.
        source: instead of standard input.

    Raises:
        InputError: there is not one sample.
    """
    samples = decoded(blocks_of(source or sys.stdin.buffer), form)
    first = next((one for one in samples if one is not None and len(one)), None)
    if first is None:
        raise InputError("standard input: not one sample came; write one number a line, or see --stdin")
    began = time.time()

    def read(signals: Sequence[int]) -> Pieces:
        at = 0
        for one in chain([first], samples):
            if one is None:
                yield None
            elif len(one):
                yield Piece(at, one[np.newaxis])
                at += len(one)

    headers = (Header(label, "uV", rate, 0),)
    start = datetime.fromtimestamp(began).replace(microsecond=0)
    return Feed("stdin", "standard input", headers, start, read, repeats=False, began=began)


def decoded(blocks: Iterator[bytes | None], form: str) -> Iterator[Samples | None]:
    """Yield the samples of one block after the other; None where none came."""
    decode, rest = DECODERS[form], b""
    for block in blocks:
        if block is None:
            yield None
            continue
        samples, rest = decode(rest + (block or (b"\n" if form == "text" else b"")))  # the last line may lack its end
        yield samples
    if rest:
        log.info("note: standard input: %d bytes at its end are no whole sample", len(rest))


def blocks_of(source: BinaryIO) -> Iterator[bytes | None]:
    """Yield what comes: None where nothing came for POLL_SECONDS, and nothing (b"") at the end.

    A thread reads: a pipe cannot be asked on every system whether it has something.
    """
    waiting: queue.Queue[bytes] = queue.Queue(WAITING)

    def read() -> None:
        block = b"-"
        while block:
            block = source.read1(BYTES_AT_A_TIME) if hasattr(source, "read1") else source.read(BYTES_AT_A_TIME)
            waiting.put(block)

    threading.Thread(target=read, daemon=True).start()
    while True:
        try:
            block = waiting.get(timeout=POLL_SECONDS)
        except queue.Empty:
            yield None
            continue
        yield block
        if not block:
            return


# ---- forms ----


def numbers_of_lines(content: bytes) -> tuple[Samples, bytes]:
    r"""Read one number a line, which ends in \n, \r\n or \r; what is none counts as a missing sample.

    Empty lines do not count.

    Raises:
        InputError: a line does not end.
    """
    *lines, rest = content.replace(b"\r", b"\n").split(b"\n")
    if len(rest) > LONGEST_LINE:
        raise InputError(
            f"standard input: a line has more than {LONGEST_LINE:,} bytes; write one number a line, or see --stdin"
        )
    numbers = [number_of(line) for line in lines if line.strip()]
    if bad := [line for line in lines if line.strip() and number_of(line) is None]:
        shown = one_line(bad[0][:30].decode("latin-1").strip())
        log.info("note: standard input: %s without a number, first %s: missing", counted(len(bad), "line"), shown)
    return np.array([np.nan if number is None else number for number in numbers], np.float32), rest


def number_of(line: bytes) -> float | None:
    try:
        return float(line)
    except ValueError:
        return None


def float32_values(content: bytes) -> tuple[Samples, bytes]:
    """Read little-endian float32 values, as NumPy writes with `astype("<f4").tobytes()`."""
    end = len(content) // 4 * 4
    return np.frombuffer(content[:end], "<f4").astype(np.float32), content[end:]


DECODERS: dict[str, Decoder] = {"text": numbers_of_lines, "float32": float32_values}
