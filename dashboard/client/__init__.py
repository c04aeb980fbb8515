"""The dashboard's API as typed Python, for threads and for asyncio. Loads neither Flask nor DBOS.

::

    from dashboard.client import DurableClient

    with DurableClient("http://127.0.0.1:8000/durable") as client:
        for run in client.iter_runs(status="failed"):
            client.retry(run.id)

Install it with ``pip install durable-dashboard[client]``.
"""

from __future__ import annotations

try:
    import httpx as _httpx  # noqa: F401 - every module below needs both
    import httpx_sse as _httpx_sse  # noqa: F401
except ImportError as _error:
    from otel_bridge.extras import missing_extra

    raise missing_extra(_error) or _error from _error

from dashboard.client.asynchronous import AsyncDurableClient
from dashboard.client.call import RunFilter, filter_of
from dashboard.client.errors import (
    ApiError,
    BadRequestError,
    ConnectionFailedError,
    DurableClientError,
    ForbiddenError,
    MalformedRequestError,
    NotFoundError,
    ProtocolError,
    RefusedError,
    RejectedError,
    ServerError,
    UnauthorizedError,
    UnavailableError,
)
from dashboard.client.in_process import AppTransport
from dashboard.client.results import Rows, RunListPage, RunReport
from dashboard.client.stream import ListMessage, RunMessage
from dashboard.client.sync import DurableClient

__all__ = [
    "ApiError",
    "AppTransport",
    "AsyncDurableClient",
    "BadRequestError",
    "ConnectionFailedError",
    "DurableClient",
    "DurableClientError",
    "ForbiddenError",
    "ListMessage",
    "MalformedRequestError",
    "NotFoundError",
    "ProtocolError",
    "RefusedError",
    "RejectedError",
    "Rows",
    "RunFilter",
    "RunListPage",
    "RunMessage",
    "RunReport",
    "ServerError",
    "UnauthorizedError",
    "UnavailableError",
    "filter_of",
]
