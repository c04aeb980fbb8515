"""Processes that are killed, stopped and forked at points that the seed chooses."""

from __future__ import annotations

import signal
import time

from tests.chaos.scene import Scene
from tests.chaos.table import Row, fault
from tests.programs import Program
from tests.waiting import until

KILLS = 6


@fault("kill")
def a_bridge_killed_at_random_points(scene: Scene) -> Row:
    """kill -9, again and again, while workflows run: spans are late, none is lost, copies are equal."""
    application = scene.start_work(60, "a", "--pause", "0.1")
    for _ in range(KILLS):
        bridge = scene.bridge()
        _await_more(scene, application)
        time.sleep(scene.random.random())  # a point of the seed's choice
        bridge.kill()
    application.wait(120)
    scene.note_work(application, 60)
    bridge = scene.bridge()
    scene.settle()
    bridge.stop()
    return scene.row(f"killed {KILLS} times")


def _await_more(scene: Scene, application: Program) -> None:
    """Return once more spans have come, or there will be none."""
    seen = len(scene.collector.seen)
    until(lambda: len(scene.collector.seen) > seen or application.ended, what="more spans")


@fault("kill")
def workers_killed_at_random_points(scene: Scene) -> Row:
    """kill -9 of the application in the middle of workflows: the next one recovers them, each has one trace."""
    bridge = scene.bridge()
    for _ in range(3):
        worker = scene.start_work(200, "k", "--pause", "0.05")
        _await_runs(scene, _runs(scene) + 4)
        time.sleep(scene.random.random())  # a point of the seed's choice
        worker.kill()
    scene.work(5, "z")
    scene.settle()
    bridge.stop()
    return scene.row("killed 3 times")


def _await_runs(scene: Scene, count: int) -> None:
    until(lambda: _runs(scene) >= count, what="some workflows", timeout_s=60)


def _runs(scene: Scene) -> int:
    return int(scene.sql("SELECT count(*) FROM workflow_status")[0][0])


@fault("kill")
def a_bridge_paused_for_longer_than_its_lease(scene: Scene) -> Row:
    """SIGSTOP: another takes over; the first, awake again, is fenced."""
    first = scene.bridge()
    scene.work(10, "a")
    scene.settle()
    second = scene.bridge()
    until(lambda: second.count("Standing by"), what="the second to stand by")
    first.process.send_signal(signal.SIGSTOP)
    scene.work(10, "b")
    scene.settle()
    first.process.send_signal(signal.SIGCONT)
    scene.work(10, "c")
    scene.settle()
    for bridge in (first, second):
        bridge.stop()
    return scene.row("taken over, fenced")


_FORKING = """
import os, sys, time
from otel_bridge import OTelBridge
bridge = OTelBridge(sys.argv[1], start_from="beginning")
if sys.argv[2] == "started":
    bridge.start()
children = []
for _ in range(3):
    child = os.fork()
    if not child:
        bridge.start()
        end = time.monotonic() + 60
        while not os.path.exists(sys.argv[3]) and time.monotonic() < end:
            print(os.getpid(), "exporting" if bridge.exporting else "standing by", flush=True)
            time.sleep(0.2)
        bridge.stop()
        os._exit(0)
    children.append(child)
for child in children:
    os.waitpid(child, 0)
bridge.stop()
"""


def _forked(scene: Scene, how: str) -> Row:
    ends = scene.directory / "end"
    endpoint = {"OTEL_EXPORTER_OTLP_ENDPOINT": scene.collector.http_url}
    parent = scene.spawn("-c", _FORKING, scene.url, how, str(ends), environ=endpoint)
    scene.work(20, "a")
    scene.settle()
    if how == "made":
        until(lambda: parent.count("exporting"), what="a child to export")
    lines = [line.split(" ", 1) for line in parent.text.splitlines() if "exporting" in line or "standing" in line]
    holders = {pid for pid, what in lines if what == "exporting"}
    ends.touch()
    parent.wait(60)
    scene.must(len(holders) <= 1, f"{len(holders)} of 3 children exported")
    row = scene.row(f"{len(holders)} of 3 children exported")
    scene.must(not row.doubled, f"{row.doubled} spans were sent twice")
    return row


@fault("fork")
def a_bridge_made_before_a_fork(scene: Scene) -> Row:
    """Made in the parent, started in three children (gunicorn --preload): one exports, nothing is sent twice."""
    return _forked(scene, "made")


@fault("fork")
def a_bridge_started_before_a_fork(scene: Scene) -> Row:
    """Started in the parent and again in three children: one of the four exports."""
    return _forked(scene, "started")
