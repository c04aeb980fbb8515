"""The page behind a proxy that keeps streams to itself: it looks every few seconds, and never says that it is live."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Shop
from tests.programs import running
from tests.waiting import until

NGINX = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
CONFIG = """
daemon off; master_process off; error_log stderr; pid {folder}/nginx.pid; events {{}}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass {upstream}; proxy_set_header Host $http_host;
      proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; proxy_buffer_size 512k; proxy_buffers 8 512k;
      proxy_busy_buffers_size 1m;
    }}
  }}
}}
"""
"""No Upgrade is passed on, and answers are buffered whatever the application asks for."""
REMEMBER = """
window.stood = [];
new MutationObserver(() => {
  const now = document.querySelector("[data-live]")?.getAttribute("data-live");
  if (now && window.stood.at(-1) !== now) window.stood.push(now);
}).observe(document, { subtree: true, childList: true, attributes: true });
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.browser,
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed: apt-get install nginx"),
]


@pytest.fixture
def proxied(shop: Shop, browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """The run list, through a proxy."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "nginx.conf"
    config.write_text(CONFIG.format(folder=tmp_path, port=port, upstream=shop.origin))
    with running("-c", str(config), "-p", str(tmp_path), executable=str(NGINX)):
        until(lambda: _listens(port), what="nginx")
        context = browser.new_context()
        page = context.new_page()
        page.add_init_script(REMEMBER)
        page.goto(f"http://127.0.0.1:{port}/ops/durable/")
        yield page
        context.close()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_behind_a_proxy_that_buffers_the_page_polls_and_shows_what_happens(proxied: Page, shop: Shop) -> None:
    """nginx passes on what came with the headers, and keeps the rest: "Live", and nothing for 75 s."""
    expect(proxied.locator("[data-live=polling]")).to_be_visible(timeout=90_000)
    shop.start("order", "behind-a-proxy")
    expect(proxied.get_by_text("behind-a-proxy").first).to_be_visible(timeout=30_000)
    stood = proxied.evaluate("window.stood")
    assert stood.index("polling") == len(stood) - 1, "it does not go back to live for a single word"
