"""A transaction pooler before a Postgres server: the pgbouncer of the distribution, on a free port."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from tests.waiting import until

PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
SERVER_CONNECTIONS = 2
"""So few that everybody meets everybody else's session."""


@contextmanager
def transaction_pooler(server_url: str, *, port: int, ignored: str) -> Iterator[str]:
    """Yield the URL of the same database through pgbouncer in transaction mode.

    Args:
        ignored: its ``ignore_startup_parameters``.
    """
    assert PGBOUNCER is not None, "apt-get install pgbouncer"
    parts = conninfo_to_dict(server_url)
    name = parts["dbname"]
    folder = Path(tempfile.mkdtemp(prefix="durable-pooler-"))
    folder.chmod(0o777)
    config = folder / "pgbouncer.ini"
    config.write_text(
        f"""[databases]
{name} = host={parts["host"]} user={parts.get("user", "postgres")} dbname={name}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = {SERVER_CONNECTIONS}
max_client_conn = 100
ignore_startup_parameters = {ignored}
"""
    )
    config.chmod(0o644)
    # it refuses to run as root, and must be let into the folder of the server's socket
    user = ["-u", Path(parts["host"]).owner()] if os.getuid() == 0 else []  # type: ignore[arg-type]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([PGBOUNCER, *user, str(config)], stdout=output, stderr=output)
    url = f"postgresql://postgres@127.0.0.1:{port}/{name}"

    def answers() -> bool:
        try:
            psycopg.connect(url, autocommit=True).close()
        except psycopg.OperationalError as error:
            raise AssertionError(f"{error}\n{log.read_text()[-2000:]}") from error
        return True

    try:
        until(answers)
        yield url
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)
