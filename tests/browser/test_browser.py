"""The browser of these tests notices what they are there to notice, and reaches nothing outside."""

from __future__ import annotations

from pathlib import Path

from browser import Browser

BAD = """<!doctype html><title>bad</title>
<img src="missing.png"><img src="https://example.org/far.png">
<iframe src="data:text/html,<title>inner</title><img src=https://example.com/inner.png>"></iframe>
<script>nothing.at.all; </script>
"""


def test_trouble_is_noticed(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text(BAD)
    with browser.page() as page:
        page.open(path)
        page.wait_in_frames("document.title === 'inner'")
        said = " ".join(page.requests)
        assert "https://example.org/far.png" in said
        assert "https://example.com/inner.png" in said
        assert "ERR_FILE_NOT_FOUND" in said
        assert "ERR_INTERNET_DISCONNECTED" in said or "ERR_NAME_NOT_RESOLVED" in said
        assert "nothing is not defined" in " ".join(page.errors)
        assert page.run("[...document.images].map(image => image.naturalWidth)") == [0, 0]
