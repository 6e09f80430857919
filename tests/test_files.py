"""Folders, files that are written whole or not at all, and arrays and JSON that are read with checks."""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from command import InputError
from files import folders
from files.arrays import opened_arrays, shape_differences
from files.folders import PROGRAM_FOLDER, existing_folder, writable_folder
from files.limits import LONGEST_JSON, LONGEST_TEXT
from files.locks import BusyError, held, in_words_of_mount
from files.reading import load_json, readable, reader
from files.writing import save_json, written_whole
from tests.support.edf_files import fails_in_a_library

ROOT = Path(__file__).parent.parent

# ---- folders ----


@pytest.fixture
def program_folder(tmp_path, monkeypatch):
    (tmp_path / "program" / "data").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(folders, "PROGRAM_FOLDER", tmp_path / "program")
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "program"


def test_a_folder_in_the_working_directory_comes_first(program_folder, caplog):
    Path("data").mkdir()
    with caplog.at_level(logging.INFO, "recsleepnet"):
        assert existing_folder("./data", "data") == Path("data")
    assert not caplog.text


def test_a_folder_beside_the_program_is_found_and_named(program_folder, caplog):
    with caplog.at_level(logging.INFO, "recsleepnet"):
        assert existing_folder("./data", "data") == program_folder / "data"
    assert str(program_folder / "data") in caplog.text


def test_a_missing_folder_says_where_it_was_looked_for_and_what_to_do(program_folder):
    with pytest.raises(InputError) as error:
        existing_folder("./date", "data", "prepare it")
    where = f"neither in {Path.cwd()} nor beside the program"
    assert str(error.value) == f"data: no folder ./date, {where}; prepare it"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no folder"):
        existing_folder(tmp_path / "file", "data")
    with pytest.raises(InputError, match="cannot make the folder"):
        writable_folder(tmp_path / "file")
    with pytest.raises(InputError, match="cannot make the folder"):
        writable_folder(tmp_path / "file" / "below")


def test_what_a_killed_process_left_half_written_goes(tmp_path):
    """A process that is killed as it writes cannot clean up; the next one does, and leaves alone what is in use."""
    program = (
        "import signal, sys; from pathlib import Path; from files.writing import written_whole\n"
        "with written_whole(Path(sys.argv[1])) as partial:\n"
        "    partial.write_text('half'); print('writing', flush=True); signal.pause()\n"
    )
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / name], cwd=ROOT, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL
        )
        for name in ("killed.npz", "going_on.npz")
    ]
    try:
        for writer in writers:
            assert writer.stdout and writer.stdout.readline() == b"writing\n"
        writers[0].kill()
        writers[0].wait()
        (tmp_path / "mine.txt").touch()
        writable_folder(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {"mine.txt", f".partial-{writers[1].pid}-going_on.npz"}
    finally:
        for writer in writers:
            writer.kill()
            writer.communicate()


def test_a_writable_folder_is_made_with_its_parents(tmp_path):
    assert writable_folder(tmp_path / "a" / "b").is_dir()
    assert writable_folder(tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # the administrator may write anywhere
    with pytest.raises(InputError, match="cannot write to the folder"):
        writable_folder(tmp_path)


# ---- files that are written whole ----


def test_a_file_appears_with_its_whole_content(tmp_path):
    path = tmp_path / "night.npz"
    with written_whole(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        assert partial.suffix == ".npz"
        assert partial.parent == tmp_path
    assert path.read_text() == "half"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [ValueError("ours"), KeyboardInterrupt()])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "night.npz"
    path.write_text("old")
    with pytest.raises(type(error)), written_whole(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_the_users_error(tmp_path):
    with (
        pytest.raises(InputError, match=r"cannot write .*night\.npz: No space left on device"),
        written_whole(tmp_path / "night.npz") as partial,
    ):
        partial.write_text("half")
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_the_users_error(tmp_path):
    with (
        pytest.raises(InputError, match="cannot write"),
        written_whole(tmp_path / "no such folder" / "night.npz") as partial,
    ):
        partial.write_text("half")


@pytest.mark.parametrize("becomes", ["a file", "nothing"])
def test_a_folder_that_goes_while_a_file_is_written_is_the_users_error(tmp_path, becomes):
    folder = tmp_path / "out"
    folder.mkdir()
    with pytest.raises(InputError, match=r"cannot write .*a\.csv: "), written_whole(folder / "a.csv") as partial:
        partial.write_text("x")
        shutil.rmtree(folder)
        if becomes == "a file":
            folder.write_text("now a file")


def test_a_half_written_file_that_cannot_be_removed_hides_no_error(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with (
        pytest.raises(InputError, match=r"cannot write .*a\.csv: Read-only file system; "),
        written_whole(tmp_path / "a.csv") as partial,
    ):
        partial.write_text("x")


# ---- locks ----


def test_a_lock_keeps_others_out_and_says_who_has_it(tmp_path):
    with (
        held(tmp_path / ".lock", "somebody else has it"),
        pytest.raises(BusyError, match="somebody else has it"),
        ThreadPoolExecutor(1) as other,
    ):
        other.submit(lambda: held(tmp_path / ".lock", "somebody else has it", wait=0).__enter__()).result()
    with held(tmp_path / ".lock", "somebody else has it", wait=0):
        pass


@pytest.mark.parametrize(("number", "why"), [(30, "Read-only file system"), (37, "No locks available")])
def test_a_folder_without_locks_is_the_users_error(tmp_path, monkeypatch, number, why):
    def refuse(*_, **__):
        raise OSError(number, why)

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with (
        pytest.raises(InputError, match=rf"cannot write to .*, or lock it: {why}; choose"),
        held(tmp_path / ".lock", "busy"),
    ):
        pass


MOUNTS = """22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:45 / /home/me/our\\040lab rw,nosuid - fuse.sshfs me@server:/data rw,user_id=0
41 22 0:46 / /mnt/nfs rw - nfs4 server:/x rw,local_lock=none
42 22 0:47 / /mnt/old rw - nfs server:/x rw,nolock,local_lock=all
43 22 0:48 / /mnt/gluster rw - fuse.glusterfs server:/volume rw
"""


@pytest.mark.parametrize(
    ("folder", "word"),
    [
        ("/home/me/our lab/out", "sshfs keeps file locks to this machine"),
        ("/mnt/old/out", "mounted with nolock"),
        *((folder, "") for folder in ("/mnt/nfs/out", "/mnt/gluster/out", "/home/me/out", "/mnt/older")),
    ],
)
def test_a_file_system_that_keeps_locks_to_itself_is_named(folder, word):
    said = in_words_of_mount(Path(folder), MOUNTS)
    assert word in said and bool(word) == bool(said)


# ---- JSON ----

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=ANY_JSON)
def test_json_comes_back_as_it_was_saved(tmp_path, content):
    save_json(tmp_path / "run.json", content)
    assert load_json(tmp_path / "run.json", "train again") == content
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize("content", [math.nan, [math.inf], {"a": object()}])
def test_what_is_no_json_is_a_mistake_of_our_own_and_leaves_the_old_file(tmp_path, content):
    save_json(tmp_path / "run.json", "old")
    with pytest.raises((ValueError, TypeError)) as error:
        save_json(tmp_path / "run.json", content)
    assert not isinstance(error.value, InputError)
    assert json.loads((tmp_path / "run.json").read_text()) == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"{'a': 1}", b'{"a": 1} b', b"\xff\xfe", b"[" * 100_000],
    ids=["empty", "cut", "quotes", "more", "bytes", "deep"],
)
def test_json_that_is_damaged_is_the_users_file(tmp_path, content):
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(InputError, match=r"run\.json: not readable \(.+\); train again$") as error:
        load_json(tmp_path / "run.json", "train again")
    assert "\n" not in str(error.value)


def test_json_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match=r"run\.json: no such file; train again$"):
        load_json(tmp_path / "run.json", "train again")
    with pytest.raises(InputError, match=r": not readable \(.*directory.*\); train again$"):
        load_json(tmp_path, "train again")


def test_json_about_many_nights_may_be_larger_than_a_hypnogram_but_not_endless(tmp_path):
    path = tmp_path / "dataset.json"
    save_json(path, "x" * LONGEST_TEXT)
    assert len(load_json(path, "train again")) == LONGEST_TEXT < path.stat().st_size
    os.truncate(path, LONGEST_JSON + 1)
    with pytest.raises(InputError, match=r"has 33,554,433 bytes; the limit for JSON is 33,554,432"):
        load_json(path, "train again")


# ---- what libraries read ----


class ForeignError(Exception):
    """An error that derives from nothing in particular, as some parsers raise."""


@pytest.mark.parametrize(
    ("raised", "reason"),
    [
        (ValueError("bad bytes\nat 7"), "bad bytes"),
        (AttributeError("no such attribute"), "no such attribute"),
        (MemoryError(), "too large for this machine's memory"),
        (AssertionError(), "AssertionError"),
        (zipfile.BadZipFile("File is not a zip file"), "File is not a zip file"),
        (ForeignError("truncated"), "truncated"),
        (OSError("cannot seek"), "cannot seek"),
    ],
)
def test_whatever_a_library_raises_is_the_users_file(raised, reason):
    with pytest.raises(InputError) as error, readable(Path("night.xyz"), "a readable XYZ file", "export it again"):
        fails_in_a_library(raised)
    assert str(error.value) == f"night.xyz: not a readable XYZ file ({reason}); export it again"
    assert error.value.__cause__ is raised


@pytest.mark.parametrize("raised", [TypeError("ours"), AttributeError("ours"), NameError("ours"), AssertionError()])
def test_a_mistake_of_our_own_passes_as_it_is(raised):
    with pytest.raises(type(raised)), readable(Path("night.xyz"), "a readable XYZ file", "export it again"):
        raise raised


def test_what_is_missing_in_a_file_is_the_users_file():
    with (
        pytest.raises(InputError, match=r"not a readable XYZ file \(KeyError: 'x'\); export it again"),
        readable(Path("night.xyz"), "a readable XYZ file", "export it again"),
    ):
        {}["x"]


@reader("a readable list", "write it again")
def first_line(path: Path, n_letters: int = 5) -> str:
    """Return the beginning."""
    with path.open(encoding="ascii") as file:
        return file.readline()[:n_letters]


def test_a_reader_is_called_as_it_was_written(tmp_path):
    (tmp_path / "a.txt").write_text("beginning\n")
    assert (first_line(tmp_path / "a.txt"), first_line(tmp_path / "a.txt", n_letters=2)) == ("begin", "be")
    assert (first_line.__name__, first_line.__doc__) == ("first_line", "Return the beginning.")
    (tmp_path / "a.txt").write_bytes(b"\xff")
    with pytest.raises(InputError, match=r"a\.txt: not a readable list \('ascii' codec .*\); write it again$"):
        first_line(tmp_path / "a.txt")


def test_a_reason_is_one_line_and_not_a_whole_file():
    with pytest.raises(InputError) as error, readable(Path("night.xyz"), "a readable XYZ file", "export it again"):
        fails_in_a_library(ValueError("bad \x1b letters " + 5000 * "x"))
    assert str(error.value).startswith("night.xyz: not a readable XYZ file (bad · letters xxx")
    assert str(error.value).endswith("x); export it again") and len(str(error.value)) < 300


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"a\.txt: is no ordinary file but a pipe or a device; save it to a file"):
        first_line(tmp_path / "a.txt")


def test_another_file_that_is_missing_is_not_taken_for_the_one_that_is_there(tmp_path):
    (tmp_path / "a.vhdr").touch()
    with (
        pytest.raises(InputError, match=r"a\.vhdr: not a header \(.*b\.eeg.*\); export it again"),
        readable(tmp_path / "a.vhdr", "a header", "export it again"),
    ):
        (tmp_path / "b.eeg").read_bytes()


def test_a_file_that_is_not_there_is_said_to_be_missing():
    with (
        pytest.raises(InputError, match=r"^night.xyz: no such file; export it again$"),
        readable(Path("night.xyz"), "a readable XYZ file", "export it again"),
    ):
        raise FileNotFoundError(2, "No such file or directory")


@pytest.mark.parametrize("raised", [InputError("said already"), KeyboardInterrupt(), SystemExit(3)])
def test_what_is_no_reading_error_passes_as_it_is(raised):
    with (
        pytest.raises(type(raised)) as passed,
        readable(Path("night.xyz"), "a readable XYZ file", "export it again"),
    ):
        raise raised
    assert passed.value is raised


# ---- arrays ----


def test_arrays_are_read_by_name(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.ones((2, 2)))
    with opened_arrays(tmp_path / "a.npz", "train again") as archive:
        assert sorted(archive) == ["x", "y"]
        assert archive["x"].tolist() == [0, 1, 2]


class Trap:
    """Unpickling it would be seen."""

    def __reduce__(self):
        return (pytest.fail, ("an object was unpickled",))


def test_objects_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([Trap()]))
    with (
        pytest.raises(InputError, match=r"a\.npz: not a readable npz file \(.*\); train again$"),
        opened_arrays(tmp_path / "a.npz", "train again") as archive,
    ):
        archive["x"]


@pytest.mark.parametrize("kept", [0, 0.3, 0.9])
def test_arrays_cut_short_are_the_users_file(tmp_path, kept):
    path = tmp_path / "a.npz"
    np.savez(path, x=np.arange(1000))
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with (
        pytest.raises(InputError, match=r"a\.npz: not a readable npz file \(.*\); train again$"),
        opened_arrays(path, "train again") as archive,
    ):
        archive["x"]


def test_an_array_that_is_damaged_is_the_users_file_when_it_is_read(tmp_path):
    path, read = tmp_path / "a.npz", []
    np.savez(path, x=np.zeros(1000), y=np.arange(3))
    content = bytearray(path.read_bytes())
    content[1000:1010] = b"\xff" * 10
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"a\.npz: not a readable npz file"), opened_arrays(path, "again") as archive:
        read += archive["y"].tolist()
        read += archive["x"].tolist()
    assert read == [0, 1, 2]


def test_a_single_array_and_a_missing_file_are_named(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(3))
    with (
        pytest.raises(
            InputError, match=r"a\.npy: not a readable npz file \(it holds one array without a name\); again$"
        ),
        opened_arrays(tmp_path / "a.npy", "again"),
    ):
        pytest.fail("it was opened")
    with pytest.raises(InputError, match=r"b\.npz: no such file; again$"), opened_arrays(tmp_path / "b.npz", "again"):
        pytest.fail("it was opened")


@pytest.mark.parametrize(
    ("found", "wanted", "said"),
    [
        ({}, {}, []),
        ({"a": (1, 2)}, {"a": (1, 2)}, []),
        ({"a": [1, 2]}, {"a": (1, 2)}, []),
        ({}, {"b": (1,), "a": ()}, ["a is missing", "b is missing"]),
        ({"b": (1,), "a": ()}, {}, ["a is unknown", "b is unknown"]),
        ({"a": (2, 1)}, {"a": (1, 2)}, ["a has shape (2, 1) where (1, 2) is needed"]),
        ({"a": ()}, {"a": (1,)}, ["a has shape () where (1,) is needed"]),
        ({"a": (1,), "c": (3,)}, {"a": (2,), "b": (1,)},
         ["b is missing", "c is unknown", "a has shape (1,) where (2,) is needed"]),
    ],
)  # fmt: skip
def test_differences_in_shape_are_said_in_words(found, wanted, said):
    assert list(shape_differences(found, wanted)) == said


SHAPES = st.dictionaries(st.sampled_from("abcd"), st.lists(st.integers(0, 3), max_size=2))


@settings(deadline=None)
@given(SHAPES, SHAPES)
def test_every_difference_in_shape_is_said_once(found, wanted):
    said = list(shape_differences(found, wanted))
    different = [name for name in sorted({*found, *wanted}) if found.get(name) != wanted.get(name)]
    assert sorted(one.split()[0] for one in said) == different


def test_a_mistake_in_a_compiled_library_is_not_ours(tmp_path, monkeypatch):
    """Its frames have the names of files that are not here, relative to nothing: not to the program's folder."""
    monkeypatch.chdir(PROGRAM_FOLDER)
    file = tmp_path / "night.set"
    file.write_bytes(b"x")
    raising = compile("raise TypeError('Expecting matrix here')", "scipy/io/matlab/_mio5_utils.pyx", "exec")
    with pytest.raises(InputError, match="Expecting matrix here"), readable(file, "a readable file", "copy it"):
        exec(raising)
