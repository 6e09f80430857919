"""How fast the review page is on a recording of a week: python -m tests.support.week_in_the_browser

It makes the recording, of four channels at 200 Hz (a gigabyte, in a folder that goes again), and outputs as predict.py
would write them, opens the page in Chromium, and prints how long that took, and how long a key takes to show an epoch.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from recordings.opening import open_recording
from recordings.recording import fingerprint
from recordings.spectrum import SPECTRUM_HZ
from scoring.recording_files import write_recording
from tests.support.browser import browser, why_there_is_none
from tests.support.edf_files import repeated, write_edf
from tests.support.served_nights import Served
from tests.support.staged_nights import staged_night

DAYS, RATE = 7, 200
EPOCHS_A_DAY = 2880

PRESSED = """
const [key, n, wait, done] = arguments, took = [];
(async () => {
  for (let i = 0; i < n; i += 1) {
    const box = document.getElementById("goto");
    if (key === "Enter") box.value = 1 + Math.floor(Math.random() * 20000);
    delete document.body.dataset.drawn;
    const from = performance.now();
    (key === "Enter" ? box : document.body).dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true}));
    while (document.body.dataset.drawn === undefined) await new Promise((then) => setTimeout(then, 0));
    took.push(performance.now() - from);
    await new Promise((then) => setTimeout(then, wait));
  }
  done(took);
})();
"""


def a_week(folder: Path) -> Path:
    """Write a recording of a week and its outputs, staged by chance; return the folder of the outputs."""
    rng = np.random.default_rng(0)
    day = np.clip(rng.normal(0, 15, 30 * EPOCHS_A_DAY * RATE), -300, 300)
    one_day = write_edf(folder / "day.edf", [(name, RATE, "uV", day) for name in ("C3-M2", "C4-M1", "EOG", "EMG")])
    path = repeated(one_day, folder / "week.edf", DAYS)
    one_day.unlink()
    opened = open_recording(path)
    n_epochs = DAYS * EPOCHS_A_DAY
    probabilities = rng.dirichlet(np.full(5, 0.4), n_epochs).astype(np.float32)
    power = np.zeros((n_epochs, len(SPECTRUM_HZ)), np.float32)
    night = staged_night(folder)
    like: dict[str, Any] = {
        "probabilities": probabilities,
        "power": power,
        "faults": {},
        "unit": "uV",
        "rate": float(RATE),
    }
    night = replace(night, name="week", path=path, probabilities=probabilities, stretches=opened.stretches)
    night = replace(night, channels=(replace(night.channels[0], **like),), fingerprint=fingerprint(opened.files))
    (folder / "scored").mkdir()
    write_recording(folder / "scored", night)
    return folder / "scored"


def shown(what: str, milliseconds: list[float]) -> None:
    median, most = np.percentile(milliseconds, (50, 95))
    print(f"{what}: median {median:.0f} ms, 95 % within {most:.0f} ms")


def main() -> None:
    if why := why_there_is_none():
        raise SystemExit(why)
    with tempfile.TemporaryDirectory() as folder, browser() as driver:
        scored = a_week(Path(folder))
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        start = time.monotonic()
        server = Served(str(scored))
        ready = time.monotonic()
        driver.get(server.address)
        while driver.execute_script("return document.body.dataset.drawn") is None:
            time.sleep(0.005)
        seconds = ready - start, time.monotonic() - ready
        print("from the command to its address {:.1f} s, to the first epoch {:.1f} s".format(*seconds))
        driver.set_script_timeout(300)
        shown("next epoch, while the spectrum is computed", driver.execute_async_script(PRESSED, "ArrowRight", 50, 150))
        shown("next doubtful epoch", driver.execute_async_script(PRESSED, "n", 50, 150))
        shown("any epoch, which nobody could expect", driver.execute_async_script(PRESSED, "Enter", 50, 150))
        server.end()
        print(f"load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
