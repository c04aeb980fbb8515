"""The dashboard's API as typed Python, for threads and for asyncio. Loads neither Flask nor DBOS.

::

    from dashboard.client import DurableClient

    with DurableClient("http://127.0.0.1:8000/durable") as client:
        for run in client.iter_runs(status="failed"):
            client.retry(run.id)

Install it with ``pip install durable-dashboard[client]``.
"""

from __future__ import annotations

from dashboard.client.asynchronous import AsyncDurableClient
from dashboard.client.calls import RunFilter, RunListPage
from dashboard.client.errors import (
    ApiError,
    BadRequestError,
    ConnectionFailedError,
    DurableClientError,
    ForbiddenError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    RejectedError,
    ServerError,
    UnauthorizedError,
    UnavailableError,
)
from dashboard.client.sse import ListMessage, RunMessage
from dashboard.client.sync import DurableClient

__all__ = [
    "ApiError",
    "AsyncDurableClient",
    "BadRequestError",
    "ConnectionFailedError",
    "DurableClient",
    "DurableClientError",
    "ForbiddenError",
    "ListMessage",
    "NotFoundError",
    "ProtocolError",
    "RefusedError",
    "RejectedError",
    "RunFilter",
    "RunListPage",
    "RunMessage",
    "ServerError",
    "UnauthorizedError",
    "UnavailableError",
]
