"""Replays a recorded run in a test: nothing is executed but the workflow's own code.

``durable test RUN`` writes such a test; see there. Each step answers what was recorded for it, and one that was not
recorded ends the replay before it begins. Touches a database of its own, and imports the module that is named.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dashboard.workflow import replay_engine
from dashboard.workflow.replay_engine import RecordedStep, ReplayStopped, Tape


@dataclass(frozen=True, slots=True)
class Step:
    """What was recorded of one step, or of the engine's own bookkeeping.

    Args:
        seq: the engine's number of the step.
        name: as the engine compares it, such as ``charge`` or ``DBOS.recv``.
        output: what it answered; or ``error``: what it raised.
        child: the run that it started, or whose result it took.
    """

    seq: int
    name: str
    output: Any = None
    error: Exception | None = None
    child: str | None = None


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay did.

    Args:
        steps: number and name of each step that the workflow asked for, by number.
        output, error: what it returned or raised; neither, where it was ``stopped``.
        stopped: what it asked for that was not recorded; None: it ended by itself.
    """

    steps: list[tuple[int, str]] = field(default_factory=list)
    output: Any = None
    error: Exception | None = None
    stopped: str | None = None


def replay(
    *,
    module: str,
    workflow: str,
    run_id: str,
    steps: Sequence[Step],
    database: Path,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    class_name: str | None = None,
    config_name: str | None = None,
) -> Replayed:
    """Run a workflow's code against what was recorded of one of its runs.

    Args:
        module: the module that registers the workflow; it is imported, and must not start workers by itself.
        database: a file that is not there, for the engine's own notes.
        class_name, config_name: of a workflow that is a method.

    Raises:
        AssertionError: the code asks for another step than was recorded, or the module does not register the workflow.

    Example::

        replayed = replay(module="shop.workflows", workflow="order", run_id="order-1", args=("tea",),
                          steps=[Step(1, "charge", output="PAY-1")], database=tmp_path / "replay.sqlite")
        assert replayed.output == "PAY-1"
    """
    importlib.import_module(module)
    tape = Tape(
        run_id, {s.seq: RecordedStep(name=s.name, output=s.output, error=s.error, child=s.child) for s in steps}
    )
    output, error = None, None
    with replay_engine.launched(f"sqlite:///{database}") as dbos:
        try:
            function = replay_engine.bound(workflow, class_name, config_name)
        except KeyError as missing:
            raise AssertionError(
                f"Module {module!r} registers no {missing.args[0]!r}. Name the module that declares "
                f"workflow {workflow!r}."
            ) from None
        replay_engine.feed(dbos, tape)
        try:
            output = replay_engine.call(function, run_id, tuple(args), kwargs or {})
        except ReplayStopped:
            pass
        except Exception as raised:  # noqa: BLE001 - what the workflow raises is the result
            error = raised
    if tape.diverged is not None:
        raise AssertionError(f"The workflow's code has changed: {tape.diverged}.")
    if tape.stopped_at is not None:  # even where the code went on without it
        output = error = None
    return Replayed(sorted(tape.asked.items()), output, error, tape.stopped_at)


def described(error: BaseException | None) -> str:
    """Return an error's class and message, to compare two of them.

    >>> described(ValueError("no tea"))
    'builtins.ValueError: no tea'
    """
    return "" if error is None else f"{type(error).__module__}.{type(error).__qualname__}: {error}"


def fill_in(what: str) -> Any:
    """Stand where a recorded value could not be written; put the value in its place.

    Raises:
        AssertionError: always.
    """
    raise AssertionError(f"Fill this in: {what}.")


def named(name: str) -> Any:
    """Return a class, a function or a member of one by its full name."""
    parts = name.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:cut]))
        except ModuleNotFoundError:
            continue
        for part in parts[cut:]:
            found = getattr(found, part)
        return found
    raise AssertionError(f"{name!r} cannot be imported here.")


def restored(name: str, args: Sequence[Any] = (), *, state: Any = None, new: bool = False) -> Any:
    """Return an object of a class as it was recorded.

    Args:
        state: what its ``__setstate__`` or ``__dict__`` is given.
        new: made without calling its ``__init__``.
    """
    made = named(name)
    if not isinstance(made, type):
        raise AssertionError(f"{name!r} is not a class, so it is not called. Fill this in.")
    found = made.__new__(made, *args) if new else made(*args)
    if state is not None:
        _give_state(found, state)
    return found


def _give_state(found: Any, state: Any) -> None:
    """Give an object its state as ``pickle`` does."""
    if hasattr(found, "__setstate__"):
        found.__setstate__(state)
        return
    members, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
    if members:
        found.__dict__.update(members)
    for slot, value in (slots or {}).items():
        object.__setattr__(found, slot, value)


def recorded_error(type_name: str, message: str) -> Exception:
    """Return an error of which only its class's name and its message are known.

    Its own class where that can be imported and takes a message, else one of the same name.
    """
    try:
        found = named(type_name if "." in type_name else f"builtins.{type_name}")
        if isinstance(found, type) and issubclass(found, Exception):
            return found(message)
    except Exception:  # noqa: BLE001 - whatever the class or its module does
        pass
    name = type_name.rpartition(".")[2]
    unknown: type[Exception] = type(name if name.isidentifier() else "RecordedError", (Exception,), {})
    return unknown(message)
