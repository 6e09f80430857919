"""What several test files need: a few short nights, and folds trained on them by the real command."""

from __future__ import annotations

import gc
import signal

import pytest

import trainer
from engine.device import give_back_memory
from tests.support.browser import browser
from tests.support.generated import DISTANCES
from tests.support.short_nights import short_nights, train_arguments

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets what it runs in the background ignore Ctrl-C


@pytest.fixture(scope="module", autouse=True)
def memory_is_given_back():
    """Keep what one test file compiled from piling up on what the next one compiles."""
    yield
    gc.collect()
    give_back_memory()


@pytest.fixture(scope="session")
def chromium():
    """One browser for all tests."""
    with browser() as driver:
        yield driver


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    return short_nights(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory, data_dir):
    """An output folder with folds 0 and 4 of sleepedf; tests read it and leave it as it is."""
    output = tmp_path_factory.mktemp("output")
    assert trainer.main(train_arguments(data_dir, output, last=4)) == 0
    return output


@pytest.fixture
def train(data_dir, tmp_path, capsys):
    """Call trainer.py on the short nights; return its status and what it printed."""

    def call(*more, data=data_dir, output=tmp_path / "output", **folds):
        status = trainer.main(train_arguments(data, output, *more, **folds))
        printed = capsys.readouterr()
        return status, printed.out + printed.err

    return call


def pytest_addoption(parser):
    parser.addoption("--fidelity", action="store_true", help="print the distances to the published program's values")


def pytest_terminal_summary(terminalreporter, config):
    if config.getoption("--fidelity"):
        terminalreporter.section("distances to the published program")
        for what, (distance, bound) in DISTANCES.items():
            terminalreporter.write_line(f"{what:<62}  {distance:9.1e}  (bound {bound:.1e})")
