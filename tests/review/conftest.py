"""A review page that is really served, and a browser."""

from pathlib import Path

import pytest

from crafted import craft
from served import serve

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A served run that tests of one file share; its decisions add up."""
    pytest.importorskip("uvicorn", reason="the review extra is not installed")
    found = serve(craft(tmp_path_factory.mktemp("served")))
    yield found
    found.stop()


@pytest.fixture(scope="session")
def chromium():
    """A browser; tests skip where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not CHROMIUM.is_file():
        pytest.skip(f"no browser at {CHROMIUM} (apt-get install chromium)")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()
