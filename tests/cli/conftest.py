"""One running shop for the folder, and the command run in this process against it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner

from dashboard.cli.main import durable as command
from tests.client.conftest import base_url, client, shop

__all__ = ["base_url", "client", "shop"]


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


Durable = Callable[..., Done]


def run_durable(*arguments: str, url: str | None = None, stdin: str | None = None, **environ: str | None) -> Done:
    """Run ``durable`` in this process; what it raises besides an exit is the test's failure."""
    clean = {"DURABLE_URL": url, "DURABLE_TOKEN": None, "DBOS_SYSTEM_DATABASE_URL": None, "DURABLE_LEDGER": None}
    result = CliRunner().invoke(command, arguments, input=stdin, env={**clean, **environ}, prog_name="durable")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Done(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def durable(base_url: str) -> Durable:
    """The command, told where the shop's dashboard is."""

    def run(*arguments: str, **options: Any) -> Done:
        return run_durable(*arguments, **{"url": base_url, **options})

    return run
