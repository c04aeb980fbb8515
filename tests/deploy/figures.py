"""Memory and threads of the example deployment under readers: ``python -m tests.deploy.figures``, half a minute.

``examples/deploy`` as documented: its nginx.conf before its gunicorn.conf.py, two worker processes, a DBOS worker that
continues working. Prints a line for each load: nobody, 2 readers, 6 readers, 6 that stopped reading, and nobody again.
Reads ``/proc``, so it runs on Linux.
"""

from __future__ import annotations

import os
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.databases import make_wal
from tests.deploy.test_nginx import DEPLOY, NGINX, SETTINGS, answers, free_port, write_config
from tests.programs import running
from tests.story import commanded_worker
from tests.waiting import until

RUNS = 20
"""So many runs are started under each load, and told to its readers."""
HOLD_S = 3.0
"""So long the load stands after that before it is measured."""


def children(pid: int) -> list[int]:
    reported = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in reported.split()]


def figures(pid: int) -> tuple[int, int]:
    """Return a process's resident memory in MiB, and its threads."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    reported = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return int(reported["VmRSS"].split()[0]) // 1024, int(reported["Threads"])


@contextmanager
def reader(port: int, *, reads: bool) -> Iterator[None]:
    """Follow the run list as a page does, by Server-Sent Events through nginx; or open it and read no byte."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(20)
        sock.connect(("127.0.0.1", port))
        ask = (
            f"GET /platform/durable/api/stream HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/event-stream\r\n"
            "Authorization: Basic YWRhOnMzY3JldA==\r\n\r\n"
        )
        sock.sendall(ask.encode())
        if reads:
            assert b"200" in sock.recv(4096).split(b"\r\n")[0]
        yield


def main() -> None:
    """Start it all, and print a line for each load."""
    assert NGINX is not None, "nginx is not installed"
    with tempfile.TemporaryDirectory() as folder:
        port, upstream = free_port(), free_port()
        path = write_config(Path(folder), port, upstream)
        url = make_wal(Path(folder) / "app.sqlite")
        worker = commanded_worker(url)
        nginx = subprocess.Popen([NGINX, "-p", folder, "-c", str(path)])
        environ = {**os.environ, **SETTINGS, "DBOS_SYSTEM_DATABASE_URL": url}
        served = (f"{DEPLOY}/gunicorn.conf.py", "--bind", f"127.0.0.1:{upstream}", "examples.deploy.app:create_app()")
        try:
            with running("-m", "gunicorn", "-c", *served, environ=environ) as program:
                until(lambda: answers(f"http://127.0.0.1:{upstream}/durable/api/health"), timeout_s=60)
                loads = [("nobody", 0, True), ("2 readers", 2, True), ("6 readers", 6, True)]
                for name, count, reads in [*loads, ("6 that read nothing", 6, False), ("nobody again", 0, True)]:
                    with ExitStack() as opened:
                        for _ in range(count):
                            opened.enter_context(reader(port, reads=reads))
                        for number in range(RUNS):
                            worker.tell(f"start simple {name.replace(' ', '-')}-{number} 1")
                        time.sleep(HOLD_S)
                        found = [figures(pid) for pid in children(program.process.pid)]
                    reported = ", ".join(f"{memory} MiB {threads} threads" for memory, threads in found)
                    print(f"{name:20} {reported}", flush=True)
        finally:
            nginx.terminate()
            nginx.wait(20)
            worker.kill()


if __name__ == "__main__":
    main()
