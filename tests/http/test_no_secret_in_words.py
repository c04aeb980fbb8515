"""No configured secret is ever said: not in an answer, a log, a finding, an exception or a ``repr``.

Each malformed text is fed through the API, both command lines, the bridge and the client; everything that any of them
says is searched for the secret, for its pieces (a slash in a password makes a "port" of what stands before it), and
for its encoded and quoted forms.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import logging
import pkgutil
import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from click.testing import CliRunner
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dashboard
import otel_bridge
from dashboard import create_blueprint
from dashboard.cli.main import durable
from dashboard.client import DurableClient
from otel_bridge import OTelBridge, postgres
from otel_bridge.cli import otel_bridge as bridge_command
from otel_bridge.credentials import is_dsn, public_url, secrets_of, without, without_userinfo
from otel_bridge.ledger import MemoryLedger, open_ledger
from otel_bridge.otlp import OtlpSettings, ResourceSettings, open_transport, settings_from_env
from otel_bridge.store import open_store
from otel_bridge.testing import MemoryStateStore

MARK = "Zx9q"
"""Begins each piece of the secret, so that a piece of it is found too."""
SPECIAL = [
    "",
    "@",
    "/",
    "%",
    ":",
    "?",
    "#",
    "%40",
    "%0A",
    "&",
    "=",
    " ",
    "'",
    '"',
    "\\",
    "[",
    "]",
    ",",
    "+",
    "é",
    "@@",
    "/@",
]
PASSWORDS = [f"{MARK}a{special}{MARK}b" for special in SPECIAL]
"""The first four for what takes longer: one that is well, and three that break a URL apart in three ways."""

HOST = "127.0.0.1:1"
DATABASES = [
    "postgresql://ada:{p}@" + HOST + "/app",
    "postgresql+psycopg://ada:{p}@" + HOST + "/app",
    "postgres://ada:{p}@" + HOST,
    "POSTGRESQL://ada:{p}@" + HOST + "/app",
    "postgresql://:{p}@" + HOST + "/app",
    "postgresql://ada%3A{p}@" + HOST + "/app",
    "postgresql://ada:{p}@127.0.0.1:x1/app",
    "postgresql://ada:{p}@127.0.0.1:99999/app",
    "postgresql://ada:{p}@127.0.0.1:1,127.0.0.1:2/app",
    "postgresql://ada:{p}@127.0.0.1:1,ada:{p}@127.0.0.1:2/app",
    "postgresql://ada:{p}@[::1/app",
    "postgresql://ada:{p}@ /app",
    "postgresql://" + HOST + "/app?user=ada&password={p}",
    "postgresql://" + HOST + "/app?password={p}&port=x",
    "postgresql://" + HOST + "/app?sslmode=require&sslpassword={p}",
    "postgresql://" + HOST + "/app?pasword={p}",
    "postgresql://ada:{p}@/app?host=127.0.0.1&port=1",
    "postgresql:ada:{p}@" + HOST + "/app",
    "postgresql:/ada:{p}@" + HOST + "/app",
    "postgresql//ada:{p}@" + HOST + "/app",
    "psql://ada:{p}@" + HOST + "/app",
    "mysql://ada:{p}@" + HOST + "/app",
    "libsql://" + HOST + "?authToken={p}",
    "//ada:{p}@" + HOST + "/app",
    "ada:{p}@" + HOST + "/app",
    "host=127.0.0.1 port=1 user=ada password={p}",
    "host=127.0.0.1 port=1 user=ada password='{p}'",
    "dbname=postgresql://ada:{p}@" + HOST + "/app",
    "sqlite://ada:{p}@" + HOST + "/app",
    "sqlite+pysqlcipher://:{p}@/app.sqlite",
    "sqlite:///app.sqlite?password={p}",
]
ENDPOINTS = [
    "http://key:{p}@127.0.0.1:1",
    "http://{p}@127.0.0.1:1",
    "http://key:{p}@127.0.0.1:x",
    "http://key:{p}@127.0.0.1:99999",
    "http://key:{p}@[::1",
    "http://key:{p}@",
    "https:/key:{p}@127.0.0.1:1",
    "key:{p}@127.0.0.1:1",
    "ftp://key:{p}@127.0.0.1:1",
    "http://127.0.0.1:1/v1/traces?api_key={p}",
]
HEADERS = [
    "api-key={p}",
    "api-key={p}%0A",
    "api-key=%20{p}",
    "api key={p}",
    "authorization=Bearer%20{p}",
    "{p}",
    "=",
    "a\nb={p}",
]
BASES = [
    "http://ada:{p}@127.0.0.1:1/durable",
    "http://ada:{p}@127.0.0.1:x/durable",
    "http://ada:{p}@[::1/durable",
    "ftp://ada:{p}@127.0.0.1:1/durable",
    "ada:{p}@127.0.0.1:1/durable",
    "http://127.0.0.1:1/durable?token={p}",
]


def said_by(error: BaseException) -> str:
    """An exception as a log would have it, with what caused it; without the lines of source."""
    return "\n".join(line for line in traceback.format_exception(error) if "File" not in line.splitlines()[0])


@contextmanager
def listening() -> Iterator[list[str]]:
    """Everything that is logged, at any level, with tracebacks; what the block raises too."""
    heard: list[str] = []

    class Ear(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            heard.append(record.getMessage())
            if record.exc_info and record.exc_info[1] is not None:
                heard.append(said_by(record.exc_info[1]))

    ear, root = Ear(level=logging.DEBUG), logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    root.addHandler(ear)
    root.setLevel(logging.INFO)
    try:
        yield heard
    except Exception as error:  # noqa: BLE001 - what it says is looked at
        heard += [said_by(error), repr(error)]
    finally:
        root.setLevel(level)
        for handler in root.handlers[:]:
            if handler not in handlers:
                root.removeHandler(handler)


def nothing_leaks(heard: list[str], fed: str) -> None:
    for text in heard:
        assert MARK not in text, f"fed {fed!r}, and heard {text!r}"


def ask_the_api(store: Any, ledger: Any, fed: str) -> None:
    with listening() as heard:
        blueprint = create_blueprint(store, ledger=ledger, caretaker=False, public_health=True)
        app = Flask("host")
        app.register_blueprint(blueprint, url_prefix="/durable")
        client = app.test_client()
        for method, path in [("GET", "health"), ("GET", "runs"), ("GET", "workers"), ("POST", "runs/x/retry")]:
            heard.append(client.open(f"/durable/api/{path}", method=method).get_data(as_text=True))
        heard.append(client.get("/durable/trace/" + "0" * 32).get_data(as_text=True))
        heard.append(repr(blueprint.services.settings))
        blueprint.close()
    nothing_leaks(heard, fed)


def run(command: Any, *arguments: str, **environ: str | None) -> None:
    with listening() as heard:
        result = CliRunner().invoke(command, arguments, env=environ)
        heard += [result.output, result.stderr]
        if result.exception is not None:
            heard.append(said_by(result.exception))
    nothing_leaks(heard, f"{arguments} {environ}")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pool is not waited for: nothing listens where these tests connect to."""
    made = postgres.Connections.__init__

    def connections(self: Any, *args: Any, **options: Any) -> None:
        made(self, *args, **{**options, "wait_s": 0.05})

    monkeypatch.setattr(postgres.Connections, "__init__", connections)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is taken for a file's name lands here, and is looked at as well."""
    monkeypatch.chdir(tmp_path)
    for name in ("DBOS_SYSTEM_DATABASE_URL", "DURABLE_URL", "DURABLE_TOKEN", "DURABLE_LEDGER"):
        monkeypatch.delenv(name, raising=False)


def no_file_is_named_so(folder: Path) -> None:
    assert [path.name for path in folder.rglob("*") if MARK in path.name] == []


@pytest.mark.parametrize("template", DATABASES)
def test_a_database_url_never_shows_its_password(template: str, tmp_path: Path) -> None:
    """By no route, and by neither of the two ways in which the store and the ledger are opened."""
    for password in PASSWORDS:
        url = template.format(p=password)
        if password in PASSWORDS[:4]:
            ask_the_api(url, MemoryLedger(), url)
        with listening() as heard:
            store = open_store(url)
            heard += [str(store), repr(store), getattr(store, "target", "")]
        nothing_leaks(heard, url)
        with listening() as heard:
            heard += [repr(open_ledger(url))]
        nothing_leaks(heard, url)
    no_file_is_named_so(tmp_path)


@pytest.mark.parametrize("template", DATABASES)
def test_the_command_lines_never_show_a_databases_password(template: str, tmp_path: Path) -> None:
    """Nor do their doctors, whose findings are pasted into tickets."""
    for password in PASSWORDS[:4]:
        url = template.format(p=password)
        run(durable, "runs", "--system-database-url", url)
        run(durable, "doctor", DBOS_SYSTEM_DATABASE_URL=url)
        run(bridge_command, "doctor", "--system-database-url", url)
        run(bridge_command, "export", "--once", DBOS_SYSTEM_DATABASE_URL=url, OTEL_EXPORTER_OTLP_ENDPOINT="http://x:1")
        run(bridge_command, "backfill", "--dry-run", "--system-database-url", url)
    no_file_is_named_so(tmp_path)


@pytest.mark.parametrize("template", [template for template in DATABASES if "@127.0.0.1:1/" not in template])
def test_a_ledgers_url_never_shows_its_password(template: str, tmp_path: Path) -> None:
    """A ledger may be configured apart from the store, and may be malformed alone."""
    for password in PASSWORDS[:4]:
        url = template.format(p=password)
        if url.startswith("postgres") and "@127.0.0.1:1,127" in url:
            continue  # well-formed: it would be waited for
        with listening() as heard:
            heard.append(repr(open_ledger(url)))
        nothing_leaks(heard, url)
    ask_the_api(MemoryStateStore(), template.format(p=PASSWORDS[3]), template)
    no_file_is_named_so(tmp_path)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("template", ENDPOINTS)
def test_a_collectors_address_never_shows_its_user_or_password(template: str, protocol: str) -> None:
    """The doctor sends a test span; whatever comes of it names the collector without credentials."""
    for password in PASSWORDS:
        endpoint = template.format(p=password)
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        environ["OTEL_EXPORTER_OTLP_TIMEOUT"] = "500"
        with listening() as heard:
            made = settings_from_env(environ)
            assert made is not None
            heard += [repr(made), made.target]
            transport = open_transport(made, ResourceSettings(None))
            heard += [transport.target, repr(transport)]
            try:
                transport.send([])
            finally:
                transport.close()
        nothing_leaks(heard, endpoint)


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
@pytest.mark.parametrize("template", HEADERS)
def test_a_collectors_header_is_never_shown(template: str, protocol: str) -> None:
    """Not even one that cannot be sent: ``api-key=secret%0A`` was shown by the library that refused it."""
    for password in PASSWORDS:
        environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}
        environ |= {"OTEL_EXPORTER_OTLP_HEADERS": template.format(p=password), "OTEL_EXPORTER_OTLP_TIMEOUT": "500"}
        with listening() as heard:
            made = settings_from_env(environ)
            heard.append(repr(made))
            assert made is not None
            transport = open_transport(made, ResourceSettings(None))
            try:
                transport.send([])
            finally:
                transport.close()
        nothing_leaks(heard, environ["OTEL_EXPORTER_OTLP_HEADERS"])


def test_the_bridges_doctor_shows_neither_address_nor_header(tmp_path: Path) -> None:
    """On the command line, where everything comes from the environment."""
    environ = {"DBOS_SYSTEM_DATABASE_URL": "sqlite:///none.sqlite", "OTEL_EXPORTER_OTLP_TIMEOUT": "500"}
    for template in ENDPOINTS:
        endpoint = template.format(p=PASSWORDS[2])
        run(bridge_command, "doctor", **environ, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    environ["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:1"
    for template in HEADERS:
        header = template.format(p=PASSWORDS[0])
        run(bridge_command, "doctor", **environ, OTEL_EXPORTER_OTLP_HEADERS=header)
    with listening() as heard:
        OTelBridge(
            "sqlite:///none.sqlite", environ={"OTEL_EXPORTER_OTLP_ENDPOINT": ENDPOINTS[2].format(p=MARK)}
        ).run_once()
    nothing_leaks(heard, "the bridge")
    with listening() as heard:
        OTelBridge("sqlite:///none.sqlite", dashboard_url=f"https://ada:{MARK}@ops.example/durable")
    nothing_leaks(heard, "dashboard_url")
    assert "dashboard_url holds a user or password" in "".join(heard)


@pytest.mark.parametrize("template", BASES)
def test_a_dashboards_address_never_shows_its_password(template: str) -> None:
    """The client's errors go into logs; the command line prints the addresses of runs."""
    for password in PASSWORDS:
        base = template.format(p=password)
        if password in PASSWORDS[:4]:
            run(durable, "runs", "--url", base)
            run(durable, "doctor", DURABLE_URL=base)
        with listening() as heard, DurableClient(base) as client:
            heard += [client.run_url("r1"), repr(client)]
            client.list_runs()
        nothing_leaks(heard, base)


@pytest.mark.parametrize("token", [f"{MARK}a", f"{MARK}a\n", f"{MARK}é", f" {MARK}", f"{MARK}\0"])
def test_a_bearer_token_that_cannot_be_sent_is_not_shown(token: str) -> None:
    """A line's end at the end of a secret file is a common mistake."""
    run(durable, "runs", "--url", "http://127.0.0.1:1/durable", "--token", token)


def test_other_settings_of_the_dashboard_show_no_credentials() -> None:
    """They are refused, without being repeated: every viewer's page would have them."""
    for options in (
        {"trace_url": f"jaeger:https://ada:{MARK}@jaeger.example"},
        {"trace_url": f"jaeger:ada:{MARK}@jaeger.example"},
        {"trace_url": f"https://ada:{MARK}@traces.example/"},
        {"allowed_origins": [f"https://ada:{MARK}@ops.example"]},
    ):
        with listening() as heard:
            create_blueprint(MemoryStateStore(), ledger=MemoryLedger(), **options)
        assert heard, "it was not refused"
        nothing_leaks(heard, str(options))


def test_what_a_collector_repeats_is_masked() -> None:
    """Many answer 401 with the key that they do not know."""
    made = OtlpSettings(endpoint="http://key:hunter2@c.example", headers={"authorization": "Bearer sesame"})
    said = "unknown key sesame (Bearer sesame), user key, password hunter2"
    assert without(said, made.secrets) == "unknown *** *** (***), user ***, password ***"


_SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=20)
_WELL_FORMED = [
    text for text in DATABASES + ENDPOINTS + BASES if re.search(r"//(ada|key):\{p\}@127|[?&](pass|ssl|api|tok)", text)
]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(_SECRETS, st.sampled_from(_WELL_FORMED))
def test_a_password_is_masked_in_whatever_form_it_is_repeated(secret: str, template: str) -> None:
    """As it is, as it stands in the URL, decoded, or quoted as Python and JSON quote."""
    secret = MARK + secret
    text = template.format(p=quote(secret, safe=""))
    secrets = secrets_of(text, user_is_secret=True)
    for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret), repr(secret), json.dumps(secret)):
        assert MARK not in without(f"it said {form}: no", secrets)
    assert MARK not in public_url(text)
    assert MARK not in without_userinfo(text) or "={p}" in template or "://" not in template


def _modules() -> Iterator[Any]:
    for package in (dashboard, otel_bridge):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if ".frontend" not in found.name and not found.name.endswith(("__main__", "_make_async")):
                yield importlib.import_module(found.name)


SECRET_FIELD = re.compile(r"secret|token$|password|passwd|conninfo|endpoint|headers|(database|ledger)_url|^url$")
SHOWN_ON_PURPOSE = {
    "Call.headers",  # an idempotency key, and what is accepted
    "Answer.headers",  # what the server said
    "Reply.headers",
    "Scope.token",  # of a context variable
    "KeptAddress.url",  # the address of the page, for people
}


def test_no_settings_object_shows_secrets_in_its_repr() -> None:
    """Whoever logs one, or has it in a traceback with locals, logs no secret."""
    shown = [
        f"{thing.__name__}.{field.name}"
        for module in _modules()
        for thing in vars(module).values()
        if isinstance(thing, type) and dataclasses.is_dataclass(thing) and thing.__module__ == module.__name__
        for field in dataclasses.fields(thing)
        if field.repr and SECRET_FIELD.search(field.name) and field.type != "int"
    ]
    assert sorted(set(shown) - SHOWN_ON_PURPOSE) == []


def test_strangers_learn_of_public_health_only_ok_or_not(tmp_path: Path) -> None:
    """A probe needs no more; which database on which host, and why not, is for those who are signed in."""

    def health(store: Any, auth: Callable[..., Any]) -> tuple[int, Any]:
        blueprint = create_blueprint(store, ledger=MemoryLedger(), caretaker=False, auth=auth, public_health=True)
        app = Flask("host")
        app.register_blueprint(blueprint, url_prefix="/durable")
        answer = app.test_client().get("/durable/api/health")
        blueprint.close()
        return answer.status_code, answer.get_json()

    missing = f"sqlite:///{tmp_path}/none.sqlite"
    assert health(MemoryStateStore(), lambda request: None) == (200, {"status": "ok"})
    assert health(MemoryStateStore(), lambda request: "viewer")[1]["version"]
    status, document = health(missing, lambda request: None)
    assert (status, document["detail"]) == (503, "The store cannot be read.")
    status, document = health(missing, lambda request: "viewer")
    assert status == 503
    assert "none.sqlite" in document["detail"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ada:hunter2@db/app", True),
        ("//ada:hunter2@db/app", True),
        ("host=db password=hunter2", True),
        ("postgres//ada:hunter2@db", True),
        ("/var/lib/app.sqlite", False),
        ("app@home.sqlite", False),
        ("C:\\data\\a@b.sqlite", False),
        ("data/2026-01-01T10:00.sqlite", False),
    ],
)
def test_a_database_address_without_a_scheme_is_told_from_a_files_name(text: str, says: bool) -> None:
    """Such a text must never become the name of a ledger's file."""
    assert is_dsn(text) is says


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("postgresql://ada:pa@ss@db/app", "an @ too many"),
        ("postgresql://ada:pa/ss@db/app", "a slash before it"),
        ("postgresql://ada:pass@db:54x/app", "port is not a number"),
        ("postgresql://ada:pass@db:70000/app", "port is not a number"),
    ],
)
def test_a_malformed_url_says_what_is_wrong_with_it(url: str, why: str) -> None:
    """Without repeating it: which rule it breaks is enough to mend it."""
    with pytest.raises(otel_bridge.errors.ConfigurationError, match=why):
        open_store(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://ada:pa%40ss@db/app",
        "postgresql://ada@db:5432,other:5433/app?target_session_attrs=read-write",
        "postgresql:///app?host=/var/run/postgresql",
        "postgresql://ada:p%2Fw@[::1]:5432/app",
        "postgresql://db-1.example_internal/a%40b",
        "postgresql+psycopg2://ada:p%20w@db/app?sslmode=require",
    ],
)
def test_a_well_formed_url_is_taken_as_it_is(url: str) -> None:
    """The check refuses nothing that libpq connects with."""
    assert open_store(url).url.endswith(url.partition("://")[2])
