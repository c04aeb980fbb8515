"""Steps that were executed without the engine keeping their outcome: workers tell, for nobody else knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from otel_bridge.ledger.records import InterruptedStep
from otel_bridge.ledger.tables.core import Row, Tables

ADD_INTERRUPTED = """
    INSERT INTO {t}interrupted (run_id, seq, started_at_ms, ended_at_ms, name, attempt, executor, seen_at_ms)
    VALUES (:run_id, :seq, :started_at_ms, :ended_at_ms, :name, :attempt, :executor, {now})
    ON CONFLICT (run_id, seq, started_at_ms) DO NOTHING
"""
INTERRUPTED = """
    SELECT run_id, seq, name, started_at_ms, ended_at_ms, attempt, executor FROM {t}interrupted WHERE run_id {ids}
    ORDER BY run_id, seq, started_at_ms
"""
LATEST = """
    SELECT run_id, seen_at_ms FROM {t}interrupted WHERE seen_at_ms >= :since_ms ORDER BY seen_at_ms DESC LIMIT :limit
"""


class Interrupted(Tables):
    """What was in flight when its run was cancelled or taken away."""

    def add_interrupted(self, steps: Sequence[InterruptedStep]) -> None:
        """Keep executions; what was reported first stays. Pruned with the runs' other facts."""
        self._write_many(ADD_INTERRUPTED, [asdict(step) for step in steps])

    def interrupted(self, run_ids: Sequence[str]) -> dict[str, list[InterruptedStep]]:
        """Return the interrupted steps of these runs, by number and start; a run without any is absent."""
        return self._decoded_by_run("interrupted", INTERRUPTED, run_ids, _step)

    def interrupted_since(self, since_ms: int, *, limit: int) -> dict[str, int]:
        """Return runs of which interrupted steps were reported since, each with when last, by the ledger's clock."""
        latest = list(self._decoded("interrupted", self._read(LATEST, since_ms=since_ms, limit=limit), _seen))
        return dict(reversed(latest))


def _step(row: Row) -> InterruptedStep:
    run_id, seq, name, started_at_ms, ended_at_ms, attempt, executor = row
    return InterruptedStep(
        run_id=run_id,
        seq=seq,
        name=name,
        started_at_ms=started_at_ms,
        ended_at_ms=ended_at_ms,
        attempt=attempt,
        executor=executor,
    )


def _seen(row: Row) -> tuple[str, int]:
    run_id, seen_at_ms = row
    if not isinstance(run_id, str):
        raise ValueError(f"run_id is {str(run_id)[:100]!r}")
    return run_id, int(seen_at_ms)
