"""From a trace id to its run."""

from __future__ import annotations

import re
from dataclasses import replace

from dashboard.errors import BadRequest, NotFound
from dashboard.read.services import Services
from otel_bridge.errors import LedgerError
from otel_bridge.model.runs import RunQuery
from otel_bridge.spans import ids

TRACE_SEARCH_PAGES = 8
_TRACE_ID = re.compile(r"[0-9a-f]{32}")


def by_trace(services: Services, query: RunQuery) -> RunQuery:
    """Return a filter whose text is the id of a trace that the ledger remembers as one of that trace's run.

    No run is looked through: of a text that is no such id nothing changes. The trace's spans are of that run, and of
    its undo; children have traces of their own, unless they are nested.
    """
    wanted = (query.text or "").lower()
    if not _TRACE_ID.fullmatch(wanted):
        return query
    try:
        found = services.ledger.run_of_trace(wanted)
    except LedgerError:
        return query
    return query if found is None else replace(query, text=None, run_id=found)


def run_of_trace(services: Services, trace_id: str) -> str:
    """Return the run whose trace this is: as the ledger remembers, else by hashing the ids of recent runs.

    Raises:
        BadRequest: not a trace id.
        NotFound: no such run among those remembered and the newest few thousand.
    """
    wanted = trace_id.lower()
    if not _TRACE_ID.fullmatch(wanted):
        raise BadRequest(f"{trace_id[:80]!r} is not a trace id: 32 hexadecimal digits are.")
    try:
        remembered = services.ledger.run_of_trace(wanted)
    except LedgerError:
        remembered = None
    if remembered is not None and remembered in services.visible_ids([remembered]):
        return remembered
    namespace, cursor = services.settings.namespace, None
    for _ in range(TRACE_SEARCH_PAGES):
        page = services.store.list_runs(RunQuery(limit=500, cursor=cursor))
        for run in page.runs:
            if ids.trace_id(run.id, namespace=namespace).hex() == wanted:
                return ids.traced_run_id(run.id)
        cursor = page.next_cursor
        if cursor is None:
            break
    raise NotFound(
        f"No run of trace {wanted} is remembered, nor among the newest runs. "
        "Does the bridge use the same namespace setting as this dashboard?"
    )
