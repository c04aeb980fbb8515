"""The shop's Flask app: two routes of its own, and the dashboard beside them."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

from dbos import DBOS
from flask import Flask, Response, redirect, request

from dashboard import create_blueprint
from dashboard.demo.trickle import place_order
from dashboard.demo.workflows import WAREHOUSE, Order

PAGE = """<!doctype html><html lang="en"><title>Orders</title><meta name="viewport" content="width=device-width">
<style>body{font:16px system-ui;max-width:40rem;margin:3rem auto;padding:0 1rem;color-scheme:light dark}</style>
<h1>Orders</h1><p>A shop whose orders are durable workflows: <a href="durable/">see them run</a>.</p>
<form method="post" action="orders"><input name="customer" value="Ada" aria-label="Customer">
<input name="items" value="lamp, desk" aria-label="Items"> <input name="total" value="120" size="5" aria-label="EUR">
<button>Order</button></form>"""


def database(folder: Path) -> str:
    """Create the folder and a SQLite file in WAL mode, and return its URL.

    Readers and the writer do not wait for one another in WAL mode, and it must be set before DBOS launches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "orders.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return f"sqlite:///{path.resolve()}"


def configure_dbos(url: str) -> None:
    """Tell the engine where its system database is. Failures are part of the show, so its log keeps quiet."""
    DBOS(
        config={
            "name": "orders",
            "system_database_url": url,
            "application_version": "1",
            "log_level": "CRITICAL",
            "notification_listener_polling_interval_sec": 0.1,
        }
    )


def launch_dbos(url: str) -> None:
    """Start the engine in this process: it runs the workflows and serves the warehouse's queue."""
    configure_dbos(url)
    DBOS.launch()
    DBOS.register_queue(WAREHOUSE, worker_concurrency=4, polling_interval_sec=0.1)


def create_app(url: str, opened: threading.Event) -> Flask:
    """Return the app over the engine's system database at ``url``. The dashboard takes one line.

    Args:
        opened: set once the engine takes orders in this process.
    """
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(url, title="Orders"), url_prefix="/durable")

    @app.get("/")
    def index() -> Response:
        return Response(PAGE, mimetype="text/html")

    @app.post("/orders")
    def order() -> Response:
        if not opened.is_set():
            return Response("The shop opens in a moment; try again.", 503, {"Retry-After": "3"})
        form = request.form
        run_id = place_order(
            Order(
                customer=form.get("customer", "somebody"),
                items=[item.strip() for item in form.get("items", "lamp").split(",") if item.strip()],
                total_eur=form.get("total", 100, type=int),
            )
        )
        response = redirect("/")
        response.headers["X-Run-Id"] = run_id
        return Response(response=response.response, status=303, headers=response.headers)

    return app
