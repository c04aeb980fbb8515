"""Check, attest and tag what ``tox -e release`` built: ``python .ci/tag.py [--key FILE]``.

Refuses unless the work tree is clean, the version is new, CHANGELOG.md dates it, the HTTP contract breaks nobody, and
``dist/`` holds what its sums say. Then ``dist/provenance.json`` says in the words of in-toto and SLSA which commit the
archives were built from, by what and when; with ``--key`` an SSH key signs it (``ssh-keygen -Y verify`` checks that).
The tag ``vVERSION`` carries the sums. Nothing is uploaded or pushed: that is the next command, which it prints.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
SUMS = "SHA256SUMS"
STATEMENT = "provenance.json"


def git(*words: str) -> str:
    """Return what git says."""
    return subprocess.run(["git", *words], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def sums(text: str) -> dict[str, str]:
    """Return file name -> SHA-256, of a file of sums. Pure."""
    return {name: digest for digest, name in (line.split("  ", 1) for line in text.splitlines() if line)}


def refusals(
    version: str,
    *,
    dirty: str,
    tags: list[str],
    changelog: str,
    breaks: list[str],
    wrong_sums: list[str],
    files: list[str],
) -> list[str]:
    """Return why this is not to be released; nothing where it may be. Pure."""
    found = []
    if dirty:
        found.append(f"The work tree has changes that no commit holds: {dirty.splitlines()[0]}")
    if f"v{version}" in tags:
        found.append(f"There is a tag v{version}: raise the version in pyproject.toml.")
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d{{2}}-\d{{2}}$", changelog, re.M):
        found.append(f"CHANGELOG.md has no heading '## {version} - YYYY-MM-DD'.")
    if breaks:
        found.append(f"The HTTP contract breaks clients ({breaks[0]}). A new one: python .ci/contract.py --release")
    found += [f"dist/{name} is not what {SUMS} says: run tox -e release." for name in wrong_sums]
    for suffix in (f"-{version}.tar.gz", f"-{version}-py3-none-any.whl"):
        if not any(name.endswith(suffix) for name in files):
            found.append(f"dist/ has no archive {suffix[1:]}: run tox -e release.")
    return found


def statement(digests: dict[str, str], *, commit: str, version: str, built_at: str) -> dict[str, Any]:
    """Return the attestation: an in-toto statement with SLSA's provenance. Pure.

    Source: in-toto Statement v1, SLSA Provenance v1.
    """
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest}} for name, digest in sorted(digests.items())],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": "https://pypi.org/project/durable-dashboard/tox-release",
                "externalParameters": {"version": version, "command": "tox -e release"},
                "resolvedDependencies": [{"uri": "git+local", "digest": {"gitCommit": commit}}],
            },
            "runDetails": {
                "builder": {"id": "https://pypi.org/project/durable-dashboard/local"},
                "metadata": {"invocationId": commit, "finishedOn": built_at},
            },
        },
    }


def main() -> None:
    """Check, attest, tag."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--key", type=Path, help="SSH key that signs the attestation")
    key = parser.parse_args().key
    tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    sys.path.insert(0, str(Path(__file__).parent))
    contract = importlib.import_module("contract")
    digests = sums((DIST / SUMS).read_text()) if (DIST / SUMS).exists() else {}
    found = refusals(
        version,
        dirty=git("status", "--porcelain"),
        tags=git("tag").splitlines(),
        changelog=(ROOT / "CHANGELOG.md").read_text(),
        breaks=contract.breaks(json.loads(contract.RELEASED.read_text()), json.loads(contract.NOW.read_text())),
        wrong_sums=[name for name, digest in digests.items() if _digest(DIST / name) != digest],
        files=list(digests),
    )
    if found:
        sys.exit("\n".join(found))
    made = statement(
        digests, commit=git("rev-parse", "HEAD"), version=version, built_at=git("log", "-1", "--format=%cI")
    )
    (DIST / STATEMENT).write_text(json.dumps(made, indent=2) + "\n")
    if key is not None:
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", "file", str(DIST / STATEMENT)]
        subprocess.run(command, check=True)
    git("tag", "-a", f"v{version}", "-m", f"durable-dashboard {version}\n\n{(DIST / SUMS).read_text()}")
    print(f"Tagged v{version}. Next: git push origin v{version}, and python -m twine upload dist/*.whl dist/*.tar.gz")


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"


if __name__ == "__main__":
    main()
