"""Exit statuses, folders, and files that are written whole or not at all."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

import command
from command import InputError


def ends(outcome):
    """Return a command whose `main` returns or raises `outcome`."""

    def main(argv=None):
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return command.command(main)


# ---- exit status ----


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (1, 1)])
def test_status_is_what_main_returns(returned, status):
    assert ends(returned)([]) == status


def test_a_users_mistake_is_one_line_and_status_2(capsys):
    assert ends(InputError("no night 3 in ./data; prepare it"))([]) == 2
    out, err = capsys.readouterr()
    assert (out, err) == ("", "test_command.py: error: no night 3 in ./data; prepare it\n")


def test_an_interruption_is_status_130_without_a_traceback(capsys):
    assert ends(KeyboardInterrupt())([]) == 130
    assert capsys.readouterr().err == "\nstopped\n"


def test_our_own_mistakes_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        ends(ZeroDivisionError())([])


def test_arguments_reach_main():
    seen = []
    command.command(seen.append)(["--db", "isruc"])
    assert seen == [["--db", "isruc"]]


def test_messages_go_to_standard_output():
    program = "import command; command.log_to_terminal(); command.log_to_terminal(); command.log.info('fold %d', 3)"
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=command.PROGRAM_FOLDER, capture_output=True, text=True, check=True
    )
    assert (run.stdout, run.stderr) == ("fold 3\n", "")


# ---- folders ----


@pytest.fixture
def program_folder(tmp_path, monkeypatch):
    (tmp_path / "program" / "data").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr(command, "PROGRAM_FOLDER", tmp_path / "program")
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "program"


def test_a_folder_in_the_working_directory_comes_first(program_folder, caplog):
    Path("data").mkdir()
    with caplog.at_level(logging.INFO, "recsleepnet"):
        assert command.existing_folder("./data", "data") == Path("data")
    assert not caplog.text


def test_a_folder_beside_the_program_is_found_and_named(program_folder, caplog):
    with caplog.at_level(logging.INFO, "recsleepnet"):
        assert command.existing_folder("./data", "data") == program_folder / "data"
    assert str(program_folder / "data") in caplog.text


def test_a_missing_folder_says_where_it_was_looked_for_and_what_to_do(program_folder):
    with pytest.raises(InputError) as error:
        command.existing_folder("./date", "data", "prepare it")
    where = f"neither in {Path.cwd()} nor beside the program"
    assert str(error.value) == f"data: no folder ./date, {where}; prepare it"


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="no folder"):
        command.existing_folder(tmp_path / "file", "data")
    with pytest.raises(InputError, match="cannot make the folder"):
        command.writable_folder(tmp_path / "file")
    with pytest.raises(InputError, match="cannot make the folder"):
        command.writable_folder(tmp_path / "file" / "below")


def test_a_writable_folder_is_made_with_its_parents(tmp_path):
    assert command.writable_folder(tmp_path / "a" / "b").is_dir()
    assert command.writable_folder(tmp_path / "a" / "b").is_dir()


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(command.os, "access", lambda *_: False)  # the administrator may write anywhere
    with pytest.raises(InputError, match="cannot write to the folder"):
        command.writable_folder(tmp_path)


# ---- files that are written whole ----


def test_a_file_appears_with_its_whole_content(tmp_path):
    path = tmp_path / "night.npz"
    with command.written_whole(path) as partial:
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
    with pytest.raises(type(error)), command.written_whole(path) as partial:
        partial.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_the_users_error(tmp_path):
    with (
        pytest.raises(InputError, match=r"cannot write .*night\.npz: No space left on device"),
        command.written_whole(tmp_path / "night.npz") as partial,
    ):
        partial.write_text("half")
        raise OSError(28, "No space left on device")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_the_users_error(tmp_path):
    with (
        pytest.raises(InputError, match="cannot write"),
        command.written_whole(tmp_path / "no such folder" / "night.npz") as partial,
    ):
        partial.write_text("half")


WRITES_PAST_PYTHON = """
import os, sys
from command import hushed_libraries
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
    monkeypatch.delenv(command.TF_LOG_LEVEL, raising=False)
    if level:
        monkeypatch.setenv(command.TF_LOG_LEVEL, level)
    program = [sys.executable, "-c", WRITES_PAST_PYTHON, *(["fail"] if fails else [])]
    done = subprocess.run(program, cwd=command.PROGRAM_FOLDER, capture_output=True, text=True, check=False)
    assert ("a library's alarm" in done.stderr) == shown and ("broken" in done.stderr) == fails
