"""Somebody who knows only the HTTP contract can list, open, tail, retry and cancel: in JavaScript, run by Node."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

NODE = shutil.which("node")


def node_major() -> int:
    """Return the major version of the Node that is installed; 0 where none is."""
    if NODE is None:
        return 0
    return int(subprocess.run([NODE, "--version"], capture_output=True, text=True).stdout.strip("v\n").split(".")[0])


if node_major() >= 18:  # the first with fetch; without Node this file holds no test, and the Python client's remain

    @pytest.mark.timeout(120)
    def test_a_client_written_against_the_contract_works_unchanged(base_url: str) -> None:
        """The script asserts as it goes and reports what it saw."""
        script = Path(__file__).with_name("plain_client.mjs")
        done = subprocess.run([str(NODE), str(script), base_url], capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
        seen = {line["what"]: line["value"] for line in map(json.loads, done.stdout.splitlines())}
        assert seen["opened"] == "refund_order"
        assert seen["tailed"] == "failed"
        assert seen["cancelled"] == "run.cancelled"
        assert seen["done"] is True
