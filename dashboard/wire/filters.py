"""The filter of the run list: query parameters -> ``RunQuery``, and the same filter over one run. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast, get_args

from pydantic import Field, field_validator, model_validator

from dashboard.wire.base import Query, parse_time
from dashboard.wire.convert import lasted_ms, tags_of
from otel_bridge.model.runs import AttributeFilter, Run, RunQuery
from otel_bridge.model.status import RunStatus

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte"]
MAX_LIMIT = 500
MAX_OFFSET = 1_000


class RunFilter(Query):
    """The filter of ``GET runs``, without its page. Several statuses mean any of them; several tags or attrs, all."""

    status: list[RunStatus] = Field(default_factory=list, description="Any of these statuses.")
    workflow: str | None = Field(None, description="Exact name of the workflow.")
    q: str | None = Field(None, description="Prefix of the run id, or part of the workflow's name.")
    queue: str | None = None
    executor: str | None = None
    version: str | None = None
    tag: list[str] = Field(default_factory=list, description="Has all of these tags.")
    attr: list[str] = Field(default_factory=list, description="key:op:value with op eq, ne, gt, gte, lt or lte.")
    since: str | None = Field(None, description="Created at or after: ISO 8601 or Unix milliseconds.")
    until: str | None = Field(None, description="Created before: ISO 8601 or Unix milliseconds.")
    parent: str | None = Field(None, description="Started by this run.")
    namespace: str | None = Field(None, description="The application.")
    app: str | None = Field(None, description="Alias of namespace.")
    min_duration_ms: int | None = Field(None, ge=0, le=2**53)
    origin: str | None = Field(None, description="Accepted for other control planes' clients; matches no run.")
    unattributed: bool | None = Field(None, description="Accepted for other control planes' clients; matches all.")

    @field_validator("since", "until")
    @classmethod
    def _is_time(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_time(value)
            except (ValueError, OverflowError) as error:
                raise ValueError("is neither ISO 8601 nor Unix milliseconds") from error
        return value

    @field_validator("attr")
    @classmethod
    def _is_attribute(cls, values: list[str]) -> list[str]:
        for value in values:
            attribute_filter(value)
        return values

    @model_validator(mode="after")
    def _one_name_for_the_application(self) -> RunFilter:
        if self.app is not None and self.namespace not in (None, self.app):
            raise ValueError("app is an alias of namespace; give one of them")
        return self

    @property
    def matches_nothing(self) -> bool:
        """True when the filter asks for what no run of ours has: an origin."""
        return self.origin is not None

    def to_query(self, **page: Any) -> RunQuery:
        """Return the store's query; ``page`` holds its limit, cursor and offset."""
        return RunQuery(
            statuses=frozenset(self.status),
            workflow=self.workflow,
            text=self.q or None,
            queue=self.queue,
            executor=self.executor,
            version=self.version,
            tags=tuple(self.tag),
            attributes=tuple(attribute_filter(value) for value in self.attr),
            since_ms=None if self.since is None else parse_time(self.since),
            until_ms=None if self.until is None else parse_time(self.until),
            parent_id=self.parent,
            namespace=self.namespace if self.app is None else self.app,
            min_duration_ms=self.min_duration_ms,
            **page,
        )


class RunsQuery(RunFilter):
    """The filter and one page of it."""

    limit: int = Field(50, ge=1, le=MAX_LIMIT)
    cursor: str | None = Field(None, description="From the Link header of the page before.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Small offsets only; prefer following Link.")


class FacetsQuery(RunFilter):
    """The filter, and whether to count by workflow too."""

    by: Literal["status", "workflow"] = Field("status", description="Count by status, or by status and workflow.")


class RunStreamQuery(Query):
    """Where a run's stream goes on."""

    last_event_id: int | None = Field(None, ge=0, le=2**63 - 1)


class ListStreamQuery(RunFilter):
    """The filter of the list's stream, and where it goes on."""

    last_event_id: int | None = Field(None, ge=0, le=2**63 - 1)
    limit: int = Field(50, ge=1, le=MAX_LIMIT, description="Rows of the snapshot.")


def attribute_filter(text: str) -> AttributeFilter:
    """Return ``key:op:value`` as a filter. The value may hold colons; so may the key.

    Raises:
        ValueError: there is no operator in it.
    """
    for op in get_args(Operator):
        key, found, value = text.partition(f":{op}:")
        if found and key:
            return AttributeFilter(key, cast(Operator, op), value)
    raise ValueError("must read key:op:value with op one of eq, ne, gt, gte, lt, lte")


def matches(run: Run, query: RunQuery, *, any_status: bool = False) -> bool:
    """Say whether a run passes a filter (the page of it aside). ``any_status`` leaves its statuses out."""
    return (
        (any_status or not query.statuses or run.status in query.statuses)
        and query.workflow in (None, run.workflow)
        and query.queue in (None, run.queue)
        and query.executor in (None, run.executor)
        and query.version in (None, run.workflow_version)
        and query.parent_id in (None, run.parent_id)
        and query.namespace in (None, run.namespace)
        and (query.text is None or _has_text(run, query.text))
        and (query.since_ms is None or run.created_at_ms >= query.since_ms)
        and (query.until_ms is None or run.created_at_ms < query.until_ms)
        and (query.min_duration_ms is None or _lasted(run, query.min_duration_ms))
        and _has_all(tags_of(run.attributes), query.tags)
        and all(_attribute_matches(run.attributes, wanted) for wanted in query.attributes)
    )


def _has_text(run: Run, text: str) -> bool:
    return run.id.startswith(text) or text.lower() in run.workflow.lower()


def _lasted(run: Run, at_least_ms: int) -> bool:
    return run.status not in ("pending", "blocked") and lasted_ms(run) >= at_least_ms


def _has_all(tags: Iterable[str], wanted: Iterable[str]) -> bool:
    return set(wanted) <= set(tags)


def _attribute_matches(attributes: Mapping[str, Any], wanted: AttributeFilter) -> bool:
    if wanted.key not in attributes:
        return False
    value = attributes[wanted.key]
    if isinstance(value, bool) or value is None:
        value = {True: "true", False: "false", None: "null"}[value]
    try:
        left: Any = float(value)
        right: Any = float(wanted.value)
    except (TypeError, ValueError):
        left, right = str(value), wanted.value
    if wanted.op == "eq":
        return bool(left == right)
    if wanted.op == "ne":
        return bool(left != right)
    if wanted.op in ("gt", "gte"):
        return bool(left > right or (wanted.op == "gte" and left == right))
    return bool(left < right or (wanted.op == "lte" and left == right))
