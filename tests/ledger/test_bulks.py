"""Bulk actions and what they did with each run, on every kind of ledger."""

from __future__ import annotations

from dataclasses import replace

from otel_bridge.ledger import Ledger
from otel_bridge.ledger.base import Bulk, BulkMember
from otel_bridge.ledger.tables.failures import RunKey

ASKED = Bulk(
    bulk_id="bulk:b", action="retry", actor="ada", matched=2, skipped=1, params={"canary": True}, filter={"queue": "q"}
)
TAKEN = BulkMember(bulk_id="bulk:b", run_id="r", created_at_ms=5, outcome="trying", fingerprint="f1")


def test_a_bulk_is_kept_as_it_was_asked_first(ledger: Ledger) -> None:
    """The same id twice is one bulk; its end is noted once."""
    ledger.begin_bulk(ASKED)
    ledger.begin_bulk(replace(ASKED, actor="bob", matched=7))
    known = ledger.bulk("bulk:b")
    assert known is not None
    assert known == replace(ASKED, at_ms=known.at_ms)
    ledger.end_bulk("bulk:b")
    ended = ledger.bulk("bulk:b")
    assert ended is not None
    assert ended.ended_at_ms is not None
    assert ended.ended_at_ms >= known.at_ms > 0
    assert ledger.bulk("bulk:none") is None


def test_the_error_before_stays_whatever_is_noted_later(ledger: Ledger) -> None:
    """A repeat after a crash finds the run with another error, or none."""
    ledger.put_bulk_members([TAKEN])
    ledger.put_bulk_members([replace(TAKEN, outcome="applied", detail="done", fingerprint=None)])
    applied = replace(TAKEN, outcome="applied", detail="done")
    assert ledger.bulk_members("bulk:b") == [applied]
    assert ledger.bulks_of_runs(["r", "other"]) == {"r": [applied]}


def test_runs_of_a_bulk_come_newest_first_in_pages(ledger: Ledger) -> None:
    """In the order of the run list, also among runs of one moment."""
    members = [replace(TAKEN, run_id=f"r{n}", created_at_ms=n // 2) for n in range(5)]
    ledger.put_bulk_members([*members, replace(TAKEN, bulk_id="bulk:other")])
    first = ledger.bulk_members("bulk:b", limit=2)
    rest = ledger.bulk_members("bulk:b", before=RunKey(first[-1].created_at_ms, first[-1].run_id))
    assert [one.run_id for one in [*first, *rest]] == ["r4", "r3", "r2", "r1", "r0"]
    assert [one.run_id for one in ledger.bulk_members("bulk:b", since_ms=1, until_ms=2)] == ["r3", "r2"]


def test_bulks_come_newest_first_and_old_ones_are_forgotten_with_their_runs(ledger: Ledger) -> None:
    """Ids tell those of one moment apart."""
    for name in ("bulk:a", "bulk:b", "bulk:c"):
        ledger.begin_bulk(replace(ASKED, bulk_id=name, actor=name[-1]))
    ledger.put_bulk_members([TAKEN])
    newest = ledger.bulks(limit=2)
    rest = ledger.bulks(before=(newest[-1].at_ms, newest[-1].bulk_id))
    assert [one.bulk_id for one in [*newest, *rest]] == ["bulk:c", "bulk:b", "bulk:a"]
    assert [one.bulk_id for one in ledger.bulks(actor="b")] == ["bulk:b"]
    assert ledger.prune_bulks(begun_before_ms=newest[0].at_ms - 3_600_000) == 0
    assert ledger.prune_bulks(begun_before_ms=newest[0].at_ms + 1) == 3
    assert (ledger.bulks(), ledger.bulk_members("bulk:b")) == ([], [])


def test_what_many_runs_died_of_last_is_one_look_up(ledger: Ledger) -> None:
    """Of runs that never failed nothing is known."""
    assert ledger.last_errors(["r"]) == {}
