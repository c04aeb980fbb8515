"""Rows that nobody should have written: one run is set aside, all others are exported, and doctor says which."""

from __future__ import annotations

from tests.chaos.scene import PREFIX, Scene
from tests.chaos.table import Row, fault
from tests.waiting import until

VICTIM = "damaged"
NOW_NS = 1_800_000_000_000_000_000


def _damaged(scene: Scene, *, named: bool = True, sql: str | None = None, **columns: object) -> Row:
    """A copy of a run is damaged; the bridge exports those before and after it."""
    scene.work(20, "a")
    scene.clone(f"{PREFIX}a-1", VICTIM, **columns)
    if sql is not None:
        scene.sql(sql)
    bridge = scene.bridge()
    scene.settle()
    scene.work(10, "z")
    scene.settle()
    if named:
        until(lambda: bridge.count("is set aside"), what="the damaged run to be named")
    code, words = scene.doctor()
    bridge.stop()
    scene.must((VICTIM in words) == named, f"doctor says: {words}")
    scene.must(bool(code) == named, f"doctor ended with {code}")
    return scene.row("set aside, named by doctor" if named else "exported as it is")


@fault("data")
def a_time_that_is_a_text(scene: Scene) -> Row:
    """A run completed "soon"."""
    return _damaged(scene, completed_at="soon")


@fault("data")
def a_creation_time_that_is_a_text(scene: Scene) -> Row:
    """A run was created at an ISO time, where milliseconds are declared."""
    return _damaged(scene, created_at="2026-01-01T00:00:00")


@fault("data")
def a_time_in_nanoseconds(scene: Scene) -> Row:
    """Somebody stamped in nanoseconds: no OTLP time is so late."""
    return _damaged(scene, created_at=NOW_NS, updated_at=NOW_NS, started_at_epoch_ms=NOW_NS, completed_at=NOW_NS)


@fault("data")
def times_before_1970(scene: Scene) -> Row:
    """All times of a run and its steps are negative."""
    return _damaged(
        scene, created_at=-5_000, updated_at=-5_000, started_at_epoch_ms=-5_000, completed_at=-5_000,
        step__started_at_epoch_ms=-5_000, step__completed_at_epoch_ms=-5_000,
    )  # fmt: skip


@fault("data")
def a_name_that_is_a_blob(scene: Scene) -> Row:
    """A workflow's name is bytes."""
    return _damaged(scene, name=b"\xff\x80")


@fault("data")
def a_name_that_is_not_utf8(scene: Scene) -> Row:
    """The driver cannot decode a run's name: that fails every statement which reads the row."""
    return _damaged(
        scene, sql=f"UPDATE workflow_status SET name = CAST(x'ff80' AS TEXT) WHERE workflow_uuid = '{VICTIM}'"
    )


@fault("data")
def a_step_whose_name_is_not_utf8(scene: Scene) -> Row:
    """The same of a step."""
    return _damaged(
        scene,
        sql=f"UPDATE operation_outputs SET function_name = CAST(x'ff80' AS TEXT) WHERE workflow_uuid = '{VICTIM}'",
    )


@fault("data")
def attributes_3000_deep(scene: Scene) -> Row:
    """Attributes nested 3,000 deep: they are left out, the run is exported."""
    return _damaged(scene, named=False, attributes='{"a":' * 3_000 + "1" + "}" * 3_000)


@fault("data")
def an_id_that_is_a_blob(scene: Scene) -> Row:
    """A run's id is bytes."""
    scene.work(20, "a")
    scene.clone(f"{PREFIX}a-1", VICTIM)
    scene.sql("UPDATE workflow_status SET workflow_uuid = x'ff80' WHERE workflow_uuid = ?", VICTIM)
    bridge = scene.bridge()
    scene.settle()
    bridge.stop()
    return scene.row()
