"""What a forked child must forget: threads, locks, sockets and files that belong to its parent. Touches none of them.

Web servers fork (gunicorn ``--preload``, uWSGI), and so do multiprocessing and Celery. In the child only the thread
that forked is there: a lock that another thread held stays locked for ever, a pool waits for workers that do not exist,
and a socket is read by two processes at once. Whatever holds one of these registers here and starts afresh.

SQLite keeps what it has locked in the process's memory. A child that is forked in the middle of a transaction takes the
file for locked by itself, for good, and one that inherits an open connection has no lock where it believes to have one.
So before a fork such connections are finished with and closed; the parent opens them again at the next use.
Source: https://www.sqlite.org/howtocorrupt.html, "Carrying an open database file across a fork".
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


class Pausing(Forgetful, Protocol):
    """Holds something that must not even be open during a fork."""

    def pause(self) -> None:
        """Before a fork: finish, close, and keep others from opening. Waits ``PAUSE_S`` at most for other threads."""

    def resume(self) -> None:
        """After a fork, in the parent: let others continue."""


# Longer than any holder waits for a file that another process has locked: a fork that takes place all the same leaves
# the child with locks that nobody lets go of.
PAUSE_S = 15.0
_watched: weakref.WeakSet[Forgetful] = weakref.WeakSet()
_pausing: weakref.WeakSet[Pausing] = weakref.WeakSet()
_paused: list[Pausing] = []
# One fork at a time, and from the moment everything is paused nobody joins (and opens a file) until it is over.
_forking = threading.Lock()
_joining = threading.Lock()


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
    _watched.add(holder)
    _hook()


def pause_at_fork(holder: Pausing) -> None:
    """Call ``pause`` before every fork from now on, then ``resume`` in the parent and ``forget`` in the child."""
    with _joining:
        _pausing.add(holder)
    _hook()


def _hook() -> None:
    global _hooked
    with _hook_lock:
        if not _hooked and hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_pause_all, after_in_parent=_resume_all, after_in_child=_forget_all)
            _hooked = True


def leave_to_parent(inherited: object) -> None:
    """Keep the parent's connection from ever being closed here, not even by the garbage collector.

    Closing would say goodbye to the parent's server, or let go of the parent's locks.

    Source: https://www.sqlite.org/howtocorrupt.html, "Carrying an open database file across a fork".
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(inherited))


def _pause_all() -> None:
    _forking.acquire()
    tried: list[Pausing] = []
    while True:
        # Pausing one holder waits for other threads, which may make another one meanwhile: ask again until none is new.
        _joining.acquire()
        fresh = [holder for holder in _pausing if not any(holder is one for one in tried)]
        if not fresh:
            return
        _joining.release()
        for holder in fresh:
            tried.append(holder)
            try:
                holder.pause()
            except Exception:  # the fork takes place all the same
                _logger.exception("%s could not be made ready for a fork.", type(holder).__name__)
            else:
                _paused.append(holder)


def _resume_all() -> None:
    if not _forking.locked():  # the hook was set while the fork was under way
        return
    while _paused:
        _paused.pop().resume()
    _joining.release()
    _forking.release()


def _forget_all() -> None:
    global _hook_lock, _forking, _joining
    _hook_lock, _forking, _joining = threading.Lock(), threading.Lock(), threading.Lock()
    _paused.clear()
    for holder in [*_pausing, *_watched]:
        try:
            holder.forget()
        except Exception:  # the others must still start afresh
            _logger.exception("%s could not be made ready for a forked process.", type(holder).__name__)
