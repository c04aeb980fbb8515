"""The filter of the run list: what each parameter takes, and that the stream filters as the list does."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict

from dashboard.errors import BadRequest
from dashboard.http.pipeline import parse_query
from dashboard.wire.base import EARLIEST_MS, LATEST_MS, iso, parse_time
from dashboard.wire.filters import RunsQuery, attribute_filter
from otel_bridge.model.matching import matches

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
    assert {run.id for run in everything if matches(run, query, now_ms=store.now_ms())} == listed


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("url:eq:https://x:1/", ("url", "eq", "https://x:1/")),
        ("a:gt:b:eq:c", ("a", "gt", "b:eq:c")),
        ("a:eq:eq:c", ("a", "eq", "eq:c")),
        ("a:b:lte:", ("a:b", "lte", "")),
        ("a:gte:1", ("a", "gte", "1")),
        (" k :ne: v ", (" k ", "ne", " v ")),
    ],
)
def test_an_attribute_filter_is_cut_at_the_first_operator(text: str, expected: tuple[str, str, str]) -> None:
    """The value may hold anything, the key any colon but an operator's."""
    found = attribute_filter(text)
    assert (found.key, found.op, found.value) == expected


@pytest.mark.parametrize("text", ["", "a", "a:b", "a:xx:b", ":eq:a", "a:eq", ":eq:b:gt:1"])
def test_an_attribute_filter_needs_a_key_and_an_operator(text: str) -> None:
    """Without them it is a malformed value, which is refused."""
    with pytest.raises(ValueError, match="key:op:value"):
        attribute_filter(text)


def test_two_names_for_the_application_must_agree() -> None:
    """``app`` is an alias of ``namespace``, not another filter."""
    assert parse_query(MultiDict({"app": "shop"}), RunsQuery).to_query().namespace == "shop"
    with pytest.raises(BadRequest, match="alias"):
        parse_query(MultiDict({"app": "a", "namespace": "b"}), RunsQuery)


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31t12:00:00z",
        "2026-01-31 12:00",
        "2026-01-31T13:00:00+01:00",
        "2026-01-31T13:00:00 01:00",  # what a query string makes of a plus sign
        "2026-01-31T10:30:00-0130",
        "2026-01-31T12:00:00",
        "2026-01-31T12:00:00.0004Z",
        " 2026-01-31T12:00:00,000 ",
        "1769860800000",
    ],
)
def test_times_are_read_in_every_usual_form(text: str) -> None:
    """ISO 8601 with or without a zone (then UTC), or Unix milliseconds."""
    assert parse_time(text) == 1_769_860_800_000


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1969-12-31T23:59:59.9Z", -100),
        ("0001-01-01T00:00:00Z", EARLIEST_MS),
        ("9999-12-31T23:59:59.999999Z", LATEST_MS),
        (str(LATEST_MS), LATEST_MS),
        ("0", 0),
    ],
)
def test_times_reach_from_year_1_to_9999(text: str, ms: int) -> None:
    """Fractions are cut to milliseconds."""
    assert parse_time(text) == ms


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("yesterday", "neither"),
        ("", "neither"),
        ("-5", "neither"),
        ("1e3", "neither"),
        ("2026-13-01", "not a time"),
        ("2026-02-30", "not a time"),
        ("2026-01-01T24:00:00Z", "not a time"),
        ("2026-01-01T00:00:00+24:00", "offset"),
        ("0000-01-01", "not a time"),
        ("0001-01-01T00:00:00+00:01", "out of range"),
        ("9999-12-31T23:59:59-00:01", "out of range"),
        (str(LATEST_MS + 1), "out of range"),
        ("9" * 23, "out of range"),
        ("9" * 5000, "out of range"),
        ("\u0661\u0662", "neither"),  # digits, but not ASCII's
    ],
)
def test_what_is_not_a_time_is_refused_in_words(text: str, what: str) -> None:
    """Whatever a client sends, the answer is a sentence."""
    with pytest.raises(ValueError, match=what):
        parse_time(text)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("since=99999999999999999999999", "since"),
        ("until=99999999999999999999", "until"),
        ("since=10000-01-01", "since"),
        ("minDurationMs=9007199254740993", "minDurationMs"),
        ("minDurationMs=-1", "minDurationMs"),
        ("minDurationMs=1.5", "minDurationMs"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("workflow=a%00b", "workflow"),
        ("q=%00", "q"),
        ("cursor=%00", "cursor"),
        ("executor=%ED%A0%80", "executor"),  # a lone surrogate
        ("queue=%FF", "queue"),
        ("tag=a&tag=%00", "tag"),
        ("attr=%00:eq:x", "attr"),
        ("attr=k:gt", "attr"),
        ("q=" + "x" * 1001, "q"),
        ("tag=x&" * 50 + "tag=x", "tag"),
        ("status=done", "status"),
        ("unknown=1", "unknown"),
        ("%00=1", "\x00"),
        ("cursor=x", "cursor"),
        ("unattributed=perhaps", "unattributed"),
    ],
)
@pytest.mark.parametrize("route", ["runs", "runs/facets"])
def test_a_parameter_out_of_bounds_is_refused_by_name(
    client: FlaskClient, route: str, query: str, parameter: str
) -> None:
    """Nothing reaches a database that it could choke on: 400, and the parameter's name."""
    if route == "runs/facets" and parameter in ("limit", "offset", "cursor"):
        return
    answer = client.get(f"/durable/api/{route}?{query}")
    assert (answer.status_code, answer.json["parameter"]) == (400, parameter)


@pytest.mark.parametrize(("query", "rows"), [("limit=2", 2), ("limit=99999", None), ("limit=3&offset=1000000", 0)])
def test_more_than_a_page_holds_is_a_page_and_any_offset_works(
    client: FlaskClient, query: str, rows: int | None
) -> None:
    """Clients of other control planes ask for thousands at once, and page by offset."""
    everything = client.get("/durable/api/runs?limit=500").json
    answer = client.get(f"/durable/api/runs?{query}")
    assert answer.status_code == 200
    assert len(answer.json) == (len(everything) if rows is None else rows)  # type: ignore[arg-type]


def test_a_limit_above_the_maximum_is_the_maximum() -> None:
    """Clamped, not refused."""
    assert parse_query(MultiDict({"limit": "501"}), RunsQuery).limit == 500


@pytest.mark.parametrize(
    "query", ["attr=k:gt:1e999", "attr=a:gt:b:eq:c", "minDurationMs=9007199254740992", "workflow=", "q=", "tag="]
)
def test_a_parameter_within_bounds_is_taken(client: FlaskClient, query: str) -> None:
    """An empty value is a value: it finds the runs that have none."""
    assert client.get(f"/durable/api/runs?{query}").status_code == 200


def test_a_path_with_a_nul_is_refused(client: FlaskClient) -> None:
    """No id holds one, and no database takes one."""
    answer = client.get("/durable/api/runs/a%00b")
    assert (answer.status_code, answer.mimetype) == (400, "application/problem+json")


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


@pytest.mark.parametrize(("given", "text"), [({"q": "abc"}, "abc"), ({"q": ""}, None), ({}, None)])
def test_an_empty_text_is_none(given: dict[str, str], text: str | None) -> None:
    """A search box that was cleared asks for every run."""
    assert parse_query(MultiDict(given), RunsQuery).to_query().text == text
