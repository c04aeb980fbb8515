"""Which pages may act here: tables of origins, without a server."""

from __future__ import annotations

import pytest
from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from dashboard.errors import Forbidden
from dashboard.http.auth.origin import Origin, allowed_origins_of, is_own, parse_origin, require_same_origin, share_with

OPS: Origin = ("https", "ops.example.com", 443)


def request_of(method: str = "POST", **headers: str) -> Request:
    """A request to http://dash.example.com:8000."""
    names = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Request(
        EnvironBuilder(method=method, base_url="http://dash.example.com:8000", headers=Headers(names)).get_environ()
    )


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://Ops.example.com", OPS),
        ("https://ops.example.com:443", OPS),
        ("http://ops.example.com", ("http", "ops.example.com", 80)),
        ("http://localhost:8000", ("http", "localhost", 8000)),
        ("http://localhost:0", ("http", "localhost", 0)),
        ("null", None),
        ("*", None),
        ("ftp://ops.example.com", None),
        ("https://", None),
        ("https://ops.example.com/", None),
        ("https://ops.example.com?x", None),
        ("https://ops.example.com#x", None),
        ("https://ann@ops.example.com", None),
        ("https://ops.example.com:99999", None),
        ("", None),
    ],
)
def test_an_origin_is_scheme_host_and_port(text: str, origin: Origin | None) -> None:
    """Nothing more, and nothing less."""
    assert parse_origin(text) == origin


def test_an_allow_list_takes_origins_alone() -> None:
    """A wildcard would let every page in; a password is not repeated."""
    assert allowed_origins_of(["https://ops.example.com"]) == {OPS}
    with pytest.raises(ValueError, match="An origin is scheme, host and port"):
        allowed_origins_of(["https://ops.example.com", "*"])


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),  # curl, a client
        ({"Sec_Fetch_Site": "same-origin"}, True),
        ({"Sec_Fetch_Site": "none"}, True),  # typed by the user
        ({"Sec_Fetch_Site": "same-site"}, False),
        ({"Sec_Fetch_Site": "cross-site"}, False),
        ({"Origin": "http://dash.example.com:8000"}, True),
        ({"Origin": "http://dash.example.com:8000", "Sec_Fetch_Site": "cross-site"}, True),
        ({"Origin": "https://ops.example.com"}, True),
        ({"Origin": "https://dash.example.com:8000"}, False),
        ({"Origin": "http://dash.example.com"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "https://evil.example"}, False),
    ],
)
def test_a_request_is_this_sites_an_allowed_ones_or_refused(headers: dict[str, str], passes: bool) -> None:
    """The origin counts where there is one; else what the browser says of the site."""
    request = request_of(**headers)
    if passes:
        require_same_origin(request, {OPS})
    else:
        with pytest.raises(Forbidden, match=r"another (origin|site)"):
            require_same_origin(request, {OPS})


def test_no_origin_at_all_is_nobodys_own() -> None:
    """What cannot be read is not equal to what cannot be read."""
    assert is_own(request_of(), parse_origin("http://dash.example.com:8000"))
    assert not is_own(request_of(), None)


@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
def test_an_allowed_origin_may_read_the_answer(method: str) -> None:
    """A preflight says what it may send, too."""
    answer = share_with(request_of(method, Origin="https://ops.example.com"), Response(), {OPS})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://ops.example.com"
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert ("Access-Control-Max-Age" in answer.headers) is (method == "OPTIONS")
    assert "Origin" in answer.vary


def test_to_other_origins_the_answer_stays_closed() -> None:
    """Where some are allowed, a cache is told that the answer depends on who asks; else nothing is said."""
    other = share_with(request_of(Origin="https://evil.example"), Response(), {OPS})
    assert "Access-Control-Allow-Origin" not in other.headers
    assert "Origin" in other.vary
    assert "Vary" not in share_with(request_of(Origin="https://ops.example.com"), Response(), ()).headers
