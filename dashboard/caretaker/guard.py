"""Guards around the caretaker's duties and the runs they look at. Each failure is counted, and logged once.

A duty that fails does not stop the others, nor does a run that fails stop the runs after it. If the database is gone,
the first runs report it and the rest are left for the next pass.
"""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable

from dashboard.errors import Problem
from otel_bridge.errors import OUTAGE, BridgeError
from otel_bridge.model.runs import Run
from otel_bridge.outages import Outages

log = logging.getLogger(__name__)

REMEMBERED = 1_000
UNAVAILABLE_IN_A_ROW = 3
"""So many runs one after the other that the database did not serve: it is the database, not the runs."""


class FailureGuard:
    """Calls what may fail. ``failures`` counts by duty, or by ``run`` for single runs.

    Args:
        outages: those that others in this process log too. A database that is away is one for all duties and runs.
    """

    def __init__(self, outages: Outages | None = None) -> None:
        self.failures: Counter[str] = Counter()
        self._outages = outages or Outages()
        self._said: OrderedDict[str, str] = OrderedDict()

    def duty(self, name: str, work: Callable[[], object]) -> None:
        """Do one duty; log what it raises, once as long as it stays the same."""
        try:
            work()
        except (BridgeError, Problem) as error:
            self._caught(name, f"The caretaker cannot do its work now ({name}) and keeps trying: {error}", error)
        except Exception as error:  # noqa: BLE001 - a fault in one duty must not end the others
            self._caught(name, f"Unexpected error in the caretaker ({name}); continuing.", error)
        else:
            self._said.pop(name, None)

    def each(self, runs: Iterable[Run], work: Callable[[Run], object], *, stop: Callable[[], bool]) -> None:
        """Do something about each run, unless ``stop`` says that it is time to end."""
        unavailable = 0
        for run in runs:
            if stop() or unavailable >= UNAVAILABLE_IN_A_ROW:
                return
            try:
                work(run)
                unavailable = 0
            except (BridgeError, Problem) as error:
                temporary = not isinstance(error, Problem) or error.status == 503
                unavailable = unavailable + 1 if temporary else 0
                self._caught(f"run {run.id}", f"The caretaker left run {run.id} alone: {error}", error)
            except Exception as error:  # noqa: BLE001 - one damaged run must not keep the others waiting
                unavailable = 0
                self._caught(f"run {run.id}", f"The caretaker could not handle run {run.id}; continuing.", error)

    def _caught(self, name: str, message: str, error: Exception) -> None:
        self.failures["run" if name.startswith("run ") else name] += 1
        expected = isinstance(error, (BridgeError, Problem))
        text = message if expected else f"{message} {type(error).__name__}: {error}"
        known = not self._outages.is_new(error) if isinstance(error, OUTAGE) else self._said.get(name) == text
        if known:
            return
        self._said[name] = text
        self._said.move_to_end(name)
        while len(self._said) > REMEMBERED:
            self._said.popitem(last=False)
        log.warning(message, exc_info=None if expected else error)
