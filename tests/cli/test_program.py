"""The command as a process: on a terminal, without an extra, directly on a database, and what a shell completes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from dashboard.cli.main import SECTIONS, durable
from dashboard.cli.session import BAD_USAGE, NOT_FOUND, UNREACHABLE
from dashboard.client import DurableClient
from tests.cli.conftest import run_durable
from tests.client.test_acting import wait_for
from tests.programs import ROOT, running_shop
from tests.waiting import until

COMMAND = [sys.executable, "-m", "dashboard.cli"]
NAMES = [name for section in SECTIONS.values() for name in section]


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment less what the command reads, and more."""
    ours = ("DURABLE_", "DBOS_", "NO_COLOR", "FORCE_COLOR")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process."""
    return subprocess.run(
        [*COMMAND, *arguments], cwd=ROOT, env=environment(**environ), capture_output=True, text=True, timeout=60
    )


def on_terminal(*arguments: str, columns: int, **environ: str) -> str:
    """Run the command on a terminal of so many columns; return what it wrote there."""
    ours, theirs = pty.openpty()
    with open(ours, "rb", buffering=0) as screen:
        environ = environment(COLUMNS=str(columns), LINES="40", TERM="xterm", **environ)
        with subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, env=environ, stdout=theirs, stderr=theirs) as process:
            os.close(theirs)
            written = b""
            try:
                while chunk := screen.read(4096):
                    written += chunk
            except OSError:  # Linux says so when the other side is gone
                pass
            assert process.wait(60) == 0, written.decode()
    return written.decode().replace("\r\n", "\n")


def test_the_command_works_as_a_program(base_url: str) -> None:
    """``python -m dashboard.cli`` reads the environment, and its exit code is the process's."""
    listed = run("runs", DURABLE_URL=base_url)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert run("show", "nobody", DURABLE_URL=base_url).returncode == NOT_FOUND
    assert run("--version").stdout.startswith("durable-dashboard ")


def test_on_a_terminal_it_is_coloured_and_fits(base_url: str, client: DurableClient) -> None:
    """NO_COLOR is honoured; elsewhere nothing is coloured unless FORCE_COLOR says so."""
    client.start_run("refund_order", ["order-9", 3])
    for columns in (40, 80, 130):
        shown = on_terminal("runs", columns=columns, DURABLE_URL=base_url)
        assert "\x1b[" in shown
        assert max(len(click.unstyle(line)) for line in shown.splitlines()) <= columns
    assert "\x1b[" not in on_terminal("runs", columns=80, DURABLE_URL=base_url, NO_COLOR="1")
    assert "\x1b[" not in run("runs", DURABLE_URL=base_url).stdout
    assert "\x1b[" in run("runs", DURABLE_URL=base_url, FORCE_COLOR="1").stdout


def test_a_terminal_of_another_encoding_gets_what_it_can_show(base_url: str, client: DurableClient) -> None:
    """Never a traceback; JSON stays JSON, whatever characters a payload has."""
    run_id = client.start_run("refund_order", ["naïve 🙂 \u2028", 3]).run_id
    wait_for(client, run_id, "failed")
    for command in (("show", run_id), ("show", run_id, "--json")):
        done = run(*command, DURABLE_URL=base_url, PYTHONIOENCODING="ascii")
        assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["run"]["input"]["args"][0] == "naïve 🙂 \u2028"


BLOCKED = """
import sys
class Refusing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refusing())
sys.argv = ["durable", *{arguments!r}]
from dashboard.cli.main import main
main()
"""


def run_without(blocked: set[str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command where some packages are not installed."""
    code = BLOCKED.format(blocked=blocked, arguments=arguments)
    return subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    ("package", "arguments"),
    [
        ("httpx", ("runs",)),
        ("httpx", ("show", "r", "--json")),
        ("httpx", ("bulk", "retry", "--help")),
        ("httpx_sse", ("doctor",)),
    ],
)
def test_without_the_client_extra_every_command_says_what_to_install(package: str, arguments: tuple[str, ...]) -> None:
    """Exit code 2 and a sentence, never a traceback."""
    done = run_without({package}, *arguments)
    assert done.returncode == BAD_USAGE
    assert "pip install 'durable-dashboard[client]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_the_client_extra_the_commands_are_listed_all_the_same() -> None:
    """With what to install beside each."""
    listed = run_without({"httpx"}, "--help")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert all(name in listed.stdout for name in NAMES)
    assert run_without({"httpx"}, "nonsense").returncode == BAD_USAGE


def test_a_postgres_database_without_its_driver_says_what_to_install() -> None:
    """Exit code 2: it is the command line that cannot work here. (DBOS itself brings psycopg, but not its pool.)"""
    done = run_without({"psycopg_pool"}, "runs", "--system-database-url", "postgresql://localhost/none")
    assert done.returncode == BAD_USAGE, done.stderr
    assert "pip install 'durable-dashboard[postgres]'" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """URL of a database that nobody serves any more, and the id of a run in it that waits for a signal."""
    folder = tmp_path_factory.mktemp("alone")
    with running_shop(folder, "--no-trickle") as (address, _):
        with closing(DurableClient(f"{address}/durable")) as client:
            run_id = client.start_run("refund_order", ["order-1", 12]).run_id
            wait_for(client, run_id, "failed")
    (path,) = [path for path in folder.glob("*.sqlite") if "durable" not in path.name]
    return f"sqlite:///{path}", run_id


def test_it_works_directly_on_a_database(database: tuple[str, str]) -> None:
    """Reads and actions, with nobody serving it: a retry waits for a worker, and the audit log has a name."""
    url, run_id = database
    where = ("--system-database-url", url)
    assert run_id in run_durable("runs", *where).out
    shown = run_durable("show", run_id, *where)
    assert "look_up_payment" in shown.out
    assert "Page:" not in shown.out
    assert run_durable("tail", run_id, *where).code == 1
    assert run_durable("show", "nobody", *where).code == NOT_FOUND
    assert run_durable("cancel", run_id, DBOS_SYSTEM_DATABASE_URL=url).code == 5
    assert "(command line)" in run_durable("audit", *where).out
    doctor = run_durable("doctor", "--json", *where)
    levels = {finding["what"]: finding["level"] for finding in doctor.json}
    assert (levels["store"], "live" in levels, "Live streams" in doctor.err) == ("ok", False, False)


STREAMING = """
import sys
from examples.newer_sqlite import use_newer_sqlite
use_newer_sqlite()
from dbos import DBOS, SetWorkflowID
DBOS(config={"name": "streaming", "system_database_url": sys.argv[1]})

@DBOS.workflow()
def count(to):
    for number in range(to):
        DBOS.write_stream("numbers", number)
    DBOS.close_stream("numbers")
    return to

DBOS.launch()
with SetWorkflowID("counted"):
    count(3)
DBOS.destroy()
"""


@pytest.mark.parametrize("database_url", ["sqlite_url", "postgres_url"])
def test_streams_are_read_from_either_database(database_url: str, request: pytest.FixtureRequest) -> None:
    """On SQLite and on Postgres, with nobody serving it; the ledger's schema is an option too."""
    url = request.getfixturevalue(database_url)
    command = [sys.executable, "-c", STREAMING, url]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    where = ("--system-database-url", url, "--ledger-schema", "elsewhere")
    assert run_durable("runs", "--json", *where).json[0]["id"] == "counted"
    assert run_durable("streams", "counted", "--json", *where).json == [{"key": "numbers", "count": 3, "closed": True}]
    values = [line.split() for line in run_durable("streams", "counted", "numbers", *where).out.splitlines()]
    assert values == [["OFFSET", "VALUE"], ["0", "0"], ["1", "1"], ["2", "2"], ["3", "(closed)"]]
    assert run_durable("streams", "counted", "numbers", "--after", "2", *where).out.splitlines()[1:] == [
        "3       (closed)"
    ]


def test_a_database_that_is_not_there_is_exit_code_3(tmp_path: Path) -> None:
    """And it is not created by looking for it."""
    path = tmp_path / "missing.sqlite"
    done = run_durable("runs", "--system-database-url", f"sqlite:///{path}")
    assert (done.code, "missing.sqlite" in done.err) == (UNREACHABLE, True)
    assert not path.exists()
    assert run_durable("runs", "--system-database-url", "mysql://x/y").code == BAD_USAGE


def test_the_address_on_the_command_line_counts_before_the_environment(database: tuple[str, str]) -> None:
    """A database that is typed wins over a URL from the environment; of two from the environment the URL counts."""
    url, run_id = database
    done = run_durable("runs", "--system-database-url", url, url="http://127.0.0.1:1/durable")
    assert run_id in done.out
    both = run_durable("runs", url="http://127.0.0.1:1/durable", DBOS_SYSTEM_DATABASE_URL=url)
    assert both.code == UNREACHABLE


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name: str) -> None:
    """``--help`` works without an address, and every option of it has a sentence."""
    result = CliRunner().invoke(durable, [name, "--help"])
    assert result.exit_code == 0
    context = click.Context(durable)
    command = durable.get_command(context, name)
    assert command is not None
    assert command.help
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name


def test_help_loads_neither_the_engine_nor_flask() -> None:
    """They come only for a command that is given a database."""
    code = "import sys, dashboard.cli.main as m, click\nm.durable.main(['--help'], standalone_mode=False)\n"
    code += "print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert not {"flask", "dbos", "sqlalchemy", "sqlite_utils"} & set(done.stdout.splitlines()[-1].split())


def completed(words: str, **environ: str) -> list[str]:
    """Return what bash is offered after the words."""
    typed = words.split(" ")
    asked = {"_DURABLE_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(len(typed) - 1)}
    done = subprocess.run(
        [sys.executable, "-c", "from dashboard.cli.main import main; main()"],
        cwd=ROOT,
        env=environment(**asked, **environ),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


def test_a_shell_completes_commands_statuses_and_run_ids(base_url: str, client: DurableClient, free_port: int) -> None:
    """Ids come from the dashboard; where it does not answer, none."""
    assert completed("durable re") == ["report", "retry", "redispatch", "retry-with-input"]
    assert completed("durable runs --status ca") == ["cancelling", "cancelled"]
    run_id = client.start_run("refund_order", ["order-9", 3]).run_id
    assert until(lambda: client.get_run(run_id))
    assert completed(f"durable show {run_id[:12]}", DURABLE_URL=base_url) == [run_id]
    assert completed("durable show x", DURABLE_URL=f"http://127.0.0.1:{free_port}") == []
    assert completed("durable show x") == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_printed(shell: str) -> None:
    """For each shell, to be evaluated or sourced."""
    result = CliRunner().invoke(durable, ["completion", shell])
    assert (result.exit_code, "_DURABLE_COMPLETE" in result.output) == (0, True)
