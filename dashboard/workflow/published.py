"""Values that workflow code publishes, readable from outside while its run continues, and after. Replay-safe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dbos import DBOS, WorkflowSerializationFormat


def set_event(key: str, value: Any) -> None:
    """Publish ``value`` under ``key``, readable from outside while the run continues, and after.

    It is stored as JSON that every language reads where it can be (pydantic models included), else as the
    application's own format.
    """
    plain, format_ = _portable(_checked_key(key), value)
    DBOS.set_event(key, plain, serialization_type=format_)


async def set_event_async(key: str, value: Any) -> None:
    """``set_event`` for asynchronous workflows."""
    plain, format_ = _portable(_checked_key(key), value)
    await DBOS.set_event_async(key, plain, serialization_type=format_)


def _checked_key(key: str) -> str:
    if key.startswith("durable."):
        raise ValueError(f"Event key {key!r} is taken: keys that begin with 'durable.' belong to the control plane.")
    return key


def _portable(key: str, value: Any) -> tuple[Any, WorkflowSerializationFormat]:
    dump: Callable[..., Any] | None = getattr(value, "model_dump", None)
    plain = dump(mode="json") if dump is not None and not isinstance(value, type) else value
    if _is_json(plain):
        return plain, WorkflowSerializationFormat.PORTABLE
    return value, WorkflowSerializationFormat.DEFAULT


def _is_json(value: Any, depth: int = 0) -> bool:
    if value is None or isinstance(value, (bool, int, str)):
        return True
    if isinstance(value, float):
        return value == value and abs(value) != float("inf")
    if depth > 50:
        return False
    if isinstance(value, list):
        return all(_is_json(item, depth + 1) for item in value)
    return isinstance(value, dict) and all(isinstance(k, str) and _is_json(v, depth + 1) for k, v in value.items())
