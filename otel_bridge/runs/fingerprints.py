"""What makes two failures the same error: its type, the step, the message less what varies, the top frame. Pure.

The first process to see a failure records it, so every process must come to the same fingerprint: it depends on the
stored error alone.
"""

from __future__ import annotations

import hashlib
import json
import re

from otel_bridge.codec import DecodedError
from otel_bridge.ledger.records import ErrorSignature

MAX_TEMPLATE = 300
MAX_MESSAGE = 500
_VERSION = 1
_QUOTED = re.compile(r"""(?<!\w)'[^']*'(?!\w)|"[^"]*"|`[^`]*`|‘[^’]*’|“[^”]*”|«[^»]*»""")
_ID = re.compile(
    r"""(?x)
    [a-z][a-z0-9+.-]*://\S+                 # an address
    | [^\s,;:=()\[\]{}<>…]*\d[^\s,;=()\[\]{}<>…]*   # whatever holds a digit: a number, a time, an id, a path
    | \b[a-f]{8,}\b                         # a hash that happens to have none
    """,
    re.IGNORECASE,
)
_AGAIN = re.compile(r"([#…])(?:(?:\s*[,;:/|]\s*|\s+)\1)+")
_RETRIED = re.compile(r"Step .* has exceeded its maximum of \d+ retries; last: ([\w.]+): (.*)", re.DOTALL)
_RETRIES_EXCEEDED = "dbos._error.DBOSMaxStepRetriesExceeded"
_PYTHON_FRAME = re.compile(r'File "([^"]+)", line (\d+), in (\S+)')
_SCRIPT_FRAME = re.compile(r"^\s*at (?:async )?(?:(\S+) \()?(.+?):(\d+)(?::\d+)?\)?\s*$", re.MULTILINE)
_LIBRARIES = ("site-packages", "node_modules", "/lib/python", "node:internal", "<frozen")


def signature_of(error: DecodedError, *, step: str | None) -> ErrorSignature:
    """Return what an error has in common with others of its kind.

    Args:
        error: with nothing redacted: what is hidden differs from one process to the next.
        step: the name of the step that the run died of.

    >>> signature_of(DecodedError(message="timeout after 3 s", type="GatewayTimeout"), step="charge").template
    'timeout after # s'
    """
    kind, message = cause_of(error)
    kind, step = storable(kind), None if step is None else storable(step)
    template, frame = template_of(message), top_frame(error.stack)
    parts = json.dumps([_VERSION, kind, step, template, frame])
    fingerprint = hashlib.sha256(parts.encode()).hexdigest()[:16]
    return ErrorSignature(fingerprint=fingerprint, type=kind, step=step, template=template, frame=frame)


def cause_of(error: DecodedError) -> tuple[str, str]:
    """Return type and message; of an error that says that retries are used up, those of the last failure."""
    kind, message = error.type or "Error", error.message
    if kind == _RETRIES_EXCEEDED and (last := _RETRIED.fullmatch(message)):
        kind, message = last[1], last[2]
    return kind, message


def first_line(message: str) -> str:
    """Return the first line of a message that says something, bounded."""
    line = next((line.strip() for line in storable(message).splitlines() if line.strip()), "")
    return line if len(line) <= MAX_MESSAGE else line[: MAX_MESSAGE - 1] + "…"


def storable(text: str) -> str:
    """Return a text as every database can hold it: Postgres takes no NUL, and UTF-8 has no lone surrogates.

    >>> storable("a\\x00b\\ud800")
    'a�b?'
    """
    return text.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")


def template_of(message: str) -> str:
    """Return the first line of a message without what varies: ``…`` for quoted text, ``#`` for numbers and ids.

    >>> template_of("user 'ann' of order-4711 not found at 10.0.0.1:8080 (3.5s)")
    'user … of # not found at # (#)'
    """
    line = _ID.sub("#", _QUOTED.sub("…", first_line(message)))
    return _AGAIN.sub(r"\1", line)[:MAX_TEMPLATE]


def top_frame(stack: str | None, *, with_line: bool = False) -> str | None:
    """Return where an error was raised, ``function in file``: the innermost frame that is not a library's.

    Args:
        with_line: for people. What two failures have in common is without it, for lines move with every release.

    >>> top_frame('File "/app/shop/pay.py", line 12, in charge', with_line=True)
    'charge in shop/pay.py:12'
    """
    if not stack:
        return None
    frames = [(match[3], match[1], match[2]) for match in _PYTHON_FRAME.finditer(stack)][::-1]
    frames = frames or [(match[1] or "anonymous", match[2], match[3]) for match in _SCRIPT_FRAME.finditer(stack)]
    own = [frame for frame in frames if not any(mark in frame[1] for mark in _LIBRARIES)]
    if not frames:
        return None
    function, file, line = (own or frames)[0]
    short = "/".join(re.split(r"[/\\]", file)[-2:])
    return storable(f"{function} in {short}{f':{line}' if with_line else ''}")[:MAX_TEMPLATE]
