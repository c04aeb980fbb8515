"""The page: its bundle from ``dashboard/static``, served at any prefix. Reads files, once each."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
import threading
from dataclasses import dataclass
from pathlib import Path

from flask import Request, Response

from dashboard.wire.fleet import ConfigView

STATIC_DIR = Path(__file__).parent.parent / "static"
IMMUTABLE = "public, max-age=31536000, immutable"
COMPRESSED = ("text/", "application/javascript", "application/json", "image/svg+xml")
MISSING = (
    "The dashboard's page is not built: dashboard/static/index.html is missing. Installed packages contain it; in a "
    "checkout run 'npm ci && npm run build' in dashboard/frontend. The API works without it.\n"
)
PLACE = "<!-- durable:head -->"
_HEAD = re.compile(r"<head[^>]*>", re.IGNORECASE)
_BASE = re.compile(r"<base\b[^>]*>\s*", re.IGNORECASE)
_CONFIG = re.compile(r'<script\b[^>]*id="durable-config"[^>]*>.*?</script>\s*', re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Asset:
    body: bytes
    zipped: bytes | None
    etag: str
    content_type: str


class Assets:
    """Serves one directory; files are read and compressed at their first request."""

    def __init__(self, directory: Path = STATIC_DIR) -> None:
        self._directory = directory.resolve()
        self._lock = threading.Lock()
        self._read: dict[tuple[str, int], _Asset] = {}

    @property
    def is_built(self) -> bool:
        """True when there is a page to serve."""
        return (self._directory / "index.html").is_file()

    def serve(self, request: Request, name: str) -> Response | None:
        """Answer with a file, compressed where the client takes it; None when there is no such file."""
        path = (self._directory / name).resolve()
        try:
            found = self._directory in path.parents and path.is_file() and path.name != "index.html"
        except OSError:  # a name too long for any file
            found = False
        if not found:
            return None
        asset = self._load(path)
        zipped = asset.zipped if request.accept_encodings.quality("gzip") > 0 else None
        response = Response(asset.body if zipped is None else zipped, content_type=asset.content_type)
        if zipped is not None:
            response.headers["Content-Encoding"] = "gzip"
        if asset.zipped is not None:
            response.headers["Vary"] = "Accept-Encoding"
        response.set_etag(asset.etag + ("-gz" if zipped is not None else ""))
        hashed = path.parent != self._directory
        response.headers["Cache-Control"] = IMMUTABLE if hashed else "public, max-age=3600"
        response.make_conditional(request)
        return response

    def _load(self, path: Path) -> _Asset:
        key = (str(path), path.stat().st_mtime_ns)
        with self._lock:
            if key not in self._read:
                body = path.read_bytes()
                content_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
                if path.suffix in (".js", ".mjs"):
                    content_type = "text/javascript"
                elif path.suffix == ".woff2":
                    content_type = "font/woff2"  # not every system's table knows it
                small = content_type.startswith(COMPRESSED) and len(body) > 1_000
                text = content_type.startswith("text/")
                self._read[key] = _Asset(
                    body,
                    gzip.compress(body, 9, mtime=0) if small else None,
                    hashlib.sha256(body).hexdigest()[:24],
                    content_type + ("; charset=utf-8" if text else ""),
                )
            return self._read[key]

    def index(self, config: ConfigView) -> Response:
        """Answer with the page, which is given where it is mounted and who is looking."""
        if not self.is_built:
            return Response(MISSING, status=503, content_type="text/plain; charset=utf-8")
        html = (self._directory / "index.html").read_text(encoding="utf-8")
        base = config.base.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
        data = config.model_dump_json(by_alias=True, exclude_none=True)
        data = data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
        page_config = f'<base href="{base}/"><script type="application/json" id="durable-config">{data}</script>'
        html = _BASE.sub("", _CONFIG.sub("", html))
        if PLACE in html:
            html = html.replace(PLACE, page_config, 1)
        else:
            html = _HEAD.sub(lambda match: match.group(0) + page_config, html, count=1)
        response = Response(html, content_type="text/html; charset=utf-8")
        return response
