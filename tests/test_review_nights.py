"""The nights of a folder in a real browser: the start page, ranges of epochs, places by time, what pages remember."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from reviewing.journal import Journal, review_file
from reviewing.nights import VIEW, Nights
from reviewing.signals import kind_of
from scoring.kept import read_kept
from scoring.staged import NOT_REVIEWED
from tests.support.browser import why_there_is_none
from tests.support.scored_nights import a_scored_night
from tests.support.served_nights import SECONDS, served

in_chromium = pytest.mark.skipif(bool(why_there_is_none()), reason=why_there_is_none())
pytest.importorskip("uvicorn", reason="what requirements-review.txt names is not installed")

DRAWN = "document.body.dataset.drawn !== undefined"


@pytest.fixture
def folder(tmp_path):
    """Two scored nights of one recording."""
    a_scored_night(tmp_path)
    a_scored_night(tmp_path, name="other")
    return tmp_path / "scored"


def wait(driver, is_so):
    end = time.monotonic() + SECONDS
    while not driver.execute_script(f"return {is_so}"):
        assert time.monotonic() < end, driver.find_element("tag name", "body").text[:500]
        time.sleep(0.02)


def typed(driver, *keys):
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def text(driver, what):
    return driver.find_element("id", what).text


def kept(folder, name):
    stages = Journal(review_file(folder, name), read_kept(folder, name)).state.stages
    return {int(epoch): int(stages[epoch]) for epoch in np.flatnonzero(stages != NOT_REVIEWED)}


@in_chromium
def test_from_the_start_page_to_a_range_of_epochs_and_back_by_keyboard(chromium, folder):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    with served(str(folder)) as server:
        chromium.get(server.address)
        wait(chromium, DRAWN)
        assert text(chromium, "kept") == "2 of 2 nights have doubtful epochs left"
        assert "6 of 6" in text(chromium, "nights")
        typed(chromium, "2")
        wait(chromium, f"location.pathname.endsWith('/1/') && {DRAWN}")
        typed(chromium, "g", "00:10", Keys.ENTER)
        assert text(chromium, "where").startswith("Epoch 120 of 200 · 00:10:00")
        typed(chromium, "g", "12:00", Keys.ENTER)
        assert "12:00: no epoch of this night" in text(chromium, "alert")
        ActionChains(chromium).key_down(Keys.SHIFT).send_keys(Keys.ARROW_RIGHT * 2).key_up(Keys.SHIFT).perform()
        assert "3 epochs marked" in text(chromium, "where")
        typed(chromium, "5", "0")  # R of the three; then it went on, and W of the next one
        end = time.monotonic() + SECONDS
        while kept(folder, "other") != {119: 4, 120: 4, 121: 4, 122: 0}:
            assert time.monotonic() < end, kept(folder, "other")
        wait(chromium, "document.getElementById('kept').textContent.includes('TST 78.5 min')")
        typed(chromium, "t", "k", "-")  # 60 s; another kind of channel, smaller waves of it
        wait(chromium, "document.getElementById('window').value === '60'")
        typed(chromium, "o")
        wait(chromium, f"document.getElementById('nights').tBodies && {DRAWN}")
        assert "4 (2 %)" in text(chromium, "nights") and "not written yet" in text(chromium, "nights")
        typed(chromium, "n")
        wait(chromium, f"location.pathname.endsWith('/0/') && {DRAWN}")
        assert chromium.execute_script("return document.getElementById('window').value") == "60"
    assert kept(folder, "night") == {}
    assert json.loads((folder / VIEW).read_text())["kinds"]["EMG"]["range"] == 75


@in_chromium
def test_a_wave_is_measured_with_the_mouse(chromium, folder):
    from selenium.webdriver.common.action_chains import ActionChains

    with served(str(folder), "--night", "night") as server:
        chromium.get(server.address)
        wait(chromium, DRAWN)
        traces = chromium.find_element("id", "traces")
        px_a_second = (traces.size["width"] - 98) / 30
        at_start = 88 + 1 - traces.size["width"] / 2
        drag = ActionChains(chromium).move_to_element_with_offset(traces, int(at_start), 0).click_and_hold()
        drag.move_by_offset(round(1.5 * px_a_second), 0).release().perform()
        assert "1.5" in text(chromium, "measured") and "0.7 Hz" in text(chromium, "measured")
        assert "slow waves 1.5 of 6 s" in text(chromium, "measured")  # the jump at its start is 100 µV high


def test_the_start_page_says_how_far_each_night_is_and_why_one_cannot_be_read(folder):
    journal = Journal(review_file(folder, "night"), read_kept(folder, "night"))
    journal.set(90, "W", 0)
    (folder / "other_summary.json").write_text("{}")
    first, second = Nights(folder, ["night", "other"]).described()["nights"]
    assert (first["by_human"], first["doubtful"], first["doubtful_left"], first["written"]) == (1, 6, 5, False)
    assert "no recording in it" in second["error"]


def test_what_pages_remember_is_kept_in_the_folder_and_may_be_damaged(folder):
    nights = Nights(folder, ["night", "other"])
    assert nights.remembered() == {}
    nights.remember({"window": "60"})
    assert Nights(folder, ["night", "other"]).remembered() == {"window": "60"}
    (folder / VIEW).write_text("[")
    assert nights.remembered() == {}


@pytest.mark.parametrize(
    ("label", "kind"),
    [
        *(("EEG Fpz-Cz", "EEG"), ("C4-M1", "EEG"), ("F4", "EEG"), ("E10", "EEG"), ("", "EEG")),
        *(("EOG horizontal", "EOG"), ("LOC-A2", "EOG"), ("E1-M2", "EOG"), ("ROC", "EOG")),
        *(("Chin EMG", "EMG"), ("EMG submental", "EMG"), ("Leg/L", "EMG"), ("ECG", "ECG"), ("EKG2", "ECG")),
    ],
)
def test_kinds_of_channels_by_their_names(label, kind):
    assert kind_of(label) == kind
