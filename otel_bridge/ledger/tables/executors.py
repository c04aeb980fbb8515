"""Presence: one row per worker process."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple

from otel_bridge.ledger.encoding import dump_executor, load_executor
from otel_bridge.ledger.records import Executor
from otel_bridge.ledger.tables.core import Row, Session, Tables

# Comes back with a beat, so that a worker learns that a run is watched without a question of its own.
_WATCHED = "(SELECT count(*) FROM {t}watched WHERE until_ms >= (SELECT {now}))"
# A worker that waits says the same at every beat: then the long value is not written again.
TOUCH = f"""
    UPDATE {{t}}executors SET beat_at_ms = {{now}} WHERE instance_id = :instance_id AND data = :data
    RETURNING {_WATCHED}
"""
HEARTBEAT = f"""
    INSERT INTO {{t}}executors (instance_id, beat_at_ms, data) VALUES (:instance_id, {{now}}, :data)
    ON CONFLICT (instance_id) DO UPDATE SET beat_at_ms = excluded.beat_at_ms, data = excluded.data
    RETURNING {_WATCHED}
"""
EXECUTORS = "SELECT instance_id, beat_at_ms, data FROM {t}executors ORDER BY instance_id"
# One row at least, for its time: without executors theirs are null.
EXECUTORS_NOW = """
    SELECT e.instance_id, e.beat_at_ms, e.data, {now} FROM (SELECT 1) AS one LEFT JOIN {t}executors e ON 1 = 1
    ORDER BY e.instance_id
"""
PRUNE = "DELETE FROM {t}executors WHERE beat_at_ms < :before_ms AND NOT instance_id {ids} RETURNING 1"


class _ExecutorNow(NamedTuple):
    instance_id: str | None
    beat_at_ms: int | None
    data: str | None
    now_ms: int


class Executors(Tables):
    """Who is there, and what it can and does do."""

    def heartbeat(self, executor: Executor) -> int:
        """Upsert one executor's row; ``beat_at_ms`` is set to the ledger's own clock.

        Returns:
            How many runs somebody watches now: see ``watched_runs``.
        """
        data = dump_executor(executor)

        def work(session: Session) -> int:
            rows = session.rows(TOUCH, instance_id=executor.instance_id, data=data)
            rows = rows or session.rows(HEARTBEAT, instance_id=executor.instance_id, data=data)
            ((watched,),) = rows
            return int(watched)

        return self._run(work, write=True)

    def executors(self) -> list[Executor]:
        """Return every executor row, live or not; the oldest lost ones are pruned by ``prune_executors``."""
        return list(self._decoded("executors", self._read(EXECUTORS), _executor))

    def executors_now(self) -> tuple[list[Executor], int]:
        """Return every executor row, and the time by the clock that stamps them, in one read."""
        rows = [_ExecutorNow(*row) for row in self._read(EXECUTORS_NOW)]
        there = [row[:3] for row in rows if row.instance_id is not None]
        return list(self._decoded("executors", there, _executor)), int(rows[0].now_ms)

    def prune_executors(self, *, beat_before_ms: int, keep: Collection[str] = ()) -> int:
        """Forget executors whose last heartbeat is older; return how many.

        Args:
            keep: instance ids that stay, such as those of lost executors that still hold runs.
        """
        return len(self._write(PRUNE, before_ms=beat_before_ms, ids=list(keep)))


def _executor(row: Row) -> Executor:
    _instance_id, beat_at_ms, data = row
    return load_executor(data, beat_at_ms=beat_at_ms)
