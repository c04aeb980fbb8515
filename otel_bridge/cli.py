"""The ``otel-bridge`` command: export, backfill, doctor. Reads the environment; prints; handles SIGTERM and SIGINT.

Every option can be given by the environment too. Exit codes: 0 done, or stopped by a signal; 1 ``doctor`` found
something, or a backfill was stopped before its end; 2 the configuration is wrong; 3 the state store or the ledger
cannot be used.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from types import FrameType
from typing import Any

from otel_bridge.bridge import OTelBridge
from otel_bridge.bridge.backfill import BackfillProgress, BackfillRunningError, backfill
from otel_bridge.bridge.bridge import NO_COLLECTOR
from otel_bridge.bridge.doctor import examine
from otel_bridge.bridge.metrics import meter_provider_from_env
from otel_bridge.errors import ConfigurationError, LeaseLostError, LedgerError, StoreError
from otel_bridge.ledger import open_ledger
from otel_bridge.otlp import Delivery, DeliveryStoppedError, ResourceSettings, open_transport, settings_from_env
from otel_bridge.otlp.transport import Transport
from otel_bridge.spans import SpanSettings
from otel_bridge.store import open_store

OK, INCOMPLETE, MISCONFIGURED, UNUSABLE = 0, 1, 2, 3
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_BAR_CELLS = 30


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    arguments = build_parser(os.environ).parse_args(argv)
    logging.basicConfig(
        level=logging.DEBUG if arguments.verbose else logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        stream=sys.stderr,
    )
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    try:
        if not arguments.system_database_url:
            raise ConfigurationError("Say which database: --system-database-url URL, or DBOS_SYSTEM_DATABASE_URL.")
        command: Callable[[argparse.Namespace], int] = arguments.command
        return command(arguments)
    except (ConfigurationError, BackfillRunningError) as error:
        return _fail(error, MISCONFIGURED)
    except (StoreError, LedgerError) as error:
        return _fail(error, UNUSABLE)


def build_parser(environ: Mapping[str, str]) -> argparse.ArgumentParser:
    """Return the parser; defaults come from ``environ``."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--system-database-url",
        metavar="URL",
        default=environ.get("DBOS_SYSTEM_DATABASE_URL"),
        help="the engine's system database, sqlite:/// or postgresql:// [DBOS_SYSTEM_DATABASE_URL]",
    )
    common.add_argument(
        "--schema",
        default=environ.get("DBOS_SYSTEM_DATABASE_SCHEMA", "dbos"),
        help="on Postgres, where DBOS keeps its tables (%(default)s) [DBOS_SYSTEM_DATABASE_SCHEMA]",
    )
    common.add_argument("--verbose", action="store_true", help="say more")
    spans = argparse.ArgumentParser(add_help=False)
    for option, variable, text in (
        ("--dashboard-url", "DURABLE_DASHBOARD_URL", "public URL of the dashboard, for links on every span"),
        ("--service-name", "OTEL_SERVICE_NAME", "service.name; default the application that a run belongs to"),
        ("--namespace", "DURABLE_NAMESPACE", "part of every id; keeps environments that reuse run ids apart"),
    ):
        spans.add_argument(option, default=environ.get(variable), help=f"{text} [{variable}]")
    for option, variable, choices, text in (
        ("--children", "DURABLE_CHILDREN", ("link", "nest"), "child runs: a trace of their own, or their parent's"),
        ("--parent", "DURABLE_PARENT", ("link", "adopt"), "the caller's trace: link to it, or continue it"),
    ):
        default = environ.get(variable, choices[0])
        spans.add_argument(option, choices=choices, default=default, help=f"{text} (%(default)s) [{variable}]")
    spans.add_argument(
        "--queue-spans",
        action="store_true",
        default=environ.get("DURABLE_QUEUE_SPANS", "").lower() in ("1", "true"),
        help="send waits on a queue as spans of their own [DURABLE_QUEUE_SPANS]",
    )
    parser = argparse.ArgumentParser(prog="otel-bridge", description=__doc__.split("\n", 1)[0] if __doc__ else "")
    commands = parser.add_subparsers(required=True, metavar="{export,backfill,doctor}")
    export = commands.add_parser("export", parents=[common, spans], help="export traces until stopped")
    export.set_defaults(command=_export)
    export.add_argument(
        "--start-from",
        choices=("now", "beginning"),
        default=environ.get("DURABLE_START_FROM", "now"),
        help="where to begin when the ledger is new (%(default)s) [DURABLE_START_FROM]",
    )
    export.add_argument("--once", action="store_true", help="export what is due and exit")
    fill = commands.add_parser(
        "backfill", parents=[common, spans], help="export runs that ended before the bridge came"
    )
    fill.set_defaults(command=_backfill)
    fill.add_argument(
        "--since", type=parse_time, metavar="TIME", help="runs created since: ISO 8601, or 90m, 12h, 7d ago"
    )
    fill.add_argument("--until", type=parse_time, metavar="TIME", help="runs created before (now)")
    fill.add_argument("--dry-run", action="store_true", help="count, send nothing")
    doctor = commands.add_parser("doctor", parents=[common], help="say whether everything is in place, line by line")
    doctor.set_defaults(command=_doctor)
    return parser


def parse_time(text: str, *, now_s: Callable[[], float] = time.time) -> int:
    """Return Unix milliseconds of ``2026-11-23T12:00``, ``2026-11-23`` (UTC unless said) or ``12h`` (ago)."""
    if text[-1:] in _UNITS and text[:-1].isdigit():
        return int((now_s() - timedelta(seconds=int(text[:-1]) * _UNITS[text[-1]]).total_seconds()) * 1000)
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time. Write 2026-11-23T12:00, or 12h for twelve hours ago."
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=timezone.utc)
    return int(moment.timestamp() * 1000)


def _export(arguments: argparse.Namespace) -> int:
    meters = meter_provider_from_env(os.environ)
    bridge = OTelBridge(
        arguments.system_database_url,
        start_from=arguments.start_from,
        schema=arguments.schema,
        meter_provider=meters,
        service_name=arguments.service_name,
        **_span_options(arguments),
    )
    try:
        if bridge.delivery() is None:
            raise ConfigurationError(NO_COLLECTOR)
        if arguments.once:
            print(f"{bridge.run_once()} spans exported.")
            return OK
        stop = _stop_event()
        bridge.start()
        stop.wait()
        return OK
    finally:
        bridge.stop()
        if meters is not None:
            meters.shutdown()


def _backfill(arguments: argparse.Namespace) -> int:
    transport = None if arguments.dry_run else _transport(arguments.service_name)
    if transport is None and not arguments.dry_run:
        raise ConfigurationError(NO_COLLECTOR)
    stop = _stop_event()
    delivery = Delivery(transport, stop=stop) if transport is not None else None
    store = open_store(arguments.system_database_url, schema=arguments.schema)
    ledger = open_ledger(store.url)
    bar = _Bar(stop)
    settings = SpanSettings(**_span_options(arguments))
    try:
        store.check()
        done = backfill(
            store,
            ledger,
            delivery,
            settings=settings,
            since_ms=arguments.since,
            until_ms=arguments.until,
            on_progress=bar.show,
        )
    except (DeliveryStoppedError, KeyboardInterrupt):
        print("\nStopped. Start the same backfill again to go on where it was.", file=sys.stderr)
        return INCOMPLETE
    except LeaseLostError as error:
        print(f"\n{error} Start the same backfill again to go on where it was.", file=sys.stderr)
        return INCOMPLETE
    finally:
        if delivery is not None:
            delivery.close()
        ledger.close()
        store.close()
    bar.end()
    verb = "would be sent" if arguments.dry_run else "sent"
    print(f"{done.spans} spans of {done.seen} runs {verb}; {done.skipped} runs are open and left to the bridge.")
    return OK


def _doctor(arguments: argparse.Namespace) -> int:
    healthy = True
    for finding in examine(
        lambda: open_store(arguments.system_database_url, schema=arguments.schema),
        lambda store: open_ledger(store.url),
        lambda: _transport(None),
    ):
        healthy = healthy and finding.ok
        print(f"{'ok  ' if finding.ok else 'FIX '} {finding.what:<10} {finding.says}")
    return OK if healthy else INCOMPLETE


def _span_options(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "dashboard_url": arguments.dashboard_url,
        "namespace": arguments.namespace or "",
        "children": arguments.children,
        "parent": arguments.parent,
        "queue_spans": arguments.queue_spans,
    }


def _transport(service_name: str | None) -> Transport | None:
    settings = settings_from_env(os.environ)
    return open_transport(settings, ResourceSettings(service_name)) if settings is not None else None


def _stop_event() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)
    return stop


class _Bar:
    """A progress bar on a terminal; a line now and then elsewhere."""

    def __init__(self, stop: threading.Event) -> None:
        self._stop, self._started, self._shown_at = stop, time.monotonic(), 0.0
        self._drawn = False

    def show(self, progress: BackfillProgress) -> None:
        """Draw; raise ``DeliveryStoppedError`` once a signal came."""
        if self._stop.is_set():
            raise DeliveryStoppedError("Stopped by a signal.")
        now = time.monotonic()
        on_terminal = sys.stderr.isatty()
        if now - self._shown_at < (0.2 if on_terminal else 10.0):
            return
        self._shown_at = now
        rate = progress.spans / max(0.001, now - self._started)
        text = f"{progress.seen} runs, {progress.spans} spans, {rate:,.0f} spans/s"
        if progress.total:
            share = min(1.0, progress.seen / progress.total)
            filled = round(share * _BAR_CELLS)
            text = f"[{'#' * filled}{'.' * (_BAR_CELLS - filled)}] {share:4.0%}  {text}"
        print(f"\r{text}" if on_terminal else text, end="" if on_terminal else "\n", file=sys.stderr, flush=True)
        self._drawn = on_terminal

    def end(self) -> None:
        """Leave the bar's line."""
        if self._drawn:
            print(file=sys.stderr)


def _fail(error: Exception, code: int) -> int:
    print(f"otel-bridge: {error}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
