"""Debian's Firefox, headless, driven over WebDriver BiDi; Playwright's own is a patched download. Not a test."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from simple_websocket import Client

from tests.programs import Program
from tests.waiting import until

STEP_S = 60.0
"""For what comes at once on an idle machine."""
PREFERENCES = {
    "app.update.enabled": False,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "remote.active-protocols": 1,
    "toolkit.telemetry.enabled": False,
}
_FIND = """(css, text) => {
  const shown = (node) => node.getClientRects().length > 0;
  const said = (node) => `${node.getAttribute("aria-label") ?? ""} ${node.textContent ?? ""}`;
  return [...document.querySelectorAll(css)].find((node) => shown(node) && said(node).includes(text)) ?? null;
}"""


class _Socket(Client):  # type: ignore[misc]
    """Firefox answers only who names it with its port."""

    def handshake(self) -> None:
        """Begin the conversation."""
        self.host = f"{self.host}:{self.port}"  # type: ignore[has-type]
        super().handshake()


class Firefox:
    """One window. Every method waits for what it needs."""

    def __init__(self, socket: Client) -> None:
        self._socket = socket
        self._sent = 0
        self.complaints: list[str] = []
        """Uncaught errors and violations of the page's security policy."""
        self._ask("session.new", capabilities={})
        self._ask("session.subscribe", events=["log.entryAdded"])
        self._window = self._ask("browsingContext.getTree")["contexts"][0]["context"]
        self._ask("browsingContext.setViewport", context=self._window, viewport={"width": 1440, "height": 900})

    def open(self, url: str) -> None:
        """Go to an address, and wait until it has loaded."""
        self._ask("browsingContext.navigate", context=self._window, url=url, wait="complete")

    def find(self, css: str, text: str = "") -> dict[str, Any]:
        """Return the first visible element of this kind that says this, by its name or its text."""

        def shared_id() -> str:
            found = self._call(_FIND, css, text)
            assert found["type"] == "node", f"Firefox shows no {css!r} that says {text!r}: {self.text()[:2000]}"
            return str(found["sharedId"])

        shared = until(shared_id, timeout_s=STEP_S, every_s=0.1)
        return {"type": "element", "element": {"sharedId": shared}}

    def click(self, css: str, text: str = "") -> None:
        """Click on it, as a mouse does."""
        target = self.find(css, text)
        moves = [
            {"type": "pointerMove", "x": 0, "y": 0, "origin": target},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        ]
        self._act({"type": "pointer", "id": "mouse", "actions": moves})

    def press(self, keys: str) -> None:
        """Type, as a keyboard does."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._act({"type": "key", "id": "keyboard", "actions": strokes})

    def text(self) -> str:
        """Return what the page says."""
        return str(self._call("() => document.body.innerText").get("value", ""))

    def address(self) -> str:
        """Return where the page is."""
        return str(self._call("() => location.href")["value"])

    def _act(self, source: dict[str, Any]) -> None:
        self._ask("input.performActions", context=self._window, actions=[source])

    def _call(self, function: str, *arguments: str) -> dict[str, Any]:
        answer = self._ask(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": value} for value in arguments],
            awaitPromise=True,
            target={"context": self._window},
        )
        assert answer["type"] == "success", answer
        result: dict[str, Any] = answer["result"]
        return result

    def _ask(self, method: str, **params: Any) -> dict[str, Any]:
        self._sent += 1
        self._socket.send(json.dumps({"id": self._sent, "method": method, "params": params}))
        while True:
            received = self._socket.receive(timeout=STEP_S)
            assert received is not None, f"Firefox did not answer {method} within {STEP_S:.0f} s"
            message = json.loads(received)
            if message.get("method") == "log.entryAdded":
                self._heard(message["params"])
            elif message.get("id") == self._sent:
                assert message["type"] == "success", message
                result: dict[str, Any] = message["result"]
                return result

    def _heard(self, entry: dict[str, Any]) -> None:
        text = entry.get("text") or ""
        if "was interrupted while the page was loading" in text:
            return  # Firefox says so of every websocket of a page that is left
        if (entry["type"] == "javascript" and entry["level"] == "error") or "Content-Security-Policy" in text:
            self.complaints.append(text)


@contextmanager
def firefox(binary: str) -> Iterator[Firefox]:
    """Start it with a profile of its own, and end it."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        Path(folder, "user.js").write_text("\n".join(lines))
        program = Program(
            "--headless", "--no-remote", "--profile", folder, "--remote-debugging-port", "0", executable=binary
        )
        try:
            address = program.wait_for("WebDriver BiDi listening on").rsplit(" ", 1)[1]
            socket = _Socket(f"{address}/session")
            try:
                yield Firefox(socket)
            finally:
                socket.close()
                socket.sock.close()
        finally:
            program.process.terminate()
            try:
                program.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                program.process.kill()
