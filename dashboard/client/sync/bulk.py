"""The routes that act on every run of a filter, and tell what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from typing_extensions import Unpack

from dashboard.client.call import Call, Params, RunFilter, members, path_of, query_of, rows_of
from dashboard.client.results import Rows
from dashboard.client.sync.connection import Connection
from dashboard.wire.bulk import BulkAnswer, BulkStatus, BulkView


class BulkRoutes(Connection):
    """Bulk actions: previewed, applied, and looked at afterwards."""

    def preview_bulk(
        self, action: Literal["retry", "cancel", "move"], *, bound_ms: int | None = None, **filters: Unpack[RunFilter]
    ) -> BulkAnswer:
        """Return what a bulk action over the filter would touch; hand its ``bound_ms`` to ``bulk_action``."""
        query = query_of(**filters, dry_run=True)
        return self._send(Call("POST", f"bulk/{action}", BulkAnswer, query, members(bound_ms=bound_ms)))

    def bulk_action(
        self,
        action: Literal["retry", "cancel", "move"],
        *,
        every: bool = False,
        bound_ms: int | None = None,
        ids: Iterable[str] | None = None,
        bulk_id: str | None = None,
        to_queue: str | None = None,
        to_version: str | None = None,
        canary: bool = False,
        errors: Iterable[str] | None = None,
        compensate: bool = False,
        children: bool = False,
        **filters: Unpack[RunFilter],
    ) -> BulkAnswer:
        """Retry, cancel or move the runs of the filter, as previewed.

        One that is not done at once (no ``results``) continues in a worker: ask ``bulk_status`` with its ``bulk_id``.

        Args:
            every: act though no filter narrows the runs.
            bound_ms: from ``preview_bulk``: nothing newer is touched.
            ids: touch these of the filter only.
            bulk_id: the same twice is one action.
            to_queue: retry: move the runs to this queue.
            to_version: move: to this live version; the newest where none is named.
            canary: retry: 1, 5, then 25 % first; the rest once none of those failed again with the same error.
            errors: touch only runs that died of one of these errors last, by fingerprint; "": of none that is known.
            compensate, children: cancel: see ``cancel``.
        """
        chosen = query_of(to_queue=to_queue, to_version=to_version, compensate=compensate or None)
        flags = query_of(children=children or None, canary=canary or None, all=every or None)
        only = members(ids=None if ids is None else list(ids), errors=None if errors is None else list(errors))
        body = {**members(bound_ms=bound_ms, bulk_id=bulk_id), **only}
        return self._send(Call("POST", f"bulk/{action}", BulkAnswer, [*query_of(**filters), *chosen, *flags], body))

    def bulk_status(self, bulk_id: str, *, start: int | None = None, now: bool = True) -> BulkStatus:
        """Return how far a bulk action is, with a result per run, from the result numbered ``start`` on.

        Its ``now`` counts how its runs stand since; each count is a filter of ``list_runs``: ``bulk`` with
        ``bulk_part``.

        Args:
            now: False leaves that out, for callers that only wait for the end.
        """
        query: Params = [*([] if start is None else [("from", start)]), *query_of(now=now)]
        return self._send(Call("GET", path_of("bulk", bulk_id), BulkStatus, query))

    def list_bulks(self, *, limit: int = 50, before: str | None = None) -> Rows[BulkView]:
        """Return bulk actions, newest first; ``before`` is the id of the last one seen."""
        return self._send(Call("GET", "bulk", rows_of(BulkView), query_of(limit=limit, before=before)))
