"""Write ``data/spans-*.json`` from the recordings: ``python -m tests.conformance.expect``. Read the difference."""

from __future__ import annotations

import json
import tempfile
from contextlib import closing
from pathlib import Path

from dbos import run_dbos_database_migrations

from otel_bridge.store import open_store
from tests.conformance import kit
from tests.conformance.loading import load_sqlite
from tests.databases import make_wal


def main() -> None:
    """Export every recording under every setting."""
    for name, settings in kit.SETTINGS.items():
        with tempfile.TemporaryDirectory() as folder:
            url = make_wal(Path(folder) / "app.sqlite")
            run_dbos_database_migrations(url)
            with closing(open_store(url)) as store:
                export = kit.Export(store, settings)
                reported = []
                for recording in kit.RECORDINGS:
                    rows = kit.read(recording)
                    load_sqlite(url, rows)
                    reported.append(export.of(rows))
        text = json.dumps(reported, indent=1, ensure_ascii=False)
        (kit.DATA / f"spans-{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
