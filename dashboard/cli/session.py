"""What a command works with: a client, how to print, whether to watch. Opens sockets or a database; prints.

``@connected`` gives a command the options that say where the runs are, and a ``Session`` as its first argument.
"""

from __future__ import annotations

import functools
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import datetime, timezone
from shutil import get_terminal_size
from typing import Any, NoReturn, TypeVar

import click
from click.core import ParameterSource
from pydantic import BaseModel

from dashboard.actor import Role
from dashboard.cli.main import CLIENT
from dashboard.cli.text import plain
from dashboard.client import (
    ApiError,
    BadRequestError,
    ConnectionFailedError,
    DurableClient,
    DurableClientError,
    MalformedRequestError,
    NotFoundError,
    ServerError,
    UnavailableError,
    filter_of,
)
from dashboard.client.base import DEFAULT_TIMEOUT_S
from dashboard.wire.actions import VIA_HEADER
from dashboard.wire.base import Json
from dashboard.wire.json import to_json
from dashboard.wire.views import ViewView
from otel_bridge.errors import BridgeError, ConfigurationError

T = TypeVar("T")

NOT_COMPLETED, BAD_USAGE, UNREACHABLE, NOT_FOUND, REFUSED, INTERRUPTED = 1, 2, 3, 4, 5, 130

SCHEMA = click.option(
    "--schema",
    envvar="DBOS_SYSTEM_DATABASE_SCHEMA",
    default="dbos",
    show_envvar=True,
    show_default=True,
    help="On Postgres: where DBOS keeps its tables.",
)
OPTIONS = (
    click.option("--url", envvar="DURABLE_URL", show_envvar=True, help="Where the dashboard is mounted."),
    click.option("--token", envvar="DURABLE_TOKEN", show_envvar=True, help="Bearer token for it."),
    click.option(
        "--system-database-url",
        metavar="URL",
        envvar="DBOS_SYSTEM_DATABASE_URL",
        show_envvar=True,
        help="Instead of --url: the engine's database, sqlite:/// or postgresql://, opened in this process.",
    ),
    SCHEMA,
    click.option(
        "--ledger",
        metavar="URL",
        envvar="DURABLE_LEDGER",
        show_envvar=True,
        help="Of that database; default beside it.",
    ),
    click.option(
        "--ledger-schema",
        envvar="DURABLE_LEDGER_SCHEMA",
        show_envvar=True,
        help="On Postgres: where the ledger keeps its tables; default durable, or a name made of schema and namespace.",
    ),
    click.option("--json", "as_json", is_flag=True, help="Print JSON, as the API answers."),
)
ACTING = (
    click.option(
        "--role",
        type=click.Choice(["viewer", "operator"]),
        help="Directly on a database: what may be done at all; default operator.",
    ),
    click.option("--as", "name", help="Directly on a database: who acts, for the audit log and --may."),
    click.option("--may", metavar="MODULE:FUNCTION", help="Directly on a database: may(actor, action, run) -> bool."),
)
WATCH = (
    click.option("-w", "--watch", is_flag=True, help="Print again and again, until Ctrl-C."),
    click.option("--every", default=2.0, show_default=True, type=click.FloatRange(min=0.05), help="Seconds between."),
)


def exit_code_of(error: DurableClientError) -> int:
    """Return the exit code for an error of the client."""
    if isinstance(error, NotFoundError):
        return NOT_FOUND
    if isinstance(error, (BadRequestError, MalformedRequestError)):
        return BAD_USAGE
    if isinstance(error, ApiError) and not isinstance(error, (UnavailableError, ServerError)):
        return REFUSED
    return UNREACHABLE


def fail(message: str, exit_code: int) -> NoReturn:
    """Say what went wrong and end the command.

    Raises:
        Exit: always.
    """
    click.echo("\n".join(map(plain, f"Error: {message}".split("\n"))), err=True)
    raise click.exceptions.Exit(exit_code)


@dataclass(frozen=True)
class Where:
    """Where the runs are: the options of every command, by their names."""

    url: str | None = field(repr=False)
    token: str | None = field(repr=False)
    system_database_url: str | None = field(repr=False)
    schema: str
    ledger: str | None = field(repr=False)
    ledger_schema: str | None


WHERE = frozenset(field.name for field in fields(Where))


@dataclass(frozen=True)
class Acting:
    """As whom, and within what, a command works directly on a database: the options of ``ACTING``, by their names.

    At a URL the server knows who asks, and asks its own policy.
    """

    role: Role | None = None
    name: str | None = None
    may: str | None = None


ANYBODY = Acting()
"""Nothing was said: the operating system's user, who may do everything."""


def where_of(params: Mapping[str, object]) -> Where:
    """Return where the runs are, of a command's parameters."""
    given: dict[str, Any] = {name: params.get(name) for name in WHERE}
    return Where(**given)


@contextmanager
def interrupts() -> Iterator[threading.Event]:
    """Lend an event that Ctrl-C sets, besides raising: what is raised inside a finalizer is lost, the event is not."""
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return

    def handle(number: int, frame: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)


@dataclass(frozen=True)
class CliSession:
    """One command at work.

    Args:
        as_json: print what the API answered, not text for people.
        watch_s: seconds between two readings; None reads once.
    """

    client: DurableClient
    as_json: bool = False
    watch_s: float | None = None

    def show(self, read: Callable[[], T], draw: Callable[[T], str]) -> None:
        """Print what ``read`` returns, drawn for people; again and again with ``--watch``.

        On a terminal each reading replaces the one before; elsewhere one that differs follows it, JSON on one line.
        A reading that fails later is reported and tried again.
        """
        if self.watch_s is None:
            self.print(read(), draw)
            return
        before: str | None = None
        with interrupts() as interrupted:
            while True:
                try:
                    value = read()
                except ConnectionFailedError as error:
                    if before is None:
                        raise
                    click.echo(str(error), err=True)
                else:
                    document = json_text(value, indent=None)
                    if document != before:
                        if not self.as_json and sys.stdout.isatty():
                            click.clear()
                        self.print(value, draw)
                    before = document
                if interrupted.wait(self.watch_s):
                    raise KeyboardInterrupt

    def print(self, value: T, draw: Callable[[T], str]) -> None:
        """Print a value as JSON, or drawn for people."""
        if self.as_json:
            click.echo(json_text(value, indent=None if self.watch_s is not None else 2))
        else:
            click.echo(draw(value))

    def act(self, run_ids: Iterable[str], act: Callable[[str], T], draw: Callable[[T], str]) -> None:
        """Act on each run; a refusal is reported and the next one follows; the exit code is the highest.

        Raises:
            Exit: some were refused.
        """
        code = 0
        done: list[T] = []
        for run_id in run_ids:
            try:
                answer = act(run_id)
            except DurableClientError as error:
                code = max(code, exit_code_of(error))
                click.echo(f"{plain(run_id)}: {plain(str(error))}", err=True)
                continue
            done.append(answer)
            if not self.as_json:
                click.echo(draw(answer))
        if self.as_json:
            click.echo(json_text(done))
        if code:
            raise click.exceptions.Exit(code)


def json_text(value: BaseModel | Sequence[BaseModel] | Json, *, indent: int | None = 2) -> str:
    """Return wire models or a payload as JSON: readable characters where standard output can show them.

    What would act on a terminal stays escaped: control characters, and those that turn the direction of text.
    """
    document = json.loads(to_json(value))
    text = json.dumps(document, indent=indent, ensure_ascii=False)
    text = "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)
    try:
        text.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return json.dumps(document, indent=indent)
    return text


def now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(timezone.utc)


def width() -> int | None:
    """Return the terminal's width; None where the output goes elsewhere, and nothing is cut."""
    return get_terminal_size().columns if sys.stdout.isatty() else None


def connected(
    *, watch: bool = False, via: str | None = None, acting: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the connection's options and a ``CliSession``; ``watch`` gives it ``--watch``,
    ``via`` is by what the user acts (``mcp``), ``acting`` gives it ``--role``, ``--as`` and ``--may``.

    Example::

        @click.command()
        @click.argument("run_id", metavar="RUN")
        @connected()
        def continue_(session: Session, run_id: str) -> None: ...
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(function)
        def command(*, as_json: bool, watch: bool = False, every: float | None = None, **options: Any) -> None:
            where = where_of(options)
            options = {name: value for name, value in options.items() if name not in WHERE}
            limits = Acting(*(options.pop(one) for one in ("role", "name", "may"))) if acting else ANYBODY
            try:
                with open_client(where, via=via, acting=limits) as client:
                    if (view := options.pop("view", None)) is not None:
                        options["filters"] = {**filter_of(view_named(client, view).filter), **options["filters"]}
                    function(CliSession(client, as_json, every if watch else None), **options)
            except DurableClientError as error:
                fail(str(error), exit_code_of(error))
            except ConfigurationError as error:
                fail(str(error), BAD_USAGE)
            except BridgeError as error:
                fail(str(error), UNREACHABLE)
            except KeyboardInterrupt:
                raise click.exceptions.Exit(0 if watch else INTERRUPTED) from None

        decorated: Callable[..., None] = command
        for option in (*reversed(WATCH if watch else ()), *reversed(ACTING if acting else ()), *reversed(OPTIONS)):
            decorated = option(decorated)
        return decorated

    return decorate


def view_named(client: DurableClient, name: str) -> ViewView:
    """Return a saved view by its name or its id.

    Raises:
        UsageError: there is no such name; the message lists the valid ones.
    """
    known = client.list_views()
    for view in known:
        if name in (view.name, view.id):
            return view
    listed = ", ".join(plain(view.name) for view in known) or "none yet"
    raise click.UsageError(f"There is no view {name!r}. Saved are: {listed}.")


def open_client(
    where: Where, *, timeout_s: float = DEFAULT_TIMEOUT_S, via: str | None = None, acting: Acting = ANYBODY
) -> DurableClient:
    """Return a client of the dashboard at a URL, or of one in this process over a database.

    Of a URL and a database, the one on the command line counts, and of two from the environment the URL.

    Raises:
        UsageError: neither is given, or both are on the command line; or who acts is said where a server knows it.
        ConfigurationError: the database's URL is of an unknown kind, or its driver is not installed.
    """
    url, database = where.url, where.system_database_url
    headers = {} if via is None else {VIA_HEADER: via}
    context = click.get_current_context()
    in_this_app: Callable[[], DurableClient] | None = context.meta.get(CLIENT)
    if in_this_app is not None:
        _refuse_acting(acting, "The app's own settings say who may do what here.")
        return in_this_app()
    if url and database:
        given = ParameterSource.COMMANDLINE
        typed = {n for n in ("url", "system_database_url") if context.get_parameter_source(n) is given}
        if len(typed) == 2:
            raise click.UsageError("Give --url or --system-database-url, not both.")
        if typed == {"system_database_url"}:
            url = None
    if url:
        _refuse_acting(acting, "At a URL the server knows who asks: give --token.")
        if where.token:
            headers["Authorization"] = f"Bearer {where.token}"
        return DurableClient(url, headers=headers, timeout_s=timeout_s)
    if not database:
        raise click.UsageError(
            "Say which dashboard: --url http://host:8000/durable, or DURABLE_URL; "
            "or which database: --system-database-url, or DBOS_SYSTEM_DATABASE_URL."
        )
    from dashboard.cli.database import open_in_process

    return open_in_process(
        database,
        schema=where.schema,
        ledger=where.ledger,
        ledger_schema=where.ledger_schema,
        headers=headers,
        acting=acting,
    )


def _refuse_acting(acting: Acting, why: str) -> None:
    if acting != ANYBODY:
        raise click.UsageError(f"--role, --as and --may are for --system-database-url. {why}")
