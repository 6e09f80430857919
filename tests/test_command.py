"""Exit statuses, the parser, and what is printed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import command
from command import InputError, duration_in_words, new_parser, reason_of
from version import __version__

ROOT = Path(__file__).parent.parent


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


ENDLESS = """
import sys, time
import command
@command.command
def main(argv=None):
    {setup}
    print("started", flush=True)
    {body}
sys.exit(main())
"""


def stopped(number, body, setup="pass"):
    """Return the status and the errors of a command that gets a signal while it is in `body`."""
    program = ENDLESS.format(setup=setup, body=body)
    run = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # tests may run where it is ignored
    )
    try:
        assert run.stdout and run.stdout.readline() == "started\n"
        run.send_signal(number)
        return run.wait(240), run.communicate()[1]
    finally:
        run.kill()
        run.communicate()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_command_with_one_line(number, status):
    assert stopped(number, "time.sleep(1000)") == (status, "\nstopped\n")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_waits_until_tensorflow_is_imported(number, status):
    """TensorFlow that is interrupted as it loads fails in any way; a module that swallows all stands in for it."""
    body = "device.import_tensorflow(); print('not stopped')"
    setup = (
        "import importlib, os, signal; from engine import device\n"
        "    signalled, told = os.pipe(); os.set_blocking(told, False); signal.set_wakeup_fd(told)\n"
        "    def loading(_):\n"
        "        try: os.read(signalled, 1)\n"
        "        except BaseException: raise ImportError('a library that broke')\n"
        "    importlib.import_module = loading"
    )
    assert stopped(number, body, setup) == (status, "\nstopped\n")


def test_an_interruption_that_is_ignored_stays_so():
    """As in `nohup` and in scripts that start commands in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with command.interruptions_wait():
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_our_own_mistakes_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        ends(ZeroDivisionError())([])


def test_arguments_reach_main():
    seen = []
    command.command(seen.append)(["--db", "isruc"])
    assert seen == [["--db", "isruc"]]


def test_messages_go_to_standard_output():
    program = "import command; command.log_to_terminal(); command.log_to_terminal(); command.log.info('fold %d', 3)"
    run = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("fold 3\n", "")


def test_a_terminal_without_a_letter_shows_a_question_mark():
    program = "import command; command.log_to_terminal(); command.log.info('5 µV – 10')"
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("5 ?V ? 10\n", "")


# ---- the parser ----


def test_every_parser_says_the_version(capsys):
    with pytest.raises(SystemExit) as stop:
        new_parser("What it does.").parse_args(["--version"])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"RecSleepNet for TensorFlow 2, version {__version__}\n"


def test_the_description_is_shown_as_it_is_written():
    assert "What it does.\n\n    python it.py\n" in new_parser("What it does.\n\n    python it.py").format_help()


@pytest.mark.parametrize("script", ["prepare_sleepedf", "prepare_isruc", "prepare_ucddb", "simulate"])
def test_the_scripts_say_the_version(script):
    command_line = [sys.executable, ROOT / f"{script}.py", "--version"]
    run = subprocess.run(command_line, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, f"RecSleepNet for TensorFlow 2, version {__version__}\n")


# ---- words ----


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n  one\ntwo"), "one"),
        (ValueError(), "ValueError"),
        (KeyError("x"), "'x'"),
        (OSError(28, "No space left on device"), "[Errno 28] No space left on device"),
        (ZeroDivisionError(" \n "), "ZeroDivisionError"),
    ],
)
def test_the_reason_is_the_first_line_of_what_an_error_says(error, said):
    assert reason_of(error) == said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (12.4, "12 s"),
        (59, "59 s"),
        (60, "1 min"),
        (89, "1 min"),
        (2700, "45 min"),
        (3569, "59 min"),
        (3571, "1 h 00 min"),
        (3600, "1 h 00 min"),
        (25_500, "7 h 05 min"),
        (90_000, "25 h 00 min"),
    ],
)
def test_a_duration_in_words(seconds, words):
    assert duration_in_words(seconds) == words


UNITS = {"h": 3600, "min": 60, "s": 1}


@settings(deadline=None)
@given(st.floats(0, 1e6))
def test_a_duration_in_words_is_right_to_half_a_unit(seconds):
    words = duration_in_words(seconds).split()
    numbers, units = [int(word) for word in words[::2]], words[1::2]
    said = sum(number * UNITS[unit] for number, unit in zip(numbers, units, strict=True))
    assert abs(said - seconds) <= UNITS[units[-1]] / 2
    assert all(number < 60 for number, unit in zip(numbers, units, strict=True) if unit == "min")


def test_a_wrong_option_is_one_line_and_hyphens_are_underscores(capsys):
    parser = new_parser("what it does")
    parser.add_argument("--lights_off")
    parser.add_argument("names", nargs="*")
    assert parser.parse_args(["--lights-off=22:00"]).lights_off == "22:00"
    options = parser.parse_args(["--lights-off", "a-b", "--", "--lights-off"])
    assert (options.lights_off, options.names) == ("a-b", ["--lights-off"])
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--lights_of-x"])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "error: unrecognized arguments: --lights_of-x; see" in error
    assert error.count("\n") == 1
