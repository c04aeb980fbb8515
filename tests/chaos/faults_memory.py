"""Memory is bounded by bytes, not by rows."""

from __future__ import annotations

import contextlib
import json
import sqlite3

from tests.chaos.scene import PREFIX, Scene, peak_mb, read, vitals
from tests.chaos.table import Row, fault

BIG_ERRORS, ERROR_BYTES = 60, 8_000_000
MANY = 100_000
MORE_MB = 150
"""A process may take so much more than before: 60 errors have 480 MB, and 100,000 steps had 587."""


@fault("memory")
def errors_of_8_mb(scene: Scene) -> Row:
    """Sixty runs failed with 8 MB of error each: all are exported, the bridge stays small."""
    scene.work(10, "a")
    bridge = scene.bridge()
    scene.settle()
    before = vitals(bridge.pid)
    error = json.dumps({"name": "ValueError", "message": "x" * ERROR_BYTES})
    for number in range(BIG_ERRORS):
        run_id = f"{PREFIX}big-{number}"
        scene.clone(f"{PREFIX}a-5", run_id, step__error=error, step__serialization="portable_json")
    scene.settle(timeout_s=240)  # 480 MB of errors to decode
    after = vitals(bridge.pid)
    peak = peak_mb(bridge.pid)
    bridge.stop()
    scene.must(peak < before.memory_mb + MORE_MB, f"the bridge took {peak} MB, {before.memory_mb} before")
    row = scene.row(f"{BIG_ERRORS} x 8 MB; peak {peak} MB")
    row.before, row.after = before, after
    return row


@fault("memory")
def a_run_of_100000_steps_and_children(scene: Scene) -> Row:
    """The page and the bridge read one run of 100,000 steps, and one of as many children."""
    scene.work(5, "a")
    long, parent = f"{PREFIX}-long", f"{PREFIX}-parent"
    scene.clone(f"{PREFIX}a-1", long)
    scene.clone(f"{PREFIX}a-1", parent)
    with contextlib.closing(sqlite3.connect(scene.url.removeprefix("sqlite:///"), timeout=30)) as connection:
        for table, changes in (
            ("operation_outputs", {"function_id": "n + 10", "workflow_uuid": f"'{long}'"}),
            ("workflow_status", {"workflow_uuid": "'child-' || n", "parent_workflow_id": f"'{parent}'"}),
        ):
            names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            select = ", ".join(changes.get(name, f"o.{name}") for name in names)
            one = f"(SELECT * FROM {table} WHERE workflow_uuid = '{PREFIX}a-1' LIMIT 1)"
            connection.execute(
                f"WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < {MANY}) "
                f"INSERT INTO {table} ({', '.join(names)}) SELECT {select} FROM g, {one} o"
            )
        connection.commit()
    server, base = scene.dashboard()
    read(f"{base}/api/runs/{PREFIX}a-1")
    before = vitals(server.pid)
    sizes = [
        len(read(f"{base}/api/runs/{run_id}{part}"))
        for run_id in (long, parent) for part in ("", "/graph", "?from=50000")
    ]  # fmt: skip
    after, peak = vitals(server.pid), peak_mb(server.pid)
    server.stop()
    bridge = scene.bridge()
    scene.settle(timeout_s=420)
    bridge_peak = peak_mb(bridge.pid)
    bridge.stop()
    scene.must(max(sizes) < 4_000_000, f"answers of {sizes} bytes")
    scene.must(peak < before.memory_mb + 2 * MORE_MB, f"the server took {peak} MB, {before.memory_mb} before")
    row = scene.row(f"answers up to {max(sizes):,} bytes; server's peak {peak} MB, bridge's {bridge_peak} MB")
    row.note += f", server {before.memory_mb} MB before, {after.memory_mb} after"
    return row
