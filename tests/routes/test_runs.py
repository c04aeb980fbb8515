"""The JSON routes over a database that a real DBOS application wrote."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import FlaskClient

from otel_bridge.codec import redact_keys
from otel_bridge.spans import ids
from otel_bridge.testing import MemoryLedger, MemoryStateStore, make_run, make_step
from tests.story import mounted

Get = Callable[..., Any]
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
PROBLEM = "application/problem+json"


def test_the_list_is_a_bare_array_newest_first(api: Get) -> None:
    """Clients of the contract expect an array, and the newest run on top."""
    runs = api("runs")
    created = [run["createdAt"] for run in runs]
    assert len(runs) > 15
    assert created == sorted(created, reverse=True)
    assert all(TIME.match(moment) for moment in created)


def test_a_row_tells_what_the_store_knows(api: Get) -> None:
    """Names are the product's own, camelCase, and what is unknown is absent."""
    row = next(run for run in api("runs") if run["id"] == "failing-1")
    assert row["workflow"] == "failing"
    assert row["status"] == "failed"
    assert row["workflowVersion"] == "v1"
    assert row["namespace"] == "shop"
    assert row["recoveryAttempts"] == 1
    assert row["tags"] == []
    assert row["traceId"] == ids.trace_id("failing-1").hex()
    assert "parentId" not in row
    assert "waiting" not in row


def test_pages_join_without_gap_or_repeat(client: FlaskClient, api: Get) -> None:
    """Following the Link header visits every run once, in the order of the whole list."""
    everything = [run["id"] for run in api("runs?limit=500")]
    seen: list[str] = []
    address = "/durable/api/runs?limit=4"
    while address:
        response = client.get(address)
        seen += [run["id"] for run in response.get_json()]
        link = response.headers.get("Link", "")
        match = re.fullmatch(r'<([^>]+)>; rel="next"', link)
        address = match[1] if match else ""
    assert seen == everything


@pytest.mark.parametrize("offset", [2, 7, 12, 40, 100_000, 10**30])
def test_any_offset_is_accepted(api: Get, monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    """Clients that page by offset get what the whole list has there, nothing behind its end."""
    monkeypatch.setattr("dashboard.read.listing.PAGE", 5)
    everything = [run["id"] for run in api("runs?limit=500")]
    assert [run["id"] for run in api(f"runs?limit=3&offset={offset}")] == everything[offset : offset + 3]


def test_an_offset_that_takes_too_long_is_refused_in_words(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One request never walks through a large database for minutes."""
    monkeypatch.setattr("dashboard.read.listing.PAGE", 5)
    monkeypatch.setattr("dashboard.read.listing.OFFSET_BUDGET_S", 0.0)
    response = client.get("/durable/api/runs?offset=12&status=completed&status=failed")
    assert (response.status_code, response.get_json()["parameter"]) == (400, "offset")
    assert "Link" in response.get_json()["detail"]


@pytest.mark.parametrize("path", ["runs", "audit", "runs/waiting-1/streams/none"])
def test_a_limit_above_the_most_is_lowered(api: Get, path: str) -> None:
    """Other control planes' clients ask for 1,000 and more; they get as many as there may be."""
    assert api(f"{path}?limit=100000") == api(f"{path}?limit=500")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("status=failed", {"failing-1"}),
        ("status=failed&status=cancelled", {"failing-1", "cancelled-1"}),
        ("workflow=gathering", {"gathering-1"}),
        ("q=with/", {"with/slash"}),
        ("parent=fan-1", {f"fan-1-{n}" for n in range(1, 13)}),
        ("namespace=other", set()),
        ("app=shop&status=failed", {"failing-1"}),
        ("origin=elsewhere", set()),
        ("unattributed=true&status=failed", {"failing-1"}),
        ("since=2001-01-01T00:00:00Z&status=failed", {"failing-1"}),
        ("until=2001-01-01&status=failed", set()),
    ],
)
def test_filters_narrow_the_list(api: Get, query: str, expected: set[str]) -> None:
    """Each filter of the contract is applied, alone and together."""
    assert {run["id"] for run in api(f"runs?{query}")} == expected


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("colour=red", "colour"),
        ("status=happy", "status"),
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("since=yesterday", "since"),
        ("attr=size", "attr"),
        ("attr=size:like:3", "attr"),
        ("minDurationMs=-1", "minDurationMs"),
        ("cursor=garbage", "cursor"),
        ("workflow=a&workflow=b", "workflow"),
        ("offset=-1", "offset"),
    ],
)
def test_a_query_that_is_wrong_is_refused_by_name(client: FlaskClient, query: str, named: str) -> None:
    """Unknown parameters and malformed values are 400, and the problem names which."""
    response = client.get(f"/durable/api/runs?{query}")
    assert response.status_code == 400
    assert response.mimetype == PROBLEM
    assert response.get_json()["parameter"] == named
    assert named in response.get_json()["detail"]


def test_facets_count_what_the_list_shows(api: Get) -> None:
    """The count of a status is the number of rows that its filter lists."""
    for facet in api("runs/facets"):
        assert facet["exact"] is True
        assert len(api(f"runs?limit=500&status={facet['status']}")) == facet["count"]


def test_facets_leave_the_counted_axis_out_of_their_filter(api: Get) -> None:
    """Chips of other statuses keep their counts while one is chosen."""
    assert api("runs/facets?status=failed&workflow=failing") == api("runs/facets?workflow=failing")


def test_activity_counts_the_list_by_time_and_status(api: Get) -> None:
    """What the list shows, in buckets; failures are never among others."""
    runs = api("runs?limit=500")
    since, until = runs[-1]["createdAt"], "2100-01-01T00:00:00Z"
    for filters in ("", "&status=failed", "&workflow=failing", "&status=suspended&status=pending", "&q=fan"):
        listed = api(f"runs?limit=500&since={since}&until={until}{filters}")
        found = api(f"activity?since={since}&until={until}&buckets=100000{filters}")
        counts: Counter[str] = Counter()
        for bucket in found["buckets"]:
            counts.update(bucket["counts"])
            assert bucket["exact"]
        assert counts == Counter(run["status"] for run in listed), filters
        assert len(found["buckets"]) == 500
        assert (found["since"], found["buckets"][0]["at"]) == (since, since)
    assert len(api("activity?buckets=24")["buckets"]) == 24


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("buckets=0", "buckets"),
        ("buckets=x", "buckets"),
        ("since=2020-01-02&until=2020-01-01", "until"),
        ("since=2020-01-01&until=2020-01-01", "until"),
        ("since=9999-01-01", "since"),
        ("since=99999999999999999999", "since"),
        ("limit=5", "limit"),
    ],
)
def test_an_activity_without_a_time_is_refused_by_name(client: FlaskClient, query: str, named: str) -> None:
    """Each refusal names its parameter."""
    answer = client.get(f"/durable/api/activity?{query}")
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, named)


@pytest.mark.parametrize("query", ["until=0001-01-01", "since=0001-01-01&until=9999-12-31", "until=1&buckets=7"])
def test_an_activity_of_any_time_is_answered(api: Get, query: str) -> None:
    """Also of times before the first run, and of all there are."""
    assert all(bucket["exact"] for bucket in api(f"activity?{query}")["buckets"])


def test_facets_by_workflow_name_it(api: Get) -> None:
    """Counting by workflow gives one entry per status and workflow."""
    assert {"status": "failed", "workflow": "failing", "count": 1, "exact": True, "origin": None} in api(
        "runs/facets?by=workflow"
    )


def test_a_run_comes_with_timeline_children_and_lineage(api: Get) -> None:
    """The detail has the contract's parts, and the run its payloads."""
    detail = api("runs/simple-1")
    children = {"children", "childRuns", "childrenTotal"}
    assert set(detail) == {"run", "timeline", "lineage", "attempts", "stepsTotal"} | children
    assert detail["run"]["input"] == {"args": [5], "kwargs": {}}
    assert detail["run"]["output"] == 8
    assert [step["name"].split(".")[-1] for step in detail["timeline"]] == ["add", "add"]
    assert detail["run"]["traceUrl"].startswith(f"https://jaeger.test/trace/{detail['run']['traceId']}?uiFind=")


def test_a_failed_run_says_why(api: Get) -> None:
    """The error of a run and of its step is a message and a type, not a pickle."""
    detail = api("runs/failing-1")
    assert detail["run"]["error"]["message"] == "the card was declined"
    assert detail["run"]["error"]["type"] == "ValueError"
    failed = detail["timeline"][-1]
    assert failed["status"] == "failed"
    assert failed["error"]["message"] == "the card was declined"
    assert "stack" not in failed["error"]


def test_a_fork_and_its_original_know_each_other(api: Get) -> None:
    """Lineage is told from both sides."""
    fork = api("runs/simple-1")["lineage"]["forks"][0]
    assert fork["forkedFrom"] == "simple-1"
    assert api(f"runs/{fork['id']}")["lineage"]["forkedFrom"]["id"] == "simple-1"


def test_children_are_listed_and_point_back(api: Get) -> None:
    """A parent lists its children, as ids and as rows; a child names its parent."""
    detail = api("runs/fan-1")
    assert sorted(detail["children"]) == sorted(f"fan-1-{number}" for number in range(1, 13))
    assert [row["id"] for row in detail["childRuns"]] == detail["children"]
    assert api("runs/fan-1-1")["lineage"]["parent"]["id"] == "fan-1"


def test_remote_steps_tell_wait_from_work(api: Get) -> None:
    """A child through a queue has the time in the queue and the time at work apart, and names its group."""
    step = next(step for step in api("runs/fan-1")["timeline"] if step["kind"] == "remote")
    assert step["workerGroup"] == "children"
    assert step["childRunId"].startswith("fan-1-")
    assert step["queueMs"] >= 0
    assert step["durationMs"] >= 0
    assert step["parallelGroup"] == 1


def test_a_waiting_run_says_on_what(api: Get) -> None:
    """Suspended, on a signal, and until when; the same in list and detail."""
    run = api("runs/waiting-1")["run"]
    assert run["status"] == "suspended"
    assert run["waiting"]["on"] == "signal"
    assert TIME.match(run["waiting"]["until"])
    assert next(row for row in api("runs") if row["id"] == "waiting-1")["waiting"] == run["waiting"]


def test_a_sleeping_run_says_when_it_wakes(api: Get) -> None:
    """A sleep is a step with a wake time, and the run is suspended on it."""
    detail = api("runs/sleeping-1")
    assert detail["run"]["waiting"]["on"] == "sleep"
    assert detail["timeline"][-1]["kind"] == "sleep"
    assert TIME.match(detail["timeline"][-1]["wakeAt"])


def test_a_step_comes_with_its_payloads(api: Get) -> None:
    """The step route adds output and, for a child, its input."""
    assert api("runs/simple-1/steps/1")["output"] == 6
    remote = next(step for step in api("runs/fan-1")["timeline"] if step["kind"] == "remote")
    step = api(f"runs/fan-1/steps/{remote['seq']}")
    assert step["input"] == {"args": [0], "kwargs": {}}
    assert step["output"] == 0


def test_a_large_payload_is_cut_and_says_so(api: Get) -> None:
    """A payload beyond the cap is cut, with its whole size and the name of the cut field."""
    step = api("runs/large-1/steps/1")
    assert len(step["output"]) < 300_000
    assert step["truncated"]["fields"] == ["output"]
    assert step["truncated"]["bytes"] >= 300_000


def test_a_whole_payload_is_the_bare_value(client: FlaskClient) -> None:
    """The payload route answers the decoded value, or the stored text."""
    decoded = client.get("/durable/api/runs/simple-1/payload/output")
    assert decoded.get_json() == 8
    assert decoded.headers["X-Payload-Format"] == "py_pickle"
    raw = client.get("/durable/api/runs/simple-1/payload/output?raw=true")
    assert raw.mimetype == "text/plain"
    assert raw.headers["Content-Disposition"] == 'attachment; filename="output.txt"'
    assert client.get("/durable/api/runs/failing-1/payload/error").get_json()["type"] == "ValueError"


def test_published_values_are_bare(client: FlaskClient, api: Get) -> None:
    """A value as such; null for a key never published; 404 for a run that does not exist."""
    assert api("runs/waiting-1/events") == [{"key": "stage", "value": {"waits": True}}]
    assert api("runs/waiting-1/events/stage") == {"waits": True}
    assert api("runs/waiting-1/events/nothing") is None
    assert client.get("/durable/api/runs/nobody/events").status_code == 404
    assert client.get("/durable/api/runs/nobody/events/stage").status_code == 404


@pytest.mark.parametrize("part", ["", "/graph", "/steps/1", "/payload/input", "/stream", "/events"])
def test_a_run_that_is_not_there_is_404_in_words(client: FlaskClient, part: str) -> None:
    """Every route below a run answers the same problem for a run that does not exist."""
    response = client.get(f"/durable/api/runs/no-such-run{part}")
    assert response.status_code == 404
    assert response.mimetype == PROBLEM
    assert "no-such-run" in response.get_json()["detail"]


def test_a_step_or_payload_that_is_not_there_is_404(client: FlaskClient) -> None:
    """The run exists, the part does not."""
    assert "no step 99" in client.get("/durable/api/runs/simple-1/steps/99").get_json()["detail"]
    assert "no error" in client.get("/durable/api/runs/simple-1/payload/error").get_json()["detail"]


def test_run_ids_may_hold_slashes(api: Get) -> None:
    """Ids are the application's own; a slash in one is no other route."""
    assert api("runs/with/slash")["run"]["id"] == "with/slash"
    assert api("runs/with/slash/graph")["nodes"]
    assert api(f"runs/{quote('with/slash', safe='')}/steps/1")["runId"] == "with/slash"


def test_a_trace_leads_to_its_run(client: FlaskClient, api: Get) -> None:
    """Both trace routes redirect to the page of the run; an unknown trace is 404, a malformed one 400."""
    trace = api("runs/with/slash")["run"]["traceId"]
    for address in (f"/durable/api/trace/{trace}", f"/durable/trace/{trace.upper()}"):
        response = client.get(address)
        assert response.status_code == 302
        assert response.headers["Location"] == "/durable/runs/with%2Fslash"
    assert client.get(f"/durable/api/trace/{'0' * 32}").status_code == 404
    assert client.get("/durable/api/trace/xyz").status_code == 400
    assert client.get("/durable/trace/xyz").status_code == 400


def test_redaction_reaches_every_payload(story_url: str) -> None:
    """The host's hook sees whatever leaves: inputs, outputs, published values, errors; raw text is withheld."""
    with mounted(story_url, redact=redact_keys(["waits", "args", "message"])) as app:
        get = app.test_client().get
        assert get("/durable/api/runs/waiting-1/events/stage").get_json() == {"waits": "[redacted]"}
        assert get("/durable/api/runs/simple-1").get_json()["run"]["input"]["args"] == "[redacted]"
        assert get("/durable/api/runs/simple-1/payload/input").get_json()["args"] == "[redacted]"
        assert get("/durable/api/runs/failing-1").get_json()["run"]["error"]["message"] == "[redacted]"
        assert get("/durable/api/runs/failing-1").get_json()["timeline"][-1]["error"]["message"] == "[redacted]"
        assert get("/durable/api/runs/simple-1/payload/input?raw=true").status_code == 403


def test_one_list_request_reads_in_a_fixed_number_of_statements(
    story_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cost of a page does not grow with its rows: no read per run."""
    store = story_app.extensions["durable"].services.store
    calls: list[str] = []
    for name in ("list_runs", "get_run", "get_runs", "get_steps", "get_steps_of", "get_payload", "children"):
        original = getattr(store, name)
        monkeypatch.setattr(
            store, name, lambda *a, _name=name, _original=original, **k: calls.append(_name) or _original(*a, **k)
        )
    assert len(story_app.test_client().get("/durable/api/runs?limit=500").get_json()) > 15
    assert calls == ["list_runs"]


def test_streams_and_messages_are_shown_by_name_and_followed_by_offset() -> None:
    """What a run received, set and streamed; a key that must be redacted is redacted wherever the value is shown."""
    store = MemoryStateStore()
    store.put_run(make_run("talk", status="completed"))
    for seq, (name, key, value) in enumerate(
        [
            ("DBOS.writeStream", "tokens", "to"),
            ("DBOS.writeStream", "tokens", "ken"),
            ("DBOS.setEvent", "api_key", "s3"),
        ],
        1,
    ):
        store.put_step(make_step("talk", seq, name=name))
        row = {"workflow_uuid": "talk", "function_id": seq, "key": key, "value": json.dumps(value)}
        table = "streams" if name == "DBOS.writeStream" else "workflow_events_history"
        store.put_row(
            table, **row, serialization="portable_json", **({"offset": seq - 1} if table == "streams" else {})
        )
    with mounted(store, ledger=MemoryLedger(), redact=redact_keys(["*key*"])) as app:
        ask = app.test_client().get
        assert ask("/durable/api/runs/talk/streams").json == [{"key": "tokens", "count": 2, "closed": False}]
        entries = ask("/durable/api/runs/talk/streams/tokens?after=0").json
        assert entries == [{"offset": 1, "seq": 2, "closes": False, "value": "ken"}]
        assert [step["key"] for step in ask("/durable/api/runs/talk").json["timeline"]] == [
            "tokens",
            "tokens",
            "api_key",
        ]
        assert ask("/durable/api/runs/talk/steps/2").json["output"] == "ken"
        assert "s3" not in ask("/durable/api/runs/talk/steps/3").text
        assert ask("/durable/api/runs/nobody/streams").status_code == 404
        assert ask("/durable/api/runs/talk/streams/tokens?after=-2").status_code == 400
        events = ask("/durable/api/runs/talk/streams/tokens", headers={"Accept": "text/event-stream"})
        assert (events.status_code, events.mimetype) == (406, "application/problem+json")
        assert "after=" in events.json["detail"]
        for accept in ("*/*", "application/json", "text/event-stream, application/json;q=0.5"):
            assert ask("/durable/api/runs/talk/streams/tokens", headers={"Accept": accept}).status_code == 200


def test_an_input_to_edit_says_whether_json_holds_all_of_it(story_url: str) -> None:
    """The page fills a form with it; what is hidden or no JSON would be sent back as something else."""
    address = "/durable/api/runs/simple-1/payload/input?exact=true"
    with mounted(story_url) as app:
        assert app.test_client().get(address).headers["X-Payload-Plain"] == "true"
    with mounted(story_url, redact=redact_keys(["args"])) as app:
        assert app.test_client().get(address).headers["X-Payload-Plain"] == "false"


@pytest.mark.parametrize(
    ("status", "shown"), [("completed", None), ("failed", True), ("dead", True), ("cancelled", True), ("running", None)]
)
def test_a_run_says_whether_its_undo_is_stuck(status: Any, shown: bool | None) -> None:
    """An undo that failed has undone a part at most: the list must not call its run undone."""
    store = MemoryStateStore()
    store.put_run(make_run("r", status="cancelled"))
    store.put_run(make_run("undo:r", workflow="durable.undo", status=status))
    with mounted(store, ledger=MemoryLedger(), caretaker=False) as app:
        rows = {row["id"]: row for row in app.test_client().get("/durable/api/runs").get_json()}
    assert rows["r"]["undoId"] == "undo:r"
    assert rows["r"].get("undoStuck") is shown
