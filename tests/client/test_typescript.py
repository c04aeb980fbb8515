"""The typed TypeScript client compiles against the OpenAPI document and works against a live server, under Node."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.client.test_plain_javascript import node_major
from tests.programs import ROOT

EXAMPLE = ROOT / "examples" / "typescript_client"
WRONG = """
import { DurableClient } from "./client.js";
const client = new DurableClient("");
client.api.GET("/runs", { params: { query: { colour: "red" } } });
client.api.GET("/ruins", {});
client.api.POST("/runs", { body: { input: [] } });
const rows: string = (await client.api.GET("/workers", {})).data![0]!.depth;
"""

if node_major() >= 20 and shutil.which("npm"):  # as in test_plain_javascript: without Node this file holds no test

    @pytest.fixture(scope="module")
    def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
        """A copy of the example, with its packages, compiled."""
        root = tmp_path_factory.mktemp("typescript")
        folder = root / "examples" / "typescript_client"
        shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "dist", "openapi.d.ts"))
        document = root / "dashboard" / "frontend" / "openapi.json"
        document.parent.mkdir(parents=True)
        shutil.copy(ROOT / "dashboard" / "frontend" / "openapi.json", document)
        for command in (
            ["npm", "install", "--no-audit", "--no-fund", "--silent", "--package-lock=false"],
            ["npm", "run", "--silent", "build"],
        ):
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=170)
            assert done.returncode == 0, done.stdout + done.stderr
        return folder

    @pytest.mark.timeout(400)
    def test_the_typescript_client_lists_starts_follows_and_retries(project: Path, base_url: str) -> None:
        """The example says what it saw: a run that fails, is retried, completes, and then is refused."""
        command = ["node", "dist/example.js", base_url]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        seen = {line["what"]: line["value"] for line in lines}
        assert next(line["value"] for line in lines if line["what"] == "message") == "snapshot"
        assert (seen["started"], seen["status"], seen["retried"], seen["listed"]) == (
            "refund_order",
            "failed",
            True,
            True,
        )
        assert "look_up_payment" in seen["steps"]
        assert seen["ended"] in ("run.completed", "completed", "changed")
        assert seen["refused"]["status"] == 409
        assert "completed" in seen["refused"]["says"]
        assert seen["watching"] == "snapshot"

    @pytest.mark.timeout(400)
    def test_what_the_api_does_not_know_does_not_compile(project: Path) -> None:
        """A wrong parameter, path, body and member are each an error of the compiler, and nothing else is one."""
        wrong = project / "src" / "wrong.ts"
        wrong.write_text(WRONG)
        command = ["npx", "tsc", "--noEmit"]
        done = subprocess.run(command, cwd=project, capture_output=True, text=True, timeout=120)
        wrong.unlink()
        assert done.returncode != 0
        places = dict.fromkeys(re.findall(r"^src/(\w+)\.ts\((\d+)", done.stdout, re.M))
        assert list(places) == [("wrong", str(line)) for line in (4, 5, 6, 7)], done.stdout
