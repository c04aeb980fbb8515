"""Wire models as JSON text. Pure."""

from __future__ import annotations

import json
import logging
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError

log = logging.getLogger(__name__)


def _plain(value: object) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(by_alias=True, exclude_none=True)
    raise TypeError(f"{type(value).__name__} is not JSON")


def _fast(value: BaseModel) -> str:
    """Return a model as JSON text, NaN as null. Raises ``PydanticSerializationError`` for lone surrogates."""
    return value.model_dump_json(by_alias=True, exclude_none=True)


def to_json(value: object) -> str:
    """Return wire models, lists of them, or plain JSON as JSON text. Lone surrogates are escaped, NaN is null."""
    try:
        if isinstance(value, BaseModel):
            return _fast(value)
        if isinstance(value, list) and value and all(isinstance(item, BaseModel) for item in value):
            return f"[{','.join(map(_fast, value))}]"
    except PydanticSerializationError:
        log.debug("A payload is not UTF-8; it is escaped the slow way.")
    if isinstance(value, BaseModel):
        value = _plain(value)
    try:
        return json.dumps(value, default=_plain, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_without_nan(value), default=_plain, separators=(",", ":"))


def _without_nan(value: object) -> Any:
    if isinstance(value, float):
        return value if value == value and value not in (float("inf"), float("-inf")) else None
    if isinstance(value, BaseModel):
        return _without_nan(_plain(value))
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value
