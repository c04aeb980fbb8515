"""Errors: failures of one kind, and what those share that runs which completed do not. Reads the ledger and the store.

Failures that nobody has recorded yet are, a part at each look: see ``otel_bridge.tail.failures``.
"""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from dashboard.errors import BadRequest, NotFound
from dashboard.read.cursors import opened, sealed
from dashboard.read.decisions import decision_view
from dashboard.read.frames import frames_of
from dashboard.read.seen import SeenServices
from dashboard.read.seen_errors import buckets_of, failures_by_error, states_of, visible_failures
from dashboard.read.services import Services
from dashboard.wire.base import iso, parse_time
from dashboard.wire.convert import search_attributes_of
from dashboard.wire.errors import (
    CountView,
    ErrorDetail,
    ErrorGroupView,
    ErrorsQuery,
    ErrorsView,
    FailureCounts,
    SharedAxis,
    SharedView,
    WindowQuery,
)
from otel_bridge.errors import InvalidCursorError, LedgerError
from otel_bridge.ledger.base import Disposition, ErrorGroup, Failure
from otel_bridge.ledger.tables.failures import ErrorKey
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.tail.failures import catch_up

MINUTE_MS = 60_000
COUNTED_BY_MINUTES_MS = 60 * MINUTE_MS
WINDOW_MS = 7 * 86_400_000
COMPARED = 500
"""Failures, and runs that completed, that are compared with each other."""
NEWEST, MOST_COUNTS, MOST_SHARED = 5, 10, 40
_MALFORMED = "cursor is malformed. Start again at the first page, without one."
LEAST_SHARE = 0.05
"""A value that fewer failures have says nothing about them."""


@dataclass(frozen=True, slots=True)
class Window:
    """The time looked at, in equal parts."""

    since_ms: int
    until_ms: int
    buckets: int

    @property
    def bucket_ms(self) -> int:
        """The length of a part; the last one may reach beyond the window."""
        return max(1, -(-(self.until_ms - self.since_ms) // self.buckets))


def window_of(services: Services, query: WindowQuery) -> Window:
    """Return the window that a query asks for.

    Raises:
        BadRequest: it ends before it begins.
    """
    # one more: a failure of this very millisecond is of a window that ends now
    until_ms = services.store.now_ms() + 1 if query.until is None else parse_time(query.until)
    since_ms = until_ms - WINDOW_MS if query.since is None else parse_time(query.since)
    if since_ms >= until_ms:
        raise BadRequest(f"since ({iso(since_ms)}) is not before until ({iso(until_ms)}).", parameter="since")
    return Window(since_ms, until_ms, query.buckets)


def errors(services: Services, query: ErrorsQuery) -> tuple[ErrorsView, str | None]:
    """Return a page of errors, and the cursor of the next one.

    Raises:
        BadRequest: the window or the cursor is malformed.
        StoreError, LedgerError: they cannot be read now.
    """
    scanned_to_ms = _catch_up(services)
    window = window_of(services, query)
    found = services.ledger.error_groups(
        since_ms=window.since_ms,
        until_ms=window.until_ms,
        workflow=query.workflow,
        before=None if query.cursor is None else _key(services, query.cursor),
        limit=query.limit + 1,
    )
    page = found[: query.limit]
    views = group_views(services, page, window)
    states = _states(services, page, window, query.workflow)
    answer = ErrorsView(
        since=iso(window.since_ms) or "",
        until=iso(window.until_ms) or "",
        bucket_ms=window.bucket_ms,
        failures=FailureCounts(**{state: n for state, n in states.items() if state in FailureCounts.model_fields}),
        scanned_to=iso(scanned_to_ms),
        groups=[view for view in views if not query.state or view.state in query.state],
    )
    return answer, _cursor(services, page[-1]) if len(found) > len(page) else None


def _catch_up(services: Services) -> int | None:
    """Record a part of what nobody has; nothing, where the ledger may only be read: then a bridge does."""
    try:
        return catch_up(services.whole.store, services.ledger, services.failures)
    except LedgerError:
        return None


def group_views(services: Services, groups: Sequence[ErrorGroup], window: Window) -> list[ErrorGroupView]:
    """Return errors as shown."""
    if not groups:
        return []
    if isinstance(services, SeenServices):
        return _seen_views(services, groups, window)
    ledger, fingerprints = services.ledger, [group.signature.fingerprint for group in groups]
    span = {"since_ms": window.since_ms, "until_ms": window.until_ms}
    versions = ledger.failures_by("version", fingerprints, **span)
    workflows = ledger.failures_by("workflow", fingerprints, **span)
    buckets = ledger.error_counts(fingerprints, **span, buckets=window.buckets)
    decisions = ledger.dispositions("error", fingerprints)
    runs = _runs_by_workflow(services, window)
    frames = frames_of(services, groups, ledger.last_run_of_errors(fingerprints))
    return [
        _view(
            group,
            frame=frames.get(fingerprint),
            versions=versions[fingerprint],
            workflows=workflows[fingerprint],
            share=_share(group.count, workflows[fingerprint], runs),
            buckets=buckets[fingerprint],
            decision=decisions.get(fingerprint),
        )
        for fingerprint, group in zip(fingerprints, groups, strict=True)
    ]


def _seen_views(services: SeenServices, groups: Sequence[ErrorGroup], window: Window) -> list[ErrorGroupView]:
    """Return errors as shown to an actor: made of the failures that it may see."""
    mine = failures_by_error(services, groups, since_ms=window.since_ms, until_ms=window.until_ms)
    decisions = services.ledger.dispositions("error", list(mine))
    frames = frames_of(services, groups, {one: failures[0].run_id for one, failures in mine.items()})
    parts = {"since_ms": window.since_ms, "bucket_ms": window.bucket_ms, "buckets": window.buckets}
    views = []
    for group in groups:
        fingerprint = group.signature.fingerprint
        if (failures := mine.get(fingerprint)) is None:
            continue
        count, first_ms, last_ms = len(failures), failures[-1].ended_at_ms, failures[0].ended_at_ms
        counted = replace(group, count=count, total=count, first_seen_ms=first_ms, last_seen_ms=last_ms)
        views.append(
            _view(
                counted,
                frame=frames.get(fingerprint),
                versions=Counter(failure.version for failure in failures),
                workflows=Counter(failure.workflow for failure in failures),
                share=None,  # of all runs of these workflows, which would count those that the actor may not see
                buckets=buckets_of(failures, **parts),
                decision=decisions.get(fingerprint),
            )
        )
    return views


def _view(
    group: ErrorGroup,
    *,
    frame: str | None,
    versions: Mapping[str | None, int],
    workflows: Mapping[str | None, int],
    share: float | None,
    buckets: list[int],
    decision: Disposition | None,
) -> ErrorGroupView:
    return ErrorGroupView(
        **asdict(group.signature) | {"frame": frame},
        count=group.count,
        total=group.total,
        first_seen_at=iso(group.first_seen_ms) or "",
        last_seen_at=iso(group.last_seen_ms) or "",
        versions=_counts(versions),
        workflows=_counts(workflows),
        share=share,
        buckets=buckets,
        state="open" if decision is None else decision.state_at(group.last_seen_ms),
        decision=decision_view(decision),
    )


def _states(
    services: Services, groups: Sequence[ErrorGroup], window: Window, workflow: str | None
) -> Mapping[str, int]:
    span = {"since_ms": window.since_ms, "until_ms": window.until_ms}
    if not isinstance(services, SeenServices):
        return services.ledger.failure_states(**span, workflow=workflow)
    mine = failures_by_error(services, groups, **span)
    decisions = services.ledger.dispositions("error", list(mine))
    return states_of(
        [
            (failure, decisions[fingerprint].state_at(failure.ended_at_ms) if fingerprint in decisions else "open")
            for fingerprint, failures in mine.items()
            for failure in failures
        ]
    )


def error_group(services: Services, fingerprint: str, window: Window) -> ErrorGroupView:
    """Return one error.

    Raises:
        NotFound: nothing has failed so.
    """
    span = {"since_ms": window.since_ms, "until_ms": window.until_ms}
    found = services.ledger.errors([fingerprint], **span).get(fingerprint)
    views = [] if found is None else group_views(services, [found], window)
    if not views:
        raise NotFound(f"There is no error {fingerprint[:100]!r}. The ledger may have forgotten it: see GET errors.")
    return views[0]


def error_detail(services: Services, fingerprint: str, query: WindowQuery) -> ErrorDetail:
    """Return one error with what its failures share.

    Raises:
        NotFound: nothing has failed so.
    """
    _catch_up(services)
    window = window_of(services, query)
    group = error_group(services, fingerprint, window)
    failures = services.ledger.last_failures_of(
        fingerprint, since_ms=window.since_ms, until_ms=window.until_ms, limit=COMPARED
    )
    failures = visible_failures(services, failures)
    failed = services.store.get_runs(list(dict.fromkeys(failure.run_id for failure in failures)))
    good = _successes(services, {failure.workflow for failure in failures}, window)
    shown = services.settings.codec.show_members
    among = [_facts_of_failure(failure, failed.get(failure.run_id), shown) for failure in failures]
    others = [_facts(run, shown) for run in good]
    if among:
        _compare_steps(services, among, others, group.step, good)
    newest = [failed[one] for one in dict.fromkeys(failure.run_id for failure in failures) if one in failed]
    return ErrorDetail(
        group=group,
        shared=shared(among, others),
        failures=len(among),
        successes=len(others),
        runs=services.rows(newest[:NEWEST]),
    )


Fact = tuple[SharedAxis, str | None, Any]


def shared(among: Collection[Collection[Fact]], others: Collection[Collection[Fact]]) -> list[SharedView]:
    """Return what some have in common, by how much more often than others. Pure.

    >>> [one.lift for one in shared([[("queue", None, "q")]] * 2, [[("queue", None, "q")], []])]
    [2.0]
    """
    own = Counter(fact for facts in among for fact in facts)
    other = Counter(fact for facts in others for fact in facts)
    found = []
    for fact, count in own.items():
        share = count / len(among)
        if share < LEAST_SHARE or (count == 1 and len(among) > 1):
            continue
        what, key, value = fact
        other_share = other[fact] / len(others) if others else 0.0
        view = SharedView(
            what=what,
            key=key,
            value=json.loads(value),
            count=count,
            share=round(share, 4),
            other_share=round(other_share, 4),
            lift=round(share / other_share, 2) if other_share else None,
        )
        # as if each had been seen half a time more, so that what few runs have does not come first
        weight = (count + 0.5) / (len(among) + 1) / ((other[fact] + 0.5) / (len(others) + 1))
        found.append((weight, share, view))
    found.sort(key=lambda one: (-one[0], -one[1], one[2].what, one[2].key or "", str(one[2].value)))
    return [view for _, _, view in found[:MOST_SHARED]]


def _facts(run: Run, shown: object) -> set[Fact]:
    plain: dict[SharedAxis, str | None] = {
        "version": run.workflow_version,
        "executor": run.executor,
        "queue": run.queue,
        "namespace": run.namespace,
    }
    return _plain_facts(plain) | _attribute_facts(run, shown)


def _facts_of_failure(failure: Failure, run: Run | None, shown: object) -> set[Fact]:
    """Return what was so when it failed: a retry moves a run to other queues and versions."""
    plain: dict[SharedAxis, str | None] = {
        "version": failure.version,
        "executor": failure.executor,
        "queue": failure.queue,
        "namespace": failure.namespace,
    }
    return _plain_facts(plain) | (set() if run is None else _attribute_facts(run, shown))


def _plain_facts(values: Mapping[SharedAxis, str | None]) -> set[Fact]:
    return {(what, None, json.dumps(value)) for what, value in values.items() if value is not None}


def _attribute_facts(run: Run, shown: Any) -> set[Fact]:
    attributes = search_attributes_of(shown(run.attributes)) if run.attributes else {}
    return {("attribute", key, json.dumps(value)) for key, value in attributes.items()}


def _compare_steps(
    services: Services, among: Sequence[set[Fact]], others: Sequence[set[Fact]], step: str | None, good: Sequence[Run]
) -> None:
    """Add the step that failed, to be compared with how many runs that completed came by it at all."""
    if step is None:
        return
    fact: Fact = ("step", None, json.dumps(step))
    for facts in among:
        facts.add(fact)
    steps: dict[str, Any] = {}
    while missing := [run.id for run in good if run.id not in steps]:
        steps |= services.store.get_steps_of(missing, most_rows=10_000, last_rows=5_000)
    for run, facts in zip(good, others, strict=True):
        if any(one.name == step for one in steps[run.id]):
            facts.add(fact)


def _successes(services: Services, workflows: Collection[str], window: Window) -> list[Run]:
    """Return the newest runs of these workflows that completed within the window, about as many of each."""
    found: list[Run] = []
    for workflow in sorted(workflows):
        query = RunQuery(
            statuses=frozenset({"completed"}),
            workflow=workflow,
            since_ms=window.since_ms,
            until_ms=window.until_ms,
            limit=max(20, COMPARED // len(workflows)),
        )
        found += services.store.list_runs(query).runs
    return found


def _runs_by_workflow(services: Services, window: Window) -> dict[str, int | None]:
    """Return how many runs of each workflow were created within the window; None where they are too many to count.

    A long window is counted by whole minutes: one that ends now is then the same for a minute, and the store keeps
    counts that were expensive.
    """
    counts: dict[str, int | None] = {}
    since_ms, until_ms = window.since_ms, window.until_ms
    if until_ms - since_ms >= COUNTED_BY_MINUTES_MS:
        since_ms, until_ms = since_ms // MINUTE_MS * MINUTE_MS, -(-until_ms // MINUTE_MS) * MINUTE_MS
    query = RunQuery(since_ms=since_ms, until_ms=until_ms)
    for facet in services.store.facets(query, by_workflow=True):
        before = counts.get(facet.workflow or "", 0)
        counts[facet.workflow or ""] = None if before is None or not facet.exact else before + facet.count
    return counts


def _share(count: int, workflows: Mapping[str | None, int], runs: Mapping[str, int | None]) -> float | None:
    totals = [runs.get(workflow or "", 0) for workflow in workflows]
    known = [total for total in totals if total is not None]
    if len(known) < len(totals) or not sum(known):
        return None
    return round(min(1.0, count / sum(known)), 4)


def _counts(values: Mapping[str | None, int]) -> list[CountView]:
    most = sorted(values.items(), key=lambda item: (-item[1], item[0] or ""))[:MOST_COUNTS]
    return [CountView(value=value, count=count) for value, count in most]


def _cursor(services: Services, group: ErrorGroup) -> str:
    text = json.dumps([group.last_at_ms, group.signature.fingerprint])
    return sealed(services, base64.urlsafe_b64encode(text.encode()).decode())


def _key(services: Services, cursor: str) -> ErrorKey:
    try:
        at_ms, fingerprint = json.loads(base64.urlsafe_b64decode(opened(services, cursor)))
    except (ValueError, TypeError, RecursionError, InvalidCursorError) as error:
        raise BadRequest(_MALFORMED, parameter="cursor") from error
    # a fingerprint is plain: no database takes a lone surrogate, nor a NUL
    is_plain = isinstance(fingerprint, str) and fingerprint.isascii() and fingerprint.isprintable()
    if type(at_ms) is not int or not is_plain or abs(at_ms) > 2**62:
        raise BadRequest(_MALFORMED, parameter="cursor")
    return ErrorKey(at_ms, fingerprint)
