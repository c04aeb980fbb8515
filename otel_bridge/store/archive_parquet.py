"""Archives as Parquet: a row for each run: its line of the JSON archive, and columns to query without reading it.

The extra ``parquet`` brings pyarrow. What is written reads back as the very same lines, so there is one format and one
reader of it. A file is whole or it is none: Parquet's own footer is written last. Runs are held a group at a time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from otel_bridge.errors import ArchiveError
from otel_bridge.extras import missing_extra

SUFFIX = ".parquet"
_HEAD = b"durable-archive"
_GROUP_RUNS = 500
_GROUP_CHARS = 16 * 1024 * 1024
_READ_RUNS = 20


def _pyarrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet module.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise missing_extra(error, package="pyarrow") or error from error
    return pyarrow, pyarrow.parquet


class ParquetLines:
    """Takes the lines of an archive one by one and writes them as Parquet.

    Example::

        with ParquetLines(Path("runs.parquet")) as file:
            for line in archive_lines(store, ended_runs(store)):
                file.write(line)
    """

    def __init__(self, path: Path) -> None:
        self._arrow, self._parquet = _pyarrow()
        self._path, self._writer = path, None
        self._schema: Any = None
        self._group: list[dict[str, Any]] = []
        self._chars = 0

    def __enter__(self) -> ParquetLines:
        return self

    def write(self, line: str) -> None:
        """Take the next line: the first says what the file is, the last how many runs there were."""
        value = json.loads(line)
        if self._writer is None:
            self._open(line)
        elif "rows" in value:
            self._group.append(
                {
                    "id": _text(value["id"]),
                    "workflow": _text(value["workflow"]),
                    "status": value["status"],
                    "created_at": value["createdAtMs"],
                    "run": line,
                }
            )
            self._chars += len(line)
            if len(self._group) >= _GROUP_RUNS or self._chars >= _GROUP_CHARS:
                self._flush()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            self._flush()
            self._writer.close()

    def _open(self, head: str) -> None:
        arrow = self._arrow
        columns = {"id": arrow.string(), "workflow": arrow.string(), "status": arrow.string()}
        columns |= {"created_at": arrow.timestamp("ms", tz="UTC"), "run": arrow.string()}
        self._schema = arrow.schema(list(columns.items()), metadata={_HEAD: head.encode()})
        self._writer = self._parquet.ParquetWriter(str(self._path), self._schema, compression="zstd")

    def _flush(self) -> None:
        if self._group and self._writer is not None:
            self._writer.write_table(self._arrow.Table.from_pylist(self._group, schema=self._schema))
        self._group, self._chars = [], 0


def _text(value: object) -> str:
    """Return an id or a name for its column: half a surrogate pair, which Parquet cannot hold, as a question mark."""
    return str(value).encode("utf-8", "replace").decode()


def parquet_lines(path: Path) -> Iterator[str]:
    """Yield the lines that were written to a Parquet archive.

    Raises:
        ArchiveError: the file is no Parquet, or no archive of ours.
    """
    arrow, parquet = _pyarrow()
    try:
        with parquet.ParquetFile(str(path)) as file:
            head = (file.schema_arrow.metadata or {}).get(_HEAD)
            if head is None:
                raise ArchiveError(f"{str(path)!r} is no archive of ours. Make one with durable export.")
            yield head.decode()
            for batch in file.iter_batches(batch_size=_READ_RUNS, columns=["run"]):
                yield from batch.column(0).to_pylist()
            yield json.dumps({"runs": file.metadata.num_rows}, separators=(",", ":")) + "\n"
    except arrow.ArrowException as error:
        raise ArchiveError(f"{str(path)!r} cannot be read as Parquet: {str(error)[:200]}") from error
