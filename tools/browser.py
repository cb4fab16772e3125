"""Drives a headless Chromium over a pipe, to test pages and to take pictures of them. Needs no package.

with Browser() as browser:
    page = browser.open(Path("gallery.html"))
    page.click("button")
    page.picture(Path("gallery.png"))
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome")
_PATIENCE = 30.0  # seconds
_STEP = 0.02
_FREE = 10  # descriptors from here on are none of those that the browser reads


def program() -> str | None:
    """Return the path of a Chromium, or None if there is none."""
    found = (shutil.which(name) for name in NAMES)
    return next(filter(None, found), None)


class Browser:
    """A browser without a window, with a profile that goes when it ends."""

    def __enter__(self):
        self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        read_there, self._out = os.pipe()
        self._in, write_there = os.pipe()
        command = [
            program(), "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
            "--disable-background-networking", "--remote-debugging-pipe", f"--user-data-dir={self._profile.name}",
        ]  # fmt: skip
        # The browser reads commands from its descriptor 3 and answers on 4.
        descriptors = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, _FREE) for descriptor in (read_there, write_there)]

        def connect() -> None:
            for number, descriptor in enumerate(descriptors, 3):
                os.dup2(descriptor, number)

        self._process = subprocess.Popen(
            command,
            pass_fds=(3, 4),
            preexec_fn=connect,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for descriptor in (read_there, write_there, *descriptors):
            os.close(descriptor)
        self._buffer = b""
        self._number = 0
        self.events: list[dict] = []
        return self

    def __exit__(self, *error):
        self._process.terminate()
        self._process.wait()
        os.close(self._out)
        os.close(self._in)
        self._profile.cleanup()

    def open(self, path: Path, size: tuple[int, int] = (1400, 900), scheme: str = "light") -> "Page":
        """Return a page that a file is shown in, of a size (width, height), light or dark."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = Page(self, target, session)
        for domain in ("Page", "Runtime", "Network", "Log"):
            page.call(f"{domain}.enable")
        width, height = size
        page.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        page.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        page.call("Page.navigate", url=path.absolute().as_uri())
        page.wait("document.readyState === 'complete'")
        return page

    def call(self, method: str, session: str | None = None, **params) -> dict:
        """Return the answer to a command of the DevTools protocol."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")

        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                break
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def _receive(self) -> dict:
        while b"\0" not in self._buffer:
            data = os.read(self._in, 2**20)
            if not data:
                raise RuntimeError("the browser has ended")
            self._buffer += data
        message, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(message)


class Page:
    """A page of a browser."""

    def __init__(self, browser: Browser, target: str, session: str):
        self._browser = browser
        self._target = target
        self._session = session

    def close(self) -> None:
        """Close the page; what it has done stays known."""
        self._browser.call("Target.closeTarget", targetId=self._target)

    def call(self, method: str, **params) -> dict:
        """Return the answer to a command for this page."""
        return self._browser.call(method, self._session, **params)

    def value(self, code: str):
        """Return what JavaScript code gives."""
        answer = self.call("Runtime.evaluate", expression=code, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{code}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait(self, code: str) -> None:
        """Wait until JavaScript code is true."""
        end = time.monotonic() + _PATIENCE
        while not self.value(code):
            if time.monotonic() > end:
                raise RuntimeError(f"did not become true: {code}")
            time.sleep(_STEP)

    def place(self, selector: str) -> tuple[float, float]:
        """Return the middle of an element on the screen, which is scrolled to."""
        word = json.dumps(selector)
        self.wait(f"document.querySelector({word}) !== null")
        self.value(f"document.querySelector({word}).scrollIntoView({{block: 'center'}})")
        box = self.value(f"(() => {{ const b = document.querySelector({word}).getBoundingClientRect(); "
                         "return [b.left + b.width / 2, b.top + b.height / 2]; })()")  # fmt: skip
        return tuple(box)

    def move(self, selector: str) -> None:
        """Move the pointer to an element."""
        x, y = self.place(selector)
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, selector: str) -> None:
        """Click on an element."""
        x, y = self.place(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def drag(self, points: list[tuple[float, float]]) -> None:
        """Press the pointer on the first of some points of the screen, move it over the others, and let it go."""
        button = {"button": "left", "clickCount": 1}
        kinds = ["mousePressed", *["mouseMoved"] * (len(points) - 2), "mouseReleased"]
        for kind, (x, y) in zip(kinds, points, strict=True):
            self.call(
                "Input.dispatchMouseEvent", type=kind, x=x, y=y, buttons=int(kind != "mouseReleased"), **button
            )

    def key(self, name: str) -> None:
        """Press and release a key, such as ``2`` or ``ArrowRight``."""
        text = {"text": name} if len(name) == 1 else {"text": "\r"} if name == "Enter" else {}
        code = {"windowsVirtualKeyCode": 13} if name == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=name, **text, **code)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=name, **code)

    def picture(self, path: Path, whole: bool = False) -> None:
        """Write what is seen, or the whole page, as a PNG."""
        answer = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def complaints(self) -> list[str]:
        """Return the errors that the page has raised, and what its content policy has refused."""
        found = []
        for event in self._events():
            params = event.get("params", {})
            if event["method"] == "Runtime.exceptionThrown":
                found.append(json.dumps(params["exceptionDetails"]))
            if event["method"] == "Log.entryAdded" and params["entry"]["level"] == "error":
                found.append(params["entry"]["text"])
            if event["method"] == "Runtime.consoleAPICalled" and params["type"] == "error":
                found.append(json.dumps(params["args"]))
        return found

    def requests(self) -> list[str]:
        """Return the addresses that the page has asked for."""
        events = self._events()
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]

    def _events(self) -> list[dict]:
        return [event for event in self._browser.events if event.get("sessionId") == self._session]
