"""What a pickle held when it broke off: everything that was still open is closed where it stood. Pure.

The commonest large value is one whose beginning alone was read, so this is what people see of it. What was finished is
as it would have been. What was half-written has its parts on the stack, one after another, and this guesses how they
belong together: an argument to the class before it, a state to its object, a value to its key. A guess may be wrong, so
it is marked (``open_from``, ``open``), and behind a hidden key nothing of it is shown.
"""

from __future__ import annotations

from typing import Any

from otel_bridge.codec.nodes import CutText, Global, Instance, Mapping, Sequence


def unwind(stack: list[Any], marks: list[list[Any]]) -> Any:
    """Return one value for a machine's stack and the stacks below its marks; both are used up."""
    items = _fold(stack)
    for below in reversed(marks):
        if not _extend(below[-1] if below else None, items):
            below.append(Sequence("tuple", items, open_from=0))
        items = _fold(below)
    return items[0] if len(items) == 1 else Sequence("tuple", items, open_from=0)


def _extend(parent: object, items: list[Any]) -> bool:
    """Give an unfinished container what stood above its mark; False where the mark began something else."""
    if isinstance(parent, Mapping) or (isinstance(parent, Instance) and parent.pairs):
        if isinstance(parent, Mapping) and parent.open_from is None:
            parent.open_from = len(parent.pairs)
        elif isinstance(parent, Instance):
            parent.open = True
        parent.pairs.extend(_open_pairs(items))
        return True
    if isinstance(parent, Sequence) and parent.kind != "tuple":
        if parent.open_from is None:
            parent.open_from = len(parent.items)
        parent.items.extend(items)
        return True
    return False


def _open_pairs(items: list[Any]) -> list[tuple[Any, Any]]:
    """Pair keys with values where the last value was still being made, of several parts perhaps."""
    pairs: list[tuple[Any, Any]] = []
    for at in range(0, len(items) - 1, 2):
        if pairs and not isinstance(items[at], (str, int, float, bytes, Instance)):
            return _with_rest(pairs, items[at:])
        pairs.append((items[at], items[at + 1]))
    if pairs and len(items) % 2 and isinstance(items[-1], (Mapping, Sequence)):
        return _with_rest(pairs, items[-1:])
    return pairs


def _with_rest(pairs: list[tuple[Any, Any]], rest: list[Any]) -> list[tuple[Any, Any]]:
    key, value = pairs[-1]
    return [*pairs[:-1], (key, Sequence("tuple", [value, *rest], open_from=0))]


def _fold(stack: list[Any]) -> list[Any]:
    """Join, from the top down, what was about to be joined."""
    items: list[Any] = []  # what lies above, topmost first
    for value in reversed(stack):
        if items:
            joined = _joined(value, items)
            if joined is not None:
                items = joined
                continue
        items.append(value)
    return items[::-1]


def _joined(value: object, above: list[Any]) -> list[Any] | None:
    """Return what stands for ``value`` and all that lies above it, or None where these do not belong together."""
    if isinstance(value, Global):
        args = above[::-1]
        if len(args) == 1 and isinstance(args[0], Sequence) and args[0].kind == "tuple":
            args = args[0].items
        return [Instance(value, args, open=True)]
    if isinstance(value, Instance) and not value.built and not value.open:
        if len(above) == 1 and isinstance(above[0], (Mapping, Sequence)):
            value.state, value.built, value.open = above[0], True, True  # or it was a key, and this its value
            return [value]
        return None
    if isinstance(value, Sequence) and value.kind == "list" and not value.items:
        half = above[0]
        if len(above) == 1 and (isinstance(half, (Mapping, Sequence)) or (isinstance(half, Instance) and half.open)):
            value.items.append(half)
            value.open_from = 0
            return [value]
        return None
    if isinstance(value, Mapping) and not value.pairs and isinstance(above[-1], (str, CutText)):
        rest = above[-2::-1]
        if rest:
            found = rest[0] if len(rest) == 1 else Sequence("tuple", rest, open_from=0)
            value.pairs.append((above[-1], found))
            value.open_from = 0
        return [value]
    return None
