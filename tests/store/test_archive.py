"""Archives: what is exported from SQLite or Postgres and imported again reads as the original does, run by run."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.errors import ArchiveError
from otel_bridge.model.runs import Run, RunQuery
from otel_bridge.model.values import PayloadName
from otel_bridge.store import StateStore
from otel_bridge.store.archive import BATCH, ArchiveFile, archive_lines, ended_runs
from otel_bridge.store.sqlite import SqliteStateStore
from otel_bridge.testing import MemoryStateStore, make_run, make_step

Lines = list[str]
PAYLOADS: tuple[PayloadName, ...] = ("input", "output", "error")


def imported(lines: Iterator[str] | Lines, path: Path) -> int:
    """Add lines to the archive at a path; return how many runs they had."""
    with ArchiveFile(path) as archive:
        return list(archive.add_lines(lines))[-1]


def everything_of(store: StateStore, run: Run) -> dict[str, Any]:
    """What every page of ours reads of a run."""
    steps = store.get_steps(run.id, errors=True)
    return {
        "run": store.get_run(run.id),
        "steps": steps,
        "whole steps": [store.get_step(run.id, step.seq, cap_bytes=None) for step in steps],
        "payloads": [store.get_payload(run.id, name, cap_bytes=None) for name in PAYLOADS],
        "events": store.published_events(run.id) + store.published_events(run.id, own=True),
        "streams": {name: store.stream_entries(run.id, name, cap_bytes=None) for name in sorted(store.streams(run.id))},
        "unread": store.unread_messages(run.id),
    }


def test_what_comes_back_is_what_was_exported(store: StateStore, tmp_path: Path) -> None:
    """Every run that ended, with its steps, payloads, events, streams and messages; open ones stay where they are."""
    path = tmp_path / "archive.sqlite"
    ended = list(ended_runs(store))
    assert len(ended) > 3
    assert imported(archive_lines(store, ended), path) == len(ended)
    with closing(SqliteStateStore(path)) as archive:
        assert archive.check().warnings == ()
        assert {run.id for run in archive.iter_runs()} == {run.id for run in ended}
        kept = {run.id for run in ended}
        for run in ended:
            children = {child.id for child in store.children(run.id)}
            assert {child.id for child in archive.children(run.id)} == children & kept
            if children <= kept:  # a step shows how the run that it started stands
                before, after = everything_of(store, run), everything_of(archive, run)
                assert after == {**before, "run": linked_to(kept, run)}
        counted = [facet for facet in archive.facets(RunQuery()) if facet.count]
        assert sum(facet.count for facet in counted) == len(ended)


def linked_to(kept: set[str], run: Run) -> Run:
    """Return a run without the links to what is still open, and so is not in the archive."""
    return replace(
        run,
        undo_id=run.undo_id if run.undo_id in kept else None,
        dead_letter_id=run.dead_letter_id if run.dead_letter_id in kept else None,
    )


@pytest.fixture
def small() -> MemoryStateStore:
    """A store of fifty ended runs, each with a step."""
    found = MemoryStateStore()
    for number in range(50):
        found.put_run(make_run(f"run-{number:02}", workflow="even" if number % 2 == 0 else "odd", status="completed"))
        found.put_step(make_step(run_id=f"run-{number:02}", seq=1))
    return found


def test_importing_twice_is_importing_once(small: MemoryStateStore, tmp_path: Path) -> None:
    """A run that is there is replaced; another file adds to the same archive."""
    path = tmp_path / "archive.sqlite"
    for workflow in ("even", "even", "odd"):
        assert imported(archive_lines(small, ended_runs(small, workflow=workflow)), path) == 25
    with closing(SqliteStateStore(path)) as archive:
        assert len(list(archive.iter_runs())) == 50
        assert len(archive.get_steps("run-00")) == 1


def test_an_export_holds_a_few_runs_in_memory_at_a_time(small: MemoryStateStore) -> None:
    """However many there are: it reads on when it is asked for more."""
    taken: list[str] = []

    def watched() -> Iterator[Run]:
        for run in ended_runs(small):
            taken.append(run.id)
            yield run

    lines = archive_lines(small, watched())
    next(lines)
    assert taken == []
    next(lines)
    assert len(taken) == BATCH


def test_a_run_that_was_deleted_meanwhile_is_left_out(small: MemoryStateStore, tmp_path: Path) -> None:
    """And the number at the end is that of those which are in the file."""
    runs = [*ended_runs(small, workflow="even"), make_run("gone", status="completed")]
    assert imported(archive_lines(small, runs), tmp_path / "archive.sqlite") == 25


def test_values_that_json_does_not_have_come_back(tmp_path: Path) -> None:
    """Bytes that are no text, characters that are none, a column that only a newer engine has."""
    source = tmp_path / "app.sqlite"
    lines = [
        {"format": "durable-archive", "version": 1, "engineSchema": 999},
        {
            "id": "a",
            "rows": {
                "workflow_status": [
                    {
                        "workflow_uuid": "a",
                        "status": "SUCCESS",
                        "name": "w",
                        "created_at": 1,
                        "updated_at": 2,
                        "output": "\ud800 \u0000 🙂",
                        "inputs": {"base64": "/wA="},
                        "a_column_of_tomorrow": 7,
                    }
                ]
            },
        },
        {"runs": 1},
    ]
    with pytest.raises(ArchiveError, match="Line 2 cannot be kept"):
        imported([json.dumps(line) for line in lines], source)  # a lone surrogate is in no database's text
    lines[1]["rows"]["workflow_status"][0]["output"] = "\u0000 🙂"  # type: ignore[index]
    assert imported([json.dumps(line) for line in lines], source) == 1
    with closing(sqlite3.connect(source)) as read:
        assert read.execute("SELECT output, inputs, a_column_of_tomorrow FROM workflow_status").fetchall() == [
            ("\u0000 🙂", b"\xff\x00", 7)
        ]
    with closing(SqliteStateStore(source)) as store:
        again = [json.loads(line) for line in archive_lines(store, ended_runs(store))]
    assert again[1]["rows"]["workflow_status"][0]["a_column_of_tomorrow"] == 7


def _cut(lines: Lines) -> Lines:
    return lines[:-1]


def _half(lines: Lines) -> Lines:
    return [*lines[:10], lines[10][:40]]


def _changed(line: int, change: Callable[[dict[str, Any]], object]) -> Callable[[Lines], Lines]:
    def make(lines: Lines) -> Lines:
        value = json.loads(lines[line])
        change(value)
        return [*lines[:line], json.dumps(value), *lines[line + 1 :]]

    return make


def _first_row(value: dict[str, Any]) -> dict[str, Any]:
    row: dict[str, Any] = value["rows"]["workflow_status"][0]
    return row


@pytest.mark.parametrize(
    ("change", "says", "kept"),
    [
        (_cut, "ends early: 25 runs", 25),
        (_half, "Line 11 is not JSON", 9),
        (lambda lines: ["[]", *lines[1:]], "Line 1 is no object", 0),
        (lambda lines: lines[1:], "no archive of ours", 0),
        (_changed(0, lambda value: value.update(version=2)), "version 2", 0),
        (_changed(3, lambda value: value["rows"].update(sqlite_master=[{}])), "Line 4 holds no rows of one run", 2),
        (_changed(3, lambda value: value["rows"].pop("workflow_status")), "Line 4 holds no rows of one run", 2),
        (_changed(3, lambda value: value.update(id="run-00")), "of another run", 2),
        (_changed(3, lambda value: value["rows"]["operation_outputs"][0].update(workflow_uuid="run-00")), "another", 2),
        (_changed(3, lambda value: _first_row(value).update({'x" TEXT); DROP TABLE streams; --': 1})), "no column", 2),
        (_changed(3, lambda value: _first_row(value).update(output={"a": 1})), "no column can", 2),
        (_changed(3, lambda value: _first_row(value).update(priority=2**70)), "no column can", 2),
        (_changed(3, lambda value: _first_row(value).update(output={"base64": "a"})), "Line 4.*not base64", 2),
        (_changed(3, lambda value: _first_row(value).update(output={"base64": "é!"})), "Line 4.*not base64", 2),
        (_changed(3, lambda value: value.update(rows=7)), "Line 4 holds no rows of one run", 2),
        (_changed(3, lambda value: value["rows"].update(workflow_status=1)), "Line 4 holds no rows of one run", 2),
        (_changed(3, lambda value: value["rows"].update(operation_outputs=1)), "Line 4 holds no rows of one run", 2),
        (_changed(3, lambda value: value["rows"].update(operation_outputs={"a": 1})), "no rows of one run", 2),
        (_changed(3, lambda value: value["rows"].update(operation_outputs=[7])), "of another run", 2),
        (_changed(3, lambda value: _first_row(value).update(created_at=None)), "cannot be kept", 0),
    ],
)
def test_a_file_that_is_wrong_is_refused_in_words(
    small: MemoryStateStore, tmp_path: Path, change: Callable[[Lines], Lines], says: str, kept: int
) -> None:
    """With the line; what came before is kept, nothing of a wrong line is, and no table is another than it was."""
    path = tmp_path / "archive.sqlite"
    lines = list(archive_lines(small, ended_runs(small, workflow="even")))
    with pytest.raises(ArchiveError, match=says):
        imported(change(lines), path)
    with closing(SqliteStateStore(path)) as archive:
        assert len(list(archive.iter_runs())) == kept
    assert imported(lines, path) == 25


def test_an_engines_own_database_is_never_written_to(sqlite_story: Path, tmp_path: Path) -> None:
    """Nor is a file that is no database."""
    before = sqlite_story.read_bytes()
    with pytest.raises(ArchiveError, match="is a database, and no archive"):
        ArchiveFile(sqlite_story)
    assert sqlite_story.read_bytes() == before
    (tmp_path / "notes.txt").write_text("no database at all, but a text that is long enough for a header")
    with pytest.raises(ArchiveError, match="no archive of ours"):
        ArchiveFile(tmp_path / "notes.txt")


def test_what_is_exported_can_be_chosen(small: MemoryStateStore) -> None:
    """By status, workflow, creation and end."""
    small.put_run(make_run("open", status="running"))
    small.put_run(make_run("failed", status="failed", created_at_ms=5_000, finished_at_ms=9_000))
    assert "open" not in {run.id for run in ended_runs(small)}
    assert [run.id for run in ended_runs(small, statuses=frozenset({"failed"}))] == ["failed"]
    assert [run.id for run in ended_runs(small, ended_before_ms=9_001)] == ["failed"]
    assert list(ended_runs(small, ended_before_ms=9_000)) == []
    assert [run.id for run in ended_runs(small, until_ms=5_001)] == ["failed"]
    assert "failed" not in {run.id for run in ended_runs(small, since_ms=5_001)}
