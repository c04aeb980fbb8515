"""``durable runs``, ``show``, ``tail`` and what else reads: tables for people, JSON for programs."""

from __future__ import annotations

import json
import os
import re
import signal

import httpx
import pytest
from flask import Flask

from dashboard.cli.runs import messages_of
from dashboard.cli.session import BAD_USAGE, NOT_FOUND
from dashboard.client import AppTransport, DurableClient, NotFoundError
from tests.cli.conftest import Durable
from tests.client.orders import place_order
from tests.client.test_acting import wait_for
from tests.programs import running
from tests.waiting import until


@pytest.fixture
def failed(client: DurableClient) -> str:
    """A run that failed."""
    run_id = client.start_run("refund_order", ["order-9", 3]).run_id
    wait_for(client, run_id, "failed")
    return run_id


def test_runs_are_listed_as_a_table_or_as_json(durable: Durable, shop: str) -> None:
    """The same runs either way, newest first, within the limit."""
    run_id = place_order(shop, total=444)

    def listed() -> bool:
        done = durable("runs", "--workflow", "fulfil_order", "--attr", "total_eur:eq:444")
        assert done.code == 0
        head, *lines = done.out.splitlines()
        assert head.split() == ["RUN", "WORKFLOW", "STATUS", "CREATED", "TOOK", "WAITS", "FOR"]
        return bool(lines) and lines[0].startswith(run_id)

    assert until(listed)
    assert [run["id"] for run in durable("runs", "-q", run_id, "--limit", "1", "--json").json] == [run_id]
    assert durable("runs", "-q", "no-such-run").out == "No runs match.\n"


def test_the_filter_takes_spans_of_time(durable: Durable, failed: str) -> None:
    """``12h`` is twelve hours ago; what is not a time is refused with an example."""
    assert failed in durable("runs", "--since", "5m", "-q", failed).out
    assert durable("runs", "--until", "5m", "-q", failed).out == "No runs match.\n"
    refused = durable("runs", "--since", "yesterday")
    assert (refused.code, "12h for twelve hours ago" in refused.err) == (BAD_USAGE, True)
    assert durable("runs", "--since", "9" * 30 + "d").code == BAD_USAGE


def test_what_is_not_text_matches_nothing(durable: Durable) -> None:
    """A shell may pass bytes that are not UTF-8; no run has them in its name."""
    assert durable("runs", "-q", "\udcff").out == "No runs match.\n"
    assert durable("show", "\udcff").code == NOT_FOUND


def test_runs_are_counted(durable: Durable, failed: str) -> None:
    """By workflow and status."""
    done = durable("runs", "--count", "--workflow", "refund_order")
    assert ["refund_order", "failed"] in [line.split()[:2] for line in done.out.splitlines()]


def test_activity_is_a_line_for_each_part_of_the_time(durable: Durable, failed: str) -> None:
    """A column for each status that occurs; the same numbers as JSON."""
    done = durable("activity", "--workflow", "refund_order", "--buckets", "4", "--since", "1h")
    head, *lines = done.out.splitlines()
    assert head.split()[:2] == ["CREATED", "FROM"]
    assert "FAILED" in head.split()
    assert len(lines) == 4
    found = durable("activity", "--workflow", "refund_order", "--buckets", "4", "--json").json
    assert sum(bucket["counts"].get("failed", 0) for bucket in found["buckets"]) >= 1
    assert durable("activity", "--workflow", "no-such-workflow").out == "No runs match.\n"


def test_a_run_is_shown_as_a_tree(durable: Durable, failed: str) -> None:
    """Status, error, steps below one another, and the address of its page; as JSON what the API answered."""
    text = durable("show", failed).out
    for part in (
        "refund_order",
        "failed",
        "BankUnreachable",
        "├─ 1 ",
        "└─ ",
        "look_up_payment",
        f"/durable/runs/{failed}",
    ):
        assert part in text
    assert durable("show", failed, "--json").json["run"]["id"] == failed


def test_the_runs_that_a_run_started_hang_below_their_step(durable: Durable, client: DurableClient, shop: str) -> None:
    """Each with its status; with ``--depth`` their steps too."""
    run_id = place_order(shop, items="atlas, clock")
    children = until(lambda: (found := client.get_run(run_id).child_runs) and len(found) == 2 and found)
    for child in children:
        wait_for(client, child.id, "completed")
    shallow = durable("show", run_id).out
    assert f"└─ {children[0].id} pack_item" in shallow
    assert "completed" in shallow
    assert "├─ 1 pick" not in shallow
    assert durable("show", run_id, "--depth", "1").out.count("├─ 1 pick") == 2
    assert len(durable("show", run_id, "--depth", "1", "--json").json) == 3


def test_a_run_is_tailed_to_its_end(durable: Durable, client: DurableClient, failed: str) -> None:
    """``tail`` exits 1 when the run failed and 0 when it completed."""
    assert durable("tail", failed).code == 1
    client.retry(failed)
    done = durable("tail", failed, "--json")
    assert done.code == 0
    messages = [json.loads(line) for line in done.out.splitlines()]
    assert messages[0]["type"] == "snapshot"
    wait_for(client, failed, "completed")
    assert durable("tail", failed).code == 0


def test_a_run_is_tailed_where_the_server_offers_no_streams(client: DurableClient, failed: str) -> None:
    """A server with one thread refuses streams: the run is asked for again and again instead."""
    client.retry(failed)
    app = Flask(__name__)
    elsewhere = httpx.Client(base_url=client.base_url)

    @app.get("/durable/api/<path:rest>")
    def relay(rest: str) -> tuple[str, int, dict[str, str]]:
        if rest.endswith("/stream"):
            return '{"title": "No live streams", "detail": "One thread."}', 503, {"Retry-After": "600"}
        answer = elsewhere.get(f"{client.base_url}/api/{rest}")
        return answer.text, answer.status_code, {"Content-Type": "application/json"}

    with elsewhere, DurableClient("http://localhost/durable", transport=AppTransport(app)) as refused:
        messages = list(messages_of(refused, failed))
        assert {message.type for message in messages} == {"snapshot"}
        assert messages[-1].detail.run.status == "completed"
        with pytest.raises(NotFoundError):
            next(messages_of(refused, "nobody"))


def test_parts_of_a_run_are_read(durable: Durable, client: DurableClient, shop: str, failed: str) -> None:
    """A step, a payload, published values, the run of a trace."""
    assert "look_up_payment" in durable("step", failed, "1").out
    assert durable("step", failed, "1", "--json").json["name"] == "look_up_payment"
    assert "order-9" in json.dumps(durable("payload", failed, "input").json)
    assert durable("payload", failed, "input", "--raw").out
    assert durable("payload", failed, "output").code == NOT_FOUND
    order = place_order(shop)
    label = until(lambda: client.get_event(order, "label"))
    assert "label" in durable("events", order).out
    assert durable("events", order, "label").json == label
    assert durable("events", failed).out == "It published nothing.\n"
    trace_id = client.get_run(failed).run.trace_id
    assert until(lambda: durable("trace", trace_id).out == f"{failed}\n")


def test_the_fleet_is_listed(durable: Durable, client: DurableClient, failed: str) -> None:
    """Queues, worker processes, schedules, the audit log."""
    assert durable("workers").out.splitlines()[0].split()[:2] == ["QUEUE", "WAITING"]
    assert "warehouse" in durable("workers").out
    assert until(lambda: "live" in durable("executors").out)
    assert durable("executors", "--json").json[0]["status"] == "live"
    assert durable("schedules").out == durable("schedules", "list").out == "There are no schedules.\n"
    client.cancel(place_order_id := client.start_run("refund_order", ["order-10", 3]).run_id)
    assert place_order_id in durable("audit", "--run", place_order_id).out


def test_the_doctor_is_content_and_says_what_is_not(durable: Durable, shop: str, free_port: int) -> None:
    """Exit code 0 with a line for each thing that it saw, 1 where something needs mending."""
    done = durable("doctor")
    assert done.code == 0, done.out
    found = {line.split()[1] for line in done.out.splitlines()[1:]}
    assert {"dashboard", "store", "workers", "live"} <= found
    levels = {finding["what"]: finding["level"] for finding in durable("doctor", "--json").json}
    assert (levels["dashboard"], levels["live"]) == ("ok", "ok")
    for url in (f"http://127.0.0.1:{free_port}", f"{shop}/nowhere"):
        lost = durable("doctor", "--url", url)
        assert (lost.code, lost.out.splitlines()[1].split()[:2]) == (1, ["FIX", "dashboard"])


def test_watching_prints_what_changed_until_it_is_interrupted(
    base_url: str, client: DurableClient, failed: str
) -> None:
    """Where there is no terminal, a reading follows the one before if it differs; Ctrl-C ends it without an error."""
    environ = {**os.environ, "DURABLE_URL": base_url}
    arguments = ("runs", "-q", failed, "--watch", "--every", "0.1", "--json")
    with running("-m", "dashboard.cli", *arguments, environ=environ) as program:
        program.wait_for('"failed"')
        client.retry(failed)
        program.wait_for('"completed"')
        assert program.stop(signal.SIGINT) == 0
    readings = [json.loads(line) for line in program.lines]
    assert all(reading[0]["id"] == failed for reading in readings)
    assert len({json.dumps(reading) for reading in readings}) == len(readings)


def test_errors_are_listed_shown_and_dealt_with(durable: Durable, failed: str) -> None:
    """The run that failed leads to its error, the error to its runs; what somebody says of either is kept."""
    error = next(run for run in durable("runs", "-q", failed, "--json").json if run["id"] == failed)["error"]
    fingerprint, kind = error["fingerprint"], error["type"].rpartition(".")[2]
    listed = durable("errors", "--since", "1h")
    assert listed.out.splitlines()[1].split()[:3] == ["FINGERPRINT", "COUNT", "ERROR"]
    (line,) = [line for line in listed.out.splitlines() if line.startswith(fingerprint)]
    assert kind in line
    assert failed in [run["id"] for run in durable("runs", "--error", fingerprint, "--json").json]
    shown = durable("errors", "show", fingerprint)
    assert re.search(r"^State: +open$", shown.out, re.MULTILINE)
    assert f"{failed}" in shown.out
    done = durable("errors", "decide", fingerprint, "dealt_with", "--note", "not our card")
    assert re.search(r"^State: +dealt with$", done.out, re.MULTILINE)
    assert "not our card" in done.out
    assert durable("errors", "--state", "dealt_with", "--json").json["groups"][0]["fingerprint"] == fingerprint
    assert durable("decide", failed, "open").out == f"{failed} is open.\n"
    assert durable("show", failed, "--json").json["run"].get("dealtWith") is None
    assert durable("errors", "show", "no-such-error").code == NOT_FOUND


def test_the_parts_of_a_runs_time_are_said(durable: Durable, failed: str) -> None:
    """In words for people, in milliseconds for programs."""
    shown = durable("timing", failed)
    assert shown.out.splitlines()[0].startswith("Time:")
    assert "LONGEST" in shown.out
    found = durable("timing", failed, "--json").json
    assert found["queueMs"] + found["workMs"] + found["waitingMs"] + found["betweenMs"] == found["totalMs"]
    assert durable("timing", "no-such-run").code == NOT_FOUND


def test_a_retried_run_is_compared_with_its_earlier_attempt(
    durable: Durable, client: DurableClient, failed: str
) -> None:
    """What failed then and went well since is marked; a run with itself is refused."""
    client.retry(failed)
    wait_for(client, failed, "completed")
    found = durable("compare", failed, "--attempt", "1", "--json").json
    assert (found["run"]["status"], found["other"]["status"], found["other"]["attempt"]) == ("completed", "failed", 1)
    assert found["firstDifference"] is not None
    shown = durable("compare", failed, "--attempt", "1").out
    assert any(line.startswith(">") and "failed" in line for line in shown.splitlines())
    assert durable("compare", failed, failed).code == BAD_USAGE
    assert durable("compare", failed, "--attempt", "9").code == NOT_FOUND
