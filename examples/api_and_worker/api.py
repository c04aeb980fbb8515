"""The API process: the dashboard over the workers' database. It dispatches everything and processes nothing.

No ``DBOS()``, no ``launch``: runs are started through ``DBOSClient``, by name. Under gunicorn:
``gunicorn --threads 500 'examples.api_and_worker.api:create_app()'``.
"""

from __future__ import annotations

import os
import sys

from examples.newer_sqlite import use_newer_sqlite

use_newer_sqlite()

from dbos import DBOSClient, WorkflowHandle  # noqa: E402
from flask import Flask, Response, jsonify  # noqa: E402

from dashboard import create_blueprint  # noqa: E402

QUEUE = "exports"


def create_app() -> Flask:
    """Return the app over the database that ``DBOS_SYSTEM_DATABASE_URL`` names."""
    url = os.environ["DBOS_SYSTEM_DATABASE_URL"]
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(url, title="Reports"), url_prefix="/durable")

    @app.post("/reports/<month>")
    def start(month: str) -> Response:
        client = DBOSClient(system_database_url=url)
        try:
            handle: WorkflowHandle[str] = client.enqueue(
                {"queue_name": QUEUE, "workflow_name": "monthly_report"}, month
            )
            return jsonify({"runId": handle.get_workflow_id()})
        finally:
            client.destroy()

    return app


def main() -> None:
    """Serve on the port given as the only argument, 8000 without one."""
    from werkzeug.serving import make_server

    server = make_server("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000, create_app(), threaded=True)
    print(f"Serving on http://127.0.0.1:{server.server_port}/durable/", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
