"""Check the page: wire types, types, lint, tests, and that the committed bundle is what its sources build to.

Without Node: say so, pass. Reads the sources, runs npm in a copy of them in a temporary folder; writes nothing here.
"""

from __future__ import annotations

import filecmp
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "dashboard" / "frontend"
BUNDLE = ROOT / "dashboard" / "static"
OLDEST_NODE = 20


def node_version() -> int | None:
    """Return the major version of the Node that is installed, or None."""
    if not (shutil.which("node") and shutil.which("npm")):
        return None
    answer = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout
    return int(answer.strip().lstrip("v").split(".")[0])


def differences(built: Path, committed: Path) -> list[str]:
    """Return the files, relative to the bundle, that differ or that only one side has."""
    names = {
        file.relative_to(side).as_posix()
        for side in (built, committed)
        for file in side.rglob("*")
        if file.is_file() and file.name != ".gitkeep"
    }
    return sorted(
        name
        for name in names
        if not ((built / name).is_file() and (committed / name).is_file())
        or not filecmp.cmp(built / name, committed / name, shallow=False)
    )


def main() -> int:
    """Return the process's exit code."""
    version = node_version()
    if version is None or version < OLDEST_NODE:
        found = f"Node {version} is" if version else "Node is not"
        print(f"frontend: {found} installed (>= {OLDEST_NODE} wanted); the committed bundle was not rebuilt.")
        return 0
    with tempfile.TemporaryDirectory(prefix="durable-frontend-") as folder:
        copy = Path(folder) / "dashboard" / "frontend"
        shutil.copytree(SOURCES, copy, ignore=shutil.ignore_patterns("node_modules"))
        (copy.parent / "static").mkdir()
        for command in (
            ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            ["npm", "run", "--silent", "types:check"],
            ["npm", "run", "--silent", "check"],
            ["npm", "run", "--silent", "lint"],
            ["npm", "run", "--silent", "test"],
            ["npm", "run", "--silent", "build"],
            ["npm", "run", "--silent", "size"],
        ):
            if (code := subprocess.run(command, cwd=copy).returncode) != 0:
                print(f"frontend: {' '.join(command)} failed with exit code {code}.")
                return 1
        changed = differences(copy.parent / "static", BUNDLE)
    if changed:
        print("frontend: the committed bundle is not what the sources build to. Run `npm run build` in")
        print("dashboard/frontend and commit dashboard/static. Differing: " + ", ".join(changed[:10]))
        return 1
    print(f"frontend: types and lint are clean, the committed bundle is what Node {version} builds.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
