"""Databases for tests."""

from __future__ import annotations

import sqlite3
from pathlib import Path


def make_wal(path: Path) -> str:
    """Create a SQLite file in WAL mode and return its URL, as the README tells users to."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    return f"sqlite:///{path}"
