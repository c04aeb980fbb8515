"""Who acts: a name and a role."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from otel_bridge.model.actions import Action

Role = Literal["viewer", "operator"]
RequiredRole = Literal["viewer", "operator", "public"]
SCOPES = frozenset(
    {*get_args(Action), "start", "decide", "pause_schedule", "resume_schedule", "pause_queue", "resume_queue"}
)
"""What a token may be limited to: the actions that ``may`` is asked about, less ``see``."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The authenticated caller: a name for the audit log, and a role.

    Args:
        scopes: the actions that this caller is limited to, as a token may be; none: all that the role allows.

    Raises:
        ValueError: the role is not one of ours, or the scopes are no set of names; what is not known allows nothing.

    >>> Actor("ada", "operator").may("operator")
    True
    """

    name: str
    role: Role
    scopes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise ValueError(f"{self.role!r} is not a role. Use 'viewer' or 'operator'.")
        # A text holds each of its parts ("retry" is in "retry_with_input"), and None would be no limit at all.
        if isinstance(self.scopes, str) or not isinstance(self.scopes, Collection):
            raise ValueError(
                f"{self.scopes!r} is not a set of scopes. Use a set of actions' names; an empty one allows all."
            )
        object.__setattr__(self, "scopes", frozenset(self.scopes))

    def may(self, required: RequiredRole) -> bool:
        """True when this actor's role covers ``required``."""
        return required != "operator" or self.role == "operator"
