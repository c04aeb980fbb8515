"""The routes about what waits for a person. Answer with ``continue_run``, ``send_signal`` or ``send_update``."""

from __future__ import annotations

from dashboard.client.call import Call, members, path_of, query_of, rows_of
from dashboard.client.results import Rows
from dashboard.client.sync.connection import Connection
from dashboard.wire.inbox import InboxEntry, InboxView, OpenWaitView, QuestionLink


class InboxRoutes(Connection):
    """The inbox."""

    def get_inbox(self, *, assignee: str | None = None, limit: int = 100) -> InboxView:
        """Return what waits for a person, oldest first, over all open runs.

        Args:
            assignee: what is assigned to this one; empty: to nobody.
        """
        return self._send(Call("GET", "inbox", InboxView, query_of(assignee=assignee, limit=limit)))

    def list_waits(self, run_id: str) -> Rows[OpenWaitView]:
        """Return what a run waits for, side by side: what each asks, and the schema of what it takes."""
        return self._send(Call("GET", path_of("runs", run_id, "waits"), rows_of(OpenWaitView)))

    def link_question(self, run_id: str, seq: int, *, expires_in_s: int | None = None) -> QuestionLink:
        """Return a signed link to a wait, for chat and mail. It allows nothing: who opens it signs in and is asked.

        Args:
            expires_in_s: how long it may be opened; a week, where nothing is said.
        """
        path = path_of("runs", run_id, "waits", seq, "link")
        return self._send(Call("POST", path, QuestionLink, body=members(expires_in_s=expires_in_s)))

    def get_question(self, token: str) -> InboxEntry:
        """Return what a signed link asks, by its last part."""
        return self._send(Call("GET", path_of("inbox", token), InboxEntry))

    def assign(self, run_id: str, seq: int, assignee: str | None = None) -> InboxEntry:
        """Say who is to answer a wait; left out: nobody."""
        path = path_of("runs", run_id, "waits", seq, "assign")
        return self._send(Call("POST", path, InboxEntry, body=members(assignee=assignee)))
