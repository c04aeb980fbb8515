"""Ids of other runs in what is answered: parent, child, fork, undo, dead letter. Left out where they may not be seen.

Asked in one place, of whatever a route answered, so that a field that is added tomorrow under one of these names is
looked at too. Payloads are the application's: nothing is looked for in them. Reads the rows of the runs that are named,
once, and only where the host gave a policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.alias_generators import to_camel

from dashboard.read.seen import SeenServices
from dashboard.read.services import Services
from dashboard.wire.base import Json
from dashboard.wire.filters import RunFilter

NAMES = frozenset({"parent_id", "forked_from", "dead_letter_id", "dead_run_id", "undo_id", "undoes_id", "child_run_id"})
"""Fields that hold the id of another run."""
KEYS = frozenset({*map(to_camel, NAMES), "parent"})
"""The same in JSON; ``parent`` is a parameter of an entry of the audit log."""


def without_unseen(services: Services, answered: object) -> Any:
    """Return wire models, or a list of them, without the ids of runs that the actor may not see.

    Anything else, and everything where there is no policy, is returned as it is.
    """
    if not isinstance(services, SeenServices):
        return answered
    named = set(_named(answered))
    hidden = named - services.visible_ids(sorted(named))
    return _without(answered, hidden) if hidden else answered


def json_without_unseen(services: Services, row: Mapping[str, Json]) -> dict[str, Json]:
    """Return one object of JSON, as a run's row or a step's, without such ids."""
    named = {key: value for key, value in row.items() if key in KEYS and isinstance(value, str)}
    seen = services.visible_ids(sorted(set(named.values())))
    return {key: value for key, value in row.items() if key not in named or named[key] in seen}


def within_sight(services: Services, query: BaseModel) -> BaseModel:
    """Return a query; one about the children of a run that the actor may not see is made to match nothing.

    Else the children that it may see would tell whose they are.
    """
    if not isinstance(services, SeenServices) or not isinstance(query, RunFilter) or not query.parent:
        return query
    return query if services.visible_ids([query.parent]) else query.matching_nothing()


def _named(value: object) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name, item in vars(value).items():
            if name in NAMES and isinstance(item, str):
                yield item
            else:
                yield from _named(item)
    elif isinstance(value, list):
        for item in value:
            yield from _named(item)


def _without(value: object, hidden: set[str]) -> Any:
    if isinstance(value, list):
        return [_without(item, hidden) for item in value]
    if not isinstance(value, BaseModel):
        return value
    changed: dict[str, object] = {}
    for name, item in vars(value).items():
        if name in NAMES and item in hidden:
            changed[name] = None
        elif isinstance(item, (BaseModel, list)):
            changed[name] = _without(item, hidden)
    return value.model_copy(update=changed) if changed else value
