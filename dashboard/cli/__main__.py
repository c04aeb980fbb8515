"""``python -m dashboard.cli`` is the ``durable`` command."""

from __future__ import annotations

import sys

from dashboard.cli.commands import main

sys.exit(main())
