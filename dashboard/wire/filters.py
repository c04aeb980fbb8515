"""The filter of the run list: query parameters -> ``RunQuery``. Pure. What the filters mean: ``model.matching``."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, cast, get_args

from pydantic import AfterValidator, Field, ValidationInfo, field_validator
from typing_extensions import Self

from dashboard.wire.base import EARLIEST_MS, Query, at_most, iso, parse_time
from otel_bridge.model.names import bulk_run_id
from otel_bridge.model.runs import AttributeFilter, BulkPart, Grid, RunQuery
from otel_bridge.model.status import RUN_STATUSES, RunStatus

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte"]
MAX_LIMIT = 500


MAX_TEXT_CHARS = 1_000
MAX_REPEATS = 50
MAX_NUMBER = 2**53
"""What every database and every reader of JSON holds."""
Text = Annotated[str, Field(max_length=MAX_TEXT_CHARS)]
Limit = Annotated[
    int, Field(ge=1, description=f"At most {MAX_LIMIT}: a larger number is taken for that."), at_most(MAX_LIMIT)
]


def params_of(query: RunQuery) -> dict[str, str | int | list[str]]:
    """Return a filter as query parameters of ``GET runs``: what ``RunFilter.to_query`` reads, back again.

    Example:
        >>> params_of(RunQuery(statuses=frozenset({"failed"}), queue="mail"))
        {'status': ['failed'], 'queue': 'mail'}
    """
    given: dict[str, str | int | list[str] | None] = {
        "status": [status for status in RUN_STATUSES if status in query.statuses],
        "workflow": query.workflow,
        "q": query.text if query.run_id is None else query.run_id,
        "queue": query.queue,
        "executor": query.executor,
        "version": query.version,
        "tag": list(query.tags),
        "attr": [f"{one.key}:{one.op}:{one.value}" for one in query.attributes],
        "since": iso(query.since_ms),
        "until": iso(query.until_ms),
        "parent": query.parent_id,
        "namespace": query.namespace,
        "minDurationMs": query.min_duration_ms,
        "error": query.error,
        "bulk": query.bulk,
        "bulkPart": query.bulk_part,
        "origin": "nowhere" if query.nothing else None,
    }
    return {name: value for name, value in given.items() if value is not None and value != []}


def _time(text: str) -> str:
    try:
        parse_time(text)
    except ValueError as error:
        raise ValueError(str(error)) from error
    return text


Time = Annotated[str, Field(max_length=MAX_TEXT_CHARS), AfterValidator(_time)]
"""Kept as given, so that the answer to a malformed one can name it; ``parse_time`` reads it."""


class RunFilter(Query):
    """The filter of ``GET runs``, without its page. Several statuses mean any of them; several tags or attrs, all."""

    status: list[RunStatus] = Field(default_factory=list, max_length=MAX_REPEATS, description="Any of these statuses.")
    workflow: Text | None = Field(None, description="Exact name of the workflow.")
    q: Text | None = Field(
        None,
        description="Prefix of the run id, or part of the workflow's name (A to Z in either case), or a trace id.",
    )
    queue: Text | None = Field(None, description="Exact name; empty: runs without a queue. Likewise the others.")
    executor: Text | None = None
    version: Text | None = None
    tag: list[Text] = Field(default_factory=list, max_length=MAX_REPEATS, description="Has all of these tags.")
    attr: list[Text] = Field(
        default_factory=list,
        max_length=MAX_REPEATS,
        description="key:op:value with op eq, ne, gt, gte, lt or lte: as numbers where both are, else as text.",
    )
    since: Time | None = Field(None, description="Created at or after: ISO 8601 or Unix milliseconds.")
    until: Time | None = Field(None, description="Created before: ISO 8601 or Unix milliseconds.")
    parent: Text | None = Field(None, description="Started by this run; empty: by none.")
    namespace: Text | None = Field(None, description="The application.")
    app: Text | None = Field(None, description="Alias of namespace.")
    min_duration_ms: int | None = Field(
        None, ge=0, le=MAX_NUMBER, description="Lasted as long from its start, or lasts so while it is open."
    )
    error: Text | None = Field(None, description="A fingerprint: the last error that the run died of. See errors.")
    bulk: Text | None = Field(None, description="The id of a bulk action that came to the run.")
    bulk_part: BulkPart | None = Field(
        None, description="With bulk: what it did with the run, and how the run stands since. See bulk/{bulkId}."
    )
    origin: Text | None = Field(None, description="Accepted for other control planes' clients; matches no run.")
    unattributed: bool | None = Field(None, description="Accepted for other control planes' clients; matches all.")

    @field_validator("attr")
    @classmethod
    def _is_attribute(cls, values: list[str]) -> list[str]:
        for value in values:
            attribute_filter(value)
        return values

    @field_validator("bulk_part")
    @classmethod
    def _is_of_a_bulk(cls, part: BulkPart | None, info: ValidationInfo) -> BulkPart | None:
        if part is not None and info.data.get("bulk") is None:
            raise ValueError("is a part of a bulk action; give bulk as well")
        return part

    @field_validator("app")
    @classmethod
    def _one_name_for_the_application(cls, app: str | None, info: ValidationInfo) -> str | None:
        if app is not None and info.data.get("namespace") not in (None, app):
            raise ValueError("is an alias of namespace; give one of them")
        return app

    def matching_nothing(self) -> Self:
        """Return the same filter, which no run passes."""
        return self.model_copy(update={"origin": "nowhere"})

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
            error=self.error,
            bulk=None if self.bulk is None else bulk_run_id(self.bulk),
            bulk_part=self.bulk_part,
            nothing=self.origin is not None,  # no run of ours has an origin
            **page,
        )


class RunsQuery(RunFilter):
    """The filter and one page of it."""

    limit: Limit = 50
    cursor: str | None = Field(None, max_length=8_000, description="From the Link header of the page before.")
    offset: Annotated[int, Field(ge=0, description="Runs to skip; following Link costs less."), at_most(MAX_NUMBER)] = 0


class FacetsQuery(RunFilter):
    """The filter, and whether to count by workflow too."""

    by: Literal["status", "workflow"] = Field("status", description="Count by status, or by status and workflow.")
    exact: bool = Field(False, description="Count to the last run, however long it takes.")


MAX_BUCKETS = 500
DAY_MS = 86_400_000


class ActivityQuery(RunFilter):
    """The filter, its time cut into buckets. Without ``since``: a day. Without ``until``: up to now."""

    buckets: Annotated[int, Field(ge=1, description=f"At most {MAX_BUCKETS}."), at_most(MAX_BUCKETS)] = 60

    @field_validator("until")
    @classmethod
    def _is_later(cls, until: str | None, info: ValidationInfo) -> str | None:
        since = info.data.get("since")
        if since is not None and until is not None and parse_time(since) >= parse_time(until):
            raise ValueError("must be later than since")
        return until

    def grid(self, now_ms: int) -> Grid:
        """Return the time that is asked about, in its parts.

        Up to now, the parts stay where they are as time continues: they begin at multiples of their width.

        Raises:
            ValueError: it begins in the future.
        """
        since_ms = None if self.since is None else parse_time(self.since)
        if self.until is not None:
            until_ms = parse_time(self.until)
            if since_ms is None:
                since_ms = max(EARLIEST_MS, until_ms - DAY_MS)
            return Grid.of(since_ms, until_ms, self.buckets)
        if since_ms is not None:
            if since_ms > now_ms:
                raise ValueError("is later than now; give until as well")
            return Grid.of(since_ms, now_ms + 1, self.buckets)
        width_ms = max(1, DAY_MS // self.buckets)
        until_ms = (now_ms // width_ms + 1) * width_ms
        return Grid(until_ms - self.buckets * width_ms, until_ms, width_ms)


class RunStreamQuery(Query):
    """Where a run's stream continues."""

    last_event_id: int | None = Field(None, ge=0, le=2**63 - 1)
    fold: bool = Field(False, description="The snapshot is folded, as by `runs/{id}?fold=true`, with 200 children.")


class ListStreamQuery(RunFilter):
    """The filter of the list's stream, and where it continues."""

    last_event_id: int | None = Field(None, ge=0, le=2**63 - 1)
    limit: Limit = 50
    """Rows of the snapshot."""


_OPERATOR = re.compile(f":({'|'.join(get_args(Operator))}):")


def attribute_filter(text: str) -> AttributeFilter:
    """Return ``key:op:value`` as a filter, cut at the first operator: the value may hold anything, the key colons too.

    Raises:
        ValueError: there is no operator in it, or no key before it.

    Example:
        >>> attribute_filter("a:gt:b:eq:c")
        AttributeFilter(key='a', op='gt', value='b:eq:c')
    """
    found = _OPERATOR.search(text)
    if found is None or found.start() == 0:
        raise ValueError("must read key:op:value with op one of eq, ne, gt, gte, lt, lte")
    return AttributeFilter(text[: found.start()], cast(Operator, found.group(1)), text[found.end() :])
