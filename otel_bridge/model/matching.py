"""The filter of a run listing, over one run. Pure: the time is an argument.

``otel_bridge.store.sql.conditions`` says the same in SQL, for SQLite and Postgres; a differential test holds the three
together. The meaning of each filter is decided here:

- A text filter (``workflow``, ``queue``, ``executor`` …) is exact. An empty one finds the runs that have none.
- ``text`` is a prefix of the run id, as written, or a part of the workflow's name, A to Z in either case.
- A tag is a string in the list that the attribute ``tags`` holds.
- An attribute that is missing, null, a list or an object never matches, whatever the operator. A number is compared
  as a number, in 64-bit floating point, with a filter that reads as one; with any other filter it is merely unequal.
  A string, or true and false as those words, is compared as text, by code point.
- Attributes that are not JSON (NaN and Infinity are not) match no filter on tags or attributes.
- ``error`` is the fingerprint of the last error that the run died of, whatever became of it since. The store does not
  know it: ``overlay_error`` lays it over runs.
- ``bulk`` is a bulk action that came to the run, ``bulk_part`` how the run stands since; ``overlay_bulks`` lays them
  over runs. A part without a bulk action filters nothing.
- ``min_duration_ms`` counts from the (last) start: to the end, or to now while the run is open. A run that waits to be
  picked up has not begun to last. A stopped run whose row forgot its start may have lasted since it was created, and
  is taken to have done so: what it waited, only the ledger knows.
"""

from __future__ import annotations

import math
import operator
import re
import string
from collections.abc import Callable, Mapping
from typing import Any

from otel_bridge.model.runs import AttributeFilter, Run, RunQuery

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LOWER = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
}


def number_of(text: str) -> float | None:
    """Return the number that a filter's value reads as, or None.

    Example:
        >>> number_of("10"), number_of("1e1"), number_of(" 10"), number_of("nan"), number_of("1e999")
        (10.0, 10.0, None, None, None)
    """
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def folded(text: str) -> str:
    """Return a text with A to Z in lower case and all else as it is: what every database can do alike."""
    return text.translate(_LOWER)


def matches(run: Run, query: RunQuery, *, now_ms: int, any_status: bool = False) -> bool:
    """Say whether a run passes a query's filter, its page aside.

    Args:
        run: as it is shown, with presence laid over it.
        now_ms: the store's clock: open runs last until now.
        any_status: leave the query's statuses out.
    """
    return (
        not query.nothing
        and (any_status or not query.statuses or run.status in query.statuses)
        and query.workflow in (None, run.workflow)
        and query.run_id in (None, run.id)
        and query.queue in (None, run.queue or "")
        and query.executor in (None, run.executor or "")
        and query.version in (None, run.workflow_version or "")
        and query.parent_id in (None, run.parent_id or "")
        and query.namespace in (None, run.namespace or "")
        and (query.error is None or (run.error is not None and run.error.fingerprint == query.error))
        and (query.bulk is None or (query.bulk, query.bulk_part) in run.bulk_parts)
        and (query.text is None or _has_text(run, query.text))
        and (query.since_ms is None or run.created_at_ms >= query.since_ms)
        and (query.until_ms is None or run.created_at_ms < query.until_ms)
        and (query.min_duration_ms is None or _has_lasted(run, query.min_duration_ms, now_ms))
        and (not (query.tags or query.attributes) or _attributes_match(run.attributes, query))
    )


def _has_text(run: Run, text: str) -> bool:
    return run.id.startswith(text) or folded(text) in folded(run.workflow)


def _has_lasted(run: Run, at_least_ms: int, now_ms: int) -> bool:
    if run.is_queued:
        return False
    began_ms = run.created_at_ms if run.started_at_ms is None else run.started_at_ms
    return (now_ms if run.finished_at_ms is None else run.finished_at_ms) - began_ms >= at_least_ms


def _attributes_match(attributes: Mapping[str, object], query: RunQuery) -> bool:
    tags = attributes.get("tags")
    has = {tag for tag in tags if isinstance(tag, str)} if isinstance(tags, list) else set()
    return (
        has.issuperset(query.tags)
        and all(_attribute_matches(attributes.get(wanted.key), wanted) for wanted in query.attributes)
        and _is_json(attributes)
    )


def _attribute_matches(value: object, wanted: AttributeFilter) -> bool:
    compare = _COMPARE[wanted.op]
    if isinstance(value, (bool, str)):
        return compare({True: "true", False: "false"}[value] if isinstance(value, bool) else value, wanted.value)
    if not isinstance(value, (int, float)):
        return False
    number = number_of(wanted.value)
    return wanted.op == "ne" if number is None else compare(_double(value), number)


def _double(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _is_json(value: object) -> bool:
    """Say whether what Python's parser accepted is JSON: it takes NaN and Infinity, which ``rows`` reads as NaN."""
    if isinstance(value, float):
        return not math.isnan(value)
    if isinstance(value, Mapping):
        return all(map(_is_json, value.values()))
    return all(map(_is_json, value)) if isinstance(value, list) else True
