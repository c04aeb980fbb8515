"""A caretaker with alerts, as a process: ``python -m tests.caretaker.alert_app URL``; settings from DURABLE_ALERTS."""

from __future__ import annotations

import sys
import threading

from dashboard.actions import open_context
from dashboard.caretaker.alerts import AlertSettings
from dashboard.caretaker.caretaker import Caretaker, CaretakerSettings
from otel_bridge.ledger import open_ledger
from otel_bridge.store import open_store


def main(url: str) -> None:
    """Look until somebody ends the process."""
    context = open_context(open_store(url), open_ledger(url))
    alerts = AlertSettings.from_environment()
    settings = CaretakerSettings(alerts=alerts, interval_s=0.05, lease_ttl_s=1.0)
    Caretaker(lambda: context, settings)._loop(threading.Event())


if __name__ == "__main__":
    main(sys.argv[1])
