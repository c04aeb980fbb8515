"""``durable export`` and ``import``: ended runs as a file, before retention deletes them, and as a database again."""

from __future__ import annotations

import gzip
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TextIO, cast

import click

from dashboard.cli.options import as_moment
from dashboard.cli.session import BAD_USAGE, INTERRUPTED, SCHEMA, UNREACHABLE, fail
from otel_bridge.errors import ArchiveError, BridgeError, ConfigurationError
from otel_bridge.model.status import TERMINAL_STATUSES, RunStatus
from otel_bridge.store import open_store
from otel_bridge.store.archive import ArchiveFile, archive_lines, ended_runs
from otel_bridge.store.archive_parquet import SUFFIX, ParquetLines, parquet_lines


@click.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--system-database-url",
    "url",
    metavar="URL",
    envvar="DBOS_SYSTEM_DATABASE_URL",
    show_envvar=True,
    required=True,
    help="The engine's database, or an archive.",
)
@SCHEMA
@click.option(
    "--status", multiple=True, type=click.Choice(sorted(TERMINAL_STATUSES)), help="May be given more than once."
)
@click.option("--workflow", help="Of this workflow only.")
@click.option("--since", metavar="TIME", callback=as_moment, help="Created since: ISO 8601, or 90m, 12h, 7d ago.")
@click.option("--until", metavar="TIME", callback=as_moment, help="Created before.")
@click.option("--ended-before", metavar="TIME", callback=as_moment, help="Ended before, as 30d.")
def export_(
    *,
    file: Path,
    url: str,
    schema: str,
    status: tuple[str, ...],
    workflow: str | None,
    since: datetime | None,
    until: datetime | None,
    ended_before: datetime | None,
) -> None:
    """Write ended runs to FILE, as lines of JSON (.gz compresses) or as Parquet (.parquet, extra parquet), with all
    that the engine keeps of them.

    Payloads are written as they are, secrets included: keep the file as you keep the database. FILE appears when it is
    whole. What the ledger remembers (who did what, errors by their kind) is no part of it.

    Example: durable export runs.jsonl.gz --ended-before 30d
    """
    partial = file.with_name(f"{file.name}.part")
    with _said():
        store = open_store(url, schema=schema)
        try:
            runs = ended_runs(
                store,
                statuses=cast("frozenset[RunStatus]", frozenset(status)) or TERMINAL_STATUSES,
                workflow=workflow,
                since_ms=_ms(since),
                until_ms=_ms(until),
                ended_before_ms=_ms(ended_before),
            )
            lines = -2  # the first and the last are of no run
            # Payloads may be secrets: from its first byte the file is its owner's alone.
            os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
            with _written(partial, like=file) as write:
                for line in archive_lines(store, runs):
                    write(line)
                    lines += 1
            os.replace(partial, file)
        finally:
            store.close()
            partial.unlink(missing_ok=True)
    click.echo(f"{lines} runs exported to {file}.")


@click.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--to",
    "archive",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The archive, made if needed.",
)
def import_(*, file: Path, archive: Path) -> None:
    """Add the runs of an exported FILE to an archive: a SQLite database that the page, the API and commands read.

    Never to an engine's own database: nothing there would know what to do with them. A run that is in the archive
    already is replaced, so importing twice is importing once.

    Example: durable import runs.jsonl.gz --to archive.sqlite, then durable serve --system-database-url
    sqlite:///archive.sqlite
    """
    added = 0
    with _said(), _lines(file) as lines, ArchiveFile(archive) as kept:
        with click.progressbar(length=0, label="runs", file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
            for added in kept.add_lines(lines):
                bar.length = added
                bar.update(added - bar.pos)
    click.echo(f"{added} runs imported to {archive}.")


@contextmanager
def _written(path: Path, *, like: Path) -> Iterator[Callable[[str], object]]:
    """Yield what takes the lines of a file that is named like another."""
    if like.suffix == SUFFIX:
        with ParquetLines(path) as parquet:
            yield parquet.write
    else:
        with _opened(path, "wt", like=like) as file:
            yield file.write


@contextmanager
def _lines(path: Path) -> Iterator[Iterable[str]]:
    if path.suffix == SUFFIX:
        yield parquet_lines(path)
    else:
        with _opened(path, "rt", like=path) as file:
            yield file


@contextmanager
def _opened(path: Path, mode: str, *, like: Path) -> Iterator[TextIO]:
    opener = gzip.open if like.suffix == ".gz" else open
    with opener(path, mode, encoding="utf-8", newline="\n") as file:
        yield cast(TextIO, file)


@contextmanager
def _said() -> Iterator[None]:
    """End a command that failed with a sentence and its exit code."""
    try:
        yield
    except (ArchiveError, ConfigurationError, OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        fail(str(error), BAD_USAGE)
    except BridgeError as error:
        fail(str(error), UNREACHABLE)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(INTERRUPTED) from None


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1000)
