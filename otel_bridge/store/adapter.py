"""``SqlStateStore``: the ``StateStore`` protocol over SQL. Adapters bring the connection, the probe and the clock.

Nothing here writes, creates or alters: the tables are the engine's.
"""

from __future__ import annotations

import abc
import copy
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Concatenate, ParamSpec, TypeVar

from otel_bridge.errors import NotADbosDatabaseError, StoreUnavailableError
from otel_bridge.model.fleet import QueueInfo, ScheduleInfo, StoreInfo
from otel_bridge.model.runs import (
    Activity,
    Backlog,
    Facet,
    Grid,
    OpenWait,
    Question,
    Run,
    RunPage,
    RunQuery,
    StartedRun,
)
from otel_bridge.model.steps import RecordedOperation, Step, StepCounts, StepKey, StepPart
from otel_bridge.model.values import PayloadName, PublishedEvent, StoredValue, StreamEntry, UnreadMessage
from otel_bridge.store.base import DEFAULT_PAYLOAD_CAP_BYTES
from otel_bridge.store.sql import (
    activity,
    backlog,
    changes,
    counts,
    keys,
    mailbox,
    parts,
    queues,
    recording,
    related,
    runs,
    steps,
    whole,
)
from otel_bridge.store.sql.schema import KNOWN_SCHEMA_VERSION, Dialect, Schema
from otel_bridge.store.sql.session import Row, derive_runs, records_by_id
from otel_bridge.store.sql.statement import Statement

SETTLED_PROBE_S = 300.0
UNSETTLED_PROBE_S = 5.0
"""How long a probe of the schema holds: an engine that migrates adds tables that are read from then on. A schema older
than we know may be on its way to a newer one."""


P = ParamSpec("P")
T = TypeVar("T")


class StaleSchemaError(StoreUnavailableError):
    """A table or column that the probe had found is gone. Only seen outside when it stays so."""


def looks_again(method: Callable[Concatenate[SqlStateStore, P], T]) -> Callable[Concatenate[SqlStateStore, P], T]:
    """Make a reading method try once more, with a fresh probe, when the engine has changed its schema meanwhile."""

    @functools.wraps(method)
    def read(self: SqlStateStore, /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(self, *args, **kwargs)
        except StaleSchemaError:
            self.forget_schema()
            return method(self, *args, **kwargs)

    return read


class SqlStateStore(abc.ABC):
    """Everything that both dialects share."""

    dialect: Dialect
    target: str
    """Names the database for people, without credentials."""

    def __init__(self) -> None:
        self._schema: Schema | None = None
        self._probe_again_at = 0.0
        self._facets = counts.FacetCounter()

    @property
    def engine_schema(self) -> str:
        """On Postgres, where the engine keeps its tables; ``dbos`` where the database knows no schemas."""
        return "dbos"

    # -- what an adapter brings -----------------------------------------------------------------------------------

    @abc.abstractmethod
    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return all of its rows."""

    def read(self, statement: Statement, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one of the statements of ``store.sql``, under its name, and return all of its rows."""
        return self.rows(statement.text(sql), params)

    @abc.abstractmethod
    def now_ms(self) -> int:
        """The clock that the database stamps rows with."""

    @abc.abstractmethod
    def _probe(self) -> Schema:
        """Look at the tables, columns and indexes that are there."""

    def schema(self) -> Schema:
        """Return the schema, probed now and then: the engine may be migrating it. ``forget_schema`` probes at once."""
        schema = self._schema
        if schema is None or time.monotonic() >= self._probe_again_at:
            schema = self._probe()
            missing = schema.missing()
            if missing:
                raise NotADbosDatabaseError(
                    self.target,
                    f"{self.target} holds no DBOS system tables: {', '.join(missing)} missing. "
                    "Point at the app's system database (system_database_url), once the app has been launched.",
                )
            self._schema = schema
            settled = schema.version is not None and schema.version >= KNOWN_SCHEMA_VERSION
            self._probe_again_at = time.monotonic() + (SETTLED_PROBE_S if settled else UNSETTLED_PROBE_S)
        return schema

    def forget_schema(self) -> None:
        """Look at the schema again before the next read: the engine may have migrated it."""
        self._schema = None

    def _check(self) -> StoreInfo:
        self.forget_schema()
        schema = self.schema()
        return StoreInfo(self.target, self.dialect, schema.version, schema.warnings())

    def check(self) -> StoreInfo:
        """See ``StateStore.check``."""
        return self._check()

    # -- runs -------------------------------------------------------------------------------------------------------

    @looks_again
    def list_runs(self, query: RunQuery) -> RunPage:
        """See ``StateStore.list_runs``."""
        return runs.list_runs(self, query)

    @looks_again
    def facets(self, query: RunQuery, *, by_workflow: bool = False, exact: bool = False) -> list[Facet]:
        """See ``StateStore.facets``."""
        return self._facets.facets(self, query, by_workflow=by_workflow, exact=exact)

    @looks_again
    def activity(self, query: RunQuery, grid: Grid) -> Activity:
        """See ``StateStore.activity``."""
        return copy.deepcopy(self._facets.kept.get((query, grid), lambda: activity.activity(self, query, grid)))

    @looks_again
    def backlog(self, query: RunQuery, *, old_ms: int, grid: Grid | None = None) -> list[Backlog]:
        """See ``StateStore.backlog``."""
        return list(
            self._facets.kept.get(
                (query, "backlog", grid), lambda: backlog.backlog(self, query, old_ms=old_ms, grid=grid)
            )
        )

    def get_run(self, run_id: str) -> Run | None:
        """See ``StateStore.get_run``."""
        return self.get_runs([run_id]).get(run_id)

    @looks_again
    def get_runs(self, run_ids: Sequence[str]) -> dict[str, Run]:
        """See ``StateStore.get_runs``."""
        return {run.id: run for run in derive_runs(self, records_by_id(self, run_ids))}

    @looks_again
    def children(self, run_id: str, *, limit: int = 1000) -> list[Run]:
        """See ``StateStore.children``."""
        return related.related(self, "parent_workflow_id", run_id, limit=limit)

    @looks_again
    def forks(self, run_id: str, *, limit: int = 1000) -> list[Run]:
        """See ``StateStore.forks``."""
        return related.related(self, "forked_from", run_id, limit=limit)

    def started_by(self, run_ids: Sequence[str]) -> Iterator[StartedRun]:
        """See ``StateStore.started_by``."""
        return related.started(self, run_ids)

    @looks_again
    def declaring_undo(self, run_ids: Sequence[str]) -> set[str]:
        """See ``StateStore.declaring_undo``."""
        return related.declaring_undo(self, run_ids)

    @looks_again
    def get_payload(
        self, run_id: str, name: PayloadName, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> StoredValue | None:
        """See ``StateStore.get_payload``."""
        return steps.run_payload(self, run_id, name, cap_bytes=cap_bytes)

    @looks_again
    def rows_of_runs(self, run_ids: Sequence[str]) -> dict[str, whole.TableRows]:
        """Return every row of these runs as it stands, by run and table: for an archive."""
        return whole.rows_of_runs(self, run_ids)

    # -- steps ------------------------------------------------------------------------------------------------------

    @looks_again
    def get_steps(self, run_id: str, *, errors: bool = False) -> list[Step]:
        """See ``StateStore.get_steps``."""
        return steps.steps_of(self, [run_id], errors=errors)[run_id]

    @looks_again
    def step_outputs(self, run_id: str, names: Sequence[str]) -> list[tuple[str, StoredValue]]:
        """See ``StateStore.step_outputs``."""
        return steps.step_outputs(self, run_id, names)

    @looks_again
    def get_steps_of(
        self,
        run_ids: Sequence[str],
        *,
        errors: bool = False,
        most_rows: int | None = None,
        least_one: bool = True,
        last_rows: int | None = None,
    ) -> dict[str, list[Step]]:
        """See ``StateStore.get_steps_of``."""
        if last_rows is None:
            return steps.steps_of(self, run_ids, errors=errors, most_rows=most_rows, least_one=least_one)
        return parts.last_steps_of(self, run_ids, last_rows=last_rows, errors=errors, most_rows=most_rows)

    @looks_again
    def get_step_part(
        self, run_id: str, *, start: int | None = None, limit: int, whole_rows: int = 0, errors: bool = False
    ) -> StepPart:
        """See ``StateStore.get_step_part``."""
        return parts.part_of(self, run_id, start=start, limit=limit, whole_rows=whole_rows, errors=errors)

    @looks_again
    def count_steps(self, run_id: str) -> StepCounts:
        """See ``StateStore.count_steps``."""
        return parts.counts_of(self, run_id)

    @looks_again
    def last_step_number(self, run_id: str) -> int | None:
        """See ``StateStore.last_step_number``."""
        return parts.last_numbers(self, [run_id]).get(run_id)

    @looks_again
    def get_step_errors(self, run_id: str, seqs: Sequence[int]) -> dict[int, StoredValue]:
        """See ``StateStore.get_step_errors``."""
        return parts.errors_of(self, run_id, seqs)

    @looks_again
    def get_step(self, run_id: str, seq: int, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES) -> Step | None:
        """See ``StateStore.get_step``."""
        return parts.step(self, run_id, seq, cap_bytes=cap_bytes)

    @looks_again
    def recording(
        self, run_id: str, *, limit: int, cap_bytes: int = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> list[RecordedOperation]:
        """See ``StateStore.recording``."""
        return recording.recording(self, run_id, limit=limit, cap_bytes=cap_bytes)

    # -- the rest of what people look at ------------------------------------------------------------------------------

    @looks_again
    def published_events(
        self, run_id: str, *, own: bool = False, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> list[PublishedEvent]:
        """See ``StateStore.published_events``."""
        return steps.published(self, run_id, None, own=own, cap_bytes=cap_bytes)

    @looks_again
    def published_event(
        self, run_id: str, key: str, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> PublishedEvent | None:
        """See ``StateStore.published_event``."""
        return next(iter(steps.published(self, run_id, key, cap_bytes=cap_bytes)), None)

    @looks_again
    def streams(self, run_id: str) -> dict[str, tuple[int, bool]]:
        """See ``StateStore.streams``."""
        return keys.stream_keys(self, run_id)

    @looks_again
    def stream_entries(
        self,
        run_id: str,
        stream: str,
        *,
        after: int = -1,
        limit: int = 500,
        cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES,
    ) -> list[StreamEntry]:
        """See ``StateStore.stream_entries``."""
        return keys.stream_entries(self, run_id, stream, after=after, limit=limit, cap_bytes=cap_bytes)

    @looks_again
    def unread_messages(self, run_id: str) -> list[UnreadMessage]:
        """See ``StateStore.unread_messages``."""
        return mailbox.unread_messages(self, run_id)

    @looks_again
    def open_waits(self, run_id: str) -> list[OpenWait]:
        """See ``StateStore.open_waits``."""
        return mailbox.open_waits(self, run_id)

    @looks_again
    def questions(
        self, *, most_runs: int = 20_000, run_ids: Sequence[str] | None = None
    ) -> tuple[list[Question], bool]:
        """See ``StateStore.questions``."""
        return mailbox.questions(self, most_runs=most_runs, run_ids=run_ids)

    def queues(self, *, backlog: bool = True) -> list[QueueInfo]:
        """See ``StateStore.queues``."""
        return queues.queues(self, backlog=backlog)

    @looks_again
    def schedules(self) -> list[ScheduleInfo]:
        """See ``StateStore.schedules``."""
        return queues.schedules(self)

    # -- the tail -----------------------------------------------------------------------------------------------------

    def change_token(self) -> object | None:
        """See ``StateStore.change_token``; a store without such a thing answers None."""
        return None

    @looks_again
    def recent_mark(self, *, runs_since_ms: int, steps_since_ms: int) -> object | None:
        """See ``StateStore.recent_mark``."""
        return changes.recent_mark(self, runs_since_ms=runs_since_ms, steps_since_ms=steps_since_ms)

    @looks_again
    def steps_recorded_since(self, since_ms: int, *, limit: int, after: StepKey | None = None) -> list[StepKey]:
        """See ``StateStore.steps_recorded_since``."""
        return steps.recorded_since(self, since_ms, limit=limit, after=after)

    @looks_again
    def runs_changed_since(self, since_ms: int, *, limit: int, after: str | None = None) -> list[Run]:
        """See ``StateStore.runs_changed_since``."""
        return changes.runs_changed_since(self, since_ms, limit=limit, after=after)

    @looks_again
    def inserted_late(
        self, mark: tuple[int, int] | None, *, before_ms: int
    ) -> tuple[list[str], tuple[int, int] | None]:
        """See ``StateStore.inserted_late``."""
        return changes.inserted_late(self, mark, before_ms=before_ms)

    @looks_again
    def open_marks(self, *, limit: int) -> dict[str, object]:
        """See ``StateStore.open_marks``."""
        return changes.open_marks(self, limit=limit)

    @looks_again
    def open_runs(self, *, limit: int) -> list[Run]:
        """See ``StateStore.open_runs``."""
        return changes.open_runs(self, limit=limit)

    def iter_runs(
        self, *, since_ms: int | None = None, until_ms: int | None = None, after: tuple[int, str] | None = None
    ) -> Iterator[Run]:
        """See ``StateStore.iter_runs``."""
        return changes.iter_runs(self, since_ms=since_ms, until_ms=until_ms, after=after)

    @abc.abstractmethod
    def close(self) -> None:
        """Release connections. Idempotent."""
