"""The script that tags a release: what it refuses, and what it attests. In a small repository of its own."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.programs import ROOT
from tests.project.test_supply_chain import script

TAG = script("tag")
GOOD: dict[str, Any] = {
    "dirty": "",
    "tags": ["v1.1.0"],
    "changelog": "# Changelog\n\n## 1.2.0 - 2026-11-28\n",
    "breaks": [],
    "wrong_sums": [],
    "files": ["durable_dashboard-1.2.0.tar.gz", "durable_dashboard-1.2.0-py3-none-any.whl"],
}


def test_a_release_that_is_ready_is_not_refused() -> None:
    """Clean, new, dated, whole."""
    assert TAG.refusals("1.2.0", **GOOD) == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dirty": " M README.md"}, "no commit holds"),
        ({"tags": ["v1.2.0"]}, "There is a tag v1.2.0"),
        ({"changelog": "## 1.2.0 - unreleased\n"}, "no heading"),
        ({"breaks": ["GET /runs is gone."]}, "breaks clients"),
        ({"wrong_sums": ["x.whl"]}, "is not what SHA256SUMS says"),
        ({"files": []}, "has no archive"),
    ],
)
def test_what_is_not_ready_is_said(change: dict[str, Any], says: str) -> None:
    """Each reason by itself, in words that say what to do."""
    assert says in "\n".join(TAG.refusals("1.2.0", **{**GOOD, **change}))


def test_it_attests_signs_and_tags_what_was_built(tmp_path: Path) -> None:
    """The tag carries the sums, the signature is good, and a second time it is refused."""
    for name in ("tag.py", "contract.py"):
        (tmp_path / ".ci").mkdir(exist_ok=True)
        shutil.copy(ROOT / ".ci" / name, tmp_path / ".ci")
    for path in ("docs", "dashboard/frontend"):
        (tmp_path / path).mkdir(parents=True)
    empty = '{"paths": {}, "components": {"schemas": {}}}'
    (tmp_path / "docs" / "openapi-released.json").write_text(empty)
    (tmp_path / "dashboard" / "frontend" / "openapi.json").write_text(empty)
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "1.2.0"\n')
    (tmp_path / "CHANGELOG.md").write_text(GOOD["changelog"])
    (tmp_path / ".gitignore").write_text("dist\nkey*\n__pycache__\n")
    dist = tmp_path / "dist"
    dist.mkdir()
    lines = []
    for name in GOOD["files"]:
        (dist / name).write_text(name)
        lines.append(f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n")
    (dist / "SHA256SUMS").write_text("".join(lines))

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)

    who = ("-c", "user.name=ada", "-c", "user.email=ada@example.com")
    run("git", "init", "-q")
    run("git", "config", "user.name", "ada")
    run("git", "config", "user.email", "ada@example.com")
    run("git", "add", "-A")
    assert run("git", *who, "commit", "-qm", "Begin").returncode == 0
    command = [sys.executable, ".ci/tag.py"]
    keyed = shutil.which("ssh-keygen") is not None
    if keyed:
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key")
        command += ["--key", "key"]
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "".join(lines).strip() in run("git", "tag", "-l", "-n9", "--format=%(contents)", "v1.2.0").stdout
    made = json.loads((dist / "provenance.json").read_text())
    assert {one["name"] for one in made["subject"]} == set(GOOD["files"])
    commit = run("git", "rev-parse", "HEAD").stdout.strip()
    assert made["predicate"]["buildDefinition"]["resolvedDependencies"][0]["digest"] == {"gitCommit": commit}
    if keyed:
        (tmp_path / "dist" / "signers").write_text(f"ada@example.com {(tmp_path / 'key.pub').read_text()}")
        verify = "ssh-keygen -Y verify -f dist/signers -I ada@example.com -n file -s dist/provenance.json.sig"
        assert run("bash", "-c", f"{verify} < dist/provenance.json").returncode == 0
    assert "There is a tag v1.2.0" in run(*command).stderr
