"""Record the databases of the conformance kit from real DBOS: ``python -m tests.conformance.record``.

Two recordings of one database, ``1.sql`` and ``2.sql`` in ``data/``, as text that ``sqlite3`` reads: the first while
runs are open and have failed, the second after crashes, recovery, retry and the rest. What they become is written by
``python -m tests.conformance.expect``, and read by people before it is committed.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from dbos import SetWorkflowID, run_dbos_database_migrations

from dashboard.actions import cancel
from tests.actions import world as worlds
from tests.actions.world import World
from tests.databases import make_wal
from tests.waiting import until

DATA = Path(__file__).with_name("data")
TABLES = (
    "workflow_status", "workflow_input", "workflow_output", "operation_outputs", "workflow_events",
    "workflow_events_history", "notifications", "streams", "queues", "workflow_schedules", "dbos_migrations",
)  # fmt: skip
STARTED = {
    "crash-1": ("crash", "once"), "crash-2": ("crash", "twice"), "dead-1": ("doomed",), "retry-1": ("fails",),
    "simple-1": ("simple",),
    "attempts-1": ("retried_step",), "family-1": ("family",), "suspended-1": ("suspended",), "asleep-1": ("asleep",),
    "cancelled-1": ("suspended",), "undone-1": ("saga",),
}  # fmt: skip


def in_step(world: World, name: str) -> None:
    """Wait until the last worker executes that step."""
    path = world.dir / f"in-{name}-{world.workers[-1].pid}"
    until(path.exists, what=f"a worker to be in step {name}")


def snapshot(url: str, path: Path) -> None:
    """Write the engine's tables as SQL, less their indexes and what recording them added."""
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as source, path.open("w", encoding="utf-8") as file:
        for line in source.iterdump():
            begins = line.split("(")[0].replace('"', "").replace("IF NOT EXISTS ", "").split()
            if len(begins) > 2 and begins[:2] in (["CREATE", "TABLE"], ["INSERT", "INTO"]) and begins[2] in TABLES:
                file.write(line + "\n")


def record(world: World) -> None:
    """Live through everything; write both recordings."""
    world.worker()
    for run_id, (workflow, *args) in STARTED.items():
        world.start(workflow, *args, run_id=run_id)
    for name in ("once", "twice", "never"):
        in_step(world, name)
    for run_id, status in {
        "retry-1": "failed", "simple-1": "completed", "attempts-1": "completed", "family-1": "completed",
        "suspended-1": "suspended", "asleep-1": "suspended", "cancelled-1": "suspended", "undone-1": "suspended",
    }.items():  # fmt: skip
        world.reaches(run_id, status)
    world.workers[-1].kill()
    snapshot(world.url, DATA / "1.sql")

    world.touch("go-once")
    world.touch("mended")
    world.worker()
    world.reaches("crash-1", "completed")
    for name in ("twice", "never"):
        in_step(world, name)
    world.workers[-1].kill()
    world.touch("go-twice")
    world.worker()
    world.reaches("crash-2", "completed")
    world.reaches("dead-1", "dead")
    world.start("clock_jumps", run_id="clock-1")
    world.reaches("clock-1", "completed")
    world.workers[-1].kill()  # its clock is an hour behind
    world.worker()
    with world.ctx.engine.use(fast_queue=True) as client:
        client.rewind_workflow("retry-1", start_step=2, application_version="v1")
        with SetWorkflowID("fork-1"):
            client.fork_workflow("simple-1", 3)
        client.send("suspended-1", "yes", "approval")
        client.cancel_workflow("cancelled-1")
    cancel.cancel(world.ctx, "undone-1", actor="ann", compensate=True)
    for run_id in ("retry-1", "fork-1", "suspended-1", "undo:undone-1"):
        world.reaches(run_id, "completed")
    snapshot(world.url, DATA / "2.sql")


def main() -> None:
    """Record into ``data/``."""
    worlds.SCRIPT = "tests.conformance.worker"
    with tempfile.TemporaryDirectory(prefix="durable-conformance-") as name:
        url = make_wal(Path(name) / "app.sqlite")
        run_dbos_database_migrations(url)
        world = World(url, Path(name))
        try:
            record(world)
        except AssertionError as error:
            sys.exit(f"{error}\n{world.workers[-1].text[-3000:]}")
        finally:
            world.close()


if __name__ == "__main__":
    main()
