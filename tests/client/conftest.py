"""One running shop for the folder: a real server with a real engine behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dashboard.client import DurableClient
from tests.programs import running_shop


@pytest.fixture(scope="package")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the orders demo, without its trickle."""
    with running_shop(tmp_path_factory.mktemp("shop"), "--no-trickle") as (address, _):
        yield address


@pytest.fixture(scope="package")
def base_url(shop: str) -> str:
    """Where the dashboard is mounted."""
    return f"{shop}/durable"


@pytest.fixture
def client(base_url: str) -> Iterator[DurableClient]:
    """A client of the running shop."""
    with DurableClient(base_url) as client:
        yield client
