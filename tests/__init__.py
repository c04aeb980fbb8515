"""Tests, in the folders of what they test. What several folders share is in modules here."""

from examples.newer_sqlite import use_newer_sqlite

use_newer_sqlite()  # before anything imports sqlite3
