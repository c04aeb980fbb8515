"""Who counts as being on this machine, and who as nobody: tables of requests, without a server or a database."""

from __future__ import annotations

import pytest
from flask import Request, Response
from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

from dashboard.actor import Actor
from dashboard.errors import Forbidden, Unauthorized
from dashboard.http.auth import (
    FORWARDED,
    FORWARDED_FOR,
    LoginAnswer,
    authenticate,
    forwarded_for,
    is_admitted,
    is_loopback_address,
    is_loopback_host,
    loopback_only,
    require_role,
)


def request_of(host: str = "localhost", address: str = "127.0.0.1", **headers: str) -> Request:
    """A request as a server hands it on."""
    names = [(name.replace("_", "-"), value) for name, value in headers.items()]
    builder = EnvironBuilder(headers=Headers([("Host", host), *names]), environ_base={"REMOTE_ADDR": address})
    return Request(builder.get_environ())


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("LOCALHOST:8000", True),
        ("localhost.", True),
        ("app.localhost:5000", True),
        ("127.0.0.1:1", True),
        ("[::1]:8000", True),
        ("evil-localhost", False),
        ("evillocalhost:8000", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_a_host_names_this_machine_or_another(host: str, ours: bool) -> None:
    """A name that only ends like ours is anybody's to register."""
    assert is_loopback_host(host) is ours


@pytest.mark.parametrize(
    ("address", "ours"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("::1%lo", True),
        ("::ffff:127.0.0.1", True),
        ("<local>", True),
        ("", True),
        (None, True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("localhost.evil.example", False),
    ],
)
def test_an_address_is_this_machines_or_anothers(address: str | None, ours: bool) -> None:
    """A Unix socket has none."""
    assert is_loopback_address(address) is ours


@pytest.mark.parametrize("header", FORWARDED)
def test_what_only_a_proxy_sends_says_that_somebody_else_asks(header: str) -> None:
    """The client is whoever the proxy serves."""
    with pytest.raises(Forbidden, match=f"the header {header} says"):
        loopback_only(request_of(**{header.replace("-", "_"): "x"}))


@pytest.mark.parametrize("header", [*FORWARDED_FOR, "Forwarded"])
def test_a_client_whom_a_proxy_names_has_to_be_this_machine(header: str) -> None:
    """Whichever header names it."""
    said = 'for="[2001:db8::1]";proto=https' if header == "Forwarded" else "127.0.0.1, 203.0.113.7"
    with pytest.raises(Forbidden, match=r"a proxy says that (2001:db8::1|203\.0\.113\.7) asks"):
        loopback_only(request_of(**{header.replace("-", "_"): said}))


def test_clients_are_named_without_brackets_quotes_and_blanks() -> None:
    """Empty names are nobody."""
    request = request_of(X_Forwarded_For=" 10.0.0.1 ,, 127.0.0.1", Forwarded='for="[::1]", FOR=10.0.0.2;by=x')
    assert forwarded_for(request) == ["10.0.0.1", "127.0.0.1", "::1", "10.0.0.2"]


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (request_of(address="10.0.0.1"), "10.0.0.1 is not"),
        (request_of(host="evil-localhost"), "names 'evil-localhost'"),
    ],
)
def test_without_a_hook_others_are_refused_in_words(request_: Request, why: str) -> None:
    """And are not admitted to routes that also serve nobody."""
    with pytest.raises(Forbidden, match=why):
        authenticate(request_, None)
    assert is_admitted(request_, None) is False


def test_this_machine_is_an_operator() -> None:
    """Also through a proxy of its own that names it."""
    for request in (request_of(), request_of(X_Forwarded_For="127.0.0.1")):
        assert authenticate(request, None) == Actor("local", "operator")
        assert is_admitted(request, None) is True


@pytest.mark.parametrize(
    ("found", "actor"),
    [("viewer", Actor("viewer", "viewer")), ("operator", Actor("operator", "operator")), (Actor("ann", "viewer"),) * 2],
)
def test_a_hook_names_an_actor_or_a_role(found: object, actor: Actor) -> None:
    """A role is its own name."""
    assert authenticate(request_of(), lambda request: found) == actor  # type: ignore[arg-type, return-value]


def test_a_hook_that_knows_nobody_or_answers_nonsense_admits_nobody() -> None:
    """Nobody is 401; nonsense is the host's fault and is said."""
    with pytest.raises(Unauthorized):
        authenticate(request_of(), lambda request: None)
    assert is_admitted(request_of(), lambda request: None) is False
    with pytest.raises(TypeError, match="auth returned 'root'"):
        authenticate(request_of(), lambda request: "root")


def test_a_role_covers_itself_and_what_is_below() -> None:
    """A viewer may look."""
    require_role(Actor("ann", "operator"), "viewer")
    require_role(Actor("ann", "viewer"), "viewer")
    with pytest.raises(Forbidden, match="ann is a viewer; this needs the role operator"):
        require_role(Actor("ann", "viewer"), "operator")


def test_a_hook_may_answer_the_page_itself() -> None:
    """As with a redirect to a login; who asks is nobody so far."""
    login = Response(status=302)
    with pytest.raises(LoginAnswer) as caught:
        authenticate(request_of(), lambda request: login)
    assert caught.value.response is login
    assert is_admitted(request_of(), lambda request: login) is False
