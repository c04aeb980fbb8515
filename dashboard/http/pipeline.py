"""The one path that every API request takes: authentication, parsing, handler, answer or problem."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from types import UnionType
from typing import Any, Union, get_args, get_origin
from urllib.parse import unquote_to_bytes

from flask import Request, Response
from pydantic import BaseModel, TypeAdapter, ValidationError
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import HTTPException

from dashboard.actor import Actor, RequiredRole
from dashboard.errors import BadRequest, Forbidden, NoDatabase, Problem, TooLarge, Unavailable
from dashboard.http.auth import PUBLIC_ACTOR, authenticate, require_role
from dashboard.http.auth.origin import require_same_origin
from dashboard.http.body import check_names, read_json
from dashboard.http.bounds import drop_rest, read_body
from dashboard.http.routing import JSON_TYPE, LEAST_NUMBER, MOST_NUMBER, PROBLEM_TYPE, Reply, RequestContext, Route
from dashboard.read.relatives import within_sight, without_unseen
from dashboard.read.seen import seen_by
from dashboard.read.services import Services
from dashboard.wire.base import NoQuery
from dashboard.wire.filters import RunFilter, attribute_filter
from dashboard.wire.json import to_json
from otel_bridge.codec import Codec, mask_text
from otel_bridge.errors import OUTAGE, BridgeError, NotADbosDatabaseError, StoreMissingError
from otel_bridge.outages import Outages

log = logging.getLogger(__name__)


def _is_list(annotation: Any) -> bool:
    if get_origin(annotation) in (Union, UnionType):
        return any(_is_list(option) for option in get_args(annotation))
    return annotation in (list, tuple) or get_origin(annotation) in (list, tuple, set, frozenset)


@lru_cache(maxsize=256)
def query_fields(model: type[BaseModel]) -> dict[str, bool]:
    """Return a query model's parameter names -> whether it takes repeats."""
    return {(f.alias or name): _is_list(f.annotation) for name, f in model.model_fields.items()}


@lru_cache(maxsize=256)
def _adapter(type_: Any) -> TypeAdapter[Any]:
    return TypeAdapter(type_)


def _first_error(error: ValidationError) -> tuple[str, str]:
    """Return where and what of a validation error's first complaint."""
    first = error.errors(include_url=False, include_context=False)[0]
    message = first["msg"].removeprefix("Value error, ").rstrip(".")
    return ".".join(str(part) for part in first["loc"]), message[:1].lower() + message[1:]


def parse_query(args: MultiDict[str, str], model: type[BaseModel]) -> Any:
    """Return the query string as its model.

    Raises:
        BadRequest: an unknown or repeated parameter, or a malformed value; the detail names it.
    """
    known = query_fields(model)
    values: dict[str, Any] = {}
    for name, texts in args.lists():
        if any("\0" in text for text in (name, *texts)):
            raise BadRequest(f"Query parameter {name[:80]!r} holds a NUL character; no name does.", parameter=name[:80])
        if name not in known:
            takes = f"This route takes {', '.join(sorted(known))}." if known else "This route takes none."
            raise BadRequest(f"Unknown query parameter {name[:80]!r}. {takes}", parameter=name[:80])
        if not known[name] and len(texts) > 1:
            raise BadRequest(f"Query parameter {name!r} is given {len(texts)} times; give it once.", parameter=name)
        values[name] = texts if known[name] else texts[0]
    try:
        return model.model_validate(values)
    except ValidationError as error:
        name, what = _first_error(error)
        name = name.split(".")[0]
        shown = f" (got {str(values.get(name, ''))[:80]!r})" if name in values else ""
        raise BadRequest(f"Query parameter {name!r}: {what}{shown}.", parameter=name) from error


def check_encoding(request: Request, path_values: Mapping[str, Any]) -> None:
    """Refuse a URL whose texts no database could hold: what is not UTF-8 (a lone surrogate is not), or has a NUL.

    Flask puts a sign in place of what it cannot decode, so that another text would be looked for than was asked for.

    Raises:
        BadRequest: there is one; the detail names it.
    """
    for part in request.query_string.split(b"&"):
        name, _, value = part.partition(b"=")
        try:
            unquote_to_bytes(name).decode()
            unquote_to_bytes(value).decode()
        except UnicodeDecodeError as error:
            shown = unquote_to_bytes(name).decode(errors="replace")[:80]
            raise BadRequest(f"Query parameter {shown!r} is not UTF-8.", parameter=shown) from error
    for key, text in path_values.items():
        if isinstance(text, str) and "\0" in text:
            raise BadRequest(f"The path's {key} holds a NUL character; no name does.", parameter=key)


def check_numbers(path_values: Mapping[str, Any]) -> None:
    """Refuse a number in a path that no step of the engine's has: databases would fail on some of them.

    Raises:
        BadRequest: there is one; the detail names it.
    """
    for key, number in path_values.items():
        if isinstance(number, int) and not LEAST_NUMBER <= number <= MOST_NUMBER:
            raise BadRequest(
                f"The path's {key} is out of range: it is a number from {LEAST_NUMBER} to {MOST_NUMBER}.", parameter=key
            )


def parse_body(request: Request, route: Route, *, max_bytes: int) -> Any:
    """Return the JSON body as the route's type.

    Raises:
        BadRequest: not JSON, the wrong content type, or not of the declared shape.
        TooLarge: larger than ``max_bytes``.
    """
    raw = read_body(request, max_bytes)
    if not raw:
        if route.body_required:
            raise BadRequest("A JSON body is required, and the request has none.")
        if not (isinstance(route.body, type) and issubclass(route.body, BaseModel)):
            return None
        raw = b"{}"  # what is left out has its default, or is named as missing
    elif request.mimetype != JSON_TYPE and not request.mimetype.endswith("+json"):
        raise BadRequest(f"Send the body as {JSON_TYPE}; this one says {request.mimetype[:80] or 'nothing'!r}.")
    value = read_json(raw, unique_names=route.body is not Any)
    if route.body is Any:
        return value
    try:
        body = _adapter(route.body).validate_python(value)
    except ValidationError as error:
        where, what = _first_error(error)
        raise BadRequest(f"Body, at {where[:200] or 'the top'}: {what[:500]}.") from error
    check_names(body)
    return body


def problem_of(error: Exception, outages: Outages) -> Problem | None:
    """Return the problem that an error is to a client; None for one that nobody expected.

    Args:
        outages: a database that is away is logged, once, beside being told to everybody who asks.
    """
    if isinstance(error, Problem):
        return error
    if isinstance(error, OUTAGE) and outages.is_new(error):
        log.warning("Requests are refused: %s", error)
    if isinstance(error, (StoreMissingError, NotADbosDatabaseError)):
        return NoDatabase(str(error))
    if isinstance(error, BridgeError):
        return Unavailable(str(error))
    if not isinstance(error, HTTPException):
        return None
    if error.code == 413:
        return TooLarge("The body is larger than accepted.")
    problem = Problem(error.description or error.name)
    problem.status, problem.title = error.code or 500, error.name  # type: ignore[misc]
    return problem


def problem_response(problem: Problem) -> Response:
    """Return a problem as its RFC 9457 answer."""
    document = {
        "type": "about:blank",
        "title": problem.title,
        "status": problem.status,
        "detail": problem.detail,
        **problem.extra,
    }
    response = Response(to_json(document), status=problem.status, mimetype=PROBLEM_TYPE)
    if problem.retry_after_s is not None:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    return response


def header_text(text: str) -> str:
    """Return text as a header can hold it: a name that was stored may hold a line's end, or what is not ASCII.

    >>> header_text("py_pickle"), header_text("a\\r\\nSet-Cookie: x")
    ('py_pickle', 'a\\\\r\\\\nSet-Cookie: x')
    """
    return text if text.isascii() and text.isprintable() else text.encode("unicode_escape").decode()


def answer(result: Any, *, hides_tokens: bool = False) -> Response:
    """Turn what a handler returned into a response.

    Args:
        hides_tokens: the caller may see no webhook token, in a payload, a name or a key.
    """
    if isinstance(result, Response):
        return result
    reply = result if isinstance(result, Reply) else Reply(result)
    text = to_json(reply.body)
    response = Response(mask_text(text) if hides_tokens else text, status=reply.status, mimetype=JSON_TYPE)
    response.headers.extend({name: header_text(value) for name, value in reply.headers.items()})
    return response


def admit(request: Request, services: Services, role: RequiredRole, *, writes: bool) -> Actor:
    """Check who asks and from where.

    Raises:
        Unauthorized, Forbidden: see ``dashboard.http.auth``.
    """
    if role == "public":
        return PUBLIC_ACTOR
    actor = authenticate(request, services.settings.auth)
    try:
        if writes:
            require_same_origin(request, services.settings.allowed_origins)
        require_role(actor, role)
    except Problem:
        drop_rest(request)
        raise
    return actor


def refuse_hidden(query: BaseModel, codec: Codec) -> None:
    """Refuse a filter that asks about what is hidden: its matches would tell the value, one comparison at a time.

    Raises:
        Forbidden: it names a hidden attribute.
    """
    if not isinstance(query, RunFilter):
        return
    asked = [*(attribute_filter(given).key for given in query.attr), *(["tags"] if query.tag else [])]
    hidden = next((key for key in asked if codec.hides(key)), None)
    if hidden is not None:
        raise Forbidden(f"Attribute {hidden[:100]!r} is redacted here, so it cannot be filtered by.")


def invoke(
    route: Route, request: Request, services: Services, base: str, path_values: Mapping[str, Any]
) -> tuple[RequestContext, Any]:
    """Admit, parse, and call a route's handler; return its context and what it returned."""
    writes = route.method not in ("GET", "HEAD")
    actor = admit(request, services, route.role, writes=writes)
    context = RequestContext(
        services=seen_by(services, None if actor is PUBLIC_ACTOR else actor),
        actor=actor,
        base=base,
        origin=request.host_url.rstrip("/"),
        request=request,
    )
    try:
        return context, _called(route, context, path_values)
    finally:
        # Not of just anybody: who has no name could hold a thread with a body that comes slowly.
        if actor is not PUBLIC_ACTOR:
            drop_rest(request)


def _called(route: Route, context: RequestContext, path_values: Mapping[str, Any]) -> Any:
    request, services = context.request, context.services
    check_encoding(request, path_values)
    check_numbers(path_values)
    keywords: dict[str, Any] = dict(path_values)
    query = parse_query(request.args, route.query)
    refuse_hidden(query, services.settings.codec)
    if route.query is not NoQuery:
        keywords["query"] = within_sight(services, query)
    if route.has_body:
        keywords["body"] = parse_body(request, route, max_bytes=services.settings.max_body_bytes)
    result = route.handler(context, **keywords)
    if isinstance(result, Reply):
        return replace(result, body=without_unseen(services, result.body))
    return without_unseen(services, result)
