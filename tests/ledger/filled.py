"""A ledger with a row in every table."""

from __future__ import annotations

from otel_bridge.ledger import Ledger
from otel_bridge.ledger.base import (
    Assignment,
    AuditEntry,
    Bulk,
    BulkMember,
    Cursor,
    Disposition,
    ErrorSignature,
    Executor,
    ExportedRun,
    Failure,
    Incident,
    InterruptedStep,
    KeptAttempt,
    ModelCall,
    PastLife,
    SavedView,
    StepAttempt,
    StepLog,
    Token,
)
from otel_bridge.ledger.pending import EXPORT_LEASE, dump_records, records_key
from otel_bridge.testing import make_run

EXECUTOR = Executor(instance_id="i", executor_id="e", beat_at_ms=0, started_at_ms=1, runs=("r",), runs_total=1)

MODEL_CALL = ModelCall(
    run_id="r", seq=1, ended_at_ms=2, workflow="order", version=None, model="m", input_tokens=3, output_tokens=4
)

STEP_ATTEMPT = StepAttempt(
    run_id="r",
    seq=1,
    name="charge",
    execution_ms=1,
    started_at_ms=1,
    ended_at_ms=2,
    error_type="KeyError",
    error_message="'x'",
    traceback="Traceback (most recent call last):",
    logs=(StepLog(at_ms=1, level="INFO", logger="shop", message="charging", fields={"order": 7}),),
)


def fill(ledger: Ledger) -> None:
    """Put a row in every table."""
    lease = ledger.acquire_lease(EXPORT_LEASE, "host:1:abc", ttl_s=60)
    assert lease is not None
    exported = ExportedRun(run_id="r", ended=True, ended_at_ms=5, steps={1: (4, 0)}, status="failed")
    ledger.record_export(lease, cursor=Cursor(steps_ms=5, runs_ms=5), runs=[exported])
    life = PastLife(run=make_run("r", status="failed"), generation=0)
    ledger.begin_life("r", lambda exported, lives: life)
    ledger.keep_attempt(KeptAttempt(at_ms=6, life=PastLife(run=make_run("r", status="failed"), generation=0)))
    ledger.add_interrupted([InterruptedStep(run_id="r", seq=1, name="charge", started_at_ms=1, ended_at_ms=2)])
    ledger.add_model_calls([MODEL_CALL])
    ledger.put_step_attempts([STEP_ATTEMPT])
    ledger.watch_runs(["r"], for_ms=60_000)
    ledger.remember_queues({"r": "q"})
    ledger.bump_count("r", "redispatch")
    ledger.add_traces({"ab" * 16: "r"})
    ledger.put_value(records_key(EXPORT_LEASE), dump_records([exported]))
    ledger.heartbeat(EXECUTOR)
    ledger.add_audit(AuditEntry(at_ms=1, actor="ada", action="retry", run_id="r", outcome="done"))
    ledger.add_token(Token(id="t", name="ci", role="viewer", scopes=("runs",)), secret_hash=b"hash")
    signature = ErrorSignature(fingerprint="f", type="KeyError", step="charge")
    ledger.record_failures([Failure(run_id="r", ended_at_ms=5, created_at_ms=1, signature=signature, workflow="order")])
    ledger.begin_bulk(Bulk(bulk_id="bulk:b", action="retry", actor="ada", matched=1, params={"canary": True}))
    ledger.put_bulk_members([BulkMember(bulk_id="bulk:b", run_id="r", created_at_ms=1, outcome="applied")])
    ledger.assign(Assignment(run_id="r", seq=2, assignee="bob", actor="ada"))
    ledger.add_view(SavedView(view_id="v", name="late", filter={"status": ["failed"]}, is_default=True, actor="ada"))
    ledger.open_incident(
        Incident(id="i", rule="late", subject="q", kind="queue_age", summary="old", link="/", opened_ms=0, seen_ms=0)
    )
    ledger.dispose(Disposition(kind="error", subject="f", state="ignored", actor="ada", at_ms=0))
