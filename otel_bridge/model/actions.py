"""The actions on a run, by name. Pure data: ``runs.allowed`` says which one a run allows."""

from __future__ import annotations

from typing import Literal

Action = Literal[
    "retry",
    "redispatch",
    "move",
    "continue",
    "wake",
    "signal",
    "update",
    "cancel",
    "cancel_undo",
    "fork",
    "retry_with_input",
]
"""Actions on a run, in the order in which they are offered."""
