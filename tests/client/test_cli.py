"""The ``durable`` command: tables for people, JSON for programs, exit codes for scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import datetime, timezone

import pytest

from dashboard.cli import commands as cli
from dashboard.cli.text import brief, since, table
from dashboard.client import DurableClient
from tests.client.orders import place_order
from tests.client.test_acting import wait_for
from tests.programs import ROOT
from tests.waiting import until

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def durable(base_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process; return its exit code, output and errors."""
    monkeypatch.setenv("DURABLE_URL", base_url)

    def run(*arguments: str) -> tuple[int, str, str]:
        code = cli.main(arguments)
        return code, *capsys.readouterr()

    return run


def test_runs_are_listed_as_a_table_or_as_json(durable: Run, shop: str) -> None:
    """The same runs either way, newest first, within the limit."""
    run_id = place_order(shop, total=444)
    code, text, _ = until(lambda: durable("runs", "--workflow", "fulfil_order", "--attr", "total_eur:eq:444"))
    assert code == 0
    assert text.splitlines()[0].split() == ["RUN", "WORKFLOW", "STATUS", "CREATED", "TOOK", "WAITS", "FOR"]
    assert text.splitlines()[1].startswith(run_id)
    code, text, _ = durable("runs", "-q", run_id, "--limit", "1", "--json")
    assert (code, [run["id"] for run in json.loads(text)]) == (0, [run_id])
    assert durable("runs", "-q", "no-such-run")[:2] == (0, "No runs match.\n")


def test_a_run_is_shown_with_its_timeline(durable: Run, client: DurableClient) -> None:
    """Status, error, steps and the address of its page; as JSON what the API answered."""
    run_id = client.start_run("refund_order", ["order-9", 3]).run_id
    wait_for(client, run_id, "failed")
    code, text, _ = durable("show", run_id)
    assert code == 0
    for part in ("refund_order", "failed", "BankUnreachable", "look_up_payment", f"/durable/runs/{run_id}"):
        assert part in text
    assert json.loads(durable("show", run_id, "--json")[1])["run"]["id"] == run_id


def test_a_run_is_retried_and_tailed_to_its_end(durable: Run, client: DurableClient) -> None:
    """``tail`` exits 1 when the run failed and 0 when it completed."""
    run_id = client.start_run("refund_order", ["order-9", 3]).run_id
    wait_for(client, run_id, "failed")
    assert durable("tail", run_id)[0] == 1
    code, text, _ = durable("retry", run_id)
    assert (code, text.split(":")[0]) == (0, run_id)
    wait_for(client, run_id, "completed")
    code, text, _ = durable("tail", run_id, "--json")
    assert code == 0
    assert json.loads(text.splitlines()[0])["type"] == "snapshot"


def test_runs_are_continued_cancelled_and_undone(durable: Run, client: DurableClient, shop: str) -> None:
    """Each command says what became of the run; a dry run undoes nothing."""
    run_id = place_order(shop, items="lamp", total=900)
    wait_for(client, run_id, "suspended", "breakpoint")
    code, text, _ = durable("undo", "--dry-run", run_id)
    assert code == 0
    assert "would undo" in text
    assert text.index("charge_card") < text.index("reserve_stock")
    assert durable("continue", run_id)[0] == 0
    wait_for(client, run_id, "suspended", "signal")
    assert json.loads(durable("undo", run_id, "--json")[1])[0]["runId"] == run_id
    wait_for(client, run_id, "cancelled")
    assert durable("undo", "--dry-run", run_id)[1].startswith(f"{run_id}: undo completed")
    other = place_order(shop, total=901)
    wait_for(client, other, "suspended", "breakpoint")
    assert durable("cancel", other) == (0, f"{other}: cancelled\n", "")


def test_exit_codes_tell_scripts_what_went_wrong(durable: Run, client: DurableClient, free_port: int) -> None:
    """2 command line, 3 unreachable, 4 not found, 5 refused; of several runs the worst, the others still done."""
    assert durable("show", "nobody")[0] == cli.NOT_FOUND
    assert durable("undo", "--dry-run", "nobody")[0] == cli.NOT_FOUND
    run_id = client.start_run("refund_order", ["order-9", 3]).run_id
    wait_for(client, run_id, "failed")
    code, text, errors = durable("retry", "nobody", run_id)
    assert (code, run_id in text, errors.startswith("nobody: ")) == (cli.NOT_FOUND, True, True)
    wait_for(client, run_id, "completed")
    assert durable("retry", run_id)[0] == cli.REFUSED
    assert durable("runs", "--attr", "nonsense")[0] == cli.USAGE
    assert durable("runs", "--url", f"http://127.0.0.1:{free_port}")[0] == cli.UNREACHABLE


def test_without_an_address_it_asks_for_one(capsys: pytest.CaptureFixture[str]) -> None:
    """No default host is guessed."""
    assert cli.main(["runs", "--url", ""]) == cli.USAGE
    assert "DURABLE_URL" in capsys.readouterr().err


def test_the_command_works_as_a_program(base_url: str) -> None:
    """``python -m dashboard.cli`` reads the environment, and its exit code is the process's."""
    environ = {**os.environ, "DURABLE_URL": base_url}
    command = [sys.executable, "-m", "dashboard.cli"]
    listed = subprocess.run([*command, "runs"], cwd=ROOT, env=environ, capture_output=True, text=True, timeout=60)
    assert (listed.returncode, listed.stderr) == (0, "")
    shown = subprocess.run([*command, "show", "nobody"], cwd=ROOT, env=environ, capture_output=True, timeout=60)
    assert shown.returncode == cli.NOT_FOUND


def test_times_and_payloads_are_written_for_people() -> None:
    """Times are relative, payloads one line."""
    assert since("2026-01-01T00:00:00.000Z", datetime(2026, 1, 1, 0, 0, 5, tzinfo=timezone.utc)) == "5s ago"
    assert brief({"a": "x\n" * 100}).endswith("…")
    assert "\x1b[31mfailed\x1b[0m" in table(["STATUS"], [["failed"]], colour=True)
