"""Where third parties call back."""

from __future__ import annotations

from typing import Any

from dashboard.actions.messages import deliver_webhook as deliver
from dashboard.actions.messages import unseal_webhook
from dashboard.http.body import read_json
from dashboard.http.bounds import read_body
from dashboard.http.routing import Reply, RequestContext, RouteTable
from dashboard.routes.answers import actions_of
from dashboard.wire.actions import (
    WebhookAnswer,
)

routes = RouteTable()


@routes.post(
    "webhooks/<token>",
    summary="Deliver a callback to the run that waits for it",
    role="public",
    answers={202: WebhookAnswer},
    problems=(404, 409, 413, 422),
    tag="webhooks",
)
def deliver_webhook(ctx: RequestContext, *, token: str) -> Reply:
    """Any content type: JSON and forms arrive as objects, text as a string. Only the signed token says who may."""
    actions = actions_of(ctx)
    unseal_webhook(actions, token)  # before the body: who has no token must not hold a thread by sending slowly
    raw = read_body(ctx.request, actions.settings.max_webhook_bytes)
    deliver(actions, token, _callback_body(ctx, raw), size_bytes=len(raw), request=ctx.request)
    return Reply(WebhookAnswer(), status=202)


def _callback_body(ctx: RequestContext, raw: bytes) -> Any:
    kind = ctx.request.mimetype
    if kind == "application/x-www-form-urlencoded":
        fields = ctx.request.form.to_dict(flat=False)
        return {key: values[0] if len(values) == 1 else values for key, values in fields.items()}
    if kind == "application/json" or kind.endswith("+json") or not kind:
        return read_json(raw) if raw else None
    return raw.decode("utf-8", "replace")
