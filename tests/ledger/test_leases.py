"""Who holds a lease, as a table: each row is one rule, on every kind of ledger."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable

import pytest

from otel_bridge.errors import LeaseLostError
from otel_bridge.ledger import Ledger, MemoryLedger, open_ledger
from otel_bridge.ledger.base import Cursor, Lease, owner_name
from tests.waiting import until

LONG_S, SHORT_S = 30.0, 0.05
CURSOR = Cursor(steps_ms=1, runs_ms=1)


def take(ledger: Ledger, owner: str, *, ttl_s: float = LONG_S) -> Lease:
    lease = ledger.acquire_lease("duty", owner, ttl_s=ttl_s)
    assert lease is not None
    return lease


def expired(ledger: Ledger, owner: str) -> Lease:
    lease = take(ledger, owner, ttl_s=SHORT_S)
    until(lambda: ledger.lease_holder("duty") is None)
    return lease


def holder(ledger: Ledger) -> str | None:
    lease = ledger.lease_holder("duty")
    return None if lease is None else lease.owner


def is_accepted(ledger: Ledger, lease: Lease) -> bool:
    try:
        ledger.record_export(lease, cursor=CURSOR, runs=[])
    except LeaseLostError:
        return False
    return True


def stale_token_cannot_release(ledger: Ledger) -> None:
    stale = expired(ledger, "a")
    take(ledger, "b")
    ledger.release_lease(stale)
    assert holder(ledger) == "b"


def own_old_token_cannot_release(ledger: Ledger) -> None:
    stale = expired(ledger, "a")
    ledger.release_lease(take(ledger, "b"))
    again = take(ledger, "a")
    assert again.token > stale.token
    ledger.release_lease(stale)
    assert holder(ledger) == "a"


def another_owner_cannot_release(ledger: Ledger) -> None:
    lease = take(ledger, "a")
    ledger.release_lease(Lease("duty", "b", lease.token, lease.expires_at_ms, lease.since_ms))
    assert holder(ledger) == "a"


def another_name_is_left_alone_by_a_release(ledger: Ledger) -> None:
    lease = take(ledger, "a")
    ledger.acquire_lease("other", "a", ttl_s=LONG_S)
    ledger.release_lease(lease)
    assert ledger.lease_holder("other") is not None


def held_lease_cannot_be_taken(ledger: Ledger) -> None:
    take(ledger, "a")
    assert ledger.acquire_lease("duty", "b", ttl_s=LONG_S) is None
    assert holder(ledger) == "a"


def expired_lease_can_be_taken(ledger: Ledger) -> None:
    stale = expired(ledger, "a")
    assert take(ledger, "b").token == stale.token + 1


def expired_lease_is_nobodys(ledger: Ledger) -> None:
    expired(ledger, "a")
    assert ledger.lease_holder("duty") is None


def expired_lease_that_nobody_took_is_renewed_with_its_token(ledger: Ledger) -> None:
    stale = expired(ledger, "a")
    assert take(ledger, "a").token == stale.token
    assert is_accepted(ledger, stale)


def released_lease_can_be_taken_at_once(ledger: Ledger) -> None:
    first = take(ledger, "a")
    ledger.release_lease(first)
    assert holder(ledger) is None
    assert take(ledger, "b").token > first.token


def stale_token_cannot_write(ledger: Ledger) -> None:
    stale = expired(ledger, "a")
    take(ledger, "b")
    assert not is_accepted(ledger, stale)
    assert ledger.cursor() is None


def stale_token_cannot_store_values(ledger: Ledger) -> None:
    stale = expired(ledger, "a")
    ledger.put_values(take(ledger, "b"), {"one": 1, "two": [2]})
    with pytest.raises(LeaseLostError):
        ledger.put_values(stale, {"one": None, "three": 3})
    assert [ledger.get_value(key) for key in ("one", "two", "three")] == [1, [2], None]


def stale_token_cannot_prune(ledger: Ledger) -> None:
    stale = expired(ledger, "a")
    take(ledger, "b")
    with pytest.raises(LeaseLostError):
        ledger.prune_exports(stale, ended_before_ms=0)


def released_token_cannot_write(ledger: Ledger) -> None:
    lease = take(ledger, "a")
    ledger.release_lease(lease)
    assert not is_accepted(ledger, lease)


def token_of_another_owner_cannot_write(ledger: Ledger) -> None:
    lease = take(ledger, "a")
    assert not is_accepted(ledger, Lease("duty", "b", lease.token, lease.expires_at_ms, lease.since_ms))


def token_of_another_name_cannot_write(ledger: Ledger) -> None:
    lease = take(ledger, "a")
    assert not is_accepted(ledger, Lease("other", "a", lease.token, lease.expires_at_ms, lease.since_ms))


def renewal_keeps_when_it_was_taken_and_moves_its_end(ledger: Ledger) -> None:
    first = take(ledger, "a", ttl_s=10)
    later = take(ledger, "a")
    assert (later.token, later.since_ms) == (first.token, first.since_ms)
    assert later.expires_at_ms > first.expires_at_ms
    assert ledger.lease_holder("duty") == later


def hand_over_says_since_when_the_new_one_holds_it(ledger: Ledger) -> None:
    first = expired(ledger, "a")
    assert take(ledger, "b").since_ms >= first.expires_at_ms


def lease_lasts_as_long_as_asked(ledger: Ledger) -> None:
    before = ledger.now_ms()
    lease = take(ledger, "a", ttl_s=12.5)
    assert before + 12_500 <= lease.expires_at_ms <= ledger.now_ms() + 12_500


@pytest.mark.parametrize(
    "rule",
    [
        stale_token_cannot_release,
        own_old_token_cannot_release,
        another_owner_cannot_release,
        another_name_is_left_alone_by_a_release,
        held_lease_cannot_be_taken,
        expired_lease_can_be_taken,
        expired_lease_is_nobodys,
        expired_lease_that_nobody_took_is_renewed_with_its_token,
        released_lease_can_be_taken_at_once,
        stale_token_cannot_write,
        stale_token_cannot_store_values,
        stale_token_cannot_prune,
        released_token_cannot_write,
        token_of_another_owner_cannot_write,
        token_of_another_name_cannot_write,
        renewal_keeps_when_it_was_taken_and_moves_its_end,
        hand_over_says_since_when_the_new_one_holds_it,
        lease_lasts_as_long_as_asked,
    ],
    ids=lambda rule: rule.__name__.replace("_", " "),
)
def test_a_lease(ledger: Ledger, rule: Callable[[Ledger], None]) -> None:
    """Fencing: what lost its lease writes nothing and frees nothing."""
    rule(ledger)


@pytest.mark.parametrize(
    ("set_back_ms", "taken"),
    [(0, False), (4_000, False), (6_000, True), (3_600_000, True)],
    ids=["stands", "a little back", "well back", "an hour back"],
)
def test_a_lease_from_a_clock_that_was_set_back_counts_as_expired(set_back_ms: int, taken: bool) -> None:
    """Else nobody could take a dead holder's lease for as long as the clock went back."""
    now_ms = [10_000_000]
    ledger = MemoryLedger(clock=lambda: now_ms[0])
    take(ledger, "dead")
    now_ms[0] -= set_back_ms
    assert (ledger.acquire_lease("duty", "b", ttl_s=LONG_S) is not None) is taken


def test_the_name_of_an_owner_says_host_and_process_and_is_another_in_a_forked_child(sqlite_url: str) -> None:
    """An object that was made before a fork is used by several processes; each is an owner of its own."""
    ledger = open_ledger(sqlite_url)
    lease = ledger.acquire_lease("duty", owner_name(), ttl_s=LONG_S)
    assert lease is not None
    assert lease.holder.endswith(f":{os.getpid()}")
    assert lease.owner.startswith(f"{lease.holder}:")
    assert owner_name() != lease.owner
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def child() -> None:
        answers.put((owner_name(), ledger.acquire_lease("duty", owner_name(), ttl_s=LONG_S)))

    process = context.Process(target=child)
    process.start()
    name, got = answers.get(timeout=30)
    process.join(30)
    assert name != lease.owner
    assert f":{process.pid}:" in name
    assert got is None
    ledger.close()
