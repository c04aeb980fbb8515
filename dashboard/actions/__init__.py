"""What the buttons do. Through the engine's client only: a process that never drives workflows can do all of it.

Every action answers at once (a worker does the work), is refused with a sentence where the run's state does not allow
it, may be repeated, and is written to the audit log. Each is a function over an ``ActionContext``. Loads no web
framework.
"""

from __future__ import annotations

from dashboard.actions.context import ActionContext, Outcome, open_context
from dashboard.actions.settings import ActionSettings

__all__ = ["ActionContext", "ActionSettings", "Outcome", "open_context"]
