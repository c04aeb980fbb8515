"""The client acts through a real server on real runs."""

from __future__ import annotations

import httpx
import pytest

from dashboard.client import AsyncDurableClient, DurableClient, NotFoundError, RefusedError
from tests.client.orders import place_order
from tests.waiting import until


def wait_for(client: DurableClient, run_id: str, status: str, waiting: str | None = None) -> None:
    """Wait until a run has a status, and waits for what is given."""

    def reached() -> bool:
        try:
            run = client.get_run(run_id).run
        except NotFoundError:
            return False
        assert (run.status, run.waiting.on if waiting and run.waiting else None) == (status, waiting)
        return True

    until(reached)


def test_a_failed_run_is_retried_under_its_own_id(client: DurableClient) -> None:
    """It continues from the step that failed and completes; a second retry is refused in words."""
    run_id = client.start_run("refund_order", ["order-1", 12]).run_id
    wait_for(client, run_id, "failed")
    answer = client.retry(run_id)
    assert answer.run_id == answer.id == run_id
    wait_for(client, run_id, "completed")
    with pytest.raises(RefusedError, match="completed"):
        client.retry(run_id)


def test_an_order_is_paused_continued_signalled_and_done(client: DurableClient, shop: str) -> None:
    """Breakpoint and signal are released through the API, and the run completes."""
    run_id = place_order(shop, items="lamp", total=900)
    wait_for(client, run_id, "suspended", "breakpoint")
    assert client.continue_run(run_id).id == run_id
    wait_for(client, run_id, "suspended", "signal")
    client.send_signal(run_id, "courier", {"name": "Grace"}, idempotency_key="once")
    client.send_signal(run_id, "courier", {"name": "Grace"}, idempotency_key="once")
    wait_for(client, run_id, "completed")
    assert client.get_run(run_id).run.output["collected"] == {"name": "Grace"}


def test_a_cancelled_run_is_undone_in_reverse(client: DurableClient, shop: str) -> None:
    """``undo`` previews what ``cancel(compensate=True)`` then does, last step first."""
    run_id = place_order(shop, items="lamp", total=900)
    wait_for(client, run_id, "suspended", "breakpoint")
    planned = client.undo(run_id)
    assert planned.possible
    assert [item.step for item in planned.compensations] == ["charge_card", "reserve_stock"]
    client.cancel(run_id, compensate=True)
    wait_for(client, run_id, "cancelled")
    done = until(lambda: [item.status for item in client.undo(run_id).compensations])
    assert done == ["completed", "completed"]
    with pytest.raises(RefusedError):
        client.retry(run_id)


def test_a_webhook_is_delivered_once(client: DurableClient) -> None:
    """The URL that the run published takes one callback; a token that is not ours reveals nothing."""
    run_id = client.start_run("invoice_customer", ["Ada", 30]).run_id
    url = until(lambda: client.list_events(run_id) and client.get_event(run_id, "callback"))
    assert client.deliver_webhook(url.rpartition("/")[2], {"paid": True}).delivered
    wait_for(client, run_id, "completed")
    assert client.get_run(run_id).run.output["paid"] == {"paid": True}
    assert httpx.post(url, json={}).status_code == 409  # type: ignore[arg-type]
    with pytest.raises(NotFoundError):
        client.deliver_webhook("forged", {})


def test_runs_are_forked_and_started_again_with_other_input(client: DurableClient) -> None:
    """Both are new runs, linked to the first."""
    run_id = client.start_run("refund_order", ["order-2", 20]).run_id
    wait_for(client, run_id, "failed")
    forked = client.fork(run_id, 2).run_id
    assert until(lambda: client.get_run(forked).run.forked_from) == run_id
    corrected = client.retry_with_input(run_id, ["order-2", 19]).run_id
    assert corrected not in (run_id, forked)
    until(lambda: "19" in str(client.get_run(corrected).run.input))


def test_bulk_touches_what_was_previewed(client: DurableClient) -> None:
    """The preview's bound keeps newer runs out; the answer counts what was done; the audit log remembers."""
    ids = [client.start_run("refund_order", ["bulk", 1], attributes={"batch": "b1"}).run_id for _ in range(2)]
    for run_id in ids:
        wait_for(client, run_id, "failed")
    preview = client.preview_bulk("retry", status="failed", attr="batch:eq:b1")
    assert preview.matched == 2
    done = client.bulk_action("retry", status="failed", attr="batch:eq:b1", bound_ms=preview.bound_ms)
    assert done.matched == 2
    if done.bulk_id is not None:
        bulk_id = done.bulk_id
        until(lambda: client.bulk_status(bulk_id).applied == 2)
    for run_id in ids:
        wait_for(client, run_id, "completed")
    assert client.audit(limit=500)


def test_what_is_not_there_is_not_found(client: DurableClient) -> None:
    """Each action on a run, schedule or bulk that does not exist says so."""
    for act in (
        lambda: client.retry("nobody"),
        lambda: client.cancel("nobody"),
        lambda: client.continue_run("nobody"),
        lambda: client.redispatch("nobody"),
        lambda: client.fork("nobody", 1),
        lambda: client.undo("nobody"),
        lambda: client.send_signal("nobody", "topic", 1),
        lambda: client.send_update("nobody", "name", 1),
        lambda: client.bulk_status("bulk:nobody"),
        lambda: client.trigger_schedule("nobody"),
        lambda: client.switch_schedule("nobody", "pause"),
        lambda: client.run_of_trace("0" * 31 + "1"),
    ):
        with pytest.raises(NotFoundError):
            act()


@pytest.mark.asyncio
async def test_the_asynchronous_client_acts_the_same(base_url: str) -> None:
    """Start, retry and read without a thread."""
    async with AsyncDurableClient(base_url) as client:
        run_id = (await client.start_run("refund_order", ["order-3", 5])).run_id
        async for message in client.stream_run(run_id):
            last = message
        assert last.type in ("run.failed", "snapshot")
        await client.retry(run_id)
        async for message in client.stream_run(run_id, give_up_after_s=20):
            last = message
        assert (await client.get_run(run_id)).run.status == "completed"
