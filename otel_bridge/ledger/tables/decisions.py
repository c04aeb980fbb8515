"""What people decided about runs and errors: dealt with, ignored, open again; who, when and why."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.ledger.records import Disposition, DispositionKind
from otel_bridge.ledger.tables.core import Row, Tables

_COLUMNS = "kind, subject, state, actor, at_ms, note"
DISPOSE = f"""
    INSERT INTO {{t}}dispositions ({_COLUMNS}) VALUES (:kind, :subject, :state, :actor, {{now}}, :note)
    ON CONFLICT (kind, subject) DO UPDATE SET state = excluded.state, actor = excluded.actor,
        at_ms = excluded.at_ms, note = excluded.note
    RETURNING {_COLUMNS}
"""
# For the rows on screen: by primary key (kind, subject).
OF_SUBJECTS = f"SELECT {_COLUMNS} FROM {{t}}dispositions WHERE subject {{ids}} AND kind = :kind"


class Decisions(Tables):
    """Keep and look up."""

    def dispose(self, disposition: Disposition) -> Disposition:
        """Keep what a person decided, over what was decided before; return it as stamped by the ledger's clock."""
        rows = self._write(
            DISPOSE,
            kind=disposition.kind,
            subject=disposition.subject,
            state=disposition.state,
            actor=disposition.actor,
            note=disposition.note,
        )
        return _disposition(rows[0])

    def dispositions(self, kind: DispositionKind, subjects: Sequence[str]) -> dict[str, Disposition]:
        """Return what was decided about these; a subject of which nothing was is absent."""
        rows = self._read_by_id(OF_SUBJECTS, subjects, kind=kind)
        return {one.subject: one for one in self._decoded("dispositions", rows, _disposition)}


def _disposition(row: Row) -> Disposition:
    kind, subject, state, actor, at_ms, note = row
    return Disposition(kind=kind, subject=subject, state=state, actor=actor, at_ms=at_ms, note=note)
