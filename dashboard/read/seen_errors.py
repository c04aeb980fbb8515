"""Errors as one actor may see them: groups made of the failures of visible runs, among the newest of each error.

The ledger counts the failures of everybody. Where the host gave a policy, each error's newest ``LOOKED_AT`` failures
are asked about instead, and what is shown is of those that may be seen: an error that nobody of one's own died of is
not there. Reads the ledger and the store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dashboard.errors import Forbidden
from dashboard.read.seen import SeenServices
from dashboard.read.services import Services
from otel_bridge.ledger.base import ErrorGroup, Failure

LOOKED_AT = 500


def visible_failures(services: Services, failures: Sequence[Failure]) -> list[Failure]:
    """Return the failures of runs that may be seen; all of them where there is no policy."""
    if not isinstance(services, SeenServices):
        return list(failures)
    seen = services.visible_ids(list({failure.run_id for failure in failures}))
    return [failure for failure in failures if failure.run_id in seen]


def failures_by_error(
    services: SeenServices, groups: Sequence[ErrorGroup], *, since_ms: int, until_ms: int
) -> dict[str, list[Failure]]:
    """Return the visible failures of each error within a window, newest first; none of an error that has none."""
    found: dict[str, list[Failure]] = {}
    for group in groups:
        fingerprint = group.signature.fingerprint
        newest = services.ledger.last_failures_of(fingerprint, since_ms=since_ms, until_ms=until_ms, limit=LOOKED_AT)
        mine = visible_failures(services, newest)
        if mine:
            found[fingerprint] = mine
    return found


def buckets_of(failures: Sequence[Failure], *, since_ms: int, bucket_ms: int, buckets: int) -> list[int]:
    """Return how many failures there are in each part of a window. Pure."""
    counts = Counter((failure.ended_at_ms - since_ms) // bucket_ms for failure in failures)
    return [counts[number] for number in range(buckets)]


def states_of(failures: Sequence[tuple[Failure, str]]) -> dict[str, int]:
    """Count failures, each given with its error's state, by what became of them. Pure."""
    last = {failure.run_id: failure.settled or state for failure, state in reversed(failures)}
    return dict(Counter(last.values()))


def permit_decision(services: Services, fingerprint: str, *, since_ms: int, until_ms: int) -> None:
    """Continue only if the policy lets the actor decide about every run that died of this error lately.

    A decision about an error is about everybody's failures.

    Raises:
        Forbidden: it does not.
    """
    if not isinstance(services, SeenServices):
        return
    newest = services.ledger.last_failures_of(fingerprint, since_ms=since_ms, until_ms=until_ms, limit=LOOKED_AT)
    runs = services.whole.store.get_runs(list({failure.run_id for failure in newest}))
    if not all(services.allows("see", run) and services.allows("decide", run) for run in runs.values()):
        raise Forbidden(
            "This error includes failures of runs that you may not decide about. Decide about your own runs instead."
        )
