"""Control plane for durable workflows on DBOS, as a Flask blueprint.

Every name is loaded on first use: a worker that imports ``dashboard.workflow`` loads no Flask.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dashboard.actions import ActionSettings as ActionSettings
    from dashboard.actor import Actor as Actor
    from dashboard.blueprint import create_blueprint as create_blueprint
    from dashboard.caretaker.alert_rules import AlertRule as AlertRule
    from dashboard.caretaker.alerts import AlertSettings as AlertSettings
    from dashboard.caretaker.caretaker import CaretakerSettings as CaretakerSettings
    from dashboard.caretaker.recovery import RecoveryPolicy as RecoveryPolicy
    from dashboard.caretaker.retention import RetentionPolicy as RetentionPolicy
    from dashboard.caretaker.upgrade import AutoUpgrade as AutoUpgrade
    from dashboard.extension import Durable as Durable

_HOMES = {
    "ActionSettings": "dashboard.actions",
    "Actor": "dashboard.actor",
    "AlertRule": "dashboard.caretaker.alert_rules",
    "AlertSettings": "dashboard.caretaker.alerts",
    "AutoUpgrade": "dashboard.caretaker.upgrade",
    "Durable": "dashboard.extension",
    "CaretakerSettings": "dashboard.caretaker.caretaker",
    "RecoveryPolicy": "dashboard.caretaker.recovery",
    "RetentionPolicy": "dashboard.caretaker.retention",
    "create_blueprint": "dashboard.blueprint",
}

__all__ = [
    "ActionSettings",
    "Actor",
    "AlertRule",
    "AlertSettings",
    "AutoUpgrade",
    "CaretakerSettings",
    "Durable",
    "RecoveryPolicy",
    "RetentionPolicy",
    "create_blueprint",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
