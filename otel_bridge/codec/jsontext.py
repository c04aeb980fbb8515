"""Reads JSON of any size, depth or length: what is cut off or too large is read as far as it goes. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from otel_bridge.codec.limits import Budget, OutOfBudget
from otel_bridge.codec.nodes import CutText, Inert

_FAST_CHARACTERS = 1024 * 1024
_MAX_DIGITS = 4000
_COST_OF_CONTAINER = 1
_CHARACTERS_PER_UNIT = 256
_WINDOW = 64 * 1024
_SPACE = re.compile(r"[ \t\r\n]*")
_ENDS = re.compile(r'["\\]')
_ESCAPES = re.compile(r"(?:\\\\[\s\S]){1,1024}")
_WORD = re.compile(r"[A-Za-z0-9+\-.]+")
_CONSTANTS = {
    "true": True,
    "false": False,
    "null": None,
    "NaN": float("nan"),
    "Infinity": float("inf"),
    "-Infinity": float("-inf"),
}


@dataclass(frozen=True, slots=True)
class Parsed:
    """What was read, and how far that got."""

    value: Any
    end: Literal["complete", "cut", "too large"]


def parse(text: str, budget: Budget) -> Parsed | None:
    """Read JSON, as far as it goes; None when it is not JSON."""
    if len(text) <= _FAST_CHARACTERS:
        try:
            return Parsed(json.loads(text), "complete")
        except (ValueError, RecursionError):
            pass
    parser = _Parser(text, budget)
    try:
        return Parsed(parser.run(), "complete")
    except _NotJson:
        return None
    except _Cut:
        return Parsed(parser.unwind(), "cut") if parser.root else None
    except OutOfBudget:
        return Parsed(parser.unwind(), "too large")


class _NotJson(Exception):
    pass


class _Cut(Exception):
    pass


class _Parser:
    """Keeps its own stack, so that depth costs memory only, and the budget bounds that."""

    def __init__(self, text: str, budget: Budget) -> None:
        self.text, self.budget, self.at = text, budget, 0
        self.root: list[Any] = []
        self.stack: list[list[Any] | dict[str, Any]] = []
        self.keys: list[str | None] = []

    def run(self) -> Any:
        while True:
            self.budget.read()
            self._value_or_end()
            if not self.stack:
                self.at = self._next()
                if self.at < len(self.text):
                    raise _NotJson
                return self.root[0]
            self._separator()

    def unwind(self) -> Any:
        """Return what was read so far."""
        return self.root[0] if self.root else None

    def _next(self) -> int:
        match = _SPACE.match(self.text, self.at)
        return match.end() if match else self.at

    def _peek(self) -> str:
        self.at = self._next()
        if self.at >= len(self.text):
            raise _Cut
        return self.text[self.at]

    def _value_or_end(self) -> None:
        """Read the next value: a scalar, or the beginning of a container (its content follows)."""
        character = self._peek()
        if character in "]}" and self.stack and not self.stack[-1]:
            return
        if self.stack and isinstance(self.stack[-1], dict):
            if character != '"':
                raise _NotJson
            key = self._string()
            self.keys[-1] = key.text if isinstance(key, CutText) else key
            if self._peek() != ":":
                raise _NotJson
            self.at += 1
            character = self._peek()
        if character in "[{":
            self.budget.read(_COST_OF_CONTAINER)
            self.at += 1
            container: list[Any] | dict[str, Any] = [] if character == "[" else {}
            self._put(container)
            self.stack.append(container)
            self.keys.append(None)
        elif character == '"':
            self._put(self._string())
        else:
            self._put(self._word())

    def _separator(self) -> None:
        """Read what may stand after a value: commas, and the ends of containers."""
        while self.stack:
            character, top = self._peek(), self.stack[-1]
            if character == ("]" if isinstance(top, list) else "}"):
                self.at += 1
                self.stack.pop()
                self.keys.pop()
                continue
            if character == "," and top:
                self.at += 1
                if self._peek() in "]}":
                    raise _NotJson
                return
            if not top:  # just begun: its first value follows
                return
            raise _NotJson

    def _put(self, value: object) -> None:
        if not self.stack:
            self.root.append(value)
            return
        top = self.stack[-1]
        if isinstance(top, list):
            top.append(value)
        else:
            top[self.keys[-1] or ""] = value

    def _word(self) -> Any:
        match = _WORD.match(self.text, self.at)
        if match is None:
            raise _NotJson
        size, self.at = match.end() - self.at, match.end()
        if size > _MAX_DIGITS:
            return Inert("$int", f"a number of {size} digits")
        word = match.group()
        if self.stack and self.at >= len(self.text):
            raise _Cut  # more of it may have followed
        if word in _CONSTANTS:
            return _CONSTANTS[word]
        if self.at >= len(self.text) and any(name.startswith(word) for name in _CONSTANTS):
            raise _Cut
        try:
            return json.loads(word)
        except ValueError:
            if self.at >= len(self.text) and word[-1:] in "-+.eE":
                raise _Cut from None
            raise _NotJson from None

    def _string(self) -> str | CutText:
        """Read a string; only so much of it is decoded as may be shown."""
        start = at = self.at + 1
        try:
            while at < len(self.text):
                self.budget.read(_WINDOW // _CHARACTERS_PER_UNIT if at > start else 0)
                end, at = self._end_of_string(at, min(len(self.text), at + _WINDOW))
                if end is not None:
                    self.at = end + 1
                    self.budget.read((end - start) // _CHARACTERS_PER_UNIT)
                    return self._unescape(start, end)
        except OutOfBudget:
            self._put_cut(self._unescape(start, len(self.text)), start)
            raise
        self._put_cut(self._unescape(start, len(self.text)), start)
        raise _Cut

    def _end_of_string(self, at: int, until: int) -> tuple[int | None, int]:
        """Return the place of the closing quote, if it is before ``until``, and where to look on."""
        while at < until:
            found = _ENDS.search(self.text, at, until)
            if found is None:
                return None, until
            if found.group() == '"':
                return found.start(), found.end()
            self.budget.read()
            run = _ESCAPES.match(self.text, found.start())
            at = run.end() if run is not None else found.end() + 1
        return None, at

    def _put_cut(self, value: str | CutText, start: int) -> None:
        if self.stack and isinstance(self.stack[-1], dict) and self.keys[-1] is None:
            return
        text = value.text if isinstance(value, CutText) else value
        self._put(CutText(text, len(self.text) - start))

    def _unescape(self, start: int, end: int) -> str | CutText:
        limit = self.budget.limits.max_string
        raw = self.text[start : min(end, start + limit)]
        whole = end - start <= limit
        for less in range(7):
            try:
                value = json.loads(f'"{raw[: len(raw) - less]}"', strict=False)
            except ValueError:
                continue
            return value if whole and less == 0 else CutText(value, end - start)
        raise _NotJson
