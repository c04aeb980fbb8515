"""The routes of saved views: filters of the run list under a name."""

from __future__ import annotations

from dashboard.client.call import Call, RunFilter, body_of, members, path_of, rows_of
from dashboard.client.results import Rows
from dashboard.client.sync.connection import Connection
from dashboard.wire.views import ViewView


class ViewRoutes(Connection):
    """Saved views."""

    def list_views(self) -> Rows[ViewView]:
        """Return the saved views by name. ``list_runs(**filter_of(view.filter))`` lists the runs of one."""
        return self._send(Call("GET", "views", rows_of(ViewView)))

    def save_view(self, name: str, filters: RunFilter | None = None, *, is_default: bool = False) -> ViewView:
        """Save a filter under a name that no view has; its times may be spans before now (``{"since": "24h"}``)."""
        body = members(name=name, filter=body_of(filters or {}), is_default=is_default)
        return self._send(Call("POST", "views", ViewView, body=body))

    def change_view(
        self, view_id: str, *, name: str | None = None, filters: RunFilter | None = None, is_default: bool | None = None
    ) -> ViewView:
        """Rename a view, give it another filter, make it the default or no more; what is left out stays."""
        given = None if filters is None else body_of(filters)
        body = members(name=name, filter=given, is_default=is_default)
        return self._send(Call("POST", path_of("views", view_id), ViewView, body=body))

    def delete_view(self, view_id: str) -> ViewView:
        """Delete a view; return what it was."""
        return self._send(Call("POST", path_of("views", view_id, "delete"), ViewView, body={}))
