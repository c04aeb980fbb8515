"""Write docs/reference.md from docstrings, commands, the route table and the table of span attributes."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, get_args

import click

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
MODULES = ("dashboard", "dashboard.workflow", "dashboard.client", "otel_bridge")
SETTINGS = (
    ("dashboard.actions.settings", "ActionSettings"),
    ("dashboard.caretaker.caretaker", "CaretakerSettings"),
    ("dashboard.caretaker.alerts", "AlertSettings"),
    ("dashboard.caretaker.alert_rules", "AlertRule"),
    ("dashboard.caretaker.recovery", "RecoveryPolicy"),
    ("dashboard.caretaker.retention", "RetentionPolicy"),
    ("dashboard.actor", "Actor"),
    ("otel_bridge.instrumentation.settings", "InstrumentorSettings"),
)
WITH_DOCS = ("create_blueprint", "OTelBridge", "DBOSInstrumentor")
ESCAPED = str.maketrans({"|": "\\|", "\n": " "})


def first_sentence(thing: Any) -> str:
    """Return the first paragraph of a docstring on one line."""
    if isinstance(thing, UnionType):
        return "Any of " + ", ".join(f"`{part.__name__}`" for part in get_args(thing)) + "."
    text = " ".join((inspect.getdoc(thing) or "").split("\n\n")[0].split())
    return re.sub(r"::$", ".", text).replace("``", "`")


def signature(thing: Any) -> str:
    """Return a callable's parameters, without annotations."""
    try:
        parameters = inspect.signature(thing).parameters.values()
    except (TypeError, ValueError):
        return ""
    names = [
        p.name if p.default is p.empty else f"{p.name}={p.default!r}"
        for p in parameters
        if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    return f"({', '.join(names)})"


def public_names() -> list[str]:
    """Every public name, by module."""
    lines = []
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        lines += [f"### `{module_name}`", "", "| name | what it is |", "|---|---|"]
        for name in module.__all__:
            thing = getattr(module, name)
            shown = name + (signature(thing) if inspect.isfunction(thing) else "")
            lines.append(f"| `{shown.translate(ESCAPED)}` | {first_sentence(thing).translate(ESCAPED)} |")
        lines.append("")
    return lines


def settings() -> list[str]:
    """The settings classes and the three entry points, with their whole docstrings."""
    lines = []
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        for name in WITH_DOCS:
            if name in getattr(module, "__all__", ()):
                lines += documented(name, getattr(module, name))
    for module_name, name in SETTINGS:
        lines += documented(name, getattr(importlib.import_module(module_name), name))
    return lines


def documented(name: str, thing: Any) -> list[str]:
    """A heading, the signature and the docstring."""
    call = name + signature(thing)
    return [f"### `{name}`", "", "```text", call, "", inspect.getdoc(thing) or "", "```", ""]


def client_methods() -> list[str]:
    """The methods of the client."""
    from dashboard.client import DurableClient

    lines = ["| method | what it does |", "|---|---|"]
    for name, method in inspect.getmembers(DurableClient, inspect.isfunction):
        if not name.startswith("_"):
            shown = (name + signature(method)).replace("(self, ", "(").replace("(self)", "()")
            lines.append(f"| `{shown.translate(ESCAPED)}` | {first_sentence(method).translate(ESCAPED)} |")
    return [*lines, ""]


def commands() -> list[str]:
    """Both command lines."""
    from dashboard.cli import main as durable
    from otel_bridge import cli as bridge

    lines = []
    for name, module, group in (("durable", durable, durable.durable), ("otel-bridge", bridge, bridge.otel_bridge)):
        codes = " ".join((module.__doc__ or "").split("\n\n")[1].split()).replace("``", "`")
        lines += [f"### `{name}`", "", codes, "", *documented_commands(name, group)]
    return lines


def documented_commands(name: str, group: click.Group) -> list[str]:
    """Each command of a group, and of the groups in it. Options that most commands take are listed once, at the end."""
    found = dict(leaves(name, group))
    options = {title: option_rows(title, command) for title, command in found.items()}
    counts = Counter(row for rows in options.values() for row in rows)
    shared = [row for row, count in counts.items() if count > 2 and count * 2 > len(found)]
    lines = []
    for title, command in found.items():
        arguments = [param.human_readable_name for param in command.params if isinstance(param, click.Argument)]
        rows = [row for row in options[title] if row not in shared]
        lines += [f"`{' '.join([title, *arguments])}`: {' '.join((command.help or '').split(chr(12))[0].split())}", ""]
        lines += ["| option | |", "|---|---|", *rows, ""] if rows else []
    if shared:
        lines += [f"Every `{name}` command that works with runs takes:", "", "| option | |", "|---|---|", *shared, ""]
    return lines


def leaves(name: str, group: click.Group) -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its whole name."""
    context = click.Context(group, info_name=name)
    for part in group.list_commands(context):
        command = group.get_command(context, part)
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield f"{name} {part}", command
            yield from leaves(f"{name} {part}", command)
        elif command is not None:
            yield f"{name} {part}", command


def option_rows(name: str, command: click.Command) -> list[str]:
    """A table's row per option, as the command's own help says it."""
    context = click.Context(command, info_name=name)
    records = [param.get_help_record(context) for param in command.params if isinstance(param, click.Option)]
    return [f"| `{words.translate(ESCAPED)}` | {text.translate(ESCAPED)} |" for words, text in filter(None, records)]


def routes() -> list[str]:
    """The HTTP API."""
    from flask import Flask

    from dashboard import create_blueprint

    app = Flask("reference")
    app.register_blueprint(create_blueprint("sqlite:///none.sqlite", caretaker=False), url_prefix="/durable")
    document = app.test_client().get("/durable/api/openapi.json").get_json()
    lines = ["| method | route | query | what it does |", "|---|---|---|---|"]
    for path, item in sorted(document["paths"].items()):
        for method, operation in item.items():
            query = ", ".join(f"`{p['name']}`" for p in operation.get("parameters", ()) if p["in"] == "query")
            summary = operation["summary"].translate(ESCAPED)
            lines.append(f"| {method.upper()} | `{path.lstrip('/')}` | {query} | {summary} |")
    return [*lines, ""]


def attributes() -> list[str]:
    """The table of names of the bridge, by the headings of its source."""
    source = (ROOT / "otel_bridge" / "spans" / "semconv.py").read_text()
    lines = []
    for line in source.splitlines():
        if heading := re.match(r"# -- (.+?) -+$", line):
            lines += ["", f"{heading[1][0].upper()}{heading[1][1:]}:", ""]
        elif name := re.match(r'[A-Z_]+ = "([^"]+)"(?:  # (.+))?', line):
            lines.append(f"- `{name[1]}`" + (f": {name[2]}" if name[2] else ""))
    return [*lines, ""]


def reference() -> str:
    """Return the whole document."""
    parts = [
        "# Reference",
        "",
        "Written by `python .ci/reference.py`. Times in milliseconds unless a name says otherwise.",
        "",
        *("## Public names", "", *public_names()),
        *("## Settings", "", *settings()),
        *("## Client", "", *client_methods()),
        *("## Command lines", "", *commands()),
        *(
            "## HTTP API",
            "",
            "Below `<dashboard>/api`. Errors are `application/problem+json` (RFC 9457).",
            "",
            *routes(),
        ),
        *("## Spans and metrics", *attributes()),
    ]
    text = "\n".join(line.rstrip() for part in parts for line in part.split("\n"))
    return re.sub(r"\n{3,}", "\n\n", text).replace(str(ROOT), "").rstrip() + "\n"


if __name__ == "__main__":
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "reference.md").write_text(reference(), encoding="utf-8")
