"""TensorFlow and what it computes on: the one place where it is imported, hushed and given its device."""

from __future__ import annotations

import ctypes
import gc
import importlib
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from command import InputError, interruptions_wait

TF_LOG_LEVEL, ERRORS_ONLY = "TF_CPP_MIN_LOG_LEVEL", "2"

IF_INSTALLED = ("sklearn", "pandas", "matplotlib", "matplotlib.pyplot")
"""What Keras imports only because it is installed, to wrap it or to draw: a third of the time and 110 MB."""


def choose_device(gpu: int) -> None:
    """Decide, before TensorFlow is imported, what it may see: with `gpu` -1 no library for GPUs is even started."""
    if gpu < 0:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"


def import_tensorflow() -> Any:
    """Import and return TensorFlow, without the lines that its libraries write while loading; errors still show."""
    os.environ.setdefault(TF_LOG_LEVEL, ERRORS_ONLY)  # TensorFlow's own switch; it comes too late for the first lines
    with interruptions_wait(), hushed_libraries(), without_libraries(IF_INSTALLED), without_garbage_collection():
        return importlib.import_module("tensorflow")


def start_tensorflow(gpu: int) -> str:
    """Import TensorFlow, let it see one GPU or none, and return what it computes on, in words.

    It is to be called before anything is computed.

    Args:
        gpu: number of the GPU; -1 for the CPU. On a machine without a GPU it is the CPU.

    Raises:
        InputError: the machine has GPUs, but not this one.
    """
    choose_device(gpu)
    tf = import_tensorflow()
    with hushed_libraries():  # a machine without a GPU is no error
        gpus = tf.config.list_physical_devices("GPU")
    if gpu >= len(gpus) > 0:
        raise InputError(f"--gpu {gpu}: the GPUs here are 0 to {len(gpus) - 1}; -1 is the CPU")
    if gpu < 0 or not gpus:
        tf.config.set_visible_devices([], "GPU")
        return "the CPU" if gpu < 0 else "the CPU (no GPU found)"
    tf.config.set_visible_devices(gpus[gpu], "GPU")
    tf.config.experimental.set_memory_growth(gpus[gpu], True)
    return f"GPU {gpu}"


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


@contextmanager
def without_libraries(names: Iterable[str]) -> Iterator[None]:
    """Let some libraries seem not to be installed; those that are imported already stay."""
    hidden = [name for name in names if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: Python raises ImportError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Collect no garbage meanwhile, and never look at what is there afterwards.

    Importing TensorFlow makes a million objects that stay. Searching them takes half a second, the end of the program
    included.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def give_back_memory() -> None:
    """Return to the system what the compiler took and freed, 40 to 200 MB, where the C library (glibc) is able to."""
    if sys.platform == "linux" and hasattr(c_library := ctypes.CDLL(None), "malloc_trim"):
        c_library.malloc_trim(0)
