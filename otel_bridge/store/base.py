"""The ``StateStore`` protocol: everything this product reads from the engine. Declares; touches nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from otel_bridge.model.fleet import QueueInfo, ScheduleInfo, StoreInfo
from otel_bridge.model.runs import (
    Activity,
    Backlog,
    Facet,
    Grid,
    OpenWait,
    Question,
    Run,
    RunPage,
    RunQuery,
    StartedRun,
)
from otel_bridge.model.steps import RecordedOperation, Step, StepCounts, StepKey, StepPart
from otel_bridge.model.values import PayloadName, PublishedEvent, StoredValue, StreamEntry, UnreadMessage

DEFAULT_PAYLOAD_CAP_BYTES = 64 * 1024


def skips_at_once(query: RunQuery) -> bool:
    """Say whether a store finds the place behind an offset in one statement: where the runs' own rows tell all.

    Behind any other filter's offset it gets page by page.
    """
    return query.text is None and query.statuses <= {"completed"}


class StateStore(Protocol):
    """A read-only view of the engine's system database. Safe to share between threads.

    Every method opens a short read and closes it before it returns; none writes, migrates or unpickles.
    All may raise ``StoreUnavailableError``.
    """

    @property
    def url(self) -> str:
        """The database URL as given, credentials included: for the ledger and the engine's client. Never log it."""

    @property
    def engine_schema(self) -> str:
        """On Postgres, where the engine keeps its tables; ``dbos`` where the database knows no schemas."""

    def check(self) -> StoreInfo:
        """Look at the schema.

        Raises:
            StoreMissingError, NotADbosDatabaseError, StoreUnavailableError: each names the database.
        """

    def now_ms(self) -> int:
        """The clock that the database stamps rows with."""

    # -- runs ---------------------------------------------------------------------------------------------

    def list_runs(self, query: RunQuery) -> RunPage:
        """Return one page, newest first, statuses and waiting derived, no payloads.

        Raises:
            InvalidCursorError: ``query.cursor`` was not issued by a store of this kind.
        """

    def facets(self, query: RunQuery, *, by_workflow: bool = False, exact: bool = False) -> list[Facet]:
        """Count runs by status (and workflow) over ``query`` less its ``statuses``, page and limit.

        Failed, cancelled and dead runs are counted exactly at any size.

        Args:
            exact: count the others to the last one too, however long it takes.
        """

    def activity(self, query: RunQuery, grid: Grid) -> Activity:
        """Count the ended runs of ``query`` by status and the part of ``grid`` in which they were created.

        Its statuses, times and page do not count. Failed, cancelled and dead runs are counted exactly at any size.
        """

    def backlog(self, query: RunQuery, *, old_ms: int, grid: Grid | None = None) -> list[Backlog]:
        """Group the queued runs of ``query`` by what decides who may pick them up; its statuses and page do not count.

        Args:
            old_ms: runs created up to then, and those created later, are in different groups.
            grid: so are runs created in its different parts; none else is counted.
        """

    def get_run(self, run_id: str) -> Run | None:
        """Return one run, or None."""

    def get_runs(self, run_ids: Sequence[str]) -> dict[str, Run]:
        """Return the runs that exist among ``run_ids``, by id."""

    def children(self, run_id: str, *, limit: int = 1000) -> list[Run]:
        """Return the runs that ``run_id`` started, oldest first."""

    def forks(self, run_id: str, *, limit: int = 1000) -> list[Run]:
        """Return the runs forked from ``run_id``, oldest first."""

    def started_by(self, run_ids: Sequence[str]) -> Iterator[StartedRun]:
        """Yield the runs that these runs started, in bounded memory, however many: their ids, no more.

        By both records that there are, so that most come twice: a step names the run that it started, which another
        may have started before, and a child names its parent. An undo of ours is not a child.
        """

    def declaring_undo(self, run_ids: Sequence[str]) -> set[str]:
        """Return those of the runs that declared how to undo a step of theirs."""

    def get_payload(
        self, run_id: str, name: PayloadName, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> StoredValue | None:
        """Return a run's stored input, output or error; ``cap_bytes=None`` returns all of it."""

    # -- steps --------------------------------------------------------------------------------------------

    def get_steps(self, run_id: str, *, errors: bool = False) -> list[Step]:
        """Return a run's steps by ``seq``, folded, without payloads (with stored errors, if asked)."""

    def step_outputs(self, run_id: str, names: Sequence[str]) -> list[tuple[str, StoredValue]]:
        """Return (name, output) of the run's recorded steps of these names, by ``seq``, whole, in one read."""

    def get_steps_of(
        self,
        run_ids: Sequence[str],
        *,
        errors: bool = False,
        most_rows: int | None = None,
        least_one: bool = True,
        last_rows: int | None = None,
    ) -> dict[str, list[Step]]:
        """``get_steps`` for many runs in few reads. A run without steps has an empty list.

        Args:
            most_rows: bounds what is read at once: some of the runs, at least one, may be all that is returned.
            least_one: False: none, where the first has more rows than that alone.
            last_rows: of a run with more rows, only the steps that its last ones make.
        """

    def get_step_part(
        self, run_id: str, *, start: int | None = None, limit: int, whole_rows: int = 0, errors: bool = False
    ) -> StepPart:
        """Return the steps that ``limit`` rows of a run make, in memory that does not grow with the run.

        Parts that begin where the one before says are ``get_steps``, each step once; some may be empty.

        Args:
            start: the ``seq`` to begin with; None begins at the first.
            whole_rows: from the beginning, a run with no more rows than this is returned whole.

        Example::

            part = store.get_step_part("order-1", limit=500)
            rest = store.get_step_part("order-1", start=part.next_seq, limit=500)
        """

    def count_steps(self, run_id: str) -> StepCounts:
        """Return how many steps ``get_steps`` would return, and how many rows hold an error; none of them is read."""

    def last_step_number(self, run_id: str) -> int | None:
        """Return the number of the run's last step row; None for a run without any."""

    def get_step_errors(self, run_id: str, seqs: Sequence[int]) -> dict[int, StoredValue]:
        """Return the stored errors of a run's rows by their numbers (``Step.error_seq``); of rows without one, none.

        Long ones are whole up to a total of some megabytes, so ask for a few dozens at once.
        """

    def get_step(self, run_id: str, seq: int, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES) -> Step | None:
        """Return one step with its stored output and error."""

    def recording(
        self, run_id: str, *, limit: int, cap_bytes: int = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> list[RecordedOperation]:
        """Return the first ``limit`` rows that the engine would replay the run from, by number, unfolded."""

    # -- the rest of what people look at ---------------------------------------------------------------------

    def published_events(
        self, run_id: str, *, own: bool = False, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> list[PublishedEvent]:
        """Return what the run published by ``set_event``, by key, without our ``durable.*`` keys (or only those)."""

    def published_event(
        self, run_id: str, key: str, *, cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES
    ) -> PublishedEvent | None:
        """Return one published value, ``durable.*`` keys included, or None."""

    def streams(self, run_id: str) -> dict[str, tuple[int, bool]]:
        """Return the run's streams by name: how many values each has, and whether it was closed."""

    def stream_entries(
        self,
        run_id: str,
        stream: str,
        *,
        after: int = -1,
        limit: int = 500,
        cap_bytes: int | None = DEFAULT_PAYLOAD_CAP_BYTES,
    ) -> list[StreamEntry]:
        """Return what the run wrote to a stream behind an offset, in order."""

    def unread_messages(self, run_id: str) -> list[UnreadMessage]:
        """Return messages that were sent to the run and not received yet, oldest first, whole."""

    def open_waits(self, run_id: str) -> list[OpenWait]:
        """Return the waits of ``dashboard.workflow`` that an open run is in, side by side, by ``seq``."""

    def questions(
        self, *, most_runs: int = 20_000, run_ids: Sequence[str] | None = None
    ) -> tuple[list[Question], bool]:
        """Return the waits of all open runs that people are to answer, oldest first, and whether that is all of them.

        Args:
            most_runs: so many open runs are looked at, the oldest.
            run_ids: of these runs only.
        """

    def queues(self, *, backlog: bool = True) -> list[QueueInfo]:
        """Return every queue that is registered or that an unfinished run waits on.

        Args:
            backlog: False: only the registered ones, with nothing counted, for the cost of one small read.
        """

    def schedules(self) -> list[ScheduleInfo]:
        """Return the engine's schedules, by name."""

    # -- the tail -------------------------------------------------------------------------------------------

    def change_token(self) -> object | None:
        """Return a cheap value that differs once anything was committed since; None when the store has none."""

    def recent_mark(self, *, runs_since_ms: int, steps_since_ms: int) -> object | None:
        """Return a value that differs once rows stamped since were written, updated or deleted; None: not known.

        For a database in which others commit all the time: far cheaper than reading those rows again.

        Args:
            runs_since_ms: looked at are runs created, started or completed since.
            steps_since_ms: and steps recorded since.
        """

    def steps_recorded_since(self, since_ms: int, *, limit: int, after: StepKey | None = None) -> list[StepKey]:
        """Return step rows recorded at or after ``since_ms`` (database clock), oldest first, by an index range.

        Args:
            after: the last row of a full answer (``limit`` rows), which may end inside one millisecond: with its stamp
                as ``since_ms`` the rows after it follow.
        """

    def runs_changed_since(self, since_ms: int, *, limit: int, after: str | None = None) -> list[Run]:
        """Return runs created, started or completed at or after ``since_ms``, oldest change first, by index ranges.

        Statuses and waiting are derived as in ``get_runs``.

        Args:
            after: id of the last run of a full answer, which may end inside one millisecond: with its stamp as
                ``since_ms`` the runs after it follow.
        """

    def inserted_late(
        self, mark: tuple[int, int] | None, *, before_ms: int
    ) -> tuple[list[str], tuple[int, int] | None]:
        """Return runs with rows that were inserted since ``mark`` and stamped before ``before_ms``, and the next mark.

        Where workers stamp rows, one whose clock is behind stamps them where nobody looks any more. No mark, and
        nothing found, where the database stamps them itself.

        Args:
            mark: of the call before; None for the first, which finds nothing.
        """

    def open_marks(self, *, limit: int) -> dict[str, object]:
        """Return the newest ``limit`` runs that have not ended, each with a value that differs once its row does.

        Cheap: nothing is derived, and what a run waits for is not part of it.
        """

    def open_runs(self, *, limit: int) -> list[Run]:
        """Return runs that have not ended, newest first, up to ``limit``. Derived as in ``get_runs``."""

    def iter_runs(
        self, *, since_ms: int | None = None, until_ms: int | None = None, after: tuple[int, str] | None = None
    ) -> Iterator[Run]:
        """Yield every run created in ``[since_ms, until_ms)``, oldest first, in bounded memory; for backfills.

        No transaction is held between pages.

        Args:
            after: (creation time, run id) of the last run seen; continues after it, within the same millisecond too.
        """

    def close(self) -> None:
        """Release connections. Idempotent."""
