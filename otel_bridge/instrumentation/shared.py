"""The ledger that this process reports to, for code on top of the engine that reads or writes it too.

Its place depends on the instrumentor's settings, or, where nobody instrumented, on the same environment variables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from otel_bridge.errors import ConfigurationError
from otel_bridge.instrumentation import engine
from otel_bridge.instrumentation.instrumentor import DBOSInstrumentor
from otel_bridge.instrumentation.settings import InstrumentorSettings
from otel_bridge.ledger import Ledger


@contextmanager
def process_ledger(instance: object) -> Iterator[Ledger]:
    """Yield the ledger of a DBOS instance's process, open for as long as the block runs.

    Raises:
        ConfigurationError: no other connection could open the engine's database.

    Example::

        with process_ledger(dbos) as ledger:
            ledger.executors()
    """
    session = DBOSInstrumentor().session
    settings = InstrumentorSettings.build({}, os.environ) if session is None else session.settings
    if settings.ledger is not None and not isinstance(settings.ledger, str):
        yield settings.ledger
        return
    url, schema = engine.system_database(instance)
    if settings.ledger is None and url is None:
        raise ConfigurationError("This process's DBOS has no system database URL, so its ledger cannot be found.")
    ledger = settings.open_ledger(url, schema)
    try:
        yield ledger
    finally:
        ledger.close()
