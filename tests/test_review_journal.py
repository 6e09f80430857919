"""The file that keeps a review: nothing that was said is lost, and nobody overwrites another."""

from __future__ import annotations

import multiprocessing
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from command import InputError
from reviewing.journal import ConflictError, Journal, State, read_review
from scoring.staged import NOT_REVIEWED
from sleepstage import UNKNOWN, Stage
from tests.support.staged_nights import N_EPOCHS, staged_night


@pytest.fixture
def path(tmp_path):
    return tmp_path / "night_review.jsonl"


def opened(path):
    return Journal(path, staged_night(path.parent, fingerprint="abc"))


def stages_of(journal):
    return {int(epoch): int(code) for epoch, code in enumerate(journal.catch_up().stages) if code != NOT_REVIEWED}


def test_what_was_said_is_there_for_the_next_one(path):
    journal = opened(path)
    for epoch, stage in ((3, "N1"), (4, "?"), (5, "REM"), (3, "W"), (5, None)):
        journal.set(epoch, stage, journal.state.version, "page")
    assert stages_of(opened(path)) == stages_of(journal) == {3: Stage.W, 4: UNKNOWN}
    review = read_review(path.parent, "night", staged_night(path.parent, fingerprint="abc"))
    assert review is not None and review.edits == 5 and review.last
    assert np.flatnonzero(review.by_human).tolist() == [3, 4]


def test_a_night_that_nobody_reviewed_has_no_file(path):
    opened(path)
    assert read_review(path.parent, "night", staged_night(path.parent)) is None and not path.exists()


def test_undo_and_redo_go_through_a_reload(path):
    journal = opened(path)
    for stage in ("N1", "N2"):
        journal.set(7, stage, journal.state.version)
    journal.undo(2)
    assert stages_of(opened(path)) == {7: Stage.N1}
    journal = opened(path)
    journal.undo(3)
    assert stages_of(journal) == {}
    journal.redo(4)
    assert stages_of(opened(path)) == {7: Stage.N1}
    journal.set(8, "W", 5)
    assert journal.redo(6).version == 6  # what was taken back is gone once something else is said
    assert stages_of(journal) == {7: Stage.N1, 8: Stage.W}


def test_the_same_stage_again_is_no_edit(path):
    journal = opened(path)
    journal.set(7, "N1", 0)
    assert journal.set(7, "N1", 1).version == 1 and journal.undo(1).version == 2 and journal.undo(2).version == 2


edits = st.lists(
    st.one_of(st.tuples(st.integers(0, 3), st.sampled_from(["W", "N1", "?", None])), st.just("undo"), st.just("redo")),
    max_size=25,
)


@settings(max_examples=20, deadline=None)
@given(edits)
def test_all_can_be_taken_back_and_done_again(tmp_path_factory, said):
    path = tmp_path_factory.mktemp("review") / "night_review.jsonl"
    journal = opened(path)
    for one in said:
        version = journal.state.version
        if isinstance(one, tuple):
            journal.set(one[0], one[1], version)
        else:
            journal.step(one, version, "")
    wanted = stages_of(journal)
    assert stages_of(opened(path)) == wanted
    n_done = len(journal.state.done)
    for kind in ("undo", "redo"):
        for _ in range(n_done):
            journal.step(kind, journal.state.version, "")
        assert stages_of(opened(path)) == (wanted if kind == "redo" else {})


def test_who_has_not_seen_an_edit_does_not_overwrite_it(path):
    one, other = opened(path), opened(path)
    one.set(7, "N1", 0)
    with pytest.raises(ConflictError, match="epoch 8 was changed elsewhere meanwhile; it is N1 now"):
        other.set(7, "N2", 0)
    assert other.state.version == 1  # it knows now
    other.set(9, "N2", 0)  # nobody else's epoch
    with pytest.raises(ConflictError, match="shown as it is now"):
        one.undo(1)
    assert stages_of(one) == {7: Stage.N1, 9: Stage.N2}
    other.set(7, "N3", 2)
    assert stages_of(opened(path))[7] == Stage.N3


def add_some(path, first):
    journal = opened(path)
    for epoch in range(first, first + 40, 2):
        journal.set(epoch, "N2", journal.catch_up().version, str(first))


def test_processes_and_threads_do_not_lose_each_others_edits(path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=add_some, args=(path, first)) for first in (0, 1)]
    for worker in workers:
        worker.start()
    shared = opened(path)
    threads = [threading.Thread(target=shared.set, args=(epoch, "W", 0)) for epoch in (150, 151)]
    for thread in threads:
        thread.start()
    for one in (*threads, *workers):
        one.join()
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert stages_of(opened(path)) == dict.fromkeys(range(40), 2) | {150: 0, 151: 0}


def test_a_line_without_its_end_does_not_count(path):
    journal = opened(path)
    journal.set(1, "N1", 0)
    whole = path.read_bytes()
    for n_bytes in range(1, 20):
        path.write_bytes(whole + b'{"edit": 2, "kind": "set", "epoch": 2}'[:n_bytes])
        assert stages_of(opened(path)) == {1: Stage.N1}
    again = opened(path)
    again.set(2, "N2", 1)
    assert stages_of(opened(path)) == {1: Stage.N1, 2: Stage.N2}
    assert path.read_bytes().startswith(whole) and path.read_bytes().count(b"\n") == 3


def test_every_file_cut_anywhere_is_a_shorter_review_or_none(path):
    journal = opened(path)
    for epoch in range(4):
        journal.set(epoch, "N2", epoch)
    whole = path.read_bytes()
    for n_bytes in range(0, len(whole), 7):
        path.write_bytes(whole[:n_bytes])
        n_edits = max(0, whole[:n_bytes].count(b"\n") - 1)
        assert stages_of(opened(path)) == dict.fromkeys(range(n_edits), 2)


def test_a_file_that_was_taken_away_is_an_empty_one(path):
    journal = opened(path)
    journal.set(1, "N1", 0)
    path.unlink()
    assert journal.catch_up().version == 0
    with pytest.raises(ConflictError):  # what the human saw is not there any more
        journal.set(2, "N2", 1)
    journal.set(2, "N2", 0)
    assert stages_of(opened(path)) == {2: Stage.N2}


def test_the_review_of_another_night_is_refused(path):
    opened(path).set(1, "N1", 0)
    for changes, said in (({"fingerprint": "other"}, "another night"), ({"first_second": 3.0}, "first_epoch_s is 0.0")):
        with pytest.raises(InputError, match=said):
            Journal(path, staged_night(path.parent, **{"fingerprint": "abc", **changes}))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"epoch": 1', '"epoch": 999', "line 2 is damaged"),
        ('"stage": "N1"', '"stage": "N4"', "line 2 is damaged .*stage is N4"),
        ('"edit": 2', '"edit": 3', "line 3 is damaged .*edit 3 follows edit 1"),
        ('"was": "N1"', '"was": null', "line 3 is damaged"),
        ('"review": 1', '"review": 2', "line 1 is damaged"),
        ("{", "[", "line 1: "),
        ('"kind": "set"', '"kind": "undo"', "line 2 is damaged .*nothing to undo"),
        ('"page": ""', '"page": "", "more": 1', "line 2 is damaged .*more"),
    ],
)
def test_a_damaged_line_is_named(path, old, new, said):
    journal = opened(path)
    journal.set(1, "N1", 0)
    journal.set(1, "N2", 1)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=said):
        opened(path)


def test_an_edit_that_is_none_is_our_mistake(path):
    for epoch, stage in ((-1, "W"), (N_EPOCHS, "W"), (0, "N4")):
        with pytest.raises(ValueError, match="epoch"):
            opened(path).set(epoch, stage, 0)
    assert not path.exists()


def test_a_folder_that_cannot_be_written_is_said(path):
    journal = opened(path)
    path.mkdir()
    with pytest.raises(InputError, match="review"):
        journal.set(1, "N1", 0)


def test_the_empty_state_has_no_human_in_it():
    assert not State.empty(5).reviewed().by_human.any()
