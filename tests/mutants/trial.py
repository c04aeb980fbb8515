"""Tries the mutants of one module on its tests, in forks of one process that has collected them.

A test run as a process of its own costs seconds of imports for milliseconds of test. Here the tests are collected and
run once on the code as it is, which tells how long each takes and which of the module's functions it enters. Then the
process forks for each mutant: the child gives the changed functions their changed code and runs the tests that enter
them, quickest first, until one fails.
"""

from __future__ import annotations

import gc
import importlib.machinery
import json
import os
import random
import select
import signal
import sys
import threading
import time
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import CodeType, FrameType, FunctionType

import pytest

from tests.mutants.changes import Mutant

SLOWEST_S = 1.0
"""A test that takes more of the processor notices nothing: a mutant is a matter of a fast one."""
LONGEST_S = 5.0
"""One that takes longer by the clock, as the machine is now, does not either."""
PATIENCE_S = 10.0
"""A mutant that makes the tests hang is noticed."""

Entered = tuple[str, int]
Result = dict[str, object]


def in_child(work: Callable[[], object], *, patience_s: float | None = None) -> object:
    """Do the work in a fork and return what it returns, as JSON carries it; None where it died or hung.

    The fork leads a process group, which ends with it: a test that was cut short leaves its workers running.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        os.setpgid(0, 0)
        os.close(reader)
        stderr = os.dup(2)  # the work may silence it
        try:
            os.write(writer, json.dumps(work()).encode() + b"\n")
        except BaseException:  # noqa: BLE001 - printed, and the parent takes it for noticed
            os.write(stderr, traceback.format_exc().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        try:
            ready, _, _ = select.select([pipe], [], [], patience_s)
            answer = pipe.readline() if ready else b""  # one line: others may hold the pipe open
        finally:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    return json.loads(answer) if answer.endswith(b"\n") else None


def arguments(tests: Sequence[str]) -> list[str]:
    """Return what pytest is called with: no server of PostgreSQL, which starts in seconds, and no files left behind."""
    return ["-q", "-s", "-p", "no:cacheprovider", "-k", "not postgres", *tests]


def quiet() -> None:
    """Discard what tests print."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


class Brief:
    """A pytest plugin that has Hypothesis neither shrink nor remember."""

    def pytest_sessionstart(self) -> None:
        from hypothesis import Phase, settings  # not before pytest: it warns that it cannot rewrite what is imported

        settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None, deadline=None)
        settings.load_profile("mutants")


def survives_import(path: Path, mutant: Mutant, tests: Sequence[str]) -> bool:
    """Say whether the tests pass in a new import of the changed module; for what stands outside of functions."""
    original = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        if Path(self.path) == path:
            return compile(mutant.tree, str(path), "exec", dont_inherit=True)
        return original(self, fullname)

    def run() -> bool:
        quiet()
        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[assignment, method-assign]
        return pytest.main(["-x", *arguments(tests)], plugins=[Brief()]) == pytest.ExitCode.OK

    return in_child(run, patience_s=3 * PATIENCE_S) is True


class Trial(Brief):
    """A pytest plugin that runs the collected tests once, and then again for each mutant."""

    def __init__(self, path: Path, tried: Sequence[Mutant]) -> None:
        self._path, self._tried = str(path), tried
        self._failed: list[str] = []
        self._durations_s: dict[str, float] = {}
        self._fast: set[str] = set()
        self._entered: dict[Entered, set[str]] = defaultdict(set)
        self._whose = ""
        self.survivors: list[int] = []
        self.failed_before: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._failed.append(report.nodeid)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        """What a fixture entered may be there for every test of its module; what a test enters is its own."""
        self._whose = item.nodeid
        began_s, worked_s = time.monotonic(), time.process_time()
        try:
            return (yield)
        finally:
            self._whose = item.nodeid.partition("::")[0]
            self._durations_s[item.nodeid] = time.process_time() - worked_s
            if self._durations_s[item.nodeid] <= SLOWEST_S and time.monotonic() - began_s <= LONGEST_S:
                self._fast.add(item.nodeid)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        self._run_as_it_is(list(items.values()))
        self.failed_before = list(self._failed)
        if self.failed_before:
            return True
        for number, mutant in enumerate(self._tried):
            assert mutant.function is not None
            noticing = [items[name] for name in self._noticing(mutant.function, items)]
            if in_child(lambda noticing=noticing, mutant=mutant: self._passes(noticing, mutant), patience_s=PATIENCE_S):  # type: ignore[misc]
                self.survivors.append(number)
        return True

    def _noticing(self, function: Entered, items: dict[str, pytest.Item]) -> list[str]:
        entered = self._entered[function]
        names = [name for name in items if name in entered or name.partition("::")[0] in entered]
        return sorted(self._fast.intersection(names), key=lambda name: self._durations_s[name])

    def _run_as_it_is(self, items: Sequence[pytest.Item]) -> None:
        def profile(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and frame.f_code.co_filename == self._path:
                self._entered[frame.f_code.co_name, frame.f_code.co_firstlineno].add(self._whose)

        threading.setprofile(profile)
        sys.setprofile(profile)
        try:
            for item, following in zip(items, [*items[1:], None], strict=True):
                self._whose = item.nodeid.partition("::")[0]
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        finally:
            sys.setprofile(None)
            threading.setprofile(None)  # type: ignore[arg-type]

    def _passes(self, items: Sequence[pytest.Item], mutant: Mutant) -> bool:
        random.seed(0)
        put_in(self._path, compile(mutant.tree, self._path, "exec", dont_inherit=True))
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                return False
        return True


def put_in(path: str, module: CodeType) -> None:
    """Give each function of the module that is there now the code that it has in the changed one."""
    changed = {(code.co_name, code.co_firstlineno): code for code in _codes(module)}
    for function in [thing for thing in gc.get_objects() if isinstance(thing, FunctionType)]:
        code = function.__code__
        if code.co_filename == path and (new := changed.get((code.co_name, code.co_firstlineno))) is not None:
            function.__code__ = new


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)
