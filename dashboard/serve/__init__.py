"""The dashboard on its own: ``durable serve``. One process with page, API, caretaker and bridge, on a real web server.

``settings`` holds its options, ``access`` its sign-in and roles, ``app`` the Flask app, ``servers`` runs it.
"""

from __future__ import annotations

DEFAULT_PORT = 8000
DEFAULT_THREADS = 400
"""Of these, 300 may hold a stream: see ``dashboard.http.server.for_streams``. Threads are made when they are needed."""
