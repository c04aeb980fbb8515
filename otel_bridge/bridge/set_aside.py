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
"""Name of the ledger's value: ``{"count": 2, "runs": {run id: reason}, "others": [run id]}``."""
KEPT_RUNS = 100
"""So many are named in the ledger with their reasons, and the others by their ids."""
REMEMBERED_RUNS = 10_000
MAX_REASON_CHARS = 300
_NO_REASON = "set aside by an earlier bridge"


class SetAside:
    """The runs that one bridge has set aside, by id; not shared between threads."""

    def __init__(self) -> None:
        self._reasons: dict[str, str] = {}
        self._logged: set[str] = set()
        self._stored: dict[str, object] = {}

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
        value = _read(ledger)
        self._stored = value
        runs, others = value.get("runs"), value.get("others")
        found = {str(run_id): str(reason) for run_id, reason in runs.items()} if isinstance(runs, dict) else {}
        left = dict.fromkeys(map(str, others), _NO_REASON) if isinstance(others, list) else {}
        self._reasons = {**left, **found, **self._reasons}

    def save(self, ledger: Ledger) -> None:
        """Write down what has changed since the last time."""
        ids = list(self._reasons)
        runs = {run_id: self._reasons[run_id] for run_id in ids[:KEPT_RUNS]}
        value = {"count": len(ids), "runs": runs, **({"others": ids[KEPT_RUNS:]} if len(ids) > KEPT_RUNS else {})}
        if value != self._stored and (runs or self._stored):
            ledger.put_value(SET_ASIDE_KEY, value)
            self._stored = value


def _read(ledger: Ledger) -> dict[str, object]:
    try:
        value = ledger.get_value(SET_ASIDE_KEY)
    except (LedgerError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def read_set_aside(ledger: Ledger) -> tuple[int, dict[str, str]]:
    """Return how many runs the bridge has set aside, and the reasons of the first of them by run id."""
    value = _read(ledger)
    runs, count = value.get("runs"), value.get("count")
    if not isinstance(runs, dict):
        return 0, {}
    known = {str(run_id): str(reason) for run_id, reason in runs.items()}
    return max(len(known), count if isinstance(count, int) else 0), known


def why_unreadable(run: Run, steps: Sequence[Step]) -> str | None:
    """Return why a run's rows cannot be exported; None when every one can be read."""
    if run.unreadable:
        return f"columns of its row hold what they do not declare: {', '.join(run.unreadable)}"
    broken = [step.seq for step in steps if step.unreadable]
    if broken:
        return f"rows of its steps hold what their columns do not declare; {len(broken)} of {len(steps)}"
    return None
