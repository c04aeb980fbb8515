"""Who acts: a name and a role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "operator"]
RequiredRole = Literal["viewer", "operator", "public"]


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, for the audit log, and what they may."""

    name: str
    role: Role

    def may(self, required: RequiredRole) -> bool:
        """True when this actor's role covers ``required``."""
        return required != "operator" or self.role == "operator"
