"""Tasks at the same time: their order, their deaths, what they may use, and the options that say where they run."""

from __future__ import annotations

import argparse
import os
import random
import socket
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import engine
import trainer
from command import InputError
from engine import Done, addresses
from engine.addresses import check_address
from engine.rooms import LOCAL, Workers, shares_of
from engine.watched import CPU, Command, DiedError, Place, cores, cpus, run_command
from trainer import as_arguments

# ---- options ----


def options(**given):
    return argparse.Namespace(**{"n_jobs": None, "engine": None, "address": None, **given})


@pytest.mark.parametrize(
    ("given", "gpus", "message"),
    [
        ({"n_jobs": 0}, (CPU,), "--n_jobs is 0; it must be 1 or more"),
        ({"address": "a:1"}, (CPU,), "--address a:1: is of a cluster; say which with --engine ray or dask"),
        ({"engine": "dask"}, (CPU,), "--engine dask needs the --address of its scheduler"),
        ({"engine": "ray"}, (0, 1), "--gpu: a cluster gives each task its GPU by itself"),
        ({"n_jobs": 2}, (0, 1, 2), "--gpu names 3 GPUs for 2 jobs; name as many, or fewer"),
    ],
)
def test_options_that_make_no_sense_together(given, gpus, message):
    with pytest.raises(InputError, match=message):
        engine.workers_of(options(**given), gpus)


@pytest.mark.parametrize(
    ("given", "gpus", "at_once", "several"),
    [({}, (CPU,), 1, False), ({"n_jobs": 1}, (3,), 1, False), ({"n_jobs": 4}, (0, 1), 4, True), ({}, (0, 1), 2, True)],
)
def test_one_job_a_gpu_unless_said(given, gpus, at_once, several):
    workers = engine.workers_of(options(**given), gpus)
    assert (workers.engine, workers.at_once, workers.several) == (LOCAL, at_once, several)


def test_gpus_are_numbers_each_once():
    assert engine.gpus_in("0,2") == (0, 2) and engine.gpus_in("-1") == (CPU,)
    for text in ("-2", "0,0", "0,-1", "a", ""):
        with pytest.raises(ValueError):
            engine.gpus_in(text)


def test_a_fold_gets_the_options_of_all():
    line = ["--db", "isruc", "--from_fold", "0", "--to_fold", "9", "--gpu", "0,1", "--n_jobs", "2", "--restart"]
    line += [
        "--suffix",
        "a b",
        "--no-normalise",
        "--freeze",
        "--class_weights",
        "1",
        "2",
        "1",
        "1",
        "1",
        "--skip_missing",
    ]
    options = trainer.parser().parse_args(line)
    again = trainer.parser().parse_args([*as_arguments(options), "--from_fold=3", "--to_fold=3"])
    differences = {name for name, value in vars(options).items() if vars(again)[name] != value}
    assert differences == {"from_fold", "to_fold", "gpu", "n_jobs", "restart"}
    assert (again.restart, again.n_jobs, again.suffix) == (False, None, "a b")


# ---- tasks ----


def where(number, place):
    time.sleep(random.random() / 20)
    return number, place, os.getpid()


def all_have_come(folder, n_workers):
    """Wait until each worker has a task: on a busy machine the first could do them all before the last has started."""
    (folder / str(os.getpid())).touch()
    deadline = time.monotonic() + 240
    while len(list(folder.iterdir())) < n_workers:
        assert time.monotonic() < deadline, "a worker has not come"
        time.sleep(0.05)


def place_of(folder, number, place):
    all_have_come(folder, 3)
    return place


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_every_item_is_done_once_and_in_order_if_wanted(n_jobs):
    done = list(engine.in_order(engine.run(where, range(20), Workers(n_jobs))))
    assert [one.number for one in done] == [one.item for one in done] == [one.result[0] for one in done] == [*range(20)]
    assert (os.getpid() in {one.result[2] for one in done}) == (n_jobs == 1)


def test_tasks_have_their_gpus_and_as_many_threads_as_a_serial_run(tmp_path):
    places = {one.result for one in engine.run(partial(place_of, tmp_path), range(12), Workers(3, gpus=(0, 5)))}
    assert places == {Place(0, cpus()), Place(5, cpus())}


def own_cores(folder, n_workers, number, place):
    all_have_come(folder, n_workers)
    return tuple(cores())


@pytest.mark.skipif(not cores(), reason="this system does not tell which cores a process may use")
def test_tasks_share_the_cores(tmp_path):
    n_jobs = len(cores())
    task = partial(own_cores, tmp_path, max(2, n_jobs))
    found = {one.result for one in engine.run(task, range(3 * n_jobs), Workers(max(2, n_jobs)))}
    assert found == {(core,) for core in cores()}


@given(st.integers(1, 9), st.integers(1, 9))
def test_each_core_is_of_one_job_and_each_job_has_one(n_cores, n_jobs):
    shares = shares_of(range(n_cores), n_jobs)
    assert len(shares) == n_jobs and all(shares)
    given_out = [core for share in shares for core in share]
    assert set(given_out) == set(range(n_cores)) and (n_jobs > n_cores or len(given_out) == n_cores)
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_items_are_taken_when_there_is_room():
    taken = []

    def items():
        for number in range(6):
            taken.append(number)
            yield number

    for done in engine.run(where, items(), Workers(2)):
        assert len(taken) <= done.number + 4
    assert taken == [*range(6)]


@given(st.permutations(range(8)))
def test_order_is_restored(numbers):
    assert [one.number for one in engine.in_order(Done(n, n, n) for n in numbers)] == [*range(8)]


def dying(path, place):
    """Die, and leave a mark, until there are as many as the file's name says."""
    with path.open("a") as file:
        file.write("x")
    if len(path.read_text()) <= int(path.name):
        os._exit(9)
    return len(path.read_text())


def test_a_death_costs_its_task_one_of_three_tries_and_the_others_nothing(tmp_path):
    paths = [tmp_path / name for name in ("1", "0", "2", "9", "00")]
    done = list(engine.in_order(engine.run(dying, paths, Workers(2))))
    assert [one.result for one in done] == [2, 1, 3, None, 1]
    assert [one.died[:20] for one in done] == ["", "", "", "its worker died 3 ti", ""]
    assert (tmp_path / "9").read_text() == "xxx"


# ---- commands as tasks ----


def command_of(tmp_path, text):
    script = tmp_path / "script.py"
    script.write_text(text)
    return Command(script, ("--from_fold=3",), tmp_path)


def test_a_command_returns_its_status_and_what_it_said_last(tmp_path):
    text = (
        "import os, sys\nprint(sys.argv[1:], os.environ['TF_NUM_INTRAOP_THREADS'], os.getcwd())\nsys.exit('a\\n\\nb')"
    )
    before = os.environ.pop("TF_NUM_INTRAOP_THREADS", None)
    try:
        ran = run_command(command_of(tmp_path, text), Place(2, 7))
    finally:
        if before is not None:
            os.environ["TF_NUM_INTRAOP_THREADS"] = before
    assert ran.status == 1
    assert set(ran.lines) == {f"['--from_fold=3', '--gpu', '2'] 7 {tmp_path}", "a", "b"}


def test_a_command_that_is_killed_has_died(tmp_path):
    with pytest.raises(DiedError, match="exit status -9: so far"):
        run_command(command_of(tmp_path, "import os\nprint('so far', flush=True)\nos.kill(os.getpid(), 9)"), Place())


def test_a_command_that_is_not_there_is_said(tmp_path):
    with pytest.raises(InputError, match="a worker cannot start"):
        run_command(Command(Path("x.py"), (), tmp_path / "nosuch"), Place())


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("foo bar", "--address foo bar: is none; give host and port"),
        ("tcp://127.0.0.1:70000", "is none; give host and port"),
        ("127.0.0.1:1", "no Dask scheduler at 127.0.0.1:1: Connection refused; start it with: dask scheduler"),
        ("tcp://{silent}", "nobody answers; start it with: dask scheduler"),
        ("{silent}", "nobody answers"),
        ("no-such-host.invalid:8786", "no Dask scheduler at no-such-host.invalid:8786: "),
    ],
)
def test_an_address_without_a_cluster_is_the_users_error(monkeypatch, address, said):
    monkeypatch.setattr(addresses, "ANSWER_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(InputError) as error:
        where = address.format(silent=f"127.0.0.1:{silent.getsockname()[1]}")
        check_address(where, "Dask scheduler", "start it with: dask scheduler")
    assert said in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(("name", "library"), [("ray", "ray"), ("dask", "distributed")])
def test_an_engine_that_is_not_installed_says_how_to_install_it(monkeypatch, name, library):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(InputError, match=f"^{library} is not installed: pip install -r requirements-cluster.txt"):
        list(engine.run(where, [1], Workers(engine=name, address="127.0.0.1:1")))
