"""Compare the HTTP contract with the last released one: what would break a client that was written against it.

    python .ci/contract.py             says each break, and exits with 1 where there is one
    python .ci/contract.py --release   what is so now is the released contract from here on

Until CHANGELOG.md dates a first release, ``dump_openapi.py`` keeps the second document like the first.

Both documents are as ``dashboard/frontend/dump_openapi.py`` writes them, without prose. A client may send less than is
taken and read less than is answered, so a request may come to take more and an answer may come to hold more; the
contrary breaks it. A new value of an enumeration in an answer is no break: docs/contract.md tells clients so.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NOW = ROOT / "dashboard" / "frontend" / "openapi.json"
CHANGELOG = ROOT / "CHANGELOG.md"
RELEASED = ROOT / "docs" / "openapi-released.json"
METHODS = ("get", "post", "put", "patch", "delete")
Node = dict[str, Any]


class Documents:
    """Two documents, the old one and the new one; walks pairs of schemas, each once."""

    def __init__(self, old: Node, new: Node) -> None:
        self.old, self.new = old, new
        self._met: set[tuple[str, str, bool]] = set()

    def breaks(self) -> Iterator[str]:
        """Yield a sentence for each break."""
        for path, item in self.old["paths"].items():
            for method in filter(item.__contains__, METHODS):
                where = f"{method.upper()} {path}"
                after = self.new["paths"].get(path, {}).get(method)
                if after is None:
                    yield f"{where} is gone."
                else:
                    yield from self._operation(where, item[method], after)

    def _operation(self, where: str, old: Node, new: Node) -> Iterator[str]:
        if old.get("operationId") != new.get("operationId"):
            yield f"{where}: its operation was {old.get('operationId')}, which generated clients call."
        yield from self._parameters(where, old.get("parameters", []), new.get("parameters", []))
        yield from self._body(where, old.get("requestBody"), new.get("requestBody"))
        for status, answer in old["responses"].items():
            if status.startswith("2") and status not in new["responses"]:
                yield f"{where}: it answered {status} and does no more."
            for kind, content in answer.get("content", {}).items():
                after = new["responses"].get(status, {}).get("content", {}).get(kind)
                if after is None and status.startswith("2"):
                    yield f"{where}: its answer {status} was {kind}."
                elif after is not None:
                    yield from self._schema(f"{where}, answer", content["schema"], after["schema"], sent=False)

    def _parameters(self, where: str, old: list[Node], new: list[Node]) -> Iterator[str]:
        before = {(one["in"], one["name"]): one for one in old}
        after = {(one["in"], one["name"]): one for one in new}
        for key, one in before.items():
            if key not in after:
                yield f"{where}: parameter {key[1]} is gone."
                continue
            if after[key].get("required") and not one.get("required"):
                yield f"{where}: parameter {key[1]} is required now."
            yield from self._schema(f"{where}, parameter {key[1]}", one["schema"], after[key]["schema"], sent=True)
        for key, one in after.items():
            if key not in before and one.get("required"):
                yield f"{where}: parameter {key[1]} is new, and required."

    def _body(self, where: str, old: Node | None, new: Node | None) -> Iterator[str]:
        if old is None:
            if new is not None and new.get("required"):
                yield f"{where}: it wants a body now."
        elif new is None:
            yield f"{where}: it takes no body any more."
        else:
            if new.get("required") and not old.get("required"):
                yield f"{where}: its body is required now."
            for kind, content in old["content"].items():
                if kind not in new["content"]:
                    yield f"{where}: it takes no {kind} any more."
                else:
                    schema = new["content"][kind]["schema"]
                    yield from self._schema(f"{where}, body", content["schema"], schema, sent=True)

    def _schema(self, where: str, old: Node, new: Node, *, sent: bool) -> Iterator[str]:
        pair = (json.dumps(old, sort_keys=True), json.dumps(new, sort_keys=True), sent)
        if pair in self._met:
            return
        self._met.add(pair)
        old, new = _resolved(self.old, old), _resolved(self.new, new)
        missing = self._kinds_missing(old, new, sent=sent)
        if missing:
            yield f"{where}: {', '.join(sorted(missing))} {'is taken no more' if sent else 'may be answered now'}."
            return
        if sent and "enum" in new:
            gone = [value for value in old.get("enum", []) if value not in new["enum"]]
            if gone or "enum" not in old:
                yield f"{where}: not every value is taken any more ({', '.join(map(str, gone)) or 'it is a list now'})."
        for bound, narrower in (("maximum", -1), ("maxLength", -1), ("maxItems", -1), ("minimum", 1), ("minLength", 1)):
            if sent and bound in new and (bound not in old or (new[bound] - old[bound]) * narrower > 0):
                yield f"{where}: {bound} is {new[bound]} now."
        yield from self._members(where, old, new, sent=sent)

    def _members(self, where: str, old: Node, new: Node, *, sent: bool) -> Iterator[str]:
        required, required_now = set(old.get("required", [])), set(new.get("required", []))
        properties = new.get("properties", {})
        for name, schema in old.get("properties", {}).items():
            if name not in properties:
                yield f"{where}: {name} is gone."
            else:
                yield from self._schema(f"{where}.{name}", schema, properties[name], sent=sent)
        if sent:
            yield from (f"{where}: {name} is required now." for name in sorted(required_now - required))
        else:
            left_out = (required - required_now) & properties.keys()
            yield from (f"{where}: {name} may be left out now." for name in sorted(left_out))
        for key in ("items", "additionalProperties"):
            if isinstance(old.get(key), dict) and isinstance(new.get(key), dict):
                yield from self._schema(f"{where}[]", old[key], new[key], sent=sent)
        for before, after in zip(_several(old), _several(new), strict=False):
            yield from self._schema(where, before, after, sent=sent)

    def _kinds_missing(self, old: Node, new: Node, *, sent: bool) -> set[str]:
        """Return the kinds of values that a request takes no more, or that an answer may be of now."""
        before, after = _kinds(self.old, old), _kinds(self.new, new)
        wide, narrow = (before, after) if sent else (after, before)
        if "any" in narrow:
            return set()
        return {kind for kind in wide - narrow if kind != "integer" or "number" not in narrow}


def _several(schema: Node) -> list[Node]:
    found: list[Node] = schema.get("anyOf") or schema.get("oneOf") or []
    return found


def _kinds(document: Node, schema: Node) -> set[str]:
    """Return the JSON types of a schema: ``any`` where it takes all of them."""
    schema = _resolved(document, schema)
    if several := _several(schema):
        return set().union(*(_kinds(document, one) for one in several))
    if "const" in schema or "enum" in schema:
        return {schema.get("type", "string")}
    kind = schema.get("type", "any")
    return set(kind) if isinstance(kind, list) else {kind}


def _resolved(document: Node, schema: Node) -> Node:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def breaks(old: Node, new: Node) -> list[str]:
    """Return what a client of the old contract would stumble over in the new one. Pure."""
    return list(Documents(old, new).breaks())


def keep() -> None:
    """Take what is so now as the released contract."""
    RELEASED.write_text(json.dumps(json.loads(NOW.read_text()), sort_keys=True, separators=(",", ":")) + "\n")


def keep_until_released() -> None:
    """Before the first release nobody was promised anything: what is so now stands for it."""
    if not re.search(r"^## \S+ - \d{4}-\d{2}-\d{2}$", CHANGELOG.read_text(), re.M):
        keep()


def main() -> None:
    """Compare, or take what is so now as released."""
    if "--release" in sys.argv[1:]:
        keep()
        return
    found = breaks(json.loads(RELEASED.read_text()), json.loads(NOW.read_text()))
    print("\n".join(found) or "Nothing breaks a client of the released contract.")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
