"""What all tests share: a profile for Hypothesis, how a missing tool is met, and one browser."""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import numpy as np
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


@pytest.fixture
def trainings_on_few_images(tmp_path, monkeypatch):
    """The seed of each training; every data set is 64 images at random, the cache a new one."""
    from nncourse.zoo import datasets, training
    from nncourse.zoo.datasets import Images

    seeds = []

    def images(name, split, *, folder=None):
        rng = np.random.default_rng(datasets.SPLITS.index(split))
        return Images(rng.random((64, 1, 28, 28), dtype=np.float32), rng.integers(0, 10, 64))

    original = training.train

    def counted(*arguments, **options):
        seeds.append(options["seed"])
        return original(*arguments, **options)

    monkeypatch.setenv("NNCOURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(datasets, "load", images)
    monkeypatch.setattr(training, "train", counted)
    return seeds
