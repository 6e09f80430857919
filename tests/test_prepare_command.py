"""All nights of a folder: one file each, several at a time, subjects, and what is reported."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from data import load_night
from engine.rooms import Workers
from recordings.datasets import DATASETS
from recordings.preparation import RawNight, Rules
from recordings.prepare_command import (
    FAILED,
    PREPARED,
    THERE,
    Outcome,
    at_once,
    choose_nights,
    exit_status,
    good,
    prepare_all,
    prepare_file,
    total_counts,
)
from recordings.prepare_options import as_ranges, parse_subjects, prepare_options, prepare_parser
from tests.support.ramp_nights import ramp_night

# ---- a night's file ----


def test_a_night_is_prepared_once_for_the_same_settings(tmp_path):
    raw, read_hypnogram = ramp_night(tmp_path, 50, [2] * 50)

    def prepare(rules, overwrite=False):
        return prepare_file(raw, rules, read_hypnogram, tmp_path, overwrite)

    rules = Rules("C3A2", 0)
    assert prepare(rules).status == "prepared"
    again = prepare(rules)
    assert (again.status, again.counts) == ("already there", (0, 0, 50, 0, 0))
    assert prepare(Rules("C3A2", 7)).status == "already there"  # a limit changes nothing in the night
    assert prepare(rules, overwrite=True).status == "prepared"
    other = prepare(Rules("C3-A2", 0, trim_first=True))
    assert other.notices[0] == (
        "prepared before with select_ch C3A2 instead of C3-A2, with trim_first 0 instead of 1; preparing it again"
    )
    assert load_night(tmp_path / "night.npz").source["select_ch"] == "C3-A2"


def test_a_broken_night_is_prepared_again(tmp_path):
    raw, read_hypnogram = ramp_night(tmp_path, 50, [2] * 50)
    (tmp_path / "night.npz").write_bytes(b"half a file")
    outcome = prepare_file(raw, Rules("C3A2", 0), read_hypnogram, tmp_path, overwrite=False)
    assert (outcome.status, outcome.notices[0]) == (
        "prepared",
        "prepared before by something else or cut short; preparing it again",
    )
    assert len(load_night(tmp_path / "night.npz", 3000, 100)) == 50


def killed(raw):
    os._exit(9)


def night(name, subject=1):
    return RawNight(name, subject, f"{name}.rec", f"{name}.txt", (), ())


def outcomes_of(work, nights, n_jobs):
    return list(at_once(work, nights, Workers(n_jobs)))


def test_a_night_whose_workers_are_killed_fails_and_the_others_go_on():
    failed, good = outcomes_of(killed_on_a, [night("a"), night("b")], 2)
    assert (failed.name, failed.status) == ("a", FAILED) and good.status.startswith(PREPARED)
    assert failed.notices == ("its worker died 3 times: it was killed, perhaps out of memory; try a smaller --n_jobs",)


def killed_on_a(raw):
    return killed(raw) if raw.name == "a" else named(raw)


def named(raw):
    return Outcome(raw.name, f"{PREPARED} by {os.getpid()}")


def test_workers_end_when_their_parent_is_killed(tmp_path):
    """They write their process ids, and would wait for more nights for good."""
    program = (
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from recordings.prepare_command import at_once\n"
        "from engine.rooms import Workers\n"
        "def work(folder):\n"
        "    Path(folder, str(os.getpid())).touch(); time.sleep(0.2)\n"
        "list(at_once(work, [sys.argv[1]] * 10_000, Workers(2)))\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program, tmp_path], cwd=Path(__file__).parent.parent)
    try:
        assert in_time(lambda: len(list(tmp_path.iterdir())) == 2)
    finally:
        parent.kill()
        parent.wait()
    workers = [int(path.name) for path in tmp_path.iterdir()]
    try:
        assert in_time(lambda: not any(map(is_running, workers)))
    finally:
        for worker in filter(is_running, workers):
            os.kill(worker, signal.SIGKILL)


def in_time(reached):
    deadline = time.monotonic() + 240  # s; a busy machine starts Python slowly
    while not reached() and time.monotonic() < deadline:
        time.sleep(0.1)
    return reached()


def is_running(pid):
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "State:\tZ" not in status.read_text()


@pytest.mark.parametrize(("n_jobs", "n_nights", "elsewhere"), [(1, 6, False), (2, 1, False), (2, 6, True)])
def test_outcomes_come_in_the_order_of_the_nights(n_jobs, n_nights, elsewhere):
    nights = [night(f"night{i}") for i in range(n_nights)]
    outcomes = outcomes_of(named, nights, n_jobs)
    assert [outcome.name for outcome in outcomes] == [one.name for one in nights]
    assert all((outcome.status != f"{PREPARED} by {os.getpid()}") == elsewhere for outcome in outcomes)


def wrong(_):
    raise ZeroDivisionError("ours")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_mistake_of_our_own_keeps_its_name(n_jobs):
    with pytest.raises(ZeroDivisionError, match="ours"):
        outcomes_of(wrong, [night("a"), night("b")], n_jobs)


def test_a_user_s_mistake_is_an_outcome(tmp_path):
    outcome = prepare_file(night("a"), Rules("C3A2", 0), wrong, tmp_path, overwrite=False)
    assert (outcome.status, outcome.notices) == (
        FAILED,
        ("no signal a.rec; add it, or remove the other file",),
    )
    assert list(tmp_path.iterdir()) == []


# ---- what is reported ----


def options(folder, *more):
    given = prepare_parser("", DATASETS["ucddb"], max_mismatch=2).parse_args(["--output_dir", str(folder), *more])
    return prepare_options(given)


def test_failures_and_totals_are_listed_at_the_end(tmp_path, caplog):
    raw, read_hypnogram = ramp_night(tmp_path, 50, [1] * 20 + [2] * 30)
    missing = [Outcome("subject 7", FAILED, notices=("no recording in raw",))]
    with caplog.at_level("INFO", "recsleepnet"):
        outcomes = prepare_all([raw, night("b")], Rules("C3A2", 0), read_hypnogram, options(tmp_path / "out"), missing)
    assert [(one.name, one.status) for one in outcomes] == [("subject 7", FAILED), ("night", PREPARED), ("b", FAILED)]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["night.npz"]
    said = caplog.messages
    stages = "night: prepared, 50 epochs (W 0, N1 20, N2 30, N3 0, REM 0); signal 50 epochs at 100 Hz"
    assert said[0].startswith(f"{stages}, hypnogram 50, 50 with a stage")
    assert "prepared            1       50         0      20      30       0       0" in said
    assert said[-3:] == [
        "2 failed:",
        "    subject 7: no recording in raw",
        "    b: no signal b.rec; add it, or remove the other file",
    ]


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--n_jobs", "0"], "--n_jobs is 0; it must be 1 or more"),
        (["--max_mismatch", "-1"], "--max_mismatch is -1; it must be 0 or more"),
    ],
)
def test_values_that_make_no_sense_are_refused_before_anything_is_written(tmp_path, more, message):
    with pytest.raises(InputError, match=message):
        prepare_all([], Rules("C3A2", 0), wrong, options(tmp_path / "out", *more))
    assert not (tmp_path / "out").exists()


def test_what_failed_counts_for_nothing_but_the_status():
    outcomes = [
        Outcome("a", PREPARED, (1, 2, 3, 4, 5)),
        Outcome("b", THERE, (10, 0, 0, 0, 1)),
        Outcome("c", FAILED, (7, 7, 7, 7, 7)),
    ]
    assert [outcome.name for outcome in good(outcomes)] == ["a", "b"]
    assert total_counts(good(outcomes)) == (11, 2, 3, 4, 6)
    assert total_counts([]) == (0, 0, 0, 0, 0)
    assert (exit_status(outcomes), exit_status(outcomes[:2]), exit_status([])) == (1, 0, 0)


# ---- options ----


@pytest.mark.parametrize("name", DATASETS)
def test_the_options_default_to_the_data_set_s_own_folders_and_channel(name):
    given = prepare_parser("", DATASETS[name], max_mismatch=7).parse_args([])
    assert (given.data_dir, given.output_dir) == (f"./raw_data/{name}", f"./data/{name}")
    assert (given.select_ch, given.max_mismatch, given.n_jobs) == (DATASETS[name].channel, 7, None)
    assert (given.subjects, given.overwrite, given.trim_first) == (None, False, False)


# ---- subjects ----


@pytest.mark.parametrize(
    ("subjects", "chosen", "missing"),
    [(None, ["a", "b", "c"], []), ((2,), ["b", "c"], []), ((1, 3, 4), ["a"], ["subject 3", "subject 4"])],
)
def test_every_subject_that_has_no_night_is_a_failure(tmp_path, subjects, chosen, missing):
    nights, failed = choose_nights([night("a", 1), night("b", 2), night("c", 2)], subjects, tmp_path)
    assert [one.name for one in nights] == chosen
    assert [(one.name, one.status) for one in failed] == [(name, FAILED) for name in missing]
    assert all(one.notices == (f"no recording in {tmp_path}",) for one in failed)


@pytest.mark.parametrize(
    "texts, expected",
    [(["0-3"], (0, 1, 2, 3)), (["5-7", "1", "3"], (1, 3, 5, 6, 7)), (["1,2"], (1, 2)), (["37-41"], (37, 38, 40, 41))],
)
def test_subjects_are_numbers_and_ranges(texts, expected):
    assert parse_subjects(texts, [*range(39), *range(40, 50)]) == expected


@pytest.mark.parametrize("texts", [["a"], ["3-"], ["-1"], ["39"], ["60-70"], ["7-5"], ["1.5"]])
def test_subjects_that_do_not_exist_are_refused(texts):
    with pytest.raises(InputError, match=rf"--subjects {texts[0]}: "):
        parse_subjects(texts, [*range(39), *range(40, 50)])


@pytest.mark.parametrize("texts", [[], [""], [","]])
def test_no_subjects_at_all_are_refused(texts):
    with pytest.raises(InputError, match="--subjects: give numbers and ranges, as in 1 3 5-7"):
        parse_subjects(texts, range(10))


@settings(deadline=None)
@given(st.sets(st.integers(0, 200), min_size=1))
def test_ranges_read_back_as_the_same_subjects(numbers):
    assert parse_subjects(as_ranges(numbers).split(", "), sorted(numbers)) == tuple(sorted(numbers))
