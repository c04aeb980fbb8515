"""Incidents: what an alert rule found, from when it opened to its end, and who was told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from otel_bridge.ledger.tables.core import Row, Tables

Message = Literal["opened", "ended"]

_COLUMNS = (
    "id, rule, subject, kind, summary, link, opened_ms, seen_ms, ended_ms, ended_by, snoozed_until_ms, "
    "acknowledged_by, note, reopened, opened_sent_ms, ended_sent_ms, sent_by, tries, problem"
)
# Of two processes that both believe to be the caretaker, one opens it: incidents_open is unique.
OPEN = """
    INSERT INTO {t}incidents (id, rule, subject, kind, summary, link, opened_ms, seen_ms)
    VALUES (:id, :rule, :subject, :kind, :summary, :link, {now}, {now}) ON CONFLICT DO NOTHING
"""
TOUCH = "UPDATE {t}incidents SET seen_ms = {now}, summary = :summary, link = :link WHERE id = :id"
REOPEN = """
    UPDATE {t}incidents SET ended_ms = NULL, seen_ms = {now}, summary = :summary,
        reopened = reopened + 1
    WHERE id = :id AND ended_by IS NULL AND NOT EXISTS (
        SELECT 1 FROM {t}incidents o WHERE o.rule = :rule AND o.subject = :subject AND o.ended_ms IS NULL)
"""
END = "UPDATE {t}incidents SET ended_ms = {now} WHERE id = :id AND ended_ms IS NULL"
RESOLVE = f"""
    UPDATE {{t}}incidents SET ended_ms = {{now}}, ended_by = :actor, acknowledged_by = :actor, note = :note
    WHERE id = :id AND ended_ms IS NULL RETURNING {_COLUMNS}
"""
SNOOZE = f"""
    UPDATE {{t}}incidents SET snoozed_until_ms = {{now}} + :for_ms, acknowledged_by = :actor, note = :note
    WHERE id = :id AND ended_ms IS NULL RETURNING {_COLUMNS}
"""
SENT_OPENED = """
    UPDATE {t}incidents SET opened_sent_ms = {now}, sent_by = :by, problem = NULL, tries = 0
    WHERE id = :id AND opened_sent_ms IS NULL
"""
SENT_ENDED = """
    UPDATE {t}incidents SET ended_sent_ms = {now}, sent_by = :by, problem = NULL, tries = 0
    WHERE id = :id AND ended_sent_ms IS NULL
"""
NOT_SENT = "UPDATE {t}incidents SET tries = tries + 1, problem = :problem WHERE id = :id"
ONE = f"SELECT {_COLUMNS} FROM {{t}}incidents WHERE id = :id"
# Open ones by incidents_open, ended ones by incidents_opened; both are few.
RECENT = f"""
    SELECT {_COLUMNS}, 0 AS place FROM {{t}}incidents WHERE ended_ms IS NULL
    UNION ALL SELECT {_COLUMNS}, 1 AS place FROM {{t}}incidents WHERE opened_ms >= :since_ms AND ended_ms IS NOT NULL
    ORDER BY place, opened_ms DESC, id LIMIT :limit
"""
PRUNE = "DELETE FROM {t}incidents WHERE opened_ms < :before_ms AND ended_ms < :before_ms"


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """One trouble, from when a rule found it to its end. It has one message when it opens, and one when it ends.

    Args:
        rule: the rule's name; ``subject``: what it found: a workflow, a queue, a worker, a schedule.
        link: path below the dashboard's address.
        seen_ms: when the rule found it last.
        ended_by: who resolved it; None: it ended by itself.
        reopened: how often it came back soon after its end, without another message.
        sent_by: the run that sends the last message, or ``caretaker``.
        problem: why the last try to send it failed, without addresses.
    """

    id: str
    rule: str
    subject: str
    kind: str
    summary: str
    link: str
    opened_ms: int
    seen_ms: int
    ended_ms: int | None = None
    ended_by: str | None = None
    snoozed_until_ms: int | None = None
    acknowledged_by: str | None = None
    note: str = ""
    reopened: int = 0
    opened_sent_ms: int | None = None
    ended_sent_ms: int | None = None
    sent_by: str | None = None
    tries: int = 0
    problem: str | None = None

    @property
    def is_open(self) -> bool:
        """True until it ended."""
        return self.ended_ms is None

    def is_snoozed(self, now_ms: int) -> bool:
        """Say whether somebody put it off."""
        return self.snoozed_until_ms is not None and now_ms < self.snoozed_until_ms


class Incidents(Tables):
    """Open, update, end; snooze and resolve; note what was sent."""

    def open_incident(self, incident: Incident) -> None:
        """Keep a new incident, unless one of its rule and subject is open."""
        self._write(
            OPEN,
            id=incident.id,
            rule=incident.rule,
            subject=incident.subject,
            kind=incident.kind,
            summary=incident.summary,
            link=incident.link,
        )

    def touch_incidents(self, incidents: list[Incident]) -> None:
        """Note that their rules found them again, with what they say now."""
        self._write_many(TOUCH, [{"id": one.id, "summary": one.summary, "link": one.link} for one in incidents])

    def reopen_incident(self, incident: Incident) -> None:
        """Open one again that ended by itself, unless another of its rule and subject is open."""
        self._write(REOPEN, id=incident.id, rule=incident.rule, subject=incident.subject, summary=incident.summary)

    def end_incident(self, incident_id: str) -> None:
        """Note that an incident is over."""
        self._write(END, id=incident_id)

    def resolve_incident(self, incident_id: str, *, actor: str, note: str = "") -> Incident | None:
        """End an open incident because somebody says so; None where it is not open (any more)."""
        return next(self._incidents(self._write(RESOLVE, id=incident_id, actor=actor, note=note)), None)

    def snooze_incident(self, incident_id: str, *, for_ms: int, actor: str, note: str = "") -> Incident | None:
        """Put an open incident off; None where it is not open (any more)."""
        rows = self._write(SNOOZE, id=incident_id, for_ms=for_ms, actor=actor, note=note)
        return next(self._incidents(rows), None)

    def note_sent(self, incident_id: str, message: Message, *, by: str) -> None:
        """Note that a message was sent, or handed to the run that sends it."""
        self._write(SENT_OPENED if message == "opened" else SENT_ENDED, id=incident_id, by=by)

    def note_not_sent(self, incident_id: str, problem: str) -> None:
        """Note that a message could not be sent."""
        self._write(NOT_SENT, id=incident_id, problem=problem)

    def incident(self, incident_id: str) -> Incident | None:
        """Return one incident."""
        return next(self._incidents(self._read(ONE, id=incident_id)), None)

    def incidents(self, *, since_ms: int, limit: int = 500) -> list[Incident]:
        """Return what is open, and then what opened since, newest first."""
        return list(self._incidents([row[:-1] for row in self._read(RECENT, since_ms=since_ms, limit=limit)]))

    def prune_incidents(self, *, before_ms: int) -> None:
        """Forget incidents that ended before."""
        self._write(PRUNE, before_ms=before_ms)

    def _incidents(self, rows: list[Row]) -> Iterator[Incident]:
        return self._decoded("incidents", rows, _incident)


def _incident(row: Row) -> Incident:
    return Incident(**dict(zip(_NAMES, row, strict=True)))


_NAMES = tuple(_COLUMNS.split(", "))
