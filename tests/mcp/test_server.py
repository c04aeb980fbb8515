"""``durable mcp`` as an agent has it: the official client, the command as its subprocess, a live shop."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from dashboard.actor import Actor
from dashboard.client import DurableClient
from tests.cli.conftest import run_durable
from tests.client.conftest import base_url, client, shop
from tests.client.orders import place_order
from tests.client.test_acting import wait_for
from tests.programs import ROOT
from tests.story import mounted, served

__all__ = ["base_url", "client", "shop"]


READ = {"overview", "list_runs", "show_run", "show_step", "show_payload", "report_run", "list_alerts"} | {
    *("list_errors", "show_error", "list_queues", "list_versions")
}
ACT = {"retry_run", "cancel_run", "continue_run", "wake_run", "send_signal", "act_on_runs"} | {
    *("move_run", "redispatch_run", "pause_queue", "resume_queue")
}


@asynccontextmanager
async def agent(*where: str, **environ: str) -> AsyncIterator[Client]:
    """An agent's client over the command, started as agents start it."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("DURABLE_", "DBOS_"))}
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "dashboard", "mcp", *where], env={**clean, **environ}
    )
    async with Client(command, read_timeout_seconds=150) as connected:
        yield connected


async def ask(connected: Client, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool that succeeds; return its answer."""
    result = await connected.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return dict(result.structured_content)


async def refusal(connected: Client, tool: str, **arguments: Any) -> str:
    """Call a tool that is refused; return what it says."""
    result = await connected.call_tool(tool, arguments)
    assert result.is_error
    return str(result.content[0].text)  # type: ignore[union-attr]


@pytest.mark.asyncio
async def test_an_agent_finds_a_failure_and_retries_it_when_it_was_confirmed(
    base_url: str, client: DurableClient
) -> None:
    """From the overview to the failing step; a preview, a token for it alone, the audit log's word."""
    run_id = client.start_run("refund_order", ["order-1", 12]).run_id
    other_id = client.start_run("refund_order", ["order-2", 12]).run_id
    for started in (run_id, other_id):
        wait_for(client, started, "failed")
    async with agent("--url", base_url) as connected:
        assert {tool.name for tool in (await connected.list_tools()).tools} == READ | ACT
        assert (await ask(connected, "overview"))["runs"]["failed"] >= 2
        listed = await ask(connected, "list_runs", status="failed", workflow="refund_order")
        assert run_id in [run["id"] for run in listed["runs"]]
        shown = await ask(connected, "show_run", run_id=run_id)
        assert "bank" in shown["error"]["message"]
        assert shown["lastSteps"][-1]["status"] == "failed"
        assert "output" not in shown["lastSteps"][0]
        step = await ask(connected, "show_step", run_id=run_id, seq=shown["lastSteps"][-1]["seq"])
        assert step["error"]["type"].endswith("BankUnreachable")
        assert (await ask(connected, "show_payload", run_id=run_id, which="input"))["input"]["args"] == ["order-1", 12]

        preview = await ask(connected, "retry_run", run_id=run_id)
        assert preview["wouldDo"] == "retry"
        assert client.get_run(run_id).run.status == "failed"
        assert "other arguments" in await refusal(connected, "retry_run", run_id=other_id, confirm=preview["confirm"])
        assert "unknown" in await refusal(connected, "retry_run", run_id=run_id, confirm=preview["confirm"])
        again = await ask(connected, "retry_run", run_id=run_id)
        done = await ask(connected, "retry_run", run_id=run_id, confirm=again["confirm"])
        assert done["done"] == "retry"
        wait_for(client, run_id, "completed")
        assert client.audit(run=run_id)[0].actor == "local via mcp"
        assert "There is no run" in await refusal(connected, "show_run", run_id="none")


@pytest.mark.asyncio
async def test_an_agent_continues_signals_and_cancels_runs(base_url: str, client: DurableClient, shop: str) -> None:
    """Each in two calls; a run that sleeps in the engine's own sleep is not woken, and the refusal says so."""
    run_id, other_id = place_order(shop, items="lamp", total=900), place_order(shop, total=901)
    for placed in (run_id, other_id):
        wait_for(client, placed, "suspended", "breakpoint")

    async with agent("--url", base_url) as connected:

        async def confirmed(tool: str, **arguments: Any) -> dict[str, Any]:
            preview = await ask(connected, tool, **arguments)
            return await ask(connected, tool, **arguments, confirm=preview["confirm"])

        woken = await ask(connected, "wake_run", run_id=run_id)
        assert "in no sleep" in await refusal(connected, "wake_run", run_id=run_id, confirm=woken["confirm"])
        assert (await confirmed("continue_run", run_id=run_id))["done"] == "continue"
        wait_for(client, run_id, "suspended", "signal")
        await confirmed("send_signal", run_id=run_id, topic="courier", message={"name": "Grace"})
        wait_for(client, run_id, "completed")
        assert (await confirmed("cancel_run", run_id=other_id, undo=True))["done"] == "cancel"
        wait_for(client, other_id, "cancelled")


@pytest.mark.asyncio
async def test_an_agent_sees_errors_and_queues_and_pauses_one(base_url: str, client: DurableClient) -> None:
    """A pause is previewed and confirmed like any action, kept with its words, and not confirmed a second time."""
    run_id = client.start_run("refund_order", ["order-4", 12]).run_id
    wait_for(client, run_id, "failed")
    error = client.get_run(run_id).run.error
    assert error is not None
    async with agent("--url", base_url) as connected:
        errors = (await ask(connected, "list_errors"))["errors"]
        assert error.fingerprint in {one["fingerprint"] for one in errors}
        shown = await ask(connected, "show_error", fingerprint=error.fingerprint)
        assert (shown["workflows"], run_id in {run["id"] for run in shown["newestRuns"]}) == (["refund_order"], True)
        assert (await ask(connected, "list_versions"))["versions"][0]["liveExecutors"] >= 1
        assert "only a run that has not ended" in await refusal(connected, "move_run", run_id=run_id)
        held = await ask(connected, "redispatch_run", run_id=run_id)
        assert "failed" in await refusal(connected, "redispatch_run", run_id=run_id, confirm=held["confirm"])
        asked = {"name": "warehouse", "comment": "stock is wrong"}
        preview = await ask(connected, "pause_queue", **asked)
        assert (preview["wouldDo"], preview["now"]["paused"]) == ("pause queue", False)
        try:
            done = await ask(connected, "pause_queue", **asked, confirm=preview["confirm"])
            assert (done["done"], done["paused"]) == ("pause queue", True)
            queues = {queue["queue"]: queue for queue in (await ask(connected, "list_queues"))["queues"]}
            assert queues["warehouse"]["pauseComment"] == "stock is wrong"
            assert "used" in await refusal(connected, "pause_queue", **asked, confirm=preview["confirm"])
        finally:
            client.resume_queue("warehouse")
        assert "no queue 'nowhere'" in await refusal(connected, "resume_queue", name="nowhere")


@pytest.mark.asyncio
async def test_many_runs_are_retried_as_they_were_previewed(base_url: str, client: DurableClient) -> None:
    """A filter is needed; when the runs have changed since the preview nothing is done."""
    run_id = client.start_run("refund_order", ["order-3", 12]).run_id
    wait_for(client, run_id, "failed")
    async with agent("--url", base_url) as connected:
        assert "filter" in await refusal(connected, "act_on_runs", action="retry")
        preview = await ask(connected, "act_on_runs", action="retry", text=run_id)
        token = {"confirm": preview["confirm"]}
        assert "another action" in await refusal(connected, "act_on_runs", action="cancel", text=run_id, **token)
        preview = await ask(connected, "act_on_runs", action="retry", text=run_id)
        assert (preview["matched"], preview["sample"][0]["id"]) == (1, run_id)
        client.retry(run_id)
        wait_for(client, run_id, "completed")
        assert "changed" in await refusal(
            connected, "act_on_runs", action="retry", text=run_id, confirm=preview["confirm"]
        )


@pytest.mark.asyncio
async def test_directly_on_a_database_secrets_are_hidden(story_url: str) -> None:
    """Without a dashboard that is served; ``DURABLE_REDACT`` names what an agent does not see."""
    async with agent("--system-database-url", story_url, DURABLE_REDACT="args") as connected:
        failed = (await ask(connected, "list_runs", status="failed"))["runs"][0]
        shown = await ask(connected, "show_payload", run_id=failed["id"], which="input")
        assert "redacted" in str(shown).lower() or "•" in str(shown) or "***" in str(shown)


@pytest.mark.asyncio
async def test_a_viewer_gets_no_actions(story_url: str) -> None:
    """They are not offered at all."""
    with mounted(story_url, auth=lambda request: Actor("eve", "viewer")) as app, served(app) as port:
        async with agent("--url", f"http://127.0.0.1:{port}/durable") as connected:
            assert {tool.name for tool in (await connected.list_tools()).tools} == READ


@pytest.mark.asyncio
async def test_directly_on_a_database_a_viewer_gets_no_actions(story_url: str) -> None:
    """``--role`` says what may be done at all."""
    async with agent("--system-database-url", story_url, "--role", "viewer") as connected:
        assert {tool.name for tool in (await connected.list_tools()).tools} == READ


@pytest.mark.asyncio
async def test_directly_on_a_database_the_policy_is_asked_for_the_name_that_was_given(
    story_url: str, tmp_path: Path
) -> None:
    """``--may`` is what ``may=`` is to a blueprint, for what is seen and for what is done."""
    (tmp_path / "shop_policy.py").write_text(
        "def may(actor, action, run):\n"
        "    return actor.name == 'ada' and run.workflow == 'charge' and action in ('see', 'retry')\n"
    )
    ledger = ("--ledger", f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    where = ("--system-database-url", story_url, *ledger, "--may", "shop_policy:may")
    with mounted(story_url) as app:
        rows = app.test_client().get("/durable/api/runs?limit=500", headers={"Host": "localhost"}).get_json()
    seen = {row["workflow"] for row in rows}
    chosen = next(row for row in rows if row["status"] == "failed")
    policy = (tmp_path / "shop_policy.py").read_text().replace("charge", chosen["workflow"])
    (tmp_path / "shop_policy.py").write_text(policy)
    assert len(seen) > 1
    async with agent(*where, "--as", "ada", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}") as connected:
        listed = (await ask(connected, "list_runs", limit=50))["runs"]
        assert {run["workflow"] for run in listed} == {chosen["workflow"]}
        hidden = next(row["id"] for row in rows if row["workflow"] != chosen["workflow"])
        assert "There is no run" in await refusal(connected, "show_run", run_id=hidden)
        assert "There is no run" in await refusal(connected, "cancel_run", run_id=hidden)
        preview = await ask(connected, "cancel_run", run_id=chosen["id"])
        assert preview["run"]["allowed"] == ["retry"]
        refused = await refusal(connected, "cancel_run", run_id=chosen["id"], confirm=preview["confirm"])
        assert "not allowed to cancel" in refused
    async with agent(*where, "--as", "bob", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}") as connected:
        assert (await ask(connected, "list_runs"))["runs"] == []


def test_at_a_url_nobody_says_who_they_are() -> None:
    """The server knows, and asks its own policy."""
    done = run_durable("mcp", "--url", "http://127.0.0.1:9/durable", "--role", "operator")
    assert done.code == 2
    assert "At a URL the server knows who asks" in done.err


def test_a_policy_that_cannot_be_loaded_is_said(story_url: str) -> None:
    """Rather than taken for none."""
    for place in ("no_such_module:may", "os:path"):
        done = run_durable("mcp", "--system-database-url", story_url, "--may", place)
        assert (done.code, "The policy" in done.err) == (2, True), done.err
