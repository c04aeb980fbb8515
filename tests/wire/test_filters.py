"""The filter of the run list: the live stream's copy of it agrees with the store's."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.datastructures import MultiDict

from dashboard.errors import BadRequest
from dashboard.http.pipeline import parse_query
from dashboard.wire.base import iso, parse_time
from dashboard.wire.filters import RunsQuery, attribute_filter, matches
from otel_bridge.model.runs import Run

QUERIES = [
    {},
    {"status": ["failed", "cancelled"]},
    {"status": ["suspended"]},
    {"workflow": ["child"]},
    {"q": ["fan-1"]},
    {"q": ["ait"]},
    {"queue": ["children"]},
    {"executor": ["local"]},
    {"executor": ["nobody"]},
    {"version": ["v1"]},
    {"version": ["v2"]},
    {"parent": ["fan-1"]},
    {"namespace": ["shop"]},
    {"namespace": ["other"]},
    {"minDurationMs": ["1"]},
    {"minDurationMs": ["10000000"]},
    {"tag": ["none"]},
    {"attr": ["size:gt:3"]},
    {"since": ["2200-01-01"]},
    {"until": ["2200-01-01"]},
]


@pytest.mark.parametrize("given", QUERIES, ids=str)
def test_the_stream_filters_as_the_list_does(story_app: Flask, given: dict[str, list[str]]) -> None:
    """Whatever the filter, a run is in the stream exactly when the list would show it."""
    query = parse_query(MultiDict(given), RunsQuery).to_query(limit=500)
    store = story_app.extensions["durable"].services.store
    everything = store.list_runs(parse_query(MultiDict({}), RunsQuery).to_query(limit=500)).runs
    listed = {run.id for run in store.list_runs(query).runs}
    if "minDurationMs" in given:
        # The store measures open runs by its clock, the stream by when they were last heard of.
        everything = [run for run in everything if run.is_terminal]
        listed &= {run.id for run in everything}
    assert {run.id for run in everything if matches(run, query)} == listed


def run_with(**attributes: object) -> Run:
    """A run with attributes."""
    return Run(id="r", workflow="w", status="running", created_at_ms=0, updated_at_ms=0, attributes=attributes)


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("size:eq:3", 3, 4),
        ("size:ne:3", 4, 3),
        ("size:gt:3", 10, 3),
        ("size:gte:3", 3, 2.9),
        ("size:lt:3", -1, 3),
        ("size:lte:3", 3, 30),
        ("size:eq:large", "large", "small"),
        ("size:eq:true", True, False),
        ("size:gt:b", "c", "a"),
        ("size:eq:a:b", "a:b", "a"),
    ],
)
def test_attributes_compare_as_numbers_where_both_are(text: str, matching: object, other: object) -> None:
    """10 is more than 3, as a number and not as text."""
    query = parse_query(MultiDict({"attr": text}), RunsQuery).to_query()
    assert matches(run_with(size=matching), query)
    assert not matches(run_with(size=other), query)
    assert not matches(run_with(), query)


def test_an_attribute_filter_keeps_colons_of_its_value() -> None:
    """Only the operator parts key and value."""
    found = attribute_filter("url:eq:https://x:1/")
    assert (found.key, found.op, found.value) == ("url", "eq", "https://x:1/")


def test_tags_must_all_be_there() -> None:
    """Repeating a tag narrows."""
    query = parse_query(MultiDict([("tag", "a"), ("tag", "b")]), RunsQuery).to_query()
    assert matches(run_with(tags=["a", "b", "c"]), query)
    assert not matches(run_with(tags=["a"]), query)
    assert not matches(run_with(tags="ab"), query)


def test_two_names_for_the_application_must_agree() -> None:
    """``app`` is an alias of ``namespace``, not another filter."""
    assert parse_query(MultiDict({"app": "shop"}), RunsQuery).to_query().namespace == "shop"
    with pytest.raises(BadRequest, match="alias"):
        parse_query(MultiDict({"app": "a", "namespace": "b"}), RunsQuery)


@pytest.mark.parametrize(
    "text", ["2026-01-31T12:00:00Z", "2026-01-31T13:00:00+01:00", "2026-01-31T12:00:00", "1769860800000"]
)
def test_times_are_read_in_every_usual_form(text: str) -> None:
    """ISO 8601 with or without a zone (then UTC), or Unix milliseconds."""
    assert parse_time(text) == 1_769_860_800_000


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (10**18, "9999-12-31T23:59:59.999Z"),
        (None, None),
    ],
)
def test_times_are_written_in_one_form(ms: int | None, text: str | None) -> None:
    """UTC with milliseconds, whatever the store holds."""
    assert iso(ms) == text
