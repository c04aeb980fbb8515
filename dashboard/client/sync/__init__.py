"""``DurableClient``: the dashboard's API for threads. The package ``asynchronous`` beside it is made from this one."""

from __future__ import annotations

from dashboard.client.sync.actions import ActionRoutes
from dashboard.client.sync.alerts import AlertRoutes
from dashboard.client.sync.bulk import BulkRoutes
from dashboard.client.sync.errors import ErrorRoutes
from dashboard.client.sync.fleet import FleetRoutes
from dashboard.client.sync.inbox import InboxRoutes
from dashboard.client.sync.runs import RunRoutes
from dashboard.client.sync.views import ViewRoutes


class DurableClient(
    RunRoutes, ActionRoutes, BulkRoutes, ErrorRoutes, InboxRoutes, AlertRoutes, ViewRoutes, FleetRoutes
):
    """The dashboard's API. Every method raises what ``dashboard.client.errors`` draws.

    Args:
        base_url: where the dashboard is mounted: ``http://127.0.0.1:8000/durable``.
        auth: as httpx takes it: ``("user", "password")``, or an ``httpx.Auth``.
        headers: sent with every request, such as ``{"Authorization": "Bearer ..."}``.
        timeout_s: how long one request may take to connect, and between two parts of its answer.
        transport: of httpx, such as ``AppTransport(app)`` to talk to an app in the same process.

    Example::

        with DurableClient("http://127.0.0.1:8000/durable") as client:
            for run in client.iter_runs(status="failed"):
                client.retry(run.id)
    """
