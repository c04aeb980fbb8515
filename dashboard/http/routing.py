"""The declarative route table. What happens to a request on its way is in ``pipeline``.

A route is a plain function. Its keywords are what the route declares::

    routes = RouteTable()

    class RetryBody(Body):
        queue: str | None = None

    @routes.post("runs/<path:run_id>/retry", summary="Retry a run", body=RetryBody, answers={200: RunRow},
                 problems=(404, 409))
    def retry(ctx: RequestContext, *, body: RetryBody, run_id: str) -> RunRow:
        return acted(ctx, retrying.retry(actions_of(ctx), run_id, actor=ctx.actor.name, queue=body.queue))

It returns a wire model, a list of them, plain JSON, a ``Reply`` (status, headers) or a Flask response, and raises
``dashboard.errors.Problem``. Everything else (auth, unknown parameters, same origin, problem+json) is done here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from flask import Request
from pydantic import BaseModel

from dashboard.actor import Actor, RequiredRole
from dashboard.config import Settings
from dashboard.read.services import Services
from dashboard.wire.base import NoQuery
from otel_bridge.codec import Codec
from otel_bridge.ledger.base import Ledger
from otel_bridge.store.base import StateStore

Handler = TypeVar("Handler", bound=Callable[..., Any])


LEAST_NUMBER, MOST_NUMBER = -(2**31), 2**31 - 1
"""Of a number in a path: steps are numbered in 32 bits, compensations below zero."""
JSON_TYPE = "application/json"
PROBLEM_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestContext:
    """What a handler gets besides its declared keywords.

    Args:
        actor: who asks; ``PUBLIC_ACTOR`` on public routes.
        base: path of the mounted blueprint as the client sees it, no slash at the end (``/durable``).
        origin: scheme and host as the client sees them (``https://ops.example.com``).
        request: the Flask request, for what the declaration cannot say (raw body, headers).
    """

    services: Services
    actor: Actor
    base: str
    origin: str
    request: Request

    @property
    def store(self) -> StateStore:
        """The state store. Raises ``StoreError`` when it cannot be opened now: routing answers 503."""
        return self.services.store

    @property
    def ledger(self) -> Ledger:
        """The ledger. Raises ``LedgerError`` when it cannot be opened now: routing answers 503."""
        return self.services.ledger

    @property
    def codec(self) -> Codec:
        """How payloads are shown to this actor."""
        return self.services.codec_for(self.actor)

    @property
    def settings(self) -> Settings:
        """The options given to ``create_blueprint``."""
        return self.services.settings


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with a status or headers of its own."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One row of the table.

    Args:
        path: Flask rule below ``<base>/api``, no leading slash: ``runs/<path:run_id>/retry``.
        role: who may: ``viewer``, ``operator``, or ``public`` (no auth and no same-origin check at all).
        body: a pydantic type of the JSON body, or None. ``Any`` takes any JSON.
        body_required: an absent body is refused; else it is read as ``{}`` (a model) or None.
        query: the query string's model.
        answers: status -> wire type (``None``: no JSON body).
        problems: problem statuses of its own, besides those every route may answer.
        media_type: of the success answer, when it is not JSON.
        stream: True for the two stream routes (websocket and SSE).
    """

    method: str
    path: str
    handler: Callable[..., Any]
    summary: str
    role: RequiredRole
    body: Any = None
    has_body: bool = False
    body_required: bool = False
    query: type[BaseModel] = NoQuery
    answers: Mapping[int, Any]
    problems: tuple[int, ...] = ()
    media_type: str = JSON_TYPE
    stream: bool = False
    tag: str = "runs"

    @property
    def name(self) -> str:
        """Endpoint and operation id: the handler's name."""
        return self.handler.__name__


_MISSING: Any = object()


class RouteTable:
    """Routes in the order of their registration."""

    def __init__(self) -> None:
        self.routes: list[Route] = []

    def get(
        self, path: str, *, summary: str, answers: Mapping[int, Any], **options: object
    ) -> Callable[[Handler], Handler]:
        """Register a GET route (role ``viewer`` unless said otherwise). Options: see ``Route``."""
        return self._register("GET", path, summary, answers, {"role": "viewer", **options})

    def post(
        self, path: str, *, summary: str, answers: Mapping[int, Any], **options: object
    ) -> Callable[[Handler], Handler]:
        """Register a POST route (role ``operator`` unless said otherwise). Options: see ``Route``."""
        return self._register("POST", path, summary, answers, {"role": "operator", **options})

    def _register(
        self, method: str, path: str, summary: str, answers: Mapping[int, Any], options: dict[str, Any]
    ) -> Callable[[Handler], Handler]:
        body = options.pop("body", _MISSING)

        def keep(handler: Handler) -> Handler:
            self.routes.append(
                Route(
                    method=method,
                    path=path.lstrip("/"),
                    handler=handler,
                    summary=summary,
                    answers=answers,
                    body=None if body is _MISSING else body,
                    has_body=body is not _MISSING,
                    **options,
                )
            )
            return handler

        return keep
