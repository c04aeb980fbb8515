"""What this process can do that only its code knows; presence reports it. Touches no clock, file or database.

The instrumentor knows the engine, not the libraries on top of it. Those register here what they declare, so that a
process that serves the dashboard, and imports none of the workflows' code, can still check what it sends them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from otel_bridge.ledger.base import UpdateValidator

ValidatorSource = Callable[[], Iterable[UpdateValidator]]

_lock = threading.Lock()
_sources: list[ValidatorSource] = []


def report_validators(source: ValidatorSource) -> None:
    """Have ``source`` asked for the process's validators at each heartbeat; it should answer from memory.

    Example::

        address = UpdateValidator(workflow="order", name="address", schema=Address.model_json_schema())
        report_validators(lambda: [address])
    """
    with _lock:
        if source not in _sources:
            _sources.append(source)


def declared_validators() -> tuple[UpdateValidator, ...]:
    """Return the validators of this process, by workflow and name."""
    found = {(one.workflow, one.name): one for source in list(_sources) for one in source()}
    return tuple(found[key] for key in sorted(found))
