"""Run DBOS's own test suite without and with the instrumentor, and compare what passes.

    python tests/dbos_suite/run.py [--database sqlite|postgres] [--sdist FOLDER] [FILE ...]

The suite is in the source distribution of the ``dbos`` that is installed; it is downloaded unless ``--sdist`` names an
unpacked one. Needs what the suite needs: pytest-mock, pytest-asyncio, pytest-timeout, inline-snapshot, fastapi,
uvicorn, aiosqlite, requests, psycopg2-binary (``tox -e dbos-suite`` brings them). Both runs of a file go on at the same
time, under the same load. A test that passed without and not with the instrumentor is run again alone with it, up to
three times, to tell flaky from broken.
Exit code 1 when a test passes only without the instrumentor and ``BY_DESIGN`` does not name it, or a file does not end
within ``--limit-s``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
FILES = (
    "test_application_name",
    "test_async",
    "test_async_workflow_management",
    "test_attributes",
    "test_auth",
    "test_classdecorators",
    "test_client",
    "test_concurrency",
    "test_concurrency_primitives",
    "test_config",
    "test_datasource",
    "test_db_retry",
    "test_dbos",
    "test_debouncer",
    "test_duplication_policy",
    "test_failures",
    "test_interop",
    "test_otel_attribute_format",
    "test_outcome",
    "test_patch",
    "test_queue",
    "test_rewind",
    "test_scheduler",
    "test_serialization",
    "test_singleexec",
    "test_singleexec_async",
    "test_singleton",
    "test_sqlite_threading",
    "test_streaming",
    "test_telemetry",
    "test_workflow_introspection",
    "test_workflow_management",
)
"""Left out: Kafka, CockroachDB and the enterprise package (services not at hand), packaging and CLI, schema migration
(no workflow runs)."""
BY_DESIGN = frozenset(
    {
        "test_legacy_attributes_default_emitted_on_span",
        "test_semconv_attributes_emitted_on_span",
        "test_client_otel_context_joins_caller_trace",
        "test_disable_otlp_no_spans",
        "test_inline_workflow_without_carrier_keeps_caller_trace",
        "test_malformed_carrier_falls_back_to_caller_trace",
        "test_propagate_explicit_otel_context_to_inline_async_workflow",
        "test_propagate_explicit_otel_context_to_inline_workflow",
        "test_propagate_otel_context_queued_async_workflow_joins_caller_trace",
        "test_propagate_otel_context_queued_workflow_joins_caller_trace",
        "test_propagate_otel_context_survives_recovery",
        "test_queue_span_has_queue_name",
        "test_spans",
        "test_spans_async",
        "test_start_workflow_inherits_caller_trace",
        "test_start_workflow_without_caller_span_is_root",
    }
)
"""Tests of the spans that DBOS's own tracer makes. Under the instrumentor it makes none, for the bridge does; and the
log lines of a step carry the step's span id even with ``disable_otlp``, of which one of them asserts the contrary."""


@dataclass
class Outcome:
    """What one run of a file said."""

    finished: bool = False
    results: dict[str, str] = field(default_factory=dict)
    report: dict[str, object] = field(default_factory=dict)

    def passed(self) -> set[str]:
        """Return the tests that passed."""
        return {name for name, result in self.results.items() if result == "passed"}


def unpack(folder: Path) -> Path:
    """Download and unpack the source distribution of the installed dbos; return its folder."""
    release = f"dbos=={version('dbos')}"
    subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-binary", ":all:", "--no-deps", "-d", folder, release],
        check=True,
    )
    (archive,) = folder.glob("dbos-*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return next(path for path in folder.iterdir() if path.is_dir() and path.name.startswith("dbos-"))


@contextmanager
def database(kind: str, sdist: Path, scratch: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Give the suite's folder and the environment that make it use SQLite, or a Postgres server of ours.

    The suite has Postgres' usual port written into it, so that a copy with our port is made of it.
    """
    if kind == "sqlite":
        yield sdist, {"DBOS_DATABASE": "SQLITE"}
        return
    from postgres_server import serve  # type: ignore[import-not-found]

    copy = scratch / "suite"
    shutil.copytree(sdist, copy)
    server_folder = scratch / "postgres"
    server_folder.mkdir()
    scratch.chmod(0o755)  # the server may have to run as another user
    with serve(server_folder) as port:
        for path in (copy / "tests").glob("*.py"):
            path.write_text(path.read_text().replace("localhost:5432", f"127.0.0.1:{port}"))
        yield copy, {"PGPASSWORD": "dbos"}


def start(sdist: Path, tests: Sequence[str], env: dict[str, str], folder: Path, *, on: bool) -> subprocess.Popen[bytes]:
    """Start pytest over ``tests``, with or without the instrumentor; results go to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "pytest", *tests, "-q", "--timeout=120", f"--junitxml={folder / 'junit.xml'}"]
    command += ["-o", "log_cli=false", "-o", "addopts=", f"--basetemp={folder / 'tmp'}"]
    environment = {**os.environ, **env, "DURABLE_SUITE_REPORT": str(folder / "report.json")}
    if on:
        command += ["-p", "plugin"]
        environment["PYTHONPATH"] = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen(command, cwd=sdist, env=environment, stdout=output, stderr=subprocess.STDOUT)


def collect(folder: Path) -> Outcome:
    """Read what a finished run wrote."""
    junit = folder / "junit.xml"
    outcome = Outcome(finished=junit.exists())
    if outcome.finished:
        for case in ElementTree.parse(junit).iter("testcase"):
            name = f"{case.get('classname', '')}::{case.get('name', '')}".replace("\n", "")
            kinds = {child.tag for child in case}
            bad = kinds & {"failure", "error"}
            outcome.results[name] = "failed" if bad else "skipped" if "skipped" in kinds else "passed"
    report = folder / "report.json"
    if report.exists():
        outcome.report = json.loads(report.read_text())
    return outcome


def both(
    sdist: Path, tests: Sequence[str], env: dict[str, str], folder: Path, *, apart: bool, limit_s: int
) -> tuple[Outcome, Outcome]:
    """Run ``tests`` without and with the instrumentor, at the same time unless ``apart``."""
    running: list[subprocess.Popen[bytes]] = []
    for on in (False, True):
        running.append(start(sdist, tests, env, folder / ("with" if on else "without"), on=on))
        if apart:
            _finish(running[-1], limit_s)
    for process in running:
        _finish(process, limit_s)
    return collect(folder / "without"), collect(folder / "with")


def _finish(process: subprocess.Popen[bytes], limit_s: int) -> None:
    try:
        process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main(argv: Sequence[str] | None = None) -> int:
    """Run, compare, print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", default=FILES, help="names like test_queue")
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--sdist", type=Path, help="folder of an unpacked source distribution")
    parser.add_argument("--results", type=Path, help="folder to keep outputs in")
    parser.add_argument("--tries", type=int, default=3, help="how often a test that was lost is tried again")
    parser.add_argument("--limit-s", type=int, default=1200, help="seconds allowed for one file")
    options = parser.parse_args(argv)
    broken: list[str] = []
    totals = {"passed without": 0, "passed with": 0, "by design": 0, "flaky": 0, "entered": 0, "ignored": 0}
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="durable-suite-")))
        sdist = (options.sdist or unpack(scratch)).resolve()
        results = (options.results or scratch / "results").resolve()
        sdist, env = stack.enter_context(database(options.database, sdist, scratch))
        apart = options.database == "postgres"  # one database by a fixed name
        print(f"dbos {version('dbos')}, {options.database}")
        print(f"{'file':34} {'without':>8} {'with':>8} {'design':>7} {'flaky':>6} {'entered':>8} {'ignored':>8}")
        for file in options.files:
            without, with_it = both(
                sdist, [f"tests/{file}.py"], env, results / file, apart=apart, limit_s=options.limit_s
            )
            missing = sorted(without.passed() - with_it.passed()) if with_it.finished else []
            lost = [name for name in missing if name.rpartition("::")[2] not in BY_DESIGN]
            designed = len(missing) - len(lost)
            really = [name for name in lost if not recovers(sdist, file, name, env, results, options)]
            broken += really
            ignored = sum(len(errors) for errors in dict(with_it.report.get("ignored") or {}).values())  # type: ignore[call-overload, misc]
            entered = int(str(with_it.report.get("entered", 0)))
            print(
                f"{file:34} {len(without.passed()):8} {len(with_it.passed()):8} {designed:7}"
                f" {len(lost) - len(really):6} {entered:8} {ignored:8}",
                flush=True,
            )
            for way in [way for way, outcome in (("without", without), ("with", with_it)) if not outcome.finished]:
                print(f"    UNFINISHED {way} the instrumentor: no result in {options.limit_s} s", flush=True)
                broken.append(file)
            for name in lost:
                print(f"    {'BROKEN' if name in really else 'flaky '} {name}", flush=True)
            totals["passed without"] += len(without.passed())
            totals["passed with"] += len(with_it.passed())
            totals["by design"] += designed
            totals["flaky"] += len(lost) - len(really)
            totals["entered"] += entered
            totals["ignored"] += ignored
    print(", ".join(f"{name}: {count}" for name, count in totals.items()) + f", broken: {len(broken)}")
    return 1 if broken else 0


def recovers(
    sdist: Path, file: str, name: str, env: dict[str, str], results: Path, options: argparse.Namespace
) -> bool:
    """Say whether a test that failed with the instrumentor passes with it alone, in one of the tries."""
    test = f"tests/{file}.py::{name.rpartition('::')[2]}"
    for attempt in range(options.tries):
        folder = results / "again" / f"{file}-{abs(hash(name))}-{attempt}"
        _finish(start(sdist, [test], env, folder, on=True), options.limit_s)
        if collect(folder).passed():
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
