"""What of the live tail one actor may see, where the host gave a policy. Pure, but for the policy it asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from dashboard.live.subscription import Message
from dashboard.read.seen import SeenServices, SeenStore
from dashboard.read.services import Services
from dashboard.wire.json import to_json


def view_of(services: Services) -> Callable[[Message], Message | None] | None:
    """Return what makes of a message what this actor may see of it, or None; None where everybody sees everything."""
    if not isinstance(services, SeenServices):
        return None
    store = services.store

    def view(message: Message) -> Message | None:
        if isinstance(store, SeenStore) and not store.sees(message.run):
            return None
        if '"allowed":' not in message.json:
            return message
        # Messages are made once for all viewers, but what may be done differs.
        told = json.loads(message.json)
        row = told.get("run")
        if isinstance(row, dict) and "allowed" in row:
            row["allowed"] = [action for action in row["allowed"] if services.allows(action, message.run)]
        return replace(message, json=to_json(told))

    return view
