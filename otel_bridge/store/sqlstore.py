"""``SqlStateStore``: the ``StateStore`` protocol over SQL. Adapters bring the connection, the probe and the clock.

Nothing here writes, creates or alters: the tables are the engine's.
"""

from __future__ import annotations

import abc
import time
from collections.abc import Iterator, Sequence

from otel_bridge.errors import NotADbosDatabaseError
from otel_bridge.models import (
    Facet,
    PayloadName,
    PublishedEvent,
    QueueInfo,
    Run,
    RunPage,
    RunQuery,
    ScheduleInfo,
    Step,
    StepKey,
    StoredValue,
    StoreInfo,
)
from otel_bridge.store import facets, listing, others, steps, tailing
from otel_bridge.store.base import DEFAULT_PAYLOAD_CAP_BYTES
from otel_bridge.store.query import Dialect
from otel_bridge.store.reader import Row, derive_runs, run_rows_by_id
from otel_bridge.store.schema import KNOWN_SCHEMA_VERSION, Schema

SETTLED_PROBE_S = 300.0
UNSETTLED_PROBE_S = 5.0
"""How long a probe of the schema holds; a schema older than we know may be on its way to a newer one."""


class SqlStateStore(abc.ABC):
    """Everything that both dialects share."""

    dialect: Dialect
    target: str
    """Names the database for people, without credentials."""

    def __init__(self) -> None:
        self._schema: Schema | None = None
        self._probe_again_at = 0.0
        self._facets = facets.FacetCounter()

    # -- what an adapter brings -----------------------------------------------------------------------------------

    @abc.abstractmethod
    def rows(self, sql: str, params: Sequence[object] = ()) -> list[Row]:
        """Run one statement and return all of its rows."""

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

    def list_runs(self, query: RunQuery) -> RunPage:
        """See ``StateStore.list_runs``."""
        return listing.list_runs(self, query)

    def facets(self, query: RunQuery, *, by_workflow: bool = False) -> list[Facet]:
        """See ``StateStore.facets``."""
        return self._facets.facets(self, query, by_workflow=by_workflow)

    def get_run(self, run_id: str) -> Run | None:
        """See ``StateStore.get_run``."""
        return self.get_runs([run_id]).get(run_id)

    def get_runs(self, run_ids: Sequence[str]) -> dict[str, Run]:
        """See ``StateStore.get_runs``."""
        return {run.id: run for run in derive_runs(self, run_rows_by_id(self, run_ids))}

    def children(self, run_id: str, *, limit: int = 1000) -> list[Run]:
        """See ``StateStore.children``."""
        return others.related(self, "parent_workflow_id", run_id, limit=limit)

    def forks(self, run_id: str) -> list[Run]:
        """See ``StateStore.forks``."""
        return others.related(self, "forked_from", run_id, limit=1000)

    def get_payload(
        self, run_id: str, name: PayloadName, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> StoredValue | None:
        """See ``StateStore.get_payload``."""
        return steps.run_payload(self, run_id, name, cap_bytes=cap_bytes)

    # -- steps ------------------------------------------------------------------------------------------------------

    def get_steps(self, run_id: str, *, errors: bool = False) -> list[Step]:
        """See ``StateStore.get_steps``."""
        return steps.steps_of(self, [run_id], errors=errors)[run_id]

    def get_steps_of(self, run_ids: Sequence[str], *, errors: bool = False) -> dict[str, list[Step]]:
        """See ``StateStore.get_steps_of``."""
        return steps.steps_of(self, run_ids, errors=errors)

    def get_step(self, run_id: str, seq: int, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES) -> Step | None:
        """See ``StateStore.get_step``."""
        return steps.step(self, run_id, seq, cap_bytes=cap_bytes)

    # -- the rest of what people look at ------------------------------------------------------------------------------

    def published_events(
        self, run_id: str, *, own: bool = False, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> list[PublishedEvent]:
        """See ``StateStore.published_events``."""
        return steps.published(self, run_id, None, own=own, cap_bytes=cap_bytes)

    def published_event(
        self, run_id: str, key: str, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> PublishedEvent | None:
        """See ``StateStore.published_event``."""
        return next(iter(steps.published(self, run_id, key, cap_bytes=cap_bytes)), None)

    def queues(self) -> list[QueueInfo]:
        """See ``StateStore.queues``."""
        return others.queues(self)

    def schedules(self) -> list[ScheduleInfo]:
        """See ``StateStore.schedules``."""
        return others.schedules(self)

    # -- the tail -----------------------------------------------------------------------------------------------------

    def change_token(self) -> object | None:
        """See ``StateStore.change_token``; a store without such a thing answers None."""
        return None

    def steps_recorded_since(self, since_ms: int, *, limit: int) -> list[StepKey]:
        """See ``StateStore.steps_recorded_since``."""
        return steps.recorded_since(self, since_ms, limit=limit)

    def runs_changed_since(self, since_ms: int, *, limit: int) -> list[Run]:
        """See ``StateStore.runs_changed_since``."""
        return tailing.runs_changed_since(self, since_ms, limit=limit)

    def open_runs(self, *, limit: int) -> list[Run]:
        """See ``StateStore.open_runs``."""
        return tailing.open_runs(self, limit=limit)

    def iter_runs(self, *, since_ms: int | None = None, until_ms: int | None = None) -> Iterator[Run]:
        """See ``StateStore.iter_runs``."""
        return tailing.iter_runs(self, since_ms=since_ms, until_ms=until_ms)

    @abc.abstractmethod
    def close(self) -> None:
        """Release connections. Idempotent."""
