"""A worker of the tests' own: ``worker_app URL DIR [--version V] [--executor ID] [--bare] [--present]``.

Workflows tell what they did by lines in ``DIR/log``, and wait for and are steered by files in ``DIR``. ``--bare``
registers only ``plain`` and does not import ``dashboard.workflow``; ``--present`` reports presence;
``--blocked-at-once`` gives a run that nobody runs no time before it is called so.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dbos import DBOS

from tests.waiting import until

HOLD_S = 600.0

parser = argparse.ArgumentParser()
parser.add_argument("url")
parser.add_argument("dir", type=Path)
parser.add_argument("--version", default="v1")
parser.add_argument("--executor", default="local")
parser.add_argument("--bare", action="store_true")
parser.add_argument("--present", action="store_true")
parser.add_argument("--blocked-at-once", action="store_true")
options = parser.parse_args()
here: Path = options.dir


def say(text: str) -> None:
    """Append a line to the log, in one write."""
    descriptor = os.open(here / "log", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{text}\n".encode())
    os.close(descriptor)


def wait_for(name: str) -> None:
    """Wait until the test makes a file."""
    until((here / name).exists, what=name, timeout_s=HOLD_S, every_s=0.02)


config: Any = {
    "name": "actions-tests",
    "system_database_url": options.url,
    "application_version": options.version,
    "executor_id": options.executor,
    "notification_listener_polling_interval_sec": 0.05,
    "scheduler_polling_interval_sec": 0.2,
}
os.environ["DBOS__VMID"] = options.executor
if options.blocked_at_once:
    from otel_bridge.runs import blocked

    blocked.BLOCKED_AFTER_MS = 0
if options.present:
    from otel_bridge.instrumentation import DBOSInstrumentor

    DBOSInstrumentor().instrument(presence_interval_s=0.3)
DBOS(config=config)


@DBOS.workflow()
def plain(value: Any = None) -> Any:
    """Does nothing."""
    return value


if not options.bare:
    from dashboard.workflow import (
        Compensation,
        DeadLetter,
        breakpoint,
        breakpoint_async,
        compensated_by,
        dead_letter,
        on_update,
        on_update_async,
        set_event,
        sleep,
        sleep_async,
        undo_on_failure,
        wait_for_signal,
        wait_for_signal_async,
        webhook,
    )

    assert "flask" not in sys.modules

    def undo(c: Compensation) -> str:
        """Log the compensation; wait, fail or hang as the test says."""
        name = c.given["name"]
        say(f"undo {c.step} {name} key={c.idempotency_key} output={c.output} maybe={c.maybe}")
        if (here / f"hold-undo-{name}").exists():
            say(f"holding {name}")
            wait_for(f"go-undo-{name}")
        if (here / f"break-undo-{name}").exists():
            raise RuntimeError(f"cannot undo {name}")
        say(f"undone {name}")
        return f"undone {name}"

    async def undo_async(c: Compensation) -> None:
        """The same, asynchronously."""
        await asyncio.sleep(0)
        undo(c)

    @DBOS.step()
    @compensated_by(undo, max_attempts=2, interval_seconds=0.05)
    def book(name: str, *, cents: int = 1) -> dict[str, Any]:
        """A step with an effect."""
        say(f"book {name}")
        if (here / f"hold-{name}").exists():
            wait_for(f"go-{name}")
        if (here / f"break-{name}").exists():
            raise RuntimeError(f"cannot book {name}")
        say(f"booked {name}")
        return {"booked": name, "cents": cents}

    @DBOS.step()
    @compensated_by(undo_async)
    async def book_async(name: str) -> str:
        """An asynchronous step with an effect."""
        say(f"book {name}")
        return name

    @DBOS.step()
    def work(name: str) -> str:
        """A step without an undo."""
        say(f"work {name}")
        if (here / f"hold-{name}").exists():
            wait_for(f"go-{name}")
        if (here / f"break-{name}").exists():
            raise RuntimeError(f"{name} is broken")
        return name

    @DBOS.workflow()
    def steps(*names: str) -> list[str]:
        """Plain steps, one after another."""
        return [work(name) for name in names]

    @DBOS.step()
    def inspect(name: str) -> str:
        """What version v3 does first."""
        return name

    @DBOS.workflow()
    def evolving(name: str) -> str:
        """Begins with another step from version v3 on."""
        (work if options.version < "v3" else inspect)(f"first-{name}")
        heard = wait_for_signal("go")
        return f"{work(f'last-{name}')} {heard}"

    @DBOS.workflow()
    def parent(child_id_suffix: str, *names: str) -> list[str]:
        """A step, then a child through a queue."""
        work("before")
        result: list[str] = DBOS.enqueue_workflow("family", steps, *names).get_result()
        work("after")
        return result

    @DBOS.workflow()
    def collector(name: str) -> list[str]:
        """A child through a queue, whose result is asked for after a step of its own."""
        child = DBOS.enqueue_workflow("family", steps, name)
        work(f"meanwhile-{name}")
        result: list[str] = child.get_result()
        return result

    @DBOS.workflow()
    def talkative() -> str:
        """Publishes a value, streams two and closes the stream, then waits for a message of the engine's own kind."""
        DBOS.set_event("phase", "one")
        for number in range(2):
            DBOS.write_stream("tokens", number)
        DBOS.close_stream("tokens")
        return str(DBOS.recv("approve", timeout_seconds=60))

    @DBOS.step()
    def rant() -> None:
        """Fails with more words than a list shows."""
        raise ValueError("so many words " * 20_000)

    @DBOS.workflow()
    def wordy() -> None:
        """Fails as its step does."""
        rant()

    @DBOS.workflow()
    def own_code(name: str) -> str:
        """Fails in its own code, after a step."""
        work("first")
        if (here / f"break-{name}").exists():
            raise ValueError("own code is broken")
        return "ok"

    @DBOS.workflow()
    def saga(*names: str) -> str:
        """Compensated steps, then a wait."""
        for name in names:
            book(name, cents=7)
        return str(wait_for_signal("go"))

    @DBOS.workflow()
    @undo_on_failure
    def self_undoing(*names: str) -> None:
        """Compensated steps, then a failure."""
        for name in names:
            book(name)
        raise RuntimeError("no more")

    @DBOS.workflow()
    def saga_family() -> str:
        """A compensated step of its own around a child that has some."""
        book("mine-1")
        DBOS.enqueue_workflow("family", booker, "child-1", "child-2").get_result()
        book("mine-2")
        return str(wait_for_signal("go"))

    @DBOS.workflow()
    def booker(*names: str) -> str:
        """Compensated steps."""
        for name in names:
            book(name)
        return "booked"

    @DBOS.workflow()
    async def saga_async(*names: str) -> str:
        """Asynchronous compensated steps, side by side, then a wait."""
        await asyncio.gather(*[book_async(name) for name in names])
        return str(await wait_for_signal_async("go"))

    @DBOS.workflow()
    def waits(timeout: float | None = None) -> list[Any]:
        """A breakpoint, a signal, an update; each heard is logged."""
        heard: list[Any] = [breakpoint("look", timeout=timeout).by]
        set_event("stage", {"heard": 1})
        heard.append(wait_for_signal("news", timeout=timeout))
        heard.append(on_update("quantity", type=int, timeout=timeout))
        say(f"heard {heard}")
        return heard

    @DBOS.workflow()
    def nap(seconds: float) -> list[Any]:
        """A step, a sleep that can be woken, a step."""
        work("before")
        woken = sleep(seconds, name="cool down")
        work("after")
        return ["slept"] if woken is None else ["woken", woken.by, woken.comment]

    @DBOS.workflow()
    async def naps(first: float, second: float) -> list[Any]:
        """Two sleeps side by side."""
        woken = await asyncio.gather(sleep_async(first, name="one"), sleep_async(second, name="two"))
        return [None if one is None else one.comment for one in woken]

    @DBOS.workflow()
    def engines_nap() -> str:
        """A sleep of the engine's own."""
        DBOS.sleep(600)
        return "slept"

    @DBOS.workflow()
    async def waits_async() -> Any:
        """An update, asynchronously."""
        return await on_update_async("quantity", type=int)

    @DBOS.workflow()
    def typed_update() -> int:
        """An update of a declared type."""
        return on_update("quantity", type=int)

    @dataclass
    class Address:
        """What a signal is read as."""

        street: str
        city: str

    @dataclass
    class Approval:
        """What comes with an approval."""

        approved: bool

    @DBOS.workflow()
    def approval() -> list[Any]:
        """A breakpoint that asks something, then an update that asks, then a signal for programs."""
        answer = breakpoint("refund", ask="Refund 100 EUR?", type=Approval)
        amount = on_update("amount", ask="How much?", type=int)
        return [answer.by, answer.comment, answer.payload.approved, amount, wait_for_signal("go")]

    @DBOS.workflow()
    def typed_signal(busy: str | None = None) -> str:
        """A signal of a declared type, maybe after some work."""
        if busy:
            work(busy)
        return wait_for_signal("address", type=Address).city

    @DBOS.workflow()
    async def side_by_side() -> list[Any]:
        """Four waits at once, each of a type of its own."""
        heard = await asyncio.gather(
            on_update_async("quantity", type=int),
            breakpoint_async("look"),
            wait_for_signal_async("address", type=Address),
            on_update_async("name", type=str),
        )
        return [heard[0], heard[1].by, heard[2].city, heard[3]]

    @DBOS.workflow()
    def short_update(timeout: float) -> Any:
        """An update that must come soon."""
        try:
            return on_update("quantity", timeout=timeout)
        except TimeoutError as error:
            return str(error)

    @DBOS.workflow()
    def hooked(busy: str | None = None) -> Any:
        """Hands out a webhook, then maybe works, then waits for it."""
        hook = webhook("payment")
        set_event("url", hook.url)
        if busy:
            work(busy)
        return hook.wait()

    @DBOS.workflow()
    def typed_hook(busy: str | None = None) -> str:
        """A webhook whose body has a declared type."""
        hook = webhook("payment")
        set_event("url", hook.url)
        if busy:
            work(busy)
        city: str = hook.wait(type=Address).city
        return city

    @DBOS.workflow(max_recovery_attempts=0)
    def deadly() -> str:
        """Kills its worker until the test has mended it."""
        say("deadly")
        if not (here / "mended").exists():
            os.kill(os.getpid(), signal.SIGKILL)
        return "alive"

    @dead_letter("deadly")
    def bury(letter: DeadLetter) -> str:
        """The dead-letter handler."""
        say(f"bury {letter.dead_run_id} {letter.workflow} {letter.input} {letter.error}")
        return "buried"

    @DBOS.workflow()
    def scheduled(at: Any, context: Any) -> str:
        """Fired by a schedule; a text as its context is the name of a step."""
        say(f"scheduled {context}")
        if isinstance(context, str):
            work(context)
        return "fired"


def until_killed() -> None:
    """Launch, say so, and stay until the test closes our input, or dies, which closes it too."""
    DBOS.launch()
    if not options.bare:
        DBOS.register_queue("family", polling_interval_sec=0.15)
        DBOS.register_queue("slow-lane", polling_interval_sec=0.15, worker_concurrency=1)
    (here / f"ready-{os.getpid()}").touch()
    sys.stdin.read()
    os._exit(0)  # the engine's threads would keep the process alive, and it would go on reporting


until_killed()
