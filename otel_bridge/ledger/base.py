"""``Ledger``: the little this product remembers, wherever it lives. Its adapters bring the connection.

Ours alone: a sidecar file beside a SQLite system database, a schema of our own on Postgres. It may be deleted;
nothing of the engine's is in it. Times are Unix milliseconds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping

from otel_bridge.ledger.records import (
    COPIED,
    GONE,
    Assignment,
    AuditEntry,
    Bulk,
    BulkMember,
    BulkOutcome,
    Cursor,
    Disposition,
    DispositionKind,
    ErrorGroup,
    ErrorSignature,
    Executor,
    ExportedRun,
    Failure,
    InFlightStep,
    InterruptedStep,
    KeptAttempt,
    Lease,
    ModelCall,
    PastLife,
    Token,
    UpdateValidator,
    UsageAxis,
    UsageTotal,
)
from otel_bridge.ledger.tables.assignments import Assignments
from otel_bridge.ledger.tables.attempts import Attempts
from otel_bridge.ledger.tables.audit import AuditLog
from otel_bridge.ledger.tables.bulks import Bulks
from otel_bridge.ledger.tables.decisions import Decisions
from otel_bridge.ledger.tables.executors import Executors
from otel_bridge.ledger.tables.failures import Failures
from otel_bridge.ledger.tables.incidents import Incident, Incidents
from otel_bridge.ledger.tables.interrupted import Interrupted
from otel_bridge.ledger.tables.leases import Leases, owner_name
from otel_bridge.ledger.tables.lives import REVIVED, Lives
from otel_bridge.ledger.tables.model_calls import ModelCalls
from otel_bridge.ledger.tables.step_attempts import BODY_SEQ, StepAttempt, StepAttempts, StepLog
from otel_bridge.ledger.tables.tokens import Tokens
from otel_bridge.ledger.tables.views import EVERYBODY, SavedView, Views

__all__ = [
    "BODY_SEQ",
    "COPIED",
    "EVERYBODY",
    "GONE",
    "REVIVED",
    "Assignment",
    "AuditEntry",
    "Bulk",
    "BulkMember",
    "BulkOutcome",
    "Cursor",
    "Disposition",
    "DispositionKind",
    "ErrorGroup",
    "ErrorSignature",
    "Executor",
    "ExportedRun",
    "Failure",
    "InFlightStep",
    "Incident",
    "InterruptedStep",
    "KeptAttempt",
    "Lease",
    "Ledger",
    "ModelCall",
    "PastLife",
    "SavedView",
    "StepAttempt",
    "StepLog",
    "Token",
    "UpdateValidator",
    "UsageAxis",
    "UsageTotal",
    "owner_name",
]


class Ledger(
    Leases,
    Lives,
    Attempts,
    Interrupted,
    StepAttempts,
    Executors,
    AuditLog,
    Tokens,
    Failures,
    Decisions,
    Bulks,
    ModelCalls,
    Assignments,
    Views,
    Incidents,
):
    """All methods may raise ``LedgerUnavailableError``. Safe to share between threads, and across forks.

    Each method is one transaction. A row that cannot be read is left out of every answer; ``damaged`` counts them.
    """

    def look_for_damage(self, *, limit: int = 5_000) -> Mapping[str, int]:
        """Read the rows that every page and every tick reads; return how many of them cannot be, by table."""
        self.cursor()
        self.executors()
        self.open_exports(limit=limit)
        self.audit(limit=limit)
        self.tokens()
        self.error_groups(since_ms=0, limit=limit)
        return self.damaged

    target: str
    """Names it for people, without credentials."""

    @abstractmethod
    def close(self) -> None:
        """Release connections; a later use opens them again. Idempotent."""
