"""API tokens. The secret itself is never here: only a hash, by which it is looked up."""

from __future__ import annotations

import json

from otel_bridge.ledger.encoding import to_json
from otel_bridge.ledger.records import Token
from otel_bridge.ledger.tables.core import Row, Tables

_COLUMNS = "id, name, role, scopes, created_by, created_at_ms, expires_at_ms, last_used_at_ms, revoked_at_ms"
ADD = f"""
    INSERT INTO {{t}}tokens ({_COLUMNS}, hash)
    VALUES (:id, :name, :role, :scopes, :created_by, {{now}}, :expires_at_ms, NULL, NULL, :hash)
    RETURNING {_COLUMNS}
"""
# Asked with every request: by the unique index on the hash.
BY_HASH = f"SELECT {_COLUMNS} FROM {{t}}tokens WHERE hash = :hash"
ALL = f"SELECT {_COLUMNS} FROM {{t}}tokens ORDER BY created_at_ms, id"
REVOKE = """
    UPDATE {t}tokens SET revoked_at_ms = {now} WHERE id = :id AND revoked_at_ms IS NULL RETURNING 1
"""
# Written at most once a minute, however many requests come.
NOTE_USE = """
    UPDATE {t}tokens SET last_used_at_ms = {now}
    WHERE id = :id AND (last_used_at_ms IS NULL OR last_used_at_ms < {now} - 60000)
"""


class Tokens(Tables):
    """Make, find, revoke."""

    def add_token(self, token: Token, *, secret_hash: bytes) -> Token:
        """Keep a new token; return it with the time at which it was made.

        Args:
            secret_hash: of the secret, which only the user has: long and random, so SHA-256 is enough.

        Example::

            secret = secrets.token_urlsafe(32)
            token = Token(id=secrets.token_hex(8), name="ci", role="viewer", created_by="ada")
            ledger.add_token(token, secret_hash=hashlib.sha256(secret.encode()).digest())
        """
        rows = self._write(
            ADD,
            id=token.id,
            name=token.name,
            role=token.role,
            scopes=to_json(token.scopes),
            created_by=token.created_by,
            expires_at_ms=token.expires_at_ms,
            hash=secret_hash,
        )
        return _token(rows[0])

    def token_of(self, secret_hash: bytes) -> Token | None:
        """Return the token whose secret has this hash, be it revoked or expired: see ``Token.is_good``."""
        return next(self._decoded("tokens", self._read(BY_HASH, hash=secret_hash), _token), None)

    def tokens(self) -> list[Token]:
        """Return every token, oldest first, revoked ones included."""
        return list(self._decoded("tokens", self._read(ALL), _token))

    def revoke_token(self, token_id: str) -> bool:
        """Make a token worthless; False if there is no such token, or it is revoked already."""
        return bool(self._write(REVOKE, id=token_id))

    def note_token_use(self, token: Token) -> None:
        """Note that a token was used, to the minute."""
        self._write(NOTE_USE, id=token.id)


def _token(row: Row) -> Token:
    token_id, name, role, scopes, created_by, created, expires, used, revoked = row
    return Token(
        id=token_id,
        name=name,
        role=role,
        scopes=tuple(json.loads(scopes)),
        created_by=created_by,
        created_at_ms=created,
        expires_at_ms=expires,
        last_used_at_ms=used,
        revoked_at_ms=revoked,
    )
