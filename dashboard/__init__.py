"""Control plane for durable workflows on DBOS, as a Flask blueprint.

``create_blueprint`` is loaded on first use: a worker that imports ``dashboard.workflow`` loads no Flask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dashboard.blueprint import create_blueprint as create_blueprint

__all__ = ["create_blueprint"]


def __getattr__(name: str) -> Any:
    if name == "create_blueprint":
        from dashboard.blueprint import create_blueprint

        return create_blueprint
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
