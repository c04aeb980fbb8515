"""``durable views`` and ``--view``: filters under a name, from the command line."""

from __future__ import annotations

from dashboard.cli.session import BAD_USAGE
from dashboard.client import DurableClient
from tests.cli.conftest import Durable
from tests.client.test_acting import wait_for


def test_a_view_is_saved_shown_renamed_and_deleted(durable: Durable, client: DurableClient) -> None:
    """``--view`` lists what it shows, narrowed by what else is given; a moving window is resolved when it is used."""
    run_id = client.start_run("refund_order", ["order-view", 3]).run_id
    wait_for(client, run_id, "failed")
    saved = durable("views", "save", "refunds", "--workflow", "refund_order", "--last", "2h", "--default", "--json")
    assert (saved.json["filter"], saved.json["isDefault"]) == ({"workflow": "refund_order", "since": "2h"}, True)
    shown = durable("runs", "--view", "refunds", "--json").json
    assert run_id in {run["id"] for run in shown}
    assert {run["workflow"] for run in shown} == {"refund_order"}
    assert durable("runs", "--view", "refunds", "--status", "cancelled", "-q", "nobody", "--json").json == []
    assert "Would retry" in durable("bulk", "retry", "--view", "refunds", "--dry-run").out
    assert durable("views", "default", "refunds", "--no-more").out == "refunds: workflow=refund_order since=2h\n"
    assert durable("views", "rename", "refunds", "money back").code == 0
    assert "money back" in durable("views").out
    unknown = durable("runs", "--view", "refunds")
    assert (unknown.code, "Saved are: money back" in unknown.err) == (BAD_USAGE, True)
    assert durable("views", "delete", "money back").out == "money back is deleted.\n"
    assert "None" not in durable("views").out
