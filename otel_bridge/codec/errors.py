"""What a stored error says: its message, type, code and stack. Pure.

Parts are described first, as any value is, so what a key hides is hidden in an error's arguments too; then they become
a text, and the text is cut.
"""

from __future__ import annotations

import builtins
import json
import re
from dataclasses import dataclass
from typing import Any

from otel_bridge.codec import known
from otel_bridge.codec.describe import Describer
from otel_bridge.codec.nodes import CutText, Instance, Mapping, Sequence
from otel_bridge.codec.redaction import REDACTED, KeyRedactor, Redact

MAX_MESSAGE = 8 * 1024
MAX_STACK = 64 * 1024
_MAX_TYPE, _MAX_CODE = 500, 200
_MAX_PARTS = 20
_MAX_CAUSES = 3
_MAX_MEMBERS = 1000
_CUT_NOTE, _NOTE_CHARACTERS = re.compile(r"… \[cut: \d+ \w+\]$"), 40
_CODES = ("code", "status_code", "dbos_error_code", "errno")
_MESSAGES = ("message", "detail", "msg")
_RETRIES_EXCEEDED = "dbos._error.DBOSMaxStepRetriesExceeded"
_OS_ERRORS = frozenset(
    name for name, found in vars(builtins).items() if isinstance(found, type) and issubclass(found, OSError)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedError:
    """An error for people. ``type`` is the class's name with its module, unless that is ``builtins``."""

    message: str
    type: str | None = None
    code: str | int | None = None
    stack: str | None = None


class ErrorReader:
    """Reads one error. ``redact`` sees each structured part before that becomes a text."""

    def __init__(self, describer: Describer, redact: Redact | None = None) -> None:
        self._describer = describer
        self._hides = redact.hides if isinstance(redact, KeyRedactor) else lambda key: False
        self._redact = None if isinstance(redact, KeyRedactor) else redact

    def read(self, value: object, depth: int = 0) -> DecodedError:
        """Return the error that a node or JSON value tells; ``depth`` counts the errors around it."""
        if isinstance(value, Instance):
            return self._of_python(value, depth)
        if isinstance(value, Mapping):
            value = _members(value)
        if isinstance(value, dict) and ("message" in value or "name" in value):
            name, stack = self._plain(value.get("name"), _MAX_TYPE), self._plain(value.get("stack"), MAX_STACK)
            message = self._member(value, "message") if value.get("message") is not None else ""
            return DecodedError(
                message=cut(message or name or "", MAX_MESSAGE), type=name, code=self._code(value), stack=stack
            )
        return DecodedError(message=cut(self._shown(value), MAX_MESSAGE))

    def _of_python(self, value: Instance, depth: int) -> DecodedError:
        name, args = known.class_and_args(value)
        if value.open:
            args = self._up_to_a_key(args)
        kind = None if name is None else cut(self._describer.text(name.removeprefix("builtins.")), _MAX_TYPE)
        members = _members(value.state) if isinstance(value.state, Mapping) else {}
        message = self._message(kind or "", args, members, depth)
        notes = members.get("__notes__")
        if isinstance(notes, Sequence):
            message = "\n".join([message, *(self._shown(note) for note in notes.items[:_MAX_PARTS])])
        code = self._code(members)
        if code is None and kind in _OS_ERRORS and len(args) > 1:
            code = self._code({"errno": args[0]})
        return DecodedError(message=cut(message or kind or "", MAX_MESSAGE), type=kind, code=code)

    def _up_to_a_key(self, args: list[Any]) -> list[Any]:
        """Where a value was cut, what should have been a mapping's stands among the arguments, its keys too."""
        for position, argument in enumerate(args[:-1]):
            if self._describer.hides(argument):
                return [*args[: position + 1], REDACTED]
        return args

    def _message(self, kind: str, args: list[Any], members: dict[str, Any], depth: int) -> str:
        """Return what ``str(error)`` would most likely have said."""
        for key in _MESSAGES:
            if isinstance(members.get(key), (str, CutText)):
                return self._member(members, key)
        if kind == _RETRIES_EXCEEDED and len(args) == 3:
            return self._retries(args, depth)
        if not args:
            return ""
        if kind in _OS_ERRORS and len(args) > 1:
            path = f": {self._quoted(args[2])}" if len(args) > 2 and args[2] is not None else ""
            return f"[Errno {self._shown(args[0])}] {self._shown(args[1])}{path}"
        if kind in ("ExceptionGroup", "BaseExceptionGroup") and len(args) == 2 and isinstance(args[1], Sequence):
            count = len(args[1].items)
            return f"{self._shown(args[0])} ({count} sub-exception{'s' if count != 1 else ''})"
        if len(args) == 1:
            return self._quoted(args[0]) if kind == "KeyError" else self._shown(args[0])
        shown = self._json(Sequence("tuple", args[:_MAX_PARTS]))
        return f"({', '.join(map(_quoted, shown))})" if isinstance(shown, list) else _text(shown)

    def _retries(self, args: list[Any], depth: int) -> str:
        """DBOS wraps the last failure of a step that it retried: say which step, how often, and why."""
        step, retries, errors = args
        text = f"Step {self._shown(step)} has exceeded its maximum of {self._shown(retries)} retries"
        last = errors.items[-1] if isinstance(errors, Sequence) and errors.items else None
        if isinstance(last, Instance) and depth < _MAX_CAUSES:  # it may contain itself
            cause = self.read(last, depth + 1)
            text += f"; last: {cause.type}: {cause.message}"
        return text

    # -- parts ----------------------------------------------------------------------------------------------------

    def _json(self, value: object) -> Any:
        shown = self._describer.json(value)
        return shown if self._redact is None or isinstance(shown, str) else self._redact(shown)

    def _shown(self, value: object) -> str:
        return "" if value is None else _text(self._json(value))

    def _quoted(self, value: object) -> str:
        return _quoted(self._json(value))

    def _member(self, members: dict[str, Any], key: str) -> str:
        return REDACTED if self._hides(key) else self._shown(members.get(key))

    def _plain(self, value: object, limit: int) -> str | None:
        if isinstance(value, CutText):
            value = value.text
        return cut(self._describer.text(value), limit) if isinstance(value, str) and value else None

    def _code(self, members: dict[str, Any]) -> str | int | None:
        for key in _CODES:
            value = members.get(key)
            if self._hides(key) or isinstance(value, bool):
                continue
            if isinstance(value, int):
                return value if abs(value) < 2**53 else known.digits(value)[:_MAX_CODE]
            if isinstance(value, str):
                return self._describer.text(value[:_MAX_CODE])
        return None


def _members(value: Mapping) -> dict[str, Any]:
    return {key: member for key, member in value.pairs[:_MAX_MEMBERS] if isinstance(key, str)}


def _text(shown: object) -> str:
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def _quoted(shown: object) -> str:
    return repr(shown) if known.is_scalar(shown) else json.dumps(shown, ensure_ascii=False)


def cut(text: str, limit: int) -> str:
    """Return the beginning of a text that is longer than ``limit`` characters, saying so.

    One that was cut before, where it was read, says how long it was then.
    """
    if len(text) <= limit:
        return text
    before = _CUT_NOTE.search(text, len(text) - _NOTE_CHARACTERS)
    return f"{text[:limit]}{before.group() if before else f'… [cut: {len(text)} characters]'}"
