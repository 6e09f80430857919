"""The same folds and nights on this machine, on a Ray cluster and on a Dask cluster: the serial results, to the bit.

The clusters are real ones, of two workers; the tests start them. Workers are killed (SIGKILL) while they train.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import predict
import prepare
from engine.rooms import DASK, LOCAL, RAY, Workers
from folds.checkpoint import load_best
from folds.history import load_history
from tests.support.clusters import LIBRARY, is_installed, running, stage_all
from tests.support.short_nights import train_arguments
from tests.support.small_nights import small_nights

pytest_plugins = ["tests.support.folds_on_disk"]
pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc")

N_NIGHTS = 48  # several times as many as two workers have in hand
PATIENCE = 240  # seconds; a busy machine starts TensorFlow slowly


@pytest.fixture(scope="module", params=[LOCAL, RAY, DASK])
def cluster(request):
    """Return each cluster in turn."""
    if not is_installed(request.param):
        pytest.skip(f"{LIBRARY[request.param]} is not installed: pip install -r requirements-cluster.txt")
    with running(request.param) as one:
        yield one


def wait_until(reached, what):
    deadline = time.monotonic() + PATIENCE
    while not (found := reached()):
        assert time.monotonic() < deadline, f"{what}: not in {PATIENCE} s"
        time.sleep(0.05)
    return found


def is_running(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


# ---- folds ----


def trainer_and_worker(output, fold):
    """Return the process that trains a fold, and the one that has started it."""
    for folder in Path("/proc").iterdir():
        with suppress(OSError):  # it has ended meanwhile
            words = (folder / "cmdline").read_bytes().decode().split("\0") if folder.name.isdecimal() else []
            if f"--output_dir={output}" in words and f"--from_fold={fold}" in words:
                return int(folder.name), int(re.search(r"PPid:\t(\d+)", (folder / "status").read_text())[1])
    return None


def passes(folder):
    return [(one.phase, one.pass_number, one.loss_rec, one.loss_ce, one.kept) for one in load_history(folder)]


def test_folds_survive_the_death_of_a_worker_and_are_those_of_a_serial_run(cluster, data_dir, trained, tmp_path):
    output, hold = tmp_path / "output", tmp_path / "output" / "hold"
    output.mkdir()
    hold.touch()  # no fold goes beyond its first pass
    process = cluster.start("trainer.py", *train_arguments(data_dir, output, last=4), *cluster.options)
    fold = output / "sleepedf" / "0"
    try:
        wait_until((fold / "resume.npz").exists, "a first pass")
        trainer, worker = trainer_and_worker(output, 0)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: not is_running(trainer), "the end of the fold whose worker was killed")
        hold.unlink()
        printed, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert process.returncode == 0, printed
    log = (fold / "train.log").read_text()
    assert log.count("3 train nights") == 2 and "fold 0: going on after" in log
    for number in ("0", "4"):
        ours, serial = output / "sleepedf" / number, trained / "sleepedf" / number
        assert passes(ours) == passes(serial)
        assert (ours / "test_scores.json").read_bytes() == (serial / "test_scores.json").read_bytes()
        weights = load_best(ours).weights
        for name, value in load_best(serial).weights.items():
            np.testing.assert_array_equal(weights[name], value)
        assert f"fold {number}: done; checkpoint of pass" in printed
    assert "fold 4  train   2  ce " in printed and re.search(r"pooled +44 ", printed)
    again = cluster.run("trainer.py", *train_arguments(data_dir, output, last=4), *cluster.options)
    assert "fold 0 is finished already" in again and "fold 4 is finished already" in again


@pytest.mark.parametrize(("sent", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_commands_end_with_the_one_that_asked_for_them(cluster, tmp_path, sent, status):
    """Stopped, they end cleanly; if the asking one is killed, they end too. Nothing is left running."""
    pids = tmp_path / "pids"
    pids.mkdir()
    process = cluster.start("-m", "tests.support.clusters", cluster.engine, cluster.address, "sleep", tmp_path)
    try:
        wait_until(lambda: len(list(pids.iterdir())) == 2, "two commands")
        process.send_signal(sent)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == status
        sleepers = [int(path.name) for path in pids.iterdir() if path.name.isdecimal()]
        wait_until(lambda: not any(map(is_running, sleepers)), "the end of the commands")
        if sent != signal.SIGKILL:
            assert len(list(pids.glob("cleanly.*"))) == 2
    finally:
        process.kill()


# ---- nights ----


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    return small_nights(tmp_path_factory.mktemp("small") / "own", N_NIGHTS)


def prepare_arguments(recordings, output):
    return [
        *("--db", "own", "--data_dir", str(recordings), "--output_dir", str(output / "own")),
        *("--select_ch", "EEG Fpz-Cz"),
    ]


@pytest.fixture(scope="module")
def prepared(recordings, tmp_path_factory):
    """Return the nights as one process prepares them."""
    output = tmp_path_factory.mktemp("prepared")
    assert prepare.main(prepare_arguments(recordings, output)) == 0
    return output / "own"


def test_nights_are_prepared_as_by_one_process(cluster, recordings, prepared, tmp_path):
    printed = cluster.run("prepare.py", *prepare_arguments(recordings, tmp_path), *cluster.options)
    assert re.search(rf"^prepared +{N_NIGHTS} ", printed, re.MULTILINE)
    names = sorted(path.name for path in prepared.glob("*.npz"))
    assert len(names) == N_NIGHTS and names == sorted(path.name for path in (tmp_path / "own").glob("*.npz"))
    for name in names:
        ours, serial = np.load(tmp_path / "own" / name), np.load(prepared / name)
        assert ours.files == serial.files and all(np.array_equal(ours[key], serial[key]) for key in serial.files)


@pytest.fixture(scope="module")
def staged(recordings, folds_dir, tmp_path_factory):
    """Return what one process makes of the nights."""
    path = tmp_path_factory.mktemp("staged") / "serial.npz"
    stage_all(Workers(), recordings, folds_dir, path)
    return np.load(path)


def test_nights_are_staged_as_by_one_process(cluster, recordings, staged, folds_dir, tmp_path):
    path = tmp_path / "staged.npz"
    cluster.run("-m", "tests.support.clusters", cluster.engine, cluster.address, "stage", recordings, folds_dir, path)
    found = np.load(path)
    assert len(found.files) == N_NIGHTS and set(found.files) == set(staged.files)
    for name in staged.files:
        np.testing.assert_array_equal(found[name], staged[name])


def test_recordings_have_the_files_that_one_process_writes(cluster, folds_dir, tmp_path):
    few = small_nights(tmp_path / "few", 4)
    (few / "s002.edf").write_bytes(b"no recording")
    options = ["--db", "sleepedf", "--dir", str(folds_dir), "--gpu", "-1", "--format", "bids"]
    serial, ours = tmp_path / "serial", tmp_path / "ours"
    assert predict.main([str(few), *options, "--output_dir", str(serial)]) == 1
    printed = cluster.run("predict.py", few, *options, "--output_dir", ours, *cluster.options, status=1)
    assert "3 of 3" in printed and re.search(r"\ns002.edf +failed: ", printed)
    assert sorted(path.name for path in ours.iterdir()) == sorted(path.name for path in serial.iterdir())
    for path in serial.iterdir():
        assert (ours / path.name).read_bytes() == path.read_bytes(), path.name
