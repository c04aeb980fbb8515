"""Take the README's picture: runs the demo, waits until an order has gone far, and photographs its page.

``python .ci/screenshot.py [chromium]``; needs playwright and Chromium.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from dashboard.client import DurableClient  # noqa: E402
from dashboard.wire.runs import RunDetail  # noqa: E402
from tests.programs import running_shop  # noqa: E402
from tests.waiting import until  # noqa: E402

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
SIZE = {"width": 1440, "height": 860}


def far_gone(client: DurableClient) -> RunDetail | None:
    """Return an order of three items, which the picture has room for, that waits for its courier."""
    for run in client.list_runs(workflow="fulfil_order", status="suspended").runs:
        detail = client.get_run(run.id)
        if run.waiting and run.waiting.on == "signal" and len(detail.children) == 3:
            return detail
    return None


def main() -> None:
    """Write ``examples/screenshot.png``."""
    named = [*sys.argv[1:2], os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    browser_path = next(path for name in named if name and (path := shutil.which(name)))
    folder = Path(tempfile.mkdtemp(prefix="screenshot-"))
    with running_shop(folder, "--trickle-s", "1") as (address, _), DurableClient(f"{address}/durable") as client:
        run_id = until(lambda: far_gone(client)).run.id  # type: ignore[union-attr]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=browser_path, args=FLAGS)
            page = browser.new_page(viewport=SIZE)  # type: ignore[arg-type]
            page.goto(client.run_url(run_id))
            page.get_by_text("send_receipt").or_(page.get_by_text("courier")).first.wait_for()
            page.wait_for_timeout(1500)
            page.screenshot(path=str(ROOT / "examples" / "screenshot.png"))
            browser.close()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
