"""A worker whose steps use libraries: ``library_worker.py URL QUEUE SHOP``. Prints each span as a line of JSON.

It listens to QUEUE alone. The workflow "parent" hands its child to the queue "far".
"""

from __future__ import annotations

import os
import sys

import requests
import sqlalchemy as sa
from dbos import DBOS
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.instrumentation.sqlalchemy import SQLAlchemyInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from otel_bridge import DBOSInstrumentor

url, queue, shop = sys.argv[1:]
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(formatter=lambda span: span.to_json(None) + "\n")))
RequestsInstrumentor().instrument(tracer_provider=provider)
SQLAlchemyInstrumentor().instrument(tracer_provider=provider, skip_dep_check=True)
DBOSInstrumentor().instrument()
DBOS(config={"name": "worker", "system_database_url": url, "application_version": "v1", "executor_id": queue})
engine = sa.create_engine("sqlite://")


@DBOS.step()
def use() -> None:
    """One request, one statement."""
    requests.get(f"{shop}/{queue}", timeout=10)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT 1"))


@DBOS.workflow(name="child")
def child() -> int:
    use()
    return os.getpid()


@DBOS.workflow(name="parent")
def parent() -> int:
    use()
    DBOS.enqueue_workflow("far", child).get_result()
    return os.getpid()


DBOS.listen_queues([queue])
DBOS.launch()
DBOS.register_queue(queue, polling_interval_sec=0.05)
print("launched", flush=True)
sys.stdin.read()
DBOS.destroy()
