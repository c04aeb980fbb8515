"""What a stored error says: its message, type, code and stack. Pure."""

from __future__ import annotations

import builtins
import json
from dataclasses import dataclass
from typing import Any

from otel_bridge.codec import known
from otel_bridge.codec.describe import Describer
from otel_bridge.codec.nodes import CutText, Instance, Mapping, Sequence

_MAX_MESSAGE = 8 * 1024
_MAX_STACK = 64 * 1024
_CODES = ("code", "status_code", "dbos_error_code", "errno")
_MESSAGES = ("message", "detail", "msg")


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodedError:
    """An error for people. ``type`` is the class's name with its module, unless that is ``builtins``."""

    message: str
    type: str | None = None
    code: str | int | None = None
    stack: str | None = None


def error_from(value: Any, describer: Describer) -> DecodedError:
    """Return the error that a node or JSON value tells."""
    if isinstance(value, Instance):
        return _python_error(value, describer)
    if isinstance(value, Mapping):
        value = {key: member for key, member in value.pairs if isinstance(key, str)}
    if isinstance(value, dict) and ("message" in value or "name" in value):
        name, stack = _plain(value.get("name")), _plain(value.get("stack"))
        message = _shown(value.get("message"), describer)
        return DecodedError(
            message=_cut(message or name or "", _MAX_MESSAGE),
            type=name,
            code=_code(value),
            stack=_cut(stack, _MAX_STACK) if stack else None,
        )
    return DecodedError(message=_cut(_shown(value, describer), _MAX_MESSAGE))


def _python_error(value: Instance, describer: Describer) -> DecodedError:
    name, args = known.class_and_args(value)
    state = known.state_of(value)
    members: dict[str, Any] = (
        {key: member for key, member in state.pairs if isinstance(key, str)} if isinstance(state, Mapping) else {}
    )
    kind = None if name is None else name.removeprefix("builtins.")
    message = _message(kind or "", args, members, describer)
    notes = members.get("__notes__")
    if isinstance(notes, Sequence):
        message = "\n".join([message, *(_shown(note, describer) for note in notes.items[:20])])
    code = _code(members)
    if code is None and kind in _OS_ERRORS and len(args) > 1:
        code = _code({"errno": args[0]})
    return DecodedError(message=_cut(message or kind or "", _MAX_MESSAGE), type=kind, code=code)


_OS_ERRORS = frozenset(
    name for name, found in vars(builtins).items() if isinstance(found, type) and issubclass(found, OSError)
)


def _message(kind: str, args: list[Any], members: dict[str, Any], describer: Describer) -> str:
    """Return what ``str(error)`` would most likely have said."""
    for key in _MESSAGES:
        if isinstance(members.get(key), (str, CutText)):
            return _shown(members[key], describer)
    if kind == "dbos._error.DBOSMaxStepRetriesExceeded" and len(args) == 3:
        return _retries(args, describer)
    if not args:
        return ""
    if kind in _OS_ERRORS and len(args) > 1:
        path = f": {_quoted(args[2], describer)}" if len(args) > 2 and args[2] is not None else ""
        return f"[Errno {_shown(args[0], describer)}] {_shown(args[1], describer)}{path}"
    if kind in ("ExceptionGroup", "BaseExceptionGroup") and len(args) == 2 and isinstance(args[1], Sequence):
        count = len(args[1].items)
        return f"{_shown(args[0], describer)} ({count} sub-exception{'s' if count != 1 else ''})"
    if len(args) == 1:
        return _quoted(args[0], describer) if kind == "KeyError" else _shown(args[0], describer)
    return f"({', '.join(_quoted(arg, describer) for arg in args[:20])})"


def _retries(args: list[Any], describer: Describer) -> str:
    """DBOS wraps the last failure of a step that it retried: say which step, how often, and why."""
    step, retries, errors = args
    text = f"Step {_shown(step, describer)} has exceeded its maximum of {_shown(retries, describer)} retries"
    last = errors.items[-1] if isinstance(errors, Sequence) and errors.items else None
    if isinstance(last, Instance):
        cause = _python_error(last, describer)
        text += f"; last: {cause.type}: {cause.message}"
    return text


def _shown(value: Any, describer: Describer) -> str:
    if value is None:
        return ""
    shown = describer.json(value)
    return shown if isinstance(shown, str) else json.dumps(shown, ensure_ascii=False)


def _quoted(value: Any, describer: Describer) -> str:
    shown = describer.json(value)
    return repr(shown) if known.is_scalar(shown) else json.dumps(shown, ensure_ascii=False)


def _plain(value: Any) -> str | None:
    if isinstance(value, CutText):
        value = value.text
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) and value else None


def _code(members: dict[str, Any]) -> str | int | None:
    for key in _CODES:
        value = members.get(key)
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            return value[:200] if isinstance(value, str) else value if abs(value) < 2**53 else str(value)[:200]
    return None


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[:limit]}… [cut: {len(text)} characters]"
