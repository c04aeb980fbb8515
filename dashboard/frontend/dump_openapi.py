"""Write openapi.json, from which ``npm run types`` makes the page's wire types. Run it in the project's Python.

Only the shapes: routes, version and address change without them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from dashboard import create_blueprint
from dashboard.http import openapi

TARGET = Path(__file__).with_name("openapi.json")


def document() -> dict[str, Any]:
    """Return the API's document without its routes. No database is opened for it."""
    blueprint = create_blueprint("sqlite:///of-no-matter.sqlite")
    whole = openapi.document(blueprint.routes, version="0", server="/api")
    return {**whole, "paths": {}}


def text() -> str:
    """Return the document as the file holds it."""
    return json.dumps(document(), indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{TARGET.name} written; now: npm run types\n")
