"""Archives of ended runs: lines of JSON, and a SQLite file in the engine's own shape that every reader of ours opens.

The first line says what the file is, then follows a line for each run with all of its rows, as the engine wrote them;
the last one says how many there were, so that a file that was cut is noticed. Nothing is decoded: a payload that nobody
here can read is kept all the same, and shown as the original is. Runs are read and written a few at a time.
"""

from __future__ import annotations

import base64
import json
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from otel_bridge.errors import ArchiveError, ConfigurationError
from otel_bridge.model.runs import Run
from otel_bridge.model.status import TERMINAL_STATUSES, RunStatus
from otel_bridge.store.adapter import SqlStateStore
from otel_bridge.store.base import StateStore
from otel_bridge.store.engine_schema import ENGINE_SCHEMA
from otel_bridge.store.sql.whole import RUN_OF, Cell, TableRows

FORMAT, VERSION = "durable-archive", 1
BATCH = 20
"""Runs that are in memory at a time, with all that they hold."""
MARKER = "durable_archive"
_COMMIT_EVERY = 200
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def ended_runs(
    store: StateStore,
    *,
    statuses: frozenset[RunStatus] = TERMINAL_STATUSES,
    workflow: str | None = None,
    since_ms: int | None = None,
    until_ms: int | None = None,
    ended_before_ms: int | None = None,
) -> Iterator[Run]:
    """Yield ended runs, oldest first, in bounded memory.

    Args:
        since_ms, until_ms: when they were created.
        ended_before_ms: before when they ended.
    """
    for run in store.iter_runs(since_ms=since_ms, until_ms=until_ms):
        if run.status not in statuses & TERMINAL_STATUSES or (workflow is not None and run.workflow != workflow):
            continue
        if ended_before_ms is None or (run.finished_at_ms or run.updated_at_ms) < ended_before_ms:
            yield run


def archive_lines(store: StateStore, runs: Iterable[Run]) -> Iterator[str]:
    """Yield an archive of runs, line by line.

    Raises:
        ConfigurationError: the store is not one of the engine's databases.

    Example::

        with open("runs.jsonl", "w") as file:
            file.writelines(archive_lines(store, ended_runs(store)))
    """
    if not isinstance(store, SqlStateStore):
        raise ConfigurationError("Only a store of the engine's own database can be exported.")
    yield _line({"format": FORMAT, "version": VERSION, "engineSchema": store.schema().version})
    waiting, count = iter(runs), 0
    while batch := list(islice(waiting, BATCH)):
        rows = store.rows_of_runs([run.id for run in batch])
        for run in batch:
            if "workflow_status" in rows.get(run.id, {}):  # else somebody deleted it meanwhile
                count += 1
                yield _line(
                    {
                        "id": run.id,
                        "workflow": run.workflow,
                        "status": run.status,
                        "createdAtMs": run.created_at_ms,
                        "rows": rows[run.id],
                    }
                )
    yield _line({"runs": count})


def _line(value: dict[str, object]) -> str:
    return json.dumps(value, default=_cell, separators=(",", ":")) + "\n"


def _cell(value: object) -> object:
    """Return what JSON has no word for: bytes as base64, anything else (Postgres' numerics) as its text."""
    if isinstance(value, (bytes, memoryview)):
        return {"base64": base64.b64encode(bytes(value)).decode()}
    return str(value)


class ArchiveFile:
    """A SQLite file of archived runs, made where it is not there. It is in the engine's shape: open it like a database.

    Args:
        path: where; an engine's own database is refused.

    Raises:
        ArchiveError: there is a file that is no archive.

    Example::

        with ArchiveFile(Path("archive.sqlite")) as archive, open("runs.jsonl") as file:
            added = archive.add_lines(file)
    """

    def __init__(self, path: Path) -> None:
        new = not path.exists()
        if not new:
            _refuse_others(path)
        if new:  # payloads may be secrets: from its first byte the file is its owner's alone
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        self._connection = sqlite3.connect(path, isolation_level=None)
        if new:
            self._connection.executescript(ENGINE_SCHEMA)
            self._connection.execute(f"CREATE TABLE {MARKER} (version INTEGER NOT NULL)")
            self._connection.execute(f"INSERT INTO {MARKER} VALUES (?)", (VERSION,))
        self._columns = {table: _columns_of(self._connection, table) for table in RUN_OF}

    def __enter__(self) -> ArchiveFile:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def add_lines(self, lines: Iterable[str]) -> Iterator[int]:
        """Add the runs of an archive's lines; yield how many were added so far. A run that is there is replaced.

        Raises:
            ArchiveError: a line is wrong, or the last one is missing. Runs before it were added.
        """
        added, total, number = 0, None, 0
        self._connection.execute("BEGIN")
        try:
            for number, line in enumerate(lines, start=1):
                value = _parsed(line, number)
                if number == 1:
                    _check_head(value)
                elif "rows" in value:
                    self._put(str(value.get("id")), _rows_of(value, number))
                    added += 1
                    if added % _COMMIT_EVERY == 0:
                        self._connection.execute("COMMIT")
                        self._connection.execute("BEGIN")
                        yield added
                else:
                    total = value.get("runs")
        except (sqlite3.Error, UnicodeError, OverflowError) as error:
            with suppress(sqlite3.Error):  # the file may be gone, or the disk full
                self._connection.execute("ROLLBACK")
            raise ArchiveError(
                f"Line {number} cannot be kept: {error}. Runs up to the last {_COMMIT_EVERY} were."
            ) from error
        except ArchiveError:
            self._connection.execute("COMMIT")
            raise
        self._connection.execute("COMMIT")
        yield added
        if total != added:
            raise ArchiveError(
                f"The archive ends early: {added} runs were added, and it says {total}. Export it again."
            )

    def _put(self, run_id: str, rows: TableRows) -> None:
        for table, whose in RUN_OF.items():
            self._connection.execute(f"DELETE FROM {table} WHERE {whose} = ?", (run_id,))
            for row in rows.get(table, ()):
                for name in row.keys() - self._columns[table]:  # a newer engine's
                    self._connection.execute(f'ALTER TABLE {table} ADD COLUMN "{name}"')
                    self._columns[table].add(name)
                names = ", ".join(f'"{name}"' for name in row)
                marks = ", ".join("?" * len(row))
                self._connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", tuple(row.values()))


def _refuse_others(path: Path) -> None:
    """Look at a file without writing to it: to open an engine's own for writing would tidy up beside it."""
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True)) as connection:
            is_archive = bool(_columns_of(connection, MARKER))
    except sqlite3.Error as error:
        raise ArchiveError(f"{str(path)!r} is no archive of ours: {error}. Name a file that is not there.") from error
    if not is_archive:
        raise ArchiveError(f"{str(path)!r} is a database, and no archive. Name a file that is not there.")


def _columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    return {str(name) for _, name, *_ in connection.execute(f"PRAGMA table_info({table})")}


def _parsed(line: str, number: int) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"Line {number} is not JSON: {str(error)[:200]}.") from error
    if not isinstance(value, dict):
        raise ArchiveError(f"Line {number} is no object.")
    return value


def _check_head(value: dict[str, object]) -> None:
    if value.get("format") != FORMAT:
        raise ArchiveError("This is no archive of ours: its first line does not say so. Make one with durable export.")
    if value.get("version") != VERSION:
        raise ArchiveError(f"This archive is of version {value.get('version')!r}; {VERSION} is read here. Upgrade.")


def _rows_of(value: dict[str, object], number: int) -> TableRows:
    """Return a line's rows, each of the line's own run, of tables and columns that can be."""
    rows = value["rows"]
    if not isinstance(rows, dict) or not rows.keys() <= RUN_OF.keys():
        raise ArchiveError(f"Line {number} holds no rows of one run.")
    if not all(isinstance(several, list) for several in rows.values()) or len(rows.get("workflow_status", ())) != 1:
        raise ArchiveError(f"Line {number} holds no rows of one run.")
    found: TableRows = {}
    for table, several in rows.items():
        for row in several:
            if not isinstance(row, dict) or row.get(RUN_OF[table]) != value.get("id"):
                raise ArchiveError(f"Line {number} holds a row of table {table} that is of another run.")
            if wrong := [name for name in row if not _NAME.fullmatch(name)]:
                raise ArchiveError(f"Line {number}: {wrong[0][:80]!r} is no column.")
            found.setdefault(table, []).append({name: _read_cell(cell, number) for name, cell in row.items()})
    return found


def _read_cell(cell: object, number: int) -> Cell:
    if isinstance(cell, dict) and cell.keys() == {"base64"}:
        try:
            return base64.b64decode(str(cell["base64"]), validate=True)
        except ValueError as error:
            raise ArchiveError(f"Line {number} holds bytes that are not base64: {error}.") from error
    if cell is None or (isinstance(cell, (str, int, float)) and not (isinstance(cell, int) and abs(cell) >= 2**63)):
        return cell
    raise ArchiveError(f"Line {number} holds a value that no column can: {str(cell)[:80]!r}.")
