"""``DBOSInstrumentor``: what ``opentelemetry-instrument`` finds, and what workers call."""

from __future__ import annotations

import os
from collections.abc import Collection

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from otel_bridge.instrumentation import engine
from otel_bridge.instrumentation.guard import Guard
from otel_bridge.instrumentation.hooks import Hooks
from otel_bridge.instrumentation.session import Session
from otel_bridge.instrumentation.settings import InstrumentorSettings


class DBOSInstrumentor(BaseInstrumentor):  # type: ignore[misc]
    """Makes each step's own span the current context inside it, and reports this process's presence.

    Call ``DBOSInstrumentor().instrument()`` before ``DBOS.launch()``; later works too, for what starts then. Options
    are those of ``InstrumentorSettings``, by keyword or environment. While instrumented, DBOS's own tracer makes no
    spans; the bridge exports one for every run and step. Spans that workflows' bodies open become replay-safe in the
    global SDK tracer provider, or in ``tracer_provider=``: see ``DurableIdGenerator``.

    Raises:
        ConfigurationError: from ``instrument``, when an option is unknown or malformed.
    """

    _hooks: Hooks | None = None
    _session: Session | None = None

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return what must be installed for this to work."""
        return ("dbos >= 3.0",)

    @property
    def session(self) -> Session | None:
        """The instrumented period that continues now, if one does."""
        return self._session

    def _instrument(self, **kwargs: object) -> None:
        settings = InstrumentorSettings.build(kwargs, os.environ)
        session = Session(settings, kwargs.get("tracer_provider"))
        hooks = Hooks(session)
        try:
            hooks.install()
        except Exception as error:  # noqa: BLE001 - an engine that we do not know runs as if we were not there
            session.guard.caught("hooking into this version of DBOS", error)
            return
        self._session, self._hooks = session, hooks
        try:
            session.prepare_provider()
        except Exception as error:  # noqa: BLE001 - as everywhere in workers
            session.guard.caught("making the tracer provider replay-safe", error)
        session.start_capture()
        self._join(session)

    def _uninstrument(self, **kwargs: object) -> None:
        hooks, session = self._hooks, self._session
        self._hooks = self._session = None
        if hooks is not None:
            hooks.remove()
        if session is not None:
            session.stop()

    @staticmethod
    def _join(session: Session) -> None:
        """Take up an engine that was launched before us."""
        guard: Guard = session.guard
        try:
            instance = engine.launched_instance()
            if instance is not None:
                session.launching(instance)
                session.launched(instance)
        except Exception as error:  # noqa: BLE001 - as everywhere in workers
            guard.caught("joining a launched DBOS", error)
