"""The review page in a real browser: a night corrected by keyboard, a crash, a reload, two pages, two processes."""

from __future__ import annotations

import csv
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from reviewing.journal import Journal, review_file
from reviewing.nights import VIEW
from scoring.kept import read_kept
from scoring.staged import NOT_REVIEWED
from sleepstage import Stage
from tests.support.browser import sized, why_there_is_none
from tests.support.scored_nights import a_scored_night
from tests.support.served_nights import SECONDS, served
from tests.support.staged_nights import N_EPOCHS, STAGES

pytestmark = pytest.mark.skipif(bool(why_there_is_none()), reason=why_there_is_none())
pytest.importorskip("uvicorn", reason="what requirements-review.txt names is not installed")

CONTROLS = "main :is(button, select, input, summary, canvas[tabindex]), header button"
DOUBTFUL = [90, 91, 92, 93, 94, 95]


@pytest.fixture(scope="module")
def as_scored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("night")
    a_scored_night(folder, expert=STAGES.astype(np.int32), expert_file=folder / "expert.csv")
    return folder / "scored"


@pytest.fixture
def scored(as_scored, tmp_path):
    """A scored night of its own for each test; the recording is one for all."""
    folder = Path(shutil.copytree(as_scored, tmp_path / "scored"))
    (folder / VIEW).write_text('{"after": "stay"}')
    return folder


def wait(driver, what, is_so):
    """Wait until a line of JavaScript is true."""
    end = time.monotonic() + SECONDS
    while not driver.execute_script(f"return {is_so}"):
        assert time.monotonic() < end, f"{what}; the page says: {driver.find_element('tag name', 'body').text[:500]}"
        time.sleep(0.02)


def opened(driver, address):
    """Open a page anew, and wait until its epoch is drawn."""
    driver.get("about:blank")
    driver.get(address)
    wait(driver, "drawn", "document.body.dataset.drawn !== undefined")


def typed(driver, *keys):
    """Press keys, each once, as a human does: whatever has the focus gets them."""
    from selenium.webdriver.common.action_chains import ActionChains

    for key in keys:
        ActionChains(driver).send_keys(key).perform()


def with_control(driver, key):
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(driver).key_down(keys().CONTROL).send_keys(key).key_up(keys().CONTROL).perform()


def says(what, text):
    return f"document.getElementById('{what}').textContent.includes('{text}')"


def said(driver, what):
    return driver.find_element("id", what).text


def kept(scored):
    stages = Journal(review_file(scored, "night"), read_kept(scored, "night")).state.stages
    return {int(epoch): int(stages[epoch]) for epoch in np.flatnonzero(stages != NOT_REVIEWED)}


def wait_until_kept(scored, wanted):
    end = time.monotonic() + SECONDS
    while kept(scored) != wanted:
        assert time.monotonic() < end, f"kept is {kept(scored)}"
        time.sleep(0.02)


def rows_of(scored):
    with (scored / "night_stages.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def keys():
    from selenium.webdriver.common.keys import Keys

    return Keys


# ---- the way of a reviewer ----


def test_five_doubtful_epochs_corrected_by_keyboard_are_in_the_outputs(chromium, scored):
    before = rows_of(scored)
    with served(str(scored)) as server:
        opened(chromium, server.address)
        assert said(chromium, "where").startswith("Epoch 91 of 200 · 23:55:30 · N3 by the model")
        typed(chromium, "w", "n", "1", "n", "2", "n", "r", "n", "?")
        wanted = dict(zip(DOUBTFUL, (Stage.W, Stage.N1, Stage.N2, Stage.REM, -1), strict=False))
        wait_until_kept(scored, wanted)
        wait(chromium, "counted", says("kept", "5 of 200 epochs"))
        assert said(chromium, "kept").startswith("5 of 200 epochs staged by a human, 1 doubtful left")
        typed(chromium, "s")
        wait(chromium, "written", "document.getElementById('written').open")
        text = said(chromium, "written-text")
    assert "5 of 200 epochs are as a human staged them, 5 of them otherwise" in text and "night_stages.csv" in text
    after = rows_of(scored)
    wanted = dict(zip(DOUBTFUL, ("W", "N1", "N2", "REM", "?"), strict=False))
    assert [row["stage"] for row in after] == [wanted.get(i, row["stage"]) for i, row in enumerate(before)]
    assert [i for i, row in enumerate(after) if row["scored_by"] == "human"] == DOUBTFUL[:5]
    assert [row["model_stage"] for row in after] == [row["stage"] for row in before]


def test_a_crash_loses_nothing_and_undo_goes_on_after_it(chromium, scored):
    with served(str(scored)) as server:
        opened(chromium, server.address)
        typed(chromium, "1", "n", "2", "n", "w")
        wait(chromium, "staged", says("where", "W by a human"))
        assert kept(scored) == {90: 1, 91: 2, 92: 0}
        server.end(signal.SIGKILL)
        typed(chromium, "r")  # nobody is there to keep it, and the page says so
        wait(chromium, "said", "!document.getElementById('alert').hidden")
        assert "does not answer" in said(chromium, "alert")
        assert "W by a human" in said(chromium, "where")  # what is not kept is not shown
    assert kept(scored) == {90: 1, 91: 2, 92: 0}
    with served(str(scored)) as server:
        opened(chromium, server.address)
        assert said(chromium, "kept").startswith("3 of 200 epochs staged by a human, 3 doubtful left")
        chromium.refresh()
        wait(chromium, "drawn", "document.body.dataset.drawn !== undefined")
        typed(chromium, "u", "u")
        wait_until_kept(scored, {90: 1})
        with_control(chromium, "y")
        wait_until_kept(scored, {90: 1, 91: 2})
        with_control(chromium, "z")
        wait_until_kept(scored, {90: 1})


def test_two_tabs_and_two_processes_see_each_other(chromium, scored):
    with served(str(scored)) as server, served(str(scored)) as other:
        opened(chromium, server.address)
        one = chromium.current_window_handle
        chromium.switch_to.new_window("tab")
        opened(chromium, other.address)
        two = chromium.current_window_handle
        typed(chromium, "2")
        wait_until_kept(scored, {90: 2})
        chromium.switch_to.window(one)
        wait(chromium, "seen", says("where", "N2 by a human"))
        assert "changed elsewhere" in said(chromium, "kept")
        chromium.switch_to.window(two)
        chromium.close()
        chromium.switch_to.window(one)


NO_NEWS = """
const fetched = window.fetch;
window.looks = 0;
window.fetch = (path, how) => String(path).startsWith("changes")
    ? Promise.resolve(Response.json({version: Number(path.split("=")[1]), changed: [], can_undo: true, n: looks++}))
    : fetched(path, how);
"""


def test_a_page_that_has_not_seen_an_edit_does_not_overwrite_it(chromium, scored):
    with served(str(scored)) as server:
        opened(chromium, server.address)
        chromium.execute_script(NO_NEWS)  # as if it were between two looks
        wait(chromium, "a look that finds nothing", "looks > 1")  # whatever was asked before is answered
        Journal(review_file(scored, "night"), read_kept(scored, "night")).set(90, "N2", 0)
        typed(chromium, "w")
        wait(chromium, "told", "!document.getElementById('alert').hidden")
        assert "epoch 91 was changed elsewhere meanwhile; it is N2 now" in said(chromium, "alert")
        assert "N2 by a human" in said(chromium, "where") and kept(scored) == {90: 2}
        typed(chromium, "w")  # now it is meant
        wait_until_kept(scored, {90: 0})
        wait(chromium, "quiet again", "document.getElementById('alert').hidden")


# ---- keys ----


def test_every_key_does_what_the_help_says(chromium, scored):
    key = keys()
    with served(str(scored)) as server:
        opened(chromium, server.address)

        def where():
            return int(said(chromium, "where").split()[1]) - 1

        goes = (
            *((key.ARROW_RIGHT, 91), (key.ARROW_LEFT, 90), (key.PAGE_DOWN, 100), (key.PAGE_UP, 90)),
            *((key.HOME, 0), (key.ARROW_LEFT, 0), (key.END, N_EPOCHS - 1), (key.ARROW_RIGHT, N_EPOCHS - 1)),
            *(("p", 95), ("p", 94), ("n", 95)),
        )
        for pressed, wanted in goes:
            typed(chromium, pressed)
            assert where() == wanted, pressed
            wait(chromium, "drawn", f"document.body.dataset.drawn === '{wanted}'")
        typed(chromium, "g", "17", key.ENTER)
        assert where() == 16
        typed(chromium, key.ENTER)  # right as it is
        wait_until_kept(scored, {16: Stage.W})
        typed(chromium, key.DELETE)
        wait_until_kept(scored, {})
        typed(chromium, "h")
        wait(chromium, "help", "document.getElementById('help').open")
        typed(chromium, "r")  # not while the help is open
        typed(chromium, key.ESCAPE)
        wait(chromium, "no help", "!document.getElementById('help').open")
        typed(chromium, "f", "f", "+", "-", "-")
        assert chromium.execute_script("return document.getElementById('view').selectedIndex") == 3
        assert chromium.execute_script("return document.getElementById('range').value") == "150"
        typed(chromium, "c", key.TAB, " ")  # the second channel
        wait(chromium, "shown", "document.getElementById('traces').ariaLabel.startsWith('C3-M2, C4-M1, 30 s')")
        typed(chromium, key.ESCAPE)
        assert chromium.execute_script("return document.activeElement.tagName") == "SUMMARY"
        typed(chromium, "z")
        assert chromium.execute_script("return document.getElementById('zoom').checked")
        assert kept(scored) == {}


def test_it_goes_on_after_a_stage_if_that_is_wanted(chromium, scored):
    with served(str(scored)) as server:
        opened(chromium, server.address)
        chromium.execute_script("document.getElementById('after').value = 'doubt'")
        typed(chromium, "1", "2", "3")
        wait_until_kept(scored, {90: 1, 91: 2, 92: 3})
        wait(chromium, "gone on", "document.body.dataset.drawn === '93'")


def test_all_can_be_reached_by_tab_has_a_name_and_shows_where_the_focus_is(chromium, scored):
    with served(str(scored)) as server:
        opened(chromium, server.address)
        visible = ".filter((one) => !one.disabled && one.checkVisibility()).length"
        all_of_them = f"return [...document.querySelectorAll('{CONTROLS}')]{visible}"
        wanted = chromium.execute_script(all_of_them)
        reached = {}
        for _ in range(60):
            typed(chromium, keys().TAB)
            element = chromium.switch_to.active_element
            if element.tag_name == "body" or element.id in reached:
                break
            outline = chromium.execute_script("return getComputedStyle(arguments[0]).outlineStyle", element)
            reached[element.id] = (element.accessible_name, outline)
        assert len(reached) == wanted > 15
        assert all(name and outline == "solid" for name, outline in reached.values()), reached


def test_the_mouse_goes_to_an_epoch_of_the_night(chromium, scored):
    from selenium.webdriver.common.action_chains import ActionChains

    with served(str(scored)) as server:
        opened(chromium, server.address)
        overview = chromium.find_element("id", "overview")
        ActionChains(chromium).move_to_element_with_offset(overview, 39, 0).click().perform()  # the middle of the plot
        assert abs(int(overview.get_attribute("aria-valuenow")) - N_EPOCHS // 2) <= 1
        chromium.find_element("css selector", "[data-stage=N2]").click()
        wait(chromium, "kept", says("kept", "1 of 200 epochs"))
        assert list(kept(scored).values()) == [2]


# ---- how it looks ----


def test_a_small_screen_has_all_of_it_side_by_side(chromium, scored):
    with served(str(scored)) as server:
        try:
            sized(chromium, 360, 740)
            opened(chromium, server.address)
            assert chromium.execute_script("return document.documentElement.scrollWidth") <= 360
            too_small = chromium.execute_script(
                "return [...document.querySelectorAll('button, select, summary')]"
                ".filter((one) => one.checkVisibility() && Math.min(one.offsetHeight, one.offsetWidth) < 24)"
                ".map((one) => one.outerHTML)"
            )
            assert too_small == []  # WCAG 2.2, 2.5.8
        finally:
            sized(chromium, 1280, 900)


def test_nothing_comes_from_elsewhere_and_nothing_is_complained_of(chromium, scored):
    with served(str(scored)) as server:
        chromium.get_log("browser")
        opened(chromium, server.address)
        names = chromium.execute_script("return performance.getEntriesByType('resource').map((one) => one.name)")
        assert names and all(name.startswith((server.address, "data:")) for name in names)
        assert [line for line in chromium.get_log("browser") if server.port in line["message"]] == []


def test_what_is_seen_changes_with_the_epoch_and_the_stage(chromium, scored):
    picture = "return document.getElementById(arguments[0]).toDataURL()"
    with served(str(scored)) as server:
        opened(chromium, server.address)
        wait(chromium, "the whole spectrum", f"document.body.dataset.spectrum === '{N_EPOCHS}'")
        before = {name: chromium.execute_script(picture, name) for name in ("traces", "overview")}
        typed(chromium, keys().ARROW_RIGHT)
        wait(chromium, "drawn", "document.body.dataset.drawn === '91'")
        after = {name: chromium.execute_script(picture, name) for name in before}
        assert after["traces"] != before["traces"] and after["overview"] != before["overview"]
        typed(chromium, "r")
        wait(chromium, "staged", "document.querySelector('[data-stage=REM]').ariaPressed === 'true'")
        assert chromium.execute_script(picture, "overview") != after["overview"]
