"""What the commands print for people: tables that fit the terminal, lines, facts. Pure.

Text is styled always; click takes the colours out where nobody sees them. What a run, an error or a payload says is
printed ``plain``: its control characters would act on the terminal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from textwrap import wrap
from unicodedata import east_asian_width

import click

from dashboard.client.times import ago, duration, run_duration
from dashboard.wire.base import Json
from dashboard.wire.runs import ErrorView, RunRow

COLOURS = {
    "pending": "bright_black",
    "running": "blue",
    "suspended": "magenta",
    "cancelling": "yellow",
    "completed": "green",
    "failed": "red",
    "cancelled": "bright_black",
    "dead": "red",
    "blocked": "yellow",
    "interrupted": "yellow",
    "live": "green",
    "lost": "red",
    "stopped": "bright_black",
    "applied": "green",
    "refused": "red",
}
"""Of every word that says how something stands: a run, a step, an executor, one result of a bulk action."""

MIN_CUT, MIN_BELOW = 6, 3
"""A column that is cut keeps so many characters: beside the first column, and below it."""


CUT_LAST = frozenset({"STATUS", "STATE", "OUTCOME"})
"""Columns of one word out of a few, which is what one looks for: they are cut only where no other can be."""


# -- words --------------------------------------------------------------------------------------------------------


def plain(text: str) -> str:
    """Return text on one line that does nothing to a terminal: control characters are shown as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def coloured(word: str, shown: str | None = None) -> str:
    """Return a status in its colour."""
    return click.style(word if shown is None else shown, fg=COLOURS.get(word))


def since(time: str | None, now: datetime) -> str:
    """Return how long ago an ISO 8601 time was; nothing when nobody knows."""
    if time is None:
        return ""
    then = datetime.fromisoformat(time.replace("Z", "+00:00"))
    return ago((now - then).total_seconds() * 1000)


def took(ms: int | None) -> str:
    """Return how long a run took; nothing when nobody knows."""
    return "" if ms is None else run_duration(ms)


def lasted(ms: int | None) -> str:
    """Return a duration; nothing when nobody knows."""
    return "" if ms is None else duration(ms)


def brief(value: Json, limit: int = 60) -> str:
    """Return a payload on one line, cut."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = plain(" ".join(text[: limit * 4].split()))
    return text if len(text) <= limit else text[: limit - 1] + "…"


def error_text(error: ErrorView | None, limit: int = 200) -> str:
    """Return an error on one line; nothing for none."""
    return "" if error is None else brief(f"{error.type or 'error'}: {error.message}", limit)


def waits_for(run: RunRow, now: datetime | None = None) -> str:
    """Return what a run waits for, and how long still: ``signal courier, times out in 1 h 57 m``."""
    if run.waiting is None:
        return ""
    what = plain(" ".join(filter(None, (run.waiting.on, run.waiting.name))))
    if now is None or run.waiting.until is None:
        return what
    ends = {"sleep": "wakes", "delay": "starts"}.get(run.waiting.on, "times out")
    return f"{what}, {ends} {since(run.waiting.until, now)}"


# -- tables -------------------------------------------------------------------------------------------------------


def cells(text: str) -> int:
    """Return how many columns of a terminal a text takes, less its colours."""
    return sum(2 if east_asian_width(c) in "WF" else 1 for c in click.unstyle(text))


def cut(text: str, width: int) -> str:
    """Return a text in at most ``width`` columns."""
    if cells(text) <= width:
        return text
    bare = click.unstyle(text)
    while cells(bare) > width - 1:
        bare = bare[:-1]
    colour = re.match(r"\x1b\[[0-9;]*m", text)
    return f"{colour[0]}{bare}…\x1b[0m" if colour else f"{bare}…"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, width: int | None = None) -> str:
    """Return rows as aligned columns. To fit ``width``, the widest columns but the first are cut.

    The first column stays whole: it is what one copies. Where the others have no room beside it, they stand below it.
    """
    lines = [[click.style(head, bold=True) for head in heads], *map(list, rows)]
    last = [at for at, head in enumerate(heads) if head in CUT_LAST]
    widths = _fitted(lines, room=width, least=MIN_CUT, last=last)
    if width is None or len(heads) == 1 or _total(widths) <= width:
        return "\n".join(_aligned(line, widths) for line in lines)
    margins = [_below(line[0]) for line in lines]
    others = [line[1:] for line in lines]
    room = width - max(map(cells, margins))
    widths = _fitted(others, room=room, least=MIN_BELOW, last=[at - 1 for at in last], first=0)
    shown: list[str] = []
    for line, other, margin in zip(lines, others, margins, strict=True):
        shown.append(line[0].rstrip())
        if any(other):
            shown.append(margin + _aligned(other, widths))
    return "\n".join(shown)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + 2 * (len(widths) - 1)


def _fitted(
    lines: Sequence[Sequence[str]], *, room: int | None, least: int, last: Sequence[int], first: int = 1
) -> list[int]:
    """Return the width of each column; from column ``first`` on the widest give way, down to ``least`` characters.

    Those numbered in ``last`` do so when no other can.
    """
    widths = [max(map(cells, column)) for column in zip(*lines, strict=True)]
    over = 0 if room is None else _total(widths) - room
    while over > 0:
        wide = [at for at in range(first, len(widths)) if widths[at] > least]
        if not wide:
            break
        widths[max(wide, key=lambda at: (at not in last, widths[at]))] -= 1
        over -= 1
    return widths


def _aligned(line: Sequence[str], widths: Sequence[int]) -> str:
    shown = map(cut, line, widths)
    return "  ".join(text + " " * (size - cells(text)) for text, size in zip(shown, widths, strict=True)).rstrip()


def _below(first: str) -> str:
    """Return what a line begins with below a first column: the branches of a tree that go on, and two spaces."""
    drawn = re.match(r"((?:│  |   )*)([├└]─ )?", click.unstyle(first))
    assert drawn is not None
    return drawn[1] + {"├─ ": "│  ", "└─ ": "   ", None: ""}[drawn[2]] + "  "


def facts(pairs: Iterable[tuple[str, str]], *, width: int | None = None) -> str:
    """Return names and values below one another; those without a value are left out.

    To fit ``width``, a value goes on in the next line. A word longer than that stays whole: an address is copied.
    """
    known = [(name, value) for name, value in pairs if value]
    margin = max((len(name) for name, _ in known), default=0) + 2
    return "\n".join(f"{name + ':':<{margin}}{_wrapped(value, margin, width)}" for name, value in known)


def _wrapped(value: str, margin: int, width: int | None) -> str:
    if width is None or cells(value) <= width - margin:
        return value
    lines = wrap(value, max(MIN_CUT, width - margin), break_long_words=False, break_on_hyphens=False)
    return ("\n" + " " * margin).join(lines)


# -- runs ---------------------------------------------------------------------------------------------------------


def runs_table(runs: Sequence[RunRow], *, now: datetime, width: int | None) -> str:
    """Return runs, one a line."""
    if not runs:
        return "No runs match."
    rows = [
        [
            plain(run.id),
            plain(run.workflow),
            coloured(run.status),
            since(run.created_at, now),
            took(run.duration_ms),
            waits_for(run, now),
        ]
        for run in runs
    ]
    return table(["RUN", "WORKFLOW", "STATUS", "CREATED", "TOOK", "WAITS FOR"], rows, width=width)


def acted_text(run: RunRow, notes: Sequence[str] | None) -> str:
    """Return what became of a run after an action."""
    return "\n".join([f"{plain(run.id)}: {coloured(run.status)}", *(f"  {plain(note)}" for note in notes or ())])
