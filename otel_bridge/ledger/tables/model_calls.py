"""What model calls used: tokens by run, workflow, version, day and model, from the steps that the bridge exported.

A call is known by its run, its step and when that ended, so recording it again changes nothing, and a step that was
executed again in another life counts again: its tokens were used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from otel_bridge.ledger.records import ModelCall, UsageAxis, UsageTotal
from otel_bridge.ledger.tables.core import Row, Tables

MS_PER_DAY = 86_400_000
ADD_CALL = """
    INSERT INTO {t}model_calls (run_id, seq, ended_at_ms, workflow, version, model, input_tokens, output_tokens)
    VALUES (:run_id, :seq, :ended_at_ms, :workflow, :version, :model, :input_tokens, :output_tokens)
    ON CONFLICT (run_id, seq, ended_at_ms) DO NOTHING
"""
_COLUMNS: dict[UsageAxis, str] = {
    "run": "run_id",
    "workflow": "workflow",
    "version": "version",
    "day": f"ended_at_ms / {MS_PER_DAY}",
}
_SUMS = "count(*), sum(input_tokens), sum(output_tokens)"
# A window is a range of model_calls_ended, which holds all that is read; runs are found by the primary key.
_WINDOW = "ended_at_ms >= :since_ms AND ended_at_ms < :until_ms AND (:workflow IS NULL OR workflow = :workflow)"
PRUNE_CALLS = """
    DELETE FROM {t}model_calls WHERE (run_id, seq, ended_at_ms) IN (
        SELECT run_id, seq, ended_at_ms FROM {t}model_calls WHERE ended_at_ms < :before_ms LIMIT :limit)
    RETURNING 1
"""
_PRUNE_BATCH = 2_000


class ModelCalls(Tables):
    """Model calls, one row each, and sums over them."""

    def add_model_calls(self, calls: Sequence[ModelCall]) -> None:
        """Keep calls; those that are known stay as they are."""
        self._write_many(ADD_CALL, [asdict(call) for call in calls])

    def usage(
        self, *, since_ms: int, until_ms: int, by: Sequence[UsageAxis] = (), workflow: str | None = None, limit: int
    ) -> list[UsageTotal]:
        """Return the sums of calls that ended within a window, by the axes and by model; most tokens first.

        Args:
            limit: so many sums at most.

        Example::

            ledger.usage(since_ms=0, until_ms=now_ms, by=["workflow", "day"], limit=1_000)
        """
        return self._totals(by, _WINDOW, since_ms=since_ms, until_ms=until_ms, workflow=workflow, limit=limit)

    def usage_of(self, run_ids: Sequence[str]) -> list[UsageTotal]:
        """Return the sums of these runs, by run and model."""
        return self._totals(["run"], "run_id {ids}", ids=list(run_ids), limit=10_000) if run_ids else []

    def prune_usage(self, *, ended_before_ms: int) -> int:
        """Forget calls that ended before, in small transactions; return how many."""
        pruned = 0
        while True:
            batch = len(self._write(PRUNE_CALLS, before_ms=ended_before_ms, limit=_PRUNE_BATCH))
            pruned += batch
            if batch < _PRUNE_BATCH:
                return pruned

    def _totals(self, by: Sequence[UsageAxis], where: str, **params: object) -> list[UsageTotal]:
        columns = [*(_COLUMNS[axis] for axis in by), "model"]
        group = ", ".join(columns)
        statement = (
            f"SELECT {group}, {_SUMS} FROM {{t}}model_calls WHERE {where} GROUP BY {group} "
            f"ORDER BY sum(input_tokens) + sum(output_tokens) DESC, {group} LIMIT :limit"
        )

        def total(row: Row) -> UsageTotal:
            *keys, model, calls, tokens_in, tokens_out = row
            named = dict(zip(by, keys, strict=True))
            day = named.get("day")
            return UsageTotal(
                run_id=named.get("run"),
                workflow=named.get("workflow"),
                version=named.get("version"),
                day_ms=None if day is None else int(day) * MS_PER_DAY,
                model=model,
                calls=int(calls),
                input_tokens=int(tokens_in),
                output_tokens=int(tokens_out),
            )

        return list(self._decoded("model_calls", self._read(statement, **params), total))
