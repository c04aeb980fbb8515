"""Pending records: what a bridge has on its way, written down before it is sent. Reads and writes the ledger.

The records stand apart from the spans, for workers read them: what is pending is as good as exported.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from otel_bridge.ledger.base import ExportedRun, Ledger
from otel_bridge.ledger.checking import checked

EXPORT_LEASE, BACKFILL_LEASE = "otel-bridge", "otel-bridge-backfill"
"""The leases of the one bridge, and of the one backfill, that exports."""


def records_key(lease_name: str) -> str:
    """Return the key of the records that go with the spans on their way."""
    return f"{lease_name}.outbox.runs"


def dump_records(records: Sequence[ExportedRun]) -> str:
    """Encode records as compact text."""
    rows = []
    for record in records:
        row = {name: getattr(record, name) for name in ExportedRun.__slots__}
        rows.append({**row, "steps": [[seq, *ended] for seq, ended in record.steps.items()]})
    return pack(rows)


def load_records(text: str) -> list[ExportedRun]:
    """Undo ``dump_records``."""
    return [_load(row) for row in unpack(text)]


def _load(row: dict[str, Any]) -> ExportedRun:
    failed = row["failed_step"]
    steps = {seq: (end_ms, generation) for seq, end_ms, generation in row["steps"]}
    return checked(ExportedRun(**{**row, "steps": steps, "failed_step": tuple(failed) if failed is not None else None}))


def exported_or_pending(ledger: Ledger, run_ids: Sequence[str]) -> dict[str, ExportedRun]:
    """Return what was exported for these runs, or will have been as soon as a collector takes it."""
    # Read first: what is acknowledged in between is found exported.
    pending = [ledger.get_value(records_key(lease)) for lease in (EXPORT_LEASE, BACKFILL_LEASE)]
    exported, wanted = ledger.exported(run_ids), set(run_ids)
    for record in (record for text in pending if isinstance(text, str) for record in _readable(text)):
        if record.run_id in wanted:
            exported[record.run_id] = merge_exported(exported.get(record.run_id), record)
    return exported


def _readable(text: str) -> list[ExportedRun]:
    """Return the records, or none where they are damaged: the bridge drops those, and makes them again."""
    try:
        return load_records(text)
    except Exception:  # noqa: BLE001 - whatever a damaged value makes of its reader
        return []


def pack(value: object) -> str:
    """Return a JSON value as compact text."""
    text = json.dumps(value).encode("utf-8", "surrogatepass")
    return base64.b64encode(zlib.compress(text, 1)).decode("ascii")


def unpack(text: str) -> Any:
    """Undo ``pack``."""
    return json.loads(zlib.decompress(base64.b64decode(text)).decode("utf-8", "surrogatepass"))


def merge_exported(stored: ExportedRun | None, new: ExportedRun) -> ExportedRun:
    """Return what the ledger holds once ``new`` was written: what ``PUT_EXPORTED`` does."""
    if stored is None:
        return replace(new, steps=dict(new.steps))
    raised = stored.generation > new.generation
    return replace(
        new,
        generation=stored.generation if raised else new.generation,
        ended=stored.ended if raised else new.ended,
        steps=dict(new.steps),
        first_queue=_first(stored.first_queue, new.first_queue),
        first_started_at_ms=_first(stored.first_started_at_ms, new.first_started_at_ms),
        created_at_ms=_first(new.created_at_ms, stored.created_at_ms),
        ended_at_ms=_first(new.ended_at_ms, stored.ended_at_ms),
        status=_first(new.status, stored.status),
        workflow=_first(new.workflow, stored.workflow),
        failed_step=_first(new.failed_step, stored.failed_step),
        anchored=_first(new.anchored, stored.anchored),
    )


def _first(preferred: object, other: object) -> Any:
    return other if preferred is None else preferred
