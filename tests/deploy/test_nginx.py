"""``examples/deploy``: its nginx.conf before its gunicorn.conf.py and app.py, as real processes, with a real worker."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from dbos import DBOSClient
from simple_websocket import Client

from otel_bridge.spans import ids
from tests.databases import make_wal
from tests.live.test_streams import is_type, receive, with_close
from tests.programs import ROOT, Program, running
from tests.story import commanded_worker
from tests.waiting import until

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
DEPLOY = ROOT / "examples" / "deploy"
ODD = "odd/run//a%2Fb?c#d é:1"

pytestmark = [
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx"),
    pytest.mark.timeout(180),
]


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass(frozen=True)
class Site:
    """What the outside sees, and the worker inside."""

    port: int
    worker: Program
    url: str

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}/platform/durable"

    def client(self, user: str | None = "ada", **options: object) -> httpx.Client:
        """A browser that is signed in as somebody, or not."""
        return httpx.Client(auth=(user, "s3cret") if user else None, timeout=30, **options)  # type: ignore[arg-type]

    def websocket(self, path: str, **headers: str) -> Client:
        """A websocket below the API."""
        url = f"ws://127.0.0.1:{self.port}/platform/durable/api/{path}"
        return Client.connect(url, headers=list(headers.items()))


UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
PROXY_SECRET = "between nginx and the dashboard"
SETTINGS = {"DURABLE_OPERATORS": "ada", "DURABLE_PROXY_SECRET": PROXY_SECRET}
"""What the example's application is told."""
SIGNED_IN = httpx.BasicAuth("ada", "s3cret")._auth_header


def write_config(folder: Path, port: int, upstream: int) -> Path:
    """Write the example's very file, with ports and paths that a test may use, and what every nginx.conf has."""
    text = (DEPLOY / "nginx.conf").read_text()
    for old, new in (
        ("server 127.0.0.1:8000;", f"server 127.0.0.1:{upstream};"),
        ("listen 8080;", f"listen 127.0.0.1:{port};"),
        ("/etc/nginx/durable.htpasswd", f"{folder}/htpasswd"),
        ("/etc/nginx/durable.secret", f"{folder}/secret"),
    ):
        assert old in text
        text = text.replace(old, new)
    (folder / "site.conf").write_text(text)
    (folder / "secret").write_text(f'proxy_set_header X-Proxy-Secret "{PROXY_SECRET}";\n')
    (folder / "htpasswd").write_text("ada:{PLAIN}s3cret\nbob:{PLAIN}s3cret\n")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    user = "user root;" if os.getuid() == 0 else ""
    whole = folder / "nginx.conf"
    whole.write_text(
        f"{user} worker_processes 1; daemon off; pid {folder}/pid; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; {temporary} include {folder}/site.conf; }}\n"
    )
    return whole


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """The configuration, the port it listens on, and the port behind it."""
    port, upstream = free_port(), free_port()
    return write_config(tmp_path_factory.mktemp("nginx"), port, upstream), port, upstream


@pytest.fixture(scope="module")
def site(config: tuple[Path, int, int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """nginx, two gunicorn workers and a DBOS worker."""
    path, port, upstream = config
    url = make_wal(tmp_path_factory.mktemp("live") / "app.sqlite")
    worker = commanded_worker(url)
    environ = {**os.environ, **SETTINGS, "DBOS_SYSTEM_DATABASE_URL": url}
    served = (f"{DEPLOY}/gunicorn.conf.py", "--bind", f"127.0.0.1:{upstream}", "examples.deploy.app:create_app()")
    assert NGINX is not None
    nginx = subprocess.Popen([NGINX, "-p", str(path.parent), "-c", str(path)])
    try:
        with running("-m", "gunicorn", "-c", *served, environ=environ):
            health = f"http://127.0.0.1:{upstream}/durable/api/health"
            until(lambda: answers(health), timeout_s=60)
            yield Site(port, worker, url)
    finally:
        nginx.terminate()
        nginx.wait(20)
        worker.kill()


def answers(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.TransportError:
        return False


def test_nginx_finds_nothing_wrong_with_the_file(config: tuple[Path, int, int]) -> None:
    """``nginx -t`` says no more than that all is well: no warnings."""
    assert NGINX is not None
    done = subprocess.run(
        [NGINX, "-t", "-p", str(config[0].parent), "-c", str(config[0])], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "warn" not in done.stderr


def test_the_page_and_what_it_loads_come_through_under_the_prefix(site: Site) -> None:
    """Its scripts and styles are named with the prefix, and are there."""
    with site.client() as client:
        page = client.get(f"{site.base}/")
        assert page.status_code == 200
        assets = re.findall(r'(?:src|href)="([^"]+\.(?:js|css|svg))"', page.text)
        assert len(assets) >= 2
        for asset in assets:
            assert client.get(httpx.URL(f"{site.base}/").join(asset)).status_code == 200, asset
        deep = client.get(f"{site.base}/runs/whatever", headers={"Accept": "text/html"})
        assert deep.status_code == 200
        assert "/platform/durable" in deep.text


def test_only_whom_the_proxy_lets_in_gets_in(site: Site) -> None:
    """No password, no answer; a name that the client puts into the header itself counts for nothing."""
    claim = {"X-Forwarded-User": "ada"}
    with site.client(None) as nobody, site.client("bob") as bob:
        assert nobody.get(f"{site.base}/api/runs", headers=claim).status_code == 401
        assert bob.get(f"{site.base}/api/runs").status_code == 200
        refused = bob.post(f"{site.base}/api/runs/nothing/cancel", json={}, headers=claim)
        assert refused.status_code == 403
        assert "bob is a viewer" in refused.json()["detail"]
        hook = nobody.post(f"{site.base}/api/webhooks/forged", json={})
        assert hook.status_code == 404, "a webhook needs no password, only its token"
        assert hook.headers["content-type"] == "application/problem+json"
        assert nobody.get(f"{site.base}/api/stream", headers={**UPGRADE, **claim}).status_code == 401


@pytest.mark.parametrize("headers", [{}, {"X-Proxy-Secret": ""}, {"X-Proxy-Secret": "guessed, and of some length"}])
def test_whoever_reaches_the_process_past_the_proxy_is_nobody(
    site: Site, config: tuple[Path, int, int], headers: dict[str, str]
) -> None:
    """The name counts only together with the proxy's secret; with it, from anywhere: so it is a secret."""
    url = f"http://127.0.0.1:{config[2]}/durable/api/runs"
    assert httpx.get(url, headers={"X-Forwarded-User": "ada", **headers}, timeout=30).status_code == 401
    known = {"X-Forwarded-User": "ada", "X-Proxy-Secret": PROXY_SECRET}
    assert httpx.get(url, headers=known, timeout=30).status_code == 200


def test_the_live_tail_comes_through_as_it_happens(site: Site) -> None:
    """A websocket and an event stream, side by side: snapshot, then a run's events while it runs."""
    # this client's Host header names no port, so neither does its Origin
    socket_ = site.websocket("stream", Authorization=SIGNED_IN, Origin="http://127.0.0.1")
    try:
        receive(socket_, is_type("snapshot"))
        headers = {"Accept": "text/event-stream"}
        with site.client() as client, client.stream("GET", f"{site.base}/api/stream", headers=headers) as stream:
            assert stream.headers["content-type"].startswith("text/event-stream")
            lines = stream.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: snapshot"
            site.worker.tell("start waiting through-nginx")
            receive(socket_, is_type("run.suspended", "through-nginx"))
            reported = (json.loads(line[5:]) for line in lines if line.startswith("data:"))
            next(m for m in reported if m["type"] == "run.suspended" and m["runId"] == "through-nginx")
    finally:
        with_close(socket_)


def test_another_sites_page_may_neither_listen_nor_act(site: Site) -> None:
    """The same-origin check sees the outside's name, through the proxy's headers."""
    with site.client() as client:
        foreign = client.post(
            f"{site.base}/api/runs/nothing/cancel", json={}, headers={"Origin": "https://evil.example"}
        )
        assert foreign.status_code == 403
        own = client.post(
            f"{site.base}/api/runs/nothing/cancel", json={}, headers={"Origin": f"http://127.0.0.1:{site.port}"}
        )
        assert own.status_code == 404, own.text
        listens = client.get(f"{site.base}/api/stream", headers={**UPGRADE, "Origin": "https://evil.example"})
        assert listens.status_code == 403


def test_redirects_and_trace_links_stay_under_the_prefix(site: Site) -> None:
    """From a span in Jaeger to the run: the address that the outside knows."""
    site.worker.tell("start simple traced 1")
    with site.client(follow_redirects=False) as client:
        bare = client.get(site.base)
        assert bare.status_code == 308
        assert httpx.URL(site.base).join(bare.headers["location"]) == f"{site.base}/"
        found = client.get(f"{site.base}/trace/{ids.trace_id('traced').hex()}")
        assert found.status_code == 302
        assert found.headers["location"].endswith("/platform/durable/runs/traced")
    with site.client(follow_redirects=True) as client:
        assert client.get(f"{site.base}/trace/{ids.trace_id('traced').hex()}").status_code == 200


def test_a_runs_id_may_hold_anything_and_a_request_may_be_large(site: Site) -> None:
    """Slashes, percent signs and question marks arrive as sent; nginx's limit is not below the dashboard's."""
    client = DBOSClient(system_database_url=site.url)
    try:
        client.enqueue({"workflow_name": "simple", "queue_name": "nobody", "workflow_id": ODD}, 1)
    finally:
        client.destroy()
    with site.client() as browser:
        found = browser.get(f"{site.base}/api/runs/{quote(ODD, safe='')}")
        assert found.status_code == 200, found.text
        assert found.json()["run"]["id"] == ODD


@pytest.mark.parametrize(("user", "status"), [("ada", 404), ("bob", 403)])
def test_a_large_body_that_nobody_reads_is_answered_all_the_same(site: Site, user: str, status: int) -> None:
    """The route takes none, or refuses first: left unread it would reset the connection, and nginx would say 502."""
    with site.client(user) as browser:
        for _ in range(12):
            large = browser.post(f"{site.base}/api/runs/nothing/cancel", json={"text": "x" * 3_000_000})
            assert (large.status_code, large.headers["content-type"]) == (status, "application/problem+json")


@pytest.mark.parametrize(
    "path",
    [
        "runs/nothing/signals/x/../../../../webhooks/y",
        "runs/nothing/signals/x/%2e%2e/%2e%2e/%2e%2e/%2e%2e/webhooks/y",
        "webhooks/../runs/nothing/cancel",
        "webhooks/%2e%2e/runs/nothing/cancel",
        "webhooks/y/../../runs/nothing/cancel",
        "webhooks/..%2fruns/nothing/cancel",
        "webhooks/y%2f..%2f..%2fruns/nothing/cancel",
        "webhooks//y",
        "webhooks/y?token=z",
        "runs/nothing/cancel",
        "webhooks/y",
    ],
)
@pytest.mark.parametrize("password", ["wrong", "", "s3cret "])
def test_a_wrong_password_is_nobody_on_every_path(site: Site, path: str, password: str) -> None:
    """However a path is written, nginx and the dashboard agree on what it is; a name alone never acts."""
    credentials = base64.b64encode(f"ada:{password}".encode()).decode()
    with socket.create_connection(("127.0.0.1", site.port), timeout=30) as sock:
        sock.sendall(
            f"POST /platform/durable/api/{path} HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nConnection: close\r\n"
            f"X-Forwarded-User: ada\r\nAuthorization: Basic {credentials}\r\n"
            "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}".encode()
        )
        answer = sock.makefile("rb").read().decode()
    status = int(answer.split()[1])
    assert status in (400, 401, 404), answer
    assert "nothing" not in answer.partition("\r\n\r\n")[2], "it reached the run's route as somebody"
