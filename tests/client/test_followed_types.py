"""What the API answers, compiled against the types of the client whose contract it follows (npm; asks a registry)."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.client.orders import place_order
from tests.client.test_plain_javascript import node_major
from tests.waiting import until

PACKAGES = ("@dudousxd/nestjs-durable-dashboard@0.40.0", "@dudousxd/nestjs-durable-core@0.62.0", "typescript@5.9.3")
TYPES = """
import type { DurableTopology, GroupHealth, RunDetail, WorkflowRun } from "@dudousxd/nestjs-durable-dashboard/client";
type Plain = string | number | boolean | null | undefined;
type More<T> = T extends Plain ? T : T extends (infer U)[] ? More<U>[] : T extends object
  ? { [K in keyof T]: More<T[K]> } & { [key: string]: unknown } : T;
"""
CONFIG = {"strict": True, "module": "nodenext", "target": "es2022", "skipLibCheck": True, "noEmit": True}
KNOWN = {
    ("parallelGroup", "Type 'number' is not assignable to type 'string'."),
    ("wakeAt", "Type 'string' is not assignable to type 'number'."),
    ("finishedAt", "Property 'finishedAt' is missing"),
}
"""The differences that docs/contract.md names."""


def answers(base_url: str) -> dict[str, tuple[str, Any]]:
    """Return what the routes of that client answer, by a name: its type there, and the answer."""

    def get(path: str) -> Any:
        return httpx.get(f"{base_url}/api/{path}").json()

    rows = get("runs?limit=200")
    kinds = {(row["workflow"], row["status"], (row.get("waiting") or {}).get("on")): row["id"] for row in rows}
    found = {f"detail{n}": ("RunDetail", get(f"runs/{run_id}")) for n, run_id in enumerate(kinds.values())}
    return {
        "rows": ("WorkflowRun[]", rows),
        "workers": ("GroupHealth[]", get("workers")),
        "topology": ("DurableTopology", get("topology")),
        **found,
    }


def differences(folder: Path, found: dict[str, tuple[str, Any]]) -> set[tuple[str, str]]:
    """Return (member, what the compiler says) wherever an answer does not fit its type; members of ours are free."""
    values = [
        f"export const {name}: More<{kind}> = {json.dumps(value, indent=1)};" for name, (kind, value) in found.items()
    ]
    source = TYPES + "\n".join(values)
    (folder / "answers.ts").write_text(source)
    (folder / "tsconfig.json").write_text(json.dumps({"compilerOptions": CONFIG, "files": ["answers.ts"]}))
    done = subprocess.run(["npx", "tsc", "-p", "."], cwd=folder, capture_output=True, text=True, timeout=170)
    lines, told = source.splitlines(), set()
    for place, text, more in re.findall(r"^answers\.ts\((\d+),\d+\): error \w+: (.*)(?:\n  (.*))?", done.stdout, re.M):
        missing = re.match(r"Property '(\w+)' is missing", more)
        member = re.match(r'\s*"(\w+)"', lines[int(place) - 1])
        told.add((missing[1], missing[0]) if missing else (member[1] if member else place, text))
    assert told or not done.returncode, done.stdout
    return told


if node_major() >= 20 and shutil.which("npm"):  # as in test_typescript: without Node this file holds no test

    @pytest.mark.slow
    @pytest.mark.timeout(400)
    def test_answers_fit_the_followed_clients_types_but_where_the_docs_say(
        shop: str, base_url: str, tmp_path: Path
    ) -> None:
        """A run at a breakpoint, one with children, one that sleeps, one that failed; workers; the deployment."""
        (tmp_path / "package.json").write_text(json.dumps({"name": "answers", "private": True, "type": "module"}))
        options = (
            "--no-audit",
            "--no-fund",
            "--silent",
            "--package-lock=false",
            "--legacy-peer-deps",
            "--ignore-scripts",
        )
        done = subprocess.run(["npm", "install", *options, *PACKAGES], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        for total in (120, 4120):
            place_order(shop, total=total)
        refund = {"workflow": "refund_order", "input": [[]], "format": "python"}
        assert httpx.post(f"{base_url}/api/runs", json=refund).status_code == 201
        until(
            lambda: {(row.get("waiting") or {}).get("on") for row in httpx.get(f"{base_url}/api/runs").json()},
            lambda waits: waits >= {"breakpoint", "signal"},
            what="an order at a breakpoint, and one that waits for a signal",
        )
        told = differences(tmp_path, answers(base_url))
        assert {member for member, _ in told} >= {"finishedAt"}  # of the open steps: the compiler did look
        assert told <= KNOWN
