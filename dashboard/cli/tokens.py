"""``durable token create|list|revoke``: bearer tokens for programs, kept in a system database's ledger.

Anyone who can write to the database can make tokens; a token itself cannot. See ``dashboard.http.auth.tokens``.
"""

from __future__ import annotations

import functools
import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, cast

import click

from dashboard.actor import SCOPES, Role
from dashboard.cli.session import BAD_USAGE, NOT_FOUND, SCHEMA, UNREACHABLE, fail, now, width
from dashboard.cli.text import plain, since, table
from dashboard.wire.base import iso
from otel_bridge.errors import BridgeError, ConfigurationError

if TYPE_CHECKING:
    from otel_bridge.ledger.base import Ledger, Token

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_PLACE = (
    click.option(
        "--system-database-url",
        metavar="URL",
        envvar="DBOS_SYSTEM_DATABASE_URL",
        show_envvar=True,
        required=True,
        help="The engine's database; the ledger is beside it.",
    ),
    SCHEMA,
    click.option("--ledger", metavar="URL", envvar="DURABLE_LEDGER", show_envvar=True, help="Where it is elsewhere."),
    click.option("--ledger-schema", envvar="DURABLE_LEDGER_SCHEMA", show_envvar=True, help="On Postgres."),
)


@contextmanager
def ledger_of(url: str, schema: str, ledger: str | None, ledger_schema: str | None) -> Iterator[Ledger]:
    """Lend the ledger that a dashboard over this database uses."""
    from otel_bridge.ledger import open_ledger
    from otel_bridge.store import open_store

    with_url = ledger
    if with_url is None:
        store = open_store(url, schema=schema)
        with_url = store.url
        store.close()
    opened = open_ledger(
        with_url,
        schema=ledger_schema,
        engine_schema=schema,
        namespace=os.environ.get("DURABLE_NAMESPACE", ""),
    )
    try:
        yield opened
    finally:
        opened.close()


def on_ledger(function: Callable[..., None]) -> Callable[..., None]:
    """Give a command the ledger, and the options that say where it is."""

    @functools.wraps(function)
    def command(
        *,
        system_database_url: str,
        schema: str,
        ledger: str | None,
        ledger_schema: str | None,
        **options: object,
    ) -> None:
        try:
            with ledger_of(system_database_url, schema, ledger, ledger_schema) as opened:
                function(opened, **options)
        except ConfigurationError as error:
            fail(str(error), BAD_USAGE)
        except BridgeError as error:
            fail(str(error), UNREACHABLE)

    decorated: Callable[..., None] = command
    for option in reversed(_PLACE):
        decorated = option(decorated)
    return decorated


@click.group()
def token() -> None:
    """Bearer tokens for programs: make, list, revoke."""


@token.command()
@click.argument("name")
@click.option("--role", type=click.Choice(["viewer", "operator"]), default="viewer", show_default=True)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(sorted(SCOPES)),
    metavar="ACTION",
    help="Limit it to these actions; may be given more than once. Without, all that its role may.",
)
@click.option("--expires-in", metavar="30d", help="How long it is good: a number and s, m, h, d or w.")
@on_ledger
def create(ledger: Ledger, *, name: str, role: str, scopes: tuple[str, ...], expires_in: str | None) -> None:
    """Make a token and print it, once: only its hash is kept."""
    from dashboard.cli.database import user_name
    from dashboard.http.auth.tokens import make_token

    expires_at_ms = None if expires_in is None else expiry_ms(expires_in, int(time.time() * 1000))
    try:
        made, secret = make_token(
            ledger,
            name,
            role=cast(Role, role),
            scopes=scopes,
            expires_at_ms=expires_at_ms,
            created_by=user_name(),
        )
    except ValueError as error:
        fail(str(error), BAD_USAGE)
    click.echo(secret)
    until = "" if expires_at_ms is None else f", good until {iso(expires_at_ms)}"
    click.echo(f"Token {made.id}, {role}{until}. It is not shown again: keep it as you keep a password.", err=True)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@on_ledger
def list_(ledger: Ledger, *, as_json: bool) -> None:
    """List every token, without its secret."""
    found = ledger.tokens()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found], indent=2))
        return
    click.echo(tokens_table(found, int(time.time() * 1000)) if found else "There are no tokens.")


@token.command()
@click.argument("token_id", metavar="ID")
@on_ledger
def revoke(ledger: Ledger, *, token_id: str) -> None:
    """Make a token worthless, at once and for good."""
    if not ledger.revoke_token(token_id):
        fail(f"No valid token {token_id[:100]!r}. See durable token list.", NOT_FOUND)
    click.echo(f"Token {token_id} is revoked.")


def tokens_table(found: list[Token], now_ms: int) -> str:
    """Return tokens, one a line."""
    rows = [
        [
            one.id,
            plain(one.name),
            one.role,
            " ".join(one.scopes) or "all",
            since(iso(one.created_at_ms), now()),
            "never" if one.expires_at_ms is None else iso(one.expires_at_ms) or "",
            since(iso(one.last_used_at_ms), now()) if one.last_used_at_ms is not None else "never",
            "good" if one.is_good(now_ms) else "revoked" if one.revoked_at_ms is not None else "expired",
        ]
        for one in found
    ]
    return table(["ID", "NAME", "ROLE", "MAY", "CREATED", "EXPIRES", "USED", "STATE"], rows, width=width())


def expiry_ms(text: str, now_ms: int) -> int:
    """Return when something ends that lasts so long from now. Pure, but for its error.

    >>> expiry_ms("1h", 0)
    3600000

    Raises:
        BadParameter: it is no such time.
    """
    match = re.fullmatch(r"(\d{1,6})([smhdw])", text.strip())
    if match is None or int(match[1]) == 0:
        raise click.BadParameter(f"{text!r} is not a length of time. Write 12h, 30d or 8w.", param_hint="--expires-in")
    return now_ms + int(match[1]) * _UNITS_S[match[2]] * 1000
