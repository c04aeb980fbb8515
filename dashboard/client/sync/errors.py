"""The routes about errors: failures of one kind, and what people decide about them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from dashboard.client.call import Call, members, path_of, query_of
from dashboard.client.sync.connection import Connection
from dashboard.wire.errors import ErrorDetail, ErrorGroupView, ErrorsView
from dashboard.wire.runs import RunRow
from otel_bridge.model.runs import DecisionState


class ErrorRoutes(Connection):
    """Errors: listed, compared with what went well, and dealt with."""

    def list_errors(
        self,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        workflow: str | None = None,
        state: DecisionState | Iterable[DecisionState] = (),
        buckets: int = 24,
        limit: int = 100,
        cursor: str | None = None,
    ) -> ErrorsView:
        """Return the errors of a window, the last seen first; default the last seven days."""
        query = query_of(since=since, until=until, workflow=workflow, state=state)
        page = query_of(buckets=buckets, limit=limit, cursor=cursor)
        return self._send(Call("GET", "errors", ErrorsView, [*query, *page]))

    def get_error(
        self,
        fingerprint: str,
        *,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        buckets: int = 24,
    ) -> ErrorDetail:
        """Return an error with what its failures share that runs which completed do not."""
        query = query_of(since=since, until=until, buckets=buckets)
        return self._send(Call("GET", path_of("errors", fingerprint), ErrorDetail, query))

    def decide_error(self, fingerprint: str, state: DecisionState, *, note: str = "") -> ErrorGroupView:
        """Say that an error is dealt with, ignored or open again, and why; it covers the failures so far."""
        body = members(state=state, note=note)
        return self._send(Call("POST", path_of("errors", fingerprint), ErrorGroupView, body=body))

    def decide_run(self, run_id: str, state: DecisionState, *, note: str = "") -> RunRow:
        """Say that one run's failure is dealt with, ignored or open again, and why."""
        body = members(state=state, note=note)
        return self._send(Call("POST", path_of("runs", run_id, "decision"), RunRow, body=body))
