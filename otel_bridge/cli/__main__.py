"""``python -m otel_bridge.cli`` is the ``otel-bridge`` command."""

from __future__ import annotations

from otel_bridge.cli import main

main()
