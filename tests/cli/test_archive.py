"""``durable export`` and ``import``, and the archive in the page's own server, which shows it and changes nothing."""

from __future__ import annotations

import gzip
import json
import random
import stat
from pathlib import Path

import pandas
import pytest

from otel_bridge.store.archive_parquet import ParquetLines, parquet_lines
from tests.cli.conftest import run_durable
from tests.story import mounted

LOCAL = {"Host": "localhost"}


def lines_of(file: Path) -> list[str]:
    """Return an archive's lines, whatever it is written as."""
    if file.suffix == ".parquet":
        return list(parquet_lines(file))
    text = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    return text.decode().splitlines(keepends=True)


@pytest.mark.parametrize("name", ["runs.jsonl", "runs.jsonl.gz", "runs.parquet"])
def test_ended_runs_become_an_archive_that_the_page_shows(story_url: str, tmp_path: Path, name: str) -> None:
    """Export, import, look; the archive is a database like any other, and read-only where actions are off."""
    file, archive = tmp_path / name, tmp_path / "archive.sqlite"
    exported = run_durable("export", str(file), "--system-database-url", story_url)
    assert (exported.code, exported.err) == (0, "")
    last = json.loads(lines_of(file)[-1])
    assert exported.out == f"{last['runs']} runs exported to {file}.\n"
    assert last["runs"] > 2
    imported = run_durable("import", str(file), "--to", str(archive))
    assert (imported.code, imported.out) == (0, f"{last['runs']} runs imported to {archive}.\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "archive.sqlite"])
    assert [stat.S_IMODE(path.stat().st_mode) for path in (file, archive)] == [0o600, 0o600], "payloads may be secrets"

    url = f"sqlite:///{archive}"
    listed = run_durable("runs", "--status", "failed", "--json", "--system-database-url", url)
    failed = json.loads(listed.out)[0]
    with mounted(url, actions=False) as app:
        client = app.test_client()
        assert client.get("/durable/", headers=LOCAL).status_code == 200
        shown = client.get(f"/durable/api/runs/{failed['id']}", headers=LOCAL).get_json()
        with mounted(story_url) as original:
            before = original.test_client().get(f"/durable/api/runs/{failed['id']}", headers=LOCAL).get_json()
        assert shown["timeline"] == before["timeline"]
        assert shown["run"]["input"] == before["run"]["input"]
        graph = client.get(f"/durable/api/runs/{failed['id']}/graph", headers=LOCAL)
        assert graph.status_code == 200
        retried = client.post(f"/durable/api/runs/{failed['id']}/retry", headers=LOCAL)
        assert (retried.status_code, "read-only" in retried.get_data(as_text=True)) == (403, True)


def test_parquet_holds_the_very_lines_and_columns_to_query(story_url: str, tmp_path: Path) -> None:
    """One format in two files; pandas finds failed runs without parsing a line."""
    files = tmp_path / "runs.jsonl", tmp_path / "runs.parquet"
    for file in files:
        assert run_durable("export", str(file), "--system-database-url", story_url).code == 0
    json_lines, parquet = map(lines_of, files)
    assert parquet == json_lines
    frame = pandas.read_parquet(files[1])
    assert list(frame.columns) == ["id", "workflow", "status", "created_at", "run"]
    expected = {one["id"] for one in map(json.loads, json_lines[1:-1]) if one["status"] == "failed"}
    assert set(frame[frame["status"] == "failed"]["id"]) == expected
    assert str(frame["created_at"].dtype) == "datetime64[ms, UTC]"


def test_groups_of_runs_and_odd_names_survive_parquet(tmp_path: Path) -> None:
    """More runs than are held at a time; half a surrogate pair, which JSON escapes and Parquet cannot hold."""
    head, tail = '{"format":"durable-archive","version":1,"engineSchema":1}\n', '{"runs":1201}\n'
    runs = [
        json.dumps({"id": f"{n}\ud800", "workflow": "w\u00e9", "status": "failed", "createdAtMs": n, "rows": {}}) + "\n"
        for n in range(1_201)
    ]
    file = tmp_path / "many.parquet"
    with ParquetLines(file) as written:
        for line in [head, *runs, tail]:
            written.write(line)
    assert lines_of(file) == [head, *runs, tail]


def test_what_is_no_parquet_archive_is_said(tmp_path: Path) -> None:
    """Another Parquet file, one that was cut, one that is none; and nothing is made of it."""
    other, broken, whole = tmp_path / "other.parquet", tmp_path / "broken.parquet", tmp_path / "whole.parquet"
    pandas.DataFrame({"a": [1]}).to_parquet(other)
    broken.write_bytes(other.read_bytes()[:-9])
    whole.write_bytes(b"")
    for file, words in ((other, "no archive of ours"), (broken, "cannot be read as Parquet"), (whole, "Parquet")):
        said = run_durable("import", str(file), "--to", str(tmp_path / "archive.sqlite"))
        assert (said.code, words in said.err) == (2, True), said


def test_what_cannot_be_exported_or_imported_is_said(story_url: str, tmp_path: Path) -> None:
    """Exit codes as everywhere; nothing half done is left behind."""
    file = tmp_path / "runs.jsonl"
    missing = run_durable("export", str(file), "--system-database-url", f"sqlite:///{tmp_path / 'none.sqlite'}")
    assert (missing.code, "does not exist" in missing.err) == (3, True)
    assert list(tmp_path.iterdir()) == []
    file.write_text('{"format": "something else"}\n')
    wrong = run_durable("import", str(file), "--to", str(tmp_path / "archive.sqlite"))
    assert (wrong.code, "no archive of ours" in wrong.err) == (2, True)
    engine = story_url.removeprefix("sqlite:///")
    refused = run_durable("import", str(file), "--to", engine)
    assert (refused.code, "is a database, and no archive" in refused.err) == (2, True)
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"format": "durable-archive", "version": 1}\n' * 99)[:-9])
    cut = run_durable("import", str(tmp_path / "cut.jsonl.gz"), "--to", str(tmp_path / "other.sqlite"))
    assert (cut.code, cut.err.startswith("Error: ")) == (2, True)
    packed = bytearray(gzip.compress(random.Random(1).randbytes(4_000)))
    packed[1_000:1_100] = bytes(100)
    for number, content in enumerate((bytes(packed), gzip.compress(b"\xff\xfe")[:-4], b"", b"\x1f\x8b")):
        broken = tmp_path / f"broken{number}.jsonl.gz"
        broken.write_bytes(content)
        said = run_durable("import", str(broken), "--to", str(tmp_path / "third.sqlite"))
        assert (said.code, said.err.startswith("Error: ")) == (2, True), (said, number)
