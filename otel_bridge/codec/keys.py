"""What the keys of mappings say: as text for people, and as words that a redactor compares. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from otel_bridge.codec import known
from otel_bridge.codec.nodes import CutBytes, CutText, Global, Instance, Mapping, Sequence
from otel_bridge.codec.redaction import NAME_MEMBERS, VALUE_MEMBERS, KeyRedactor

_MAX_PARTS = 8


def as_text(key: object) -> str | None:
    """Return a key as text, or None where it has none that people would write."""
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, (bool, float)):
        return str(key)
    if isinstance(key, int):
        return known.digits(key)
    if isinstance(key, CutText):
        return key.text
    if isinstance(key, Instance):
        return known.as_text(key)
    return None


def need_pairs(pairs: list[tuple[Any, Any]], names: list[str | None]) -> bool:
    """True where keys have no text, or two different ones read the same, as ``1`` and ``"1"``."""
    if all(isinstance(key, str) for key, _ in pairs):
        return False
    return None in names or len(set(names)) < len(names)


def is_hidden(key: object, redactor: KeyRedactor) -> bool:
    """True when what stands under this key is to be hidden, whatever kind of key it is.

    A key that is itself cut may have said anything, so it hides.
    """
    return any(word is None or redactor.hides(word) for word in _words(key))


def _words(key: object) -> Iterator[str | None]:
    """Return every word that a key consists of; None for one that is cut."""
    if isinstance(key, str):
        yield key
    elif isinstance(key, bytes):
        yield key.decode("utf-8", "replace")
    elif isinstance(key, (CutText, CutBytes)):
        yield None
    elif isinstance(key, Global):
        yield key.name
        yield key.name.rpartition(".")[2]
    elif isinstance(key, Sequence):
        for part in key.items[:_MAX_PARTS]:
            if not isinstance(part, (Sequence, Instance)):
                yield from _words(part)
    elif isinstance(key, Instance):
        yield from _words_of(key)
    elif key is None or isinstance(key, (bool, int, float)):
        yield as_text(key)


def _words_of(key: Instance) -> Iterator[str | None]:
    """An enum's member by name or by value, a text-like object, or an object made of words."""
    text, member = known.as_text(key), known.member_name(key)
    if text is not None:
        yield text
    if member is not None:
        yield member.rpartition(".")[2]
    state = key.state.pairs if isinstance(key.state, Mapping) else []
    for part in [*key.args[:_MAX_PARTS], *(value for _, value in state[:_MAX_PARTS])]:
        if isinstance(part, (str, bytes, CutText, CutBytes)):
            yield from _words(part)


def names_value(pairs: list[tuple[Any, Any]], redactor: KeyRedactor) -> bool:
    """True for ``{"name": "password", "value": ...}``: the value stands under the name beside it."""
    if not any(key in VALUE_MEMBERS for key, _ in pairs if isinstance(key, str)):
        return False
    return any(is_hidden(value, redactor) for key, value in pairs if isinstance(key, str) and key in NAME_MEMBERS)
