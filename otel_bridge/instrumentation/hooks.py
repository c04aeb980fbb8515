"""Replaces methods of DBOS by guarded ones, and puts them back. Nothing that goes wrong in them gets out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from otel_bridge.instrumentation import engine
from otel_bridge.instrumentation.guard import untraced
from otel_bridge.instrumentation.session import SCOPES, Session

_HOOKS = "_durable_hooks"
"""Attribute of our methods: their hooks, and what they replaced."""


def _less_retired(method: object) -> Any:
    """Return the method without ours around it that have nothing left to do."""
    while (ours := getattr(method, _HOOKS, None)) is not None and ours[0]._retired:
        method = ours[1]
    return method


class Hooks:
    """The methods as we found them, and ours in their place."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._active = False
        self._found: list[tuple[type, str, Any, Any]] = []

    def install(self) -> None:
        """Put our methods in place.

        Raises:
            ImportError, AttributeError: this DBOS is unlike those that we know; nothing was replaced.
        """
        makers: dict[str, Callable[[Any], Any]] = {
            "_start_span": self._start_span,
            "_end_span": self._end_span,
            "_launch": self._launch,
            "_destroy": self._destroy,
            "create": self._create,
            "__enter__": self._begin_attempt,
            "__exit__": self._end_attempt,
        }
        points = engine.hooks()
        self._active = True
        for owner, name in points:
            original = owner.__dict__[name]
            ours = makers[name](original)
            setattr(ours, _HOOKS, (self, original))
            setattr(owner, name, ours)
            self._found.append((owner, name, original, ours))

    def remove(self) -> None:
        """Put the originals back. What was entered is still left properly: its hook goes when the last one is."""
        self._active = False
        self._restore(keep_end=bool(self._session.in_flight))

    def _restore(self, *, keep_end: bool) -> None:
        kept = []
        for owner, name, original, ours in self._found:
            if keep_end and name == "_end_span":
                kept.append((owner, name, original, ours))
            elif owner.__dict__.get(name) is ours:
                setattr(owner, name, _less_retired(original))
        self._found = kept

    @property
    def _retired(self) -> bool:
        return not self._active and not self._session.in_flight

    # -- the methods ------------------------------------------------------------------------------------------

    def _start_span(self, original: Callable[..., None]) -> Callable[..., None]:
        session = self._session

        def _start_span(context: object, attributes: object) -> None:
            if not self._active:
                original(context, attributes)
                return
            scope = None
            try:
                scope = session.enter(context, attributes)
            except Exception as error:  # noqa: BLE001 - telemetry never breaks a workflow
                session.guard.caught("entering a step", error)
            context.__dict__.setdefault(SCOPES, []).append((session, scope))

        return _start_span

    def _end_span(self, original: Callable[..., None]) -> Callable[..., None]:
        session = self._session

        def _end_span(context: Any, exc_value: BaseException | None) -> None:
            scopes = context.__dict__.get(SCOPES)
            if not scopes:
                if context.context_spans or not self._active:
                    original(context, exc_value)
                return
            owner, scope = scopes[-1]
            if owner is not session:
                original(context, exc_value)
                return
            scopes.pop()
            try:
                if scope is not None:
                    session.leave(scope, exc_value)
                if not self._active and not session.in_flight:
                    self._restore(keep_end=False)
            except Exception as error:  # noqa: BLE001 - telemetry never breaks a workflow
                session.guard.caught("leaving a step", error)

        return _end_span

    def _begin_attempt(self, original: Callable[..., object]) -> Callable[..., Any]:
        def enter(attempt: object) -> Any:
            self._guarded("beginning an attempt of a step", self._session.attempting, attempt)
            return original(attempt)

        return enter

    def _end_attempt(self, original: Callable[..., object]) -> Callable[..., Any]:
        def leave(attempt: object, kind: object, error: BaseException | None, trace: object) -> Any:
            self._guarded("ending an attempt of a step", self._session.attempted, attempt, error)
            return original(attempt, kind, error, trace)

        return leave

    def _launch(self, original: Callable[..., None]) -> Callable[..., None]:
        session = self._session

        def _launch(instance: object, *args: object, **kwargs: object) -> None:
            if not getattr(instance, "_launched", False):  # a second launch does nothing
                self._guarded("preparing for DBOS.launch", session.launching, instance)
            original(instance, *args, **kwargs)
            self._guarded("starting presence", session.launched, instance)

        return _launch

    def _destroy(self, original: Callable[..., None]) -> Callable[..., None]:
        session = self._session

        def _destroy(instance: object, *args: object, **kwargs: object) -> None:
            try:
                original(instance, *args, **kwargs)
            finally:
                self._guarded("signing off", session.destroyed)

        return _destroy

    def _create(self, original: Callable[..., object]) -> Callable[..., Any]:
        def create(*args: object, **kwargs: object) -> Any:
            if not self._active:
                return original(*args, **kwargs)
            with untraced():  # an SQLAlchemy engine made under it is never instrumented
                database = original(*args, **kwargs)
            self._guarded("keeping the engine's own statements out of traces", self._keep_out, database)
            return database

        return create

    def _keep_out(self, database: object) -> None:
        engine.keep_out_of_traces(database, while_true=lambda: self._active)

    def _guarded(self, kind: str, function: Callable[..., None], *args: object) -> None:
        if not self._active:
            return
        try:
            function(*args)
        except Exception as error:  # noqa: BLE001 - telemetry never breaks a workflow
            self._session.guard.caught(kind, error)
