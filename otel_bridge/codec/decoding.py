"""Stored values for people: decoded, redacted, masked. Pure but for the budget's clock and what the user hands in."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from otel_bridge.codec.arguments import arguments_of
from otel_bridge.codec.describe import Describer
from otel_bridge.codec.errors import MAX_MESSAGE, DecodedError, ErrorReader, cut
from otel_bridge.codec.limits import MESSAGE, PREVIEW, Budget, Limits
from otel_bridge.codec.masking import mask_text
from otel_bridge.codec.reading import Read, Unread, is_cut, label_of, read
from otel_bridge.codec.redaction import REDACTED, WITHHELD, KeyRedactor, Redact, map_strings
from otel_bridge.codec.serializers import ENGINE_FORMATS, Serializer, checked, reads
from otel_bridge.model.values import StoredValue, text_of

log = logging.getLogger(__name__)

_TOO_DEEP = (RecursionError, MemoryError)
"""What a host that is almost out of stack or memory may see. What they interrupt is shown as it was stored."""
_PROBE = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """A stored value for people.

    Args:
        json: JSON-able data; see ``describe`` for members that begin with ``$``.
        format: what it was read as: the engine's name of the format, or ``json``, ``text``.
        complete: ``json`` shows all of it.
        truncated: something was left out, by the reader's cap or by the limits.
        problem: a sentence about what went wrong, or None.
        raw: ``json`` is the stored text, for it could not be decoded.
        plain: ``json`` is the value itself, whole: written as JSON it would be the same.
    """

    json: Any
    format: str
    complete: bool
    truncated: bool
    problem: str | None = None
    raw: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """How stored values are shown in one place: what is hidden of them, and who else reads them.

    Args:
        redact: what hides secrets. ``redact_keys`` sees the keys as they were stored; any other callable is given the
            decoded JSON, and what it returns is shown. A callable that raises hides the value.
        serializer: the application's own DBOS serializer; see ``Serializer`` for what using one means.
        shows_tokens: leave our own webhook tokens legible: for operators, who may answer a wait anyway.

    Raises:
        ConfigurationError: ``serializer`` is not a serializer.

    ::

        codec = Codec(redact=redact_keys(["password"]))
        codec.decode(value).json  # {"user": "ann", "password": "[redacted]"}
    """

    redact: Redact | None = None
    serializer: Serializer | None = None
    shows_tokens: bool = False

    def __post_init__(self) -> None:
        checked(self.serializer)

    def decode(self, value: StoredValue, *, limits: Limits = PREVIEW) -> Decoded:
        """Return a stored value as JSON for people. Never raises."""
        return self._decode(value, limits, arguments=False)

    def decode_input(self, value: StoredValue, *, limits: Limits = PREVIEW) -> Decoded:
        """Return a run's input as ``{"args": [...], "kwargs": {...}}``, whichever language wrote it. Never raises."""
        return self._decode(value, limits, arguments=True)

    def decode_published(self, key: str, value: StoredValue, *, limits: Limits = PREVIEW) -> Decoded:
        """Return what a run published under ``key``, which names the value as a key of a mapping would."""
        if isinstance(self.redact, KeyRedactor):
            shown = self.decode(value, limits=limits)
            return replace(shown, json=REDACTED) if self.redact.hides(key) else shown
        shown = replace(self, redact=None).decode(value, limits=limits)
        return shown if self.redact is None else replace(shown, json=self._under(key, shown.json))

    def decode_error(self, value: StoredValue, *, limits: Limits = MESSAGE) -> DecodedError:
        """Return a stored error as message, type, code and stack. Never raises.

        ``redact`` sees the error's structured arguments before they become a text, and then the whole as
        ``{"message", "type"?, "code"?, "stack"?}``. With it, an error that could not be decoded is withheld.
        """
        text = text_of(value.text)
        try:
            budget = Budget(limits, len(text))
            found = read(text, value.serialization, budget, serializer=self.serializer, cut=is_cut(text, value))
            if isinstance(found, Read):
                redact = self.redact if self.redact is None or isinstance(self.redact, KeyRedactor) else self._redacted
                return self._redacted_error(ErrorReader(self._describer(budget), redact).read(found.value))
        except _TOO_DEEP:
            pass
        if self.redact is not None:
            return DecodedError(message=WITHHELD)
        return DecodedError(message=cut(self._describer(Budget(limits, 0)).text(text), MAX_MESSAGE))

    def show_members(self, members: Mapping[str, object]) -> dict[str, Any]:
        """Return JSON that is not a stored value, such as a run's attributes, as it may be shown."""
        shown = dict(members) if self.redact is None else self._redacted(dict(members))
        shown = shown if self.shows_tokens else map_strings(shown, mask_text)
        return shown if isinstance(shown, dict) else dict.fromkeys(members, REDACTED)

    def hides(self, key: str) -> bool:
        """True when nothing that stands under ``key`` is shown, so nothing may be asked about it either."""
        if isinstance(self.redact, KeyRedactor):
            return self.redact.hides(key)
        return self.redact is not None and self._under(key, _PROBE) != _PROBE

    def needs_all_of(self, value: StoredValue) -> bool:
        """True when only the beginning of a value was read, and its serializer can do nothing with that."""
        return is_cut(text_of(value.text), value) and reads(self.serializer, value.serialization)

    # -- how ------------------------------------------------------------------------------------------------------

    def _describer(self, budget: Budget) -> Describer:
        redactor = self.redact if isinstance(self.redact, KeyRedactor) else None
        return Describer(budget, redactor, mask_tokens=not self.shows_tokens)

    def _decode(self, value: StoredValue, limits: Limits, *, arguments: bool) -> Decoded:
        text = text_of(value.text)
        was_cut = is_cut(text, value)
        problem: str | None = None
        try:
            budget = Budget(limits, len(text))
            found = read(text, value.serialization, budget, serializer=self.serializer, cut=was_cut)
            if isinstance(found, Read):
                node = arguments_of(found.value) if arguments else found.value
                shown = self._describer(budget).json(node)
                return self._read_value(shown, found, budget, was_cut=was_cut)
            problem = found.problem if isinstance(found, Unread) else None
        except _TOO_DEEP:
            pass
        return self._raw(text, value.serialization, limits, was_cut, problem)

    def _read_value(self, shown: object, found: Read, budget: Budget, *, was_cut: bool) -> Decoded:
        truncated = was_cut or budget.cut
        json = shown if self.redact is None or isinstance(self.redact, KeyRedactor) else self._redacted(shown)
        return Decoded(
            json=json,
            format=found.format,
            complete=not truncated and found.problem is None,
            truncated=truncated,
            problem=None if truncated else found.problem,  # of a cut value it was to be expected
            plain=not (truncated or found.problem or budget.altered) and json == shown,
        )

    def _raw(self, text: str, name: object, limits: Limits, was_cut: bool, problem: str | None) -> Decoded:
        label = label_of(name)
        budget = Budget(replace(limits, max_string=limits.max_raw), len(text))
        if isinstance(self.redact, KeyRedactor):
            shown: Any = WITHHELD
        else:
            shown = self._describer(budget).text(text)
            shown = shown if self.redact is None else self._redacted(shown)
        if problem is None:
            problem = (
                f"The value could not be read as {label}; it is shown as stored."
                if label in ENGINE_FORMATS
                else f"The format {label or 'of this value'!r} is not known; it is shown as stored."
            )
        return Decoded(
            json=shown,
            format=label or "text",
            complete=False,
            truncated=was_cut or budget.cut,
            problem=problem,
            raw=True,
        )

    def _redacted(self, shown: object) -> Any:
        """Pass JSON through the hook; one that raises hides what it was given."""
        if self.redact is None:
            return shown
        try:
            return self.redact(shown)
        except Exception:
            log.exception("The redact hook failed, so the value is withheld.")
            return "[withheld: the redact hook failed; see the log]"

    def _under(self, key: str, shown: object) -> Any:
        """Pass JSON that stands under a key through the hook."""
        redacted = self._redacted({key: shown})
        return redacted.get(key, REDACTED) if isinstance(redacted, dict) else redacted

    def _redacted_error(self, error: DecodedError) -> DecodedError:
        if self.redact is None:
            return error
        members = {"message": error.message, "type": error.type, "code": error.code, "stack": error.stack}
        shown = self._redacted({key: value for key, value in members.items() if value is not None})
        if not isinstance(shown, dict):
            return DecodedError(message=text_of(shown))
        code = shown.get("code")
        return DecodedError(
            message=text_of(shown.get("message")),
            type=text_of(shown.get("type")) or None,
            code=code if isinstance(code, int) else text_of(code) or None,
            stack=text_of(shown.get("stack")) or None,
        )


def decode(
    value: StoredValue,
    *,
    limits: Limits = PREVIEW,
    redact: Redact | None = None,
    serializer: Serializer | None = None,
) -> Decoded:
    """Return a stored value as JSON for people. Never raises; see ``Codec``.

    ::

        decode(value, redact=redact_keys(["password"])).json  # {"user": "ann", "password": "[redacted]"}
    """
    return Codec(redact=redact, serializer=serializer, shows_tokens=True).decode(value, limits=limits)


def decode_input(
    value: StoredValue,
    *,
    limits: Limits = PREVIEW,
    redact: Redact | None = None,
    serializer: Serializer | None = None,
) -> Decoded:
    """Return a run's input as ``{"args": [...], "kwargs": {...}}``, whichever language wrote it. Never raises."""
    return Codec(redact=redact, serializer=serializer, shows_tokens=True).decode_input(value, limits=limits)


def decode_error(
    value: StoredValue,
    *,
    limits: Limits = MESSAGE,
    redact: Redact | None = None,
    serializer: Serializer | None = None,
) -> DecodedError:
    """Return a stored error as message, type, code and stack. Never raises; see ``Codec.decode_error``."""
    return Codec(redact=redact, serializer=serializer, shows_tokens=True).decode_error(value, limits=limits)
