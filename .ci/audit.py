"""Known weaknesses in what the lock names, and in the page's build, less documented exceptions: ``tox -e audit``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
EXCEPTION = re.compile(r"(\S+)\s+(\d{4}-\d\d-\d\d)\s+(\S.*)")


def exceptions() -> list[str]:
    """Return the ids of weaknesses that were looked at and do not concern this product.

    Raises:
        ValueError: a line has no id, or not until when and why.
    """
    found = []
    for line in (HERE / "audit-exceptions.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            match = EXCEPTION.fullmatch(line)
            if match is None:
                raise ValueError(f"{line!r}: write an id, a date until when it is looked at again, and why.")
            found.append(match[1])
    return found


def main() -> None:
    """Exit with 1 where there is a weakness that nobody made an exception of."""
    ignored = [word for each in exceptions() for word in ("--ignore-vuln", each)]
    command = ["pip-audit", "--disable-pip", "--require-hashes", "-r", str(HERE / "lock.txt"), *ignored]
    failed = subprocess.run(command).returncode
    npm = shutil.which("npm")
    if npm is not None:
        failed |= subprocess.run([npm, "audit", "--omit=dev"], cwd=HERE.parent / "dashboard" / "frontend").returncode
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
