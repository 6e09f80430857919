"""Locks on files, between the processes of this machine and of others that share a folder.

A lock ends with the process that holds it, whatever ends that.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

from filelock import FileLock, Timeout

from command import InputError, log, reason_of

if sys.platform != "win32":
    import fcntl

WAIT_SECONDS = 60.0  # for another command to write its tables, which takes it far less than a second
MOUNTS = Path("/proc/self/mountinfo")  # Linux's own list of file systems
OF_ONE_MACHINE = ("fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.gcsfuse")
"""File systems over a network that grant a lock without telling the other machines: they do not pass locks on."""
KEPT_TO_ITSELF = ("nolock", "local_lock=all", "local_lock=flock", "localflock", "nobrl")
"""Options of NFS, Lustre and SMB that do the same."""


class BusyError(InputError):
    """Another process, on this machine or on one that shares the folder, holds a lock."""


@contextmanager
def held(lock: Path, busy: str, wait: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold a lock for the block, which no other process can meanwhile.

    Args:
        lock: its file, which stays there, empty.
        busy: what to say when another process holds it for longer than `wait`.
        wait: seconds.

    Raises:
        BusyError: another process holds it.
        InputError: the folder cannot be written to, or its file system has no locks.
    """
    if not lock.parent.is_dir():  # which the library would make
        raise InputError(f"cannot write to {lock.parent}: no such folder; choose another one")
    file_lock = FileLock(lock, timeout=wait)
    try:
        file_lock.acquire()
    except Timeout as error:
        raise BusyError(busy) from error
    except (OSError, NotImplementedError) as error:
        why = error.strerror if isinstance(error, OSError) else None
        raise InputError(
            f"cannot write to {lock.parent}, or lock it: {why or reason_of(error)}; choose another folder"
        ) from error
    try:
        say_what_it_is_worth(lock.parent.resolve())
        yield
    finally:
        file_lock.release()


@contextmanager
def tables_of(folder: Path) -> Iterator[None]:
    """Hold the files of a folder that commands read, add to and write again: nights.csv, dataset.json, a report.

    Raises:
        InputError: as `held`.
    """
    busy = f"{folder}: another command has been writing its tables for {WAIT_SECONDS:g} s; wait for it, then go on"
    with held(folder / ".tables.lock", busy):
        yield


def claim(file: IO[Any], wait: bool) -> None:
    """Lock a file that is open, until it is closed. Windows keeps others from a file that is open by itself.

    Raises:
        BlockingIOError: another process has it, and `wait` is False.
        OSError: the file system has no locks.
    """
    if sys.platform != "win32":
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


# ---- what a lock is worth ----


@cache
def say_what_it_is_worth(folder: Path) -> None:
    """Warn, once in a process, where locks in a folder are known to hold on this machine alone."""
    with suppress(OSError):  # no Linux
        if kept := in_words_of_mount(folder, MOUNTS.read_text(encoding="utf-8", errors="replace")):
            log.warning("warning: %s: %s; let no other machine write there at the same time", folder, kept)


def in_words_of_mount(folder: Path, mounts: str) -> str:
    """Say why locks in a folder hold on this machine alone, from Linux's list; "" where nothing says so.

    A line is `36 35 98:0 /root /mount/point rw,noatime master:1 - type source options`, with `\\040` for a space.
    """
    best, kind, options = -1, "", ""
    for line in mounts.splitlines():
        first, _, last = line.partition(" - ")
        where = Path(first.split()[4].replace("\\040", " ")) if len(first.split()) > 4 else None
        if where and len(last.split()) > 2 and folder.is_relative_to(where) and len(where.parts) >= best:
            best, (kind, _, options) = len(where.parts), last.split(maxsplit=2)
    if kind in OF_ONE_MACHINE:
        return f"{kind.removeprefix('fuse.')} keeps file locks to this machine"
    kept = [option for option in options.split(",") if option in KEPT_TO_ITSELF]
    return f"it is mounted with {kept[0]}, which keeps file locks to this machine" if kept else ""
