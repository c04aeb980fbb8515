"""Hides members of decoded values by their keys. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Any

REDACTED = "[redacted]"


class KeyRedactor:
    """Replaces the values of members whose key matches; see ``redact_keys``."""

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = tuple(patterns)
        self._match = re.compile("|".join(translate(pattern.casefold()) for pattern in patterns) or r"(?!)").match

    def __call__(self, value: Any) -> Any:
        """Return a copy of ``value`` without what matched."""
        if isinstance(value, list):
            return [self._pair(item) for item in value]
        if isinstance(value, dict):
            return {key: REDACTED if self._hides(key) else self(member) for key, member in value.items()}
        return value

    def _pair(self, item: Any) -> Any:
        """A two-item list may be a pair of a ``$map``, or an argument with its name: hide those too."""
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and self._hides(item[0]):
            return [item[0], REDACTED]
        return self(item)

    def _hides(self, key: str) -> bool:
        return self._match(key.casefold()) is not None


def redact_keys(patterns: Iterable[str]) -> KeyRedactor:
    """Return a hook that hides members by key: ``redact_keys(["password", "*token*"])``.

    Patterns ignore case; ``*`` and ``?`` are wildcards. Only keys are looked at: a secret inside a longer text stays.
    """
    return KeyRedactor(patterns)
