"""What a forked child must forget: threads, locks, sockets and files that belong to its parent. Touches none of them.

Web servers fork (gunicorn ``--preload``, uWSGI), and so do multiprocessing and Celery. In the child only the thread
that forked is there: a lock that another thread held stays locked for ever, a pool waits for workers that do not exist,
and a socket is read by two processes at once. Whatever holds one of these registers here and starts afresh.
"""

from __future__ import annotations

import ctypes
import logging
import os
import threading
import weakref
from typing import Protocol

_logger = logging.getLogger("otel_bridge")
_hook_lock = threading.Lock()
_hooked = False


class Forgetful(Protocol):
    """Holds something that a forked child must not use."""

    def forget(self) -> None:
        """Start afresh in a forked child. Only this thread is there; no lock of the parent's may be taken."""


_watched: weakref.WeakSet[Forgetful] = weakref.WeakSet()


def forget_after_fork(holder: Forgetful) -> None:
    """Call ``holder.forget()`` in every child that is forked from now on, for as long as the holder lives.

    Example::

        class Connections:
            def __init__(self) -> None:
                self._lock = threading.Lock()
                forget_after_fork(self)

            def forget(self) -> None:
                self._lock = threading.Lock()
    """
    global _hooked
    _watched.add(holder)
    with _hook_lock:
        if not _hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=_forget_all)
            _hooked = True


def leave_to_parent(inherited: object) -> None:
    """Keep the parent's connection from ever being closed here, not even by the garbage collector.

    Closing would say goodbye to the parent's server, or let go of the parent's locks.

    Source: https://www.sqlite.org/howtocorrupt.html, "Carrying an open database file across a fork".
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def _forget_all() -> None:
    global _hook_lock
    _hook_lock = threading.Lock()
    for holder in list(_watched):
        try:
            holder.forget()
        except Exception:  # the others must still start afresh
            _logger.exception("%s could not be made ready for a forked process.", type(holder).__name__)
