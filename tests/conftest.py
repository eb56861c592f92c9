"""What all tests share: a profile for Hypothesis, how a missing tool is met, and one browser."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

# The first example of a test may compile a kernel; no test here asserts a time.
settings.register_profile("nncourse", deadline=None)
settings.load_profile("nncourse")


@pytest.fixture(scope="session")
def missing():
    """``missing("Chromium", "make tools")``: skip, saying so; in continuous integration, fail."""

    def met(what: str, how: str) -> NoReturn:
        message = f"{what} is missing, so this is NOT tested; run: {how}"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)

    return met


@pytest.fixture(scope="session")
def browser(missing):
    """A headless Chromium, the system's or Playwright's own."""
    from playwright.sync_api import sync_playwright

    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    executable = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        if executable is None and not Path(playwright.chromium.executable_path).exists():
            missing("Chromium", "make tools")
        opened = playwright.chromium.launch(
            executable_path=executable,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )
        yield opened
        opened.close()
