"""Bulk actions: what each was asked to do, and every run that it came to, so that its aftermath is an index look-up."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

from otel_bridge.ledger.encoding import to_json
from otel_bridge.ledger.records import Bulk, BulkMember
from otel_bridge.ledger.tables.core import BEGINNING_OF_TIME, END_OF_TIME, Row, Session, Tables
from otel_bridge.ledger.tables.failures import RunKey

_BULK = "bulk_id, action, actor, at_ms, matched, skipped, params, filter, ended_at_ms"
_MEMBER = "bulk_id, run_id, created_at_ms, outcome, detail, fingerprint"
# A bulk action that is asked for twice under one id is one: what was asked first stays.
BEGIN = f"""
    INSERT INTO {{t}}bulks ({_BULK}) VALUES (:bulk_id, :action, :actor, {{now}}, :matched, :skipped, :params, :filter,
        NULL)
    ON CONFLICT (bulk_id) DO NOTHING
"""
END = "UPDATE {t}bulks SET ended_at_ms = {now} WHERE bulk_id = :bulk_id AND ended_at_ms IS NULL"
ONE = f"SELECT {_BULK} FROM {{t}}bulks WHERE bulk_id = :bulk_id"
# Newest first: by bulks_begun.
NEWEST = f"""
    SELECT {_BULK} FROM {{t}}bulks WHERE (at_ms, bulk_id) < (:before_ms, :before_id)
        AND (:actor IS NULL OR actor = :actor)
    ORDER BY at_ms DESC, bulk_id DESC LIMIT :limit
"""
# The error that a run had before the bulk came to it is kept from the first writing: a repeat after a crash may find
# the next one.
PUT_MEMBER = f"""
    INSERT INTO {{t}}bulk_runs ({_MEMBER})
    VALUES (:bulk_id, :run_id, :created_at_ms, :outcome, :detail, :fingerprint)
    ON CONFLICT (bulk_id, run_id) DO UPDATE SET outcome = excluded.outcome, detail = excluded.detail
"""
# The filter bulk=<id>, in the run list's order: by bulk_runs_listed (bulk_id, created_at_ms, run_id).
MEMBERS = f"""
    SELECT {_MEMBER} FROM {{t}}bulk_runs
    WHERE bulk_id = :bulk_id AND (created_at_ms, run_id) < (:before_ms, :before_id)
        AND created_at_ms >= :since_ms AND created_at_ms < :until_ms
    ORDER BY created_at_ms DESC, run_id DESC LIMIT :limit
"""
# For the runs on screen: by bulk_runs_of_run (run_id).
OF_RUNS = f"SELECT {_MEMBER} FROM {{t}}bulk_runs WHERE run_id {{ids}} ORDER BY bulk_id"
OLD = "SELECT bulk_id FROM {t}bulks WHERE at_ms < :before_ms ORDER BY at_ms LIMIT :limit"
PRUNE_MEMBERS = "DELETE FROM {t}bulk_runs WHERE bulk_id = :bulk_id"
PRUNE = "DELETE FROM {t}bulks WHERE bulk_id = :bulk_id"
_PRUNED_AT_ONCE = 100
_END_OF_IDS = "\U0010ffff"


class Bulks(Tables):
    """Begin, note what became of each run, end."""

    def begin_bulk(self, bulk: Bulk) -> None:
        """Note what a bulk action was asked to do, stamped by the ledger's clock; under a known id, nothing."""
        self._write(
            BEGIN,
            bulk_id=bulk.bulk_id,
            action=bulk.action,
            actor=bulk.actor,
            matched=bulk.matched,
            skipped=bulk.skipped,
            params=to_json(dict(bulk.params)),
            filter=to_json(dict(bulk.filter)),
        )

    def end_bulk(self, bulk_id: str) -> None:
        """Note that a bulk action has come to all of its runs, or was stopped."""
        self._write(END, bulk_id=bulk_id)

    def put_bulk_members(self, members: Sequence[BulkMember]) -> None:
        """Note what became of runs of a bulk action; their error before it is that of the first note."""
        self._write_many(PUT_MEMBER, [asdict(member) for member in members])

    def bulk(self, bulk_id: str) -> Bulk | None:
        """Return a bulk action, if it is known here."""
        return next(self._decoded("bulks", self._read(ONE, bulk_id=bulk_id), _bulk), None)

    def bulks(self, *, before: tuple[int, str] | None = None, actor: str | None = None, limit: int = 100) -> list[Bulk]:
        """Return bulk actions, newest first.

        Args:
            actor: only this one's.
            before: ``(at_ms, bulk_id)`` of the last one seen.
        """
        before_ms, before_id = before or (END_OF_TIME, _END_OF_IDS)
        rows = self._read(NEWEST, before_ms=before_ms, before_id=before_id, actor=actor, limit=limit)
        return list(self._decoded("bulks", rows, _bulk))

    def bulk_members(
        self,
        bulk_id: str,
        *,
        before: RunKey | None = None,
        since_ms: int = BEGINNING_OF_TIME,
        until_ms: int = END_OF_TIME,
        limit: int = 100,
    ) -> list[BulkMember]:
        """Return runs that a bulk action came to, newest first.

        Args:
            before: the last one seen.
            since_ms, until_ms: when the runs were created.
        """
        before_ms, before_id = before or (END_OF_TIME, _END_OF_IDS)
        rows = self._read(
            MEMBERS,
            bulk_id=bulk_id,
            before_ms=before_ms,
            before_id=before_id,
            since_ms=since_ms,
            until_ms=until_ms,
            limit=limit,
        )
        return list(self._decoded("bulk_runs", rows, _member))

    def bulks_of_runs(self, run_ids: Sequence[str]) -> dict[str, list[BulkMember]]:
        """Return which bulk actions came to these runs; a run without any is absent."""
        return self._decoded_by_run("bulk_runs", OF_RUNS, run_ids, _member)

    def prune_bulks(self, *, begun_before_ms: int) -> int:
        """Forget bulk actions from before, a transaction each; return how many."""
        pruned = 0
        while old := self._read(OLD, before_ms=begun_before_ms, limit=_PRUNED_AT_ONCE):
            for (bulk_id,) in old:

                def forget(session: Session, bulk_id: str = bulk_id) -> None:
                    session.rows(PRUNE_MEMBERS, bulk_id=bulk_id)
                    session.rows(PRUNE, bulk_id=bulk_id)

                self._run(forget, write=True)
            pruned += len(old)
        return pruned


def _bulk(row: Row) -> Bulk:
    bulk_id, action, actor, at_ms, matched, skipped, params, filter_, ended_at_ms = row
    return Bulk(
        bulk_id=bulk_id,
        action=action,
        actor=actor,
        at_ms=at_ms,
        matched=matched,
        skipped=skipped,
        params=dict(json.loads(params)),
        filter=dict(json.loads(filter_)),
        ended_at_ms=ended_at_ms,
    )


def _member(row: Row) -> BulkMember:
    bulk_id, run_id, created_at_ms, outcome, detail, fingerprint = row
    return BulkMember(
        bulk_id=bulk_id,
        run_id=run_id,
        created_at_ms=created_at_ms,
        outcome=outcome,
        detail=detail,
        fingerprint=fingerprint,
    )
