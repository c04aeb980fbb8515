"""``durable serve``: the dashboard on its own, over a database that somebody else's workers use."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from dashboard.serve import DEFAULT_PORT, DEFAULT_THREADS
from otel_bridge.errors import BridgeError, ConfigurationError, StoreError

if TYPE_CHECKING:
    from dashboard.serve.app import Standalone
    from dashboard.serve.settings import ServeSettings
    from otel_bridge.store.base import StateStore

BAD_USAGE = 2


def _option(
    *names: str, variable: str | None = None, **settings: Any
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(*names, envvar=variable, show_envvar=variable is not None, **settings)


@click.command()
@_option(
    "--system-database-url",
    "database_url",
    variable="DBOS_SYSTEM_DATABASE_URL",
    metavar="URL",
    required=True,
    help="The engine's system database, sqlite:/// or postgresql://. It may not exist yet.",
)
@_option(
    "--schema",
    variable="DBOS_SYSTEM_DATABASE_SCHEMA",
    default="dbos",
    show_default=True,
    help="On Postgres: where DBOS keeps its tables.",
)
@_option("--ledger", variable="DURABLE_LEDGER", metavar="URL", help="Default beside the system database.")
@_option(
    "--ledger-schema",
    variable="DURABLE_LEDGER_SCHEMA",
    help="On Postgres: where the ledger keeps its tables; default by schema and namespace.",
)
@_option("--host", variable="DURABLE_HOST", default="127.0.0.1", show_default=True, help="Address to listen on.")
@_option(
    "--port",
    variable="DURABLE_PORT",
    default=DEFAULT_PORT,
    show_default=True,
    type=click.IntRange(0, 65535),
    help="0 takes any free one.",
)
@_option("--prefix", default="/durable", show_default=True, help="Path of the dashboard; empty for the root.")
@_option("--public-url", variable="DURABLE_PUBLIC_URL", help="How browsers reach the dashboard, where that differs.")
@_option(
    "--proxies",
    variable="DURABLE_PROXIES",
    default=0,
    type=click.IntRange(0, 8),
    help="How many proxies stand before it, whose X-Forwarded headers are believed.",
)
@_option(
    "--threads",
    default=DEFAULT_THREADS,
    show_default=True,
    type=click.IntRange(4, 4000),
    help="Of the web server; three quarters of them may hold an open page.",
)
@_option(
    "--operator-token",
    variable="DURABLE_OPERATOR_TOKEN",
    help="Its bearer may act. Without it (and --auth) the dashboard is read-only.",
)
@_option("--viewer-token", variable="DURABLE_VIEWER_TOKEN", help="Needed to look; default: this machine may look.")
@_option("--auth", variable="DURABLE_AUTH", metavar="MODULE:FUNCTION", help="An auth hook of yours, instead of tokens.")
@_option("--caretaker/--no-caretaker", default=True, help="Dead letters and other upkeep, where anybody may act.")
@_option("--recover", is_flag=True, help="The caretaker recovers the runs of lost workers too.")
@_option("--bridge/--no-bridge", default=True, help="Traces, where OTEL_EXPORTER_OTLP_ENDPOINT is set.")
@_option("--gen-ai", variable="DURABLE_GEN_AI", is_flag=True, help="With the bridge: what models used, per step.")
@_option("--prices", variable="DURABLE_PRICES", metavar="FILE", help="JSON file of what tokens cost by model.")
@_option("--title", variable="DURABLE_TITLE", default="Durable", show_default=True, help="Of the page.")
@_option("--namespace", variable="DURABLE_NAMESPACE", default="", help="The bridge's, for trace ids.")
@_option("--trace-url", variable="DURABLE_TRACE_URL", help="jaeger:https://host, tempo:…, datadog, or a template.")
@_option("--redact", variable="DURABLE_REDACT", metavar="PATTERN", multiple=True, help="Keys to hide; repeat.")
@_option("--serializer", variable="DURABLE_SERIALIZER", metavar="MODULE:OBJECT", help="The application's own.")
def serve(
    *, auth: str | None, redact: tuple[str, ...], serializer: str | None, prices: str | None, **options: Any
) -> None:
    """Serve the dashboard of a database on its own: page, API, caretaker, and traces where a collector is configured.

    Read-only until somebody may act: see --operator-token. Ctrl-C or SIGTERM stops it.
    """
    # Flask and the engine are loaded by this command alone, not by --help.
    from dashboard.http.auth import is_loopback_host
    from dashboard.serve.app import create_standalone
    from dashboard.serve.servers import choose_server, listen, run
    from dashboard.serve.settings import bracketed
    from otel_bridge.store import open_store

    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        settings = _settings(auth, redact, serializer, prices, options)
        store = open_store(settings.database_url, schema=settings.schema)
        server = choose_server(loopback=is_loopback_host(bracketed(settings.host)))
        create_standalone(settings, url="").close()  # what is wrong with the settings is said here, once
        sock = listen(settings.host, settings.port)
        url = settings.url(sock.getsockname()[1])
    except (ConfigurationError, ValueError) as error:
        click.echo(f"Error: {error}", err=True)
        raise click.exceptions.Exit(BAD_USAGE) from error
    _announce(settings, url, server)
    looking = threading.Thread(target=_look, args=(store,), name="durable-look", daemon=True)

    def make() -> Standalone:
        looking.start()
        return create_standalone(settings, url=url)

    run(server, sock, make, threads=settings.threads)


def _settings(
    auth: str | None, redact: tuple[str, ...], serializer: str | None, prices: str | None, options: dict[str, Any]
) -> ServeSettings:
    from dashboard.caretaker.alerts import AlertSettings
    from dashboard.serve.settings import ServeSettings, load_auth
    from otel_bridge.codec import load_serializer, redact_keys
    from otel_bridge.runs.prices import load_prices

    return ServeSettings(
        auth=None if auth is None else load_auth(auth),
        redact=redact_keys(redact) if redact else None,
        serializer=None if serializer is None else load_serializer(serializer),
        prices=None if prices is None else load_prices(prices),
        alerts=AlertSettings.from_environment(),
        **options,
    )


def _announce(settings: ServeSettings, url: str, server: str) -> None:
    """Say where the dashboard is, and what may be done there."""
    click.echo(f"Dashboard: {url}/")
    if not settings.acts:
        click.echo("Access:    read-only. To act, start it with --operator-token (or DURABLE_OPERATOR_TOKEN).")
    elif settings.auth is None:
        root = url.removesuffix(settings.prefix) if settings.prefix else url
        click.echo(f"Access:    operators sign in at {root}/sign-in, or send the token as a bearer.")
    if server == "werkzeug":
        click.echo("Server:    werkzeug's, for a look. For more: pip install 'durable-dashboard[serve]'")


def _look(store: StateStore) -> None:
    """Say in one line what the database is; the page says it too, and continues by itself once it can be read."""
    from otel_bridge.model.runs import RunQuery

    try:
        info = store.check()
        says = f"{info.target}" + (f", schema {info.schema_version}" if info.schema_version else "")
        if not store.list_runs(RunQuery(limit=1)).runs:
            says += ". No runs yet: they appear as soon as a workflow starts."
    except StoreError as error:
        says = f"{error} The page shows runs as soon as it can be read."
    except BridgeError as error:
        says = str(error)
    finally:
        store.close()
    click.echo(f"Database:  {says}")
