"""What the command does to runs, and the exit codes by which scripts learn how it went."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dashboard.cli import bulk as bulk_module
from dashboard.cli.session import BAD_USAGE, NOT_FOUND, REFUSED, UNREACHABLE
from dashboard.client import DurableClient
from tests.cli.conftest import Durable, run_durable
from tests.client.orders import place_order
from tests.client.test_acting import wait_for
from tests.waiting import until


@pytest.fixture
def failed(client: DurableClient) -> str:
    """A run that failed."""
    run_id = client.start_run("refund_order", ["order-9", 3]).run_id
    wait_for(client, run_id, "failed")
    return run_id


def test_a_run_is_retried_under_its_own_id(durable: Durable, client: DurableClient, failed: str) -> None:
    """And a completed one is refused."""
    done = durable("retry", failed)
    assert (done.code, done.out.split(":")[0]) == (0, failed)
    wait_for(client, failed, "completed")
    assert durable("retry", failed).code == REFUSED


def test_runs_are_continued_cancelled_and_undone(durable: Durable, client: DurableClient, shop: str) -> None:
    """Each command says what became of the run; a dry run undoes nothing."""
    run_id = place_order(shop, items="lamp", total=900)
    wait_for(client, run_id, "suspended", "breakpoint")
    done = durable("undo", "--dry-run", run_id)
    assert done.code == 0
    assert "would undo" in done.out
    assert done.out.index("charge_card") < done.out.index("reserve_stock")
    assert durable("continue", run_id).code == 0
    wait_for(client, run_id, "suspended", "signal")
    assert durable("undo", run_id, "--json").json[0]["runId"] == run_id
    wait_for(client, run_id, "cancelled")
    assert durable("undo", "-n", run_id).out.startswith(f"{run_id}: undo completed")
    other = place_order(shop, total=901)
    wait_for(client, other, "suspended", "breakpoint")
    assert durable("cancel", other).out == f"{other}: cancelled\n"
    assert durable("redispatch", other).code == REFUSED


def test_a_signal_is_sent_as_json(durable: Durable, client: DurableClient, shop: str, tmp_path: Path) -> None:
    """From the command line, a file or standard input; what is not JSON is refused before anything is sent."""
    run_id = place_order(shop, items="lamp", total=900)
    wait_for(client, run_id, "suspended", "breakpoint")
    durable("continue", run_id)
    wait_for(client, run_id, "suspended", "signal")
    refused = durable("send", run_id, "courier", "Grace")
    assert (refused.code, "quotes of its own" in refused.err) == (BAD_USAGE, True)
    assert durable("send", run_id, "courier", "@" + str(tmp_path / "nothing")).code == BAD_USAGE
    message = tmp_path / "message.json"
    message.write_text('{"name": "Grace"}')
    assert durable("send", run_id, "other", "-", stdin="[1]").code == 0
    assert durable("send", run_id, "courier", f"@{message}", "--idempotency-key", "k").code == 0
    wait_for(client, run_id, "completed")
    assert client.get_run(run_id).run.output["collected"] == {"name": "Grace"}


def test_an_update_that_nobody_waits_for_is_refused(durable: Durable, failed: str) -> None:
    """In the API's words."""
    done = durable("update", failed, "address", '"Elm Street"')
    assert done.code == REFUSED
    assert done.err.startswith("Error: ")


def test_runs_are_started_followed_forked_and_corrected(durable: Durable, client: DurableClient) -> None:
    """Following a new run ends with it: exit code 1, because this one fails."""
    done = durable("start", "refund_order", '["order-5", 3]', "--attributes", '{"batch": "cli"}', "--follow")
    run_id = done.out.split(":")[0]
    assert (done.code, client.get_run(run_id).run.status) == (1, "failed")
    assert client.get_run(run_id).run.search_attributes["batch"] == "cli"
    forked = durable("fork", run_id, "2", "--json").json["runId"]
    assert until(lambda: client.get_run(forked).run.forked_from) == run_id
    corrected = durable("retry-with-input", run_id, '["order-5", 2]', "--json").json["runId"]
    assert corrected not in (run_id, forked)
    assert durable("start", "refund_order", "[]", "--attributes", "[]").code == BAD_USAGE
    assert durable("start", "refund_order", '["x", 1]', "--run-id", run_id, "--json").code in (0, REFUSED)


def test_bulk_previews_asks_and_acts_on_what_was_previewed(durable: Durable, client: DurableClient) -> None:
    """A dry run touches nothing; where nobody can be asked ``--yes`` is wanted, and without a filter ``--all``."""
    ids = [client.start_run("refund_order", ["bulk", 1], attributes={"batch": "b2"}).run_id for _ in range(3)]
    for run_id in ids:
        wait_for(client, run_id, "failed")
    some = ("--status", "failed", "--attr", "batch:eq:b2")
    done = durable("bulk", "retry", *some, "--dry-run")
    assert done.out.startswith("Would retry 3 runs (3 failed)")
    assert all(run_id in done.out for run_id in ids)
    assert durable("bulk", "retry", *some, "--dry-run", "--json").json["matched"] == 3
    asked = durable("bulk", "retry", *some)
    assert (asked.code, "--yes" in asked.err) == (BAD_USAGE, True)
    unlimited = durable("bulk", "cancel", "--yes")
    assert (unlimited.code, "--all" in unlimited.err) == (BAD_USAGE, True)
    assert client.get_run(ids[0]).run.status == "failed"
    done = durable("bulk", "retry", *some, "--yes")
    assert done.code == 0, done.err
    assert "3 of 3 done." in done.out or "3 done" in done.out
    for run_id in ids:
        wait_for(client, run_id, "completed")
    assert durable("bulk", "show", "bulk:nobody").code == NOT_FOUND


def test_a_large_bulk_action_is_followed_to_its_end(
    durable: Durable, client: DurableClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It continues as a run of its own; the command waits for it, or prints its id."""
    ids = [client.start_run("refund_order", ["bulk", 1], attributes={"batch": "b3"}).run_id for _ in range(30)]
    for run_id in ids:
        wait_for(client, run_id, "failed")
    monkeypatch.setattr(bulk_module, "POLL_S", 0.05)
    some = ("--status", "failed", "--attr", "batch:eq:b3", "--yes")
    done = durable("bulk", "retry", *some, "--json")
    assert done.code == 0, done.err
    assert (done.json["status"], done.json["applied"]) == ("completed", 30)
    shown = durable("bulk", "show", done.json["bulkId"])
    assert "completed, 30 of 30 looked at, 30 done, 0 left alone" in shown.out
    for run_id in ids:
        wait_for(client, run_id, "completed")
    assert "Now: 30 succeeded." in durable("bulk", "show", done.json["bulkId"]).out
    assert done.json["bulkId"] in durable("bulk", "list").out
    good = durable("runs", "--bulk", done.json["bulkId"], "--bulk-part", "succeeded", "--limit", "50", "--json")
    assert {row["id"] for row in good.json} == set(ids)


def test_an_error_is_retried_a_part_first(
    durable: Durable, client: DurableClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The preview names the error; every run of it goes on once the first ones did well."""
    ids = [client.start_run("refund_order", ["bulk", 1], attributes={"batch": "b4"}).run_id for _ in range(3)]
    for run_id in ids:
        wait_for(client, run_id, "failed")
    error = client.list_runs(attr="batch:eq:b4").runs[0].error
    assert error is not None
    assert error.fingerprint is not None
    monkeypatch.setattr(bulk_module, "POLL_S", 0.05)
    looked = durable("errors", "retry", error.fingerprint, "--dry-run")
    assert "BankUnreachable · pay_back: No answer from the bank" in looked.out
    done = durable("errors", "retry", error.fingerprint, "--canary", "--yes")
    assert done.code == 0, done.err
    assert "Stages: 1 good" in done.out
    for run_id in ids:
        wait_for(client, run_id, "completed")


def test_exit_codes_tell_scripts_what_went_wrong(durable: Durable, client: DurableClient, failed: str) -> None:
    """2 command line, 3 unreachable, 4 not found, 5 refused; of several runs the worst, the others still done."""
    assert durable("show", "nobody").code == NOT_FOUND
    assert durable("undo", "--dry-run", "nobody").code == NOT_FOUND
    done = durable("retry", "nobody", failed)
    assert (done.code, failed in done.out, done.err.startswith("nobody: ")) == (NOT_FOUND, True, True)
    wait_for(client, failed, "completed")
    assert durable("runs", "--attr", "nonsense").code == BAD_USAGE
    assert durable("runs", "--status", "sleepy").code == BAD_USAGE
    assert durable("runs", "--limit", "0").code == BAD_USAGE


def test_a_dashboard_that_does_not_answer_is_exit_code_3(free_port: int) -> None:
    """With the address that was asked."""
    done = run_durable("runs", url=f"http://127.0.0.1:{free_port}")
    assert (done.code, str(free_port) in done.err) == (UNREACHABLE, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("runs", "--url", "nowhere"),
        ("runs", "--url", "http://"),
        ("runs", "--url", "http:///durable"),
        ("runs", "--url", "http://x:abc"),
        ("runs", "--url", "ftp://x"),
        ("runs", "--url", "http://x", "--token", "naïve"),
        ("runs", "--url", "http://x", "--token", "two\nlines"),
        ("show", "", "--url", "http://x"),
        ("show", "r" * 100_000, "--url", "http://x"),
        ("send", "r", "topic", "1", "--idempotency-key", "naïve", "--url", "http://x"),
    ],
)
def test_what_cannot_be_asked_is_said_before_anything_is_sent(arguments: tuple[str, ...]) -> None:
    """A sentence and exit code 2, not a traceback of the transport's."""
    done = run_durable(*arguments)
    assert (done.code, done.err.startswith("Error: ")) == (BAD_USAGE, True), done.err


def test_without_an_address_it_asks_for_one() -> None:
    """No default host is guessed; both kinds of address at once are one too many."""
    done = run_durable("runs")
    assert (done.code, "DURABLE_URL" in done.err) == (BAD_USAGE, True)
    both = run_durable("runs", "--url", "http://x", "--system-database-url", "sqlite:///x.sqlite")
    assert (both.code, "not both" in both.err) == (BAD_USAGE, True)


def test_notes_of_an_action_are_reported(durable: Durable, client: DurableClient, failed: str) -> None:
    """JSON holds the same answer."""
    answer = json.loads(durable("retry", failed, "--json").out)
    assert answer[0]["runId"] == failed
