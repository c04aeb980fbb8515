"""Run this project's programs as users do: as processes, found by what they print, stopped by a signal."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent
START_S = 60.0


class Program:
    """A process of ours: the one harness of every test that runs something beside itself.

    Args:
        environ: instead of this process's.
        commanded: it reads commands from its standard input: see ``tell``.

    Attributes:
        lines: what it has printed so far, standard error included.
    """

    def __init__(
        self,
        *arguments: str,
        environ: dict[str, str] | None = None,
        cwd: Path = ROOT,
        executable: str | Path = sys.executable,
        commanded: bool = False,
    ) -> None:
        self.lines: list[str] = []
        self._printed, self._read, self._is_read = threading.Condition(), 0, False
        self.process = subprocess.Popen(
            [executable, *arguments],
            cwd=cwd,
            env=environ,
            stdin=subprocess.PIPE if commanded else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read_all, name="program-reader", daemon=True)
        self._reader.start()

    def _read_all(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                with self._printed:
                    self.lines.append(line.rstrip("\n"))
                    self._printed.notify_all()
        with self._printed:
            self._is_read = True
            self._printed.notify_all()

    @property
    def pid(self) -> int:
        """Of the process."""
        return self.process.pid

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return "\n".join(self.lines)

    @property
    def ended(self) -> bool:
        """True once the process has ended."""
        return self.process.poll() is not None

    def count(self, words: str) -> int:
        """Return how many printed lines hold ``words``."""
        return sum(words in line for line in list(self.lines))

    def wait_for(self, text: str, timeout_s: float = START_S, *, whole: bool = False) -> str:
        """Return the next line that holds ``text``, or is it: ``whole``. What comes after is for the next call."""
        deadline = time.monotonic() + timeout_s
        with self._printed:
            while True:
                for number, line in enumerate(self.lines[self._read :], self._read + 1):
                    if line == text if whole else text in line:
                        self._read = number
                        return line
                self._read = len(self.lines)
                left = deadline - time.monotonic()
                if self._is_read or left <= 0:
                    raise AssertionError(f"The program never printed {text!r}. It printed:\n{self.text}")
                self._printed.wait(left)

    def tell(self, command: str, answer: str = "done") -> None:
        """Send a command, and wait for the line that says that it was obeyed."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        self.wait_for(answer, whole=True)

    def kill(self) -> None:
        """End it as ``kill -9`` does. Idempotent."""
        self.stop(signal.SIGKILL)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 40.0) -> int:
        """Send a signal, wait for the end, and return the exit code; one that does not end is killed. Idempotent."""
        if not self.ended:
            self.process.send_signal(number)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = START_S) -> int:
        """Wait for the end and return the exit code; one that does not end is killed."""
        try:
            code = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        self._reader.join(5)  # a child of its own may hold the other end for longer
        if self.process.stdin is not None:
            with suppress(BrokenPipeError):
                self.process.stdin.close()
        return code


@contextmanager
def running(
    *arguments: str,
    environ: dict[str, str] | None = None,
    cwd: Path = ROOT,
    executable: str | Path = sys.executable,
    commanded: bool = False,
) -> Iterator[Program]:
    """Run a program; kill it at the end if it still runs."""
    program = Program(*arguments, environ=environ, cwd=cwd, executable=executable, commanded=commanded)
    try:
        yield program
    finally:
        program.kill()


@contextmanager
def running_shop(folder: Path, *options: str) -> Iterator[tuple[str, Program]]:
    """Run the orders demo; yield its address, such as ``http://127.0.0.1:40123``, once it takes orders."""
    with running("-m", "examples.orders", "--port", "0", "--db", str(folder), *options) as program:
        address = program.wait_for("Orders: ").split()[-1].rstrip("/")
        program.wait_for("Open for business")
        yield address, program
