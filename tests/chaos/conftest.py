"""Options, fixtures and the table of the chaos suite."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.scene import Scene, copy_template, scene
from tests.chaos.table import OUTCOMES, Fault, markdown

SEED = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--seed`` repeats a run, ``--table`` writes the table to a file."""
    group = parser.getgroup("chaos")
    group.addoption("--seed", type=int, default=None, help="seed of what the faults do at random")
    group.addoption("--table", type=Path, default=None, help="write the table of outcomes, in Markdown, to this file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the seed and the table: what a fixture prints is shown for failures only."""
    if not OUTCOMES:
        return
    table = markdown(OUTCOMES)
    terminalreporter.section("faults")
    terminalreporter.write_line(f"--seed {config.stash[SEED]}")
    terminalreporter.write_line(table)
    path = config.getoption("--table", default=None)
    if path is not None:
        path.write_text(table + "\n", "utf-8")


@pytest.fixture(scope="session")
def seed(request: pytest.FixtureRequest) -> int:
    """The seed given, or one of its own; the table says which."""
    given = request.config.getoption("--seed", default=None)
    chosen = int(given) if given is not None else random.randrange(2**31)
    request.config.stash[SEED] = chosen
    return chosen


@pytest.fixture
def fault_scene(
    fault: Fault, request: pytest.FixtureRequest, migrated: Path, tmp_path: Path, seed: int
) -> Iterator[Scene]:
    """The scene of the fault that the test is given."""
    url = ""
    if fault.database is not None:
        on_postgres = fault.database == "postgres"
        url = request.getfixturevalue("postgres_url") if on_postgres else copy_template(migrated, tmp_path)
    with scene(url, tmp_path, seed) as made:
        yield made
