"""Hides parts of decoded values by the keys they stand under. Pure.

``Describer`` asks a ``KeyRedactor`` while it turns a stored value into JSON, when keys are still what they were;
applied to finished JSON it finds the same, as far as that still tells. Keys are also found in text that holds data.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from fnmatch import translate
from typing import Any

Redact = Callable[[Any], Any]
"""``redact(value) -> value`` over decoded JSON, such as ``redact_keys([...])``."""

REDACTED = "[redacted]"
WITHHELD = "[withheld: it could not be decoded, so it could not be redacted]"

NAME_MEMBERS, VALUE_MEMBERS = ("name", "key"), ("value", "values")
"""``{"name": "password", "value": ...}``, as headers and form fields are often written: the name names the value."""

_MARKERS = frozenset(
    ("$args", "$bytes", "$call", "$class", "$cut", "$cycle", "$int", "$items", "$kwargs", "$length", "$map", "$ref",
     "$set", "$state", "$type", "$value")
)  # fmt: skip
_MAX_KEY = 1024  # a longer one is not a name: what stands under it is hidden, which costs less than looking at it
_WRITTEN_KEY = re.compile(
    r"""(?P<escapes>\\{0,8})(?P<quote>["'])(?P<quoted>[^"'\\]{1,200})(?P=escapes)(?P=quote)\s{0,9}[:=](?!=)\s{0,9}"""
    r"""|(?<![\w.$-])(?P<bare>[\w.$-]{1,200})\s?=(?!=)\s?"""
)
_OPENING = re.compile(r"""(?:[bru]{1,2})?(\\{0,8})(["'])""", re.IGNORECASE)
_WORD = re.compile(r"""(?:(?:bearer|basic|digest|token)\s+)?[^\s,;&)\]}"']*""", re.IGNORECASE)
_BRACKETS = {"{": "}", "[": "]", "(": ")"}


class KeyRedactor:
    """Replaces the values of members whose key matches; see ``redact_keys``."""

    def __init__(self, patterns: Iterable[str]) -> None:
        patterns = tuple(patterns)
        self.patterns = patterns
        self._match = re.compile("|".join(translate(pattern.casefold()) for pattern in patterns) or r"(?!)").match

    def __call__(self, value: object) -> Any:
        """Return a copy of JSON-able ``value`` without what matched, however deeply it nests."""
        holder: list[Any] = [value]
        todo: list[tuple[Any, Any]] = [(holder, 0)]
        while todo:
            parent, at = todo.pop()
            found = parent[at]
            if isinstance(found, str):
                parent[at] = self.scrub(found)
            elif isinstance(found, dict):
                parent[at] = copy = self._members(found)
                todo.extend((copy, key) for key, member in copy.items() if member is not REDACTED)
            elif isinstance(found, (list, tuple)):
                pair = len(found) == 2 and any(map(self.hides, _words(found[0])))
                parent[at] = items = [found[0], REDACTED] if pair else list(found)
                todo.extend((items, place) for place, item in enumerate(items) if item is not REDACTED)
        return holder[0]

    def _members(self, found: dict[Any, Any]) -> dict[Any, Any]:
        named = any(isinstance(word := found.get(member), str) and self.hides(word) for member in NAME_MEMBERS)
        return {
            key: REDACTED
            if (key not in _MARKERS and self.hides(str(key))) or (named and key in VALUE_MEMBERS)
            else member
            for key, member in found.items()
        }

    def hides(self, key: str) -> bool:
        """True when what stands under ``key`` is to be hidden."""
        return bool(self.patterns) and (len(key) > _MAX_KEY or self._match(key.casefold()) is not None)

    def scrub(self, text: str) -> str:
        """Return ``text`` without the values of keys in data that is written out in it.

        That is JSON, what Python's ``repr`` writes and ``key=value``: ``redact_keys(["pin"]).scrub("{'pin': 7}")`` is
        ``"{'pin': '[redacted]'}"``. Words are left alone, and so is what merely follows ``key:``.
        """
        if not self.patterns or ("=" not in text and ":" not in text):
            return text
        parts: list[str] = []
        done = at = 0
        while (match := _WRITTEN_KEY.search(text, at)) is not None:
            at = match.end()
            if not self.hides(match["quoted"] or match["bare"]):
                continue
            start, end = _value_at(text, at)
            if end > start:
                # what replaces a number or a list is a string, so that JSON in a text stays JSON
                quote = f"{match['escapes']}{match['quote']}" if match["quote"] and start == at else ""
                parts += [text[done:start], f"{quote}{REDACTED}{quote}"]
                done = at = end
        return "".join([*parts, text[done:]]) if parts else text


def _value_at(text: str, at: int) -> tuple[int, int]:
    """Return where the value lies that begins at ``at``: in quotes, in brackets (with them), or a word."""
    opening = _OPENING.match(text, at)
    if opening is not None:
        end = _end_of_string(text, opening)
        closed = end > opening.end() and text[end - 1] == opening[2]
        return opening.end(), end - (1 + len(opening[1]) if closed else 0)
    if text[at : at + 1] in _BRACKETS:
        return at, _end_of_brackets(text, at)
    word = _WORD.match(text, at)
    return at, word.end() if word else at


def _end_of_brackets(text: str, at: int) -> int:
    expected: list[str] = []
    while at < len(text):
        character = text[at]
        if character in "\"'" and (opening := _OPENING.match(text, at)) is not None:
            at = _end_of_string(text, opening)
            continue
        at += 1
        if character in _BRACKETS:
            expected.append(_BRACKETS[character])
        elif character == expected[-1]:
            expected.pop()
            if not expected:
                break
    return at


def _end_of_string(text: str, opening: re.Match[str]) -> int:
    """Return the end of a string; its quotes are escaped as often as it stands within other strings."""
    escapes, quote, at = len(opening[1]), opening[2], opening.end()
    while (at := text.find(quote, at)) >= 0:
        before = at
        while before > opening.end() and text[before - 1] == "\\":
            before -= 1
        at += 1
        if at - 1 - before <= escapes:
            return at
    return len(text)


def map_strings(value: object, change: Callable[[str], str]) -> Any:
    """Return a copy of JSON-able ``value`` with each of its strings changed, keys included."""
    holder: list[Any] = [value]
    todo: list[tuple[Any, Any]] = [(holder, 0)]
    while todo:
        parent, at = todo.pop()
        found = parent[at]
        if isinstance(found, str):
            parent[at] = change(found)
        elif isinstance(found, dict):
            parent[at] = copy = {change(key) if isinstance(key, str) else key: item for key, item in found.items()}
            todo.extend((copy, key) for key in copy)
        elif isinstance(found, (list, tuple)):
            parent[at] = items = list(found)
            todo.extend((items, place) for place in range(len(items)))
    return holder[0]


def _words(key: object) -> Iterator[str]:
    """Return what a key of described JSON says: a text, the name or value of an enum's member, bytes."""
    if isinstance(key, str):
        yield key
    elif isinstance(key, dict):
        for member in ("$value", "$ref"):
            if isinstance(word := key.get(member), str):
                yield word
                yield word.rpartition(".")[2]
        if isinstance(data := key.get("$bytes"), str):
            try:
                yield base64.b64decode(data).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return


def redact_keys(patterns: Iterable[str]) -> KeyRedactor:
    """Return a hook that hides what stands under a key: ``redact_keys(["password", "*token*"])``.

    Patterns ignore case; ``*`` and ``?`` are wildcards. A key is a key of a mapping (text, bytes, or a member of an
    enum by the value or name that was stored), an attribute of an object, the first of two items, the ``name`` beside
    a ``value``, the key of a published event or of a workflow's attribute, and what is written as ``key=value`` or
    ``"key": value`` within a text.

    What stands under no key cannot be found: positional arguments of workflows and exceptions, fields of named tuples
    and of frozen dataclasses with slots (their pickles hold no names), and words in a sentence. To hide all positional
    arguments, hide ``args``.

    ::

        create_blueprint("sqlite:///app.sqlite", redact=redact_keys(["password", "*token*", "card*"]))
        OTelBridge("sqlite:///app.sqlite", redact=redact_keys(["password", "*token*", "card*"]))
    """
    return KeyRedactor(patterns)
