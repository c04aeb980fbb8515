"""``durable export`` and ``import``, and the archive in the page's own server, which shows it and changes nothing."""

from __future__ import annotations

import gzip
import json
import random
import stat
from pathlib import Path

import pytest

from tests.cli.conftest import run_durable
from tests.story import mounted

LOCAL = {"Host": "localhost"}


@pytest.mark.parametrize("name", ["runs.jsonl", "runs.jsonl.gz"])
def test_ended_runs_become_an_archive_that_the_page_shows(story_url: str, tmp_path: Path, name: str) -> None:
    """Export, import, look; the archive is a database like any other, and read-only where actions are off."""
    file, archive = tmp_path / name, tmp_path / "archive.sqlite"
    exported = run_durable("export", str(file), "--system-database-url", story_url)
    assert (exported.code, exported.err) == (0, "")
    lines = gzip.decompress(file.read_bytes()) if name.endswith(".gz") else file.read_bytes()
    last = json.loads(lines.splitlines()[-1])
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
