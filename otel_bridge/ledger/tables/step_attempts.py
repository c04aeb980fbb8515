"""Attempts of steps as their workers saw them: the error with its traceback, and what was logged meanwhile.

The engine keeps a step's outcome alone. Workers report what failed, was retried, was slow or was watched, a few
attempts of a step and of a run at most; a viewer's process says here which runs are watched.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from otel_bridge.ledger.checking import checked
from otel_bridge.ledger.encoding import to_json
from otel_bridge.ledger.tables.core import Row, Session, Tables

BODY_SEQ = -1
"""Stands for the run's body where an error was raised outside of its steps, or went through it."""
MOST_OF_STEP = 50
"""Attempts of one step that are kept, the newest ones."""
MOST_OF_RUN = 500
"""Attempts of one run that are kept, the newest ones."""
MOST_WATCHED = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class StepLog:
    """A record that code logged within an attempt.

    Args:
        where: file and line, such as ``pay.py:12``.
        exception: the traceback that was logged with it.
        span_id: of the span that was current, 16 hex digits; None for the step's own.
        fields: what was logged as ``extra``.
    """

    at_ms: int
    level: str
    logger: str
    message: str
    where: str | None = None
    exception: str | None = None
    span_id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAttempt:
    """One attempt at a step, or an execution of a run's body that failed.

    Args:
        seq: of the step; ``BODY_SEQ`` for the body.
        attempt: the engine's number of it within its execution of the step, from 1 on.
        execution_ms: when this execution of the step began: a recovered or retried run executes it again.
        ended_at_ms: None while it is under way: it is watched.
        executor: the engine's id of the process.
        error_type: the error's class, with its module unless that is ``builtins``; None: it did not fail.
        logs: the first and the last records, where there were too many.
        logs_left_out: records that had no room.
    """

    run_id: str
    seq: int
    name: str
    attempt: int = 1
    execution_ms: int
    started_at_ms: int
    ended_at_ms: int | None = None
    executor: str | None = None
    error_type: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    logs: tuple[StepLog, ...] = ()
    logs_left_out: int = 0


# An attempt that is watched is written while it is under way, and once more when it ends.
PUT = """
    INSERT INTO {t}step_attempts (run_id, seq, started_at_ms, attempt, failed, data, seen_at_ms)
    VALUES (:run_id, :seq, :started_at_ms, :attempt, :failed, :data, {now})
    ON CONFLICT (run_id, seq, started_at_ms, attempt) DO UPDATE SET failed = excluded.failed, data = excluded.data
"""
# By primary key: the newest ones of a step are counted off.
TRIM_STEP = """
    DELETE FROM {t}step_attempts WHERE run_id = :run_id AND seq = :seq AND started_at_ms < (
        SELECT started_at_ms FROM {t}step_attempts WHERE run_id = :run_id AND seq = :seq
        ORDER BY started_at_ms DESC LIMIT 1 OFFSET :most)
"""
# By step_attempts_run.
TRIM_RUN = """
    DELETE FROM {t}step_attempts WHERE run_id = :run_id AND started_at_ms < (
        SELECT started_at_ms FROM {t}step_attempts WHERE run_id = :run_id
        ORDER BY started_at_ms DESC LIMIT 1 OFFSET :most)
"""
_COLUMNS = "run_id, seq, started_at_ms, attempt, data"
OF_STEP = f"""
    SELECT {_COLUMNS} FROM {{t}}step_attempts WHERE run_id = :run_id AND seq = :seq
    ORDER BY started_at_ms DESC, attempt DESC LIMIT :limit
"""
# The newest ones of each run: by step_attempts_run.
FAILED = f"""
    SELECT {_COLUMNS} FROM (
        SELECT {_COLUMNS}, row_number() OVER (PARTITION BY run_id ORDER BY started_at_ms DESC, attempt DESC) AS place
        FROM {{t}}step_attempts WHERE run_id {{ids}} AND failed = 1
    ) one WHERE place <= :limit ORDER BY run_id, place
"""
FORGET = "DELETE FROM {t}step_attempts WHERE run_id {ids}"
WATCH = """
    INSERT INTO {t}watched (run_id, until_ms) VALUES (:run_id, {now} + :for_ms)
    ON CONFLICT (run_id) DO UPDATE SET until_ms = excluded.until_ms
"""
# Both by watched_until. The time is asked for once, for Postgres looks nothing up by a clock that moves.
UNWATCH = "DELETE FROM {t}watched WHERE until_ms < (SELECT {now})"
WATCHED = "SELECT run_id FROM {t}watched WHERE until_ms >= (SELECT {now}) ORDER BY until_ms DESC LIMIT :limit"


class StepAttempts(Tables):
    """What workers tell of attempts, and which runs they shall tell everything of."""

    def put_step_attempts(self, attempts: Sequence[StepAttempt]) -> None:
        """Keep attempts; what is kept of a step and of a run beyond the newest ones goes."""
        rows = [_params(one) for one in attempts]
        steps = sorted({(one.run_id, one.seq) for one in attempts})
        runs = sorted({run_id for run_id, _ in steps})

        def work(session: Session) -> None:
            session.many(PUT, rows)
            session.many(TRIM_STEP, [{"run_id": run, "seq": seq, "most": MOST_OF_STEP - 1} for run, seq in steps])
            session.many(TRIM_RUN, [{"run_id": run, "most": MOST_OF_RUN - 1} for run in runs])

        if rows:
            self._run(work, write=True)

    def step_attempts(self, run_id: str, seq: int, *, limit: int = MOST_OF_STEP) -> list[StepAttempt]:
        """Return the attempts at a step, oldest first; of many the newest ones."""
        rows = self._read(OF_STEP, run_id=run_id, seq=seq, limit=limit)
        return list(self._decoded("step_attempts", rows, _attempt))[::-1]

    def failed_attempts(self, run_id: str, *, limit: int = 20) -> list[StepAttempt]:
        """Return the run's attempts that failed, its body's too, newest first."""
        return self.failed_attempts_of([run_id], limit=limit).get(run_id, [])

    def failed_attempts_of(self, run_ids: Sequence[str], *, limit: int) -> dict[str, list[StepAttempt]]:
        """Return so many failed attempts of each run, newest first; a run of which none is kept is absent."""
        found: dict[str, list[StepAttempt]] = {}
        for attempt in self._decoded("step_attempts", self._read_by_id(FAILED, run_ids, limit=limit), _attempt):
            found.setdefault(attempt.run_id, []).append(attempt)
        return found

    def forget_step_attempts(self, run_ids: Sequence[str]) -> None:
        """Forget what was reported of runs that are no more."""
        if run_ids:
            self._write(FORGET, ids=list(run_ids))

    def watch_runs(self, run_ids: Sequence[str], *, for_ms: int) -> None:
        """Have workers tell everything of these runs for a while; those that nobody watches any more are forgotten."""

        def work(session: Session) -> None:
            session.rows(UNWATCH)
            session.many(WATCH, [{"run_id": run_id, "for_ms": for_ms} for run_id in sorted(set(run_ids))])

        if run_ids:
            self._run(work, write=True)

    def watched_runs(self) -> frozenset[str]:
        """Return the runs that somebody watches now."""
        rows = self._read(WATCHED, limit=MOST_WATCHED)
        return frozenset(self._decoded("watched", rows, _run_id))


def _params(attempt: StepAttempt) -> dict[str, Any]:
    data = {name: getattr(attempt, name) for name in StepAttempt.__slots__} | {
        "logs": [_log_fields(log) for log in attempt.logs]
    }
    keys = {name: data.pop(name) for name in ("run_id", "seq", "started_at_ms", "attempt")}
    kept = {name: value for name, value in data.items() if value not in (None, 0, [])}
    return keys | {
        "failed": int(attempt.error_type is not None),
        "data": zlib.compress(to_json(kept).encode("ascii"), 1),
    }


def _log_fields(log: StepLog) -> dict[str, Any]:
    return {name: value for name, value in asdict(log).items() if value not in (None, {})}


def _attempt(row: Row) -> StepAttempt:
    run_id, seq, started_at_ms, attempt, data = row
    kept = json.loads(zlib.decompress(bytes(data)))
    known = {name: kept[name] for name in StepAttempt.__slots__ if name in kept and name != "logs"}
    known |= {"run_id": run_id, "seq": seq, "started_at_ms": started_at_ms, "attempt": attempt}
    return StepAttempt(**known, logs=tuple(_log(log) for log in kept.get("logs", ())))


def _log(kept: dict[str, Any]) -> StepLog:
    return checked(StepLog(**{name: kept[name] for name in StepLog.__slots__ if name in kept}))


def _run_id(row: Row) -> str:
    (run_id,) = row
    return str(run_id)
