"""The page: served at any prefix, told where it is, locked down; and two dashboards in one app."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from dashboard import create_blueprint
from dashboard.http.assets import Assets
from otel_bridge.testing import MemoryStateStore
from tests.story import mounted

INDEX = """<!doctype html><html><head><meta charset="utf-8" /><!-- durable:head --><base href="/dev/">
<script type="application/json" id="durable-config">{"base": "/dev"}</script><title>x</title></head>
<body><script type="module" src="./assets/app-1234.js"></script></body></html>"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A built page."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(INDEX)
    (tmp_path / "assets" / "app-1234.js").write_text("console.log('x');\n" * 200)
    (tmp_path / "assets" / "font.woff2").write_bytes(b"\x00" * 5000)
    (tmp_path / "favicon.svg").write_text("<svg/>")
    (tmp_path.parent / "secret.txt").write_text("secret")
    return tmp_path


@pytest.fixture
def page_app(story_url: str, bundle: Path) -> Iterator[Flask]:
    """A dashboard with that page."""
    with mounted(story_url) as app:
        app.extensions["durable"].assets = Assets(bundle)
        yield app


def config_of(html: str) -> dict[str, str]:
    """The configuration in the page."""
    found = re.findall(r'<script type="application/json" id="durable-config">(.*?)</script>', html, re.DOTALL)
    assert len(found) == 1
    config: dict[str, str] = json.loads(found[0])
    return config


@pytest.mark.parametrize(("prefix", "base"), [("/durable", "/durable"), ("/a/b", "/a/b"), (None, "")])
def test_the_page_is_told_where_it_is_mounted(story_url: str, bundle: Path, prefix: str | None, base: str) -> None:
    """Any prefix works with the same bundle: base href and configuration are made for each request."""
    with mounted(story_url, prefix=prefix) as app:
        app.extensions["durable"].assets = Assets(bundle)
        html = app.test_client().get(f"{base}/").get_data(as_text=True)
    assert re.findall(r"<base [^>]*>", html) == [f'<base href="{base}/">']
    assert config_of(html)["base"] == base
    assert config_of(html)["api"] == f"{base}/api"
    assert html.index("<base ") < html.index("./assets/")


def test_script_name_is_part_of_the_base(page_app: Flask) -> None:
    """As when a WSGI dispatcher mounts the whole app below a path."""
    html = page_app.test_client().get("/durable/", environ_overrides={"SCRIPT_NAME": "/apps"}).get_data(as_text=True)
    assert config_of(html)["base"] == "/apps/durable"


@pytest.mark.parametrize("path", ["runs", "runs/failing-1", "runs/with%2Fslash/steps/3", "workers", "anything/else"])
def test_addresses_of_the_page_open_the_page(page_app: Flask, path: str) -> None:
    """A link to a run, opened again, is the page; it finds its way by itself."""
    response = page_app.test_client().get(f"/durable/{path}")
    assert response.status_code == 200
    assert response.mimetype == "text/html"


def test_the_mount_point_without_a_slash_leads_to_the_page(page_app: Flask) -> None:
    """As people type it."""
    response = page_app.test_client().get("/durable")
    assert response.status_code == 308
    assert response.headers["Location"].endswith("/durable/")


def test_the_page_is_locked_down(page_app: Flask) -> None:
    """No script of anybody else's, nothing inline, nothing from a third party, no frame on another site."""
    headers = page_app.test_client().get("/durable/").headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["frame-ancestors"] == "'self'"
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "*" not in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"


def test_the_configuration_in_the_page_cannot_break_out_of_its_script(story_url: str, bundle: Path) -> None:
    """Names come from settings and from auth; none is markup."""
    from dashboard.actor import Actor

    evil = "</script><script>alert(1)</script>&\"'"
    with mounted(story_url, auth=lambda request: Actor(evil, "viewer"), title=evil) as app:
        app.extensions["durable"].assets = Assets(bundle)
        html = app.test_client().get("/durable/").get_data(as_text=True)
    assert "<script>alert" not in html
    assert config_of(html)["actor"] == evil


def test_hashed_files_are_kept_for_good_and_compressed(page_app: Flask) -> None:
    """A name with a hash never changes its content."""
    client = page_app.test_client()
    plain = client.get("/durable/assets/app-1234.js")
    assert plain.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert plain.mimetype == "text/javascript"
    zipped = client.get("/durable/assets/app-1234.js", headers={"Accept-Encoding": "gzip, br"})
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert zipped.headers["Vary"] == "Accept-Encoding"
    assert gzip.decompress(zipped.data) == plain.data
    again = client.get("/durable/assets/app-1234.js", headers={"If-None-Match": plain.headers["ETag"]})
    assert again.status_code == 304
    font = client.get("/durable/assets/font.woff2", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in font.headers
    assert font.mimetype == "font/woff2"
    assert "immutable" not in client.get("/durable/favicon.svg").headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["assets/gone.js", "assets/../../secret.txt", "../secret.txt", "assets/%2e%2e/%2e%2e/secret.txt"]
)
def test_no_other_file_is_served(page_app: Flask, path: str) -> None:
    """A missing file is 404, a path with dots 400, and nothing outside the bundle is reachable."""
    response = page_app.test_client().get(f"/durable/{path}")
    assert b"secret" not in response.data or response.status_code == 404
    assert response.status_code in (200, 308, 400, 404)
    assert response.mimetype in ("text/plain", "text/html")


def test_a_page_that_is_not_built_is_said_so(story_url: str, tmp_path: Path) -> None:
    """In words that say what to do; the API works."""
    with mounted(story_url) as app:
        app.extensions["durable"].assets = Assets(tmp_path / "nothing")
        response = app.test_client().get("/durable/")
        assert response.status_code == 503
        assert "npm run build" in response.get_data(as_text=True)
        assert app.test_client().get("/durable/api/runs").status_code == 200


def test_two_dashboards_in_one_app_know_nothing_of_each_other(story_url: str) -> None:
    """Different stores, prefixes and rules; same process."""
    app = Flask("host")
    one = create_blueprint(story_url, name="one", caretaker=False)
    two = create_blueprint(MemoryStateStore(), name="two", auth=lambda request: "viewer", caretaker=False)
    app.register_blueprint(one, url_prefix="/one")
    app.register_blueprint(two, url_prefix="/two")
    client = app.test_client()
    assert client.get("/one/api/runs").get_json()
    assert client.get("/two/api/runs").get_json() == []
    assert client.get("/one/api/config").get_json()["role"] == "operator"
    assert client.get("/two/api/config").get_json() == {
        **client.get("/two/api/config").get_json(),
        "base": "/two",
        "role": "viewer",
    }
    one.close()
    two.close()


def test_the_host_app_keeps_its_own_routes_and_errors(story_url: str) -> None:
    """The blueprint claims its prefix and nothing else."""
    with mounted(story_url) as app:
        app.add_url_rule("/hello", view_func=lambda: "hello")
        client = app.test_client()
        assert client.get("/hello").data == b"hello"
        assert client.get("/other").mimetype == "text/html"
