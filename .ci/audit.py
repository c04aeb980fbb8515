"""Known weaknesses in what the lock names, and in the page's build, less documented exceptions: ``tox -e audit``."""

from __future__ import annotations

import json
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


def npm_verdict(exit_code: int, told: str) -> str | None:
    """Return what is wrong by ``npm audit --json``; None where nothing is. Pure.

    A registry that knows no advisories, as many mirrors, is not a weakness: it is said, and passes.
    """
    try:
        document = json.loads(told)
    except ValueError:
        document = {}
    if "vulnerabilities" not in document:
        print("audit: the npm registry answers no question about weaknesses; the page's packages were not audited.")
        return None
    return None if exit_code == 0 else f"npm audit: {', '.join(sorted(document['vulnerabilities']))}"


def main() -> None:
    """Exit with 1 where there is a weakness that nobody made an exception of."""
    ignored = [word for each in exceptions() for word in ("--ignore-vuln", each)]
    command = ["pip-audit", "--disable-pip", "--require-hashes", "-r", str(HERE / "lock.txt"), *ignored]
    wrong = [] if subprocess.run(command).returncode == 0 else ["pip-audit: see above"]
    npm = shutil.which("npm")
    if npm is not None:
        page = HERE.parent / "dashboard" / "frontend"
        told = subprocess.run([npm, "audit", "--omit=dev", "--json"], cwd=page, capture_output=True, text=True)
        wrong += [each for each in [npm_verdict(told.returncode, told.stdout)] if each is not None]
    sys.exit("; ".join(wrong) or 0)


if __name__ == "__main__":
    main()
