"""A headless Chromium without any network, driven over a pipe by its DevTools protocol."""

from __future__ import annotations

import base64
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # Chromium refuses to run as root with it
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
OWN = ("file:", "data:", "blob:", "about:")
SECONDS = 60


def missing_programs() -> list[str]:
    """Return what is not there of a Chromium whose network can be cut, which takes root."""
    if missing := [name for name in ("chromium", "unshare") if not shutil.which(name)]:
        return missing
    allowed = subprocess.run(["unshare", "--net", "true"], capture_output=True).returncode == 0
    return [] if allowed else ["the right to cut the network"]


class Page:
    """One page of the browser with its frames, and what went wrong on it.

    Attributes:
        requests: addresses outside the page, and what could not be loaded.
        errors: errors of JavaScript and in the console.
    """

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser, self._session = browser, session
        self.requests: list[str] = []
        self.errors: list[str] = []
        self._loaded = False
        self._frames: dict[int, str] = {}

    def watch(self, session: str) -> None:
        """Hear of everything that happens on the page, or in a frame that has a session of its own."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._browser.call(f"{domain}.enable", session)
        attach = {"autoAttach": True, "waitForDebuggerOnStart": False, "flatten": True}
        self._browser.call("Target.setAutoAttach", session, **attach)

    def event(self, session: str, method: str, values: dict[str, Any]) -> None:
        """Take over one event of the protocol."""
        if method == "Page.loadEventFired":
            self._loaded |= session == self._session
        elif method == "Runtime.executionContextCreated":
            self._frames[values["context"]["id"]] = session
        elif method == "Runtime.executionContextDestroyed":
            self._frames.pop(values["executionContextId"], None)
        elif method == "Runtime.executionContextsCleared":
            self._frames = {frame: owner for frame, owner in self._frames.items() if owner != session}
        elif method == "Network.requestWillBeSent" and not values["request"]["url"].startswith(OWN):
            self.requests.append(values["request"]["url"])
        elif method == "Network.loadingFailed" and not values.get("canceled"):
            self.requests.append(f"{values['type']}: {values['errorText']}")
        elif method == "Runtime.exceptionThrown":
            self.errors.append(json.dumps(values["exceptionDetails"])[:1000])
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "assert"):
            self.errors.append(json.dumps(values["args"])[:1000])
        elif method == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.errors.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")

    def open(self, path: Path) -> None:
        """Show a file and wait until it is loaded."""
        self._loaded = False
        self._browser.call("Page.navigate", self._session, url=path.as_uri())
        self._browser.wait(lambda: self._loaded, str(path))

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression."""
        return self._value(self._session, expression=script)

    def run_in_frames(self, script: str) -> list[Any]:
        """Return the values of a JavaScript expression in the page and in every frame of it."""
        return [
            self._value(session, expression=script, contextId=frame)
            for frame, session in list(self._frames.items())
        ]

    def wait_until(self, script: str) -> None:
        """Wait until a JavaScript expression is true."""
        self._browser.wait(lambda: self.run(script), script)

    def wait_in_frames(self, script: str) -> None:
        """Wait until a JavaScript expression is true in one of the frames."""
        self._browser.wait(lambda: any(self.run_in_frames(script)), script)

    def screenshot(self, path: Path, width: int = 1400, height: int = 900) -> None:
        """Write a picture of the page: as much of it as there is, but at least a window."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._browser.call("Emulation.setDeviceMetricsOverride", self._session, **size)
        size["height"] = max(height, min(8000, int(self.run("document.documentElement.scrollHeight"))))
        self._browser.call("Emulation.setDeviceMetricsOverride", self._session, **size)
        path.parent.mkdir(parents=True, exist_ok=True)
        taken = self._browser.call("Page.captureScreenshot", self._session)
        path.write_bytes(base64.b64decode(taken["data"]))

    def _value(self, session: str, **given: Any) -> Any:
        answer = self._browser.call("Runtime.evaluate", session, returnByValue=True, **given)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")


class Browser:
    """A running Chromium: commands go in at one pipe, answers and events come out at the other."""

    def __init__(self, commands: int, answers: int) -> None:
        self._commands, self._answers = commands, answers
        self._number = 0
        self._rest = b""
        self._replies: dict[int, dict[str, Any]] = {}
        self._pages: dict[str, Page] = {}

    @contextmanager
    def page(self) -> Iterator[Page]:
        """A new page, closed in the end."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._pages[session] = page = Page(self, session)
        page.watch(session)
        yield page
        self.call("Target.closeTarget", targetId=target)

    def call(self, method: str, session: str | None = None, **values: Any) -> dict[str, Any]:
        """Send one command and return its answer."""
        self._number += 1
        number = self._number
        message: dict[str, Any] = {"id": number, "method": method, "params": values}
        if session:
            message["sessionId"] = session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        self.wait(lambda: number in self._replies, method)
        reply = self._replies.pop(number)
        assert "error" not in reply, f"{method}: {reply['error']}"
        result: dict[str, Any] = reply["result"]
        return result

    def wait(self, there: Callable[[], object], what: str) -> None:
        """Read messages until something is there."""
        limit = time.monotonic() + SECONDS
        while not there():
            assert time.monotonic() < limit, f"{what}: nothing for {SECONDS} s"
            self._read()

    def _read(self) -> None:
        if not select.select([self._answers], [], [], 0.05)[0]:
            return
        data = os.read(self._answers, 2**20)
        assert data, "Chromium has ended"
        *whole, self._rest = (self._rest + data).split(b"\0")
        for text in whole:
            message = json.loads(text)
            if "id" in message:
                self._replies[message["id"]] = message
            elif page := self._pages.get(message.get("sessionId", "")):
                self._take(page, message["sessionId"], message["method"], message["params"])

    def _take(self, page: Page, session: str, method: str, values: dict[str, Any]) -> None:
        if method != "Target.attachedToTarget":
            page.event(session, method, values)
        elif values["sessionId"] not in self._pages:
            self._pages[values["sessionId"]] = page
            page.watch(values["sessionId"])


@contextmanager
def running_browser(folder: Path) -> Iterator[Browser]:
    """Start Chromium with its files in a folder and no network at all; end it afterwards."""
    theirs_in, commands = os.pipe()
    answers, theirs_out = os.pipe()
    chromium = ["unshare", "--net", "chromium", *FLAGS, f"--user-data-dir={folder / 'profile'}"]
    redirected = f'exec "$@" 3<&{theirs_in} 4>&{theirs_out}'
    with (folder / "chromium.txt").open("wb") as said:
        process = subprocess.Popen(
            ["bash", "-c", redirected, "-", *chromium],
            pass_fds=(theirs_in, theirs_out),
            stdout=said,
            stderr=said,
            env=os.environ | {"HOME": str(folder)},
        )
    os.close(theirs_in)
    os.close(theirs_out)
    try:
        yield Browser(commands, answers)
    finally:
        process.terminate()
        process.wait(30)
        os.close(commands)
        os.close(answers)
