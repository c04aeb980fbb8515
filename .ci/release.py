"""Build the wheel and the source distribution twice, compare them, and say what is in them: ``tox -e release``.

Writes ``dist/``: both archives, their SHA-256 sums, and an SBOM (CycloneDX, JSON) of the package with everything that
it needs at run time. The page's bundle is not built here: it is committed, and ``.ci/frontend.py`` checks that its
sources make exactly it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
DIST = ROOT / "dist"
NAME = "durable-dashboard"


def main() -> None:
    """Build, compare, write; exit with 1 where the two builds differ."""
    environ = {**os.environ, "SOURCE_DATE_EPOCH": commit_time()}
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        sums = [build(Path(folder), environ) for folder in (first, second)]
        if sums[0] != sums[1]:
            sys.exit(f"Two builds of the same commit differ: {sums[0]} and {sums[1]}.")
        shutil.rmtree(DIST, ignore_errors=True)
        shutil.copytree(first, DIST)
    (DIST / "SHA256SUMS").write_text("".join(f"{digest}  {name}\n" for name, digest in sorted(sums[0].items())))
    bill = bill_of_materials(environ)
    (DIST / f"{NAME}.cdx.json").write_text(json.dumps(bill, indent=2, sort_keys=True) + "\n")
    for name, digest in sorted(sums[0].items()):
        print(f"{digest}  {name}")
    print(f"SBOM: {len(bill['components'])} components.")


def commit_time() -> str:
    """Return the commit's time, which is what archives say their files are of; now, outside of a repository."""
    if "SOURCE_DATE_EPOCH" in os.environ:
        return os.environ["SOURCE_DATE_EPOCH"]
    told = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True)
    return told.stdout.strip() or "1700000000"


def build(folder: Path, environ: dict[str, str]) -> dict[str, str]:
    """Build into a folder; return the SHA-256 of each archive."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def bill_of_materials(environ: dict[str, str]) -> dict[str, Any]:
    """Return the SBOM of this environment, less the tools that only build."""
    command = ["cyclonedx-py", "environment", "--output-reproducible", "--gather-license-texts", sys.executable]
    told = subprocess.run(command, check=True, env=environ, capture_output=True, text=True, cwd=ROOT)
    return only_needed(json.loads(told.stdout), NAME)


def only_needed(bill: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a bill without the components that ``name`` does not need. Pure."""
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in bill.get("dependencies", [])}
    waiting = [part["bom-ref"] for part in bill["components"] if part["name"] == name]
    kept: set[str] = set()
    while waiting:
        ref = waiting.pop()
        if ref not in kept:
            kept.add(ref)
            waiting += needs.get(ref, [])
    return {
        **bill,
        "components": [part for part in bill["components"] if part["bom-ref"] in kept],
        "dependencies": [entry for entry in bill.get("dependencies", []) if entry["ref"] in kept],
    }


if __name__ == "__main__":
    main()
