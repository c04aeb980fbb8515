"""The documents say what is so: README blocks run, commands exist, every public name is documented."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import click
import pytest

from dashboard.cli.main import durable
from otel_bridge.cli import otel_bridge
from otel_bridge.extras import EXTRAS
from otel_bridge.model.status import RUN_STATUSES
from otel_bridge.store.sql.schema import KNOWN_SCHEMA_VERSION
from tests.programs import ROOT, running_shop

README = (ROOT / "README.md").read_text()
REFERENCE = (ROOT / "docs" / "reference.md").read_text()
BLOCKS: dict[str, list[str]] = {
    language: re.findall(rf"^```{language}\n(.*?)^```", README, re.M | re.S) for language in ("python", "sh")
}
AFTERWARDS = """
if "app" in globals():
    answer = app.test_client().get("/durable/api/health")
    assert answer.status_code in (200, 401), answer.text
import os
os._exit(0)
"""


@pytest.mark.parametrize("number", range(len(BLOCKS["python"])))
def test_the_readmes_python_runs(number: int, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Each block is a program of its own; what makes an app serves its health, what is a client finds a server."""
    block = BLOCKS["python"][number]
    if "DurableClient" in block:
        with running_shop(tmp_path_factory.mktemp("readme"), "--no-trickle") as (address, _):
            run(block.replace("http://127.0.0.1:8000", address), tmp_path)
    else:
        run(block, tmp_path)


def run(block: str, folder: Path) -> None:
    """Run a block as a program in an empty folder, where ``app.sqlite`` is what the first block left."""
    program = folder / "program.py"
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    first = [block] if "DBOS.launch()" in block or "create_blueprint" not in block else [BLOCKS["python"][0], block]
    for part in first:
        source = "from examples.newer_sqlite import use_newer_sqlite\nuse_newer_sqlite()\n" + part + AFTERWARDS
        program.write_text(source)
        command = [sys.executable, str(program)]
        done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stdout + done.stderr


def test_the_first_block_needs_few_lines_in_an_app() -> None:
    """What one adds to a Flask app that runs DBOS: imports and five statements, ten lines."""
    ours = re.findall(r"^.*(?:create_blueprint|WAL|Bridge|Instrumentor).*$", BLOCKS["python"][0], re.M)
    assert len(ours) <= 10


def parse(command: click.Command, words: list[str]) -> None:
    """Parse a command line without doing what it says; one that is wrong raises."""
    try:
        context = command.make_context(words[0], words[1:], resilient_parsing=isinstance(command, click.Group))
    except click.exceptions.Exit as done:  # an option that does all by itself, like --skill
        if done.exit_code:
            raise
        return
    if isinstance(command, click.Group):
        if command.invoke_without_command and (len(words) == 1 or words[1].startswith("-")):
            return
        following = command.get_command(context, words[1])
        assert following is not None, words
        parse(following, words[1:])


def test_the_commands_of_the_readme_exist() -> None:
    """Every ``durable`` and ``otel-bridge`` line is accepted by its parser."""
    lines = [shlex.split(line, comments=True) for block in BLOCKS["sh"] for line in block.splitlines()]
    for words in filter(None, lines):
        if words[0] in ("durable", "otel-bridge"):
            parse(durable if words[0] == "durable" else otel_bridge, words)
    assert {words[1] for words in lines if words and words[0] == "durable"} >= {"runs", "show", "tail", "retry", "undo"}


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    """The same words, so that what passes there passes for everybody."""
    command = next(line for block in BLOCKS["sh"] for line in block.splitlines() if line.endswith("-m tox"))
    assert command in (ROOT / ".ci" / "run").read_text()
    tox = (ROOT / "tox.ini").read_text()
    assert "[testenv:demo]" in tox
    assert "env_list = lint, py" in tox


@pytest.mark.parametrize("module_name", ["dashboard", "dashboard.workflow", "dashboard.client", "otel_bridge"])
def test_every_public_name_is_documented(module_name: str) -> None:
    """Each has a docstring, and a line in the reference."""
    module = importlib.import_module(module_name)
    for name in module.__all__:
        thing = getattr(module, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), name
        assert re.search(rf"`{name}\b", REFERENCE), f"{name} is not in docs/reference.md: run python .ci/reference.py"


def test_the_reference_leaves_nothing_out() -> None:
    """Options, routes, methods, attributes and names: run ``python .ci/reference.py`` and commit."""
    code = "import runpy; print(runpy.run_path('.ci/reference.py')['reference'](), end='')"
    written = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert written.returncode == 0, written.stderr
    wanted = re.findall(r"^(?:\| (?:GET|POST) )?[|-] (`[\w<{/.-]+)", written.stdout, re.M)
    assert len(wanted) > 100
    assert [item for item in wanted if item not in REFERENCE] == []


DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    "examples/deploy/README.md",
    "examples/tracing/README.md",
    "examples/typescript_client/README.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(name: str) -> None:
    """Every relative link of a document."""
    path = ROOT / name
    for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", path.read_text()):
        if "://" not in target:
            assert (path.parent / target).exists(), target
            if name.startswith("docs/"):  # the site holds nothing else
                assert (ROOT / "docs") in (path.parent / target).resolve().parents, target


def test_nothing_committed_names_this_machine() -> None:
    """No absolute path of a developer's machine in documents, examples or settings."""
    places = [*ROOT.glob("*.md"), *ROOT.glob("*.toml"), *ROOT.glob("*.ini"), *(ROOT / "docs").rglob("*.md")]
    kinds = {".py", ".md", ".yaml", ".json", ".conf", ".sql"}
    places += [path for path in (ROOT / "examples").rglob("*") if path.suffix in kinds]
    machine = re.compile(r"/(?:root|work|home/\w+|tmp/venvs)/")
    assert [str(path) for path in places if machine.search(path.read_text())] == []


def test_every_extra_is_named_where_it_is_missed() -> None:
    """The table of extras holds what is declared, but for the demo's; each is known by the modules that it brings."""
    section = (
        (ROOT / "pyproject.toml").read_text().partition("[project.optional-dependencies]\n")[2].partition("\n[")[0]
    )
    declared = dict(re.findall(r"^([\w-]+) = (\[[^\]]*(?:\[[^\]]*\][^\]]*)*\])$", section, re.M))
    assert EXTRAS.keys() == declared.keys() - {"demo"}
    for extra, (_, modules) in EXTRAS.items():
        assert modules[0] in declared[extra].replace("-", "_")


PAGES = [path for path in sorted((ROOT / "docs").rglob("*.md")) if path.name != "reference.md"]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_the_snippets_of_the_docs_are_right(path: Path) -> None:
    """Python compiles and its imports of ours are there; every command line of ours is accepted by its parser."""
    for language, block in re.findall(r"^```(python|sh)\n(.*?)^```", path.read_text(), re.M | re.S):
        if language == "python":
            for node in ast.walk(ast.parse(block)):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("dashboard", "otel_bridge")):
                    module = importlib.import_module(str(node.module))
                    assert all(hasattr(module, alias.name) for alias in node.names), block
            continue
        for words in filter(None, (shlex.split(line, comments=True) for line in block.splitlines())):
            if words[0] == "otel-bridge":
                parse(otel_bridge, words)
            elif words[:2] in (["durable", "serve"], ["durable", "demo"]):  # ``test_snippets`` runs the others
                parse(durable, words)


def test_every_page_of_the_docs_is_in_the_navigation() -> None:
    """``mkdocs.yml`` names each file once, and no file that is not there."""
    named = re.findall(r"(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.M)
    assert sorted(named) == sorted(str(path.relative_to(ROOT / "docs")) for path in (ROOT / "docs").rglob("*.md"))


def test_the_pictures_are_right_and_shown() -> None:
    """The life of a run has each status once; every picture is on a page, explains itself, and loads nothing."""
    pages = "".join(path.read_text() for path in PAGES)
    pictures = sorted((ROOT / "docs" / "pictures").glob("*.svg"))
    assert [path.stem for path in pictures] == ["run", "trace", "undo"]
    for path in pictures:
        drawn = ElementTree.fromstring(path.read_text())
        assert f"](pictures/{path.name})" in pages
        assert {child.tag.rpartition("}")[2] for child in drawn} >= {"title", "desc"}
        assert "://" not in path.read_text().replace("http://www.w3.org/2000/svg", "")
        if path.stem == "run":
            words = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
            assert sorted(word for word in words if word in RUN_STATUSES) == sorted(RUN_STATUSES)


def test_the_table_of_support_says_what_is_declared() -> None:
    """Python versions, the oldest DBOS, and the engine's schema that was tested last."""
    project = (ROOT / "pyproject.toml").read_text()
    support = (ROOT / "docs" / "support.md").read_text()
    versions = re.findall(r"Programming Language :: Python :: (3\.\d+)", project)
    oldest = re.search(r'"dbos>=([\d.]+)"', project)
    assert oldest is not None
    assert f"| Python | {', '.join(versions)} |" in support
    assert f"| DBOS for Python | {oldest[1]} and later" in support
    assert f"up to version {KNOWN_SCHEMA_VERSION} " in support
    locked = re.search(r"^dbos==(\d+\.\d+)", (ROOT / ".ci" / "lock.txt").read_text(), re.M)
    assert locked is not None
    assert f"tested with {locked[1]} |" in support
    typescript = json.loads((ROOT / "tests" / "polyglot" / "package.json").read_text())["dependencies"]
    (other,) = [version for name, version in typescript.items() if name == "@dbos-inc/dbos-sdk"]
    assert f"| tested with {'.'.join(other.lstrip('^~').split('.')[:2])} |" in support
    for place in re.findall(r"tests/[\w/]+(?:\.py)?", support):
        assert (ROOT / place).exists(), place
