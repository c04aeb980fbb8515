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
OF_SUBJECTS = f"SELECT {_COLUMNS} FROM {{t}}dispositions WHERE subject {{ids}} AND kind IN ('run', 'error')"


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
        return {subject: one for (about, subject), one in self._about(subjects).items() if about == kind}

    def decisions_on(
        self, runs: Sequence[str], errors: Sequence[str]
    ) -> tuple[dict[str, Disposition], dict[str, Disposition]]:
        """Return ``dispositions`` of runs and of errors, in one read."""
        found = self._about([*runs, *errors])
        return (
            {run_id: found["run", run_id] for run_id in runs if ("run", run_id) in found},
            {error: found["error", error] for error in errors if ("error", error) in found},
        )

    def _about(self, subjects: Sequence[str]) -> dict[tuple[DispositionKind, str], Disposition]:
        rows = self._read_by_id(OF_SUBJECTS, subjects)
        return {(one.kind, one.subject): one for one in self._decoded("dispositions", rows, _disposition)}


def _disposition(row: Row) -> Disposition:
    kind, subject, state, actor, at_ms, note = row
    return Disposition(kind=kind, subject=subject, state=state, actor=actor, at_ms=at_ms, note=note)
