"""A request and how its answer is read: what a method of the clients is made of. Pure; ``connection`` sends it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, Final, Generic, Literal, TypeVar, cast
from urllib.parse import parse_qs, quote, unquote, urlsplit

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from dashboard.client.errors import MalformedRequestError
from dashboard.client.results import M, Rows, RunListPage
from dashboard.wire.base import Json
from dashboard.wire.ids import hex_segment, looks_hex
from dashboard.wire.runs import RunRow
from otel_bridge.model.moments import iso, parse_moment
from otel_bridge.model.runs import BulkPart
from otel_bridge.model.status import RunStatus

T = TypeVar("T")
Method = Literal["GET", "POST"]
Params = list[tuple[str, str | int | float | bool | None]]
"""A query string, of the types that httpx takes."""


class RunFilter(TypedDict, total=False):
    """The filter of a run listing. Several statuses mean any of them; several tags or attributes, all.

    ``attr`` is ``key:op:value`` with op eq, ne, gt, gte, lt or lte; times are datetimes or ISO 8601.
    """

    status: RunStatus | Iterable[RunStatus]
    workflow: str
    q: str
    queue: str
    executor: str
    version: str
    tag: str | Iterable[str]
    attr: str | Iterable[str]
    since: datetime | str
    until: datetime | str
    parent: str
    namespace: str
    min_duration_ms: int
    error: str
    bulk: str
    bulk_part: BulkPart


_LISTS = frozenset({"status", "tag", "attr"})


@dataclass(frozen=True)
class Answer:
    """What came back, less the transport."""

    json: Json
    headers: Mapping[str, str]
    text: str


class _NoBody:
    """``None`` is a message like any other, so it cannot say that there is no body."""


NO_BODY: Final = _NoBody()


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request, and how to read its answer.

    Args:
        path: below ``<base>/api/``, quoted: see ``path_of``.
        read: the answer's type, or a function of the ``Answer``.
        body: sent as JSON; see ``members`` for an object.
        redirects: the answer is a redirect, which ``read`` looks at and nobody follows.

    Example::

        Call("GET", path_of("runs", run_id), RunDetail)
    """

    method: Method
    path: str
    read: type[T] | Callable[[Answer], T]
    query: Params = field(default_factory=list)
    body: Json = NO_BODY
    headers: Mapping[str, str] = field(default_factory=dict)
    redirects: bool = False

    def parse(self, answer: Answer) -> T:
        """Return the answer as its type.

        Raises:
            ValueError: it is not of that type.
        """
        if inspect.isfunction(self.read):
            return cast("T", self.read(answer))
        return cast("T", adapter(cast("Any", self.read)).validate_python(answer.json))


@lru_cache(maxsize=256)
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the validator of a type. Kept, because making one costs more than using it."""
    return TypeAdapter(kind)


# -- parts of a request -------------------------------------------------------------------------------------------


def path_of(*parts: str | int) -> str:
    """Return a path below ``<base>/api/``: each part quoted, so that a slash in an id does not separate parts.

    A run id that no path may hold goes as hex, which every route of a run reads.

    Raises:
        MalformedRequestError: a part is empty, which would lead to another route.
    """
    if "" in parts:
        raise MalformedRequestError(f"An id or a name is empty in {'/'.join(map(repr, parts))}.")
    segments = [_quoted(str(part)) for part in parts]
    if parts[0] == "runs" and len(parts) > 1 and not _fits_a_path(str(parts[1])):
        segments[1] = hex_segment(str(parts[1]))
    return "/".join(segments)


def _fits_a_path(id_: str) -> bool:
    """Say whether a path may hold an id; such a path is refused where proxies would resolve it, or end a line in it.

    >>> _fits_a_path("x/stream"), _fits_a_path("a/../b"), _fits_a_path("two\\nlines"), _fits_a_path("by-id")
    (True, False, False, False)
    """
    is_route = id_ in ("by-id", "facets")
    has_dots = not {".", ".."}.isdisjoint(re.split(r"[/\\\\]", id_))
    return not (is_route or has_dots or looks_hex(id_)) and id_.isprintable()


def _quoted(part: str) -> str:
    """Return one part of a path. ``.`` and ``..`` are spelt out, or transports would resolve them."""
    return part.replace(".", "%2E") if part in (".", "..") else quote(part, safe=":", errors="backslashreplace")


def query_of(**values: Any) -> Params:
    """Return parameters as pairs: camelCase, None left out, lists repeated."""
    pairs: Params = []
    for name, value in values.items():
        many = isinstance(value, Iterable) and not isinstance(value, str)
        pairs += [(_camel(name), _text(item)) for item in (value if many else [value]) if item is not None]
    return pairs


def members(**values: Json) -> dict[str, Json]:
    """Return the members of a body: camelCase, None left out."""
    return {_camel(name): value for name, value in values.items() if value is not None}


def body_of(filters: RunFilter) -> dict[str, Json]:
    """Return a filter as a body says it: its lists as lists, though one value of them is given.

    >>> body_of({"status": "failed", "min_duration_ms": 5})
    {'status': ['failed'], 'minDurationMs': 5}
    """
    body: dict[str, Json] = {}
    for name, value in filters.items():
        if name in _LISTS:
            body[_camel(name)] = [value] if isinstance(value, str) else list(cast(Iterable[str], value))
        else:
            body[_camel(name)] = value if isinstance(value, int) else _text(value)
    return body


def filter_of(view: Mapping[str, Json]) -> RunFilter:
    """Return the filter of a saved view as ``list_runs`` takes it: spans before now are resolved.

    >>> filter_of({"status": ["failed"], "minDurationMs": 5})
    {'status': ['failed'], 'min_duration_ms': 5}
    """
    found = {re.sub(r"[A-Z]", lambda match: f"_{match.group().lower()}", name): value for name, value in view.items()}
    for name in ("since", "until"):
        if isinstance(found.get(name), str):
            found[name] = iso(parse_moment(found[name]))
    return cast(RunFilter, {name: value for name, value in found.items() if name in RunFilter.__annotations__})


def once(idempotency_key: str | None) -> dict[str, str]:
    """Return the header that makes a repeated message one message."""
    return {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return str(value).encode("utf-8", "backslashreplace").decode()  # bytes of a command line that are not UTF-8


def _camel(name: str) -> str:
    return re.sub(r"_(\w)", lambda match: match.group(1).upper(), name)


# -- readers of an answer -----------------------------------------------------------------------------------------


def as_json(answer: Answer) -> Json:
    """Return a payload."""
    return answer.json


def as_text(answer: Answer) -> str:
    """Return text."""
    return answer.text


def rows_of(kind: type[M]) -> Callable[[Answer], Rows[M]]:
    """Return the reader of a list of ``kind``."""

    def read(answer: Answer) -> Rows[M]:
        return Rows(kind, adapter(list[kind]).validate_python(answer.json))  # type: ignore[valid-type]

    return read


def as_page(answer: Answer) -> RunListPage:
    """Return one page of runs; the Link header leads to the next."""
    found = re.search(r'<([^>]+)>;\s*rel="next"', answer.headers.get("Link", ""))
    cursor = parse_qs(urlsplit(found.group(1)).query).get("cursor", [None])[0] if found else None
    return RunListPage(rows_of(RunRow)(answer), cursor)


def as_run_id(answer: Answer) -> str:
    """Return the id of the run to whose page a redirect leads."""
    return unquote(urlsplit(answer.headers["Location"]).path.rpartition("/runs/")[2])
