"""Run this project's programs as users do: as processes, found by what they print, stopped by a signal."""

from __future__ import annotations

import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
START_S = 60.0


class Program:
    """A process of ours. ``lines`` is what it has printed, standard error included."""

    def __init__(
        self,
        *arguments: str,
        environ: dict[str, str] | None = None,
        cwd: Path = ROOT,
        python: str | Path = sys.executable,
    ) -> None:
        self.lines: list[str] = []
        self._queue: queue.Queue[str | None] = queue.Queue()
        self.process = subprocess.Popen(
            [python, *arguments],
            cwd=cwd,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, name="program-reader", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._queue.put(line.rstrip("\n"))
        self._queue.put(None)

    def wait_for(self, text: str, timeout_s: float = START_S) -> str:
        """Return the first line from here on that holds ``text``."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                line = self._queue.get(timeout=left)
            except queue.Empty:
                break
            if line is None:
                break
            self.lines.append(line)
            if text in line:
                return line
        raise AssertionError(f"The program never printed {text!r}. It printed:\n" + "\n".join(self.lines))

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 20.0) -> int:
        """Send a signal, wait for the end, and return the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout_s)
        self._reader.join(timeout_s)
        while not self._queue.empty() and (line := self._queue.get()) is not None:
            self.lines.append(line)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@contextmanager
def running(
    *arguments: str, environ: dict[str, str] | None = None, cwd: Path = ROOT, python: str | Path = sys.executable
) -> Iterator[Program]:
    """Run a program; kill it at the end if it still runs."""
    program = Program(*arguments, environ=environ, cwd=cwd, python=python)
    try:
        yield program
    finally:
        if program.process.poll() is None:
            program.stop(signal.SIGKILL)
        elif program.process.stdout is not None and not program.process.stdout.closed:
            program.stop()


@contextmanager
def running_shop(folder: Path, *options: str) -> Iterator[tuple[str, Program]]:
    """Run the orders demo; yield its address, such as ``http://127.0.0.1:40123``, once it takes orders."""
    with running("-m", "examples.orders", "--port", "0", "--db", str(folder), *options) as program:
        address = program.wait_for("Orders: ").split()[-1].rstrip("/")
        program.wait_for("Open for business")
        yield address, program
