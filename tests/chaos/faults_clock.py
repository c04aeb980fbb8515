"""Clocks that are wrong, and are set right again."""

from __future__ import annotations

from tests.chaos.scene import PREFIX, Scene
from tests.chaos.table import Row, fault

YEAR_2200_MS = 7_258_118_400_000


def _worker(scene: Scene, clock: str) -> Row:
    """Some runs by a right clock, some by a wrong one, some by a right one again; one bridge watches."""
    bridge = scene.bridge()
    scene.work(15, "a")
    scene.work(5, "off", clock=clock)
    scene.work(15, "z")
    scene.settle()
    bridge.stop()
    return scene.row()


@fault("clock")
def a_worker_an_hour_ahead(scene: Scene) -> Row:
    """A worker's clock is an hour ahead, and then right: what is stamped rightly afterwards is found too."""
    return _worker(scene, "+1h")


@fault("clock")
def a_worker_an_hour_behind(scene: Scene) -> Row:
    """A worker's clock is an hour behind the bridge's."""
    return _worker(scene, "-1h")


@fault("clock")
def a_bridge_an_hour_ahead(scene: Scene) -> Row:
    """The bridge's machine is an hour ahead; it is set right, and the bridge restarted."""
    bridge = scene.bridge(clock="+1h")
    scene.work(15, "a")
    scene.settle()
    bridge.stop()
    bridge = scene.bridge()
    scene.work(15, "z")
    scene.settle()
    bridge.stop()
    return scene.row()


@fault("clock")
def a_run_of_the_year_2200(scene: Scene) -> Row:
    """One row from the future: the cursor does not follow it."""
    scene.work(10, "a")
    stamps = dict.fromkeys(
        ("created_at", "updated_at", "started_at_epoch_ms", "completed_at", "step__started_at_epoch_ms",
         "step__completed_at_epoch_ms", "step__retention_timestamp"), YEAR_2200_MS,
    )  # fmt: skip
    scene.clone(f"{PREFIX}a-1", f"{PREFIX}-2200", **stamps)
    bridge = scene.bridge()
    scene.settle()
    scene.work(10, "z")
    scene.settle()
    code, words = scene.doctor()
    bridge.stop()
    scene.must("everything is exported" in words, f"doctor ended with {code}: {words}")
    return scene.row()
