"""Pages and counts of runs with presence laid over them, in one read each (no read per row)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from dashboard.read.services import Services
from dashboard.wire.convert import run_row
from dashboard.wire.runs import RunRow
from otel_bridge.model.runs import Facet, Run, RunPage, RunQuery
from otel_bridge.model.status import BLOCKABLE_STATUSES, RunStatus
from otel_bridge.runs.presence import overlay_run

BLOCKED_COUNTED = 500


def page_of(services: Services, query: RunQuery) -> RunPage:
    """Return one page. The store knows nothing of ``blocked``: those are looked for among pending and running.

    Raises:
        InvalidCursorError: the cursor is not the store's.
    """
    seen = services.presence()
    wanted = query.statuses
    asked = wanted
    if "blocked" in wanted:
        asked = (wanted - {"blocked"}) | (BLOCKABLE_STATUSES if seen.known else frozenset())
        if not asked:
            return RunPage([], None)
    page = services.store.list_runs(replace(query, statuses=asked))
    if not seen.known:
        return page
    runs = [overlay_run(run, seen) for run in page.runs]
    if wanted:
        runs = [run for run in runs if run.status in wanted]
    return RunPage(runs, page.next_cursor, page.scanned_to_ms)


def row_of(services: Services, run: Run) -> RunRow:
    """Return a run as listed, as presence shows it."""
    seen, settings = services.presence(), services.settings
    return run_row(overlay_run(run, seen), seen=seen, codec=settings.codec, namespace=settings.namespace)


def facets_of(services: Services, query: RunQuery, *, by_workflow: bool) -> list[Facet]:
    """Return counts by status (and workflow); blocked ones are counted among the newest pending and running."""
    found = services.store.facets(query, by_workflow=by_workflow)
    seen = services.presence()
    if not seen.known or not any(facet.status in BLOCKABLE_STATUSES for facet in found):
        return found
    page = services.store.list_runs(replace(query, statuses=BLOCKABLE_STATUSES, limit=BLOCKED_COUNTED, cursor=None))
    moved: Counter[tuple[RunStatus, str | None]] = Counter()
    blocked: Counter[str | None] = Counter()
    for run in page.runs:
        if overlay_run(run, seen).status == "blocked":
            workflow = run.workflow if by_workflow else None
            moved[run.status, workflow] += 1
            blocked[workflow] += 1
    exact = page.next_cursor is None
    left = [
        replace(
            facet,
            count=facet.count - moved[facet.status, facet.workflow],
            exact=facet.exact and (exact or facet.status not in BLOCKABLE_STATUSES),
        )
        for facet in found
    ]
    return [
        *(facet for facet in left if facet.count > 0),
        *(Facet(status="blocked", count=count, workflow=name, exact=exact) for name, count in blocked.items()),
    ]
