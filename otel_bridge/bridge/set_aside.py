"""Runs that cannot be exported as spans, and why: set aside one by one, so that they hold nobody up. Writes the log.

A row may hold what nobody should have written: text where a time is declared, a time before 1970, a name that is no
text. Such a run is left out and named, in the log, in the ledger for ``doctor``, and in a metric. It is looked at again
whenever it changes, and when a bridge starts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from otel_bridge.errors import LedgerError
from otel_bridge.ledger.base import Ledger
from otel_bridge.model.runs import Run
from otel_bridge.model.steps import Step

_logger = logging.getLogger("otel_bridge")

SET_ASIDE_KEY = "bridge.set_aside"
"""Name of the ledger's value: ``{"count": 2, "runs": {run id: reason}}``."""
KEPT_RUNS = 100
"""So many are named in the ledger; ``count`` has the true number."""
REMEMBERED_RUNS = 10_000
MAX_REASON_CHARS = 300


class SetAside:
    """The runs that one bridge has set aside, by id; not shared between threads."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._logged: set[str] = set()
        self._stored: object = None

    def __len__(self) -> int:
        return len(self._reasons)

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._reasons))

    def add(self, run_id: str, reason: str, *, error: BaseException | None = None) -> None:
        """Set a run aside. The log names the first run of each reason, for a thousand may have the same."""
        reason = reason[:MAX_REASON_CHARS]
        if self._reasons.get(run_id) == reason or len(self._reasons) >= REMEMBERED_RUNS:
            return
        self._reasons[run_id] = reason
        if reason not in self._logged and len(self._logged) < KEPT_RUNS:
            self._logged.add(reason)
            _logger.warning(
                "Run %s cannot be turned into spans and is set aside; others are exported: %s. "
                "Further runs with this reason are named by `otel-bridge doctor` only.",
                run_id,
                reason,
                exc_info=error,
            )

    def discard(self, run_id: str) -> None:
        """Note that a run can be exported, or is gone."""
        self._reasons.pop(run_id, None)

    def load(self, ledger: Ledger) -> None:
        """Take over what an earlier bridge left in the ledger: those runs are worth another try."""
        found = read_set_aside(ledger)[1]
        self._reasons = {**found, **self._reasons}

    def save(self, ledger: Ledger) -> None:
        """Write down what has changed since the last time."""
        runs = dict(list(self._reasons.items())[:KEPT_RUNS])
        value = {"count": len(self._reasons), "runs": runs}
        if value != self._stored and (runs or self._stored is not None):
            ledger.put_value(SET_ASIDE_KEY, value)
            self._stored = value


def read_set_aside(ledger: Ledger) -> tuple[int, dict[str, str]]:
    """Return how many runs the bridge has set aside, and the reasons of the first of them by run id."""
    try:
        value = ledger.get_value(SET_ASIDE_KEY)
    except (LedgerError, ValueError):
        return 0, {}
    if not isinstance(value, dict) or not isinstance(value.get("runs"), dict):
        return 0, {}
    return int(value.get("count", 0)), {str(run_id): str(reason) for run_id, reason in value["runs"].items()}


def why_unreadable(run: Run, steps: Sequence[Step]) -> str | None:
    """Return why a run's rows cannot be exported; None when every one can be read."""
    if run.unreadable:
        return f"columns of its row hold what they do not declare: {', '.join(run.unreadable)}"
    broken = [step.seq for step in steps if step.unreadable]
    if broken:
        return f"rows of its steps hold what their columns do not declare; {len(broken)} of {len(steps)}"
    return None
