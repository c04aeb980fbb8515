"""Saved views of the run list: a filter under a name. All share them, unless a host's policy tells people apart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from otel_bridge.ledger.encoding import to_json
from otel_bridge.ledger.tables.core import Row, Session, Tables

EVERYBODY = ""
"""The owner of views that all share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedView:
    """A filter of the run list under a name.

    Args:
        owner: whose it is; ``EVERYBODY``: all see it and may change it.
        filter: as query parameters of the run list; a moving window stays one (``{"since": "24h"}``).
        is_default: the list begins with it. One of an owner's is at most.
        actor: who saved or changed it last, at ``at_ms``.
    """

    view_id: str
    owner: str = EVERYBODY
    name: str
    filter: Mapping[str, Any] = field(default_factory=dict)
    is_default: bool = False
    actor: str
    at_ms: int = 0


_COLUMNS = "view_id, owner, name, filter, is_default, actor, at_ms"
# A name that is taken is left as it is: nothing comes back.
ADD = f"""
    INSERT INTO {{t}}views ({_COLUMNS}) VALUES (:view_id, :owner, :name, :filter, :is_default, :actor, {{now}})
    ON CONFLICT (owner, name) DO NOTHING
    RETURNING {_COLUMNS}
"""
# By primary key; the name's owner by views_named (owner, name).
CHANGE = f"""
    UPDATE {{t}}views SET name = :name, filter = :filter, is_default = :is_default, actor = :actor, at_ms = {{now}}
    WHERE view_id = :view_id AND owner = :owner AND NOT EXISTS (
        SELECT 1 FROM {{t}}views AS other
        WHERE other.owner = :owner AND other.name = :name AND other.view_id <> :view_id)
    RETURNING {_COLUMNS}
"""
ONE_DEFAULT = """
    UPDATE {t}views SET is_default = :no WHERE owner = :owner AND is_default = :yes AND view_id <> :view_id
"""
DELETE = "DELETE FROM {t}views WHERE view_id = :view_id AND owner = :owner RETURNING view_id"
# By views_named (owner, name).
OF_OWNER = f"SELECT {_COLUMNS} FROM {{t}}views WHERE owner = :owner ORDER BY name"


class Views(Tables):
    """Save, change, delete, list."""

    def add_view(self, view: SavedView) -> SavedView | None:
        """Save a view; return it as stamped by the ledger's clock, or None where its owner has one of that name."""
        return self._put_view(ADD, view)

    def change_view(self, view: SavedView) -> SavedView | None:
        """Change the view of that id and owner; None where there is none, or another has its new name."""
        return self._put_view(CHANGE, view)

    def _put_view(self, statement: str, view: SavedView) -> SavedView | None:
        def put(session: Session) -> list[Row]:
            rows = session.rows(
                statement,
                view_id=view.view_id,
                owner=view.owner,
                name=view.name,
                filter=to_json(dict(view.filter)),
                is_default=view.is_default,
                actor=view.actor,
            )
            if rows and view.is_default:
                session.rows(ONE_DEFAULT, owner=view.owner, view_id=view.view_id, yes=True, no=False)
            return rows

        return next(self._decoded("views", self._run(put, write=True), _view), None)

    def delete_view(self, view_id: str, *, owner: str = EVERYBODY) -> bool:
        """Delete a view; return whether there was one."""
        return bool(self._write(DELETE, view_id=view_id, owner=owner))

    def views(self, *, owner: str = EVERYBODY) -> list[SavedView]:
        """Return an owner's views by name."""
        return list(self._decoded("views", self._read(OF_OWNER, owner=owner), _view))


def _view(row: Row) -> SavedView:
    view_id, owner, name, filter_, is_default, actor, at_ms = row
    saved = json.loads(filter_)
    if not isinstance(saved, dict):
        raise ValueError(f"filter is {str(saved)[:100]!r}")
    return SavedView(
        view_id=view_id,
        owner=owner,
        name=name,
        filter=saved,
        is_default=bool(is_default),
        actor=actor,
        at_ms=at_ms,
    )
