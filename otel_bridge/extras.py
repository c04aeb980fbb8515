"""What the extras of this distribution bring, and the error for one that is not installed. Pure.

``pyproject.toml`` declares the same extras; a test compares the two.
"""

from __future__ import annotations

from otel_bridge.errors import ConfigurationError

DISTRIBUTION = "durable-dashboard"
EXTRAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "client": ("the durable command and DurableClient need", ("httpx", "httpx_sse")),
    "asgi": ("an ASGI application needs", ("a2wsgi",)),
    "alerts": ("sending alerts needs", ("apprise",)),
    "mcp": ("durable mcp needs", ("mcp",)),
    "serve": ("a production web server needs", ("gunicorn", "waitress")),
    "parquet": ("a Parquet file needs", ("pyarrow",)),
    "postgres": ("a Postgres database needs", ("psycopg", "psycopg_pool")),
}
"""Extra -> what needs it, as the beginning of a clause, and the modules that it brings."""


class MissingExtraError(ConfigurationError, ImportError):
    """A package that an extra brings is not installed.

    Args:
        need: what needs it: ``a Postgres database needs``.
        package: the module that could not be imported.
        install: the command that installs it.
    """

    def __init__(self, need: str, package: str, install: str) -> None:
        self.package, self.install = package, install
        self.need = need
        super().__init__(f"{package} is not installed, and {need} it. Install it: {install}")

    def within(self, extra: str) -> MissingExtraError:
        """Return the same, with an extra that brings more: one command installs all that is needed."""
        return MissingExtraError(self.need, self.package, install_command(extra))


def install_command(extra: str) -> str:
    """Return what installs an extra.

    >>> install_command("client")
    "pip install 'durable-dashboard[client]'"
    """
    return f"pip install '{DISTRIBUTION}[{extra}]'"


def missing_extra(error: ImportError, *, package: str | None = None) -> MissingExtraError | None:
    """Return the error to raise instead of an ``ImportError``; None when no extra of ours brings the module.

    Args:
        package: the module that was wanted, where the error does not name it (psycopg without its C library does not).

    Example::

        try:
            import httpx
        except ImportError as error:
            raise missing_extra(error) or error from error
    """
    module = (error.name or package or "").partition(".")[0]
    for extra, (need, modules) in EXTRAS.items():
        if module in modules:
            return MissingExtraError(need, module, install_command(extra))
    return None
