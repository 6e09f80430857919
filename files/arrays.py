"""The arrays of an npz file, read with checks."""

from __future__ import annotations

import io
import itertools
import math
import struct
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from files.limits import LONGEST_DIRECTORY, LONGEST_SMALL
from files.reading import readable

Arrays = dict[str, NDArray[Any]]
Shapes = Mapping[str, Sequence[int]]

AT_A_TIME = 2**20  # values
END_MARK = b"PK\x05\x06"
DIRECTORY_END = struct.Struct("<4s4H2LH")  # its mark, numbers, how long the directory is and where, a comment's length
LONGEST_END = DIRECTORY_END.size + 2**16  # bytes, with a comment
"""The end of a zip file: APPNOTE.TXT of PKWARE, 4.3.16."""


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

    def signal(self, name: str, limit: int) -> NDArray[np.float32]:
        """Return an array of numbers, (row, sample[, 1]), as (row, sample) float32, converted part by part.

        Whatever its type and its order, nothing else of its size stands in memory beside it.

        Raises:
            ValueError: it needs more bytes than `limit`, or the file ends before it does.
        """
        with self.archive.open(f"{name}.npy") as member:
            shape, dtype, by_column = npy_form(member)
            n_values = math.prod(shape)
            if n_values * 4 > limit:
                raise ValueError(f"{name} has {n_values:,} samples; the limit is {limit // 4:,}")
            signal = np.empty(shape[:2], np.float32)  # (row, sample[, 1]) -> (row, sample)
            lines = signal.T if by_column else signal  # in the file's order
            width = lines.shape[1]
            n_lines = max(1, AT_A_TIME // max(1, width))
            for line, first in itertools.product(range(0, len(lines), n_lines), range(0, width, AT_A_TIME)):
                part = lines[line : line + n_lines, first : first + AT_A_TIME]
                content = member.read(part.size * dtype.itemsize)
                part[...] = np.frombuffer(content, dtype, part.size).reshape(part.shape)
        return signal


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
            check_directory(file)
        with zipfile.ZipFile(path) as archive:
            yield ArrayFile(archive)


def check_directory(file: IO[bytes]) -> None:
    """Raise ValueError where a zip file's directory is larger than that of any arrays: each entry takes memory."""
    file.seek(max(0, file.seek(0, io.SEEK_END) - LONGEST_END))
    tail = file.read()
    end = tail[-DIRECTORY_END.size :] if tail[-DIRECTORY_END.size :][:4] == END_MARK else tail[tail.rfind(END_MARK) :]
    if len(end) >= DIRECTORY_END.size and end[:4] == END_MARK:
        n_bytes = DIRECTORY_END.unpack(end[: DIRECTORY_END.size])[5]
        if n_bytes > LONGEST_DIRECTORY:
            raise ValueError(f"its directory has {n_bytes:,} bytes; the limit is {LONGEST_DIRECTORY:,}")


def shape_differences(found: Shapes, wanted: Shapes) -> Iterator[str]:
    """Yield in words how arrays by name differ from those that are wanted: missing, unknown, of another shape."""
    for name in sorted(wanted.keys() - found.keys()):
        yield f"{name} is missing"
    for name in sorted(found.keys() - wanted.keys()):
        yield f"{name} is unknown"
    for name in wanted:
        if name in found and tuple(found[name]) != tuple(wanted[name]):
            yield f"{name} has shape {tuple(found[name])} where {tuple(wanted[name])} is needed"
