"""A run as a pytest file that replays what was recorded of it: see ``dashboard.workflow.replay``.

Reads the store. What was stored stands in the file as ``repr`` writes it, or in a comment of one printable line: it can
neither end a string nor begin a statement.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from dashboard.read.loading import get_run
from dashboard.read.service import package_version
from dashboard.read.services import Services
from otel_bridge.codec import Codec, mask_text
from otel_bridge.codec.source import Source, source_of
from otel_bridge.model.runs import Run
from otel_bridge.model.status import RETURNED_STATUSES
from otel_bridge.model.steps import RecordedOperation
from otel_bridge.model.values import ERROR_CAP_BYTES, PayloadName, StoredValue

MOST_BYTES = 300_000
"""Of a whole file."""
_MOST_OPERATIONS = 1_000
_CAP_BYTES = 128 * 1024
_SLEEP, _WAITS = "DBOS.sleep", frozenset({"DBOS.recv", "DBOS.getEvent"})
_PLACEHOLDER = "your_application"
_INDENT = " " * 4


@dataclass(frozen=True, slots=True)
class _Line:
    """An operation as source, with what has to be filled in of it."""

    text: str
    gaps: tuple[str, ...]


def run_test(services: Services, run_id: str, *, codec: Codec, page_url: str, module: str | None) -> str:
    """Return the file, at most ``MOST_BYTES`` long: of a longer run, its first steps.

    Args:
        codec: the viewer's; what it hides is hidden here.
        module: the module that registers the workflow; None: to be filled in.

    Raises:
        NotFound: there is no such run.
    """
    run = get_run(services, run_id)
    operations = services.store.recording(run_id, limit=_MOST_OPERATIONS, cap_bytes=_CAP_BYTES)
    operations = _asked_for(operations)
    children = {one.child_run_id for one in operations if one.child_run_id is not None}
    seen = services.visible_ids(sorted(children))
    hidden = {child: f"hidden-{number}" for number, child in enumerate(sorted(children - seen), start=1)}
    lines = [_step(one, codec, hidden) for one in operations]

    def stored(name: PayloadName) -> StoredValue | None:
        cap = ERROR_CAP_BYTES if name == "error" else _CAP_BYTES
        return services.store.get_payload(run_id, name, cap_bytes=cap)

    given = stored("input")
    args = Source("()") if given is None else source_of(given, codec, part="args")
    kwargs = Source("{}") if given is None else source_of(given, codec, part="kwargs")
    ending = _ending(run, stored("output"), stored("error"), codec)
    head = [*_head(run, page_url, module), *_call(run, args, kwargs)]
    left = MOST_BYTES - sum(len(line.encode(errors="backslashreplace")) + 1 for line in (*head, *ending)) - 2_000
    kept = _fitting(lines, left)
    whole = len(kept) == len(lines) < _MOST_OPERATIONS
    text = "\n".join([*head, *_steps(kept, whole=whole), "", "", *_test(run, ending, whole=whole), ""])
    text = text.encode(errors="backslashreplace").decode()
    return text if codec.shows_tokens else mask_text(text)


def _asked_for(operations: Sequence[RecordedOperation]) -> list[RecordedOperation]:
    """Return the operations that a replay asks for: all but the time-outs of waits.

    A wait takes two numbers: its own, and the next for a sleep that says when it times out. A wait that has its answer
    asks for no time-out; one that has none is not recorded, and the replay ends there.
    """
    names = {one.seq: one.name for one in operations}

    def is_timeout(one: RecordedOperation) -> bool:
        before = names.get(one.seq - 1)
        return one.name == _SLEEP and one.seq > 1 and (before is None or before in _WAITS)

    return [one for one in operations if one.seq > 0 and not is_timeout(one)]


def _fitting(lines: Iterable[_Line], left: int) -> list[_Line]:
    kept: list[_Line] = []
    for line in lines:
        left -= len(line.text.encode(errors="backslashreplace")) + sum(map(len, line.gaps)) + 60
        if left < 0:
            break
        kept.append(line)
    return kept


def _head(run: Run, page_url: str, module: str | None) -> Iterator[str]:
    yield f"# Replays run {_comment(run.id)} of workflow {_comment(run.workflow)}, as it was recorded: {run.status}"
    yield f"# in version {_comment(run.workflow_version or 'unknown')}. Copied from {_comment(page_url)}"
    yield f"# by durable-dashboard {package_version()}, which it needs, besides pytest and your application."
    yield "# Only the workflow's own code is executed: each step answers what it answered then, and a step that"
    yield "# was not recorded ends the replay before it begins."
    yield "import datetime  # noqa: F401"
    yield "import decimal  # noqa: F401"
    yield "import uuid  # noqa: F401"
    yield ""
    yield "from dashboard.workflow.replay import (  # noqa: F401"
    for name in ("Step", "described", "fill_in", "named", "recorded_error", "replay", "restored"):
        yield f"{_INDENT}{name},"
    yield ")"
    yield ""
    if module is None:
        yield "# FILL IN: the module that registers the workflow. It must not start workers when it is imported."
    yield f"MODULE = {module or _PLACEHOLDER!r}"
    yield f"WORKFLOW = {run.workflow!r}"
    yield f"RUN_ID = {run.id!r}"


def _call(run: Run, args: Source, kwargs: Source) -> Iterator[str]:
    yield ""
    yield ""
    yield "def arguments():"
    yield from _gaps("the input", (*args.gaps, *(gap for gap in kwargs.gaps if gap not in args.gaps)))
    yield f"{_INDENT}return {args.text}, {kwargs.text}"
    yield ""
    yield ""


def _steps(lines: Iterable[_Line], *, whole: bool) -> Iterator[str]:
    yield "def steps():"
    yield f"{_INDENT}return ["
    for line in lines:
        yield from (f"{_INDENT}{gap}" for gap in _gaps("this step", line.gaps))
        yield f"{_INDENT * 2}{line.text},"
    if not whole:
        yield f"{_INDENT * 2}# These are the run's first steps: the others would make this file too long."
    yield f"{_INDENT}]"


def _step(one: RecordedOperation, codec: Codec, hidden: Mapping[str, str]) -> _Line:
    parts = [str(one.seq), repr(one.name)]
    gaps: tuple[str, ...] = ()
    if one.child_run_id in hidden and (one.output or one.error):
        gaps = ("the result of a run that is hidden here",)
        parts.append(f"output=fill_in({gaps[0]!r})")
    elif one.error is not None:
        found = _error(one.error, codec)
        gaps = found.gaps
        parts.append(f"error={found.text}")
    elif one.output is not None and not _is_none(found := source_of(one.output, codec)):
        gaps = found.gaps
        parts.append(f"output={found.text}")
    if one.child_run_id is not None:
        parts.append(f"child={hidden.get(one.child_run_id, one.child_run_id)!r}")
    return _Line(f"Step({', '.join(parts)})", gaps)


def _is_none(found: Source) -> bool:
    return found.text == "None"


def _error(stored: StoredValue, codec: Codec) -> Source:
    """Return an error as an object of its class, or as what is known of it: the class's name and the message."""
    found = source_of(stored, codec)
    if not found.gaps and found.text.startswith("restored("):
        return found
    shown = codec.decode(stored).json
    if stored.serialization == "portable_json" and isinstance(shown, dict) and not found.gaps:
        fields: list[object] = [shown.get(name) for name in ("message", "name", "code", "data")]
        return Source(f"restored('dbos._serialization.PortableWorkflowError', {tuple(fields)!r})")
    error = codec.decode_error(stored)
    why = found.gaps or ("it is not an instance of a class",)
    return Source(f"recorded_error({(error.type or 'Exception')!r}, {error.message!r})", why)


def _ending(run: Run, output: StoredValue | None, error: StoredValue | None, codec: Codec) -> list[str]:
    """Return the lines that check how the run ended."""
    if run.status == "completed":
        found = Source("None") if output is None else source_of(output, codec)
        check = f"assert replayed.output == {found.text}"
        lines = ["assert described(replayed.error) == ''"]
        lines += [*_gaps("the output", found.gaps), f"# {check}"] if found.gaps else [check]
    elif error is not None:
        found = _error(error, codec)
        if found.gaps:
            kind = (codec.decode_error(error).type or "Exception").rpartition(".")[2]
            lines = [*_gaps("the error", found.gaps), f"assert type(replayed.error).__name__ == {kind!r}"]
        else:
            lines = [f"assert described(replayed.error) == described({found.text})"]
    else:
        lines = ["assert replayed.error is not None"]
    return [line if line.startswith(_INDENT) else f"{_INDENT}{line}" for line in lines]


def _test(run: Run, ending: Iterable[str], *, whole: bool) -> Iterator[str]:
    name = re.sub(r"\W+", "_", run.workflow, flags=re.ASCII).strip("_")[:60] or "workflow"
    yield f"def test_{name}_replays_as_recorded(tmp_path):"
    yield f"{_INDENT}args, kwargs = arguments()"
    yield f"{_INDENT}replayed = replay("
    for keyword in ("module=MODULE", "workflow=WORKFLOW", "run_id=RUN_ID", "args=args", "kwargs=kwargs"):
        yield f"{_INDENT * 2}{keyword},"
    yield f"{_INDENT * 2}steps=steps(),"
    for keyword, value in (("class_name", run.class_name), ("config_name", run.config_name)):
        if value:
            yield f"{_INDENT * 2}{keyword}={value!r},"
    yield f"{_INDENT * 2}database=tmp_path / 'replay.sqlite',"
    yield f"{_INDENT})"
    yield f"{_INDENT}assert replayed.steps == [(step.seq, step.name) for step in steps()]"
    if whole and run.status in RETURNED_STATUSES:
        yield f"{_INDENT}assert replayed.stopped is None"
        yield from ending
    else:
        yield f"{_INDENT}# The recording ends here: {'the run was ' + run.status if whole else 'the rest is left out'}."


def _gaps(what: str, gaps: Iterable[str]) -> Iterator[str]:
    for gap in gaps:
        yield f"{_INDENT}# FILL IN: {what}: {_comment(gap)}"


def _comment(text: str) -> str:
    """Return a text as it may stand in a comment: on one line, and not long."""
    return "".join(c if c.isprintable() else "?" for c in text[:300])
