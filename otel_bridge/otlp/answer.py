"""What a collector's answer means: accepted, refused, or not a collector's at all. Pure.

Only an ``ExportTraceServiceResponse`` is an acceptance. A captive portal, a login page or a health check answers 200
too, and what was sent to it is gone. Only codes that speak about the content of a request count against its spans;
every other failure is the server's, or a setting's, and the spans wait for it to be corrected.
Source: https://opentelemetry.io/docs/specs/otlp/#otlphttp-response and #otlpgrpc-response
"""

from __future__ import annotations

import email.utils
import json
import math
import zlib
from typing import Any

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_bridge.otlp.transport import Accepted

MAX_ANSWER_BYTES = 64 * 1024
"""An answer that is longer comes from no collector."""
CONTENT_STATUS = frozenset({400, 413, 422})
"""HTTP statuses by which a collector refuses the content of a request."""
CONTENT_CODES = frozenset({"INVALID_ARGUMENT", "ALREADY_EXISTS", "RESOURCE_EXHAUSTED"})
"""gRPC codes by which a collector refuses the content of a request; the last only without ``RetryInfo``."""
TRANSIENT_STATUS = frozenset({408, 425, 429, *range(500, 600)})
"""HTTP statuses of a server that is overloaded or failing: nothing has to be corrected here."""
TRANSIENT_CODES = frozenset(
    {
        "CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "OUT_OF_RANGE", "UNAVAILABLE", "DATA_LOSS", "RESOURCE_EXHAUSTED",
        "INTERNAL", "UNKNOWN",
    }
)  # fmt: skip
"""gRPC codes of a server that is overloaded or failing."""

_PROTOBUF_TYPES = frozenset(
    {"", *(f"application/{kind}" for kind in ("x-protobuf", "protobuf", "vnd.google.protobuf", "octet-stream"))}
)
_HIGHEST_FIELD = 15
"""Fields that a later version of the message might add have low numbers; those that random bytes decode to do not."""


class NotOtlpError(ValueError):
    """An answer that no collector gives; the message says what it was."""


def read_answer(body: bytes, content_type: str = "") -> Accepted:
    """Return what an answer with a 2xx status says.

    >>> read_answer(b"").rejected
    0

    Raises:
        NotOtlpError: it is no ``ExportTraceServiceResponse``.
    """
    if len(body) > MAX_ANSWER_BYTES:
        raise NotOtlpError(f"more than {MAX_ANSWER_BYTES // 1024} KB")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return _read_json(body)
    if kind not in _PROTOBUF_TYPES:
        raise NotOtlpError(f"{kind}")
    try:
        answer = ExportTraceServiceResponse.FromString(body)
    except Exception as error:  # protobuf's DecodeError differs between its implementations
        raise NotOtlpError("bytes that are not an OTLP message") from error
    unknown: Any = UnknownFieldSet(answer)  # its stubs, where they are installed, do not know that it can be iterated
    if any(found.field_number > _HIGHEST_FIELD for found in unknown):
        raise NotOtlpError("bytes that are not an OTLP message")
    partial = answer.partial_success
    return Accepted(max(0, partial.rejected_spans), partial.error_message)


def _read_json(body: bytes) -> Accepted:
    """Read the message in JSON: some backends answer so whatever they were sent."""
    try:
        answer = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise NotOtlpError("malformed JSON") from error
    if not isinstance(answer, dict) or answer.keys() - {"partialSuccess", "partial_success"}:
        raise NotOtlpError("JSON that is not an OTLP message")
    partial = answer.get("partialSuccess", answer.get("partial_success")) or {}
    try:
        rejected = int(_first(partial, "rejectedSpans", "rejected_spans") or 0)
        message = str(_first(partial, "errorMessage", "error_message") or "")
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise NotOtlpError("JSON that is not an OTLP message") from error
    return Accepted(max(0, rejected), message)


def _first(given: Any, *names: str) -> Any:
    return next((given[name] for name in names if given.get(name) is not None), None)


def decoded(body: bytes, encoding: str) -> bytes:
    """Undo a ``Content-Encoding``, up to a little more than ``MAX_ANSWER_BYTES``.

    Raises:
        NotOtlpError: an encoding that was not asked for, or bytes that it did not write, or not all of them.
    """
    if encoding in ("", "identity"):
        return body
    if encoding not in ("gzip", "deflate"):
        raise NotOtlpError(f"Content-Encoding {encoding[:40]!r}, which was not asked for")
    if not body:
        return body  # some servers say how they would have written what they leave out
    stream = zlib.decompressobj(wbits=47)
    try:
        plain = stream.decompress(body, MAX_ANSWER_BYTES + 1)
    except zlib.error as error:
        raise NotOtlpError(f"a damaged {encoding} stream") from error
    if not stream.eof and len(plain) <= MAX_ANSWER_BYTES:
        raise NotOtlpError(f"a {encoding} stream that breaks off")
    return plain


def retry_after_s(header: str | None, now_s: float) -> float | None:
    """Parse ``Retry-After``: seconds, or a date. None when there is none that makes sense.

    >>> retry_after_s("120", 0.0)
    120.0
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - now_s
        except (ValueError, TypeError, OverflowError, OSError):
            return None
    return None if math.isnan(seconds) else max(0.0, seconds)
