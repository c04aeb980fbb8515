"""The audit log: who did what to which run, when, with what outcome."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

from otel_bridge.ledger.encoding import to_json
from otel_bridge.ledger.records import AuditEntry
from otel_bridge.ledger.tables.core import END_OF_TIME, Row, Session, Tables

ADD = """
    INSERT INTO {t}audit (at_ms, actor, action, run_id, outcome, detail, params)
    VALUES (:at_ms, :actor, :action, :run_id, :outcome, :detail, :params) RETURNING id
"""
TRIM = "DELETE FROM {t}audit WHERE id <= :through"
_COLUMNS = "id, at_ms, actor, action, run_id, outcome, detail, params"
_NARROWED = """(:actor IS NULL OR actor = :actor) AND (:action IS NULL OR action = :action)
        AND (:outcome IS NULL OR outcome = :outcome)"""
# By primary key, of at most AUDIT_KEEP entries: what nobody ever did is looked for in all of them.
ALL = f"""
    SELECT {_COLUMNS} FROM {{t}}audit WHERE id < :before AND {_NARROWED}
    ORDER BY id DESC LIMIT :limit
"""
OF_RUN = f"""
    SELECT {_COLUMNS} FROM {{t}}audit WHERE run_id = :run_id AND id < :before AND {_NARROWED}
    ORDER BY id DESC LIMIT :limit
"""

# What was done, not what was refused: by audit_run (run_id, id).
OF_RUNS = f"SELECT {_COLUMNS} FROM {{t}}audit WHERE run_id {{ids}} AND outcome = 'done' ORDER BY id"

AUDIT_KEEP = 100_000
"""Newest audit entries kept."""
_TRIM_EVERY = 1_000


class AuditLog(Tables):
    """Append and read; nothing is ever changed."""

    def add_audit(self, entry: AuditEntry) -> int:
        """Append to the audit log, of which the newest ``AUDIT_KEEP`` entries are kept; return the entry's id."""

        def work(session: Session) -> int:
            ((entry_id,),) = session.rows(
                ADD,
                at_ms=entry.at_ms,
                actor=entry.actor,
                action=entry.action,
                run_id=entry.run_id,
                outcome=entry.outcome,
                detail=entry.detail,
                params=to_json(dict(entry.params)),
            )
            if entry_id % _TRIM_EVERY == 0:
                session.rows(TRIM, through=entry_id - AUDIT_KEEP)
            return int(entry_id)

        return self._run(work, write=True)

    def audit(
        self,
        *,
        run_id: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        outcome: str | None = None,
        before_id: int | None = None,
        limit: int = 100,
    ) -> list[AuditEntry]:
        """Return audit entries, newest first; only those with all of the values that are given."""
        before = END_OF_TIME if before_id is None else before_id
        wanted = {"actor": actor, "action": action, "outcome": outcome, "before": before, "limit": limit}
        rows = self._read(ALL, **wanted) if run_id is None else self._read(OF_RUN, run_id=run_id, **wanted)
        return list(self._decoded("audit", rows, _entry))

    def audit_of_runs(self, run_ids: Sequence[str], actions: Collection[str]) -> dict[str, list[AuditEntry]]:
        """Return what was done to these runs by these actions, oldest first; a run without any is absent."""
        found: dict[str, list[AuditEntry]] = {}
        for entry in self._decoded("audit", self._read_by_id(OF_RUNS, run_ids), _entry):
            if entry.run_id is not None and entry.action in actions:
                found.setdefault(entry.run_id, []).append(entry)
        return found


def _entry(row: Row) -> AuditEntry:
    entry_id, at_ms, actor, action, run_id, outcome, detail, params = row
    return AuditEntry(
        at_ms=at_ms,
        actor=actor,
        action=action,
        run_id=run_id,
        outcome=outcome,
        detail=detail,
        params=dict(json.loads(params)),
        id=entry_id,
    )
