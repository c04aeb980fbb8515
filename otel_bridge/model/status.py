"""The statuses of a run in one table: what each means for showing, filtering, counting and acting. Pure data.

Everything else that asks "has it ended", "may it be retried" or "what does the engine call it" reads this table, or
one of the sets made from it below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

RunStatus = Literal[
    "pending", "running", "suspended", "cancelling", "completed", "failed", "cancelled", "dead", "blocked"
]
RUN_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFacts:
    """What one status means.

    Args:
        ended: the run's own execution is over, so that only an action makes it move again.
        open: more may happen to it by itself. A run that is being undone has ended and is open.
        retriable: a retry makes it live again.
        cancellable: there is something to cancel.
        held: an executor may have taken it.
        may_be_blocked: presence may show it as ``blocked``.
        cancel_asked: somebody cancelled it, and its undo may still be under way.
        by_own_code: its code returned or raised; neither a cancel nor the engine ended it.
        by_row: its own row tells it, but where an undo has begun since: of the others the last steps are looked at.
        engine: the engine's words for it. None for a status that the engine's row alone does not tell.
    """

    ended: bool = False
    open: bool = False
    retriable: bool = False
    cancellable: bool = False
    held: bool = False
    may_be_blocked: bool = False
    cancel_asked: bool = False
    by_own_code: bool = False
    by_row: bool = False
    engine: tuple[str, ...] = ()


STATUSES: Mapping[RunStatus, StatusFacts] = {
    "pending": StatusFacts(
        open=True, cancellable=True, may_be_blocked=True, by_row=True, engine=("ENQUEUED", "DELAYED")
    ),
    "running": StatusFacts(open=True, cancellable=True, held=True, may_be_blocked=True, engine=("PENDING",)),
    # the engine says PENDING of a run that waits, too; its last steps tell the two apart
    "suspended": StatusFacts(open=True, cancellable=True, held=True, may_be_blocked=True, engine=("PENDING",)),
    "cancelling": StatusFacts(ended=True, open=True, cancel_asked=True),
    "completed": StatusFacts(ended=True, by_own_code=True, by_row=True, engine=("SUCCESS",)),
    "failed": StatusFacts(ended=True, retriable=True, by_own_code=True, engine=("ERROR",)),
    "cancelled": StatusFacts(ended=True, retriable=True, cancel_asked=True, engine=("CANCELLED",)),
    "dead": StatusFacts(ended=True, retriable=True, engine=("MAX_RECOVERY_ATTEMPTS_EXCEEDED",)),
    "blocked": StatusFacts(open=True, cancellable=True, held=True),
}
"""One row for each status."""

ENDED_STATUSES = frozenset(status for status, facts in STATUSES.items() if facts.ended)
OPEN_STATUSES = frozenset(status for status, facts in STATUSES.items() if facts.open)
TERMINAL_STATUSES = frozenset(STATUSES) - OPEN_STATUSES
UNSUCCESSFUL_STATUSES = TERMINAL_STATUSES - {"completed"}
FAILED_STATUSES = UNSUCCESSFUL_STATUSES - {"cancelled"}
"""Ended with an error, and not because somebody wanted it."""
RETRIABLE_STATUSES = frozenset(status for status, facts in STATUSES.items() if facts.retriable)
CANCELLABLE_STATUSES = frozenset(status for status, facts in STATUSES.items() if facts.cancellable)
TAKEN_STATUSES = frozenset(status for status, facts in STATUSES.items() if "PENDING" in facts.engine)
HELD_STATUSES = frozenset(status for status, facts in STATUSES.items() if facts.held)
BLOCKABLE_STATUSES = frozenset(status for status, facts in STATUSES.items() if facts.may_be_blocked)
CANCELLED_STATUSES = frozenset(status for status, facts in STATUSES.items() if facts.cancel_asked)
RETURNED_STATUSES = frozenset(status for status, facts in STATUSES.items() if facts.by_own_code)
STOPPED_STATUSES = TERMINAL_STATUSES - RETURNED_STATUSES
"""Ended by a cancel, or given up by the engine, perhaps before a worker took it."""
FORGETFUL_STATUSES = STOPPED_STATUSES | CANCELLED_STATUSES
"""What a run may be shown as whose row has no start although it was executed: the engine clears it."""
BY_ROW_STATUSES = frozenset(status for status, facts in STATUSES.items() if facts.by_row)
CANCELLED_WITH_PARENT_STATUSES = CANCELLABLE_STATUSES | {"dead"}
"""What a cancel with children makes ``cancelled``: the engine does so with dead ones, too."""
UNDOABLE_STATUSES = frozenset(STATUSES) - {"completed", "cancelling"}
"""A completed run has kept its promise, and one undo of a run is enough."""
RATED_STATUSES = TERMINAL_STATUSES - CANCELLED_STATUSES
"""What a failure rate is about: a run that somebody cancelled neither failed nor succeeded."""

# -- the engine's words --------------------------------------------------------------------------------------------

_FORMER_WORDS: Mapping[str, RunStatus] = {"RETRIES_EXCEEDED": "dead"}
"""What rows of engines before 1.0 say."""
_FIRST_SIGHT: Mapping[str, RunStatus] = {
    word: status for status, facts in reversed(tuple(STATUSES.items())) for word in facts.engine
}
STATUS_OF: Mapping[str, RunStatus] = {**_FIRST_SIGHT, **_FORMER_WORDS}
"""Status by the engine's word, before waiting, undo and presence are looked at."""
ENGINE_OPEN = tuple(dict.fromkeys(word for status in ("running", "pending") for word in STATUSES[status].engine))
"""Words for runs that have not ended."""
ENGINE_FAILED = tuple(word for status in ("failed", "cancelled", "dead") for word in STATUSES[status].engine)
"""Words for runs that ended otherwise than well: the engine keeps one partial index of all three."""
ENGINE_QUEUED = "ENQUEUED"
ENGINE_IN_FLIGHT = (ENGINE_QUEUED, "PENDING")
"""Words for runs that wait on a queue or execute: the engine keeps one partial index of both."""


def shown_as(status: RunStatus) -> frozenset[RunStatus]:
    """Return what a run may be shown as whose rows say ``status``: itself, and ``blocked`` where presence may say so.

    Example:
        >>> sorted(shown_as("pending"))
        ['blocked', 'pending']
    """
    return frozenset({status, "blocked"}) if STATUSES[status].may_be_blocked else frozenset({status})


def status_of(word: str | None) -> RunStatus:
    """Return the status for an engine's word, before waiting, undo and presence are looked at.

    A word of a newer engine reads as ``running``: not ended, and nothing is claimed of it.

    Example:
        >>> status_of("ERROR"), status_of("PENDING"), status_of("SOMETHING_NEW")
        ('failed', 'running', 'running')
    """
    return STATUS_OF.get(word or "", "running")
