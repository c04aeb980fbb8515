"""Do what the Dockerfile says, step by step, where no container engine is: ``python .ci/container.py``.

The steps are read from ``examples/container/Dockerfile``: what it copies, installs and sets, as whom it runs, what says
that it is well. Both stages share one folder in place of the root, so ``/opt/durable`` is below it. ``FROM`` is this
Python, and the user a number without an account: ``useradd`` is the one step that is left out.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DOCKERFILE = ROOT / "examples" / "container" / "Dockerfile"
PATIENCE_S = 120.0


def steps(text: str) -> list[tuple[str, str]]:
    """Return the instructions of a Dockerfile and their arguments. Pure.

    >>> steps("# why\\nFROM x AS build\\nRUN a && \\\\\\n  b")
    [('FROM', 'x AS build'), ('RUN', 'a &&   b')]
    """
    lines = [line for line in text.replace("\\\n", "").splitlines() if line.strip() and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


class Build:
    """The image's root as a folder, and what was said of how it runs."""

    def __init__(self, place: Path) -> None:
        self.place, self.workdir, self.user = place, place, None
        programs = place / "usr"
        programs.mkdir()
        (programs / "python").symlink_to(sys.executable)  # as the image calls its own
        self.environ = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": "/tmp"}
        self.entrypoint: list[str] = []
        self.command: list[str] = []
        self.health: list[str] = []

    def inside(self, text: str) -> str:
        """Return a text with the image's paths below the folder."""
        return text.replace("/opt/", f"{self.place}/opt/").replace("/src", f"{self.place}/src")

    def do(self, word: str, rest: str) -> None:
        """Carry out one instruction."""
        if word == "WORKDIR":
            self.workdir = Path(self.inside(rest))
            self.workdir.mkdir(parents=True)
        elif word == "COPY" and rest.startswith("--from="):
            assert all(Path(self.inside(path)).is_dir() for path in rest.split()[1:])
        elif word == "COPY":
            ignored = (ROOT / ".dockerignore").read_text().replace("**/", "").split()
            skip = shutil.ignore_patterns(*ignored)
            shutil.copytree(ROOT, self.workdir, dirs_exist_ok=True, ignore=skip)
        elif word == "RUN" and not rest.startswith("useradd"):
            environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            subprocess.run(
                ["sh", "-c", self.inside(rest)], cwd=self.workdir, env={**environ, **self.environ}, check=True
            )
        elif word == "ENV":
            for setting in shlex.split(rest):
                name, _, value = setting.partition("=")
                self.environ[name] = self.inside(value).replace("$PATH", self.environ["PATH"])
        elif word == "USER":
            self.user = int(rest)
        elif word in ("ENTRYPOINT", "CMD"):
            setattr(self, "entrypoint" if word == "ENTRYPOINT" else "command", json.loads(rest))
        elif word == "HEALTHCHECK":
            self.health = json.loads(rest[rest.index("CMD ") + 4 :])

    def run(self, *words: str, **environ: str) -> subprocess.Popen[bytes]:
        """Start a program as the image would."""
        told = {**self.environ, **environ}
        program = shutil.which(words[0], path=told["PATH"])
        assert program is not None, words
        # A Python in root's home cannot be anybody else's.
        open_to_all = all(folder.stat().st_mode & 0o001 for folder in Path(sys.executable).resolve().parents)
        as_user = {"user": self.user, "group": self.user} if os.getuid() == 0 and self.user and open_to_all else {}
        return subprocess.Popen([program, *words[1:]], env=told, cwd="/", **as_user)  # type: ignore[call-overload]


def main() -> None:
    """Build, run the demo's database through the health check and the API, and stop."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        build = Build(Path(folder))
        for word, rest in steps(DOCKERFILE.read_text()):
            build.do(word, rest)
        built_s = time.monotonic() - began
        data = Path(folder) / "data"
        data.mkdir(mode=0o777)
        os.chmod(data, 0o777)
        settings = {
            "DBOS_SYSTEM_DATABASE_URL": os.environ.get("DBOS_SYSTEM_DATABASE_URL", f"sqlite:///{data}/none.sqlite"),
            "DURABLE_OPERATOR_TOKEN": "container-steps-token",
            "DURABLE_PORT": os.environ.get("DURABLE_PORT", "8123"),
        }
        server = build.run(*build.entrypoint, *build.command, **settings)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while build.run(*build.health, **settings).wait(30) != 0:
                if server.poll() is not None or time.monotonic() > deadline:
                    sys.exit(f"The health check never passed (exit code {server.poll()}).")
                time.sleep(0.5)
            healthy_s = time.monotonic() - began
            request = urllib.request.Request(
                f"http://127.0.0.1:{settings['DURABLE_PORT']}/durable/api/config",
                headers={"Authorization": f"Bearer {settings['DURABLE_OPERATOR_TOKEN']}"},
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                role = json.load(answer)["role"]
            owner = os.stat(f"/proc/{server.pid}").st_uid
            print(f"built after {built_s:.1f} s, healthy after {healthy_s:.1f} s, user {owner}, signed in as {role}")
        finally:
            server.terminate()
            print(f"stopped with {server.wait(30)}")


if __name__ == "__main__":
    main()
