"""Who is to answer a wait: people assign what waits for one of them."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.ledger.records import Assignment
from otel_bridge.ledger.tables.core import Row, Tables

_COLUMNS = "run_id, seq, assignee, actor, at_ms"
ASSIGN = f"""
    INSERT INTO {{t}}assignments ({_COLUMNS}) VALUES (:run_id, :seq, :assignee, :actor, {{now}})
    ON CONFLICT (run_id, seq) DO UPDATE SET assignee = excluded.assignee, actor = excluded.actor,
        at_ms = excluded.at_ms
    RETURNING {_COLUMNS}
"""
UNASSIGN = "DELETE FROM {t}assignments WHERE run_id = :run_id AND seq = :seq"
# For the waits on screen: by primary key (run_id, seq).
OF_RUNS = f"SELECT {_COLUMNS} FROM {{t}}assignments WHERE run_id {{ids}}"
PRUNE = "DELETE FROM {t}assignments WHERE at_ms < :before_ms"


class Assignments(Tables):
    """Assign, look up, forget."""

    def assign(self, assignment: Assignment) -> Assignment:
        """Keep who is to answer a wait, replacing the earlier person; return it as stamped by the ledger's clock."""
        rows = self._write(
            ASSIGN,
            run_id=assignment.run_id,
            seq=assignment.seq,
            assignee=assignment.assignee,
            actor=assignment.actor,
        )
        return _assignment(rows[0])

    def unassign(self, run_id: str, seq: int) -> None:
        """Forget who is to answer a wait."""
        self._write(UNASSIGN, run_id=run_id, seq=seq)

    def assignments(self, run_ids: Sequence[str]) -> dict[tuple[str, int], Assignment]:
        """Return who is to answer waits of these runs, by run id and the number of the wait's step."""
        rows = self._read_by_id(OF_RUNS, run_ids)
        return {(one.run_id, one.seq): one for one in self._decoded("assignments", rows, _assignment)}

    def prune_assignments(self, *, made_before_ms: int) -> None:
        """Forget assignments from before: their waits ended long ago, or are to be assigned again."""
        self._write(PRUNE, before_ms=made_before_ms)


def _assignment(row: Row) -> Assignment:
    run_id, seq, assignee, actor, at_ms = row
    return Assignment(run_id=run_id, seq=seq, assignee=assignee, actor=actor, at_ms=at_ms)
