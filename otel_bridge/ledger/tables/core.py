"""What every table needs: a transaction to run statements in, and a place to report rows that cannot be read.

Statements are written once for both dialects. ``:name`` is a parameter. ``{t}`` stands before every table (the schema,
on Postgres), ``{now}`` is the ledger's clock in Unix milliseconds, ``{ids}`` tests a column against the list parameter
``:ids``, ``{for_update}`` locks the rows read until the transaction ends.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, Protocol, TypeVar

from otel_bridge.ledger.checking import checked


class _OfRun(Protocol):
    @property
    def run_id(self) -> str: ...


T = TypeVar("T")
OfRun = TypeVar("OfRun", bound=_OfRun)
Row = tuple[Any, ...]

READ_BATCH = 500
"""Ids in one statement."""
BEGINNING_OF_TIME, END_OF_TIME = -(2**62), 2**62
_MOST_DAMAGED = 1_000
_logger = logging.getLogger("otel_bridge")


class Session(Protocol):
    """A transaction under way."""

    def rows(self, statement: str, **params: object) -> list[Row]:
        """Run one statement; return all its rows."""

    def many(self, statement: str, params: Sequence[Mapping[str, Any]]) -> None:
        """Run one statement once per parameter set."""


class Tables(ABC):
    """What an adapter brings, and what the tables share."""

    def __init__(self) -> None:
        self._damaged: set[tuple[str, str]] = set()
        self._reported: set[tuple[str, str]] = set()

    @abstractmethod
    def _run(self, work: Callable[[Session], T], *, write: bool) -> T:
        """Run ``work`` in one transaction, retried once where the connection turns out to be stale.

        A read runs one statement.

        Raises:
            LedgerUnavailableError: the database cannot be used now.
        """

    @abstractmethod
    def give_back(self) -> None:
        """Give space that deleted rows left behind back, where the database does not do so by itself."""

    def _read(self, statement: str, **params: object) -> list[Row]:
        return self._run(lambda session: session.rows(statement, **params), write=False)

    def _write(self, statement: str, **params: object) -> list[Row]:
        return self._run(lambda session: session.rows(statement, **params), write=True)

    def _write_many(self, statement: str, params: Sequence[Mapping[str, Any]]) -> None:
        if params:
            self._run(lambda session: session.many(statement, params), write=True)

    def _read_by_id(self, statement: str, ids: Sequence[str], **params: object) -> Iterator[Row]:
        for start in range(0, len(ids), READ_BATCH):
            yield from self._read(statement, ids=list(ids[start : start + READ_BATCH]), **params)

    # -- rows that cannot be read -----------------------------------------------------------------------------------

    @property
    def damaged(self) -> Mapping[str, int]:
        """Rows that could not be read when they were last met, by table. They are left out of every answer."""
        return Counter(table for table, _ in list(self._damaged))

    def _decoded(self, table: str, rows: Iterable[Row], decode: Callable[[Row], T]) -> Iterator[T]:
        """Yield what the rows say. One that says nothing readable is skipped, counted and reported once."""
        for row in rows:
            try:
                value = decode(row)
                checked_value = checked(value) if is_dataclass(value) and not isinstance(value, type) else value
            except Exception as error:  # noqa: BLE001 - whatever a damaged value makes of its reader
                self._note_damage(table, _key(row), error)
                continue
            if self._damaged:
                self._damaged.discard((table, _key(row)))  # somebody has written it again
            yield checked_value

    def _decoded_by_run(
        self, table: str, statement: str, run_ids: Sequence[str], decode: Callable[[Row], OfRun]
    ) -> dict[str, list[OfRun]]:
        """Return what a statement reads of these runs, in its order; a run without any is absent."""
        found: dict[str, list[OfRun]] = {}
        for value in self._decoded(table, self._read_by_id(statement, run_ids), decode):
            found.setdefault(value.run_id, []).append(value)
        return found

    def _damaged_keys(self, table: str) -> set[str]:
        """Return the keys of the rows of a table that could not be read when they were last met."""
        return {key for known, key in list(self._damaged) if known == table} if self._damaged else set()

    def _note_damage(self, table: str, key: str, error: Exception) -> None:
        if len(self._damaged) < _MOST_DAMAGED:
            self._damaged.add((table, key))
        if (table, key) in self._reported or len(self._reported) >= _MOST_DAMAGED:
            return
        self._reported.add((table, key))
        _logger.warning(
            "Row %r of the ledger's table %r cannot be read and is left out: %s: %s. "
            "Delete the row to stop this warning.",
            key[:100],
            table,
            type(error).__name__,
            error,
        )


def _key(row: Row) -> str:
    """Return what names a row in a log: every statement that is decoded selects it first."""
    key, *_ = row
    return str(key)
