"""The routes about what waits for a person. Answer with ``continue_run``, ``send_signal`` or ``send_update``."""

from __future__ import annotations

from dashboard.client.call import Call, members, path_of, query_of
from dashboard.client.sync.connection import Connection
from dashboard.wire.inbox import InboxEntry, InboxView


class InboxRoutes(Connection):
    """The inbox."""

    def get_inbox(self, *, assignee: str | None = None, limit: int = 100) -> InboxView:
        """Return what waits for a person, oldest first, over all open runs.

        Args:
            assignee: what is assigned to this one; empty: to nobody.
        """
        return self._send(Call("GET", "inbox", InboxView, query_of(assignee=assignee, limit=limit)))

    def assign(self, run_id: str, seq: int, assignee: str | None = None) -> InboxEntry:
        """Say who is to answer a wait; left out: nobody."""
        path = path_of("runs", run_id, "waits", seq, "assign")
        return self._send(Call("POST", path, InboxEntry, body=members(assignee=assignee)))
