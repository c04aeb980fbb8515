"""The machine: full and read-only disks, files that vanish, few descriptors, little memory, a clock that jumps."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from examples.fake_collector import SpanKey
from tests.chaos.scene import Scene, peak_mb, read, vitals
from tests.chaos.table import Row, fault
from tests.waiting import until

MAY_MOUNT = os.name == "posix" and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("mount") is not None


@contextmanager
def small_disk(scene: Scene, mega_bytes: int) -> Iterator[Path]:
    """A file system of so many MB."""
    folder = scene.directory / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mega_bytes}m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        scene.close()  # nobody may have a file open there
        subprocess.run(["umount", folder], check=True)


def fill(folder: Path) -> Path:
    """Take all the room there is; return the file that has it."""
    filler = folder / "filler"
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)
    return filler


def status(url: str) -> int:
    """Return the status of an answer."""
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


if MAY_MOUNT:

    @fault("host")
    def a_full_disk_below_the_ledger(scene: Scene) -> Row:
        """The application's disk has room, the ledger's has none: its workflows pass, and the spans come later."""
        with small_disk(scene, 8) as folder:
            ledger = ("--ledger", f"sqlite:///{folder / 'ledger.sqlite'}")
            bridge = scene.bridge(*ledger)
            scene.work(10, "a")
            scene.settle()
            filler = fill(folder)
            scene.work(30, "b")
            until(lambda: bridge.count("disk is full"), what="the bridge to say so")
            fill(folder)  # what the ledger has given back since
            waiting = len(scene.missing())
            code, said = scene.doctor(*ledger)
            filler.unlink()
            scene.work(10, "c")
            scene.settle()
            scene.must(bridge.count("WARNING") <= 2, f"{bridge.count('WARNING')} warnings")
            waiting = min(waiting, len(scene.missing()))
            scene.must(code == 1 or not waiting, f"{waiting} spans wait, and doctor ended with {code}: {said}")
            bridge.stop()
            return scene.row()

    @fault("host")
    def a_full_disk_below_everything(scene: Scene) -> Row:
        """The application cannot work either, the dashboard still reads; all continue when there is room."""
        with small_disk(scene, 16) as folder:
            shutil.copy(scene.url.removeprefix("sqlite:///"), folder / "app.sqlite")
            scene.url = f"sqlite:///{folder / 'app.sqlite'}"
            bridge = scene.bridge()
            host, base = scene.dashboard()
            scene.work(20, "a")
            scene.settle()
            filler = fill(folder)
            codes = {status(f"{base}{path}") for path in ("/api/runs", "/api/runs/facets", "/api/runs/appa-1", "/")}
            scene.must(codes == {200}, f"the dashboard answered {codes}")
            health = status(f"{base}/api/health")
            filler.unlink()
            scene.work(20, "b")
            scene.settle()
            scene.must(not host.count("Traceback"), "the dashboard printed a traceback")
            for process in (host, bridge):
                process.stop()
            return scene.row(f"runs could be read; health answered {health}")

    @fault("host")
    def a_ledger_on_a_read_only_disk(scene: Scene) -> Row:
        """The disk is mounted read-only when the bridge begins: said once, and it continues when that is mended."""
        with small_disk(scene, 8) as folder:
            ledger = ("--ledger", f"sqlite:///{folder / 'ledger.sqlite'}")
            _remount(folder, "ro")
            bridge = scene.bridge(*ledger)
            scene.work(20, "a")
            until(lambda: bridge.count("Trying again"), what="the bridge to say so")
            code, said = scene.doctor(*ledger)
            scene.must(code == 1 and "Let this process write" in said, f"doctor ended with {code}: {said}")
            _remount(folder, "rw")
            scene.work(10, "b")
            scene.settle()
            scene.must(bridge.count("WARNING") <= 2, f"{bridge.count('WARNING')} warnings")
            bridge.stop()
            return scene.row()


def _remount(folder: Path, how: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{how}", folder], check=True)


@fault("host")
def a_ledger_that_is_deleted(scene: Scene) -> Row:
    """rm of the ledger under a bridge at work: a new one is made, nothing later is lost."""
    ledger = scene.directory / "ledger.sqlite"
    bridge = scene.bridge("--ledger", f"sqlite:///{ledger}")
    for name in "abc":
        scene.work(10, name)
        scene.settle()
        for path in scene.directory.glob("ledger.sqlite*"):
            path.unlink()
    scene.work(10, "d")
    scene.settle()
    bridge.stop()
    return scene.row("deleted three times")


@fault("host")
def a_system_database_that_is_made_anew(scene: Scene) -> Row:
    """The file is deleted and the application makes another, twice, under the bridge and the dashboard."""
    bridge = scene.bridge()
    host, base = scene.dashboard()
    path = Path(scene.url.removeprefix("sqlite:///"))
    owed: dict[SpanKey, str] = {}
    for name in "abc":
        scene.work(15, name)
        scene.settle()
        owed |= scene.owed()
        listed = {run["id"] for run in json.loads(read(f"{base}/api/runs?limit=100"))}
        scene.must(listed == {f"app{name}-{number}" for number in range(15)}, f"of {name} the list has {len(listed)}")
        if name != "c":
            for old in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
                old.unlink(missing_ok=True)
    lost = owed.keys() - scene.collector.seen
    scene.must(not lost, f"{len(lost)} of {len(owed)} spans of all three are lost")
    scene.must(not host.count("Traceback"), "the dashboard printed a traceback")
    for process in (host, bridge):
        process.stop()
    return scene.row(f"three databases, {len(owed)} spans in all")


@fault("host")
def sixty_four_descriptors(scene: Scene) -> Row:
    """ulimit -n 64 and 70 viewers: the dashboard answers again once they are gone."""
    scene.work(10, "a")
    host, base = scene.dashboard(limits="ulimit -n 64")
    _watch(base, 20)  # threads of readers, which stay
    before = vitals(host.pid)
    opened = _watch(base, 70)
    until(lambda: _answers(f"{base}/api/runs"), what="the dashboard to answer again", timeout_s=60)
    until(lambda: vitals(host.pid).descriptors <= before.descriptors + 4, what="the descriptors to be free")
    bridge = scene.bridge()
    scene.settle()
    row = scene.row(f"{opened} of 70 viewers got a stream")
    row.before, row.after = before, vitals(host.pid)
    for process in (host, bridge):
        process.stop()
    return row


def _watch(base: str, count: int) -> int:
    """Open streams at once, and leave; return how many there were."""
    opened = 0
    with ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(httpx.Client(timeout=1))
            with contextlib.suppress(httpx.TransportError):
                stack.enter_context(client.stream("GET", f"{base}/api/stream", headers={"Accept": "text/event-stream"}))
                opened += 1
    return opened


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=10).status_code == 200
    except httpx.TransportError:
        return False


@fault("host")
def a_bridge_with_little_memory(scene: Scene) -> Row:
    """ulimit -v 700 MB and 30 errors of 8 MB: it works within what it has."""
    scene.work(5, "a")
    failed = scene.sql("SELECT workflow_uuid FROM workflow_status WHERE status = 'ERROR'")[0][0]
    for number in range(30):
        scene.clone(failed, f"appbig-{number}", error="x" * 8_000_000)
    bridge = scene.bridge(limits="ulimit -v 700000")
    scene.settle(180)
    peak = peak_mb(bridge.pid)
    bridge.stop()
    return scene.row(f"peak {peak} MB")


@fault("host")
def a_host_whose_clock_jumps(scene: Scene) -> Row:
    """The clock of bridge and dashboard jumps an hour ahead and two back: spans arrive, streams stay."""
    clock = scene.directory / "clock"
    clock.write_text("+0")
    bridge = scene.bridge(clock=clock)
    host, base = scene.dashboard(clock=clock)
    scene.work(10, "a")
    scene.settle()
    with httpx.stream("GET", f"{base}/api/stream", headers={"Accept": "text/event-stream"}, timeout=60) as stream:
        lines = stream.iter_lines()
        next(line for line in lines if line == "event: snapshot")
        for jump, name in (("+1h", "b"), ("-1h", "c"), ("+0", "d")):
            clock.write_text(jump)
            scene.work(10, name)
            next(line for line in lines if f"app{name}-9" in line and "run.completed" in line)
            scene.settle()
    scene.must(not host.count("Traceback"), "the dashboard printed a traceback")
    for process in (host, bridge):
        process.stop()
    return scene.row("+1 h, -1 h, back; the same stream told of each run")
