"""Saved views of the run list: shared by everybody; under a host's policy, each person's own."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from dashboard.errors import NotFound, Refused
from dashboard.http.routing import Reply, RequestContext, RouteTable
from dashboard.routes.answers import actions_of
from dashboard.wire.base import iso
from dashboard.wire.views import MOST_VIEWS, ViewBody, ViewChangeBody, ViewFilter, ViewView
from otel_bridge.ledger.base import EVERYBODY, SavedView

routes = RouteTable()


@routes.get("views", summary="Saved views of the run list", answers={200: list[ViewView]}, tag="views")
def list_views(ctx: RequestContext) -> list[ViewView]:
    """By name. Under a policy, one's own: a filter names what only some may know of."""
    return [_view(one) for one in ctx.ledger.views(owner=_owner(ctx))]


@routes.post("views", summary="Save a view", body=ViewBody, answers={201: ViewView}, problems=(409,), tag="views")
def save_view(ctx: RequestContext, *, body: ViewBody) -> Reply:
    """Under a name that none has."""
    with actions_of(ctx).audited(ctx.actor.name, "view.save", None, name=body.name):
        if len(ctx.ledger.views(owner=_owner(ctx))) >= MOST_VIEWS:
            raise Refused(f"There are {MOST_VIEWS} views, as many as there may be. Delete one that nobody needs.")
        saved = ctx.ledger.add_view(
            SavedView(
                view_id=uuid.uuid4().hex[:12],
                owner=_owner(ctx),
                name=body.name,
                filter=_params(body.filter),
                is_default=body.is_default,
                actor=ctx.actor.name,
            )
        )
        if saved is None:
            raise _taken(body.name)
    return Reply(_view(saved), status=201)


@routes.post(
    "views/<view_id>",
    summary="Rename or change a view, or make it the default",
    body=ViewChangeBody,
    answers={200: ViewView},
    problems=(404, 409),
    tag="views",
)
def change_view(ctx: RequestContext, *, body: ViewChangeBody, view_id: str) -> ViewView:
    """What is left out stays."""
    with actions_of(ctx).audited(ctx.actor.name, "view.change", None, id=view_id, name=body.name):
        known = _known(ctx, view_id)
        wanted = replace(
            known,
            name=known.name if body.name is None else body.name,
            filter=known.filter if body.filter is None else _params(body.filter),
            is_default=known.is_default if body.is_default is None else body.is_default,
            actor=ctx.actor.name,
        )
        changed = ctx.ledger.change_view(wanted)
        if changed is None:
            raise _taken(wanted.name)
    return _view(changed)


@routes.post("views/<view_id>/delete", summary="Delete a view", answers={200: ViewView}, problems=(404,), tag="views")
def delete_view(ctx: RequestContext, *, view_id: str) -> ViewView:
    """The answer is what it was."""
    with actions_of(ctx).audited(ctx.actor.name, "view.delete", None, id=view_id) as audited:
        known = _known(ctx, view_id)
        audited.params["name"] = known.name
        ctx.ledger.delete_view(view_id, owner=_owner(ctx))
    return _view(known)


def _owner(ctx: RequestContext) -> str:
    return EVERYBODY if ctx.settings.may is None else ctx.actor.name


def _known(ctx: RequestContext, view_id: str) -> SavedView:
    found = next((one for one in ctx.ledger.views(owner=_owner(ctx)) if one.view_id == view_id), None)
    if found is None:
        raise NotFound(f"There is no view {view_id[:200]!r}. Somebody may have deleted it; GET views lists them.")
    return found


def _params(given: ViewFilter) -> dict[str, Any]:
    """Return a filter as it is kept: what it says, and nothing that it leaves open."""
    return given.model_dump(mode="json", by_alias=True, exclude_defaults=True)


def _taken(name: str) -> Refused:
    return Refused(f"There is a view {name!r} already. Choose another name, or change that one.")


def _view(view: SavedView) -> ViewView:
    return ViewView(
        id=view.view_id,
        name=view.name,
        filter=dict(view.filter),
        is_default=view.is_default,
        actor=view.actor,
        at=iso(view.at_ms) or "",
    )
