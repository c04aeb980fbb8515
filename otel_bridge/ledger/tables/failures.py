"""Failures: every end in failure with its fingerprint, so that an error is an index look-up and survives a rewind.

Filled as runs end, by the first process to see it: recording one again changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from otel_bridge.ledger.checking import checked
from otel_bridge.ledger.records import ErrorGroup, ErrorSignature, Failure, FailureAxis
from otel_bridge.ledger.tables.core import BEGINNING_OF_TIME, END_OF_TIME, Row, Session, Tables

_FAILURE = """f.run_id, f.ended_at_ms, f.created_at_ms, f.workflow, f.message, f.version, f.queue, f.executor,
    f.namespace, f.settled"""
_SIGNATURE = "g.fingerprint, g.type, g.step, g.template, g.frame"
# The last end of a run is its latest, in whatever order they come.
ADD = """
    INSERT INTO {t}failures (run_id, ended_at_ms, created_at_ms, fingerprint, workflow, message, version, queue,
        executor, namespace, settled, latest)
    VALUES (:run_id, :ended_at_ms, :created_at_ms, :fingerprint, :workflow, :message, :version, :queue, :executor,
        :namespace, :settled, CASE WHEN EXISTS (
            SELECT 1 FROM {t}failures WHERE run_id = :run_id AND ended_at_ms > :ended_at_ms) THEN 0 ELSE 1 END)
    ON CONFLICT (run_id, ended_at_ms) DO NOTHING RETURNING latest
"""
NO_LONGER_LATEST = """
    UPDATE {t}failures SET latest = 0 WHERE run_id = :run_id AND ended_at_ms < :ended_at_ms AND latest <> 0
"""
# Counts only what ADD has just written, in the same transaction.
ADD_TO_GROUP = """
    INSERT INTO {t}error_groups AS g (fingerprint, type, step, template, frame, total, first_seen_ms,
        last_seen_ms)
    VALUES (:fingerprint, :type, :step, :template, :frame, 1, :at_ms, :at_ms)
    ON CONFLICT (fingerprint) DO UPDATE SET total = g.total + 1,
        first_seen_ms = CASE WHEN excluded.first_seen_ms < g.first_seen_ms THEN excluded.first_seen_ms
            ELSE g.first_seen_ms END,
        last_seen_ms = CASE WHEN excluded.last_seen_ms > g.last_seen_ms THEN excluded.last_seen_ms
            ELSE g.last_seen_ms END
"""
# For the runs on screen: by primary key.
OF_RUNS = f"""
    SELECT {_FAILURE}, {_SIGNATURE} FROM {{t}}failures f JOIN {{t}}error_groups g ON g.fingerprint = f.fingerprint
    WHERE f.run_id {{ids}} ORDER BY f.run_id, f.ended_at_ms
"""
# What many runs died of last: by primary key.
LAST_OF_RUNS = "SELECT f.run_id, f.fingerprint FROM {t}failures f WHERE f.run_id {ids} AND f.latest = 1"
# The filter error=<fingerprint>, in the run list's order: by failures_of_error (fingerprint, created_at_ms, run_id).
RUNS_OF_ERROR = """
    SELECT f.run_id, f.created_at_ms FROM {t}failures f
    WHERE f.fingerprint = :fingerprint AND f.latest = 1 AND (f.created_at_ms, f.run_id) < (:before_ms, :before_id)
        AND f.created_at_ms >= :since_ms AND f.created_at_ms < :until_ms
    ORDER BY f.created_at_ms DESC, f.run_id DESC LIMIT :limit
"""
# The errors page. Grouped over failures_ended (ended_at_ms, fingerprint, workflow), which holds all it needs.
GROUPS = f"""
    SELECT {_SIGNATURE}, w.n, w.last_ms, g.total, g.first_seen_ms, g.last_seen_ms
    FROM (
        SELECT f.fingerprint, count(*) AS n, max(f.ended_at_ms) AS last_ms FROM {{t}}failures f
        WHERE f.ended_at_ms >= :since_ms AND f.ended_at_ms < :until_ms AND (:workflow IS NULL OR f.workflow = :workflow)
        GROUP BY f.fingerprint
    ) w JOIN {{t}}error_groups g ON g.fingerprint = w.fingerprint
    WHERE (w.last_ms, w.fingerprint) < (:before_ms, :before_id)
    ORDER BY w.last_ms DESC, w.fingerprint DESC LIMIT :limit
"""
GROUP = f"""
    SELECT {_SIGNATURE}, w.n, w.last_ms, g.total, g.first_seen_ms, g.last_seen_ms
    FROM {{t}}error_groups g LEFT JOIN (
        SELECT f.fingerprint, count(*) AS n, max(f.ended_at_ms) AS last_ms FROM {{t}}failures f
        WHERE f.fingerprint {{ids}} AND f.ended_at_ms >= :since_ms AND f.ended_at_ms < :until_ms
        GROUP BY f.fingerprint
    ) w ON w.fingerprint = g.fingerprint
    WHERE g.fingerprint {{ids}}
"""
# Sparklines: by failures_by_error.
BUCKETS = """
    SELECT f.fingerprint, (f.ended_at_ms - :since_ms) / :width_ms AS bucket, count(*) FROM {t}failures f
    WHERE f.ended_at_ms >= :since_ms AND f.ended_at_ms < :until_ms AND f.fingerprint {ids}
    GROUP BY f.fingerprint, (f.ended_at_ms - :since_ms) / :width_ms
"""
# Of which versions and workflows the failures of a page of errors were: by failures_by_error.
BY_AXIS = {
    axis: f"""
    SELECT f.fingerprint, f.{axis}, count(*) FROM {{t}}failures f
    WHERE f.fingerprint {{ids}} AND f.ended_at_ms >= :since_ms AND f.ended_at_ms < :until_ms
    GROUP BY f.fingerprint, f.{axis} ORDER BY count(*) DESC
    """
    for axis in ("version", "workflow")
}
# The newest failures of an error within a window, to be compared with successes: by failures_by_error.
LAST_OF_ERROR = f"""
    SELECT {_FAILURE}, {_SIGNATURE} FROM {{t}}failures f JOIN {{t}}error_groups g ON g.fingerprint = f.fingerprint
    WHERE f.fingerprint = :fingerprint AND f.ended_at_ms >= :since_ms AND f.ended_at_ms < :until_ms
    ORDER BY f.ended_at_ms DESC, f.run_id DESC LIMIT :limit
"""
# Whose failure was an error's last one, for a page of errors: by failures_by_error.
LAST_RUN_OF_ERRORS = """
    SELECT g.fingerprint, max(f.run_id) FROM {t}error_groups g
    JOIN {t}failures f ON f.fingerprint = g.fingerprint AND f.ended_at_ms = g.last_seen_ms
    WHERE g.fingerprint {ids} GROUP BY g.fingerprint
"""
SETTLE = "UPDATE {t}failures SET settled = :how WHERE run_id = :run_id AND settled IS NULL"
# A run's own word counts more than its error's; either covers only failures from before it.
STATES = """
    SELECT CASE WHEN f.settled IS NOT NULL THEN f.settled ELSE coalesce(r.state, e.state, 'open') END, count(*)
    FROM {t}failures f
    LEFT JOIN {t}dispositions r ON r.kind = 'run' AND r.subject = f.run_id AND r.at_ms >= f.ended_at_ms
    LEFT JOIN {t}dispositions e ON e.kind = 'error' AND e.subject = f.fingerprint AND e.at_ms >= f.ended_at_ms
    WHERE f.ended_at_ms >= :since_ms AND f.ended_at_ms < :until_ms AND (:workflow IS NULL OR f.workflow = :workflow)
        AND f.latest = 1
    GROUP BY CASE WHEN f.settled IS NOT NULL THEN f.settled ELSE coalesce(r.state, e.state, 'open') END
"""
PRUNE = """
    DELETE FROM {t}failures WHERE (run_id, ended_at_ms) IN (
        SELECT run_id, ended_at_ms FROM {t}failures WHERE ended_at_ms < :before_ms LIMIT :limit)
    RETURNING 1
"""
PRUNE_GROUPS = """
    DELETE FROM {t}error_groups WHERE last_seen_ms < :before_ms
        AND NOT EXISTS (SELECT 1 FROM {t}failures f WHERE f.fingerprint = error_groups.fingerprint)
"""
_PRUNE_BATCH = 2_000
_END_OF_IDS = "\U0010ffff"


class RunKey(NamedTuple):
    """A run's place in the list, newest first."""

    created_at_ms: int
    run_id: str


class ErrorKey(NamedTuple):
    """An error's place on the errors page, the last seen first."""

    last_at_ms: int
    fingerprint: str


def record(session: Session, failures: Sequence[Failure]) -> int:
    """``Failures.record_failures`` within a transaction."""
    added = []
    # in one order, so that two processes that record the same do not lock each other out
    for failure in sorted(failures, key=lambda one: (one.run_id, one.ended_at_ms)):
        for (latest,) in session.rows(ADD, **_params(failure)):
            added.append(failure)
            if latest:
                session.rows(NO_LONGER_LATEST, run_id=failure.run_id, ended_at_ms=failure.ended_at_ms)
    for failure in sorted(added, key=lambda one: one.signature.fingerprint):
        session.rows(ADD_TO_GROUP, **_group_params(failure))
    return len(added)


class Failures(Tables):
    """Record, group, count."""

    def record_failures(self, failures: Sequence[Failure]) -> int:
        """Record ends in failure; return how many were new. Times of a run tell its ends apart."""
        return self._run(lambda session: record(session, failures), write=True) if failures else 0

    def settle_failures(self, runs: Mapping[str, str]) -> None:
        """Note how failures were made good by themselves: run id -> ``completed`` or ``undone``."""
        self._write_many(SETTLE, [{"run_id": run_id, "how": how} for run_id, how in sorted(runs.items())])

    def failures_of(self, run_ids: Sequence[str]) -> dict[str, list[Failure]]:
        """Return the failures of these runs, each run's last one last; a run that never failed is absent."""
        return self._decoded_by_run("failures", OF_RUNS, run_ids, _failure)

    def last_errors(self, run_ids: Sequence[str]) -> dict[str, str]:
        """Return the fingerprint of the error that each run died of last; a run that never failed is absent."""
        return {str(run_id): str(fingerprint) for run_id, fingerprint in self._read_by_id(LAST_OF_RUNS, run_ids)}

    def runs_of_error(
        self,
        fingerprint: str,
        *,
        before: RunKey | None = None,
        since_ms: int = BEGINNING_OF_TIME,
        until_ms: int = END_OF_TIME,
        limit: int = 100,
    ) -> list[RunKey]:
        """Return the runs whose last failure is this error, newest first; the last one is the next page's key.

        A run may have been retried since: its row says how it stands now.

        Args:
            since_ms, until_ms: when the runs were created.
        """
        before_ms, before_id = before or (END_OF_TIME, _END_OF_IDS)
        rows = self._read(
            RUNS_OF_ERROR,
            fingerprint=fingerprint,
            before_ms=before_ms,
            before_id=before_id,
            since_ms=since_ms,
            until_ms=until_ms,
            limit=limit,
        )
        return list(self._decoded("failures", rows, _run_key))

    def last_failures_of(self, fingerprint: str, *, since_ms: int, until_ms: int, limit: int) -> list[Failure]:
        """Return the newest failures of an error within a window, the last one first."""
        rows = self._read(LAST_OF_ERROR, fingerprint=fingerprint, since_ms=since_ms, until_ms=until_ms, limit=limit)
        return list(self._decoded("failures", rows, _failure))

    def last_run_of_errors(self, fingerprints: Sequence[str]) -> dict[str, str]:
        """Return the run that failed last of each error; an error whose last failure is forgotten is absent."""
        rows = self._read_by_id(LAST_RUN_OF_ERRORS, fingerprints)
        return {str(fingerprint): str(run_id) for fingerprint, run_id in rows}

    def error_groups(
        self,
        *,
        since_ms: int,
        until_ms: int = END_OF_TIME,
        workflow: str | None = None,
        before: ErrorKey | None = None,
        limit: int = 100,
    ) -> list[ErrorGroup]:
        """Return the errors of a window, the last seen first, with how often each occurred in it."""
        before_ms, before_id = before or (END_OF_TIME, _END_OF_IDS)
        rows = self._read(
            GROUPS,
            since_ms=since_ms,
            until_ms=until_ms,
            workflow=workflow,
            before_ms=before_ms,
            before_id=before_id,
            limit=limit,
        )
        return list(self._decoded("error_groups", rows, _group))

    def errors(
        self, fingerprints: Sequence[str], *, since_ms: int = BEGINNING_OF_TIME, until_ms: int = END_OF_TIME
    ) -> dict[str, ErrorGroup]:
        """Return these errors, with how often each occurred in a window; one that is not known is absent."""
        rows = self._read_by_id(GROUP, fingerprints, since_ms=since_ms, until_ms=until_ms)
        return {one.signature.fingerprint: one for one in self._decoded("error_groups", rows, _group)}

    def error_counts(
        self, fingerprints: Sequence[str], *, since_ms: int, until_ms: int, buckets: int
    ) -> dict[str, list[int]]:
        """Return how often each error occurred in each of ``buckets`` equal parts of a window."""
        counts = {fingerprint: [0] * buckets for fingerprint in fingerprints}
        width_ms = max(1, -(-(until_ms - since_ms) // buckets))
        window = {"since_ms": since_ms, "until_ms": until_ms, "width_ms": width_ms}
        for fingerprint, bucket, count in self._read_by_id(BUCKETS, fingerprints, **window):
            counts[fingerprint][int(bucket)] += count  # a damaged time may fall between two
        return counts

    def failures_by(
        self, axis: FailureAxis, fingerprints: Sequence[str], *, since_ms: int = 0, until_ms: int = END_OF_TIME
    ) -> dict[str, dict[str | None, int]]:
        """Return how often each error occurred by version or workflow, most often first."""
        found: dict[str, dict[str | None, int]] = {fingerprint: {} for fingerprint in fingerprints}
        rows = self._read_by_id(BY_AXIS[axis], fingerprints, since_ms=since_ms, until_ms=until_ms)
        for fingerprint, value, count in self._decoded("failures", rows, _axis_count):
            found[fingerprint][value] = count
        return found

    def failure_states(
        self, *, since_ms: int, until_ms: int = END_OF_TIME, workflow: str | None = None
    ) -> dict[str, int]:
        """Return how many runs whose last failure is of a window are ``open``, ``dealt_with``, ``ignored``,
        ``completed`` or ``undone``.
        """
        return {
            str(state): int(count)
            for state, count in self._read(STATES, since_ms=since_ms, until_ms=until_ms, workflow=workflow)
        }

    def prune_failures(self, *, ended_before_ms: int) -> int:
        """Forget failures from before, in small transactions, and errors that have none left; return how many."""
        pruned = 0
        while True:
            batch = len(self._write(PRUNE, before_ms=ended_before_ms, limit=_PRUNE_BATCH))
            pruned += batch
            if batch < _PRUNE_BATCH:
                break
        self._write(PRUNE_GROUPS, before_ms=ended_before_ms)
        return pruned


def _params(failure: Failure) -> dict[str, Any]:
    return {
        "run_id": failure.run_id,
        "ended_at_ms": failure.ended_at_ms,
        "created_at_ms": failure.created_at_ms,
        "fingerprint": failure.signature.fingerprint,
        "workflow": failure.workflow,
        "message": failure.message,
        "version": failure.version,
        "queue": failure.queue,
        "executor": failure.executor,
        "namespace": failure.namespace,
        "settled": failure.settled,
    }


def _group_params(failure: Failure) -> dict[str, Any]:
    signature = failure.signature
    return {
        "fingerprint": signature.fingerprint,
        "type": signature.type,
        "step": signature.step,
        "template": signature.template,
        "frame": signature.frame,
        "at_ms": failure.ended_at_ms,
    }


def _signature(row: Row) -> ErrorSignature:
    fingerprint, kind, step, template, frame = row
    return checked(ErrorSignature(fingerprint=fingerprint, type=kind, step=step, template=template, frame=frame))


def _run_key(row: Row) -> RunKey:
    run_id, created_at_ms = row
    if not isinstance(run_id, str) or not isinstance(created_at_ms, int):
        raise ValueError(f"created_at_ms is {created_at_ms!r}")
    return RunKey(created_at_ms, run_id)


def _axis_count(row: Row) -> tuple[str, str | None, int]:
    fingerprint, value, count = row
    if not (value is None or isinstance(value, str)):
        raise ValueError(f"{str(value)[:100]!r} is not text")
    return fingerprint, value, count


def _failure(row: Row) -> Failure:
    run_id, ended, created, workflow, message, version, queue, executor, namespace, settled, *signature = row
    return Failure(
        run_id=run_id,
        ended_at_ms=ended,
        created_at_ms=created,
        signature=_signature(tuple(signature)),
        workflow=workflow,
        message=message,
        version=version,
        queue=queue,
        executor=executor,
        namespace=namespace,
        settled=settled,
    )


def _group(row: Row) -> ErrorGroup:
    count, last_at, total, first_seen, last_seen = row[5:]
    return ErrorGroup(
        signature=_signature(row[:5]),
        count=count or 0,
        last_at_ms=last_at,
        total=total,
        first_seen_ms=first_seen,
        last_seen_ms=last_seen,
    )
