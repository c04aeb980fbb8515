"""``otel-bridge export``, ``backfill`` and ``doctor``. Opens the store and the ledger, prints, handles signals."""

from __future__ import annotations

import json
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from types import FrameType
from typing import Literal

import click

from otel_bridge.bridge import OTelBridge
from otel_bridge.bridge.backfill import BackfillProgress, backfill
from otel_bridge.bridge.bridge import NO_COLLECTOR
from otel_bridge.bridge.doctor import Finding, examine
from otel_bridge.bridge.loop import CLOSING_S, STOP_S, ended_within
from otel_bridge.bridge.metrics import meter_provider_from_env
from otel_bridge.cli.options import INCOMPLETE, SpanOptions, StoreOptions, as_moment, exporting, fail, placed, spanned
from otel_bridge.codec import Codec
from otel_bridge.errors import ConfigurationError, LeaseLostError, LedgerError, StoreError
from otel_bridge.ledger import Ledger, open_ledger
from otel_bridge.otlp import Delivery, DeliveryStoppedError, ResourceSettings, open_transport, settings_from_env
from otel_bridge.otlp.transport import Transport
from otel_bridge.runs.prices import load_prices
from otel_bridge.spans import SpanSettings
from otel_bridge.store import StateStore, open_store

logger = logging.getLogger(__name__)

DOCTOR_S = 14.0
"""The doctor says so after so long without an answer, and ends."""
LOG_EVERY_S = 10.0


@click.command()
@placed
@spanned
@exporting
def export(
    place: StoreOptions,
    *,
    spans: SpanOptions,
    codec: Codec,
    service_name: str | None,
    start_from: Literal["now", "beginning"],
    retention_days: float,
    flush_timeout: float,
    lifecycle_logs: bool,
    prices: str | None,
    once: bool,
) -> None:
    """Export traces until stopped."""
    meters = meter_provider_from_env(os.environ)
    bridge = OTelBridge(
        place["system_database_url"],
        schema=place["schema"],
        ledger=place["ledger"],
        ledger_schema=place["ledger_schema"],
        namespace=place["namespace"],
        start_from=start_from,
        retention_days=retention_days,
        flush_timeout_s=flush_timeout,
        lifecycle_logs=lifecycle_logs,
        prices=None if prices is None else load_prices(prices),
        meter_provider=meters,
        service_name=service_name,
        redact=codec.redact,
        serializer=codec.serializer,
        **spans,
    )
    try:
        if bridge.delivery() is None:
            raise ConfigurationError(NO_COLLECTOR)
        check_configuration(place)
        if once:
            click.echo(f"{bridge.run_once()} spans exported.")
            return
        stop = stop_event()
        bridge.start()
        stop.wait()
    finally:
        ends_at_s = time.monotonic() + max(STOP_S, flush_timeout + CLOSING_S)
        bridge.stop()
        if meters is not None:
            ended_within(ends_at_s - time.monotonic(), meters.shutdown)


@click.command("backfill")
@placed
@spanned
@click.option("--since", metavar="TIME", callback=as_moment, help="Runs created since: ISO 8601, or 90m, 12h, 7d ago.")
@click.option("--until", metavar="TIME", callback=as_moment, help="Runs created before; default now.")
@click.option("-n", "--dry-run", is_flag=True, help="Count, send nothing.")
def backfill_(
    place: StoreOptions,
    *,
    spans: SpanOptions,
    codec: Codec,
    service_name: str | None,
    since: int | None,
    until: int | None,
    dry_run: bool,
) -> None:
    """Export runs that ended before the bridge came."""
    transport = None if dry_run else transport_of(service_name)
    if transport is None and not dry_run:
        raise ConfigurationError(NO_COLLECTOR)
    stop = stop_event()
    delivery = Delivery(transport, stop=stop) if transport is not None else None
    store = open_store(place["system_database_url"], schema=place["schema"])
    ledger = open_ledger_of(place, store)
    try:
        store.check()
        with progress_bar(stop) as show:
            settings = SpanSettings(**spans, namespace=place["namespace"], codec=codec)
            done = backfill(
                store, ledger, delivery, settings=settings, since_ms=since, until_ms=until, on_progress=show
            )
    except (DeliveryStoppedError, KeyboardInterrupt):
        fail("Stopped. Start the same backfill again to continue where it stopped.", INCOMPLETE)
    except LeaseLostError as error:
        fail(f"{error} Start the same backfill again to continue where it stopped.", INCOMPLETE)
    finally:
        if delivery is not None:
            delivery.close()
        ledger.close()
        store.close()
    verb = "would be sent" if dry_run else "sent"
    click.echo(f"{done.spans} spans of {done.seen} runs {verb}; {done.skipped} runs are open and left to the bridge.")


@click.command()
@placed
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def doctor(place: StoreOptions, *, as_json: bool) -> None:
    """Say whether everything is in place, line by line."""
    findings = []
    for finding in within(DOCTOR_S, lambda: findings_of(place)):
        findings.append(finding)
        if not as_json:
            word = click.style("ok  ", fg="green") if finding.ok else click.style("FIX ", fg="red")
            click.echo(f"{word} {finding.what:<10} {finding.says}")
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    if not all(finding.ok for finding in findings):
        raise click.exceptions.Exit(INCOMPLETE)


# -- what they work with ------------------------------------------------------------------------------------------


def open_ledger_of(place: StoreOptions, store: StateStore) -> Ledger:
    """Return the ledger that was named, or the one beside the store."""
    return open_ledger(
        place["ledger"] or store.url,
        schema=place["ledger_schema"],
        engine_schema=store.engine_schema,
        namespace=place["namespace"],
    )


def check_configuration(place: StoreOptions) -> None:
    """Refuse what trying again cannot cure: a bridge keeps trying, as for a database that is not there yet.

    Raises:
        ConfigurationError: a URL is of no kind that we know, or the driver for it is not installed.
    """
    with ExitStack() as opened:
        store = open_store(place["system_database_url"], schema=place["schema"])
        opened.callback(store.close)
        with suppress(StoreError, LedgerError):
            opened.callback(open_ledger_of(place, store).close)


def transport_of(service_name: str | None) -> Transport | None:
    """Return the way to the collector that the standard variables name; None for none."""
    settings = settings_from_env(os.environ)
    return open_transport(settings, ResourceSettings(service_name)) if settings is not None else None


def findings_of(place: StoreOptions) -> Iterator[Finding]:
    """Look at everything, one after the other."""
    return examine(
        lambda: open_store(place["system_database_url"], schema=place["schema"]),
        lambda store: open_ledger_of(place, store),
        lambda: transport_of(None),
    )


def within(seconds: float, look: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield findings as they come; once the time is over, one that says so, and no more.

    They are made in a thread that dies with the process: what holds it, such as a server that takes a connection and
    never answers, may hold it for ever.
    """
    found: queue.Queue[Finding | Exception | None] = queue.Queue()

    def run() -> None:
        try:
            for finding in look():
                found.put(finding)
            found.put(None)
        except Exception as error:  # noqa: BLE001 - raised again by the caller
            found.put(error)

    threading.Thread(target=run, name="otel-bridge-doctor", daemon=True).start()
    deadline = time.monotonic() + seconds
    last = "the start"
    while True:
        try:
            finding = found.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            says = f"no answer within {seconds:g} s, after {last}. Something accepts connections and never answers"
            yield Finding("time", False, says)
            return
        if finding is None:
            return
        if isinstance(finding, Exception):
            raise finding
        last = finding.what
        yield finding


def stop_event() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set."""
    stop = threading.Event()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, handle)
        signal.signal(signal.SIGINT, handle)
    return stop


@contextmanager
def progress_bar(stop: threading.Event) -> Iterator[Callable[[BackfillProgress], None]]:
    """Yield what shows how far a backfill is, how fast and how long yet: a bar, or lines of the log where none can be.

    It raises ``DeliveryStoppedError`` once ``stop`` is set.
    """
    began = logged_at = time.monotonic()
    spans = ""
    hidden = not sys.stderr.isatty()
    with click.progressbar(
        range(0),
        length=1,
        label="runs",
        file=sys.stderr,
        hidden=hidden,
        show_pos=True,
        item_show_func=lambda _: spans,
    ) as bar:

        def show(progress: BackfillProgress) -> None:
            nonlocal logged_at, spans
            if stop.is_set():
                raise DeliveryStoppedError("Stopped by a signal.")
            now = time.monotonic()
            spans = f"{progress.spans:,} spans, {progress.spans / max(now - began, 0.001):,.0f}/s"
            bar.length = max(progress.total or 0, progress.seen, 1)
            bar.update(progress.seen - bar.pos)
            if hidden and now - logged_at >= LOG_EVERY_S:
                logged_at = now
                logger.info("%s", progress.words(now - began))

        yield show
