"""What of the live tail one actor may see, where the host gave a policy. Pure, but for the policy it asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

from dashboard.live.subscription import Message
from dashboard.read.relatives import json_without_unseen
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
        body = json.loads(message.json)
        if not isinstance(body.get("run"), dict) and not isinstance(body.get("step"), dict):
            return message
        # Messages are made once for all viewers, but what may be done, and which relatives are seen, differs.
        for name in ("run", "step"):
            if isinstance(body.get(name), dict):
                body[name] = json_without_unseen(services, body[name])
        row = body.get("run")
        if isinstance(row, dict) and "allowed" in row:
            row["allowed"] = [action for action in row["allowed"] if services.allows(action, message.run)]
        return replace(message, json=to_json(body))

    return view
