"""The outbox: spans on their way, kept in the ledger until they are acknowledged. Reads and writes the ledger.

The engine deletes rows when a run is rewound. A bridge that dies after the collector took a span, and before the ledger
says so, could not make that span again if the run was retried meanwhile: the same id would carry other content, and the
first life would be forgotten. So what may still change is written down first, and sent again exactly as it was.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from otel_bridge.ledger.base import ExportedRun, Lease, Ledger
from otel_bridge.ledger.pending import dump_records, load_records, pack, records_key, unpack
from otel_bridge.spans import SpanData, SpanEvent, SpanKind, SpanLink

_logger = logging.getLogger("otel_bridge")

_FORMAT = 2


class Outbox:
    """One chunk on its way, under one lease. Only its holder writes: another's chunk must not be overwritten.

    ``put`` and ``clear`` raise ``LeaseLostError`` where another took the lease over, and change nothing then.
    """

    def __init__(self, ledger: Ledger, lease: Lease) -> None:
        self._ledger, self._lease = ledger, lease
        self._key, self._runs_key = f"{lease.name}.outbox", records_key(lease.name)

    def put(self, spans: Sequence[SpanData], records: Sequence[ExportedRun]) -> None:
        """Keep a chunk until ``clear``."""
        chunk = {"format": _FORMAT, "chunk": pack([_dump_span(span) for span in spans])}
        self._ledger.put_values(self._lease, {self._key: chunk, self._runs_key: dump_records(records)})

    def clear(self) -> None:
        """Forget the chunk: it was acknowledged."""
        self._ledger.put_values(self._lease, {self._key: None, self._runs_key: None})

    def pending(self) -> tuple[list[SpanData], list[ExportedRun]] | None:
        """Return the chunk that was never acknowledged, if there is one."""
        chunk, records = self._ledger.get_value(self._key), self._ledger.get_value(self._runs_key)
        if not isinstance(chunk, dict) or chunk.get("format") != _FORMAT or not isinstance(records, str):
            return None
        try:
            return [_load_span(row) for row in unpack(chunk["chunk"])], load_records(records)
        except Exception as error:  # noqa: BLE001 - whatever a damaged value makes of its reader
            _logger.warning("Spans on their way can no longer be read; they are made again from their runs: %s", error)
            self.clear()
            return None


def _dump_span(span: SpanData) -> list[Any]:
    written: dict[str, Any] = {
        "trace_id": span.trace_id.hex(),
        "span_id": span.span_id.hex(),
        "parent_id": span.parent_id.hex() if span.parent_id is not None else None,
        "kind": int(span.kind),
        "attributes": dict(span.attributes),
        "events": [[event.name, event.time_ns, dict(event.attributes)] for event in span.events],
        "links": [[link.trace_id.hex(), link.span_id.hex(), dict(link.attributes)] for link in span.links],
    }
    return list(span._replace(**written))


def _load_span(row: Sequence[Any]) -> SpanData:
    written: Any = SpanData(*row)  # its fields are those of the file: hex digits, numbers and lists
    span: SpanData = written._replace(
        trace_id=bytes.fromhex(written.trace_id),
        span_id=bytes.fromhex(written.span_id),
        parent_id=bytes.fromhex(written.parent_id) if written.parent_id is not None else None,
        kind=SpanKind(written.kind),
        attributes=_attributes(written.attributes),
        events=tuple(SpanEvent(name, time_ns, _attributes(given)) for name, time_ns, given in written.events),
        links=tuple(
            SpanLink(bytes.fromhex(trace_id), bytes.fromhex(span_id), _attributes(given))
            for trace_id, span_id, given in written.links
        ),
    )
    return span


def _attributes(given: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in given.items()}
