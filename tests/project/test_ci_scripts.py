"""The scripts under .ci do what CI relies on."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

from tests.programs import ROOT

frontend = runpy.run_path(str(ROOT / ".ci" / "frontend.py"))


def test_a_bundle_that_differs_is_named(tmp_path: Path) -> None:
    """Changed, missing and left-over files each count; equal ones do not."""
    built, committed = tmp_path / "built", tmp_path / "committed"
    for folder, files in (
        (built, {"same.js": "a", "assets/changed.js": "a", "new.js": "a"}),
        (committed, {"same.js": "a", "assets/changed.js": "b", "old.js": "a", ".gitkeep": ""}),
    ):
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
    assert frontend["differences"](built, committed) == ["assets/changed.js", "new.js", "old.js"]


def test_without_node_the_check_says_so_and_passes(tmp_path: Path) -> None:
    """A machine with only Python can run the whole test command."""
    environ = {**os.environ, "PATH": str(tmp_path)}
    command = [sys.executable, str(ROOT / ".ci" / "frontend.py")]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    assert "Node is not installed" in done.stdout
