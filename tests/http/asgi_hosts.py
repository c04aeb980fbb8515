"""ASGI applications with the dashboard in them, for ASGI servers to run, each made by a function.

Each has a route of its own, ``/hello``. ``DURABLE_TEST_DATABASE`` names the database; without it the store is empty.
"""

from __future__ import annotations

import os
from typing import Any

from dashboard.asgi import create_app, mount
from otel_bridge.ledger import MemoryLedger
from otel_bridge.testing import MemoryStateStore


def options() -> dict[str, Any]:
    """Return the store and the options of each dashboard."""
    url = os.environ.get("DURABLE_TEST_DATABASE")
    return {"store": url or MemoryStateStore(), "ledger": MemoryLedger(), "caretaker": False, "heartbeat_s": 5}


def fastapi_app() -> Any:
    """FastAPI mounts it."""
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI()

    @app.get("/hello", response_class=PlainTextResponse)
    def hello() -> str:
        return "hello"

    mount(app, **options())
    return app


def starlette_app() -> Any:
    """Starlette, with the dashboard among its routes."""
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Mount, Route

    async def hello(request: object) -> PlainTextResponse:
        return PlainTextResponse("hello")

    return Starlette(routes=[Route("/hello", hello), Mount("/durable", create_app(**options()))])


def litestar_app() -> Any:
    """Litestar, with the dashboard before it."""
    from litestar import Litestar, get

    @get("/hello", media_type="text/plain")
    async def hello() -> str:
        return "hello"

    return mount(Litestar(route_handlers=[hello]), **options())


def django_app() -> Any:
    """Django, with the dashboard before it."""
    from django.conf import settings
    from django.core.asgi import get_asgi_application
    from django.http import HttpRequest, HttpResponse
    from django.urls import path

    async def hello(request: HttpRequest) -> HttpResponse:
        return HttpResponse("hello")

    settings.configure(ROOT_URLCONF=(path("hello", hello),), ALLOWED_HOSTS=["*"], SECRET_KEY="tests")
    return mount(get_asgi_application(), **options())
