"""What TensorFlow computes on, and that its libraries are quiet unless they fail."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from command import InputError
from engine import device

ROOT = Path(__file__).parent.parent

# ---- quiet ----

WRITES_PAST_PYTHON = """
import os, sys
from engine.device import hushed_libraries
with hushed_libraries():
    os.write(2, b"a library's alarm")
    if sys.argv[1:]:
        raise ImportError("broken")
"""


@pytest.mark.parametrize(
    ("level", "fails", "shown"),
    [(None, False, False), ("2", False, False), ("0", False, True), (None, True, True)],
)
def test_libraries_are_hushed_unless_they_fail_or_the_user_wants_to_read_them(monkeypatch, level, fails, shown):
    monkeypatch.delenv(device.TF_LOG_LEVEL, raising=False)
    if level:
        monkeypatch.setenv(device.TF_LOG_LEVEL, level)
    program = [sys.executable, "-c", WRITES_PAST_PYTHON, *(["fail"] if fails else [])]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ("a library's alarm" in done.stderr) == shown and ("broken" in done.stderr) == fails


@pytest.mark.parametrize(("level", "then"), [("0", "0"), ("3", "3"), (None, "2")])
def test_a_log_level_of_the_user_s_is_kept(monkeypatch, level, then):
    monkeypatch.setenv(device.TF_LOG_LEVEL, level or "")
    if level is None:
        monkeypatch.delenv(device.TF_LOG_LEVEL)
    monkeypatch.setattr(device.importlib, "import_module", lambda name: name)
    assert device.import_tensorflow() == "tensorflow"
    assert os.environ[device.TF_LOG_LEVEL] == then


# ---- quickly ----

AFTER_TENSORFLOW = """
import gc, sys
from engine.device import IF_INSTALLED, import_tensorflow
import_tensorflow()
print(sorted(set(IF_INSTALLED) & sys.modules.keys()), gc.isenabled())
import matplotlib.pyplot, pandas, sklearn
import keras
keras.Sequential([keras.layers.Dense(1)]).compile("adam", "mse")
"""


def test_tensorflow_comes_without_what_only_keras_wraps_and_that_can_be_imported_afterwards():
    done = subprocess.run(
        [sys.executable, "-c", AFTER_TENSORFLOW], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[] True\n" and done.returncode == 0, done.stderr


def test_a_library_that_is_imported_already_stays():
    import json

    with device.without_libraries(("json", "no_such_library")):
        assert sys.modules["json"] is json
        with pytest.raises(ImportError):
            importlib.import_module("no_such_library")
    assert "no_such_library" not in sys.modules


# ---- the device ----


@pytest.mark.parametrize(("gpu", "visible"), [(-1, "-1"), (0, "all"), (2, "all")])
def test_without_a_gpu_no_library_for_gpus_is_started(monkeypatch, gpu, visible):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "all")
    device.choose_device(gpu)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == visible


class Machine:
    """Stands for TensorFlow on a machine with so many GPUs, and notes what it is told."""

    def __init__(self, n_gpus: int) -> None:
        self.gpus = [f"gpu{i}" for i in range(n_gpus)]
        self.visible: object = None
        self.growing: list[str] = []
        self.config = self.experimental = self

    def list_physical_devices(self, kind):
        assert kind == "GPU"
        return self.gpus

    def set_visible_devices(self, devices, kind):
        assert kind == "GPU"
        self.visible = devices

    def set_memory_growth(self, gpu, grow):
        assert grow is True
        self.growing.append(gpu)


@pytest.fixture
def machine(monkeypatch):
    """Return a function that makes TensorFlow find so many GPUs."""

    def of(n_gpus):
        made = Machine(n_gpus)
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "all")
        monkeypatch.setattr(device, "import_tensorflow", lambda: made)
        return made

    return of


@pytest.mark.parametrize(
    ("n_gpus", "gpu", "words", "visible"),
    [
        (0, -1, "the CPU", []),
        (2, -1, "the CPU", []),
        (0, 0, "the CPU (no GPU found)", []),
        (0, 3, "the CPU (no GPU found)", []),
        (2, 0, "GPU 0", "gpu0"),
        (2, 1, "GPU 1", "gpu1"),
    ],
)
def test_one_gpu_or_the_cpu(machine, n_gpus, gpu, words, visible):
    made = machine(n_gpus)
    assert device.start_tensorflow(gpu) == words
    assert made.visible == visible
    assert made.growing == ([visible] if visible else [])


@pytest.mark.parametrize("gpu", [2, 7])
def test_a_gpu_that_is_not_there_is_refused(machine, gpu):
    made = machine(2)
    with pytest.raises(InputError, match=rf"--gpu {gpu}: the GPUs here are 0 to 1; -1 is the CPU"):
        device.start_tensorflow(gpu)
    assert made.visible is None


@pytest.mark.parametrize(
    ("platform", "can", "asked"), [("linux", True, [0]), ("linux", False, []), ("win32", True, [])]
)
def test_memory_is_given_back_where_the_c_library_is_able_to(monkeypatch, platform, can, asked):
    found = []
    library = SimpleNamespace(malloc_trim=found.append) if can else SimpleNamespace()
    monkeypatch.setattr(device.ctypes, "CDLL", lambda name: library)
    monkeypatch.setattr(device.sys, "platform", platform)
    device.give_back_memory()
    assert found == asked
