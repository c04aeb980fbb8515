"""How a run stood when an action was about to make the engine forget it: for its history, whether exported or not."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.ledger.encoding import dump_life, load_life
from otel_bridge.ledger.records import KeptAttempt
from otel_bridge.ledger.tables.core import Row, Tables

KEEP_ATTEMPT = """
    INSERT INTO {t}attempts (run_id, at_ms, data, seen_at_ms) VALUES (:run_id, :at_ms, :data, {now})
    ON CONFLICT (run_id, at_ms) DO NOTHING
"""
KEPT_ATTEMPTS = "SELECT run_id, at_ms, data FROM {t}attempts WHERE run_id {ids} ORDER BY at_ms"

BEGUN_AT = "SELECT run_id, max(at_ms) FROM {t}attempts WHERE run_id {ids} GROUP BY run_id"


class Attempts(Tables):
    """Earlier attempts of runs, for people; what is due of them to a collector is in ``past_lives``."""

    def keep_attempt(self, attempt: KeptAttempt) -> None:
        """Keep how a run stands; pruned with the run's other facts."""
        life = attempt.life
        self._write(KEEP_ATTEMPT, run_id=life.run.id, at_ms=attempt.at_ms, data=dump_life(life))

    def kept_attempts(self, run_ids: Sequence[str]) -> dict[str, list[KeptAttempt]]:
        """Return what was kept of these runs, oldest first; a run without any is absent."""
        found: dict[str, list[KeptAttempt]] = {}
        for kept in self._decoded("attempts", self._read_by_id(KEPT_ATTEMPTS, run_ids), _kept):
            found.setdefault(kept.life.run.id, []).append(kept)
        return found

    def requeue_begun_at(self, run_ids: Sequence[str]) -> dict[str, int]:
        """Return when an action last began to put these runs on a queue again; it may have been refused since."""
        return dict(self._decoded("attempts", self._read_by_id(BEGUN_AT, run_ids), _begun_at))


def _kept(row: Row) -> KeptAttempt:
    _run_id, at_ms, data = row
    return KeptAttempt(at_ms=int(at_ms), life=load_life(bytes(data)))


def _begun_at(row: Row) -> tuple[str, int]:
    run_id, at_ms = row
    return str(run_id), int(at_ms)
