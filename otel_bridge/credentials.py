"""Keeps credentials out of everything that is said: errors, logs, findings, health. Pure; touches nothing.

Two lines of defence. Where a text is malformed, what is said names its kind and never repeats it. And whatever a
driver, a library or a server says passes ``without`` on its way out, because each of them repeats what it was given:
libpq the port that it took from a password with a slash in it, ``requests`` the header that it cannot send, a
collector the key that it does not know.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote, unquote_plus

MASK = "***"
MIN_PART_CHARS = 3
"""A part of a secret shorter than this is hidden only where it stands alone: it would be found in any sentence."""

_SCHEME = re.compile(r"\A\s*[A-Za-z][A-Za-z0-9+.-]*:/+")
_NAMED = re.compile(
    r"""(?<![\w.-])
    (?P<name>[\w.-]*(?:passw|passphrase|pwd|secret|token|api[_-]?key|credential)[\w.-]*)
    \s*=\s*
    (?P<value>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|(?:[^\s&;,\\]|\\.)*)""",
    re.IGNORECASE | re.VERBOSE,
)
_DSN_KEYWORD = re.compile(r"(?:\A|\s)(?:host|hostaddr|port|dbname|user|password|passfile|service|sslmode)\s*=")
_BEFORE_AT = re.compile(r"\A(?![A-Za-z]:\\)[^\\]*:.*@", re.DOTALL)
_PARTS = re.compile(r"[@:/?#&=%,;\s\[\]]+")


def secrets_of(text: str | None, *, user_is_secret: bool = False) -> frozenset[str]:
    """Return what of a configured URL or DSN nobody may see, however malformed it is.

    In doubt that is too much rather than too little.

    Args:
        text: a URL, a key-value string of libpq's, or what was meant as one.
        user_is_secret: the name before the password too, as in a collector's URL, where it is often the API key.

    >>> sorted(secrets_of("postgresql://ada:pa%40ss@db/app?sslpassword=key"))
    ['key', 'pa%40ss']
    """
    if not text:
        return frozenset()
    found = {match["value"] for match in _NAMED.finditer(text)}
    found |= {re.sub(r"\\(.)", r"\1", value.strip("'\"")) for value in found}
    rest = _SCHEME.sub("", text)
    ats = [match.start() for match in re.finditer("@", rest)]
    # Which "@" ends the password cannot be known where there are several, or a slash before it.
    for at in ats:
        user, colon, password = rest[:at].partition(":")
        found.add(password if colon else "")
        if user_is_secret:
            found |= {user, rest[:at]}
    if ats and re.search(r"[@/?#\s]", rest[: ats[-1]]):
        found |= {part for part in _PARTS.split(rest[: ats[-1]].partition(":")[2]) if len(part) >= MIN_PART_CHARS}
    return frozenset(found - {""})


def without(message: str, secrets: Iterable[str]) -> str:
    """Return a message with each secret masked: as it is, percent-decoded, percent-encoded, or quoted.

    >>> without('invalid integer value "hunter2" for "port"', ["hunter2"])
    'invalid integer value "***" for "port"'
    """
    for form in sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True):
        if len(form) < MIN_PART_CHARS:
            message = re.sub(rf"(?<!\w){re.escape(form)}(?!\w)", MASK, message)
        else:
            message = message.replace(form, MASK)
    return message


def _forms(secret: str) -> set[str]:
    texts = {secret, secret.strip(), unquote(secret), unquote_plus(secret)}
    texts |= {text.strip() for text in texts}
    encoded = {encode(text) for text in texts for encode in (quote, quote_plus, lambda text: quote(text, safe=""))}
    quoted = {form for text in texts for form in (repr(text)[1:-1], json.dumps(text)[1:-1], ascii(text)[1:-1])}
    return {form for form in texts | encoded | quoted if form.strip()}


def public_url(url: str) -> str:
    """Return a URL for people: without user, password, query and fragment; only its kind where it is malformed.

    >>> public_url("https://key:secret@collector.example:4318/v1/traces?token=x")
    'https://collector.example:4318/v1/traces'
    """
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", url)
    kind, rest = (scheme[0], url[scheme.end() :]) if scheme else ("", url)
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    if (
        "@" in path
        or not re.fullmatch(r"(\[[0-9A-Fa-f:.%]+\]|[\w.-]*)(:\d{1,5})?", host)
        or "@" in url[len(kind + rest) :]
    ):
        return f"{kind}…"
    return f"{kind}{host}{slash}{path}"


def without_userinfo(url: str) -> str:
    """Return a well-formed URL without user and password; its query stays.

    >>> without_userinfo("https://ada:hunter2@ops.example/durable?status=failed")
    'https://ops.example/durable?status=failed'
    """
    return re.sub(r"(?<=://)[^/?#]*@", "", url)


def is_dsn(text: str) -> bool:
    """Say whether a text that is not a URL of a kind we know looks like a database's address with credentials in it.

    Such a text must not be taken for a file's name: that name would be said, and a ledger's file would be made.

    >>> is_dsn("ada:hunter2@db/app"), is_dsn("host=db password=hunter2"), is_dsn("/var/lib/app.sqlite")
    (True, True, False)
    """
    return bool(_DSN_KEYWORD.search(text) or _NAMED.search(text) or _BEFORE_AT.match(text))
