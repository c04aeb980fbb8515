"""The engine's client, made once when the first action needs it. The only way by which actions write to the engine.

Raises ``Unavailable`` where the database cannot be reached, and never creates one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from dbos import DBOSClient
from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from dashboard.actions.inert import InertSerializer
from dashboard.errors import NotFound, Unavailable
from dashboard.workflow.names import FAST_POLLING_S, FAST_QUEUE
from otel_bridge.credentials import secrets_of, without
from otel_bridge.errors import StoreError
from otel_bridge.forks import forget_after_fork, leave_to_parent
from otel_bridge.store.base import StateStore

CLIENT_CONNECTIONS = 5


class EngineClient:
    """A lazy, shared ``DBOSClient``.

    Args:
        store: says where the engine's database is and whether it is there.
        client: an own client, or a callable that makes one; it is not closed by us.
    """

    def __init__(self, store: StateStore, *, client: DBOSClient | Callable[[], DBOSClient] | None = None) -> None:
        self._store, self._given = store, client
        self._lock = threading.Lock()
        self._client: DBOSClient | None = None
        self._engine: Engine | None = None
        self._fast_queue_ready = False
        forget_after_fork(self)

    def forget(self) -> None:
        """In a forked child: the sockets are the parent's."""
        self._lock = threading.Lock()
        if self._engine is not None:
            self._engine.dispose(close=False)
            leave_to_parent(self._engine)
        self._client = self._engine = None

    @contextmanager
    def use(self, *, fast_queue: bool = False) -> Iterator[DBOSClient]:
        """Yield the client; translate its failures.

        Args:
            fast_queue: register ``durable.fast`` first, once.

        Raises:
            Unavailable: the database is missing, locked or unreachable.
            NotFound: the engine knows no such run.
        """
        try:
            client = self._get()
            if fast_queue:
                self._ensure_fast_queue(client)
            yield client
        except DBAPIError as error:
            raise Unavailable(
                f"The engine's database did not take the action: {self._brief(error)}. Try again."
            ) from error
        except SQLAlchemyError as error:
            raise Unavailable(f"The engine's database cannot be reached: {self._brief(error)}. Try again.") from error
        except Exception as error:
            if type(error).__name__ == "DBOSNonExistentWorkflowError":
                raise NotFound("This run no longer exists: it was deleted in the meantime.") from error
            raise

    def _brief(self, error: SQLAlchemyError) -> str:
        said = (str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__])[0]
        return without(said, secrets_of(self._store.url))[:200]

    def close(self) -> None:
        """Release connections. Idempotent; the next use opens them again."""
        with self._lock:
            if self._client is not None and self._given is None:
                self._client.destroy()
            if self._engine is not None:
                self._engine.dispose()
            self._client = self._engine = None

    def _get(self) -> DBOSClient:
        with self._lock:
            if self._client is None:
                self._client = self._open()
            return self._client

    def _open(self) -> DBOSClient:
        if self._given is not None:
            return self._given if isinstance(self._given, DBOSClient) else self._given()
        try:
            self._store.check()  # a client on a missing SQLite file would create an empty one
        except StoreError as error:
            raise Unavailable(str(error)) from error
        url = client_url(self._store.url)
        if url is None:
            raise Unavailable("Actions need the engine's database, and this state store names none. Pass client=...")
        try:
            self._engine = pooler_safe_engine(url) if url.startswith("postgresql") else None
        except (ArgumentError, ValueError):  # SQLAlchemy's own words repeat the URL
            raise Unavailable(
                "The engine's client cannot read this database's URL, although libpq can: SQLAlchemy takes several "
                "hosts as ?host=a:5432&host=b:5432 only. Write it so, or pass client=... to create_blueprint."
            ) from None
        return DBOSClient(
            system_database_url=url,
            system_database_engine=self._engine,
            dbos_system_schema=self._store.engine_schema,
            serializer=InertSerializer(),
            lazy=True,
            retry_connection_errors=False,
        )

    def _ensure_fast_queue(self, client: DBOSClient) -> None:
        if not self._fast_queue_ready:
            client.register_queue(FAST_QUEUE, polling_interval_sec=FAST_POLLING_S, on_conflict="never_update")
            self._fast_queue_ready = True


def pooler_safe_engine(url: str) -> Engine:
    """Return an engine that leaves nothing on a session, which behind a transaction pooler is shared with others.

    The one that the client would make prepares statements, and sets a timeout for the whole session. It looks at each
    connection before use as that one does, and is as small.
    """
    return create_engine(
        make_url(url).set(drivername="postgresql+psycopg"),
        connect_args={"application_name": "durable-dashboard actions", "prepare_threshold": None},
        pool_size=CLIENT_CONNECTIONS,
        max_overflow=0,
        pool_timeout=30,
        pool_pre_ping=True,
    )


def client_url(url: str) -> str | None:
    """Return a store's URL as the engine's client takes it; None when it names no database."""
    if not url or url.startswith("memory:") or ":memory:" in url:
        return None
    if url.startswith("postgres://"):
        return "postgresql://" + url[len("postgres://") :]
    return url if "://" in url else f"sqlite:///{url}"
