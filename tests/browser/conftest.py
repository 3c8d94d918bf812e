"""A browser and finished runs to look at; without the programs these tests are skipped."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow"))
sys.path.insert(0, str(Path(__file__).parent))

from browser import Browser, Page, missing_programs, running_browser
from finished import finished, once
from project import REPOSITORY

__all__ = ["browser", "finished", "once", "page", "shots"]


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A running Chromium; skips without one, or fails where it has to be there."""
    if missing := missing_programs():
        reason = f"no Chromium without network here, missing: {', '.join(missing)} (make ci-deps installs it)"
        pytest.fail(reason) if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip(reason)
    with running_browser(tmp_path_factory.mktemp("chromium")) as running:
        yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new page, on which nothing may go wrong until the end of the test."""
    with browser.page() as opened:
        yield opened
        assert not opened.requests, "a page asks for nothing but itself"
        assert not opened.errors


@pytest.fixture(scope="session")
def shots() -> Path:
    """Where the pictures of the pages are kept, for people to look at."""
    return REPOSITORY / "test-artefacts" / "browser"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything that needs the browser carries the mark."""
    for item in items:
        if Path(__file__).parent in item.path.parents and "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
