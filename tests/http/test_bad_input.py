"""Bad input to every route is refused with 400 or its like: never a 5xx, and never a page of the server's.

The routes are the application's own ``url_map``, so that one that is added tomorrow is tried too.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from pydantic import BaseModel
from werkzeug.routing import Rule

from dashboard.http.body import MAX_DEPTH, read_json
from dashboard.http.routing import Route
from tests.story import mounted

NAMES = ["x", "a%00b", "%ED%A0%80", "%FF", "n" * 4096, "..%2F..", "%2E%2E", "🦊", "%0d%0aX: y", "-1", "9" * 400, " "]
QUERIES = [
    "q=" + "x" * 60_000,
    "&".join(f"tag=t{number}" for number in range(1000)),
    "attr=" + "k" * 900 + ":eq:v",
    "attr=:eq:", "attr=a:gt:" + "9" * 900, "attr=a%00:eq:b", "attr=a:eq:%ED%A0%80",
    "q=%00", "q=%ED%A0%80", "q=%FF%FE", "q=%25%5F%27%22%5C", "workflow=%00", "status=nope", "status=", "nope=1", "%00=1",
    "limit=-1", "limit=0", "limit=" + "9" * 400, "limit=1e3", "limit=NaN", "limit=true", "limit=1&limit=2",
    "cursor=x", "cursor=%00", "cursor=" + "A" * 9_000, "cursor=W10", "cursor=eyJhIjogMX0",
    "offset=-1", "offset=99999999999", "since=x", "since=9999999999999999999999", "until=0000-00-00",
    "since=2026-13-45T99:99:99Z", "minDurationMs=-1", "minDurationMs=" + "9" * 30, "parent=%00", "namespace=a&app=b",
    "lastEventId=x", "lastEventId=-1", "lastEventId=" + "9" * 40, "expand=%00", "full=maybe", "raw=2", "from=-1",
    "from=" + "9" * 40, "after=-2", "after=" + "9" * 30, "id=", "id=%00", "id=" + "x" * 501, "before=x", "before=-1",
    "before=" + "9" * 40, "run=%00", "run=" + "x" * 5000, "dryRun=maybe", "by=color", "all=maybe", "toQueue=%00",
    "bucket=x", "bucket=-1", "bucket=0", "window=" + "9" * 40, "version=%00", "a=1;b=2", "&&&", "=",
]  # fmt: skip
GOOD = "failing-1"
DEEP = [900, 100_000]
BODIES: list[bytes] = [
    b"", b" ", b"{", b"nul", b"[1,", b'"\\ud800"', b"\xff\xfe", b"\xed\xa0\x80", '"ü"'.encode("utf-16"),
    b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000, b'{"a": NaN}', b'[{"a": [1e400]}]',
    b'{"a": 1, "a": 2}', b'{"input": 1, "input": 2}', b'{"": 1}', b'{"\\u0000": 1}', b'{"__proto__": 1}', b"true", b"[]",
    *(b"[" * depth + b"]" * depth for depth in DEEP),
    *(b'{"input":' * depth + b"1" + b"}" * depth for depth in DEEP),
]  # fmt: skip
WRONG: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, -(10**30), "", "x", "\0", "\ud800", "x" * 20_000, [], ["\0"], [None], [[]], {}, {"\0": 1},
    {"a": "\0"}, {"a": {"b": "\ud800"}}, ["x"] * 20_000,
]  # fmt: skip
HEADERS: list[dict[str, str]] = [
    {"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 4000}, {"Idempotency-Key": "\x01"}, {"Idempotency-Key": "é"},
    {"Last-Event-ID": "x"}, {"Last-Event-ID": "9" * 50}, {"X-Long": "x" * 20_000}, {"Accept": "%"}, {"Cookie": "x" * 20_000},
    {"Content-Type": "text/plain"}, {"Content-Type": ";"}, {"Content-Length": "x"}, {"Range": "bytes=9-1"},
    {"If-None-Match": "\x7f"}, {"Host": "[::1"}, {"Host": ""}, {"Transfer-Encoding": "chunked"}, {"X-Forwarded-Prefix": "\\"},
]  # fmt: skip


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
        converter = next(part for part in path.split("<")[1:] if part.partition(">")[0].endswith(argument)).partition(">")[0]
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
    """Send it; whatever becomes of it, it is no fault of the server's."""
    response = client.open(path, method=method, **sent)
    told = f"{method} {path[:200]!r} {str(sent)[:300]}: {response.status_code} {response.get_data()[:400]!r}"
    assert response.status_code < 500, told
    if response.status_code >= 400 and "/api/" in path:
        assert response.mimetype == "application/problem+json" or response.status_code == 422, told
    response.close()
    return response.status_code


def try_everything(app: Flask) -> int:
    """Send every bad thing to every route; return how many requests that were."""
    client, declared, tries = app.test_client(), routes_of(app), 0
    for method, rule in rules(app):
        good = path_of(rule, GOOD)
        route = declared.get(f"{method} {rule.rule}")
        for name in NAMES if rule.arguments else ():
            refused_well(client, method, path_of(rule, name), json={} if method != "GET" else None)
            tries += 1
        for query in QUERIES:
            refused_well(client, method, f"{good}?{query}", json={} if method != "GET" else None)
            tries += 1
        for headers in HEADERS:
            refused_well(client, method, good, headers=headers, json={} if method != "GET" else None)
            tries += 1
        if method == "GET":
            continue
        for raw in BODIES:
            refused_well(client, method, good, data=raw, content_type="application/json")
            tries += 1
        fields = route.body.model_fields if route is not None and isinstance(route.body, type) and issubclass(route.body, BaseModel) else {}  # fmt: skip
        for field in fields.values():
            for value in WRONG:
                body = json.dumps({field.alias: value}).encode("utf-8", "surrogatepass")
                refused_well(client, method, good, data=body, content_type="application/json")
                tries += 1
    return tries


def test_bad_input_to_any_route_is_no_fault_of_the_server(story_url: str, tmp_path: Path) -> None:
    """Some thousands of requests; some are good enough to act, so they go to a copy."""
    copy = tmp_path / "app.sqlite"
    shutil.copy(story_url.removeprefix("sqlite:///"), copy)
    with mounted(f"sqlite:///{copy}", webhook_secret="s" * 32) as app:
        assert try_everything(app) > 4_000
