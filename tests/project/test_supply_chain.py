"""What is installed and shipped: lowest versions, the hashed lock, the bill of materials, exceptions of the audit."""

from __future__ import annotations

import importlib
import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

tomllib = importlib.import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")  # pytest brings the latter

ROOT = Path(__file__).parents[2]
CI = ROOT / ".ci"
NOT_BUNDLED: frozenset[str] = frozenset()
"""Packages that the page's own need, of which no code reaches the bundle."""
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", re.MULTILINE)


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"ci_{name}", CI / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def declared() -> dict[str, str]:
    """Return each dependency that users get, with its lowest version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    texts = [*project["dependencies"], *extras["postgres"], *extras["client"]]
    found = [re.fullmatch(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?>=([^;, ]+).*", text) for text in texts]
    assert all(found), texts
    return {match[1].lower(): match[2] for match in found if match is not None}


def same(one: str, other: str) -> bool:
    """Say whether two versions are one, as 4.0 and 4.0.0 are."""
    return re.sub(r"(\.0)+$", "", one) == re.sub(r"(\.0)+$", "", other)


def test_the_lowest_versions_that_are_tested_are_those_that_are_declared() -> None:
    """Unless another dependency needs a later one: then nobody can install the lowest."""
    pins = dict(PIN.findall((CI / "lowest.txt").read_text()))
    differing = {
        name: (lowest, pins[name]) for name, lowest in declared().items() if not same(lowest, pins[name].rstrip("\\"))
    }
    # sqlite-utils needs a later click; 3.2.0 of psycopg was withdrawn
    assert differing.keys() <= {"click", "psycopg"}, differing


def test_the_lock_names_everything_by_hash_and_no_address() -> None:
    """Whatever mirror is asked must give exactly these files."""
    text = (CI / "lock.txt").read_text()
    pins = [name.lower() for name, _ in PIN.findall(text)]
    assert set(declared()) <= set(pins)
    assert "://" not in text
    assert not re.search(r"^--(index|extra-index|find-links|trusted)", text, re.MULTILINE)
    entries = re.split(r"\n(?=\S)", text.strip())
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def test_the_lock_names_everything_that_the_tests_need() -> None:
    """Else the locked tests fail for want of a package, and what it would bring is not audited."""
    pins = {name.lower().replace("_", "-") for name, _ in PIN.findall((CI / "lock.txt").read_text())}
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    wanted = {re.split(r"[\[>=;, ]", text, maxsplit=1)[0].lower() for name in ("test", "lint") for text in groups[name]}
    assert wanted - pins == set()


def test_every_package_in_the_page_is_named_with_its_licence() -> None:
    """The build writes the file of what is really in the bundle; the lock says what could be."""
    packages = json.loads((ROOT / "dashboard" / "frontend" / "package-lock.json").read_text())["packages"]
    waiting = [f"node_modules/{name}" for name in packages[""]["dependencies"]]
    needed: dict[str, str] = {}
    while waiting:
        place = waiting.pop()
        name = place.rpartition("node_modules/")[2]
        if name not in needed and not name.startswith("@types/"):
            needed[name] = packages[place]["version"]
            for wanted in packages[place].get("dependencies", {}):
                own = f"{place}/node_modules/{wanted}"
                waiting.append(own if own in packages else f"node_modules/{wanted}")
    text = (ROOT / "dashboard" / "static" / "THIRD-PARTY-LICENSES.txt").read_text()
    named = dict(re.findall(r"^(\S+) (\d\S*) \([A-Z]\S*\)$", text, re.MULTILINE))
    assert named == {name: version for name, version in needed.items() if name not in NOT_BUNDLED}
    texts = text.split("-" * 80)[1:]
    assert len(texts) == len(named) + 1
    assert "Inter, a subset (OFL-1.1)" in text  # the page's face, which is no package
    assert all("copyright" in entry.lower() and len(entry) > 500 for entry in texts)


def test_a_bill_of_materials_holds_what_is_needed_and_no_more() -> None:
    """The tools that build are no part of what is shipped."""
    parts = [{"bom-ref": ref, "name": ref} for ref in ("ours", "flask", "werkzeug", "build")]
    needs = [{"ref": "ours", "dependsOn": ["flask"]}, {"ref": "flask", "dependsOn": ["werkzeug"]}, {"ref": "build"}]
    bill: dict[str, Any] = script("release").only_needed({"components": parts, "dependencies": needs}, "ours")
    assert [part["name"] for part in bill["components"]] == ["ours", "flask", "werkzeug"]
    assert [entry["ref"] for entry in bill["dependencies"]] == ["ours", "flask"]


def test_the_audit_of_the_page_tells_a_weakness_from_a_registry_that_knows_none() -> None:
    """A mirror without advisories fails nothing, and is not taken for a clean answer."""
    verdict = script("audit").npm_verdict
    assert verdict(0, '{"vulnerabilities": {}}') is None
    assert verdict(1, '{"message": "405 Method Not Allowed", "error": {}}') is None
    assert verdict(1, "") is None
    assert verdict(1, '{"vulnerabilities": {"react": {}}}') == "npm audit: react"


def test_every_exception_of_the_audit_says_until_when_and_why() -> None:
    """One without a reason, or for ever, is a weakness that nobody looks at."""
    audit = script("audit")
    assert isinstance(audit.exceptions(), list)
    assert audit.EXCEPTION.fullmatch("GHSA-1234 2027-01-31 we never parse such files")
    assert audit.EXCEPTION.fullmatch("GHSA-1234") is None
