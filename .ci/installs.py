"""Install wheel and source distribution into empty environments of several Pythons, and run the demo from each.

    python .ci/installs.py 3.10 3.11 3.12 3.13
    python .ci/installs.py 3.12 --pre dbos       the engine's newest, a release candidate too

Each environment is made by ``venv``, has nothing but what pip installs, and sees no clone. What is measured is what a
person waits for: the installation, and from the command to the first run that the API lists. Exits 1 where one fails.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_S = 180.0


def built(folder: Path) -> list[Path]:
    """Build both distributions; return their files."""
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, check=True)
    return sorted(folder.iterdir(), key=lambda path: path.suffix)


def first_run(python: Path, folder: Path) -> tuple[float, str]:
    """Start the demo; return how many seconds it took until a run was listed, and the engine's version."""
    command = [python, "-m", "dashboard", "demo", "--port", "0", "--trickle-s", "0.2"]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    began = time.monotonic()
    with subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.PIPE, text=True) as shop:
        assert shop.stdout is not None
        try:
            line = next(line for line in shop.stdout if line.startswith("Dashboard:"))
            address = line.split()[1]
            while not _listed(f"{address}api/runs?limit=1"):
                if time.monotonic() - began > PATIENCE_S:
                    raise TimeoutError(f"No run was listed within {PATIENCE_S:g} s.")
                time.sleep(0.1)
            took_s = time.monotonic() - began
        finally:
            shop.terminate()
            shop.communicate(timeout=60)
    asked = "from importlib.metadata import version; print(version('dbos'))"
    found = subprocess.run([python, "-c", asked], capture_output=True, text=True, check=True)
    return took_s, found.stdout.strip()


def _listed(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return bool(json.load(answer))
    except (OSError, urllib.error.URLError):
        return False


def tried(version: str, distribution: Path, pre: list[str]) -> str:
    """Install into an empty environment and run the demo; return a line of the table."""
    interpreter = shutil.which(f"python{version}") or version
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        subprocess.run([interpreter, "-m", "venv", folder / "venv"], check=True)
        python = folder / "venv" / "bin" / "python"
        began = time.monotonic()
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, f"{distribution}[demo]"], check=True)
        if pre:
            subprocess.run([*pip, "--pre", "-U", *pre], check=True)
        installed_s = time.monotonic() - began
        run_s, engine = first_run(python, folder)
    kind = "wheel" if distribution.suffix == ".whl" else "sdist"
    return f"{version:<8} {kind:<6} dbos {engine:<12} installed in {installed_s:5.1f} s, first run after {run_s:5.1f} s"


def main() -> int:
    """Try each; return how many failed, at most 1."""
    parser = argparse.ArgumentParser(description="Wheel and sdist in empty environments of several Pythons.")
    parser.add_argument("versions", nargs="+", help="3.12, or the path of an interpreter.")
    parser.add_argument("--pre", action="append", default=[], metavar="PACKAGE", help="Take its newest pre-release.")
    parser.add_argument("--only", choices=["wheel", "sdist"])
    given = parser.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as place:
        for distribution in built(Path(place)):
            if given.only and (distribution.suffix == ".whl") != (given.only == "wheel"):
                continue
            for version in given.versions:
                try:
                    print(tried(version, distribution, given.pre), flush=True)
                except (OSError, subprocess.CalledProcessError, StopIteration) as error:
                    failed = True
                    print(f"{version:<8} {distribution.name} FAILED: {error!r}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
