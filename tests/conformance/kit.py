"""Reads recordings, and exports them with this implementation. Another one needs only ``data/`` and the README."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from otel_bridge.bridge.exporter import RunExporter
from otel_bridge.ledger import MemoryLedger
from otel_bridge.ledger.base import Lease
from otel_bridge.otlp import Delivery
from otel_bridge.otlp.encode import encode_span
from otel_bridge.spans import SpanData, SpanSettings
from otel_bridge.store.base import StateStore
from tests.otlp.samples import ListTransport

DATA = Path(__file__).with_name("data")
RECORDINGS = ("1.sql", "2.sql")
SETTINGS: Mapping[str, SpanSettings] = {
    "link": SpanSettings(),
    "nest": SpanSettings(children="nest", queue_spans=True),
    "anchor": SpanSettings(root="anchor"),
}
"""Name of an expectation -> the settings that it is for."""

Rows = dict[str, list[dict[str, Any]]]


def read(recording: str) -> Rows:
    """Return the tables of a recording."""
    with closing(sqlite3.connect(":memory:")) as database:
        database.row_factory = sqlite3.Row
        database.executescript((DATA / recording).read_text(encoding="utf-8"))
        names = [
            row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
        ]
        return {name: [dict(row) for row in database.execute(f'SELECT * FROM "{name}"')] for name in names}


class Export:
    """What was exported so far of a database that changes from recording to recording."""

    def __init__(self, store: StateStore, settings: SpanSettings) -> None:
        self._transport = ListTransport()
        ledger = MemoryLedger()
        lease = ledger.acquire_lease("export", "kit", ttl_s=3600)
        assert isinstance(lease, Lease)
        self._lease = lease
        self._exporter = RunExporter(store, ledger, Delivery(self._transport), settings)

    def of(self, rows: Rows) -> list[dict[str, Any]]:
        """Return what is new since the recording before, in OTLP's JSON, by trace and time."""
        before = len(self._transport.spans)
        self._exporter.export(self._lease, sorted(row["workflow_uuid"] for row in rows["workflow_status"]))
        assert not list(self._exporter.set_aside)
        return as_json(self._transport.spans[before:])


def as_json(spans: Sequence[SpanData]) -> list[dict[str, Any]]:
    """Return spans as they stand in OTLP/JSON: ids in hexadecimal, the rest as protobuf's JSON has it."""
    found = []
    for span in spans:
        message = Span.FromString(encode_span(span))
        reported = MessageToDict(message)
        reported.pop("flags", None)
        reported["traceId"], reported["spanId"] = message.trace_id.hex(), message.span_id.hex()
        if message.parent_span_id:
            reported["parentSpanId"] = message.parent_span_id.hex()
        for link, written in zip(message.links, reported.get("links", ()), strict=True):
            written.pop("flags", None)
            written["traceId"], written["spanId"] = link.trace_id.hex(), link.span_id.hex()
            written["attributes"] = sorted(written.get("attributes", ()), key=lambda pair: str(pair["key"]))
        reported["attributes"] = sorted(reported.get("attributes", ()), key=lambda pair: str(pair["key"]))
        found.append(reported)
    return sorted(found, key=lambda span: (span["traceId"], span["startTimeUnixNano"], span["spanId"]))


def expected(name: str) -> list[list[dict[str, Any]]]:
    """Return, recording by recording, what is to be exported under these settings."""
    document: list[list[dict[str, Any]]] = json.loads((DATA / f"spans-{name}.json").read_text(encoding="utf-8"))
    return document
