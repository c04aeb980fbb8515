"""Bad input to every route is refused with 400 or its like: never a 5xx, and never a page of the server's.

The routes are the application's own ``url_map``, so that one that is added tomorrow is tried too.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel
from werkzeug.routing import Rule

from dashboard.errors import BadRequest
from dashboard.http.body import MAX_DEPTH, read_json
from dashboard.http.routing import Route
from tests.story import mounted

NAMES = ["x", "a%00b", "%ED%A0%80", "%FF", "n" * 4096, "..%2F..", "%2E%2E", "🦊", "%0d%0aX: y", "-1", "9" * 400, " "]
QUERIES = [
    "q=" + "x" * 60_000,
    "&".join(f"tag=t{number}" for number in range(1000)),
    "attr=" + "k" * 900 + ":eq:v",
    "attr=:eq:",
    "attr=a:gt:" + "9" * 900,
    "attr=a%00:eq:b",
    "attr=a:eq:%ED%A0%80",
    "q=%00",
    "q=%ED%A0%80",
    "q=%FF%FE",
    "q=%25%5F%27%22%5C",
    "workflow=%00",
    "status=nope",
    "status=",
    "nope=1",
    "%00=1",
    "limit=-1",
    "limit=0",
    "limit=" + "9" * 400,
    "limit=1e3",
    "limit=NaN",
    "limit=true",
    "limit=1&limit=2",
    "cursor=x",
    "cursor=%00",
    "cursor=" + "A" * 9_000,
    "cursor=W10",
    f"cursor={base64.urlsafe_b64encode(b'[' * 5_900).decode()}",
    *(
        f"cursor={base64.urlsafe_b64encode(text).decode().rstrip('=')}"
        for text in (b'[1,"\\ud800"]', b'[1,"\\u0000"]', b'[[1,2],"a"]', b'[[1,"\\ud800"],null]', b"[9e999,1]")
    ),
    "cursor=eyJhIjogMX0",
    "offset=-1",
    "offset=99999999999",
    "since=x",
    "since=9999999999999999999999",
    "until=0000-00-00",
    "since=2026-13-45T99:99:99Z",
    "minDurationMs=-1",
    "minDurationMs=" + "9" * 30,
    "parent=%00",
    "namespace=a&app=b",
    "lastEventId=x",
    "lastEventId=-1",
    "lastEventId=" + "9" * 40,
    "expand=%00",
    "full=maybe",
    "raw=2",
    "from=-1",
    "from=" + "9" * 40,
    "after=-2",
    "after=" + "9" * 30,
    "id=",
    "id=%00",
    "id=" + "x" * 501,
    "before=x",
    "before=-1",
    "before=" + "9" * 40,
    "run=%00",
    "run=" + "x" * 5000,
    "dryRun=maybe",
    "by=color",
    "all=maybe",
    "toQueue=%00",
    "bucket=x",
    "bucket=-1",
    "bucket=0",
    "window=" + "9" * 40,
    "version=%00",
    "a=1;b=2",
    "&&&",
    "=",
]
GOOD = "failing-1"
EVENTS = {"Accept": "text/event-stream"}
WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "x3JJHMbDL1EzLkh9GBhXDw==",
}
DEEP = [900, 100_000]
BODIES: list[bytes] = [
    b"",
    b" ",
    b"{",
    b"nul",
    b"[1,",
    b'"\\ud800"',
    b"\xff\xfe",
    b"\xed\xa0\x80",
    '"ü"'.encode("utf-16"),
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"9" * 5000,
    b'{"a": NaN}',
    b'[{"a": [1e400]}]',
    b'{"a": 1, "a": 2}',
    b'{"input": 1, "input": 2}',
    b'{"": 1}',
    b'{"\\u0000": 1}',
    b'{"__proto__": 1}',
    b"true",
    b"[]",
    *(b"[" * depth + b"]" * depth for depth in DEEP),
    *(b'{"input":' * depth + b"1" + b"}" * depth for depth in DEEP),
]
WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    -(10**30),
    "",
    "x",
    "\0",
    "\ud800",
    "x" * 20_000,
    [],
    ["\0"],
    [None],
    [[]],
    {},
    {"\0": 1},
    {"a": "\0"},
    {"a": {"b": "\ud800"}},
    ["x"] * 20_000,
]
HEADERS: list[dict[str, str]] = [
    {"Idempotency-Key": ""},
    {"Idempotency-Key": "k" * 4000},
    {"Idempotency-Key": "\x01"},
    {"Idempotency-Key": "é"},
    {"Last-Event-ID": "x"},
    {"Last-Event-ID": "9" * 50},
    {"X-Long": "x" * 20_000},
    {"Accept": "%"},
    {"Cookie": "x" * 20_000},
    {"Content-Type": "text/plain"},
    {"Content-Type": ";"},
    {"Content-Length": "x"},
    {"Range": "bytes=9-1"},
    {"If-None-Match": "\x7f"},
    {"Host": "[::1"},
    {"Host": ""},
    {"Transfer-Encoding": "chunked"},
    {"X-Forwarded-Prefix": "\\"},
]


def rules(app: Flask) -> list[tuple[str, Rule]]:
    """Return every method and rule of the dashboard; the streams have a test of their own."""
    return [
        (method, rule)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith("durable.") and not rule.rule.endswith("/stream")
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"})
        if not rule.websocket
    ]


def path_of(rule: Rule, name: str) -> str:
    """Return a rule's path, with a name in each place that takes one."""
    path = rule.rule
    for argument in rule.arguments:
        converter = next(found for found in re.findall("<(.*?)>", path) if found.endswith(argument))
        value = name
        if converter.startswith("int") and name == GOOD:
            value = "1"
        if converter.startswith("any("):
            value = converter[4:].partition(")")[0].split(",")[0]
        path = path.replace(f"<{converter}>", value)
    return path


def routes_of(app: Flask) -> dict[str, Route]:
    """Return the declared routes by method and rule."""
    blueprint = app.extensions["durable"]
    return {f"{route.method} /durable/api/{route.path}": route for route in blueprint.routes}


def refused_well(client: FlaskClient, method: str, path: str, **sent: Any) -> int:
    """Send it; whatever becomes of it, it is not a fault of the server's."""
    response = client.open(path, method=method, **sent)
    reported = f"{method} {path[:200]!r} {str(sent)[:300]}: {response.status_code} {response.get_data()[:400]!r}"
    assert response.status_code < 500, reported
    if response.status_code >= 400 and "/api/" in path:
        assert response.mimetype == "application/problem+json" or response.status_code == 422, reported
    response.close()
    return response.status_code


def try_everything(
    app: Flask,
    *,
    names: list[str] = NAMES,
    queries: list[str] = QUERIES,
    headers: list[dict[str, str]] = HEADERS,
    bodies: list[bytes] = BODIES,
) -> int:
    """Send every bad thing to every route; return how many requests that were."""
    client, declared, tries = app.test_client(), routes_of(app), 0
    for method, rule in rules(app):
        good = path_of(rule, GOOD)
        route = declared.get(f"{method} {rule.rule}")
        for name in names if rule.arguments else ():
            refused_well(client, method, path_of(rule, name), json={} if method != "GET" else None)
            tries += 1
        for query in queries:
            refused_well(client, method, f"{good}?{query}", json={} if method != "GET" else None)
            tries += 1
        for sent in headers:
            refused_well(client, method, good, headers=sent, json={} if method != "GET" else None)
            tries += 1
        if method == "GET":
            continue
        for raw in bodies:
            refused_well(client, method, good, data=raw, content_type="application/json")
            tries += 1
        is_model = route is not None and isinstance(route.body, type) and issubclass(route.body, BaseModel)
        for field in route.body.model_fields.values() if route is not None and is_model else ():
            for value in WRONG:
                body = json.dumps({field.alias: value}).encode("utf-8", "surrogatepass")
                refused_well(client, method, good, data=body, content_type="application/json")
                tries += 1
    return tries


def test_bad_input_to_any_route_is_not_a_fault_of_the_server(story_url: str, tmp_path: Path) -> None:
    """Some thousands of requests; some are good enough to act, so they go to a copy."""
    copy = tmp_path / "app.sqlite"
    with closing(sqlite3.connect(story_url.removeprefix("sqlite:///"))) as source, closing(sqlite3.connect(copy)) as to:
        source.backup(to)  # what is in its write-ahead log too
    with mounted(f"sqlite:///{copy}", webhook_secret="s" * 32) as app:
        assert try_everything(app) > 4_000


@pytest.mark.postgres
def test_postgres_is_asked_nothing_that_it_cannot_hold(postgres_url: str) -> None:
    """It keeps no NUL, neither in texts nor in attributes, and has numbers of its own sizes."""
    reported = subprocess.run(
        [sys.executable, "-m", "tests.engine_app", postgres_url, "story"], capture_output=True, text=True, check=True
    )
    assert "ready" in reported.stdout
    with mounted(postgres_url, webhook_secret="s" * 32) as app:
        some = {"names": NAMES[:4], "queries": QUERIES[:24], "headers": HEADERS[:4], "bodies": BODIES[:8]}
        assert try_everything(app, **some) > 1_000  # type: ignore[arg-type]


@pytest.mark.parametrize("upgrade", [{}, WEBSOCKET])
def test_bad_parameters_of_a_stream_are_refused_before_it_begins(story_app: Flask, upgrade: dict[str, str]) -> None:
    """As a websocket and as Server-Sent Events alike."""
    client = story_app.test_client()
    wrong = ("limit=-", "limit=1e", "limit=N", "lastEventId=", "since=", "status=n", "nope=")
    refused = [query for query in QUERIES if query.startswith(wrong)]
    for query in [*refused, "q=%00", "q=%ED%A0%80", QUERIES[0], QUERIES[1]]:
        for path in ("stream", f"runs/{GOOD}/stream"):
            status = refused_well(client, "GET", f"/durable/api/{path}?{query}", headers={**EVENTS, **upgrade})
            assert status == 400, (path, query)
    for name in NAMES[:8]:
        path = f"/durable/api/runs/{name}/stream"
        assert refused_well(client, "GET", path, headers={**EVENTS, **upgrade}) in (400, 404)
    for number in ("x", "-1", "9" * 50):
        headers = {**EVENTS, **upgrade, "Last-Event-ID": number}
        assert refused_well(client, "GET", f"/durable/api/runs/{GOOD}/stream", headers=headers) == 400


@pytest.mark.parametrize(
    "path",
    [
        "runs?q=" + "x" * 60_000,
        "runs?" + "&".join(f"tag=t{number}" for number in range(1000)),
        "runs?q=%ED%A0%80",
        "runs/a%00b",
        "runs/%0Aa",
        "runs/" + "n" * 4096,
        "runs/../config",
    ],
)
def test_what_is_too_long_or_malformed_is_named(story_app: Flask, path: str) -> None:
    """400, with a sentence that says what is wrong."""
    response = story_app.test_client().get(f"/durable/api/{path}")
    assert (response.status_code, response.mimetype) == (400, "application/problem+json")
    assert len(response.get_json()["detail"]) > 20


@pytest.mark.parametrize("path", ["a%00b", "%0Ab", "x" * 4096, "x" * 300, "assets/" + "x" * 300, "a/../b"])
def test_odd_paths_of_the_page_are_no_fault_of_the_servers(story_app: Flask, path: str) -> None:
    """A file's name has at most 255 bytes, and no NUL."""
    assert story_app.test_client().get(f"/durable/{path}").status_code in (200, 400, 404)


@pytest.mark.parametrize("raw", BODIES[1:16])
def test_json_is_read_strictly(raw: bytes) -> None:
    """What RFC 8259 does not know, or no database could hold, is refused; the sentence says why."""
    with pytest.raises(BadRequest, match="body"):
        read_json(raw)


def test_json_may_be_nested_as_deep_as_people_nest_it() -> None:
    """And not deeper: whoever reads it by recursion would fall over it later, where nobody refuses it any more."""
    read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)
    for depth in (MAX_DEPTH + 1, 900, 100_000):
        with pytest.raises(BadRequest, match="nested more than"):
            read_json(b"[" * depth + b"]" * depth)


def test_a_name_that_stands_twice_is_refused_where_names_are_declared() -> None:
    """Of two ``fromSeq`` one would be checked by a proxy, and the other one obeyed here."""
    with pytest.raises(BadRequest, match="'a' stands twice"):
        read_json(b'{"a": 1, "b": 2, "a": 3}', unique_names=True)
    assert read_json(b'{"a": 1, "a": 3}') == {"a": 3}
