"""``python -m dashboard.cli`` is the ``durable`` command."""

from __future__ import annotations

from dashboard.cli.main import main

main()
