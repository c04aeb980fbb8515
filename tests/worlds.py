"""One world with one worker for the tests that leave it alive; a world of its own for those that do not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dbos import run_dbos_database_migrations

from tests.actions.world import World
from tests.databases import make_wal


@pytest.fixture(scope="package")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system database as DBOS makes it, to be copied: making one takes a second."""
    path = tmp_path_factory.mktemp("migrated") / "app.sqlite"
    run_dbos_database_migrations(make_wal(path))
    return path


def fresh(migrated: Path, directory: Path) -> str:
    """Copy the database and return its URL."""
    shutil.copy(migrated, directory / "app.sqlite")
    return make_wal(directory / "app.sqlite")


@pytest.fixture(scope="package")
def world(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose worker lives as long as the tests: kill nothing in it, and use run ids of your own."""
    directory = tmp_path_factory.mktemp("world")
    shared = World(fresh(migrated, directory), directory)
    shared.worker("--present", "--executor", "shared")
    yield shared
    shared.close()


@pytest.fixture
def new_world(migrated: Path, tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Make worlds without workers, closed at the end of the test."""
    worlds: list[World] = []

    def make(**settings: object) -> World:
        directory = tmp_path / f"world-{len(worlds)}"
        directory.mkdir()
        worlds.append(World(fresh(migrated, directory), directory, **settings))
        return worlds[-1]

    yield make
    for made in worlds:
        made.close()
