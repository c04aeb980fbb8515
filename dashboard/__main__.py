"""``python -m dashboard`` is the ``durable`` command."""

from __future__ import annotations

from dashboard.cli.main import main

if __name__ == "__main__":
    main()
