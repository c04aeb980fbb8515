"""What the buttons do. Through the engine's client only: a process that never drives workflows can do all of it.

Every action answers at once (a worker does the work), is refused with a sentence where the run's state does not allow
it, may be repeated, and is written to the audit log. Loads no web framework.
"""

from __future__ import annotations

from dashboard.actions.context import Outcome
from dashboard.actions.service import Actions, ActionSettings

__all__ = ["ActionSettings", "Actions", "Outcome"]
