"""Whether the caller may do something to a run, and to everything else that the same action touches.

Some actions reach further than the run that they name: a cancel with children, an undo, a retry of failed children.
Each run that would be touched is asked about, in the whole store and not in what the caller sees of it. Where one may
not be touched the whole action is refused before it begins, and the refusal tells how many, not which. Reads the store,
and only where the host gave a policy.

What a run starts after it was asked about is not asked about again: the engine cancels it with its parent, and an undo
that runs in a worker undoes it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from dashboard.errors import Forbidden, Unprocessable
from dashboard.read.seen import SEE
from dashboard.read.undo import undoable
from otel_bridge.model.runs import Run
from otel_bridge.model.status import CANCELLED_WITH_PARENT_STATUSES
from otel_bridge.store.base import StateStore

Reach = Callable[[StateStore], Iterable[Run]]
"""What an action touches besides its own run, read from the store that is given."""

MOST_ASKED = 10_000
"""So many relatives of one run are asked about; who has more cannot be cancelled or undone whole under a policy."""
AT_ONCE = 1_000
"""Relatives held at once."""


@dataclass(frozen=True, slots=True)
class Permission:
    """What one caller may do; the default allows everything.

    Args:
        policy: ``policy(action, run) -> bool``, already bound to the caller; None allows everything.
        store: every run, also those that the caller may not see.
    """

    policy: Callable[[str, Run], bool] | None = None
    store: StateStore | None = None

    def allows(self, action: str, run: Run) -> bool:
        """Say whether the caller may do this to this run."""
        return self.policy is None or self.policy(action, run)

    def require(self, action: str, run: Run) -> None:
        """Continue only if the caller may do this to this run.

        Raises:
            Forbidden: the host's policy does not allow it.
        """
        if not self.allows(action, run):
            what = f"run {run.id[:200]!r}" if run.id else f"a run of {run.workflow[:200]!r}"
            raise Forbidden(f"You are not allowed to {_words(action)} {what}.")

    def require_new(
        self,
        action: str,
        *,
        workflow: str,
        queue: str | None = None,
        attributes: Mapping[str, object] | None = None,
        namespace: str | None = None,
        run_id: str | None = None,
    ) -> None:
        """``require`` for a run that is not there yet: the policy is asked about the one that it would be.

        Raises:
            Forbidden: the host's policy does not allow it.
        """
        now_ms = int(time.time() * 1000)
        self.require(
            action,
            Run(
                id=run_id or "",
                workflow=workflow,
                status="pending",
                created_at_ms=now_ms,
                updated_at_ms=now_ms,
                queue=queue,
                namespace=namespace,
                attributes=attributes or {},
            ),
        )

    def require_queue(self, action: str, queue: str) -> None:
        """``require`` for a queue: the policy is asked about a run on it of no workflow, for it touches those of all.

        Raises:
            Forbidden: the host's policy does not allow it.
        """
        any_run = Run(id="", workflow="", status="pending", created_at_ms=0, updated_at_ms=0, queue=queue)
        if not self.allows(action, any_run):
            raise Forbidden(f"You are not allowed to {_words(action)} {queue[:200]!r}.")

    def is_anothers(self, run_id: str, seen: StateStore) -> bool:
        """Say whether there is a run of that id that the caller may not see.

        Args:
            seen: the store as the caller sees it.
        """
        if self.policy is None or self.store is None:
            return False
        return seen.get_run(run_id) is None and self.store.get_run(run_id) is not None

    def require_reach(self, action: str, reach: Reach) -> None:
        """Continue only if the caller may see, and do this to, every run that the action reaches.

        Raises:
            Forbidden: some it may not; nothing is said of them but how many they are.
            Unprocessable: they are more than can be asked about.
        """
        if self.policy is None or self.store is None:
            return
        # Counted to the end, not to the first: how many they are is all that may be said of them.
        refused = sum(1 for run in reach(self.store) if not (self.policy(SEE, run) and self.policy(action, run)))
        if refused:
            others = "another run" if refused == 1 else f"{refused} other runs"
            raise Forbidden(
                f"This would also {_words(action)} {others}, which you are not allowed to do, so nothing was done. "
                "Act on single runs, without their children; or ask somebody who may."
            )


def _words(action: str) -> str:
    return action.replace("_", " ")


def below(store: StateStore, run: Run) -> Iterator[Run]:
    """Yield the runs that a run started, and those that they started, each once.

    By both records that there are: a child names its parent, and a step names the run that it started, which another
    may have started before.

    Raises:
        Unprocessable: there are more than can be asked about.
    """
    met = 0
    for run_ids in ids_below(store, run.id):
        for child in store.get_runs(run_ids).values():
            met += 1
            if met > MOST_ASKED:
                raise Unprocessable(
                    f"More than {MOST_ASKED} runs would be touched, too many to ask the policy about. "
                    "Act on the runs that it started, a part at a time."
                )
            yield child


def ids_below(store: StateStore, run_id: str) -> Iterator[list[str]]:
    """Yield the ids of the runs that a run started, and those that they started, some at a time, each once.

    All of them, however many: a level of children after the other, in reads that take many runs at once.
    """
    met, level = {run_id}, [run_id]
    while level:
        below: list[str] = []
        started = store.started_by(level)
        while page := list(islice(started, AT_ONCE)):
            new = [child_id for child_id in dict.fromkeys(one.child_id for one in page) if child_id not in met]
            met.update(new)
            below += new
            if new:
                yield new
        level = below


def cancelled_with(store: StateStore, run: Run) -> Iterator[Run]:
    """Yield the runs that a cancel with children ends besides the run itself; dead ones are cancelled, too."""
    return (child for child in below(store, run) if child.status in CANCELLED_WITH_PARENT_STATUSES)


def undone_with(store: StateStore, run: Run) -> Iterator[Run]:
    """Yield the runs that an undo cancels or undoes besides the run itself, however they ended."""
    stopped, children = CANCELLED_WITH_PARENT_STATUSES, below(store, run)
    while some := list(islice(children, AT_ONCE)):
        able = undoable(store, [child.id for child in some if child.status not in stopped])
        yield from (child for child in some if child.status in stopped or child.id in able)
