"""A real browser without a window: Chromium, driven by its own chromedriver through selenium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def why_there_is_none() -> str:
    """Say what a test in the browser lacks on this machine; "" where it lacks nothing."""
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed: python -m pip install -r requirements-dev.txt"
    if not any(map(shutil.which, CHROMIUM)) or not shutil.which("chromedriver"):
        return "no Chromium with its chromedriver on this machine (Debian: apt-get install chromium chromium-driver)"
    return ""


@contextmanager
def browser(width: int = 1280, height: int = 900) -> Iterator[Any]:
    """Yield a browser whose page is so large; it is gone when the block ends."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = next(filter(None, map(shutil.which, CHROMIUM)))
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    options.add_argument(f"--window-size={width},{height}")
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        sized(driver, width, height)
        yield driver
    finally:
        driver.quit()


def sized(driver: Any, width: int, height: int, scale: float = 1) -> None:
    """Give the page a size of so many px."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
