"""A host application with the dashboard in it: ``python -m tests.chaos.host URL PORT``; prints ``serving``."""

from __future__ import annotations

import sys

from flask import Flask
from werkzeug.serving import make_server

from dashboard import create_blueprint


def main() -> None:
    """Serve until a signal ends the process."""
    url, port = sys.argv[1], int(sys.argv[2])
    app = Flask(__name__)
    app.register_blueprint(create_blueprint(url), url_prefix="/durable")
    server = make_server("127.0.0.1", port, app, threaded=True)
    print("serving", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
