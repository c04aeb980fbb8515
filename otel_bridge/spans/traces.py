"""Which trace a run's spans belong to, and which other spans they point to. Pure: no clock, database or network."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from otel_bridge.ledger.base import ExportedRun
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step
from otel_bridge.spans import ids
from otel_bridge.spans.model import SpanError, SpanSettings

OTEL_CARRIER_ATTRIBUTE = "dbos.otelContext"
"""Where DBOS keeps a caller's context. Source: ``dbos._context.OTEL_CARRIER_ATTRIBUTE``."""

_TRACEPARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
MAX_ANCESTORS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Relatives:
    """What a run's spans need to know beyond the run's own rows.

    Args:
        runs: other runs by id (ancestors, originals), as far as they exist.
        exports: what was exported for the parent.
        original_steps: steps of the run that this one was forked from.
        error: why the run failed.
        stacks: of errors that are stored without one: of steps by number, of the run under None.
    """

    runs: Mapping[str, Run] = field(default_factory=dict)
    exports: Mapping[str, ExportedRun] = field(default_factory=dict)
    original_steps: Sequence[Step] = ()
    error: SpanError | None = None
    stacks: Mapping[int | None, str] = field(default_factory=dict)


def with_ancestors(
    runs: Mapping[str, Run],
    others: Callable[[Run], Collection[str]],
    *,
    read: Callable[[Sequence[str]], dict[str, Run]],
) -> dict[str, Run]:
    """Return runs with those that they depend on, the ones that these depend on, and so on, as far as they exist.

    Args:
        others: the ids that a run depends on directly.
        read: reads runs by id; asked once for each generation, of at most ``MAX_ANCESTORS``.
    """
    known = dict(runs)
    for _ in range(MAX_ANCESTORS):
        missing = {other for run in known.values() for other in others(run)} - known.keys()
        found = read(sorted(missing)) if missing else {}
        if not found:
            break
        known.update(found)
    return known


def caller_context(run: Run) -> tuple[bytes, bytes] | None:
    """Return (trace id, span id) of the caller that started the run, if it passed its context on."""
    carrier = run.attributes.get(OTEL_CARRIER_ATTRIBUTE)
    header = carrier.get("traceparent") if isinstance(carrier, Mapping) else None
    match = _TRACEPARENT.match(header) if isinstance(header, str) else None
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        return None
    return bytes.fromhex(match[1]), bytes.fromhex(match[2])


def child_seq(run: Run) -> int | None:
    """Return the number of the parent's step that started this run, where its id tells.

    Source: DBOS names a child ``<parent>-<function_id>`` unless the caller chose an id.
    """
    if run.parent_id is None or not run.id.startswith(run.parent_id + "-"):
        return None
    tail = run.id[len(run.parent_id) + 1 :]
    return int(tail) if tail.isascii() and tail.isdigit() and len(tail) < 10 else None


class Traces:
    """Ids of one run's spans and of the spans they point to.

    Args:
        relatives: with ``children="nest"`` or ``parent="adopt"`` a trace id depends on other runs' rows.
    """

    def __init__(self, settings: SpanSettings, relatives: Relatives, run: Run | None = None) -> None:
        self.settings, self.relatives = settings, relatives
        self._runs = relatives.runs
        if run is not None and relatives.runs.get(run.id) is not run:
            self._runs = {**relatives.runs, run.id: run}

    def owner(self, run_id: str) -> str:
        """Return the run whose trace holds ``run_id``'s spans."""
        owner = ids.traced_run_id(run_id)
        if self.settings.children == "nest":
            for _ in range(MAX_ANCESTORS):
                run = self._runs.get(owner)
                if run is None or run.parent_id is None or run.parent_id == owner:
                    break
                owner = ids.traced_run_id(run.parent_id)
        return owner

    def trace_id(self, run_id: str) -> bytes:
        """Return the id of the trace that holds ``run_id``'s spans."""
        owner = self.owner(run_id)
        if self.settings.parent == "adopt":
            run = self._runs.get(owner)
            context = caller_context(run) if run is not None else None
            if context is not None:
                return context[0]
        return ids.trace_id(owner, namespace=self.settings.namespace)

    def root_id(self, run_id: str) -> bytes:
        """Return the id of a run's root span."""
        return ids.root_span_id(run_id, namespace=self.settings.namespace)

    def life_id(self, run_id: str, generation: int) -> bytes:
        """Return the id of the span that a life's steps hang under: the root, or ``retry N``."""
        if generation <= 0:
            return self.root_id(run_id)
        return ids.retry_span_id(run_id, generation, namespace=self.settings.namespace)

    def outcome_id(self, run_id: str, generation: int) -> bytes:
        """Return the id of the span that says how an anchored life went."""
        return ids.outcome_span_id(run_id, generation, namespace=self.settings.namespace)

    def step_id(self, run_id: str, seq: int, generation: int) -> bytes:
        """Return the id of a step as executed in ``generation``."""
        return ids.step_span_id(run_id, seq, generation=max(0, generation), namespace=self.settings.namespace)

    def parent_step_id(self, run: Run) -> bytes | None:
        """Return the span of the parent's step that started this run; the parent's root where that is unknown."""
        if run.parent_id is None:
            return None
        seq = child_seq(run)
        if seq is None:
            return self.root_id(run.parent_id)
        exported = self.relatives.exports.get(run.parent_id)
        return self.step_id(run.parent_id, seq, _generation_at(exported, seq, run.created_at_ms))

    def url(self, run_id: str) -> str | None:
        """Return the page of a run."""
        base = self.settings.dashboard_url
        return f"{base.rstrip('/')}/runs/{quote(run_id, safe='')}" if base else None


def _generation_at(exported: ExportedRun | None, seq: int, at_ms: int) -> int:
    """Return the life of the parent in which it started a child that was created at ``at_ms``."""
    if exported is None:
        return 0
    known = exported.steps.get(seq)
    if known is not None:
        return known[1]
    revived = exported.generation > 0 and exported.ended_at_ms is not None and at_ms < exported.ended_at_ms
    return exported.generation - 1 if revived else exported.generation
