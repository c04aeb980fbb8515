"""Make ``asynchronous.py`` from ``sync.py``: ``python -m dashboard.client._make_async``. A test says whether it is."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
HEAD = '''"""``AsyncDurableClient``: the dashboard's API for asyncio. Made by ``_make_async``: edit ``sync.py``.

Touches sockets, and sleeps between attempts to reconnect a stream.
"""
'''
WORDS = (
    (r"\bDurableClient\b", "AsyncDurableClient"),
    (r"\bIterable, Iterator\b", "AsyncIterator, Iterable"),
    (r"\bIterator\b", "AsyncIterator"),
    (r"\bAsyncAsyncIterator\b", "AsyncIterator"),
    (r"httpx\.Client\b", "httpx.AsyncClient"),
    (r"httpx\.BaseTransport", "httpx.AsyncBaseTransport"),
    (r"httpx\.WSGITransport\(app\)", "httpx.ASGITransport(app)"),
    (r"\bself\._http\.close\(\)", "await self._http.aclose()"),
    (r"\b__enter__", "__aenter__"),
    (r"\b__exit__", "__aexit__"),
    (r"^    def (?!__init__)", "    async def "),
    (r"(return|=) (self\._send\(|self\._http\.send|self\.list_runs)", r"\1 await \2"),
    (r"^        self\.close\(\)", "        await self.close()"),
    (r"^(\s+)for message in (self\._|self\.)", r"\1async for message in \2"),
    (r"  # noqa: UP028.*$", ""),
    (r"^(\s+)with self\._http\.stream", r"\1async with self._http.stream"),
    (r"\bresponse\.read\(\)", "await response.aread()"),
    (r"for sent in (.*)\.iter_sse\(\)", r"async for sent in \1.aiter_sse()"),
    (r"\btime\.sleep\(", "await asyncio.sleep("),
    (r"^import time$", "import asyncio\nimport time"),
)


def made_async(source: str) -> str:
    """Return the asynchronous module of a synchronous one."""
    body = HEAD + source.partition('\n"""\n')[2]
    for pattern, replacement in WORDS:
        body = re.sub(pattern, replacement, body, flags=re.MULTILINE)
    return body


if __name__ == "__main__":
    (HERE / "asynchronous.py").write_text(made_async((HERE / "sync.py").read_text()))
