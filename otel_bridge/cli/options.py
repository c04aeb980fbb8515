"""Options of the ``otel-bridge`` command, each from the environment too, and what becomes of an error."""

from __future__ import annotations

import functools
import inspect
import logging
import math
import sys
from collections.abc import Callable
from typing import Any, NoReturn, TypedDict, get_args

import click

from otel_bridge.bridge import OTelBridge
from otel_bridge.bridge.backfill import BackfillRunningError
from otel_bridge.codec import Codec, load_serializer, redact_keys
from otel_bridge.errors import ConfigurationError, LedgerError, StoreError
from otel_bridge.model.moments import parse_moment
from otel_bridge.spans.model import Children, Housekeeping, Parent, Root

INCOMPLETE, MISCONFIGURED, UNUSABLE = 1, 2, 3

Command = Callable[..., None]


class StoreOptions(TypedDict):
    """Where the runs are, and where progress is kept."""

    system_database_url: str
    schema: str
    ledger: str | None
    ledger_schema: str | None
    namespace: str


class SpanOptions(TypedDict):
    """How spans are made: the parameters of ``SpanSettings``."""

    dashboard_url: str | None
    children: Children
    parent: Parent
    root: Root
    queue_spans: bool
    housekeeping: Housekeeping
    service_instances: bool
    gen_ai: bool


def option(name: str, variable: str, text: str, **settings: Any) -> Callable[[Command], Command]:
    """Return an option that can come from the environment, and whose help says so."""
    return click.option(name, envvar=variable, show_envvar=True, help=text, **settings)


def as_moment(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    """Return a time in Unix milliseconds.

    Raises:
        BadParameter: it is none.
    """
    try:
        return None if value is None else parse_moment(value)
    except ValueError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def as_number(ctx: click.Context, param: click.Parameter, value: float) -> float:
    """Return a number that is one: ``nan`` passes every range.

    Raises:
        BadParameter: it is not.
    """
    if math.isnan(value):
        raise click.BadParameter("nan is not a number to wait for.", ctx, param)
    return value


def default_of(parameter: str) -> float:
    """Return the defaults of a bridge."""
    return float(inspect.signature(OTelBridge).parameters[parameter].default)


PLACE = (
    option(
        "--system-database-url",
        "DBOS_SYSTEM_DATABASE_URL",
        "The engine's system database, sqlite:/// or postgresql://.",
        metavar="URL",
        required=True,
    ),
    option(
        "--schema",
        "DBOS_SYSTEM_DATABASE_SCHEMA",
        "On Postgres: where DBOS keeps its tables.",
        default="dbos",
        show_default=True,
    ),
    option("--ledger", "DURABLE_LEDGER", "Where progress is kept; default beside the system database.", metavar="URL"),
    option(
        "--ledger-schema",
        "DURABLE_LEDGER_SCHEMA",
        "On Postgres: where the ledger keeps its tables; default durable, or a name made of schema and namespace.",
    ),
    option(
        "--namespace",
        "DURABLE_NAMESPACE",
        "Part of every id, and of the ledger's place; keeps environments that reuse run ids apart.",
        default="",
    ),
    click.option("-v", "--verbose", is_flag=True, help="Log more."),
)
SPANS = (
    option("--dashboard-url", "DURABLE_DASHBOARD_URL", "Public URL of the dashboard, for links on every span."),
    option("--service-name", "OTEL_SERVICE_NAME", "Default: the application that a run belongs to."),
    option(
        "--children",
        "DURABLE_CHILDREN",
        "Child runs: a trace of their own, or their parent's.",
        type=click.Choice(get_args(Children)),
        default="link",
        show_default=True,
    ),
    option(
        "--parent",
        "DURABLE_PARENT",
        "The caller's trace: link to it, or continue it.",
        type=click.Choice(get_args(Parent)),
        default="link",
        show_default=True,
    ),
    option(
        "--root",
        "DURABLE_ROOT",
        "A run's root span: sent when the run has ended, or at its beginning, without length.",
        type=click.Choice(get_args(Root)),
        default="end",
        show_default=True,
    ),
    option(
        "--gen-ai",
        "DURABLE_GEN_AI",
        "Read what steps returned, and say on spans what a model used (gen_ai.*).",
        is_flag=True,
    ),
    option(
        "--service-instances",
        "DURABLE_SERVICE_INSTANCES",
        "Send what each executor does under a resource of its own (service.instance.id).",
        is_flag=True,
    ),
    option("--queue-spans", "DURABLE_QUEUE_SPANS", "Send waits on a queue as spans of their own.", is_flag=True),
    option(
        "--housekeeping",
        "DURABLE_HOUSEKEEPING",
        "Fold like steps of the engine's own (events, streamed tokens) into one span, send all, or none.",
        type=click.Choice(get_args(Housekeeping)),
        default="fold",
        show_default=True,
    ),
    option(
        "--redact",
        "DURABLE_REDACT",
        "Hide what stands under such keys in errors and attributes; may be given more than once.",
        metavar="PATTERN",
        multiple=True,
    ),
    option(
        "--serializer",
        "DURABLE_SERIALIZER",
        "The application's own DBOS serializer, which is imported, and called on what it wrote.",
        metavar="MODULE:OBJECT",
    ),
)
EXPORT = (
    option(
        "--start-from",
        "DURABLE_START_FROM",
        "Where to begin when the ledger is new.",
        type=click.Choice(["now", "beginning"]),
        default="now",
        show_default=True,
    ),
    option(
        "--retention-days",
        "DURABLE_RETENTION_DAYS",
        "How long the ledger remembers ended runs.",
        type=click.FloatRange(min=0, max=36_500),
        default=default_of("retention_days"),
        show_default=True,
        callback=as_number,
    ),
    option(
        "--flush-timeout",
        "DURABLE_FLUSH_TIMEOUT",
        "Seconds that the last delivery may take when it is stopped.",
        type=click.FloatRange(min=0, max=3_600),
        default=default_of("flush_timeout_s"),
        show_default=True,
        callback=as_number,
    ),
    option(
        "--lifecycle-logs",
        "DURABLE_LIFECYCLE_LOGS",
        "Also send log records of what happens to runs, when it happens, and of who did what.",
        is_flag=True,
    ),
    option(
        "--prices",
        "DURABLE_PRICES",
        "JSON file of what tokens cost by model, for the metric durable.run.cost.amount.",
        metavar="FILE",
    ),
    click.option("--once", is_flag=True, help="Export what is due and exit."),
)


def placed(function: Command) -> Command:
    """Give a command the options of its ``StoreOptions``; errors of ours end it with their exit code."""

    @functools.wraps(function)
    def command(
        *,
        system_database_url: str,
        schema: str,
        ledger: str | None,
        ledger_schema: str | None,
        namespace: str,
        verbose: bool,
        **options: object,
    ) -> None:
        level = logging.DEBUG if verbose else logging.INFO
        logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
        logging.getLogger("urllib3").setLevel(logging.WARNING)
        place = StoreOptions(
            system_database_url=system_database_url,
            schema=schema,
            ledger=ledger,
            ledger_schema=ledger_schema,
            namespace=namespace,
        )
        try:
            function(place, **options)
        except (ConfigurationError, BackfillRunningError) as error:
            fail(str(error), MISCONFIGURED)
        except (StoreError, LedgerError) as error:
            fail(str(error), UNUSABLE)

    return with_options(command, PLACE)


def spanned(function: Command) -> Command:
    """Give a command ``spans``, the ``SpanOptions``, the ``codec`` for what is in them, and ``service_name``."""

    @functools.wraps(function)
    def command(*args: object, redact: tuple[str, ...], serializer: str | None, **options: object) -> None:
        spans = {name: options.pop(name) for name in SpanOptions.__annotations__}
        codec = Codec(
            redact=redact_keys(redact) if redact else None,
            serializer=None if serializer is None else load_serializer(serializer),
        )
        function(*args, spans=spans, codec=codec, **options)

    return with_options(command, SPANS)


def exporting(function: Command) -> Command:
    """Give a command what only a running bridge needs to know."""
    return with_options(function, EXPORT)


def with_options(function: Command, options: tuple[Callable[[Command], Command], ...]) -> Command:
    """Return a command that takes options, in their order."""
    for add in reversed(options):
        function = add(function)
    return function


def fail(message: str, exit_code: int) -> NoReturn:
    """Say what went wrong and end the command.

    Raises:
        Exit: always.
    """
    click.echo(f"otel-bridge: {message}", err=True)
    raise click.exceptions.Exit(exit_code)
