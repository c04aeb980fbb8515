"""Trace and span ids. Pure functions: every process computes the same ids without talking to another.

The scheme is final; ``v1`` in the hash input is its version. A trace id is not the run's UUID: ratio samplers
read a trace id's low 64 bits, and a UUID has fixed bits there.
"""

from __future__ import annotations

import hashlib

from otel_bridge.model.names import UNDO_PREFIX


def _digest(what: str, size: int) -> bytes:
    """Return the first ``size`` bytes of a hash; never all zero, which OpenTelemetry takes for no id."""
    raw = hashlib.sha256(f"durable-v1\0{what}".encode("utf-8", "surrogatepass")).digest()[:size]
    return raw if any(raw) else raw[:-1] + b"\x01"


def traced_run_id(run_id: str) -> str:
    """Return the run whose trace holds ``run_id``: an undo lives in the trace of the run that it undoes."""
    while run_id.startswith(UNDO_PREFIX):
        run_id = run_id[len(UNDO_PREFIX) :]
    return run_id


def trace_id(run_id: str, *, namespace: str = "") -> bytes:
    """Return the 16-byte trace id of a run.

    Args:
        namespace: keeps apart environments that reuse run ids; part of every id.
    """
    return _digest(f"trace\0{namespace}\0{traced_run_id(run_id)}", 16)


def root_span_id(run_id: str, *, namespace: str = "") -> bytes:
    """Return the 8-byte span id of a run's root span."""
    return _digest(f"root\0{namespace}\0{run_id}", 8)


def retry_span_id(run_id: str, generation: int, *, namespace: str = "") -> bytes:
    """Return the 8-byte span id of the ``retry N`` span; ``generation`` is N, from 1."""
    return _digest(f"retry\0{namespace}\0{run_id}\0{generation}", 8)


def step_span_id(run_id: str, seq: int, *, generation: int = 0, namespace: str = "") -> bytes:
    """Return the 8-byte span id of a step as executed in the run's ``generation``."""
    return _digest(f"step\0{namespace}\0{run_id}\0{seq}\0{generation}", 8)


def queue_span_id(run_id: str, *, generation: int = 0, namespace: str = "") -> bytes:
    """Return the 8-byte span id of the optional queue-wait span."""
    return _digest(f"queue\0{namespace}\0{run_id}\0{generation}", 8)


def outcome_span_id(run_id: str, generation: int = 0, *, namespace: str = "") -> bytes:
    """Return the 8-byte span id of what says how a life went whose root was sent when it began."""
    return _digest(f"outcome\0{namespace}\0{run_id}\0{generation}", 8)


def body_span_id(
    run_id: str, seq: int, nth: int, *, parent: int = 0, generation: int = 0, namespace: str = ""
) -> bytes:
    """Return the 8-byte id of a span that a workflow's own code opens between two steps.

    Args:
        seq: the last step that the body had begun; 0 before the first.
        nth: how many spans it had opened since then under the same parent.
        parent: the span id of that parent, so that concurrent branches count apart.
    """
    return _digest(f"body\0{namespace}\0{run_id}\0{generation}\0{parent:x}\0{seq}\0{nth}", 8)


def body_trace_id(run_id: str, seq: int, nth: int, *, generation: int = 0, namespace: str = "") -> bytes:
    """Return the 16-byte id of a trace that a workflow's own code begins apart from its run's."""
    return _digest(f"body-trace\0{namespace}\0{run_id}\0{generation}\0{seq}\0{nth}", 16)
