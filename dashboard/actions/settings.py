"""Settings of the actions of a blueprint. Pure data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionSettings:
    """Settings of the actions.

    Args:
        verify_webhook: ``hook(request, name, run_id) -> bool``: the third party's own signature.
        validators: (workflow, update name) -> pydantic model, type or callable, besides those that ``validator``
            declared in this process.
        undo_grace_s: how long an undo waits for a step in flight where no executor reports presence.
        max_webhook_bytes: the largest body that a webhook takes.
    """

    verify_webhook: Callable[..., Any] | None = None
    validators: Mapping[tuple[str, str], Any] = field(default_factory=dict)
    undo_grace_s: float = 5.0
    max_webhook_bytes: int = 1024 * 1024
